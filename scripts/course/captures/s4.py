"""Choke, unchoke, tit for tat."""

from capture import (CHOKE, CHUNK_DATA, GET, HAVE_ALL, REJECT, UNCHOKE, Unanswered, fields, first, last, messages, ms,
                     seconds, sequence)

WINDOW = 20
EARNED = 3


def answers(path):
    all_of = messages(path)
    kind = lambda *kinds: [m for m in all_of if m.kind in kinds]  # noqa: E731
    chunks = kind(CHUNK_DATA)
    seeder = first(kind(HAVE_ALL), "HAVE_ALL").src
    of_seeder = [m for m in kind(CHOKE, UNCHOKE) if m.src == seeder]
    opening = [m for m in of_seeder if m.time == of_seeder[0].time]
    yield (f"{seeder}; to {', '.join(m.dst for m in opening)} in packets "
           f"{', '.join(str(m.number) for m in opening)}: four slots were free")
    rounds = sorted({m.time for m in of_seeder if m.kind == CHOKE})
    if len(rounds) < 3:
        raise Unanswered("the seeder chokes in fewer than three rounds")
    yield f"at {', '.join(seconds(time) for time in rounds)}: every {rounds[1] - rounds[0]:.0f} s"
    peers = sorted({m.dst for m in all_of} | {m.src for m in all_of})
    riders = [peer for peer in peers if peer not in {m.src for m in chunks}]
    if len(riders) != 1:
        raise Unanswered(f"{len(riders)} peers give nothing")
    rider = riders[0]
    got = {peer: sum(m.length for m in chunks if m.src == peer and m.dst == rider) for peer in peers}
    yield f"{rider}; it received {sum(got.values())} bytes, {got[seeder]} of them from the seeder"
    unchokes = [m for m in kind(UNCHOKE) if m.dst == rider and m.src != seeder]
    if not unchokes:
        raise Unanswered("no leecher tries the rider")
    yield (f"{len(unchokes)}, by {', '.join(sorted({m.src for m in unchokes}))}: each was a trial (optimistic "
           f"unchoke), since it had given them nothing")
    reject = first(kind(REJECT), "REJECT")
    get = last((m for m in kind(GET) if (m.src, m.dst) == (reject.dst, reject.src) and m.number < reject.number
                and (m.piece, m.offset) == (reject.piece, reject.offset)), "GET of the first REJECT")
    choke = last((m for m in kind(CHOKE) if (m.src, m.dst) == (reject.src, reject.dst) and m.number < reject.number),
                 "CHOKE of the first REJECT")
    noted = {row[0] for row in fields(path, "swarmlet.get_crossed_choke", "frame.number")}
    marked = str(get.number) in noted
    yield (f"packet {reject.number}, of the GET in packet {get.number}, because of the CHOKE in packet "
           f"{choke.number}; the GET left {ms(abs(get.time - choke.time))} "
           f"{'after the CHOKE, but before that had come' if marked else 'before the CHOKE'}; "
           f"{len(noted)} GETs have the note")
    if not marked and get.time > choke.time:
        raise Unanswered(f"packet {get.number} is a GET to somebody who chokes")
    me = "10.0.1.1"
    cut = last((m for m in kind(CHOKE) if m.src == me), f"CHOKE of {me}")
    came = arrivals(path, me, chunks)
    others = [peer for peer in peers if peer not in (me, seeder)]
    given = {peer: sum(m.length for m, time in came if m.src == peer and cut.time - WINDOW < time <= cut.time)
             for peer in others}
    ranked = sorted(given, key=lambda peer: (-given[peer], peer))
    yield (f"packet {cut.number} at {seconds(cut.time)}, to {cut.dst}; "
           + ", ".join(f"{peer}: {given[peer]}" for peer in ranked))
    served = {}
    for m in kind(CHOKE, UNCHOKE):
        if m.src == me and m.time <= cut.time:
            served[m.dst] = m.kind == UNCHOKE
    served = [peer for peer in ranked if served.get(peer)]
    since = {peer: min(time for m, time in came if m.src == peer) for peer in served if given[peer] > 0}
    rates = {peer: given[peer] / max(1, min(WINDOW, cut.time - time)) for peer, time in since.items()}
    best = sorted(rates, key=lambda peer: -rates[peer])[:EARNED]
    trial = [peer for peer in served if peer not in best]
    if not trial or not best:
        raise Unanswered(f"{me} serves nobody on trial, or nobody who gives")
    yield (f"{', '.join(served)}; for what they give "
           + ", ".join(f"{peer} ({rates[peer]:.0f} bytes a second)" for peer in best) + f"; on trial {', '.join(trial)}")
    sent, received = (sum(m.length for m in chunks if getattr(m, end) == me) for end in ("src", "dst"))
    yield f"{sent} sent, {received} received, {sent / received:.2f}"
    start = last((m for m in kind(UNCHOKE) if m.src == me and any(
        c.src == me and c.dst == m.dst and c.number > m.number for c in chunks)), f"trial of {me}")
    talk = [m for m in all_of if {m.src, m.dst} == {start.src, start.dst} and m.number >= start.number]
    end = first((m for m in talk if m.kind == CHUNK_DATA and m.src == me), "chunk of the trial")
    yield f"UNCHOKE to CHUNK_DATA:{sequence(m for m in talk if m.number <= end.number)}"


def arrivals(path, me, chunks):
    """Chunks for a peer, each with the time at which it was acknowledged."""
    rows = fields(path, f"tcp.analysis.acks_frame && ip.src=={me}", "frame.time_relative", "tcp.analysis.acks_frame")
    acks = {int(row[1]): round(float(row[0]), 6) for row in rows}
    return [(m, acks[m.number]) for m in chunks if m.dst == me and m.number in acks]

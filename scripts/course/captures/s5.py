"""Rarest first, HAVE, end game."""

from collections import Counter

from capture import (BITFIELD, CANCEL, CHUNK_DATA, GET, HAVE, HAVE_ALL, HELLO, INTERESTED, UNCHOKE, Unanswered,
                     fields, first, last, messages, ms, seconds, sequence, span)


def answers(path):
    all_of = messages(path)
    kind = lambda *kinds: [m for m in all_of if m.kind in kinds]  # noqa: E731
    gets, chunks, haves = kind(GET), kind(CHUNK_DATA), kind(HAVE)
    seeder = first(kind(HAVE_ALL), "HAVE_ALL").src
    moment = first((m for m in gets if m.dst == seeder), "GET to the seeder").time
    opening = [m for m in gets if m.dst == seeder and m.time == moment]
    at_first = {peer: [m.piece for m in opening if m.src == peer] for peer in sorted({m.src for m in opening})}
    yield (", ".join(f"{peer}: {' and '.join(map(str, pieces))}" for peer, pieces in at_first.items())
           + f"; {len({m.piece for m in opening})} different ones of {len(opening)}")
    have = first(haves, "HAVE")
    told = [m for m in haves if m.src == have.src and m.piece == have.piece and m.time == have.time]
    yield (f"packet {have.number}, piece {have.piece} by {have.src}, to {', '.join(m.dst for m in told)}; "
           f"the seeder is not told, because it has the piece")
    ask = first((m for m in gets if m.dst != seeder), "GET between leechers")
    heard = last((m for m in haves if (m.src, m.dst, m.piece) == (ask.dst, ask.src, ask.piece)
                  and m.number < ask.number), "HAVE before the first GET between leechers")
    between = [m for m in all_of if {m.src, m.dst} == {ask.src, ask.dst} and heard.number <= m.number <= ask.number
               and m.kind in (HAVE, INTERESTED, UNCHOKE, GET)]
    yield (f"packet {ask.number}, {ask.src} asks {ask.dst} for {span(ask)}, {ms(ask.time - heard.time)} after the HAVE in packet {heard.number}; "
           f"the messages:{sequence(between)}")
    late = last(kind(HELLO), "HELLO")
    bits = {row[0]: bin(int(row[1].replace(":", ""), 16)).count("1")
            for row in fields(path, f"swarmlet.type=={BITFIELD:#x} && ip.dst=={late.src}", "ip.src", "swarmlet.body")}
    if late.time == 0 or len(bits) < 2:
        raise Unanswered("nobody comes late, or nobody has anything by then")
    yield (f"{late.src} at {seconds(late.time)}; " + ", ".join(f"{peer}: {count}" for peer, count in sorted(bits.items()))
           + f"; {seeder} says HAVE_ALL")
    begun, order = set(), []
    for m in gets:
        if m.dst == seeder and m.piece not in begun:
            begun.add(m.piece)
            order.append(m)
    latest = order[-1]
    spread = {m.piece for m in haves if m.number < latest.number}
    yield (f"piece {latest.piece}, packet {latest.number} at {seconds(latest.time)} by {latest.src}; "
           f"HAVE had been said of {len(spread)} other pieces by then, of this one by nobody")
    if latest.piece in spread:
        raise Unanswered("the piece that is asked last of the seeder was there already")
    leechers = len({m.src for m in gets})
    pieces = len({m.piece for m in gets})
    yield (f"{len(haves)}; {leechers} leechers telling {leechers - 1} others of {pieces} pieces would be "
           f"{leechers * (leechers - 1) * pieces}: nobody is told of what it has")
    again, before = first(twice(all_of), "block that is asked twice")
    yield (f"packet {again.number} of {again.dst}, {span(again)}, by {again.src}; "
           f"packet {before.number} had asked {before.dst} for it and had no answer yet")
    cancels = kind(CANCEL)
    came = Counter((m.dst, m.piece, m.offset) for m in chunks)
    length = {(m.dst, m.piece, m.offset): m.length for m in chunks}
    copies = sum((count - 1) * length[key] for key, count in came.items())
    yield (f"{len(cancels)} CANCEL; {sum(count - 1 for count in came.values())} chunks, {copies} bytes, "
           f"went to somebody who had been sent them already")
    size = sum({(m.piece, m.offset): m.length for m in chunks}.values())
    given = sum(m.length for m in chunks if m.src == seeder)
    yield f"{given} bytes, {given / size:.2f} times the {size} of the content; a server alone sends {leechers} times"
    course = [m for m in all_of if m.piece == latest.piece and m.kind in (GET, HAVE) and m.number >= latest.number]
    yield f"its way, {len(course)} messages:{sequence(course)}"


def twice(all_of):
    """GETs for blocks of which the same peer asks another and has nothing yet, with that GET."""
    open_gets = {}
    for m in all_of:
        if m.kind == GET:
            for block in range(m.offset, m.offset + m.length, 16384):
                other = open_gets.get((m.src, m.piece, block))
                if other and other.dst != m.dst:
                    yield m, other
                open_gets[m.src, m.piece, block] = m
        elif m.kind == CHUNK_DATA:
            open_gets.pop((m.dst, m.piece, m.offset), None)

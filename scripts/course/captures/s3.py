"""Pipelining: requests under way, the round trip, and what comes of both."""

from capture import CHUNK_DATA, GET, INTERESTED, Unanswered, first, messages, ms, sequence

# Bursts over which the throughput is measured.
BURSTS = 9


def answers(path):
    all_of = messages(path)
    gets = [m for m in all_of if m.kind == GET]
    chunks = [m for m in all_of if m.kind == CHUNK_DATA]
    block = gets[0].length
    ahead = [m for m in gets if m.number < chunks[0].number]
    q = len(ahead)
    if any(m.length != block for m in gets) or len(chunks) != len(gets) or len(gets) <= BURSTS * q:
        raise Unanswered("requests are not all of one length, or too few")
    yield f"{q}, packets {ahead[0].number} to {ahead[-1].number}, {block} bytes each: {q * block} bytes under way"
    asked = first((m for m in all_of if m.kind == INTERESTED), "INTERESTED")
    rtt = gets[0].time - asked.time
    yield f"{ms(rtt)} (packets {asked.number} and {gets[0].number})"
    took = chunks[1].time - chunks[0].time
    rate = block / took
    yield f"{ms(took)} (packets {chunks[0].number} and {chunks[1].number}), {rate:.0f} bytes a second"
    again = gets[q]
    yield (f"packet {again.number}, {ms(again.time - gets[0].time)} after the first GET: "
           f"a round trip and one block on the link, {ms(rtt + took)}")
    under_way = [sum(1 for g in gets if g.number <= m.number) - sum(1 for c in chunks if c.time + took + rtt / 2
                 <= m.time + 1e-6) for m in gets]
    if max(under_way) != q:
        raise Unanswered(f"{max(under_way)} requests are under way at most, {q} at first")
    yield f"{q}: a GET goes out only when a chunk has come, so never more"
    idle = chunks[q].time - chunks[q - 1].time - took
    yield f"{ms(idle)} (packets {chunks[q - 1].number} and {chunks[q].number}, less {ms(took)})"
    count = BURSTS * q
    measured = block * count / (chunks[count].time - chunks[0].time)
    yield (f"{measured:.0f} bytes a second over {count} blocks (packets {chunks[0].number} and "
           f"{chunks[count].number}), {100 * measured / rate:.1f} % of the link")
    said = min(rate, q * block / (rtt + took))
    yield f"{said:.0f} bytes a second; measured is {100 * measured / said:.1f} % of it"
    full = -(-(rtt + took) * 1e6 // (took * 1e6))
    yield f"{full:.0f} blocks, {full * block:.0f} bytes: (RTT + B/C) / (B/C) = {(rtt + took) / took:.2f}, rounded up"
    yield f"one round trip:{sequence([*ahead, *chunks[:q], again])}"

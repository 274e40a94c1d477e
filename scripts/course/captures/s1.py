"""Framing and handshake: one seeder, one leecher."""

from capture import (CHUNK_DATA, GET, HELLO, INTERESTED, STATE, UNCHOKE, fields, first, last,
                     messages, ms, seconds, sequence, span)


def answers(path):
    all_of = messages(path)
    kind = lambda *kinds: [m for m in all_of if m.kind in kinds]  # noqa: E731
    syn = first(fields(path, "tcp.flags.syn==1 && tcp.flags.ack==0", "frame.number", "ip.src", "ip.dst"), "SYN")
    third = first(fields(path, "tcp.flags.syn==0 && tcp.len==0", "frame.number"), "ACK")
    hello, state = first(kind(HELLO), "HELLO"), first(kind(STATE), "STATE")
    yield (f"{syn[1]} calls, and {syn[2]} is called; the connection is there with packet {third[0]}, "
           f"the first message is in packet {hello.number}")
    yield (f"HELLO: {hello.payload} bytes = 4 of magic + 4 of length + {hello.size} that the length counts; "
           f"STATE: {state.payload} = 4 + 4 + {state.size}")
    port = first(fields(path, f"frame.number=={hello.number}", "swarmlet.port", "tcp.srcport"), "port")
    yield f"it listens on {port[0]}, and calls from port {port[1]}: answers to the call go there, other calls do not"
    asked = first(kind(INTERESTED), "INTERESTED")
    served, get = first(kind(UNCHOKE), "UNCHOKE"), first(kind(GET), "GET")
    yield (f"INTERESTED in packet {asked.number}, UNCHOKE in {served.number}, GET in {get.number}: "
           f"{ms(get.time - asked.time)}, one round trip")
    yield f"packet {get.number}: {span(get)}"
    chunks = [m for m in kind(CHUNK_DATA) if m.request == get.number]
    yield (f"{len(chunks)}, in packets {', '.join(str(m.number) for m in chunks)}: a chunk is at most 16 KiB here, "
           f"and is named by its own offset")
    chunk = first(chunks, "answer to the first GET")
    yield (f"{chunk.reassembled} segments; {4 + chunk.size - chunk.body_length} bytes are not content: 4 of length, "
           f"1 of type, {chunk.size - chunk.body_length - 1} of header")
    size = sum(m.length for m in kind(CHUNK_DATA))
    pieces = {m.piece for m in kind(CHUNK_DATA)}
    short = max(pieces)
    yield (f"{size} bytes in {len(pieces)} pieces; the last one, {short}, has "
           f"{sum(m.length for m in kind(CHUNK_DATA) if m.piece == short)}")
    end = last(kind(CHUNK_DATA), "CHUNK_DATA")
    over = size / (end.time - get.time)
    yield f"{seconds(end.time - get.time)} (packets {get.number} and {end.number}), {over:.0f} bytes a second"
    upto = [m for m in all_of if m.number <= chunk.number]
    yield f"{len(upto)} messages:{sequence(upto)}"

"""BitTorrent beside the native dialect."""

from collections import namedtuple

from capture import (CHUNK_DATA, GET, HELLO, STATE, Unanswered, fields, first, last, messages, seconds)

Said = namedtuple("Said", "number time src dst kind length piece begin size")
UNCHOKE, REQUEST, PIECE, CANCEL, REJECT, ALLOWED_FAST = 1, 6, 7, 8, 16, 17
BITTORRENT = ("frame.number", "frame.time_relative", "ip.src", "ip.dst", "bittorrent.msg.type",
              "bittorrent.msg.length", "bittorrent.piece.index", "bittorrent.piece.begin", "bittorrent.piece.length")
WORDS = {UNCHOKE: "Unchoke", REQUEST: "Request", PIECE: "Piece", CANCEL: "Cancel", REJECT: "Reject Request",
         ALLOWED_FAST: "Allowed Fast", 2: "Interested", 3: "Not Interested", 4: "Have"}


def said_in_bittorrent(path):
    for row in fields(path, "bittorrent.msg.type", *BITTORRENT):
        if "," in row[4]:
            raise SystemExit(f"packet {row[0]} has several messages, which the answers do not expect")
        yield Said(int(row[0]), round(float(row[1]), 6), row[2], row[3],
                   *(int(text, 0) if text else None for text in row[4:9]))


def answers(path):
    native, bt = messages(path), list(said_in_bittorrent(path))
    kind = lambda *kinds: [m for m in bt if m.kind in kinds]  # noqa: E731
    hello = first((m for m in native if m.kind == HELLO), "HELLO")
    state = first((m for m in native if m.kind == STATE), "STATE")
    shakes = fields(path, "bittorrent.protocol.name", "frame.number", "ip.src", "ip.dst", "tcp.len",
                    "bittorrent.reserved", "tcp.stream")
    seeder, ours = hello.dst, hello.src
    theirs = first((row[1] for row in shakes if row[2] == seeder), "handshake")
    streams = sorted({row[5]: f"{row[1]} and {row[2]}" for row in reversed(shakes)}.items())
    yield (f"native: {ours} and {seeder} (stream {hello.stream}); BitTorrent: "
           + ", ".join(f"{who} (stream {stream})" for stream, who in streams))
    yield (f"native {hello.payload} and {state.payload} bytes (packets {hello.number}, {state.number}), "
           f"BitTorrent {shakes[0][3]} and {shakes[1][3]} (packets {shakes[0][0]}, {shakes[1][0]})")
    own = first((row for row in shakes if row[1] == theirs), "handshake")
    extended = first(fields(path, f"bittorrent.msg.type==20 && ip.src=={theirs}", "frame.number", "bencode.str",
                            "bencode.int"), "extension handshake")
    names, numbers = extended[1].split(",")[1:], extended[2].split(",")
    yield (f"{own[4]}: 10 in the sixth byte is the extension protocol, 10 in the last is v2, 04 the fast extension; "
           f"packet {extended[0]}: " + ", ".join(f"{name} {number}" for name, number in zip(names, numbers)))
    fast = [m for m in kind(ALLOWED_FAST) if m.dst == theirs and m.src == seeder]
    request = first((m for m in kind(REQUEST) if m.src == theirs and m.dst == seeder), "Request")
    unchoke = first((m for m in kind(UNCHOKE) if m.dst == theirs and m.src == seeder), "Unchoke")
    early = [m for m in kind(REQUEST) if m.src == theirs and m.dst == seeder and m.number < unchoke.number]
    if not early or not {m.piece for m in early} <= {m.piece for m in fast}:
        raise Unanswered("nothing is asked before the Unchoke")
    yield (f"{len(early)}, from packet {request.number} on, Unchoke is packet {unchoke.number}; pieces "
           f"{', '.join(map(str, sorted({m.piece for m in early})))}, which Allowed Fast named "
           f"({len(fast)} were: {', '.join(str(m.piece) for m in fast)})")
    to_theirs = [m for m in kind(PIECE) if m.src == seeder and m.dst == theirs]
    to_ours = [m for m in native if m.kind == CHUNK_DATA and m.src == seeder]
    piece = first((m.piece for m in to_theirs if m.begin == 0), "Piece")
    asked = [m for m in kind(REQUEST) if m.src == theirs and m.dst == seeder and m.piece == piece]
    get = first((m for m in native if m.kind == GET and m.offset == 0), "GET")
    chunks = [m for m in to_ours if m.request == get.number]
    if (len(asked), get.length, len(chunks)) != (4, 65536, 4):
        raise Unanswered("the first piece is not asked for as a whole")
    yield (f"{len(asked)} Requests for piece {piece} (packets {', '.join(str(m.number) for m in asked)}), one GET for "
           f"piece {get.piece} (packet {get.number}), answered by {len(chunks)} CHUNK_DATA")
    block, chunk = to_theirs[0], chunks[0]
    yield (f"Piece: {4 + block.length - 16384} of {4 + block.length} (packet {block.number}); CHUNK_DATA: "
           f"{4 + chunk.size - chunk.body_length} of {4 + chunk.size} (packet {chunk.number})")
    request_bytes = sum(4 + m.length for m in asked)
    bt_more = request_bytes + len(asked) * (4 + block.length - 16384)
    native_more = get.payload + sum(4 + m.size - m.body_length for m in chunks)
    yield (f"BitTorrent {bt_more} bytes ({request_bytes} of Requests), native {native_more} ({get.payload} of the GET): "
           f"{100 * bt_more / 65536:.3f} % and {100 * native_more / 65536:.3f} % of 65536")
    bits = {row[0]: (int(row[1]), int(row[2])) for row in totals(path)}
    given = {theirs: sum(16384 if m.size is None else m.size for m in to_theirs),
             ours: sum(m.length for m in to_ours)}
    yield "; ".join(f"{who}: {bits[who][0]} bytes in {bits[who][1]} segments, of which {given[who]} are content"
                    for who in (ours, theirs))
    cancel = first(kind(CANCEL), "Cancel")
    same = lambda m: (m.piece, m.begin) == (cancel.piece, cancel.begin)  # noqa: E731
    taken_back = last((m for m in kind(REQUEST) if same(m) and m.number < cancel.number
                       and (m.src, m.dst) == (cancel.src, cancel.dst)), "Request of the first Cancel")
    came = first((m for m in kind(PIECE, REJECT) if same(m) and m.number > taken_back.number
                  and (m.src, m.dst) == (cancel.dst, cancel.src)), "answer to what was cancelled")
    blocks = [(m.number, m.src, m.dst, m.piece, m.begin) for m in kind(PIECE)]
    blocks += [(m.number, m.src, m.dst, m.piece, m.offset) for m in native if m.kind == CHUNK_DATA]
    elsewhere = first((block for block in sorted(blocks) if block[1] != cancel.dst
                       and block[2:] == (cancel.src, cancel.piece, cancel.begin)), "block from somebody else")
    yield (f"{len(kind(CANCEL))}, the first in packet {cancel.number} at {seconds(cancel.time)}: piece {cancel.piece}, "
           f"offset {cancel.begin}, which {elsewhere[1]} sent (packet {elsewhere[0]}); it takes back packet "
           f"{taken_back.number}, and what came is {WORDS[came.kind]} in packet {came.number}")
    talk = [m for m in bt if {m.src, m.dst} == {seeder, theirs} and m.number <= to_theirs[0].number and m.kind < 14]
    yield "up to the first Piece:" + "".join(
        f"\n   {seconds(m.time)}  {m.src} -> {m.dst}  {WORDS[m.kind]}"
        f"{'' if m.piece is None else f' {m.piece}'}  (packet {m.number})" for m in talk)


def totals(path):
    """For each leecher: bytes and segments with bytes that the called peer with HAVE_ALL sent to it."""
    rows = fields(path, "tcp.len > 0 && tcp.srcport == 6881", "ip.src", "ip.dst", "tcp.len")
    seeder = rows[0][0]
    for who in {row[1] for row in rows if row[0] == seeder}:
        lengths = [int(row[2]) for row in rows if row[:2] == [seeder, who]]
        yield who, sum(lengths), len(lengths)

"""The tracker over UDP: cookies, registrations, heartbeats, expiry."""

from collections import Counter, namedtuple

from capture import Unanswered, fields, first, last

HELLO, REGISTER, KEEPALIVE, REQUEST, BECOME_SEEDER, UNREGISTER = range(0x10, 0x16)
PEER_LIST, COOKIE, ACK = 0x20, 0x30, 0x32
WORDS = {HELLO: "HELLO", REGISTER: "REGISTER", KEEPALIVE: "KEEPALIVE", REQUEST: "REQUEST",
         BECOME_SEEDER: "BECOME_SEEDER", UNREGISTER: "UNREGISTER", PEER_LIST: "PEER_LIST", COOKIE: "COOKIE",
         ACK: "ACK"}
NAMES = ("type", "port", "seq", "cookie", "left", "size", "pieces", "keepalive_ms", "expire_ms", "unknown",
         "seeders", "leechers", "entry", "response_in", "request_in")
Datagram = namedtuple("Datagram", "number time conversation bytes " + " ".join(NAMES))


def datagrams(path):
    rows = fields(path, "swarmlet_tracker", "frame.number", "frame.time_relative", "udp.stream", "udp.length",
                  *(f"swarmlet_tracker.{name}" for name in NAMES))
    for row in rows:
        text = {"cookie", "unknown", "entry"}
        values = [value if name in text else int(value, 0) if value else None
                  for name, value in zip(NAMES, row[4:])]
        yield Datagram(int(row[0]), float(row[1]), row[2], int(row[3]) - 8, *values)


def answers(path):
    all_of = list(datagrams(path))
    kind = lambda *kinds: [d for d in all_of if d.type in kinds]  # noqa: E731
    by_number = {d.number: d for d in all_of}
    registers = kind(REGISTER)
    seeder = first((d for d in registers if d.left == 0), "REGISTER of a seeder")
    hello = first((d for d in kind(HELLO) if d.response_in), "HELLO with an answer")
    cookie = by_number[hello.response_in]
    yield (f"{hello.bytes} bytes asked (packet {hello.number}), {cookie.bytes} answered (packet "
           f"{cookie.number}): whoever forges a sender's address gets nobody flooded")
    used = [d for d in all_of if d.cookie == cookie.cookie and d.number != cookie.number]
    cookies = {d.cookie for d in kind(COOKIE)}
    yield (f"{len(used)} datagrams, the first is packet {used[0].number}; there are {len(cookies)} cookies, "
           f"one for each address and port")
    vain = [d for d in all_of if d.type < PEER_LIST and not d.response_in]
    if sorted(d.type for d in vain) != [HELLO, REGISTER]:
        raise Unanswered("a datagram is missing")
    short, wrong = sorted(vain, key=lambda d: d.type)
    yield (f"packet {short.number}, a HELLO of {short.bytes} bytes, shorter than its COOKIE would be; packet "
           f"{wrong.number}, a REGISTER by port {wrong.port} with a cookie that the tracker never gave")
    piece = -(-seeder.size // seeder.pieces)
    length = 1 << (piece - 1).bit_length()
    yield (f"port {seeder.port} (packet {seeder.number}); {seeder.size} bytes in {seeder.pieces} pieces of {length}, "
           f"the last has {seeder.size - (seeder.pieces - 1) * length}")
    ack = by_number[seeder.response_in]
    yield (f"every {ack.keepalive_ms} ms, dropped after {ack.expire_ms} ms of silence: "
           f"{ack.expire_ms / ack.keepalive_ms:.0f} heartbeats may be lost (packet {ack.number})")
    beats = Counter(d.port for d in kind(KEEPALIVE))
    yield ", ".join(f"{port}: {count}" for port, count in sorted(beats.items()))
    lists = kind(PEER_LIST)
    back = first((d for d in kind(ACK) if d.unknown), "ACK with unknown")
    late = by_number[back.request_in]
    heard = last((d for d in all_of if d.port == late.port and d.number < late.number), "datagram of who fell silent")
    with_it = last((d for d in lists if names(d, late.port) and d.number < late.number), "list with who is silent")
    without = first((d for d in lists if not names(d, late.port) and d.number > with_it.number), "list without it")
    over = heard.time + ack.expire_ms / 1000
    if not with_it.time < over < without.time:
        raise Unanswered("the expiry is not between the two lists")
    yield (f"port {late.port}, heard last in packet {heard.number} at {heard.time:.1f} s; still in packet "
           f"{with_it.number}, no more in {without.number}: dropped between {with_it.time:.1f} and {without.time:.1f} s, "
           f"by the rule at {over:.1f} s")
    again = first((d for d in registers if d.number > back.number), "second REGISTER")
    yield (f"packet {late.number}; the ACK in packet {back.number} has unknown: {back.unknown}, the first of the "
           f"heartbeat's torrents; so it registers again, packet {again.number}")
    done = first(kind(BECOME_SEEDER), "BECOME_SEEDER")
    before = last((d for d in lists if d.number < done.number), "list before")
    after = first((d for d in lists if d.number > done.number), "list after")
    gone = first(kind(UNREGISTER), "UNREGISTER")
    missing = first((d for d in lists if d.number > gone.number), "list after")
    if names(missing, gone.port):
        raise Unanswered("who left is still listed")
    yield (f"port {done.port} in packet {done.number}: {before.seeders} seeders and {before.leechers} leechers in packet "
           f"{before.number}, {after.seeders} and {after.leechers} in {after.number}; port {gone.port} in packet "
           f"{gone.number}, and is missing from the next list, packet {missing.number}")
    talk = [d for d in all_of if d.conversation == seeder.conversation][:8]
    yield "port " + str(seeder.port) + ":" + "".join(
        f"\n   {d.time:.1f} s  {'peer -> tracker' if d.type < PEER_LIST else 'tracker -> peer'}  {WORDS[d.type]}"
        f"  (packet {d.number})" for d in talk)


def names(d, port):
    return f":{port} " in d.entry.replace(",", " ,") + " "

"""A capture as tshark reads it with our dissector: one item for each message."""

import subprocess
from collections import namedtuple
from pathlib import Path

DISSECTOR = Path(__file__).resolve().parents[2] / "wireshark" / "swarmlet.lua"

# Between peers.
HELLO, INTERESTED, NOT_INTERESTED, GET, CANCEL = 0x10, 0x14, 0x15, 0x16, 0x17
CHUNK_DATA, STATE, BITFIELD, HAVE, HAVE_ALL = 0x20, 0x30, 0x32, 0x33, 0x34
CHOKE, UNCHOKE, REJECT = 0x36, 0x37, 0x38
WORDS = {HELLO: "HELLO", INTERESTED: "INTERESTED", NOT_INTERESTED: "NOT_INTERESTED", GET: "GET", CANCEL: "CANCEL",
         CHUNK_DATA: "CHUNK_DATA", STATE: "STATE", BITFIELD: "BITFIELD", HAVE: "HAVE", HAVE_ALL: "HAVE_ALL",
         0x35: "HAVE_NONE", CHOKE: "CHOKE", UNCHOKE: "UNCHOKE", REJECT: "REJECT"}

Message = namedtuple("Message", "number time src dst stream payload kind piece offset length size body_length "
                                "request response reassembled")

FIELDS = ("frame.number", "frame.time_relative", "ip.src", "ip.dst", "tcp.stream", "tcp.len", "swarmlet.type",
          "swarmlet.piece", "swarmlet.offset", "swarmlet.length", "swarmlet.frame_length", "swarmlet.body_length",
          "swarmlet.request_in", "swarmlet.response_in", "tcp.segment")


class Unanswered(Exception):
    """A question that this capture does not answer."""


def fields(path, show, *names):
    """Rows of the packets that a filter shows; what a packet does not have is ''."""
    words = [word for name in names for word in ("-e", name)]
    done = subprocess.run(
        ["tshark", "-X", f"lua_script:{DISSECTOR}", "-2", "-n", "-r", str(path), "-Y", show, "-T", "fields", *words],
        capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        raise SystemExit(f"tshark cannot read {path}: {done.stderr.strip()[-500:]}")
    return [line.split("\t") for line in done.stdout.splitlines()]


def messages(path):
    """What peers say in the native dialect."""
    return [message(row) for row in fields(path, "swarmlet.type", *FIELDS)]


def message(row):
    if "," in row[6]:
        raise SystemExit(f"packet {row[0]} has several messages, which the answers do not expect")
    whole = [int(text, 0) if text else None for text in row[4:14]]
    segments = row[14].count(",") + 1 if row[14] else 1
    return Message(int(row[0]), round(float(row[1]), 6), row[2], row[3], *whole, segments)


def first(items, what):
    """The first of some, which must be there."""
    for item in items:
        return item
    raise Unanswered(f"the capture has no {what}")


def last(items, what):
    return first(reversed(list(items)), what)


def ms(seconds):
    """A time in milliseconds."""
    return f"{seconds * 1000:.3f}".rstrip("0").rstrip(".") + " ms"


def seconds(time):
    return f"{time:.6f}".rstrip("0").rstrip(".") + " s"


def span(item):
    """Which bytes a message is about."""
    return f"piece {item.piece}, offset {item.offset}, {item.length} bytes"


def sequence(items):
    """A sequence as lines: what a drawing must have."""
    return "".join(f"\n   {seconds(m.time)}  {m.src} -> {m.dst}  {name(m)}  (packet {m.number})" for m in items)


def name(item):
    word = WORDS.get(item.kind, f"type {item.kind:#04x}")
    if item.kind in (GET, CHUNK_DATA, CANCEL, REJECT):
        return f"{word} {item.piece} @{item.offset} +{item.length}"
    return f"{word} {item.piece}" if item.kind == HAVE else word

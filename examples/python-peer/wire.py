"""Bytes to messages and back: MessagePack, frames, datagrams. No sockets here but `Stream`'s.

A frame is `total:u32 type:u8 header:map body`; a datagram is `"SWT1" type:u8 header:map body`.
"""

import struct

PEER_MAGIC, TRACKER_MAGIC = b"SWP1", b"SWT1"
MAX_FRAME = 135_168
MAX_HEADER = 4095
MAX_BODY = 131_072
MAX_DEPTH = 16
BLOCK = 16_384

# Between two peers.
HELLO, GET_COUNT, GET_METAINFO, GET_HASHES, INTERESTED, NOT_INTERESTED = range(0x10, 0x16)
GET, CANCEL, PEERS, PING, BYE = 0x16, 0x17, 0x18, 0x19, 0x1F
CHUNK_DATA, METAINFO, HASHES = 0x20, 0x21, 0x22
STATE, CHUNK_COUNT, BITFIELD, HAVE, HAVE_ALL, HAVE_NONE, CHOKE, UNCHOKE = range(0x30, 0x38)
REJECT, ACK, ERROR, PEER_LIST, PONG = range(0x38, 0x3D)

# Between a peer and a tracker; the two halves of PROTOCOL.md number their messages independently.
T_HELLO, T_REGISTER, T_KEEPALIVE, T_REQUEST, T_BECOME_SEEDER, T_UNREGISTER = range(0x10, 0x16)
T_PUBLISH, T_LOOKUP, T_FETCH, T_PEERS = 0x17, 0x18, 0x19, 0x1B
T_PEER_LIST, T_LISTING, T_TORRENT = 0x20, 0x21, 0x22
T_COOKIE, T_ACK, T_ERROR = 0x30, 0x32, 0x33


class Malformed(Exception):
    """These bytes are no message: the connection is closed."""


# -- MessagePack -----------------------------------------------------------------------------------

def pack(value):
    """A value as MessagePack, in its shortest form."""
    if value is True or value is False:
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        if value < 0x80:
            return bytes([value])
        for code, letter, limit in ((0xCC, "B", 1 << 8), (0xCD, "H", 1 << 16), (0xCE, "I", 1 << 32)):
            if value < limit:
                return struct.pack(">B" + letter, code, value)
        return struct.pack(">BQ", 0xCF, value)
    if isinstance(value, bytes):
        return struct.pack(">BB", 0xC4, len(value)) + value  # hashes and ids: never 256 or more
    if isinstance(value, str):
        text = value.encode()
        head = bytes([0xA0 | len(text)]) if len(text) < 32 else struct.pack(">BH", 0xDA, len(text))
        return head + text
    if isinstance(value, list):
        return bytes([0x90 | len(value)]) + b"".join(map(pack, value))
    return bytes([0x80 | len(value)]) + b"".join(pack(key) + pack(item) for key, item in value.items())


NUMBERS = {0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q", 0xD0: ">b", 0xD1: ">h", 0xD2: ">i",
           0xD3: ">q", 0xCA: ">f", 0xCB: ">d"}
# Code: the format of the length, and what has that length.
SIZED = {0xC4: (">B", bytes), 0xC5: (">H", bytes), 0xC6: (">I", bytes), 0xD9: (">B", str),
         0xDA: (">H", str), 0xDB: (">I", str), 0xDC: (">H", list), 0xDD: (">I", list),
         0xDE: (">H", dict), 0xDF: (">I", dict)}
CONSTANTS = {0xC0: None, 0xC2: False, 0xC3: True}


def unpack(data, at=0, depth=0):
    """The value at `at`, and where it ends. Refuses what is cut, nested too deep, or unknown."""
    if depth > MAX_DEPTH:
        raise Malformed("the header is nested too deep")
    try:
        code = data[at]
        at += 1
        if code < 0x80 or code >= 0xE0:
            return (code if code < 0x80 else code - 256), at
        if code in CONSTANTS:
            return CONSTANTS[code], at
        if code in NUMBERS:
            (number,) = struct.unpack_from(NUMBERS[code], data, at)
            return number, at + struct.calcsize(NUMBERS[code])
        if code in SIZED:
            form, kind = SIZED[code]
            (size,) = struct.unpack_from(form, data, at)
            at += struct.calcsize(form)
        elif code < 0xC0:
            kind = dict if code < 0x90 else list if code < 0xA0 else str
            size = code & (31 if kind is str else 15)
        else:
            raise Malformed(f"MessagePack type {code:#04x} is not used here")
    except (IndexError, struct.error):
        raise Malformed("the header is cut") from None
    if kind in (bytes, str):
        raw = data[at:at + size]
        if len(raw) < size:
            raise Malformed("the header is cut")
        try:
            return (raw if kind is bytes else raw.decode()), at + size
        except UnicodeDecodeError:
            raise Malformed("a text is no UTF-8") from None
    items = []
    for _ in range(size * 2 if kind is dict else size):  # ends with the bytes: each item takes one
        item, at = unpack(data, at, depth + 1)
        items.append(item)
    if kind is list:
        return items, at
    if not all(isinstance(key, str) for key in items[::2]):
        raise Malformed("the name of a field is no text")
    return dict(zip(items[::2], items[1::2])), at


# -- frames and datagrams --------------------------------------------------------------------------

def frame(kind, header=None, body=b""):
    """A message as a frame of a stream."""
    content = bytes([kind]) + pack(header or {}) + body
    return struct.pack(">I", len(content)) + content


def datagram(kind, header, body=b""):
    """A message as a datagram to a tracker."""
    return TRACKER_MAGIC + bytes([kind]) + pack(header) + body


def parse(content):
    """What stands behind a length or a magic: type, header, body."""
    if len(content) < 2 or not (0x80 <= content[1] < 0x90 or content[1] in (0xDE, 0xDF)):
        raise Malformed("the header is no map")
    header, end = unpack(content[1:1 + MAX_HEADER])
    if len(content) - 1 - end > MAX_BODY:
        raise Malformed("the body is too long")
    return content[0], header, content[1 + end:]


def fields(header, **types):
    """Checks that a header has these fields, of these types; None is a missing optional one."""
    found = []
    for name, kind in types.items():
        value = header.get(name)
        if isinstance(value, bool) and kind is not bool or not isinstance(value, kind) or (
                kind is int and value < 0):
            raise Malformed(f"the field {name} is missing or of a wrong type")
        found.append(value)
    return found[0] if len(found) == 1 else found


class Stream:
    """Whole frames from a socket, however the bytes come in."""

    def __init__(self, socket):
        self.socket, self.buffer = socket, b""

    def exactly(self, count):
        """`count` bytes; EOFError when the other side has closed."""
        while len(self.buffer) < count:
            more = self.socket.recv(65536)
            if not more:
                raise EOFError("the other side closed")
            self.buffer += more
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def magic(self, magic):
        """Reads the magic, and gives up at the first byte that does not fit."""
        for at in range(4):
            if self.exactly(1) != magic[at:at + 1]:
                raise Malformed("the stream does not open with the magic")

    def frame(self):
        """The next frame: type, header, body."""
        (total,) = struct.unpack(">I", self.exactly(4))
        if not 0 < total <= MAX_FRAME:  # before a byte of it is waited for
            raise Malformed(f"a frame of {total} bytes")
        return parse(self.exactly(total))

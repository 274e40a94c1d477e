"""The peer wire protocol (BEP 3), as much of it as a scripted stranger needs.

`Wire(client, source, info_hash)` dials a client from an address of one's own choice and shakes
hands. `read` gives whole messages that came so far, `send` writes one. No extension is offered.
"""

import os
import select
import socket
import struct

CHOKE, UNCHOKE, INTERESTED, NOT_INTERESTED, HAVE, BITFIELD, REQUEST, PIECE, CANCEL = range(9)
BLOCK = 16 * 1024
LONGEST = 1 << 20  # no message of an honest client is longer


class Cut(Exception):
    """The other side ended the connection, or never answered."""


def handshake(info_hash, reserved=bytes(8)):
    peer_id = b"-XX0001-" + os.urandom(6).hex().encode()
    return b"\x13BitTorrent protocol" + reserved + info_hash + peer_id


def message(kind, payload=b""):
    return struct.pack(">IB", 1 + len(payload), kind) + payload


def request(index, begin, length):
    return message(REQUEST, struct.pack(">III", index, begin, length))


def dial(where, source, limit=5.0, receive_buffer=None):
    """A TCP connection from `source`; Cut if there is none within the time."""
    sock = socket.socket()
    try:
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(limit)
        sock.bind((source, 0))
        sock.connect(where)
        return sock
    except OSError as error:
        sock.close()
        raise Cut(f"dialling: {error}") from error


class Wire:
    """One connection after its handshakes."""

    def __init__(self, where, source, info_hash, limit=10.0, receive_buffer=None):
        self.sock, self.pending = dial(where, source, receive_buffer=receive_buffer), bytearray()
        self.sock.settimeout(limit)
        self.poll = select.poll()  # select itself takes no descriptor above 1023
        self.poll.register(self.sock, select.POLLIN)
        try:
            self.write(handshake(info_hash))
            while len(self.pending) < 68:
                self.fill()
        except Cut:
            self.close()
            raise
        if self.pending[28:48] != info_hash:
            self.close()
            raise Cut("another info-hash in the answer")
        del self.pending[:68]
        self.sock.settimeout(30)

    def fill(self):
        try:
            got = self.sock.recv(1 << 18)
        except OSError as error:
            raise Cut(f"reading: {error}") from error
        if not got:
            raise Cut("closed by the client")
        self.pending += got

    def write(self, data):
        try:
            self.sock.sendall(data)
        except OSError as error:
            raise Cut(f"writing: {error}") from error

    def send(self, kind, payload=b""):
        self.write(message(kind, payload))

    def read(self, wait):
        """All whole messages, as (kind, payload); none when nothing comes for `wait` seconds."""
        if not self.poll.poll(max(0.0, wait) * 1000):
            return []
        self.fill()
        found, at = [], 0
        while len(self.pending) - at >= 4:
            (length,) = struct.unpack_from(">I", self.pending, at)
            if length > LONGEST:
                raise Cut(f"a message of {length} bytes")
            if len(self.pending) - at < 4 + length:
                break
            if length:
                found.append((self.pending[at + 4], bytes(self.pending[at + 5 : at + 4 + length])))
            at += 4 + length
        del self.pending[:at]
        return found

    def close(self):
        self.sock.close()


def bits(payload):
    """The indices of the bits that are set, first bit first."""
    return {8 * n + k for n, byte in enumerate(payload) for k in range(8) if byte & (0x80 >> k)}


def full_bitfield(pieces):
    """A bitfield that claims every piece, spare bits zero."""
    return ((1 << pieces) - 1 << (-pieces % 8)).to_bytes((pieces + 7) // 8, "big")

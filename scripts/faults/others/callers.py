"""Scripted peers that dial a client which seeds: an honest leecher, readers that never read, and a
flood of connections that say nothing.

The leecher hashes every piece, so that it knows whether the client sent a wrong byte.
"""

import hashlib
import selectors
import socket
import struct
import threading
import time

import wire

PIPELINE = 250
READER_REQUESTS = 250
ADDRESSES = 40


class Leecher(threading.Thread):
    """Fetches everything, at `rate` bytes a second if there is one. Times are seconds since it
    began; `wrong` has the pieces whose hash is not the torrent's, which are not asked for again."""

    def __init__(self, where, source, shared, rate=None):
        super().__init__(daemon=True)
        self.where, self.source, self.shared, self.rate = where, source, shared, rate
        self.over, self.whole = threading.Event(), threading.Event()
        self.right, self.wrong, self.received, self.cuts = set(), set(), 0, 0
        self.first_block = self.first_piece = self.took = None
        self.why = ""

    def since(self):
        return time.monotonic() - self.begun

    def run(self):
        self.begun = time.monotonic()
        while not self.over.is_set() and not self.whole.is_set():
            try:
                self.once()
            except wire.Cut as error:
                self.cuts += 1
                self.why = str(error)
                self.over.wait(1.0)

    def once(self):
        talk = wire.Wire(self.where, self.source, self.shared.info_hash)
        try:
            self.fetch(talk)
        finally:
            talk.close()

    def fetch(self, talk):
        self.theirs, self.asked, self.parts, choked = set(), {}, {}, True
        talk.send(wire.INTERESTED)
        began, got = time.monotonic(), 0
        while not self.over.is_set():
            if self.rate and got > self.rate * (time.monotonic() - began + 0.1):
                time.sleep(0.01)
                continue
            for kind, payload in talk.read(0.1):
                if kind == wire.BITFIELD:
                    self.theirs |= wire.bits(payload)
                elif kind == wire.HAVE:
                    self.theirs.add(struct.unpack(">I", payload)[0])
                elif kind == wire.CHOKE:
                    choked, self.asked = True, {}
                elif kind == wire.UNCHOKE:
                    choked = False
                elif kind == wire.PIECE:
                    got += len(payload) - 8
                    self.on_block(talk, payload)
            if len(self.right) + len(self.wrong) == self.shared.pieces:
                self.took = self.since()
                self.whole.set()
                return
            if not choked:
                self.ask(talk)

    def ask(self, talk):
        """Fills the pipeline with blocks of the first pieces that are lacking."""
        out = bytearray()
        for index in sorted(self.theirs - self.right - self.wrong):
            if len(self.asked) >= PIPELINE:
                break
            for begin in range(0, self.shared.length_of(index), wire.BLOCK):
                if begin not in self.parts.get(index, {}) and (index, begin) not in self.asked:
                    length = min(wire.BLOCK, self.shared.length_of(index) - begin)
                    self.asked[(index, begin)] = length
                    out += wire.request(index, begin, length)
        if out:
            talk.write(bytes(out))

    def on_block(self, talk, payload):
        index, begin = struct.unpack_from(">II", payload)
        self.received += len(payload) - 8
        if self.asked.pop((index, begin), None) is None:
            return
        self.first_block = self.first_block or self.since()
        parts = self.parts.setdefault(index, {})
        parts[begin] = payload[8:]
        if sum(map(len, parts.values())) < self.shared.length_of(index):
            return
        data = b"".join(parts[at] for at in sorted(parts))
        if hashlib.sha1(data).digest() == self.shared.hashes[index]:
            self.right.add(index)
            self.first_piece = self.first_piece or self.since()
            talk.send(wire.HAVE, struct.pack(">I", index))
        else:
            self.wrong.add(index)
        del self.parts[index]

    def stop(self):
        self.over.set()
        self.join(15)


class Reader(threading.Thread):
    """Asks for many blocks once it is unchoked, and then reads nothing more; again when cut."""

    def __init__(self, where, source, shared, number):
        super().__init__(daemon=True)
        self.where, self.source, self.shared, self.number = where, source, shared, number
        self.over, self.unchoked, self.cuts = threading.Event(), 0, 0

    def run(self):
        while not self.over.is_set():
            try:
                self.once()
            except wire.Cut:
                self.cuts += 1
            self.over.wait(1.0)

    def once(self):
        talk = wire.Wire(self.where, self.source, self.shared.info_hash, receive_buffer=4096)
        try:
            talk.send(wire.INTERESTED)
            theirs = set()
            while not self.over.is_set():
                said = talk.read(0.2)
                for kind, payload in said:
                    if kind == wire.BITFIELD:
                        theirs |= wire.bits(payload)
                    elif kind == wire.HAVE:
                        theirs.add(struct.unpack(">I", payload)[0])
                if any(kind == wire.UNCHOKE for kind, _ in said):
                    break
            self.unchoked += 1
            per_piece = self.shared.piece_length // wire.BLOCK
            order = sorted(theirs)[self.number :] + sorted(theirs)[: self.number]
            blocks = [(i, k * wire.BLOCK) for i in order[:-1] for k in range(per_piece)]
            talk.write(b"".join(wire.request(*b, wire.BLOCK) for b in blocks[:READER_REQUESTS]))
            # Being cut shows as a hang-up or an error; what arrives stays unread.
            while not self.over.wait(0.2) and not hung_up(talk.sock):
                pass
            if not self.over.is_set():
                raise wire.Cut("hung up")
        finally:
            talk.close()

    def stop(self):
        self.over.set()


def hung_up(sock):
    if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        return True
    # TCP_INFO starts with the state; 1 is ESTABLISHED.
    return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != 1


class Flood:
    """Connections from many addresses, held open in silence."""

    def __init__(self, where, address, count, first_host=100):
        self.socks, self.refused = [], 0
        waiting = selectors.DefaultSelector()
        for n in range(count):
            sock = socket.socket()
            sock.setblocking(False)
            sock.bind((address(first_host + n % ADDRESSES), 0))
            sock.connect_ex(where)
            waiting.register(sock, selectors.EVENT_WRITE)
            self.socks.append(sock)
            if n % 100 == 99:
                time.sleep(0.02)
        ends, self.open = time.monotonic() + 3, 0
        while len(waiting.get_map()) and time.monotonic() < ends:
            for key, _ in waiting.select(0.1):
                waiting.unregister(key.fileobj)
                self.open += key.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
        waiting.close()

    def still_open(self):
        return sum(not hung_up(sock) for sock in self.socks)

    def close(self):
        for sock in self.socks:
            sock.close()

"""Scripted peers that dial a client which downloads: honest ones, liars and stallers.

All claim every piece, unchoke whoever is interested, and send at a steady rate, each from an
address of its own. Whoever is cut dials again a second later, as a real attacker would. That they
dial, and are not dialled, is the same for all clients: one of them calls nobody on the loopback.
"""

import struct
import threading
import time
from collections import deque

import wire

AGAIN_SECS = 1.0


class Stranger(threading.Thread):
    """Serves `data` to the client at `where`, as `answer` has it, at `rate` bytes a second."""

    def __init__(self, where, source, shared, rate):
        super().__init__(daemon=True)
        self.where, self.source, self.shared, self.rate = where, source, shared, rate
        self.over = threading.Event()
        self.sent = self.cuts = self.connections = self.asked = 0
        self.why = ""

    def answer(self, index, begin, length):
        """The block's bytes, or None for silence."""
        at = index * self.shared.piece_length + begin
        return self.shared.data[at : at + length]

    def run(self):
        while not self.over.is_set():
            try:
                self.once()
            except wire.Cut as error:
                self.cuts += 1
                self.why = str(error)
            self.over.wait(AGAIN_SECS)

    def once(self):
        talk = wire.Wire(self.where, self.source, self.shared.info_hash)
        self.connections += 1
        try:
            talk.send(wire.BITFIELD, wire.full_bitfield(self.shared.pieces))
            talk.send(wire.UNCHOKE)
            self.serve(talk)
        finally:
            talk.close()

    def serve(self, talk):
        queue, due, alive = deque(), time.monotonic(), time.monotonic()
        while not self.over.is_set():
            now = time.monotonic()
            for kind, payload in talk.read(due - now if queue else 0.1):
                if kind == wire.REQUEST and len(payload) == 12:
                    self.asked += 1
                    queue.append(struct.unpack(">III", payload))
                elif kind == wire.CANCEL and len(payload) == 12:
                    block = struct.unpack(">III", payload)
                    if block in queue:
                        queue.remove(block)
            now = time.monotonic()
            if queue and now >= due:
                index, begin, length = queue.popleft()
                data = self.answer(index, begin, length)
                if data is not None:
                    talk.send(wire.PIECE, struct.pack(">II", index, begin) + data)
                    self.sent += len(data)
                    due = max(due, now - 0.2) + len(data) / self.rate
            if now - alive > 60:
                talk.write(bytes(4))
                alive = now

    def stop(self):
        self.over.set()


class Honest(Stranger):
    """Sends what was asked for."""


class Liar(Stranger):
    """Flips a bit in the first block of every piece."""

    def answer(self, index, begin, length):
        data = super().answer(index, begin, length)
        return bytes([data[0] ^ 0x10]) + data[1:] if begin == 0 else data


class Staller(Stranger):
    """Unchokes, takes every request, and never sends."""

    def answer(self, index, begin, length):
        return None


class Crowd:
    """Strangers that come and go together."""

    def __init__(self, strangers):
        self.strangers = strangers

    def __enter__(self):
        for stranger in self.strangers:
            stranger.start()
        return self

    def __exit__(self, *_error):
        for stranger in self.strangers:
            stranger.stop()
        for stranger in self.strangers:
            stranger.join(15)

    def sent(self, kind=Stranger):
        return sum(s.sent for s in self.strangers if isinstance(s, kind))

    def cuts(self, kind=Stranger):
        return sum(s.cuts for s in self.strangers if isinstance(s, kind))

"""What all cells share: the content, one client in its place, and waiting for it.

A cell gets a `Scene`: it starts the client as `leecher` or `seeder`, sends strangers to it, and
ends with a `Verdict`. Honest strangers together always send at the same rate, so that the clean run
is the measure for all.
"""

import hashlib
import random
import time
from pathlib import Path

import programs
from content import bencode
from strangers import Honest
from stage import CellFailed, file_of
from verdict import Verdict, timed

FLUSH_SECS = 10  # others may say "done" before the last bytes are in the file; ours may not
MIB = 1 << 20
CLIENT, STRANGERS = 2, 10  # the last parts of addresses


class Shared:
    """One file of made-up bytes and its torrent (BitTorrent v1, SHA-1)."""

    piece_length = 128 * 1024

    def __init__(self, root, mib):
        self.data = random.Random(20_260_301).randbytes(mib * MIB - 4_321)
        self.name = "shared.bin"
        self.source = file_of(root, self.name, self.data)
        self.hashes = [hashlib.sha1(self.data[at : at + self.piece_length]).digest()
                       for at in range(0, len(self.data), self.piece_length)]
        self.pieces = len(self.hashes)
        self.info = {"length": len(self.data), "name": self.name,
                     "piece length": self.piece_length, "pieces": b"".join(self.hashes)}
        self.info_hash = hashlib.sha1(bencode(self.info)).digest()
        self.torrent = file_of(root, "shared.torrent", bencode({"info": self.info}))

    def length_of(self, index):
        return min(self.piece_length, len(self.data) - index * self.piece_length)


class Scene:
    """One client, one cell, one run of it."""

    def __init__(self, kind, tools, shared, stage, options, clean):
        self.kind, self.tools, self.shared, self.stage = kind, tools, shared, stage
        self.options, self.clean = options, clean  # seconds of the clean runs, by their names
        self.rate, self.seeders = options.rate * MIB, 0
        self.random = random.Random(f"{options.seed} {stage.number}")

    def client(self, role, folder=None):
        made = programs.KINDS[self.kind](
            self.tools, self.stage, f"{role}-{self.kind}", self.stage.address(CLIENT),
            folder or self.stage.folder / role, tracker=programs.NOWHERE)
        made.seeds = role.startswith("seeder")
        self.where = (made.address, made.port)
        return made

    def leecher(self, folder=None):
        made = self.client("leecher", folder)
        made.start(self.shared.torrent)
        return made

    def seeder(self, controlled=False):
        """A client that says that it has everything, with a home of its own."""
        self.seeders += 1
        made = self.client("seeder" if self.seeders == 1 else f"seeder{self.seeders}")
        file_of(made.folder, self.shared.name, self.shared.data)
        if controlled:
            made.with_control()
        made.start(self.shared.torrent)
        self.stage.wait_until(made.done, "the seeder has checked its data", 60)
        return made

    def sources(self, count):
        return [self.stage.address(STRANGERS + n) for n in range(count)]

    def strangers(self, *kinds):
        """Strangers of these kinds. The honest ones share the rate; each other has all of it."""
        honest = sum(kind is Honest for kind in kinds)
        return [kind(self.where, source, self.shared,
                     self.rate / honest if kind is Honest else self.rate)
                for kind, source in zip(kinds, self.sources(len(kinds)))]

    def wait(self, met, seconds, client=None):
        """True once `met`; False when the time is over or the client has ended."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            if met():
                return True
            if time.monotonic() > self.stage.ends:
                raise CellFailed("the time of the cell was over")
            if client and not client.alive():
                return False
            time.sleep(0.05)
        return met()

    def differs(self, client):
        """How many pieces of the client's file are not the source's; all if there is no file."""
        path = Path(client.folder) / self.shared.name
        if not path.exists():
            return self.shared.pieces
        data, size = path.read_bytes(), self.shared.piece_length
        wrong = sum(hashlib.sha1(data[n * size : (n + 1) * size]).digest() != self.shared.hashes[n]
                    for n in range(self.shared.pieces))
        return wrong or int(len(data) != len(self.shared.data))

    def exact(self, client):
        """What differs once it said "done": at once for ours, soon for others."""
        patience = 0 if self.kind == "ours" else FLUSH_SECS
        self.wait(lambda: not self.differs(client), patience)
        return self.differs(client)

    def judge(self, client, seconds, began=None, clean="clean-download", tell=lambda: ""):
        """Waits until the client says that it is done, and looks whether that is so."""
        began = began or time.monotonic()
        self.wait(lambda: client.state() == "done", seconds, client)
        took, said = time.monotonic() - began, client.state()
        if said == "ended":
            return self.ended(client, took)
        if said != "done":
            left = self.differs_or_partial(client)
            words = f"says {said[:160]} {client.explained()}; {tell()}".rstrip("; ")
            return Verdict("hangs", f"{left} of {self.shared.pieces} pieces lacking after "
                           f"{took:.0f} s, {words}", took)
        wrong = self.exact(client)
        if wrong:
            return Verdict("wrong", f"says complete, {wrong} pieces are wrong; {tell()}".rstrip(
                "; "), took)
        return timed(took, self.clean.get(clean), tell())

    def ended(self, client, seconds=0.0, seen=""):
        """The verdict on a client that is gone: its words, if it chose to go."""
        words = client.last_words()
        what = f"{client.end_of()}, saying “{words[-150:]}”" if words else client.end_of()
        return Verdict(client.word_of_end(), f"{what}; {seen}".rstrip("; "), seconds)

    def differs_or_partial(self, client):
        """Like `differs`, of whatever name the unfinished file has."""
        file = self.file_of(client)
        if not file:
            return self.shared.pieces
        data, size = file.read_bytes(), self.shared.piece_length
        return sum(hashlib.sha1(data[n * size : (n + 1) * size]).digest() != self.shared.hashes[n]
                   for n in range(self.shared.pieces))

    def file_of(self, client):
        """The file that it writes, whatever it is called before it is whole."""
        files = [p for p in Path(client.folder).rglob("*") if p.is_file()
                 and p.name.startswith(self.shared.name[:6]) and p.suffix != ".aria2"]
        return max(files, key=lambda p: p.stat().st_size, default=None)

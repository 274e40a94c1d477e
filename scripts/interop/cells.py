"""The matrix: every cell by its name, what it needs, and how it is played.

A name reads `group/from-to/tracker/shape/by`, so that `--only` can choose. A cell's function gets
the tools, the content and its stage; it returns a remark or nothing, and raises `CellFailed`.
"""

from dataclasses import dataclass
from typing import Callable

import clients
import trackers
from stage import CellFailed

CLIENTS = clients.FOREIGN | {"ours": clients.Ours}
TRACKERS = {"ours": trackers.Ours, "open": trackers.OpenTracker, "npm": trackers.NpmTracker}
FLUSH_SECS = 10  # others may say "done" before the last bytes are in the file; ours may not


@dataclass
class Cell:
    name: str
    needs: tuple
    play: Callable


@dataclass
class Transfer:
    """One seeder, one leecher, one tracker."""

    group: str
    seeder: str
    leecher: str
    tracker: str  # ours, open or npm
    scheme: str  # http or udp
    shape: str  # single, folder or small
    version: str  # hybrid, v1, v2, mktorrent, plain
    by: str = "torrent"  # or magnet, magnet-v1, magnet-v2
    v6: bool = False
    crypto: str = ""  # of the foreign side

    def name(self):
        words = [self.group, f"{self.seeder}-{self.leecher}", f"{self.tracker}-{self.scheme}"]
        words += ["ipv6"] * self.v6 + [f"{self.shape}-{self.version}", self.by]
        return "/".join(words + ([f"crypto-{self.crypto}"] if self.crypto else []))

    def cell(self):
        makers = ("ours",) * (self.version in ("hybrid", "padded", "v1", "v2")) \
            + ("mktorrent",) * (self.version == "mktorrent")
        needs = CLIENTS[self.seeder].needs + CLIENTS[self.leecher].needs \
            + TRACKERS[self.tracker].needs + makers
        return Cell(self.name(), tuple(dict.fromkeys(needs)), self.play)

    def play(self, tools, content, stage):
        host = (lambda n: "::1") if self.v6 else stage.address
        tracker = TRACKERS[self.tracker](tools, stage, host(1), self.scheme)
        torrent = content.torrent(self.shape, self.version) \
            .with_tracker(tracker.url, stage.folder / "cell.torrent")
        tracker.start(torrent.hashes())
        seeder = self.client(self.seeder, tools, stage, "seeder", host(2), tracker)
        leecher = self.client(self.leecher, tools, stage, "leecher", host(3), tracker)
        seeder.seeds = True
        content.lay_out(self.shape, torrent, seeder.folder, pads=not seeder.knows_pads)
        what = str(torrent.path)
        if self.by.startswith("magnet"):
            what = torrent.magnet(self.by.removeprefix("magnet-") if "-" in self.by else "v1 v2")

        def seed():
            seeder.start(torrent.path)
            stage.wait_until(seeder.done, "the seeder has checked its data", 30)
            tracker.await_peers(torrent.hashes(), 1, 0, "the seeder")

        def leech():
            leecher.start(what)
        # One that never dials must be on the list before the other asks for it, because the next
        # announce may be half an hour away.
        if leecher.dials_loopback:
            seed()
            leech()
        else:
            leech()
            tracker.await_peers(torrent.hashes(), 0, 1, "the leecher")
            seed()
        stage.wait_until(leecher.done, "the leecher has everything")
        await_equal(content, self.shape, stage, leecher)

    def client(self, kind, tools, stage, role, address, tracker):
        return CLIENTS[kind](tools, stage, f"{role}-{kind}", address, stage.folder / role,
                             crypto="" if kind == "ours" else self.crypto, tracker=tracker.url)


def await_equal(content, shape, stage, leecher):
    """The downloaded files are the source's: at once for ours, soon for others."""
    ours = isinstance(leecher, clients.Ours)
    differs = content.compare(shape, leecher.folder, empties_matter=leecher.makes_empty_files)
    if differs and ours:
        raise CellFailed(f"{leecher.name} said done: {differs}")
    if differs:
        stage.wait_until(
            lambda: not content.compare(shape, leecher.folder, leecher.makes_empty_files),
            f"{leecher.name} wrote the source's bytes ({differs})", FLUSH_SECS)


def self_test():
    """Foreign programs only: proves that the harness drives them as they must be."""
    rows = [
        ("transmission", "aria2", "open", "http", "single", "plain", "torrent"),
        ("transmission", "libtorrent", "open", "udp", "single", "plain", "magnet"),
        ("transmission", "qbittorrent", "open", "http", "single", "plain", "magnet"),
        ("aria2", "libtorrent", "open", "udp", "folder", "mktorrent", "torrent"),
        ("aria2", "qbittorrent", "open", "http", "single", "plain", "torrent"),
        ("libtorrent", "transmission", "open", "http", "single", "plain", "torrent"),
        ("libtorrent", "transmission", "open", "udp", "folder", "mktorrent", "magnet"),
        ("libtorrent", "aria2", "open", "udp", "single", "plain", "magnet"),
        ("libtorrent", "qbittorrent", "npm", "udp", "single", "plain", "torrent"),
        ("qbittorrent", "transmission", "npm", "http", "single", "plain", "torrent"),
        ("qbittorrent", "aria2", "open", "http", "folder", "mktorrent", "magnet"),
        ("qbittorrent", "libtorrent", "open", "udp", "single", "plain", "magnet"),
        ("libtorrent", "aria2", "open", "http", "folder", "padded", "torrent"),
        ("transmission", "libtorrent", "open", "http", "folder", "padded", "torrent"),
        ("aria2", "libtorrent", "open", "http", "folder", "padded", "magnet"),
        ("libtorrent", "transmission", "open", "http", "folder", "padded", "magnet"),
        ("libtorrent", "qbittorrent", "open", "http", "folder", "hybrid", "magnet-v2"),
        ("qbittorrent", "libtorrent", "open", "http", "single", "v2", "magnet"),
    ]
    found = [Transfer("self", *row) for row in rows]
    for row in [("libtorrent", "qbittorrent", "npm", "http", "single", "plain"),
                ("qbittorrent", "libtorrent", "npm", "http", "single", "plain"),
                ("libtorrent", "transmission", "npm", "http", "single", "plain"),
                ("transmission", "libtorrent", "npm", "http", "single", "plain"),
                ("libtorrent", "aria2", "npm", "http", "single", "plain"),
                ("aria2", "libtorrent", "npm", "http", "single", "plain")]:
        found.append(Transfer("self", *row, v6=True))
    return [transfer.cell() for transfer in found]


def matrix(full):
    return []

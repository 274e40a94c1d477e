"""One swarm of many kinds: a seeder, and leechers that each lack other pieces.

Pieces go by their number modulo five. Number 0 is with the seeder alone, so that somebody of the
other dialect must take it from there; each other number is lacked by one leecher and held by the
rest. The seeder is slow, so that the leechers turn to each other.
"""

import json

import clients
import trackers
from plan import Cell, await_equal, needs
from stage import CellFailed

SLOW = 1_000  # kB/s
SHAPE = "single"


class Native(clients.Ours):
    """Speaks its own dialect to its own kind, and BitTorrent to whoever the tracker says does."""

    dialect = "native"


class Mixed:
    def __init__(self, name, version, seeder, leechers, tracker=trackers.Ours):
        self.name, self.version, self.tracker_class = name, version, tracker
        self.seeder_class, self.leecher_classes = seeder, leechers

    def cell(self):
        parts = [self.seeder_class, *self.leecher_classes, self.tracker_class]
        needed = needs(*parts)
        if self.version != "plain":
            needed = tuple(dict.fromkeys(("ours", *needed)))
        return Cell(self.name, needed, self.play)

    def make(self, tools, stage, kind, name, host, tracker):
        url = tracker.host if kind.dialect == "native" else tracker.url
        made = kind(tools, stage, name, stage.address(host), stage.folder / name, tracker=url)
        return made

    def play(self, tools, content, stage):
        tracker = self.tracker_class(tools, stage, stage.address(1), "http")
        torrent = content.torrent(SHAPE, self.version) \
            .with_tracker(tracker.url, stage.folder / "cell.torrent")
        tracker.start(torrent.hashes())
        seeder = self.make(tools, stage, self.seeder_class, "seeder", 2, tracker)
        seeder.seeds = True
        seeder.limit_upload(SLOW)
        content.lay_out(SHAPE, torrent, seeder.folder, pads=not seeder.knows_pads)
        seeder.start(torrent.path)
        stage.wait_until(seeder.done, "the seeder has checked its data", 30)
        tracker.await_peers(torrent.hashes(), 1, 0, "the seeder")

        leechers = []
        for n, kind in enumerate(self.leecher_classes):
            name = f"leecher-{kind.__name__.lower()}"
            leecher = self.make(tools, stage, kind, name, 3 + n, tracker)
            content.lay_out_partly(SHAPE, torrent, leecher.folder,
                                   lambda piece, n=n: piece % 5 in (0, 1 + n))
            leechers.append(leecher)
        # Those that never dial are announced first; the others find them on the list.
        leechers.sort(key=lambda leecher: leecher.dials_loopback)
        for n, leecher in enumerate(leechers):
            leecher.start(torrent.path)
            if not leecher.dials_loopback:
                tracker.await_peers(torrent.hashes(), 0, 1 + n, leecher.name)
        for leecher in leechers:
            stage.wait_until(leecher.done, f"{leecher.name} has everything")
        for leecher in leechers:
            await_equal(content, SHAPE, stage, leecher)
        return self.judge(leechers)

    def judge(self, leechers):
        """Each dialect must have taken data from the other; says who gave how much."""
        seen = []
        given = 0
        for leecher in leechers:
            if isinstance(leecher, clients.Ours):
                done = leecher.events("done")[-1]
                seen.append(f"ours: {done['fetched'] >> 10} KiB of {done['sources']} sources")
                # The seeder is the only other of its dialect.
                if leecher.dialect == "native" and done["sources"] < 2:
                    raise CellFailed(f"the native leecher took nothing from others: {done}")
            else:
                given += leecher.uploaded()
                seen.append(f"{leecher.kind()} gave {leecher.uploaded() >> 10} KiB")
            if isinstance(leecher, clients.Libtorrent):
                seen.append(f"libtorrent's peers {json.dumps(leecher.state()['moved'])}")
        if given == 0:
            raise CellFailed("none of the foreign leechers gave anything: " + ", ".join(seen))
        return ", ".join(seen)


def cells():
    t, a, lt, q = (clients.FOREIGN[n] for n in ("transmission", "aria2", "libtorrent",
                                                "qbittorrent"))
    return [
        Mixed("mixed/native/v1", "v1", Native, [Native, t, a, lt]).cell(),
        Mixed("mixed/native/hybrid", "hybrid", Native, [Native, lt, q]).cell(),
        Mixed("mixed/bt/v1", "v1", clients.Ours, [clients.Ours, t, a, lt]).cell(),
    ]


def self_test():
    f = clients.FOREIGN
    return [Mixed("self/mixed", "plain", f["libtorrent"],
                  [f["transmission"], f["aria2"], f["qbittorrent"]], trackers.OpenTracker).cell()]

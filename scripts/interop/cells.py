"""The matrix: every cell by its name, what it needs, and how it is played.

A name reads `group/from-to/tracker/shape/by`, so that `--only` can choose. A cell's function gets
the tools, the content and its stage; it returns a remark or nothing, and raises `CellFailed`.
"""

from dataclasses import dataclass

import announces
import clients
import dissected
import mixed
import trackers
from plan import Cell, await_equal

CLIENTS = clients.FOREIGN | {"ours": clients.Ours}
TRACKERS = {"ours": trackers.Ours, "direct": trackers.OursUnnamed,
            "open": trackers.OpenTracker, "npm": trackers.NpmTracker}


@dataclass
class Transfer:
    """One seeder, one leecher, one tracker."""

    group: str
    seeder: str
    leecher: str
    tracker: str  # ours, open, npm, or direct: ours is told where the other is
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
            .with_tracker(tracker.named(), stage.folder / "cell.torrent")
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
            if self.tracker != "direct":
                tracker.await_peers(torrent.hashes(), 1, 0, "the seeder")

        def leech():
            leecher.start(what)
        if self.tracker == "direct" and self.seeder == "ours":
            leech()
            seeder.extra = ("--peer", leecher.at(leecher.port))
            seed()
        elif leecher.dials_loopback:
            seed()
            leecher.extra = ("--peer", seeder.at(seeder.port)) * (self.tracker == "direct")
            leech()
        else:
            # One that never dials must be on the list before the other asks for it, because the
            # next announce may be half an hour away.
            leech()
            tracker.await_peers(torrent.hashes(), 0, 1, "the leecher")
            seed()
        stage.wait_until(leecher.done, "the leecher has everything")
        await_equal(content, self.shape, stage, leecher)

    def client(self, kind, tools, stage, role, address, tracker):
        return CLIENTS[kind](tools, stage, f"{role}-{kind}", address, stage.folder / role,
                             crypto="" if kind == "ours" else self.crypto, tracker=tracker.url)


def self_test():
    """Foreign programs only: proves that the harness drives them as they must be."""
    rows = [
        ("transmission", "aria2", "open", "http", "single", "plain", "torrent"),
        ("transmission", "libtorrent", "open", "udp", "single", "plain", "magnet"),
        ("transmission", "qbittorrent", "open", "http", "single", "plain", "torrent"),
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
    return [row.cell() for row in found] + mixed.self_test() \
        + dissected.self_test() + announces.self_test()


def matrix(full):
    """The cells against ours: a cover of the product, or all of it."""
    rows = direct() + (product() if full else cover())
    rows += plain_folders() + over_ipv6() + bittorrent_v2()
    if full:
        rows += encrypted()
    return [row.cell() for row in rows] + mixed.cells() + announces.cells() + dissected.cells()


SCHEMES = [("ours", "http"), ("ours", "udp"), ("open", "http"), ("open", "udp")]
FORMS = [("single", "torrent"), ("folder", "magnet"), ("single", "magnet"), ("folder", "torrent")]


def directions(name):
    return [(name, "ours"), ("ours", name)]


def version_for(name, shape):
    """Hybrids where they can be read, otherwise v1; folders always with pad files."""
    if CLIENTS[name].reads_hybrids:
        return "hybrid"
    return "padded" if shape == "folder" else "v1"


def transfer(group, name, pair, scheme, form, **more):
    (shape, by) = form
    more = {"version": version_for(name, shape)} | more
    return Transfer(group, *pair, *scheme, shape, by=by, **more)


def direct():
    """The wire alone: the torrent names no tracker, and `peer --peer` names the other."""
    return [transfer("direct", name, pair, ("direct", "http"), form) for name in clients.FOREIGN
            for pair in directions(name) for form in FORMS[:2]]


def product():
    return [transfer("bt", name, pair, scheme, form) for name in clients.FOREIGN
            for pair in directions(name) for scheme in SCHEMES for form in FORMS]


def cover():
    """Each client in each direction meets each tracker once, and each form once."""
    return [transfer("bt", name, pair, scheme, FORMS[(i + 2 * j + k) % 4])
            for i, name in enumerate(clients.FOREIGN)
            for j, pair in enumerate(directions(name))
            for k, scheme in enumerate(SCHEMES)]


def plain_folders():
    """Pieces that reach over several files, in a torrent that another program made."""
    return [transfer("unpadded", name, pair, ("ours", "http"), ("folder", "torrent"),
                     version="mktorrent")
            for name in ("transmission", "aria2", "libtorrent") for pair in directions(name)]


def over_ipv6():
    """aria2 and Transmission 3.00 do not call a tracker by UDP over IPv6."""
    rows = [(name, ("ours", "http")) for name in clients.FOREIGN]
    rows += [(name, ("ours", "udp")) for name in ("libtorrent", "qbittorrent")]
    rows += [("libtorrent", ("npm", "http"))]
    return [transfer("ipv6", name, pair, scheme, ("single", "torrent"), v6=True)
            for name, scheme in rows for pair in directions(name)]


def bittorrent_v2():
    """Piece layers come from peers when only a magnet is known."""
    forms = [("folder", "hybrid", "magnet-v2"), ("folder", "hybrid", "magnet-v1"),
             ("single", "v2", "torrent"), ("single", "v2", "magnet"),
             ("folder", "v2", "torrent"), ("folder", "v2", "magnet")]
    rows = [transfer("v2", "libtorrent", pair, ("ours", "http"), (shape, by), version=version)
            for pair in directions("libtorrent") for shape, version, by in forms]
    return rows + [transfer("v2", "qbittorrent", pair, ("ours", "udp"), (shape, by),
                            version=version)
                   for pair in directions("qbittorrent") for shape, version, by in forms[3:4]]


def encrypted():
    """They dial and speak only after a handshake with keys."""
    return [transfer("encrypted", name, ("ours", name), ("ours", "http"), ("single", "torrent"),
                     crypto="require") for name in ("aria2", "libtorrent", "qbittorrent")]

"""Downloads from a real transmission-daemon: by file, by magnet, and by whom a link names."""

import clients
from checks import CellFailed, same
from daemon import SEEDING, Daemon
from props import Props


def play(check, tools, stage):
    props = Props(tools, stage, 2)
    # The last names no tracker: whoever has it is named by the link.
    made = [props.file("by-file.bin", 700_001), props.folder("by magnet"),
            props.file("bytes.bin", 600_123), props.folder("wanted"),
            props.file("told.bin", 500_009, tracked=False)]
    by_file, by_magnet, by_bytes, wanted, told = made
    theirs = clients.Transmission(tools, stage, "transmission", "127.0.0.1", props.sources)
    theirs.start(by_file.path)
    for one in made[1:]:
        theirs.call("torrent-add", {"filename": str(one.path), "paused": False})
    stage.wait_until(lambda: all(row["leftUntilDone"] == 0 and row["status"] == 6
                                 for row in theirs.poll()), "Transmission seeds all", 30)
    for one in made[:4]:
        props.tracker.await_peers([one.hash], 1, 0, "Transmission")

    daemon = Daemon(stage, tools.peer, props.tracker.url).start()
    # All before the first is whole, because Transmission serves newcomers once in ten seconds;
    # each when the one before has met it, because it resets a second handshake from an address.
    with check("takes a path, a link, base64 and a link that names the seeder"):
        for add in (lambda: daemon.add(str(by_file.path)), lambda: daemon.add(by_magnet.magnet),
                    lambda: daemon.add(by_bytes.path),
                    lambda: daemon.add(wanted.path, files_unwanted=[0]),
                    lambda: daemon.add(f"{told.magnet}&x.pe=127.0.0.1:{theirs.port}")):
            daemon.wait(add(), "peersConnected", lambda n: n > 0, 20)
    for one, how in ((by_file, "a path"), (by_magnet, "a magnet"), (by_bytes, "base64"),
                     (told, "a magnet with x.pe")):
        with check(f"from Transmission by {how}, byte by byte"):
            daemon.wait(one.hash, "status", SEEDING, 40)
            one.await_same(stage, daemon.downloads)
    with check("from Transmission without the file that is not wanted"):
        daemon.wait(wanted.hash, "leftUntilDone", 0, 40)
        row = daemon.torrent(wanted.hash, "wanted", "fileStats", "percentDone", "sizeWhenDone")
        same(row["wanted"], [0, 1, 1], "wanted")
        same(row["percentDone"], 1, "percentDone")
        names = sorted(str(p.relative_to(daemon.downloads / "wanted"))
                       for p in (daemon.downloads / "wanted").rglob("*") if p.is_file())
        same(names, ["b.bin", "sub/c.bin"], "the files on disk")
    with check("a file that is wanted later comes too"):
        daemon.call("torrent-set", ids=[wanted.hash], files_wanted=[0])
        daemon.wait(wanted.hash, "percentComplete", 1, 40)
        wanted.await_same(stage, daemon.downloads)
    with check("what was fetched is counted on both sides"):
        fetched = daemon.torrent(by_file.hash, "downloadedEver")
        sent = theirs.call("torrent-get", {"ids": [by_file.hash], "fields": ["uploadedEver"]})
        sent = sent["torrents"][0]["uploadedEver"]
        if not 700_001 <= fetched <= 1_000_000 or sent < 700_001:
            raise CellFailed(f"fetched {fetched}, sent {sent}")
    with check("its peer is called Transmission"):
        peers = [peer["clientName"] for row in daemon.torrents("peers") for peer in row["peers"]]
        if peers and not all(name.startswith("Transmission 3") for name in peers):
            raise CellFailed(f"the peers are {peers}")

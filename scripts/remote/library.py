"""Python's transmission-rpc: what programs that others wrote with it do."""

from checks import CellFailed, holds, same
from daemon import Daemon
from props import Props


def play(check, tools, stage):
    import transmission_rpc
    props = Props(tools, stage, 4)
    one, folder = props.file("one.bin", 700_000), props.folder("set")
    props.seed(one, folder)
    daemon = Daemon(stage, tools.peer, props.tracker.url).start("--auth", "ann:secret word")
    host, port = daemon.at.split(":")

    def client(password):
        return transmission_rpc.Client(host=host, port=int(port), username="ann",
                                       password=password, timeout=20)
    with check("a wrong password is refused"):
        try:
            client("guess")
        except transmission_rpc.TransmissionAuthError:
            pass
        else:
            raise CellFailed("it was let in")
    rpc = client("secret word")

    def until(what, torrent, met, secs=30):
        return stage.wait_until(lambda: met(rpc.get_torrent(torrent)), what, secs)
    with check("Client connects"):
        same(rpc.rpc_version, 17, "rpc_version")
        same(rpc.server_version, "swarmlet 0.1.0", "server_version")
        same(rpc.get_torrents(), [], "the torrents")
    with check("add_torrent by bytes, paused, with labels"):
        added = rpc.add_torrent(one.path.read_bytes(), paused=True, labels=["course"])
        same((added.id, added.name, added.hashString), (1, one.name, one.hash), "the torrent")
        found = rpc.get_torrent(1)
        same((found.status, found.labels, found.total_size),
             (transmission_rpc.Status.STOPPED, ["course"], 700_000), "the torrent")
    with check("start_torrent, and it is fetched byte by byte"):
        rpc.start_torrent(1)
        until("it is whole", 1, lambda t: t.status.seeding and t.progress == 100)
        one.await_same(stage, daemon.downloads)
    with check("add_torrent by magnet"):
        rpc.add_torrent(folder.magnet, download_dir=str(stage.subfolder("elsewhere")))
        until("it is whole", folder.hash, lambda t: t.status.seeding)
        folder.await_same(stage, stage.folder / "elsewhere")
    with check("add_torrent of a path by Path and by an open file"):
        same(rpc.add_torrent(folder.path).hashString, folder.hash, "the same torrent")
        with open(folder.path, "rb") as file:
            same(rpc.add_torrent(file).hashString, folder.hash, "the same torrent")
    with check("get_torrents: every property can be read"):
        for torrent in rpc.get_torrents():
            readable(torrent)
        same(sorted(t.name for t in rpc.get_torrents()), [one.name, folder.name], "the names")
    with check("get_files of a folder"):
        files = rpc.get_torrent(folder.hash).get_files()
        same([(f.name, f.size, f.completed, f.selected) for f in files],
             [(name, len(data), len(data), True)
              for name, data in folder.files().items()], "the files")
    with check("get_recently_active_torrents"):
        active, removed = rpc.get_recently_active_torrents()
        same((type(active), removed), (list, []), "active and removed")
    with check("change_torrent"):
        rpc.change_torrent(1, download_limit=300, download_limited=True, labels=["a", "b"],
                           seed_ratio_limit=2.0, seed_ratio_mode=1, peer_limit=9,
                           bandwidth_priority=-1)
        got = rpc.get_torrent(1)
        same((got.download_limit, got.download_limited, got.labels, got.seed_ratio_limit,
              got.peer_limit), (300, True, ["a", "b"], 2.0, 9), "the torrent")
    with check("change_torrent: files"):
        rpc.change_torrent(folder.hash, files_unwanted=[1], priority_high=[0])
        got = rpc.get_torrent(folder.hash)
        same([bool(flag) for flag in got.wanted], [True, False, True], "wanted")
        same([int(file.priority) for file in got.get_files()], [1, 0, 0], "priorities")
    with check("change_torrent: tracker_list"):
        rpc.change_torrent(1, tracker_list=[[props.tracker.url], ["http://127.0.0.1:9/announce"]])
        same([t.announce for t in rpc.get_torrent(1).trackers],
             [props.tracker.url, "http://127.0.0.1:9/announce"], "the trackers")
    with check("stop_torrent, verify_torrent, reannounce_torrent"):
        rpc.stop_torrent([1])
        until("it is stopped", 1, lambda t: t.status.stopped)
        rpc.verify_torrent([1])
        until("it is checked", 1, lambda t: t.status.stopped and t.progress == 100)
        rpc.start_torrent([1], bypass_queue=True)
        until("it runs", 1, lambda t: t.status.seeding)
        rpc.reannounce_torrent([1])
    with check("session_stats"):
        stats = rpc.session_stats()
        same((stats.torrent_count, stats.cumulative_stats.session_count), (2, 1), "the counts")
        if stats.current_stats.downloaded_bytes < 1_600_000:
            raise CellFailed(f"downloaded_bytes is {stats.current_stats.downloaded_bytes}")
    with check("get_session and set_session"):
        rpc.set_session(speed_limit_down=555, speed_limit_down_enabled=True, alt_speed_up=44)
        session = rpc.get_session()
        same((session.speed_limit_down, session.speed_limit_down_enabled, session.alt_speed_up),
             (555, True, 44), "the session")
        same(session.download_dir, str(daemon.downloads), "download_dir")
        for name in ("version", "rpc_version", "rpc_version_minimum", "encryption", "units",
                     "peer_port", "seed_ratio_limit", "queue_stalled_minutes", "cache_size_mb"):
            getattr(session, name)
    with check("move_torrent_data without moving"):
        rpc.stop_torrent([1])
        until("it is stopped", 1, lambda t: t.status.stopped)
        moved = stage.subfolder("moved")
        (daemon.downloads / one.name).rename(moved / one.name)
        rpc.move_torrent_data([1], str(moved), move=False)
        same(rpc.get_torrent(1).download_dir, str(moved), "download_dir")
        rpc.start_torrent([1])
        until("it runs", 1, lambda t: t.status.seeding and t.progress == 100)
    with check("move_torrent_data with moving, and renaming, are errors that say so"):
        for refused in (lambda: rpc.move_torrent_data([1], str(daemon.downloads), move=True),
                        lambda: rpc.rename_torrent_path(1, one.name, "other.bin")):
            try:
                refused()
            except transmission_rpc.TransmissionError as error:
                holds(str(error), "move" if "move" in str(error) else "name")
            else:
                raise CellFailed("it was done")
    with check("queue_top, free_space, port_test, blocklist"):
        rpc.queue_top([folder.hash])
        same(rpc.get_torrent(folder.hash).queue_position, 0, "queue_position")
        if not rpc.free_space(str(stage.folder)):
            raise CellFailed("free_space knows nothing")
        same(rpc.port_test(), False, "port_test")
        same(rpc.blocklist_update(), 0, "blocklist_update")
    with check("a torrent that is not there is a KeyError"):
        try:
            rpc.get_torrent(4711)
        except KeyError:
            pass
        else:
            raise CellFailed("there is one")
    with check("remove_torrent with and without data"):
        rpc.remove_torrent([folder.hash])
        folder.await_same(stage, stage.folder / "elsewhere")
        rpc.remove_torrent([1], delete_data=True)
        stage.wait_until(lambda: not (moved / one.name).exists(), "its file is gone", 10)
        same(rpc.get_torrents(), [], "the torrents")


def readable(torrent):
    """Reads all that the class offers; a field that we do not send is a KeyError."""
    missing = []
    for name in dir(type(torrent)):
        if name.startswith("_") or not isinstance(getattr(type(torrent), name), property):
            continue
        try:
            getattr(torrent, name)
        except KeyError as error:
            missing.append(f"{name} ({error})")
    same(missing, [], "what cannot be read")

"""Limits that hold, damage that is found and repaired, data that goes, and what a restart keeps."""

import time

from checks import CellFailed, same
from daemon import DOWNLOADING, SEEDING, STOPPED, Daemon
from props import Props

KB = 1000


def play(check, tools, stage):
    props = Props(tools, stage, 3)
    big, folder, small = props.file("big.bin", 3_000_000), props.folder("set"), \
        props.file("small.bin", 300_000)
    props.seed(big, folder, small)
    daemon = Daemon(stage, tools.peer, props.tracker.url).start()
    limits(check, daemon, big)
    repair(check, stage, daemon, small)
    removal(check, stage, daemon, folder, big)
    restart(check, stage, daemon, big, folder)
    stopped(check, stage, daemon, props)
    dialects(check, daemon, big)
    with check("SIGTERM ends it with 0, as nothing that is wanted is missing"):
        same(daemon.stop(), 0, "the exit status")


def limits(check, daemon, big):
    """A slow machine is slower still, so that only too much is wrong; half as much again may
    come, since what was saved up before comes at once."""
    with check("a limit of one torrent slows it, and gone it does not"):
        number = daemon.add(big.path, paused=True)
        daemon.does("-t", number, "-d", 200)
        daemon.does("-t", number, "-s")
        daemon.wait(number, "haveValid", lambda have: have > 0)
        first, begun = daemon.torrent(number, "downloadedEver"), time.monotonic()
        daemon.wait(number, "downloadedEver", lambda n: n >= first + 600 * KB, 30)
        got, took = daemon.torrent(number, "downloadedEver") - first, time.monotonic() - begun
        if got / took > 200 * KB * 1.5:
            raise CellFailed(f"{got} bytes in {took:.1f} s with a limit of 200 kB/s")
        holds_rate = daemon.torrent(number, "rateDownload")
        if not 50 * KB < holds_rate < 350 * KB:
            raise CellFailed(f"rateDownload is {holds_rate}")
        same(daemon.torrent(number, "status"), DOWNLOADING, "status")
    with check("the session's limit slows all that honour it"):
        daemon.does("-d", 100)
        daemon.does("-t", number, "-D")
        first, begun = daemon.torrent(number, "downloadedEver"), time.monotonic()
        daemon.wait(number, "downloadedEver", lambda n: n >= first + 300 * KB, 30)
        got, took = daemon.torrent(number, "downloadedEver") - first, time.monotonic() - begun
        if got / took > 100 * KB * 1.5:
            raise CellFailed(f"{got} bytes in {took:.1f} s with a limit of 100 kB/s")
    with check("without limits the rest comes at once"):
        daemon.does("-D")
        daemon.wait(number, "status", SEEDING, 10)
        big.await_same(daemon.stage, daemon.downloads)


def repair(check, stage, daemon, small):
    with check("-v finds a flipped byte, and its piece is fetched again"):
        number = daemon.add(small.path)
        daemon.wait(number, "status", SEEDING)
        daemon.does("-t", number, "-S")
        daemon.wait(number, "status", STOPPED)
        path = daemon.downloads / small.name
        data = bytearray(path.read_bytes())
        data[100_000] ^= 1
        path.write_bytes(data)
        daemon.does("-t", number, "-v")
        daemon.wait(number, "leftUntilDone", 32 * 1024)
        daemon.does("-t", number, "-s")
        daemon.wait(number, "status", SEEDING)
        small.await_same(stage, daemon.downloads)
    with check("-v while it runs goes on with it by itself"):
        data = bytearray(path.read_bytes())
        data[200_000] ^= 1
        path.write_bytes(data)
        daemon.does("-t", number, "-v")
        stage.wait_until(lambda: path.read_bytes() == small.source.read_bytes(),
                         "the byte is right again", 20)
        daemon.wait(number, "status", SEEDING)
    with check("-v finds that a file is gone"):
        daemon.does("-t", number, "-S")
        daemon.wait(number, "status", STOPPED)
        path.unlink()
        daemon.does("-t", number, "-v")
        daemon.wait(number, "haveValid", 0)
        daemon.does("-t", number, "-s")
        daemon.wait(number, "status", SEEDING)
        small.await_same(stage, daemon.downloads)


def removal(check, stage, daemon, folder, big):
    with check("-rad deletes what was fetched, and leaves what lies beside it"):
        number = daemon.add(folder.path)
        daemon.wait(number, "status", SEEDING)
        (daemon.downloads / "set/notes.txt").write_text("mine")
        daemon.does("-t", number, "-rad")
        stage.wait_until(lambda: not (daemon.downloads / "set/a.bin").exists(), "it is gone", 10)
        stage.wait_until(lambda: sorted(p.name for p in (daemon.downloads / "set").rglob("*"))
                         == ["notes.txt"], "only the notes are left", 10)
        big.await_same(stage, daemon.downloads)
        (daemon.downloads / "set/notes.txt").unlink()


def restart(check, stage, daemon, big, folder):
    fields = ("name", "hashString", "labels", "downloadLimit", "downloadLimited", "uploadLimit",
              "seedRatioLimit", "seedRatioMode", "wanted", "priorities", "downloadDir", "status",
              "percentDone", "addedDate", "honorsSessionLimits", "bandwidthPriority",
              "downloadedEver", "doneDate", "peer-limit")
    session = ("speed-limit-down", "speed-limit-down-enabled", "seedRatioLimit",
               "seedRatioLimited", "alt-speed-down", "peer-limit-global")
    elsewhere = stage.subfolder("elsewhere")
    number = daemon.add(folder.path, download_dir=str(elsewhere), files_unwanted=[1])
    daemon.wait(number, "leftUntilDone", 0)
    daemon.does("-t", number, "-L", "iso,lecture", "-d", 1234, "-u", 4321, "-sr", "1.5")
    daemon.does("-t", number, "-ph", 2, "-Bh", "-pr", 13)
    daemon.does("-t", big.hash, "-S")
    daemon.wait(big.hash, "status", STOPPED)
    daemon.does("-d", 888, "-gsr", "7.5", "-asd", 33, "-pr", 99)
    daemon.wait(number, "status", SEEDING)
    rows = [daemon.torrent(one.hash, *fields) for one in (folder, big)]
    before = daemon.call("session-get")
    same(daemon.stop(), 0, "the exit status")
    daemon.start()
    with check("a restart keeps labels, limits, files and places"):
        daemon.wait(folder.hash, "status", SEEDING)
        for one, row in zip((folder, big), rows):
            now = daemon.torrent(one.hash, *fields)
            wrong = {k: (now[k], row[k]) for k in fields if now[k] != row[k]}
            same(wrong, {}, f"what changed of {one.name}")
    with check("a restart keeps the session's limits"):
        now = daemon.call("session-get")
        same({k: now[k] for k in session}, {k: before[k] for k in session}, "the session")
    with check("a restart counts the sessions and goes on counting bytes"):
        stats = daemon.call("session-stats")
        same(stats["cumulative-stats"]["sessionCount"], 2, "sessionCount")
        if stats["cumulative-stats"]["downloadedBytes"] < 2_000_000:
            raise CellFailed(f"downloadedBytes is {stats['cumulative-stats']}")
    with check("what is not wanted stays away, and comes when it is wanted"):
        same((elsewhere / "set/b.bin").exists(), False, "b.bin is there")
        daemon.does("-t", folder.hash, "-g", 1)
        daemon.wait(folder.hash, "percentComplete", 1)
        folder.await_same(stage, elsewhere)
    killed(check, stage, daemon, folder)


def killed(check, stage, daemon, folder):
    with check("after SIGKILL everything is there again"):
        before = sorted(row["hashString"] for row in daemon.torrents("hashString"))
        daemon.program.process.kill()
        daemon.gone()
        daemon.start()
        same(sorted(row["hashString"] for row in daemon.torrents("hashString")), before, "hashes")
        daemon.wait(folder.hash, "percentComplete", 1)
        same(daemon.torrent(folder.hash, "labels"), ["iso", "lecture"], "labels")


def stopped(check, stage, daemon, props):
    with check("what was stopped in the middle stays there over a restart, and goes on then"):
        half = props.file("half.bin", 1_500_000)
        props.seed(half)
        daemon.does("-d", 100)
        number = daemon.add(half.path)
        daemon.wait(number, "haveValid", lambda have: have > 0)
        daemon.does("-t", number, "-S")
        daemon.wait(number, "status", STOPPED)
        daemon.does("-D")
        fields = ("status", "haveValid", "downloadedEver")
        before = daemon.torrent(number, *fields)
        if not 0 < before["haveValid"] < 1_500_000:
            raise CellFailed(f"it was not stopped in the middle: {before}")
        daemon.stop()
        daemon.start()
        daemon.wait(half.hash, "status", STOPPED)
        # It is known to stay when another that was added later is whole.
        later = props.file("later.bin", 100_000)
        props.seed(later)
        daemon.wait(daemon.add(later.path), "status", SEEDING)
        same(daemon.torrent(half.hash, *fields), before, "it")
        daemon.does("-t", half.hash, "-s")
        daemon.wait(half.hash, "status", SEEDING)
        half.await_same(stage, daemon.downloads)


def dialects(check, daemon, big):
    def asked(method, params, number=7):
        answer = daemon.ask({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        same((answer["jsonrpc"], answer["id"]), ("2.0", number), "the frame")
        return answer
    with check("JSON-RPC 2.0: torrent_get by hash"):
        answer = asked("torrent_get", {"ids": [big.hash], "fields": [
            "hash_string", "total_size", "percent_done", "download_limited", "peer_limit"]})
        same(answer["result"]["torrents"], [{
            "hash_string": big.hash, "total_size": 3_000_000, "percent_done": 1,
            "download_limited": False, "peer_limit": 50}], "the torrents")
    with check("JSON-RPC 2.0: torrent_set, and seen in the other dialect"):
        asked("torrent_set", {"ids": [big.hash], "seed_ratio_limit": 4.5, "seed_ratio_mode": 1,
                              "download_limit": 77, "labels": ["two"]})
        same(daemon.torrent(big.hash, "seedRatioLimit", "downloadLimit", "labels"),
             {"seedRatioLimit": 4.5, "downloadLimit": 77, "labels": ["two"]}, "the torrent")
    with check("JSON-RPC 2.0: session_get and session_stats"):
        result = asked("session_get", {"fields": ["rpc_version_semver", "download_dir",
                                                  "peer_limit_global"]})["result"]
        same(result, {"rpc_version_semver": "6.0.0", "download_dir": str(daemon.downloads),
                      "peer_limit_global": 99}, "session_get")
        if asked("session_stats", {})["result"]["cumulative_stats"]["session_count"] < 2:
            raise CellFailed("session_count")
    with check("JSON-RPC 2.0: an unknown method is -32601"):
        same(asked("torrent_dance", {})["error"]["code"], -32601, "the code")
    with check("JSON-RPC 2.0: a notification is answered 204 and carried out"):
        body = ('{"jsonrpc":"2.0","method":"torrent_set","params":{"ids":["%s"],"labels":["n"]}}'
                % big.hash).encode()
        status, _, answer = daemon.post(body, {"X-Transmission-Session-Id": daemon.session})
        same((status, answer), (204, b""), "the answer")
        daemon.wait(big.hash, "labels", ["n"], 5)

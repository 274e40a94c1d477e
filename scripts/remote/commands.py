"""transmission-remote, option by option: its exit status, its words, and that it had an effect.

The effect is asked for by RPC, not by the option's own output.
"""

import shutil

from checks import CellFailed, holds, same
from daemon import DOWNLOADING, SEEDING, STOPPED, Daemon
from props import Props


def play(check, tools, stage):
    props = Props(tools, stage, 1)
    one, folder = props.file("one.bin", 900_001), props.folder("set")
    props.seed(one, folder)
    daemon = Daemon(stage, tools.peer, props.tracker.url).start()
    with check("-l of nothing"):
        holds(daemon.says("-l"), "ID", "Done", "Name", "Sum:")
    adding(check, stage, daemon, one, folder)
    # From here on torrent 1 is the file, and the folder has another number.
    shown(check, daemon, one, folder)
    running(check, daemon, one)
    for_one_torrent(check, daemon, one)
    files(check, daemon)
    trackers(check, daemon, props)
    session(check, daemon)
    removing(check, stage, daemon, one, folder)
    with check("-pt says that the port is not known to be open"):
        holds(daemon.says("-pt"), "Port is open: No")
    with check("--exit ends the daemon with 0"):
        daemon.does("--exit")
        same(daemon.gone(), 0, "its exit status")
    with check("-l of a daemon that is gone fails"):
        status, text = daemon.remote("-l")
        same(status, 1, "the exit status")
        holds(text, "Couldn't connect")


def adding(check, stage, daemon, one, folder):
    elsewhere = stage.subfolder("elsewhere")
    with check("-a FILE fetches it"):
        daemon.does("-a", one.path)
        daemon.wait(1, "status", SEEDING)
        one.await_same(stage, daemon.downloads)
    with check("-a FILE again is no error and no second torrent"):
        daemon.does("-a", one.path)
        same(len(daemon.torrents("id")), 1, "torrents")
    with check("--start-paused, -a FILE -w DIR stands there, stopped"):
        # In one line it would be added before it is paused, with Transmission's daemon too.
        daemon.does("--start-paused")
        daemon.does("-a", folder.path, "-w", elsewhere)
        row = daemon.torrent(folder.hash, "id", "status", "downloadDir", "haveValid")
        same(row["downloadDir"], str(elsewhere), "downloadDir")
        daemon.wait(folder.hash, "status", STOPPED)
        same(row["haveValid"], 0, "haveValid")
    with check("--no-start-paused"):
        daemon.does("--no-start-paused")
        same(daemon.call("session-get")["start-added-torrents"], True, "start-added-torrents")
    with check("-t ID -r lets it go and leaves its data"):
        daemon.does("-t", folder.hash, "-s")
        daemon.wait(folder.hash, "status", SEEDING)
        daemon.does("-t", folder.hash, "-r")
        same(daemon.torrent(folder.hash, "id"), None, "the torrent")
        folder.await_same(stage, elsewhere)
        shutil.rmtree(elsewhere)
    with check("-a MAGNET fetches it"):
        daemon.does("-a", folder.magnet)
        daemon.wait(folder.hash, "status", SEEDING)
        folder.await_same(stage, daemon.downloads)
    with check("-a HASH is a torrent"):
        daemon.does("-a", "0123456789abcdef0123456789abcdef01234567")
        row = daemon.torrent("0123456789abcdef0123456789abcdef01234567",
                             "id", "metadataPercentComplete")
        same(row["metadataPercentComplete"], 0, "metadataPercentComplete")
        daemon.does("-t", row["id"], "-r")
    with check("-a /nonexistent.torrent fails"):
        before = len(daemon.torrents("id"))
        status, text = daemon.remote("-a", "/nonexistent.torrent")
        same(status, 1, "the exit status")
        holds(text, "Error:")
        same(len(daemon.torrents("id")), before, "torrents")
    with check("a number is never given twice"):
        same([row["id"] for row in daemon.torrents("id")], [1, 3], "the ids")


def shown(check, daemon, one, folder):
    second = daemon.torrent(folder.hash, "id")
    with check("-l has both, whole"):
        holds(daemon.row(one.name), "100%", "Idle", "900.0 kB")
        holds(daemon.row(folder.name), "100%")
    with check("-t HASH -l has one"):
        text = daemon.says("-t", one.hash, "-l")
        holds(text, one.name)
        same(len(text.splitlines()), 3, "lines")
    with check("-t ID -i"):
        holds(daemon.says("-t", 1, "-i"), f"Id: 1\n  Name: {one.name}", f"Hash: {one.hash}",
              f"Magnet: magnet:?xt=urn:btih:{one.hash}", "State: Idle",
              f"Location: {daemon.downloads}", "Percent Done: 100%", "ETA: 0 seconds",
              "Total size: 900.0 kB (900.0 kB wanted)", "Have: 900.0 kB", "Availability: 100%",
              "Corrupt DL: None", "Peers: connected to", "Date added:", "Date finished:",
              "Date started:", "Date created:", "Public torrent: Yes", "Creator: peer/",
              "Piece Count: 28", "Piece Size: 32.00 KiB", "Download Limit: Unlimited",
              "Upload Limit: Unlimited", "Ratio Limit: Default", "Honors Session Limits: Yes",
              "Peer limit: 50", "Bandwidth Priority: Normal")
    with check("-t ID -f and -if"):
        for word in ("-f", "-if"):
            holds(daemon.says("-t", second, word), "set (3 files):", "Done Priority Get",
                  "100% Normal   Yes", "set/a.bin", "set/sub/c.bin")
    with check("-t ID -ic draws every piece"):
        text = daemon.says("-t", 1, "-ic")
        same(text.count("1"), 28, "pieces drawn")
    with check("-t ID -it"):
        holds(daemon.says("-t", 1, "-it"), "Tracker 0: ", "127.0.0.1:", "Active in tier 0",
              "Got a list of", "Asking for more peers in", "Tracker had")
    with check("-si"):
        holds(daemon.says("-si"), "VERSION", "Daemon version: swarmlet", "RPC version: 17",
              f"Configuration directory: {daemon.config}",
              f"Download directory: {daemon.downloads}", "Listenport:",
              "Distributed hash table enabled: No", "Encryption: tolerated", "LIMITS",
              "Peer limit: 200", "Default seed ratio limit: Unlimited",
              "Upload speed limit: Unlimited", "MISC", "Autostart added torrents: Yes")
    with check("-st counts what was fetched"):
        text = daemon.says("-st")
        holds(text, "CURRENT SESSION", "TOTAL", "Started 1 times", "Uploaded:", "Ratio:")
        fetched = daemon.call("session-stats")["current-stats"]["downloadedBytes"]
        if fetched < 1_800_000:
            raise CellFailed(f"downloadedBytes is {fetched}")
    with check("-t of nobody shows nothing, and is no error"):
        same(daemon.remote("-t", 77, "-i"), (0, ""), "-t 77 -i")


def running(check, daemon, one):
    with check("-t ID -S stops it"):
        daemon.does("-t", 1, "-S")
        daemon.wait(1, "status", STOPPED)
        holds(daemon.row(one.name), "Stopped")
    with check("-t ID -v checks it and leaves it stopped"):
        daemon.does("-t", 1, "-v")
        daemon.wait(1, "status", STOPPED)
        same(daemon.torrent(1, "leftUntilDone"), 0, "leftUntilDone")
    with check("-t ID -s starts it"):
        daemon.does("-t", 1, "-s")
        daemon.wait(1, "status", SEEDING)
    with check("-t all -S, -t all -s"):
        daemon.does("-t", "all", "-S")
        all_are(daemon, STOPPED)
        daemon.does("-t", "all", "-s")
        all_are(daemon, SEEDING)


def all_are(daemon, status):
    for row in daemon.torrents("id"):
        daemon.wait(row["id"], "status", status)


def for_one_torrent(check, daemon, one):
    def told(what, words, text, **fields):
        with check(f"-t ID {what}"):
            daemon.does("-t", 1, *words)
            for name, value in fields.items():
                same(daemon.torrent(1, name), value, name)
            holds(daemon.says("-t", 1, "-i"), text)
    told("-d N", ("-d", 120), "Download Limit: 120 kB/s", downloadLimit=120,
         downloadLimited=True)
    told("-D", ("-D",), "Download Limit: Unlimited", downloadLimited=False)
    told("-u N", ("-u", 130), "Upload Limit: 130 kB/s", uploadLimit=130, uploadLimited=True)
    told("-U", ("-U",), "Upload Limit: Unlimited", uploadLimited=False)
    told("-sr N", ("-sr", "2.5"), "Ratio Limit: 2.5", seedRatioLimit=2.5, seedRatioMode=1)
    told("-SR", ("-SR",), "Ratio Limit: Unlimited", seedRatioMode=2)
    told("-srd", ("-srd",), "Ratio Limit: Default", seedRatioMode=0)
    told("-hl", ("-hl",), "Honors Session Limits: Yes", honorsSessionLimits=True)
    told("-HL", ("-HL",), "Honors Session Limits: No", honorsSessionLimits=False)
    told("-Bh", ("-Bh",), "Bandwidth Priority: High", bandwidthPriority=1)
    told("-Bl", ("-Bl",), "Bandwidth Priority: Low", bandwidthPriority=-1)
    told("-Bn", ("-Bn",), "Bandwidth Priority: Normal", bandwidthPriority=0)
    told("-L LIST", ("-L", "iso,lecture 3"), "Labels: iso, lecture 3",
         labels=["iso", "lecture 3"])
    with check("-t ID -pr N"):
        daemon.does("-t", 1, "-pr", 7)
        same(daemon.torrent(1, "peer-limit"), 7, "peer-limit")
        holds(daemon.says("-t", 1, "-i"), "Peer limit: 7")
    with check("two options at once, and -t of a list"):
        daemon.does("-t", "1,2-9", "-d", 500, "-u", 400)
        rows = daemon.torrents("downloadLimit", "uploadLimit")
        same(rows, [{"downloadLimit": 500, "uploadLimit": 400}] * 2, "the limits of both")
        daemon.does("-t", "all", "-D", "-U")


def files(check, daemon):
    second = [row["id"] for row in daemon.torrents("id")][1]

    def told(what, words, **fields):
        with check(f"-t ID {what}"):
            daemon.does("-t", second, *words)
            for name, value in fields.items():
                same(daemon.torrent(second, name), value, name)
    told("-G LIST", ("-G", "0,2"), wanted=[0, 1, 0])
    with check("-t ID -f shows what is not wanted"):
        text = daemon.says("-t", second, "-f")
        same([line.split()[3] for line in text.splitlines()[2:]], ["No", "Yes", "No"], "Get")
    told("-g LIST", ("-g", "2"), wanted=[0, 1, 1])
    told("-G all", ("-G", "all"), wanted=[0, 0, 0])
    told("-g all", ("-g", "all"), wanted=[1, 1, 1])
    told("-ph LIST", ("-ph", "0,1"), priorities=[1, 1, 0])
    told("-pl LIST", ("-pl", "1-2"), priorities=[1, -1, -1])
    with check("-t ID -f shows priorities"):
        holds(daemon.says("-t", second, "-f"), "100% High ", "100% Low ")
    told("-pn all", ("-pn", "all"), priorities=[0, 0, 0])


def trackers(check, daemon, props):
    other = f"http://127.0.0.1:{props.stage.port('127.0.0.1')}/announce"
    with check("-t ID -td URL"):
        daemon.does("-t", 1, "-td", other)
        named = [row["announce"] for row in daemon.torrent(1, "trackers")]
        same(named, [props.tracker.url, other], "the trackers")
    # Transmission asks every tier at once; here the next one is asked when the first does not
    # answer, as BEP 12 has it.
    with check("-t ID -it says that the added tracker stands behind the first"):
        daemon.wait(1, "trackerStats", lambda rows: rows[1]["isBackup"], 20)
        holds(daemon.says("-t", 1, "-it"), "Tracker 1: ", "Backup on tier 1")
    with check("-t ID -tr N"):
        number = daemon.torrent(1, "trackers")[1]["id"]
        daemon.does("-t", 1, "-tr", number)
        named = [row["announce"] for row in daemon.torrent(1, "trackers")]
        same(named, [props.tracker.url], "the trackers")
    with check("-t ID --reannounce asks the tracker again"):
        before = daemon.torrent(1, "trackerStats")[0]["lastAnnounceTime"]
        daemon.does("-t", 1, "--reannounce")

        def later(rows):
            return rows[0]["lastAnnounceTime"] > before and rows[0]["lastAnnounceSucceeded"]
        # The tracker wants half a minute between two announces, however often somebody asks.
        daemon.wait(1, "trackerStats", later, 45)


def session(check, daemon):
    def told(words, text=None, **keys):
        with check(" ".join(words) + " for all"):
            daemon.does(*words)
            now = daemon.call("session-get")
            for name, value in keys.items():
                name = name.replace("_", "-")
                same(now[name], value, name)
            if text:
                holds(daemon.says("-si"), text)
    told(("-d", "700"), "Download speed limit: 700 kB/s (Enabled limit: 700 kB/s",
         speed_limit_down=700, speed_limit_down_enabled=True)
    told(("-D",), "Download speed limit: Unlimited (Disabled limit: 700 kB/s",
         speed_limit_down=700, speed_limit_down_enabled=False)
    told(("-u", "600"), "Upload speed limit: 600 kB/s",
         speed_limit_up=600, speed_limit_up_enabled=True)
    told(("-U",), "Upload speed limit: Unlimited", speed_limit_up_enabled=False)
    told(("-gsr", "3.5"), "Default seed ratio limit: 3.5",
         seedRatioLimit=3.5, seedRatioLimited=True)
    told(("-GSR",), "Default seed ratio limit: Unlimited", seedRatioLimited=False)
    told(("-pr", "77"), "Peer limit: 77", peer_limit_global=77)
    told(("-as",), "Enabled turtle limit", alt_speed_enabled=True)
    told(("-asd", "41", "-asu", "42"), "turtle limit: 41 kB/s",
         alt_speed_down=41, alt_speed_up=42)
    told(("-AS",), "Disabled turtle limit", alt_speed_enabled=False)
    told(("-asc", "--alt-speed-time-begin", "0830", "--alt-speed-time-end", "1700"),
         alt_speed_time_enabled=True, alt_speed_time_begin=510, alt_speed_time_end=1020)
    told(("-e", "8"), "Maximum memory cache size: 8.00 MiB", cache_size_mb=8)
    with check("--torrent-done-script is refused"):
        status, text = daemon.remote("--torrent-done-script", "/bin/true")
        same(status, 1, "the exit status")
        holds(text, "Error:", "script")


def removing(check, stage, daemon, one, folder):
    with check("-t ID -rad takes its data along, and no other"):
        daemon.does("-t", folder.hash, "-rad")
        same(daemon.torrent(folder.hash, "id"), None, "the torrent")
        stage.wait_until(lambda: not (daemon.downloads / folder.name).exists(),
                         "its folder is gone", 10)
        one.await_same(stage, daemon.downloads)
    with check("-t ID --find takes up data that is there"):
        moved = stage.subfolder("moved")
        daemon.does("-t", 1, "-S")
        daemon.wait(1, "status", STOPPED)
        shutil.move(daemon.downloads / one.name, moved / one.name)
        daemon.does("-t", 1, "--find", moved)
        same(daemon.torrent(1, "downloadDir"), str(moved), "downloadDir")
        daemon.does("-t", 1, "-s")
        daemon.wait(1, "status", SEEDING)
    with check("a download in the middle is shown as one"):
        daemon.does("-d", 50)
        daemon.does("-a", folder.path)
        daemon.wait(folder.hash, "status", DOWNLOADING)
        daemon.wait(folder.hash, "rateDownload", lambda rate: rate > 0)
        holds(daemon.row(folder.name), "Downloading")
    with check("-t ID -ip and -pi show who sends"):
        for word in ("-ip", "-pi"):
            text = daemon.says("-t", folder.hash, word)
            holds(text, "Address", "Flags", "Done", "Down", "Client", "127.", "swarmlet")
            same(len(text.splitlines()), 2, "lines")
            holds(text.splitlines()[1].split()[1], "D")
    with check("-rad in the middle leaves nothing behind"):
        daemon.does("-t", folder.hash, "-rad")
        stage.wait_until(lambda: not list(daemon.downloads.rglob("*")), "the folder is empty", 10)
        daemon.does("-D")

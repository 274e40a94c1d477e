"""Torrents made from files, and data checked against them, beside the other clients that do so.

Whole processes are timed. Of libtorrent's two times, with and without the interpreter's start, the
better one counts. Clients that check only as part of a longer life are asked over their own ports.
"""
import base64, contextlib, json, os, sys, time, urllib.error, urllib.request
from statistics import median
from clients import Crew
from references import serving
from stage import HERE, MIB, Broken, free_port, run
from table import ratios, spread, times
from transfer import missing

DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
ANNOUNCE = "http://127.0.0.1:9/announce"


def created(stage, argv, out):
    """How long a command took that makes `out`."""
    with contextlib.suppress(FileNotFoundError):
        os.remove(out)
    begun = time.monotonic()
    said = run(argv)
    wall = time.monotonic() - begun
    if not os.path.getsize(out):
        raise Broken(f"{argv[0]} made nothing")
    return {"wall": min(wall, float(said)) if "libtorrent_create" in argv[1] else wall}


def makers(stage, source, out):
    """What makes a .torrent of pieces of 1 MiB, for each version of BitTorrent."""
    peer, script = stage.program("peer"), f"{HERE}/libtorrent_create.py"
    made = {"mktorrent": ["mktorrent", "-t", "2", "-l", "20", "-a", ANNOUNCE, "-o", out, source],
            "transmission-create": ["transmission-create", "-s", "1024", "-t", ANNOUNCE, "-o", out,
                                    source]}
    cells = {}
    for version in ("v1", "v2", "hybrid"):
        cells[f"swarmlet, {version}"] = [peer, "create", source, f"--{version}", "-s", "1MiB", "-t",
                                         ANNOUNCE, "-o", out, "-q"]
        if stage.has("libtorrent"):
            cells[f"libtorrent, {version}"] = [sys.executable, script, source, version, str(MIB),
                                               out]
    return cells | {name: argv for name, argv in made.items() if stage.has(name)}


def section_create(stage, report):
    """Making torrents."""
    mib = stage.options.size_mib * 2
    source = stage.content(mib)
    out = f"{stage.root}/made.torrent"
    cells = {name: lambda argv=argv: created(stage, argv, out)
             for name, argv in makers(stage, source, out).items()}
    report.section("create", f"Making a torrent of {mib} MiB, warm, pieces of 1 MiB")
    runs = stage.turns(cells)
    os.remove(source)
    walls = rows(report, runs, mib * MIB, "mktorrent")
    missing(report, stage, "mktorrent", "transmission-create", "libtorrent")
    for version, least in (("v1", 3), ("v2", 3), ("hybrid", 1.8)):
        work, goal = f"create, {mib} MiB, {version}", f">= {least} x mktorrent -t 2"
        if "mktorrent" not in walls:
            report.goal(work, goal, "not installed", False)
            continue
        found = ratios(walls["mktorrent"], walls[f"swarmlet, {version}"])
        report.goal(work, goal, spread(found, 2, " x"), median(found) >= least)


def rows(report, runs, size, against):
    walls = {name: [result["wall"] for result in results] for name, results in runs.items()}
    report.columns("client", "seconds", "MB/s", f"times as fast as {against}")
    for name, wall in walls.items():
        found = ratios(walls[against], wall) if against in walls else None
        ratio = times(found, name == against) if found else "-"
        report.row(name, spread(wall, 2), spread([size / w / 1e6 for w in wall]), ratio)
    return walls


def ours(stage, torrent, source):
    begun = time.monotonic()
    run([stage.program("peer"), "verify", torrent, "-w", os.path.dirname(source), "-q"])
    return {"wall": time.monotonic() - begun}


def libtorrent(stage, torrent, source):
    """From being told of the torrent, whose data is there, to its state `seeding`."""
    with Crew(stage) as crew:
        peer = crew.libtorrent("127.0.0.10")
        begun = time.monotonic()
        peer.tell(torrents=[torrent], folder=os.path.dirname(source), peers=[])
        return {"wall": peer.wait("seeding") - begun}


def aria2(stage, torrent, source):
    begun = time.monotonic()
    run(["aria2c", "--no-conf", "-q", "--check-integrity=true", "--hash-check-only=true",
         "--file-allocation=none", "--enable-dht=false", "--enable-dht6=false",
         "--bt-enable-lpd=false", f"--listen-port={free_port()}", "--interface=127.0.0.1",
         f"--dir={os.path.dirname(source)}", torrent])
    return {"wall": time.monotonic() - begun}


def transmission(stage, torrent, source):
    """A check that is asked for once the daemon has the torrent, without its start."""
    with stage.folder() as home:
        port = free_port()
        with open(f"{home}/settings.json", "w") as settings:
            json.dump({"rpc-bind-address": "127.0.0.1", "rpc-port": port, "peer-port": free_port(),
                       "bind-address-ipv4": "127.0.0.1", "bind-address-ipv6": "::1",
                       "dht-enabled": False, "lpd-enabled": False, "utp-enabled": False,
                       "port-forwarding-enabled": False, "rpc-whitelist-enabled": False}, settings)
        with serving(["transmission-daemon", "-f", "-g", home], port):
            call = Transmission(port)
            with open(torrent, "rb") as file:
                call("torrent-add", metainfo=base64.b64encode(file.read()).decode(), paused=False,
                     **{"download-dir": os.path.dirname(source)})
            call.until(lambda status, left: left == 0 and status in (5, 6))
            begun = time.monotonic()
            call("torrent-verify", ids=[1])
            call.until(lambda status, _: status in (1, 2))  # it waits, or checks
            call.until(lambda status, left: left == 0 and status not in (1, 2))
            return {"wall": time.monotonic() - begun}


class Transmission:
    """Its daemon's port for programs."""

    def __init__(self, port):
        self.url, self.session = f"http://127.0.0.1:{port}/transmission/rpc", ""

    def __call__(self, method, **arguments):
        body = json.dumps({"method": method, "arguments": arguments}).encode()
        for _ in range(2):
            header = {"X-Transmission-Session-Id": self.session}
            try:
                with DIRECT.open(urllib.request.Request(self.url, body, header)) as answer:
                    return json.load(answer)["arguments"]
            except urllib.error.HTTPError as error:
                if error.code != 409:
                    raise
                self.session = error.headers["X-Transmission-Session-Id"]
        raise Broken("transmission gives no session")

    def until(self, fits):
        for _ in range(60_000):
            torrents = self("torrent-get", fields=["status", "leftUntilDone"])["torrents"]
            if torrents and fits(torrents[0]["status"], torrents[0]["leftUntilDone"]):
                return
            time.sleep(0.002)
        raise Broken(f"transmission: the torrent is still {torrents}")


def rqbit(stage, torrent, source):
    """From handing it the torrent to its being live, without its start."""
    with stage.folder() as home:
        port = free_port()
        argv = [stage.options.rqbit, "--http-api-listen-addr", f"127.0.0.1:{port}", "--disable-dht",
                "--disable-lsd", "--disable-upnp-port-forward", "--listen-ip", "127.0.0.1",
                "--listen-port", str(free_port()), "server", "start", "--disable-persistence", home]
        with serving(argv, port, env={"HOME": home}), open(torrent, "rb") as file:
            where, begun = f"http://127.0.0.1:{port}/torrents", time.monotonic()
            ask = f"{where}?overwrite=true&output_folder={os.path.dirname(source)}"
            with DIRECT.open(urllib.request.Request(ask, file.read())) as answer:
                number = json.load(answer)["id"]
            for _ in range(60_000):
                with DIRECT.open(f"{where}/{number}/stats/v1") as answer:
                    stats = json.load(answer)
                if stats["state"] == "live" and stats["finished"]:
                    return {"wall": time.monotonic() - begun}
                time.sleep(0.002)
            raise Broken(f"rqbit: the torrent is still {stats}")


def section_verify(stage, report):
    """Checking data that is there."""
    mib = stage.options.size_mib
    source = stage.content(mib)
    torrent = stage.torrent(source)
    cells = {"swarmlet": ours, "libtorrent": libtorrent, "aria2c": aria2,
             "transmission-daemon": transmission, "rqbit": rqbit}
    there = {name: lambda check=check: check(stage, torrent, source)
             for name, check in cells.items() if name == "swarmlet" or stage.has(name)}
    for version in ("v2", "hybrid"):
        made = stage.torrent(source, version)
        there[f"swarmlet, {version}"] = lambda made=made: ours(stage, made, source)
        if stage.has("libtorrent"):
            there[f"libtorrent, {version}"] = lambda made=made: libtorrent(stage, made, source)
    report.section("verify", f"Checking {mib} MiB, warm, v1 where nothing else is said")
    walls = rows(report, stage.turns(there), mib * MIB, "libtorrent")
    missing(report, stage, *[name for name in cells if name != "swarmlet"])
    others = [walls[name] for name in cells if name != "swarmlet" and name in walls]
    found = [min(times) / mine for mine, *times in zip(walls["swarmlet"], *others) if times]
    clients = ", ".join(name for name in cells if name != "swarmlet" and name in walls)
    report.goal(f"verify, {mib} MiB, v1", f">= 3 x the best of {clients}",
                spread(found, 2, " x") if found else "not installed",
                bool(found) and median(found) >= 3)

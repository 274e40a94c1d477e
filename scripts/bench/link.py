"""Transfers through a relay: a long and narrow link, and the time to the first byte."""
import os, socket, sys, threading, time
import transfer
from statistics import median
from clients import Crew
from stage import HERE, Broken
from table import pick, ratios, spread

DELAY_MS, RATE = 10, 200e6  # each way; bits per second


def through(crew, target, *words):
    """A relay to a target; what it says is kept with the crew's other processes."""
    relay = crew.start([sys.executable, f"{HERE}/relay.py", target, *map(str, words)])
    relay.wait("start")
    return relay


def narrow(crew, target):
    return f"127.0.0.1:{through(crew, target, '--delay-ms', DELAY_MS, '--rate', RATE).port}"


def stream(stage, source):
    """One plain TCP stream of the same bytes through the same link, sockets as they come."""
    size = os.path.getsize(source)

    def send():
        with listener.accept()[0] as caller, open(source, "rb") as file:
            caller.sendfile(file)
    with Crew(stage) as crew, socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=send, daemon=True).start()
        host, port = narrow(crew, f"127.0.0.1:{listener.getsockname()[1]}").split(":")
        begun, left = time.monotonic(), size
        with socket.create_connection((host, int(port))) as caller:
            while left and (part := caller.recv(1 << 18)):
                left -= len(part)
        if left:
            raise Broken("the plain stream ended early")
        return {"rate": size / (time.monotonic() - begun) / 1e6}


def section_link(stage, report):
    """A link of 20 ms there and back and 200 Mbit/s."""
    mib = min(stage.options.size_mib, 128)
    source = stage.content(mib)

    def one(client, version="v1"):
        return lambda: transfer.bittorrent(stage, source, client, client, relay=narrow,
                                           version=version)
    cells = {"one plain TCP stream": lambda: stream(stage, source),
             "swarmlet, native": one("ours", "hybrid"), "swarmlet, BEP 3": one("ours")}
    if stage.has("libtorrent"):
        cells["libtorrent, BEP 3"] = one("libtorrent")
    report.section("link", f"A link of 20 ms there and back and 200 Mbit/s, {mib} MiB")
    runs = stage.turns(cells)
    report.columns("client", "MB/s", "of the plain stream")
    plain = pick(runs["one plain TCP stream"], "rate")
    for name, results in runs.items():
        shares = [share * 100 for share in ratios(pick(results, "rate"), plain)]
        report.row(name, spread(pick(results, "rate"), 2), spread(shares, 1, " %"))
        if name.startswith("swarmlet"):
            report.goal(f"20 ms, 200 Mbit/s, {mib} MiB, {name.split(', ')[1]}",
                        ">= 95 % of one plain TCP stream", spread(shares, 1, " %"),
                        median(shares) >= 95)
    report.note("The link is a relay in user space, so each TCP connection itself is short; the "
                "delay is met by what peers ask for and answer. The plain stream's time begins "
                "with its call, ours with the start of the leecher.")
    transfer.missing(report, stage, "libtorrent")


def first_block(stage, source, client, version):
    """From starting the leecher until the relay before the seeder has passed on a first block."""
    relays = []

    def relay(crew, target):
        relays.append(through(crew, target))
        return f"127.0.0.1:{relays[0].port}"
    result = transfer.bittorrent(stage, source, client, client, relay=relay, version=version)
    first = relays[0].at["data"][0] - result["begun"]
    return {"first": first * 1000, "whole": result["wall"] * 1000}


def by_name(stage, source):
    """Until the first piece is verified, its name first looked up at the tracker."""
    result = transfer.native(stage, [source])
    return {"first": result["first"] * 1000, "whole": result["wall"] * 1000}


def section_first(stage, report):
    """The time to the first byte."""
    mib = min(stage.options.size_mib, 64)
    source = stage.content(mib)
    cells = {"swarmlet, by name, first piece verified": lambda: by_name(stage, source),
             "swarmlet, native, .torrent": lambda: first_block(stage, source, "ours", "hybrid"),
             "swarmlet, BEP 3, .torrent": lambda: first_block(stage, source, "ours", "v1")}
    if stage.has("libtorrent"):
        cells["libtorrent, BEP 3, .torrent"] = lambda: first_block(stage, source, "libtorrent",
                                                                   "v1")
    report.section("first", f"From starting the leecher to its first byte, {mib} MiB")
    runs = stage.turns(cells)
    report.columns("client", "ms to the first byte", "ms to the last")
    for name, results in runs.items():
        first = pick(results, "first")
        report.row(name, spread(first, 1), spread(pick(results, "whole")))
        if name.startswith("swarmlet"):
            report.goal(f"first byte, {name.split(', ', 1)[1]}", "<= 50 ms",
                        spread(first, 1, " ms"), median(first) <= 50)
    report.note("By name it is the first verified piece of 1 MiB, as `--json` tells it; otherwise "
                "the first 16 KiB that pass a relay before the seeder, the same for both clients. "
                "libtorrent's time begins when it is told of the torrent.")
    transfer.missing(report, stage, "libtorrent")

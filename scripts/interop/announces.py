"""Trackers alone: foreign clients against ours, our peers against a foreign server, scrapes."""

import json
from urllib.parse import quote_from_bytes

import clients
import trackers
from content import bdecode, command
from plan import Cell, await_equal, needs
from stage import CellFailed
from trackers import DIRECT, HERE

# Twenty bytes of ASCII each: the npm client's multi-scrape spoils the others.
ONE, TWO = (word.hex() for word in (b"swarmlet-interop-one", b"swarmlet-interop-two"))


def must(is_so, what, seen):
    if not is_so:
        raise CellFailed(f"{what}: {seen}")


def foreign_client(kind, scheme, v6, tools, _content, stage):
    """The life of three peers, as npm_client.mjs plays it."""
    tracker = kind(tools, stage, "::1" if v6 else stage.address(1), scheme).start([ONE, TWO])
    client = stage.run("client", [
        "node", HERE / "npm_client.mjs", tools.npm, tracker.url, ONE, TWO])
    client.process.wait(stage.limit)
    stage.programs.remove(client)
    stage.logs += [client.log, client.out]
    steps = [json.loads(line) for line in client.lines()]
    must(steps and "error" not in steps[-1] and client.process.returncode == 0,
         "the client was not content", steps[-1:] or client.log.read_text()[-500:])
    seen = {step.pop("step"): step for step in steps}

    def counts(step, complete, incomplete):
        row = seen[step]
        must((row["complete"], row["incomplete"]) == (complete, incomplete),
             f"{step}: {complete} seeders and {incomplete} leechers expected", row)

    def ports(step):
        return {int(address.rsplit(":", 1)[1]) for address in seen[step]["peers"]}
    counts("a starts", 0, 1)
    counts("b starts", 1, 1)
    counts("c starts", 1, 2)
    # The client keeps UDP's interval to itself.
    must(seen["a starts"].get("interval", 1) > 0, "an interval is given", seen["a starts"])
    must(7001 in ports("b starts"), "b hears of a", seen["b starts"])
    must(len(ports("c starts")) == 1, "numwant=1 gives one peer", seen["c starts"])
    must(7001 not in ports("d starts"), "torrents are apart", seen["d starts"])
    for step in ("a updates", "a updates, compact=0", "a updates, compact=1"):
        must({7002, 7003} <= ports(step), f"{step}: it hears of b and c", seen[step])
    counts("scrape", 1, 2)
    # a is complete, and b has left.
    counts("scrape after", 1, 1)
    must(seen["scrape after"]["downloaded"] >= 1, "downloads are counted", seen["scrape after"])
    both = seen["multi-scrape"]
    must(both[ONE]["complete"] == 1 and both[TWO]["incomplete"] == 1, "multi-scrape", both)
    return f"{len(steps)} steps"


def raw_forms(v6, tools, _content, stage):
    """The forms of a peer list: BEP 3's dictionaries, BEP 23's and BEP 7's strings."""
    tracker = trackers.Ours(tools, stage, "::1" if v6 else stage.address(1), "http").start([ONE])

    def announce(port, **more):
        query = {"port": port, "uploaded": 0, "downloaded": 0, "left": 5, "event": "started"} | more
        words = "&".join(f"{key}={value}" for key, value in query.items())
        raw = quote_from_bytes(bytes.fromhex(ONE), safe="")
        url = f"{tracker.url}?info_hash={raw}&peer_id=-XX0001-{port:012}&{words}"
        with DIRECT.open(url, timeout=5) as answer:
            return bdecode(answer.read())
    announce(7001)
    compact, full = announce(7002, compact=1), announce(7003, compact=0)
    key, length = (b"peers6", 18) if v6 else (b"peers", 6)
    must(len(compact[key]) == length and compact[key][-2:] == (7001).to_bytes(2, "big"),
         "compact=1 gives one packed peer", compact)
    rows = {row[b"port"]: row for row in full[b"peers"]}
    must(set(rows) == {7001, 7002}, "compact=0 gives dictionaries", full)
    must(rows[7001][b"ip"] in (b"::1", stage.address(1).encode(), b"127.0.0.1")
         and rows[7001].get(b"peer id") == b"-XX0001-%012d" % 7001, "with id and ip", rows[7001])
    bad = bdecode(DIRECT.open(f"{tracker.url}?info_hash=short&port=1", timeout=5).read())
    must(b"failure reason" in bad, "a failure is HTTP 200 with a reason", bad)


def ours_announces(scheme, tools, content, stage):
    """What a foreign server hears of two of our peers, from the first announce to the last."""
    tracker = trackers.NpmTracker(tools, stage, stage.address(1), scheme)
    torrent = content.torrent("small", "hybrid") \
        .with_tracker(tracker.url, stage.folder / "cell.torrent")
    tracker.start(torrent.hashes())
    seeder, leecher = (
        clients.Ours(tools, stage, role, stage.address(host), stage.folder / role,
                     tracker=tracker.url) for role, host in (("seeder", 2), ("leecher", 3)))
    seeder.seeds = True
    content.lay_out("small", torrent, seeder.folder, pads=False)
    size = content.source("small").stat().st_size
    seeder.start(torrent.path)
    stage.wait_until(seeder.done, "the seeder has checked its data", 30)
    tracker.await_peers(torrent.hashes(), 1, 0, "the seeder")
    leecher.start(torrent.path)
    stage.wait_until(leecher.done, "the leecher has everything")
    await_equal(content, "small", stage, leecher)

    def heard(port, event):
        return [row for row in tracker.announces()
                if row["event"] == event and row["peer"].endswith(f":{port}")]
    stage.wait_until(lambda: heard(leecher.port, "complete"), "completed is announced", 10)
    must(stage.stop(leecher.program) == 0, "the leecher ends with 0", "")
    must(stage.stop(seeder.program) == 0, "the seeder ends with 0", "")
    stage.wait_until(lambda: heard(leecher.port, "stop") and heard(seeder.port, "stop"),
                     "both announce that they stop", 5)
    first, last = heard(leecher.port, "start")[0], heard(leecher.port, "stop")[-1]
    gave = heard(seeder.port, "stop")[-1]
    must(int(heard(seeder.port, "start")[0]["left"]) == 0, "the seeder has nothing left",
         tracker.announces())
    must(int(first["left"]) == size, f"the leecher had {size} left", first)
    must(int(last["left"]) == 0 and int(last["downloaded"]) >= size, "and in the end nothing", last)
    must(int(gave["uploaded"]) >= size, "the seeder counted what it gave", gave)
    must(not heard(seeder.port, "complete"), "a seeder never completes", tracker.announces())
    identity = bytes.fromhex(first["peer_id"])
    must(len(identity) == 20 and identity[:1] == b"-" and identity[7:8] == b"-",
         "a peer id as BEP 20 has it", identity)
    return f"peer id {identity[:8].decode(errors='replace')}"


def transmission_scrapes(kind, tools, content, stage):
    tracker = kind(tools, stage, stage.address(1), "http")
    version = "v1" if kind is trackers.Ours else "plain"
    torrent = content.torrent("small", version) \
        .with_tracker(tracker.url, stage.folder / "cell.torrent")
    tracker.start(torrent.hashes())
    raw = quote_from_bytes(bytes.fromhex(torrent.v1), safe="")
    for port, left in ((7001, 0), (7002, 0), (7003, 9)):
        DIRECT.open(f"{tracker.url}?info_hash={raw}&peer_id=-XX0001-{port:012}&port={port}"
                    f"&uploaded=0&downloaded=0&left={left}&event=started", timeout=5).read()
    said = command("transmission-show", "--scrape", torrent.path)
    must("2 seeders, 1 leechers" in said, "2 seeders and 1 leecher expected", said.strip())


def cell(name, play, *parts, more=()):
    def run(tools, content, stage):
        return play(tools, content, stage)
    return Cell(name, tuple(dict.fromkeys(needs(*parts) + more)), run)


def npm_cell(name, kind, scheme, v6):
    return cell(name, lambda *given: foreign_client(kind, scheme, v6, *given), kind,
                more=("npm",))


def cells():
    ours = trackers.Ours
    return [
        npm_cell("tracker/npm-client/http", ours, "http", False),
        npm_cell("tracker/npm-client/udp", ours, "udp", False),
        npm_cell("tracker/npm-client/http/ipv6", ours, "http", True),
        cell("tracker/forms/ipv4", lambda *given: raw_forms(False, *given), ours),
        cell("tracker/forms/ipv6", lambda *given: raw_forms(True, *given), ours),
        cell("tracker/transmission-show", lambda *given: transmission_scrapes(ours, *given), ours,
             more=("transmission-show",)),
        cell("tracker/npm-server/http", lambda *given: ours_announces("http", *given),
             clients.Ours, trackers.NpmTracker),
        cell("tracker/npm-server/udp", lambda *given: ours_announces("udp", *given),
             clients.Ours, trackers.NpmTracker),
    ]


def self_test():
    other = trackers.OpenTracker
    return [
        npm_cell("self/npm-client/udp", other, "udp", False),
        cell("self/transmission-show", lambda *given: transmission_scrapes(other, *given), other,
             more=("transmission-show",)),
    ]

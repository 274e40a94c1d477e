"""Two hundred slow peers at one node: what they cost it in CPU time and memory."""
import json, os, sys, time
from statistics import median
from clients import Crew, Memory, memory_mib
from stage import HERE, MIB, run
from table import pick, spread
from transfer import missing

PEERS, RATE, CONTENT_MIB = 200, 64 << 10, 64


def crowded(stage, client, source):
    """One core's share that the node takes while all are served, and its memory then."""
    torrent = stage.torrent(source)
    shown = json.loads(run([stage.program("peer"), "show", "--json", torrent]))
    with Crew(stage) as crew:
        if client == "ours":
            node = crew.ours("--seed", torrent, "-w", os.path.dirname(source), "--max-peers", 250,
                             "--upload-slots", PEERS, "--super-seeding", "off",
                             address="127.0.0.10")
        else:
            node = crew.libtorrent("127.0.0.10", f"unchoke_slots_limit={PEERS}",
                                   "connections_limit=1000")
            node.tell(torrents=[torrent], folder=os.path.dirname(source), peers=[])
        node.wait("seeding")
        crowd = crew.start([sys.executable, f"{HERE}/crowd_leechers.py", f"127.0.0.10:{node.port}",
                            shown["info_hash_v1"], str(CONTENT_MIB), str(MIB), str(PEERS),
                            str(RATE)])
        crowd.wait("data", limit=120)
        memory = Memory([node])
        crowd.wait("total", len(crowd.at.get("total", ())) + 1)
        before, begun, first = node.cpu(), time.monotonic(), len(crowd.totals) - 1
        last = first + stage.options.crowd_secs
        crowd.wait("total", last + 1)
        share = (node.cpu() - before) / (time.monotonic() - begun) * 100
        rate = (crowd.totals[last] - crowd.totals[first]) / stage.options.crowd_secs
        return {"share": share, "rate": rate / PEERS / 1024, "memory": memory.peak(),
                "resident": memory_mib(node.proc.pid, "VmRSS")}


def section_crowd(stage, report):
    """Many peers on one node."""
    source = stage.content(CONTENT_MIB)
    cells = {"swarmlet": lambda: crowded(stage, "ours", source)}
    if stage.has("libtorrent"):
        cells["libtorrent"] = lambda: crowded(stage, "libtorrent", source)
    report.section("crowd", f"{PEERS} peers on one node, each {RATE >> 10} KiB/s")
    runs = stage.turns(cells)
    report.columns("node", "% of a core", "KiB/s that each got", "anonymous MiB", "resident MiB")
    for name, results in runs.items():
        report.row(name, *(spread(pick(results, key), 1)
                           for key in ("share", "rate", "memory", "resident")))
    share, resident = (pick(runs["swarmlet"], key) for key in ("share", "resident"))
    work = f"{PEERS} peers, {RATE >> 10} KiB/s each"
    report.goal(f"{work}: CPU", "<= 10 % of a core", spread(share, 1, " %"), median(share) <= 10)
    report.goal(f"{work}: resident memory", "<= 96 MiB", spread(resident, 1, " MiB"),
                max(resident) <= 96)
    report.note(f"The peers are sockets of one process in the BitTorrent dialect, each at an "
                f"address of its own, without encryption. Of the resident memory up to "
                f"{CONTENT_MIB} MiB are the file itself, which is mapped. Ours was run with "
                f"`--upload-slots {PEERS} --max-peers 250 --super-seeding off`, libtorrent with "
                f"room for as many. The time of one run is {stage.options.crowd_secs} s.")
    missing(report, stage, "libtorrent")

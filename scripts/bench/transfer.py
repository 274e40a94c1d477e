"""Transfers: of ours in both dialects, of libtorrent, and from one to the other.

The time is that from starting the first leecher process to the moment the last one says that every
piece is verified. libtorrent is a module of Python: what its process takes until its session listens
is added, and left out again in the figures called `bare`. Every result is compared with its source.
"""
import filecmp, os, time
from statistics import median
from clients import Crew, Memory
from references import curl
from stage import Broken
from table import pick, ratios, spread, times

SEEDERS, LEECHERS = 10, 50  # the last numbers of their addresses begin here


def measure(crew, sources, seeders, leech, folders, patience=0.0, after=None, started=()):
    """Starts leechers by `leech(folder)`, or wakes those that are `started`; `after` gets the results
    when all say they are done."""
    size = size_of(sources) * len(folders)
    before = sum(process.cpu() for process in [*seeders, *started])
    memory = Memory(list(seeders))
    begun = time.monotonic()
    leechers = []
    for folder in folders:
        leechers.append(leech(folder))
        if len(leechers) <= 4:  # a crowd's memory is not looked at a hundred times a second
            memory.processes.append(leechers[-1])
    wall = max(leecher.wait("seeding", len(sources)) for leecher in leechers) - begun
    cpu = sum(process.cpu() for process in [*seeders, *leechers]) - before
    peak = memory.peak()
    results = {f"{folder}/{os.path.basename(source)}": source
               for folder in folders for source in sources}
    durable = after(results) - begun if after else wall
    for result, source in results.items():
        expect_same(result, source, patience)
    piece = min(leecher.at.get("piece", [begun + wall])[0] for leecher in leechers)
    return {"begun": begun, "first": piece - begun, "wall": wall, "durable": durable,
            "rate": size / wall / 1e6, "cpu": cpu / (size / 2**30), "memory": peak,
            "seeder_memory": max(seeder.anonymous for seeder in seeders)}


def size_of(sources):
    return sum(os.path.getsize(source) for source in sources)


def expect_same(result, source, patience):
    """Ours must be right when it says so; libtorrent may still be writing what it verified."""
    end = time.monotonic() + patience
    filecmp.clear_cache()
    while not (os.path.exists(result) and filecmp.cmp(result, source, shallow=False)):
        if time.monotonic() > end:
            raise Broken(f"{result} differs from {source}")
        time.sleep(0.1)
        filecmp.clear_cache()


def native(stage, sources, seeders=1, leechers=1, piece_kib=1024, under=None, before=None, **more):
    """Ours by the names of files, from our tracker."""
    names = [os.path.basename(source) for source in sources]
    with Crew(stage, under) as crew:
        tracker = crew.tracker()
        seeds = [crew.ours("--seed", *sources, "--piece-length", f"{piece_kib}KiB", tracker=tracker)
                 for _ in range(seeders)]
        serving = max(seed.wait("seeding", len(sources)) - seed.started for seed in seeds)
        crew.await_listed(tracker, seeders, len(sources))
        stage.touch(size_of(sources) * leechers)
        if before:
            before()

        # Each at an address of its own: together they have more connections than one has ports.
        addresses = (f"127.0.{2 + n // 250}.{1 + n % 250}" for n in range(leechers))

        def leech(folder):
            return crew.ours("--leech", *names, "-w", folder, tracker=tracker,
                             address=next(addresses))
        folders = [crew.fresh() for _ in range(leechers)]
        return measure(crew, sources, seeds, leech, folders, **more) | {"serving": serving}


def libtorrent(stage, sources, seeders=1, leechers=1, piece_kib=1024, under=None, before=None,
               **more):
    """All in one swarm: each is told of all the others."""
    torrents = [stage.torrent(source, piece_kib=piece_kib) for source in sources]
    place = os.path.dirname(sources[0])
    with Crew(stage, under) as crew:
        seeds = [crew.libtorrent(f"127.0.0.{SEEDERS + n}") for n in range(seeders)]
        for seed in seeds:
            seed.tell(torrents=torrents, folder=place, peers=[])
        for seed in seeds:
            seed.wait("seeding", len(sources))
        waiting = [crew.libtorrent(f"127.0.0.{LEECHERS + n}") for n in range(leechers)]
        known = [f"127.0.0.{first + n}:{peer.port}" for first, peers in
                 ((SEEDERS, seeds), (LEECHERS, waiting)) for n, peer in enumerate(peers)]
        stage.touch(size_of(sources) * leechers)
        if before:
            before()
        left = iter(waiting)

        def leech(folder):
            leecher = next(left)
            others = [peer for peer in known if not peer.endswith(f":{leecher.port}")]
            leecher.tell(torrents=torrents, folder=folder, peers=others)
            return leecher
        folders = [crew.fresh() for _ in range(leechers)]
        starts = [(peer.at["start"][0] - peer.started, peer.cpu()) for peer in waiting]
        result = measure(crew, sources, seeds, leech, folders, 5.0, started=waiting, **more)
        return with_start(result, starts, size_of(sources) * leechers)


def with_start(result, starts, size):
    """Adds what the processes took to start, which was not in the figures; they started in turn."""
    seconds = max((seconds for seconds, _ in starts), default=0.0)
    cpu = result["cpu"] + sum(cpu for _, cpu in starts) / (size / 2**30)
    rate = size / (result["wall"] + seconds) / 1e6
    bare = {"bare_rate": result["rate"], "bare_cpu": result["cpu"]} if starts else {}
    return result | bare | {"rate": rate, "cpu": cpu}


def bittorrent(stage, source, seeder, leecher, under=None, before=None, relay=None, version="v1",
               **more):
    """One to one by a .torrent; `ours` or `libtorrent` at either end, with a relay between or not.

    Of a hybrid ours speak the native dialect to each other.
    """
    torrent = stage.torrent(source, version)
    with Crew(stage, under) as crew:
        if seeder == "ours":
            seed = crew.ours("--seed", torrent, "-w", os.path.dirname(source), address="127.0.0.10")
        else:
            seed = crew.libtorrent("127.0.0.10")
            seed.tell(torrents=[torrent], folder=os.path.dirname(source), peers=[])
        seed.wait("seeding")
        peer = relay(crew, f"127.0.0.10:{seed.port}") if relay else f"127.0.0.10:{seed.port}"
        other = crew.libtorrent("127.0.0.50") if leecher == "libtorrent" else None
        stage.touch(os.path.getsize(source))
        if before:
            before()

        def leech(folder):
            if other:
                other.tell(torrents=[torrent], folder=folder, peers=[peer])
                return other
            return crew.ours("--leech", torrent, "-w", folder, "--peer", peer, address="127.0.0.50")
        patience = 5.0 if other else 0.0
        starts = [(other.at["start"][0] - other.started, other.cpu())] if other else []
        result = measure(crew, [source], [seed], leech, [crew.fresh()], patience,
                         started=[other] if other else (), **more)
        return with_start(result, starts, os.path.getsize(source))


def rows(report, runs, against):
    """One row for each client; ratios to that of `against`."""
    report.columns("client", "MB/s", "ratio", "CPU s per GiB", "ratio", "anonymous MiB, most")
    for name, results in runs.items():
        rate, cpu = (ratios(pick(results, key), pick(runs[against], key)) if against in runs
                     else None for key in ("rate", "cpu"))
        itself = name == against
        more = ["-"] * 3
        if "cpu" in results[0]:
            more = [spread(pick(results, "cpu"), 2), times(cpu, itself) if cpu else "-",
                    f"{max(pick(results, 'memory')):.1f}"]
        ratio = times(rate, itself) if rate else "-"
        report.row(name, spread(pick(results, "rate")), ratio, *more)
    bare = runs.get(against, [{}])
    if "bare_rate" in bare[0]:
        for name in (name for name in runs if name.startswith("swarmlet") and name != against):
            rate, cpu = (ratios(pick(runs[name], key), pick(bare, f"bare_{key}"))
                         for key in ("rate", "cpu"))
            report.note(f"Without what libtorrent's processes take to start, {name} has "
                        f"{times(rate)} its speed and {times(cpu)} its CPU time.")


def at_least(report, work, least, runs, ours, theirs, key="rate"):
    """A goal of a ratio, as far as the other client was there."""
    if theirs not in runs:
        return report.goal(work, f">= {least} x {theirs}", "not installed", False)
    found = ratios(pick(runs[ours], key), pick(runs[theirs], key))
    return report.goal(work, f">= {least} x {theirs}", spread(found, 2, " x"),
                       median(found) >= least)


def costs(report, work, runs, ours, theirs):
    """The goals of CPU time and memory."""
    if theirs in runs:
        found = ratios(pick(runs[ours], "cpu"), pick(runs[theirs], "cpu"))
        report.goal(f"{work}: CPU seconds per GiB, both ends", f"<= 0.5 x {theirs}",
                    spread(found, 2, " x"), median(found) <= 0.5)
    memory = pick(runs[ours], "memory")
    report.goal(f"{work}: anonymous memory, most of either end", "<= 24 MiB",
                spread(memory, 1, " MiB"), max(memory) <= 24)


def section_native(stage, report):
    """One seeder, one leecher, natively, beside libtorrent and an HTTP download."""
    mib = stage.options.size_mib
    source = stage.content(mib)
    cells = {"swarmlet, native": lambda: native(stage, [source])}
    if stage.has("libtorrent"):
        cells["libtorrent"] = lambda: libtorrent(stage, [source])
    if stage.has("nginx") and stage.has("curl"):
        cells["curl from nginx"] = lambda: curl(stage, source)
    report.section("native", f"One seeder to one leecher, {mib} MiB")
    runs = stage.turns(cells)
    rows(report, runs, "libtorrent")
    missing(report, stage, "libtorrent", "nginx", "curl")
    work = f"1 -> 1, {mib} MiB, native"
    at_least(report, work, 2.5, runs, "swarmlet, native", "libtorrent")
    at_least(report, f"{work}, unverified curl", 0.9, runs, "swarmlet, native", "curl from nginx")
    costs(report, work, runs, "swarmlet, native", "libtorrent")
    serving = pick(runs["swarmlet, native"], "serving")
    report.note(f"`peer --seed` serves it, hashed both ways, after {spread(serving, 2)} s.")


def section_bittorrent(stage, report):
    """The BitTorrent dialect, ours and libtorrent at either end of a v1 torrent."""
    mib = stage.options.size_mib
    source = stage.content(mib)
    pairs = [("ours", "ours"), ("libtorrent", "libtorrent"), ("ours", "libtorrent"),
             ("libtorrent", "ours")]
    names = {"ours": "swarmlet", "libtorrent": "libtorrent"}
    there = [pair for pair in pairs if stage.has("libtorrent") or pair == ("ours", "ours")]
    cells = {f"{names[a]} to {names[b]}": lambda a=a, b=b: bittorrent(stage, source, a, b)
             for a, b in there}
    report.section("bittorrent", f"The BitTorrent dialect, v1, one to one, {mib} MiB")
    runs = stage.turns(cells)
    rows(report, runs, "libtorrent to libtorrent")
    missing(report, stage, "libtorrent")
    work = f"1 -> 1, {mib} MiB, BEP 3, v1"
    at_least(report, work, 2, runs, "swarmlet to swarmlet", "libtorrent to libtorrent")
    costs(report, work, runs, "swarmlet to swarmlet", "libtorrent to libtorrent")


def section_swarm(stage, report):
    """One to four and four to one."""
    mib = stage.options.size_mib
    report.section("swarm", "One to four, four to one")
    for seeders, leechers, size in ((1, 4, max(mib // 4, 1)), (4, 1, mib)):
        source = stage.content(size)
        cells = {"swarmlet, native": lambda n=(seeders, leechers), s=[source]: native(stage, s, *n)}
        if stage.has("libtorrent"):
            cells["libtorrent"] = lambda n=(seeders, leechers), s=[source]: libtorrent(stage, s, *n)
        work = f"{seeders} -> {leechers}, {size} MiB{' each' if leechers > 1 else ''}, native"
        report.line(work)
        report.line()
        runs = stage.turns(cells)
        rows(report, runs, "libtorrent")
        report.line()
        at_least(report, work, 2, runs, "swarmlet, native", "libtorrent")
        costs(report, work, runs, "swarmlet, native", "libtorrent")
    missing(report, stage, "libtorrent")


def missing(report, stage, *clients):
    absent = [client for client in clients if not stage.has(client)]
    if absent:
        report.note(f"Not installed, so not measured: {', '.join(absent)}.")

"""Transfers from a disk to itself, its file in memory (warm) or not (cold)."""
import mmap, os, shutil, time
import transfer
from statistics import median
from stage import Broken, run
from table import pick, ratios, spread, times

def kind(folder):
    """The file system's name."""
    return run(["findmnt", "-n", "-o", "FSTYPE", "-T", folder]).strip()


def evict(path):
    """Drops a file from memory as far as no process holds it; how much of it stayed."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    if shutil.which("fincore") is None:
        return 0.0
    pages = run(["fincore", "-b", "-n", "-r", "-o", "PAGES", path])
    return int(pages) * mmap.PAGESIZE / os.path.getsize(path)


def read(path):
    with open(path, "rb") as file:
        while file.read(1 << 24):
            pass


def durable(results):
    """Waits until the results are on the disk."""
    for result in results:
        with open(result, "rb") as file:
            os.fsync(file.fileno())
    return time.monotonic()


def section_disk(stage, report):
    """The same transfer on a disk."""
    mib, base = stage.options.size_mib, stage.options.disk_dir
    os.makedirs(base, exist_ok=True)
    if kind(base) in ("tmpfs", "overlay"):
        raise Broken(f"{base} lies on {kind(base)}, which is no disk: give --disk-dir")
    report.section("disk", f"On a disk ({kind(base)}), {mib} MiB, one to one")
    with stage.folder(base) as folder:
        source = stage.content(mib, under=folder)
        stage.torrent(source)
        kept = []

        def one(transfer_of, state):
            def before():
                os.sync()  # what others, and the run before, still have to write
                if state == "cold":
                    kept.append(evict(source))
                else:
                    read(source)
            return lambda: transfer_of(before=before, under=folder, after=durable)
        clients = {"swarmlet, native": lambda **more: transfer.native(stage, [source], **more),
                   "swarmlet, BEP 3": lambda **more: transfer.bittorrent(stage, source, "ours",
                                                                         "ours", **more)}
        if stage.has("libtorrent"):
            clients["libtorrent, BEP 3"] = lambda **more: transfer.bittorrent(
                stage, source, "libtorrent", "libtorrent", **more)
        cells = {f"{state}: {name}": one(transfer_of, state) for state in ("cold", "warm")
                 for name, transfer_of in clients.items()}
        runs = stage.turns(cells)
    rows(report, runs)
    transfer.missing(report, stage, "libtorrent")
    report.note("Cold: the source was dropped from memory once the seeder was ready, of which "
                f"{max(kept) * 100:.0f} % stayed at most. `on the disk` is the time until an fsync "
                "of the result has returned as well.")
    goals(report, runs, mib)


def rows(report, runs):
    report.columns("cell", "seconds until it is whole", "ratio", "until it is on the disk", "ratio")
    for name, results in runs.items():
        against = runs.get(f"{name.split(':')[0]}: libtorrent, BEP 3")
        cells = []
        for key in ("wall", "durable"):
            cells.append(spread(pick(results, key), 2))
            cells.append(times(ratios(pick(against, key), pick(results, key)), against is results)
                         if against else "-")
        report.row(name, *cells)


def goals(report, runs, mib):
    for name, results in runs.items():
        state, client = name.split(": ")
        theirs = runs.get(f"{state}: libtorrent, BEP 3")
        if client.startswith("swarmlet"):
            work, goal = f"disk, {state}, {mib} MiB, {client.split(', ')[1]}", ">= 1 x libtorrent"
            found = ratios(pick(theirs, "wall"), pick(results, "wall")) if theirs else []
            report.goal(work, goal, spread(found, 2, " x") if found else "not installed",
                        bool(found) and median(found) >= 1)

"""How the cost grows with the size, the pieces, the peers and the torrents: CSV and SVG."""
import csv, os, shutil, statistics
import svg
from table import pick, spread
from transfer import libtorrent, missing, native

METRICS = {"rate": "MB/s, all leechers together", "cpu": "CPU seconds per GiB, both ends",
           "seeder_memory": "anonymous MiB of the seeder"}
SIZES = (1 / 64, 1 / 16, 1 / 4, 1, 4, 8)  # of --size-mib
PIECES_KIB = (64, 128, 256, 512, 1024, 2048, 4096, 8192)
PEERS = (1, 2, 5, 10, 20, 50, 100, 200)
TORRENTS = (1, 3, 10, 30, 100)


def free_mib():
    with open("/proc/meminfo") as info:
        fields = dict(line.split(":") for line in info)
    return int(fields["MemAvailable"].split()[0]) >> 10


def both(stage, sources, **more):
    cells = {"swarmlet, native": lambda: native(stage, sources, **more)}
    if stage.has("libtorrent"):
        cells["libtorrent"] = lambda: libtorrent(stage, sources, **more)
    return cells


def sizes(stage):
    for share in SIZES:
        mib = max(int(stage.options.size_mib * share), 1)
        if free_mib() < 2 * mib + 1024:
            yield mib, None
            continue
        yield mib, lambda mib=mib: both(stage, [stage.content(mib)])


def pieces(stage):
    mib = max(stage.options.size_mib // 4, 8)
    for kib in PIECES_KIB:
        yield kib, lambda kib=kib: both(stage, [stage.content(mib)], piece_kib=kib)


def peers(stage):
    """Each fetches a small file, so that the work is bounded; libtorrent would be 200 Pythons."""
    mib = max(stage.options.size_mib // 256, 1)
    for count in PEERS:
        yield count, lambda count=count: {"swarmlet, native": lambda: native(
            stage, [stage.content(mib)], leechers=count, piece_kib=64)}


def torrents(stage):
    """One seeder and one leecher, each with all of them, which are about as large together."""
    total = max(stage.options.size_mib // 4, 100)
    for count in TORRENTS:
        yield count, lambda count=count: both(stage, [
            stage.content(max(total // count, 1), f"content-{n}.bin") for n in range(count)],
            piece_kib=256)


CURVES = {
    "size": (sizes, "MiB of the file", "One seeder to one leecher, 1 MiB pieces",
             ("rate", "cpu", "seeder_memory")),
    "piece": (pieces, "KiB of a piece", "One seeder to one leecher, {} MiB",
              ("rate", "cpu", "seeder_memory")),
    "peers": (peers, "leechers", "One seeder to many leechers, {} MiB each, 64 KiB pieces",
              ("rate", "cpu", "seeder_memory")),
    "torrents": (torrents, "torrents", "One seeder to one leecher, {} MiB in all",
                 ("rate", "cpu", "seeder_memory")),
}


def draw(stage, report, name, folder):
    points, x_label, title, metrics = CURVES[name]
    size = stage.options.size_mib
    title = title.format({"peers": max(size // 256, 1), "torrents": max(size // 4, 100)}.get(
        name, max(size // 4, 8)))
    report.section(name, title)
    report.columns(x_label, "client", *(METRICS[metric] for metric in metrics))
    measured = {}
    for x, prepare in points(stage):
        if prepare is None:
            report.row(x, "left out: there is not enough memory", *[""] * len(metrics))
            continue
        for client, results in stage.turns(prepare()).items():
            measured.setdefault(client, []).append((x, results))
            report.row(x, client, *(spread(pick(results, metric), 2) for metric in metrics))
        for entry in os.listdir(stage.root):
            shutil.rmtree(f"{stage.root}/{entry}")
    os.makedirs(folder, exist_ok=True)
    save(f"{folder}/{name}.csv", x_label, measured, metrics)
    for metric in metrics:
        lines = {client: [(x, *three(pick(results, metric))) for x, results in line]
                 for client, line in measured.items()}
        with open(f"{folder}/{name}-{metric.split('_')[-1]}.svg", "w") as out:
            out.write(svg.chart(title, x_label, METRICS[metric], lines))
    missing(report, stage, *(["libtorrent"] if name != "peers" else []))


def three(values):
    """The median, the least and the most; what is too short to be seen is not zero."""
    return tuple(max(value, 0.01) for value in
                 (statistics.median(values), min(values), max(values)))


def save(path, x_label, measured, metrics):
    with open(path, "w", newline="") as out:
        rows = csv.writer(out, lineterminator="\n")
        rows.writerow([x_label, "client", "seconds", *(f"{metric} {kind}" for metric in metrics
                                                       for kind in ("median", "least", "most"))])
        for client, line in measured.items():
            for x, results in line:
                values = [value for metric in metrics
                          for value in (statistics.median(pick(results, metric)),
                                        min(pick(results, metric)), max(pick(results, metric)))]
                seconds = statistics.median(pick(results, "wall"))
                rows.writerow([x, client, *(f"{value:.4g}" for value in [seconds, *values])])

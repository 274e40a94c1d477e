"""Plays every cell with every client and prints a table; `--help` says how."""

import argparse
import shutil
import signal
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "interop"))

import downloading
import filling
import junk
import programs
import report
import seeding
from scene import Scene, Shared
from stage import CellFailed, Stage
from verdict import Verdict, together

CELLS = {
    "clean-download": (downloading.clean, "a download from one honest peer"),
    "clean-upload": (seeding.clean, "an upload to one honest peer"),
    "one-liar": (downloading.one_liar, "1 peer that flips a bit in every piece, 1 honest"),
    "eight-liars": (downloading.eight_liars, "8 such peers, 2 honest"),
    "nine-stallers": (downloading.nine_stallers, "9 peers that unchoke and never send, 1 honest"),
    "forty-readers": (seeding.forty_readers, "40 peers that ask and never read, 1 honest leecher"),
    "flood": (seeding.flood, "2,000 silent connections, 1 honest leecher"),
    "disk-too-small": (filling.too_small, "a disk that holds half of the file"),
    "disk-fills-up": (filling.fills_up, "a disk that another program fills at a third"),
    "killed": (downloading.killed, "kill -9 at random moments of a download"),
    "truncated-leecher": (downloading.truncated, "the unfinished file is cut to nothing"),
    "truncated-seeder": (seeding.truncated, "the seeder's file is cut to nothing"),
    "changed-seeder": (seeding.changed, "one byte of the seeder's file is another"),
    "junk-at-port": (junk.at_port, "15 malformed streams at the port, 20 times each"),
    "torrent-bombs": (junk.torrents, "12 malformed .torrent files"),
}
FIRST = ("clean-download", "clean-upload")


class Tools:
    def __init__(self, options):
        self.peer = Path(options.binaries).resolve() / "peer"
        self.python = self.npm = ""


class Run:
    """All cells; at most `jobs` at once, and the clean ones before all others."""

    def __init__(self, options):
        self.options, self.tools = options, Tools(options)
        self.root = Path(tempfile.mkdtemp(prefix="swarmlet-others-", dir=options.place))
        self.shared = Shared(self.root / "content", options.mib)
        self.found, self.clean, self.number = {}, {}, 0
        self.printing, self.stages, self.stopping = threading.Lock(), [], False

    def all(self):
        absent = {k: programs.missing(k, self.tools) for k in self.options.clients}
        self.there = [kind for kind, lacks in absent.items() if not lacks]
        for kind in absent:
            if absent[kind]:
                print(f"NOT INSTALLED: {', '.join(absent[kind])}: no column for {kind}", flush=True)
        self.versions = programs.versions(self.there, self.tools)
        # The measure of the others is the best of the clean runs, fewer of them at once.
        self.several(FIRST, min(2, self.options.jobs))
        for (cell, kind), verdict in self.found.items():
            if verdict.word == "survives":
                self.clean.setdefault(kind, {})[cell] = verdict.best
        self.several([cell for cell in self.options.cells if cell not in FIRST],
                     self.options.jobs)

    def several(self, cells, jobs):
        pool, playing = ThreadPoolExecutor(jobs, "cell"), []
        try:
            playing = [pool.submit(self.one, cell, kind) for cell in cells for kind in self.there]
            for cell in playing:
                cell.result()
        finally:
            # Interrupted, the rest is not begun, and what is open ends with its programs.
            self.stopping = not all(cell.done() for cell in playing)
            pool.shutdown(wait=False, cancel_futures=True)
            for stage in list(self.stages) if self.stopping else []:
                stage.ends = 0
                stage.close(keep=True)
            pool.shutdown(wait=True)

    def one(self, cell, kind):
        try:
            verdict = together([self.play(cell, kind) for _ in range(self.options.repeat)])
        except Exception as error:  # ours to mend, and said so
            verdict = Verdict("not possible", f"the script failed: {type(error).__name__}: {error}")
        if self.stopping:
            return
        with self.printing:
            self.found[(cell, kind)] = verdict
            print(f"{cell:18} {kind:13} {verdict.short():16} {verdict.seconds:6.1f} s  "
                  f"{verdict.remark}", flush=True)

    def play(self, cell, kind):
        with self.printing:
            if self.stopping:
                raise CellFailed("interrupted")
            self.number += 1
            stage = Stage(self.root, self.number, 10 * self.options.limit)
            self.stages.append(stage)
        scene = Scene(kind, self.tools, self.shared, stage, self.options, self.clean.get(kind, {}))
        began = time.monotonic()
        try:
            verdict = CELLS[cell][0](scene)
        except CellFailed as error:
            ends = [p for p in stage.programs if p.ended()]
            word = "died" if ends else "hangs"
            verdict = Verdict(word, f"outside the fault itself: {error}")
        finally:
            stage.close(self.options.keep)
            self.stages.remove(stage)
        verdict.seconds = verdict.seconds or time.monotonic() - began
        return verdict

    def close(self):
        if not self.options.keep:
            shutil.rmtree(self.root, ignore_errors=True)


def parsed():
    parser = argparse.ArgumentParser(
        prog="scripts/faults/others.sh", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="The same faults and hostile peers for five BitTorrent clients, side by side.",
        epilog="cells:\n" + "\n".join(f"  {name:18} {text}" for name, (_, text) in CELLS.items()))
    parser.add_argument("--binaries", default="target/release", help="the folder of our programs")
    parser.add_argument("--clients", default=",".join(programs.KINDS), help="which, with commas")
    parser.add_argument("--cells", default=",".join(CELLS), help="which, with commas")
    parser.add_argument("--mib", type=int, default=32, help="size of the content")
    parser.add_argument("--rate", type=int, default=8, help="MiB/s of all honest peers together")
    parser.add_argument("--repeat", type=int, default=1, help="runs of each cell; medians, worst")
    parser.add_argument("--kills", type=int, default=5, help="how often a download is killed")
    parser.add_argument("--flood", type=int, default=2000, help="silent connections")
    parser.add_argument("--limit", type=int, default=60, help="seconds that a download may take")
    parser.add_argument("--jobs", type=int, default=1, help="cells at once")
    parser.add_argument("--seed", type=int, default=1, help="of the random moments")
    parser.add_argument("--place", help="where the temporary folder is made (memory is best)")
    parser.add_argument("--out", help="a folder for others.md and others.tsv")
    parser.add_argument("--keep", action="store_true", help="keep folders and logs")
    options = parser.parse_args()
    options.clients = options.clients.split(",")
    options.cells = options.cells.split(",")
    for word in options.clients + options.cells:
        if word not in programs.KINDS and word not in CELLS:
            parser.error(f"there is no client or cell {word}")
    if options.place is None and Path("/dev/shm").is_dir():
        options.place = "/dev/shm"
    return options


def stop(*_signal):
    """Ends the run as an interruption would; asked twice, it still clears up once."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(143)


def main():
    options = parsed()
    signal.signal(signal.SIGTERM, stop)
    run = Run(options)
    try:
        run.all()
    finally:
        # Interrupted, what was found until then is still a table.
        if run.found:
            print()
            report.write(run, CELLS)
        run.close()
        if options.keep:
            print(f"kept: {run.root}")
    ours = [v.word for (_, kind), v in run.found.items() if kind == "ours"]
    return 1 if any(word in ("died", "wrong", "hangs") for word in ours) else 0


if __name__ == "__main__":
    sys.exit(main())

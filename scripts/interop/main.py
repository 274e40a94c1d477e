"""Runs the cells of scripts/interop.sh, at most two at once, and prints one line for each."""

import argparse
import fnmatch
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cells
from content import Content
from stage import CellFailed, Stage


class Tools:
    """Where the programs are, and which of them are there at all."""

    def __init__(self, options):
        self.peer = Path(options.binaries).resolve() / "peer"
        self.tracker = Path(options.binaries).resolve() / "tracker"
        self.python, self.npm = options.python, options.npm
        # Capturing is for root, unless dumpcap was given the right to.
        captures = shutil.which("dumpcap") and subprocess.run(
            ["dumpcap", "-q", "-i", "lo", "-a", "duration:1", "-w", "/dev/null"],
            capture_output=True).returncode == 0
        self.there = {"capture": bool(captures),
                      "ours": self.peer.exists() and self.tracker.exists(),
                      "libtorrent": bool(options.python), "npm": bool(options.npm)}

    def lacks(self, cell):
        """Which of a cell's needs are not installed."""
        return [need for need in cell.needs
                if not self.there.get(need, shutil.which(need) is not None)]


class Run:
    def __init__(self, options, chosen):
        self.options, self.chosen, self.tools = options, chosen, Tools(options)
        self.root = Path(tempfile.mkdtemp(prefix="swarmlet-interop-"))
        self.counts = {"PASS": 0, "AGAIN": 0, "FAIL": 0, "absent": 0}
        self.absent, self.failed, self.printing = set(), [], threading.Lock()
        self.stages, self.stopping = [], False

    def all(self):
        self.content = Content(self.root / "content", self.tools.peer)
        with ThreadPoolExecutor(self.options.jobs, "cell") as pool:
            for number, cell in enumerate(self.chosen):
                pool.submit(self.one, number, cell)
        for line in self.failed:
            print(f"failed: {line}")
        if self.absent:
            print(f"NOT INSTALLED: {', '.join(sorted(self.absent))}: their cells prove nothing")
            print(f"{self.counts['absent']} cells ABSENT")
        counts = {word: n for word, n in self.counts.items() if n or word != "AGAIN"}
        print(", ".join(f"{count} {word}" for word, count in counts.items()))
        wrong = self.counts["FAIL"] + (self.counts["absent"] if self.options.require_all else 0)
        return 1 if wrong else 0

    def one(self, number, cell):
        if self.stopping:
            return
        lacks = self.tools.lacks(cell)
        if lacks:
            self.absent.update(lacks)
            self.tell("absent", 0.0, cell, f"needs {', '.join(lacks)}")
            return
        for nth in range(self.options.again + 1):
            # Each try has a folder and addresses of its own.
            failed = "FAIL" if nth == self.options.again else "AGAIN"
            if self.play(number + nth * len(self.chosen), cell, failed):
                return

    def play(self, number, cell, failed):
        """Plays a cell once; true if that was the end of it. `failed` is what a failure is called."""
        begun = time.monotonic()
        stage = Stage(self.root, number, self.options.limit)
        self.stages.append(stage)
        word, why, tails = "PASS", "", ""
        try:
            why = cell.play(self.tools, self.content, stage) or ""
        except CellFailed as error:
            word, why, tails = failed, str(error), stage.tails()
        except Exception as error:  # a cell must never take the others with it
            word, why = failed, f"{type(error).__name__}: {error}"
            tails = "    " + traceback.format_exc().replace("\n", "\n    ") + stage.tails()
        stage.close(self.options.keep)
        if not self.stopping:
            self.tell(word, time.monotonic() - begun, cell, why, tails)
        return word == "PASS" or self.stopping

    def tell(self, word, secs, cell, why, tails=""):
        with self.printing:
            self.counts[word] += 1
            if word == "FAIL":
                self.failed.append(f"{cell.name}: {why}")
            print(f"{word:6} {secs:5.1f} s  {cell.name}" + (f"  ({why})" if why else ""))
            if tails:
                print(tails)
            sys.stdout.flush()

    def stop(self):
        self.stopping = True
        for stage in self.stages:
            stage.close(self.options.keep)
        if self.options.keep:
            print(f"kept: {self.root}")
        else:
            shutil.rmtree(self.root, ignore_errors=True)


def arguments():
    parser = argparse.ArgumentParser(
        prog="scripts/interop.sh", allow_abbrev=False,
        description="Transfers between this project and programs that others wrote, on loopback.")
    parser.add_argument("--only", metavar="PATTERN", action="append",
                        help="cells whose name holds this, or matches it with * and ?; repeatable")
    parser.add_argument("--full", action="store_true", help="the whole product, not a cover of it")
    parser.add_argument("--list", action="store_true", help="print the names of the cells")
    parser.add_argument("--keep", action="store_true", help="keep the logs, and say where")
    parser.add_argument("--require-all", action="store_true", help="absent clients are failures")
    parser.add_argument("--limit", type=float, default=60, metavar="SECS",
                        help="for each cell (60)")
    parser.add_argument("--again", type=int, default=0, metavar="N",
                        help="play a cell that failed up to N times more, and say so (0)")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="cells at once (2)")
    parser.add_argument("--self-test", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--binaries", default="target/release", help=argparse.SUPPRESS)
    parser.add_argument("--python", default="", help=argparse.SUPPRESS)
    parser.add_argument("--npm", default="", help=argparse.SUPPRESS)
    return parser.parse_args()


def matches(name, patterns):
    return not patterns or any(p in name or fnmatch.fnmatchcase(name, p) for p in patterns)


def main():
    options = arguments()
    every = cells.self_test() if options.self_test else cells.matrix(options.full)
    chosen = [cell for cell in every if matches(cell.name, options.only)]
    if options.list:
        print("\n".join(cell.name for cell in chosen))
        return 0
    if not chosen:
        print("no cell has such a name; --list shows them", file=sys.stderr)
        return 2
    run = Run(options, chosen)

    def interrupted(*_):
        run.stopping = True
        raise KeyboardInterrupt
    signal.signal(signal.SIGTERM, interrupted)
    try:
        return run.all()
    except KeyboardInterrupt:
        return 130
    finally:
        run.stop()


if __name__ == "__main__":
    sys.exit(main())

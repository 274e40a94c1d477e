"""Runs the groups of scripts/remote.sh, two at once, and prints one line for each check."""

import argparse
import importlib.util
import shutil
import signal
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from checks import Checks
import commands
import keeping
import library
import refusals
import transfers
import web
from stage import Stage

# Long ones first. Each has what it needs besides our programs.
GROUPS = {
    "commands": (commands.play, ("transmission-remote",)),
    "transfers": (transfers.play, ("transmission-daemon",)),
    "keeping": (keeping.play, ("transmission-remote",)),
    "library": (library.play, ("transmission-rpc",)),
    "web": (web.play, ("web page",)),
    "refusals": (refusals.play, ("transmission-remote", "curl")),
    "browser": (web.browse, ("web page", "chromium", "--browser")),
}


class Tools:
    """Where the programs are, and which of them are there at all."""

    def __init__(self, options):
        self.peer = Path(options.binaries).resolve() / "peer"
        self.tracker = Path(options.binaries).resolve() / "tracker"
        self.screenshot = options.screenshot
        self.there = {"transmission-rpc": importlib.util.find_spec("transmission_rpc") is not None,
                      "web page": (web.PAGES / "index.html").exists(),
                      "--browser": options.browser}

    def lacks(self, needs):
        return [need for need in needs if not self.there.get(need, shutil.which(need) is not None)]


def arguments():
    parser = argparse.ArgumentParser(
        prog="scripts/remote.sh", allow_abbrev=False,
        description="Drives a real peer daemon by the clients of others, on loopback.")
    parser.add_argument("--only", metavar="GROUP", action="append", choices=list(GROUPS),
                        help="this group; repeatable")
    parser.add_argument("--list", action="store_true", help="print the names of the groups")
    parser.add_argument("--browser", action="store_true",
                        help="also look at the web page in chromium")
    parser.add_argument("--screenshot", metavar="FILE", help="keep what chromium has drawn")
    parser.add_argument("--keep", action="store_true", help="keep the logs, and say where")
    parser.add_argument("--require-all", action="store_true", help="skipped checks are failures")
    parser.add_argument("--limit", type=float, default=120, metavar="SECS",
                        help="for each group (120)")
    parser.add_argument("--jobs", type=int, default=3, metavar="N", help="groups at once (3)")
    parser.add_argument("--binaries", default="target/release", help=argparse.SUPPRESS)
    return parser.parse_args()


def play(number, name, tools, checks, options, root, stages):
    do, needs = GROUPS[name]
    lacks = tools.lacks(needs)
    if lacks:
        why = "asked for with --browser" if lacks == ["--browser"] else f"needs {', '.join(lacks)}"
        checks.skip(name, why)
        return
    stage = Stage(root, number, options.limit)
    stages.append(stage)
    with checks.group(name, stage) as check:
        do(check, tools, stage)
    stage.close(options.keep)


def main():
    options = arguments()
    chosen = options.only or list(GROUPS)
    if options.list:
        print("\n".join(GROUPS))
        return 0
    tools, checks, stages = Tools(options), Checks(), []
    for program in (tools.peer, tools.tracker):
        if not program.exists():
            print(f"{program} is not there: BINARIES must name its folder", file=sys.stderr)
            return 2
    root = Path(tempfile.mkdtemp(prefix="swarmlet-remote-"))

    def interrupted(*_):
        raise KeyboardInterrupt
    signal.signal(signal.SIGTERM, interrupted)
    begun = time.monotonic()
    pool = ThreadPoolExecutor(options.jobs, "group")
    try:
        played = [pool.submit(play, number, name, tools, checks, options, root, stages)
                  for number, name in enumerate(chosen)]
        for one in played:
            one.result()
        print(f"took {time.monotonic() - begun:.0f} s")
        print(checks.summary())
        return 1 if checks.failed or (options.require_all and checks.skipped) else 0
    except KeyboardInterrupt:
        return 130
    finally:
        # A group whose programs are gone ends at its next wait; what it started until then goes
        # after it.
        for stage in stages:
            stage.close(options.keep)
        pool.shutdown(cancel_futures=True)
        for stage in stages:
            stage.close(options.keep)
        if options.keep:
            print(f"kept: {root}", file=sys.stderr)
        else:
            shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())

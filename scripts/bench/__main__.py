#!/usr/bin/env python3
"""Measures ours beside other clients, in one run, and prints tables with the ratios and the goals.

Every figure is a median, with the least and the most; clients take turns (A B A B), the first round
is not counted, and a ratio is that of one round. Contents lie in memory, unless a table says
otherwise. A missed goal is a result and no failure; the exit code tells of what broke.
"""
import argparse, os, platform, signal, sys
import crowd, curves, disk, files, link, references, transfer
from stage import Broken, Stage
from table import Report

SECTIONS = {
    "limits": references.section_limits,
    "native": transfer.section_native,
    "bittorrent": transfer.section_bittorrent,
    "swarm": transfer.section_swarm,
    "create": files.section_create,
    "verify": files.section_verify,
    "first": link.section_first,
    "crowd": crowd.section_crowd,
    "disk": disk.section_disk,
    "link": link.section_link,
}
GROUPS = {"transfer": ["native", "bittorrent", "swarm"]}


def chosen(text):
    """Names of sections, some of which stand for several."""
    names = [name for word in text.split(",") for name in GROUPS.get(word, [word])]
    for name in names:
        if name not in SECTIONS:
            raise argparse.ArgumentTypeError(
                f"{name} is no section: {', '.join([*SECTIONS, *GROUPS])}")
    return names


def draw(options, report):
    options.runs = min(options.runs, 3)
    for name in options.curves.split(","):
        if name not in curves.CURVES:
            raise Broken(f"{name} is no curve: {', '.join(curves.CURVES)}")
        with Stage(options) as stage:
            curves.draw(stage, report, name, options.results)


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench.sh", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binaries", default="target/release", help="where ours are (%(default)s)")
    parser.add_argument("--runs", type=int, default=5, help="of each (%(default)s)")
    parser.add_argument("--size-mib", type=int, default=1024, help="of a transfer (%(default)s)")
    parser.add_argument("--only", type=chosen, metavar="NAME,..", default=list(SECTIONS),
                        help=f"some sections: {', '.join([*SECTIONS, *GROUPS])}")
    parser.add_argument("--curves", nargs="?", const=",".join(curves.CURVES), metavar="NAME,..",
                        help="draw how the cost grows instead, medians of at most three; some of "
                             "%(const)s")
    parser.add_argument("--results", default="benches/results",
                        help="where curves go, as CSV and SVG (%(default)s)")
    parser.add_argument("--crowd-secs", type=int, default=20,
                        help="how long a crowd is served (%(default)s)")
    parser.add_argument("--disk-dir", default="/var/tmp",
                        help="a folder on a disk, for the section disk (%(default)s)")
    parser.add_argument("--write", metavar="PAGE", nargs="?", const="docs/performance.md",
                        help="put what was measured into the page, too (%(const)s)")
    parser.add_argument("--rqbit", help="where rqbit is",
                        default=os.path.expanduser("~/.cache/swarmlet/rqbit/bin/rqbit"))
    options = parser.parse_args()
    report = Report()
    report.setting = (f"{options.runs} runs of each in turn, pieces of 1 MiB, {os.cpu_count()} "
                      f"cores, Linux {platform.release()}, {platform.machine()}.")
    report.line(report.setting)
    report.line()
    if options.curves:
        return draw(options, report)
    with Stage(options) as stage:
        for name in options.only:
            SECTIONS[name](stage, report)
            report.line()
    if options.write:
        report.write(options.write)
    else:
        report.summary()


if __name__ == "__main__":
    # So that what was started is stopped, too, when this is.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        main()
    except Broken as broken:
        sys.exit(f"bench: {broken}")

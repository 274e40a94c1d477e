"""The table of all verdicts: Markdown for a page, tab-separated values for a program."""

import time
from pathlib import Path

from verdict import ORDER, SLOW_RATIO, SLOW_SECS

HOW = [
    "Every client runs with its defaults, but finds peers only by being dialled: "
    "no DHT, no exchange of peers, no tracker, no port mapping, no µTP.",
    "Two settings are kinder than the defaults: aria2 checks its data when it starts "
    "(`--check-integrity`), and rtorrent has a session folder.",
    "The hostile peers dial again a second after they were cut.",
    f"*slow* is more than {SLOW_RATIO:.0f} times a clean run of the same client, and "
    f"{SLOW_SECS:.0f} s more; *gives up* ended by itself with a reason, and what it has is right; "
    "*hangs* was alive and not at its goal when the time was over; *died* is a signal or an end "
    "without a reason; *wrong* claimed a wrong byte to be right, or sent one.",
]


def write(run, cells):
    text = markdown(run, cells)
    print(text)
    if run.options.out:
        out = Path(run.options.out)
        out.mkdir(parents=True, exist_ok=True)
        (out / "others.md").write_text(text)
        (out / "others.tsv").write_text(values(run))


def rows(run, cells):
    return [cell for cell in cells if any((cell, kind) in run.found for kind in run.there)]


def markdown(run, cells):
    options = run.options
    heads = [f"{kind} {run.versions[kind]}" for kind in run.there]
    lines = [f"{options.mib} MiB, honest peers send {options.rate} MiB/s together, "
             f"{options.repeat} run(s) of each cell, of which the worst is shown; a download may "
             f"take {options.limit} s; {options.kills} kills; "
             f"{time.strftime('%Y-%m-%d', time.gmtime())}.",
             *HOW, "", *counts(run), "",
             f"| what happens | {' | '.join(heads)} |", "|---" * (1 + len(heads)) + "|"]
    for cell in rows(run, cells):
        words = [run.found[(cell, kind)].short() if (cell, kind) in run.found else "—"
                 for kind in run.there]
        lines.append(f"| {cells[cell][1]} | {' | '.join(words)} |")
    lines += ["", "| what happens | client | verdict | seconds | seen |", "|---|---|---|---|---|"]
    for cell in rows(run, cells):
        for kind in run.there:
            verdict = run.found.get((cell, kind))
            if verdict:
                seen = verdict.remark.replace("|", "/").replace(str(run.root), "…")
                lines.append(f"| {cell} | {kind} | {verdict.short()} | {verdict.seconds:.1f} "
                             f"| {seen} |")
    return "\n".join(lines) + "\n"


def counts(run):
    """How often each client earned each word."""
    words = ORDER[1:] + ORDER[:1]
    lines = [f"| client | {' | '.join(words)} |", "|---" * (1 + len(words)) + "|"]
    for kind in run.there:
        earned = [v.word for (_, who), v in run.found.items() if who == kind]
        lines.append(f"| {kind} | {' | '.join(str(earned.count(word)) for word in words)} |")
    return lines


def values(run):
    lines = ["cell\tclient\tversion\tverdict\tseconds\tratio\tremark"]
    for (cell, kind), verdict in sorted(run.found.items()):
        remark = " ".join(verdict.remark.split())
        lines.append(f"{cell}\t{kind}\t{run.versions[kind]}\t{verdict.word}\t"
                     f"{verdict.seconds:.2f}\t{verdict.ratio:.2f}\t{remark}")
    return "\n".join(lines) + "\n"

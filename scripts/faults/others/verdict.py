"""What a cell found: one word that can be compared between clients, and what was seen.

| word | means |
|---|---|
| survives | alive, and every byte right in the end |
| slow | the same, at more than three times the time of a clean run and ten seconds more |
| wrong | it claimed a wrong byte to be right, or sent one |
| gives up | it ended by itself with an exit status and a reason; what it has is right |
| died | a signal, a panic, or an exit without a reason |
| hangs | alive, and not at its goal when the cell's time was over |
| not possible | the cell cannot be played with this client, for the reason given |
"""

from dataclasses import dataclass

# From the best to the worst.
ORDER = ["not possible", "survives", "slow", "gives up", "hangs", "died", "wrong"]
SLOW_RATIO, SLOW_SECS = 3.0, 10.0


@dataclass
class Verdict:
    word: str
    remark: str = ""
    seconds: float = 0.0
    ratio: float = 0.0  # of the clean run's time; none where there is nothing to compare
    best: float = 0.0  # the shortest time of all runs
    often: str = ""  # in how many of the runs, if not in all

    def short(self):
        ratio = f" {self.ratio:.1f}x" if self.ratio else ""
        return f"{self.word}{ratio}{self.often}"


def timed(seconds, clean, remark=""):
    """Survives or slow, by the clean run of the same client in the same run."""
    ratio = seconds / clean if clean else 0.0
    slow = clean and ratio > SLOW_RATIO and seconds - clean > SLOW_SECS
    return Verdict("slow" if slow else "survives", remark, seconds, ratio)


def together(verdicts):
    """Of several runs of one cell: the worst word, and of the runs that earned it the one whose
    time is the median."""
    word = max((v.word for v in verdicts), key=ORDER.index)
    alike = sorted((v for v in verdicts if v.word == word), key=lambda v: v.seconds)
    shown = alike[len(alike) // 2]
    shown.best = min(v.seconds for v in verdicts)
    if len(alike) < len(verdicts):
        shown.often = f" ({len(alike)} of {len(verdicts)})"
    return shown

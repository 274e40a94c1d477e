"""One line for each check, and the count of them at the end.

A check is a `with` block; what is raised in it is its failure, and the next one goes on. A check
that cannot be made because a program is not installed is skipped by name, and never counts as
passed.
"""

import sys
import threading
import traceback
from contextlib import contextmanager
from pathlib import Path

# Stages, trackers and Transmission as a client are those of the other script.
sys.path.append(str(Path(__file__).resolve().parent.parent / "interop"))
from stage import CellFailed  # noqa: E402


class Checks:
    def __init__(self):
        self.passed, self.failed, self.skipped, self.lock = 0, [], [], threading.Lock()

    def tell(self, word, name, why=""):
        with self.lock:
            if word == "ok":
                self.passed += 1
            else:
                (self.failed if word == "FAIL" else self.skipped).append(f"{name}: {why}")
            print(f"{word:4}  {name}" + (f": {why}" if why else ""), flush=True)

    def skip(self, name, why):
        self.tell("skip", name, why)

    @contextmanager
    def group(self, name, stage):
        """Everything of one group; what is raised outside its checks ends the group."""
        failures = len(self.failed)
        try:
            yield lambda what: self.check(f"{name}: {what}")
        except Exception as error:
            self.tell("FAIL", f"{name}: the rest", explained(error))
        if any(line.startswith(f"{name}: ") for line in self.failed[failures:]):
            print(stage.tails(), flush=True)

    @contextmanager
    def check(self, name):
        try:
            yield
        except Exception as error:  # a check must never take the others with it
            self.tell("FAIL", name, explained(error))
        else:
            self.tell("ok", name)

    def summary(self):
        for title, lines in (("failed", self.failed), ("skipped", self.skipped)):
            for line in lines:
                print(f"{title}: {line}")
        counts = f"{self.passed} passed, {len(self.failed)} failed"
        return counts + (f", {len(self.skipped)} skipped" if self.skipped else "")


def explained(error):
    """A failure in one line; where it was if it is not one of ours."""
    if isinstance(error, CellFailed):
        return str(error)
    at = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({at.name}, line {at.lineno})"


def same(got, expected, what=""):
    """Fails with both values when they differ."""
    if got != expected:
        raise CellFailed(f"{what or 'it'} is {got!r}, not {expected!r}")


def holds(text, *words):
    """Fails when one of the words is not in the text."""
    for word in words:
        if word not in text:
            raise CellFailed(f"no {word!r} in {text[:2000]!r}")

"""Where one cell plays: a folder, loopback addresses, and processes that all end with it.

A cell gets a `Stage`, starts its programs on it with `run`, and waits with `wait_until`. Whatever
happens, `Stage.close` ends every process by its own handle. Nothing here knows a client.
"""

import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

TAIL_LINES = 25


class CellFailed(Exception):
    """A cell that did not end as it must; the text says what was seen."""


class Ports:
    """Port numbers below the ephemeral range, each given out once."""

    def __init__(self):
        self.next, self.lock = 20_000 + os.getpid() % 4_000, threading.Lock()

    def take(self, address):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with self.lock:
            while self.next < 32_000:
                self.next += 1
                if all(free(family, kind, address, self.next)
                       for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM)):
                    return self.next
        raise CellFailed("no free port between 20000 and 32000")


def free(family, kind, address, port):
    with socket.socket(family, kind) as probe:
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


class Program:
    """A child process with a log of its own; ours and theirs alike."""

    def __init__(self, name, argv, folder, env, stdin=None):
        self.name, self.log, self.argv = name, folder / f"{name}.log", argv
        self.out = folder / f"{name}.out"
        with open(self.log, "ab") as log, open(self.out, "ab") as out:
            log.write(("$ " + " ".join(map(str, argv)) + "\n").encode())
            log.flush()
            self.process = subprocess.Popen(
                [str(word) for word in argv], stdin=stdin or subprocess.DEVNULL,
                stdout=out, stderr=log, env=env, cwd=folder, start_new_session=True)

    def lines(self):
        """What it printed on standard output so far, whole lines only."""
        text = self.out.read_text(errors="replace")
        return text[: text.rfind("\n") + 1].splitlines()

    def ended(self):
        return self.process.poll() is not None

    def stop(self, patience=5.0):
        """Asks it to end, then insists; returns its exit status."""
        if not self.ended():
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(patience)
            except subprocess.TimeoutExpired:
                self.process.kill()
        return self.process.wait()


class Stage:
    """One cell's folder, network and programs."""

    ports = Ports()

    def __init__(self, root, number, limit):
        self.number = number
        self.folder = root / f"cell{number:03}"
        self.folder.mkdir()
        self.programs, self.logs, self.explain = [], [], []
        self.ends = time.monotonic() + limit
        self.limit = limit

    def address(self, host):
        """127.x.y.HOST, which no other cell uses: some clients keep one peer per address."""
        return f"127.{1 + self.number // 250}.{1 + self.number % 250}.{host}"

    def port(self, address):
        return self.ports.take(address)

    def subfolder(self, name):
        made = self.folder / name
        made.mkdir(parents=True, exist_ok=True)
        return made

    def run(self, name, argv, env=None):
        """Starts a program without the caller's proxies, home or language."""
        clean = {"PATH": os.environ["PATH"], "HOME": str(self.subfolder("home")),
                 "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "TZ": "UTC", "no_proxy": "*"}
        program = Program(name, argv, self.folder, clean | (env or {}))
        self.programs.append(program)
        return program

    def also_show(self, path):
        """A log that a program writes by itself."""
        self.logs.append(path)

    def wait_until(self, met, what, limit=None):
        """Asks `met` until it is true; fails when time is over or a program has ended."""
        ends = min(self.ends, time.monotonic() + (limit or self.limit))
        while True:
            value = met()
            if value:
                return value
            for program in self.programs:
                if program.ended():
                    raise CellFailed(f"{what}: {program.name} ended with status "
                                     f"{program.process.returncode}")
            if time.monotonic() > ends:
                raise CellFailed(f"{what}: not within the time given")
            time.sleep(0.05)

    def stop(self, program):
        """Stops one program before the cell ends; it is no longer missed by `wait_until`."""
        self.programs.remove(program)
        self.logs += [program.log, program.out]
        return program.stop()

    def tails(self):
        """What the clients say and the last lines of every log, for a cell that failed."""
        said = [f"    --- {name}\n    {line[:1500]}" for name, line in map(tried, self.explain)]
        paths = [p for program in self.programs for p in (program.log, program.out)]
        shown = said
        for path in paths + self.logs:
            if path.exists() and path.stat().st_size > 0:
                lines = path.read_text(errors="replace").splitlines()[-TAIL_LINES:]
                shown.append(f"    --- {path.name}\n" + "\n".join(f"    {x[:300]}" for x in lines))
        return "\n".join(shown)

    def close(self, keep):
        for program in reversed(self.programs):
            program.stop(patience=1.5)
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)


def tried(explain):
    """Name and answer of one client's `explain`, which may be dead or busy by now."""
    try:
        return explain.__self__.name, explain()
    except Exception as error:
        return explain.__self__.name, f"{type(error).__name__}: {error}"


def file_of(root, name, data):
    path = Path(root) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path

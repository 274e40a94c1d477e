"""What a process takes: memory of its own, and file descriptors, sampled while a cell runs."""

import os
import threading


def status(pid, key):
    """A field of /proc/PID/status in KiB; 0 once it is gone."""
    try:
        with open(f"/proc/{pid}/status") as lines:
            for line in lines:
                if line.startswith(f"{key}:"):
                    return int(line.split()[1])
    except OSError:
        pass
    return 0


def descriptors(pid):
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return 0


class Watch(threading.Thread):
    """Keeps the most that was seen; files that are mapped do not count as memory."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.over = pid, threading.Event()
        self.memory_before, self.files_before = status(pid, "RssAnon"), descriptors(pid)
        self.memory, self.files = self.memory_before, self.files_before

    def __enter__(self):
        self.start()
        return self

    def run(self):
        while not self.over.wait(0.05):
            self.memory = max(self.memory, status(self.pid, "RssAnon"))
            self.files = max(self.files, descriptors(self.pid))

    def __exit__(self, *_error):
        self.over.set()
        self.join()

    def grown_mib(self):
        return (self.memory - self.memory_before) / 1024

    def says(self):
        return f"+{self.grown_mib():.0f} MiB, +{self.files - self.files_before} descriptors"

"""Peers as processes: how each is started, and how it says that it listens and is done.

Both print events as JSON lines, libtorrent's by libtorrent_peer.py. Every process is stopped by its
id when its `Crew` is left.
"""
import json, subprocess, sys, tempfile, threading, time
from stage import Broken, HERE, run


def cpu_seconds(pid):
    """User and system time of a process and of its threads that ended, to the nanosecond."""
    return time.clock_gettime(~pid << 3 | 2)  # the kernel's number for its CPU clock


def memory_mib(pid, kind="RssAnon"):
    with open(f"/proc/{pid}/status") as status:
        for line in status:
            if line.startswith(kind):
                return int(line.split()[1]) / 1024
    return 0.0  # it has ended


class Process:
    """A child whose events are read on a thread, with the time of each."""

    def __init__(self, argv, log):
        self.argv, self.log, self.at, self.port = argv, log, {}, None
        self.news, self.ended, self.anonymous = threading.Condition(), False, 0.0
        self.totals = []
        with open(log, "w") as errors:
            self.started = time.monotonic()
            self.proc = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         stderr=errors, text=True)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.proc.stdout:
            now = time.monotonic()
            kind = line.partition('"event":"')[2].partition('"')[0]
            with self.news:
                times = self.at.setdefault(kind, [])
                if kind not in ("piece", "progress") or not times:
                    times.append(now)
                if kind == "start":
                    self.port = json.loads(line)["port"]
                if kind == "total":
                    self.totals.append(json.loads(line)["bytes"])
                if kind not in ("piece", "progress"):
                    self.news.notify_all()
        with self.news:
            self.ended = True
            self.news.notify_all()

    def wait(self, kind, count=1, limit=300.0):
        """The time of an event, once there were so many."""
        with self.news:
            self.news.wait_for(lambda: self.ended or len(self.at.get(kind, ())) >= count, limit)
            if len(self.at.get(kind, ())) < count:
                with open(self.log) as log:
                    raise Broken(f"{' '.join(self.argv)}\n  no {kind}: {log.read()[-800:]}")
            return self.at[kind][count - 1]

    def tell(self, **words):
        self.proc.stdin.write(json.dumps(words) + "\n")
        self.proc.stdin.flush()

    def cpu(self):
        return cpu_seconds(self.proc.pid)

    def sample(self):
        if self.proc.poll() is None:
            self.anonymous = max(self.anonymous, memory_mib(self.proc.pid))

    def stop(self):
        if self.proc.poll() is None:
            self.proc.kill()
        self.proc.wait()
        self.proc.stdin.close()


class Crew:
    """The processes of one run, in a folder of their own."""

    def __init__(self, stage, under=None):
        self.stage, self.members, self.place = stage, [], stage.folder(under)

    def __enter__(self):
        self.work = self.place.__enter__()
        return self

    def __exit__(self, *error):
        for member in reversed(self.members):
            member.stop()
        self.place.__exit__(*error)

    def start(self, argv):
        process = Process(argv, f"{self.work}/{len(self.members)}.log")
        self.members.append(process)
        return process

    def fresh(self):
        """A new folder, for one leecher's result."""
        return tempfile.mkdtemp(dir=self.work)

    def tracker(self):
        tracker = self.start([self.stage.program("tracker"), "--listen", "127.0.0.1:0", "--json"])
        tracker.wait("start")
        return f"127.0.0.1:{tracker.port}"

    def ours(self, *words, tracker="udp://127.0.0.1:9/announce", address="127.0.0.1"):
        """Without a tracker it is one that nobody answers at, and `--peer` says whom to call."""
        return self.start([self.stage.program("peer"), *map(str, words), "--tracker", tracker,
                           "--bind", address, "-p", "0", "--json", "-q"])

    def libtorrent(self, address, *settings):
        process = self.start([sys.executable, f"{HERE}/libtorrent_peer.py", address, *settings])
        process.wait("start")
        return process

    def await_listed(self, tracker, seeders, contents=1):
        """Until the tracker lists that many seeders of every content."""
        argv = [self.stage.program("peer"), "list", "--json", "-t", tracker]
        for _ in range(2000):
            listed = [json.loads(line)["seeders"] for line in run(argv).splitlines()]
            if listed == [seeders] * contents:
                return
            time.sleep(0.01)
        raise Broken(f"the tracker never listed {seeders} seeders of {contents}: {listed}")


class Memory(threading.Thread):
    """Samples anonymous memory of processes every 10 ms, and once more at the end."""

    def __init__(self, processes):
        super().__init__(daemon=True)
        self.processes, self.over = processes, threading.Event()
        self.start()

    def run(self):
        while not self.over.wait(0.01):
            self.sample()

    def sample(self):
        for process in list(self.processes):
            process.sample()

    def peak(self):
        self.over.set()
        self.join()
        self.sample()
        return max(process.anonymous for process in self.processes)

#!/usr/bin/env python3
"""Transfers over the loopback, ours and libtorrent's in turn, as medians and ratios.

A run starts the seeders, waits until they serve, and takes the time from starting the first
leecher process to the moment the last one says that every piece is verified. The two clients take
turns (A B A B), so that a machine whose speed drifts treats both alike. The result of every run
is compared with the source.
"""
import argparse, filecmp, json, os, shutil, statistics, subprocess, sys, tempfile, threading, time
import warnings
warnings.simplefilter("ignore")
import libtorrent as lt

TICK = os.sysconf("SC_CLK_TCK")
HERE = os.path.dirname(os.path.abspath(__file__))


def cpu_seconds(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def anonymous_mib(pid):
    for line in open(f"/proc/{pid}/status"):
        if line.startswith("RssAnon"):
            return int(line.split()[1]) / 1024
    return 0.0


class Process:
    """A child whose standard output is read line by line on a thread."""

    def __init__(self, argv, log):
        self.log, self.lines, self.first_byte = log, [], None
        self.ready, self.done = threading.Event(), threading.Event()
        self.anonymous = 0.0
        self.proc = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=open(log, "w"),
                                     stdin=subprocess.DEVNULL, text=True)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.proc.stdout:
            self.understand(line)
        self.ready.set()
        self.done.set()

    def wait(self, event, what, limit=120):
        end = time.monotonic() + limit
        while not event.wait(0.01):
            self.anonymous = max(self.anonymous, anonymous_mib(self.proc.pid))
            if self.proc.poll() is not None or time.monotonic() > end:
                break
        if not event.is_set() or self.proc.poll() not in (None, 0):
            raise SystemExit(f"{what}: {open(self.log).read()[-800:]}")

    def stop(self):
        if self.proc.poll() is None:
            self.proc.kill()
        self.proc.wait()


class Ours(Process):
    def understand(self, line):
        event = json.loads(line)
        if event["event"] == "progress" and event["bytes"] > 0 and self.first_byte is None:
            self.first_byte = time.monotonic()
        if event["event"] == "start":
            self.port = event["port"]
        if event["event"] == "seeding":
            self.ready.set()
            self.done.set()


class Theirs(Process):
    def understand(self, line):
        word, value = line.split()
        if word == "port":
            self.port = int(value)
        if word == "bytes" and int(value) > 0 and self.first_byte is None:
            self.first_byte = time.monotonic()
        if word == "state" and value == "seeding":
            self.ready.set()
            self.done.set()


class Bench:
    def __init__(self, options):
        self.options = options
        self.root = tempfile.mkdtemp(prefix="swarmlet-bench-", dir="/dev/shm")
        self.files = {}

    def file(self, mib):
        """A random file of so many MiB and libtorrent's v1 torrent of it."""
        if mib not in self.files:
            folder = f"{self.root}/seed{mib}"
            os.makedirs(folder)
            path = f"{folder}/content.bin"
            with open(path, "wb") as out:
                for _ in range(mib):
                    out.write(os.urandom(1 << 20))
            storage = lt.file_storage()
            storage.add_file("content.bin", mib << 20)
            made = lt.create_torrent(storage, 1 << 20, lt.create_torrent.v1_only)
            lt.set_piece_hashes(made, folder)
            torrent = f"{self.root}/content{mib}.torrent"
            open(torrent, "wb").write(lt.bencode(made.generate()))
            self.files[mib] = (path, torrent)
        return self.files[mib]

    def ours(self, seeders, leechers, mib):
        path, _ = self.file(mib)
        binaries = self.options.binaries
        work = tempfile.mkdtemp(dir=self.root)
        tracker = Ours([f"{binaries}/tracker", "--listen", "127.0.0.1:0", "--json"], f"{work}/t")
        children = [tracker]
        try:
            while not hasattr(tracker, "port"):
                time.sleep(0.002)
            common = ["--tracker", f"127.0.0.1:{tracker.port}", "-p", "0", "--json", "-q"]
            seeds = []
            for n in range(seeders):
                argv = [f"{binaries}/peer", "--seed", path, "--piece-length", "1MiB", *common]
                begun = time.monotonic()
                seeds.append(Ours(argv, f"{work}/s{n}"))
                children.append(seeds[-1])
                seeds[-1].wait(seeds[-1].ready, "our seeder")
                serving = time.monotonic() - begun
            self.await_listed(tracker.port, seeders)
            def leech(n):
                return Ours([f"{binaries}/peer", "--leech", "content.bin", "-w", f"{work}/l{n}",
                             *common], f"{work}/l{n}.log")
            return self.measure(work, path, seeds, leechers, leech, children) | {"serving": serving}
        finally:
            self.clean(children, work)

    def await_listed(self, port, seeders):
        argv = [f"{self.options.binaries}/peer", "list", "--json", "-t", f"127.0.0.1:{port}"]
        for _ in range(2000):
            listed = subprocess.run(argv, capture_output=True, text=True).stdout.splitlines()
            if listed and json.loads(listed[0])["seeders"] == seeders:
                return
            time.sleep(0.01)
        raise SystemExit("the seeders were never listed")

    def theirs(self, seeders, leechers, mib):
        path, torrent = self.file(mib)
        work = tempfile.mkdtemp(dir=self.root)
        children = []
        script = [sys.executable, f"{HERE}/bench_libtorrent.py", torrent]
        try:
            seeds = []
            for n in range(seeders):
                address = f"127.0.0.{10 + n}"
                seeds.append(Theirs([*script, os.path.dirname(path), address], f"{work}/s{n}"))
                children.append(seeds[-1])
                seeds[-1].address = address
                seeds[-1].wait(seeds[-1].ready, "libtorrent's seeder")
            known = [f"{seed.address}:{seed.port}" for seed in seeds]
            def leech(n):
                # Each is told of those before it, so that all are one swarm.
                address, folder = f"127.0.0.{50 + n}", f"{work}/l{n}"
                os.makedirs(folder)
                child = Theirs([*script, folder, address, *known], f"{work}/l{n}.log")
                while not hasattr(child, "port"):
                    time.sleep(0.001)
                known.append(f"{address}:{child.port}")
                return child
            return self.measure(work, path, seeds, leechers, leech, children)
        finally:
            self.clean(children, work)

    def in_bittorrent(self, seeder, leecher, mib):
        """One to one over BEP 3, of a v1 torrent; `ours` or `theirs` at either end."""
        path, torrent = self.file(mib)
        work = tempfile.mkdtemp(dir=self.root)
        children = []

        def start(kind, role, folder, address, *peers):
            if kind == "ours":
                flag = "--seed" if role == "seeder" else "--leech"
                named = [word for peer in peers for word in ("--peer", peer)]
                child = Ours([f"{self.options.binaries}/peer", flag, torrent, "-w", folder, "-p", "0",
                              "--bind", address, "--tracker", "udp://127.0.0.1:9/announce",
                              "--json", "-q", *named], f"{work}/{role}.log")
            else:
                os.makedirs(folder, exist_ok=True)
                child = Theirs([sys.executable, f"{HERE}/bench_libtorrent.py", torrent, folder,
                                address, *peers], f"{work}/{role}.log")
            children.append(child)
            return child
        try:
            seed = start(seeder, "seeder", os.path.dirname(path), "127.0.0.10")
            seed.wait(seed.ready, "the seeder")
            at = f"127.0.0.10:{seed.port}"
            leech = lambda n: start(leecher, "leecher", f"{work}/l{n}", "127.0.0.50", at)  # noqa: E731
            return self.measure(work, path, [seed], 1, leech, children)
        finally:
            self.clean(children, work)

    def measure(self, work, path, seeds, leechers, leech, children):
        before = sum(cpu_seconds(seed.proc.pid) for seed in seeds)
        begun = time.monotonic()
        running = []
        for n in range(leechers):
            running.append(leech(n))
            children.append(running[-1])
        for child in running:
            child.wait(child.done, "a leecher")
        wall = time.monotonic() - begun
        cpu = sum(cpu_seconds(p.proc.pid) for p in seeds + running) - before
        memory = max(max(p.anonymous, anonymous_mib(p.proc.pid)) for p in seeds + running)
        for n in range(leechers):
            self.compare_result(running[n], f"{work}/l{n}/content.bin", path)
        size = os.path.getsize(path)
        first = min((p.first_byte or time.monotonic()) - begun for p in running)
        return {"rate": size * leechers / wall / 1e6, "cpu": cpu / (size * leechers / 2**30),
                "memory": memory, "first": first}

    def compare_result(self, child, result, source):
        """Ours must be right when it says so; libtorrent may still be writing what it verified."""
        patience = 0 if isinstance(child, Ours) else 50
        while not (os.path.exists(result) and filecmp.cmp(result, source, shallow=False)):
            if patience == 0:
                raise SystemExit(f"{child.proc.args[0]}: the result differs from its source")
            patience -= 1
            time.sleep(0.1)

    def clean(self, children, work):
        for child in reversed(children):
            child.stop()
        shutil.rmtree(work, ignore_errors=True)

    def compare(self, title, seeders, leechers, mib):
        ours, theirs = [], []
        for run in range(self.options.runs + 1):
            mine = self.ours(seeders, leechers, mib)
            other = self.theirs(seeders, leechers, mib)
            if run > 0:  # the first touches the machine's memory for the first time
                ours.append(mine)
                theirs.append(other)
        def median(runs, key):
            return statistics.median(run[key] for run in runs)
        def spread(runs):
            rates = [run["rate"] for run in runs]
            return f"{min(rates):.0f}-{max(rates):.0f}"
        ratio = median(ours, "rate") / median(theirs, "rate")
        for name, runs in (("swarmlet, native", ours), ("libtorrent, BEP 3", theirs)):
            print(f"| {title} | {name} | {median(runs, 'rate'):.0f} | {spread(runs)} "
                  f"| {median(runs, 'cpu'):.2f} | {max(r['memory'] for r in runs):.1f} "
                  f"| {median(runs, 'first') * 1000:.0f} "
                  f"| {f'{ratio:.2f} x' if runs is ours else '1'} |", flush=True)
        return ours

    def compare_bittorrent(self, mib):
        pairs = [("ours", "ours"), ("theirs", "theirs"), ("ours", "theirs"), ("theirs", "ours")]
        runs = {pair: [] for pair in pairs}
        for run in range(self.options.runs + 1):
            for pair in pairs:
                result = self.in_bittorrent(*pair, mib)
                if run > 0:
                    runs[pair].append(result)
        names = {"ours": "swarmlet", "theirs": "libtorrent"}
        rate = lambda pair: statistics.median(r["rate"] for r in runs[pair])  # noqa: E731
        for pair in pairs:
            seeder, leecher = (names[end] for end in pair)
            rates = [r["rate"] for r in runs[pair]]
            cpu = statistics.median(r["cpu"] for r in runs[pair])
            print(f"| BEP 3, v1, 1 -> 1, {mib} MiB | {seeder} to {leecher} | {rate(pair):.0f} "
                  f"| {min(rates):.0f}-{max(rates):.0f} | {cpu:.2f} "
                  f"| {max(r['memory'] for r in runs[pair]):.1f} "
                  f"| {statistics.median(r['first'] for r in runs[pair]) * 1000:.0f} "
                  f"| {rate(pair) / rate(('theirs', 'theirs')):.2f} x |", flush=True)

    def run(self):
        mib = self.options.size_mib
        print(f"{self.options.runs} runs of each in turn, 1 MiB pieces, /dev/shm, loopback, "
              f"{os.cpu_count()} cores; libtorrent {lt.version}\n")
        print("| work | client | MB/s (median) | spread | CPU s per GiB | anonymous MiB (peak) "
              "| first byte ms | ratio |\n|---|---|---|---|---|---|---|---|")
        if self.options.only != "native":
            self.compare_bittorrent(mib)
        if self.options.only == "bittorrent":
            return
        one = self.compare(f"1 -> 1, {mib} MiB", 1, 1, mib)
        self.compare(f"1 -> 4, {mib // 4} MiB", 1, 4, mib // 4)
        self.compare(f"4 -> 1, {mib} MiB", 4, 1, mib)
        serving = statistics.median(run["serving"] for run in one)
        print(f"\npeer --seed serves {mib} MiB (warm, both hashes) after {serving:.2f} s")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binaries", default="target/release")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--size-mib", type=int, default=1024)
    parser.add_argument("--only", choices=["native", "bittorrent"])
    bench = Bench(parser.parse_args())
    try:
        bench.run()
    finally:
        shutil.rmtree(bench.root, ignore_errors=True)


main()

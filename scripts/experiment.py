#!/usr/bin/env python3
"""Experiments with real peers over the loopback, against what theory says of them.

  kr     one seeder and many leechers of limited upload, against the bound of Kurose and Ross
  many   several torrents from several seeders at once: all end, and share the upload evenly
  slow   one slow seeder among fast ones: it delays nobody

Each peer listens on an address of its own, 127.0.0.x, and is stopped by its id. Limits are in
powers of ten, sizes in powers of two. The result of every download is compared with its source.
"""
import argparse, filecmp, json, os, re, shutil, statistics, subprocess, sys, tempfile, threading, time


class Program:
    """A child whose events are read on a thread, each with the time at which it came."""

    def __init__(self, argv, log):
        self.log, self.events, self.news = log, [], threading.Condition()
        self.ended = False
        self.started = time.monotonic()
        self.proc = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=open(log, "w"),
                                     stdin=subprocess.DEVNULL, text=True)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.proc.stdout:
            event = json.loads(line) | {"at": time.monotonic()}
            with self.news:
                self.events.append(event)
                self.news.notify_all()
        with self.news:
            self.ended = True
            self.news.notify_all()

    def of(self, kind):
        return [event for event in list(self.events) if event["event"] == kind]

    def wait(self, kind, count=1, limit=60.0):
        """The events of a kind, once there are so many."""
        def is_over():
            return self.ended or len(self.of(kind)) >= count
        with self.news:
            self.news.wait_for(is_over, limit)
        found = self.of(kind)
        if len(found) < count:
            raise SystemExit(f"{' '.join(self.proc.args)}\n  no {kind} event within {limit:.0f} s: "
                             f"{open(self.log).read()[-800:]}")
        return found

    def stop(self):
        if self.proc.poll() is None:
            self.proc.terminate()
            try:
                self.proc.wait(5)
            except subprocess.TimeoutExpired:
                self.proc.kill()
        self.proc.wait()


class Sent(threading.Thread):
    """Bytes that connections of one address have sent, by what `ss` says of them."""

    def __init__(self, address):
        super().__init__(daemon=True)
        self.address, self.of, self.over = address, {}, threading.Event()
        self.works = shutil.which("ss") is not None
        self.start()

    def run(self):
        while self.works and not self.over.wait(0.1):
            self.look()

    def look(self):
        out = subprocess.run(["ss", "-tinHO", "src", self.address], capture_output=True, text=True)
        for line in out.stdout.splitlines():
            words, sent = line.split(), re.search(r"bytes_acked:(\d+)", line)
            if sent and len(words) > 4:
                self.of[words[3], words[4]] = int(sent.group(1))

    def total(self):
        self.over.set()
        self.join()
        return sum(self.of.values()) if self.works else None


class Swarm:
    """A tracker, and peers in a folder in memory; all go when it is left."""

    def __init__(self, options):
        self.options, self.children = options, []
        place = "/dev/shm" if os.path.isdir("/dev/shm") else None
        self.work = tempfile.mkdtemp(prefix="swarmlet-experiment-", dir=place)

    def __enter__(self):
        argv = [f"{self.options.binaries}/tracker", "--listen", "127.0.0.1:0", "--json"]
        self.tracker_port = self.start(argv, "tracker").wait("start")[0]["port"]
        return self

    def __exit__(self, *_):
        for child in reversed(self.children):
            child.stop()
        if self.options.keep:
            print(f"kept: {self.work}", file=sys.stderr)
        else:
            shutil.rmtree(self.work, ignore_errors=True)

    def start(self, argv, name):
        child = Program(argv, f"{self.work}/{name}.log")
        self.children.append(child)
        return child

    @property
    def tracker(self):
        native = self.options.dialect == "native"
        at = f"127.0.0.1:{self.tracker_port}"
        return at if native else f"udp://{at}/announce"

    def peer(self, name, host, *words):
        verbose = ["-vv"] if self.options.keep else ["-q"]
        argv = [f"{self.options.binaries}/peer", *words, "--tracker", self.tracker, "-p", "0",
                "--bind", f"127.0.0.{host}", "--json", *verbose, *self.options.set]
        return self.start(argv, name)

    def file(self, name, mib):
        os.makedirs(f"{self.work}/source", exist_ok=True)
        path = f"{self.work}/source/{name}"
        with open(path, "wb") as out:
            for _ in range(mib):
                out.write(os.urandom(1 << 20))
        return path

    def torrent(self, path):
        """Its .torrent, for the dialect of the others; the native one knows files by name."""
        if self.options.dialect == "bittorrent":
            subprocess.run([f"{self.options.binaries}/peer", "create", path, "--v1", "-q",
                            "-s", self.options.piece, "-t", self.tracker, "-o", f"{path}.torrent"],
                           check=True)

    def seeder(self, name, host, paths, *words):
        if self.options.dialect == "native":
            words = ["--piece-length", self.options.piece, *words]
        else:
            words = ["-w", f"{self.work}/source", *words]
        suffix = "" if self.options.dialect == "native" else ".torrent"
        seeder = self.peer(name, host, "--seed", *[path + suffix for path in paths], *words)
        seeder.wait("seeding", len(paths))
        return seeder

    def leecher(self, name, host, paths, *words):
        native = self.options.dialect == "native"
        what = [os.path.basename(p) if native else f"{p}.torrent" for p in paths]
        return self.peer(name, host, "--leech", *what, "-w", f"{self.work}/{name}", *words)

    def await_listed(self, paths, seeders):
        """Until the tracker lists the seeders of each file."""
        wanted = {os.path.basename(path): seeders for path in paths}
        argv = [f"{self.options.binaries}/peer", "list", "--json", "-t",
                f"127.0.0.1:{self.tracker_port}"]
        end = time.monotonic() + 30
        while self.options.dialect == "native":
            listed = subprocess.run(argv, capture_output=True, text=True).stdout.splitlines()
            if {e["name"]: e["seeders"] for e in map(json.loads, listed)} == wanted:
                return
            if time.monotonic() > end:
                raise SystemExit(f"the tracker never listed {wanted}: {listed}")
            time.sleep(0.05)
        scrape = [f"{self.options.binaries}/peer", "scrape", "--json"]
        for path in paths:
            while True:
                out = subprocess.run([*scrape, f"{path}.torrent"], capture_output=True, text=True)
                if any(json.loads(line).get("seeders") == seeders
                       for line in out.stdout.splitlines()):
                    break
                if time.monotonic() > end:
                    raise SystemExit(f"the tracker never listed {path}: {out.stdout}{out.stderr}")
                time.sleep(0.05)

    def expect_same(self, path, name):
        result = f"{self.work}/{name}/{os.path.basename(path)}"
        if not filecmp.cmp(result, path, shallow=False):
            raise SystemExit(f"{name}: {result} differs from its source")


def rate(text):
    """As the peer reads it: kB/s, or 500k, 2M."""
    factors = {"k": 1e3, "M": 1e6, "G": 1e9}
    return float(text[:-1]) * factors[text[-1]] if text[-1] in factors else float(text) * 1e3


def verdict(title, passes):
    print(f"{'PASS' if passes else 'FAIL'}: {title}", flush=True)
    return passes


def kurose_ross(options):
    """One seeder, N leechers, all uploads limited; the last one's time over the bound."""
    size, leechers = options.size_mib << 20, options.leechers
    up_seed, up_leech = rate(options.up_seed), rate(options.up_leech)
    # Kurose and Ross, section 2.5, with downloads that nothing limits.
    bound = max(size / up_seed, leechers * size / (up_seed + leechers * up_leech))
    print(f"{options.size_mib} MiB in pieces of {options.piece}, a seeder of {options.up_seed}B/s, "
          f"{leechers} leechers of {options.up_leech}B/s, {options.dialect}; "
          f"at best {bound:.3f} s\n")
    print("| run | last finisher, s | ratio | mean finisher, s | seeder's copies |\n"
          "|---|---|---|---|---|")
    ratios = []
    for run in range(options.runs):
        with Swarm(options) as swarm:
            path = swarm.file("content.bin", options.size_mib)
            swarm.torrent(path)
            swarm.seeder("seeder", 10, [path], "-u", options.up_seed)
            swarm.await_listed([path], 1)
            sent, begun = Sent("127.0.0.10"), time.monotonic()
            running = [swarm.leecher(f"leecher-{n}", 20 + n, [path], "-u", options.up_leech)
                       for n in range(leechers)]
            limit = bound * 10 + 60
            times = [child.wait("done", 1, limit)[0]["at"] - begun for child in running]
            copies = sent.total()
            for n in range(leechers):
                swarm.expect_same(path, f"leecher-{n}")
            ratios.append(max(times) / bound)
            copies = "-" if copies is None else f"{copies / size:.3f}"
            print(f"| {run + 1} | {max(times):.2f} | {ratios[-1]:.3f} "
                  f"| {statistics.mean(times):.2f} | {copies} |", flush=True)
            if options.keep:
                for child in swarm.children:
                    with open(child.log + ".json", "w") as out:
                        for event in child.events:
                            out.write(json.dumps(event | {"at": event["at"] - begun}) + "\n")
    median = statistics.median(ratios)
    return verdict(f"the median is {median:.3f} times the bound; it must be 0.98 to 1.15",
                   0.98 <= median <= 1.15)


def many_torrents(options):
    """Several torrents from three seeders to one node, which all share one limit of upload."""
    fair, whole = [], True
    print(f"{options.torrents} torrents of {options.size_mib} MiB, three seeders of "
          f"{options.up_seed}B/s each, one leecher; the spread is the furthest torrent from the "
          "mean, at half of the first one's end\n")
    print("| run | all whole after, s | first to last, s | least to most, MB | spread |\n"
          "|---|---|---|---|---|")
    for run in range(options.runs):
        with Swarm(options) as swarm:
            paths = [swarm.file(f"content-{n}.bin", options.size_mib)
                     for n in range(options.torrents)]
            for path in paths:
                swarm.torrent(path)
            for n in range(3):
                swarm.seeder(f"seeder-{n}", 10 + n, paths, "-u", options.up_seed)
            swarm.await_listed(paths, 3)
            begun = time.monotonic()
            leecher = swarm.leecher("leecher", 20, paths)
            total = options.torrents * options.size_mib << 20
            limit = total / rate(options.up_seed) / 3 * 4 + 60
            done = leecher.wait("done", len(paths), limit)
            for path in paths:
                swarm.expect_same(path, "leecher")
            times = [event["at"] - begun for event in done]
            # While all of them still fetch, so that nobody has what another left.
            half = begun + min(times) / 2
            got = {}
            for event in leecher.of("progress"):
                if event["at"] <= half:
                    got[event["info_hash_v1"]] = event["bytes"]
            got = sorted(got.values()) + [0] * (len(paths) - len(got))
            mean = statistics.mean(got)
            spread = max(abs(count / mean - 1) for count in got)
            fair.append(spread)
            print(f"| {run + 1} | {max(times):.2f} | {max(times) - min(times):.2f} "
                  f"| {min(got) / 1e6:.1f} to {max(got) / 1e6:.1f} | {spread:.3f} |", flush=True)
    spread = statistics.median(fair)
    whole = verdict(f"all {options.torrents} torrents became whole, byte for byte", whole)
    return verdict(f"the median spread is {spread:.3f}; it must be at most 0.20",
                   spread <= 0.2) and whole


def slow_seeder(options):
    """Three fast seeders, with and without a slow fourth, in turns."""
    def once(with_slow):
        with Swarm(options) as swarm:
            path = swarm.file("content.bin", options.size_mib)
            swarm.torrent(path)
            for n in range(3):
                swarm.seeder(f"fast-{n}", 10 + n, [path], "-u", options.up_seed)
            if with_slow:
                swarm.seeder("slow", 13, [path], "-u", options.up_slow)
            swarm.await_listed([path], 4 if with_slow else 3)
            begun = time.monotonic()
            leecher = swarm.leecher("leecher", 20, [path])
            took = leecher.wait("done", 1, 120)[0]["at"] - begun
            swarm.expect_same(path, "leecher")
            return took
    print(f"{options.size_mib} MiB from three seeders of {options.up_seed}B/s, "
          f"with and without one of {options.up_slow}B/s\n")
    print("| run | three, s | three and the slow one, s | ratio |\n|---|---|---|---|")
    ratios = []
    for run in range(options.runs):
        alone, beside = once(False), once(True)
        ratios.append(beside / alone)
        print(f"| {run + 1} | {alone:.2f} | {beside:.2f} | {ratios[-1]:.3f} |", flush=True)
    median = statistics.median(ratios)
    return verdict(f"the median ratio is {median:.3f}; it must be at most 1.10", median <= 1.1)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = parser.add_subparsers(required=True, metavar="EXPERIMENT")

    def kind(name, run, prog, size_mib, up_seed, piece="64KiB"):
        sub = kinds.add_parser(name, prog=prog, help=run.__doc__, description=run.__doc__)
        sub.set_defaults(run=run)
        sub.add_argument("--binaries", default="target/release", help="where the programs are")
        sub.add_argument("--runs", type=int, default=3, help="the median counts (%(default)s)")
        sub.add_argument("--size-mib", type=int, default=size_mib, help="of a file (%(default)s)")
        sub.add_argument("--piece", default=piece, help="piece length (%(default)s)")
        sub.add_argument("--up-seed", default=up_seed, help="a seeder's limit (%(default)s)")
        sub.add_argument("--dialect", choices=["native", "bittorrent"], default="native")
        sub.add_argument("--set", default="", type=str.split, metavar="FLAGS",
                         help='more flags for every peer, as in --set="--choker tft"')
        sub.add_argument("--keep", action="store_true", help="keep files and detailed logs")
        return sub
    kr = kind("kr", kurose_ross, "experiment-kr.sh", 32, "2M")
    kr.add_argument("--leechers", type=int, default=8, help="how many (%(default)s)")
    kr.add_argument("--up-leech", default="2M", help="a leecher's limit (%(default)s)")
    many = kind("many", many_torrents, "experiment-many.sh many", 64, "8M", "256KiB")
    many.add_argument("--torrents", type=int, default=8, help="how many (%(default)s)")
    slow = kind("slow", slow_seeder, "experiment-many.sh slow", 64, "8M", "256KiB")
    slow.add_argument("--up-slow", default="100k", help="the slow one's limit (%(default)s)")
    options = parser.parse_args()
    sys.exit(0 if options.run(options) else 1)


main()

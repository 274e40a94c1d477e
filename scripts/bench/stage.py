"""Where a benchmark works: folders in memory, made-up contents and their torrents, free ports."""
import contextlib, importlib.util, os, shutil, socket, subprocess, sys, tempfile

MIB = 1 << 20
KEPT = 896 * MIB
HERE = os.path.dirname(os.path.abspath(__file__))


class Broken(Exception):
    """A measurement that did not take place; a missed goal is none."""


class Stage:
    """A folder in memory and what lies in it; all of it goes when it is left."""

    def __init__(self, options):
        self.options, self.runs = options, options.runs
        self.root = tempfile.mkdtemp(prefix="swarmlet-bench-", dir="/dev/shm")
        self.pool = os.urandom(16 * MIB)
        self.made = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.root, ignore_errors=True)

    def program(self, name):
        return os.path.join(self.options.binaries, name)

    def has(self, client):
        """Whether a program, or the module libtorrent, is installed."""
        if client == "libtorrent":
            return importlib.util.find_spec("libtorrent") is not None
        return shutil.which(self.tool(client)) is not None

    def tool(self, client):
        return self.options.rqbit if client == "rqbit" else client

    @contextlib.contextmanager
    def folder(self, under=None):
        path = tempfile.mkdtemp(dir=under or self.root)
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def content(self, mib, name="content.bin", under=None):
        """A file of so many MiB that do not repeat, made once."""
        path = f"{under or self.root}/source-{mib}/{name}"
        if not os.path.exists(path):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as out:
                for _ in range(mib):
                    self.made += 1
                    start = self.made * 4099 % (len(self.pool) - MIB)
                    out.write(self.made.to_bytes(8, "little") + self.pool[start + 8:start + MIB])
        return path

    def torrent(self, path, version="v1", piece_kib=1024):
        out = f"{path}.{version}.{piece_kib}.torrent"
        if not os.path.exists(out):
            run([self.program("peer"), "create", path, f"--{version}", "-s", f"{piece_kib}KiB",
                 "-t", "udp://127.0.0.1:9/announce", "-o", out, "-q"])
        return out

    def touch(self, size):
        """Memory that a virtual machine gave back costs more the first time: here it is had. Not
        more than it keeps for a moment when it is freed again."""
        with open(f"{self.root}/touched", "wb") as out:
            for _ in range(0, min(size, KEPT), 16 * MIB):
                out.write(self.pool)
        os.remove(f"{self.root}/touched")

    def turns(self, cells):
        """The results of each cell, which take turns; the first round is not counted."""
        results = {name: [] for name in cells}
        for turn in range(self.runs + 1):
            for name, cell in cells.items():
                result = cell()
                if turn > 0:
                    results[name].append(result)
                shown = ", ".join(f"{key} {value:.3f}" for key, value in result.items())
                print(f"  {turn} {name}: {shown}", file=sys.stderr, flush=True)
        return results


def run(argv, **more):
    """What a command prints; it must succeed."""
    done = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL, **more)
    if done.returncode != 0:
        raise Broken(f"{' '.join(map(str, argv))}: exit {done.returncode}: "
                     f"{(done.stderr or done.stdout)[-800:]}")
    return done.stdout


def free_port(address="127.0.0.1"):
    """For programs that cannot be told to take any."""
    with socket.socket() as probe:
        probe.bind((address, 0))
        return probe.getsockname()[1]

"""What the groups play with: made-up content with a v1 torrent, a tracker of ours, seeders."""

import random
import subprocess
from pathlib import Path

import trackers
from checks import CellFailed
from content import Torrent
from stage import file_of

KIB = 1024
SET = {"a.bin": 300 * KIB + 1, "b.bin": 200 * KIB + 7, "sub/c.bin": 400 * KIB + 3}


class Made:
    """A file or folder under a root, and its torrent."""

    def __init__(self, source, torrent):
        self.source, self.path = Path(source), Path(torrent)
        self.torrent = Torrent(torrent)
        self.name, self.hash = self.torrent.name, self.torrent.v1
        self.magnet = self.torrent.magnet("v1")

    def files(self):
        """Path under the folder of downloads, and content."""
        if self.source.is_file():
            return {self.name: self.source.read_bytes()}
        return {str(Path(self.name, path.relative_to(self.source))): path.read_bytes()
                for path in sorted(self.source.rglob("*")) if path.is_file()}

    def await_same(self, stage, folder):
        """Fails unless the folder has the very same bytes."""
        for name, data in self.files().items():
            stage.wait_until((Path(folder) / name).exists, f"{name} is there", 10)
            got = (Path(folder) / name).read_bytes()
            if got != data:
                at = next((i for i, pair in enumerate(zip(got, data)) if pair[0] != pair[1]), "")
                raise CellFailed(f"{name} differs: {len(got)} of {len(data)} bytes, first at {at}")


class Props:
    """Content and a tracker for one group."""

    def __init__(self, tools, stage, seed):
        self.tools, self.stage, self.random = tools, stage, random.Random(seed)
        self.tracker = trackers.Ours(tools, stage, "127.0.0.1", "http").start([])
        self.sources = stage.subfolder("sources")
        self.seeders = 0

    def file(self, name, length, **more):
        return self.made(file_of(self.sources, name, self.random.randbytes(length)), **more)

    def folder(self, name, files=None):
        for path, length in (files or SET).items():
            file_of(self.sources / name, path, self.random.randbytes(length))
        return self.made(self.sources / name)

    def made(self, source, tracked=True):
        torrent = self.stage.folder / f"{source.name}.torrent"
        words = [self.tools.peer, "create", source, "--v1", "-s", "32", "-q", "-o", torrent]
        words += ["-t", self.tracker.url] if tracked else []
        subprocess.run([str(word) for word in words], check=True, stdin=subprocess.DEVNULL,
                       capture_output=True, timeout=60)
        return Made(source, torrent)

    def seed(self, *made):
        """Our own seeder of several torrents, known to the tracker when this returns."""
        self.seeders += 1
        address = self.stage.address(10 + self.seeders)
        self.stage.run(f"seeder-{self.seeders}", [
            self.tools.peer, "--seed", *[m.path for m in made], "-w", self.sources,
            "--bind", address, "--port", 0, "--tracker", self.tracker.url])
        for one in made:
            self.tracker.await_peers([one.hash], 1, 0, "our seeder")

"""What is shared in the cells: made-up data, its torrents, and the comparison at the end.

The torrents are those of `peer create` (hybrid with pad files, v1, v2), of `mktorrent` (v1 without
pads) and, for the self-test, of nobody but this file. A cell gets a copy of a torrent with its own
tracker in it, which leaves the info dictionary, and so the hashes, as it was.
"""

import hashlib
import random
import shutil
import subprocess
import threading
from pathlib import Path
from urllib.parse import quote

from stage import CellFailed, file_of

MIB = 1 << 20
BLOCK = 16 * 1024
SINGLE = 12 * MIB + 12_345
SMALL = 4 * MIB + 99
FOLDER = {
    "a/one.bin": 2 * MIB + 17,
    "a/deeper/two.bin": 4 * MIB + 1,
    "empty": 0,
    "few": 5,
    "one block": 16_384,
    "Grüße 世界.bin": MIB + 300_001,
    "z last.bin": 2 * MIB - 1,
}


def bencode(value):
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, bytes):
        return b"%d:%s" % (len(value), value)
    if isinstance(value, list):
        return b"l" + b"".join(map(bencode, value)) + b"e"
    keyed = {k.encode() if isinstance(k, str) else k: v for k, v in value.items()}
    return b"d" + b"".join(bencode(k) + bencode(keyed[k]) for k in sorted(keyed)) + b"e"


def bdecode(data):
    value, rest = bdecode_at(data, 0)
    if rest != len(data):
        raise ValueError(f"{len(data) - rest} bytes behind the end")
    return value


def bdecode_at(data, at):
    head = data[at : at + 1]
    if head == b"i":
        end = data.index(b"e", at)
        return int(data[at + 1 : end]), end + 1
    if head in b"ld":
        items, at = [], at + 1
        while data[at : at + 1] != b"e":
            item, at = bdecode_at(data, at)
            items.append(item)
        if head == b"l":
            return items, at + 1
        return dict(zip(items[::2], items[1::2])), at + 1
    colon = data.index(b":", at)
    end = colon + 1 + int(data[at:colon])
    return data[colon + 1 : end], end


class Torrent:
    """A torrent file with one tracker, and the magnets that lead to the same."""

    def __init__(self, path):
        self.path = Path(path)
        self.meta = bdecode(self.path.read_bytes())
        self.info = self.meta[b"info"]
        self.name = self.info[b"name"].decode()
        raw = bencode(self.info)
        self.v1 = hashlib.sha1(raw).hexdigest() if b"pieces" in self.info else None
        self.v2 = hashlib.sha256(raw).hexdigest() if b"meta version" in self.info else None
        self.piece_length = self.info[b"piece length"]

    def hashes(self):
        """The 20 byte hashes of it that trackers know, in hexadecimal."""
        return [h for h in (self.v1, self.v2 and self.v2[:40]) if h]

    def pads(self):
        """Paths and lengths of the pad files (BEP 47), which older clients take for files."""
        for file in self.info.get(b"files", []):
            if b"p" in file.get(b"attr", b""):
                yield Path(*[part.decode() for part in file[b"path"]]), file[b"length"]

    def spans(self):
        """(path under the download folder, first byte in v1's stream, length) of each true file."""
        at = 0
        for file in self.info.get(b"files", [{b"path": [], b"length": self.info.get(b"length")}]):
            if b"p" not in file.get(b"attr", b""):
                yield Path(self.name, *[x.decode() for x in file[b"path"]]), at, file[b"length"]
            at += file[b"length"]

    def with_tracker(self, url, path):
        """A copy for one cell: its only tracker is `url`."""
        meta = {k: v for k, v in self.meta.items()
                if k in (b"info", b"piece layers", b"creation date", b"created by")}
        Path(path).write_bytes(bencode(meta | ({b"announce": url.encode()} if url else {})))
        return Torrent(path)

    def magnet(self, versions="v1 v2"):
        url = self.meta.get(b"announce", b"").decode()
        topics = []
        if self.v1 and "v1" in versions:
            topics.append(f"xt=urn:btih:{self.v1}")
        if self.v2 and "v2" in versions:
            topics.append(f"xt=urn:btmh:1220{self.v2}")
        named = [f"dn={quote(self.name)}"] + ([f"tr={quote(url, safe='')}"] if url else [])
        return "magnet:?" + "&".join(topics + named)


class Content:
    """The source data under one root, and its torrents, made when first asked for; cells that are
    played at once may ask at once."""

    def __init__(self, root, peer):
        self.root, self.peer, self.made = Path(root), peer, {}
        self.making = threading.RLock()  # one kind of torrent is made from another
        random.seed(20_240_601)
        self.data("single").mkdir(parents=True)
        file_of(self.data("single"), "single file.bin", random.randbytes(SINGLE))
        file_of(self.data("small"), "small.bin", random.randbytes(SMALL))
        for name, length in FOLDER.items():
            file_of(self.data("folder"), f"folder of files/{name}", random.randbytes(length))

    def data(self, shape):
        """The folder that holds the file or the folder which is shared."""
        return self.root / shape

    def source(self, shape):
        return next(self.data(shape).iterdir())

    def torrent(self, shape, version):
        """`version`: hybrid, v1 or v2 by `peer create`; padded, which is a hybrid's v1 half for
        clients that cannot read the other; mktorrent; plain, made here."""
        key = f"{shape}-{version}"
        with self.making:
            if key not in self.made:
                path = self.root / f"{key}.torrent"
                source = self.source(shape)
                if version == "plain":
                    plain_torrent(source, path)
                elif version == "padded":
                    half = bdecode(self.torrent(shape, "hybrid").path.read_bytes())[b"info"]
                    info = {k: v for k, v in half.items() if k not in (b"file tree", b"meta version")}
                    path.write_bytes(bencode({"info": info}))
                elif version == "mktorrent":
                    command("mktorrent", "-l", "17", "-o", path, source)
                else:
                    command(self.peer, "create", source, "-o", path, f"--{version}", "-q")
                self.made[key] = Torrent(path)
            return self.made[key]

    def lay_out(self, shape, torrent, folder, pads):
        """A copy of the data to seed from; with pad files for clients that know nothing of them."""
        shutil.copytree(self.data(shape), folder, dirs_exist_ok=True)
        if pads:
            for path, length in torrent.pads():
                file_of(folder / torrent.name, path, bytes(length))

    def lay_out_partly(self, shape, torrent, folder, lacks):
        """A copy in which the pieces that `lacks(index)` names are zeros; how many these are."""
        shutil.copytree(self.data(shape), folder, dirs_exist_ok=True)
        missing = set()
        for path, start, length in torrent.spans():
            with open(folder / path, "r+b") as file:
                for at in range(0, length, BLOCK):
                    piece = (start + at) // torrent.piece_length
                    if lacks(piece):
                        missing.add(piece)
                        file.seek(at)
                        file.write(bytes(min(BLOCK, length - at)))
        return len(missing)

    def compare(self, shape, folder, empties_matter):
        """What differs between the source and what was downloaded, in one line, or nothing."""
        source = self.source(shape)
        pairs = [(source, folder / source.name)]
        if source.is_dir():
            pairs = [(p, folder / source.name / p.relative_to(source))
                     for p in sorted(source.rglob("*")) if p.is_file()]
        for mine, other in pairs:
            if mine.stat().st_size == 0 and not other.exists() and not empties_matter:
                continue
            said = subprocess.run(["cmp", mine, other], capture_output=True, text=True)
            if said.returncode != 0:
                return (said.stdout + said.stderr).strip()
        return ""


def plain_torrent(source, path):
    """A v1 torrent of one file, for cells in which nothing of ours may take part."""
    data, length = source.read_bytes(), 128 * 1024
    pieces = b"".join(hashlib.sha1(data[at : at + length]).digest()
                      for at in range(0, len(data), length))
    info = {"length": len(data), "name": source.name, "piece length": length, "pieces": pieces}
    path.write_bytes(bencode({"info": info}))


def command(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True,
                          timeout=60, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise CellFailed(f"{' '.join(map(str, words))} ended with {done.returncode}: "
                         f"{(done.stderr or done.stdout).strip()[-500:]}")
    return done.stdout

"""Compares the torrents of `peer create` with libtorrent's; started by check-libtorrent.sh.

For every content and version: libtorrent loads our torrent, computes the info-hashes that
`peer show --json` prints, and makes a torrent of the same content whose v1 pieces and v2 roots
are ours.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import libtorrent as lt

PIECE = 32 * 1024
FLAGS = {
    "v1": lt.create_torrent.v1_only,
    "hybrid": getattr(lt.create_torrent, "canonical_files_no_tail_padding", 0),
    "v2": lt.create_torrent.v2_only,
}


def content(length, seed):
    """Bytes that no two blocks share."""
    return b"".join(b"%08d%08d" % (seed, n) for n in range(length // 16 + 1))[:length]


CASES = {
    "one file": {"one.bin": 100_000},
    "one byte": {"byte": 1},
    "whole pieces": {"whole.bin": 4 * PIECE},
    "one short piece": {"short.bin": 20_000},
    "five blocks": {"blocks.bin": 5 * 16_384},
    "nested folders": {"tree/a/b/c/deep.bin": 70_000, "tree/a/b.bin": 40_000, "tree/z": 5},
    "empty files inside": {
        "gaps/0-empty": 0,
        "gaps/1": 70_000,
        "gaps/2-empty": 0,
        "gaps/3": 123,
        "gaps/4-empty": 0,
        "gaps/5-empty": 0,
    },
    "a/x beside a.b": {"order/a/x": 50_000, "order/a.b": 40_001, "order/a-c": 3, "order/a0": 9},
    "names beyond ASCII": {"Grüße 世界/ümläut.txt": 33_000, "Grüße 世界/日本 [x] (y).bin": 99_999},
    "empty single file": {"nothing": 0},
    "folder of empty files": {"hollow/a": 0, "hollow/b": 0},
}


def lay_out(root, files):
    """Writes the files of a case and returns the file or folder to make a torrent of."""
    for seed, (name, length) in enumerate(files.items()):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content(length, seed))
    return root / Path(next(iter(files))).parts[0]


def run(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, timeout=60)
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip()
        raise AssertionError(f"{' '.join(map(str, words))} ended with {done.returncode}: {said}")
    return done.stdout


def digest(hash_or_none):
    """Hexadecimal, or None for a hash that is not there."""
    return None if hash_or_none is None else str(hash_or_none)


def ours_as_libtorrent_sees_it(torrent):
    info = lt.torrent_info(torrent)
    hashes = info.info_hashes()
    return info, {
        "info_hash_v1": digest(hashes.v1) if hashes.has_v1() else None,
        "info_hash_v2": digest(hashes.v2) if hashes.has_v2() else None,
        "piece_length": info.piece_length(),
        "total_size": content_size(info.files()),
    }


def content_size(files):
    pad = lt.file_storage.flag_pad_file
    sizes = [files.file_size(i) for i in range(files.num_files()) if not files.file_flags(i) & pad]
    return sum(sizes)


def theirs(path, ours, version):
    """libtorrent's own `info` for the same content; its v1 files are given in our order."""
    files = lt.file_storage()
    pad = lt.file_storage.flag_pad_file
    for i in range(ours.num_files()):
        if not ours.file_flags(i) & pad:
            files.add_file(ours.file_path(i), ours.file_size(i))
    maker = lt.create_torrent(files, PIECE, FLAGS[version])
    lt.set_piece_hashes(maker, str(path.parent))
    return maker.generate()[b"info"]


def pieces_by_file(info):
    """The v1 pieces of every file of a hybrid, where each file starts a piece."""
    at, found = 0, {}
    for file in info[b"files"]:
        if file.get(b"attr") != b"p":
            count = -(-file[b"length"] // PIECE)
            found[b"/".join(file[b"path"])] = info[b"pieces"][at : at + 20 * count]
            at += 20 * count
    return found


def last_with_bytes(info):
    """The file whose last piece has no pad behind it."""
    files = [f for f in info[b"files"] if f.get(b"attr") != b"p" and f[b"length"] > 0]
    return b"/".join(files[-1][b"path"])


def compare_in_two_orders(mine, other):
    """libtorrent (2.1 at least) writes a hybrid's v1 files in the order of joined paths, which it
    then refuses to load itself, and pads behind empty files. Files are compared one by one: only
    the last piece of a file that is last in one of the orders may differ, by its pad."""
    ours, others = pieces_by_file(mine), pieces_by_file(other)
    compare("files", sorted(ours), sorted(others))
    tails = {last_with_bytes(mine), last_with_bytes(other)}
    for path, pieces in ours.items():
        end = -20 if path in tails else None
        compare(f"pieces of {path.decode()}", pieces[:end], others[path][:end])
    return "file by file, as libtorrent orders files or pads otherwise"


def compare(what, mine, other):
    if mine != other:
        raise AssertionError(f"{what}: ours {mine!r}, libtorrent's {other!r}")


def check(peer, path, version, torrent):
    run(peer, "create", path, "-o", torrent, "-s", f"{PIECE // 1024}KiB", f"--{version}",
        "-t", "http://127.0.0.1:6969/announce")
    shown = json.loads(run(peer, "show", "--json", torrent))
    bytes_ = torrent.read_bytes()
    info, seen = ours_as_libtorrent_sees_it(bytes_)
    for key, value in seen.items():
        compare(key, shown[key], value)
    mine = lt.bdecode(bytes_)[b"info"]
    other = theirs(path, info.files(), version)
    for key in (b"file tree", b"meta version", b"length"):
        compare(key.decode(), mine.get(key), other.get(key))
    order = [[file[b"path"] for file in info.get(b"files", [])] for info in (mine, other)]
    if version == "hybrid" and order[0] != order[1]:
        return compare_in_two_orders(mine, other)
    for key in (b"files", b"pieces"):
        compare(key.decode(), mine.get(key), other.get(key))
    return None


def check_empty(peer, path, version, torrent):
    """libtorrent refuses a total size of 0; ours must at least agree with itself."""
    made = subprocess.run([str(peer), "create", str(path), "-o", str(torrent), f"--{version}"],
                          capture_output=True, timeout=60)
    if version == "v1":
        if made.returncode == 0:
            raise AssertionError("v1 cannot say that there is nothing, but a torrent was made")
        return "refused, as it must be"
    shown = json.loads(run(peer, "show", "--json", torrent))
    compare("total_size", shown["total_size"], 0)
    return "made and shown; SKIPPED with libtorrent, which refuses a total size of 0"


def main(peer):
    print(f"libtorrent {lt.__version__}, {peer}")
    failed = 0
    for name, files in CASES.items():
        for version in FLAGS:
            with tempfile.TemporaryDirectory(prefix="swarmlet-check-") as folder:
                path = lay_out(Path(folder) / "content", files)
                torrent = Path(folder) / "made.torrent"
                is_empty = sum(files.values()) == 0
                try:
                    said = (check_empty if is_empty else check)(peer, path, version, torrent)
                    print(f"ok    {name}, {version}" + (f": {said}" if said else ""))
                except (AssertionError, RuntimeError, subprocess.SubprocessError) as error:
                    failed += 1
                    print(f"WRONG {name}, {version}: {error}")
    print(f"{failed} of {len(CASES) * len(FLAGS)} differ" if failed else "all agree")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

"""What a content is: bencoding, SHA-256 Merkle trees, and the `info` dictionary (BEP 52).

Only torrents of one file are understood here.
"""

import hashlib
import os

from wire import BLOCK

ZERO = bytes(32)


class Refused(Exception):
    """This metainfo is not believed."""


# -- bencoding -------------------------------------------------------------------------------------

def bencode(value):
    """A value as bencode; the keys of a dictionary are bytes, in order."""
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, bytes):
        return b"%d:%s" % (len(value), value)
    if isinstance(value, list):
        return b"l" + b"".join(map(bencode, value)) + b"e"
    return b"d" + b"".join(bencode(key) + bencode(value[key]) for key in sorted(value)) + b"e"


def bdecode(data, at=0, depth=0):
    """The value at `at`, and where it ends."""
    first = data[at:at + 1]
    if depth > 32:
        raise Refused("bencode is nested too deep")
    if first == b"i":
        end = data.index(b"e", at)
        return int(data[at + 1:end]), end + 1
    if first in (b"l", b"d"):
        items, at = [], at + 1
        while data[at:at + 1] != b"e":
            item, at = bdecode(data, at, depth + 1)
            items.append(item)
        return (items if first == b"l" else dict(zip(items[::2], items[1::2]))), at + 1
    colon = data.index(b":", at)
    end = colon + 1 + int(data[at:colon])
    if not first.isdigit() or end > len(data):
        raise Refused("bencode is cut")
    return data[colon + 1:end], end


def raw_info(torrent):
    """The bytes of `info` in a .torrent, as they came: they are what the info-hash covers."""
    at = 1
    while torrent[at:at + 1] != b"e":
        key, at = bdecode(torrent, at)
        _, end = bdecode(torrent, at)
        if key == b"info":
            return torrent[at:end]
        at = end
    raise Refused("no info in the .torrent")


# -- Merkle trees ----------------------------------------------------------------------------------

def sha256(data):
    return hashlib.sha256(data).digest()


def merkle_root(nodes, width, filler=ZERO):
    """The root over a row that is filled up to `width`, a power of two."""
    while width > 1:
        nodes = nodes + [filler] * (len(nodes) % 2)
        nodes = [sha256(nodes[i] + nodes[i + 1]) for i in range(0, len(nodes), 2)]
        filler = sha256(filler + filler)
        width //= 2
    return nodes[0] if nodes else filler


def leaves(data):
    """The hashes of the 16 KiB blocks of some bytes."""
    return [sha256(data[at:at + BLOCK]) for at in range(0, len(data), BLOCK)]


def power_of_two(count):
    """The least power of two that is not below `count`."""
    return 1 << max(count - 1, 0).bit_length()


# -- a content -------------------------------------------------------------------------------------

class Metainfo:
    """One file: its name, its length, and the hash of each of its pieces."""

    def __init__(self, info, layer):
        """From the bytes of `info` and of the piece layer; refuses what does not fit together."""
        self.info, self.layer, self.hash = info, layer, sha256(info)
        try:
            said, _ = bdecode(info)
            self.name = said[b"name"].decode()
            self.piece_length = said[b"piece length"]
            (file_name, entry), = said[b"file tree"].items()
            self.length = entry[b""][b"length"]
            self.root = entry[b""].get(b"pieces root", ZERO)
        except (KeyError, ValueError, AttributeError, TypeError, IndexError) as why:
            raise Refused(f"not the info of one file with SHA-256 hashes ({why!r})") from None
        unsafe = self.name in ("", ".", "..") or "/" in self.name or "\0" in self.name
        if unsafe or file_name.decode(errors="replace") != self.name:
            raise Refused(f"{self.name!r} is no safe name of a file")
        blocks = self.piece_length // BLOCK
        if blocks < 1 or self.piece_length != power_of_two(blocks) * BLOCK or self.length < 0:
            raise Refused(f"pieces of {self.piece_length} bytes")
        self.pieces = -(-self.length // self.piece_length)
        if self.pieces <= 1:  # a file of one piece has no layer: its root is the piece's hash
            self.hashes = [self.root] * self.pieces
        else:
            self.hashes = [layer[at:at + 32] for at in range(0, len(layer), 32)]
            filler = merkle_root([], blocks)
            if (len(layer) != 32 * self.pieces
                    or merkle_root(self.hashes, power_of_two(self.pieces), filler) != self.root):
                raise Refused("the piece layer does not lead to the root of the file")

    @staticmethod
    def of_file(path, piece_length):
        """Hashes a file."""
        hashes, length = [], os.path.getsize(path)
        single = length <= piece_length
        width = power_of_two(-(-length // BLOCK)) if single else piece_length // BLOCK
        with open(path, "rb") as file:
            while data := file.read(piece_length):
                hashes.append(merkle_root(leaves(data), width))
        leaf = {b"length": length}
        if hashes:
            filler = merkle_root([], piece_length // BLOCK)
            leaf[b"pieces root"] = merkle_root(hashes, power_of_two(len(hashes)), filler)
        name = os.path.basename(path).encode()
        info = bencode({b"file tree": {name: {b"": leaf}}, b"meta version": 2, b"name": name,
                        b"piece length": piece_length})
        return Metainfo(info, b"" if single else b"".join(hashes))

    @staticmethod
    def of_torrent(torrent, expected):
        """Reads a .torrent that must be the one with this info-hash."""
        try:
            info = raw_info(torrent)
            if sha256(info) != expected:
                raise Refused("the .torrent is not the one that was asked for")
            layers = bdecode(torrent)[0].get(b"piece layers", {})
            (entry,) = bdecode(info)[0][b"file tree"].values()
            return Metainfo(info, layers.get(entry[b""].get(b"pieces root"), b""))
        except (KeyError, ValueError, AttributeError, TypeError) as why:
            raise Refused(f"no .torrent of one file ({why!r})") from None

    def torrent(self):
        """The whole .torrent."""
        layers = bencode({self.root: self.layer} if self.layer else {})
        return b"d4:info" + self.info + b"12:piece layers" + layers + b"e"

    def piece_size(self, piece):
        """Bytes of a piece; the last one may be shorter."""
        return min(self.piece_length, self.length - piece * self.piece_length)

    def fits(self, piece, data):
        """Whether these bytes are the piece."""
        found = leaves(data)
        width = power_of_two(len(found)) if self.pieces == 1 else self.piece_length // BLOCK
        return merkle_root(found, width) == self.hashes[piece]

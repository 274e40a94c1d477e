#!/usr/bin/env python3
"""libtorrent_create.py PATH v1|v2|hybrid PIECE OUT: makes a .torrent, and prints the seconds.

The start of the interpreter is not in them.
"""
import os, sys, time, warnings
warnings.simplefilter("ignore")
import libtorrent as lt

path, version, piece, out = sys.argv[1:]
flags = {"v1": lt.create_torrent.v1_only, "v2": lt.create_torrent.v2_only, "hybrid": 0}[version]
begun = time.monotonic()
storage = lt.file_storage()
storage.add_file(os.path.basename(path), os.path.getsize(path))
made = lt.create_torrent(storage, int(piece), flags)
lt.set_piece_hashes(made, os.path.dirname(path))
with open(out, "wb") as file:
    file.write(lt.bencode(made.generate()))
print(time.monotonic() - begun)

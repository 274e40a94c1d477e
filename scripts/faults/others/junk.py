"""Cells of malformed bytes: at the client's port, and in the .torrent that it is given."""

import os
import struct
import time

import wire
from content import bencode
from seeding import fetch
from stage import CellFailed, file_of
from verdict import Verdict
from watch import Watch

TIMES = 20
PUSHED = 8 << 20  # how much is sent behind a length prefix of 4 GiB, if it is taken
BOMB_SECS = 30


def push(sock, data, most):
    """Sends `data` again and again until so much went out or the other side has enough."""
    sent = 0
    try:
        while sent < most:
            sock.sendall(data)
            sent += len(data)
    except OSError:
        pass
    return sent


def attacks(scene):
    """Names and bytes: what comes before or instead of a handshake, and what follows it."""
    hello = wire.handshake(scene.shared.info_hash)
    extended = wire.handshake(scene.shared.info_hash, bytes([0, 0, 0, 0, 0, 16, 0, 5]))
    full = wire.full_bitfield(scene.shared.pieces)
    deep = b"d1:m" + b"l" * 500_000 + b"e" * 500_000 + b"e"
    giant = bencode({"m": {"ut_metadata": 1}, "metadata_size": 2**31 - 1, "reqq": 2**31 - 1})
    interested = wire.message(wire.INTERESTED)
    return {
        "4 GiB length prefix": hello + b"\xff\xff\xff\xff\x07" + bytes(1 << 16),
        "length prefix above 2 GiB, bitfield": hello + b"\x80\x00\x00\x00\x05" + bytes(1 << 16),
        "random bytes": os.urandom(1 << 16),
        "one byte": b"\x13",
        "other info-hash": wire.handshake(os.urandom(20)) + interested,
        "bitfield too long": hello + wire.message(wire.BITFIELD, full + bytes(1000)),
        "spare bits set": hello + wire.message(wire.BITFIELD, b"\xff" * (len(full) + 1)),
        "have 2^32-1": hello + wire.message(wire.HAVE, b"\xff" * 4),
        "request beyond the end": hello + interested + wire.request(2**32 - 1, 2**31, 2**31),
        "request of 2 GiB": hello + interested + wire.request(0, 0, 2**31 - 1) * 50,
        "piece nobody asked for": hello + wire.message(
            wire.PIECE, struct.pack(">II", 2**32 - 1, 2**32 - 1) + bytes(1 << 17)),
        "empty messages of every kind": hello + b"".join(wire.message(k) for k in range(256)),
        "deep extension handshake": extended + wire.message(20, b"\0" + deep),
        "extension handshake of giants": extended + wire.message(20, b"\0" + giant),
        "half a handshake": hello[:40],
    }


def at_port(scene):
    """Every malformed stream many times; then an honest leecher fetches all."""
    client, deadly = scene.seeder(), ""
    with Watch(client.pid()) as watch:
        for name, data in attacks(scene).items():
            for n in range(TIMES):
                try:
                    sock = wire.dial(scene.where, scene.stage.address(20 + n), limit=2)
                except wire.Cut:
                    continue
                sock.settimeout(1)
                with sock:
                    prefix = "length prefix" in name
                    push(sock, data, len(data))
                    if prefix and n == 0:
                        push(sock, bytes(1 << 16), PUSHED)
                    if n == 0:
                        time.sleep(0.2)
            if not client.alive():
                deadly = name
                break
        time.sleep(0.5)
    if deadly or not client.alive():
        return scene.ended(client, seen=f"at “{deadly or 'the end'}”")
    grown = watch.says()
    _, verdict = fetch(scene, client, "clean-upload", seconds=2 * scene.options.limit)
    verdict.remark = f"{grown}; then {verdict.remark}"
    return verdict


def bombs(scene):
    """Names and bytes of .torrent files that no client should take, or fall over."""
    info = scene.shared.info
    small = {"length": 100, "piece length": 16384, "pieces": bytes(20)}

    def torrent(**more):
        return bencode({"info": small | more})
    named = bencode(info | {"name": "deep.bin"})
    return {
        "a million lists": b"d1:a" + b"l" * 1_000_000 + b"e" * 1_000_000 + b"4:info" + named + b"e",
        "a million open lists": b"d1:a" + b"l" * 1_000_000,
        "deep dictionaries": b"d1:a" * 500_000 + b"i0e" + b"e" * 500_000,
        "string of 10^15": b"d4:info999999999999999:x",
        "integer of a million digits": b"d4:infoi" + b"9" * 1_000_000 + b"ee",
        "piece length 0": torrent(name="zero", **{"piece length": 0}),
        "piece length -1": torrent(name="minus", **{"piece length": -1}),
        "length -1": torrent(name="negative", length=-1),
        "length 2^62": torrent(name="huge", length=2**62),
        "pieces of 19 bytes": torrent(name="odd", pieces=bytes(19)),
        "no pieces": torrent(name="none", pieces=b"", length=2**40),
        "no name": bencode({"info": small | {"name": ""}}),
    }


def told(client, path):
    """What a running client says to one bomb."""
    try:
        client.add(path)
        return "taken"
    except CellFailed as error:
        return f"refused ({str(error)[-60:]})"
    except Exception as error:
        return f"{type(error).__name__}"


def torrents(scene):
    """Every bomb to a client that runs and seeds, by its remote control."""
    files = {name: file_of(scene.stage.folder, f"bomb{n}.torrent", data)
             for n, (name, data) in enumerate(bombs(scene).items())}
    client, slowest, deadly, hung = scene.seeder(controlled=True), ("", 0.0), [], []
    taken, most, largest = [], 0.0, "none"
    for name, path in files.items():
        began = time.monotonic()
        with Watch(client.pid()) as watch:
            said = told(client, path)
            time.sleep(0.5)
            answers = scene.wait(lambda: client.answers() is not None, BOMB_SECS, client)
        took = time.monotonic() - began - 0.5
        if watch.grown_mib() > most:
            most, largest = watch.grown_mib(), name
        slowest = max(slowest, (name, took), key=lambda pair: pair[1])
        if said == "taken":
            taken.append(name)
        if not client.alive():
            deadly.append(f"{name}: {client.end_of()}")
            client.forget()
        elif not answers:
            hung.append(name)
            client.kill()
        else:
            continue
        client = scene.seeder(controlled=True)
    return summary(files, deadly, hung, taken, slowest, (most, largest))


def summary(files, deadly, hung, taken, slowest, most):
    rest = f"slowest {slowest[1]:.1f} s ({slowest[0]}), most memory {most[0]:.0f} MiB ({most[1]})"
    if taken:
        rest += f"; taken: {', '.join(taken)}"
    if deadly:
        return Verdict("died", f"{len(deadly)} of {len(files)}: {'; '.join(deadly)}; {rest}")
    if hung:
        return Verdict("hangs", f"{', '.join(hung)}; {rest}")
    return Verdict("survives", f"{len(files)} bombs, {rest}")

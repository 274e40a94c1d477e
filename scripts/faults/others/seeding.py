"""Cells in which the client seeds, to an honest leecher that hashes every piece, beside others."""

import os
import resource
import time

from callers import Flood, Leecher, Reader
from verdict import Verdict, timed
from watch import Watch

QUIET_SECS = 12.0  # a leecher that got nothing for so long gets nothing more


def fetch(scene, client, clean=None, rate=None, seconds=None):
    """An honest leecher's download; the leecher tells the rest."""
    leecher = Leecher(scene.where, scene.stage.address(5), scene.shared, rate)
    leecher.start()
    scene.wait(leecher.whole.is_set, seconds or scene.options.limit, client)
    leecher.stop()
    return leecher, outcome(scene, client, leecher, clean)


def outcome(scene, client, leecher, clean):
    if not client.alive():
        return scene.ended(client)
    if leecher.wrong:
        return Verdict("wrong", f"sent {len(leecher.wrong)} wrong pieces")
    if not leecher.whole.is_set():
        first = f"first piece after {leecher.first_piece:.1f} s" if leecher.first_piece \
            else "not one piece"
        return Verdict("hangs", f"{len(leecher.right)} of {scene.shared.pieces} pieces, {first}, "
                       f"cut {leecher.cuts} times ({leecher.why})")
    return timed(leecher.took, scene.clean.get(clean),
                 f"{leecher.took:.1f} s, first piece after {leecher.first_piece:.1f} s")


def clean(scene):
    """The honest leecher alone: the measure of all other uploads."""
    _, verdict = fetch(scene, scene.seeder())
    if verdict.word == "survives":
        verdict.ratio = 1.0
    return verdict


def forty_readers(scene):
    """Forty ask for much and read nothing; then an honest one comes."""
    client = scene.seeder()
    readers = [Reader(scene.where, scene.stage.address(20 + n), scene.shared, n)
               for n in range(40)]
    with Watch(client.pid()) as watch:
        for reader in readers:
            reader.start()
        scene.wait(lambda: sum(r.unchoked for r in readers) >= 4, 15, client)
        time.sleep(1)
        _, verdict = fetch(scene, client, "clean-upload", seconds=2 * scene.options.limit)
    for reader in readers:
        reader.stop()
    for reader in readers:
        reader.join(10)
    served, cuts = sum(r.unchoked > 0 for r in readers), sum(r.cuts for r in readers)
    verdict.remark += f"; {served} of the readers were unchoked, cut {cuts} times; {watch.says()}"
    return verdict


def flood(scene):
    """Two thousand connections that say nothing; then an honest one comes."""
    client = scene.seeder()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < scene.options.flood + 200:
        return Verdict("not possible", f"only {hard} descriptors are allowed here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, scene.options.flood + 2000), hard))
    with Watch(client.pid()) as watch:
        silent = Flood(scene.where, scene.stage.address, scene.options.flood)
        try:
            _, verdict = fetch(scene, client, "clean-upload", seconds=2 * scene.options.limit)
            left = silent.still_open()
        finally:
            silent.close()
    verdict.remark += f"; {silent.open} connected, {left} still were at the end; {watch.says()}"
    return verdict


def until_quiet(scene, client, leecher):
    """Until the leecher is done, or got nothing for a while."""
    last, since = -1, time.monotonic()
    while client.alive() and not leecher.whole.is_set():
        if leecher.received != last:
            last, since = leecher.received, time.monotonic()
        if time.monotonic() - since > QUIET_SECS and leecher.first_block:
            return
        if time.monotonic() - since > scene.options.limit:
            return
        time.sleep(0.05)


def tampered(scene, spoil, when):
    """The seeder's file is spoiled when the leecher has that part of it. Keeping silent is right;
    sending what the hash does not allow is not."""
    client = scene.seeder()
    leecher = Leecher(scene.where, scene.stage.address(5), scene.shared, scene.rate)
    if when == 0:
        spoil(scene.file_of(client))
    leecher.start()
    if when:
        scene.wait(lambda: leecher.received > when * len(scene.shared.data),
                   scene.options.limit, client)
        spoil(scene.file_of(client))
    until_quiet(scene, client, leecher)
    leecher.stop()
    seen = f"{len(leecher.right)} right pieces of {scene.shared.pieces}, cut {leecher.cuts} times"
    if leecher.wrong:
        return Verdict("wrong", f"sent {len(leecher.wrong)} wrong pieces; {seen}")
    if not client.alive():
        return scene.ended(client, seen=seen)
    return Verdict("survives", f"no wrong piece sent; {seen}; says {client.state()[:120]}")


def truncated(scene):
    return tampered(scene, lambda file: os.truncate(file, 0), 0.3)


def changed(scene):
    """One byte in the middle, the size as before, before anybody asked."""
    def flip(file):
        with open(file, "r+b") as writer:
            at = len(scene.shared.data) // 2
            writer.seek(at)
            writer.write(bytes([scene.shared.data[at] ^ 1]))
    return tampered(scene, flip, 0)

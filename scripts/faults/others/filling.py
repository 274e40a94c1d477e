"""Cells in which the disk of a download is full: from the start, or suddenly.

The folder is a tmpfs of its own, in the mount namespace of the run, so these are for root.
"""

import os
import subprocess
import time

from stage import CellFailed
from strangers import Crowd, Honest
from verdict import Verdict

SEEN_SECS = 20  # for the client to notice, and to say so
ALONE_SECS = 40  # for it to go on by itself once there is room


class Disk:
    """A file system of `mib` MiB in memory at `folder`."""

    def __init__(self, folder, mib):
        self.folder = folder
        folder.mkdir(parents=True)
        self.mount("-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", folder)

    def mount(self, *words):
        subprocess.run(["mount", *map(str, words)], check=True, stdin=subprocess.DEVNULL)

    def grow(self, mib):
        self.mount("-o", f"remount,size={mib}m", self.folder)

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        subprocess.run(["umount", "-l", str(self.folder)], check=False)

    def fill(self):
        """Takes all that is left, to the last page."""
        with open(self.folder / "filler", "wb", buffering=0) as filler:
            try:
                while True:
                    filler.write(bytes(1 << 16))
            except OSError:
                pass


def recovery(scene, client, make_room):
    """What it says while there is no room, and whether it is whole once there is."""
    noticed = scene.wait(lambda: client.state() in ("done", "ended")
                         or client.state().startswith("error"), SEEN_SECS)
    state, words = client.state(), client.complaint()
    if state == "done" and scene.exact(client):
        return Verdict("wrong", f"says complete, {scene.differs(client)} pieces are wrong")
    if state == "done":
        return Verdict("survives", "had its room reserved before, and completed")
    said = f"says “{words}”" if words else "says nothing of a full disk"
    ended = client.word_of_end() if state == "ended" else ""
    if ended:
        said = f"{client.end_of()}; {said}"
    make_room()
    began = time.monotonic()
    how = "went on by itself"
    if state != "ended":
        scene.wait(lambda: client.state() in ("done", "ended"), ALONE_SECS)
    try:
        if client.state() == "ended":
            how = "went on when started again"
            client.forget()
            client.again(scene.shared.torrent)
        elif client.state() != "done":
            how = "went on when told to"
            client.resume(scene.shared.torrent)
    except CellFailed:
        return Verdict("hangs", f"{said}; does not start again: “{client.last_words()[-150:]}”")
    verdict = scene.judge(client, scene.options.limit, began=began, clean=None)
    if not client.alive():
        return Verdict("hangs", f"{said}; does not stay when started again: {verdict.remark}")
    if verdict.word == "survives":
        verdict.remark = f"{how}, whole after {verdict.seconds:.0f} s"
    if ended and verdict.word in ("survives", "slow"):
        verdict.word = ended
    quiet = "" if noticed or words else "no error state; "
    verdict.remark = f"{said}; {quiet}{verdict.remark}"
    return verdict


def too_small(scene):
    """The disk holds half of the file."""
    if os.geteuid() != 0:
        return Verdict("not possible", "mounting needs root")
    mib = len(scene.shared.data) >> 20
    with Disk(scene.stage.folder / "leecher", mib // 2) as disk:
        client = scene.leecher(disk.folder)
        with Crowd(scene.strangers(Honest)):
            verdict = recovery(scene, client, lambda: disk.grow(4 * mib))
        client.program.stop()
        client.forget()
    return verdict


def fills_up(scene):
    """At a third of the download another program takes all the room that is left."""
    if os.geteuid() != 0:
        return Verdict("not possible", "mounting needs root")
    size = len(scene.shared.data)
    with Disk(scene.stage.folder / "leecher", (size >> 20) + 8) as disk:
        client = scene.leecher(disk.folder)
        everyone = Crowd(scene.strangers(Honest))
        with everyone:
            scene.wait(lambda: everyone.sent() > size // 3, scene.options.limit, client)
            disk.fill()
            verdict = recovery(scene, client, (disk.folder / "filler").unlink)
        client.program.stop()
        client.forget()
    return verdict

"""Cells in which the client downloads and others lie to it or let it wait."""

import time

from strangers import Crowd, Honest, Liar, Staller
from verdict import Verdict


def crowd(scene, *kinds):
    """A download from these strangers, and what it cost."""
    client = scene.leecher()
    everyone = Crowd(scene.strangers(*kinds))
    size = len(scene.shared.data)

    def tell():
        said = [f"{(everyone.sent() - size) / size:.0%} more than the file was sent"]
        lies = everyone.sent(Liar)
        if Liar in kinds:
            said.append(f"{lies / 1e6:.0f} MB by liars, who were cut {everyone.cuts(Liar)} times")
        if Staller in kinds:
            said.append(f"stallers were cut {everyone.cuts(Staller)} times")
        honest = everyone.cuts(Honest)
        return ", ".join(said + ([f"honest ones were cut {honest} times"] if honest else []))
    with everyone:
        return scene.judge(client, scene.options.limit, tell=tell)


def clean(scene):
    """One honest seeder and nobody else: the measure of all other downloads."""
    verdict = crowd(scene, Honest)
    if verdict.word == "survives":
        verdict.ratio = 1.0
        verdict.remark = f"{verdict.seconds:.1f} s"
    return verdict


def one_liar(scene):
    return crowd(scene, Liar, Honest)


def eight_liars(scene):
    return crowd(scene, *[Liar] * 8, Honest, Honest)


def nine_stallers(scene):
    return crowd(scene, *[Staller] * 9, Honest)


def killed(scene):
    """SIGKILL at random moments of a download, and a start after each."""
    client = scene.leecher()
    size, usual = len(scene.shared.data), scene.clean.get("clean-download", 4.0)
    everyone = Crowd(scene.strangers(Honest))
    began, false_claims, ends = time.monotonic(), 0, scene.options.limit + 10 * scene.options.kills
    with everyone:
        for _ in range(scene.options.kills):
            scene.wait(lambda: not client.alive(), scene.random.uniform(0.1, 0.6) * usual)
            if not client.alive():
                return scene.ended(client, seen="between two kills")
            if client.state() == "done":
                false_claims += scene.differs(client) > 0
            client.kill()
            client.again(scene.shared.torrent)
        verdict = scene.judge(client, ends, clean=None)
    sent = f"{(everyone.sent() - size) / size:.0%} more than the file was sent"
    verdict.remark = f"{scene.options.kills} kills; {sent}; {verdict.remark}".rstrip("; ")
    verdict.seconds = time.monotonic() - began
    if false_claims:
        return Verdict("wrong", f"{false_claims} false claims; {verdict.remark}")
    return verdict


def truncated(scene):
    """Its unfinished file is cut to nothing at about the half."""
    client = scene.leecher()
    everyone = Crowd(scene.strangers(Honest))
    with everyone:
        half = len(scene.shared.data) // 2
        scene.wait(lambda: everyone.sent() > half, scene.options.limit, client)
        file = scene.file_of(client)
        if not file:
            return Verdict("not possible", f"it had no file at the half ({client.end_of()})")
        with open(file, "r+b") as writer:
            writer.truncate(0)
        verdict = scene.judge(client, scene.options.limit)
        if verdict.word in ("died", "hangs", "gives up"):
            first = verdict
            try:
                client.recheck(scene.shared.torrent)
                after = scene.judge(client, scene.options.limit, clean=None)
                first.remark += f"; when told to check its data: {after.word} {after.remark}"
            except Exception as error:
                first.remark += f"; telling it to check its data fails: {error}"
            return first
        return verdict

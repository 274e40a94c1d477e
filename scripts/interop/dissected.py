"""tshark reads our streams as BitTorrent, and finds nothing malformed in them."""

import subprocess

import clients
import trackers
from plan import Cell, await_equal, needs
from stage import CellFailed

SHAPE = "small"
# Every frame of a block must have been reassembled into a message for this many to be there.
LEAST_MESSAGES = 200
# The content alone is 4 MiB.
LEAST_CAPTURED = 4 << 20


def play(seeder_class, leecher_class, version, tools, content, stage):
    tracker = trackers.OpenTracker(tools, stage, stage.address(1), "http")
    torrent = content.torrent(SHAPE, version) \
        .with_tracker(tracker.url, stage.folder / "cell.torrent")
    tracker.start(torrent.hashes())
    make = lambda kind, role, host: kind(  # noqa: E731
        tools, stage, f"{role}-{kind.__name__.lower()}", stage.address(host), stage.folder / role,
        crypto="off", tracker=tracker.url)
    seeder, leecher = make(seeder_class, "seeder", 2), make(leecher_class, "leecher", 3)
    seeder.seeds = True
    content.lay_out(SHAPE, torrent, seeder.folder, pads=False)
    capture = stage.folder / "capture.pcapng"
    dumpcap = stage.run("dumpcap", [
        "dumpcap", "-q", "-i", "lo", "-B", "64", "-w", capture, "-f",
        f"tcp and (port {seeder.port} or port {leecher.port})"])
    stage.wait_until(lambda: "File:" in dumpcap.log.read_text(), "dumpcap captures", 10)
    seeder.start(torrent.path)
    stage.wait_until(seeder.done, "the seeder has checked its data", 30)
    tracker.await_peers(torrent.hashes(), 1, 0, "the seeder")
    leecher.start(torrent.path)
    stage.wait_until(leecher.done, "the leecher has everything")
    await_equal(content, SHAPE, stage, leecher)
    stage.wait_until(lambda: capture.stat().st_size > LEAST_CAPTURED, "dumpcap writes it down", 10)
    stage.stop(dumpcap)
    return judge(capture, [seeder.port, leecher.port])


def judge(capture, ports):
    messages = decode(capture, ports, "bittorrent.msg.type", "-e", "bittorrent.msg.type")
    kinds = [int(kind) for line in messages for kind in line.split(",") if kind]
    malformed = decode(capture, ports, "_ws.malformed", "-e", "frame.number")
    handshakes = decode(capture, ports, "bittorrent.protocol.name", "-e", "frame.number")
    if malformed:
        raise CellFailed(f"malformed frames: {', '.join(malformed[:20])}")
    blocks = kinds.count(7)
    seen = f"{len(kinds)} messages, {blocks} blocks, {len(handshakes)} handshakes, 0 malformed"
    if len(kinds) < LEAST_MESSAGES or len(handshakes) < 2:
        raise CellFailed(f"tshark did not see a BitTorrent stream: {seen}")
    return seen


def decode(capture, ports, show, *fields):
    as_bittorrent = [word for port in ports for word in ("-d", f"tcp.port=={port},bittorrent")]
    done = subprocess.run(
        ["tshark", "-n", "-r", str(capture), *as_bittorrent, "-o", "tcp.desegment_tcp_streams:TRUE",
         "-Y", show, "-T", "fields", *fields],
        capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        raise CellFailed(f"tshark ended with {done.returncode}: {done.stderr.strip()[-300:]}")
    return done.stdout.split("\n")[:-1]


def cell(name, seeder, leecher, version):
    def run(tools, content, stage):
        return play(seeder, leecher, version, tools, content, stage)
    needed = needs(seeder, leecher, trackers.OpenTracker) + ("tshark", "capture")
    if version != "plain":
        needed += ("ours",)
    return Cell(name, tuple(dict.fromkeys(needed)), run)


def cells():
    lt = clients.Libtorrent
    return [
        cell("tshark/libtorrent-ours/v1", lt, clients.Ours, "v1"),
        cell("tshark/ours-libtorrent/v1", clients.Ours, lt, "v1"),
        cell("tshark/ours-aria2/v1", clients.Ours, clients.Aria2, "v1"),
        cell("tshark/ours-ours/hybrid", clients.Ours, clients.Ours, "hybrid"),
    ]


def self_test():
    return [cell("self/tshark/libtorrent-aria2", clients.Libtorrent, clients.Aria2, "plain")]

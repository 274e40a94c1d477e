"""Peers that follow a script talk to a real tracker; every datagram is written to a capture.

  tracker_talk.py PORT OUT.pcapng SEED KEEPALIVE_SECONDS

The tracker listens on 127.0.0.1:PORT and wants a heartbeat that often, and drops whoever is silent
for three. Who does what is drawn by SEED: one comes as a seeder, one completes, one leaves, one
falls silent and comes back, and one makes two mistakes at first. What is sent comes in the same
order every time, so packets have the same numbers; cookies are the tracker's, times are real.
"""

import hashlib
import random
import socket
import struct
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "scripts" / "wireshark"), str(ROOT / "examples" / "python-peer")]

import packets  # noqa: E402
import wire  # noqa: E402

LOCAL = bytes((127, 0, 0, 1))
PIECE = 65536
# How long a datagram that is not answered is waited for.
SILENCE = 0.1
MOST_WAIT = 2
UDP = 17


class Recorder:
    """Datagrams with the times at which they were sent and came."""

    def __init__(self, path):
        self.capture = packets.Capture(path)

    def note(self, ports, payload):
        self.capture.now = time.time_ns() // 1000 - 1000  # a packet is a thousandth after the one before
        head = struct.pack(">HHHH", *ports, 8 + len(payload), 0)
        self.capture.packet(LOCAL, LOCAL, UDP, head + payload)


class Peer:
    """Somebody with a port, who says what the script says."""

    def __init__(self, tracker, recorder, port, dice, left):
        self.tracker, self.recorder, self.port, self.left = tracker, recorder, port, left
        self.id = b"-SW0100-" + bytes(dice.choices(b"abcdefghijkmnpqrstuvwxyz", k=12))
        self.seq, self.cookie = dice.randrange(100, 30000), None
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self.socket.bind(("127.0.0.1", port))
        except OSError:  # another program has it: the port that it says it has is what counts
            self.socket.bind(("127.0.0.1", 0))
        self.own = self.socket.getsockname()[1]

    def say(self, kind, header, body=b"", pad=0, is_answered=True):
        """Sends a datagram; the header of its answer, None if none should come."""
        self.seq += 1
        data = wire.datagram(kind, {"seq": self.seq, **header}, body).ljust(pad, b"\0")
        self.recorder.note((self.own, self.tracker), data)
        self.socket.sendto(data, ("127.0.0.1", self.tracker))
        self.socket.settimeout(MOST_WAIT if is_answered else SILENCE)
        try:
            answer = self.socket.recv(1500)
        except socket.timeout:
            if is_answered:
                raise SystemExit(f"the tracker does not answer message {kind:#04x}") from None
            return None
        self.recorder.note((self.tracker, self.own), answer)
        if not is_answered:
            raise SystemExit(f"the tracker answers message {kind:#04x}, and should not")
        return wire.parse(answer[4:])[1]

    def hello(self):
        self.cookie = self.say(wire.T_HELLO, {"version": 1}, pad=64)["cookie"]

    def register(self, content, cookie=None, is_answered=True):
        have = content["size"] - self.left
        count = have // PIECE
        bits = bytearray(-(-content["pieces"] // 8))
        for piece in range(count):
            bits[piece // 8] |= 0x80 >> piece % 8
        self.say(wire.T_REGISTER, {
            "cookie": cookie or self.cookie, "info_hash": content["hash"], "peer_id": self.id, "port": self.port,
            "name": content["name"], "size": content["size"], "pieces": content["pieces"], "left": self.left,
            "uploaded": 0, "downloaded": 0, "bittorrent": True,
        }, bytes(bits) if 0 < have < content["size"] else b"", is_answered=is_answered)

    def beat(self, content):
        body = content["hash"][:20] + struct.pack(">QIIB", self.left, 0, 0, 0)
        return self.say(wire.T_KEEPALIVE, {"cookie": self.cookie, "port": self.port}, body)

    def ask(self, content):
        return self.say(wire.T_REQUEST, {"cookie": self.cookie, "info_hash": content["hash"], "port": self.port,
                                         "wanted": 50})

    def complete(self, content):
        self.left = 0
        self.say(wire.T_BECOME_SEEDER, {"cookie": self.cookie, "info_hash": content["hash"], "port": self.port})

    def leave(self, content):
        self.say(wire.T_UNREGISTER, {"cookie": self.cookie, "info_hash": content["hash"], "peer_id": self.id,
                                     "port": self.port})


def play(tracker, recorder, dice, beat):
    """The script: what happens at which heartbeat. Nothing is decided by what the tracker says."""
    pieces = dice.randrange(40, 200)
    content = {"name": f"{dice.choice(('maps', 'song', 'talk', 'book'))}{dice.randrange(10, 99)}.zip",
               "size": pieces * PIECE - dice.randrange(1, PIECE), "pieces": pieces}
    content["hash"] = hashlib.sha256(content["name"].encode() + bytes([pieces])).digest()
    ports = dice.sample(range(20000, 30000), 5)
    lefts = [0] + [content["size"] - PIECE * dice.randrange(2, pieces - 2) for _ in ports[1:]]
    seeder, *leechers = [Peer(tracker, recorder, port, dice, left) for port, left in zip(ports, lefts)]
    dice.shuffle(leechers)
    completes, leaves, falls_silent, mistaken = leechers
    arrivals = [seeder, *dice.sample(leechers, 4)]
    silent_from, done_at, leaves_at = 3 + dice.randrange(2), 2 + dice.randrange(3), 2 + dice.randrange(3)
    begin = time.monotonic()

    def at(beats):
        time.sleep(max(0.0, begin + beats * beat - time.monotonic()))

    for nth, peer in enumerate(arrivals):
        at(nth * 0.15)
        if peer is mistaken:
            peer.say(wire.T_HELLO, {"version": 1}, is_answered=False)
            peer.register(content, cookie=bytes(dice.randrange(256) for _ in range(8)), is_answered=False)
        peer.hello()
        peer.register(content)
        peer.ask(content)
    gone = None
    for nth in range(1, silent_from + 6):
        at(nth + 0.4)
        for peer in arrivals:
            is_silent = peer is falls_silent and nth > silent_from
            if peer is not gone and not is_silent:
                peer.beat(content)
        at(nth + 0.6)
        if nth == done_at:
            completes.complete(content)
        if nth == leaves_at:
            leaves.leave(content)
            gone = leaves
        at(nth + 0.8)
        seeder.ask(content)
    # Heard last at silent_from + 0.4, so dropped at silent_from + 3.4, and seen no more at + 3.8.
    falls_silent.beat(content)
    falls_silent.register(content)
    seeder.ask(content)


def main(words):
    if len(words) != 4:
        sys.exit(__doc__)
    recorder = Recorder(words[1])
    play(int(words[0]), recorder, random.Random(int(words[2])), float(words[3]))
    recorder.capture.close()


if __name__ == "__main__":
    main(sys.argv[1:])

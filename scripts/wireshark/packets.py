#!/usr/bin/env python3
"""Captures that check the dissector: every message of PROTOCOL.md, and the same with faults.

  packets.py examples PROTOCOL.md OUT.pcapng       prints the names of its messages, in order
  packets.py faults PROTOCOL.md OUT.pcapng SEED N  the same N times, each time changed somewhere
"""

import random
import re
import struct
import sys

MOST_PAYLOAD = 1460


def examples(page):
    """Names and bytes of the native messages: between peers, and to and from trackers."""
    with open(page, encoding="utf-8") as file:
        text = file.read()
    halves = text.split("\n## Between a peer and a tracker\n")
    tracker = halves[1].split("\n## Between a BitTorrent client and a tracker\n")[0]
    return [list(blocks(half)) for half in (halves[0], tracker)]


def blocks(text):
    for name, lines in re.findall(r"```hex ([A-Z_]+)\n(.*?)```", text, re.S):
        bare = " ".join(line.split("#")[0] for line in lines.splitlines())
        yield name, bytes.fromhex(bare)


class Capture:
    """Packets of raw IP in a file of pcapng."""

    def __init__(self, path):
        self.file = open(path, "wb")
        self.now = 0
        self.block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
        self.block(1, struct.pack("<HHI", 101, 0, 0))

    def block(self, kind, body):
        body += b"\0" * (-len(body) % 4)
        length = len(body) + 12
        self.file.write(struct.pack("<II", kind, length) + body + struct.pack("<I", length))

    def packet(self, source, target, protocol, body):
        head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 0, 0x4000, 64, protocol, 0, source, target)
        self.now += 1000
        packet = head + body
        self.block(6, struct.pack("<IIIII", 0, self.now >> 32, self.now & 0xFFFFFFFF, len(packet), len(packet)) + packet)

    def udp(self, source, target, ports, payload):
        self.packet(source, target, 17, struct.pack(">HHHH", *ports, 8 + len(payload), 0) + payload)

    def close(self):
        self.file.close()


class Stream:
    """One TCP connection, whose two sides say bytes in turn."""

    def __init__(self, capture, addresses, ports):
        self.capture, self.addresses, self.ports = capture, addresses, ports
        self.next = [1000, 2000]
        for side, flags in ((0, 0x02), (1, 0x12), (0, 0x10)):
            self.send(side, flags, b"")
            self.next[side] += flags >> 1 & 1

    def send(self, side, flags, payload):
        ports = self.ports if side == 0 else self.ports[::-1]
        ack = self.next[1 - side] if flags & 0x10 else 0
        head = struct.pack(">HHIIBBHHH", *ports, self.next[side], ack, 0x50, flags, 65535, 0, 0)
        self.capture.packet(self.addresses[side], self.addresses[1 - side], 6, head + payload)
        self.next[side] = (self.next[side] + len(payload)) % 2**32

    def say(self, side, data):
        for at in range(0, len(data), MOST_PAYLOAD):
            self.send(side, 0x18, data[at : at + MOST_PAYLOAD])


def write(capture, halves, number, change):
    """All messages once, from addresses that only this number has. `change` may change bytes."""
    one, two = (bytes([10, kind, number // 250, number % 250 + 1]) for kind in (1, 2))
    peers, tracker = halves
    stream = Stream(capture, (one, two), (40000, 7001))
    for side in (0, 1):
        stream.say(side, b"SWP1")
    for at, (_, data) in enumerate(peers):
        # Two of three in a packet of their own, the third in pieces of eleven bytes.
        data = change(data)
        step = 11 if at % 3 == 0 else len(data) or 1
        for cut in range(0, len(data), step):
            stream.say(at % 2, data[cut : cut + step])
    stream = Stream(capture, (one, two), (40001, 7002))
    stream.say(0, b"SWT1")
    for at, (_, data) in enumerate(tracker):
        if data.startswith(b"SWT1"):
            capture.udp(one, two, (40002, 7002), change(data))
        else:
            stream.say(at % 2, change(data))


def fault(dice):
    """Changes one message of four, as a stranger or a bad line would."""

    def change(data):
        if dice.random() > 0.25:
            return data
        data = bytearray(data)
        kind = dice.randrange(5)
        if kind == 0:  # a length that lies
            data[dice.randrange(min(4, len(data)))] = dice.randrange(256)
        elif kind == 1:  # cut short
            del data[dice.randrange(len(data)) :]
        elif kind == 2:  # longer than it says
            data += bytes(dice.randrange(256) for _ in range(dice.randrange(1, 40)))
        elif kind == 3:  # deep or wide where a value was
            at = dice.randrange(4, len(data) + 1)
            data[at:at] = dice.choice((b"\x91" * 40, b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff", b"\xc1"))
        else:
            for _ in range(dice.randrange(1, 6)):
                data[dice.randrange(len(data))] = dice.randrange(256)
        return bytes(data)

    return change


def main(words):
    command, page, path = words[:3]
    halves = examples(page)
    capture = Capture(path)
    if command == "examples":
        write(capture, halves, 0, lambda data: data)
        for half in halves:
            for name, _ in half:
                print(name)
    else:
        seed, count = int(words[3]), int(words[4])
        for number in range(count):
            write(capture, halves, number, fault(random.Random(seed * 100003 + number)))
    capture.close()


if __name__ == "__main__":
    main(sys.argv[1:])

#!/usr/bin/env python3
"""crowd_leechers.py IP:PORT INFO_HASH PIECES PIECE_LENGTH COUNT RATE: slow leechers, many of them.

All are sockets of this process. Each speaks BEP 3 from an address of its own, keeps a few blocks
asked for, and asks for the next as its rate allows. Prints `start` when all were called, `data`
when each has got a block, and `total` with the bytes of all each second. They check nothing, for
it is the node that is measured.
"""
import heapq, json, selectors, socket, struct, sys, time

BLOCK, AHEAD = 16 << 10, 4
UNCHOKE, INTERESTED, REQUEST, PIECE = 1, 2, 6, 7


def tell(event, **fields):
    print(json.dumps({"event": event} | fields, separators=(",", ":")), flush=True)


class Leecher:
    def __init__(self, number, at, info_hash, pieces, piece_length):
        self.pieces, self.piece_length = pieces, piece_length
        self.next = number * 7 % pieces * (piece_length // BLOCK)  # all begin elsewhere
        self.buffer, self.open, self.got = bytearray(), False, 0
        self.socket = socket.create_connection(
            at, source_address=(f"127.1.{number // 250}.{number % 250 + 1}", 0))
        self.socket.sendall(b"\x13BitTorrent protocol" + bytes(8) + info_hash
                            + b"-BE0001-%012d" % number + struct.pack(">IB", 1, INTERESTED))
        # One after the other: a node shakes so many strangers' hands at once and no more.
        while len(self.buffer) < 68:
            self.receive()
        del self.buffer[:68]
        self.socket.setblocking(False)

    def ask(self):
        blocks = self.piece_length // BLOCK
        piece, block = self.next // blocks % self.pieces, self.next % blocks
        self.next += 1
        self.socket.send(struct.pack(">IBIII", 13, REQUEST, piece, block * BLOCK, BLOCK))

    def receive(self):
        part = self.socket.recv(1 << 18)
        if not part:
            raise SystemExit("a leecher's connection was closed")
        self.buffer += part

    def understand(self):
        """Whether it may ask from now on; counts the blocks that came."""
        opened = False
        while len(self.buffer) >= 4:
            length = int.from_bytes(self.buffer[:4], "big")
            if len(self.buffer) < 4 + length:
                break
            kind = self.buffer[4] if length else None
            if kind == UNCHOKE and not self.open:
                self.open = opened = True
            elif kind == PIECE:
                self.got += length - 9
            del self.buffer[:4 + length]
        return opened


def main():
    target, info_hash, pieces, piece_length, count, rate = sys.argv[1:]
    ip, port = target.rsplit(":", 1)
    every = BLOCK / float(rate)
    selector, due, leechers = selectors.DefaultSelector(), [], []
    for number in range(int(count)):
        leecher = Leecher(number, (ip, int(port)), bytes.fromhex(info_hash), int(pieces),
                          int(piece_length))
        selector.register(leecher.socket, selectors.EVENT_READ, number)
        leechers.append(leecher)
    tell("start", port=0)
    waiting, second = True, time.monotonic() + 1

    def serve(number):
        leecher = leechers[number]
        if leecher.understand():
            for _ in range(AHEAD):
                leecher.ask()
            # Spread over the interval, as strangers would be.
            heapq.heappush(due, (time.monotonic() + every * (1 + number / int(count)), number))
    for number in range(int(count)):
        serve(number)  # what came with the handshake
    while True:
        now = time.monotonic()
        while due and due[0][0] <= now:
            at, number = heapq.heappop(due)
            leechers[number].ask()
            heapq.heappush(due, (at + every, number))
        if waiting and all(leecher.got for leecher in leechers):
            waiting = False
            tell("data")
        if now >= second:
            second += 1
            tell("total", bytes=sum(leecher.got for leecher in leechers))
        wait = min([second] + [at for at, _ in due[:1]]) - time.monotonic()
        for key, _ in selector.select(max(wait, 0)):
            leechers[key.data].receive()
            serve(key.data)


main()

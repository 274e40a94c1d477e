#!/usr/bin/env python3
"""relay.py TARGET [--delay-ms N] [--rate BITS]: a link between 127.0.0.1 and IP:PORT.

Each byte passes after the delay, and all connections share the rate, in each direction of its own.
Twice as much as is on the way may wait; then the sender is not read from. Prints `start` with the
port to call, and `data` once a first block of 16 KiB has come from the target.
"""
import argparse, collections, json, selectors, socket, time

CHUNK = 16 << 10


class Link:
    """One direction of the wire, which all connections share."""

    def __init__(self, delay, rate):
        self.delay, self.rate, self.free = delay, rate, 0.0
        # Without a rate only so much waits as keeps memory within bounds.
        self.room = max(int(4 * delay * rate), 4 * CHUNK) if rate else 1 << 20

    def due(self, now, size):
        """When what enters now has arrived."""
        self.free = max(now, self.free) + (size / self.rate if self.rate else 0.0)
        return self.free + self.delay


class Pipe:
    """One direction of one connection."""

    def __init__(self, source, target, link):
        self.source, self.target, self.link = source, target, link
        self.waiting, self.size, self.passed, self.ended = collections.deque(), 0, 0, False

    def take(self, now):
        try:
            data = self.source.recv(CHUNK)
        except BlockingIOError:
            return
        self.ended = not data
        if data:
            self.waiting.append((self.link.due(now, len(data)), data))
            self.size += len(data)

    def give(self, now):
        while self.waiting and self.waiting[0][0] <= now:
            due, data = self.waiting.popleft()
            try:
                sent = self.target.send(data)
            except BlockingIOError:
                sent = 0
            self.size -= sent
            self.passed += sent
            if sent < len(data):
                self.waiting.appendleft((due, data[sent:]))
                return

    def wants_room(self, now):
        return bool(self.waiting) and self.waiting[0][0] <= now

    def is_over(self):
        return self.ended and not self.waiting


def tell(event, **fields):
    print(json.dumps({"event": event} | fields, separators=(",", ":")), flush=True)


class Relay:
    def __init__(self, options):
        ip, port = options.target.rsplit(":", 1)
        self.target = (ip, int(port))
        self.links = [Link(options.delay_ms / 1e3, options.rate / 8) for _ in range(2)]
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.selector, self.pairs, self.told = selectors.DefaultSelector(), [], False
        self.selector.register(self.listener, selectors.EVENT_READ)
        tell("start", port=self.listener.getsockname()[1])

    def accept(self):
        near = self.listener.accept()[0]
        far = socket.create_connection(self.target)
        for end in (near, far):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            end.setblocking(False)
        self.pairs.append((Pipe(near, far, self.links[0]), Pipe(far, near, self.links[1])))

    def close(self, pair):
        self.pairs.remove(pair)
        for pipe in pair:
            if pipe.source in self.selector.get_map():
                self.selector.unregister(pipe.source)
            pipe.source.close()

    def watch(self, now):
        """What each socket is waited for, and how long at most."""
        wait = None
        for up, down in self.pairs:
            for reads, writes in ((up, down), (down, up)):
                events = 0
                if not reads.ended and reads.size < reads.link.room:
                    events |= selectors.EVENT_READ
                if writes.wants_room(now):
                    events |= selectors.EVENT_WRITE
                known = reads.source in self.selector.get_map()
                if events and known:
                    self.selector.modify(reads.source, events)
                elif events:
                    self.selector.register(reads.source, events)
                elif known:
                    self.selector.unregister(reads.source)
                if reads.waiting and reads.waiting[0][0] > now:
                    left = reads.waiting[0][0] - now
                    wait = left if wait is None else min(wait, left)
        return wait

    def run(self):
        while True:
            ready = self.selector.select(self.watch(time.monotonic()))
            readable = {key.fileobj for key, events in ready if events & selectors.EVENT_READ}
            if self.listener in readable:
                self.accept()
            for pair in list(self.pairs):
                try:
                    for pipe in pair:
                        now = time.monotonic()
                        if pipe.source in readable:
                            pipe.take(now)
                        pipe.give(now)
                except OSError:
                    self.close(pair)
                    continue
                if not self.told and pair[1].passed > CHUNK:
                    self.told = True
                    tell("data")
                if any(pipe.is_over() for pipe in pair):
                    self.close(pair)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target")
    parser.add_argument("--delay-ms", type=float, default=0)
    parser.add_argument("--rate", type=float, default=0)
    Relay(parser.parse_args()).run()


main()

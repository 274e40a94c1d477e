#!/usr/bin/env python3
"""A small peer: fetches one file from many others at once, and serves it meanwhile and after.

    python3 peer.py --tracker HOST:PORT --leech NAME --dir DIR
    python3 peer.py --tracker HOST:PORT --seed FILE

Threads: the main one keeps in touch with the tracker; one accepts; each connection has one that
reads and one that writes. What they share is `Swarm`, under its lock.
"""

import argparse
import collections
import os
import signal
import socket
import struct
import sys
import threading
import time

import wire
from metainfo import Metainfo, Refused, sha256
from tracker import Membership, Silence, fetch, find, new_peer_id, peers_of
from wire import BLOCK, Malformed, Stream, fields, frame

SLOTS = 4  # so many are served at once
WINDOW = 256 * 1024  # so many bytes are asked of one peer at once
DEADLINE = 10.0  # seconds until a piece that does not come is asked of somebody else
MOST_WAITING = 512  # requests of one peer that may wait


class Swarm:
    """One content: which pieces we have, who fetches which, who is connected."""

    def __init__(self, meta, path, whole):
        self.meta, self.path, self.id, self.port = meta, path, new_peer_id(), 0
        self.lock = threading.RLock()
        self.have = [whole] * meta.pieces
        self.taken = {}  # piece: the connection that fetches it
        self.connections, self.banned = [], set()
        self.news = []  # pieces the tracker was not told of
        self.uploaded = self.downloaded = 0
        self.last = (time.monotonic(), 0, 0)
        self.changed = threading.Event()  # for the main thread
        self.part = path if whole else path + ".part"
        self.file = open(self.part, "rb" if whole else "w+b")
        if not whole:
            self.file.truncate(meta.length)
            if not meta.pieces:  # an empty file is whole at once
                os.rename(self.part, path)

    def is_whole(self):
        return all(self.have)

    def left(self):
        with self.lock:
            return sum(self.meta.piece_size(p) for p, have in enumerate(self.have) if not have)

    def bits(self):
        """The have-bitmap, the high bit first."""
        bits = bytearray(-(-len(self.have) // 8))
        for piece, have in enumerate(self.have):
            bits[piece // 8] |= (0x80 >> piece % 8) if have else 0
        return bytes(bits)

    def rates(self):
        """Bytes a second, down and up, since the last time."""
        now, (then, down, up) = time.monotonic(), self.last
        self.last = (now, self.downloaded, self.uploaded)
        span = max(now - then, 0.01)
        return int((self.downloaded - down) / span), int((self.uploaded - up) / span)

    def read(self, piece, offset, length):
        return os.pread(self.file.fileno(), length, piece * self.meta.piece_length + offset)

    def next_piece(self, connection):
        """The rarest piece that this peer has and nobody fetches; it is this connection's then."""
        with self.lock:
            wanted = [p for p in range(self.meta.pieces)
                      if not self.have[p] and p not in self.taken and p in connection.theirs]
            if not wanted:
                return None
            others = [c.theirs for c in self.connections]
            piece = min(wanted, key=lambda p: (sum(p in o for o in others), os.urandom(2)))
            self.taken[piece] = connection
            return piece

    def on_piece(self, piece, data, connection):
        """A whole piece came from one peer. What does not hash to its hash convicts that peer."""
        if not self.meta.fits(piece, data):
            print(f"piece {piece} from {connection.address} is wrong: it is asked of others")
            with self.lock:
                self.banned.add(connection.address)
            raise Malformed("a piece that does not match its hash")
        with self.lock:
            if self.have[piece]:
                return
            os.pwrite(self.file.fileno(), data, piece * self.meta.piece_length)
            self.have[piece] = True
            self.taken.pop(piece, None)
            self.news.append(piece)
            connections = [c for c in self.connections if c.opened]
        for other in connections:
            if piece not in other.theirs:
                other.send(wire.HAVE, {"piece": piece})
        if self.is_whole():
            os.rename(self.part, self.path)
            print(f"{self.path} is whole")
            for other in connections:
                other.on_whole()
            self.changed.set()

    def release(self, connection):
        """A connection is over, or choked, or late: its pieces are anybody's again."""
        with self.lock:
            for piece in [p for p, c in self.taken.items() if c is connection]:
                del self.taken[piece]
            others = list(self.connections)
        for other in others:
            if other is not connection:
                other.ask_more()

    def enters(self, connection):
        """Whether a connection may stay: of two with one peer, that which the greater id dialled."""
        with self.lock:
            for other in self.connections:
                if (other.id, other.address[0]) == (connection.id, connection.address[0]):
                    ours_wins = self.id > connection.id
                    if other.dialled == connection.dialled or connection.dialled != ours_wins or (
                            time.monotonic() - other.since > 10):
                        return False
                    other.close()
            self.connections.append(connection)
            return True

    def give_slots(self):
        """Whoever is interested and waits the longest is served, while slots are free."""
        with self.lock:
            waiting = [c for c in self.connections if c.interested and not c.serving]
            for connection in waiting[:SLOTS - sum(c.serving for c in self.connections)]:
                connection.serving = True
                connection.send(wire.UNCHOKE)


class Connection:
    """One other peer. `run` is the body of the thread that reads."""

    def __init__(self, swarm, sock, address, dialled):
        self.swarm, self.socket, self.address, self.dialled = swarm, sock, address, dialled
        self.stream, self.since, self.id = Stream(sock), time.monotonic(), b""
        self.theirs = set()  # pieces that they have
        self.opened = self.interested = self.serving = False  # do they lack something, are they served
        self.unchoked = self.wanting = False  # whether they serve us, what we said
        self.pieces = {}  # piece that we ask them for: {offset: data or None}
        self.asked_at = 0.0
        self.asking = threading.RLock()
        self.outbox, self.can_write, self.closed = collections.deque(), threading.Condition(), False

    # -- writing

    def send(self, kind, header=None, body=b""):
        self.put((kind, frame(kind, header, body)))

    def put(self, item):
        with self.can_write:
            self.outbox.append(item)
            self.can_write.notify()

    def write(self):
        """The body of the thread that writes; what CHUNK_DATA brings is read when its turn comes."""
        try:
            while True:
                with self.can_write:
                    while not self.outbox:
                        if self.closed:
                            return
                        self.can_write.wait()
                    kind, item = self.outbox.popleft()
                if kind == wire.CHUNK_DATA:
                    piece, offset, length = item
                    header = {"piece": piece, "offset": offset, "length": length}
                    item = frame(wire.CHUNK_DATA, header, self.swarm.read(piece, offset, length))
                    self.swarm.uploaded += length
                self.socket.sendall(item)
                if kind in (wire.ERROR, wire.BYE):
                    self.close()
        except OSError:
            self.close()

    def close(self):
        with self.can_write:
            self.closed = True
            self.can_write.notify()
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it is closed already

    # -- reading

    def run(self):
        """Opens the connection, then does what comes, until somebody closes."""
        swarm = self.swarm
        threading.Thread(target=self.write, daemon=True).start()
        try:
            self.socket.settimeout(10)
            if self.open_as_dialler() if self.dialled else self.open_as_acceptor():
                self.socket.settimeout(130)
                self.on_open()
                while True:
                    self.on_message(*self.stream.frame())
        except Malformed as why:
            print(f"{self.address} is let go: {why}")
            self.send(wire.ERROR, {"code": 400, "message": str(why)})
            time.sleep(0.05)  # the word leaves before the door closes
        except (OSError, EOFError):
            pass  # a peer that is lost; its pieces are fetched elsewhere
        finally:
            self.close()
            with swarm.lock:
                if self in swarm.connections:
                    swarm.connections.remove(self)
                self.serving = self.interested = False
            swarm.release(self)
            swarm.give_slots()
            self.socket.close()

    def open_as_dialler(self):
        swarm = self.swarm
        hello = {"version": 1, "info_hash": swarm.meta.hash, "peer_id": swarm.id, "port": swarm.port,
                 "features": []}
        self.put((wire.HELLO, wire.PEER_MAGIC + frame(wire.HELLO, hello)))
        self.stream.magic(wire.PEER_MAGIC)
        kind, header, _ = self.stream.frame()
        if kind != wire.STATE:
            return False  # ERROR: nothing is to be had here
        state, self.id = fields(header, state=str, peer_id=bytes)
        return state != "unavailable" and self.id != swarm.id and swarm.enters(self)

    def open_as_acceptor(self):
        swarm = self.swarm
        self.stream.magic(wire.PEER_MAGIC)
        kind, header, _ = self.stream.frame()
        if kind != wire.HELLO:
            raise Malformed("a HELLO was expected")
        version, info_hash, self.id, _, _ = fields(
            header, version=int, info_hash=bytes, peer_id=bytes, port=int, features=list)
        self.put((0, wire.PEER_MAGIC))
        if version != 1 or info_hash != swarm.meta.hash:
            code, text = (426, "version 1 is spoken here") if version != 1 else (404, "unknown content")
            self.send(wire.ERROR, {"code": code, "message": text})
            time.sleep(0.1)
            return False
        enters = swarm.enters(self)
        free = sum(c.serving for c in swarm.connections) < SLOTS
        state = "unavailable" if not enters else "available" if free else "connected"
        self.send(wire.STATE, {"state": state, "peer_id": swarm.id})
        if not enters:
            time.sleep(0.1)
        return enters

    def on_open(self):
        with self.swarm.lock:  # no HAVE may come before what we have
            self.opened, have = True, self.swarm.have
            if all(have):
                self.send(wire.HAVE_ALL)
            elif any(have):
                bits = self.swarm.bits()
                for at in range(0, len(bits), 65536):
                    self.send(wire.BITFIELD, {"first": at * 8}, bits[at:at + 65536])
            else:
                self.send(wire.HAVE_NONE)
        self.send(wire.PING, {"number": 1})

    def on_message(self, kind, header, body):
        swarm = self.swarm
        if kind == wire.PING:
            self.send(wire.PONG, {"number": fields(header, number=int)})
        elif kind in (wire.HAVE_ALL, wire.HAVE_NONE, wire.BITFIELD, wire.HAVE):
            self.on_have(kind, header, body)
        elif kind == wire.UNCHOKE:
            self.unchoked = True
            self.ask_more()
        elif kind == wire.CHOKE:
            with self.asking:  # what was asked is void
                self.unchoked, self.pieces = False, {}
            swarm.release(self)
        elif kind == wire.INTERESTED:
            self.interested = True
            swarm.give_slots()
        elif kind == wire.NOT_INTERESTED:
            with self.can_write:
                self.outbox = collections.deque(i for i in self.outbox if i[0] != wire.CHUNK_DATA)
            if self.serving:
                self.send(wire.CHOKE)
            self.interested = self.serving = False
            swarm.give_slots()
        elif kind in (wire.GET, wire.CANCEL):
            self.on_get(kind, *fields(header, piece=int, offset=int, length=int))
        elif kind == wire.CHUNK_DATA:
            self.on_chunk(*fields(header, piece=int, offset=int, length=int), body)
        elif kind == wire.REJECT:
            with self.asking:
                self.pieces = {}
            swarm.release(self)
        elif kind == wire.GET_METAINFO:
            offset, length = fields(header, offset=int, length=int)
            every = swarm.meta.info + swarm.meta.layer
            header = {"offset": offset, "total": len(every), "info": len(swarm.meta.info)}
            self.send(wire.METAINFO, header, every[offset:offset + min(length, wire.MAX_BODY)])
        elif kind == wire.GET_COUNT:
            self.send(wire.CHUNK_COUNT, {"count": swarm.meta.pieces})
        elif kind == wire.PEERS:
            self.send(wire.PEER_LIST)  # the tracker knows them
        elif kind in (wire.BYE, wire.ERROR):
            raise EOFError
        elif kind == wire.HELLO or not 0x10 <= kind <= 0x3F:
            raise Malformed(f"message {kind:#04x} does not belong here")
        # Anything else is passed over: GET_HASHES need not be answered, PONG and ACK say nothing new.

    def on_have(self, kind, header, body):
        pieces = self.swarm.meta.pieces
        if kind == wire.HAVE:
            piece = fields(header, piece=int)
            if piece >= pieces:
                raise Malformed(f"HAVE of piece {piece} of {pieces}")
            self.theirs.add(piece)
        elif kind == wire.HAVE_ALL:
            self.theirs = set(range(pieces))
        elif kind == wire.BITFIELD:
            first = fields(header, first=int)
            self.theirs.update(p for p in range(first, min(first + 8 * len(body), pieces))
                               if body[(p - first) // 8] & 0x80 >> (p - first) % 8)
        wants = any(not self.swarm.have[p] for p in self.theirs)
        if wants and not self.wanting:
            self.wanting = True
            self.send(wire.INTERESTED)
        self.ask_more()

    # -- fetching

    def ask_more(self):
        """Keeps the window full, while they serve us and have what we lack."""
        with self.asking:
            while self.unchoked and not self.closed and sum(
                    self.swarm.meta.piece_size(p) for p in self.pieces) < WINDOW:
                piece = self.swarm.next_piece(self)
                if piece is None:
                    return
                size = self.swarm.meta.piece_size(piece)
                self.pieces[piece] = dict.fromkeys(range(0, size, BLOCK))
                self.asked_at = time.monotonic()
                for offset in range(0, size, wire.MAX_BODY):
                    length = min(wire.MAX_BODY, size - offset)
                    self.send(wire.GET, {"piece": piece, "offset": offset, "length": length})

    def on_chunk(self, piece, offset, length, data):
        if length != len(data) or not data or offset % BLOCK:
            raise Malformed("a chunk of another length than it says")
        with self.asking:
            blocks = self.pieces.get(piece)
            if blocks is None:
                return  # late: somebody else brought it
            for at in range(0, length, BLOCK):
                if offset + at in blocks:
                    blocks[offset + at] = data[at:at + BLOCK]
            self.swarm.downloaded += length
            self.asked_at = time.monotonic()
            if any(block is None for block in blocks.values()):
                return
            del self.pieces[piece]
        self.swarm.on_piece(piece, b"".join(blocks.values()), self)
        self.ask_more()

    def on_whole(self):
        if self.wanting:
            self.send(wire.NOT_INTERESTED)
        if len(self.theirs) == self.swarm.meta.pieces:
            self.send(wire.BYE)  # both have everything

    def on_tick(self, now):
        if self.pieces and now - self.asked_at > DEADLINE:
            with self.asking:
                self.pieces = {}
            self.swarm.release(self)
            self.close()
        self.ask_more()

    # -- serving

    def on_get(self, kind, piece, offset, length):
        swarm = self.swarm
        if kind == wire.CANCEL:
            with self.can_write:
                spans = [i for i in self.outbox if i != (wire.CHUNK_DATA, (piece, offset, length))]
                self.outbox = collections.deque(spans)
            return
        if (piece >= swarm.meta.pieces or not swarm.have[piece] or offset % BLOCK or not length
                or offset + length > swarm.meta.piece_size(piece)):
            raise Malformed(f"GET of {length} bytes at {offset} of piece {piece}")
        waiting = sum(i[0] == wire.CHUNK_DATA for i in list(self.outbox))
        if not self.serving or waiting >= MOST_WAITING:
            self.send(wire.REJECT, {"piece": piece, "offset": offset, "length": length})
            return
        for at in range(offset, offset + length, wire.MAX_BODY):
            self.put((wire.CHUNK_DATA, (piece, at, min(wire.MAX_BODY, offset + length - at))))


# -- the program -----------------------------------------------------------------------------------

def from_peers(peers, info_hash):
    """The metainfo from a peer, when the tracker has no .torrent: hashed before it is parsed."""
    for peer in peers:
        try:
            with socket.create_connection(peer, timeout=5) as sock:
                hello = {"version": 1, "info_hash": info_hash, "peer_id": new_peer_id(), "port": 0,
                         "features": []}
                sock.sendall(wire.PEER_MAGIC + frame(wire.HELLO, hello) + frame(wire.HAVE_NONE))
                stream, got, total, info = Stream(sock), b"", 1, 0
                stream.magic(wire.PEER_MAGIC)
                while len(got) < total:
                    ask = {"offset": len(got), "length": wire.MAX_BODY}
                    sock.sendall(frame(wire.GET_METAINFO, ask))
                    kind, header, body = stream.frame()
                    while kind not in (wire.METAINFO, wire.ERROR):
                        kind, header, body = stream.frame()
                    total, info = fields(header, total=int, info=int)
                    if not body or total > 4 << 20:
                        raise Malformed("no metainfo")
                    got += body
                sock.sendall(frame(wire.BYE))
                if sha256(got[:info]) == info_hash:
                    return Metainfo(got[:info], got[info:])
        except (OSError, EOFError, Malformed, Refused):
            continue  # the next one
    return None


def wait_for_metainfo(address, what):
    """Asks the tracker until it knows the content; a .torrent that is not the right one is refused."""
    print(f"looking for {what}")
    while True:
        try:
            info_hash = find(address, what)
            torrent = fetch(address, info_hash) if info_hash else None
            if torrent:
                return Metainfo.of_torrent(torrent, info_hash)
            if info_hash:
                found = from_peers(peers_of(address, info_hash), info_hash)
                if found:
                    return found
        except Refused as why:
            raise SystemExit(f"refused: {why}") from None
        except (OSError, EOFError, Malformed):
            pass  # no tracker yet
        time.sleep(0.3)


def accept(swarm, listener):
    while True:
        sock, address = listener.accept()
        start(swarm, sock, address, dialled=False)


def dial(swarm, address):
    try:
        start(swarm, socket.create_connection(address, timeout=5), address, dialled=True)
    except OSError:
        pass  # it is asked again at the next list


def start(swarm, sock, address, dialled):
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    threading.Thread(target=Connection(swarm, sock, address, dialled).run, daemon=True).start()


def serve(swarm, membership):
    """Keeps in touch with the tracker and dials whom it names, until a signal."""
    membership.register()
    told, beat, look = swarm.is_whole(), time.monotonic() + membership.keepalive, 0.0
    while True:
        now = time.monotonic()
        try:
            if swarm.is_whole() and not told:
                membership.become_seeder()
                told = True
            if now >= beat:
                beat = now + membership.keepalive
                membership.beat()
            if now >= look and not told:
                look = now + membership.interval
                known = {c.address for c in swarm.connections if c.dialled} | swarm.banned
                for address in set(membership.peers()) - known:
                    threading.Thread(target=dial, args=(swarm, address), daemon=True).start()
        except Silence as why:
            print(why)
        for connection in list(swarm.connections):
            connection.on_tick(now)
        swarm.changed.wait(min(0.2, max(0.01, beat - now)))
        swarm.changed.clear()


def main():
    words = argparse.ArgumentParser(description="A small peer for one file.")
    words.add_argument("--tracker", default="127.0.0.1:6969", metavar="HOST:PORT")
    what = words.add_mutually_exclusive_group(required=True)
    what.add_argument("--leech", metavar="NAME", help="a name, or an info-hash of 64 digits")
    what.add_argument("--seed", metavar="FILE")
    words.add_argument("--dir", default=".", help="where what is fetched goes")
    words.add_argument("--port", type=int, default=0, help="0 is any")
    words.add_argument("--piece-length", type=int, default=256, metavar="KIB")
    args = words.parse_args()
    sys.stdout.reconfigure(line_buffering=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    host, _, port = args.tracker.rpartition(":")
    address = (socket.gethostbyname(host), int(port))
    if args.seed:
        meta, path = Metainfo.of_file(args.seed, args.piece_length * 1024), args.seed
    else:
        meta = wait_for_metainfo(address, args.leech)
        os.makedirs(args.dir, exist_ok=True)
        path = os.path.join(args.dir, meta.name)
    swarm = Swarm(meta, path, whole=bool(args.seed))
    listener = socket.create_server(("", args.port))
    swarm.port = listener.getsockname()[1]
    print(f"{meta.name}: {meta.pieces} pieces, info-hash {meta.hash.hex()}, port {swarm.port}")
    membership = Membership(address, swarm)
    threading.Thread(target=accept, args=(swarm, listener), daemon=True).start()
    try:
        serve(swarm, membership)
    except KeyboardInterrupt:
        for connection in list(swarm.connections):
            connection.send(wire.BYE)
        membership.leave()
        os._exit(0)  # the other threads wait on sockets


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except (Silence, OSError) as why:
        sys.exit(f"peer.py: {why}")

"""What a peer says to a tracker: a catalogue by TCP, membership by UDP."""

import os
import socket
import struct
import threading
import time

import wire
from wire import Stream, datagram, fields, frame


class Silence(Exception):
    """The tracker does not answer."""


# -- the catalogue, by TCP -------------------------------------------------------------------------

def find(address, what):
    """The info-hash that a name, or 64 hexadecimal digits, stands for."""
    if len(what) == 64 and not set(what) - set("0123456789abcdef"):
        return bytes.fromhex(what)
    kind, _, body = conversation(address, frame(wire.T_LOOKUP, {"name": what}))
    if kind != wire.T_LISTING or not body:
        return None
    found, at = [], 0
    while at < len(body):  # flags, info-hash, perhaps a v1 hash, 20 bytes of numbers, a name
        found.append(body[at + 1:at + 33])
        at += 33 + (20 if body[at] & 1 else 0) + 20
        (length,) = struct.unpack_from(">H", body, at)
        at += 2 + length
    if len(found) > 1:
        raise SystemExit(f"{what} is ambiguous: " + ", ".join(f"{what}@{h.hex()[:8]}" for h in found))
    return found[0]


def fetch(address, info_hash):
    """The .torrent as the tracker has it, or None; whoever asks checks its hash."""
    with call(address) as connection:
        connection.sendall(frame(wire.T_FETCH, {"info_hash": info_hash}))
        stream, torrent = Stream(connection), b""
        while True:
            kind, header, body = stream.frame()
            if kind != wire.T_TORRENT:
                return None
            total = fields(header, total=int)
            torrent += body
            if len(torrent) >= min(total, 4 << 20) or not body:
                return torrent


def publish(address, meta):
    """Gives the tracker the .torrent, so that leechers find the content by its name."""
    torrent, messages = meta.torrent(), []
    for at in range(0, len(torrent), wire.MAX_BODY):
        header = {"info_hash": meta.hash, "name": meta.name, "offset": at, "total": len(torrent)}
        messages.append(frame(wire.T_PUBLISH, header, torrent[at:at + wire.MAX_BODY]))
    kind, header, _ = conversation(address, b"".join(messages))
    if kind == wire.T_ERROR:
        print("not published:", repr(header.get("message")))


def peers_of(address, info_hash):
    """Peers of a content that we are not registered for."""
    ask = frame(wire.T_PEERS, {"info_hash": info_hash, "port": 0, "wanted": 50})
    kind, _, body = conversation(address, ask)
    return addresses(body) if kind == wire.T_PEER_LIST else []


def addresses(body):
    """The peers in a PEER_LIST that answer the native dialect by IPv4."""
    found, at = [], 0
    while at + 8 <= len(body):
        family, flags, port = struct.unpack_from(">BBH", body, at)
        ip = body[at + 4:at + (8 if family == 4 else 20)]
        at += 4 + len(ip)
        if flags & 2 and family == 4:
            found.append((socket.inet_ntoa(ip), port))
    return found


def call(address):
    connection = socket.create_connection(address, timeout=5)
    connection.sendall(wire.TRACKER_MAGIC)
    return connection


def conversation(address, question):
    """One question and the first frame of its answer."""
    with call(address) as connection:
        connection.sendall(question)
        return Stream(connection).frame()


# -- membership, by UDP ----------------------------------------------------------------------------

class Membership:
    """Registers a peer for its content, and keeps it listed until `leave`."""

    def __init__(self, address, swarm):
        self.address, self.swarm = address, swarm
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect(address)
        self.lock = threading.Lock()  # one question at a time
        self.cookie, self.cookie_since, self.seq = None, 0.0, 0
        self.keepalive, self.interval = 5.0, 30.0

    def ask(self, kind, header, body=b""):
        """One command and its answer: type, header, body. Asks three times."""
        with self.lock:
            for _ in range(3):
                if not self.cookie or time.monotonic() - self.cookie_since > 60:
                    answer = self.exchange(wire.T_HELLO, {"version": 1})
                    if not answer or answer[0] != wire.T_COOKIE:
                        continue
                    self.cookie = fields(answer[1], cookie=bytes)
                    self.cookie_since = time.monotonic()
                answer = self.exchange(kind, {"cookie": self.cookie, **header}, body)
                if answer:
                    return answer
                self.cookie = None  # the tracker may have been started again
        raise Silence(f"no tracker answers at {self.address[0]}:{self.address[1]}")

    def exchange(self, kind, header, body=b""):
        """Sends one datagram, and waits a second for the one with its number."""
        self.seq += 1
        message = datagram(kind, {"seq": self.seq, **header}, body)
        if kind == wire.T_HELLO:
            message = message.ljust(64, b"\0")
        end = time.monotonic() + 1
        try:
            self.socket.send(message)
            while (left := end - time.monotonic()) > 0:
                self.socket.settimeout(left)
                data = self.socket.recv(1500)
                try:
                    answer = wire.parse(data[4:]) if data[:4] == wire.TRACKER_MAGIC else None
                except wire.Malformed:
                    continue
                if answer and answer[1].get("seq") == self.seq:
                    return answer
        except OSError:
            time.sleep(max(0.0, min(0.2, end - time.monotonic())))  # nobody listens there
        return None

    def register(self):
        """Started, or here again. Publishes if the tracker asks for it."""
        swarm, meta = self.swarm, self.swarm.meta
        left = swarm.left()
        header = {"info_hash": meta.hash, "peer_id": swarm.id, "port": swarm.port, "name": meta.name,
                  "size": meta.length, "pieces": meta.pieces, "left": left,
                  "uploaded": swarm.uploaded, "downloaded": swarm.downloaded}
        bits = swarm.bits() if 0 < left < meta.length else b""
        kind, ack, _ = self.ask(wire.T_REGISTER, header, bits if len(bits) <= 1000 else b"")
        if kind == wire.T_ERROR:
            raise SystemExit(f"the tracker refuses: {ack.get('message')!r}")
        self.keepalive = max(fields(ack, keepalive_ms=int) / 1000, 0.05)
        self.interval = max(fields(ack, interval_ms=int) / 1000, 0.1)
        if ack.get("publish"):
            publish(self.address, meta)

    def beat(self):
        """One heartbeat; registers again if the tracker does not know us any more."""
        swarm = self.swarm
        news = [swarm.news.pop() for _ in range(min(len(swarm.news), 250))]
        body = swarm.meta.hash[:20] + struct.pack(">QIIB", swarm.left(), *swarm.rates(), len(news))
        body += b"".join(struct.pack(">I", piece) for piece in news)
        kind, ack, _ = self.ask(wire.T_KEEPALIVE, {"port": swarm.port}, body)
        if kind == wire.T_ACK and ack.get("unknown"):
            self.register()

    def peers(self):
        """The addresses of others that have this content."""
        header = {"info_hash": self.swarm.meta.hash, "port": self.swarm.port, "wanted": 50}
        kind, _, body = self.ask(wire.T_REQUEST, header)
        return addresses(body) if kind == wire.T_PEER_LIST else []

    def become_seeder(self):
        self.ask(wire.T_BECOME_SEEDER, {"info_hash": self.swarm.meta.hash, "port": self.swarm.port})

    def leave(self):
        """Gone from the list at once."""
        header = {"info_hash": self.swarm.meta.hash, "peer_id": self.swarm.id, "port": self.swarm.port}
        self.ask(wire.T_UNREGISTER, header)


def new_peer_id():
    return b"-PY0100-" + os.urandom(6).hex().encode()

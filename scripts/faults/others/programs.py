"""The five clients as the cells drive them: started, asked, killed, started again.

The drivers are those of scripts/interop, with rtorrent added, and with what only faults need:
`state` never raises, `again` starts a killed client on what it left, `resume` asks for what a user
would do after an error. Every client keeps its defaults, except that it finds peers by nothing but
being dialled; so nobody is called, and nobody outside the loopback hears of it.
"""

import base64
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import xmlrpc.client
from pathlib import Path

import clients
from stage import CellFailed, file_of

NOWHERE = "udp://127.0.0.1:9/announce"
COMPLAINTS = re.compile(r"no space left|disk (is )?full|not enough (free )?(disk )?space|ENOSPC|"
                        r"insufficient.*space|errorCode=9|low disk ?space", re.IGNORECASE)


class Driven:
    """What every client has on top of its driver."""

    starts = 0

    def with_control(self):
        """Only ours runs without."""

    def alive(self):
        return not self.program.ended()

    def pid(self):
        return self.program.process.pid

    def end_of(self):
        """How it ended, in words: a signal's name or an exit status."""
        code = self.program.process.poll()
        if code is None:
            return "alive"
        return f"died of {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"

    def word_of_end(self):
        """What its end counts as: `gives up` when it chose to end and gave a reason."""
        code = self.program.process.poll()
        return "gives up" if code is not None and 0 < code < 100 and self.last_words() else "died"

    def last_words(self):
        """The last line that it wrote."""
        lines = [line for path in (self.program.log, self.program.out)
                 for line in path.read_text(errors="replace").splitlines()
                 if line.strip() and not line.startswith("$ ")]
        return said_in(lines[-1].strip()) if lines else ""

    def state(self):
        """`done`, `busy`, `ended`, or `error: ` and what it says."""
        if not self.alive():
            return "ended"
        try:
            return "done" if self.done() else "busy"
        except CellFailed as error:
            return f"error: {error}"
        except Exception as error:  # whatever a half-dead control port answers
            return f"busy: {type(error).__name__}: {error}" if self.alive() else "ended"

    def kill(self):
        """As a power switch would, and `wait_until` no longer misses it."""
        self.program.process.kill()
        self.program.process.wait()
        self.forget()

    def forget(self):
        if self.program in self.stage.programs:
            self.stage.programs.remove(self.program)

    def again(self, what):
        self.start(what)

    def add(self, what):
        """Gives a running client one more torrent; each has its own way."""
        raise NotImplementedError

    def resume(self, what):
        """What a user does after an error; starting it again where nothing else is there."""
        if self.alive():
            self.program.stop()
        self.forget()
        self.again(what)

    def recheck(self, what):
        """Has it look at its data again; at a start where nothing else is there."""
        self.resume(what)

    def explained(self):
        """What it knows of its torrent, if it still answers."""
        try:
            return self.explain()[:200]
        except Exception:  # dead or busy
            return ""

    def complaint(self):
        """The line in which it says that the disk is full, or nothing."""
        texts = []
        try:
            texts.append(self.explain())
        except Exception:  # dead or busy: its logs are left
            pass
        logs = [path for end in ("*.log", "*.out", "*.debug", "*/**/*.log")
                for path in self.stage.folder.glob(self.name + end)]
        texts += [path.read_text(errors="replace") for path in logs]
        for text in texts:
            for line in text.splitlines():
                found = COMPLAINTS.search(line)
                if found:
                    words = said_in(line)
                    found = COMPLAINTS.search(words) or found
                    return words[max(0, found.start() - 30) : found.end() + 80].strip()
        return ""


class Ours(Driven, clients.Ours):
    """Events of an earlier start must not be taken for those of this one: a new log for each.
    Its remote control, which is Transmission's, is off unless a cell needs it."""

    call, session, control = clients.Transmission.call, "", 0

    def with_control(self):
        self.control = self.stage.port("127.0.0.1")
        self.extra = ("--web", f"127.0.0.1:{self.control}")

    def add(self, what):
        self.call("torrent-add", {"paused": False, "metainfo":
                                  base64.b64encode(Path(what).read_bytes()).decode()})

    def poll(self):
        return self.call("torrent-get", {"fields": ["status"]})

    def start(self, what):
        self.starts += 1
        first = getattr(self, "first_name", self.name)
        self.first_name, self.name = first, first if self.starts == 1 else f"{first}-{self.starts}"
        super().start(what)


class Transmission(Driven, clients.Transmission):
    def add(self, what):
        self.call("torrent-add", {"download-dir": str(self.folder), "paused": False, "metainfo":
                                  base64.b64encode(Path(what).read_bytes()).decode()})

    def resume(self, what):
        if not self.alive():
            return super().resume(what)
        return self.call("torrent-start", {"ids": self.ids()})

    def recheck(self, what):
        if self.alive():
            self.call("torrent-verify", {"ids": self.ids()})
        self.resume(what)

    def ids(self):
        return [row["id"] for row in self.call("torrent-get", {"fields": ["id"]})["torrents"]]


class Aria2(Driven, clients.Aria2):
    def add(self, what):
        self.call("aria2.addTorrent", base64.b64encode(Path(what).read_bytes()).decode())


class QBittorrent(Driven, clients.QBittorrent):
    def again(self, what):
        try:
            self.start(what)
        except CellFailed:
            if not self.poll():  # it knows the torrent of before, and so takes it no second time
                raise

    def add(self, what):
        body, kind = clients.form({"savepath": str(self.folder), "paused": "false"}, Path(what))
        said = self.fetch("/api/v2/torrents/add", body, {"Content-Type": kind})
        if said != b"Ok.":
            raise CellFailed(f"it said {said!r}")

    def resume(self, what):
        if not self.alive():
            return super().resume(what)
        return self.fetch("/api/v2/torrents/resume", self.hashes())

    def recheck(self, what):
        if self.alive():
            self.fetch("/api/v2/torrents/recheck", self.hashes())
        self.resume(what)

    def hashes(self):
        return f"hashes={self.poll()[0]['hash']}".encode()


class RTorrent(Driven, clients.Client):
    """Driven by XML-RPC over SCGI. Started with a session folder, as its users have it."""

    needs = ("rtorrent",)
    dials_loopback = False

    def start(self, what):
        home = self.stage.subfolder(f"{self.name}.home")
        session = self.stage.subfolder(f"{self.name}.home/session")
        self.control = self.stage.port("127.0.0.1")
        rc = file_of(home, "rc", f"""
session.path.set = {session}
directory.default.set = {self.folder}
network.bind_address.set = {self.address}
network.port_range.set = {self.port}-{self.port}
network.port_random.set = no
network.scgi.open_port = 127.0.0.1:{self.control}
dht.mode.set = off
protocol.pex.set = no
trackers.use_udp.set = no
system.daemon.set = true
log.open_file = "rtorrent", {home}/rtorrent.log
log.add_output = "info", "rtorrent"
log.add_output = "storage_notice", "rtorrent"
""".encode())
        self.program = self.stage.run(self.name, ["rtorrent", "-n", "-o", f"import={rc}"],
                                      env={"TERM": "xterm"})
        self.await_control()
        if not self.poll():
            self.add(what)

    def add(self, what):
        before = len(self.poll())
        self.call("load.raw_start", "", xmlrpc.client.Binary(Path(what).read_bytes()))
        # It says 0 whatever it thinks of the torrent, and takes a moment to list it.
        ends = time.monotonic() + 3
        while len(self.poll()) == before:
            if time.monotonic() > ends:
                raise CellFailed(f"{self.name}: it does not list the torrent")
            time.sleep(0.05)

    def call(self, method, *words):
        body = xmlrpc.client.dumps(words, method).encode()
        fields = f"CONTENT_LENGTH\0{len(body)}\0SCGI\x001\0".encode()
        with socket.create_connection(("127.0.0.1", self.control), 10) as talk:
            talk.sendall(b"%d:%s,%s" % (len(fields), fields, body))
            answer = b""
            while part := talk.recv(65536):
                answer += part
        try:
            return xmlrpc.client.loads(answer.partition(b"\r\n\r\n")[2])[0][0]
        except xmlrpc.client.Fault as error:
            raise CellFailed(f"{self.name}: {method}: {error.faultString}") from error

    def poll(self):
        return self.call("d.multicall2", "", "main", "d.hash=", "d.complete=", "d.hashing=",
                         "d.is_active=", "d.message=", "d.completed_bytes=", "d.size_bytes=")

    def done(self):
        rows = self.poll()
        whole = bool(rows) and rows[0][1] == 1 and rows[0][2] == 0 and rows[0][3] == 1
        if rows and rows[0][4] and not whole:
            raise CellFailed(f"{self.name}: {rows[0][4]}")
        return whole

    def resume(self, what):
        if not self.alive():
            return super().resume(what)
        # One that it closed itself is begun again only when it is stopped before.
        torrent = self.poll()[0][0]
        for method in ("d.stop", "d.close", "d.open", "d.start"):
            self.call(method, torrent)
        return None

    def recheck(self, what):
        if self.alive():
            self.call("d.check_hash", self.poll()[0][0])
            self.stage.wait_until(lambda: self.poll()[0][2] == 0, "it has hashed its data", 30)
        self.resume(what)


def said_in(line):
    """The sentence in a line, which may be a JSON event of ours."""
    try:
        return json.loads(line).get("message", line)
    except (ValueError, AttributeError):
        return line


KINDS = {"ours": Ours, "transmission": Transmission, "aria2": Aria2, "rtorrent": RTorrent,
         "qbittorrent": QBittorrent}


def missing(kind, tools):
    """What of a client's needs is not installed."""
    return [need for need in KINDS[kind].needs
            if (not os.access(tools.peer, os.X_OK) if need == "ours" else not shutil.which(need))]


def versions(kinds, tools):
    """What each client calls itself, for the head of the table."""
    words = {"ours": [tools.peer, "--version"], "rtorrent": ["rtorrent", "-h"],
             "transmission": ["transmission-daemon", "--version"], "aria2": ["aria2c", "--version"],
             "qbittorrent": ["qbittorrent-nox", "--version"]}
    found = {}
    for kind in kinds:
        said = subprocess.run([str(w) for w in words[kind]], capture_output=True, text=True,
                              timeout=20, stdin=subprocess.DEVNULL)
        line = (said.stdout + said.stderr).strip().splitlines()[0]
        number = re.search(r"\d+(\.\d+)+\w*", line)
        found[kind] = number.group().rstrip(".") if number else line
    return found

"""`peer daemon` on a stage, and the two ways to speak to it: its RPC and transmission-remote."""

import base64
import http.client
import json
import os
import re
import subprocess
from pathlib import Path

from checks import CellFailed, same

STOPPED, CHECKING, DOWNLOADING, SEEDING = 0, 2, 4, 6
RPC = "/transmission/rpc"


class Daemon:
    """One daemon and its folders; `start` and `stop` as often as needed."""

    def __init__(self, stage, peer, tracker, name="daemon"):
        self.stage, self.peer, self.tracker, self.name = stage, peer, tracker, name
        self.config = stage.subfolder(f"{name}/config")
        self.downloads = stage.folder / name / "downloads"
        self.program, self.starts = None, 0

    def argv(self, *words):
        return [self.peer, "daemon", "--web", "127.0.0.1:0", "--port", 0, "--config-dir",
                self.config, "-w", self.downloads, "--tracker", self.tracker, *words]

    def start(self, *words):
        self.starts += 1
        self.program = self.stage.run(f"{self.name}-{self.starts}", self.argv(*words))
        self.session = ""
        found = self.stage.wait_until(
            lambda: re.search(r"remote control at http://(\S+)/transmission/rpc", self.errors()),
            f"{self.name} says where its remote control is", 20)
        self.at = found[1]
        return self

    def errors(self):
        """What it printed on standard error so far."""
        return self.program.log.read_text(errors="replace")

    def stop(self):
        """Ends it with SIGTERM; returns its exit status."""
        return self.stage.stop(self.program)

    def gone(self):
        """Waits until it has ended by itself; returns its exit status."""
        self.stage.programs.remove(self.program)
        self.stage.logs.append(self.program.log)
        return self.program.process.wait(15)

    # The RPC, spoken without any client's help.

    def post(self, body, headers=None, path=RPC, method="POST"):
        """Status, headers and body of one answer."""
        line = http.client.HTTPConnection(self.at, timeout=20)
        try:
            line.request(method, path, body, headers or {})
            answer = line.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            line.close()

    def ask(self, body, headers=None):
        """The answer to an object, with the session id that is needed."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        for _ in range(2):
            named = {"X-Transmission-Session-Id": self.session} | (headers or {})
            status, told, answer = self.post(data, named)
            if status != 409:
                break
            self.session = told["X-Transmission-Session-Id"]
        if status != 200:
            raise CellFailed(f"HTTP {status}: {answer[:200]!r}")
        return json.loads(answer)

    def call(self, method, **arguments):
        """The arguments of a successful answer; `_` in the names of ours stands for `-`."""
        arguments = {name.replace("_", "-"): value for name, value in arguments.items()}
        answer = self.ask({"method": method, "arguments": arguments})
        if answer["result"] != "success":
            raise CellFailed(f"{method}: {answer['result']}")
        return answer["arguments"]

    def add(self, source, **more):
        """Takes a path of a .torrent (sent as base64) or a magnet; returns the torrent's id."""
        how = {"filename": source} if isinstance(source, str) else {
            "metainfo": base64.b64encode(Path(source).read_bytes()).decode()}
        answer = self.call("torrent-add", **how, **more)
        return answer["torrent-added"]["id"]

    def torrents(self, *fields):
        return self.call("torrent-get", fields=list(fields))["torrents"]

    def torrent(self, which, *fields):
        """One torrent's fields, or the value if it is one field; `None` if there is no such."""
        rows = self.call("torrent-get", ids=[which], fields=list(fields))["torrents"]
        if not rows:
            return None
        return rows[0][fields[0]] if len(fields) == 1 else rows[0]

    def wait(self, which, field, met, secs=30):
        """Waits until a field's value is so; `met` is a value or a question."""
        is_met = met if callable(met) else lambda value: value == met
        seen = []

        def asked():
            seen[:] = [self.torrent(which, field)]
            return is_met(seen[0])
        try:
            self.stage.wait_until(asked, f"{field} of torrent {which}", secs)
        except CellFailed as error:
            why = self.torrent(which, "status", "errorString", "percentDone", "peersConnected")
            raise CellFailed(f"{error}; it was {str(seen)[:200]}, {why}") from None
        return seen[0]

    # transmission-remote.

    def remote(self, *words):
        """Exit status and everything that it printed."""
        clean = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TZ": "UTC",
                 "HOME": str(self.stage.subfolder("home"))}
        done = subprocess.run(["transmission-remote", self.at, *map(str, words)], env=clean,
                              cwd=self.stage.folder, stdin=subprocess.DEVNULL, timeout=30,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors="replace")
        return done.returncode, done.stdout

    def says(self, *words):
        """What it printed; it must have ended with 0."""
        status, text = self.remote(*words)
        if status != 0:
            raise CellFailed(f"exit {status}: {text[:300]!r}")
        return text

    def does(self, *words):
        """Of those that change something; the answer must have been a success."""
        text = self.says(*words)
        if 'responded: "success"' not in text:
            raise CellFailed(f"it answered {text[:300]!r}")

    def row(self, name):
        """A torrent's line of `transmission-remote -l`."""
        rows = [line for line in self.says("-l").splitlines() if line.endswith(name)]
        same(len(rows), 1, f"lines of {name} in -l")
        return rows[0]

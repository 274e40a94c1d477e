"""The trackers of the cells: ours, opentracker and the npm `bittorrent-tracker`.

Each is started on a `Stage`, has a `url` to announce to, and is asked by `await_peers` how many
peers it knows, by a plain HTTP scrape (BEP 48) in all three cases.
"""

import json
import os
import socket
import urllib.request
from pathlib import Path
from urllib.parse import quote_from_bytes

from content import bdecode
from stage import file_of

HERE = Path(__file__).resolve().parent
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Tracker:
    """A tracker at a free port of `address`, spoken to by `scheme` (http or udp)."""

    needs = ()

    def __init__(self, tools, stage, address, scheme):
        self.tools, self.stage, self.scheme, self.ip = tools, stage, scheme, address
        self.port = stage.port(address)
        self.host = f"[{address}]:{self.port}" if ":" in address else f"{address}:{self.port}"
        self.url = f"{scheme}://{self.host}/announce"

    def named(self):
        """What the torrent says of it."""
        return self.url

    def start(self, hashes):
        """Starts it; `hashes` are those that it may serve."""
        self.program = self.stage.run("tracker", self.argv(hashes))
        self.stage.wait_until(self.answers, "the tracker listens", limit=10)
        return self

    def answers(self):
        family = socket.AF_INET6 if ":" in self.ip else socket.AF_INET
        with socket.socket(family) as probe:
            return probe.connect_ex((self.ip, self.port)) == 0

    def count(self, hash_hex):
        """Seeders and leechers that it has of one hash."""
        query = quote_from_bytes(bytes.fromhex(hash_hex), safe="")
        with DIRECT.open(f"http://{self.host}/scrape?info_hash={query}", timeout=5) as answer:
            files = bdecode(answer.read()).get(b"files", {})
        row = files.get(bytes.fromhex(hash_hex), {})
        return row.get(b"complete", 0), row.get(b"incomplete", 0)

    def await_peers(self, hashes, seeders, leechers, what):
        """Waits until one of the hashes has so many of both."""
        def known():
            counts = [self.count(h) for h in hashes]
            return any(row[0] >= seeders and row[1] >= leechers for row in counts)
        self.stage.wait_until(known, f"{what} is known to the tracker", limit=20)


class Ours(Tracker):
    name, needs = "ours", ("ours",)

    def argv(self, _hashes):
        log = self.stage.folder / "tracker.debug"
        self.stage.also_show(log)
        return [self.tools.tracker, "--listen", self.host, "--json",
                "--log-level", "debug", "--logfile", log]


class OursUnnamed(Ours):
    """Ours, known to our own peers alone: torrents do not name it."""

    def __init__(self, *given):
        super().__init__(*given)
        self.url = self.host

    def named(self):
        return None


class OpenTracker(Tracker):
    """Debian's serves only what is on a list, and only IPv4."""

    name, needs = "opentracker", ("opentracker",)

    def argv(self, hashes):
        folder = self.stage.subfolder("opentracker")
        allowed = file_of(folder, "list", "".join(f"{h}\n" for h in hashes).encode())
        allowed.chmod(0o644)
        if os.geteuid() == 0:  # then it changes its root to this folder, and its user
            folder.chmod(0o755)
            allowed = "/list"
        return ["opentracker", "-i", self.ip, "-p", self.port, "-P", self.port,
                "-d", folder, "-w", allowed]


class NpmTracker(Tracker):
    """Prints each announce as a JSON line. Not scraped, as it writes hashes as UTF-8 text."""

    name, needs = "npm", ("npm",)

    def argv(self, _hashes):
        return ["node", HERE / "npm_server.mjs", self.tools.npm, self.ip, self.port]

    def announces(self):
        return [json.loads(line) for line in self.program.lines() if line.startswith("{")]

    def count(self, hash_hex):
        left = {}
        for line in self.announces():
            if line.get("info_hash") == hash_hex:
                left[line["peer"]] = None if line["event"] == "stop" else int(line["left"] or 0)
        rows = [n for n in left.values() if n is not None]
        return sum(n == 0 for n in rows), sum(n > 0 for n in rows)

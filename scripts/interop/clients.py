"""One class per BitTorrent client: how it is started and how it says that it is done.

Each gets a `Stage`, a name for its logs, an address, and a folder that holds the data or will.
`start(what)` takes the path of a .torrent or a magnet; `done()` is true when the client itself says
that it has every piece. All that finds peers without a tracker is switched off. Encryption is left
at each client's default, unless `crypto` says otherwise: `require` or `off`.
"""

import base64
import json
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from stage import CellFailed, file_of
from trackers import DIRECT

HERE = Path(__file__).resolve().parent


class Client:
    """What all of them have."""

    needs = ()
    knows_pads = True  # BEP 47; others keep pad files as files
    dials_loopback = True  # peers at 127.0.0.0/8 that a tracker named
    makes_empty_files = True
    reads_hybrids = True
    dialect = "bt"
    extra = ()  # more words for our own command line

    def __init__(self, tools, stage, name, address, folder, crypto="", tracker=""):
        self.tools, self.stage, self.name, self.address = tools, stage, name, address
        self.folder, self.crypto, self.tracker = Path(folder), crypto, tracker
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = stage.port(address)
        stage.explain.append(self.explain)

    def explain(self):
        """What it knows of its torrent, in one line."""
        return json.dumps(self.poll())

    def kind(self):
        return type(self).__name__

    def limit_upload(self, _kilobytes_per_sec):
        """Most that it sends; only those that ever seed a mixed swarm have it."""

    def at(self, port):
        return f"[{self.address}]:{port}" if ":" in self.address else f"{self.address}:{port}"

    def is_v6(self):
        return ":" in self.address

    def fetch(self, path, data=None, headers=None, limit=10):
        """An answer of its control port, as bytes; HTTP errors are raised."""
        url = f"http://127.0.0.1:{self.control}{path}"
        request = urllib.request.Request(url, data=data, headers=headers or {})
        with DIRECT.open(request, timeout=limit) as answer:
            return answer.read()

    def answers(self):
        try:
            return self.poll()
        except (OSError, urllib.error.URLError, ValueError):
            return None

    def await_control(self):
        self.stage.wait_until(lambda: self.answers() is not None, f"{self.name} can be driven", 20)


class Ours(Client):
    """This project's `peer`, which speaks BitTorrent to peers of an HTTP or UDP tracker."""

    needs = ("ours",)
    seeds = False

    def start(self, what):
        self.debug = self.stage.folder / f"{self.name}.debug"
        self.stage.also_show(self.debug)
        self.program = self.stage.run(self.name, [
            self.tools.peer, "--seed" if self.seeds else "--leech", what, "-w", self.folder,
            "--bind", self.address, "--port", self.port,
            *(["--tracker", self.tracker] if self.tracker else []),
            "--json", "--log-level", "debug", "--logfile", self.debug, *self.extra])

    def limit_upload(self, kilobytes_per_sec):
        self.extra = ("--uplimit", kilobytes_per_sec)

    def explain(self):
        return (self.program.lines() or ["nothing"])[-1]

    def events(self, kind):
        found = [json.loads(line) for line in self.program.lines() if line.startswith("{")]
        return [event for event in found if event.get("event") == kind]

    def done(self):
        for event in self.events("error"):
            raise CellFailed(f"{self.name}: {event.get('message')}")
        return bool(self.events("seeding") or self.events("done"))


class Transmission(Client):
    """3.00 takes no hybrid, since it cannot read the empty keys of the tree. It unchokes once in
    ten seconds, and closes every connection when a magnet's metadata is whole."""

    needs = ("transmission-daemon",)
    knows_pads = False
    reads_hybrids = False
    dials_loopback = False
    makes_empty_files = False

    def start(self, what):
        home = self.stage.subfolder(f"{self.name}.home")
        self.control, self.session = self.stage.port("127.0.0.1"), ""
        settings = {
            "rpc-enabled": True, "rpc-port": self.control, "rpc-bind-address": "127.0.0.1",
            "rpc-whitelist-enabled": False, "rpc-host-whitelist-enabled": False,
            "peer-port": self.port, "peer-port-random-on-start": False,
            "dht-enabled": False, "lpd-enabled": False, "utp-enabled": False,
            "port-forwarding-enabled": False, "download-dir": str(self.folder),
            "incomplete-dir-enabled": False, "start-added-torrents": True, "message-level": 3,
            "bind-address-ipv6": "::1",
        }
        # Bound to an IPv4 address it would also call an IPv6 tracker from there.
        if not self.is_v6():
            settings["bind-address-ipv4"] = self.address
        if self.crypto:
            settings["encryption"] = {"require": 2, "off": 0}[self.crypto]
        file_of(home, "settings.json", json.dumps(settings).encode())
        self.program = self.stage.run(self.name, [
            "transmission-daemon", "-f", "-g", home, "--log-debug"],
            env={"TRANSMISSION_HOME": str(home), "no_proxy": "*"})
        self.await_control()
        source = {"filename": str(what)} if str(what).startswith("magnet:") else {
            "metainfo": base64.b64encode(Path(what).read_bytes()).decode()}
        self.call("torrent-add", source | {"download-dir": str(self.folder), "paused": False})

    def call(self, method, arguments):
        body = json.dumps({"method": method, "arguments": arguments}).encode()
        for _ in range(3):
            try:
                answer = json.loads(self.fetch("/transmission/rpc", body, {
                    "X-Transmission-Session-Id": self.session}))
                break
            except urllib.error.HTTPError as error:
                if error.code != 409:
                    raise
                self.session = error.headers["X-Transmission-Session-Id"]
        else:
            raise CellFailed(f"{self.name}: its control port gives no session")
        if answer["result"] != "success":
            raise CellFailed(f"{self.name}: {method}: {answer['result']}")
        return answer["arguments"]

    def poll(self):
        return self.call("torrent-get", {"fields": [
            "status", "leftUntilDone", "metadataPercentComplete", "error", "errorString",
            "uploadedEver", "downloadedEver", "peers", "trackerStats"]})["torrents"]

    def done(self):
        torrents = self.poll()
        if torrents and torrents[0]["error"] == 3:
            raise CellFailed(f"{self.name}: {torrents[0]['errorString']}")
        return bool(torrents) and torrents[0]["metadataPercentComplete"] == 1 \
            and torrents[0]["leftUntilDone"] == 0 and torrents[0]["status"] in (5, 6)

    def uploaded(self):
        return self.poll()[0]["uploadedEver"]


class Aria2(Client):
    """It calls a tracker over UDP only from its DHT's socket; without an entry point nobody is met
    there. Of a hybrid it computes another info-hash, as it forgets the empty keys of the tree."""

    needs = ("aria2c",)
    knows_pads = False
    reads_hybrids = False

    def start(self, what):
        self.control = self.stage.port("127.0.0.1")
        crypto = {"": [], "off": [], "require": ["--bt-require-crypto=true",
                                                 "--bt-min-crypto-level=arc4"]}[self.crypto]
        self.program = self.stage.run(self.name, [
            "aria2c", "--no-conf", "--enable-rpc", "--rpc-listen-all=false",
            f"--rpc-listen-port={self.control}", f"--interface={self.address}",
            f"--listen-port={self.port}", f"--dht-listen-port={self.port}",
            f"--enable-dht={str(self.tracker.startswith('udp:')).lower()}",
            "--enable-dht6=false", "--bt-enable-lpd=false",
            "--enable-peer-exchange=false", f"--disable-ipv6={str(not self.is_v6()).lower()}",
            "--seed-ratio=0.0", "--file-allocation=none", "--check-integrity=true",
            "--allow-overwrite=true", "--async-dns=false", "--bt-save-metadata=false",
            "--log-level=info", "--console-log-level=info", "--summary-interval=0",
            f"--dir={self.folder}", *crypto, what])
        self.await_control()

    def call(self, method, *words):
        body = json.dumps({"jsonrpc": "2.0", "id": "1", "method": method, "params": words})
        return json.loads(self.fetch("/jsonrpc", body.encode()))["result"]

    def poll(self):
        keys = ["status", "completedLength", "totalLength", "verifiedLength", "seeder",
                "uploadLength", "errorMessage", "followedBy", "bittorrent",
                "verifyIntegrityPending"]
        return self.call("aria2.tellActive", keys) + self.call("aria2.tellStopped", 0, 9, keys)

    def content(self):
        """Of its downloads the one that is not just a magnet's metadata."""
        for row in self.poll():
            if row.get("status") == "error":
                raise CellFailed(f"{self.name}: {row.get('errorMessage')}")
            if "info" in row.get("bittorrent", {}) and not row.get("followedBy") \
                    and not row["bittorrent"]["info"]["name"].startswith("[METADATA]"):
                return row
        return None

    def done(self):
        row = self.content()
        return bool(row) and int(row["totalLength"]) > 0 and row.get("seeder") == "true" \
            and row["completedLength"] == row["totalLength"] and "verifiedLength" not in row

    def uploaded(self):
        return int(self.content()["uploadLength"])


class Libtorrent(Client):
    needs = ("libtorrent",)

    def start(self, what):
        policy = {"": {}, "off": {"out_enc_policy": 2, "in_enc_policy": 2},
                  "require": {"out_enc_policy": 0, "in_enc_policy": 0, "allowed_enc_level": 2}}
        self.program = self.stage.run(self.name, [
            self.tools.python, "-W", "ignore", HERE / "lt_peer.py", json.dumps({
                "what": str(what), "folder": str(self.folder), "listen": self.at(self.port),
                "settings": policy[self.crypto] | {
                    "upload_rate_limit": getattr(self, "upload_limit", 0)}})])

    def explain(self):
        return json.dumps(self.state())

    def state(self):
        lines = self.program.lines()
        return json.loads(lines[-1]) if lines else {}

    def done(self):
        state = self.state()
        if state.get("error"):
            raise CellFailed(f"{self.name}: {state['error']}")
        return state.get("done", False)

    def uploaded(self):
        return self.state()["uploaded"]


class QBittorrent(Client):
    """Driven by its Web interface, which needs no password from this machine."""

    needs = ("qbittorrent-nox",)

    def start(self, what):
        profile = self.stage.subfolder(f"{self.name}.profile")
        self.control = self.stage.port("127.0.0.1")
        crypto = {"": 0, "require": 1, "off": 2}[self.crypto]
        file_of(profile, "qBittorrent/config/qBittorrent.conf", f"""
[LegalNotice]
Accepted=true
[BitTorrent]
Session\\Port={self.port}
Session\\InterfaceAddress={self.address}
Session\\Interface=lo
Session\\InterfaceName=lo
Session\\DHTEnabled=false
Session\\LSDEnabled=false
Session\\PeXEnabled=false
Session\\BTProtocol=TCP
Session\\Encryption={crypto}
Session\\MultiConnectionsPerIp=true
Session\\QueueingSystemEnabled=false
Session\\DefaultSavePath={self.folder}
Session\\Preallocation=false
[Network]
PortForwardingEnabled=false
[Preferences]
Connection\\UPnP=false
WebUI\\Enabled=true
WebUI\\Address=127.0.0.1
WebUI\\Port={self.control}
WebUI\\LocalHostAuth=false
WebUI\\CSRFProtection=false
WebUI\\HostHeaderValidation=false
WebUI\\UseUPnP=false
""".lstrip().encode())
        self.stage.also_show(profile / "qBittorrent/data/logs/qbittorrent.log")
        self.program = self.stage.run(self.name, [
            "qbittorrent-nox", f"--profile={profile}", f"--webui-port={self.control}"])
        self.await_control()
        fields = {"savepath": str(self.folder), "autoTMM": "false", "paused": "false"}
        if str(what).startswith("magnet:"):
            fields["urls"] = str(what)
        body, kind = form(fields, None if "urls" in fields else Path(what))
        said = self.fetch("/api/v2/torrents/add", body, {"Content-Type": kind})
        if said != b"Ok.":
            raise CellFailed(f"{self.name}: it did not take the torrent: {said!r}")

    def poll(self):
        return json.loads(self.fetch("/api/v2/torrents/info"))

    def explain(self):
        row = self.poll()[0]
        trackers = self.fetch(f"/api/v2/torrents/trackers?hash={row['hash']}").decode()
        return f"{row['state']}, {row['completed']} bytes, trackers {trackers}"

    def done(self):
        rows = self.poll()
        if rows and rows[0]["state"] in ("error", "missingFiles"):
            raise CellFailed(f"{self.name}: {rows[0]['state']}")
        # A magnet without metadata has nothing left either.
        return bool(rows) and rows[0]["size"] > 0 and rows[0]["amount_left"] == 0 \
            and rows[0]["state"] in ("uploading", "stalledUP", "forcedUP", "queuedUP")

    def uploaded(self):
        return self.poll()[0]["uploaded"]


def form(fields, upload):
    """A multipart/form-data body and its content type."""
    edge, parts = "----swarmlet", []
    for name, value in fields.items():
        parts.append(f'--{edge}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'
                     f"{value}\r\n".encode())
    if upload:
        parts.append(f'--{edge}\r\nContent-Disposition: form-data; name="torrents"; '
                     'filename="a.torrent"\r\nContent-Type: application/x-bittorrent\r\n\r\n'
                     .encode() + upload.read_bytes() + b"\r\n")
    return b"".join(parts) + f"--{edge}--\r\n".encode(), f"multipart/form-data; boundary={edge}"


FOREIGN = {"transmission": Transmission, "aria2": Aria2, "libtorrent": Libtorrent,
           "qbittorrent": QBittorrent}

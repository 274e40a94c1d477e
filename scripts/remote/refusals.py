"""Bad input through real clients: one clear error each, and the daemon goes on."""

import json
import subprocess

from checks import CellFailed, holds, same
from daemon import SEEDING, Daemon
from props import Props

ESCAPES = "red\x1b[31m\x07.bin"


def play(check, tools, stage):
    props = Props(tools, stage, 5)
    one, other = props.file("one.bin", 300_000), props.file("other.bin", 200_000)
    props.seed(one, other)
    daemon = Daemon(stage, tools.peer, props.tracker.url).start()
    one_id, other_id = daemon.add(one.path), daemon.add(other.path)
    for number in (one_id, other_id):
        daemon.wait(number, "status", SEEDING)
    second(check, daemon)
    clients(check, daemon, one_id)
    bodies(check, daemon)
    doors(check, daemon)
    escapes(check, props, daemon)
    with check("after all this it still serves"):
        daemon.wait(one_id, "status", SEEDING, 5)
    corrupt(check, stage, daemon, one, other)


def second(check, daemon):
    with check("a second daemon on the folder ends with 8"):
        done = subprocess.run([str(word) for word in daemon.argv()], capture_output=True,
                              text=True, timeout=20, stdin=subprocess.DEVNULL)
        same(done.returncode, 8, "the exit status")
        holds(done.stderr, "in use by another peer daemon", str(daemon.config))
        same(len(done.stderr.strip().splitlines()), 1, "lines of error")
    with check("a second daemon at the remote control's port ends with 9"):
        words = [str(word) for word in daemon.argv()]
        words[words.index("127.0.0.1:0")] = daemon.at
        words[words.index("--config-dir") + 1] = str(daemon.stage.subfolder("other"))
        done = subprocess.run(words, capture_output=True, text=True, timeout=10,
                              stdin=subprocess.DEVNULL)
        same(done.returncode, 9, "the exit status")
        holds(done.stderr, daemon.at)


def clients(check, daemon, number):
    def refused(what, *words):
        with check(f"{what} is an error, exit 1"):
            before = daemon.torrents("id", "name")
            status, text = daemon.remote(*words)
            same(daemon.torrents("id", "name"), before, "the torrents")
            same(status, 1, f"the exit status (it said {text[:200]!r})")
            holds(text, "Error:")
    bad = daemon.stage.folder / "bad.torrent"
    bad.write_bytes(b"d4:infod4:name1:xee")
    refused("-a of a path that is not there", "-a", "/nonexistent")
    refused("-a of a .torrent that is not there", "-a", "/nonexistent/x.torrent")
    refused("-a of a file that is no torrent", "-a", bad)
    refused("-a of a magnet without a hash", "-a", "magnet:?dn=x")
    with check("-a of an address that nobody answers is an error, at once or of its torrent"):
        status, text = daemon.remote("-a", "http://127.0.0.1:1/x.torrent")
        if status == 0:
            added = max(row["id"] for row in daemon.torrents("id"))
            daemon.wait(added, "errorString", lambda text: "refused" in text, 10)
            same(daemon.torrent(added, "error"), 3, "error")
            daemon.does("-t", added, "-r")
    refused("-t ID -G of a file that is not there", "-t", number, "-G", "9")
    refused("-t ID -td of no URL", "-t", number, "-td", "notaurl")
    refused("-t ID -tr of a number that is not there", "-t", number, "-tr", "99")
    refused("-a -w of a relative folder", "-a", "magnet:?xt=urn:btih:" + "ab" * 20,
            "-w", "relative")
    refused("-t ID --move", "-t", number, "--move", "/tmp")


def bodies(check, daemon):
    def said(what, body, *words):
        with check(f"{what} is one clear error"):
            answer = daemon.ask(body)
            if answer.get("result") == "success" or "error" not in answer and \
                    not isinstance(answer.get("result"), str):
                raise CellFailed(f"the answer is {answer}")
            holds(json.dumps(answer), *words)
    said("an unknown method", {"method": "torrent-dance", "arguments": {}}, "method")
    said("a text for a number", {"method": "torrent-set", "arguments": {
        "ids": [1], "downloadLimit": "fast"}}, "downloadLimit")
    said("a number for a list", {"method": "torrent-get", "arguments": {
        "fields": 7}}, "fields")
    said("an object for ids", {"method": "torrent-stop", "arguments": {"ids": {"a": 1}}}, "ids")
    said("arguments that are a list", {"method": "session-set", "arguments": [1]}, "arguments")
    said("a negative limit", {"method": "session-set", "arguments": {
        "speed-limit-down": -5}}, "speed-limit-down")
    said("metainfo that is no base64", {"method": "torrent-add", "arguments": {
        "metainfo": "!!!"}}, "metainfo")
    said("torrent-add of nothing", {"method": "torrent-add", "arguments": {}}, "filename")
    said("a body that is no JSON", b"{not json")
    said("a deep body", b'{"method":' + b"[" * 4000 + b"]" * 4000 + b"}")
    with check("a script for the end of a download is refused, and the rest too"):
        answer = daemon.ask({"method": "session-set", "arguments": {
            "script-torrent-done-enabled": True, "speed-limit-up": 31}})
        holds(answer["result"], "script")
        if daemon.call("session-get")["speed-limit-up"] == 31:
            raise CellFailed("a part of it was carried out")


def doors(check, daemon):
    def curl(*words):
        done = subprocess.run(["curl", "-s", "-i", "--max-time", "10", *words,
                               f"http://{daemon.at}/transmission/rpc"],
                              capture_output=True, text=True, timeout=20)
        head = done.stdout.split("\r\n\r\n")[0]
        return int(head.split()[1]), head
    token = ("-H", f"X-Transmission-Session-Id: {daemon.session}")
    ask = ("-d", '{"method":"session-get"}')
    with check("Host: evil.test is answered 421"):
        status, head = curl("-H", "Host: evil.test", *token, *ask)
        same(status, 421, "the status")
        if "session-id" in head.lower():
            raise CellFailed(f"the session id is told: {head}")
    with check("Origin: http://evil.test is answered 403"):
        same(curl("-H", "Origin: http://evil.test", *token, *ask)[0], 403, "the status")
    with check("Sec-Fetch-Site: cross-site is answered 403"):
        same(curl("-H", "Sec-Fetch-Site: cross-site", *token, *ask)[0], 403, "the status")
    with check("without the session id it is 409, with the id in the head"):
        status, head = curl(*ask)
        same(status, 409, "the status")
        holds(head, daemon.session)
    with check("with it the answer is JSON, with the guards in the head"):
        status, head = curl(*token, *ask)
        same(status, 200, "the status")
        holds(head.lower(), "content-type: application/json", "x-content-type-options: nosniff",
              "x-frame-options: deny", "content-security-policy:", "cache-control: no-store")
        if "access-control-allow" in head.lower():
            raise CellFailed(f"CORS in {head}")
    with check("GET of the RPC is no success"):
        status, _ = curl(*token)
        if status not in (405, 400, 404):
            raise CellFailed(f"the status is {status}")
    with check("a body that is said to be huge is refused before it comes"):
        status, _ = curl(*token, "-H", "Content-Length: 99999999999", "-d", "{}")
        same(status, 413, "the status")


def escapes(check, props, daemon):
    with check("a name with escape codes cannot steer the terminal"):
        made = props.file(ESCAPES, 40_000)
        number = daemon.add(made.path, paused=True)
        shown = daemon.torrent(number, "name") + daemon.says("-l") + daemon.says("-t", number, "-f")
        daemon.call("torrent-remove", ids=[number])
        holds(shown, "red")
        for text in (shown, daemon.errors()):
            same([mark for mark in "\x1b\x07" if mark in text], [], "what steers the terminal")


def corrupt(check, stage, daemon, one, other):
    """What lies under `torrents` is the daemon's: names are read here, never made up."""
    daemon.call("torrent-set", ids=[one.hash, other.hash], labels=["kept"])
    daemon.stop()
    with check("a corrupt state file is set aside and named, and the torrent is checked anew"):
        broken = [path for path in (daemon.config / "torrents").iterdir()
                  if one.hash in path.name and path.suffix == ".json"]
        same(len(broken), 1, f"state files of {one.name}")
        broken[0].write_bytes(b'{"half a fi')
        daemon.start()
        daemon.wait(one.hash, "status", SEEDING)
        holds(daemon.errors(), "set aside", broken[0].name)
        same([p.read_bytes() for p in broken[0].parent.glob("*.bad")], [b'{"half a fi'], "*.bad")
    with check("the others keep what they had"):
        same(daemon.torrent(other.hash, "labels"), ["kept"], "labels")
    daemon.stop()
    with check("a .torrent of its own that is corrupt loses no other"):
        kept = [path for path in (daemon.config / "torrents").iterdir()
                if one.hash in path.name and path.suffix == ".torrent"]
        same(len(kept), 1, f".torrent files of {one.name}")
        kept[0].write_bytes(b"d4:infoi1ee")
        daemon.start()
        daemon.wait(other.hash, "status", SEEDING)
        holds(daemon.errors(), kept[0].name)
    with check("corrupt statistics are set aside too"):
        daemon.stop()
        (daemon.config / "statistics.json").write_bytes(b"\xff\xfe")
        daemon.start()
        holds(daemon.errors(), "statistics.json")
        daemon.wait(other.hash, "status", SEEDING)

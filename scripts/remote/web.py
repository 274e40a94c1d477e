"""Transmission's own web page, served by our daemon: its files, and in a real browser."""

import re
import subprocess
from pathlib import Path

from checks import CellFailed, holds, same
from daemon import SEEDING, Daemon
from props import Props

PAGES = Path("/usr/share/transmission/web")
TYPES = {".js": "javascript", ".css": "text/css", ".png": "image/png", ".html": "text/html",
         ".ico": "image/"}
# What the 3.00 page asks for when it draws its list.
FIELDS = """id addedDate name totalSize error errorString eta isFinished isStalled leftUntilDone
metadataPercentComplete peersConnected peersGettingFromUs peersSendingToUs percentDone
queuePosition rateDownload rateUpload recheckProgress seedRatioMode seedRatioLimit sizeWhenDone
status trackers downloadDir uploadedEver uploadRatio webseedsSendingToUs""".split()
NAME = "lecture slides 2024.bin"


def opened(tools, stage, seed):
    props = Props(tools, stage, seed)
    one = props.file(NAME, 300_000)
    props.seed(one)
    daemon = Daemon(stage, tools.peer, props.tracker.url).start("--web-home", PAGES)
    daemon.wait(daemon.add(one.path), "status", SEEDING)
    return daemon


def get(daemon, path, method="GET"):
    status, head, body = daemon.post(None, path=path, method=method)
    return status, head, body


def play(check, tools, stage):
    daemon = opened(tools, stage, 6)
    base = "/transmission/web/"
    with check("/transmission/web/ is the page"):
        status, head, body = get(daemon, base)
        same((status, body), (200, (PAGES / "index.html").read_bytes()), "the page")
        holds(head["Content-Type"], "text/html")
        guarded(head)
    with check("/transmission/web and /transmission/ lead there"):
        for path in ("/transmission/web", "/transmission/"):
            status, head, _ = get(daemon, path)
            if status not in (301, 302, 303, 307, 308) or not head["Location"].endswith(base):
                raise CellFailed(f"{path}: {status} {head['Location']}")
    with check("every file that the page names, with its type and the guards"):
        page = (PAGES / "index.html").read_text(errors="replace")
        named = sorted(set(re.findall(r'(?:href|src)="\./([^"?#]+)"', page)))
        if len(named) < 5:
            raise CellFailed(f"the page names only {named}")
        for name in named:
            if not (PAGES / name).exists():
                same(get(daemon, base + name)[0], 404, name)
                continue
            loads(daemon, base + name, PAGES / name)
    with check("every other file of the folder"):
        for path in sorted(PAGES.rglob("*")):
            if path.is_file() and not path.is_symlink():
                loads(daemon, base + str(path.relative_to(PAGES)), path)
    with check("HEAD of a file"):
        status, head, body = get(daemon, base + "index.html", "HEAD")
        same((status, body), (200, b""), "HEAD")
        same(head["Content-Length"], str((PAGES / "index.html").stat().st_size), "its length")
    with check("nothing outside of the folder"):
        for path in ("../../../etc/passwd", "%2e%2e/%2e%2e/%2e%2e/etc/passwd",
                     "..%2f..%2f..%2fetc/passwd", "//etc/passwd", "nothing.js", "images"):
            status, _, body = get(daemon, base + path)
            if status == 200 or b"root:" in body:
                raise CellFailed(f"{path}: {status}")
    with check("what the page asks for is answered, as objects and as a table"):
        row = daemon.call("torrent-get", fields=FIELDS)["torrents"][0]
        same(sorted(row), sorted(FIELDS), "the fields")
        head, line = daemon.call("torrent-get", fields=FIELDS, format="table")["torrents"]
        same((head, line[head.index("name")]), (FIELDS, NAME), "the table")
    with check("the page's first request is told the session id"):
        status, head, _ = daemon.post(b'{"method":"session-get"}', {
            "Origin": f"http://{daemon.at}", "Sec-Fetch-Site": "same-origin",
            "Content-Type": "json", "X-Requested-With": "XMLHttpRequest"})
        same((status, bool(head["X-Transmission-Session-Id"])), (409, True), "the answer")


def guarded(head):
    same(head["X-Content-Type-Options"], "nosniff", "X-Content-Type-Options")
    same(head["X-Frame-Options"], "DENY", "X-Frame-Options")
    same(head["Referrer-Policy"], "no-referrer", "Referrer-Policy")
    holds(head["Content-Security-Policy"] or "", "default-src 'self'", "frame-ancestors 'none'")


def loads(daemon, path, file):
    status, head, body = get(daemon, path.replace(" ", "%20"))
    same(status, 200, path)
    if body != file.read_bytes():
        raise CellFailed(f"{path} is not what the file holds")
    holds(head["Content-Type"], TYPES.get(file.suffix, ""))
    guarded(head)


def browse(check, tools, stage):
    daemon = opened(tools, stage, 7)
    url = f"http://{daemon.at}/transmission/web/"

    def chromium(name, *words):
        argv = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
                "--no-first-run", "--disable-background-networking", "--disable-component-update",
                "--disable-sync", f"--user-data-dir={stage.subfolder(name)}",
                "--virtual-time-budget=8000", "--window-size=1280,800", "--enable-logging=stderr",
                *words, url]
        done = subprocess.run(argv, capture_output=True, text=True, errors="replace", timeout=90,
                              stdin=subprocess.DEVNULL, cwd=stage.folder)
        return done.stdout, done.stderr
    with check("the torrent's name is drawn"):
        page, said = chromium("dump", "--dump-dom")
        if NAME not in page:
            raise CellFailed(f"no {NAME!r} in the page; the console: {console(said)}")
        holds(page, "Seeding")
    with check("the console has no error"):
        same(console(said), [], "the console")
    with check("the page speaks with the daemon by the session id"):
        holds(page, "1 Transfer", "300.0 kB, uploaded 0 B")
    with check("a picture can be taken"):
        picture = Path(tools.screenshot or stage.folder / "page.png").resolve()
        chromium("shot", f"--screenshot={picture}")
        if picture.stat().st_size < 10_000:
            raise CellFailed(f"it has {picture.stat().st_size} bytes")


def console(said):
    """Its lines without those that are no fault: jQuery asks whether handlers may stand in
    attributes, which our policy denies and the page never needs; an old name of a <meta>; and
    what chromium says of fonts when the machine is busy."""
    known = ("Executing inline event handler", "apple-mobile-web-app-capable", "Slow network")
    return [line for line in said.splitlines()
            if "CONSOLE" in line and not any(word in line for word in known)]

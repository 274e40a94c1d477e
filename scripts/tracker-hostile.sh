#!/usr/bin/env bash
# How long an honest caller waits for the tracker while 512 slow ones are connected: for a page, an
# announce over HTTP, and a LOOKUP in our own dialect.
#
#   scripts/tracker-hostile.sh [QUESTIONS] [--leak SECS]
#   TRACKER=path scripts/tracker-hostile.sh               a binary that is built already
#
# The slow ones send half a request and one more byte a second. The promise is 50 ms. With --leak,
# callers then come and go for so long, whole and broken off, and the tracker must have no more
# descriptors afterwards than before, and at most 4 MiB more memory.
set -euo pipefail
cd "$(dirname -- "${BASH_SOURCE[0]}")/.."
questions=500
leak=0
while (($#)); do
    case $1 in
        --leak)
            leak=${2:?seconds}
            shift
            ;;
        *) questions=$1 ;;
    esac
    shift
done
if [[ -z ${TRACKER:-} ]]; then
    cargo build --release --quiet --bin tracker
    TRACKER=target/release/tracker
fi
exec python3 - "$TRACKER" "$questions" "$leak" <<'PYTHON'
import json, os, re, socket, subprocess, sys, time

SLOW, PROMISE, GROWTH = 512, 0.050, 4 << 10
tracker, questions, leak = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
process = subprocess.Popen(
    [tracker, "--listen", "127.0.0.1:0", "--json", "-q"], stdout=subprocess.PIPE, text=True
)
ANNOUNCE = (
    "/announce?info_hash=" + "%07" * 20 + "&peer_id=" + "a" * 20
    + "&port=6881&uploaded=0&downloaded=0&left=1"
)
# SWT1, then a frame: its length, LOOKUP, a map of one, and the name.
LOOKUP = b"SWT1" + (9).to_bytes(4, "big") + b"\x18\x81\xa4name\xa1x"


def get(target):
    return f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()


try:
    at = ("127.0.0.1", json.loads(process.stdout.readline())["port"])

    def slow():
        caller = socket.create_connection(at)
        caller.sendall(b"GET /announce?info_hash=")
        caller.setblocking(False)
        return caller

    def ask(question, is_whole):
        start = time.monotonic()
        with socket.create_connection(at, timeout=10) as honest:
            honest.sendall(question)
            answer = b""
            while not is_whole(answer):
                part = honest.recv(65536)
                if not part:
                    raise SystemExit(f"the connection ended after {answer!r}")
                answer += part
        return time.monotonic() - start, answer

    def has_body(answer):
        head, _, body = answer.partition(b"\r\n\r\n")
        length = re.search(rb"Content-Length: (\d+)", head)
        return length and len(body) >= int(length[1])

    def is_frame(answer):
        return len(answer) >= 4 and len(answer) >= 4 + int.from_bytes(answer[:4], "big")

    def ask_all():
        took, answer = ask(get("/stats.json"), has_body)
        connections = json.loads(answer.partition(b"\r\n\r\n")[2])["connections"]
        announced, answer = ask(get(ANNOUNCE), has_body)
        assert b"8:interval" in answer, answer
        looked_up, answer = ask(LOOKUP, is_frame)
        assert answer[4] == 0x21, answer  # LISTING
        return {"page": took, "announce": announced, "LOOKUP": looked_up}, connections

    def is_open(caller, trickle):
        try:
            if trickle:
                caller.send(b"a")
            return caller.recv(1) != b""
        except BlockingIOError:
            return True
        except OSError:
            return False

    def usage():
        status = open(f"/proc/{process.pid}/status").read()
        memory = int(re.search(r"VmRSS:\s+(\d+)", status)[1])
        return len(os.listdir(f"/proc/{process.pid}/fd")), memory

    crowd, waits, fewest = [slow() for _ in range(SLOW)], {}, None
    trickled = time.monotonic()
    for _ in range(questions):
        trickle = time.monotonic() - trickled > 1
        if trickle:
            trickled = time.monotonic()
        for n, caller in enumerate(crowd):
            # Whoever's five seconds were over comes again.
            if not is_open(caller, trickle):
                caller.close()
                crowd[n] = slow()
        took, connections = ask_all()
        for what, wait in took.items():
            waits.setdefault(what, []).append(wait)
        fewest = min(fewest or connections, connections)
        time.sleep(0.02)
    print(f"{questions} questions beside {SLOW} slow callers, {fewest} connections at the least")
    is_kept = True
    for what, all_waits in waits.items():
        all_waits.sort()
        middle, worst = all_waits[len(all_waits) // 2], all_waits[-1]
        late = all_waits[int(len(all_waits) * 0.99)]
        print(f"{what:9}p50 {middle * 1e3:.1f} ms, p99 {late * 1e3:.1f} ms, worst {worst * 1e3:.1f} ms")
        is_kept = is_kept and worst <= PROMISE
    for caller in crowd:
        caller.close()
    if leak:
        end, callers = time.monotonic() + leak, 0
        ask_all()
        descriptors, memory = usage()
        while time.monotonic() < end:
            some = [slow() for _ in range(64)]
            ask_all()
            for caller in some:
                caller.close()
            callers += len(some) + 3
        # The last ones that broke off are noticed by then.
        deadline = time.monotonic() + 10
        while usage()[0] > descriptors and time.monotonic() < deadline:
            time.sleep(0.1)
        after, grown = usage()
        print(f"{callers} callers: descriptors {descriptors} to {after}, RSS {memory} to {grown} kB")
        is_kept = is_kept and after <= descriptors and grown <= memory + GROWTH
    sys.exit(0 if is_kept else 1)
finally:
    process.terminate()
    process.wait()
PYTHON

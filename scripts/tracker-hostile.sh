#!/usr/bin/env bash
# How long an honest HTTP caller waits for the tracker while 512 slow ones are connected.
#
#   scripts/tracker-hostile.sh [QUESTIONS]
#   TRACKER=path scripts/tracker-hostile.sh               a binary that is built already
#
# The slow ones send half a request and one more byte a second. The promise is 50 ms.
set -euo pipefail
cd "$(dirname -- "${BASH_SOURCE[0]}")/.."
if [[ -z ${TRACKER:-} ]]; then
    cargo build --release --quiet --bin tracker
    TRACKER=target/release/tracker
fi
exec python3 - "$TRACKER" "${1:-500}" <<'PYTHON'
import json, socket, subprocess, sys, time

SLOW, PROMISE = 512, 0.050
tracker, questions = sys.argv[1], int(sys.argv[2])
process = subprocess.Popen(
    [tracker, "--listen", "127.0.0.1:0", "--json", "-q"], stdout=subprocess.PIPE, text=True
)
try:
    at = ("127.0.0.1", json.loads(process.stdout.readline())["port"])

    def slow():
        caller = socket.create_connection(at)
        caller.sendall(b"GET /announce?info_hash=")
        caller.setblocking(False)
        return caller

    def ask():
        start = time.monotonic()
        with socket.create_connection(at, timeout=10) as honest:
            honest.sendall(b"GET /stats.json HTTP/1.1\r\nConnection: close\r\n\r\n")
            answer = b""
            while part := honest.recv(65536):
                answer += part
        took = time.monotonic() - start
        return took, json.loads(answer.partition(b"\r\n\r\n")[2])["connections"]

    def is_open(caller, trickle):
        try:
            if trickle:
                caller.send(b"a")
            return caller.recv(1) != b""
        except BlockingIOError:
            return True
        except OSError:
            return False

    crowd, waits, fewest = [slow() for _ in range(SLOW)], [], None
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
        took, connections = ask()
        waits.append(took)
        fewest = min(fewest or connections, connections)
        time.sleep(0.02)
    waits.sort()
    worst, middle = waits[-1], waits[len(waits) // 2]
    late = waits[int(len(waits) * 0.99)]
    print(f"{questions} questions beside {SLOW} slow callers, {fewest} connections at the least")
    print(f"p50 {middle * 1e3:.1f} ms, p99 {late * 1e3:.1f} ms, worst {worst * 1e3:.1f} ms")
    sys.exit(0 if worst <= PROMISE else 1)
finally:
    process.terminate()
    process.wait()
PYTHON

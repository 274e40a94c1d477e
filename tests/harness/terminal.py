"""A program at a terminal: waits for what it shows, types keys, and prints how it went as JSON.

python3 terminal.py '[["peer> ", "HELP\\r"], ["QUIT", "\\u0004"]]' PROGRAM WORD ..
"""
import json
import os
import pty
import select
import sys
import time

LIMIT = 30  # seconds, all in all


def main():
    steps, program = json.loads(sys.argv[1]), sys.argv[2:]
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ["TERM"] = "xterm"
        os.execv(program[0], program)
    end, seen, at = time.monotonic() + LIMIT, b"", 0

    def read():
        """More of what the program shows; false at its end."""
        nonlocal seen
        left = end - time.monotonic()
        ready, _, _ = select.select([terminal], [], [], max(left, 0))
        try:
            more = os.read(terminal, 4096) if ready else b""
        except OSError:  # how Linux says that nobody has the other end
            more = b""
        seen += more
        return bool(more)

    for wanted, keys in steps:
        while seen.find(wanted.encode(), at) < 0:
            if not read():
                break
        found = seen.find(wanted.encode(), at)
        if found < 0:
            print(json.dumps({"event": "missed", "wanted": wanted, "seen": seen.decode()}))
            os.kill(pid, 9)
            break
        at = found + len(wanted.encode())
        os.write(terminal, keys.encode())
    while read():
        pass
    if time.monotonic() >= end:
        os.kill(pid, 9)
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    print(json.dumps({"event": "ended", "exit": code, "seen": seen.decode()}))


main()

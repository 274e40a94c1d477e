#!/usr/bin/env bash
# The captures of the question sheets in docs/course/captures, and their answers.
#
#   scripts/course/captures.sh SHEET|all STUDENT-ID OUT-DIR             OUT-DIR/s1.pcapng ..
#   scripts/course/captures.sh --answers SHEET|all STUDENT-ID OUT-DIR   OUT-DIR/answers-s1.txt ..
#
#   SHEET                       s1, s2, .. s6
#   BINARIES=DIR                take the programs from DIR instead of building them
#
# The student's id decides what is in the captures: the first 32 bits of its SHA-256 are the seed.
# Answers are computed from a capture that is made anew, by tshark; that capture is not kept.
# It needs no rights. S2 is a real tracker with peers that follow a script, and takes some seconds;
# the others are simulated. S2 and --answers need python3, --answers needs tshark, too.
set -euo pipefail

usage() {
    sed -n '4,7s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
    exit 2
}

fail() {
    printf 'captures.sh: %s\n' "$*" >&2
    exit 1
}

answers=
if [ "${1:-}" = --answers ]; then
    answers=yes
    shift
fi
[ $# = 3 ] || usage
case ${1,,} in
    all) sheets='s1 s2 s3 s4 s5 s6' ;;
    s[1-6]) sheets=${1,,} ;;
    *) usage ;;
esac
student=$2
[ -n "$student" ] || usage
mkdir -p -- "$3"
to=$(cd -- "$3" && pwd)
cd "$(dirname -- "${BASH_SOURCE[0]}")/../.."

# needs COMMAND WHAT-FOR
needs() {
    command -v "$1" >/dev/null || fail "$2 needs $1, which is not on this machine: install it and try again"
}
if [ -n "$answers" ]; then
    needs tshark "--answers"
    needs python3 "--answers"
fi
case $sheets in *s2*) needs python3 "S2" ;; esac

if [ -n "${BINARIES:-}" ]; then
    bin=$BINARIES
else
    cargo build --release --quiet --bins
    bin=${CARGO_TARGET_DIR:-target}/release
fi

tracker=
work=

stop_tracker() {
    if [ -n "$tracker" ]; then
        kill -TERM "$tracker" 2>/dev/null || true
        wait "$tracker" 2>/dev/null || true
        tracker=
    fi
}

clean_up() {
    stop_tracker
    if [ -n "$work" ]; then
        rm -rf -- "$work"
    fi
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

work=$(mktemp -d "${TMPDIR:-/tmp}/swarmlet-captures.XXXXXX")

# The first 32 bits of a text's SHA-256.
number_of() {
    local sum
    if command -v sha256sum >/dev/null; then
        sum=$(printf '%s' "$1" | sha256sum)
    else
        sum=$(printf '%s' "$1" | shasum -a 256)
    fi
    printf '%d' "0x${sum:0:8}"
}

# draw WHAT LOW STEPS STEP: a number of the student's own: LOW, LOW + STEP, .. of so many.
draw() {
    printf '%d' $(($2 + $(number_of "$student/$sheet/$1") % $3 * $4))
}

# What differs from student to student in the scenario of a sheet.
changes() {
    local before
    case $sheet in
        s1) printf '%s\n' "content.size=$((4 * 65536 + $(draw size 17000 43000 1)))" "link.rtt=$(draw rtt 30 16 2)ms" ;;
        s3) printf '%s\n' "link.pipeline=$(draw ahead 3 4 1)" "link.rtt=$(draw rtt 60 16 4)ms" ;;
        s4)
            before=$(draw before 1 5 1)
            printf '%s\n' "before.count=$before" "behind.count=$((6 - before))"
            ;;
        s5) printf '%s\n' "late.join=at $(draw late 2500 11 100)ms" "link.rtt=$(draw rtt 30 16 2)ms" ;;
        s6) printf '%s\n' "content.pieces=$(draw pieces 10 7 1)" "link.rtt=$(draw rtt 30 16 2)ms" ;;
    esac
}

# simulate OUT: the capture of a simulated swarm.
simulate() {
    local sets=("--set" "seeds=[$seed]") change
    while IFS= read -r change; do
        sets+=(--set "$change")
    done < <(changes)
    "$bin/lab" run "docs/course/captures/$sheet.toml" "${sets[@]}" --trace --quiet --out "$work/$sheet" >/dev/null
    "$bin/lab" pcap "$work/$sheet/events.jsonl" --out "$1" 2>"$work/said" || fail "$(cat "$work/said")"
}

# record OUT: a real tracker's datagrams.
record() {
    local keepalive tries port=
    keepalive=$(draw keepalive 400 5 50)
    "$bin/tracker" --listen 127.0.0.1:0 --keepalive "${keepalive}ms" --expire "$((3 * keepalive))ms" --json \
        >"$work/tracker" 2>"$work/said" &
    tracker=$!
    for ((tries = 0; tries < 100; tries++)); do
        port=$(sed -n 's/.*"port":\([0-9]*\).*/\1/p' "$work/tracker" | head -n 1)
        [ -z "$port" ] || break
        sleep 0.05
    done
    [ -n "$port" ] || fail "the tracker does not start: $(cat "$work/said")"
    python3 scripts/course/captures/tracker_talk.py "$port" "$1" "$seed" "0.$keepalive" ||
        fail "nothing was recorded of the tracker"
    stop_tracker
}

seed=$(number_of "$student")
for sheet in $sheets; do
    capture=$to/$sheet.pcapng
    [ -z "$answers" ] || capture=$work/$sheet.pcapng
    if [ "$sheet" = s2 ]; then
        record "$capture"
    else
        simulate "$capture"
    fi
    if [ -n "$answers" ]; then
        {
            printf '%s, %s\n\n' "${sheet^^}" "$student"
            python3 scripts/course/captures "$sheet" "$capture"
        } >"$work/answers" || fail "$sheet of $student has no answers"
        mv -- "$work/answers" "$to/answers-$sheet.txt"
        printf '%s\n' "$to/answers-$sheet.txt"
    else
        printf '%s\n' "$capture"
    fi
done

#!/usr/bin/env bash
# One tracker, one seeder and three leechers on this machine, each a process of its own.
#
#   scripts/demo.sh [FILE]      shares FILE, or a file of random bytes made for the purpose
#
#   SIZE_MIB=256                size of the generated file, in MiB
#   LEECHERS=3                  how many leechers
#   DEADLINE=120                seconds after which the demo has failed
#   BIN_DIR=DIR                 take the programs from DIR instead of building them
#
# Their status lines are labelled [tracker], [seed], [leech 1] and so on.
# The demo succeeds only if every leecher ends with the very bytes that were shared.
# It leaves no process and no file behind, also when it is interrupted.
set -euo pipefail

readonly size_mib=${SIZE_MIB:-256} leechers=${LEECHERS:-3} deadline=${DEADLINE:-120}

fail() {
    printf 'demo: %s\n' "$*" >&2
    exit 1
}

(($# <= 1)) || fail "usage: scripts/demo.sh [FILE]"
if (($# == 1)); then
    if ! [ -f "$1" ] || ! [ -r "$1" ]; then
        fail "cannot read $1: is it a file?"
    fi
    shared=$(cd "$(dirname -- "$1")" && pwd)/$(basename -- "$1")
fi
cd "$(dirname -- "${BASH_SOURCE[0]}")/.."

if [ -n "${BIN_DIR:-}" ]; then
    bin=$BIN_DIR
else
    cargo build --release --quiet --bins
    bin=${CARGO_TARGET_DIR:-target}/release
fi

pids=()
dir=

# Ends every process that was started here, by its number: kindly, then firmly.
stop_all() {
    local pid tries
    ((${#pids[@]})) || return 0
    kill -TERM "${pids[@]}" 2>/dev/null || true
    for ((tries = 0; tries < 50; tries++)); do
        any_alive || break
        sleep 0.1
    done
    for pid in "${pids[@]}"; do
        if kill -KILL "$pid" 2>/dev/null; then
            printf 'demo: process %s did not stop by itself\n' "$pid" >&2
        fi
        wait "$pid" 2>/dev/null || true
    done
    pids=()
}

any_alive() {
    local pid
    for pid in "${pids[@]}"; do
        if kill -0 "$pid" 2>/dev/null; then
            return 0
        fi
    done
    return 1
}

clean_up() {
    stop_all
    if [ -n "$dir" ]; then
        rm -rf -- "$dir"
    fi
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

dir=$(mktemp -d "${TMPDIR:-/tmp}/swarmlet-demo.XXXXXX")

# Puts a label before every line.
label() {
    local line
    while IFS= read -r line; do
        printf '[%s] %s\n' "$1" "$line"
    done
}

# start LABEL EVENTS COMMAND...: runs it in the background, its events in a file.
start() {
    local name=$1 events=$2
    shift 2
    "$@" --json >"$events" 2> >(trap '' INT && label "$name" >&2) &
    pids+=($!)
}

# wait_for WHAT FILE PID LABEL: until the event is in the file, the process is gone or time is up.
wait_for() {
    while ! grep -q "\"event\":\"$1\"" "$2" 2>/dev/null; do
        kill -0 "$3" 2>/dev/null || grep -q "\"event\":\"$1\"" "$2" 2>/dev/null ||
            fail "$4 ended before it was done"
        ((SECONDS < deadline)) || fail "$4 was not done after $deadline s"
        sleep 0.05
    done
}

# field NAME FILE EVENT: a number or a plain text of the first such event.
field() {
    grep "\"event\":\"$3\"" "$2" | head -n 1 | sed -n "s/.*\"$1\":\"\{0,1\}\([^,\"}]*\).*/\1/p"
}

if [ -z "${shared:-}" ]; then
    mkdir "$dir/shared"
    shared=$dir/shared/demo-$size_mib-MiB.bin
    printf 'demo: making a file of %s MiB\n' "$size_mib" >&2
    head -c "$((size_mib * 1024 * 1024))" /dev/urandom >"$shared"
fi
name=$(basename -- "$shared")

SECONDS=0
start tracker "$dir/tracker.jsonl" "$bin/tracker" --listen 127.0.0.1:0
wait_for start "$dir/tracker.jsonl" "${pids[0]}" "the tracker"
tracker=127.0.0.1:$(field port "$dir/tracker.jsonl" start)

start seed "$dir/seed.jsonl" \
    "$bin/peer" --seed "$shared" --tracker "$tracker" --port 0
for ((i = 1; i <= leechers; i++)); do
    start "leech $i" "$dir/leech-$i.jsonl" \
        "$bin/peer" --leech "$name" --tracker "$tracker" --port 0 \
        --download-dir "$dir/leech-$i"
done
for ((i = 1; i <= leechers; i++)); do
    wait_for "done" "$dir/leech-$i.jsonl" "${pids[i + 1]}" "leecher $i"
done

for ((i = 1; i <= leechers; i++)); do
    cmp -- "$shared" "$dir/leech-$i/$name" || fail "leecher $i has other bytes than the seeder"
done

# stop_well PID...: asks processes to end, which all must do in time and with code 0.
stop_well() {
    local pid code until=$((SECONDS + 5))
    for pid; do
        kill -TERM "$pid" 2>/dev/null || fail "process $pid ended before it was asked to"
    done
    for pid; do
        while kill -0 "$pid" 2>/dev/null; do
            ((SECONDS < until)) || fail "process $pid does not stop"
            sleep 0.05
        done
        code=0
        wait "$pid" || code=$?
        ((code == 0)) || fail "process $pid ended with code $code"
    done
}

# The tracker goes last, so that the peers can tell it that they leave.
stop_well "${pids[@]:1}"
stop_well "${pids[0]}"
pids=()

printf '\n%-10s %12s %9s %12s %8s\n' peer MB seconds MB/s sources
for ((i = 1; i <= leechers; i++)); do
    events=$dir/leech-$i.jsonl
    awk -v peer="leech $i" -v bytes="$(field fetched "$events" "done")" \
        -v secs="$(field secs "$events" "done")" -v rate="$(field rate "$events" "done")" \
        -v sources="$(field sources "$events" "done")" \
        'BEGIN { printf "%-10s %12.1f %9.2f %12.1f %8d\n", peer, bytes / 1e6, secs, rate / 1e6, sources }'
done
printf 'demo: %s leechers have the same bytes as the seeder\n' "$leechers"

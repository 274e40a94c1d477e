#!/usr/bin/env bash
# The clock on the wall jumps by a day, back and forth, while a file is shared: nothing happens.
#
#   scripts/faults/clock.sh
#   BIN_DIR=DIR scripts/faults/clock.sh     programs that are built already; default: a release build
#
# It takes libfaketime (Debian: faketime); without it, it ends with 77.
set -euo pipefail
cd "$(dirname -- "${BASH_SOURCE[0]}")/../.."

fake=
for path in /usr/lib/*/faketime/libfaketimeMT.so.1 /usr/lib/faketime/libfaketimeMT.so.1; do
    if [[ -e $path ]]; then fake=$path; fi
done
[[ -n $fake ]] || { echo "NOT RUN: libfaketime is missing (package faketime)"; exit 77; }
# shellcheck source=scripts/faults/lib/programs.sh
. scripts/faults/lib/programs.sh
find_programs

work=$(mktemp -d)
tracker='' seeder='' leecher=''
# shellcheck disable=SC2317,SC2329  # the trap calls it
finish() {
    end "$leecher" "$seeder" "$tracker"
    rm -rf -- "$work"
}
trap finish EXIT
jump() { echo "$1" >"$work/clock.new" && mv "$work/clock.new" "$work/clock"; }
# The clock that only ever goes on is left alone: no system turns that back.
faked() {
    exec env LD_PRELOAD="$fake" FAKETIME_TIMESTAMP_FILE="$work/clock" FAKETIME_NO_CACHE=1 \
        FAKETIME_DONT_FAKE_MONOTONIC=1 "$@"
}

jump +0
mkdir "$work/src"
head -c $((24 << 20)) /dev/urandom >"$work/src/film.bin"
faked "$bin/tracker" --listen 127.0.0.1:0 --json --keepalive 1s --expire 3s >"$work/t.json" 2>"$work/t.log" &
tracker=$!
port "$work/t.json"
at=127.0.0.1:$found
faked "$bin/peer" --seed "$work/src/film.bin" -t "$at" --bind 127.0.0.1 -p 0 --uplimit 3M --json \
    >"$work/s.json" 2>"$work/s.log" &
seeder=$!
await "$work/s.json" '"event":"registered"' "$seeder"
faked "$bin/peer" --leech film.bin -t "$at" --bind 127.0.0.1 -p 0 -w "$work/out" --seed-time 0 --json \
    --log-level debug --logfile "$work/l.log" >"$work/l.json" 2>"$work/l.err" &
leecher=$!
jumps=0
while kill -0 "$leecher" 2>/dev/null; do
    pause 0.7
    if ((jumps % 2)); then jump -86400; else jump +86400; fi
    jumps=$((jumps + 1))
    ((jumps < 100)) || break
done
code=0
((jumps < 100)) && { wait "$leecher" || code=$?; }
leecher=''
days=$(cut -c2-11 "$work/l.log" | grep -c '^20' || true)
days="$days lines of $(cut -c2-11 "$work/l.log" | grep '^20' | sort -u | wc -l) days"
lost=$(cat "$work"/*.json | grep -c '"event":"tracker_lost"\|"connected":false' || true)
echo "clock     $jumps jumps of a day or two; the log has $days; exit $code"
result=0
if ((code != 0 || jumps >= 100)) || ! cmp -s "$work/src/film.bin" "$work/out/film.bin"; then
    echo "FAILED: the download did not end well"
    tail "$work/l.err" "$work/l.log"
    result=1
fi
if (($(cut -c2-11 "$work/l.log" | grep '^20' | sort -u | wc -l) < 2)); then
    echo "FAILED: the clock never jumped for the program"
    result=1
fi
for id in $tracker $seeder; do kill -0 "$id" || result=1; done
if grep -h 'no tracker\|does not answer\|panicked' "$work"/*.log "$work/l.err"; then result=1; fi
echo "clock     $lost connections were lost meanwhile"
exit "$result"

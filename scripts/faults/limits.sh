#!/usr/bin/env bash
# Little of everything: a seeder and a leecher that may have forty threads among a hundred peers,
# peers that may have too few threads to begin, and a download of 1 GiB in 128 MiB of memory.
#
#   scripts/faults/limits.sh [threads] [few] [memory]     default: all of them
#
#   BIN_DIR=DIR     programs that are built already; default: a release build
#   PEERS=100       how many
#   MEBIBYTES=1024  how much is fetched in 128 MiB
#
# It makes control groups (version 1 or 2), which takes root; without them it ends with 77.
set -euo pipefail
cd "$(dirname -- "${BASH_SOURCE[0]}")/../.."

peers=${PEERS:-100} mebibytes=${MEBIBYTES:-1024}
# shellcheck source=scripts/faults/lib/programs.sh
. scripts/faults/lib/programs.sh
find_programs
work=$(mktemp -d)
running=() groups=()
# shellcheck disable=SC2317,SC2329  # the trap calls it
finish() {
    end "${running[@]}"
    for group in "${groups[@]}"; do rmdir "$group" || true; done
    rm -rf -- "$work"
}
trap finish EXIT

# group NAME CONTROLLER FILES VALUE: makes a group with one limit; sets $group.
group() {
    local base file
    for base in /sys/fs/cgroup /sys/fs/cgroup/"$2"; do
        group=$base/swarmlet-$1-$$
        mkdir "$group" 2>/dev/null || continue
        for file in $3; do
            if [[ -e $group/$file ]] && echo "$4" 2>/dev/null >"$group/$file"; then
                groups+=("$group")
                return 0
            fi
        done
        rmdir "$group"
    done
    echo "NOT RUN: no control group for $2 may be made"
    return 1
}

# within GROUP COMMAND ..: a program in a group.
within() {
    echo "$BASHPID" >"$1/cgroup.procs"
    shift
    exec "$@"
}

start_tracker() {
    "$bin/tracker" --listen 127.0.0.1:0 --json --keepalive 2s --expire 1h >"$work/t.json" 2>"$work/t.log" &
    running+=($!)
    port "$work/t.json"
    at=127.0.0.1:$found
}

# Who is registered at the tracker.
registered() { curl -s "http://$at/metrics" | awk '$1 == "swarmlet_tracker_peers" { print $2 }'; }

threads() {
    local seeder small n failed=0 ids=() most=0 now
    group seeder pids pids.max 40 || return 77
    local of_seeder=$group
    group leecher pids pids.max 40 || return 77
    local of_leecher=$group
    head -c $((4 << 20)) /dev/urandom >"$work/src/film.bin"
    start_tracker
    within "$of_seeder" "$bin/peer" --seed "$work/src/film.bin" -t "$at" --bind 127.0.0.1 -p 0 --json \
        >"$work/s.json" 2>"$work/s.log" &
    seeder=$!
    running+=("$seeder")
    await "$work/s.json" '"event":"registered"' "$seeder"
    within "$of_leecher" "$bin/peer" --leech film.bin -t "$at" --bind 127.0.0.1 -p 0 -w "$work/small" \
        --downlimit 400k --json >"$work/l.json" 2>"$work/l.log" &
    small=$!
    running+=("$small")
    for n in $(seq "$peers"); do
        "$bin/peer" --leech film.bin -t "$at" --bind 127.0.0.1 -p 0 -w "$work/out-$n" --seed-time 20 -q \
            2>>"$work/others.log" &
        ids+=($!)
        running+=($!)
    done
    for n in $(seq 1200); do
        now=$(awk '$1 == "Threads:" { print $2 }' "/proc/$seeder/status")
        ((now <= most)) || most=$now
        grep -q '"event":"done"' "$work/l.json" && break
        pause 0.1
    done
    grep -q '"event":"done"' "$work/l.json" || { echo "FAILED: the small leecher is not done"; failed=1; }
    # It is told to stop while it has no thread to spare.
    for id in "$small" "$seeder"; do
        kill "$id"
        code=0
        wait "$id" || code=$?
        ((code == 0)) || { echo "FAILED: exit $code"; failed=1; }
    done
    for n in $(seq "$peers"); do
        code=0
        wait "${ids[n - 1]}" || code=$?
        if ((code != 0)) || ! cmp -s "$work/src/film.bin" "$work/out-$n/film.bin"; then
            echo "FAILED: peer $n, exit $code"
            failed=1
        fi
    done
    cmp "$work/src/film.bin" "$work/small/film.bin" || failed=1
    if grep -h panicked "$work"/*.log; then failed=1; fi
    refused=$(cat "$work/s.log" "$work/l.log" | grep -c 'accepting failed\|no thread' || true)
    echo "threads   40 allowed, $peers peers, at most $most at the seeder; $refused times there was none left; $(registered) stayed registered"
    (($(registered) == 0)) || { echo "FAILED: somebody went without a word"; failed=1; }
    return "$failed"
}

# Whoever has too few threads says so and ends, however far it came.
few() {
    local most code failed=0
    head -c 100000 /dev/urandom >"$work/src/film.bin"
    group few pids pids.max 40 || return 77
    for most in $(seq 3 16); do
        echo "$most" >"$group/pids.max"
        code=0
        # The one who waits for it counts as two.
        within "$group" timeout -k 1 5 "$bin/peer" --seed "$work/src/film.bin" -t 127.0.0.1:1 \
            --bind 127.0.0.1 -p 0 2>"$work/few.log" &
        wait $! || code=$?
        if ((code >= 124)) && ! grep -q 'serving' "$work/few.log"; then
            echo "FAILED: with $most threads it neither begins nor ends: exit $code"
            tail -2 "$work/few.log"
            failed=1
        fi
    done
    echo "few       3 to 16 threads: it says that there are too few, or serves"
    return "$failed"
}

memory() {
    local leecher seeder code=0 failed=0 killed
    if [[ $(stat -f -c %T "$work") == tmpfs ]]; then
        echo "NOT RUN: $work is in memory itself; set TMPDIR to a disk"
        return 77
    fi
    group memory memory "memory.max memory.limit_in_bytes" $((128 << 20)) || return 77
    head -c $((mebibytes << 20)) /dev/urandom >"$work/src/film.bin"
    start_tracker
    "$bin/peer" --seed "$work/src/film.bin" -t "$at" --bind 127.0.0.1 -p 0 --json >"$work/s.json" 2>"$work/s.log" &
    seeder=$!
    running+=("$seeder")
    await "$work/s.json" '"event":"registered"' "$seeder"
    SECONDS=0
    within "$group" "$bin/peer" --leech film.bin -t "$at" --bind 127.0.0.1 -p 0 -w "$work/out" --json \
        --seed-time 3 >"$work/l.json" 2>"$work/l.log" &
    leecher=$!
    running+=("$leecher")
    until grep -q '"event":"done"' "$work/l.json" || ! kill -0 "$leecher" 2>/dev/null; do pause 0.2; done
    own=$(awk '$1 == "RssAnon:" { print $2 / 1024 }' "/proc/$leecher/status" 2>/dev/null || true)
    took=$SECONDS
    wait "$leecher" || code=$?
    killed=$(cat "$group"/memory.events "$group"/memory.oom_control 2>/dev/null | awk '$1 == "oom_kill" { print $2 }')
    echo "memory    $mebibytes MiB in 128 MiB: exit $code after $took s, ${own:-?} MiB of its own, ${killed:-0} killed for want of memory"
    if ((code != 0 || ${killed:-0} > 0)) || ! cmp "$work/src/film.bin" "$work/out/film.bin"; then failed=1; fi
    ((failed == 0)) || tail "$work/l.log"
    return "$failed"
}

(($# > 0)) || set -- threads few memory
result=0
for part; do
    mkdir -p "$work/src"
    code=0
    case $part in
        threads) threads || code=$? ;;
        few) few || code=$? ;;
        memory) memory || code=$? ;;
        *) echo "no such part: $part" >&2; exit 2 ;;
    esac
    end "${running[@]}"
    running=()
    rm -rf -- "${work:?}"/*
    ((code == 0 || result == 1)) || result=$((code == 77 ? 77 : 1))
done
exit "$result"

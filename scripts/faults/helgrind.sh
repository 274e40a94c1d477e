#!/usr/bin/env bash
# One download with the leecher, then one with the seeder, under valgrind's helgrind; prints how many
# reports each has, and which functions of ours stand on top of them.
#
#   scripts/faults/helgrind.sh [FOLDER WITH peer AND tracker]        target/debug unless given
#
# Helgrind knows pthreads only: locks and atomics that are a futex or an instruction are races to it.
# The numbers are for people to look at; the script fails only if the download does. Where valgrind
# itself ends a program (rustix reads the vDSO, whose place valgrind hides), that is said, and what was
# seen until then is counted.
set -euo pipefail
cd "$(dirname "$0")/../.."
bin=$(realpath "${1:-target/debug}")
command -v valgrind >/dev/null || { echo "NOT RUN: valgrind is not installed" >&2; exit 0; }
work=$(mktemp -d)
pids=()
finish() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    rm -rf "$work"
}
trap finish EXIT

port_of() { # FILE: waits for the start event in it
    for _ in $(seq 600); do
        port=$(grep -o '"event":"start".*"port":[0-9]*' "$1" 2>/dev/null | grep -o '[0-9]*$' | head -1 || true)
        [ -n "$port" ] && { echo "$port"; return; }
        sleep 0.5
    done
    return 1
}
head -c 300000 /dev/urandom > "$work/file.bin"
"$bin/peer" create "$work/file.bin" -o "$work/file.torrent" -q -s 16KiB
"$bin/tracker" --listen 127.0.0.1:0 --json > "$work/tracker.json" 2>/dev/null &
pids+=($!)
tracker=127.0.0.1:$(port_of "$work/tracker.json")

run() { # NAME SEEDER LEECHER: each is "plain" or "watched"
    local name=$1 seeder=() leecher=()
    local watched=(valgrind --tool=helgrind -q "--log-file=$work/$1.log")
    [ "$2" = watched ] && seeder=("${watched[@]}")
    [ "$3" = watched ] && leecher=("${watched[@]}")
    mkdir -p "$work/$name"
    "${seeder[@]}" "$bin/peer" --seed "$work/file.bin" --piece-length 16KiB --json --port 0 \
        --tracker "$tracker" > "$work/$name.seed.json" 2>/dev/null &
    local seed=$!
    pids+=("$seed")
    port_of "$work/$name.seed.json" >/dev/null
    "${leecher[@]}" "$bin/peer" --leech "$work/file.torrent" --json --port 0 \
        --seed-time 0 --tracker "$tracker" --download-dir "$work/$name" > "$work/$name.json" 2>&1 || true
    kill "$seed" 2>/dev/null || true
    wait "$seed" 2>/dev/null || true
    if grep -q 'auxv::check_elf_base' "$work/$name.log"; then
        echo "NOT RUN to its end: $name: valgrind ended it where rustix looks at the vDSO"
    else
        cmp "$work/file.bin" "$work/$name/file.bin"
    fi
    local races locks
    races=$(grep -c 'Possible data race' "$work/$name.log" || true)
    locks=$(grep -c 'lock order' "$work/$name.log" || true)
    echo "$name: $races possible races, $locks lock orders"
    grep -A3 'Possible data race' "$work/$name.log" | grep -oE ' at 0x[0-9A-F]+: [^(]*' |
        sed 's/.*: //' | sort | uniq -c | sort -rn | head -n 12 || true
}

run leecher plain watched
run seeder watched plain

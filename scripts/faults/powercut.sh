#!/usr/bin/env bash
# Cuts the power of a disk under a download, again and again: no file may have its name with bytes in it
# that never reached the disk.
#
#   scripts/faults/powercut.sh              as root; needs loop devices and mkfs.ext4
#   CUTS=200 scripts/faults/powercut.sh     so many cuts (default 10)
#
#   BIN_DIR=path      where peer and tracker are built already (default: built here)
#   SEED=N            the dice for the moments
#
# The disk is an ext4 in a file. A copy of that file at a random moment is what a disk holds after the
# power went: what the kernel had not written by then is not in it. The copy is mounted, which replays
# its journal, every file with its final name is compared, and the download goes on there to its end.
set -euo pipefail
cd "$(dirname -- "${BASH_SOURCE[0]}")/../.."

if [[ -z ${BIN_DIR:-} ]]; then
    cargo build --release --quiet --locked
    BIN_DIR=target/release
fi
export BIN_DIR
if [[ -z ${IN_OWN_MOUNTS:-} ]]; then
    if ! command -v mkfs.ext4 >/dev/null; then
        echo "NOT RUN: mkfs.ext4 is missing (package e2fsprogs)"
        exit 0
    fi
    if ! unshare -m true 2>/dev/null; then
        echo "NOT RUN: no mounts of its own (it takes root)"
        exit 0
    fi
    IN_OWN_MOUNTS=yes exec unshare -m "$0"
fi

CUTS=${CUTS:-10} RANDOM=${SEED:-1}
FILES=12 SIZE=1500000
work=$(mktemp -d)
children=()
end() {
    for child in "${children[@]}"; do
        kill -KILL "$child" 2>/dev/null || true
    done
    wait 2>/dev/null || true
    umount "$work/after" 2>/dev/null || true
    umount "$work/disk" 2>/dev/null || true
    rm -rf -- "$work"
}
trap end EXIT

mkdir -p "$work/src/album" "$work/disk" "$work/after"
for n in $(seq "$FILES"); do
    head -c "$SIZE" /dev/urandom >"$work/src/album/$n.bin"
done
"$BIN_DIR/tracker" --listen 127.0.0.1:0 --json -q >"$work/tracker.json" &
children+=($!)
until [[ -s $work/tracker.json ]]; do sleep 0.1; done
tracker=127.0.0.1:$(sed -n 's/.*"port":\([0-9]*\).*/\1/p;q' "$work/tracker.json")
"$BIN_DIR/peer" --seed "$work/src/album" --tracker "$tracker" --port 0 --json --piece-length 64KiB \
    >"$work/seeder.json" 2>/dev/null &
children+=($!)
until grep -q '"registered"' "$work/seeder.json"; do sleep 0.1; done

# What a leecher into a folder is told.
words_for() {
    leech=("$BIN_DIR/peer" --leech album --tracker "$tracker" --port 0 -w "$1" --timeout 30s)
}

# Names are durable within a second; what is in the files need not be: that is up to us.
new_disk() {
    truncate -s 64M "$work/disk.img"
    mkfs.ext4 -q -F "$work/disk.img"
    mount -o loop,commit=1 "$work/disk.img" "$work/disk"
    words_for "$work/disk"
    "${leech[@]}" --downlimit 4M >/dev/null 2>"$work/said" &
    user=$!
    children+=("$user")
}

old_disk() {
    kill -KILL "$user" 2>/dev/null || true
    wait "$user" 2>/dev/null || true
    unset 'children[-1]'
    umount "$work/disk"
    rm -f -- "$work/disk.img"
}

# look NUMBER: what a disk holds after the power went, and whether the download goes on from there.
look() {
    if ! mount -o loop "$work/after-$1.img" "$work/after"; then
        unmountable=$((unmountable + 1)) # copied while it was written: that says nothing of us
        return
    fi
    local here=0 code=0 file name
    for file in "$work"/src/album/*.bin; do
        name=$work/after/album/${file##*/}
        [[ -e $name ]] || continue
        here=$((here + 1))
        if ! cmp -s "$file" "$name"; then
            echo "FAILED: cut $1: album/${file##*/} has its name and not its bytes"
            wrong=$((wrong + 1))
        fi
    done
    named=$((named + here))
    words_for "$work/after"
    timeout -s KILL 120 "${leech[@]}" --seed-time 0 >/dev/null 2>"$work/again" || code=$?
    if [[ $code != 0 ]] || ! diff -r "$work/src/album" "$work/after/album" >/dev/null; then
        echo "FAILED: cut $1: the next run ends with $code: $(tail -n 1 "$work/again")"
        wrong=$((wrong + 1))
    fi
    umount "$work/after"
    rm -f -- "$work/after-$1.img"
    printf 'cut %d: %d of %d files had their names; %d faults so far\n' "$1" "$here" "$FILES" "$wrong"
}

cut=0 wrong=0 named=0 unmountable=0
while [[ $cut -lt $CUTS ]]; do
    new_disk
    first=$((cut + 1))
    until compgen -G "$work/disk/album/*" >/dev/null; do sleep 0.1; done
    for _ in 1 2 3 4 5 6 7 8; do
        [[ $cut -lt $CUTS ]] || break
        cut=$((cut + 1))
        sleep "$((RANDOM % 2)).$((RANDOM % 900 + 100))"
        cp --sparse=always "$work/disk.img" "$work/after-$cut.img"
    done
    old_disk
    for number in $(seq "$first" "$cut"); do
        look "$number"
    done
done
printf '%d cuts, %d names looked at, %d wrong, %d copies that no mount took\n' \
    "$cut" "$named" "$wrong" "$unmountable"
[[ $wrong == 0 ]]

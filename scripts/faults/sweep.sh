#!/usr/bin/env bash
# Lets every system call that touches a download fail, one after the other, and looks what comes of it.
#
#   scripts/faults/sweep.sh
#   CALLS="pwritev renameat2" ERRORS=EIO MOST=20 scripts/faults/sweep.sh
#
#   BIN_DIR=path      where peer and tracker are built already (default: built here)
#   MOST=N            give up on a call after its N-th (default 300)
#   JOBS=N            so many at a time (default 4)
#
# For each call and error the first call of every thread fails, then the second, and so on, until
# none fires any more. Who still waits for his disk after half a minute is told to stop. Each time: nobody dies of a signal, the program ends with 0 or 8, no file has
# its name with wrong bytes in it, and the same command without faults completes.
set -euo pipefail
cd "$(dirname -- "${BASH_SOURCE[0]}")/../.."

if ! strace -f --seccomp-bpf -qq -e inject=getppid:error=EIO true 2>/dev/null; then
    echo "NOT RUN: no strace that may inject errors (package strace)"
    exit 0
fi
if [[ -z ${BIN_DIR:-} ]]; then
    cargo build --release --quiet --locked
    BIN_DIR=target/release
fi
export PEER=$BIN_DIR/peer
CALLS=${CALLS:-pwritev pread64 fallocate ftruncate msync fdatasync fsync renameat2 openat2 madvise lseek}
ERRORS=${ERRORS:-EIO ENOSPC}
MOST=${MOST:-300} JOBS=${JOBS:-4}

work=$(mktemp -d)
export work
children=()
end() {
    for child in "${children[@]}"; do
        kill "$child" 2>/dev/null || true
    done
    rm -rf -- "$work"
}
trap end EXIT

mkdir -p "$work/src/album"
for n in 1 2 3; do
    head -c 700000 /dev/urandom >"$work/src/album/$n.bin"
done
"$BIN_DIR/tracker" --listen 127.0.0.1:0 --json -q >"$work/tracker.json" &
children+=($!)
until [[ -s $work/tracker.json ]]; do sleep 0.1; done
TRACKER=127.0.0.1:$(sed -n 's/.*"port":\([0-9]*\).*/\1/p;q' "$work/tracker.json")
export TRACKER
"$PEER" --seed "$work/src/album" --tracker "$TRACKER" --port 0 --json --piece-length 64KiB \
    --uplimit 4M >"$work/seeder.json" 2>/dev/null &
children+=($!)
until grep -q '"registered"' "$work/seeder.json"; do sleep 0.1; done

# one CALL ERROR NUMBER: fails that call; prints what came of it, and ends with 1 if it is wrong.
one() {
    local call=$1 error=$2 number=$3 out log code=0 again=0 file name
    out=$work/$call-$error-$number
    log=$out.log
    mkdir -p "$out"
    strace -f --seccomp-bpf -qq -o "$log" -e "trace=$call" \
        -e "inject=$call:error=$error:when=$number" timeout --preserve-status -k 20 30 \
        "$PEER" --leech album --tracker "$TRACKER" --port 0 -w "$out" --seed-time 0 --timeout 20s \
        >/dev/null 2>"$out.said" || code=$?
    if ! grep -q INJECTED "$log"; then
        touch "$work/over-$call-$error"
    fi
    if [[ $code == 127 ]] && grep -q 'loading shared libraries' "$out.said"; then
        echo "$call $error $number: it could not be started"
        return
    fi
    if [[ $code != 0 && $code != 8 ]]; then
        echo "FAILED: $call $error $number: exit $code: $(tail -n 1 "$out.said")"
        return 1
    fi
    for file in "$work"/src/album/*.bin; do
        name=$out/album/${file##*/}
        if [[ -e $name ]] && ! cmp -s "$file" "$name"; then
            echo "FAILED: $call $error $number: $name has its name and wrong bytes"
            return 1
        fi
    done
    timeout -s KILL 120 "$PEER" --leech album --tracker "$TRACKER" --port 0 -w "$out" \
        --seed-time 0 --timeout 20s >/dev/null 2>"$out.again" || again=$?
    if [[ $again != 0 ]] || ! diff -r "$work/src/album" "$out/album" >/dev/null; then
        echo "FAILED: $call $error $number: the next run ends with $again: $(tail -n 1 "$out.again")"
        return 1
    fi
    printf '%s %s %d: exit %d, then whole\n' "$call" "$error" "$number" "$code"
    rm -rf -- "$out" "$log" "$out.said" "$out.again"
}
export -f one

failed=
for call in $CALLS; do
    for error in $ERRORS; do
        number=1
        while [[ $number -le $MOST && ! -e $work/over-$call-$error ]]; do
            # Several at a time; the last ones may find nothing left to fail.
            seq "$number" $((number + JOBS - 1)) |
                xargs -P "$JOBS" -I{} bash -c "one $call $error {}" || failed=yes
            number=$((number + JOBS))
        done
    done
done
if [[ -n $failed ]]; then
    echo "the sweep found something: see above"
    exit 1
fi
echo "every call that failed did no harm"

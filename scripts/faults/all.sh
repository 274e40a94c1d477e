#!/usr/bin/env bash
# The release run: every script of this folder, and the long run, with one row of a table for each.
#
#   scripts/faults/all.sh                   all of them: hours
#   scripts/faults/all.sh kill clock        these
#   OUT=DIR scripts/faults/all.sh           what each says goes to DIR/NAME.log; default: run/faults
#
# Each script says in its head what it does, what it takes, and how it is made shorter. One that
# cannot run here says NOT RUN and why, or ends with 77: that is no pass, and no failure.
# The programs are built once; BIN_DIR=DIR takes others.
set -euo pipefail
cd "$(dirname -- "${BASH_SOURCE[0]}")/../.."

out=${OUT:-run/faults}
mkdir -p "$out"
if [[ -z ${BIN_DIR:-} ]]; then
    cargo build --release --locked --quiet --bins
    BIN_DIR=${CARGO_TARGET_DIR:-target}/release
fi
BIN_DIR=$(cd "$BIN_DIR" && pwd)
export BIN_DIR PEER="$BIN_DIR/peer" TRACKER="$BIN_DIR/tracker" LAB="$BIN_DIR/lab"

scripts=()
for script in scripts/faults/*.sh scripts/tracker-flood.sh scripts/tracker-hostile.sh scripts/soak.sh; do
    name=$(basename "$script" .sh)
    [[ $name != all ]] || continue
    if (($# == 0)) || [[ " $* " == *" $name "* ]]; then scripts+=("$script"); fi
done
((${#scripts[@]} > 0)) || { echo "no such script: $*" >&2; exit 2; }

failed=0
printf '| run | result | secs | last words |\n|---|---|---|---|\n'
for script in "${scripts[@]}"; do
    name=$(basename "$script" .sh)
    SECONDS=0 code=0
    case $name in
        soak) MINUTES=${MINUTES:-30} GIGABYTES=${GIGABYTES:-20} "$script" >"$out/$name.log" 2>&1 || code=$? ;;
        # It builds the program that floods, too.
        tracker-flood) TRACKER='' "$script" >"$out/$name.log" 2>&1 || code=$? ;;
        *) "$script" >"$out/$name.log" 2>&1 || code=$? ;;
    esac
    case $code in
        0) if grep -q 'NOT RUN' "$out/$name.log"; then result='passed in part'; else result=passed; fi ;;
        77) result='not run' ;;
        *) result="FAILED ($code)" failed=1 ;;
    esac
    last=$(grep -v '^ *$' "$out/$name.log" | tail -1 | tr '|' '/' || true)
    if [[ $result == *run* || $result == *part* ]]; then
        last=$(grep -m1 'NOT RUN' "$out/$name.log" | tr '|' '/' || true)
    fi
    printf '| %s | %s | %s | %s |\n' "$name" "$result" "$SECONDS" "$last"
done
exit $failed

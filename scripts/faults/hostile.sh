#!/usr/bin/env bash
# Hostile peers in numbers that take too long for every change: 500 openings that never end, 10,000
# connections, 200 places filled from one network, 40 stalled readers with the best of three, 40 that
# call again and again, 1,000 rounds of two peers that call each other at once, liars and stallers.
#
#   scripts/faults/hostile.sh [FILTER]        all, or the tests whose names contain FILTER
#   CARGO="cargo" PROFILE=release scripts/faults/hostile.sh
#
# Prints what was measured; ends with 1 when a promise is not kept. Needs 20,000 descriptors and an
# otherwise idle machine: that honest peers lose 10 % at most is measured by the wall clock.
set -euo pipefail
cd "$(dirname -- "${BASH_SOURCE[0]}")/../.."
read -r -a cargo <<<"${CARGO:-cargo}"
profile=()
[[ -z ${PROFILE:-} ]] || profile=(--profile "$PROFILE")
ulimit -n 20000 || {
    echo "hostile: cannot open 20,000 descriptors: raise the hard limit of ulimit -n" >&2
    exit 1
}

export HOSTILE_SLOW=${HOSTILE_SLOW:-500}
export HOSTILE_FLOOD=${HOSTILE_FLOOD:-10000}
export HOSTILE_PLACES=${HOSTILE_PLACES:-200}
export HOSTILE_BEST_OF=${HOSTILE_BEST_OF:-3}
export HOSTILE_READERS=${HOSTILE_READERS:-40} # for four slots
export HOSTILE_LOSS=${HOSTILE_LOSS:-10}
export HOSTILE_ROUNDS=${HOSTILE_ROUNDS:-500} # each is two calls at once
export HOSTILE_LONG=1

log=$(mktemp)
trap 'rm -f "$log"' EXIT
failed=0
for part in hostile/crowd hostile/bittorrent hostile/native node/choosing; do
    filter=("${part#*/}::")
    [ $# -eq 0 ] || filter=("$@")
    if "${cargo[@]}" test "${profile[@]}" --test "${part%/*}" -- --test-threads 1 --nocapture \
        "${filter[@]}" >"$log" 2>&1; then
        echo "$part: kept"
    else
        echo "$part: NOT KEPT"
        failed=1
    fi
    grep -E '^\[harness\]|^test .*(ok|FAILED)$|panicked at|^test result' "$log" | sed 's/^/    /' || true
done
exit "$failed"

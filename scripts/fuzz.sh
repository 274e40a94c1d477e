#!/usr/bin/env bash
# Runs every fuzz target for a while, one after another at low priority, and prints a table.
#
#   scripts/fuzz.sh [SECONDS] [TARGET ..]        60 seconds each, all targets
#
# It needs `cargo install cargo-fuzz` and a nightly toolchain. What targets begin with is written by
# the tests of the same drivers: bytes that they call good, and what ../shared/corpus has. What is
# found stays in fuzz/artifacts and fuzz/corpus, which are not kept in git. Ends with 1 if a target
# crashed, took ten seconds for one input, or took more than 256 MiB.
#
# Decisions and readers have no unsafe code, so no sanitizer is built in, which doubles the speed;
# SANITIZER=address has one.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
build=(--dev --sanitizer "${SANITIZER:-none}") # optimised, see fuzz/Cargo.toml, in minutes
shift || true

cargo +nightly fuzz --version >/dev/null || {
    echo "cargo-fuzz is not there: cargo install cargo-fuzz, and a nightly toolchain" >&2
    exit 1
}
mapfile -t targets < <(if [ $# -gt 0 ]; then printf '%s\n' "$@"; else cargo +nightly fuzz list; fi)

echo "seeds: written by the tests of the drivers" >&2
SWARMLET_SEEDS="$PWD/fuzz/corpus" nice -n 19 cargo test -q --locked --test operations >&2
nice -n 19 cargo +nightly fuzz build "${build[@]}" >&2

failed=0
printf '%-14s %12s %9s %7s %7s %s\n' target executions exec/s edges inputs verdict
for target in "${targets[@]}"; do
    log=$(mktemp)
    mkdir -p "fuzz/corpus/$target" "fuzz/artifacts/$target"
    verdict=ok
    nice -n 19 cargo +nightly fuzz run "${build[@]}" "$target" "fuzz/corpus/$target" -- \
        -max_total_time="$seconds" -timeout=10 -rss_limit_mb=256 -max_len=65536 \
        -print_final_stats=1 >"$log" 2>&1 || { verdict="FAILED, see fuzz/artifacts/$target"; failed=1; }
    last() { grep -oE "$1" "$log" | grep -oE '[0-9]+' | tail -1; }
    printf '%-14s %12s %9s %7s %7s %s\n' "$target" \
        "$(last 'number_of_executed_units: *[0-9]+' || echo ?)" \
        "$(last 'average_exec_per_sec: *[0-9]+' || echo ?)" \
        "$(last 'cov: [0-9]+' || echo ?)" "$(last 'corp: [0-9]+' || echo ?)" "$verdict"
    [ "$verdict" = ok ] || tail -n 40 "$log" >&2
    rm -f "$log"
done
exit $failed

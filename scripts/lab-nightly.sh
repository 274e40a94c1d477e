#!/usr/bin/env bash
# Runs every experiment that real processes can do, and prints what came of it.
#
#   scripts/lab-nightly.sh                  backend proc, 5 seeds, into run/nightly
#   SEEDS=3 ONLY="e12-endgame e17-poison" scripts/lab-nightly.sh
#   BACKENDS="proc net" scripts/lab-nightly.sh      net, too, where this machine allows namespaces
#   LAB=FILE scripts/lab-nightly.sh         this program instead of a build; peer and tracker beside it
#
# An experiment takes minutes of real time and should have the machine for itself.
# The exit code is 1 if anything was not as expected, and each run keeps its folder.
set -euo pipefail
cd "$(dirname -- "${BASH_SOURCE[0]}")/.."

seeds=${SEEDS:-5} only=${ONLY:-} backends=${BACKENDS:-proc} out=${OUT:-run/nightly} lab=${LAB:-}
if [ -z "$lab" ]; then
    cargo build --release --locked --quiet --bins
    lab=${CARGO_TARGET_DIR:-target}/release/lab
fi
mkdir -p "$out"

# Whether a scenario names a backend.
names() {
    sed -n 's/^backends *= *\[\(.*\)\].*/\1/p' "$1" | grep -q "\"$2\""
}

failed=0
printf '| experiment | backend | seeds | time, s | result |\n|---|---|---|---|---|\n'
for scenario in experiments/*/*.toml; do
    name=$(basename "$(dirname "$scenario")") part=$(basename "$scenario" .toml)
    [ "$part" = scenario ] || name=$name-$part
    if [ -n "$only" ] && ! grep -qw -- "$name" <<<"$only"; then
        continue
    fi
    for backend in $backends; do
        names "$scenario" "$backend" || continue
        which=(--backend "$backend")
        if names "$scenario" theory; then
            which+=(--backend theory)
        fi
        folder=$out/$name-$backend-$(date -u +%Y%m%d-%H%M%S)
        begun=$SECONDS
        if "$lab" run "$scenario" "${which[@]}" --seeds "$seeds" \
            --out "$folder" >"$folder.txt" 2>&1; then
            result='as expected'
        else
            result="not as expected (exit code $?), see $folder.txt"
            failed=1
        fi
        printf '| %s | %s | %s | %s | %s |\n' \
            "$name" "$backend" "$seeds" "$((SECONDS - begun))" "$result"
    done
done
exit "$failed"

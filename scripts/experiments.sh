#!/usr/bin/env bash
# Every experiment that can be simulated, held against its bands; one line for each.
#
#   scripts/experiments.sh                 builds the lab, runs all, keeps nothing
#   scripts/experiments.sh --out DIR       keeps the run folders in DIR
#   scripts/experiments.sh --commit        writes each one's summary.csv and figures beside its page
#   scripts/experiments.sh --quick         one seed, and not those that take longer than that is worth
#   scripts/experiments.sh e04 e05         those only
#   BINARIES=DIR scripts/experiments.sh    the programs in DIR instead of a build
#
# Two runs of one scenario with the same seeds must be the same to the byte: the first experiment
# is run twice to see that. scripts/lab-nightly.sh runs those with real processes.
set -euo pipefail
cd "$(dirname -- "${BASH_SOURCE[0]}")/.."

out='' commit=no wanted=() seeds=() skipped=()
while (($# > 0)); do
    case $1 in
        --out) out=${2:?--out needs a folder} && shift ;;
        --commit) commit=yes ;;
        --quick) seeds=(--seeds 1) skipped=(e06-free-riders-exploits e09-churn e10-missing-piece) ;;
        e[0-9]*) wanted+=("$1") ;;
        *)
            printf 'usage: scripts/experiments.sh [--out DIR] [--commit] [--quick] [eNN ..]\n' >&2
            exit 2
            ;;
    esac
    shift
done

if [ -z "${BINARIES:-}" ]; then
    cargo build --release --locked --quiet --bins
    BINARIES=${CARGO_TARGET_DIR:-target}/release
fi
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
out=${out:-$work/runs}
passed=0 failed=0 repeated=no

# verdict ok|bad NAME SECONDS REST
verdict() {
    local word=PASS
    if [ "$1" = ok ]; then passed=$((passed + 1)); else failed=$((failed + 1)) word=FAIL; fi
    printf '%s  %-26s %3d s  %s\n' "$word" "$2" "$3" "$4"
}

is_wanted() {
    local prefix
    ((${#wanted[@]} == 0)) && return 0
    for prefix in "${wanted[@]}"; do
        case $1 in "$prefix"*) return 0 ;; esac
    done
    return 1
}

# names BACKEND: whether the scenario has it; it stands on one line in every scenario that ships.
names() {
    grep -q "^backends = .*\"\($1\)\"" "$scenario"
}

for scenario in experiments/*/*.toml; do
    folder=$(basename "$(dirname "$scenario")") part=$(basename "$scenario" .toml)
    name=$folder
    [ "$part" = scenario ] || name=$folder-$part
    if ! is_wanted "$name" || ! names 'sim\|theory'; then
        continue
    fi
    if [[ " ${skipped[*]} " == *" $name "* ]]; then
        printf 'SKIP  %-26s        it takes too long for --quick\n' "$name"
        continue
    fi
    backends=()
    for backend in theory sim; do
        if names "$backend"; then
            backends+=(--backend "$backend")
        fi
    done
    begun=$SECONDS
    if "$BINARIES/lab" run "$scenario" "${backends[@]}" "${seeds[@]}" --out "$out/$name" -q \
        >"$work/said" 2>&1; then
        verdict ok "$name" $((SECONDS - begun)) "$(grep -c '^PASS' "$out/$name/verdicts.txt" || true) bands hold"
    else
        verdict bad "$name" $((SECONDS - begun)) "a band does not hold, or no run came of it:"
        sed 's/^/      /' "$work/said"
        [ ! -f "$out/$name/verdicts.txt" ] || grep -v '^PASS' "$out/$name/verdicts.txt" | sed 's/^/      /'
    fi
    if [ "$repeated" = no ] && [ -f "$out/$name/summary.csv" ]; then
        repeated=yes
        "$BINARIES/lab" run "$scenario" "${backends[@]}" "${seeds[@]}" --out "$work/again" -q >"$work/said" 2>&1 || true
        if cmp "$out/$name/summary.csv" "$work/again/summary.csv" &&
            cmp "$out/$name/series.csv" "$work/again/series.csv"; then
            verdict ok "$name twice" 0 "the same to the byte"
        else
            verdict bad "$name twice" 0 "two runs with the same seeds differ"
        fi
    fi
    # What only real processes tell is not overwritten by a run without them.
    if [ "$commit" = yes ] && [ -d "$out/$name" ] &&
        { names sim || ! names 'proc\|net'; }; then
        verdicts=verdicts.txt
        [ "$part" = scenario ] || verdicts=$part-verdicts.txt
        cp -- "$out/$name/summary.csv" "experiments/$folder/${part/scenario/summary}.csv"
        cp -- "$out/$name/verdicts.txt" "experiments/$folder/$verdicts"
        find "$out/$name" -maxdepth 1 -name '*.svg' -exec cp -- {} "experiments/$folder/" \;
    fi
done
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" = 0 ]

#!/usr/bin/env bash
# The starter code of the course is what its handouts say: it builds, and the tests that each
# handout names fail in it and are there in the reference.
#
#   scripts/course/check.sh
#
# All checkpoints are left out at once, so that one build serves all. That the same tests pass in
# the reference is shown by `cargo test`.
set -euo pipefail
cd "$(dirname -- "${BASH_SOURCE[0]}")/../.."

work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}/course
export CARGO_PROFILE_TEST_DEBUG=0
passed=0 failed=0

verdict() {
    if [ "$1" = ok ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAIL: %s\n' "$2"
    fi
}

# The names in the block ```tests of a handout.
tests_of() {
    # shellcheck disable=SC2016
    sed -n '/^```tests$/,/^```$/{/^```/d;p}' "$1"
}

scripts/course/starter.sh all "$work/starter" >/dev/null
if grep -rq 'SOLUTION' "$work/starter/src"; then
    verdict bad "a mark is left in the starter code"
else
    verdict ok
fi

built=$(cd "$work/starter" && cargo test --lib --no-run --locked --quiet --message-format=json)
program=$(printf '%s\n' "$built" | sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -n 1)
"$program" --list --format terse | sed 's/: test$//' >"$work/all"

for page in docs/course/c[1-7].md; do
    name=$(basename "$page" .md)
    if [ -z "$(tests_of "$page")" ]; then
        verdict bad "$page names no tests"
    fi
    while IFS= read -r test; do
        if ! grep -qxF "$test" "$work/all"; then
            verdict bad "$name: there is no test $test"
        elif (cd "$work/starter" && "$program" --exact "$test" >"$work/out" 2>&1); then
            verdict bad "$name: $test passes in the starter code"
        else
            verdict ok
        fi
    done < <(tests_of "$page")
done
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" = 0 ]

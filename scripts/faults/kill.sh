#!/usr/bin/env bash
# `kill -9` of a download at a random moment, again and again: no piece that it called verified is
# wrong, and what was verified is not fetched again.
#
#   scripts/faults/kill.sh [CYCLES]         default: 1000, about a second each
set -euo pipefail
cd "$(dirname -- "${BASH_SOURCE[0]}")/../.."
CYCLES=${1:-${CYCLES:-1000}} exec ${CARGO:-cargo} test --locked --quiet --test faults -- crash:: --nocapture

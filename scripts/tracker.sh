#!/usr/bin/env bash
# First terminal: the tracker, for peers on this machine.
#
#   scripts/tracker.sh                          listens on 127.0.0.1:6969
#   scripts/tracker.sh --listen 0.0.0.0:6969    for peers on other machines too
set -euo pipefail
cd "$(dirname -- "${BASH_SOURCE[0]}")/.."
exec cargo run --release --quiet --bin tracker -- "$@"

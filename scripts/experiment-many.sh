#!/usr/bin/env bash
# Several torrents at once, and a slow seeder among fast ones, with real peers on the loopback.
#
#   scripts/experiment-many.sh           both, three runs of each
#   scripts/experiment-many.sh many      eight torrents of 64 MiB from three seeders to one peer:
#                                        all become whole and share the upload within 20 %
#   scripts/experiment-many.sh slow      a seeder of 100 kB/s beside three of 8 MB/s: it takes at
#                                        most a tenth longer than the three alone
#   scripts/experiment-many.sh many --help    the flags
#   BINARIES=DIR scripts/experiment-many.sh   the programs in DIR instead of a build
#
# Every process is stopped by its id, and nothing is left behind.
set -euo pipefail
cd "$(dirname -- "${BASH_SOURCE[0]}")/.."

if [ -z "${BINARIES:-}" ]; then
    cargo build --release --locked --quiet --bins
    BINARIES=${CARGO_TARGET_DIR:-target}/release
fi
if (($# > 0)) && [ "$1" != many ] && [ "$1" != slow ]; then
    printf 'usage: scripts/experiment-many.sh [many|slow] [FLAGS]\n' >&2
    exit 2
fi
if (($# > 0)); then
    exec python3 scripts/experiment.py "$1" --binaries "$BINARIES" "${@:2}"
fi
code=0
python3 scripts/experiment.py many --binaries "$BINARIES" || code=1
printf '\n'
python3 scripts/experiment.py slow --binaries "$BINARIES" || code=1
exit "$code"

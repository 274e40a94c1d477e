#!/usr/bin/env bash
# One seeder and eight leechers of 2 MB/s each, against the bound of Kurose and Ross (section 2.5).
#
#   scripts/experiment-kr.sh             32 MiB, three runs; PASS if the median is 0.98 to 1.15
#   scripts/experiment-kr.sh --help      other sizes, limits, numbers; --dialect bittorrent
#   BINARIES=DIR scripts/experiment-kr.sh     the programs in DIR instead of a build
#
# Real peers find each other through our own tracker, all on the loopback, each on an address of
# its own. Every process is stopped by its id, and nothing is left behind.
set -euo pipefail
cd "$(dirname -- "${BASH_SOURCE[0]}")/.."

if [ -z "${BINARIES:-}" ]; then
    cargo build --release --locked --quiet --bins
    BINARIES=${CARGO_TARGET_DIR:-target}/release
fi
exec python3 scripts/experiment.py kr --binaries "$BINARIES" "$@"

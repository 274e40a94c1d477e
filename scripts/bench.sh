#!/usr/bin/env bash
# Measures ours beside other clients, in one run, and prints tables, ratios and the goals.
#
#   scripts/bench.sh                              everything: 1 GiB, five runs of each
#   scripts/bench.sh --only native,create         some sections; --help names them all
#   scripts/bench.sh --runs 3 --size-mib 256
#   scripts/bench.sh --curves                     how the cost grows, into benches/results
#   scripts/bench.sh --write                      puts the tables into docs/performance.md, too
#   BIN_DIR=DIR scripts/bench.sh                  takes the programs from DIR, builds nothing
#
# Files lie in /dev/shm, so that no disk is in the figures. Nothing else should run meanwhile.
# Other clients are measured as far as they are installed; libtorrent is taken from $PYTHON, or
# installed into a venv under the user's cache folder.
set -euo pipefail
cd "$(dirname -- "${BASH_SOURCE[0]}")/.."

python=${PYTHON:-}
if [ -z "$python" ]; then
    venv=${XDG_CACHE_HOME:-$HOME/.cache}/swarmlet/libtorrent
    python=$venv/bin/python
    if ! [ -x "$python" ]; then
        python3 -m venv "$venv"
    fi
    if ! "$python" -c 'import libtorrent' 2>/dev/null; then
        "$venv/bin/pip" install -q 'libtorrent>=2,<3' ||
            echo "libtorrent could not be installed: its rows are absent" >&2
    fi
fi
binaries=${BIN_DIR:-}
if [ -z "$binaries" ]; then
    cargo build --release --locked --quiet --bins
    binaries=${CARGO_TARGET_DIR:-target}/release
fi
exec "$python" scripts/bench --binaries "$binaries" "$@"

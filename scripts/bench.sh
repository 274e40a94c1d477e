#!/usr/bin/env bash
# Measures transfers of ours and of libtorrent side by side, in one run, and prints ratios.
#
#   scripts/bench.sh            1 GiB, five runs of each
#   RUNS=3 SIZE_MIB=256 scripts/bench.sh
#
# Files lie in /dev/shm, so that no disk is in the figures. Nothing else should run meanwhile.
# libtorrent is taken from $PYTHON, or installed into a venv under the user's cache folder.
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
        "$venv/bin/pip" install -q 'libtorrent>=2,<3'
    fi
fi
cargo build --release --locked --quiet
exec "$python" scripts/bench.py --binaries target/release --runs "${RUNS:-5}" \
    --size-mib "${SIZE_MIB:-1024}" "$@"

#!/usr/bin/env bash
# Checks the torrents that `peer create` makes against libtorrent 2.x: it must load them and
# compute the same info-hashes, and its own torrents of the same content must have the same hashes.
#
#   scripts/check-libtorrent.sh            uses target/release/peer, builds it when it is absent
#   PEER=path PYTHON=path scripts/check-libtorrent.sh
#
# When PYTHON (default python3) has no libtorrent, one is installed into a virtual environment
# under $XDG_CACHE_HOME or ~/.cache. Ends with 0 only when nothing differs.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)

peer=${PEER:-$here/target/release/peer}
if [[ ! -x $peer ]]; then
    echo "building $peer" >&2
    (cd "$here" && cargo build --release --bin peer)
fi

python=${PYTHON:-python3}
if ! "$python" -c 'import libtorrent' 2>/dev/null; then
    env_dir=${XDG_CACHE_HOME:-$HOME/.cache}/swarmlet/libtorrent
    if ! "$env_dir/bin/python" -c 'import libtorrent' 2>/dev/null; then
        echo "installing libtorrent into $env_dir" >&2
        "$python" -m venv "$env_dir"
        "$env_dir/bin/pip" install --quiet 'libtorrent>=2'
    fi
    python=$env_dir/bin/python
fi

exec "$python" -W ignore::DeprecationWarning "$here/scripts/check_libtorrent.py" "$peer"

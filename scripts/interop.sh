#!/usr/bin/env bash
# Proves the BitTorrent dialect against programs that others wrote, on loopback only: transmission,
# aria2, libtorrent, qBittorrent, opentracker, the npm bittorrent-tracker and tshark.
#
#   scripts/interop.sh                     a cover of the matrix; --full for the whole product
#   scripts/interop.sh --list              the names of the cells
#   scripts/interop.sh --only aria2 --keep
#   scripts/interop.sh --help              every flag
#
# What is missing is installed: Debian packages (as root), libtorrent into a virtual environment and
# the npm package under $SWARMLET_TOOLS (a folder of the user's cache). What cannot be installed is
# said, and its cells are printed as absent. As root everything runs in a network namespace that has
# only a loopback. BINARIES names the folder of peer and tracker; otherwise they are built.
# Ends with 1 when a cell failed, or, with --require-all, was absent.
set -euo pipefail
here=$(cd "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
cd "$here/.."
export LC_ALL=C.UTF-8 PYTHONDONTWRITEBYTECODE=1

absent="its cells are absent"
# shellcheck source=scripts/interop/installing.sh
. "$here/interop/installing.sh"

# These two need nothing installed or built.
for word in "$@"; do
    case $word in
        --help | -h | --list) exec python3 "$here/interop/main.py" "$@" ;;
    esac
done

need python3 python3
need cmp diffutils
need ip iproute2
need transmission-daemon transmission-daemon
need transmission-show transmission-cli
need aria2c aria2
need qbittorrent-nox qbittorrent-nox
need opentracker opentracker
need mktorrent mktorrent
need tshark tshark
need node nodejs
need npm npm
if [ -n "$(trap -p EXIT)" ]; then
    allow_services
fi

tools=${SWARMLET_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/swarmlet}
mkdir -p "$tools"

# libtorrent, from the same place as check-libtorrent.sh and bench.sh have it.
python=$tools/libtorrent/bin/python
if ! "$python" -c 'import libtorrent' 2>/dev/null; then
    echo "installing libtorrent into $tools/libtorrent" >&2
    need pip3 python3-pip
    if ! { python3 -m venv "$tools/libtorrent" || { need pyvenv python3-venv &&
        python3 -m venv "$tools/libtorrent"; }; } >&2 ||
        ! "$tools/libtorrent/bin/pip" install --quiet 'libtorrent>=2,<3' >&2; then
        shout "libtorrent COULD NOT BE INSTALLED: its cells are absent"
        python=
    fi
fi

# Version 11 needs a native WebRTC module, which is not built everywhere and not used here.
npm=$tools/npm
module=$npm/node_modules/bittorrent-tracker/index.js
if ! node -e "import('$module')" 2>/dev/null; then
    echo "installing bittorrent-tracker into $npm" >&2
    mkdir -p "$npm"
    if ! (cd "$npm" && npm install --no-audit --no-fund --omit=optional --ignore-scripts \
        bittorrent-tracker@10 >/dev/null 2>&1) || ! node -e "import('$module')"; then
        shout "the npm package bittorrent-tracker COULD NOT BE INSTALLED: its cells are absent"
        npm=
    fi
fi

binaries=${BINARIES:-}
if [ -z "$binaries" ]; then
    cargo build --release --locked --quiet
    binaries=target/release
fi

run=(python3 "$here/interop/main.py" --binaries "$binaries" --python "$python" --npm "$npm" "$@")
if [ "$(id -u)" = 0 ] && unshare --net true 2>/dev/null; then
    # shellcheck disable=SC2016 # "$@" is the inner shell's
    exec unshare --net -- sh -c 'ip link set lo up && exec "$@"' sh "${run[@]}"
fi
exec "${run[@]}"

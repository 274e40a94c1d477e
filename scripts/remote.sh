#!/usr/bin/env bash
# Drives a real `peer daemon` with the clients of others, on loopback only: transmission-remote,
# Python's transmission-rpc, Transmission's own web page; what it fetches comes from a real
# transmission-daemon.
#
#   scripts/remote.sh                      every check, one line each
#   scripts/remote.sh --browser            and the web page in a headless chromium
#   scripts/remote.sh --only library --keep
#   scripts/remote.sh --help               every flag
#
# What is missing is installed: Debian packages (as root), transmission-rpc into a virtual
# environment under $SWARMLET_TOOLS (a folder of the cache). What cannot be installed is said,
# and its checks are skipped, which is not passed. As root everything runs in a network namespace
# that has only a loopback. BINARIES names the folder of peer and tracker; otherwise they are built.
# Ends with 1 when a check failed, or, with --require-all, was skipped.
set -euo pipefail
here=$(cd "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
cd "$here/.."
export LC_ALL=C.UTF-8 PYTHONDONTWRITEBYTECODE=1

absent="its checks are skipped"
# shellcheck source=scripts/interop/installing.sh
. "$here/interop/installing.sh"

browser=
for word in "$@"; do
    case $word in
        --help | -h | --list) exec python3 "$here/remote/main.py" "$@" ;;
        --browser) browser=yes ;;
    esac
done

need python3 python3
need ip iproute2
need curl curl
need transmission-remote transmission-cli
need transmission-daemon transmission-daemon # with transmission-common, which has the web page
if [ -n "$browser" ]; then
    need chromium chromium
fi

tools=${SWARMLET_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/swarmlet}
mkdir -p "$tools"
python=$tools/transmission-rpc/bin/python
if ! "$python" -c 'import transmission_rpc' 2>/dev/null; then
    echo "installing transmission-rpc into $tools/transmission-rpc" >&2
    need pip3 python3-pip
    if ! { python3 -m venv "$tools/transmission-rpc" || { need pyvenv python3-venv &&
        python3 -m venv "$tools/transmission-rpc"; }; } >&2 ||
        ! "$tools/transmission-rpc/bin/pip" install --quiet 'transmission-rpc>=7,<8' >&2; then
        shout "transmission-rpc COULD NOT BE INSTALLED: its checks are skipped"
        python=python3
    fi
fi
if [ -n "$(trap -p EXIT)" ]; then
    allow_services
fi

binaries=${BINARIES:-}
if [ -z "$binaries" ]; then
    cargo build --release --locked --quiet
    binaries=target/release
fi

run=("$python" "$here/remote/main.py" --binaries "$binaries" "$@")
if [ "$(id -u)" = 0 ] && unshare --net true 2>/dev/null; then
    # shellcheck disable=SC2016 # "$@" is the inner shell's
    exec unshare --net -- sh -c 'ip link set lo up && exec "$@"' sh "${run[@]}"
fi
exec "${run[@]}"

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

shout() {
    printf '\n*** %s\n\n' "$*" >&2
}

browser=
for word in "$@"; do
    case $word in
        --help | -h | --list) exec python3 "$here/remote/main.py" "$@" ;;
        --browser) browser=yes ;;
    esac
done

# While this file is there Debian starts no service of what it installs.
policy=/usr/sbin/policy-rc.d
allow_services() {
    rm -f "$policy"
    trap - EXIT
}

# need COMMAND PACKAGE: installs a Debian package if the command is not there, without its service.
updated=
need() {
    if command -v "$1" >/dev/null; then
        return 0
    fi
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        shout "$1 IS NOT INSTALLED and only root can install the package $2: its checks are skipped"
        return 0
    fi
    echo "installing $2" >&2
    if [ -z "$updated" ]; then
        apt-get update -qq >&2 || shout "apt-get update failed"
        updated=yes
    fi
    if ! [ -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod +x "$policy"
        trap allow_services EXIT
    fi
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$2" \
        >/dev/null </dev/null || shout "$2 COULD NOT BE INSTALLED: its checks are skipped"
}

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

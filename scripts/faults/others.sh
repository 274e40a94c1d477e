#!/usr/bin/env bash
# The same faults and hostile peers for five BitTorrent clients, side by side: ours, transmission,
# aria2, rtorrent and qBittorrent. Liars, peers that stall, readers that do not read, floods, full
# disks, kill -9, files that are cut or changed, malformed streams and malformed .torrent files.
#
#   scripts/faults/others.sh                               everything, some twenty minutes
#   scripts/faults/others.sh --cells one-liar,killed --clients ours,aria2
#   scripts/faults/others.sh --repeat 3 --out DIR          others.md and others.tsv in DIR
#   scripts/faults/others.sh --help                        every flag and every cell
#
# The hostile peers are our own, in Python, and dial the client; nobody else is called. As root it
# runs in namespaces of its own for network and mounts, with only a loopback, and the disks that
# fill up are mounted there. Without root these cells are said to be not possible.
# BINARIES names the folder of peer; otherwise it is built. A client that is missing is installed as
# a Debian package when run by root, or said to be missing.
# Ends with 1 when ours died, hung, or had a wrong byte.
set -euo pipefail
here=$(cd "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../.."
export LC_ALL=C.UTF-8 PYTHONDONTWRITEBYTECODE=1

for word in "$@"; do
    case $word in
        --help | -h) exec python3 "$here/others/main.py" "$@" ;;
    esac
done

# shellcheck disable=SC2034 # read by installing.sh
absent="it has no column"
# shellcheck source=scripts/interop/installing.sh
. "$here/../interop/installing.sh"
need python3 python3
need ip iproute2
need transmission-daemon transmission-daemon
need aria2c aria2
need rtorrent rtorrent
need qbittorrent-nox qbittorrent-nox
if [ -n "$(trap -p EXIT)" ]; then
    allow_services
fi

binaries=${BINARIES:-}
if [ -z "$binaries" ]; then
    cargo build --release --locked --quiet --bin peer
    binaries=target/release
fi

run=(python3 "$here/others/main.py" --binaries "$binaries" "$@")
if [ "$(id -u)" = 0 ] && unshare --net --mount true 2>/dev/null; then
    # shellcheck disable=SC2016 # "$@" is the inner shell's
    exec unshare --net --mount --propagation private -- \
        sh -c 'ip link set lo up && exec "$@"' sh "${run[@]}"
fi
exec "${run[@]}"

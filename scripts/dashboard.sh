#!/usr/bin/env bash
# Drives the pages of real nodes and trackers with Debian's Chromium, on loopback only: adds, pauses
# and removes torrents through the page, watches its map fill, looks at every view, and tries to
# break in as a web page of others would.
#
#   scripts/dashboard.sh                   every check, one line each
#   scripts/dashboard.sh --shots DIR       and keeps a picture of every view
#   scripts/dashboard.sh --docs            makes the pictures of docs/dashboard.md
#   scripts/dashboard.sh --cost            measures what an open page costs a node
#   scripts/dashboard.sh --help            every flag
#
# What is missing is installed: chromium and node from Debian (as root), playwright-core and axe-core
# from npm into a folder under $SWARMLET_TOOLS (a folder of the cache). What cannot be installed is
# said, and its checks are skipped, which is not passed. BINARIES names the folder of peer,
# tracker and lab; otherwise they are built. Ends with 1 when a check failed, or, with --require-all, was
# skipped.
set -euo pipefail
here=$(cd "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
cd "$here/.."
export LC_ALL=C.UTF-8

absent="its checks are skipped"
# shellcheck source=scripts/interop/installing.sh
. "$here/interop/installing.sh"

need chromium chromium
need node nodejs
if ! command -v node >/dev/null; then
    shout "THE PAGES ARE NOT CHECKED: there is no node to run the checks"
    echo "0 passed, 0 failed, 1 skipped"
    for word in "$@"; do
        [ "$word" != --require-all ] || exit 1
    done
    exit 0
fi
for word in "$@"; do
    case $word in
        --help | -h) exec node "$here/dashboard/main.mjs" "$@" ;;
    esac
done

# What is pinned is also the folder's name, so that another version is another folder.
packages=(playwright-core@1.65.1 axe-core@4.14.1)
tools=${SWARMLET_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/swarmlet}/${packages[0]}-${packages[1]}
if ! [ -e "$tools/whole" ]; then
    echo "installing ${packages[*]} into $tools" >&2
    need npm npm
    mkdir -p "$tools"
    if npm install --prefix "$tools" --no-audit --no-fund --no-save --ignore-scripts --silent \
        "${packages[@]}" >&2 </dev/null; then
        touch "$tools/whole"
    else
        shout "${packages[*]} COULD NOT BE INSTALLED: $absent"
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

# What the replay decides needs no browser.
if ! replay=$(node --test "$here/dashboard/replay-core.test.mjs" 2>&1); then
    printf '%s\n' "$replay"
    echo "FAIL  the replay of traces decides wrongly"
    exit 1
fi
echo "ok    the replay of traces: $(sed -n 's/^[^a-z]*pass \([0-9]*\)$/\1/p' <<<"$replay") tests"

run=(node "$here/dashboard/main.mjs" --binaries "$binaries")
if [ -e "$tools/whole" ]; then
    run+=(--modules "$tools/node_modules")
fi
if command -v chromium >/dev/null; then
    run+=(--chromium "$(command -v chromium)")
fi
exec "${run[@]}" "$@"

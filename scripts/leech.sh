#!/usr/bin/env bash
# Third terminal: fetches what somebody shares, by its name, into ./downloads.
#
#   scripts/leech.sh big.zip
#   scripts/leech.sh big.zip --tracker 192.168.1.10 --download-dir /tmp
set -euo pipefail
if (($# == 0)); then
    printf 'usage: scripts/leech.sh NAME [flags of peer]\n' >&2
    exit 2
fi
# Paths mean the folder from which the script is called.
root=$(cd "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
exec cargo run --release --quiet --manifest-path "$root/Cargo.toml" --bin peer -- --leech "$@"

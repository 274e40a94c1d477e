#!/usr/bin/env bash
# Second terminal: shares a file or a folder.
#
#   scripts/seed.sh big.zip
#   scripts/seed.sh big.zip --tracker 192.168.1.10
set -euo pipefail
if (($# == 0)); then
    printf 'usage: scripts/seed.sh PATH [flags of peer]\n' >&2
    exit 2
fi
# Paths mean the folder from which the script is called.
root=$(cd "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
exec cargo run --release --quiet --manifest-path "$root/Cargo.toml" --bin peer -- --seed "$@"

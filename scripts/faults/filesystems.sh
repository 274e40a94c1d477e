#!/usr/bin/env bash
# Runs the tests of the storage on every file system that is to be had: ext4, xfs, btrfs, tmpfs.
#
#   scripts/faults/filesystems.sh                 as root; needs loop devices
#   FILESYSTEMS="btrfs" scripts/faults/filesystems.sh
#   INSTALL=yes                                   install what is missing (Debian packages)
#
# The suite runs with a memory map and without; which of the two a file system gets by default is
# decided in src/storage/disk.rs. What is not there is named, and is no failure.
set -euo pipefail
cd "$(dirname -- "${BASH_SOURCE[0]}")/../.."
cargo=${CARGO:-cargo}

"$cargo" test --quiet --locked --lib --no-run
if [[ -z ${IN_OWN_MOUNTS:-} ]]; then
    if ! unshare -m true 2>/dev/null; then
        echo "NOT RUN: no mounts of its own (it takes root)"
        exit 0
    fi
    IN_OWN_MOUNTS=yes exec unshare -m "$0"
fi

# package FILESYSTEM: what brings its mkfs.
package() {
    case $1 in
        ext4) echo e2fsprogs ;;
        xfs) echo xfsprogs ;;
        btrfs) echo btrfs-progs ;;
    esac
}

# make FILESYSTEM: mounts a new one, or says why not.
make() {
    if [[ $1 == tmpfs ]]; then
        mount -t tmpfs -o size=512m none "$work/disk"
        return
    fi
    if ! command -v "mkfs.$1" >/dev/null && [[ ${INSTALL:-} == yes ]]; then
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$(package "$1")" >/dev/null
    fi
    if ! command -v "mkfs.$1" >/dev/null; then
        echo "NOT RUN: $1: mkfs.$1 is missing (package $(package "$1"))"
        return 1
    fi
    rm -f -- "$work/disk.img"
    truncate -s 1G "$work/disk.img"
    "mkfs.$1" "$work/disk.img" >"$work/mkfs" 2>&1
    if ! mount -t "$1" -o loop "$work/disk.img" "$work/disk" 2>"$work/why"; then
        echo "NOT RUN: $1: $(tail -n 1 "$work/why")"
        return 1
    fi
}

work=$(mktemp -d)
mkdir "$work/disk"
trap 'umount "$work/disk" 2>/dev/null || true; rm -rf -- "$work"' EXIT
failed=
for name in ${FILESYSTEMS:-ext4 xfs btrfs tmpfs}; do
    make "$name" || continue
    if TMPDIR=$work/disk "$cargo" test --quiet --locked --lib storage:: >"$work/said" 2>&1; then
        echo "$name: $(grep -m 1 '^test result' "$work/said")"
    else
        echo "FAILED: $name"
        cat "$work/said"
        failed=yes
    fi
    umount "$work/disk"
done
[[ -z $failed ]]

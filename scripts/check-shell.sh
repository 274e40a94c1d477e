#!/usr/bin/env bash
# Completions in every shell, and manual pages through groff and mandoc, without a warning.
#
#   scripts/check-shell.sh
#
#   INSTALL=yes                 install what is missing (Debian packages, as root); default: say so
#
# It ends with 1 if anything complains. What is not there is named, and is no failure.
set -euo pipefail
cd "$(dirname -- "${BASH_SOURCE[0]}")/.."

failed=
complain() {
    printf 'FAILED: %s\n' "$*" >&2
    failed=yes
}

# have COMMAND PACKAGE: whether a command is there, if need be after installing it.
have() {
    if ! command -v "$1" >/dev/null && [ "${INSTALL:-}" = yes ]; then
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$2" >/dev/null
    fi
    if ! command -v "$1" >/dev/null; then
        echo "NOT RUN: $1 is missing (package $2)"
        return 1
    fi
}

work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT

bin=${BIN_DIR:-}
if [ -z "$bin" ]; then
    cargo build --quiet --locked
    bin=target/debug
fi

"$bin/peer" man --dir "$work/man"
if have groff groff; then
    for page in "$work"/man/*.1; do
        said=$(groff -man -ww -Tutf8 -z "$page" 2>&1) || complain "groff ${page##*/}"
        [ -z "$said" ] || complain "groff ${page##*/}: $said"
    done
fi
if have man man-db; then
    for page in "$work"/man/*.1; do
        said=$(LC_ALL=C.UTF-8 MANROFFSEQ='' MANWIDTH=80 \
            man --warnings -E UTF-8 -l -Tutf8 -Z "$page" 2>&1 >/dev/null) ||
            complain "man ${page##*/}"
        [ -z "$said" ] || complain "man ${page##*/}: $said"
    done
fi
if have mandoc mandoc; then
    # Pages have no date on purpose: the same flags make the same page on every day.
    # What a page refers to is not installed where this runs.
    said=$(mandoc -T lint -W style "$work"/man/*.1 |
        grep -v -e 'missing date' -e 'referenced manual not found' || true)
    [ -z "$said" ] || complain "mandoc: $said"
fi

for program in peer tracker lab; do
    for shell in bash zsh fish; do
        if have "$shell" "$shell"; then
            "$bin/$program" completions "$shell" >"$work/$program.$shell"
            "$shell" -n "$work/$program.$shell" || complain "$shell: $program"
        fi
    done
    if command -v nu >/dev/null; then
        "$bin/$program" completions nushell >"$work/$program.nu"
        nu --no-config-file -c "source '$work/$program.nu'" || complain "nushell: $program"
    else
        echo "NOT RUN: nu is missing (it is in no Debian package; npm has it)"
    fi
done

if have desktop-file-validate desktop-file-utils; then
    desktop-file-validate packaging/peer.desktop || complain "peer.desktop"
fi
if have systemd-analyze systemd; then
    for unit in packaging/*.service; do
        # The programs and their pages are not installed where this runs.
        said=$(systemd-analyze --man=no verify "$unit" 2>&1 | grep -v 'is not executable' || true)
        [ -z "$said" ] || complain "$said"
    done
fi

[ -z "$failed" ] || exit 1
echo "the shells, the formatters and systemd are content"

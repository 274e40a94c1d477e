# Installing what the programs of others need; sourced by scripts that drive them.
# $absent says what becomes of the checks that a missing program would have made.
# shellcheck shell=bash

shout() {
    printf '\n*** %s\n\n' "$*" >&2
}

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
        shout "$1 IS NOT INSTALLED and only root can install the package $2: ${absent:?}"
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
        >/dev/null </dev/null || shout "$2 COULD NOT BE INSTALLED: ${absent:?}"
}

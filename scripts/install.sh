#!/usr/bin/env bash
# Installs peer, tracker and lab with their manual pages, completions and desktop files.
#
#   scripts/install.sh                        into ~/.local
#   PREFIX=/usr/local scripts/install.sh      for everybody; as root
#   DESTDIR=DIR scripts/install.sh            below DIR, for whoever makes a package
#
#   BIN_DIR=DIR                 take the programs from DIR instead of building them
#   CARGO_FLAGS=..              more flags for cargo install, such as --debug or --offline
#
# Nothing is enabled or started. scripts/install.sh --list says which files it puts where.
set -euo pipefail
cd "$(dirname -- "${BASH_SOURCE[0]}")/.."

fail() {
    printf 'install: %s\n' "$*" >&2
    exit 1
}

readonly prefix=${PREFIX:-$HOME/.local} destdir=${DESTDIR:-}
[[ $prefix == /* ]] || fail "PREFIX is $prefix: expected a folder from the root, such as /usr/local"
list=
case ${1:-} in
    "") ;;
    --list) list=yes ;;
    *) fail "usage: scripts/install.sh [--list]" ;;
esac

# put FILE PLACE [MODE]: a copy below the prefix.
put() {
    if [ -n "$list" ]; then
        echo "$prefix/$2"
    else
        install -D -m "${3:-644}" -- "$1" "$destdir$prefix/$2"
    fi
}

work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT

bin=${BIN_DIR:-}
if [ -z "$bin" ] && [ -z "$list" ]; then
    read -ra flags <<<"${CARGO_FLAGS:-}"
    # Its warning that the folder is not on the PATH is about a folder that goes.
    PATH=$work/cargo/bin:$PATH cargo install --path . --locked --root "$work/cargo" --no-track --bin peer --bin tracker --bin lab \
        "${flags[@]}"
    bin=$work/cargo/bin
fi

put "$bin/peer" bin/peer 755
put "$bin/tracker" bin/tracker 755
put "$bin/lab" bin/lab 755
put packaging/swarmlet-open bin/swarmlet-open 755
if [ -z "$list" ]; then
    "$bin/peer" man --dir "$work/man"
    for page in "$work"/man/*; do
        put "$page" "share/man/man1/${page##*/}"
    done
else
    echo "$prefix/share/man/man1/*.1"
fi
for program in peer tracker lab; do
    if [ -z "$list" ]; then
        for shell in bash zsh fish nushell; do
            "$bin/$program" completions "$shell" >"$work/$program.$shell"
        done
    fi
    put "$work/$program.bash" "share/bash-completion/completions/$program"
    put "$work/$program.zsh" "share/zsh/site-functions/_$program"
    put "$work/$program.fish" "share/fish/vendor_completions.d/$program.fish"
    put "$work/$program.nushell" "share/nushell/vendor/autoload/$program-completions.nu"
done
put packaging/peer.desktop share/applications/peer.desktop
put packaging/swarmlet.svg share/icons/hicolor/scalable/apps/swarmlet.svg
# The services call the programs where they are.
sed "s#%h/.local/bin/#$prefix/bin/#" packaging/swarmlet.service >"$work/user.service"
put "$work/user.service" share/systemd/user/swarmlet.service
# Those of the machine see no home, so they are of no use with programs that lie in one.
if [[ $prefix/ != "$HOME"/* ]]; then
    sed "s#/usr/local/bin/#$prefix/bin/#" packaging/swarmlet-daemon.service >"$work/peer.service"
    sed "s#/usr/local/bin/swarmlet-tracker#$prefix/bin/tracker#" \
        packaging/swarmlet-tracker.service >"$work/tracker.service"
    put "$work/peer.service" lib/systemd/system/swarmlet-daemon.service
    put "$work/tracker.service" lib/systemd/system/swarmlet-tracker.service
fi

if [ -z "$list" ]; then
    echo "installed into $destdir$prefix" >&2
    case :$PATH: in
        *:"$prefix/bin":*) ;;
        *) echo "$prefix/bin is not on your PATH: add it to find peer and tracker" >&2 ;;
    esac
fi

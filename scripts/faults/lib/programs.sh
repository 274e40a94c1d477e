# shellcheck shell=bash
# Sourced by the scripts that run peers and trackers: where they are, when they speak, how they end.

# find_programs: sets $bin to the folder of the programs: $BIN_DIR, or that of a release build.
find_programs() {
    bin=${BIN_DIR:-}
    if [[ -z $bin ]]; then
        cargo build --release --locked --quiet --bins
        bin=${CARGO_TARGET_DIR:-target}/release
    fi
    bin=$(cd "$bin" && pwd)
}

# end ID ..: stops programs and waits for them; one that is gone, or never was, is no fault.
end() {
    local id
    for id in "$@"; do
        if [[ -n $id ]] && kill "$id" 2>/dev/null; then wait "$id" 2>/dev/null || true; fi
    done
}

# pause SECONDS
pause() { read -rt "$1" <> <(:) || true; }

# await FILE WORDS ID: until a program says them.
await() {
    until grep -qs -- "$2" "$1"; do
        kill -0 "$3" 2>/dev/null || { echo "FAILED: it ended without $2"; cat "${1%.json}.log"; exit 1; }
        pause 0.1
    done
}

# port FILE: sets $found to where a program listens, once it says so.
port() {
    for _ in $(seq 300); do
        found=$(sed -n 's/.*"event":"start".*"port":\([0-9]*\).*/\1/p' "$1" | head -1)
        [[ -z $found ]] || return 0
        pause 0.1
    done
    echo "a program did not start: $1" >&2
    cat "${1%.json}.log" >&2
    return 1
}

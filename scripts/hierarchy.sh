#!/usr/bin/env bash
# A hierarchy of trackers on this machine, asked in every way that DNS is.
#
#   scripts/hierarchy.sh        shows a walk step by step, counts messages, then kills trackers
#
#   PORT=7053                   the port of all of them
#   BIN_DIR=DIR                 take the programs from DIR instead of building them
#
#   127.0.0.10  root "."        127.0.0.11, .12  zones       127.0.0.21, .22, .23  authorities
#   127.0.0.53  resolver, iterating                          127.0.0.54  resolver, in a chain
#
# The zones are the first digits of the shared file's info-hash.
# It leaves no process and no file behind, also when it is interrupted.
set -euo pipefail

readonly port=${PORT:-7053}

fail() {
    printf 'hierarchy: %s\n' "$*" >&2
    exit 1
}

(($# == 0)) || fail "usage: scripts/hierarchy.sh"
cd "$(dirname -- "${BASH_SOURCE[0]}")/.."

if [ -n "${BIN_DIR:-}" ]; then
    bin=$BIN_DIR
else
    cargo build --release --quiet --bins
    bin=${CARGO_TARGET_DIR:-target}/release
fi

declare -A pids=()
dir=

# Ends the process of that name, by its number.
stop() {
    kill -TERM "${pids[$1]}" 2>/dev/null || true
    wait "${pids[$1]}" 2>/dev/null || true
    unset "pids[$1]"
}

clean_up() {
    local name
    for name in "${!pids[@]}"; do
        stop "$name"
    done
    if [ -n "$dir" ]; then
        rm -rf -- "$dir"
    fi
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

dir=$(mktemp -d "${TMPDIR:-/tmp}/swarmlet-hierarchy.XXXXXX")

# Waits until a command succeeds.
until_true() {
    local what=$1 tries
    shift
    for ((tries = 0; tries < 100; tries++)); do
        if "$@" >"$dir/out" 2>&1; then
            return 0
        fi
        sleep 0.1
    done
    cat "$dir/out" >&2
    fail "waited in vain until $what"
}

# Starts a tracker at 127.0.0.N, with its trace.
tracker() {
    local n=$1
    shift
    "$bin/tracker" --listen "127.0.0.$n:$port" --trace "$dir/$n.jsonl" "$@" \
        >"$dir/$n.log" 2>&1 &
    pids[$n]=$!
    until_true "a tracker listens at 127.0.0.$n:$port (see PORT)" \
        "$bin/tracker" dig PING "@127.0.0.$n:$port"
}

# How many questions and answers there were: what trackers received, and what they sent to dig.
messages() {
    sleep 0.2 # a trace is written right after the answer that it tells of
    cat "$dir"/*.jsonl | grep -v '127\.0\.0\.99:' | grep -E '"msg":"(QUERY|ANSWER)"' |
        grep -cE '"ev":"recv"|"ev":"send","to":"127\.0\.0\.1:' || true
}

# One row of the table: what is asked, how many messages it should cost, and how many it did.
row() {
    local case=$1 expected=$2 before after
    shift 2
    before=$(messages)
    "$bin/tracker" dig "$@" >"$dir/out" 2>&1 || true
    after=$(messages)
    printf '%-52s %8s %8s\n' "$case" "$expected" "$((after - before))"
    ((after - before == expected)) || failed=1
}

# The content, and the zones that its info-hash lies in.
head -c 100000 /dev/urandom >"$dir/big.zip"
"$bin/peer" create "$dir/big.zip" -o "$dir/big.zip.torrent" -q
hash=$("$bin/peer" show "$dir/big.zip.torrent" --json | sed -E 's/.*"info_hash_v2":"([0-9a-f]+)".*/\1/')
readonly hash zone=${hash:0:1} part=${hash:0:2}
other=$([ "$zone" = 0 ] && echo 1 || echo 0)

tracker 21 --zone "$part" --zone cs.uct --replica "127.0.0.22:$port" --keepalive 500ms
tracker 22 --zone "$part" --zone cs.uct --replica "127.0.0.21:$port" --keepalive 500ms
tracker 23 --zone "${other}f"
tracker 11 --zone "$zone" --chain --delegate "$part=127.0.0.21:$port" --delegate "$part=127.0.0.22:$port"
tracker 12 --zone "$other" --chain --delegate "${other}f=127.0.0.23:$port"
tracker 10 --chain --delegate "$zone=127.0.0.11:$port" --delegate "$other=127.0.0.12:$port" \
    --delegate "cs.uct=127.0.0.21:$port" --delegate "cs.uct=127.0.0.22:$port"
tracker 53 --resolver --delegate ".=127.0.0.10:$port"
tracker 54 --resolver --chain --delegate ".=127.0.0.10:$port"

"$bin/peer" --seed "$dir/big.zip.torrent" --download-dir "$dir" --bind 127.0.0.99 --port 0 \
    --resolve iterative --tracker "127.0.0.10:$port" >"$dir/seed.log" 2>&1 &
pids[seed]=$!
until_true "the seeder has registered with the authority" \
    "$bin/tracker" dig "$hash" "@127.0.0.21:$port"
until_true "the other authority has heard of it" "$bin/tracker" dig "$hash" "@127.0.0.22:$port"

printf '== A walk from the root\n\n'
"$bin/tracker" dig "$hash" +trace "@127.0.0.10:$port"

printf '\n== How many messages an answer costs\n\n%-52s %8s %8s\n' case expected counted
failed=0
row 'the asker walks itself (root, zone, authority)' 6 "$hash" +trace "@127.0.0.10:$port"
row 'a resolver walks and knows nothing' 8 "$hash" "@127.0.0.53:$port"
row 'a chain of trackers, all of them knowing nothing' 8 "$hash" "@127.0.0.54:$port"
row 'a resolver that knows the zone' 4 "${part}$(printf '0%.0s' {1..62})" "@127.0.0.53:$port"
row 'a resolver that knows the answer' 2 "$hash" "@127.0.0.53:$port"
((failed == 0)) || fail "the counts differ"

printf '\n== A name\n\n'
for n in 21 22; do
    until_true "the .torrent was published at 127.0.0.$n" \
        "$bin/tracker" dig big-zip.cs.uct "@127.0.0.$n:$port"
done
"$bin/tracker" dig big-zip.cs.uct "@127.0.0.53:$port"

printf '\n== One authority is killed: its replica answers\n\n'
stop 21
"$bin/tracker" dig "$hash" +trace "@127.0.0.10:$port"

printf '\n== The root is killed too: what is known goes on\n\n'
stop 10
"$bin/tracker" dig "$hash" "@127.0.0.53:$port"

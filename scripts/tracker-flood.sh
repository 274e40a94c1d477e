#!/usr/bin/env bash
# Five million announces of made-up torrents against a tracker in 384 MiB of memory; afterwards an
# honest swarm that was there before still gets all its peers, and was answered meanwhile.
#
#   scripts/tracker-flood.sh [COUNT] [tracker's flags ..]
#   TRACKER=path FLOOD=path scripts/tracker-flood.sh      binaries that are built already
#
# Sends from 127.1.0.1 to 127.1.0.250, to 127.0.0.1 only.
set -euo pipefail
cd "$(dirname -- "${BASH_SOURCE[0]}")/.."
count=${1:-5000000}
shift || true
limit=$((384 << 20))

if [[ -z ${TRACKER:-} || -z ${FLOOD:-} ]]; then
    cargo build --release --quiet --bin tracker
    TRACKER=target/release/tracker
    FLOOD=$(cargo bench --no-run --bench flood --message-format json 2>/dev/null |
        sed -n 's/.*"executable":"\([^"]*flood[^"]*\)".*/\1/p' | tail -1)
fi

work=$(mktemp -d)
group=
pid=
# shellcheck disable=SC2317,SC2329  # the trap calls it
finish() {
    if [[ -n $pid ]]; then kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null; fi
    if [[ -n $group ]]; then rmdir "$group" 2>/dev/null; fi
    rm -rf "$work"
}
trap finish EXIT

# A group of its own under cgroup v2 or v1; where neither may be made, a limit on the address space.
for base in /sys/fs/cgroup /sys/fs/cgroup/memory; do
    for file in memory.max memory.limit_in_bytes; do
        [[ -z $group ]] || continue
        dir=$base/swarmlet-flood-$$
        if mkdir "$dir" 2>/dev/null; then
            if [[ -e $dir/$file ]] && echo $limit 2>/dev/null >"$dir/$file"; then
                group=$dir
                how="control group ($file)"
            else
                rmdir "$dir" 2>/dev/null || true
            fi
        fi
    done
done

start() {
    if [[ -n $group ]]; then
        echo "$BASHPID" >"$group/cgroup.procs"
        exec "$TRACKER" "$@"
    elif command -v prlimit >/dev/null; then
        exec prlimit --as=$limit "$TRACKER" "$@"
    else
        exec "$TRACKER" "$@"
    fi
}
if [[ -z $group ]]; then
    if command -v prlimit >/dev/null; then
        how="address space only (prlimit --as): no control group could be made"
    else
        how="NONE: neither a control group nor prlimit is there, the memory is not limited"
    fi
fi

start --listen 127.0.0.1:0 --json -q "$@" >"$work/events" 2>"$work/log" &
pid=$!
for _ in $(seq 100); do
    port=$(sed -n 's/.*"event":"start".*"port":\([0-9]*\).*/\1/p' "$work/events")
    [[ -n $port ]] && break
    read -rt 0.1 <> <(:) || true
done
[[ -n ${port:-} ]] || { echo "the tracker did not start:" >&2; cat "$work/log" >&2; exit 1; }

echo "limit     384 MiB, $how"
echo "tracker   127.0.0.1:$port $*"
result=0
"$FLOOD" --tracker "127.0.0.1:$port" --count "$count" --sources 250 || result=$?
if kill -0 "$pid" 2>/dev/null; then
    awk '/VmHWM|VmRSS/ { printf "memory    %s %.0f MiB\n", $1, $2 / 1024 }' "/proc/$pid/status"
    curl -s "http://127.0.0.1:$port/metrics" |
        awk '/^swarmlet_tracker_(torrents|peers|refused_total|unverified_total) / { print "tracker   " $0 }'
    echo "log       $(wc -c <"$work/log") bytes"
else
    echo "the tracker ended:" >&2
    cat "$work/log" >&2
    result=1
fi
exit $result

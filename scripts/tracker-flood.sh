#!/usr/bin/env bash
# Five million announces of made-up torrents against a tracker in 384 MiB of memory, by UDP, natively
# with the longest names, and over HTTP, each said twice; and as many again by UDP alone, each once.
# It fails when an honest swarm that was there before has lost a member, when one of a hundred of its
# announces was answered after more than 10 ms, or when the tracker ever took more than 256 MiB.
#
#   scripts/tracker-flood.sh [COUNT] [tracker's flags ..]
#   TRACKER=path FLOOD=path scripts/tracker-flood.sh      binaries that are built already
#   NO_GROUP=1 scripts/tracker-flood.sh                   where no control group can be made
#
# Sends from 127.1.0.1 to 127.1.0.250, to 127.0.0.1 only. Without a control group it does not run,
# unless it is told to: then the address space alone is limited, and what was taken is held
# against its promise all the same.
set -euo pipefail
cd "$(dirname -- "${BASH_SOURCE[0]}")/.."
count=${1:-5000000}
shift || true
limit=$((384 << 20))
promise=$((256 << 10)) # kB
p99=10                 # ms

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
    if [[ -n $pid ]] && kill "$pid" 2>/dev/null; then wait "$pid" 2>/dev/null || true; fi
    if [[ -n $group ]]; then rmdir "$group" 2>/dev/null || true; fi
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

how=${how:-"address space only (prlimit --as): no control group could be made"}
if [[ -z $group && -z ${NO_GROUP:-} ]]; then
    echo "NOT RUN: no control group could be made under /sys/fs/cgroup: be root, or set NO_GROUP=1" >&2
    exit 3
fi

start() {
    if [[ -n $group ]]; then
        echo "$BASHPID" >"$group/cgroup.procs"
        exec "$TRACKER" "$@"
    fi
    exec prlimit --as=$limit "$TRACKER" "$@"
}

# flood NAME FLAGS..: a fresh tracker, a flood, and what became of it.
flood() {
    local name=$1
    shift
    local port='' result=0
    : >"$work/events"
    start --listen 127.0.0.1:0 --json -q "${flags[@]}" >"$work/events" 2>"$work/log" &
    pid=$!
    for _ in $(seq 100); do
        port=$(sed -n 's/.*"event":"start".*"port":\([0-9]*\).*/\1/p' "$work/events")
        [[ -n $port ]] && break
        read -rt 0.1 <> <(:) || true
    done
    [[ -n $port ]] || { echo "the tracker did not start:" >&2; cat "$work/log" >&2; exit 1; }
    echo "== $name: $count announces"
    echo "limit     384 MiB, $how"
    echo "tracker   127.0.0.1:$port ${flags[*]}"
    "$FLOOD" --tracker "127.0.0.1:$port" --count "$count" --sources 250 --p99 $p99 "$@" || result=1
    if ! kill -0 "$pid" 2>/dev/null; then
        echo "FAILED    the tracker ended:" >&2
        cat "$work/log" >&2
        return 1
    fi
    local most
    most=$(awk '/VmHWM/ { print $2 }' "/proc/$pid/status")
    echo "memory    $((most >> 10)) MiB at the most"
    if ((most > promise)); then
        echo "FAILED    more than $((promise >> 10)) MiB"
        result=1
    fi
    curl -s "http://127.0.0.1:$port/metrics" |
        awk '/^swarmlet_tracker_(torrents|peers|refused_total|unverified_total) / { print "tracker   " $0 }'
    echo "log       $(wc -c <"$work/log") bytes"
    kill "$pid"
    wait "$pid" || true
    pid=
    return $result
}

flags=("$@")
result=0
flood "by UDP, each once" || result=1
flood "in every dialect, each twice" --dialects udp,native,http --times 2 || result=1
flood "natively, each once" --dialects native || result=1
exit $result

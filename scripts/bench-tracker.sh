#!/usr/bin/env bash
# Measures trackers side by side, in one run: announces per second, and bytes a peer.
#
#   scripts/bench-tracker.sh                 ours, opentracker and aquatic_udp, as far as they are there
#   SECS=4 RUNS=3 TORRENTS="1 1000 100000" scripts/bench-tracker.sh
#   TRACKER=FILE LOAD=FILE scripts/bench-tracker.sh     these binaries instead of a build
#
# The tracker runs on core 0 and the load (benches/tracker.rs) on core 1; nothing else should run
# meanwhile. `responder` answers without looking: what the sockets allow on this machine.
# opentracker is $OPENTRACKER (Debian's wants a whitelist, which is written for it); aquatic_udp is
# $AQUATIC:
#   cargo install aquatic_udp --locked --no-default-features --features mimalloc \
#       --root ~/.cache/swarmlet/aquatic
# HTTP is measured with wrk if it is there, over 32 connections that are kept.
# Every process is stopped by its id, and nothing is left behind.
set -euo pipefail
cd "$(dirname -- "${BASH_SOURCE[0]}")/.."

secs=${SECS:-4} runs=${RUNS:-3} torrents=${TORRENTS:-"1 1000 100000"} peers=${PEERS:-1000000}
outstanding=${OUTSTANDING:-512} port=${PORT:-6979}
opentracker=${OPENTRACKER:-$(command -v opentracker || true)}
aquatic=${AQUATIC:-${XDG_CACHE_HOME:-$HOME/.cache}/swarmlet/aquatic/bin/aquatic_udp}

tracker=${TRACKER:-} load=${LOAD:-}
if [ -z "$tracker" ] || [ -z "$load" ]; then
    cargo build --release --locked --quiet --bin tracker
    tracker=${CARGO_TARGET_DIR:-target}/release/tracker
    load=$(cargo bench --locked --quiet --bench tracker --no-run --message-format=json |
        sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -n 1)
fi

work=$(mktemp -d)
chmod 755 "$work"
pid=
stop() {
    if [ -n "$pid" ]; then
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
        pid=
    fi
}
trap 'stop; rm -rf "$work"' EXIT
"$load" --hashes 100000 >"$work/white"
"$load" --hashes 1000 >"$work/thousand"
cat >"$work/aquatic.toml" <<END
socket_workers = 1
log_level = "error"
[network]
address = "127.0.0.1:$port"
socket_recv_buffer_size = 4194304
[protocol]
max_response_peers = 50
[statistics]
interval = 0
END
cat >"$work/announce.lua" <<'END'
local hashes = {}
function init()
  for line in io.lines(os.getenv("HASHES")) do
    hashes[#hashes + 1] = line:gsub("(%x%x)", "%%%1")
  end
end
function request()
  return wrk.format("GET", "/announce?info_hash=" .. hashes[math.random(#hashes)]
    .. "&peer_id=-LD0001-abcdefghijkl&port=" .. math.random(1024, 65023)
    .. "&uploaded=0&downloaded=0&left=" .. math.random(0, 1) .. "&compact=1&numwant=50")
end
END

start() {
    case $1 in
    # The others know no bounds.
    ours) taskset -c 0 "$tracker" --listen "127.0.0.1:$port" --quiet --max-peers 10000000 \
        --max-peers-per-torrent 10000000 & ;;
    opentracker)
        (cd "$work" && exec taskset -c 0 "$opentracker" -i 127.0.0.1 -p "$port" -P "$port" \
            -d "$work" -w /white) >/dev/null 2>&1 & ;;
    aquatic) taskset -c 0 "$aquatic" -c "$work/aquatic.toml" >/dev/null 2>&1 & ;;
    responder) taskset -c 0 "$load" --responder "127.0.0.1:$port" & ;;
    esac
    pid=$!
    sleep 1
    kill -0 "$pid"
}
rss() { awk '/VmRSS/{print $2}' "/proc/$pid/status"; }
median() { sort -g | awk '{v[NR]=$1} END{print v[int((NR+1)/2)]}'; }
announce() { taskset -c 1 "$load" "127.0.0.1:$port" --outstanding "$outstanding" "$@"; }

names="responder ours"
if [ -x "$opentracker" ]; then names="$names opentracker"; fi
if [ -x "$aquatic" ]; then names="$names aquatic"; fi

declare -A figure
for name in $names; do
    for t in $torrents; do
        for _ in $(seq "$runs"); do
            start "$name"
            announce --secs "$secs" --torrents "$t" | tee -a "$work/log" | awk '{print $1}'
            stop
        done >"$work/runs"
        figure[$name,$t]=$(median <"$work/runs")
        if [ "$name" = responder ]; then continue; fi
        start "$name"
        before=$(rss)
        announce --populate "$peers" --addresses 16 --torrents "$t" >>"$work/log"
        figure[$name,$t,bytes]=$((($(rss) - before) * 1024 / peers))
        stop
    done
done

printf '\n%-12s %10s %12s %8s %10s %12s\n' tracker torrents responses/s ours/it 'ceiling %' bytes/peer
for name in $names; do
    for t in $torrents; do
        awk -v name="$name" -v t="$t" -v it="${figure[$name,$t]}" -v ours="${figure[ours,$t]}" \
            -v top="${figure[responder,$t]}" -v bytes="${figure[$name,$t,bytes]:--}" 'BEGIN {
            printf "%-12s %10d %12.0f %8.2f %10.0f %12s\n", name, t, it, ours / it, 100 * it / top, bytes }'
    done
done
if command -v wrk >/dev/null; then
    for name in ours opentracker; do
        case " $names " in *" $name "*) ;; *) continue ;; esac
        start "$name"
        printf '%-12s HTTP, connections kept: ' "$name"
        HASHES=$work/thousand taskset -c 1 wrk -t1 -c32 -d"${secs}s" --latency \
            -s "$work/announce.lua" "http://127.0.0.1:$port" |
            awk '/Requests\/sec/{rate=$2} /99%/{slow=$2} END{print rate " announces/s, p99 " slow}'
        stop
    done
fi

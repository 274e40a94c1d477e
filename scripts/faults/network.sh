#!/usr/bin/env bash
# What networks do to swarms, at length: the tests of tests/faults/network.rs with more of everything.
#
# A swarm over links of 20 Mbit/s that lose one packet of twenty, in which one peer's link goes down
# for 40 s, once with each way of the kernel's to react to loss; one leecher alone, held against a bare
# TCP copy over the same links; partitions of half of a swarm; forged resets. It takes half an hour,
# and needs root and network namespaces; what this machine does not allow is said and not counted.
#
# usage: scripts/faults/network.sh [--quick]    (--quick: a tenth of the bytes, on the debug build)
set -euo pipefail
cd "$(dirname -- "${BASH_SOURCE[0]}")/../.."

mib=256 profile=(--release)
if [ "${1:-}" = --quick ]; then
    mib=24 profile=()
fi
: "${NETWORK_LEECHERS:=9}" "${NETWORK_LOSS:=50}" "${NETWORK_MBIT:=20}" "${NETWORK_APART:=40}"
export NETWORK_MIB=${NETWORK_MIB:-$mib} NETWORK_LEECHERS NETWORK_LOSS NETWORK_MBIT NETWORK_APART

failed=0 passed=0 skipped=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# play TITLE TEST: runs one test and prints its figures.
play() {
    printf '== %s\n' "$1"
    local status=0
    cargo test --locked "${profile[@]}" --test faults -- --nocapture --exact "network::$2" >"$log" 2>&1 ||
        status=$?
    grep -aE '^\[harness\]|^NOT RUN|panicked|of a bare copy' "$log" || true
    if [ "$status" -ne 0 ]; then
        failed=$((failed + 1))
        tail -n 40 "$log"
    elif grep -aq '^NOT RUN' "$log"; then
        skipped=$((skipped + 1))
    else
        passed=$((passed + 1))
    fi
}

swarm=a_swarm_over_lossy_links_keeps_up_with_a_bare_copy_and_is_exact
known=$(cat /proc/sys/net/ipv4/tcp_available_congestion_control)
for congestion in cubic reno bbr; do
    case " $known " in
    *" $congestion "*)
        NETWORK_CONGESTION=$congestion play \
            "$NETWORK_LEECHERS leechers, $NETWORK_LOSS of 1000 lost, a link down for $NETWORK_APART s, $congestion" \
            "$swarm"
        NETWORK_CONGESTION=$congestion NETWORK_LEECHERS=1 NETWORK_APART=0 \
            NETWORK_MIB=$((NETWORK_MIB / 4 < 16 ? 16 : NETWORK_MIB / 4)) play \
            "one leecher, $NETWORK_LOSS of 1000 lost, $congestion" "$swarm"
        ;;
    *)
        printf '== %s: NOT RUN: the kernel does not have it\n' "$congestion"
        skipped=$((skipped + 1))
        ;;
    esac
done
for loss in 1 10 20; do
    NETWORK_LOSS=$loss NETWORK_LEECHERS=1 NETWORK_APART=0 NETWORK_MIB=$((NETWORK_MIB / 8 < 16 ? 16 : NETWORK_MIB / 8)) play \
        "one leecher, $loss of 1000 lost" "$swarm"
done
play "half of the leechers cut off for $NETWORK_APART s" \
    who_was_cut_off_goes_on_soon_after_and_is_exact
NETWORK_RESET=1 play "one packet of 1000 answered by a reset" \
    resets_that_somebody_forges_delay_a_download_and_ban_nobody
play "packets that overtake each other" packets_that_overtake_each_other_cost_no_byte_and_little_time

printf '%s passed, %s failed, %s not run\n' "$passed" "$failed" "$skipped"
[ "$failed" -eq 0 ]

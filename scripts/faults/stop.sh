#!/usr/bin/env bash
# SIGTERM, Ctrl-C and SIGHUP at random moments, beside stalled peers and trackers that say nothing:
# every program is out within three seconds, and every tracker that answers has heard of it.
#
#   scripts/faults/stop.sh [ROUNDS]         default: 500, five at a time
set -euo pipefail
cd "$(dirname -- "${BASH_SOURCE[0]}")/../.."
ROUNDS=${1:-${ROUNDS:-500}} exec ${CARGO:-cargo} test --locked --quiet --test faults -- shutdown:: --nocapture

#!/usr/bin/env bash
# Runs the models of what threads share under so many random schedules each (10,000 unless given).
#
#   scripts/faults/models.sh [SCHEDULES]
set -euo pipefail
cd "$(dirname "$0")/../../models"
SCHEDULES=${1:-10000} exec nice -n 15 cargo test --locked

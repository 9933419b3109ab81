#!/usr/bin/env bash
# Fuzzes one target, or each in turn, for as long as is wanted.
#
#   tests/fuzz/run.sh wire 3600          an hour, from a random seed, which is printed
#   tests/fuzz/run.sh all 600            ten minutes each
#   tests/fuzz/run.sh json 60 17         from a given seed
#   tests/fuzz/run.sh json FILE          one input
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
exec cargo run --quiet --locked --profile fast -p spindle-fuzz -- "$@"

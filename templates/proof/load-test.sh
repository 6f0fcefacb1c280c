#!/usr/bin/env bash
# How fast the service answers under the load it was planned for: see verify/load_test.py --help.
#   ./load-test.sh            0: met, 1: not met, 2: could not run
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")"

exec "${PYTHON:-python3}" verify/load_test.py "$@"

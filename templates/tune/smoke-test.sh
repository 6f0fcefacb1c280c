#!/usr/bin/env bash
# Proves that the recipe runs on this machine: two steps of training, then the merge. Overwrites tune/output.
#   ./smoke-test.sh            ./smoke-test.sh --method qlora
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")"

python="${PYTHON:-.venv/bin/python}"
[[ -x "$python" ]] || {
  printf 'FAIL  %s is not there: see "Fine-tuning" in README.md\n' "$python" >&2
  exit 1
}
saved=$("$python" train.py --max-steps 2 "$@" | tee /dev/stderr | tail -n 1)
case "$saved" in
  "saved output/adapter") "$python" merge.py ;;
  "saved output/merged") ;;
  *)
    printf 'FAIL  train.py saved nothing\n' >&2
    exit 1
    ;;
esac
[[ -f output/merged/config.json ]]
printf 'PASS  two steps were trained, and the model is in output/merged\n'

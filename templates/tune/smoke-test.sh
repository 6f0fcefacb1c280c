#!/usr/bin/env bash
# Proves that the recipe runs on this machine: two steps of training, then the merge. Overwrites tune/output.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")"

python="${PYTHON:-.venv/bin/python}"
[[ -x "$python" ]] || {
  printf 'FAIL  %s is not there: see "Fine-tuning" in README.md\n' "$python" >&2
  exit 1
}
method=$("$python" -c 'import json; print(json.load(open("recipe.json"))["method"])')
"$python" train.py --max-steps 2 "$@"
if [[ "$method" == full ]]; then
  [[ -f output/merged/config.json ]]
else
  "$python" merge.py
fi
printf 'PASS  two steps of %s were trained and saved\n' "$method"

#!/usr/bin/env bash
# Ends the job. Its script is told first, so that the engine may finish its answers for up to a minute.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")"

if [[ ! -s run/job ]]; then
  echo "nothing was submitted"
  exit 0
fi
job=$(cat run/job)
state() { squeue --noheader --format=%T --jobs="$job" 2>/dev/null || true; }

if [[ "$(state)" == RUNNING ]]; then
  scancel --batch --signal=TERM "$job" || true
  for ((waited = 0; waited < 90; waited++)); do
    if [[ -z "$(state)" ]]; then break; fi
    sleep 1
  done
fi
if [[ -n "$(state)" ]]; then scancel "$job" || true; fi
while [[ -n "$(state)" ]]; do sleep 1; done
rm -f run/job run/where
echo "ended: job $job"

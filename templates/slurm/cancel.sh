#!/usr/bin/env bash
# Ends the job: the engine may finish its answers as long as Slurm waits (KillWait, 30 seconds by default).
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")"

if [[ ! -s run/job ]]; then
  echo "nothing was submitted"
  exit 0
fi
job=$(cat run/job)
scancel "$job" || true
while [[ -n "$(squeue --noheader --jobs="$job" 2>/dev/null || true)" ]]; do sleep 1; done
rm -f run/job run/where
echo "ended: job $job"

#!/bin/sh
# The end of a start: waits until the engine answers at the address $1. It fails when the engine has ended, and systemd
# ends it after TimeoutStartSec.
set -eu

until curl --silent --fail --max-time 5 --output /dev/null "$1"; do
  kill -0 "$MAINPID"
  sleep 2
done

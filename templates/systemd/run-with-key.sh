#!/bin/sh
# Runs a program with the key, which systemd hands over as a file, in the variable that the first word names.
set -eu

name=$1
shift
key=$(cat "$CREDENTIALS_DIRECTORY/api-key")
export "$name=$key"
exec "$@"

#!/bin/sh
# Starts llama-server with the one model there is: the first .gguf file (a model in parts starts with its first part).
set -eu

model=$(find /models -name '*.gguf' ! -name 'mmproj*' | sort | head -n 1)
if [ -z "$model" ]; then
  echo "no .gguf file in /models" >&2
  exit 1
fi
exec "${LLAMA_SERVER:-/app/llama-server}" --model "$model" "$@"

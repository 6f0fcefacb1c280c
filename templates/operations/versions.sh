#!/usr/bin/env bash
# Keeps the files of this folder that run, so that an upgrade has a way back. The other scripts call it; by hand:
#   ./versions.sh list       ./versions.sh put before      ./versions.sh finish, after it was killed
# Only files change places. Keys (.env), programs, weights, logs and what was tuned stay as they are.
set -euo pipefail
umask 077
cd -- "$(dirname -- "${BASH_SOURCE[0]}")"

fail() {
  printf 'FAIL  %s\n' "$*" >&2
  exit 1
}

# Small files of the folder, each with a zero byte behind it.
files() {
  find . \( -path ./kept -o -path ./run -o -path ./logs -o -path ./cache -o -path './engine-*' -o -path './caddy-*' \
    -o -path ./tune/output -o -path ./tune/.venv -o -path ./.venv -o -path ./.git -o -path ./node_modules -o -path ./weights \
    -o -path ./monitoring/data -o -path ./.deployadvisor-update -o -name .env -o -name engine-key \) -prune \
    -o -type f -size -2048k -print0
}

# Says which weights lie on the volume of a cluster: a fact that no other version changes.
loaded=kubernetes/engine/weights.sha256

# Those that say what runs: scripts, and whole folders. The others are pages, and what people wrote.
decisive() {
  local folder
  find . -maxdepth 1 -name '*.sh' -type f -print0
  for folder in engine proxy units kubernetes lws kserve; do
    if [[ -d "$folder" ]]; then find "./$folder" -type f ! -path "./$loaded" -print0; fi
  done
}

# What the name running, before or set-aside means; each is a file, because a file can be replaced in one step.
named() { cat "kept/$1" 2>/dev/null; }
name() {
  printf '%s\n' "$2" >"kept/.$1"
  mv -f "kept/.$1" "kept/$1"
}

# Copies the files into a folder that has its name only when it is whole.
copy() {
  copied=$(date -u +%Y%m%dT%H%M%SZ)-$$-$RANDOM
  mkdir -p "kept/.$copied"
  files | while IFS= read -r -d '' file; do
    mkdir -p "kept/.$copied/${file%/*}"
    cp -p "$file" "kept/.$copied/$file"
  done
  mv "kept/.$copied" "kept/$copied"
}

# Whether every decisive file of the one folder is in the other, alike.
covers() {
  (cd -- "$1" && decisive) | while IFS= read -r -d '' file; do
    cmp -s "$1/$file" "$2/$file" || exit 1
  done
}

same() {
  local running
  running=$(named running) && [[ -d "kept/$running" ]] && covers . "kept/$running" && covers "kept/$running" .
}

# Removes copies that have no name, and what a run that was killed has left.
sweep() {
  local one
  for one in kept/[0-9]* kept/.[0-9]*; do
    if [[ -d "$one" && " $(named running) $(named before) $(named set-aside) $(named putting) " != *" ${one#kept/} "* ]]; then
      rm -rf "$one"
    fi
  done
}

keep() {
  local ran
  [[ ! -f kept/putting ]] || fail "files are half put back: ./versions.sh finish"
  mkdir -p kept
  ran=$(named running || true)
  if [[ -n "$ran" ]] && ! same; then name before "$ran"; fi
  copy
  name running "$copied"
  rm -f kept/switching
  sweep
  # Root keeps them for the owner of the folder.
  if ((EUID == 0)); then chown -R --reference=. kept; fi
}

# Puts the files of a copy in place, one by one; run again, it ends what was cut short.
finish() {
  local from file
  from=$(named putting) || return 0
  (cd -- "kept/$from" && find . -type f ! -path "./$loaded" -print0) | while IFS= read -r -d '' file; do
    mkdir -p "${file%/*}"
    cp -p "kept/$from/$file" "$file.put-back"
    mv -f "$file.put-back" "$file"
  done
  # Every unit there is would be installed.
  for file in units/*; do
    if [[ -f "$file" && ! -f "kept/$from/$file" ]]; then rm -f "$file"; fi
  done
  rm -f kept/putting
}

put() {
  local from
  finish
  from=$(named "$1") || fail "no version is kept as \"$1\""
  [[ -d "kept/$from" ]] || fail "kept/$from is not there"
  copy
  name set-aside "$copied"
  name putting "$from"
  finish
  sweep
}

list() {
  local one
  for one in running before set-aside; do
    if [[ -f "kept/$one" ]]; then printf '%-9s  kept/%s\n' "$one" "$(named "$one")"; fi
  done
}

case "${1:-}" in
  keep | same | finish | list) "$1" ;;
  put) put "${2:-}" ;;
  *) fail "usage: ./versions.sh list | keep | same | finish | put running|before|set-aside" ;;
esac

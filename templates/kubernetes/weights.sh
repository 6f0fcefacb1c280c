#!/bin/sh
# Runs in the container "weights" of a pod: waits until the weights on the volume are those that are wanted, and takes
# them in. load-weights.sh calls the other commands from outside. Needs nothing beyond BusyBox.
set -eu

root="${WEIGHTS_ROOT:-/models}"
wanted="${WEIGHTS_WANTED:-/setup/weights.sha256}"
marker="$root/.whole"
parts="$root/.parts"

digest_of() { sha256sum "$1" | cut -d ' ' -f 1; }
size_of() { wc -c <"$1" | tr -d ' '; }
is() { [ -f "$1" ] && [ ! -L "$1" ] && [ "$(size_of "$1")" = "$2" ]; }

# Names of the one folder "model" or the one file "model.gguf", and nothing that leads out of them.
refuse_odd() {
  case "/$1/" in
    *[!A-Za-z0-9._+=@,/-]* | *//* | */./* | */../*) ;;
    /model/* | /model.gguf/) return ;;
  esac
  echo "not a name of weights: $1" >&2
  exit 2
}

# Says something now and then while a large file is read, or the connection is taken for a dead one and cut.
stay_connected() {
  while sleep 20 >/dev/null 2>&1; do echo alive; done &
  trap 'kill "$!" 2>/dev/null' EXIT
}

wait_for_them() {
  trap 'exit 143' TERM INT
  waited=0
  until cmp -s "$wanted" "$marker"; do
    if [ "$((waited % 60))" -eq 0 ]; then
      echo "waiting for the weights: run ./load-weights.sh in the folder that these files came from"
    fi
    waited=$((waited + 2))
    sleep 2 &
    wait "$!"
  done
  echo "the weights are whole: $(cat "$marker")"
}

# List on standard input: digest, size, name. Removes what is not on it, and prints what is missing and the room left.
# Nothing is ever changed in place, so that an engine that still has a file open goes on reading the old one.
begin() {
  rm -f "$marker"
  mkdir -p "$parts"
  list=$(cat)
  find "$root/model" "$root/model.gguf" ! -type d 2>/dev/null | while IFS= read -r file; do
    line=$(printf '%s\n' "$list" | awk -v name="${file#"$root"/}" '$3 == name')
    if [ -z "$line" ] || ! is "$file" "$(printf '%s' "$line" | cut -d ' ' -f 2)"; then rm -f -- "$file"; fi
  done
  printf '%s\n' "$list" | while read -r digest size name; do
    refuse_odd "$name"
    if ! is "$root/$name" "$size" || [ "$(digest_of "$root/$name")" != "$digest" ]; then
      rm -rf -- "${root:?}/$name"
      echo "missing $name"
    fi
  done
  for part in "$parts"/*; do
    case "$list" in
      *"${part##*/} "*) echo "part ${part##*/} $(size_of "$part")" ;;
      *) rm -f -- "$part" ;;
    esac
  done
  echo "room $(df -Pk "$root" | awk 'NR == 2 { print $4 }')"
}

# Digest, size, name; the rest of the file on standard input. What was broken off is kept to go on with, and a file
# takes its place only when all of it is there and right.
take() {
  refuse_odd "$3"
  cat >>"$parts/$1"
  if [ "$(size_of "$parts/$1")" -lt "$2" ]; then
    echo "$3 has arrived in part" >&2
    exit 3
  fi
  if ! is "$parts/$1" "$2" || [ "$(digest_of "$parts/$1")" != "$1" ]; then
    rm -f -- "$parts/$1"
    echo "$3 did not arrive as it was sent" >&2
    exit 3
  fi
  mkdir -p "$(dirname "$root/$3")"
  mv -f -- "$parts/$1" "$root/$3"
}

# The same list again: only a whole set is marked, once it has reached the disk.
mark() {
  list=$(cat)
  printf '%s\n' "$list" | while read -r _ size name; do
    if ! is "$root/$name" "$size"; then
      echo "$name is missing" >&2
      exit 3
    fi
  done
  [ "$(printf '%s\n' "$list" | sha256sum | cut -d ' ' -f 1)" = "$(cat "$wanted")" ] || exit 4
  rm -rf -- "$parts"
  sync
  cp "$wanted" "$marker.part"
  mv -f "$marker.part" "$marker"
  sync
}

command=$1
shift
case "$command" in
  wait) wait_for_them ;;
  begin) stay_connected; begin ;;
  take) stay_connected; take "$1" "$2" "$3" ;;
  mark) stay_connected; mark ;;
  *) exit 2 ;;
esac

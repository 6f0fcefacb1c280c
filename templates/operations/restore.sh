#!/usr/bin/env bash
# Puts an archive of backup.sh into a new folder, and checks every file.
#   ./restore.sh ARCHIVE NEW-FOLDER
set -euo pipefail
umask 077

archive=${1:-}
folder=${2:-}
[[ -f "$archive" && -n "$folder" ]] || {
  echo "usage: ./restore.sh ARCHIVE NEW-FOLDER" >&2
  exit 1
}
if [[ -e "$folder" && -n "$(ls -A -- "$folder")" ]]; then
  echo "$folder is not empty" >&2
  exit 1
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

tar -xzf "$archive" -C "$work"
(cd "$work/folder" && sha256sum --check --quiet ../SHA256SUMS)
mkdir -p -- "$folder"
cp -a -- "$work/folder/." "$folder/"
cp -- "$work/INVENTORY.txt" "$folder/"
echo "restored: $folder; what ran is listed in INVENTORY.txt"
if [[ ! -f "$folder/.env" ]]; then
  echo "the keys are not in the archive: put .env back before the start"
fi

#!/bin/sh
# Starts nginx in its container. nginx cannot read a variable, so the key is handed over in a file that lives in memory.
set -eu
umask 077

case "${API_KEY:-}" in
  '')
    echo "API_KEY is not set" >&2
    exit 1
    ;;
  *[!A-Za-z0-9._~+/=-]*)
    echo "API_KEY may hold letters, digits and . _ ~ + / = - only: openssl rand -hex 32 makes one" >&2
    exit 1
    ;;
esac

mkdir -p /tmp/nginx
pattern=$(printf '%s' "$API_KEY" | sed 's/[.+]/[&]/g')
{
  # As a pattern, because nginx compares words without regard to capitals.
  echo "map \$http_authorization \$authorized {"
  echo "    default 0;"
  printf '    "~^Bearer %s$" 1;\n' "$pattern"
  echo "}"
} >/tmp/nginx/key.conf
unset API_KEY

exec nginx -e stderr -c /etc/nginx/nginx.conf

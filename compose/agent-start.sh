#!/usr/bin/env bash
# Starts Telegraf with the secrets of its collectors in its environment, where `docker inspect` does not show them.
set -euo pipefail
for path in /run/secrets/collectors/*; do
  name=${path##*/}
  name=${name^^}
  declare -x "ARESMON_SECRET_${name//-/_}=$(<"$path")"
done
exec telegraf "$@"

# The moment of the restart ----------------------------------------------------------------------------------
# This part owns the wait before the files are switched: a restart must not fall on a reading, which would be lost.

check_took=1000000 # microseconds; Telegraf's check takes as long as its start, and in a container as that of the container

await_moment() { # fails if the connection ends, in which case nothing was changed
  local wait
  [ "$active" = active ] || return 0 # it reads nothing now
  wait=$(milliseconds_to_wait "${EPOCHREALTIME/[.,]/}" "$check_took")
  [ "$wait" -gt 0 ] || return 0
  emit "state wait"
  read -r -t "$((wait / 1000)).$(printf '%03d' $((wait % 1000)))"
  [ $? -gt 128 ]
}

milliseconds_to_wait() { # NOW CHECK, in microseconds; as `ReadingTimes.seconds_to_wait` in agents/readings.py
  local interval offset jitter since settled needed wait=0
  read -r interval offset jitter <<<"${request[readings]:-0 0 0}"
  if [ "${interval:-0}" -gt 0 ]; then
    needed=$((1500 + $2 * 3 / 2000))
    [ "$needed" -le 10000 ] || needed=10000
    since=$((($1 / 1000 + 62135596800000 - offset) % interval)) settled=$((jitter + 500))
    if [ "$since" -lt "$settled" ]; then
      wait=$((settled - since))
    elif [ $((since + needed)) -gt "$interval" ]; then
      wait=$((interval - since + settled))
    fi
    [ "$wait" -le 15000 ] || wait=0
  fi
  printf '%s' "$wait"
}

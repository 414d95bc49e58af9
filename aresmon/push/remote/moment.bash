# The moment of the restart ----------------------------------------------------------------------------------
# This part owns that a restart loses no reading: the wait before the files are switched, since the restart must not fall
# on a reading, and the second Telegraf that reads the usage of the CPU until the new agent has read it twice.

check_took=1000000 # microseconds; Telegraf's check takes as long as its start, and in a container as that of the container

await_moment() { # fails if the connection ends, in which case nothing was changed
  local milliseconds seconds
  [ "$active" = active ] || return 0 # it reads nothing now
  compute_wait milliseconds "${EPOCHREALTIME/[.,]/}" "$check_took"
  [ "$milliseconds" -gt 0 ] || return 0
  emit "state wait"
  printf -v seconds '%d.%03d' $((milliseconds / 1000)) $((milliseconds % 1000))
  read -r -t "$seconds"
  [ $? -gt 128 ]
}

compute_wait() { # NAME NOW CHECK, in microseconds; as `ReadingTimes.seconds_to_wait` in agents/readings.py
  local interval offset jitter since settled needed wait=0
  read -r interval offset jitter <<<"${request[readings]:-0 0 0}"
  if [ "${interval:-0}" -gt 0 ]; then
    needed=$((3000 + $3 * 3 / 2000))
    [ "$needed" -le 10000 ] || needed=10000
    compute_since since "$2" "$interval" "$offset"
    settled=$((jitter + 500))
    if [ "$since" -lt "$settled" ]; then
      wait=$((settled - since))
    elif [ $((since + needed)) -gt "$interval" ]; then
      wait=$((interval - since + settled))
    fi
    [ "$wait" -le 15000 ] || wait=0
  fi
  printf -v "$1" '%s' "$wait"
}

compute_since() { # NAME NOW INTERVAL OFFSET, the time in microseconds: the milliseconds since the last reading was due
  printf -v "$1" '%s' $((($2 / 1000 + 62135596800000 - $4) % $3)) # Telegraf counts from the year 1
}

cpu_reader='' # its process: `timeout`, which ends Telegraf when it is ended itself

start_cpu_reader() { # if the agent read before, and its next reading is not too close; ends by itself
  local interval offset left end seconds included='' arguments
  [ -n "${request[cpu_reader]:-}" ] && [ "$was_active" = active ] || return 0
  read -r interval offset _ <<<"${request[readings]}"
  compute_since left "${EPOCHREALTIME/[.,]/}" "$interval" "$offset"
  left=$((interval - left))
  [ "$left" -ge 1000 ] || return 0
  end=$((left + 3000 + check_took / 1000)) # its start takes longer on a slow host
  printf -v seconds '%d.%03d' $((end / 1000)) $((end % 1000))
  if [ "${request[kind]}" = docker ]; then
    docker exec --detach "$pid" bash -c "${request[cpu_reader]}" - "$seconds" /etc/aresmon/telegraf.conf '' \
      $((left - 300)) "$interval" >/dev/null 2>&1
    return 0
  fi
  [ ! -d "${request[watched]%/*}/telegraf.d" ] || included=${request[watched]%/*}/telegraf.d
  arguments=("$seconds" "${request[watched]}" "$included" $((left - 300)) "$interval")
  exec_as_agent "${request[environment]}" '' bash -c "${request[cpu_reader]}" - "${arguments[@]}" \
    </dev/null >/dev/null 2>&1 8>&- 9>&- &
  cpu_reader=$!
}

stop_cpu_reader() { # that of a container ends with it
  [ -z "$cpu_reader" ] || kill "$cpu_reader" 2>/dev/null
  cpu_reader=''
}

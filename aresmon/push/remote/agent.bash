# The agent --------------------------------------------------------------------------------------------------
# This part owns Telegraf itself, as a systemd service or a Compose service: its state, its restart, its log.

loaded='' active='' pid=0 restarts=0 user='' invocation=''
groups='' capabilities='' # that the unit gives the agent besides those of its user
agent_rights=(--init-groups)

read_agent() {
  local line value lines=()
  loaded='' active='' pid=0 restarts=0 user='' invocation=''
  if [ "${request[kind]}" = docker ]; then
    loaded=not-found active=inactive
    command -v docker >/dev/null && loaded=loaded
    local id
    id=$(docker ps -aq --no-trunc --filter "label=com.docker.compose.project=${request[project]}" \
      --filter label=com.docker.compose.service=telegraf --filter label=com.docker.compose.oneoff=False 2>/dev/null | head -n 1)
    [ -n "$id" ] || return 0
    read -r value pid restarts < <(docker inspect -f '{{.State.Status}} {{.Id}} {{.RestartCount}}' "$id" 2>/dev/null)
    active=$value
    [ "$value" = running ] && active=active
    return 0
  fi
  split lines "$(exec systemctl show telegraf -p LoadState -p ActiveState -p MainPID -p NRestarts -p User -p InvocationID \
    -p SupplementaryGroups -p AmbientCapabilities 2>/dev/null)"
  for line in "${lines[@]}"; do
    value=${line#*=}
    case $line in
      LoadState=*) loaded=$value ;;
      ActiveState=*) active=$value ;;
      MainPID=*) pid=$value ;;
      NRestarts=*) restarts=$value ;;
      User=*) user=$value ;;
      InvocationID=*) invocation=$value ;;
      SupplementaryGroups=*) groups=$value ;;
      AmbientCapabilities=*) capabilities=$value ;;
    esac
  done
}

compose() { # FOLDER ARGUMENTS…; without variables of the caller's environment that would override the folder's .env
  local folder=$1
  shift
  (cd "$folder" && env -i PATH="$PATH" HOME="${HOME:-/root}" DOCKER_GROUP="$(stat -L -c %g /var/run/docker.sock)" \
    ${DOCKER_HOST:+DOCKER_HOST="$DOCKER_HOST"} ${DOCKER_CONTEXT:+DOCKER_CONTEXT="$DOCKER_CONTEXT"} \
    ${DOCKER_CONFIG:+DOCKER_CONFIG="$DOCKER_CONFIG"} \
    docker compose --project-name "${request[project]}" --project-directory "$folder" --progress plain "$@")
}

restart_agent() { # a stop that hangs is killed after 25 s, a start that hangs after another 25 s
  if [ "${request[kind]}" = docker ]; then
    compose "${request[folder]}" up --detach --no-deps --no-build --force-recreate telegraf 2>&1 </dev/null
    return
  fi
  timeout 25 systemctl restart telegraf 2>&1 && return
  if [ $? -eq 124 ]; then # after the kill systemd starts the new process itself; a stop would hang again
    systemctl kill --signal=KILL telegraf 2>&1
    timeout 25 systemctl start telegraf 2>&1
    return
  fi
  systemctl reset-failed telegraf 2>&1 # systemd refuses more than five starts in ten seconds
  timeout 25 systemctl restart telegraf 2>&1
}

stop_agent() {
  if [ "${request[kind]}" = docker ]; then
    compose "${request[folder]}" rm --stop --force telegraf 2>&1 </dev/null
  else
    timeout 25 systemctl stop telegraf 2>&1 || systemctl kill --signal=KILL telegraf 2>&1
  fi
}

is_agent_running() { # ID: the process that was started, not a later one; Docker is asked every third second only
  if [ "${request[kind]}" = docker ]; then
    [ $((SECONDS % 3)) -ne 0 ] && return
    [ "$(docker inspect -f '{{.State.Status}} {{.RestartCount}}' "$1" 2>/dev/null)" = 'running 0' ]
  else
    [ -d "/proc/$1" ]
  fi
}

flush_agent() { # ID: Telegraf sends its buffered points on SIGUSR1
  if [ "${request[kind]}" = docker ]; then
    docker kill --signal USR1 "$1" >/dev/null 2>&1
  elif catches_usr1 "$1"; then
    kill -USR1 "$1" 2>/dev/null
  fi
}

catches_usr1() { # PID; the signal would kill a wrapper script around Telegraf
  local name mask
  while read -r name mask; do
    [ "$name" = SigCgt: ] && return $((!(0x$mask >> 9 & 1)))
  done 2>/dev/null <"/proc/$1/status"
  return 1
}

exec_as_agent() { # ENVIRONMENT AUTHORITY COMMAND…: as the service's user, with the variables of this file
  set -a
  # shellcheck disable=SC1090 # a file that was deployed, or staged
  . "$1" || exit 1
  [ -z "$2" ] || ARESMON_CA=$2
  set +a
  unset SSH_CLIENT SSH_CONNECTION SSH_TTY # with these, each bash of an input would read root's .bashrc
  cd / && exec ${user:+setpriv --reuid="$user" --regid="$user" "${agent_rights[@]}"} "${@:3}"
}

report_log() { # ID SECONDS: the errors of this start of the agent: the first, which is often the cause, and the last
  # From the version on that was to remove a setting, Telegraf logs an error for it and still takes it.
  if [ "${request[kind]}" = docker ]; then
    docker logs --tail 40 "$1" 2>&1
  else
    if [ -n "$started_as" ]; then # systemd's name of this start; its lines do not include those of the process before
      journalctl "_SYSTEMD_INVOCATION_ID=$started_as" + "INVOCATION_ID=$started_as" -n 60 -o cat --no-pager 2>/dev/null
    else
      journalctl -u telegraf --since "-${2:-60}s" -n 60 -o cat --no-pager 2>/dev/null
    fi
  fi | grep -E ' E! |[Ee]rror|panic' | grep -v 'E! DeprecationError' | sed '1!{$!d}' |
    while IFS= read -r line; do emit "log ${line:0:400}"; done
}

other='' # what Telegraf reads instead of the deployed configuration

reads_other_configuration() { # PID; sets other if the deployed configuration is not among what Telegraf reads
  local word option='' found=() names=()
  [ "${request[kind]}" != docker ] || return
  while IFS= read -r -d '' word; do
    names+=("$word")
    [ ${#names[@]} -gt 1 ] || continue
    case ${option:+$option=}$word in
      --config=* | -config=*) found+=("${word#*config=}") ;;
      --config-directory=* | -config-directory=*) found+=("${word#*config-directory=}") ;;
    esac
    option=''
    [[ ! $word =~ ^--?config(-directory)?$ ]] || option=$word
  done 2>/dev/null <"/proc/$1/cmdline"
  [[ ${names[0]:-} =~ (^|/)telegraf$ && ${#found[@]} -gt 0 ]] || return
  for word in "${found[@]}"; do
    [ "$word" -ef "${request[watched]}" ] && return 1
    [ -d "$word" ] && [[ $(readlink -f -- "${request[watched]}") == "$(readlink -f -- "$word")"/*.conf ]] && return 1
  done
  other=${found[*]}
}

report_unresolved() { # the outputs' host names without an address; a container resolves names of its own
  local name
  [ "${request[kind]}" != docker ] || return 0
  for name in ${request[outputs]:-}; do
    timeout 5 getent ahosts "$name" >/dev/null 2>&1
    [ $? -ne 2 ] || emit "unresolved $name"
  done
}

read_version() { # runs the program only if its file has changed since the last time
  local program known=${request[state]}/version # has the time of the program's file
  [ "${request[kind]}" = docker ] && return
  hash telegraf 2>/dev/null || return
  program=${BASH_CMDS[telegraf]}
  if [ -e "$known" ] && [ ! "$program" -nt "$known" ] && [ ! "$program" -ot "$known" ]; then
    read -r version <"$known"
    return
  fi
  version=$(telegraf --version 2>/dev/null | sed -n 's/^Telegraf \([^ ]*\).*/\1/p')
  { printf '%s\n' "$version" >"$known" && touch -r "$program" "$known"; } 2>/dev/null
}

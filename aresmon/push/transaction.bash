# One transaction on one host: a new configuration of its agent, whole, or the former one, whole.
#
# aresmon sends this text to a host's bash, then a header of `name=value` lines, an empty line, and the new files, one
# after the other. What happens is told on standard output, one `@word …` a line. Once the
# agent runs with the new files, a word is waited for: `commit`, `undo` or `extend SECONDS`. No word in time, a
# closed connection, an agent that dies: the former files come back and the agent is restarted with them.
#
# Modes: `push`; `look` (tells, changes nothing); and, started on the host itself as `bash host.bash MODE STATE`,
# `deadman` (waits beside a push and takes it back when nobody else can) and `boot` (takes back, before the agent
# starts, what a power cut left in the middle).
#
# In STATE, a folder for root alone: `pending`, the journal, is there from before the first file is changed until
# the transaction has ended, `undo/` has the former files as long; `current` says what was last brought here, `last` how
# the last transaction ended.
set -u -o pipefail
umask 077
export LC_ALL=C
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
trap '' HUP PIPE

declare -A ask=([mode]=${1:-} [state]=${2:-})
declare -a files=() shown=()
staged=()

say() { printf '@%s\n' "$*"; }
encoded() { base64 -w 0 -- "$1" 2>/dev/null; }
hash_of() { local sum; sum=$(sha256sum -- "$1" 2>/dev/null) && printf '%s' "${sum%% *}" || printf -- '-'; }
uptime_seconds() { local up; read -r up _ </proc/uptime; printf '%s' "${up%.*}"; }
beside() { printf '%s/.%s.aresmon' "${1%/*}" "${1##*/}"; } # where a file is made whole before it takes its place
holds_lock() { [[ ${1:-} =~ ^[0-9]+$ ]] && [ "/proc/$1/fd/9" -ef "${ask[state]}/lock" ]; }
refuse() { say "refused $*"; exit 0; }
value_in() { # FILE NAME
  local line
  while IFS= read -r line; do
    if [[ $line == "$2="* ]]; then
      printf '%s' "${line#*=}"
      return
    fi
  done 2>/dev/null <"$1"
}

read_header() {
  local line name value
  while IFS= read -r line && [ -n "$line" ]; do # as one word: with IFS='=' a last `=`, as of base64, would be lost
    name=${line%%=*} value=${line#*=}
    case $name in
      file) files+=("$value") ;; # SIZE MODE OWNER SHA256 PATH
      show) shown+=("$value") ;;
      *) ask[$name]=$value ;;
    esac
  done
}

# The agent ------------------------------------------------------------------------------------------------

loaded='' active='' pid=0 restarts=0 user=''

agent_look() {
  local name value
  loaded='' active='' pid=0 restarts=0 user=''
  if [ "${ask[kind]}" = docker ]; then
    loaded=not-found active=inactive
    command -v docker >/dev/null && loaded=loaded
    local id
    id=$(docker ps -aq --no-trunc --filter "label=com.docker.compose.project=${ask[project]}" \
      --filter label=com.docker.compose.service=telegraf --filter label=com.docker.compose.oneoff=False 2>/dev/null | head -n 1)
    [ -n "$id" ] || return 0
    read -r value pid restarts < <(docker inspect -f '{{.State.Status}} {{.Id}} {{.RestartCount}}' "$id" 2>/dev/null)
    active=$value
    [ "$value" = running ] && active=active
    return 0
  fi
  while IFS='=' read -r name value; do
    case $name in
      LoadState) loaded=$value ;;
      ActiveState) active=$value ;;
      MainPID) pid=$value ;;
      NRestarts) restarts=$value ;;
      User) user=$value ;;
    esac
  done < <(systemctl show telegraf -p LoadState -p ActiveState -p MainPID -p NRestarts -p User 2>/dev/null)
}

compose() { # FOLDER ARGUMENTS…; with nothing of the caller's environment that would win over the folder's .env
  local folder=$1
  shift
  (cd "$folder" && env -i PATH="$PATH" HOME="${HOME:-/root}" DOCKER_GROUP="$(stat -L -c %g /var/run/docker.sock)" \
    ${DOCKER_HOST:+DOCKER_HOST="$DOCKER_HOST"} ${DOCKER_CONTEXT:+DOCKER_CONTEXT="$DOCKER_CONTEXT"} ${DOCKER_CONFIG:+DOCKER_CONFIG="$DOCKER_CONFIG"} docker compose --project-name "${ask[project]}" --project-directory "$folder" --progress plain "$@")
}

agent_restart() { # a stop that hangs is ended after 25 s, a start that hangs after as many
  if [ "${ask[kind]}" = docker ]; then
    compose "${ask[folder]}" up --detach --no-deps --no-build --force-recreate telegraf 2>&1 </dev/null
    return
  fi
  timeout 25 systemctl restart telegraf 2>&1 && return
  if [ $? -eq 124 ]; then # once the old one is dead systemd starts the new one by itself; to stop that would hang again
    systemctl kill --signal=KILL telegraf 2>&1
    timeout 25 systemctl start telegraf 2>&1
    return
  fi
  systemctl reset-failed telegraf 2>&1 # five starts in ten seconds are too many for systemd, not for us
  timeout 25 systemctl restart telegraf 2>&1
}

agent_stop() {
  if [ "${ask[kind]}" = docker ]; then
    compose "${ask[folder]}" rm --stop --force telegraf 2>&1 </dev/null
  else
    timeout 25 systemctl stop telegraf 2>&1 || systemctl kill --signal=KILL telegraf 2>&1
  fi
}

agent_lives() { # the very process that was started: a look at the kernel where that does, at Docker now and then
  if [ "${ask[kind]}" = docker ]; then
    [ $((SECONDS % 3)) -ne 0 ] && return
    [ "$(docker inspect -f '{{.State.Status}} {{.RestartCount}}' "$1" 2>/dev/null)" = 'running 0' ]
  else
    [ -d "/proc/$1" ]
  fi
}

agent_flush() {
  if [ "${ask[kind]}" = docker ]; then
    docker kill --signal USR1 "$1" >/dev/null 2>&1
  elif heeds_usr1 "$1"; then
    kill -USR1 "$1" 2>/dev/null
  fi
}

heeds_usr1() { # a wrapper around the agent would be ended by it
  local name mask
  while read -r name mask; do
    [ "$name" = SigCgt: ] && return $((!(0x$mask >> 9 & 1)))
  done 2>/dev/null <"/proc/$1/status"
  return 1
}

agent_words() { # the errors that the agent logged since the restart: the first, of which others follow, and the last
  if [ "${ask[kind]}" = docker ]; then
    docker logs --tail 40 "$1" 2>&1
  else
    journalctl -u telegraf --since "-${2:-60}s" -n 60 -o cat --no-pager 2>/dev/null
  fi | grep -E ' E! |[Ee]rror|panic' | sed '1!{$!d}' | while IFS= read -r line; do say "agent ${line:0:400}"; done
}

agent_version() { # asked of the program once, and again when it has changed
  local program mark known
  [ "${ask[kind]}" = docker ] && return
  program=$(command -v telegraf) || return
  mark=$(stat -L -c '%s-%Y' "$program")
  { read -r known version <"${ask[state]}/version"; } 2>/dev/null
  [ "${known:-}" = "$mark" ] && return
  version=$(telegraf --version 2>/dev/null | sed -n 's/^Telegraf \([^ ]*\).*/\1/p')
  { printf '%s %s\n' "$mark" "$version" >"${ask[state]}/version"; } 2>/dev/null
}

# The states of a transaction ------------------------------------------------------------------------------

take_lock() {
  mkdir -p "${ask[state]}" 2>/dev/null || refuse "lock ${ask[state]} cannot be made: is its filesystem full or read-only?"
  { exec 9<>"${ask[state]}/lock"; } 2>/dev/null || refuse "lock ${ask[state]}/lock cannot be written: is its filesystem full or read-only?"
  if ! flock -n 9; then
    local holder since owner
    { read -r holder since owner <"${ask[state]}/lock"; } 2>/dev/null
    if [ "${ask[break_lock]:-0}" != 1 ]; then
      say "locked $(($(uptime_seconds) - ${since:-0})) ${owner:-somebody}"
      exit 0
    fi
    holds_lock "${holder:-}" && kill -KILL "$holder" 2>/dev/null
    flock -w 10 9 || refuse "lock its holder does not end"
    say "broke ${owner:-}"
  fi
  printf '%s %s %s\n' $$ "$(uptime_seconds)" "${ask[by]:-}" >"${ask[state]}/lock" 2>/dev/null ||
    refuse "lock ${ask[state]} has no room left"
}

probe() {
  local path hash
  agent_look
  agent_version
  read -r room block < <(stat -f -c '%a %S' "${ask[watched]%/*}" 2>/dev/null)
  say "probe active=$active loaded=$loaded version=${version:-} clock=$EPOCHREALTIME free=$((${room:-0} * ${block:-0})) restarts=$restarts"
  for path in "${shown[@]}"; do
    say "file $(hash_of "$path") $(encoded "$path" || true) $path"
  done
  if [ "${ask[kind]}" != docker ]; then
    for path in "${ask[watched]%/*}"/telegraf.d/*.conf; do
      [ -e "$path" ] && say "merged ${path##*/}"
    done
  fi
  if [ -e "${ask[state]}/current" ]; then
    while IFS= read -r line; do say "current $line"; done <"${ask[state]}/current"
  fi
  [ -e "${ask[state]}/last" ] && say "last $(tr '\n' ' ' <"${ask[state]}/last")"
  [ -e "${ask[state]}/pending" ] && say "pending $(value_in "${ask[state]}/pending" tx)"
  return 0
}

drifted() { # whether somebody else wrote to what was last brought here
  local line hash path found=1
  while IFS= read -r line; do
    hash=${line%% *} path=${line#* }
    [ "$(hash_of "$path")" = "$hash" ] || { say "drift $path"; found=0; }
  done < <(sed -n 's/^sha=//p' "${ask[state]}/current" 2>/dev/null)
  return $found
}

strangers() { # variables that its file sets and the new one would not: whoever wrote them there may need them
  local name found=()
  [ -n "${ask[environment]}" ] && [ ! -e "${ask[state]}/current" ] || return
  for name in $(sed -n 's/^\([A-Za-z_][A-Za-z0-9_]*\)=.*/\1/p' "${ask[environment]}" 2>/dev/null); do
    [[ " ${ask[names]} " == *" $name "* ]] || found+=("$name")
  done
  [ ${#found[@]} -gt 0 ] && say "strangers ${found[*]}"
}

is_current() { # whether there is nothing to do: the same content was brought before, stands there, and runs
  local spec path
  [ "$(value_in "${ask[state]}/current" content)" = "${ask[content]}" ] || return
  [ "$active" = active ] || return
  for spec in "${files[@]}"; do
    path=${spec#* * * * }
    [ "$(hash_of "$path")" = "$(sed -n "s|^sha=\([0-9a-f]*\) $path\$|\1|p" "${ask[state]}/current")" ] || return
  done
}

stage() {
  local spec size mode owner hash path target
  say "state stage"
  for spec in "${files[@]}"; do
    read -r size mode owner hash path <<<"$spec"
    target=$(beside "$path")
    staged+=("$target")
    mkdir -p -m 755 "${path%/*}" 2>/dev/null
    # Not a byte more than it is long, which `head` does not promise: the words come after it.
    { timeout 120 dd bs=$((size + !size)) count=$((!!size)) iflag=fullblock status=none >"$target"; } 2>/dev/null || refuse "stage $path cannot be written: $(room_at "$path")"
    [ "$(hash_of "$target")" = "$hash" ] || refuse "stage $path did not arrive whole: $(room_at "$path")"
    if [ "$owner" != - ]; then
      chown "$owner" "$target" 2>/dev/null || refuse "stage $path cannot be given to $owner: is there such a user and group?"
    fi
    chmod "$mode" "$target" || refuse "stage $path cannot be given the mode $mode"
  done
  sync "${staged[@]}" 2>/dev/null || refuse "stage the files could not be brought to the disk"
}

room_at() {
  local folder=${1%/*} answer
  answer=$( { : >"$folder/.aresmon-room"; } 2>&1)
  rm -f -- "$folder/.aresmon-room" 2>/dev/null
  case $answer in
    *'Read-only'*) printf 'its filesystem is mounted read-only' ;;
    *'No such'*) printf 'its folder does not exist' ;;
    *'denied'*) printf 'not allowed' ;;
    *) printf '%s' "$(df -P -- "$folder" | awk 'NR == 2 { print $4 " KiB are free there" }')" ;;
  esac
}

check() { # by the agent's own program, as its own user, over all that it will read
  local said
  say "state check"
  write_test
  if [ "${ask[kind]}" = docker ]; then said=$(check_docker 2>&1); else said=$(check_systemd 2>&1); fi
  [ $? -eq 0 ] && return
  said=$(printf '%s' "$said" | tail -n 4 | tr '\n' ' ')
  refuse "check ${said:-the check failed and said nothing}"
}

check_systemd() {
  local merged=() authority
  authority=$(brought_authority)
  [ -d "${ask[watched]%/*}/telegraf.d" ] && merged=(--config-directory "${ask[watched]%/*}/telegraf.d")
  (
    set -a
    # shellcheck disable=SC1090 # the file that was just staged
    . "$(beside "${ask[environment]}")" || exit 1
    [ -z "$authority" ] || ARESMON_CA=$authority # which has not taken its place yet
    set +a
    cd / && timeout 20 ${user:+setpriv --reuid="$user" --regid="$user" --init-groups} \
      telegraf config check --strict-env-handling --config "$(beside "${ask[watched]}")" "${merged[@]}"
  )
}

check_docker() {
  local folder=${ask[state]}/check spec path
  rm -rf -- "$folder"
  mkdir -p -m 755 "$folder"
  [ -d "${ask[folder]}" ] && cp -r -- "${ask[folder]}/." "$folder/"
  for spec in "${files[@]}"; do
    path=${spec#* * * * }
    [[ $path == "${ask[folder]}"/* ]] || continue
    mkdir -p -m 755 "$folder/$(dirname "${path#"${ask[folder]}"/}")"
    cp -p -- "$(beside "$path")" "$folder/${path#"${ask[folder]}"/}"
  done
  chmod -R a+rX "$folder"
  compose "$folder" run --rm --no-deps -T --entrypoint telegraf telegraf config check --strict-env-handling \
    --config /etc/aresmon/telegraf.conf </dev/null
  local code=$?
  rm -rf -- "$folder"
  return $code
}

brought_authority() { # the certificate authority of the site, if it has one: as it is brought, else as it is here
  [ -n "${ask[authority]:-}" ] || return 0
  local staged
  staged=$(beside "${ask[authority]}")
  if [ -e "$staged" ]; then printf '%s' "$staged"; else printf '%s' "${ask[authority]}"; fi
}

write_test() { # an empty write: who may not write is told so, and nothing is written
  [ -n "${ask[write]:-}" ] || return 0
  local code='' authority pattern='^http://(\[([0-9a-fA-F:]+)\]|([^/:]+))(:([0-9]+))?$'
  if [[ ${ask[write]} =~ $pattern ]]; then
    code=$(ARESMON_AUTH=${ask[auth]} timeout 6 bash -c '
      exec 5<>"/dev/tcp/$0/$1" || exit 1
      printf "POST /write?db=%s HTTP/1.0\r\nHost: %s\r\nAuthorization: Basic %s\r\nContent-Length: 0\r\n\r\n" "$2" "$0" "$ARESMON_AUTH" >&5
      read -r -t 5 _ code _ <&5 && printf %s "$code"' \
      "${BASH_REMATCH[2]}${BASH_REMATCH[3]}" "${BASH_REMATCH[5]:-80}" "${ask[database]}" 2>/dev/null)
  elif command -v curl >/dev/null; then
    authority=$(brought_authority)
    code=$(printf 'header = "Authorization: Basic %s"\n' "${ask[auth]}" | curl --silent --output /dev/null --max-time 6 \
      ${authority:+--cacert "$authority"} \
      --write-out '%{http_code}' --config - --data '' "${ask[write]}/write?db=${ask[database]}")
    case $? in # curl's own: what it met is not what speaks TLS, or not who it should be
      35) code=clear ;;
      51 | 58 | 60 | 77) code=x509 ;;
    esac
  else
    say "untested ${ask[write]} (no curl here)"
    return 0
  fi
  [[ $code == 2?? ]] && return
  refuse "write ${code:-000} ${ask[write]}"
}

arm() { # the former files aside, the journal, and somebody who restores them when nobody else can
  local journal=${ask[state]}/pending
  say "state arm"
  rm -rf -- "${ask[state]}/undo"
  mkdir -p "${ask[state]}/undo" 2>/dev/null || refuse "arm ${ask[state]} cannot be written"
  if ! { keep_former >"$journal.new" && sync "$journal.new" "${ask[state]}"/undo/* "${ask[state]}/undo" &&
    mv -T -- "$journal.new" "$journal" && sync "${ask[state]}"; } 2>/dev/null; then
    rm -f -- "$journal.new" "$journal"
    refuse "arm ${ask[state]} has no room for the former files: $(room_at "$journal")"
  fi
  start_deadman || { rm -f -- "$journal"; refuse "arm the dead-man could not be started"; }
}

keep_former() { # the former files, copied; the journal, told
  local spec path index=0
  printf '%s=%s\n' tx "${ask[tx]}" kind "${ask[kind]}" by "${ask[by]:-}" was "$active" project "${ask[project]:-}" \
    folder "${ask[folder]:-}" watched "${ask[watched]}" deadline $(($(uptime_seconds) + ${ask[deadline]} + 30))
  for spec in "${files[@]}"; do
    path=${spec#* * * * }
    if [ -e "$path" ]; then
      cp -p -- "$path" "${ask[state]}/undo/$index" || return
      printf 'file=%s present %s\n' $index "$path"
    else
      : >"${ask[state]}/undo/$index" || return
      printf 'file=%s absent %s\n' $index "$path"
    fi
    index=$((index + 1))
  done
}

forget_former() { # a former password is among them: they stay only where a person must look
  [ -e "${ask[state]}/pending" ] || [ "$(value_in "${ask[state]}/last" outcome)" = broken ] || rm -rf -- "${ask[state]}/undo"
}

start_deadman() {
  local host=${ask[state]}/host.bash unit
  if [ "$(hash_of "$host")" != "${ask[script]}" ]; then
    printf '%s' "${aresmon_script:-$BASH_EXECUTION_STRING}" >"$host.new" && sync "$host.new" && mv -T -- "$host.new" "$host" &&
      sync "${ask[state]}" || { rm -f -- "$host.new"; return 1; }
  fi
  if [ "$(id -u)" -eq 0 ] && [ -d /run/systemd/system ]; then
    unit=aresmon-undo-${ask[site]}.service
    if [ "$(value_in "/etc/systemd/system/$unit" Environment)" != "ARESMON_UNIT=1" ]; then
      boot_unit >"/etc/systemd/system/$unit" && systemctl daemon-reload && systemctl enable --quiet "$unit" 2>/dev/null &&
        sync -f "/etc/systemd/system/$unit" || return # it is for the loss of power: the link to it too
    fi
    systemd-run --quiet --collect --unit="aresmon-deadman-${ask[tx]}" /bin/bash "$host" deadman "${ask[state]}" 2>/dev/null
  else
    setsid bash "$host" deadman "${ask[state]}" </dev/null >/dev/null 2>&1 9>&- &
  fi
}

boot_unit() {
  printf '%s\n' '[Unit]' 'Description=Take back a push of aresmon that a power cut left in the middle' \
    "ConditionPathExists=${ask[state]}/pending" 'Before=telegraf.service' 'Before=docker.service' 'After=local-fs.target' '' '[Service]' \
    'Type=oneshot' 'Environment=ARESMON_UNIT=1' "ExecStart=/bin/bash ${ask[state]}/host.bash boot ${ask[state]}" '' \
    '[Install]' 'WantedBy=multi-user.target'
}

switch() {
  local spec path folders=()
  say "state switch"
  for spec in "${files[@]}"; do
    path=${spec#* * * * }
    mv -T -- "$(beside "$path")" "$path" || { undo "the new files could not be put in place"; exit 0; }
    folders+=("${path%/*}")
  done
  staged=()
  sync "${folders[@]}"
}

restart() {
  local said
  say "state restart"
  said=$(agent_restart)
  agent_look
  if [ "$active" != active ]; then
    agent_words "$pid" 60
    undo "the agent does not start: $(tail -n 2 <<<"$said" | tr '\n' ' ')"
    exit 0
  fi
  say "clock $EPOCHREALTIME"
  say running
}

await_word() { # until the word comes, the agent dies, the connection ends or the time is over
  local piece line='' word argument code round started=$pid began=$SECONDS flush=${ask[flush]:-0} deadline=$((SECONDS + ${ask[deadline]} + 10)) # the word is due before
  [ "$flush" -gt 0 ] && round=$((EPOCHSECONDS / flush))
  while :; do
    IFS= read -r -t 1 piece
    code=$?
    line+=$piece # a second may end in the middle of a line, or just after it: then nothing more is there to read
    if [ $code -gt 128 ] && [[ $line =~ ^(commit$|undo|extend) ]] && ! read -r -t 0; then code=0; fi
    if [ $code -eq 0 ]; then
      word=${line%% *} argument=${line#"${line%% *}"} line=''
      argument=${argument# }
      case $word in
        commit) return 0 ;;
        undo)
          agent_words "$started" $((SECONDS - began + 5))
          undo "${argument:-as it was told}"
          exit 0
          ;;
        extend)
          deadline=$((SECONDS + argument))
          flock "${ask[state]}/turn" sed -i "s/^deadline=.*/deadline=$(($(uptime_seconds) + argument + 30))/" "${ask[state]}/pending"
          ;;
      esac
    elif [ $code -le 128 ]; then
      undo "the connection ended"
      exit 0
    fi
    if [ "$flush" -gt 0 ] && [ $((EPOCHSECONDS / flush)) -ne "$round" ] && [ $((EPOCHSECONDS % flush)) -ge 1 ]; then
      round=$((EPOCHSECONDS / flush)) # it has just read its inputs; Telegraf sends what it has when it gets this signal
      agent_flush "$started"
    fi
    if ! agent_lives "$started"; then
      agent_words "$started" $((SECONDS - began + 5))
      undo "the agent died $((SECONDS - began)) s after its start"
      exit 0
    fi
    if [ "$SECONDS" -ge "$deadline" ]; then
      undo "no word came in time"
      exit 0
    fi
  done
}

commit() {
  local spec path was=$pid
  say "state commit"
  exec 8<>"${ask[state]}/turn"
  flock 8
  if [ "$(value_in "${ask[state]}/pending" tx)" != "${ask[tx]}" ]; then
    say "undone the dead-man was first"
    exit 0
  fi
  agent_look
  if [ "$active" != active ] || [ "$pid" != "$was" ]; then
    agent_words "$was" 60
    undo_now "the agent did not go on running"
    exit 0
  fi
  {
    printf '%s=%s\n' content "${ask[content]}" gen "${ask[gen]}" output "${ask[output]:-}" tx "${ask[tx]}" by "${ask[by]:-}" at "$EPOCHSECONDS"
    for spec in "${files[@]}"; do
      path=${spec#* * * * }
      printf 'sha=%s %s\n' "$(hash_of "$path")" "$path"
    done
  } >"${ask[state]}/current.new" && sync "${ask[state]}/current.new" && mv -T -- "${ask[state]}/current.new" "${ask[state]}/current" ||
    { rm -f -- "${ask[state]}/current.new"; undo_now "${ask[state]} has no room to remember it"; exit 0; }
  ended "${ask[tx]}" committed ''
  say "committed $pid"
}

ended() { # TX OUTCOME WHY: the journal is closed, and one line says so in the host's log
  printf '%s=%s\n' tx "$1" outcome "$2" why "$3" at "$EPOCHSECONDS" >"${ask[state]}/last.new" 2>/dev/null &&
    mv -T -- "${ask[state]}/last.new" "${ask[state]}/last" || rm -f -- "${ask[state]}/last.new"
  rm -f -- "${ask[state]}/pending" "${ask[state]}"/*.new
  sync "${ask[state]}"
  forget_former
  logger -t aresmon -- "push $1 by ${ask[by]:-?}: $2${3:+ ($3)}" 2>/dev/null
  return 0
}

# The way back ---------------------------------------------------------------------------------------------

undo() {
  exec 8<>"${ask[state]}/turn"
  flock 8
  undo_now "$1"
}

undo_now() { # WHY. May be taken again from anywhere in its middle
  local tx was code=0
  if [ ! -e "${ask[state]}/pending" ]; then
    say "undone ${1:-}"
    return 0
  fi
  tx=$(value_in "${ask[state]}/pending" tx) was=$(value_in "${ask[state]}/pending" was)
  if [ "$(value_in "${ask[state]}/current" tx)" = "$tx" ]; then # proven; only its journal was not closed yet
    ended "$tx" committed ''
    say committed
    return 0
  fi
  say "state undo"
  case ${ask[mode]}/$was in
    boot/*) restore || code=1 ;; # the agent starts after us
    */active | */activating | */reloading)
      restore || code=1
      [ "${ask[kind]}" = docker ] || systemctl reset-failed telegraf 2>/dev/null
      agent_restart >/dev/null
      agent_look
      [ "$active" = active ] || code=1
      ;;
    *)
      agent_stop >/dev/null
      restore || code=1
      ;;
  esac
  if [ $code -eq 0 ]; then
    ended "$tx" undone "$1"
    say "clock $EPOCHREALTIME"
    say "undone $1"
  else
    ended "$tx" broken "$1"
    say "broken $1"
  fi
}

restore() {
  local index presence path target folders=() code=0
  while read -r index presence path; do
    target=$(beside "$path")
    if [ "$presence" = present ]; then
      cp -p -- "${ask[state]}/undo/$index" "$target" && sync "$target" && mv -T -- "$target" "$path" || code=1
    else
      rm -f -- "$path" "$target" || code=1
    fi
    folders+=("${path%/*}")
  done < <(sed -n 's/^file=//p' "${ask[state]}/pending")
  sync "${folders[@]}" 2>/dev/null
  return $code
}

from_journal() { # what the transaction that is pending was about, for who finds it
  local name
  for name in kind by project folder watched; do
    ask[$name]=$(value_in "${ask[state]}/pending" $name)
  done
}

take_back_leftover() { # a push that was killed, or cut off by the loss of power, in its middle
  [ -e "${ask[state]}/pending" ] || { forget_former; return 0; }
  local -A asked=()
  local name
  for name in "${!ask[@]}"; do asked[$name]=${ask[$name]}; done
  from_journal
  undo "it was left in the middle" >/dev/null
  [ "$(value_in "${ask[state]}/last" outcome)" = committed ] || say "leftover $(value_in "${ask[state]}/last" tx)"
  exec 8>&-
  for name in "${!asked[@]}"; do ask[$name]=${asked[$name]}; done
  [ "$(value_in "${ask[state]}/last" outcome)" != broken ] || refuse "leftover the agent does not start with its former files"
}

# The modes ------------------------------------------------------------------------------------------------

push() {
  trap '[ ${#staged[@]} -eq 0 ] || rm -f -- "${staged[@]}"' EXIT
  say "state lock"
  take_lock
  take_back_leftover
  say "state probe"
  probe
  [ "$loaded" = loaded ] || refuse "probe there is no Telegraf here"
  if [ "${ask[overwrite]:-0}" != 1 ] && { drifted || strangers; }; then exit 0; fi
  if is_current; then
    say "unchanged $(value_in "${ask[state]}/current" gen)"
    exit 0
  fi
  if [ -e "${ask[state]}/current" ] && [ "$active" != active ] && [ "${ask[force]:-0}" != 1 ]; then
    refuse "probe its agent is $active already"
  fi
  buffered
  stage
  check
  read -t 0 && exit 0 # nothing is said before the agent runs: the connection has ended, and nobody would see the end
  arm
  switch
  restart
  if [ "${ask[verify]:-1}" = 1 ]; then
    say "state verify"
    await_word
  fi
  commit
}

buffered() { # points that wait on the disk under a name made of the output's settings: with others, nobody sends them
  local folder size
  [ "$(value_in "${ask[state]}/current" output)" != "${ask[output]:-}" ] || return 0
  grep -Eq '^[[:space:]]*buffer_strategy[[:space:]]*=[[:space:]]*"disk' "${ask[watched]}" 2>/dev/null || return 0
  folder=$(sed -n 's/^[[:space:]]*buffer_directory[[:space:]]*=[[:space:]]*"\([^"]*\)".*/\1/p' "${ask[watched]}" | head -n 1)
  size=$(find "${folder:-/var/lib/telegraf}" -type f -size +0 -printf '%s\n' 2>/dev/null | awk '{ all += $1 } END { print all + 0 }')
  [ "$size" -gt 0 ] && say "buffered $size ${folder:-/var/lib/telegraf}"
  return 0
}

look() {
  local holder
  probe
  drifted || true
  { read -r holder _ <"${ask[state]}/lock"; } 2>/dev/null
  if holds_lock "${holder:-}"; then say busy; fi
}

deadman() {
  exec 0</dev/null 1>/dev/null 2>&1
  local tx left
  tx=$(value_in "${ask[state]}/pending" tx)
  from_journal
  while [ -n "$tx" ] && [ "$(value_in "${ask[state]}/pending" tx)" = "$tx" ]; do
    left=$(($(value_in "${ask[state]}/pending" deadline) - $(uptime_seconds)))
    if [ "$left" -le 0 ]; then
      exec 8<>"${ask[state]}/turn"
      flock 8
      [ "$(value_in "${ask[state]}/pending" tx)" = "$tx" ] && undo_now "nobody said that it should stay"
      return
    fi
    sleep $((left < 5 ? left : 5))
  done
}

boot() {
  from_journal
  undo "the machine was started anew in the middle of it"
}

case ${ask[mode]} in
  deadman | boot) "${ask[mode]}" ;;
  '')
    read_header
    case ${ask[mode]} in
      push | look) "${ask[mode]}" ;;
      *) say "refused header this is no order of aresmon's" ;;
    esac
    ;;
esac

# Stage and check --------------------------------------------------------------------------------------------
# This part owns the new files until they are renamed into place: writing them, Telegraf's check, the write test.

stage() {
  local spec size mode owner path target
  local -A owned=() paths=()
  local targets=()
  emit "state stage"
  follow_links
  check_replaceable
  for spec in "${files[@]}"; do
    read -r size mode owner _ path <<<"$spec"
    staging_path target "$path"
    staged+=("$target")
    [ -d "${path%/*}" ] || mkdir -p -m 755 "${path%/*}" 2>/dev/null
    [[ $mode =~ ^0[0-7]{3}$ ]] || refuse "stage $path: chmod $mode failed"
    { write_staged "$size" "$mode" "$target"; } 2>/dev/null ||
      refuse "stage $path cannot be written: $(describe_free_space "$target")"
    [ "$owner" = - ] || owned[$owner]+=$target$'\n'
    paths[$owner]=$path
  done
  check_arrived
  for owner in "${!owned[@]}"; do
    mapfile -t targets <<<"${owned[$owner]%$'\n'}"
    chown -- "$owner" "${targets[@]}" 2>/dev/null ||
      refuse "stage ${paths[$owner]}: chown $owner failed: do this user and group exist?"
  done
}

write_staged() { # SIZE MODE FILE: from the standard input, and not a byte more: the commands come after the files
  local mask content needs_chmod=''
  [ ! -e "$3" ] && [ $((8#$2 & 8#111)) -eq 0 ] || needs_chmod=1
  printf -v mask '%o' $((8#666 & ~8#$2))
  umask "$mask" # a new file has its mode from the beginning, except for the right to run it
  if [ "${request[plain]:-0}" = 1 ]; then
    content=''
    [ "$1" -eq 0 ] || IFS= read -r -t 120 -N "$1" content # what does not arrive is seen by its hash
    printf '%s' "$content" >"$3"
  else # bash drops null bytes; head may read more than the file's bytes
    timeout 120 dd bs=$(($1 + !$1)) count=$((!!$1)) iflag=fullblock status=none >"$3"
  fi
  set -- $? "$2" "$3"
  umask 077
  [ "$1" -eq 0 ] && { [ -z "$needs_chmod" ] || chmod "$2" "$3"; }
}

check_arrived() { # whether each staged file is what was sent
  local spec hash path target
  read_sums "${staged[@]}"
  for spec in "${files[@]}"; do
    read -r _ _ _ hash path <<<"$spec"
    staging_path target "$path"
    [ "${sums[$target]}" = "$hash" ] ||
      refuse "stage $path did not arrive complete: $(describe_free_space "$target")"
  done
}

follow_links() { # a link stays a link: the file behind it is replaced
  local spec path target
  for spec in "${files[@]}"; do
    path=${spec#* * * * }
    [ -L "$path" ] || continue
    target=$(readlink -f -- "$path") && [ -d "${target%/*}" ] && { [ -f "$target" ] || [ ! -e "$target" ]; } ||
      refuse "link $path leads to $(readlink -- "$path"), which is not a file and cannot become one"
    # Root must not write where another account has it led.
    [[ $(stat -c %u -- "$path") =~ ^(0|$(id -u))$ ]] ||
      refuse "link $path leads to $target, and belongs to $(stat -c %U -- "$path")"
    linked[$path]=$target
    emit "link $path $target"
  done
}

real_folder() { # VARIABLE FOLDER: the variable gets its path without links
  local part=$2
  printf -v "$1" '%s' "$2"
  while [ -n "$part" ] && [ ! -L "$part" ]; do part=${part%/*}; done
  [ -z "$part" ] && [[ $2 != *//* && $2/ != */./* && $2/ != */../* ]] || printf -v "$1" '%s' "$(cd -P -- "$2" && pwd)"
}

check_replaceable() { # no file may be a mount point or, like its folder, immutable: a rename onto it would fail
  local spec path folder point attributes lines=() existing=()
  local -A resolved=()
  for spec in "${files[@]}"; do
    path=${spec#* * * * } path=${linked[$path]:-$path}
    [ ! -e "$path" ] || existing+=("$path")
    [ -d "${path%/*}" ] || continue
    existing+=("${path%/*}")
    real_folder folder "${path%/*}"
    resolved[$folder/${path##*/}]=$path
  done
  mapfile -t lines </proc/self/mountinfo
  for point in "${lines[@]#* * * * }"; do
    point=${point%% *}
    [ -z "${resolved[$point]:-}" ] || refuse "mounted ${resolved[$point]}"
  done
  split lines "$(exec lsattr -d -- "${existing[@]}" 2>/dev/null)"
  for path in "${lines[@]}"; do
    attributes=${path%% *}
    [[ $attributes != *[ia]* ]] || refuse "immutable ${attributes//[^ia]/} ${path#* }"
  done
}

check() { # by the agent's own program, as its own user, with every file that it will read
  local output code began
  emit "state check"
  [ "${request[as_found]:-0}" != 1 ] || return 0
  [ "${request[kind]}" != docker ] || copy_project 2>/dev/null
  start_write_test # both go on meanwhile
  start_trial
  began=${EPOCHREALTIME/[.,]/}
  if [ "${request[kind]}" = docker ]; then output=$(check_docker 2>&1); else output=$(check_systemd 2>&1); fi
  code=$?
  check_took=$((${EPOCHREALTIME/[.,]/} - began))
  [ $code -ne 0 ] || end_trial
  [ "${request[kind]}" != docker ] || rm -rf -- "${request[state]}/check"
  end_write_test
  if [ $code -eq 0 ]; then
    [[ $output != *Deprecation* ]] || report_deprecated "$output"
    return
  fi
  output=$(printf '%s' "$output" | tail -n 4 | tr '\n' ' ')
  refuse "check ${output:-the check failed without a message}"
}

report_deprecated() { # OUTPUT; without the values of settings, which may be secret
  printf '%s\n' "$1" | sed -n 's/^.*[EW]! Deprecation[A-Za-z]*: //p' |
    sed 's/^Value .* for option \(.* will be removed in [^:]*\).*/Value for option \1/' | head -n 10 |
    while IFS= read -r line; do emit "deprecated ${line:0:400}"; done
}

check_systemd() { # in a process of its own, which becomes the check
  local included=() authority='' _staged_environment _staged_configuration
  [ -z "${request[authority]:-}" ] || authority=$(ca_file)
  staging_path _staged_environment "${request[environment]}"
  staging_path _staged_configuration "${request[watched]}"
  [ -d "${request[watched]%/*}/telegraf.d" ] && included=(--config-directory "${request[watched]%/*}/telegraf.d")
  # The authority is the staged file, since its final name is not there yet.
  exec_as_agent "$_staged_environment" "$authority" \
    timeout 20 telegraf config check --strict-env-handling --config "$_staged_configuration" "${included[@]}"
}

copy_project() { # the Compose project as it will be, for the check and the trial
  local folder=${request[state]}/check spec path staged_file
  rm -rf -- "$folder"
  mkdir -p -m 755 "$folder"
  [ -d "${request[folder]}" ] && cp -r -- "${request[folder]}/." "$folder/"
  for spec in "${files[@]}"; do
    path=${spec#* * * * }
    [[ $path == "${request[folder]}"/* ]] || continue
    mkdir -p -m 755 "$folder/$(dirname "${path#"${request[folder]}"/}")"
    staging_path staged_file "$path"
    cp -p -- "$staged_file" "$folder/${path#"${request[folder]}"/}"
  done
  chmod -R a+rX "$folder"
}

check_docker() {
  compose "${request[state]}/check" run --rm --no-deps -T --entrypoint telegraf telegraf config check \
    --strict-env-handling --config /etc/aresmon/telegraf.conf </dev/null
}

ca_file() { # the site's CA certificate, if it has one: the staged file, else the one in place
  [ -n "${request[authority]:-}" ] || return 0
  local staged
  staging_path staged "${request[authority]}"
  if [ -e "$staged" ]; then printf '%s' "$staged"; else printf '%s' "${request[authority]}"; fi
}

write_test='' write_tester='' # the descriptor from which its answer is read, and its process

start_write_test() { # an empty write: InfluxDB checks the user's permission, and stores nothing
  [ -n "${request[write]:-}" ] || return 0
  if [[ ${request[write]} != http:* ]] && ! command -v curl >/dev/null; then
    emit "untested ${request[write]} (curl is not installed)"
    return 0
  fi
  exec {write_test}< <(exec </dev/null 2>/dev/null 9>&-; write_nothing)
  write_tester=${!:-}
}

end_write_test() {
  local code=''
  [ -n "$write_test" ] || return 0
  IFS= read -r -t 7 code <&"$write_test" || kill "$write_tester" 2>/dev/null
  exec {write_test}<&-
  [[ $code == 2?? ]] || refuse "write ${code:-000} ${request[write]}"
}

write_nothing() { # prints the status of the answer
  local code='' authority pattern='^http://(\[([0-9a-fA-F:]+)\]|([^/:]+))(:([0-9]+))?$'
  if [[ ${request[write]} =~ $pattern ]]; then
    authority=${BASH_REMATCH[2]}${BASH_REMATCH[3]}
    exec 5<>"/dev/tcp/$authority/${BASH_REMATCH[5]:-80}" || exit
    printf 'POST /write?db=%s HTTP/1.0\r\nHost: %s\r\nAuthorization: Basic %s\r\nContent-Length: 0\r\n\r\n' \
      "${request[database]}" "$authority" "${request[auth]}" >&5
    read -r -t 5 _ code _ <&5
  else
    authority=$(ca_file)
    code=$(printf 'header = "Authorization: Basic %s"\n' "${request[auth]}" | curl --silent --output /dev/null --max-time 6 \
      ${authority:+--cacert "$authority"} \
      --write-out '%{http_code}' --config - --data '' "${request[write]}/write?db=${request[database]}")
    case $? in # curl's exit codes: the server does not speak TLS, or its certificate is not trusted
      35) code=clear ;;
      51 | 58 | 60 | 77) code=x509 ;;
    esac
  fi
  printf '%s\n' "$code"
}

# Lock and probe ---------------------------------------------------------------------------------------------
# This part owns the lock, and the report of what runs on the host before anything is changed.

holds_lock() { [[ ${1:-} =~ ^[0-9]+$ ]] && [ "/proc/$1/fd/9" -ef "${request[state]}/lock" ]; } # PID

take_lock() {
  local name uptime
  [ ! -e "${request[state]}" ] || [ -d "${request[state]}" ] || refuse "kind ${request[state]} is not a folder"
  for name in lock turn pending current last; do
    [ ! -d "${request[state]}/$name" ] || refuse "kind ${request[state]}/$name is a folder, and must be a file"
  done
  [ -d "${request[state]}" ] || mkdir -p "${request[state]}" 2>/dev/null ||
    refuse "lock ${request[state]} cannot be created: is its filesystem full or read-only?"
  { exec 9<>"${request[state]}/lock"; } 2>/dev/null ||
    refuse "lock ${request[state]}/lock cannot be written: is its filesystem full or read-only?"
  if ! flock -n 9; then
    local holder since owner
    read_uptime uptime
    { read -r holder since owner <"${request[state]}/lock"; } 2>/dev/null
    if [ "${request[break_lock]:-0}" != 1 ]; then
      [[ ${since:-} =~ ^[0-9]+$ ]] || since=$uptime
      emit "locked $((uptime - since)) ${owner:-somebody}"
      exit 0
    fi
    holds_lock "${holder:-}" && kill -KILL "$holder" 2>/dev/null
    flock -w 10 9 || refuse "lock the process that holds it does not exit"
    emit "lock-broken ${owner:-}"
  fi
  read_uptime uptime
  printf '%s %s %s\n' $$ "$uptime" "${request[by]:-}" >"${request[state]}/lock" 2>/dev/null ||
    refuse "lock no space left in ${request[state]}"
}

record=() # the lines of `current`, which describes the last push
declare -A recorded=() # the hash of each file that the last push deployed, by path

read_known_sums() { # of all files that are compared before the switch
  local line path
  local -A known=(["${request[state]}/host.bash"]=1 ["/etc/systemd/system/aresmon-undo-${request[site]}.service"]=1)
  for path in "${request[watched]}" "${shown[@]}" "${files[@]#* * * * }"; do known[$path]=1; done
  mapfile -t record 2>/dev/null <"${request[state]}/current"
  for line in "${record[@]}"; do
    [[ $line == sha=*' /'* ]] || continue
    line=${line#sha=}
    recorded[${line#* }]=${line%% *} known[${line#* }]=1
  done
  read_sums "${!known[@]}"
}

probe() {
  local path end messages=()
  read_agent
  read_version
  messages+=("probe active=$active loaded=$loaded version=${version:-} clock=$EPOCHREALTIME restarts=$restarts")
  read_known_sums
  for path in "${shown[@]}"; do show "$path"; done
  if [ "${request[kind]}" != docker ]; then
    for path in "${request[watched]%/*}"/telegraf.d/*.conf; do
      [ -e "$path" ] && messages+=("included ${path##*/}")
    done
  fi
  messages+=("${record[@]/#/current }")
  if [ -e "${request[state]}/last" ]; then
    mapfile -t end <"${request[state]}/last"
    messages+=("last ${end[*]}")
  fi
  if load_journal; then
    messages+=("pending $(journal_value tx)")
  elif [ -e "${request[state]}/pending" ]; then
    messages+=("damaged ${request[state]}/pending")
  fi
  journal=''
  emit "${messages[@]}"
}

show() { # PATH; adds a message with the file's content: plain text by bash itself, all else by a program
  local text=''
  if ! { IFS= read -r -d '' text <"$1"; } 2>/dev/null && [[ ${#text} -lt 50000 && -n $text && $1 != *' '* ]] &&
    [[ $text != *[!$'\t\n'' '-'~']* ]]; then
    text=${text//\\/\\\\}
    messages+=("text ${sums[$1]} $1 ${text//$'\n'/\\n}")
  else
    messages+=("file ${sums[$1]} $(exec base64 -w 0 -- "$1" 2>/dev/null) $1")
  fi
}

check_journal() { # a damaged one on a host without a record of the last push: whose files these are cannot be known
  [ -e "${request[state]}/pending" ] && [ ! -e "${request[state]}/current" ] && [ "${request[overwrite]:-0}" != 1 ] ||
    return 0
  [ -z "$(ls -A "${request[state]}/undo" 2>/dev/null)" ] ||
    refuse "journal the journal of an interrupted push, ${request[state]}/pending, is damaged; the files that it replaced are in ${request[state]}/undo"
}

has_drifted() { # whether a deployed file, or the record of them, was changed by somebody else; reports each
  local line path content='' found=1 damaged=''
  for line in "${record[@]}"; do
    path=${line#* }
    case $line in
      content=?*) content=known ;;
      sha=*' /'*) [ "sha=${sums[$path]}" = "${line%% *}" ] || { emit "drift $path"; found=0; } ;;
      sha=*) damaged=1 ;;
    esac
  done
  path=${request[state]}/current
  [ ! -e "$path" ] || { [ "$content$damaged" = known ] && [ ${#recorded[@]} -gt 0 ]; } || { emit "drift $path"; found=0; }
  return $found
}

has_found_configuration() { # on a host that was never pushed to: a configuration that sends data, and is not the package's
  local path=${request[watched]}
  [ "${request[kind]}" != docker ] && [ ! -e "${request[state]}/current" ] && [ -s "$path" ] || return
  [[ " ${request[replaces]:-} " != *" ${sums[$path]} "* ]] && ! is_packaged "$path" || return
  [ -n "$(settings_in "$path")" ] || return
  # Telegraf does not run without an output.
  grep -Eqs "^[[:space:]]*[]['\" ]*outputs" "$path" "${path%/*}"/telegraf.d/*.conf || return
  emit "found ${sums[$path]}"
}

is_packaged() { # FILE: whether it is the one that Telegraf's package has installed; comments do not count
  local digest
  [ ! -e "$1.sample" ] || [ "$(settings_in "$1")" != "$(settings_in "$1.sample")" ] || return 0
  if command -v dpkg-query >/dev/null; then
    digest=$(md5sum -- "$1")
    ! dpkg-query -W -f '${Conffiles}\n' telegraf 2>/dev/null | grep -qxF " $1 ${digest%% *}" || return 0
  fi
  command -v rpm >/dev/null &&
    rpm -q --qf '[%{FILEDIGESTS} %{FILENAMES}\n]' telegraf 2>/dev/null | grep -qxF "${sums[$1]} $1"
}

settings_in() { sed 's/^[[:space:]]*//; s/[[:space:]]*$//; /^#/d; /^$/d' -- "$1"; } # FILE

has_unmanaged_variables() { # variables set by somebody else in the environment file, which the first push would remove
  local name found=()
  [ -n "${request[environment]}" ] && [ ! -e "${request[state]}/current" ] || return
  for name in $(sed -n 's/^\([A-Za-z_][A-Za-z0-9_]*\)=.*/\1/p' "${request[environment]}" 2>/dev/null); do
    [[ " ${request[names]} " == *" $name "* ]] || found+=("$name")
  done
  [ ${#found[@]} -gt 0 ] && emit "unmanaged ${found[*]}"
}

is_deployed() { # whether nothing is to be done: the same content was deployed before, is unchanged, and runs
  local path content
  read_value content "${request[state]}/current" content
  [ "$content" = "${request[content]}" ] && [ "$active" = active ] || return
  for path in "${files[@]#* * * * }"; do
    [ "${sums[$path]}" = "${recorded[$path]:-}" ] || return
  done
}

report_buffer() { # Telegraf names a disk buffer after its output's settings: points in it are never sent with others
  local folder size output
  read_value output "${request[state]}/current" output
  [ "$output" != "${request[output]:-}" ] || return 0
  grep -Eq '^[[:space:]]*buffer_strategy[[:space:]]*=[[:space:]]*"disk' "${request[watched]}" 2>/dev/null || return 0
  folder=$(sed -n 's/^[[:space:]]*buffer_directory[[:space:]]*=[[:space:]]*"\([^"]*\)".*/\1/p' "${request[watched]}" | head -n 1)
  size=$(find "${folder:-/var/lib/telegraf}" -type f -size +0 -printf '%s\n' 2>/dev/null | awk '{ all += $1 } END { print all + 0 }')
  [ "$size" -gt 0 ] && emit "buffered $size ${folder:-/var/lib/telegraf}"
  return 0
}

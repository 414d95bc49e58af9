# The journal ------------------------------------------------------------------------------------------------
# This part owns `pending`, `undo/`, `current` and `last`, and who reads them later: the watchdog and the boot unit.

journal='' # the text of the journal of this transaction, or of the one that is rolled back

prepare() { # save the previous files, write the journal, start the watchdog
  emit "state prepare"
  [ ! -e "${request[state]}/undo" ] || rm -rf -- "${request[state]}/undo"
  mkdir -p "${request[state]}/undo" 2>/dev/null || refuse "prepare ${request[state]} cannot be written"
  if ! { save_previous_files && write_journal "${request[state]}"/undo/* "${request[state]}/undo" "${staged[@]}"; } 2>/dev/null; then
    rm -f -- "${request[state]}/pending.new" "${request[state]}/pending"
    sync "${staged[@]}" 2>/dev/null || refuse "stage the new files could not be synced to the disk"
    refuse "prepare the previous files could not be saved in ${request[state]}: $(describe_free_space "${request[state]}/pending")"
  fi
  if ! start_watchdog; then
    rm -f -- "${request[state]}/pending"
    delete_previous_files
    refuse "watchdog the watchdog could not be started: ${watchdog_error:-no reason was given}"
  fi
}

save_previous_files() { # copies them, and sets the journal's text
  local spec path previous uptime index=0
  read_uptime uptime
  printf -v journal '%s=%s\n' format 2 tx "${request[tx]}" kind "${request[kind]}" by "${request[by]:-}" was "$active" \
    project "${request[project]:-}" folder "${request[folder]:-}" watched "${request[watched]}" \
    deadline $((uptime + ${request[deadline]} + 30))
  for spec in "${files[@]}"; do
    path=${spec#* * * * } path=${linked[$path]:-$path}
    if [ -e "$path" ]; then
      cp -p -- "$path" "${request[state]}/undo/$index" || return
      journal+="file=$index present $path"$'\n'
    else
      : >"${request[state]}/undo/$index" || return
      journal+="file=$index absent $path"$'\n'
    fi
    index=$((index + 1))
  done
  previous=$(sha256sum -- "${request[state]}"/undo/*) || return
  journal+=saved=${previous//$'\n'/$'\n'saved=}$'\n'
}

write_journal() { # FILE…, which are synced too; with a hash of all lines as the last one, and on the disk before it gets its name
  local path=${request[state]}/pending
  printf '%s' "$journal" >"$path.new" && read_sums "$path.new" && printf 'end=%s\n' "${sums[$path.new]}" >>"$path.new" &&
    sync "$path.new" "$@" && mv -T -- "$path.new" "$path" && sync "${request[state]}"
}

load_journal() { # the text of `pending`; fails if that is not whole, or if the files that were saved with it are not
  local text='' sum
  journal=''
  { IFS= read -r -d '' text <"${request[state]}/pending"; } 2>/dev/null && return 1 # it contains a null byte
  case $text in
    format=2$'\n'*)
      journal=${text%end=*}
      sum=$(printf '%s' "$journal" | sha256sum)
      [ "$text" = "${journal}end=${sum%% *}"$'\n' ] && journal_values saved | sha256sum --check --status 2>/dev/null && return
      ;;
    tx=*$'\n') # of 0.4.0, which wrote neither hashes nor an end
      journal=$text
      [[ $(journal_value deadline) =~ ^[0-9]+$ && -n $(journal_value watched) ]] && has_saved_files && return
      ;;
  esac
  journal=''
  return 1
}

has_saved_files() { # whether `undo/` has as many files as the journal names
  local named saved
  named=$(journal_values file | wc -l) saved=("${request[state]}"/undo/*)
  [ "$named" -gt 0 ] && [ "$named" -eq ${#saved[@]} ]
}

journal_values() { # NAME
  printf '%s' "$journal" | sed -n "s/^$1=//p"
}

journal_value() { # NAME
  local value=$'\n'$journal
  [[ $value == *$'\n'"$1="* ]] || return
  value=${value#*$'\n'"$1="}
  printf '%s' "${value%%$'\n'*}"
}

extend_journal() { # SECONDS: the watchdog waits this much longer
  local deadline uptime
  read_uptime uptime
  deadline=$((uptime + $1 + 30))
  exec 8<>"${request[state]}/turn"
  flock 8
  journal=${journal/$'\n'deadline=$(journal_value deadline)$'\n'/$'\n'deadline=$deadline$'\n'}
  [ ! -e "${request[state]}/pending" ] || write_journal 2>/dev/null
  exec 8>&-
}

delete_previous_files() { # they contain a password; after a failed rollback an administrator may need them
  local outcome
  [ -e "${request[state]}/undo" ] && [ ! -e "${request[state]}/pending" ] || return 0
  read_value outcome "${request[state]}/last" outcome
  [ "$outcome" = broken ] || rm -rf -- "${request[state]}/undo"
}

watchdog_error=''
# Most pushes end in time: their hosts need not start bash, nor read the journal again. SCRIPT STATE TX UPTIME
# Without braces: systemd replaces `${NAME}` in a command.
watch_in_time='while [ -e "$1/pending" ] && IFS=. read -r up rest </proc/uptime && [ "$up" -lt "$3" ]; do sleep 5; done; '
watch_in_time+='[ ! -e "$1/pending" ] || exec /bin/bash "$0" watchdog "$1" "$2"'

start_watchdog() {
  local host=${request[state]}/host.bash watching
  watching=(/bin/sh -c "$watch_in_time" "$host" "${request[state]}" "${request[tx]}" "$(journal_value deadline)")
  if [ "${sums[$host]:-}" != "${request[script]}" ]; then
    printf '%s' "${aresmon_script:-$BASH_EXECUTION_STRING}" >"$host.new" && sync "$host.new" &&
      mv -T -- "$host.new" "$host" && sync "${request[state]}" ||
      { rm -f -- "$host.new"; watchdog_error="$host cannot be written"; return 1; }
  fi
  if [ "$EUID" -eq 0 ] && [ -d /run/systemd/system ]; then
    command -v systemd-run >/dev/null || { watchdog_error="systemd-run is not installed"; return 1; }
    install_boot_unit || { watchdog_error="its unit for the boot could not be installed in /etc/systemd/system"; return 1; }
    watchdog_error=$(systemd-run --quiet --collect --unit="aresmon-watchdog-${request[tx]}" \
      "${watching[@]}" 2>&1 8>&- 9>&-) || { watchdog_error=${watchdog_error//$'\n'/ }; return 1; }
  else
    setsid "${watching[@]}" </dev/null >/dev/null 2>&1 9>&- &
  fi
}

install_boot_unit() { # replaces the unit of another version, which has the same name
  local unit=aresmon-undo-${request[site]}.service
  [ "${sums["/etc/systemd/system/$unit"]:-}" != "${request[unit_sha]}" ] || return 0
  base64 -d <<<"${request[unit]}" >"/etc/systemd/system/$unit" && systemctl daemon-reload &&
    systemctl enable --quiet "$unit" 2>/dev/null &&
    sync -f "/etc/systemd/system/$unit" || # the unit and its link must survive the power failure that they are for
    { rm -f -- "/etc/systemd/system/$unit"; return 1; }
}

adopt_journal() { # takes the request of the pending transaction, for those who roll it back later
  local name
  for name in kind by project folder watched; do
    request[$name]=$(journal_value $name)
  done
}

is_end_written='' # whether `last.new` describes the end already, and is on the disk

write_current() { # describes the deployed configuration, and that it was committed; syncs the new files' folders
  local spec folders=() new=("${request[state]}/current.new" "${request[state]}/last.new")
  for spec in "${files[@]}"; do
    spec=${spec#* * * * } spec=${linked[$spec]:-$spec}
    folders+=("${spec%/*}")
  done
  {
    printf '%s=%s\n' content "${request[content]}" gen "${request[gen]}" output "${request[output]:-}" \
      tx "${request[tx]}" by "${request[by]:-}" at "$EPOCHSECONDS"
    for spec in "${files[@]#* * * }"; do printf 'sha=%s\n' "$spec"; done # the hash and the path
  } >"${new[0]}" && write_end "${request[tx]}" committed '' &&
    { sync "${new[@]}" "${folders[@]}" || sync "${new[@]}"; } && is_end_written=1 && mv -T -- "${new[0]}" "${request[state]}/current" ||
    { rm -f -- "${new[@]}"; is_end_written=''; return 1; }
}

write_end() { # TX OUTCOME WHY; OUTCOME is committed, undone (rolled back) or broken
  printf '%s=%s\n' tx "$1" outcome "$2" why "$3" at "$EPOCHSECONDS" >"${request[state]}/last.new"
}

close_journal() { # TX OUTCOME WHY; also writes a line to syslog
  local outcome=$2 undo=("${request[state]}/undo")
  [ "$outcome" != broken ] || undo=()
  { [ -n "$is_end_written" ] || { write_end "$@" && sync "${request[state]}/last.new"; }; } 2>/dev/null &&
    mv -T -- "${request[state]}/last.new" "${request[state]}/last"
  # The journal first: without the previous files it is damaged, which does no harm after a push that has ended.
  rm -rf -- "${request[state]}/pending" "${request[state]}"/*.new "${undo[@]}"
  sync "${request[state]}"
  [ "$outcome" != undone ] || outcome='rolled back'
  logger -t aresmon -- "push $1 by ${request[by]:-?}: $outcome${3:+ ($3)}" 2>/dev/null
  return 0
}

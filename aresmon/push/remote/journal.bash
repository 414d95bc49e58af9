# The journal ------------------------------------------------------------------------------------------------
# This part owns `pending`, `undo/`, `current` and `last`, and who reads them later: the watchdog and the boot unit.

prepare() { # save the previous files, write the journal, start the watchdog
  local journal=${request[state]}/pending
  emit "state prepare"
  rm -rf -- "${request[state]}/undo"
  mkdir -p "${request[state]}/undo" 2>/dev/null || refuse "prepare ${request[state]} cannot be written"
  if ! { save_previous_files >"$journal.new" && sync "$journal.new" "${request[state]}"/undo/* "${request[state]}/undo" &&
    mv -T -- "$journal.new" "$journal" && sync "${request[state]}"; } 2>/dev/null; then
    rm -f -- "$journal.new" "$journal"
    refuse "prepare the previous files could not be saved in ${request[state]}: $(describe_free_space "$journal")"
  fi
  start_watchdog || { rm -f -- "$journal"; refuse "prepare the watchdog could not be started"; }
}

save_previous_files() { # copies them, and prints the journal
  local spec path index=0
  printf '%s=%s\n' tx "${request[tx]}" kind "${request[kind]}" by "${request[by]:-}" was "$active" \
    project "${request[project]:-}" folder "${request[folder]:-}" watched "${request[watched]}" \
    deadline $(($(uptime_seconds) + ${request[deadline]} + 30))
  for spec in "${files[@]}"; do
    path=${spec#* * * * }
    if [ -e "$path" ]; then
      cp -p -- "$path" "${request[state]}/undo/$index" || return
      printf 'file=%s present %s\n' $index "$path"
    else
      : >"${request[state]}/undo/$index" || return
      printf 'file=%s absent %s\n' $index "$path"
    fi
    index=$((index + 1))
  done
}

delete_previous_files() { # they contain a password; after a failed rollback an administrator may need them
  [ -e "${request[state]}/pending" ] || [ "$(read_value "${request[state]}/last" outcome)" = broken ] ||
    rm -rf -- "${request[state]}/undo"
}

start_watchdog() {
  local host=${request[state]}/host.bash
  if [ "$(sha256_of "$host")" != "${request[script]}" ]; then
    printf '%s' "${aresmon_script:-$BASH_EXECUTION_STRING}" >"$host.new" && sync "$host.new" &&
      mv -T -- "$host.new" "$host" && sync "${request[state]}" || { rm -f -- "$host.new"; return 1; }
  fi
  if [ "$(id -u)" -eq 0 ] && [ -d /run/systemd/system ]; then
    install_boot_unit || return
    systemd-run --quiet --collect --unit="aresmon-watchdog-${request[tx]}" \
      /bin/bash "$host" watchdog "${request[state]}" 2>/dev/null
  else
    setsid bash "$host" watchdog "${request[state]}" </dev/null >/dev/null 2>&1 9>&- &
  fi
}

install_boot_unit() { # replaces the unit of another version, which has the same name
  local unit=aresmon-undo-${request[site]}.service
  [ "$(base64_of "/etc/systemd/system/$unit")" != "${request[unit]}" ] || return 0
  base64 -d <<<"${request[unit]}" >"/etc/systemd/system/$unit" && systemctl daemon-reload &&
    systemctl enable --quiet "$unit" 2>/dev/null &&
    sync -f "/etc/systemd/system/$unit" || # the unit and its link must survive the power failure that they are for
    { rm -f -- "/etc/systemd/system/$unit"; return 1; }
}

read_journal() { # takes the request of the pending transaction, for those who roll it back later
  local name
  for name in kind by project folder watched; do
    request[$name]=$(read_value "${request[state]}/pending" $name)
  done
}

write_current() { # describes the deployed configuration
  local spec path
  {
    printf '%s=%s\n' content "${request[content]}" gen "${request[gen]}" output "${request[output]:-}" \
      tx "${request[tx]}" by "${request[by]:-}" at "$EPOCHSECONDS"
    for spec in "${files[@]}"; do
      path=${spec#* * * * }
      printf 'sha=%s %s\n' "$(sha256_of "$path")" "$path"
    done
  } >"${request[state]}/current.new" && sync "${request[state]}/current.new" &&
    mv -T -- "${request[state]}/current.new" "${request[state]}/current" ||
    { rm -f -- "${request[state]}/current.new"; return 1; }
}

close_journal() { # TX OUTCOME WHY; OUTCOME is committed, undone (rolled back) or broken. Also writes a line to syslog
  local outcome=$2
  printf '%s=%s\n' tx "$1" outcome "$2" why "$3" at "$EPOCHSECONDS" >"${request[state]}/last.new" 2>/dev/null &&
    mv -T -- "${request[state]}/last.new" "${request[state]}/last" || rm -f -- "${request[state]}/last.new"
  rm -f -- "${request[state]}/pending" "${request[state]}"/*.new
  sync "${request[state]}"
  delete_previous_files
  [ "$outcome" != undone ] || outcome='rolled back'
  logger -t aresmon -- "push $1 by ${request[by]:-?}: $outcome${3:+ ($3)}" 2>/dev/null
  return 0
}

# Rollback ---------------------------------------------------------------------------------------------------
# This part owns the return to the previous files, whoever asks for it. It may be repeated from any step.

rollback() { # REASON
  exec 8<>"${request[state]}/turn"
  flock 8
  rollback_locked "$1"
}

rollback_locked() { # REASON; with the lock `turn` held, and the journal written or loaded
  local tx was deployed code=0
  if [ ! -e "${request[state]}/pending" ]; then
    emit "rolled-back ${1:-}"
    return 0
  fi
  tx=$(journal_value tx) was=$(journal_value was)
  read_value deployed "${request[state]}/current" tx
  if [ "$deployed" = "$tx" ]; then # committed; only the journal was not closed yet
    close_journal "$tx" committed ''
    emit committed
    return 0
  fi
  emit "state rollback"
  stop_cpu_reader
  if [ "${request[mode]}" = boot ] || [ -n "$is_before_restart" ]; then # the agent starts later, or was not restarted
    restore_files || code=1
  elif [[ $was =~ ^(active|activating|reloading)$ ]]; then
    restore_files || code=1
    [ "${request[kind]}" = docker ] || systemctl reset-failed telegraf 2>/dev/null
    restart_agent >/dev/null
    read_agent
    [ "$active" = active ] || code=1
  else
    stop_agent >/dev/null
    restore_files || code=1
  fi
  if [ $code -eq 0 ]; then
    close_journal "$tx" undone "$1"
    emit "clock $EPOCHREALTIME"
    emit "rolled-back $1"
  else
    close_journal "$tx" broken "$1"
    emit "broken $1"
  fi
}

restore_files() {
  local index presence path target folders=() code=0
  while read -r index presence path; do
    staging_path target "$path"
    if [ "$presence" = present ] && is_same_file "${request[state]}/undo/$index" "$path"; then
      rm -f -- "$target" # it was not replaced, or is restored already
    elif [ "$presence" = present ]; then
      cp -p -- "${request[state]}/undo/$index" "$target" && sync "$target" && mv -T -- "$target" "$path" || code=1
    else
      rm -f -- "$path" "$target" || code=1
    fi
    folders+=("${path%/*}")
  done < <(journal_values file)
  sync "${folders[@]}" 2>/dev/null
  return $code
}

is_same_file() { # A B: content, mode and owner
  [ "$(stat -c '%s %a %u %g' -- "$1" 2>/dev/null)" = "$(stat -c '%s %a %u %g' -- "$2" 2>/dev/null)" ] && cmp -s -- "$1" "$2"
}

recover() { # roll back an earlier push that was killed, or cut off by a power failure
  [ -e "${request[state]}/pending" ] || { delete_previous_files; return 0; }
  load_journal || return 0 # the probe reports it
  local -A own=()
  local name tx outcome
  for name in "${!request[@]}"; do own[$name]=${request[$name]}; done
  adopt_journal
  rollback "the push was interrupted" >/dev/null
  read_value outcome "${request[state]}/last" outcome
  read_value tx "${request[state]}/last" tx
  [ "$outcome" = committed ] || emit "recovered $tx"
  exec 8>&-
  for name in "${!own[@]}"; do request[$name]=${own[$name]}; done
  [ "$outcome" != broken ] ||
    refuse "recover an earlier push was interrupted, and the agent does not start with its previous files"
}

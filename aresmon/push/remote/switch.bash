# Switch, restart, commit ------------------------------------------------------------------------------------
# This part owns the time in which the new files are in place and not yet verified.

was_active='' # the state of the agent before its restart
started_as='' # systemd's ID of the start with the new files
is_before_restart='' # whether the agent still runs as it was before this push

switch() {
  local spec path staged_file answer
  emit "state switch"
  is_before_restart=1
  for spec in "${files[@]}"; do
    path=${spec#* * * * } path=${linked[$path]:-$path}
    staging_path staged_file "$path"
    if ! answer=$(mv -T -- "$staged_file" "$path" 2>&1); then
      rollback "$path could not be replaced: ${answer:-mv failed}"
      exit 0
    fi
  done
  staged=() # until their folders are synced at the commit, a start of the machine restores the previous files
}

restart() {
  local output
  emit "state restart"
  was_active=$active
  is_before_restart=''
  [ "${request[kind]}" = docker ] || start_cpu_reader
  output=$(restart_agent)
  read_agent
  started_as=$invocation
  if [ "$active" != active ]; then
    report_log "$pid" 60
    output=$(tail -n 2 <<<"$output" | tr '\n' ' ')
    [ -n "${output// /}" ] || output="it is $active after its restart, and no reason was given"
    rollback "the agent does not start: $output"
    exit 0
  fi
  if reads_other_configuration "$pid"; then
    rollback "the service reads $other, not ${request[watched]}"
    exit 0
  fi
  emit "clock $EPOCHREALTIME"
  emit running
  [ "${request[kind]}" != docker ] || start_cpu_reader # in the new container
}

await_command() { # until a command arrives, the agent exits, the connection ends or the time is up
  local piece line='' command argument code round started=$pid began=$SECONDS flush=${request[flush]:-0}
  local deadline=$((SECONDS + ${request[deadline]} + 10)) # aresmon sends its command before that
  [ "$flush" -gt 0 ] && round=$((EPOCHSECONDS / flush))
  while :; do
    IFS= read -r -t 1 piece
    code=$?
    line+=$piece # the second may end inside a line, or just after it: then there is nothing more to read
    if [ $code -gt 128 ] && [[ $line =~ ^(commit$|rollback|extend) ]] && ! read -r -t 0; then code=0; fi
    if [ $code -eq 0 ]; then
      command=${line%% *} argument=${line#"${line%% *}"} line=''
      argument=${argument# }
      case $command in
        commit) return 0 ;;
        rollback)
          report_log "$started" $((SECONDS - began + 5))
          report_unresolved
          rollback "${argument:-rollback was requested}"
          exit 0
          ;;
        extend)
          deadline=$((SECONDS + argument))
          extend_journal "$argument"
          ;;
      esac
    elif [ $code -le 128 ]; then
      rollback "the connection ended"
      exit 0
    fi
    if [ "$flush" -gt 0 ] && [ $((EPOCHSECONDS / flush)) -ne "$round" ] && [ $((EPOCHSECONDS % flush)) -ge 1 ]; then
      round=$((EPOCHSECONDS / flush)) # the agent has just read its inputs
      flush_agent "$started"
    fi
    if ! is_agent_running "$started"; then
      report_log "$started" $((SECONDS - began + 5))
      rollback "the agent exited $((SECONDS - began)) s after its start"
      exit 0
    fi
    if [ "$SECONDS" -ge "$deadline" ]; then
      rollback "no commit arrived in time"
      exit 0
    fi
  done
}

commit() {
  local was=$pid
  emit "state commit"
  exec 8<>"${request[state]}/turn"
  flock 8
  if [ ! -e "${request[state]}/pending" ]; then
    emit "rolled-back the watchdog was first"
    exit 0
  fi
  [ "${request[verify]:-1}" != 1 ] || read_agent # otherwise it was read a moment ago
  if [ "$active" != active ] || [ "$pid" != "$was" ]; then
    report_log "$was" 60
    rollback_locked "the agent did not keep running"
    exit 0
  fi
  write_current || { rollback_locked "no space left in ${request[state]} for the record of the push"; exit 0; }
  close_journal "${request[tx]}" committed ''
  emit "committed $pid"
}

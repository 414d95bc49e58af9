# Modes ------------------------------------------------------------------------------------------------------
# This part owns the order of the steps in each mode, and runs the mode that was asked for.

push() {
  local gen
  trap '[ ${#staged[@]} -eq 0 ] || rm -f -- "${staged[@]}"' EXIT
  emit "state lock"
  take_lock
  recover
  emit "state probe"
  probe
  case $loaded in
    loaded) ;;
    masked) refuse "masked telegraf.service is masked, so systemd does not start it" ;;
    error | bad-setting) refuse "unit systemd cannot load telegraf.service ($loaded)" ;;
    *) refuse "probe Telegraf is not installed" ;;
  esac
  if [ "$active" = active ] && reads_other_configuration "$pid"; then refuse "other $other"; fi
  local is_changed=0
  ! has_found_configuration || is_changed=1
  if [ "${request[overwrite]:-0}" != 1 ]; then
    ! has_drifted || is_changed=1
    ! has_unmanaged_variables || is_changed=1
    [ $is_changed -eq 0 ] || exit 0
  fi
  check_journal
  if is_deployed; then
    rm -f -- "${request[state]}/pending" # a damaged one
    delete_previous_files
    read_value gen "${request[state]}/current" gen
    emit "unchanged $gen"
    exit 0
  fi
  if [ -e "${request[state]}/current" ] && [ "$active" != active ] && [ "${request[force]:-0}" != 1 ]; then
    refuse "probe the agent is not running ($active)"
  fi
  report_buffer
  stage
  check
  await_moment || exit 0
  read -t 0 && exit 0 # no command is sent before the agent runs: the connection has ended, and with it the push
  prepare
  switch
  restart
  if [ "${request[verify]:-1}" = 1 ]; then
    emit "state verify"
    await_command
  fi
  commit
}

look() {
  local holder
  probe
  has_drifted || true
  has_found_configuration || true
  { read -r holder _ <"${request[state]}/lock"; } 2>/dev/null
  if holds_lock "${holder:-}"; then emit busy; fi
}

watchdog() {
  exec 0</dev/null 1>/dev/null 2>&1
  local tx=${1:-} uptime left
  while load_journal && [ "${tx:=$(journal_value tx)}" = "$(journal_value tx)" ]; do
    read_uptime uptime
    left=$(($(journal_value deadline) - uptime))
    if [ "$left" -le 0 ]; then
      exec 8<>"${request[state]}/turn"
      flock 8
      adopt_journal
      load_journal && [ "$(journal_value tx)" = "$tx" ] && rollback_locked "the push was not committed in time"
      return
    fi
    sleep $((left < 5 ? left : 5))
  done
}

boot() {
  if ! load_journal; then
    logger -t aresmon -- "the journal ${request[state]}/pending is damaged: nothing was restored" 2>/dev/null
    return
  fi
  adopt_journal
  rollback "the machine restarted during the push"
}

case ${request[mode]} in
  watchdog | boot) "${request[mode]}" "${3:-}" ;;
  deadman) watchdog ;; # as 0.4.0 starts it, should this text have replaced its own by then
  '')
    read_header
    case ${request[mode]} in
      push | look) "${request[mode]}" ;;
      *) emit "refused header not a request of aresmon" ;;
    esac
    ;;
esac

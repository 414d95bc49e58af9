# The trial --------------------------------------------------------------------------------------------------
# This part owns the trial of the inputs that are new or changed: each is read once as the agent would read it, before
# anything is changed. What fails is reported, and refuses nothing: a service may be down, or get its permission later.

trial='' # the descriptor from which its messages are read

start_trial() { # goes on beside the check
  [ -n "${request[trial]:-}" ] || return 0
  exec {trial}< <(exec </dev/null 2>/dev/null 9>&-; try_inputs)
}

end_trial() {
  local line messages=()
  [ -n "$trial" ] || return 0
  while IFS= read -r -t 20 line <&"$trial"; do messages+=("$line"); done
  exec {trial}<&-
  [ ${#messages[@]} -eq 0 ] || emit "${messages[@]}"
}

try_inputs() { # prints a message for each error that Telegraf logs, and one if it did not end in time
  local said code line lines=() pattern
  local -A seen=()
  pattern=' (E! \[inputs\.[^]]*\] |E! \[agent\] Starting input |I! \[inputs\.[^]]*\] Startup failed: )(.*)$'
  said=$("try_${request[kind]}" 2>&1 >/dev/null)
  code=$?
  split lines "$said"
  for line in "${lines[@]}"; do
    [[ $line =~ $pattern ]] || continue
    line=${BASH_REMATCH[1]#?! }${BASH_REMATCH[2]}
    [ ${#line} -le 400 ] || line="${line:0:200} ... ${line: -195}" # the cause is at the end
    [ -z "${seen[$line]:-}" ] && [ ${#seen[@]} -lt 20 ] || continue
    seen[$line]=1
    printf 'tried %s\n' "$line"
  done
  case $code in 124 | 137) printf 'tried-late %s\n' "${request[trial_seconds]}" ;; esac
}

try_systemd() { # with the groups and capabilities that the unit gives the agent
  local _environment _configuration given authority=''
  [ -z "${request[authority]:-}" ] || authority=$(ca_file)
  staging_path _environment "${request[environment]}"
  staging_path _configuration "${request[watched]}"
  [ -z "$groups" ] || agent_rights=("--groups=$(id -G "$user" | tr ' ' ','),${groups// /,}")
  given=${capabilities//cap_/+} given=${given// /,}
  [ -z "$given" ] || agent_rights+=("--inh-caps=$given" "--ambient-caps=$given")
  exec_as_agent "$_environment" "$authority" \
    bash -c "${request[trial_command]}" - "${request[trial_seconds]}" "$_configuration" "${request[trial]}" ''
}

try_docker() {
  compose "${request[state]}/check" run --rm --no-deps -T --entrypoint bash telegraf -c "${request[trial_command]}" - \
    "${request[trial_seconds]}" /etc/aresmon/telegraf.conf "${request[trial]}" /etc/aresmon/agent-start.sh
}

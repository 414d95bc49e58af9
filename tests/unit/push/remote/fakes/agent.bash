# What the fakes of a sandbox share: what they were called with, and the agent, whose process is a real one.
#
# A configuration says how its agent fares: `# agent: does not start`, `hangs at its start`, `hangs at its stop`,
# `dies soon`, `dies and comes back`. In the sandbox, `agent/` has its state, `faults/` what happens to any agent.
here=${0%/*/*} theirs=$PATH
PATH=/usr/bin:/bin
printf '%s %s\n' "${0##*/}" "$*" >>"$here/calls"

unknown() { # a call that nobody expected fails the test
  printf '%s %s\n' "${0##*/}" "$*" | tee -a "$here/unknown" >&2
  exit 99
}

agent_pid() { cat "$here/agent/pid" 2>/dev/null; }
agent_alive() { [ -s "$here/agent/pid" ] && [ -d "/proc/$(agent_pid)" ]; }
agent_fares() { grep -q "^# agent: $1" "$2" 2>/dev/null || [ -e "$here/faults/$1" ]; }

agent_start() { # CONFIGURATION; as systemd and Docker read it: once, at the start
  local config=$1 life=600 again=''
  agent_alive && return
  if agent_fares 'start limit' "$config" || [ ! -e "$config" ] || agent_fares 'does not start' "$config"; then
    echo failed >"$here/agent/state"
    echo 'Job for telegraf.service failed.' >&2
    return 1
  fi
  agent_fares 'hangs at its start' "$config" && exec /usr/bin/sleep 60
  agent_fares 'dies soon' "$config" && life=0.3
  agent_fares 'dies and comes back' "$config" && life=0.3 again=yes
  cp -- "$config" "$here/agent/loaded"
  rm -f "$here/agent/pid"
  setsid bash "$here/fakes/supervisor" "$here/agent" "$life" "$again" </dev/null >/dev/null 2>&1 8>&- 9>&- &
  until [ -s "$here/agent/pid" ]; do /usr/bin/sleep 0.005; done
}

agent_stop() {
  local pid
  pid=$(agent_pid)
  agent_alive && [ "${1:-}" != KILL ] && agent_fares 'hangs at its stop' "$here/agent/loaded" && exec /usr/bin/sleep 60
  echo inactive >"$here/agent/state"
  rm -f "$here/agent/pid"
  [ -z "$pid" ] || kill "$pid" 2>/dev/null
  while [ -n "$pid" ] && [ -d "/proc/$pid" ]; do /usr/bin/sleep 0.005; done
}

agent_state() {
  if agent_alive; then echo active; else cat "$here/agent/state" 2>/dev/null || echo inactive; fi
}

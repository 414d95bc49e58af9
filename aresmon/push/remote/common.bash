# One transaction on one host: the new configuration of its agent in full, or the previous one in full.
#
# aresmon sends this text to bash on a host, then a header of `name=value` lines after a line with its length, and the new
# files, one after the other. The script reports on standard output, one `@word …` a line. Once the agent runs with the new files,
# it waits for a command: `commit`, `rollback REASON` or `extend SECONDS`. If no command arrives in time, the connection
# ends or the agent exits, the previous files are restored and the agent is restarted with them.
#
# Modes: `push`; `look` (reports, changes nothing); and, started on the host itself as `bash host.bash MODE STATE`,
# `watchdog` (runs beside a push and rolls it back if nothing else can) and `boot` (rolls back, before the agent starts,
# a push that a power failure interrupted).
#
# STATE is a folder for root alone. `pending`, the journal, exists from before the first file is changed until the
# transaction has ended, and `undo/` has the previous files for the same time. Nothing is restored from a journal that is
# not whole; it is reported instead. `current` describes the last deployed configuration, `last` the end of the last
# transaction, `host.bash` is this text. Hosts keep these files across upgrades of aresmon, so the file names, their keys
# (`gen`, `tx`, `watched`, …), their values (`undone`, `committed`, `broken`) and the unit's name
# `aresmon-undo-SITE.service` stay as version 0.4.0 wrote them.
set -u -o pipefail
umask 077
export LC_ALL=C
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
trap '' HUP PIPE

declare -A request=([mode]=${1:-} [state]=${2:-})
declare -a files=() shown=()
staged=()

# Shared helpers ---------------------------------------------------------------------------------------------
# This part owns the header, the format of the events and reading the state files. Functions that are called in each push
# set a variable: `$(…)` is a process of its own, and processes are most of what a push costs a host.

emit() { printf '@%s\n' "$@"; } # MESSAGE…; several at once are one packet
refuse() { emit "refused $*"; exit 0; }
read_uptime() { local up; read -r up _ </proc/uptime; printf -v "$1" '%s' "${up%.*}"; } # VARIABLE: gets the seconds

declare -A linked=() # the file behind a link, by the link's path
staging_path() { # NAME PATH: a file is written here, then renamed
  local real_path=${linked[$2]:-$2}
  printf -v "$1" '%s/.%s.aresmon' "${real_path%/*}" "${real_path##*/}"
}

declare -A sums=()
read_sums() { # PATH…; sets sums[PATH] to each file's hash, or to `-`, by one program
  local line path lines=()
  for path; do sums[$path]=-; done
  split lines "$(exec sha256sum -- "$@" 2>/dev/null)"
  for line in "${lines[@]}"; do sums[${line:66}]=${line:0:64}; done
}

split() { # ARRAY TEXT: the array gets the lines of the text. bash reads a pipe one byte at a time, but `$(…)` in pieces
  local IFS=$'\n' flags=$-
  set -f
  # shellcheck disable=SC2206 # to split it is what this is for
  eval "$1=(\$2)"
  [[ $flags == *f* ]] || set +f
}

read_value() { # VARIABLE FILE NAME: the variable gets the value of this name, or nothing
  local _line _lines=()
  printf -v "$1" '%s' ''
  mapfile -t _lines 2>/dev/null <"$2"
  for _line in "${_lines[@]}"; do
    if [[ $_line == "$3="* ]]; then
      printf -v "$1" '%s' "${_line#*=}"
      break
    fi
  done
  return 0
}

read_header() {
  local size text='' line name value lines=()
  IFS= read -r size
  [[ $size =~ ^[0-9]{1,6}$ ]] && IFS= read -r -N "$size" text || return
  split lines "$text"
  for line in "${lines[@]}"; do # as one word: with IFS='=' a trailing `=`, as of base64, would be lost
    name=${line%%=*} value=${line#*=}
    case $name in
      file) files+=("$value") ;; # SIZE MODE OWNER SHA256 PATH
      show) shown+=("$value") ;;
      *) request[$name]=$value ;;
    esac
  done
}

describe_free_space() { # FILE: why its folder cannot be written, or how much room it has
  local folder=${1%/*} answer
  answer=$( { : >"$folder/.aresmon-room"; } 2>&1)
  rm -f -- "$folder/.aresmon-room" 2>/dev/null
  case $answer in
    *'Read-only'*) printf 'its filesystem is mounted read-only' ;;
    *'No such'*) printf 'its folder does not exist' ;;
    *'denied'*) printf 'permission denied' ;;
    *) printf '%s' "$(df -P -- "$folder" | awk 'NR == 2 { print $4 " KiB free" }')" ;;
  esac
}

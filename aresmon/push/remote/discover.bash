# Runs on a host whose services are looked for. It installs nothing and changes nothing.
# Standard input: a line `file<tab>GLOB<tab>REGEX` for each file that is looked for, and an empty line. Then the script
# reports what it sees, one `@word …` a line with tabs between the fields, up to `@seen`. Then it reads questions, one a
# line, up to an empty line, and answers each with `@answer<tab>NUMBER<tab>yes` or `no`.
set -u -o pipefail
export LC_ALL=C
PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/sbin

emit() { local IFS=$'\t'; printf '@%s\n' "$*"; }
clean() { printf -v "$1" '%s' "${2//[[:cntrl:]]/?}"; } # VARIABLE TEXT

# What is seen ------------------------------------------------------------------------------------------------

listeners() { # of this network namespace: tcp in state LISTEN, udp without a peer, unix that accept
  awk '$4 == "0A" { print "tcp\t" $2 "\t" $10 }' /proc/net/tcp /proc/net/tcp6 2>/dev/null
  awk '$4 == "07" && $3 ~ /:0000$/ { print "udp\t" $2 "\t" $10 }' /proc/net/udp /proc/net/udp6 2>/dev/null
  awk '$4 == "00010000" && NF > 7 { inode = $7; sub(/^[^\/@]*/, ""); print "unix\t" $0 "\t" inode }' /proc/net/unix 2>/dev/null
}

holders() { # SOCKETS, a line each: the process and the socket
  find /proc/[0-9]*/fd -maxdepth 1 -lname 'socket:*' -printf '%p %l\n' 2>/dev/null |
    awk 'NR == FNR { wanted[$1]; next }
      { split($1, path, "/"); inode = substr($2, 9, length($2) - 9) }
      inode in wanted && !((path[3], inode) in seen) { seen[path[3], inode]; print path[3] "\t" inode }' <(printf '%s\n' "$1") -
}

group_of() { # PID: its control group, in the hierarchy of systemd where there are several
  local line
  group=''
  while IFS= read -r line; do
    [[ $line == 0::* || $line == *:name=systemd:* ]] && group=${line#*:*:}
  done 2>/dev/null <"/proc/$1/cgroup"
  clean group "$group"
}

processes() { # PID…
  local pid rest command paths=() path target first
  local -A program=() space=()
  for pid in "$@"; do paths+=("/proc/$pid/exe" "/proc/$pid/ns/pid"); done
  while IFS=$'\t' read -r path target; do
    pid=${path#/proc/} pid=${pid%%/*}
    if [[ $path == */exe ]]; then program[$pid]=$target; else space[$pid]=$target; fi
  done < <(find "${paths[@]}" /proc/1/ns/pid -maxdepth 0 -printf '%p\t%l\n' 2>/dev/null)
  for pid in "$@"; do
    { IFS= read -r command <"/proc/$pid/comm" && read -r rest <"/proc/$pid/stat"; } 2>/dev/null || continue
    rest=${rest##*) }
    read -r _ first _ <<<"$rest"
    group_of "$pid"
    rest=host
    [ -n "${space[1]:-}" ] && [ "${space[$pid]:-}" != "${space[1]}" ] && rest=inside
    clean command "$command"
    clean path "${program[$pid]:-}"
    emit process "$pid" "$first" "$rest" "$command" "$group" "$path"
    [ "$rest" = host ] && [ -e "$path" ] && programs[$path]=1
  done
}

packages() { # PATH…: of which package each program is
  local path file line paths=() names=()
  if [ -d /var/lib/dpkg/info ]; then
    for path in "$@"; do paths+=("$path" "${path#/usr}"); done
    while IFS=: read -r file path; do
      file=${file##*/} file=${file%.list}
      [[ $path == /usr/* || -z ${programs[/usr$path]:-} ]] || path=/usr$path
      emit package "$path" "${file%%:*}"
    done < <(grep -xF -f <(printf '%s\n' "${paths[@]}") /var/lib/dpkg/info/*.list /dev/null 2>/dev/null | sort -u)
  elif command -v rpm >/dev/null; then
    mapfile -t names < <(timeout 5 rpm -qf --qf '%{NAME}\n' "$@" 2>/dev/null)
    for line in "${!names[@]}"; do
      [[ ${names[line]} == *' '* ]] || emit package "${@:line + 1:1}" "${names[line]}"
    done
  fi
}

containers() {
  local engine ids=() line
  local format=$'{{.Id}}\t{{.Name}}\t{{.Config.Image}}\t{{.HostConfig.NetworkMode}}\t{{range $port, $all := .NetworkSettings.Ports}}{{range $all}}{{$port}}={{.HostIp}}|{{.HostPort}} {{end}}{{end}}'
  for engine in docker podman; do
    command -v "$engine" >/dev/null || continue
    mapfile -t ids < <(timeout 10 "$engine" ps --quiet --no-trunc 2>/dev/null)
    [ "${#ids[@]}" -gt 0 ] || continue
    while IFS= read -r line; do printf '@container\t%s\n' "$line"; done < <(
      timeout 10 "$engine" inspect --format "$format" "${ids[@]}" 2>/dev/null
    )
  done
}

units() {
  local name rest
  [ -d /run/systemd/system ] || return 0
  while read -r name rest; do emit unit "$name"; done < <(
    timeout 10 systemctl list-units --type=service,socket --state=active --plain --no-legend --no-pager 2>/dev/null
  )
}

found_files() { # REGEX GLOB
  local path line
  while IFS= read -r path; do
    line=''
    if [ -n "$1" ]; then line=$(grep -m 1 -a -E -e "$1" -- "$path" 2>/dev/null) || continue; fi
    clean path "$path"
    clean line "${line:0:80}"
    emit file "$1" "$2" "$path" "$line"
  done < <(compgen -G "$2" | head -n 200)
}

declare -A programs=() # the paths of those outside of containers

see() {
  local line pairs=() pids=() seen group
  group_of 1
  emit begin "$(id -u)" "$group"
  seen=$(listeners)
  while IFS= read -r line; do [ -n "$line" ] && printf '@listener\t%s\n' "$line"; done <<<"$seen"
  mapfile -t pairs < <(holders "$(awk -F '\t' '{ print $3 }' <<<"$seen")")
  for line in "${pairs[@]}"; do printf '@holder\t%s\n' "$line"; done
  mapfile -t pids < <(printf '%s\n' "${pairs[@]%%$'\t'*}" | sort -un)
  [ -n "${pids[*]}" ] && processes "${pids[@]}"
  [ "${#programs[@]}" -gt 0 ] && packages "${!programs[@]}"
  units
  containers
}

# What is asked -----------------------------------------------------------------------------------------------

has_page() { # HOST PORT PATH REGEX
  local host=$1
  [ "$2" = 80 ] || host=$1:$2
  # shellcheck disable=SC2016 # its own arguments
  timeout 3 bash -c '
    exec 3<>"/dev/tcp/$1/$2" && printf "GET %s HTTP/1.0\r\nHost: %s\r\nConnection: close\r\n\r\n" "$3" "$4" >&3 &&
      head -c 4000000 <&3' page "${1//[\[\]]/}" "$2" "$3" "$host" 2>/dev/null | grep -a -E -e "$4" >/dev/null
}

has_match() { # REGEX GLOB…
  local regex=$1 glob files=()
  shift
  for glob in "$@"; do
    while IFS= read -r glob; do files+=("$glob"); done < <(compgen -G "$glob")
  done
  [ "${#files[@]}" -gt 0 ] && grep -q -a -E -e "$regex" -- "${files[@]}" 2>/dev/null
}

has_group() { [[ " $(id -nG telegraf 2>/dev/null) " == *" $1 "* ]]; }
has_program() { command -v "$1" >/dev/null; }

answer() { # NUMBER KIND …
  local number=$1 kind=$2
  shift 2
  if "has_$kind" "$@" </dev/null; then emit answer "$number" yes; else emit answer "$number" no; fi
}

requests=()
while IFS= read -r line && [ -n "$line" ]; do requests+=("$line"); done
see </dev/null
for line in "${requests[@]}"; do
  IFS=$'\t' read -r _ glob regex <<<"$line"
  found_files "$regex" "$glob" </dev/null
done
emit seen
while IFS= read -r line && [ -n "$line" ]; do
  IFS=$'\t' read -r -a fields <<<"$line"
  case ${fields[1]:-} in
    page | match | group | program) answer "${fields[@]}" & ;; # a page may take its time
  esac
done
wait
emit done

# Runs on a host that is added to a site, or removed from it: inspects it, installs Telegraf, removes the agent.
# Standard input: a header of `name=value` lines, an empty line, and for `binary` and `image` the content, compressed
# by gzip. The script reports on standard output, one `@word …` a line.
set -u -o pipefail
umask 022
export LC_ALL=C
PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/sbin

declare -A request=()
emit() { printf '@%s\n' "$*"; }
refuse() { emit "refused $*"; exit 0; }

while IFS= read -r line && [ -n "$line" ]; do request[${line%%=*}]=${line#*=}; done

read_content() { dd bs="${request[size]}" count=1 iflag=fullblock status=none; }

inspect() {
  local id='' version=''
  # shellcheck disable=SC1091 # the host's own
  [ -r /etc/os-release ] && { id=$(. /etc/os-release && printf '%s' "${ID:-}"); version=$(. /etc/os-release && printf '%s' "${VERSION_ID:-}"); }
  emit "system $(uname -m) ${id:-unknown} ${version:-}"
  emit "clock $EPOCHREALTIME"
  [ -d /run/systemd/system ] && emit systemd
  if command -v telegraf >/dev/null; then
    emit "telegraf $(telegraf --version 2>/dev/null | sed -n 's/^Telegraf \([^ ]*\).*/\1/p')"
  fi
  if command -v apt-get >/dev/null; then
    emit "package $(apt-cache policy telegraf 2>/dev/null | sed -n 's/^ *Candidate: *//p' | grep -v '(none)')"
  fi
  if command -v docker >/dev/null && docker version >/dev/null 2>&1; then
    emit "docker $(docker version --format '{{.Server.Version}}' 2>/dev/null)"
    docker compose version >/dev/null 2>&1 && emit "compose $(docker compose version --short 2>/dev/null)"
    [ -n "${request[image]:-}" ] && docker image inspect "${request[image]}" >/dev/null 2>&1 && emit "image ${request[image]}"
  fi
  if [ -r /etc/haproxy/haproxy.cfg ]; then
    emit "haproxy $(base64 -w 0 /etc/haproxy/haproxy.cfg)"
  fi
}

package() { # from the package sources that the host has
  export DEBIAN_FRONTEND=noninteractive
  apt-get install -y -qq --no-install-recommends telegraf </dev/null >/dev/null 2>&1 ||
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends telegraf; } </dev/null >/dev/null 2>&1 ||
    refuse "apt-get cannot install the package telegraf: $(apt-get install -y -s telegraf 2>&1 | tail -n 1)"
  grant
  emit done
}

binary() { # with a user and a unit as InfluxData's package has them
  local target=/usr/local/bin/telegraf unit=/etc/systemd/system/telegraf.service
  [ -d /run/systemd/system ] || refuse "systemd is not running, so Telegraf cannot be installed as a service"
  read_content | gzip -dc >"$target.aresmon" || { rm -f "$target.aresmon"; refuse "$target cannot be written: $(df -P /usr/local | awk 'NR == 2 { print $4 " KiB free" }')"; }
  local sum
  sum=$(sha256sum "$target.aresmon")
  [ "${sum%% *}" = "${request[sha]}" ] || { rm -f "$target.aresmon"; refuse "the program did not arrive complete"; }
  chmod 755 "$target.aresmon"
  "$target.aresmon" --version >/dev/null 2>&1 || { rm -f "$target.aresmon"; refuse "the program does not run on this machine"; }
  getent group telegraf >/dev/null || groupadd --system telegraf || refuse "the group telegraf cannot be created"
  getent passwd telegraf >/dev/null ||
    useradd --system --no-create-home --gid telegraf --shell /usr/sbin/nologin --home-dir /etc/telegraf telegraf ||
    refuse "the user telegraf cannot be created"
  install -d -m 755 /etc/telegraf /etc/telegraf/telegraf.d
  install -d -m 750 -o telegraf -g telegraf /var/lib/telegraf
  [ -e /etc/default/telegraf ] || install -m 640 -g telegraf /dev/null /etc/default/telegraf
  mv -T "$target.aresmon" "$target"
  base64 -d <<<"${request[unit]}" >"$unit"
  systemctl daemon-reload
  systemctl enable --quiet telegraf 2>/dev/null
  grant
  emit done
}

grant() { # access that the collectors need
  if [ "${request[docker]:-}" = 1 ] && getent group docker >/dev/null; then
    usermod --append --groups docker telegraf && emit "group docker"
  fi
}

image() {
  read_content | gzip -dc | docker load --quiet >/dev/null 2>&1 || refuse "docker load failed"
  emit done
}

remove() { # the agent and every file with a password; Telegraf's configuration stays
  local unit=aresmon-undo-${request[site]}.service
  if [ "${request[kind]}" = docker ]; then
    [ -e "${request[folder]}/.env" ] && (cd "${request[folder]}" && DOCKER_GROUP=0 docker compose --project-name "${request[project]}" down >/dev/null 2>&1)
  else
    timeout 30 systemctl disable --now --quiet telegraf 2>/dev/null || systemctl kill --signal=KILL telegraf 2>/dev/null
    rm -f /etc/default/telegraf /etc/telegraf/aresmon-ca.pem
    if [ -e "/etc/systemd/system/$unit" ]; then
      systemctl disable --quiet "$unit" 2>/dev/null
      rm -f "/etc/systemd/system/$unit"
      systemctl daemon-reload
    fi
  fi
  rm -rf -- "${request[state]:?}"
  emit done
}

case ${request[mode]:-} in
  inspect | package | binary | image | remove | grant) "${request[mode]}" ;;
  *) refuse "not a request of aresmon" ;;
esac

# Run on a host that is to be watched, or no longer: looks at it, brings Telegraf to it, takes leave of it.
# Standard input: a header of `name=value` lines, an empty line, and for `binary` and `image` what is brought, packed
# by gzip. What is found and done is told on standard output, one `@word …` a line.
set -u -o pipefail
umask 022
export LC_ALL=C
PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/sbin

declare -A ask=()
say() { printf '@%s\n' "$*"; }
refuse() { say "refused $*"; exit 0; }

while IFS= read -r line && [ -n "$line" ]; do ask[${line%%=*}]=${line#*=}; done

brought() { dd bs="${ask[size]}" count=1 iflag=fullblock status=none; }

look() {
  local id='' version=''
  # shellcheck disable=SC1091 # the host's own
  [ -r /etc/os-release ] && { id=$(. /etc/os-release && printf '%s' "${ID:-}"); version=$(. /etc/os-release && printf '%s' "${VERSION_ID:-}"); }
  say "system $(uname -m) ${id:-unknown} ${version:-}"
  say "clock $EPOCHREALTIME"
  [ -d /run/systemd/system ] && say systemd
  if command -v telegraf >/dev/null; then
    say "telegraf $(telegraf --version 2>/dev/null | sed -n 's/^Telegraf \([^ ]*\).*/\1/p')"
  fi
  if command -v apt-get >/dev/null; then
    say "package $(apt-cache policy telegraf 2>/dev/null | sed -n 's/^ *Candidate: *//p' | grep -v '(none)')"
  fi
  if command -v docker >/dev/null && docker version >/dev/null 2>&1; then
    say "docker $(docker version --format '{{.Server.Version}}' 2>/dev/null)"
    docker compose version >/dev/null 2>&1 && say "compose $(docker compose version --short 2>/dev/null)"
    [ -n "${ask[image]:-}" ] && docker image inspect "${ask[image]}" >/dev/null 2>&1 && say "image ${ask[image]}"
  fi
  if [ -r /etc/haproxy/haproxy.cfg ]; then
    say "haproxy $(base64 -w 0 /etc/haproxy/haproxy.cfg)"
  fi
}

package() { # the distribution's, or its publisher's, where the host's own sources have it
  export DEBIAN_FRONTEND=noninteractive
  apt-get install -y -qq --no-install-recommends telegraf </dev/null >/dev/null 2>&1 ||
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends telegraf; } </dev/null >/dev/null 2>&1 ||
    refuse "apt-get could not install the package telegraf: $(apt-get install -y -s telegraf 2>&1 | tail -n 1)"
  allow
  say done
}

binary() { # a program carried over, with a user and a unit as the publisher's package would have made them
  local target=/usr/local/bin/telegraf unit=/etc/systemd/system/telegraf.service
  [ -d /run/systemd/system ] || refuse "there is no systemd here to run it"
  brought | gzip -dc >"$target.aresmon" || { rm -f "$target.aresmon"; refuse "$target cannot be written: $(df -P /usr/local | awk 'NR == 2 { print $4 " KiB are free there" }')"; }
  local sum
  sum=$(sha256sum "$target.aresmon")
  [ "${sum%% *}" = "${ask[sha]}" ] || { rm -f "$target.aresmon"; refuse "the program did not arrive whole"; }
  chmod 755 "$target.aresmon"
  "$target.aresmon" --version >/dev/null 2>&1 || { rm -f "$target.aresmon"; refuse "the program does not run on this machine"; }
  getent group telegraf >/dev/null || groupadd --system telegraf || refuse "the group telegraf could not be made"
  getent passwd telegraf >/dev/null ||
    useradd --system --no-create-home --gid telegraf --shell /usr/sbin/nologin --home-dir /etc/telegraf telegraf ||
    refuse "the user telegraf could not be made"
  install -d -m 755 /etc/telegraf /etc/telegraf/telegraf.d
  install -d -m 750 -o telegraf -g telegraf /var/lib/telegraf
  [ -e /etc/default/telegraf ] || install -m 640 -g telegraf /dev/null /etc/default/telegraf
  mv -T "$target.aresmon" "$target"
  printf '%s\n' '[Unit]' 'Description=Telegraf, brought here by aresmon' 'After=network-online.target' \
    'Wants=network-online.target' '' '[Service]' 'Type=notify' 'NotifyAccess=all' \
    'EnvironmentFile=-/etc/default/telegraf' 'User=telegraf' \
    "ExecStart=$target -config /etc/telegraf/telegraf.conf -config-directory /etc/telegraf/telegraf.d \$TELEGRAF_OPTS" \
    'ExecReload=/bin/kill -HUP $MAINPID' 'Restart=on-failure' 'RestartForceExitStatus=SIGPIPE' 'KillMode=mixed' '' \
    '[Install]' 'WantedBy=multi-user.target' >"$unit"
  systemctl daemon-reload
  systemctl enable --quiet telegraf 2>/dev/null
  allow
  say done
}

allow() { # what the collectors need and the service's user has not
  if [ "${ask[docker]:-}" = 1 ] && getent group docker >/dev/null; then
    usermod --append --groups docker telegraf && say "group docker"
  fi
}

image() {
  brought | gzip -dc | docker load --quiet >/dev/null 2>&1 || refuse "docker load failed"
  say done
}

leave() { # nothing of ours that could send, or that knows a password, stays; the configuration does
  local unit=aresmon-undo-${ask[site]}.service
  if [ "${ask[kind]}" = docker ]; then
    [ -e "${ask[folder]}/.env" ] && (cd "${ask[folder]}" && DOCKER_GROUP=0 docker compose --project-name "${ask[project]}" down >/dev/null 2>&1)
  else
    timeout 30 systemctl disable --now --quiet telegraf 2>/dev/null || systemctl kill --signal=KILL telegraf 2>/dev/null
    rm -f /etc/default/telegraf /etc/telegraf/aresmon-ca.pem
    if [ -e "/etc/systemd/system/$unit" ]; then
      systemctl disable --quiet "$unit" 2>/dev/null
      rm -f "/etc/systemd/system/$unit"
      systemctl daemon-reload
    fi
  fi
  rm -rf -- "${ask[state]:?}"
  say done
}

case ${ask[mode]:-} in
  look | package | binary | image | leave | allow) "${ask[mode]}" ;;
  *) refuse "this is no order of aresmon's" ;;
esac

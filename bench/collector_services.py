"""The services on which collectors are measured, in the image of tests/services, and the stock form of each plug-in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_POSTGRESQL = (
    "/usr/lib/postgresql/15/bin/postgres -c config_file=/etc/postgresql/15/main/postgresql.conf "
    "-D /var/lib/postgresql/15/main"
)
_MARIADB_USER = (
    "CREATE USER telegraf@localhost IDENTIFIED VIA unix_socket; "
    "GRANT PROCESS, BINLOG MONITOR, SLAVE MONITOR ON *.* TO telegraf@localhost"
)
_NGINX = """\
events {}
http { server { listen 127.0.0.1:8081;
  location = /basic_status { stub_status; }
  location / { return 200 "Accueil"; }
} }
"""
_BIND = """\
options { directory "/var/cache/bind"; listen-on port 5354 { 127.0.0.1; }; listen-on-v6 { none; }; };
statistics-channels { inet 127.0.0.1 port 8053 allow { 127.0.0.1; }; };
"""
_UNBOUND = """\
server:
  interface: 127.0.0.1
  chroot: ""
  username: unbound
  extended-statistics: yes
  local-zone: "here." static
  local-data: "wiki.here. A 192.0.2.1"
remote-control:
  control-enable: yes
  control-interface: /run/unbound.ctl
"""
_PHP = """\
[global]
error_log = /dev/stderr
[www]
user = www-data
group = www-data
listen = /run/php/www.sock
listen.group = www-data
pm = static
pm.max_children = 8
pm.status_path = /status
"""
_CADDY = """\
{
  admin localhost:2019
  auto_https off
  servers {
    metrics
  }
}
http://127.0.0.1:8000 {
  respond "hello"
}
"""
_PORT = "127.0.0.1:8081"
_PSQL = "su postgres -s /bin/sh -c 'psql -c \"{}\"'"
_ROLE = "; ".join(map(_PSQL.format, ("CREATE ROLE telegraf LOGIN", "GRANT pg_monitor TO telegraf")))
_CONTROL = "touch /run/unbound.ctl; chown unbound /run/unbound.ctl; rm /run/unbound.ctl"
_APACHE = "bash -c '. /etc/apache2/envvars; mkdir -p /run/apache2; exec apache2 -D FOREGROUND'"
_STATUS, _PAGE, _METRICS = (
    "http://127.0.0.1:8081/basic_status",
    "http://127.0.0.1:8081/",
    "http://localhost:2019/metrics",
)


@dataclass(frozen=True, slots=True)
class Measured:
    """A collector with its options, the same plug-in of Telegraf with what differs from its sample, and its service:
    files to write and a command to run before it is started; an empty `start` where another's is used."""

    name: str
    plugin: str
    stock: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    before: str = "true"
    start: str = ""
    user: str = "root"
    ready: str = "true"
    after: str = "true"


SERVICES = (
    Measured(
        "nginx", "nginx", {"urls": [_STATUS]}, {"urls": [_STATUS]},
        {"/etc/nginx/nginx.conf": _NGINX}, start="nginx -g 'daemon off;'", ready=f"curl -fs {_STATUS}",
    ),
    Measured("http", "http_response", {"urls": [_PAGE]}, {"urls": [_PAGE]}),
    Measured("port", "net_response", {"protocol": "tcp", "address": _PORT}, {"addresses": [_PORT]}),
    Measured(
        "apache", "apache", {"urls": ["http://127.0.0.1/server-status?auto"]},
        files={"/etc/apache2/conf-enabled/zz-name.conf": "ServerName lewi\n"}, start=_APACHE,
        ready="curl -fs http://127.0.0.1/server-status?auto",
    ),
    Measured(
        "caddy", "prometheus", {"urls": [_METRICS]}, files={"/etc/caddy/Caddyfile": _CADDY},
        start="env HOME=/root caddy run --config /etc/caddy/Caddyfile --adapter caddyfile",
        ready="curl -fs 127.0.0.1:8000/",
    ),
    Measured(
        "php-fpm", "phpfpm", {"urls": ["/run/php/www.sock:status"]}, {"pools": ["/run/php/www.sock:status"]},
        {"/etc/php/fpm.conf": _PHP}, "usermod -aG www-data telegraf; mkdir -p /run/php",
        "php-fpm8.2 --nodaemonize --fpm-config /etc/php/fpm.conf", ready="[[ -S /run/php/www.sock ]]",
    ),
    Measured(
        "varnish", "varnish", {"stats": ["*"]}, before="usermod -aG varnish telegraf",
        start="varnishd -F -a 127.0.0.1:6081 -b 127.0.0.1:8081 -s malloc,1m", ready="curl -fs 127.0.0.1:6081/",
    ),
    Measured(
        "redis", "redis", {"servers": ["tcp://127.0.0.1:6379"]}, before="install -d -o redis /tmp/redis",
        start="redis-server --bind 127.0.0.1 --dir /tmp/redis --save ''", user="redis",
        ready="redis-cli ping | grep -q PONG",
    ),
    Measured(
        "memcached", "memcached", {"servers": ["127.0.0.1:11211"]}, start="memcached -u memcache -l 127.0.0.1 -m 2",
        ready="nc -z 127.0.0.1 11211",
    ),
    Measured(
        "postgresql", "postgresql", {"address": "host=/run/postgresql user=telegraf dbname=postgres"},
        before="install -d -o postgres /run/postgresql", start=_POSTGRESQL, user="postgres",
        ready=_PSQL.format("SELECT 1"), after=_ROLE,
    ),
    Measured(
        "mysql", "mysql", {"servers": ["telegraf@unix(/run/mysqld/mysqld.sock)/"]},
        before="install -d -o mysql /run/mysqld", start="mariadbd --user=mysql --bind-address=127.0.0.1",
        ready="mariadb -e 'SELECT 1'", after=f'mariadb -e "{_MARIADB_USER}"',
    ),
    Measured(
        "bind", "bind", {"urls": ["http://127.0.0.1:8053/xml/v3"]}, files={"/etc/bind/named.conf": _BIND},
        before="install -d -o bind /run/named", start="named -g -u bind",
        ready="curl -fs http://127.0.0.1:8053/xml/v3/server",
    ),
    Measured(
        "unbound", "unbound", {"binary": "/usr/sbin/unbound-control", "server": "", "thread_as_tag": True},
        files={"/etc/unbound/unbound.conf": _UNBOUND},
        before=f"usermod -aG unbound telegraf; {_CONTROL}",
        start="unbound -d -p", ready="dig +short +time=1 +tries=1 @127.0.0.1 wiki.here | grep -q 192",
    ),
    Measured(
        "dns", "dns_query", {"servers": ["127.0.0.1"], "domains": ["wiki.here"], "record_type": "A"},
        {"servers": ["127.0.0.1"], "domains": ["wiki.here"]},
    ),
)  # fmt: skip
"""In an order in which what one starts is there for those after it."""

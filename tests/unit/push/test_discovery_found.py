"""What is found on hosts, and what only looks like it: no false proposals."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.conftest import SHIPPED
from tests.unit.push.host_report import ID, Report, entries, found_on

_SENSORS = "/sys/class/hwmon/hwmon*/temp*_input"
_IS_WIREGUARD, _NETWORK = "^DEVTYPE=wireguard", "/sys/class/net/*/uevent"

RUNS: list[tuple[Report, list[Any]]] = [
    (Report().runs("redis-server", "127.0.0.1:6379", "[::1]:6379"), ["redis"]),
    (Report().runs("redis-server", "127.0.0.1:6380"), [{"redis": {"address": "tcp://127.0.0.1:6380"}}]),
    (Report().runs("valkey-server", "0.0.0.0:6379"), ["redis"]),
    (Report().runs("redis-server", "192.0.2.1:6379"), [{"redis": {"address": "tcp://192.0.2.1:6379"}}]),
    (
        Report().runs("redis-server", "127.0.0.1:6379").runs("redis-server", "127.0.0.1:6380", unit="second.service"),
        ["redis", {"redis": {"address": "tcp://127.0.0.1:6380"}}],
    ),
    (Report().runs("memcached", "127.0.0.1:11211"), ["memcached"]),
    (
        Report().runs("memcached", "127.0.0.1:11211").runs("memcached", "127.0.0.1:11212", unit="b.service"),
        [{"memcached": {"servers": ["127.0.0.1:11211", "127.0.0.1:11212"]}}],
    ),
    (Report().runs("postgres", "127.0.0.1:5432", "/var/run/postgresql/.s.PGSQL.5432"), ["postgresql"]),
    (
        Report().runs("postgres", "/run/postgresql/.s.PGSQL.5433"),
        [{"postgresql": {"address": "host=/run/postgresql port=5433 user=telegraf dbname=postgres"}}],
    ),
    (Report().runs("mariadbd", "127.0.0.1:3306", "/run/mysqld/mysqld.sock"), ["mysql"]),
    (
        Report().runs("mysqld", "127.0.0.1:33060", "/run/mysqld/mysqlx.sock", "/data/mysql.sock"),
        [{"mysql": {"address": "unix(/data/mysql.sock)"}}],
    ),
    (
        Report().runs("php-fpm8.2", "/run/php/a.sock", "/run/php/b.sock"),
        [{"php-fpm": {"pools": ["/run/php/a.sock:status", "/run/php/b.sock:status"]}}],
    ),
    (
        Report().runs("php-fpm8.2", "/run/php/a.sock", "/run/php/status.sock"),
        [{"php-fpm": {"pools": ["/run/php/a.sock:status"]}}],
    ),
    (
        Report().runs("php-fpm8.2", "/run/php/a.sock").runs("php-fpm8.4", "/run/php/b.sock"),
        [{"php-fpm": {"pools": ["/run/php/a.sock:status", "/run/php/b.sock:status"]}}],
    ),
    (
        Report().runs("master", "0.0.0.0:25", path="/usr/lib/postfix/sbin/master"),
        ["postfix", {"smtp": {"addresses": ["127.0.0.1:25"]}}],
    ),
    (Report().runs("beam.smp", "[::]:5672"), [{"rabbitmq": {"password": {"secret": "rabbitmq-lewi"}}}]),
    (Report().runs("slapd", "0.0.0.0:389", "[::]:389"), ["openldap"]),
    (Report().runs("named", "127.0.0.1:53", "udp 127.0.0.1:53"), ["bind"]),
    (Report().runs("varnishd", "0.0.0.0:6081"), ["varnish"]),
    (Report().runs("dockerd", "/run/docker.sock"), ["docker"]),
    (Report().runs("fail2ban-server", "/run/fail2ban/fail2ban.sock", path="/usr/bin/python3.11"), ["fail2ban"]),
    (Report().runs("sshd", "0.0.0.0:22", unit="ssh.service"), ["login"]),
    (
        Report().file("^[^ ]+ [^ ]+ nfs4? ", "/proc/mounts", "/proc/mounts", "nas:/home /home nfs4 rw 0 0"),
        ["nfs"],
    ),
    (
        Report()
        .file("", "/etc/libvirt/qemu/*.xml", "/etc/libvirt/qemu/wiki.xml")
        .file("", "/etc/libvirt/qemu/*.xml", "/etc/libvirt/qemu/mail.xml"),
        ["libvirt"],
    ),
    (Report().file("", "/proc/spl/kstat/zfs/*/state", "/proc/spl/kstat/zfs/tank/state"), ["zfs"]),
    (
        Report().file(_IS_WIREGUARD, _NETWORK, "/sys/class/net/wg0/uevent", "DEVTYPE=wireguard"),
        [{"wireguard": {"interfaces": ["wg0"]}}],
    ),
    (Report().runs("mosquitto", "127.0.0.1:1883"), ["mosquitto"]),
    (Report().runs("mongod", "127.0.0.1:27017"), ["mongodb"]),
    (Report().runs("java", "[::]:9200", path="/usr/share/elasticsearch/jdk/bin/java"), ["elasticsearch"]),
    (Report().runs("upsd", "127.0.0.1:3493"), ["ups"]),
    (Report().unit("chrony.service"), [{"time": {"chrony": True}}]),
    (Report().file("^md[^ ]* : ", "/proc/mdstat", "/proc/mdstat", "md0 : active raid1 sdb1[1] sda1[0]"), ["raid"]),
    (Report().unit("smartmontools.service"), ["smart"]),
    (Report().unit("gitlab-runsvdir.service"), [{"gitlab": {"url": "http://127.0.0.1:8080/-/metrics"}}]),
    (
        Report().runs("pveproxy", "[::]:8006").unit("pveproxy.service"),
        [
            {
                "proxmox": {
                    "ca": "/etc/pve/pve-root-ca.pem",
                    "node": "lewi",
                    "token": {"secret": "proxmox-lewi"},
                }
            }
        ],
    ),
    (
        Report().container("cache", "redis:7-alpine", "6379/tcp=0.0.0.0|6390", "6379/tcp=::|6390"),
        [{"redis": {"address": "tcp://127.0.0.1:6390"}}],
    ),
    (
        Report().container("cache", "mirror.example.org/library/redis:7@sha256:00", "6379/tcp=127.0.0.1|6379"),
        ["redis"],
    ),
    (Report().container("cache", "valkey/valkey:8", network="host"), ["redis"]),
    (
        Report().container("db", "postgres:17", "5432/tcp=127.0.0.1|5440"),
        [
            {
                "postgresql": {
                    "address": "host=127.0.0.1 port=5440 user=telegraf dbname=postgres",
                    "password": {"secret": "postgresql-lewi"},
                }
            }
        ],
    ),
    (Report().runs("apache2", "[::]:80"), [{"apache": {"urls": ["http://127.0.0.1:8098/server-status?auto"]}}]),
    (Report().runs("nginx", "[::]:443"), [{"nginx": {"urls": ["http://127.0.0.1:8097/basic_status"]}}]),
    (Report().runs("caddy", "[::]:80", "127.0.0.1:2019"), ["caddy"]),
    (Report().runs("traefik", "[::]:80"), [{"traefik": {"url": "http://127.0.0.1:8082/metrics"}}]),
    (Report().runs("dovecot", "0.0.0.0:993"), ["dovecot"]),
    (Report().runs("unbound", "127.0.0.1:53"), ["unbound"]),
    (Report().file("", "/run/systemd/system", "/run/systemd/system"), ["systemd"]),
    (Report().file("", "/usr/bin/apt-get", "/usr/bin/apt-get"), ["updates"]),
    (Report().file("", _SENSORS, "/sys/class/hwmon/hwmon0/temp1_input"), ["temperature"]),
]


@pytest.mark.parametrize(("report", "wanted"), RUNS)
def test_what_runs_is_proposed(report: Report, wanted: list[Any]) -> None:
    assert entries(found_on(report)) == wanted


def test_every_collector_that_can_be_found_is_found_here() -> None:
    here = {one if isinstance(one, str) else next(iter(one)) for _, wanted in RUNS for one in wanted}

    # HAProxy's needs a variable.
    assert here | {"haproxy"} == {name for name, one in SHIPPED.items() if one.discovery}


@pytest.mark.parametrize(
    "report",
    [
        pytest.param(Report().runs("docker-proxy", "0.0.0.0:6379", "0.0.0.0:80"), id="docker-proxy"),
        pytest.param(Report().runs("pgbouncer", "127.0.0.1:6432", "/run/postgresql/.s.PGSQL.6432"), id="PgBouncer"),
        pytest.param(Report().runs("exim4", "127.0.0.1:25", "[::1]:25"), id="exim on loopback"),
        pytest.param(
            Report().runs("master", "127.0.0.1:25", path="/usr/lib/postfix/sbin/master"), id="Postfix as a satellite"
        ),
        pytest.param(Report().runs("master", "0.0.0.0:25", path="/opt/other/master"), id="another master"),
        pytest.param(
            Report()
            .runs("redis-server", "127.0.0.1:6379", path="/opt/gitlab/embedded/bin/redis-server")
            .runs("nginx", "0.0.0.0:80", path="/opt/gitlab/embedded/sbin/nginx")
            .runs("postgres", "/var/opt/gitlab/postgresql/.s.PGSQL.5432", path="/opt/gitlab/embedded/bin/postgres"),
            id="GitLab's own",
        ),
        pytest.param(
            Report().runs("redis-server", "127.0.0.1:6379", path="/snap/nextcloud/1/bin/redis-server"), id="Nextcloud's"
        ),
        pytest.param(Report().runs("redis-sentinel", "0.0.0.0:26379", path="/usr/bin/redis-server"), id="Sentinel"),
        pytest.param(
            Report().runs("nginx", "0.0.0.0:80", path="/usr/local/openresty/nginx/sbin/nginx"), id="OpenResty"
        ),
        pytest.param(Report().runs("beam.smp", "0.0.0.0:5222"), id="ejabberd"),
        pytest.param(Report().runs("dnsmasq", "0.0.0.0:53").runs("systemd-resolve", "127.0.0.53:53"), id="dnsmasq"),
        pytest.param(Report().runs("ns-slapd", "0.0.0.0:389").runs("samba", "0.0.0.0:389"), id="389ds and Samba"),
        pytest.param(
            Report().runs("redis-server", "0.0.0.0:6379", group=f"/system.slice/docker-{ID}.scope"),
            id="in a container",
        ),
        pytest.param(Report().runs("nginx", "0.0.0.0:80", group=f"/docker/{ID}"), id="in Docker without systemd"),
        pytest.param(Report().runs("nginx", "0.0.0.0:80", group="/lxc.payload.web/init.scope"), id="in LXC"),
        pytest.param(Report().unit("postgresql.service").unit("nginx.service"), id="units that nothing listens for"),
        pytest.param(
            Report().file("", "/etc/ssl/certs/*.pem", "/etc/ssl/certs/ssl-cert-snakeoil.pem"), id="snakeoil certificate"
        ),
        pytest.param(
            Report().file(_IS_WIREGUARD, _NETWORK, "/sys/class/net/wt0/uevent", "DEVTYPE=wireguard"), id="NetBird"
        ),
        pytest.param(Report().runs("java", "0.0.0.0:9200", path="/usr/lib/jvm/bin/java"), id="another Java"),
        pytest.param(Report().runs("proxmox-backup-proxy", "[::]:8007"), id="Proxmox Backup Server"),
        pytest.param(Report().runs("mongos", "127.0.0.1:27017").runs("ferretdb", "127.0.0.1:27018"), id="mongos"),
        pytest.param(Report().runs("libvirtd", "/run/libvirt/libvirt-sock"), id="libvirt without guests"),
        pytest.param(Report().container("app", "registry.example.org/team/redis:7", network="host"), id="other image"),
        pytest.param(Report().container("gitlab", "gitlab/gitlab-ce:17", "80/tcp=0.0.0.0|80"), id="image of GitLab"),
    ],
)
def test_what_only_looks_like_it_is_not_proposed(report: Report) -> None:
    found = found_on(report)

    assert (found.proposals, found.unfit) == ((), ())

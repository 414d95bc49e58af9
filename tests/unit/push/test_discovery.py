"""Which collectors are proposed for what a host shows, and which are not: no false ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest

from aresmon.config import collectors
from aresmon.config.collectors import CollectorUse
from aresmon.config.model import AgentKind, Host
from aresmon.push import discovery, host_facts, sightings
from aresmon.push.discovery import Discovered, Proposal
from tests.unit.conftest import SHIPPED

_ID = "f" * 64
_IS_WIREGUARD, _NETWORK = "^DEVTYPE=wireguard", "/sys/class/net/*/uevent"


@dataclass
class Report:
    """What the script reports of a host, made line by line."""

    lines: list[str] = field(default_factory=lambda: ["@begin\t0\t/init.scope"])
    numbers: count[int] = field(default_factory=lambda: count(100))

    def runs(
        self,
        program: str,
        *at: str,
        path: str = "",
        unit: str = "",
        parent: str = "1",
        group: str = "",
        package: str = "",
    ) -> Report:
        """A program that listens: at `127.0.0.1:6379`, `[::]:80`, `udp 0.0.0.0:53` or the path of a socket."""
        pid, path = str(next(self.numbers)), path or f"/usr/sbin/{program}"
        group = group or f"/system.slice/{unit or f'{program}.service'}"
        self.lines.append(f"@process\t{pid}\t{parent}\thost\t{program[:15]}\t{group}\t{path}")
        if package:
            self.lines.append(f"@package\t{path}\t{package}")
        for one in at:
            inode = str(next(self.numbers))
            self.lines += [f"@listener\t{_kernel(one)}\t{inode}", f"@holder\t{pid}\t{inode}"]
        return self

    def container(self, name: str, image: str, *ports: str, network: str = "bridge") -> Report:
        """A container with its ports as `6379/tcp=127.0.0.1|6380`."""
        self.lines.append(f"@container\t{_ID}\t/{name}\t{image}\t{network}\t{' '.join(ports)}")
        return self

    def file(self, text: str, glob: str, path: str, line: str = "") -> Report:
        self.lines.append(f"@file\t{text}\t{glob}\t{path}\t{line}")
        return self

    def unit(self, name: str) -> Report:
        self.lines.append(f"@unit\t{name}")
        return self


def _kernel(where: str) -> str:
    """An address as /proc/net has it on a machine of little endian."""
    if where.startswith("/"):
        return f"unix\t{where}"
    protocol, _, address = where.rpartition(" ")
    host, _, port = address.rpartition(":")
    if host.startswith("["):
        packed = {"[::]": "0" * 32, "[::1]": "0" * 24 + "01000000"}[host]
    else:
        packed = "".join(f"{int(part):02X}" for part in reversed(host.split(".")))
    return f"{protocol or 'tcp'}\t{packed}:{int(port):04X}"


def monitored(*uses: CollectorUse, agent: AgentKind = "systemd", env: Mapping[str, str] | None = None) -> Host:
    return Host("lewi", agent, "lewi", uses, tuple((env or {}).items()))


def found_on(
    report: Report,
    host: Host | None = None,
    *,
    answers: tuple[str, ...] = (),
    catalogue: collectors.Catalogue = SHIPPED,
) -> Discovered:
    """What is proposed, where each question with one of these words in it is answered yes, and the others no."""
    host = host or monitored()
    seen = sightings.sight(host_facts.read(report.lines), catalogue, host)
    asked = discovery.questions(seen, catalogue)
    told = {one: any(word in " ".join(one) for word in answers) for one in asked}
    return discovery.propose(seen, told, catalogue, host)


def entries(found: Discovered) -> list[object]:
    return [one.use.entry() for one in found.proposals]


def only(found: Discovered) -> Proposal:
    (one,) = found.proposals
    return one


# What is found ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("report", "wanted"),
    [
        (Report().runs("redis-server", "127.0.0.1:6379", "[::1]:6379"), ["redis"]),
        (Report().runs("redis-server", "127.0.0.1:6380"), [{"redis": {"address": "tcp://127.0.0.1:6380"}}]),
        (Report().runs("valkey-server", "0.0.0.0:6379"), ["redis"]),
        (Report().runs("redis-server", "192.0.2.1:6379"), [{"redis": {"address": "tcp://192.0.2.1:6379"}}]),
        (
            Report()
            .runs("redis-server", "127.0.0.1:6379")
            .runs("redis-server", "127.0.0.1:6380", unit="second.service"),
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
    ],
)
def test_what_runs_is_proposed(report: Report, wanted: list[object]) -> None:
    assert entries(found_on(report)) == wanted


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
            Report().runs("redis-server", "0.0.0.0:6379", group=f"/system.slice/docker-{_ID}.scope"),
            id="in a container",
        ),
        pytest.param(Report().runs("nginx", "0.0.0.0:80", group=f"/docker/{_ID}"), id="in Docker without systemd"),
        pytest.param(Report().runs("nginx", "0.0.0.0:80", group="/lxc.payload.web/init.scope"), id="in LXC"),
        pytest.param(Report().unit("postgresql.service").unit("nginx.service"), id="units that nothing listens for"),
        pytest.param(
            Report().file("", "/etc/ssl/certs/*.pem", "/etc/ssl/certs/ssl-cert-snakeoil.pem"), id="snakeoil certificate"
        ),
        pytest.param(
            Report().file(_IS_WIREGUARD, _NETWORK, "/sys/class/net/wt0/uevent", "DEVTYPE=wireguard"), id="NetBird"
        ),
        pytest.param(Report().runs("libvirtd", "/run/libvirt/libvirt-sock"), id="libvirt without guests"),
        pytest.param(Report().container("app", "registry.example.org/team/redis:7", network="host"), id="other image"),
        pytest.param(Report().container("gitlab", "gitlab/gitlab-ce:17", "80/tcp=0.0.0.0|80"), id="image of GitLab"),
    ],
)
def test_what_only_looks_like_it_is_not_proposed(report: Report) -> None:
    found = found_on(report)

    assert (found.proposals, found.unfit) == ((), ())


@pytest.mark.parametrize(
    ("report", "agent", "collector", "why"),
    [
        (Report().runs("redis-server", "/run/redis/redis.sock"), "systemd", "redis", "it listens on no TCP port"),
        (Report().container("db", "postgres:17"), "systemd", "postgresql", "publish its port 5432 on 127.0.0.1"),
        (Report().runs("haproxy", "0.0.0.0:80"), "systemd", "haproxy", "it needs env.HAPROXY_STATS: where HAProxy"),
        (Report().runs("varnishd", "0.0.0.0:6081"), "docker", "varnish", "it runs in a systemd agent only"),
        (Report().runs("php-fpm8.2", "/run/a.sock"), "docker", "php-fpm", "no Unix socket that the agent can open"),
        (
            Report().container("web", "nginx:1.29", "80/tcp=127.0.0.1|8080"),
            "systemd",
            "nginx",
            "none of its pages answers: http://127.0.0.1/basic_status, http://127.0.0.1:8080/basic_status",
        ),
    ],
)
def test_what_cannot_be_read_is_told_with_the_reason(
    report: Report, agent: AgentKind, collector: str, why: str
) -> None:
    found = found_on(report, monitored(agent=agent))

    assert found.proposals == ()
    (unfit,) = found.unfit
    assert unfit.collector == collector
    assert why in unfit.why


def test_a_socket_is_that_of_the_process_that_opened_it_and_not_of_its_children() -> None:
    report = Report().runs("nginx", "0.0.0.0:80", "[::]:80", unit="nginx.service", package="nginx")
    report.lines += ["@process\t900\t100\thost\tnginx\t/system.slice/nginx.service\t/usr/sbin/nginx"]
    report.lines += [line.replace("\t100\t", "\t900\t") for line in report.lines if line.startswith("@holder")]

    evidence = only(found_on(report)).evidence

    assert evidence == ("nginx listens on 0.0.0.0:80 and [::]:80 (nginx.service, package nginx)",)


def test_a_socket_that_systemd_opened_is_that_of_the_program_that_has_it() -> None:
    report = Report().runs("dockerd", "/run/docker.sock", unit="docker.service")
    report.lines += ["@process\t1\t0\thost\tsystemd\t/init.scope\t/usr/lib/systemd/systemd", "@holder\t1\t101"]

    assert only(found_on(report)).evidence == ("dockerd listens on /run/docker.sock (docker.service)",)


def test_a_machine_that_is_itself_a_container_has_its_own_services() -> None:
    report = Report([f"@begin\t0\t/docker/{_ID}"]).runs("nginx", "0.0.0.0:80", group=f"/docker/{_ID}")

    assert [one.use.name for one in found_on(report).proposals] == ["nginx"]


@pytest.mark.parametrize(
    ("report", "how"),
    [
        (Report().container("cache", "redis:7", "6379/tcp=::|6390"), "publishes [::]:6390"),
        (Report().container("cache", "redis:7", network="host"), "uses port 6379 of the host's network"),
    ],
)
def test_a_container_is_shown_with_how_it_is_reached(report: Report, how: str) -> None:
    assert only(found_on(report)).evidence == (f"container cache of the image redis {how}",)


def test_a_host_cannot_write_to_the_terminal_nor_into_a_command() -> None:
    report = Report().runs("redis-server", "127.0.0.1:6379", unit="x\x1b[2J.service")
    report.container("a;reboot", "postgres:17", "5432/tcp=127.0.0.1|5440").runs("postgres", "/run/`x`/.s.PGSQL.5432")

    found = found_on(report)

    assert entries(found) == ["redis"]
    assert "\x1b" not in str(found)


# What comes of it -------------------------------------------------------------------------------------------


def test_a_page_that_answers_is_the_option_and_needs_nothing_more() -> None:
    report = Report().runs("nginx", "0.0.0.0:80", "127.0.0.1:8080")

    found = only(found_on(report, answers=("8080 /nginx_status",)))

    assert found.use.entry() == {"nginx": {"urls": ["http://127.0.0.1:8080/nginx_status"]}}
    assert found.evidence[1] == "http://127.0.0.1:8080/nginx_status answers"
    assert found.remedies == ()


def test_a_page_that_does_not_answer_is_made_by_the_lines_that_are_told() -> None:
    found = only(found_on(Report().runs("nginx", "0.0.0.0:80")))

    (remedy,) = found.remedies
    assert found.use.entry() == {"nginx": {"urls": ["http://127.0.0.1:8097/basic_status"]}}
    assert (remedy.file, remedy.is_checked) == ("/etc/nginx/conf.d/stub_status.conf", True)
    assert "  listen 127.0.0.1:8097;" in remedy.lines
    assert remedy.run == ("nginx -t && systemctl reload nginx",)


def test_a_need_that_is_met_is_not_told() -> None:
    report = Report().runs("php-fpm8.2", "/run/php/a.sock")

    none, group, both = (only(found_on(report, answers=met)) for met in ((), ("group",), ("group", "status_path")))

    assert [len(one.remedies) for one in (none, group, both)] == [2, 1, 0]
    assert none.remedies[1].run[0] == "usermod -aG www-data telegraf"


def test_a_login_is_needed_only_where_the_service_asks_for_one() -> None:
    report = Report().runs("redis-server", "127.0.0.1:6380")

    without, with_one = found_on(report), found_on(report, answers=("requirepass",))

    assert only(without).remedies == ()
    assert only(with_one).remedies[0].run == ("redis-cli -p 6380",)


@pytest.mark.parametrize(
    ("report", "agent", "run", "statement"),
    [
        (
            Report().runs("postgres", "/run/postgresql/.s.PGSQL.5433", "127.0.0.1:5433"),
            "systemd",
            "runuser -u postgres -- psql -p 5433",
            "CREATE ROLE telegraf LOGIN;",
        ),
        (
            Report().runs("postgres", "/run/postgresql/.s.PGSQL.5433", "127.0.0.1:5433"),
            "docker",
            "runuser -u postgres -- psql -p 5433",
            "\\password telegraf",
        ),
        (
            Report().container("db", "postgres", "5432/tcp=127.0.0.1|5440"),
            "systemd",
            "docker exec -it db psql -U postgres",
            "\\password telegraf",
        ),
        (
            Report().runs("mariadbd", "/run/mysqld/mysqld.sock"),
            "systemd",
            "mariadb",
            "CREATE USER telegraf@localhost IDENTIFIED VIA unix_socket;",
        ),
        (
            Report().runs("mysqld", "/run/mysqld/mysqld.sock"),
            "systemd",
            "mysql",
            "CREATE USER telegraf@localhost IDENTIFIED WITH auth_socket;",
        ),
    ],
)
def test_a_role_is_told_as_the_exact_statements_for_the_way_in_which_it_is_read(
    report: Report, agent: AgentKind, run: str, statement: str
) -> None:
    (remedy,) = only(found_on(report, monitored(agent=agent))).remedies

    assert remedy.run == (run,)
    assert statement in remedy.statements
    assert not remedy.is_checked


def test_an_agent_in_a_container_reads_by_the_network_with_a_password_of_the_host() -> None:
    report = Report().runs("postgres", "/run/postgresql/.s.PGSQL.5432", "0.0.0.0:5432")

    found = only(found_on(report, monitored(agent="docker")))

    assert found.use.entry() == {
        "postgresql": {
            "address": "host=127.0.0.1 port=5432 user=telegraf dbname=postgres",
            "password": {"secret": "postgresql-lewi"},
        }
    }
    assert [secret.name for secret in found.use.secrets] == ["postgresql-lewi"]


def test_what_is_collected_already_is_not_proposed_again_whatever_its_options() -> None:
    report = Report().runs("redis-server", "127.0.0.1:6380")

    found = found_on(report, monitored(CollectorUse("redis", (("address", "tcp://192.0.2.9:6379"),))))

    assert found.proposals == ()
    assert found.present == (("redis", "redis-server listens on 127.0.0.1:6380 (redis-server.service)"),)


def test_a_host_with_the_variables_of_a_collector_is_proposed_it() -> None:
    report = Report().runs("haproxy", "0.0.0.0:80")

    assert entries(found_on(report, monitored(env={"HAPROXY_STATS": "http://127.0.0.1:8404/stats"}))) == ["haproxy"]


# A collector of the site's own ------------------------------------------------------------------------------

OWN = """\
# A weather station.
[discover]
  units = ["weewx@*.service"]
  files = ["/dev/weather*"]
  text = '^on'
  [discover.options]
    device = "{file}"
    port = "{port}"
[options.device]
  description = "Its device."
  default = "none"
[options.port]
  type = "integer"
  default = 7
  description = "Its port."
[[inputs.exec]]
  commands = ["{{device}} {{port}}"]
"""


@pytest.fixture
def own(tmp_path: Path) -> collectors.Catalogue:
    path = tmp_path / "weather.conf"
    path.write_text(OWN.replace('    device = "{file}"\n', ""))
    return {"weather": collectors.read(path)}


def test_a_collector_of_ones_own_is_found_by_a_unit(own: collectors.Catalogue) -> None:
    report = Report().runs("weewxd", "0.0.0.0:8090", unit="weewx@roof.service").unit("weewx@roof.service")

    found = only(found_on(report, catalogue=own))

    assert found.evidence == ("weewx@roof.service is active",)
    assert found.use.entry() == {"weather": {"port": 8090}}


@pytest.mark.parametrize(("agent", "device"), [("systemd", "/dev/weather0"), ("docker", "/hostfs/dev/weather0")])
def test_a_collector_of_ones_own_is_found_by_a_file(tmp_path: Path, agent: AgentKind, device: str) -> None:
    path = tmp_path / "weather.conf"
    path.write_text(OWN.replace('    port = "{port}"\n', ""))
    report = Report().file("^on", "/dev/weather*", "/dev/weather0", "on since yesterday")

    found = only(found_on(report, monitored(agent=agent), catalogue={"weather": collectors.read(path)}))

    assert found.evidence == ("/dev/weather0 has the line `on since yesterday`",)
    assert found.use.entry() == {"weather": {"device": device}}

"""How a collector is proposed for what was found: its options, what it still needs, and why it is not proposed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from aresmon.config import collectors
from aresmon.config.collectors import CollectorUse
from aresmon.config.model import AgentKind
from tests.unit.push.host_report import ID, Report, entries, found_on, monitored, only


@pytest.mark.parametrize(
    ("report", "agent", "collector", "why"),
    [
        (Report().runs("redis-server", "/run/redis/redis.sock"), "systemd", "redis", "it listens on no TCP port"),
        (Report().container("db", "postgres:17"), "systemd", "postgresql", "publish its port 5432 on 127.0.0.1"),
        (Report().runs("haproxy", "0.0.0.0:80"), "systemd", "haproxy", "it needs env.HAPROXY_STATS: where HAProxy"),
        (Report().runs("varnishd", "0.0.0.0:6081"), "docker", "varnish", "the collector runs in a systemd agent only"),
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


def test_a_program_and_the_workers_that_it_started_are_one() -> None:
    report = Report().runs("haproxy", "/run/haproxy-master.sock")
    report.runs("haproxy", "0.0.0.0:80", parent="100").runs("haproxy", "0.0.0.0:81", unit="another.service")

    shown = [one.evidence for one in found_on(report).unfit]

    assert shown == [
        "haproxy listens on 0.0.0.0:80 and /run/haproxy-master.sock (haproxy.service)",
        "haproxy listens on 0.0.0.0:81 (another.service)",
    ]


def test_a_machine_that_is_itself_a_container_has_its_own_services() -> None:
    report = Report([f"@begin\t0\t/docker/{ID}"]).runs("nginx", "0.0.0.0:80", group=f"/docker/{ID}")

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


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("lewi.example.org", "postgresql-lewi-example-org"),
        ("a-very-long-name-of-a-host.example.org", "postgresql-a-very-long-name-of-a-host-ex"),
    ],
)
def test_the_secret_of_a_host_is_named_after_it_as_far_as_such_a_name_can(name: str, secret: str) -> None:
    report = Report().runs("postgres", "/run/postgresql/.s.PGSQL.5432", "0.0.0.0:5432")

    found = only(found_on(report, replace(monitored(agent="docker"), name=name)))

    assert [one.name for one in found.use.secrets] == [secret]


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

"""What a right aresmon.yml means."""

from __future__ import annotations

import pytest

from aresmon.config.access import url_host
from aresmon.config.listen import ListenAddress
from aresmon.config.model import Config, ConfigsSettings, RetentionSettings
from aresmon.config.units import FOREVER, format_hours, parse_hours
from aresmon.system.errors import AresmonError
from tests.unit.conftest import load


def test_the_example_site_is_read_with_its_notices(ares: Config) -> None:
    assert [host.name for host in ares.hosts] == ["biere", "ronflex", "lewi"]
    assert ares.server == "biere"
    assert ares.data == "/exports/Infra/influx"
    assert ares.keep == RetentionSettings(raw=7 * 24, minute=90 * 24, hour=2 * 365 * 24)
    assert ares.grafana.admin == "Ares"
    assert list(ares.notices) == [
        "aresmon.yml:36 alerts.send_to[0].email: no e-mail is sent until alerts.smtp is set to a mail server",
    ]


def test_a_host_alone_gets_a_default_for_everything_else() -> None:
    config = load("hosts: {biere: }\n")

    assert (config.site, config.server, config.data) == ("aresmon", "biere", "data/influxdb")
    assert (config.grafana.url, config.grafana.admin, config.grafana.data) == (
        "http://127.0.0.1:3000",
        "admin",
        "data/grafana",
    )
    assert config.keep == RetentionSettings(7 * 24, 90 * 24, 2 * 365 * 24)
    assert dict(config.memory) == {"influxdb": "2g", "grafana": "512m", "edge": "256m", "telegraf": "256m"}
    assert config.hosts[0].collect == ("system", "disk", "diskio", "net", "internal")
    assert config.notices == ()


def test_names_are_checked_and_the_one_that_may_be_meant_is_told() -> None:
    config = load("hosts: {biere: , lewi: }\n")

    config.check_names([])
    config.check_names(["lewi", "biere"])
    with pytest.raises(AresmonError, match=r"no host 'lewy' in aresmon.yml \(did you mean 'lewi'\?\)"):
        config.check_names(["biere", "lewy"])
    with pytest.raises(AresmonError, match=r"no host 'zzz' in aresmon.yml; its hosts are biere, lewi"):
        config.check_names(["zzz"])


def test_without_a_server_the_first_host_is_it() -> None:
    assert load("hosts: {lewi: {}, biere: {}}\n").server == "lewi"


def test_the_server_runs_its_agent_beside_the_stack_and_the_others_as_a_service() -> None:
    config = load("server: b\nhosts: {a: {}, b: {}}\n")

    assert [host.agent for host in config.hosts] == ["systemd", "docker"]
    assert config.sidecar is config.host("b")


def test_a_server_with_a_systemd_agent_has_no_sidecar() -> None:
    assert load("hosts: {a: {agent: systemd}}\n").sidecar is None


def test_the_agents_own_collector_always_runs_and_only_once() -> None:
    config = load("hosts: {a: {collect: []}, b: {collect: [internal, disk]}}\n")

    assert [host.collect for host in config.hosts] == [("internal",), ("disk", "internal")]


@pytest.mark.parametrize(
    ("text", "agents", "url"),
    [
        ("hosts: {a: }", "127.0.0.1:8086", "http://a:8086"),
        ("hosts: {a: , b: }", "0.0.0.0:8086", "http://a:8086"),
        ("edge: {agents: 10.0.0.1:9}\nhosts: {a: , b: }", "10.0.0.1:9", "http://a:9"),
        ('edge: {agents: "[::]:9"}\nhosts: {a: }', "[::]:9", "http://a:9"),
        ("edge: {url: https://x:1}\nhosts: {a: , b: }", "0.0.0.0:8086", "https://x:1"),
    ],
)
def test_the_edge_listens_on_loopback_until_another_host_is_watched(text: str, agents: str, url: str) -> None:
    config = load(text)

    assert (str(config.edge.agents), config.edge.url) == (agents, url)


@pytest.mark.parametrize(
    ("listen", "here", "is_loopback"),
    [
        (ListenAddress("0.0.0.0", 1), "127.0.0.1:1", False),  # noqa: S104 (nothing listens here)
        (ListenAddress("::", 1), "[::1]:1", False),
        (ListenAddress("127.0.0.2", 1), "127.0.0.2:1", True),
        (ListenAddress("::1", 1), "[::1]:1", True),
        (ListenAddress("10.0.0.1", 1), "10.0.0.1:1", False),
    ],
)
def test_a_machine_knows_by_which_address_it_reaches_itself(
    listen: ListenAddress, here: str, is_loopback: bool
) -> None:
    assert (listen.here, listen.is_loopback) == (here, is_loopback)


@pytest.mark.parametrize(
    ("duration", "expected"), [("12h", 12), ("7d", 168), ("2w", 336), ("2y", 17520), ("forever", FOREVER)]
)
def test_a_duration_is_counted_in_hours(duration: str, expected: int) -> None:
    assert parse_hours(duration) == expected


@pytest.mark.parametrize("duration", ["1h", "36h", "7d", "90d", "2y", "forever"])
def test_hours_are_told_as_one_would_write_them(duration: str) -> None:
    assert format_hours(parse_hours(duration)) == duration


def test_a_coarser_resolution_may_be_kept_as_long_as_the_finer_and_for_ever() -> None:
    config = load("storage: {keep: {raw: 90d, 1m: 90d, 1h: forever}}\nhosts: {a: }\n")

    assert config.keep == RetentionSettings(90 * 24, 90 * 24, FOREVER)


def test_a_host_is_reached_by_its_name_unless_the_file_says_how() -> None:
    config = load("hosts:\n  a:\n  b: {ssh: admin@10.0.0.2}\n")

    assert [host.ssh for host in config.hosts] == ["a", "admin@10.0.0.2"]
    assert not config.is_remote


def test_a_server_with_an_ssh_may_be_operated_from_elsewhere() -> None:
    assert load("hosts: {a: {ssh: a}}").is_remote


def test_the_repository_of_configurations_has_a_branch() -> None:
    assert load("hosts: {a: }").configs is None
    assert load("configs: {git: x.git}\nhosts: {a: }").configs == ConfigsSettings("x.git", "master")


@pytest.mark.parametrize(
    ("text", "is_warned"),
    [
        ("hosts: {a: }", False),
        ("hosts: {a: , b: }", True),
        ("edge: {agents: 127.0.0.1:8086}\nhosts: {a: , b: }", False),
        ("edge: {agents: 10.0.0.1:8086}\nhosts: {a: }", True),
        ("edge: {tls: off}\nhosts: {a: , b: }", True),
        ("edge: {tls: site}\nhosts: {a: , b: }", False),
        ("edge: {tls: {certificate: c.pem, key: k.pem}}\nhosts: {a: , b: }", False),
    ],
)
def test_passwords_that_cross_a_network_in_clear_are_warned_of(text: str, is_warned: bool) -> None:
    assert any("without TLS" in notice for notice in load(text).notices) is is_warned


@pytest.mark.parametrize(
    ("edge", "url"),
    [
        ("{}", "http://a:8086"),
        ("{tls: off}", "http://a:8086"),
        ("{tls: 'off'}", "http://a:8086"),
        ("{tls: site}", "https://a:8086"),
        ("{tls: {certificate: c.pem, key: k.pem}}", "https://a:8086"),
        ("{tls: site, url: 'https://gate.example.org'}", "https://gate.example.org"),
    ],
)
def test_other_hosts_are_sent_to_the_edge_by_what_it_speaks(edge: str, url: str) -> None:
    config = load(f"edge: {edge}\nhosts: {{a: , b: }}")

    assert config.edge.url == url


def test_an_anchor_may_be_shared_by_hosts() -> None:
    config = load("hosts:\n  a: &all {collect: [disk]}\n  b: *all\n  c: {<<: *all, agent: docker}\n")

    assert [host.collect for host in config.hosts] == [("disk", "internal")] * 3
    assert config.host("c").agent == "docker"


def test_a_thousand_hosts_are_read() -> None:
    config = load("hosts:\n" + "".join(f"  host-{number}: {{collect: [system, disk]}}\n" for number in range(1000)))

    assert len(config.hosts) == 1000
    assert config.host("host-999").agent == "systemd"


@pytest.mark.parametrize(("url", "is_warned"), [("", True), (", url: http://gate:80", False)])
def test_hosts_that_could_not_reach_the_edge_are_warned_of(url: str, is_warned: bool) -> None:
    notices = load(f"edge: {{agents: 127.0.0.1:8086{url}}}\nhosts: {{a: , b: }}").notices

    assert any("the other hosts cannot reach 127.0.0.1:8086" in notice for notice in notices) is is_warned


SIXES = """\
grafana: {url: "https://[2001:db8::1]:3000/grafana"}
edge: {agents: "[2001:0db8::1]:8086", grafana: "[::]:3000", url: "https://[2001:0DB8::1]:8086", tls: site}
alerts: {smtp: {host: "[2001:db8::25]:25", from: a@example.org}}
backup:
  to:
    - {ssh: "root@[2001:db8::2]:2222", folder: x}
    - {s3: {endpoint: "https://[2001:db8::3]:9000", bucket: abc, access_key: abc, secret: abc}}
hosts:
  a:
  b: {ssh: "2001:db8::4"}
  c: {ssh: "admin@fe80::1%eth0"}
  d: {ssh: "[::1]:22"}
"""


def test_an_ipv6_address_is_taken_wherever_an_address_may_stand() -> None:
    config = load(SIXES)

    assert (str(config.edge.agents), str(config.edge.grafana)) == ("[2001:db8::1]:8086", "[::]:3000")
    assert config.edge.url == "https://[2001:0DB8::1]:8086"
    assert url_host(config.edge.url) == url_host(config.grafana.url) == "2001:db8::1"
    assert [host.ssh for host in config.hosts] == ["a", "2001:db8::4", "admin@fe80::1%eth0", "[::1]:22"]

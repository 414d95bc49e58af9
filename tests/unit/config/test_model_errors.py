"""What a person is told of a wrong aresmon.yml: line, place, what, and what was probably meant."""

from __future__ import annotations

import pytest

from tests.unit.conftest import errors

HOST = "hosts: {biere: {}}\n"
LONG = ".".join(["a" * 63] * 4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "aresmon.yml: is empty; it must at least name a host"),
        ("# nothing but a comment\n", "aresmon.yml: is empty; it must at least name a host"),
        ("{}\n", "aresmon.yml:1: misses hosts"),
        ("biere\n", "aresmon.yml:1: must be a mapping, not 'biere'"),
        ("- biere\n", "aresmon.yml:1: must be a mapping, not a list"),
        ("site: ares\nhosts:\n", "aresmon.yml:2 hosts: must be a mapping, not nothing"),
        ("hosts: {}\n", "aresmon.yml:1 hosts: is empty; at least one is needed"),
        ("hosts: [biere]\n", "aresmon.yml:1 hosts: must be a mapping, not a list"),
        ("hosts:\n  a: {}\n  a: {}\n", "aresmon.yml:3 hosts.a: a second time; line 2 has it already"),
        ("sit: ares\n" + HOST, "aresmon.yml:1 sit: unknown setting (did you mean 'site'?)"),
        ("hosts:\n  a:\n    colect: []\n", "aresmon.yml:3 hosts.a.colect: unknown setting (did you mean 'collect'?)"),
        (
            "site: 12\n" + HOST,
            "aresmon.yml:1 site: must be a text, not the number 12 (put it in quotes if a text is meant)",
        ),
        ("site: yes\n" + HOST, "aresmon.yml:1 site: must be a text, not true (put it in quotes if a text is meant)"),
        (
            "site: Ares\n" + HOST,
            "aresmon.yml:1 site: must be up to 31 lower-case letters, digits and hyphens, not 'Ares'",
        ),
        ("edge:\n" + HOST, "aresmon.yml:1 edge: must be a mapping, not nothing"),
        (
            "storage:\n  keep:\n    raw: 7days\n" + HOST,
            "aresmon.yml:3 storage.keep.raw: must be a duration in hours, days, weeks or years, as 90d, or `forever`, "
            "not '7days'",
        ),
        (
            "storage: {keep: {raw: 1y, 1m: 30d}}\n" + HOST,
            "aresmon.yml:1 storage.keep.1m: 1m must be kept at least as long as raw: 30d is shorter than 1y",
        ),
        (
            "storage: {keep: {1m: forever}}\n" + HOST,
            "aresmon.yml:1 storage.keep.1m: 1h must be kept at least as long as 1m: 2y is shorter than forever",
        ),
        (
            "edge:\n  grafana: 127.0.0.1:65536\n" + HOST,
            "aresmon.yml:2 edge.grafana: 65536 is no port; ports go from 1 to 65535",
        ),
        (
            "edge: {tls: sites}\n" + HOST,
            "aresmon.yml:1 edge.tls: must be `site`, `off`, or {certificate: FILE, key: FILE}, not 'sites'",
        ),
        (
            "edge: {tls: true}\n" + HOST,
            "aresmon.yml:1 edge.tls: must be `site`, `off`, or {certificate: FILE, key: FILE}, not true",
        ),
        ("edge: {tls: 3}\n" + HOST, "aresmon.yml:1 edge.tls: must be `site`, `off`, or {certificate: FILE, key: FILE}"),
        ("edge: {tls: {key: k.pem}}\n" + HOST, "aresmon.yml:1 edge.tls: misses certificate"),
        (
            "edge: {tls: site, url: 'http://a:8086'}\n" + HOST,
            "aresmon.yml:1 edge.url: with edge.tls agents come by https: say https:// instead of 'http://a:8086'",
        ),
        (
            'edge: {url: "http://[1.2.3.4]:8086"}\n' + HOST,
            "aresmon.yml:1 edge.url: 'http://[1.2.3.4]:8086' has no IPv6 address in its brackets",
        ),
        (
            'grafana: {url: "http://[::1::]:3000"}\n' + HOST,
            "aresmon.yml:1 grafana.url: 'http://[::1::]:3000' has no IPv6 address in its brackets",
        ),
        ('edge: {agents: "[::1]:0"}\n' + HOST, "aresmon.yml:1 edge.agents: 0 is no port; ports go from 1 to 65535"),
        ("edge: {agents: 300.0.0.1:80}\n" + HOST, "aresmon.yml:1 edge.agents: '300.0.0.1' is no IP address"),
        (
            "edge: {agents: localhost:80}\n" + HOST,
            "aresmon.yml:1 edge.agents: must be an address and a port, as 127.0.0.1:3000, not 'localhost:80'",
        ),
        (
            "edge: {grafana: 127.0.0.1:80, agents: 127.0.0.1:80}\n" + HOST,
            "aresmon.yml:1 edge.agents: 127.0.0.1:80 is edge.grafana's already",
        ),
        ("server: beire\n" + HOST, "aresmon.yml:1 server: no host 'beire' in `hosts` (did you mean 'biere'?)"),
        ("server: lewi\n" + HOST, "aresmon.yml:1 server: no host 'lewi' in `hosts`; the hosts are biere"),
        (
            "hosts:\n  ../x: {}\n",
            "aresmon.yml:2 hosts.../x: the name '../x' must be a host name of lower-case letters, digits, hyphens and "
            "dots, of 200 characters at the most",
        ),
        (
            f"hosts:\n  {LONG}: {{}}\n",
            f"aresmon.yml:2 hosts.{LONG}: the name '{LONG}' must be a host name of lower-case letters, digits, hyphens "
            "and dots, of 200 characters at the most",
        ),
        (
            "hosts:\n  a:\n    agent: dcker\n",
            "aresmon.yml:3 hosts.a.agent: must be systemd or docker, not 'dcker' (did you mean 'docker'?)",
        ),
        (
            "hosts:\n  lewi:\n    collect:\n      - disk\n      - sytem\n",
            "aresmon.yml:5 hosts.lewi.collect: unknown collector 'sytem' (did you mean 'system'?)",
        ),
        (
            "hosts: {a: {collect: [disk, disk]}}\n",
            "aresmon.yml:1 hosts.a.collect[1]: 'disk' is there twice; remove one",
        ),
        (
            "hosts: {a: {collect: [1]}}\n",
            "aresmon.yml:1 hosts.a.collect[0]: must be a collector's name, or a name with its options, as "
            "`- http: {urls: [https://wiki.example.org/]}`",
        ),
        (
            "hosts:\n  a: {collect: [haproxy]}\n",
            "aresmon.yml:2 hosts.a.collect: 'haproxy' needs env.HAPROXY_STATS: where HAProxy shows its statistics, as "
            "http://127.0.0.1:8404/stats or /run/haproxy/admin.sock",
        ),
        (
            "hosts: {a: {env: {foo: x}}}\n",
            "aresmon.yml:1 hosts.a.env.foo: the name 'foo' must be an upper-case variable that is not aresmon's own "
            "(ARESMON_..., HOST_...)",
        ),
        (
            "hosts: {a: {env: {ARESMON_URL: x}}}\n",
            "aresmon.yml:1 hosts.a.env.ARESMON_URL: the name 'ARESMON_URL' must be an upper-case variable that is not "
            "aresmon's own (ARESMON_..., HOST_...)",
        ),
        (
            "storage: {data: .aresmon/x}\n" + HOST,
            "aresmon.yml:1 storage.data: '.aresmon/x' is not for data; .aresmon has a use of its own",
        ),
        (
            "storage: {data: d}\ngrafana: {data: d/x}\n" + HOST,
            "aresmon.yml:2 grafana.data: d/x and InfluxDB's d must be apart",
        ),
        (
            "memory: {influxdb: 1m}\n" + HOST,
            "aresmon.yml:1 memory.influxdb: 1m is too little for influxdb; 128m at the least",
        ),
        (
            "hosts: {a: {env: {FOO: $HOME}}}\n",
            "aresmon.yml:1 hosts.a.env.FOO: must be one line without quotes, backslashes and dollars",
        ),
        (
            "hosts: {a: {ssh: -oProxyCommand=x}}\n",
            "aresmon.yml:1 hosts.a.ssh: must be an ssh alias or user@address, not '-oProxyCommand=x'",
        ),
        (
            "storage: {data: /}\n" + HOST,
            "aresmon.yml:1 storage.data: '/' is no folder to give away; name one below it",
        ),
        (
            "storage: {data: x}\ngrafana: {data: x/}\n" + HOST,
            "aresmon.yml:2 grafana.data: x and InfluxDB's x must be apart",
        ),
        ("grafana: {guests: [{login: a}]}\n" + HOST, "aresmon.yml:1 grafana.guests[0]: misses password"),
        (
            "grafana: {guests: [{login: a, password: abc}]}\n" + HOST,
            "aresmon.yml:1 grafana.guests[0].password: is too short; 4 characters at least",
        ),
        (
            "hosts: {no: {}, a: {}}\n",
            "aresmon.yml:1 hosts: the key no is read as bool, not as a text; put it in quotes",
        ),
    ],
)
def test_one_wrong_thing_is_told_in_one_line(text: str, message: str) -> None:
    assert errors(text) == (message,)


def test_unknown_words_that_resemble_nothing_are_answered_with_the_known_ones() -> None:
    collector, setting = errors("hosts: {a: {collect: [weather]}}\n"), errors("xyz: 1\nhosts: {a: {}}\n")

    assert collector[0].endswith("unknown collector 'weather'; `aresmon collectors` lists those that there are")
    assert setting[0].startswith("aresmon.yml:1 xyz: unknown setting; known: site, server, storage")


def test_everything_is_told_at_once_and_sorted_by_line() -> None:
    text = """\
site: ares
site: Ares
storage: {keep: {raw: soon}}
nothing: 1
hosts:
  biere: {agnt: docker}
  lewi: {agent: none}
"""

    assert errors(text) == (
        "aresmon.yml:2 site: a second time; line 1 has it already",
        "aresmon.yml:3 storage.keep.raw: must be a duration in hours, days, weeks or years, as 90d, or `forever`, "
        "not 'soon'",
        "aresmon.yml:4 nothing: unknown setting; known: site, server, storage, grafana, edge, memory, images, backup, "
        "configs, hosts, alerts",
        "aresmon.yml:6 hosts.biere.agnt: unknown setting (did you mean 'agent'?)",
        "aresmon.yml:7 hosts.lewi.agent: must be systemd or docker, not 'none'",
    )


def test_what_only_a_whole_fleet_can_contradict_is_told_at_once_too() -> None:
    text = "server: x\nedge: {agents: 1.2.3.4:0}\nhosts:\n  a: {collect: [sytem]}\n  b: {collect: [dsk]}\n"

    assert [message.partition(": ")[0] for message in errors(text)] == [
        "aresmon.yml:1 server",
        "aresmon.yml:2 edge.agents",
        "aresmon.yml:4 hosts.a.collect",
        "aresmon.yml:5 hosts.b.collect",
    ]


def test_a_key_that_cannot_be_read_is_no_reason_to_say_that_something_is_missing() -> None:
    assert errors("hosts: {1: {}}\n") == (
        "aresmon.yml:1 hosts: the key 1 is read as int, not as a text; put it in quotes",
    )


@pytest.mark.parametrize(
    "text",
    [
        "server: Biere\nhosts: {Biere: {}, lewi: {}}\n",
        "hosts: {a: {collect: [haproxy], env: {HAPROXY_STATS: 5}}}\n",
        "hosts: {a: {collect: [haproxy], env: 5}}\n",
    ],
)
def test_what_only_follows_from_an_error_is_not_told_besides_it(text: str) -> None:
    assert len(errors(text)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "edge: {agents: 127.0.0.1:3000}\n" + HOST,
        "edge: {grafana: 127.0.0.1:8086}\n" + HOST,
        "edge: {grafana: 0.0.0.0:80, agents: 127.0.0.1:80}\n" + HOST,
    ],
)
def test_two_services_never_share_a_port_also_where_one_has_its_default(text: str) -> None:
    assert any("edge.agents" in message or "edge.grafana" in message for message in errors(text))


@pytest.mark.parametrize(
    "text",
    [
        'hosts: {"biere\\n": {}}\n',
        'site: "ares\\n"\n' + HOST,
        'storage: {data: "data\\n"}\n' + HOST,
        'grafana: {url: "http://a\\n"}\n' + HOST,
        'hosts: {biere: {env: {FOO: "a\\n"}}}\n',
    ],
)
def test_a_newline_at_the_end_of_a_value_is_refused(text: str) -> None:
    assert len(errors(text)) == 1


def test_a_value_of_several_lines_is_told_in_one_line() -> None:
    assert all("\n" not in message for message in errors('site: "a\\n\\nb"\n' + HOST))


def test_a_retention_that_influxdb_cannot_count_is_refused() -> None:
    (told,) = errors("storage: {keep: {1h: 300y}}\n" + HOST)  # nanoseconds in 64 bits end after 292 years

    assert "292 years at the most, not 300y" in told

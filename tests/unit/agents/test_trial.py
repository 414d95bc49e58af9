"""Which inputs a push tries, and how what failed is told."""

from __future__ import annotations

import pytest

from aresmon.agents import remedies, trial
from aresmon.agents.remedies import CollectorNeeds
from aresmon.config.package_data import package_files
from aresmon.render import telegraf
from aresmon.render.telegraf import TelegrafTemplates
from tests.unit.conftest import SHIPPED, load

FRAME = TelegrafTemplates.of(package_files())
NGINX = '[[inputs.nginx]]\n  urls = ["http://a/"]\n'
MEM = "[[inputs.mem]]\n"


@pytest.mark.parametrize(
    ("before", "after", "tried"),
    [
        ("", MEM + NGINX, ("mem", "nginx")),
        (MEM, MEM + NGINX, ("nginx",)),
        (NGINX, NGINX.replace("//a/", "//b/"), ("nginx",)),
        (NGINX, NGINX + NGINX.replace("//a/", "//b/"), ("nginx",)),
        (MEM + NGINX, NGINX + MEM, ()),
        (MEM + NGINX, MEM, ()),
        (
            "",
            "[[inputs.statsd]]\n[[inputs.tail]]\n[[inputs.kafka_consumer]]\n[[inputs.internal]]\n[[inputs.mock]]\n",
            (),
        ),
        ("", "[[inputs.somebodys_own]]\n", ()),
        ("no TOML [", MEM, ()),
    ],
    ids=[
        "the first push",
        "one more",
        "another setting",
        "one more table",
        "another order",
        "one less",
        "listeners, consumers and aresmon's own",
        "not of Telegraf",
        "no TOML",
    ],
)
def test_the_inputs_that_are_new_or_changed_are_tried(before: str, after: str, tried: tuple[str, ...]) -> None:
    assert trial.inputs(before, after) == tried


def needs(text: str, *, agent: str = "systemd") -> tuple[CollectorNeeds, ...]:
    host = load(f"hosts: {{lewi: {{agent: {agent}, collect: {text}}}}}").host("lewi")
    return remedies.collectors(host, SHIPPED, telegraf.configuration(host, SHIPPED, FRAME))


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "[inputs.postgresql_extensible] Error in plugin: connect: permission denied.",
            "inputs.postgresql_extensible (collector postgresql) failed when it was tried: connect: permission denied. "
            f"postgresql needs {SHIPPED['postgresql'].needs}",
        ),
        (
            "[agent] Starting input inputs.docker: failed to ping daemon",
            "inputs.docker failed when it was tried: failed to ping daemon",
        ),
        (
            "[inputs.mqtt_consumer::a] Startup failed: network Error : refused; retrying...",
            "inputs.mqtt_consumer failed when it was tried: network Error : refused",
        ),
        ("[inputs.nginx] cannot read", "inputs.nginx failed when it was tried: cannot read"),
    ],
)
def test_what_failed_is_told_with_what_its_collector_needs(said: str, told: str) -> None:
    (only,) = trial.describe([said, "something else"], needs("[postgresql]"))

    assert only[1] == told


def test_of_collectors_with_one_plug_in_the_one_is_named_whose_address_is_in_the_message() -> None:
    known = needs('[{caddy: {url: "http://127.0.0.1:2019/metrics"}}, traefik]')
    first = SHIPPED["caddy"].inputs[0]

    one = [owner.collector for owner in remedies.owners(first, known, 'Get "http://127.0.0.1:2019/metrics": refused')]
    both = [owner.collector for owner in remedies.owners(first, known, "refused")]

    assert (one, both) == (["caddy"], ["caddy", "traefik"])
    assert remedies.name(first, remedies.owners(first, known)) == f"inputs.{first} (collector caddy or traefik)"


@pytest.mark.parametrize(
    ("script", "rest", "told"),
    [
        (
            r"\n    cd /proc/spl/kstat/zfs && ls */state > /dev/null && awk \"\n      BEGIN ... state */objset-*\n    ",
            ": bash: line 2: cd: /proc/spl/kstat/zfs: No such file or directory",
            "inputs.exec (collector zfs) failed when it was tried: exec: exit status 1: bash: line 2: cd: "
            "/proc/spl/kstat/zfs: No such file or directory. zfs needs ",
        ),
        (
            r"\n    set -o pipefail\n    export LC_ALL=C\n    journalctl --quiet --since=-1min ...  }\"\n    ",
            ": ",
            "inputs.exec (collector login) failed when it was tried: exec: exit status 1. login needs ",
        ),
        (
            r"\n    set -o pipefail\n    /usr/sbin/postqueue -j | awk -v now=$(date +%s) \"\n      BEGIN { ... ",
            "",
            "inputs.exec (collector postfix) failed when it was tried: exec: exit status 1. postfix needs ",
        ),
    ],
)
def test_a_script_that_fails_is_told_by_its_collector_and_not_in_full(script: str, rest: str, told: str) -> None:
    said = f'[inputs.exec] Error in plugin: exec: exit status 1 for command "bash -c {script}"{rest}'

    (only,) = trial.describe([said], needs("[login, postfix, updates, zfs]"))

    assert only[1].startswith(told)
    assert "awk" not in only[1].partition(" needs ")[0]


def test_a_collector_whose_tables_somebodys_own_file_replaces_needs_nothing() -> None:
    host = load("hosts: {lewi: {agent: systemd, collect: [nginx]}}").host("lewi")

    assert remedies.collectors(host, SHIPPED, MEM) == ()


def test_an_input_is_of_every_collector_that_reads_it_with_its_options() -> None:
    exporter = '{prometheus: {name: node, url: "http://127.0.0.1:9100/metrics", metrics: [node_load1]}}'
    known = needs(f"[redis, dovecot, {exporter}, {{snmp: {{addresses: [switch]}}}}, ups]")

    assert remedies.name("prometheus", remedies.owners("prometheus", known)) == (
        "inputs.prometheus (collector dovecot or prometheus)"
    )
    assert remedies.name("snmp", remedies.owners("snmp", known)) == "inputs.snmp"
    assert remedies.name("redis", remedies.owners("redis", known)) == "inputs.redis"


@pytest.mark.parametrize("agent", ["systemd", "docker"])
def test_the_needs_of_a_collector_with_files_of_the_host_are_known_for_both_kinds_of_agents(agent: str) -> None:
    known = needs("[php-fpm: {pools: ['/run/php/www.sock:status']}]", agent=agent)

    assert [one.collector for one in known if one.needs] == ["php-fpm"]


@pytest.mark.parametrize(
    ("version", "collectors"),
    [("1.30.9", ["dovecot"]), ("1.31.0", []), ("1.9.4", ["dovecot"]), ("1.31.0-rc1", []), ("", []), ("unknown", [])],
)
def test_a_collector_is_named_that_telegraf_is_too_old_for(version: str, collectors: list[str]) -> None:
    assert [one.collector for one in remedies.too_old(version, needs("[dovecot, nginx]"))] == collectors


def test_the_lines_of_a_log_that_say_why_an_input_fails_are_found() -> None:
    log = "\n".join(
        f"2026-01-01T00:00:00Z {line}"
        for line in (
            "I! Loading config: x",
            "E! [inputs.nginx] Error in plugin: refused",
            "E! [inputs.nginx] Error in plugin: refused",
            "E! [outputs.influxdb] no",
            "I! [inputs.mqtt_consumer] Startup failed: refused; retrying...",
        )
    )

    assert trial.logged(log) == [
        "[inputs.nginx] Error in plugin: refused",
        "[inputs.mqtt_consumer] Startup failed: refused; retrying...",
    ]

"""Rendering: from a fleet to the bytes of its bundle, with nothing but its arguments."""

from __future__ import annotations

import random
import re
import tomllib
from collections.abc import Mapping
from typing import Any, TypeVar

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from aresmon.config import collectors
from aresmon.config.model import Config
from aresmon.config.package_data import package_files
from aresmon.render import compose, telegraf
from aresmon.render.bundle import render
from tests.unit.conftest import ARES, SHIPPED, VIEWS, load, place

FILES = package_files()
T = TypeVar("T")


def rendered(config: Config, **at: Any) -> dict[str, bytes]:
    return render(config, SHIPPED, VIEWS, place(**at), shipped_files=FILES)


def variables(env: bytes) -> dict[str, str]:
    """What a shell or Compose reads in an `.env`."""
    pairs = (line.partition("=") for line in env.decode().splitlines() if line and not line.startswith("#"))
    return {name: value.removeprefix("'").removesuffix("'") for name, _, value in pairs}


@given(st.randoms(use_true_random=False))
@settings(max_examples=30)
def test_the_order_of_what_goes_in_does_not_change_a_byte_that_comes_out(chance: random.Random) -> None:
    data = yaml.safe_load(ARES.read_text(encoding="utf-8"))

    def shuffled(value: object, *, keep: bool = False) -> object:
        if not isinstance(value, dict):
            return value
        items = [(name, shuffled(below, keep=name == "hosts")) for name, below in value.items()]
        if not keep:  # the order of the hosts has a meaning: without `server`, the first is it
            chance.shuffle(items)
        return dict(items)

    def mixed(mapping: Mapping[str, T]) -> dict[str, T]:
        names = list(mapping)
        chance.shuffle(names)
        return {name: mapping[name] for name in names}

    config = load(yaml.safe_dump(shuffled(data), sort_keys=False))
    again = render(config, mixed(SHIPPED), VIEWS, place(), shipped_files=mixed(FILES))

    plain = render(load(ARES.read_text(encoding="utf-8")), SHIPPED, VIEWS, place(), shipped_files=FILES)
    assert list(again.items()) == list(plain.items())
    assert list(again) == sorted(again)


def test_every_host_has_a_configuration_that_is_toml_and_its_own(ares: Config) -> None:
    files = rendered(ares)

    for host in ares.hosts:
        tables = tomllib.loads(files[f"agents/{host.name}/telegraf.conf"].decode())
        wanted = {plugin for name in host.collect for plugin in SHIPPED[name].inputs}
        assert set(tables["inputs"]) == wanted | {"mock"}
        assert ("secretstores" in tables) == (host.agent == "docker")


def test_the_sites_own_fragment_for_a_host_stands_after_all_but_its_mark(ares: Config) -> None:
    files = rendered(ares, host_fragments={"lewi": "[[inputs.ping]]\n  urls = ['biere']\n"})

    before, _, after = files["agents/lewi/telegraf.conf"].partition(b"\n# The mark of this very configuration")
    assert before.endswith(b"# From overrides/hosts/lewi.conf\n[[inputs.ping]]\n  urls = ['biere']\n")
    assert list(tomllib.loads(f"#{after.decode()}")["inputs"]) == ["mock"]
    assert b"inputs.ping" not in files["agents/ronflex/telegraf.conf"]


@pytest.mark.parametrize(
    ("text", "host", "url", "password"),
    [
        ("hosts: {a: }", "a", "http://127.0.0.1:8086", "@{aresmon:agent}"),
        ("hosts: {a: , b: }", "a", "http://127.0.0.1:8086", "@{aresmon:agent}"),
        ("hosts: {a: , b: }", "b", "http://a:8086", None),
        ("hosts: {a: , b: {agent: docker}}", "b", "http://a:8086", "@{aresmon:agent}"),
        ("hosts: {a: {agent: systemd}}", "a", "http://a:8086", None),
        (
            "edge: {url: 'http://x:1', agents: '10.0.0.1:9'}\nhosts: {a: , b: }",
            "a",
            "http://10.0.0.1:9",
            "@{aresmon:agent}",
        ),
        ("edge: {url: 'http://x:1', agents: '10.0.0.1:9'}\nhosts: {a: , b: }", "b", "http://x:1", None),
    ],
)
def test_each_kind_of_agent_knows_where_to_write_and_as_whom(
    text: str, host: str, url: str, password: str | None
) -> None:
    config = load(text)

    named = telegraf.variables(config.host(host), config)

    assert (named["ARESMON_HOST"], named["ARESMON_USER"]) == (host, f"agent-{host}")
    assert (named["ARESMON_URL"], named.get("ARESMON_PASSWORD")) == (url, password)


def test_a_systemd_agents_variables_say_where_its_password_is(ares: Config) -> None:
    env = rendered(ares)["agents/lewi/agent.env"].decode()

    assert "# ARESMON_PASSWORD is the content of .aresmon/secrets/agent-lewi on biere.\n" in env
    assert not re.search(r"^ARESMON_PASSWORD=", env, re.MULTILINE)


def test_the_servers_own_agent_has_its_variables_in_compose_and_nowhere_else(ares: Config) -> None:
    files = rendered(ares)

    environment = yaml.safe_load(files["agent-environment.yml"])["services"]["telegraf"]["environment"]

    assert environment["HAPROXY_STATS"] == "http://127.0.0.1:8404/stats"
    assert "agents/biere/agent.env" not in files


def test_a_dollar_in_the_agents_environment_is_escaped_for_compose() -> None:
    text = compose.agent_environment({"A": "cost $5", "B": "${HOME}", "C": 'a "quote" \\ and é'})

    assert yaml.safe_load(text)["services"]["telegraf"]["environment"] == {
        "A": "cost $$5",
        "B": "$${HOME}",
        "C": 'a "quote" \\ and é',
    }


@pytest.mark.parametrize(
    ("text", "files"),
    [
        ("hosts: {a: }", "compose.yml:agent.yml:agent-environment.yml"),
        ("hosts: {a: {collect: [docker]}}", "compose.yml:agent.yml:agent-docker.yml:agent-environment.yml"),
        ("hosts: {a: {agent: systemd}}", "compose.yml"),
        (
            "hosts: {a: {agent: systemd}}\nalerts: {smtp: {host: 'mail.example.org:25', from: a@example.org}}",
            "compose.yml:mail.yml",
        ),
    ],
)
def test_compose_reads_only_the_files_that_the_site_needs(text: str, files: str) -> None:
    made = rendered(load(text))

    assert variables(made[".env"])["COMPOSE_FILE"] == files
    assert {name for name in made if name.endswith(".yml") and "/" not in name} == set(files.split(":"))
    assert ("DOCKER_SOCKET" in variables(made[".env"])) == ("agent" in files)


def test_the_mail_servers_password_is_named_by_its_file() -> None:
    login = "user: grafana, password: {secret: smtp}, tls: if-offered"
    text = f"alerts: {{smtp: {{host: 'mail.example.org:25', from: a@example.org, {login}}}}}"
    env = variables(rendered(load(f"hosts: {{a: }}\n{text}"))[".env"])

    assert {name: value for name, value in env.items() if name.startswith("SMTP_")} == {
        "SMTP_HOST": "mail.example.org:25",
        "SMTP_FROM": "a@example.org",
        "SMTP_STARTTLS": "OpportunisticStartTLS",
        "SMTP_USER": "grafana",
        "SMTP_PASSWORD": "$__file{/run/alerts/smtp}",
    }


def test_what_grafana_had_before_reaches_the_files_that_delete_it(ares: Config) -> None:
    made = rendered(ares, provisioned=frozenset({"agent-silent-gone", "agent-silent-lewi"}))

    assert yaml.safe_load(made["grafana/provisioning/alerting/rules.json"])["deleteRules"] == [
        {"orgId": 1, "uid": "agent-silent-gone"}
    ]


def test_the_users_own_compose_file_is_read_last(ares: Config) -> None:
    made = rendered(ares, has_compose_override=True)

    assert variables(made[".env"])["COMPOSE_FILE"].endswith(":/srv/ares/overrides/compose.yml")


@pytest.mark.parametrize(("data", "folder"), [("/exports/x", "/exports/x"), ("data/x", "/srv/ares/data/x")])
def test_a_relative_data_folder_is_the_sites(data: str, folder: str) -> None:
    made = rendered(load(f"storage: {{data: {data}}}\nhosts: {{a: }}"))

    assert variables(made[".env"])["INFLUXDB_DATA"] == folder


def test_every_variable_that_the_compose_files_ask_for_is_given(ares: Config) -> None:
    made = rendered(ares)

    asked = {
        (name, required)
        for path, content in made.items()
        if path.endswith(".yml") and "/" not in path
        for name, required in re.findall(r"(?<!\$)\$\{([A-Z_]+)(:?)", content.decode())
    }
    given_ = variables(made[".env"])

    assert len(asked) > 15
    # `${NAME?}` may be empty, `${NAME:?}` may not.
    assert {name for name, required in asked if name not in given_ or (required and not given_[name])} == set()


def test_a_sites_own_collector_is_rendered_as_it_stands(ares: Config) -> None:
    own = collectors.Collector("disk", "# Ours.\n[[inputs.exec]]\n", ARES)

    made = render(ares, {**SHIPPED, "disk": own}, VIEWS, place(), shipped_files=FILES)

    assert b"# Ours.\n[[inputs.exec]]\n" in made["agents/lewi/telegraf.conf"]
    assert b"inputs.disk]" not in made["agents/lewi/telegraf.conf"]


@pytest.mark.parametrize(
    ("tls", "in_clear", "asked"),
    [
        ("off", set(), ("no", "no", "http://127.0.0.1:8086")),
        ("site", set(), ("yes", "no", "https://127.0.0.1:8086")),
        ("site", {"b"}, ("yes", "yes", "https://127.0.0.1:8086")),
        ("site", {"a"}, ("yes", "yes", "http://127.0.0.1:8086")),
        ("{certificate: c, key: k}", set(), ("yes", "no", "https://127.0.0.1:8086")),
    ],
)
def test_the_edge_takes_what_comes_in_the_clear_as_long_as_somebody_has_to_follow(
    tls: str, in_clear: set[str], asked: tuple[str, str, str]
) -> None:
    made = rendered(load(f"edge: {{tls: {tls}}}\nhosts: {{a: , b: }}"), in_clear=frozenset(in_clear))

    env = variables(made[".env"])
    own = yaml.safe_load(made["agent-environment.yml"])["services"]["telegraf"]["environment"]
    assert (env["AGENTS_TLS"], env["AGENTS_IN_CLEAR"], own["ARESMON_URL"]) == asked


def test_another_certificate_of_the_edge_is_another_configuration_of_it_and_of_nothing_else() -> None:
    config = load("edge: {tls: site}\nhosts: {a: }")
    one, other = (variables(rendered(config, edge=mark)[".env"]) for mark in ("one", "other"))

    assert {name for name in one if one[name] != other[name]} == {"EDGE_CONFIGURATION"}


def test_another_authority_is_another_configuration_of_the_servers_own_agent() -> None:
    config = load("edge: {tls: site}\nhosts: {a: }")
    one, other = (variables(rendered(config, trusted=text)[".env"]) for text in ("one", "other"))

    assert {name for name in one if one[name] != other[name]} == {"TELEGRAF_CONFIGURATION"}


@pytest.mark.parametrize("name", sorted(path for path in FILES if path.startswith("compose/") and path[-4:] == ".yml"))
def test_no_mapping_of_a_compose_file_has_a_key_twice(name: str) -> None:
    """Compose refuses such a file; PyYAML takes the last one."""

    def check(node: yaml.Node | None) -> None:
        if isinstance(node, yaml.MappingNode):
            keys = [key.value for key, _ in node.value]
            assert len(keys) == len(set(keys)), f"line {node.start_mark.line + 1}: {keys}"
            for _, value in node.value:
                check(value)
        elif isinstance(node, yaml.SequenceNode):
            for value in node.value:
                check(value)

    check(yaml.compose(FILES[name].decode()))

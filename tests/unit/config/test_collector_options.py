"""The options of collectors: what a file declares, what aresmon.yml gives, and what becomes of it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from aresmon.config import (
    collector_options,
    collector_template,
    collectors,
    host_files,
    option_declarations,
    telegraf_toml,
)
from aresmon.config.collector_options import OptionValue, SecretName
from aresmon.config.model import load
from aresmon.config.option_declarations import OptionError
from aresmon.config.package_data import package_files
from aresmon.render import telegraf
from aresmon.render.telegraf import TelegrafTemplates
from aresmon.system.errors import AresmonError, SiteError
from aresmon.system.yaml_document import parse
from tests.unit.conftest import SHIPPED

HTTP = SHIPPED["http"]
DECLARED = """# A service.

[collector]
  needs = "a login"
  telegraf = "1.31.0"

[options.address]
  required = true
  description = "Where."
[options.ports]
  type = "integer"
  list = true
  minimum = 1
  description = "Which."
[options.password]
  secret = true
  description = "Its password."
[options.deep]
  type = "boolean"
  default = false
  description = "Whether to look closer."

[[inputs.one]]
  address = "{{address}}"
  servers = ["tcp://u:{{password}}@{{address}}/"]
  # {{address}} in a comment stays
  deep = "{{deep}}"
# Each port.
[[inputs.two]]
  port = "{{ports[]}}"
  [inputs.two.tags]
    port = "p{{ports[]}}"
[[inputs.three]]  # {{if deep}}
  fieldinclude = [
    "a",
  ]
  [[inputs.three.query]]
    address = "{{address}}"
"""


@pytest.fixture
def service(tmp_path: Path) -> collectors.Collector:
    return written(tmp_path, DECLARED)


def written(folder: Path, text: str) -> collectors.Collector:
    path = folder / "service.conf"
    path.write_text(text)
    return collectors.read(path)


def site(collect: str) -> str:
    return f"hosts:\n  lewi:\n    agent: systemd\n    collect:\n{collect}"


def errors(collect: str) -> list[str]:
    with pytest.raises(SiteError) as caught:
        load(site(collect), SHIPPED)
    return [one.removeprefix("aresmon.yml:") for one in caught.value.errors]


# What a file declares ---------------------------------------------------------------------------------------


def test_a_user_of_snmp_is_refused_with_the_version_that_has_none() -> None:
    given = {"addresses": ["switch.example.org"], "user": "monitoring", "password": {"secret": "switch"}}

    assert list(collector_options.find_problems(SHIPPED["snmp"].options, given | {"version": 3})) == []
    (problem,) = collector_options.find_problems(SHIPPED["snmp"].options, given)
    assert problem == (("user",), f"needs version beside it: {SHIPPED['snmp'].options['version'].description}")


def test_a_file_declares_options_and_what_it_needs(service: collectors.Collector) -> None:
    assert list(service.options) == ["address", "ports", "password", "deep"]
    assert (service.needs, service.telegraf, service.agent) == ("a login", (1, 31, 0), "")
    assert service.inputs == ("one", "two", "three")


def test_its_tables_have_no_declarations(service: collectors.Collector) -> None:
    made = service.configuration({"address": "a"})

    assert made.startswith("# A service.\n\n[[inputs.one]]\n")
    assert "options" not in made
    assert "collector" not in made


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (
            'type = "integer"',
            'type = "port"',
            "type must be string, integer, number, boolean, duration, url or regex, not 'port'",
        ),
        ('description = "Where."', "", "[options.address]: has no description"),
        ("required = true", "requird = true", "unknown setting 'requird' (did you mean 'required'?)"),
        ("default = false", 'default = "no"', "its default must be true or false, not 'no'"),
        ("secret = true", "secret = true\n  list = true", "a secret is one text"),
        ("required = true", 'required = true\n  default = "x"', "although it is required"),
        ("required = true", 'required = true\n  needs = ["x"]', "names the option 'x', which is not declared"),
        ("minimum = 1", 'minimum = "x"', "[options.ports]: a bound is a number or, of a duration, a text as 30s"),
        ('telegraf = "1.31.0"', 'telegraf = "new"', "telegraf must be a version"),
        ('needs = "a login"', 'want = "a login"', "[collector] can say agent, needs, telegraf"),
        ('port = "{{ports[]}}"', 'port = "{{door[]}}"', "uses {{door}}, and declares no [options.door]"),
        ('deep = "{{deep}}"\n', "\n", ""),
        ("# {{if deep}}", "", ""),
        ("[[inputs.one]]", "[outputs.file]\n[[inputs.one]]", "has [outputs]"),
    ],
)
def test_a_wrong_declaration_is_refused_with_the_file(tmp_path: Path, before: str, after: str, message: str) -> None:
    assert before in DECLARED
    text = DECLARED.replace(before, after, 1)
    if not message:  # used in another place too
        written(tmp_path, text)
        return
    with pytest.raises((AresmonError, OptionError)) as caught:
        written(tmp_path, text)
    assert message in str(caught.value)
    assert re.search(r"service\.conf:[1-9][0-9]*: ", str(caught.value))


def test_all_that_is_wrong_with_a_file_is_told_with_the_lines(tmp_path: Path) -> None:
    text = DECLARED.replace('"1.31.0"', '"new"').replace("[collector]", '[agent]\n[collector]\n  agent = "snap"')

    with pytest.raises(SiteError) as caught:
        written(tmp_path, text)

    assert [one.removeprefix(f"{tmp_path}/service.conf:") for one in caught.value.errors] == [
        "3: has [agent]; the agent and its output are aresmon's, a collector has inputs",
        "5: [collector] agent must be systemd or docker",
        "7: [collector] telegraf must be a version, as 1.31.0",
    ]


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        ("[options.ports]", '[options.more]\n  description = "More."\n[options.ports]', 10),
        ('deep = "{{deep}}"', 'deep = "{{depp}}"', 27),
        ('description = "Which."', "", 10),
        ("[[inputs.two]]", "[[inputs.two]", 29),
    ],
)
def test_an_error_in_a_file_has_its_line(tmp_path: Path, before: str, after: str, line: int) -> None:
    assert before in DECLARED

    with pytest.raises(AresmonError, match=rf"service\.conf:{line}: "):
        written(tmp_path, DECLARED.replace(before, after, 1))


def test_an_option_that_nothing_uses_is_refused(tmp_path: Path) -> None:
    unused = '[options.more]\n  description = "More."\n[options.deep]'

    with pytest.raises(AresmonError, match=r"declares \[options.more\], and uses no \{\{more\}\}"):
        written(tmp_path, DECLARED.replace("[options.deep]", unused))


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_collector_is_sound(name: str) -> None:
    SHIPPED[name].check()


# What becomes of the values ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ({"user": "me", "password": SecretName("one")}, 'a = "me:${ARESMON_SECRET_ONE}@/"\n'),
        ({"user": "me", "password": None}, 'a = "me@/"\n'),
        ({"user": None, "password": SecretName("one")}, ""),
        ({"user": "me", "password": False}, 'a = "me@/"\n'),
    ],
)
def test_a_part_of_a_string_is_left_out_where_its_option_has_no_value(
    given: dict[str, OptionValue | None], written: str
) -> None:
    template = 'a = "{{user}}{{if password}}:{{password}}{{/if}}@/"\n'

    assert collector_template.fill(template, given) == written
    assert collector_template.names(template) == {"user", "password"}
    assert collector_template.pattern(f"[[inputs.x]]\n{template}").fullmatch(f"[[inputs.x]]\n{written}")


def test_values_become_toml(service: collectors.Collector) -> None:
    given: dict[str, OptionValue] = {
        "address": 'a"b\\',
        "ports": (1, 2),
        "password": SecretName("my-own"),
        "deep": True,
    }

    tables = telegraf_toml.parse(service.configuration(given))["inputs"]

    assert tables["one"] == [{"address": 'a"b\\', "servers": ['tcp://u:${ARESMON_SECRET_MY_OWN}@a"b\\/'], "deep": True}]
    assert [(one["port"], one["tags"]["port"]) for one in tables["two"]] == [(1, "p1"), (2, "p2")]
    assert tables["three"] == [{"fieldinclude": ["a"], "query": [{"address": 'a"b\\'}]}]


def test_what_has_no_value_is_left_out(service: collectors.Collector) -> None:
    tables = telegraf_toml.parse(service.configuration({"address": "a"}))["inputs"]

    assert tables == {"one": [{"address": "a", "deep": False}]}


def test_equal_values_of_other_types_are_each_written_as_they_are() -> None:
    template = '[[inputs.x]]\n  a = "{{a}}"\n'

    written = [collector_template.fill(template, {"a": one}).split(" = ")[1] for one in (1, 1.0, True, 1)]

    assert written == ["1\n", "1.0\n", "true\n", "1\n"]


COMMENTED = """# A service.
[[inputs.x]]
  # Where it is.
  address = "{{address}}"
  # Who asks,
  # and with what.
  user = "{{user}}"
  # Always.
  deep = true
  # Only for users.
  [inputs.x.tags]  # {{if user}}
    user = "{{user}}"
"""


@pytest.mark.parametrize(
    ("user", "comments"),
    [
        ("me", ["# A service.", "# Where it is.", "# Who asks,", "# and with what.", "# Always.", "# Only for users."]),
        (None, ["# A service.", "# Where it is.", "# Always."]),
    ],
)
def test_a_comment_goes_with_the_setting_or_table_below_it(user: str | None, comments: list[str]) -> None:
    filled = collector_template.fill(COMMENTED, {"address": "a", "user": user})

    assert [line.strip() for line in filled.splitlines() if "#" in line] == comments
    assert collector_template.pattern(COMMENTED).fullmatch(filled)


@pytest.mark.parametrize("name", SHIPPED)
def test_no_comment_of_a_shipped_collector_is_above_nothing(name: str) -> None:
    required = {one.name: one for one in SHIPPED[name].options.values() if one.is_required}
    text = SHIPPED[name].configuration({key: one.value(one.example) for key, one in required.items()})

    lines = [line.strip() for line in text.partition("[[")[2].splitlines()]
    stray = [line for line, below in zip(lines, [*lines[1:], ""], strict=True) if line.startswith("#") and not below]
    assert stray == []


def test_a_value_is_not_taken_for_a_place(service: collectors.Collector) -> None:
    tables = telegraf_toml.parse(service.configuration({"address": "{{deep}}{{ports[]}}"}))["inputs"]

    assert tables["one"][0]["address"] == "{{deep}}{{ports[]}}"


texts = st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"], exclude_characters="\x7f"), min_size=1)


@given(texts, st.lists(st.integers(1, 2**62), unique=True), st.booleans(), st.booleans())
def test_every_value_arrives_as_it_was_given(address: str, ports: list[int], deep: bool, has_password: bool) -> None:
    service = collectors.Collector("service", DECLARED, Path("service.conf"))
    options: dict[str, Any] = {"address": address, "ports": tuple(ports) or None, "deep": deep}
    options |= {"password": SecretName("x")} if has_password else {}

    text = service.configuration(options)

    tables = telegraf_toml.parse(text)["inputs"]
    assert tables["one"][0]["address"] == address
    assert [one["port"] for one in tables.get("two", [])] == ports
    assert ("three" in tables, "servers" in tables["one"][0]) == (deep, has_password)
    # The tables are found again in a configuration, and nothing else is taken for them.
    assert service.without(f"[agent]\n{text}\n[[inputs.cpu]]\n") == "[agent]\n\n[[inputs.cpu]]\n\n"


def test_a_configuration_without_the_collector_has_none_of_it(service: collectors.Collector) -> None:
    assert service.without("[[inputs.one]]\n  address = 'x'\n") is None
    assert service.without("[[inputs.four]]\n") is None


def test_two_uses_of_a_collector_are_both_found() -> None:
    one, two = (HTTP.configuration({"urls": (url,)}) for url in ("http://a/", "http://b/"))

    assert HTTP.without(one + two) == "\n"


def test_names_are_those_that_a_template_uses() -> None:
    assert collector_template.names('# {{a}}\n[[inputs.x]]  # {{if b}}\n  c = "{{c}} {{d[]}}"\n') == {"b", "c", "d"}


# Files of the host -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "in_container"),
    [
        ("/etc/ssl/a.pem", "/hostfs/etc/ssl/a.pem"),
        ("/hostfs/etc/ssl/a.pem", "/hostfs/etc/ssl/a.pem"),
        ("/hostfsx", "/hostfs/hostfsx"),
        ("file:///etc/ssl/*.pem", "file:///hostfs/etc/ssl/*.pem"),
        ("https://wiki.example.org/etc/x", "https://wiki.example.org/etc/x"),
        ("unix(/run/mysqld/mysqld.sock)", "unix(/hostfs/run/mysqld/mysqld.sock)"),
        ("tcp(127.0.0.1:3306)", "tcp(127.0.0.1:3306)"),
        ("host=/run/postgresql sslrootcert=/etc/ca", "host=/hostfs/run/postgresql sslrootcert=/hostfs/etc/ca"),
        ("/run/php/php8.2-fpm.sock:status", "/hostfs/run/php/php8.2-fpm.sock:status"),
        ("fcgi://127.0.0.1:9000/status", "fcgi://127.0.0.1:9000/status"),
        ("unix:/run/x", "unix:/hostfs/run/x"),
        ("unix:///run/x", "unix:///hostfs/run/x"),
    ],
)
def test_a_path_of_the_host_is_below_hostfs_for_a_container_alone(given: str, in_container: str) -> None:
    assert host_files.in_container(given) == in_container
    assert host_files.in_container((given, given)) == (in_container, in_container)
    assert host_files.in_container(in_container) == in_container
    assert host_files.is_mounted(given) == given.startswith("/hostfs/")


def test_the_same_path_is_right_for_both_kinds_of_agents() -> None:
    both = load(
        "server: lewi\nhosts:\n"
        + "".join(
            f"  {name}:\n    agent: {agent}\n    collect: [http: {{urls: [http://a], ca: /etc/ca.pem}}, postgresql]\n"
            for name, agent in (("lewi", "docker"), ("biere", "systemd"))
        ),
        SHIPPED,
    )
    frame = TelegrafTemplates.of(package_files())
    container, service = (telegraf.configuration(both.host(name), SHIPPED, frame) for name in ("lewi", "biere"))

    assert 'tls_ca = "/hostfs/etc/ca.pem"' in container
    assert "host=/hostfs/run/postgresql user" in container
    assert 'tls_ca = "/etc/ca.pem"' in service
    assert "host=/run/postgresql user" in service


def test_a_path_below_hostfs_is_refused_for_a_systemd_agent() -> None:
    (error,) = errors("      - http: {urls: [http://a], ca: /hostfs/etc/ca.pem}\n")

    assert error == (
        "5 hosts.lewi.collect[0].http.ca: names a path below /hostfs, which only an agent in a container has; give "
        "the path on the host"
    )


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_option_that_is_a_regular_expression_says_so(name: str) -> None:
    for option in SHIPPED[name].options.values():
        is_said = "regular expression" in option.description.lower() + option.form.lower()
        assert not is_said or option.type == "regex", option.name


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_option_with_a_path_says_so(name: str) -> None:
    unsaid = [
        option.name
        for option in SHIPPED[name].options.values()
        for value in (option.default, option.example, option.form)
        if not option.has_files and (re.search(r"(?:^|[\"'(=])/", str(value)) or "path" in str(value))
    ]

    assert unsaid == []


# What aresmon.yml says --------------------------------------------------------------------------------------


def test_a_host_has_a_collector_twice_with_other_options() -> None:
    config = load(
        site(
            "      - http: {urls: [http://a/], password: {secret: wiki}, user: me}\n"
            "      - http: {urls: [http://b/], status: 200}\n"
            "      - disk:\n"
        ),
        SHIPPED,
    )

    lewi = config.host("lewi")
    assert lewi.collect == ("http", "disk", "internal")
    assert [use.entry() for use in lewi.uses] == [
        {"http": {"urls": ["http://a/"], "password": {"secret": "wiki"}, "user": "me"}},
        {"http": {"urls": ["http://b/"], "status": 200}},
        "disk",
        "internal",
    ]
    assert lewi.secrets == (SecretName("wiki"),)


@pytest.mark.parametrize(
    ("collect", "message"),
    [
        ("- http", "5 hosts.lewi.collect[0]: 'http' needs the option urls: The addresses to ask. It is a list of"),
        (
            "- process",
            "5 hosts.lewi.collect[0]: 'process' needs the option names (or patterns, or units): The programs",
        ),
        ("- http: {url: 1}", "5 hosts.lewi.collect[0].http: unknown option 'url' (did you mean 'urls'?)"),
        ("- disk: {a: b}", "5 hosts.lewi.collect[0].disk: unknown option 'a'; this collector has none"),
        (
            "- http: {urls: http://a}",
            "5 hosts.lewi.collect[0].http.urls: must be a list of http://... or https://..., not",
        ),
        (
            "- http: {urls: [ftp://a]}",
            "5 hosts.lewi.collect[0].http.urls[0]: must be http://... or https://..., not 'ftp://a'",
        ),
        (
            "- http: {urls: [wiki.example.org]}",
            "5 hosts.lewi.collect[0].http.urls[0]: must be http://... or https://..., not",
        ),
        ("- http: {urls: []}", "5 hosts.lewi.collect[0].http.urls: is an empty list"),
        ("- http: {urls: [http://a, http://a]}", "5 hosts.lewi.collect[0].http.urls[1]: is there twice: 'http://a'"),
        ("- http: {urls: [http://a], status: '200'}", "http.status: must be a whole number from 100 to 599, not '200'"),
        ("- http: {urls: [http://a], status: 1000}", "http.status: must be a whole number from 100 to 599, not 1000"),
        ("- http: {urls: [http://a], follow: 1}", "http.follow: must be true or false, not 1"),
        (
            "- http: {urls: [http://a], timeout: 5}",
            "http.timeout: must be a time, as 30s, 5m or 1h, from 100ms up to 1m",
        ),
        ("- http: {urls: [http://a], timeout: 0s}", "as 30s, 5m or 1h, from 100ms up to 1m, not '0s'"),
        ("- http: {urls: [http://a], timeout: 1000h}", "as 30s, 5m or 1h, from 100ms up to 1m, not '1000h'"),
        ("- http: {urls: [http://a], timeout: 1m1ms}", "as 30s, 5m or 1h, from 100ms up to 1m, not '1m1ms'"),
        ("- http: {urls: [http://a], method: PUT}", "http.method: must be GET, HEAD or POST, not 'PUT'"),
        (
            "- http: {urls: [http://a], contains: 'Accueil ('}",
            "http.contains: is no regular expression of Go, which Telegraf uses: it has a ( without its )",
        ),
        ("- http: {urls: [http://a], user: me}", "http.user: needs password beside it: The password of `user`."),
        (
            "- http: {urls: [http://a], contains: }",
            "http.contains: must be a text or a regular expression",
        ),
        ("- disk\n      - disk", "6 hosts.lewi.collect[1]: 'disk' is there twice; remove one"),
        (
            "- http: {urls: [http://a]}\n      - http: {urls: [http://a]}",
            "6 hosts.lewi.collect[1]: 'http' is there twice with the same options; remove one",
        ),
        ("- {http: {urls: [http://a]}, disk: }", "5 hosts.lewi.collect[0]: must be a collector's name, or a name with"),
        ("- [http]", "5 hosts.lewi.collect[0]: must be a collector's name, or a name with its options"),
        ("- http: 5", "5 hosts.lewi.collect[0].http: must be a mapping of the collector's options"),
        ("- htp: {urls: [http://a]}", "5 hosts.lewi.collect: unknown collector 'htp' (did you mean 'http'?)"),
    ],
)
def test_a_wrong_option_is_an_error_with_its_line(collect: str, message: str) -> None:
    (error,) = errors(f"      {collect}\n")

    assert message in error


def test_everything_wrong_in_a_list_is_named_with_its_line() -> None:
    found = errors(
        "      - http:\n          urls:\n            - wiki\n            - http://a\n            - ftp://b\n"
    )

    assert found == [
        "7 hosts.lewi.collect[0].http.urls[0]: must be http://... or https://..., not 'wiki'",
        "9 hosts.lewi.collect[0].http.urls[2]: must be http://... or https://..., not 'ftp://b'",
    ]


def test_another_option_can_be_enough_in_place_of_a_required_one() -> None:
    config = load(site("      - process: {units: [cron.service]}\n"), SHIPPED)

    assert config.host("lewi").uses[0].entry() == {"process": {"units": ["cron.service"]}}


@pytest.mark.parametrize("value", ["hunter2", "{secret: Hunter2}", "{secrets: hunter2}", "[hunter2]", "{secret: 5}"])
def test_a_secret_in_the_clear_is_refused_and_not_shown(value: str) -> None:
    (error,) = errors(f"      - http: {{urls: [http://a], user: me, password: {value}}}\n")

    assert error.endswith("must be {secret: NAME}; the secret itself goes in with `aresmon collectors secret NAME`")
    assert "unter2" not in error


def test_a_password_in_a_wrong_value_is_not_shown() -> None:
    (error,) = errors("      - http: {urls: [http://a], timeout: 'password=hunter2'}\n")

    assert "hunter2" not in error
    assert "not what is there" in error


@pytest.mark.parametrize(
    ("collect", "place", "instead"),
    [
        ("http: {urls: ['http://me:hunter2@a/']}", "http.urls[0]", "give user and password: {secret: NAME} instead"),
        ("http: {urls: ['ftp://hunter2@a/']}", "http.urls[0]", "give user and password"),
        ("http: {urls: ['http://a/?token=hunter2']}", "http.urls[0]", "give user and password"),
        ("redis: {address: 'tcp://me:hunter2@a:1'}", "redis.address", "give user and password"),
        ("mysql: {address: 'root:hunter2@tcp(127.0.0.1:3306)'}", "mysql.address", "give user and password"),
        ("openldap: {address: 'ldap://me:hunter2@a'}", "openldap.address", "give dn and password"),
        ("mosquitto: {address: 'me:hunter2@a:1883'}", "mosquitto.address", "give user and password"),
        ("postgresql: {address: 'host=a password=hunter2'}", "postgresql.address", "give password: {secret: NAME}"),
        ("postgresql: {address: 'host=a password = hunter2'}", "postgresql.address", "give password: {secret: NAME}"),
        ("postgresql: {address: 'host=a sslpassword=hunter2'}", "postgresql.address", "give password"),
        ("apache: {urls: ['http://me:hunter2@a/?auto']}", "apache.urls[0]", "give user and password"),
        ("nginx: {urls: ['http://me:hunter2@a/']}", "nginx.urls[0]", "this collector has no option for a login"),
        ("certificate: {sources: ['https://me:hunter2@a']}", "certificate.sources[0]", "has no option for a login"),
        ("port: {addresses: ['me:hunter2@a:22']}", "port.addresses[0]", "has no option for a login"),
    ],
)
def test_a_login_in_an_option_is_refused_with_what_to_use_instead(collect: str, place: str, instead: str) -> None:
    (error,) = errors(f"      - {collect}\n")

    assert error.startswith(f"5 hosts.lewi.collect[0].{place}: has a login or a secret in it, which diffs and the data")
    assert instead in error
    assert "hunter2" not in error


@pytest.mark.parametrize(
    "collect",
    [
        "http: {urls: ['https://a/@b?page=c@d'], contains: 'token=[a-z]+'}",
        "postgresql: {address: 'host=/run/postgresql user=me@site passfile=/etc/pass'}",
        "php-fpm: {pools: ['/run/php/a@b.sock:status']}",
    ],
)
def test_what_only_looks_like_a_login_is_accepted(collect: str) -> None:
    assert load(site(f"      - {collect}\n"), SHIPPED).host("lewi").collect


def test_every_shipped_text_option_refuses_a_login() -> None:
    """Whatever the pattern of an option allows, no password gets through it."""
    values = ["https://me:hunter2@a/", "tcp://me:hunter2@a:1", "host=a password=hunter2", "me:hunter2@a:1"]
    options = [one for collector in SHIPPED.values() for one in collector.options.values()]

    accepted = [
        (option.name, value)
        for option in options
        if option.type in ("string", "url") and not option.is_secret
        for value in values
        if not list(option.find_faults([value] if option.is_list else value))
    ]

    assert accepted == []


def test_a_duration_without_bounds_is_a_day_at_the_most() -> None:
    tables = {"every": {"type": "duration", "description": "How often."}}
    every = option_declarations.declared({"options": tables})["every"]

    assert list(every.find_faults("24h")) == []
    assert list(every.find_faults("25h")) == [(None, "must be a time, as 30s, 5m or 1h, up to 24h, not '25h'")]


def test_one_choice_is_named_alone() -> None:
    tables = {"way": {"choices": ["tcp"], "description": "How."}}
    way = option_declarations.declared({"options": tables})["way"]

    assert list(way.find_faults("udp")) == [(None, "must be tcp, not 'udp'")]


def test_options_that_exclude_each_other_are_refused() -> None:
    tables = {"a": {"description": "A."}, "b": {"description": "B.", "excludes": ["a"]}}
    options = option_declarations.declared({"options": tables})

    assert list(collector_options.find_problems(options, {"a": "x", "b": "y"})) == [
        (("b",), "cannot be combined with a")
    ]


def test_a_collector_for_another_kind_of_agent_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "overrides" / "collectors"
    folder.mkdir(parents=True)
    (folder / "own.conf").write_text('# Ours.\n[collector]\n  agent = "systemd"\n[[inputs.exec]]\n')

    with pytest.raises(SiteError) as caught:
        load("hosts: {lewi: {collect: [own]}}\n", collectors.load(folder.parent))

    (error,) = caught.value.errors
    assert error == "aresmon.yml:1 hosts.lewi.collect[0]: 'own' needs a systemd agent; this host's is docker"


# The schema for editors -------------------------------------------------------------------------------------


def test_the_schema_for_editors_knows_the_options() -> None:
    schema = collectors.editor_schema(SHIPPED)
    Draft202012Validator.check_schema(schema)
    good = site("      - disk\n      - http: {urls: [http://a], status: 200, user: me, password: {secret: x}}\n")
    bad = ["{url: [http://a]}", "{urls: http://a}", "{urls: [http://a], status: 5}", "{}", "{urls: [a], password: x}"]

    assert not list(Draft202012Validator(schema).iter_errors(parse(good).data))
    for options in bad:
        data = parse(site(f"      - http: {options}\n")).data
        assert list(Draft202012Validator(schema).iter_errors(data)), options


def test_examples_and_defaults_are_valid_values() -> None:
    for collector in SHIPPED.values():
        for option in collector.options.values():
            if option.example is not None:
                assert option.find_fault(json.loads(json.dumps(option.example))) == "", (
                    collector.name,
                    option.name,
                )

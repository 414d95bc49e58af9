"""What Telegraf's own check lets pass: every error, every warning, and how long to wait for data."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aresmon.agents import lint
from aresmon.agents.lint import AgentTiming

AGENT = '[agent]\n  hostname = "lewi"\n'
INPUT = "[[inputs.cpu]]\n"
OUTPUT = '[[outputs.influxdb]]\n  urls = ["http://biere:8086"]\n'
SCHEMES = "http://, https://, udp://, udp4://, udp6://, unix://"
WELL = AGENT + INPUT + OUTPUT


ENVIRONMENT = {"ARESMON_HOST": "lewi", "ARESMON_PASSWORD": "none"}


def errors(text: str, *known: str, **environment: str) -> list[str]:
    return [one.text for one in lint.errors(text, "lewi", ENVIRONMENT | dict.fromkeys(known, "x") | environment)]


def warnings(text: str) -> list[str]:
    return [one.text for one in lint.warnings(text, ENVIRONMENT)]


def test_a_sound_configuration_has_nothing_wrong_with_it() -> None:
    assert errors(WELL) == []


def test_a_byte_order_mark_is_none_of_the_configuration() -> None:
    assert errors("\ufeff" + WELL) == []


def test_what_is_no_toml_is_told_with_its_line_and_nothing_else() -> None:
    (told,) = errors("[agent]\nhostname = \n")

    assert told.startswith("not TOML: ")
    assert "line 2" in told


def test_everything_that_is_wrong_is_told_at_once() -> None:
    assert len(errors('[agent]\n  hostname = "x"\n  interval = "0s"\n  omit_hostname = true\n')) == 5


@pytest.mark.parametrize("name", ["lewi", "$ARESMON_HOST", "${ARESMON_HOST}", "${ARESMON_HOST:?the host's name}"])
def test_an_agent_names_itself_as_aresmon_does(name: str) -> None:
    assert errors(WELL.replace("lewi", name)) == []


@pytest.mark.parametrize("name", ["${HOSTNAME:-lewi}", "${HOSTNAME-lewi}", "${NAME}", "$NAME", "${NAME:+lewi}"])
def test_a_name_is_judged_by_what_it_becomes(name: str) -> None:
    assert errors(WELL.replace("lewi", name), NAME="lewi") == []

    (told,) = errors(WELL.replace("lewi", name), HOSTNAME="other", NAME="") or [""]
    assert told == "" or told.startswith(f"[agent] hostname is {name!r}: its points")


@pytest.mark.parametrize("name", ["Lewi", "", "ronflex", "${HOSTNAME}", "lewi.example.org"])
def test_another_name_would_count_as_another_host(name: str) -> None:
    told = errors(WELL.replace("lewi", name), HOSTNAME="other")

    assert told == [f"[agent] hostname is {name!r}: its points would be attributed to another host; it must be 'lewi'"]


def test_an_agent_without_a_name_would_take_that_of_its_machine() -> None:
    (told,) = errors(INPUT + OUTPUT)

    assert told.startswith("[agent] hostname is None")


@pytest.mark.parametrize(("value", "is_wrong"), [("true", True), ("false", False)])
def test_points_without_a_host_are_nobodys(value: str, is_wrong: bool) -> None:
    told = errors(f"{AGENT}  omit_hostname = {value}\n{INPUT}{OUTPUT}")

    assert told == (["[agent] has omit_hostname: its points would belong to no host"] if is_wrong else [])


@pytest.mark.parametrize("agent", ["agent = 3\n", "[[agent]]\n", 'agent = "x"\n'])
def test_an_agent_is_a_table(agent: str) -> None:
    assert errors(agent + INPUT + OUTPUT) == ["agent must be a table: [agent]"]


GOOD_DURATIONS = [
    "'10'",
    "'+10s'",
    "'${NONE:-10s}'",
    "'10s'",
    "'1m30s'",
    "'500ms'",
    "'1h'",
    "'1.5s'",
    "10",
    "2.5",
    "'250us'",
    "'250µs'",
    "'1d'",
]
BAD_DURATIONS = [
    "'0s'",
    "0",
    "-1",
    "''",
    "'-10'",
    "true",
    "' 10s'",
    "'ten'",
    "'10 s'",
    "'s'",
    "'1.5.2s'",
    "'.s'",
    "'-5s'",
]


@pytest.mark.parametrize("key", ["interval", "flush_interval"])
@pytest.mark.parametrize("value", GOOD_DURATIONS)
def test_a_duration_above_zero_is_one(key: str, value: str) -> None:
    assert errors(f"{AGENT}  {key} = {value}\n{INPUT}{OUTPUT}") == []


@pytest.mark.parametrize("key", ["interval", "flush_interval"])
@pytest.mark.parametrize("value", BAD_DURATIONS)
def test_a_duration_that_is_none_or_nothing_is_refused(key: str, value: str) -> None:
    (told,) = errors(f"{AGENT}  {key} = {value}\n{INPUT}{OUTPUT}")

    assert told.startswith(f"[agent] {key} = ")
    assert told.endswith(": must be a duration above zero, such as '10s'")


def test_an_inputs_own_interval_is_looked_at_too() -> None:
    assert errors(f"{AGENT}[[inputs.cpu]]\n[[inputs.disk]]\n  interval = 'soon'\n{OUTPUT}") == [
        "inputs.disk: interval = 'soon': must be a duration, such as '10s' or '24h'"
    ]
    for length in ("'5m'", "'0s'", "'0'", "5"):  # nothing, and a number, is the agent's own interval
        assert errors(f"{AGENT}[[inputs.disk]]\n  interval = {length}\n{OUTPUT}") == []
    for length in ("", "10", "1d", "-1s"):
        assert len(errors(f"{AGENT}[[inputs.disk]]\n  interval = '{length}'\n{OUTPUT}")) == 1


def test_a_number_as_an_inputs_interval_is_warned_of_since_telegraf_ignores_it() -> None:
    text = f"{AGENT}[[inputs.disk]]\n  interval = 60\n{OUTPUT}  skip_database_creation = true\n"

    assert warnings(text) == ["inputs.disk: Telegraf ignores interval = 60: write '60s'"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (AGENT + INPUT, "it has no output: its data would be sent nowhere"),
        (AGENT + OUTPUT, "it has no input: there would be no data to send"),
        (f"outputs = {{}}\n{AGENT}{INPUT}", "it has no output: its data would be sent nowhere"),
    ],
)
def test_a_configuration_that_sends_nothing_is_refused(text: str, told: str) -> None:
    assert errors(text) == [told]


@pytest.mark.parametrize(
    "url",
    ["http://a:1", "https://a", "udp://a:8089", "udp6://[::1]:8089", "unix:///run/influxdb.sock", "${URL}", "$URL"],
)
def test_a_url_that_telegraf_can_open(url: str) -> None:
    assert errors(WELL.replace("http://biere:8086", url), URL="http://a:1") == []


def test_a_url_is_judged_by_what_it_becomes_and_shown_as_it_is_written() -> None:
    (told,) = errors(WELL.replace("http://biere:8086", "${URL}"), URL="secret:8086")

    assert told == f"outputs.influxdb: '${{URL}}' must start with one of {SCHEMES}"


@pytest.mark.parametrize("url", ["biere:8086", "htp://biere", "", "//biere", "tcp://biere"])
def test_a_url_that_telegraf_would_end_at_is_refused(url: str) -> None:
    assert errors(WELL.replace("http://biere:8086", url)) == [
        f"outputs.influxdb: '{url}' must start with one of {SCHEMES}"
    ]


def test_a_single_url_is_not_taken_letter_by_letter() -> None:
    assert errors(WELL.replace('["http://biere:8086"]', '"biere"')) == [
        f"outputs.influxdb: 'biere' must start with one of {SCHEMES}"
    ]


@pytest.mark.parametrize(
    "reference", ["${TOKEN}", "$TOKEN", " ${TOKEN} ", "${TOKEN:?what to put there}", "x${TOKEN?}y"]
)
def test_a_variable_that_nobody_sets_is_named(reference: str) -> None:
    text = f'{WELL}[[inputs.ping]]\n  urls = ["{reference}"]\n'

    assert errors(text) == ["the variable TOKEN is not set: add it to hosts.<host>.env in aresmon.yml"]
    assert errors(text, "TOKEN") == []


@pytest.mark.parametrize("reference", ["http://${TOKEN}:8086", "${TOKEN}"])
def test_a_variable_that_decides_where_points_go_is_set(reference: str) -> None:
    text = WELL.replace("http://biere:8086", reference)

    assert "the variable TOKEN is not set: add it to hosts.<host>.env in aresmon.yml" in errors(text)


SHELL = [
    "sh -c 'for part in one two; do echo slots,part=$part used=1i; done'",
    "sh -c 'for part in one two; do echo slots,part=$$part used=1i; done'",
    "sh -c 'for part in one two; do echo slots,part=${part} used=1i; done'",
    "awk '{print $NF}'",
    "$NF",
    "$part",
    "$$TOKEN",
    "${1} ${TOKEN",
    "a $TOKEN b",
]


@pytest.mark.parametrize("command", SHELL)
def test_what_is_a_shells_or_awks_is_no_variable(command: str) -> None:
    text = f'{WELL}  skip_database_creation = true\n[[inputs.exec]]\n  commands = ["{command}"]\n'

    assert errors(text) == []
    assert warnings(text) == []


def test_a_name_inside_a_text_that_looks_meant_is_noted() -> None:
    text = f'{WELL}  skip_database_creation = true\n[[inputs.ping]]\n  urls = ["x${{TOKEN}}y", "${{TOKEN}}.org"]\n'

    assert errors(text) == []
    assert warnings(text) == ["nobody sets the variable TOKEN, so Telegraf leaves ${TOKEN} as it is written"]


@pytest.mark.parametrize("password", ["pa$$word", "pa$word", "$ecret", "$", "pa${1}"])
def test_a_password_may_have_a_dollar(password: str) -> None:
    assert errors(f"{WELL}  password = '{password}'\n") == []
    assert len(warnings(f"{WELL}  password = '{password}'\n  skip_database_creation = true\n")) == 1


@pytest.mark.parametrize("reference", ["${TOKEN:-none}", "${TOKEN-none}", "${TOKEN:-}"])
def test_a_variable_with_a_default_needs_nobody(reference: str) -> None:
    assert errors(f'{WELL}[[inputs.ping]]\n  urls = ["{reference}"]\n') == []


@pytest.mark.parametrize(
    "line", ["# ${TOKEN}", "   # $TOKEN", "#${TOKEN:?x}", "timeout = '#' # ${TOKEN:?x}", "[tags] # ${TOKEN}"]
)
def test_a_variable_in_a_comment_is_none(line: str) -> None:
    assert errors(f"{WELL}{line}\n") == []


@pytest.mark.parametrize("text", ["'^eth[0-9]+$'", "'5 $'", "'$5'", "'$$'", "'@{store:key}'"])
def test_a_dollar_alone_is_no_variable(text: str) -> None:
    assert errors(f"{WELL}[[inputs.ping]]\n  urls = [{text}]\n") == []


def test_a_variable_is_told_once_however_often_it_is_used() -> None:
    text = f'{WELL}[[inputs.ping]]\n  urls = ["$ABC", "${{ABC}}", "$BCD"]\n  binary = "${{ABC:?}}"\n'

    assert [told.split()[2] for told in errors(text)] == ["ABC", "BCD"]


@pytest.mark.parametrize(
    "text",
    [
        "outputs = 3\n",
        "inputs = []\n",
        "[[inputs]]\n  cpu = 1\n",
        "[[outputs]]\n",
        'outputs = "x"\ninputs = "y"\n',
        "[inputs]\n  cpu = [1, 2]\n",
        "[outputs.influxdb]\n  urls = 3\n",
        "[[outputs.influxdb]]\n  urls = 3\n",
    ],
)
def test_tables_that_are_none_are_refused_and_break_nothing(text: str) -> None:
    assert errors(text) != []


TOML = st.recursive(
    st.integers(0, 9) | st.booleans() | st.sampled_from(["'0s'", "'x'", "nan", "'http://a'", "'$X'", "[]", "{}"]),
    lambda inner: st.lists(inner, max_size=2).map(lambda some: "[" + ", ".join(map(_written, some)) + "]"),
    max_leaves=3,
)


def _written(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool | int) else str(value)


@given(
    st.dictionaries(
        st.sampled_from(
            ["agent", "outputs", "inputs", "agent.interval", "inputs.cpu", "outputs.influxdb", "agent.hostname"]
        ),
        TOML.map(_written),
        max_size=4,
    )
)
def test_settings_of_any_type_are_judged_and_break_nothing(settings: dict[str, str]) -> None:
    told = errors("".join(f"{name} = {value}\n" for name, value in settings.items()))

    assert all(isinstance(one, str) for one in told)


def test_a_password_in_clear_is_warned_of_and_so_is_a_database_by_mistake() -> None:
    clear = warnings(f'{WELL}  password = "hunter2"\n')

    assert len(clear) == 2
    assert "it contains a password in plain text" in clear[0]
    assert "hunter2" not in "".join(clear)
    assert "skip_database_creation" in clear[1]


@pytest.mark.parametrize("password", ["", "${ARESMON_PASSWORD}", "$ARESMON_PASSWORD", "@{aresmon:agent}"])
def test_a_password_that_stands_elsewhere_is_well(password: str) -> None:
    assert warnings(f'{WELL}  password = "{password}"\n  skip_database_creation = true\n') == []


@pytest.mark.parametrize(
    ("agent", "pace", "deadline"),
    [
        ("", AgentTiming(10, 10, 0), 38),
        ('interval = "30s"', AgentTiming(30, 10, 0), 58),
        ('interval = "1m30s"\nflush_interval = "500ms"', AgentTiming(90, 0.5, 0), 108),
        ('collection_jitter = "3s"\nflush_jitter = "2s"', AgentTiming(10, 10, 5), 43),
        ("interval = 5\nflush_jitter = 1.5", AgentTiming(5, 10, 1.5), 34),
        ('flush_jitter = "nonsense"', AgentTiming(10, 10, 0), 38),
        ('interval = "${NONE:-30s}"', AgentTiming(30, 10, 0), 58),
    ],
)
def test_how_long_to_wait_follows_from_the_agents_pace(agent: str, pace: AgentTiming, deadline: int) -> None:
    found = lint.read_timing(f"[agent]\n{agent}\n")

    assert (found, found.deadline) == (pace, deadline)


def test_the_pace_of_a_configuration_without_an_agent_is_telegrafs_own() -> None:
    assert lint.read_timing(INPUT) == AgentTiming(10, 10, 0)


@given(st.lists(st.tuples(st.integers(0, 999), st.sampled_from(sorted(["ms", "s", "m", "h"]))), min_size=1, max_size=4))
def test_the_parts_of_a_duration_add_up(parts: list[tuple[int, str]]) -> None:
    scale = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}

    told = lint.seconds("".join(f"{number}{unit}" for number, unit in parts))

    assert told == pytest.approx(sum(number * scale[unit] for number, unit in parts))


@given(st.text())
def test_any_text_is_a_duration_or_none(text: str) -> None:
    assert lint.seconds(text) is None or lint.seconds(text) is not None


def test_outputs_are_told_apart_by_their_settings_and_not_by_their_order() -> None:
    file = '[[outputs.file]]\n  files = ["stdout"]\n'

    assert lint.output_settings(WELL + file) == lint.output_settings(file + WELL.replace(INPUT, "[[inputs.mem]]\n"))
    assert lint.output_settings(WELL) != lint.output_settings(WELL.replace("biere", "other"))


@pytest.mark.parametrize(
    ("urls", "found"),
    [
        ('["http://biere:8086"]', ["http://biere:8086"]),
        ('"http://biere:8086"', ["http://biere:8086"]),
        ('["${ARESMON_URL}"]', []),
        ('["https://biere:8086", "http://other:1"]', ["http://other:1"]),
    ],
)
def test_an_output_in_the_clear_is_found(urls: str, found: list[str]) -> None:
    assert lint.unencrypted_urls(f"{AGENT}{INPUT}[[outputs.influxdb]]\n  urls = {urls}\n") == found


@pytest.mark.parametrize(
    ("plugin", "line"),
    [
        ('[[inputs.ping]]\n  [inputs.ping.tags]\n    host = "biere"\n', 9),
        ('[[inputs.ping]]\n  tags = {host = "${NAME:-biere}"}\n', 8),
        ('[[processors.override]]\n  [processors.override.tags]\n    host = "biere"\n', 9),
    ],
)
def test_an_input_that_bears_the_name_of_another_host_is_warned_of(plugin: str, line: int) -> None:
    text = f"{WELL}  skip_database_creation = true\n{plugin}"

    (told,) = lint.warnings(text, ENVIRONMENT)

    assert (told.line, "its points are attributed to that host" in told.text) == (line, True)
    assert warnings(text.replace("http://biere", "http://x").replace("biere", "lewi")) == []

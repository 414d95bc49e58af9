"""The lint and the real Telegraf, on generated configurations: what arrives must pass, and what does not is refused.

Telegraf runs as a program, without an engine. Where it sends to, a stand-in of InfluxDB's /write keeps what arrives.
"""

from __future__ import annotations

import dataclasses
import gzip
import json
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from aresmon.agents import deprecations, lint
from aresmon.config import collectors, package_data, telegraf_text, telegraf_toml
from aresmon.config.collectors import CollectorUse
from aresmon.config.model import load
from aresmon.config.telegraf_text import MissingVariableError
from aresmon.config.telegraf_toml import TelegrafTomlError
from aresmon.engine import build
from aresmon.render import telegraf
from aresmon.render.telegraf import TelegrafTemplates
from aresmon.system import process
from aresmon.system.errors import AresmonError
from aresmon.system.process import Completed

SHIPPED = collectors.load()
FRAME = TelegrafTemplates.of(package_data.package_files())
FLEET = load("hosts: {biere: {agent: systemd}, lewi: {agent: systemd}}\n", SHIPPED)
LEWI = FLEET.host("lewi")
MARK = "0123456789ab-now"
FEW = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.large_base_example])


@dataclass
class Telegraf:
    """The program, a folder for its files, and where it sends to."""

    program: Path
    folder: Path
    url: str
    received: list[str] = field(default_factory=list)

    def run(self, *arguments: str, text: str, environment: Mapping[str, str]) -> Completed:
        file = self.folder / "telegraf.conf"
        file.write_bytes(text.encode())
        argv = [str(self.program), *arguments, "--config", str(file)]
        # The lint knows more names than the program needs; a socket that is not there would only confuse it.
        env = {name: value for name, value in environment.items() if name != "NOTIFY_SOCKET"}
        return process.run(["env", "-i", *(f"{name}={value}" for name, value in env.items()), *argv], check=False)


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Telegraf]:
    received = list[str]()

    class Write(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.headers.get("Transfer-Encoding") == "chunked":
                body = b""
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
            received.append(gzip.decompress(body).decode() if body[:2] == b"\x1f\x8b" else body.decode())
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Write) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        yield Telegraf(build.compile_telegraf(), tmp_path_factory.mktemp("telegraf"), url, received)
        server.shutdown()


# Variables ----------------------------------------------------------------------------------------------------

ENVIRONMENT = {"SET": "value", "EMPTY": "", "DOLLAR": "$SET", "lower": "low"}
WORDS = st.sampled_from(
    ["$", "$$", "${", "}", "SET", "EMPTY", "NONE", "lower", "NF", ":-", "-", ":?", "?", ":+", "+", "x", " ", "1", "\n"]
)
REFERENCES = st.sampled_from(["${SET", "${EMPTY", "${NONE", "${NONE:-", "${SET:+", "${EMPTY-", "${NONE:?", "$lower"])
TEXTS = st.lists(WORDS | REFERENCES, min_size=1, max_size=8).map("".join)


@settings(FEW, max_examples=8)
@given(st.lists(TEXTS, min_size=100, max_size=150))
def test_variables_become_what_telegraf_makes_of_them(agent: Telegraf, texts: list[str]) -> None:
    expected = dict[int, str]()
    for number, text in enumerate(texts):
        try:
            expected[number] = telegraf_text.substitute(text, ENVIRONMENT)
        except MissingVariableError:
            event("refused")
    plugins = [
        f'[[inputs.mock]]\nmetric_name = "m{number}"\n[[inputs.mock.constant]]\nname = "f"\n'
        f"value = {json.dumps(texts[number])}\n"
        for number in expected
    ]
    frame = '[agent]\nomit_hostname = true\n[[outputs.file]]\nfiles = ["stdout"]\ndata_format = "influx"\n'

    done = agent.run("--once", text=frame + "".join(plugins), environment=ENVIRONMENT)

    assert done.code == 0, done
    found = re.findall(r'^m(\d+) f="((?:\\.|[^"\\])*)" \d+$', done.out, re.MULTILINE | re.DOTALL)
    assert {int(number): text.replace('\\"', '"').replace("\\\\", "\\") for number, text in found} == expected


@settings(FEW, max_examples=25)
@given(TEXTS.map(lambda text: "${NONE:?" + text + "}") | TEXTS)
def test_a_variable_that_telegraf_misses_is_missed(agent: Telegraf, text: str) -> None:
    configuration = f"[global_tags]\na = {json.dumps(text)}\n"
    try:
        telegraf_text.substitute(text, ENVIRONMENT)
        is_missing = False
    except MissingVariableError:
        is_missing = True

    done = agent.run("config", "check", "--strict-env-handling", text=configuration, environment=ENVIRONMENT)

    assert ("required variable" in done.out + done.err) == is_missing, done


# The text -----------------------------------------------------------------------------------------------------

LINES = st.sampled_from(
    [
        *(
            "[global_tags]",
            "[agent]",
            "[[inputs.mem]]",
            "[inputs.mem.tags]",
            "[ inputs . cpu ]",
            "[inputs]",
            "[a] b = 1",
        ),
        *(
            "a = 1",
            "a = 1 b = 2",
            'b = "x"',
            "c = 'x' # '",
            "# x",
            "a.b = 1",
            "d = 0x1",
            "e = 1_0",
            "f = 1.5e3",
            "g = inf",
        ),
        *('h = "\\d"', 'i = "a\tb"', "j = '''\nx\n'''", 'k = """\nx\\\n  y"""', 'l = """x"y"""', "m = [1,\n 2,\n]"),
        *(
            "n = [1 2]",
            "o = {a = 1, b = 'x'}",
            "p = {a = 1,}",
            "q = {a = 1 b = 2}",
            "r = [{a = 1}, {a = 2}]",
            "s = 10s",
        ),
        *(
            "t = 2026-01-01",
            'u = "x',
            "v = 'x",
            "w = ",
            "x",
            "= 1",
            '"y z" = 1',
            "[[a.b]]",
            "[a.b]",
            "# [x] ' \"",
            "\t",
        ),
        *('A = "#" # "', "B = '#'", 'C = "\\"#" # \'', "D = ''", 'E = ""', "F = true", "G = truer", "é = 1", 'H = "é"'),
    ]
)


@settings(FEW, max_examples=60)
@given(st.lists(LINES, max_size=6), st.sampled_from(["\n", "\r\n"]), st.sampled_from(["", "\ufeff"]))
def test_telegraf_reads_what_the_lint_reads(agent: Telegraf, lines: list[str], end: str, begin: str) -> None:
    text = begin + end.join([*lines, ""])
    try:
        telegraf_toml.parse(text)
        is_read = True
    except TelegrafTomlError:
        is_read = False

    done = agent.run("config", "check", "--strict-env-handling", text=text, environment={})

    assert ("error parsing data" not in done.out + done.err) == is_read, done


# Whole configurations -----------------------------------------------------------------------------------------


def setting(name: str, *values: str) -> st.SearchStrategy[str]:
    """A setting that is mostly not there."""
    return st.just("") | st.sampled_from(values).map(lambda value: f"  {name} = {value}\n") | st.just("")


DURATIONS = ("'1s'", "'500ms'", "'0s'", "''", "'-1s'", "'10'", "5", "2.5", "'soon'", "'${NONE:-5s}'", "true", "'1d'")
NAMES = ('""', "''", '"lewi"', '"lewi" # x', "'${ARESMON_HOST}'", "'$ARESMON_HOST'", "'${HOSTNAME:-lewi}'")
OTHER_NAMES = ("'$HOSTNAME'", "'other'", "'${NONE}'", "'${NONE:?x}'", "'${ARESMON_HOST:+other}'", "'${NONE}lewi'")
AGENT = st.tuples(
    setting("hostname", *NAMES) | setting("hostname", *NAMES, *OTHER_NAMES),
    setting("interval", *DURATIONS),
    setting("flush_interval", *DURATIONS),
    setting("omit_hostname", "false", "false", "true"),
).map(lambda found: "".join(("[agent]\n", *found)))
COMMANDS = (
    "sh -c 'for part in one two; do echo slots,part=$part used=1i; done'",
    "sh -c 'for part in one two; do echo slots,part=$$part used=1i; done'",
    "sh -c 'for part in a; do echo slots,part=${part} used=1i; done'",
    "sh -c 'echo x $NF=1i'",
)
INPUTS = st.one_of(
    st.just("[[inputs.mem]] # the box of $USER\n"),
    st.just("[inputs.swap] # ${OLD:?x}\n"),
    # Below zero the program passes its check and dies at the first reading, which --once does not show.
    setting("interval", *(one for one in DURATIONS if "-1" not in one)).map(lambda one: f"[[inputs.system]]\n{one}"),
    st.sampled_from(COMMANDS).map(
        lambda one: f'[[inputs.exec]]\n  commands = ["{one}"]\n  data_format = "influx"\n  timeout = "5s"\n'
    ),
)
FILTERS = st.one_of(
    setting("namepass", "['mem']", "['aresmon_*']", "['*']", "['aresmon_config', 'mem']", "[]", "['a?esmon_[c]*']"),
    setting("namedrop", "['mem']", "['aresmon_config']", "['*_config']", "['${WHAT:-mem}']"),
    setting("tagpass", "{host = ['lewi']}", "{host = ['l*', 'b*']}", "{cpu = ['x']}", "{rack = ['r1'], cpu = ['x']}"),
    setting("tagdrop", "{host = ['lewi']}", "{host = ['biere']}", "{rack = ['r?']}"),
    setting("fieldinclude", "['gen', 'used']", "['used*']", "['*']"),
    setting("fieldexclude", "['gen']", "['used*']", "['{gen,x}']", "['?en']"),
    setting("tagexclude", "['host']", "['rack']", "['*']"),
    setting("taginclude", "['host']", "['rack']"),
    setting("name_prefix", "'x_'", "''"),
)
OUTPUT = FILTERS.map(
    lambda one: (
        '[[outputs.influxdb]]\n  urls = ["${ARESMON_URL}"]\n  password = "pa$$word"\n'
        f"  skip_database_creation = true\n{one}"
    )
)
WRONG_OUTPUT = st.sampled_from(["htp://x:1", "x:8086", "${NONE}", "http://${NONE}:8086"]).map(
    lambda url: f'[[outputs.influxdb]]\n  urls = ["{url}", "${{ARESMON_URL}}"]\n'
)
TAGS = st.sampled_from(["", "", '[global_tags]\n  rack = "r1"\n', '[global_tags]\n  rack = "${NONE}"\n'])
FILES = st.builds(
    lambda begin, tags, agent, inputs, output: begin + tags + agent + "".join(inputs) + output,
    st.sampled_from(["", "", "\ufeff", "# ${NONE:?x}\n"]),
    TAGS,
    AGENT | st.just(""),
    st.lists(INPUTS, max_size=2, unique=True),
    st.just("") | OUTPUT | OUTPUT | WRONG_OUTPUT,
)


@settings(FEW, max_examples=60)
@given(FILES)
def test_what_arrives_passes_and_what_does_not_is_refused(agent: Telegraf, own: str) -> None:
    environment = lint.environment(LEWI, FLEET) | {"ARESMON_URL": agent.url, "ARESMON_CA": "", "PATH": "/usr/bin:/bin"}
    try:
        body = telegraf.configuration(LEWI, SHIPPED, FRAME, own=own)
        told = [one.text for one in lint.errors(body, "lewi", environment)]
    except AresmonError as error:
        body, told = own, [error.message]
    text = telegraf.with_config_id(body, MARK, FRAME)

    checked = agent.run("config", "check", "--strict-env-handling", text=text, environment=environment)
    agent.received.clear()
    agent.run("--once", text=text, environment=environment)
    lines = [line for body in agent.received for line in body.splitlines()]
    has_arrived = any(re.match(rf'aresmon_config,host=lewi(,rack=\S+)? gen="{MARK}"', line) for line in lines)

    event("arrives" if has_arrived else "is refused")
    if has_arrived and not any("is not set" in one for one in told):  # a name that looks meant is refused all the same
        assert told == []
    if not has_arrived:
        assert told or checked.code != 0, (own, lines)


# Migrations ---------------------------------------------------------------------------------------------------


def test_a_telegraf_that_is_built_here_migrates_old_settings(agent: Telegraf) -> None:
    old = (
        "[agent]\n  interval = '10s'\n[[inputs.disk]]\n  mountpoints = ['/']\n[[inputs.mem]]\n  fieldpass = ['used']\n"
    )

    done = agent.run("config", "migrate", text=old, environment={})

    migrated = (agent.folder / "telegraf.conf.migrated").read_text()
    assert done.code == 0, done
    assert "fieldinclude" in migrated, migrated
    assert "mount_points = " in migrated


# Deprecations -------------------------------------------------------------------------------------------------


def test_telegraf_calls_nothing_deprecated_that_aresmon_generates(agent: Telegraf) -> None:
    """Each version of Telegraf removes what an earlier one called deprecated, and hosts run several versions."""
    host = dataclasses.replace(LEWI, uses=tuple(map(CollectorUse, ("system", "disk", "diskio", "net", "docker"))))
    environment = lint.environment(host, FLEET) | {"ARESMON_URL": agent.url, "ARESMON_CA": "", "PATH": "/usr/bin:/bin"}
    text = telegraf.with_config_id(telegraf.configuration(host, SHIPPED, FRAME), MARK, FRAME)

    done = agent.run("--test", text=text, environment=environment)

    assert "Starting Telegraf" in done.err, done
    assert [line for line in done.err.splitlines() if "eprecat" in line or "skip_processors" in line] == []


def test_what_telegraf_calls_deprecated_is_understood(agent: Telegraf) -> None:
    text = (
        "[agent]\n  snmp_translator = 'netsnmp'\n[[inputs.mem]]\n  fieldpass = ['used']\n"
        "[[inputs.exec]]\n  commands = ['x --token s3cret']\n  data_format = 'influx'\n"
    )

    done = agent.run("config", "check", "--strict-env-handling", text=text, environment={})

    found = {(one.plugin, one.setting): one.text for one in deprecations.logged(done.err)}
    assert set(found) == {("agent", "snmp_translator"), ("inputs.mem", "fieldpass"), ("inputs.exec", "command")}
    assert "s3cret" not in "".join(found.values())

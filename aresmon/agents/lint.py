"""Errors in a configuration that Telegraf's own check accepts, and that would fail without a message."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from aresmon.agents import outputs, revealed, tables
from aresmon.agents.tables import Configuration, LintFinding, Settings
from aresmon.config import telegraf_text
from aresmon.config.model import Config, Host
from aresmon.config.names import MARKER
from aresmon.config.telegraf_text import MissingVariableError
from aresmon.config.telegraf_toml import TelegrafTomlError, TomlTable
from aresmon.render import telegraf
from aresmon.system.errors import AresmonError

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)")
_DURATION = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|\u00b5s|\u03bcs|ms|s|m|h|d)")  # both letters for micro
_SECONDS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600}
_SECONDS |= {"\u00b5s": 1e-6, "\u03bcs": 1e-6}
_SCHEMES = ("http", "https", "udp", "udp4", "udp6", "unix")
# What systemd sets for the service, and the engine for a container, besides what aresmon sets.
_BY_SYSTEMD = {"HOME": "/etc/telegraf", "LANG": "C.UTF-8", "LOGNAME": "telegraf", "SHELL": "/bin/false"}
_BY_SYSTEMD |= {"PATH": "/usr/bin", "USER": "telegraf", "INVOCATION_ID": "0", "NOTIFY_SOCKET": "/run/systemd/notify"}
_BY_ENGINE = {"HOME": "/", "HOSTNAME": "its container", "PATH": "/usr/bin", "HOST_MOUNT_PREFIX": "/hostfs"}
_BY_ENGINE |= {f"HOST_{name.upper()}": f"/hostfs/{name}" for name in ("proc", "sys", "etc", "var", "run", "dev")}
_DECISIVE = ("agent", "global_tags", "outputs", "secretstores")  # what decides where points go, and under which name
_SHORTEST_NAME = 3  # letters; awk has NF and NR
_SHORTEST = 3  # seconds; an agent with a shorter interval needs no flush
_INTERVAL, _FLUSH, _MARGIN = 10.0, 10.0, 18.0


@dataclass(frozen=True, slots=True)
class AgentTiming:
    """How often an agent collects and sends, in seconds; `jitter` is the maximum random delay of both together."""

    interval: float
    flush: float
    jitter: float

    @property
    def proof(self) -> float:
        """The seconds after its start for which an agent must keep running: one interval and its flush.

        A push makes the agent flush after each reading, so a longer flush interval is not waited for.
        """
        return self.interval + min(self.flush, self.interval) + self.jitter

    @property
    def deadline(self) -> int:
        """The seconds after its start in which an agent's data must arrive, with a margin for slow machines."""
        return int(self.interval + self.flush + self.jitter + _MARGIN)


def environment(host: Host, config: Config) -> dict[str, str]:
    """The variables that a host's Telegraf can read. The value of a secret is `none`."""
    found = _BY_ENGINE if host.agent == "docker" else _BY_SYSTEMD
    return found | telegraf.placeholders(host) | telegraf.variables(host, config)


def read_timing(text: str, environment: Mapping[str, str] = {}) -> AgentTiming:
    """Read the intervals of a configuration; missing ones have Telegraf's defaults."""
    found = tables.of(text, environment).agent
    agent = found.read if found else {}
    jitters = (seconds(agent.get(key, "0s")) or 0.0 for key in ("collection_jitter", "flush_jitter"))
    interval = seconds(agent.get("interval", "10s")) or _INTERVAL
    return AgentTiming(interval, seconds(agent.get("flush_interval", "10s")) or _FLUSH, sum(jitters))


def rounded_interval(text: str, environment: Mapping[str, str] = {}) -> int:
    """The interval in whole seconds if the agent collects at multiples of it on the clock, else 0."""
    interval, found = read_timing(text, environment).interval, tables.of(text, environment).agent
    is_rounded = found is None or found.read.get("round_interval", True)
    return int(interval) if is_rounded and interval >= _SHORTEST and interval == int(interval) else 0


def errors(text: str, host: str, environment: Mapping[str, str]) -> list[LintFinding]:
    """All errors of this configuration for this host, whose Telegraf reads these variables."""
    try:
        found = tables.of(text, environment)
    except TelegrafTomlError as error:
        return [LintFinding(f"not TOML: {error}")]
    return [
        *_check_agent(found.agent, host),
        *_check_plugins(found),
        *outputs.errors(found, host),
        *_check_variables(found),
    ]


def warnings(text: str, environment: Mapping[str, str]) -> list[LintFinding]:
    """Warnings about settings that work but are not advisable."""
    found = tables.of(text, environment)
    unset = [
        LintFinding(f"nobody sets the variable {name}, so Telegraf leaves ${{{name}}} as it is written", line)
        for line, name, is_error in _unset(found)
        if not is_error
    ]
    return [*_output_warnings(found), *_input_warnings(found), *revealed.find_warnings(found), *unset]


def _output_warnings(found: Configuration) -> Iterator[LintFinding]:
    for output in found.plugins("outputs", "influxdb"):
        password = str(output.written.get("password", ""))
        if password and not password.startswith("@{") and not _is_variable(password, found.environment):
            what = "it contains a password in plain text: use `${ARESMON_PASSWORD}` instead, or remove the output:"
            yield LintFinding(f"{what} aresmon adds its own", output.line("password"))
        if output.read.get("skip_database_creation") is not True:
            what = "outputs.influxdb without `skip_database_creation = true`: a typo would ask for a new database"
            yield LintFinding(what, output.line())
        if output.read.get("metricpass"):
            what = f"metricpass of outputs.influxdb must let {MARKER} pass: a push is verified by this measurement"
            yield LintFinding(what, output.line("metricpass"))


def _input_warnings(found: Configuration) -> Iterator[LintFinding]:
    host = found.agent.read.get("hostname") if found.agent else None
    for one in [*found.plugins("inputs"), *found.plugins("processors", "override")]:
        tags = one.written.get("tags")
        if isinstance(tags, TomlTable) and found.read(tags.get("host", host)) != host:
            what = f"{one.name} has the tag host = {tags['host']!r}: its points are attributed to that host"
            yield LintFinding(what, tags.lines["host"])
    for one in found.plugins("inputs"):
        interval = one.written.get("interval", "")
        if not isinstance(interval, str):
            what = f"{one.name}: Telegraf ignores interval = {interval}: write '{interval}s'"
            yield LintFinding(what, one.line("interval"))


def elsewhere(body: str, host: Host, config: Config) -> list[LintFinding]:
    """A warning where no output of a configuration has the address of this site."""
    here = [f"{config.edge.channel.scheme}://{config.edge.agents.here}"] if host == config.sidecar else []
    return outputs.elsewhere(body, environment(host, config), [config.edge.url, *here])


def unencrypted_urls(text: str, environment: Mapping[str, str] = {}) -> list[str]:
    """The URLs without TLS to which a configuration writes."""
    found = tables.of(text, environment).plugins("outputs", "influxdb")
    return [url for output in found for url in outputs.urls(output.read) if url.startswith("http://")]


def output_urls(text: str, environment: Mapping[str, str]) -> list[str]:
    """The URLs to which the outputs for InfluxDB 1.x write; Telegraf's default where one names none."""
    found = tables.of(text, environment).plugins("outputs", "influxdb")
    return list(dict.fromkeys(url for output in found for url in outputs.urls(output.read) or [outputs.DEFAULT_URL]))


def output_settings(text: str) -> str:
    """The settings of the outputs as text; Telegraf names a disk buffer after them."""
    found = tables.parse(text).get("outputs", {})
    return repr(sorted(found.items())) if isinstance(found, dict) else ""


def seconds(duration: Any) -> float | None:
    """Parse a duration as Telegraf does: `1m30s`, or a number of seconds; None if it is neither."""
    if isinstance(duration, bool):
        return None
    if isinstance(duration, int | float):
        return float(duration) if math.isfinite(duration) else None
    text = str(duration)
    if not text or _NUMBER.fullmatch(text):
        return float(text or 0)
    return _go_duration(text, _SECONDS | {"d": 86400})


def _go_duration(text: str, units: Mapping[str, float]) -> float | None:
    sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    parts = _DURATION.findall(digits)
    if digits == "0":
        return 0.0
    if not parts or "".join("".join(part) for part in parts) != digits or any(unit not in units for _, unit in parts):
        return None
    return sign * sum(float(number) * units[unit] for number, unit in parts)


def own_interval(plugin: Settings) -> float | None:
    """The interval of a plug-in. Telegraf reads a text without days, ignores a number, and takes zero for none."""
    interval = plugin.read.get("interval", "0s")
    return _go_duration(interval, _SECONDS) if isinstance(interval, str) else 0.0


def _check_agent(agent: Settings | None, host: str) -> Iterator[LintFinding]:
    if agent is None:
        yield LintFinding("agent must be a table: [agent]")
        return
    if agent.read.get("hostname") != host:
        shown = agent.written.get("hostname")
        what = f"[agent] hostname is {shown!r}: its points would be attributed to another host; it must be {host!r}"
        yield LintFinding(what, agent.line("hostname"))
    if agent.read.get("omit_hostname"):
        what = "[agent] has omit_hostname: its points would belong to no host"
        yield LintFinding(what, agent.line("omit_hostname"))
    for key in ("interval", "flush_interval"):
        length = seconds(agent.read.get(key, "10s"))
        if length is None or length <= 0:
            what = f"[agent] {key} = {agent.written[key]!r}: must be a duration above zero, such as '10s'"
            yield LintFinding(what, agent.line(key))


def _check_plugins(found: Configuration) -> Iterator[LintFinding]:
    if not found.names("outputs"):
        yield LintFinding("it has no output: its data would be sent nowhere")
    if not found.names("inputs"):
        yield LintFinding("it has no input: there would be no data to send")
    for output in found.plugins("outputs", "influxdb"):
        for shown, url in zip(outputs.urls(output.written), outputs.urls(output.read), strict=True):
            scheme, separator, _ = url.partition("://")
            if not separator or scheme.lower() not in _SCHEMES:
                schemes = ", ".join(f"{one}://" for one in _SCHEMES)
                yield LintFinding(f"outputs.influxdb: '{shown}' must start with one of {schemes}", output.line("urls"))
    for one in found.plugins("inputs"):
        length = own_interval(one)
        if length is None or length < 0:
            what = f"{one.name}: interval = {one.written['interval']!r}: must be a duration, such as '10s' or '24h'"
            yield LintFinding(what, one.line("interval"))


def _check_variables(found: Configuration) -> Iterator[LintFinding]:
    """Variables that are not set: Telegraf would not start, or would send their names as values."""
    missing = dict[str, int]()
    for line, _, text in found.strings:
        try:
            telegraf_text.substitute(text, found.environment)
        except MissingVariableError as error:
            missing.setdefault(error.name, line)
    for line, name, is_error in _unset(found):
        if is_error:
            missing.setdefault(name, line)
    for name, line in missing.items():
        yield LintFinding(f"the variable {name} is not set: add it to hosts.<host>.env in aresmon.yml", line)


def _unset(found: Configuration) -> Iterator[tuple[int, str, bool]]:
    """The variables whose name looks meant and that nobody sets: line, name, and whether this is an error.

    Telegraf leaves what nobody sets as it is: most are a shell's or awk's. An error is a value that is nothing but the
    name of a variable, since it would be sent as a password or token, and a ${NAME} in what decides where points go.
    """
    named = set[tuple[str, bool]]()
    for line, path, text in found.strings:
        for one in telegraf_text.find_unset(text, found.environment):
            name, is_braced = one["named"] or one["braced"], one["named"] is None
            if name != name.upper() or not (is_braced or len(name) >= _SHORTEST_NAME):
                continue
            is_whole = one[0] == text.strip()
            is_error = is_whole or (is_braced and path[0] in _DECISIVE)
            if (is_error or is_braced) and (name, is_error) not in named:
                named.add((name, is_error))
                yield line, name, is_error


def _is_variable(text: str, environment: Mapping[str, str]) -> bool:
    """Whether a text has a variable that is set."""
    return bool(tables.of("", environment).read(text) != tables.of("", {}).read(text))


def check(host: Host, body: str, config: Config, *, own: str | None = None) -> None:
    """Raise AresmonError with all errors of this configuration for this host, and with what else to do about it.

    `own` is the host's own file; findings name its lines.
    """
    known = environment(host, config)
    wrong = errors(body, host.name, known)
    if wrong:
        wrong += advice(body, host, config)
        raise AresmonError(
            "\n".join(f"{telegraf.place(host, body, own, one.line)}: {one.text}" for one in wrong),
            hint="nothing was changed; correct the configuration and push again",
        )


def advice(body: str, host: Host, config: Config) -> list[LintFinding]:
    """What can be left out of a configuration."""
    try:
        found = tables.of(body, environment(host, config))
    except TelegrafTomlError:
        return []
    text = "this output writes to this site and can be removed: aresmon adds its own, with this host's password"
    return [LintFinding(text, one.line()) for one in outputs.by_hand(found, [config.edge.url])]

"""Errors in a configuration that Telegraf's own check accepts, and that would fail without a message."""

from __future__ import annotations

import functools
import math
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from aresmon.config import telegraf_text
from aresmon.config.model import Config, Host
from aresmon.config.telegraf_text import MissingVariableError
from aresmon.render import telegraf
from aresmon.system.errors import AresmonError

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)")
_DURATION = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|\u00b5s|\u03bcs|ms|s|m|h|d)")  # both letters for micro
_SECONDS = {
    "ns": 1e-9,
    "us": 1e-6,
    "\u00b5s": 1e-6,
    "\u03bcs": 1e-6,
    "ms": 1e-3,
    "s": 1,
    "m": 60,
    "h": 3600,
    "d": 86400,
}
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
    def deadline(self) -> int:
        """The seconds after its start in which an agent's data must arrive, with a margin for slow machines."""
        return int(self.interval + self.flush + self.jitter + _MARGIN)


@functools.lru_cache(maxsize=4)
def _tables_of(text: str) -> dict[str, Any]:
    """Parse a configuration as it is written. Cached, since each is read several times in a row."""
    return tomllib.loads(telegraf_text.without_comments(telegraf_text.without_bom(text)))


def environment(host: Host, config: Config) -> dict[str, str]:
    """The variables that a host's Telegraf can read. The password's value is none."""
    found = _BY_ENGINE if host.agent == "docker" else _BY_SYSTEMD
    return found | {"ARESMON_PASSWORD": "none"} | telegraf.variables(host, config)


def read_timing(text: str, environment: Mapping[str, str] = {}) -> AgentTiming:
    """Read the intervals of a configuration; missing ones have Telegraf's defaults."""
    agent = _became(_tables_of(text).get("agent", {}), environment)
    jitters = (seconds(agent.get(key, "0s")) or 0.0 for key in ("collection_jitter", "flush_jitter"))
    interval = seconds(agent.get("interval", "10s")) or _INTERVAL
    return AgentTiming(interval, seconds(agent.get("flush_interval", "10s")) or _FLUSH, sum(jitters))


def rounded_interval(text: str, environment: Mapping[str, str] = {}) -> int:
    """The interval in whole seconds if the agent collects at multiples of it on the clock, else 0."""
    interval = read_timing(text, environment).interval
    is_rounded = _tables_of(text).get("agent", {}).get("round_interval", True)
    return int(interval) if is_rounded and interval >= _SHORTEST and interval == int(interval) else 0


def errors(text: str, host: str, environment: Mapping[str, str]) -> list[str]:
    """All errors of this configuration for this host, whose Telegraf reads these variables."""
    try:
        tables = _tables_of(text)
    except tomllib.TOMLDecodeError as error:
        return [f"not TOML: {error}"]
    found = _Written(tables, environment)
    return [*_check_agent(found.only("agent"), host), *_check_plugins(found), *_check_variables(tables, environment)]


def warnings(text: str, environment: Mapping[str, str]) -> list[str]:
    """Warnings about settings that work but are not advisable."""
    tables, found = _tables_of(text), []
    for output in _tables(tables, "outputs", "influxdb"):
        password = str(output.get("password", ""))
        if password and not password.startswith("@{") and _became(password, environment) == _literally(password):
            found.append("it contains a password in plain text: use `${ARESMON_PASSWORD}` instead")
        if output.get("skip_database_creation") is not True:
            found.append(
                "outputs.influxdb without `skip_database_creation = true`: a typo would ask for a new database"
            )
    for name in dict.fromkeys(name for name, is_error in _unset(tables, environment) if not is_error):
        found.append(f"nobody sets the variable {name}, so Telegraf leaves ${{{name}}} as it is written")
    return found


def unencrypted_urls(text: str, environment: Mapping[str, str] = {}) -> list[str]:
    """The URLs without TLS to which a configuration writes."""
    outputs = _tables(_became(_tables_of(text), environment), "outputs", "influxdb")
    return [url for output in outputs for url in _urls(output) if url.startswith("http://")]


def output_settings(text: str) -> str:
    """The settings of the outputs as text; Telegraf names a disk buffer after them."""
    return repr(sorted(_plugins_of(_tables_of(text), "outputs").items()))


def seconds(duration: Any) -> float | None:
    """Parse a duration as Telegraf does: `1m30s`, or a number of seconds; None if it is neither."""
    if isinstance(duration, bool):
        return None
    if isinstance(duration, int | float):
        return float(duration) if math.isfinite(duration) else None
    text = str(duration)
    if not text or _NUMBER.fullmatch(text):
        return float(text or 0)
    sign, digits = (-1, text[1:]) if text[0] == "-" else (1, text.removeprefix("+"))
    parts = _DURATION.findall(digits)
    if not parts or "".join("".join(part) for part in parts) != digits:
        return None
    return sign * sum(float(number) * _SECONDS[unit] for number, unit in parts)


@dataclass(frozen=True, slots=True)
class _Written:
    """Tables as they are written, for messages, and what they become with the variables of the host's Telegraf."""

    tables: dict[str, Any]
    environment: Mapping[str, str]

    def only(self, name: str) -> tuple[Any, Any]:
        written = self.tables.get(name, {})
        return written, _became(written, self.environment)

    def several(self, kind: str, name: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        return [(one, _became(one, self.environment)) for one in _tables(self.tables, kind, name)]


def _check_agent(both: tuple[Any, Any], host: str) -> Iterator[str]:
    written, agent = both
    if not isinstance(agent, dict):
        yield "agent must be a table: [agent]"
        return
    if agent.get("hostname") != host:
        shown = written.get("hostname")
        yield f"[agent] hostname is {shown!r}: its points would be attributed to another host; it must be {host!r}"
    if agent.get("omit_hostname"):
        yield "[agent] has omit_hostname: its points would belong to no host"
    for key in ("interval", "flush_interval"):
        length = seconds(agent.get(key, "10s"))
        if length is None or length <= 0:
            yield f"[agent] {key} = {written[key]!r}: must be a duration above zero, such as '10s'"


def _check_plugins(found: _Written) -> Iterator[str]:
    if not _plugins_of(found.tables, "outputs"):
        yield "it has no output: its data would be sent nowhere"
    if not _plugins_of(found.tables, "inputs"):
        yield "it has no input: there would be no data to send"
    for written, output in found.several("outputs", "influxdb"):
        for shown, url in zip(_urls(written), _urls(output), strict=True):
            scheme, separator, _ = url.partition("://")
            if not separator or scheme.lower() not in _SCHEMES:
                yield f"outputs.influxdb: '{shown}' must start with one of {', '.join(f'{one}://' for one in _SCHEMES)}"
    for name in _plugins_of(found.tables, "inputs"):
        for written, one in found.several("inputs", name):
            length = seconds(one.get("interval", "10s"))
            if length is None or length < 0:
                yield f"inputs.{name}: interval = {written['interval']!r}: must be a duration, such as '10s'"


def _check_variables(tables: Any, environment: Mapping[str, str]) -> Iterator[str]:
    """Variables that are not set: Telegraf would not start, or would send their names as values."""
    missing = []
    for _, text in _strings(tables):
        try:
            telegraf_text.substitute(text, environment)
        except MissingVariableError as error:
            missing.append(error.name)
    missing += [name for name, is_error in _unset(tables, environment) if is_error]
    for name in dict.fromkeys(missing):
        yield f"the variable {name} is not set: add it to hosts.<host>.env in aresmon.yml"


def _unset(tables: Any, environment: Mapping[str, str]) -> Iterator[tuple[str, bool]]:
    """The variables whose name looks meant and that nobody sets, each with whether this is an error.

    Telegraf leaves what nobody sets as it is: most are a shell's or awk's. An error is a value that is nothing but the
    name of a variable, since it would be sent as a password or token, and a ${NAME} in what decides where points go.
    """
    for path, text in _strings(tables):
        for found in telegraf_text.unset(text, environment):
            name, is_braced = found["named"] or found["braced"], found["named"] is None
            if name != name.upper() or not (is_braced or len(name) >= _SHORTEST_NAME):
                continue
            is_whole = found[0] == text.strip()
            if is_whole or is_braced:
                yield name, is_whole or path[0] in _DECISIVE


def _strings(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every string of a configuration, with the keys that lead to it."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from _strings(one, (*path, key))
    elif isinstance(value, list):
        for one in value:
            yield from _strings(one, path)


def _became(value: Any, environment: Mapping[str, str]) -> Any:
    """What Telegraf makes of a value. A string that it refuses stays as it is; `_check_variables` reports it."""
    if isinstance(value, str):
        try:
            return telegraf_text.substitute(value, environment)
        except MissingVariableError:
            return value
    if isinstance(value, dict):
        return {key: _became(one, environment) for key, one in value.items()}
    return [_became(one, environment) for one in value] if isinstance(value, list) else value


def _literally(text: str) -> str:
    """A string in which no variable is set."""
    return str(_became(text, {}))


def _urls(output: Mapping[str, Any]) -> list[str]:
    """The addresses of an outputs.influxdb."""
    urls = output.get("urls", [])
    return [str(url) for url in (urls if isinstance(urls, list) else [urls])]


def _plugins_of(tables: dict[str, Any], kind: str) -> dict[str, Any]:
    found = tables.get(kind, {})
    return found if isinstance(found, dict) else {}


def _tables(tables: dict[str, Any], kind: str, name: str) -> list[dict[str, Any]]:
    found = _plugins_of(tables, kind).get(name, [])
    several = found if isinstance(found, list) else [found]  # [inputs.cpu], as it was written before 2016
    return [one for one in several if isinstance(one, dict)]


def check(host: Host, body: str, config: Config) -> None:
    """Raise AresmonError with all errors of this configuration for this host."""
    wrong = errors(body, host.name, environment(host, config))
    if wrong:
        raise AresmonError(
            "\n".join(f"{host.name}.conf: {one}" for one in wrong),
            hint="nothing was changed; correct the configuration and push again",
        )

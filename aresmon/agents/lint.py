"""Errors in a configuration that Telegraf's own check accepts, and that would fail without a message."""

from __future__ import annotations

import functools
import math
import re
import tomllib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from aresmon.config.model import Config, Host
from aresmon.render import telegraf
from aresmon.system.errors import AresmonError

_DURATION = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|ms|s|m|h|d)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600, "d": 86400}
_REFERENCE = re.compile(r"\$(?:\{(?P<braced>[A-Za-z_]\w*)(?P<rest>[^}]*)\}|(?P<bare>[A-Za-z_]\w*))")
_SCHEMES = ("http", "https", "udp", "unix")
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
    """Parse a configuration. Cached, since each is read several times in a row."""
    return tomllib.loads(text)


def read_timing(text: str) -> AgentTiming:
    """Read the intervals of a configuration; missing ones have Telegraf's defaults."""
    agent = _tables_of(text).get("agent", {})
    jitters = (seconds(agent.get(key, "0s")) or 0.0 for key in ("collection_jitter", "flush_jitter"))
    interval = seconds(agent.get("interval", "10s")) or _INTERVAL
    return AgentTiming(interval, seconds(agent.get("flush_interval", "10s")) or _FLUSH, sum(jitters))


def rounded_interval(text: str) -> int:
    """The interval in whole seconds if the agent collects at multiples of it on the clock, else 0."""
    interval = read_timing(text).interval
    is_rounded = _tables_of(text).get("agent", {}).get("round_interval", True)
    return int(interval) if is_rounded and interval >= _SHORTEST and interval == int(interval) else 0


def errors(text: str, host: str, known: Collection[str]) -> list[str]:
    """All errors of this configuration for this host. `known` are the names of the host's variables."""
    try:
        tables = _tables_of(text)
    except tomllib.TOMLDecodeError as error:
        return [f"not TOML: {error}"]
    return [*_check_agent(tables.get("agent", {}), host), *_check_plugins(tables), *_check_variables(text, known)]


def warnings(text: str) -> list[str]:
    """Warnings about settings that work but are not advisable."""
    found = []
    for output in _tables(_tables_of(text), "outputs", "influxdb"):
        password = str(output.get("password", ""))
        if password and not password.startswith(("$", "@{")):
            found.append("it contains a password in plain text: use `${ARESMON_PASSWORD}` instead")
        if output.get("skip_database_creation") is not True:
            found.append(
                "outputs.influxdb without `skip_database_creation = true`: a typo would ask for a new database"
            )
    return found


def unencrypted_urls(text: str) -> list[str]:
    """The URLs without TLS to which a configuration writes."""
    found = (output.get("urls", []) for output in _tables(_tables_of(text), "outputs", "influxdb"))
    urls = (url for one in found for url in (one if isinstance(one, list) else [one]))
    return [str(url) for url in urls if str(url).startswith("http://")]


def output_settings(text: str) -> str:
    """The settings of the outputs as text; Telegraf names a disk buffer after them."""
    return repr(sorted(_plugins_of(_tables_of(text), "outputs").items()))


def seconds(duration: Any) -> float | None:
    """Parse a duration, such as Telegraf's `1m30s` or a number of seconds; None if it is neither."""
    if isinstance(duration, int | float):
        return float(duration) if math.isfinite(duration) else None
    text = str(duration).strip()
    parts = _DURATION.findall(text)
    if not parts or "".join("".join(part) for part in parts) != text:
        return None
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def _check_agent(agent: Any, host: str) -> Iterator[str]:
    if not isinstance(agent, dict):
        yield "agent must be a table: [agent]"
        return
    name = agent.get("hostname")
    if name not in (host, "${ARESMON_HOST}", "$ARESMON_HOST") and not str(name).startswith("${ARESMON_HOST:"):
        yield f"[agent] hostname is {name!r}: its points would be attributed to another host; it must be {host!r}"
    if agent.get("omit_hostname"):
        yield "[agent] has omit_hostname: its points would belong to no host"
    for key in ("interval", "flush_interval"):
        length = seconds(agent.get(key, "10s"))
        if length is None or length <= 0:
            yield f"[agent] {key} = {agent[key]!r}: must be a duration above zero, such as '10s'"


def _check_plugins(tables: dict[str, Any]) -> Iterator[str]:
    if not _plugins_of(tables, "outputs"):
        yield "it has no output: its data would be sent nowhere"
    if not _plugins_of(tables, "inputs"):
        yield "it has no input: there would be no data to send"
    for output in _tables(tables, "outputs", "influxdb"):
        urls = output.get("urls", [])
        for url in urls if isinstance(urls, list) else [urls]:
            scheme, separator, _ = str(url).partition("://")
            if not str(url).startswith("$") and (not separator or scheme not in _SCHEMES):
                yield f"outputs.influxdb: '{url}' must start with one of {', '.join(f'{one}://' for one in _SCHEMES)}"
    for name in _plugins_of(tables, "inputs"):
        for one in _tables(tables, "inputs", name):
            length = seconds(one.get("interval", "10s"))
            if length is None or length <= 0:
                yield f"inputs.{name}: interval = {one['interval']!r}: must be a duration above zero, such as '10s'"


def _check_variables(text: str, known: Collection[str]) -> Iterator[str]:
    """Variables that are not set: Telegraf would not start, or would send their names as values."""
    reported: set[str] = set()
    for line in text.splitlines():
        if line.lstrip().startswith("#"):
            continue
        for found in _REFERENCE.finditer(line):
            name = found["braced"] or found["bare"]
            has_default = (found["rest"] or "").startswith((":-", "-"))
            if name not in known and not has_default and name not in reported:
                reported.add(name)
                yield f"the variable {name} is not set: add it to hosts.<host>.env in aresmon.yml"


def _plugins_of(tables: dict[str, Any], kind: str) -> dict[str, Any]:
    found = tables.get(kind, {})
    return found if isinstance(found, dict) else {}


def _tables(tables: dict[str, Any], kind: str, name: str) -> list[dict[str, Any]]:
    found = _plugins_of(tables, kind).get(name, [])
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def check(host: Host, body: str, config: Config) -> None:
    """Raise AresmonError with all errors of this configuration for this host."""
    known = {*telegraf.variables(host, config), "ARESMON_PASSWORD"}
    wrong = errors(body, host.name, known)
    if wrong:
        raise AresmonError(
            "\n".join(f"{host.name}.conf: {one}" for one in wrong),
            hint="nothing was changed; correct the configuration and push again",
        )

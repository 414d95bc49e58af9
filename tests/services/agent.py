"""The real Telegraf on a host of services, with what collectors configure; what it sends goes into a file.

An agent runs `pace` times as fast as on a machine: at 10, what is read every 10 s there is read each second. Nothing
else of its configuration differs, but for the output.
"""

from __future__ import annotations

import dataclasses
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

import yaml

from aresmon.config import collectors, model, package_data
from aresmon.config.model import Config
from aresmon.render import telegraf
from aresmon.render.telegraf import TelegrafTemplates
from tests.engine.sites import eventually
from tests.services.host import SHARED, Host
from tests.services.points import Point, parse, select

HOST = "lewi"
"""The name of the host whose agent it is."""

_OUTPUT = """\
[[outputs.file]]
  files = ["{file}"]
  data_format = "influx"
"""
_INTERVAL = re.compile(r'^([ \t]*(?:interval|flush_interval)[ \t]*=[ \t]*)"(\d+)(ms|s|m|h)"', re.MULTILINE)
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_TEMPLATES = TelegrafTemplates.of(package_data.package_files())
_CATALOGUE = collectors.load()
_numbers = count(1)


@dataclass(frozen=True)
class Setup:
    """What an agent is told: its configuration, with `{file}` for where it writes to, and its environment."""

    text: str
    config: Config
    environment: Mapping[str, str]


def collect(
    *wanted: str | Mapping[str, Any],
    extra: str = "",
    env: Mapping[str, str] | None = None,
    secrets: Mapping[str, str] | None = None,
) -> Setup:
    """What aresmon renders for a host with these collectors, each as `collect:` of aresmon.yml takes it.

    `extra` is the host's fragment of the site's own; `secrets` are the values of those that `{secret: NAME}` names. The
    collector `internal` is always there, as on every host.
    """
    host = {"agent": "systemd", "collect": list(wanted), "env": dict(env or {})}
    config = model.load(yaml.safe_dump({"hosts": {HOST: host}}), _CATALOGUE)
    templates = dataclasses.replace(_TEMPLATES, output=_OUTPUT)
    text = telegraf.configuration(config.host(HOST), _CATALOGUE, templates, extra=extra)
    values = {one.variable: (secrets or {})[one.name] for one in config.host(HOST).secrets}
    return Setup(text, config, telegraf.variables(config.host(HOST), config) | values)


def elsewhere(setup: Setup, **variables: str) -> Setup:
    """The same, on a machine whose files are elsewhere: HOST_PROC, HOST_SYS, as an agent in a container is told."""
    return dataclasses.replace(setup, environment={**setup.environment, **variables})


def plugins(text: str, **environment: str) -> Setup:
    """Telegraf tables as they are, on a host without any collector but `internal`."""
    return collect(extra=text, env=environment)


@dataclass(frozen=True)
class Agent:
    """A running Telegraf."""

    host: Host
    name: str
    setup: Setup
    pace: float

    def points(self, measurement: str = "", **tags: str) -> list[Point]:
        """What it has sent so far, the oldest first; of one measurement, or all."""
        file = self.host.folder / f"{self.name}.points"
        found = parse(file.read_text(encoding="utf-8")) if file.exists() else []
        return select(found, measurement, **tags) if measurement else found

    def log(self) -> str:
        return self.host.log(self.name)

    def errors(self) -> list[str]:
        """The errors that it logged."""
        return [line for line in self.log().splitlines() if " E! " in line]

    def read(self, readings: int = 2, *, of: str = "internal_agent", within: float = 60) -> list[Point]:
        """Wait until it has sent so many more readings of a measurement; all that it has sent by then."""
        wanted = _readings(self.points(), of) + readings
        return self.until(lambda points: _readings(points, of) >= wanted, within=within)

    def until(self, satisfied: Callable[[list[Point]], bool], *, within: float = 60) -> list[Point]:
        """Wait until what it has sent satisfies a test; all that it has sent by then."""
        is_there = eventually(lambda: satisfied(self.points()), within=within, every=0.2)
        points = self.points()
        seen = sorted({one.measurement for one in points})
        assert is_there, f"not within {within} s; measurements so far: {seen}\n{self.log()}"
        return points


def _readings(points: Sequence[Point], measurement: str) -> int:
    return len({one.time for one in select(points, measurement)})


@contextmanager
def agent(
    host: Host,
    setup: Setup,
    *,
    pace: float = 10,
    longest: float = float("inf"),
    user: str = "telegraf",
    capabilities: Sequence[str] = (),
) -> Iterator[Agent]:
    """A running agent, by the account of Telegraf's package.

    No interval is longer than `longest` seconds. `capabilities` are those that its unit would give it, as net_raw; the
    host must have them.
    """
    running = Agent(host, f"telegraf-{next(_numbers)}", setup, pace)
    file, points = f"/etc/telegraf/{running.name}.conf", f"{SHARED}/{running.name}.points"
    text = setup.text.replace(_OUTPUT, _OUTPUT.format(file=points))
    host.write(file, hurried(text, pace, longest), owner="root:telegraf", mode="0640")
    given = "".join(f" --{kind}-caps=+{one}" for kind in ("inh", "ambient") for one in capabilities)
    variables = " ".join(f"{name}={shlex.quote(value)}" for name, value in setup.environment.items())
    started = (
        f"setpriv --reuid={user} --regid=$(id -g {user}) --init-groups{given} env {variables} telegraf --config {file}"
    )
    host.start(running.name, started, ready=f"[[ -s {points} ]]")
    try:
        yield running
    finally:
        host.stop(running.name)


def gather(host: Host, setup: Setup, *, of: str, readings: int = 2, within: float = 60, **options: Any) -> list[Point]:
    """What an agent sends until it has read a measurement so many times, four times a second. It must log no error."""
    with agent(host, setup, longest=0.25, **options) as running:
        points = running.read(readings, of=of, within=within)
        assert running.errors() == [], running.log()
    return points


def hurried(text: str, pace: float, longest: float) -> str:
    """A configuration whose intervals are shorter by so much, and whose points are timed as exactly as that needs."""

    def shorter(found: re.Match[str]) -> str:
        seconds = min(int(found[2]) * _SECONDS[found[3]] / pace, longest)
        return f'{found[1]}"{max(seconds * 1000, 1):.0f}ms"'

    text = _INTERVAL.sub(shorter, text)
    return text.replace('flush_jitter = "2s"', 'flush_jitter = "0s"').replace('precision = "1s"', 'precision = "1ms"')

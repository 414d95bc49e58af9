"""The inputs of a configuration: what may be expected to arrive from a host that runs it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aresmon.agents import lint, tables
from aresmon.agents.lint import AgentTiming
from aresmon.config.collectors import Catalogue
from aresmon.config.names import MARKER
from aresmon.config.telegraf_toml import TelegrafTomlError

_MARKER = re.compile(rf'^\s*\[\[inputs\.mock\]\]\s*\n\s*metric_name = "{MARKER}"', re.MULTILINE)
_DEFAULT = AgentTiming(10.0, 10.0, 2.0)  # as in telegraf/agent.conf


@dataclass(frozen=True, slots=True)
class AgentInputs:
    """The inputs of a configuration, by plug-in. `shipped` are those of shipped collectors, whose measurements begin
    with the plug-in's name, `collected` those of the site's own collectors. `others` stand in a file of somebody's own:
    they may be quiet for as long as they like."""

    shipped: frozenset[str] = frozenset()
    collected: frozenset[str] = frozenset()
    others: frozenset[str] = frozenset()
    timing: AgentTiming = field(default=_DEFAULT)

    @property
    def plugins(self) -> frozenset[str]:
        return self.shipped | self.collected | self.others


def read(body: str, catalogue: Catalogue, environment: Mapping[str, str] = {}) -> AgentInputs:
    """The inputs of a configuration without its config ID. Collectors are found by their tables, which it contains;
    `environment` are the variables that its agent reads."""
    shipped, collected, rest = set[str](), set[str](), body
    for collector in catalogue.values():
        without = collector.without(rest)
        if without is not None:
            rest = without
            (shipped if collector.is_shipped else collected).update(collector.inputs)
    try:
        others, timing = frozenset(_inputs(tables.parse(rest))), lint.read_timing(rest, environment)
    except TelegrafTomlError:
        others, timing = frozenset(), _DEFAULT
    return AgentInputs(frozenset(shipped), frozenset(collected - shipped), others - shipped - collected, timing)


@dataclass(frozen=True, slots=True)
class InputChange:
    """Two configurations of a host, with or without their config IDs: the one that ran before a push, empty where that
    is unknown, and the one that it deploys."""

    before: str = field(repr=False)
    after: str = field(repr=False)

    def is_removed(self, measurement: str) -> bool:
        """Whether a measurement that arrived before need not arrive any more: its input was taken out.

        A measurement is its input's if it has its name, or begins with it (`docker_container_cpu`). One that has the
        name of no input, as those of `exec`, is not expected where any input, processor or aggregator is no longer as
        it was.
        """
        if self._is_kept_whole():
            return False
        before, after = _parsed(_unmarked(self.before)), _parsed(_unmarked(self.after))
        owners = [name for name in {*_inputs(before), *_inputs(after)} if _is_named_after(measurement, name)]
        if owners:
            return max(owners, key=len) not in _inputs(after)
        return any(one not in _plugins(after) for one in _plugins(before))

    def _is_kept_whole(self) -> bool:
        """Whether every line of the former configuration is in the new one. Usual, and quicker than parsing both."""
        lines = {line.strip() for line in _unmarked(self.before).splitlines() if not line.lstrip().startswith("#")}
        return bool(lines) and lines <= {line.strip() for line in _unmarked(self.after).splitlines()}


def _unmarked(text: str) -> str:
    marker = _MARKER.search(text)
    return text[: marker.start()] if marker else text


def _parsed(text: str) -> Mapping[str, Any]:
    try:
        return tables.parse(text)
    except TelegrafTomlError:
        return {}


def _inputs(parsed: Mapping[str, Any]) -> list[str]:
    found = parsed.get("inputs", {})
    return list(found) if isinstance(found, dict) else []


def _plugins(parsed: Mapping[str, Any]) -> list[tuple[str, str, Any]]:
    """Each input, processor and aggregator: its kind, its name, its settings."""
    return [
        (kind, name, settings)
        for kind in ("inputs", "processors", "aggregators")
        for name, several in parsed.get(kind, {}).items()
        for settings in (several if isinstance(several, list) else [several])
    ]


def _is_named_after(measurement: str, plugin: str) -> bool:
    return measurement == plugin or measurement.startswith(f"{plugin}_")

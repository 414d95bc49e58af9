"""The inputs of a configuration: what may be expected to arrive from a host that runs it."""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from aresmon.agents import lint, tables
from aresmon.agents.lint import AgentTiming
from aresmon.config.collectors import Catalogue, Collector
from aresmon.config.names import MARKER
from aresmon.config.telegraf_toml import TelegrafTomlError

_MARKER = re.compile(rf'^\s*\[\[inputs\.mock\]\]\s*\n\s*metric_name = "{MARKER}"', re.MULTILINE)
_DEFAULT = AgentTiming(10.0, 10.0, 2.0)  # as in telegraf/agent.conf
_WORD = re.compile(r"\"([a-z][a-z0-9_]*)\"")
_LINE = re.compile(
    r"""^[ \t]*(?:\[\[?[ \t]*(?P<table>[^\]\n]+?)[ \t]*\]|interval[ \t]*=[ \t]*(["'])(?P<every>.*?)\2)""", re.M
)
# A script, such as one of `exec`, may have lines that look like headings: `[[ -e /run/reboot-required ]]`.
_SCRIPT = re.compile(r"'''.*?'''|\"\"\".*?\"\"\"", re.DOTALL)


@dataclass(frozen=True, slots=True)
class AgentInputs:
    """The inputs of a configuration, by plug-in. `shipped` are those of shipped collectors, whose measurements begin
    with the plug-in's name or are among its `words`, `collected` those of the site's own collectors. `others` stand in
    a file of somebody's own: they may be quiet for as long as they like. `every` is the interval of those that have one
    of their own, in seconds, `tables` how many tables a plug-in has."""

    shipped: frozenset[str] = frozenset()
    collected: frozenset[str] = frozenset()
    others: frozenset[str] = frozenset()
    timing: AgentTiming = field(default=_DEFAULT)
    words: Mapping[str, frozenset[str]] = field(default_factory=dict)
    every: Mapping[str, float] = field(default_factory=dict)
    tables: Mapping[str, int] = field(default_factory=dict)

    @property
    def plugins(self) -> frozenset[str]:
        return self.shipped | self.collected | self.others


def read(body: str, catalogue: Catalogue, environment: Mapping[str, str] = {}) -> AgentInputs:
    """The inputs of a configuration without its config ID. Collectors are found by their tables, which it contains;
    `environment` are the variables that its agent reads."""
    every, counted = _tables(body.partition("\n")[2])  # without the heading, which names the host
    shipped, collected, rest, words = set[str](), set[str](), body, dict[str, frozenset[str]]()
    for collector in catalogue.values():
        without = collector.without(rest)
        if without is not None:
            rest = without
            there = [plugin for plugin in collector.inputs if plugin in counted]  # an option may leave out the others
            (shipped if collector.is_shipped else collected).update(there)
            for plugin in there:
                words[plugin] = words.get(plugin, frozenset()) | words_of(collector)
    try:
        others, timing = frozenset(_inputs(tables.parse(rest))), lint.read_timing(rest, environment)
    except TelegrafTomlError:
        others, timing = frozenset(), _DEFAULT
    every, counted = _tables(tables.without_heading(body))
    own, others = frozenset(collected - shipped), others - shipped - collected
    return AgentInputs(frozenset(shipped), own, others, timing, words, every, counted)


def plugins_in(text: str) -> Collection[str]:
    """The plug-ins of which a configuration without a heading has tables."""
    return _tables(text)[1]


def words_of(collector: Collector) -> frozenset[str]:
    """The names that the measurements of a collector may have, or may begin with."""
    return _words(collector.template) | {collector.name}


def is_of(measurement: str, plugin: str, words: Collection[str]) -> bool:
    """Whether a measurement is a plug-in's, of which collectors have these words: by the plug-in's name, or a word.

    Both can begin with a word: `nfsstat` is that of `nfsclient` in the collector `nfs`.
    """
    return (
        _is_named_after(measurement, plugin)
        or measurement in words
        or any(plugin != word and plugin.startswith(word) and measurement.startswith(word) for word in words)
    )


@functools.lru_cache(maxsize=64)
def _words(text: str) -> frozenset[str]:
    """The values in a collector's tables that may be the name of a measurement."""
    return frozenset(_WORD.findall(text))


@functools.lru_cache(maxsize=16)
def _tables(text: str) -> tuple[Mapping[str, float], Mapping[str, int]]:
    """The interval of each plug-in whose tables all have one of their own, the shortest, and the number of its tables.

    Read line by line: parsing the configurations of many hosts would take seconds.
    """
    found = dict[str, list[float]]()
    plugin = ""
    for line in _LINE.finditer(_SCRIPT.sub("", text)):
        if line["table"]:
            kind, _, name = line["table"].partition(".")
            plugin = name if kind == "inputs" and "." not in name else ""
            if plugin:
                found.setdefault(plugin, []).append(0.0)
        elif plugin:
            found[plugin][-1] = lint.seconds(line["every"]) or 0.0
    every = {name: min(several) for name, several in found.items() if min(several) > 0}
    return every, {name: len(several) for name, several in found.items()}


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

    def is_rare(self, measurement: str, within: float) -> bool:
        """Whether a measurement that arrived before may be read for the first time after more than `within` seconds.

        Telegraf reads an input at multiples of its interval. An input is a measurement's by its name, as above, or if
        one of its settings has the measurement as its value.
        """
        if "interval" not in self.after:
            return False
        try:
            several = list(tables.of(_unmarked(self.after), {}).plugins("inputs"))
        except TelegrafTomlError:
            return False
        theirs = [
            one
            for one in several
            if _is_named_after(measurement, one.name.partition(".")[2])
            or any(text == measurement for _, _, text in tables.strings(one.written))
        ]
        return bool(theirs) and all((lint.own_interval(one) or 0.0) > within for one in theirs)

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

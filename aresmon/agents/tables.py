"""A Telegraf configuration as tables: as it is written, and as Telegraf reads it with a host's variables."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from aresmon.config import telegraf_text, telegraf_toml
from aresmon.config.telegraf_text import MissingVariableError
from aresmon.config.telegraf_toml import TomlTable

# The first line of what aresmon generates names the host; the rest is the same for all hosts with the same collectors.
_HEADING = re.compile(r"#[ -~]*(?=\n)")


def parse(text: str) -> TomlTable:
    """Parse a configuration as it is written. Cached, since many hosts have the same one except for its heading."""
    return _parse(without_heading(text))


def without_heading(text: str) -> str:
    """A configuration with an empty first comment, which would name the host; its lines stay where they are."""
    return _HEADING.sub("#", text, count=1) if text.startswith("#") else text


@functools.lru_cache(maxsize=16)
def _parse(text: str) -> TomlTable:
    return telegraf_toml.parse(text)


@dataclass(frozen=True, slots=True)
class LintFinding:
    """An error or a warning, and its line in the configuration; 0 if it is about the whole of it."""

    text: str
    line: int = 0


@dataclass(frozen=True, slots=True)
class Settings:
    """One table: as it is `written`, for messages, and as Telegraf reads it. `name` is that of its heading."""

    name: str
    written: TomlTable
    read: dict[str, Any]

    def line(self, key: str = "") -> int:
        """Where a setting is, or the table itself."""
        return self.written.lines.get(key, self.written.line)


@dataclass(frozen=True)
class Configuration:
    """A configuration, with the variables that the host's Telegraf can read. Each of its tables is read once."""

    tables: TomlTable
    environment: Mapping[str, str]
    _read: dict[int, Settings] = field(default_factory=dict, init=False, repr=False)

    @functools.cached_property
    def strings(self) -> list[tuple[int, tuple[str, ...], str]]:
        """Every string, with its line and the keys that lead to it."""
        return list(strings(self.tables))

    @property
    def agent(self) -> Settings | None:
        """The table [agent], empty if there is none; None if it is something else."""
        found = self.tables.get("agent", TomlTable(1))
        return self._settings("agent", found) if isinstance(found, TomlTable) else None

    def names(self, kind: str) -> list[str]:
        """The plug-ins of a kind, such as `inputs`."""
        found = self.tables.get(kind, {})
        return list(found) if isinstance(found, dict) else []

    def plugins(self, kind: str, name: str = "") -> Iterator[Settings]:
        """The tables of a plug-in, or of all plug-ins of a kind."""
        for one in [name] if name else self.names(kind):
            found = self.tables[kind].get(one, []) if one in self.names(kind) else []
            several = found if isinstance(found, list) else [found]  # [inputs.cpu], as it was written before 2016
            yield from (self._settings(f"{kind}.{one}", each) for each in several if isinstance(each, TomlTable))

    def read(self, value: Any) -> Any:
        """What Telegraf makes of a value. A string that it refuses stays as it is; the lint reports it."""
        if isinstance(value, str):
            try:
                return telegraf_text.substitute(value, self.environment)
            except MissingVariableError:
                return value
        if isinstance(value, dict):
            return {key: self.read(one) for key, one in value.items()}
        return [self.read(one) for one in value] if isinstance(value, list) else value

    def _settings(self, name: str, table: TomlTable) -> Settings:
        if id(table) not in self._read:
            self._read[id(table)] = Settings(name, table, self.read(table))
        return self._read[id(table)]


def of(text: str, environment: Mapping[str, str]) -> Configuration:
    """Parse a configuration. Raises TelegrafTomlError."""
    return _of(text, frozenset(environment.items()))


@functools.lru_cache(maxsize=8)
def _of(text: str, environment: frozenset[tuple[str, str]]) -> Configuration:
    return Configuration(parse(text), dict(environment))


def strings(table: TomlTable, path: tuple[str, ...] = ()) -> Iterator[tuple[int, tuple[str, ...], str]]:
    """Every string of a table, with its line and the keys that lead to it."""
    for key, value in table.items():
        for one in _flat(value):
            if isinstance(one, TomlTable):
                yield from strings(one, (*path, key))
            elif isinstance(one, str):
                yield table.lines.get(key, table.line), (*path, key), one


def _flat(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        for one in value:
            yield from _flat(one)
    else:
        yield value

"""The catalogue: what can be watched. A collector is a file of Telegraf inputs, shipped or the site's own."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from aresmon.config import (
    collector_options,
    collector_template,
    discovery,
    host_files,
    option_declarations,
    package_data,
    telegraf_text,
    telegraf_toml,
)
from aresmon.config.collector_options import Option, OptionValue, SecretName
from aresmon.config.discovery import Discovery, DiscoveryError
from aresmon.config.option_declarations import OptionError
from aresmon.config.telegraf_toml import TelegrafTomlError, TomlTable
from aresmon.system.errors import AresmonError, SiteError
from aresmon.system.yaml_document import read_text

ALWAYS = "internal"
"""The collector that every agent runs: without it nobody could tell a silent input from a quiet one."""

# Telegraf's own syntax, which is Compose's: ${NAME}, ${NAME:-default}, ${NAME:?what is missing}
_VARIABLE = re.compile(r"\$\$|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?:(?P<kind>:?[-?])(?P<rest>[^}]*))?\}")
_NAME = re.compile(r"^[a-z0-9][a-z0-9_-]{0,40}$")
_VERSION = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+")
_HEADING = re.compile(r"[ \t]*\[")
_DECLARATION = re.compile(
    r"[ \t]*\[(?:collector|options\.[A-Za-z0-9_]+|discover(?:\.[a-z]+)?)\]|[ \t]*\[\[discover\.[a-z]+\]\]"
)
_ABOUT = frozenset(("needs", "agent", "telegraf"))


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable that a collector cannot do without, and what to put in it."""

    name: str
    hint: str


@dataclass(frozen=True)
class Collector:
    """One thing to watch. `text` is the content of its file; what it says is read on first use.

    Its properties raise AresmonError with the file, and the line where it is known; those of a shipped collector never.
    """

    name: str
    text: str = field(repr=False)
    path: Path

    @property
    def is_shipped(self) -> bool:
        return self.path.is_relative_to(package_data.TELEGRAF)

    @property
    def title(self) -> str:
        """The first line of its file, which is a comment."""
        first = self.text.lstrip().splitlines()[0]
        return first.removeprefix("#").strip() if first.startswith("#") else self.name

    @cached_property
    def options(self) -> Mapping[str, Option]:
        """The options that it declares, by name."""
        try:
            return option_declarations.declared(self._parsed)
        except OptionError as error:
            raise self._error(str(error), error.line) from None

    @cached_property
    def discovery(self) -> Discovery | None:
        """How it is found on a host; None for what somebody has to choose."""
        try:
            return discovery.declared(self._parsed, self.options)
        except DiscoveryError as error:
            raise self._error(str(error), self._parsed.lines.get("discover", 0)) from None

    @cached_property
    def template(self) -> str:
        """Its inputs and processors, in which its options are to be filled: the file without its declarations."""
        return _without_declarations(self.text)

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """The Telegraf plug-ins that it runs, as `internal_gather` names them."""
        return tuple(self._parsed.get("inputs", {}))

    @cached_property
    def required(self) -> tuple[Variable, ...]:
        """The variables that a host's `env` must give."""
        return tuple(_required(self.template))

    @property
    def needs(self) -> str:
        """What must be there on the host besides the agent, in words; empty for nothing."""
        return str(self._parsed.get("collector", {}).get("needs", ""))

    @property
    def agent(self) -> str:
        """The only kind of agent that can run it; empty for any."""
        return str(self._parsed.get("collector", {}).get("agent", ""))

    @property
    def telegraf(self) -> tuple[int, ...]:
        """The oldest Telegraf that has its inputs and settings; empty where any that is supported has them."""
        return tuple(int(part) for part in self._parsed.get("collector", {}).get("telegraf", "").split(".") if part)

    def configuration(self, given: Mapping[str, OptionValue] | None = None, *, in_container: bool = False) -> str:
        """Its tables with these options; those that are not given have their defaults. For an agent in a container,
        paths of the host are below /hostfs."""
        if not self.options:
            return self.template
        values = {name: one.default for name, one in self.options.items()} | dict(given or {})
        for name, option in self.options.items():
            if in_container and option.has_files:
                values[name] = host_files.in_container(values[name])
        return collector_template.fill(self.template, values)

    def without(self, configuration: str) -> str | None:
        """A configuration without this collector's tables, whatever its options; None where it has none of them."""
        if not self.options:
            text = self.template.rstrip("\n")
            return configuration.replace(text, "") if text in configuration else None
        if self._first_heading not in configuration:
            return None
        rest, count = self._pattern.subn("", configuration + "\n")
        return rest if count else None

    def check(self) -> None:
        """Raise SiteError with what is wrong with its file, each with its line; or AresmonError where it declares
        something wrong, or is no TOML."""
        wrong = [*self._wrong_tables(), *self._wrong_about()] or [*self._wrong_places()]
        if wrong:
            raise SiteError([self._error(what, line).message for line, what in sorted(wrong)])
        _ = self.discovery

    def _wrong_tables(self) -> Iterator[tuple[int, str]]:
        lines = self._parsed.lines
        for name in set(self._parsed) - {"inputs", "processors", "options", "collector", "discover"}:
            yield lines[name], f"has [{name}]; the agent and its output are aresmon's, a collector has inputs"
        plugins = self._parsed.get("inputs", {})
        if not isinstance(plugins, dict) or not all(_is_tables(settings) for settings in plugins.values()):
            yield lines["inputs"], "inputs are tables, as [[inputs.cpu]]"
        elif not plugins:
            yield 0, "has no [[inputs.NAME]]"

    def _wrong_about(self) -> Iterator[tuple[int, str]]:
        about, line = self._parsed.get("collector", {}), self._parsed.lines.get("collector", 0)
        if not isinstance(about, dict) or set(about) - _ABOUT:
            yield line, f"[collector] can say {', '.join(sorted(_ABOUT))}, and nothing else"
            return
        lines = getattr(about, "lines", {})
        if about.get("agent", "systemd") not in ("systemd", "docker"):
            yield lines["agent"], "[collector] agent must be systemd or docker"
        if not _VERSION.fullmatch(str(about.get("telegraf", "1.0.0"))):
            yield lines["telegraf"], "[collector] telegraf must be a version, as 1.31.0"

    def _wrong_places(self) -> Iterator[tuple[int, str]]:
        """Options that are used and not declared, or declared and not used."""
        used = collector_template.names(self.template) if self.options else frozenset()
        for name in used - set(self.options):
            line = next((n for n, text in enumerate(self.text.splitlines(), 1) if _names(text, name)), 0)
            yield line, f"uses {{{{{name}}}}}, and declares no [options.{name}]"
        for name in set(self.options) - used:
            yield self._parsed["options"][name].line, f"declares [options.{name}], and uses no {{{{{name}}}}}"

    def _error(self, what: str, line: int) -> AresmonError:
        return AresmonError(f"{self.path}:{line}: {what}" if line else f"{self.path}: {what}")

    @cached_property
    def _parsed(self) -> TomlTable:
        try:
            return telegraf_toml.parse(self.text)
        except TelegrafTomlError as error:
            raise self._error(f"not TOML: {error.what}", error.line) from None

    @cached_property
    def _first_heading(self) -> str:
        return next(line for line in self.template.splitlines() if _HEADING.match(line)).partition("#")[0].rstrip()

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return collector_template.pattern(self.template)


@dataclass(frozen=True, slots=True)
class CollectorUse:
    """A collector as a host runs it: its name, and the options that aresmon.yml gives it, sorted by name."""

    name: str
    options: tuple[tuple[str, OptionValue], ...] = ()

    @property
    def secrets(self) -> tuple[SecretName, ...]:
        """The secrets among its options."""
        return tuple(value for _, value in self.options if isinstance(value, SecretName))

    def entry(self) -> str | dict[str, dict[str, Any]]:
        """The same as aresmon.yml says it: the name, or a mapping of the name to its options."""
        options = {name: collector_options.plain(value) for name, value in self.options}
        return {self.name: options} if options else self.name


Catalogue = Mapping[str, Collector]


def load(overrides: Path | None = None) -> dict[str, Collector]:
    """The shipped collectors and those of `overrides/collectors`, which win; by name.

    Raises SiteError naming every file that is no collector.
    """
    # The tests check the shipped ones: here that would take longer than reading them.
    found = {path.stem: _read(path) for path in sorted((package_data.TELEGRAF / "collectors").glob("*.conf"))}
    errors: list[str] = []
    for path in sorted((overrides / "collectors").glob("*.conf")) if overrides is not None else ():
        try:
            found[path.stem] = read(path)
        except SiteError as error:
            errors.extend(error.errors)
        except AresmonError as error:
            errors.append(error.message)
    if errors:
        raise SiteError(errors, hint="docs/own-collectors.md describes what such a file may contain")
    return found


def read(path: Path) -> Collector:
    """One collector. Raises AresmonError with what is wrong with it: the file, and the line where it is known."""
    collector = _read(path)
    collector.check()
    return collector


def check_name(path: Path) -> None:
    """Raise AresmonError for a file whose name is none of a collector."""
    if not _NAME.match(path.stem):
        raise AresmonError(f"{path}: a collector's name is lower-case letters, digits, hyphens and underscores")


def _read(path: Path) -> Collector:
    check_name(path)
    return Collector(path.stem, telegraf_text.without_bom(read_text(path)), path)


def editor_schema(catalogue: Catalogue) -> dict[str, Any]:
    """The JSON Schema of aresmon.yml with the names and the options of these collectors, for editors."""
    schema = copy.deepcopy(package_data.site_schema())
    collect = schema["properties"]["hosts"]["additionalProperties"]["properties"]["collect"]
    with_options = {
        "type": "object",
        "minProperties": 1,
        "maxProperties": 1,
        "additionalProperties": False,
        "properties": {name: _options_schema(one) for name, one in sorted(catalogue.items())},
    }
    collect["items"] = {"anyOf": [{"enum": sorted(catalogue)}, with_options]}
    return schema


def _options_schema(collector: Collector) -> dict[str, Any]:
    required = [name for name, option in collector.options.items() if option.is_required and not option.unless]
    several = [(name, *option.unless) for name, option in collector.options.items() if option.unless]
    one_of = [{"anyOf": [{"required": [name]} for name in names]} for names in several]
    return {
        "description": collector.title,
        "type": "object" if required or one_of else ["object", "null"],
        "additionalProperties": False,
        "properties": {name: option.schema() for name, option in collector.options.items()},
        **({"required": required} if required else {}),
        **({"allOf": one_of} if one_of else {}),
    }


def plugins(text: str) -> list[str]:
    """The Telegraf plug-ins that a fragment takes, as its build tags name them: `inputs.exec`, `parsers.csv`."""
    tables = telegraf_toml.parse(text)
    found = {f"{kind}.{name}" for kind in ("inputs", "processors") for name in tables.get(kind, {})}
    settings = (
        one for kind in ("inputs", "processors") for several in tables.get(kind, {}).values() for one in several
    )
    return sorted(found | {f"parsers.{one['data_format']}" for one in settings if "data_format" in one})


def kept_fields(text: str) -> set[str] | None:
    """What the inputs of a fragment keep, as patterns; None where one of them does not say, or where it is no TOML."""
    try:
        tables = telegraf_toml.parse(text)
    except TelegrafTomlError:
        return None
    several = [one for settings in tables.get("inputs", {}).values() for one in settings]
    if not all(isinstance(one, dict) and one.get("fieldinclude") for one in several):
        return None
    return {str(field) for one in several for field in one["fieldinclude"]}


def _names(line: str, option: str) -> bool:
    """Whether a line of a collector's file uses this option."""
    return not line.lstrip().startswith("#") and re.search(rf"\{{\{{(?:if )?{option}(?:\[\])?\}}\}}", line) is not None


def _is_tables(settings: Any) -> bool:
    return isinstance(settings, list) and all(isinstance(one, dict) for one in settings)


def _without_declarations(text: str) -> str:
    """The text without the tables [collector], [options.…] and [discover…]; comments above the next table stay."""
    kept: list[str] = []
    pending: list[str] | None = None
    for line in text.splitlines(keepends=True):
        if _DECLARATION.match(line):
            pending = []
        elif _HEADING.match(line) and pending is not None:
            kept += [one for one in pending if one.strip()]
            pending = None
        if pending is None:
            kept.append(line)
        elif line.lstrip().startswith("#") or not line.strip():
            pending.append(line)
        else:
            pending.clear()
    return "".join(kept)


def _required(text: str) -> Iterator[Variable]:
    seen: set[str] = set()
    for match in _VARIABLE.finditer(telegraf_text.without_comments(text)):
        name, kind = match["name"], match["kind"] or ""
        if name and not kind.endswith("-") and name not in seen:  # $$ is a dollar
            seen.add(name)
            yield Variable(name, match["rest"] or "")

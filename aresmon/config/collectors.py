"""The catalogue: what can be watched. A collector is a file of Telegraf inputs, shipped or the site's own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aresmon.config import package_data, telegraf_text, telegraf_toml
from aresmon.config.telegraf_toml import TelegrafTomlError
from aresmon.system.errors import AresmonError, SiteError
from aresmon.system.yaml_document import read_text

ALWAYS = "internal"
"""The collector that every agent runs: without it nobody could tell a silent input from a quiet one."""

# Telegraf's own syntax, which is Compose's: ${NAME}, ${NAME:-default}, ${NAME:?what is missing}
_VARIABLE = re.compile(r"\$\$|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?:(?P<kind>:?[-?])(?P<rest>[^}]*))?\}")
_NAME = re.compile(r"^[a-z0-9][a-z0-9_-]{0,40}$")


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable that a collector cannot do without, and what to put in it."""

    name: str
    hint: str


@dataclass(frozen=True, slots=True)
class Collector:
    """One thing to watch.

    `inputs` are the Telegraf plug-ins it runs, as `internal_gather` names them; `title` is the first line
    of its file; `required` are the variables that a host's `env` must give.
    """

    name: str
    title: str
    text: str
    inputs: tuple[str, ...]
    required: tuple[Variable, ...]
    path: Path

    @property
    def is_shipped(self) -> bool:
        return self.path.is_relative_to(package_data.TELEGRAF)


Catalogue = Mapping[str, Collector]


def load(overrides: Path | None = None) -> dict[str, Collector]:
    """The shipped collectors and those of `overrides/collectors`, which win; by name.

    Raises SiteError naming every file that is no collector.
    """
    folders = [package_data.TELEGRAF / "collectors"]
    if overrides is not None and (overrides / "collectors").is_dir():
        folders.append(overrides / "collectors")
    found: dict[str, Collector] = {}
    errors: list[str] = []
    for folder in folders:
        for path in sorted(folder.glob("*.conf")):
            try:
                found[path.stem] = read(path)
            except AresmonError as error:
                errors.append(error.message)
    if errors:
        raise SiteError(errors, hint="a collector is a file of [[inputs.…]] tables and nothing else")
    return found


def read(path: Path) -> Collector:
    """One collector. Raises AresmonError with the file, and the line where it is known."""
    if not _NAME.match(path.stem):
        raise AresmonError(f"{path}: a collector's name is lower-case letters, digits, hyphens and underscores")
    text = telegraf_text.without_bom(read_text(path))
    try:
        tables = telegraf_toml.parse(text)
    except TelegrafTomlError as error:
        raise AresmonError(f"{path}: not TOML: {error}") from None
    unknown = sorted(set(tables) - {"inputs", "processors"})
    if unknown:
        raise AresmonError(
            f"{path}: has [{unknown[0]}]; the agent and its output are aresmon's, a collector has inputs"
        )
    plugins = tables.get("inputs", {})
    if not isinstance(plugins, dict) or not all(_is_tables(settings) for settings in plugins.values()):
        raise AresmonError(f"{path}: inputs are tables, as [[inputs.cpu]]")
    inputs = tuple(plugins)
    if not inputs:
        raise AresmonError(f"{path}: has no [[inputs.…]]")
    return Collector(path.stem, _title(text, path), text, inputs, tuple(_required(text)), path)


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


def _is_tables(settings: Any) -> bool:
    return isinstance(settings, list) and all(isinstance(one, dict) for one in settings)


def _title(text: str, path: Path) -> str:
    first = text.lstrip().splitlines()[0]
    return first.removeprefix("#").strip() if first.startswith("#") else path.stem


def _required(text: str) -> Iterator[Variable]:
    seen: set[str] = set()
    for match in _VARIABLE.finditer(telegraf_text.without_comments(text)):
        name, kind = match["name"], match["kind"] or ""
        if name and not kind.endswith("-") and name not in seen:  # $$ is a dollar
            seen.add(name)
            yield Variable(name, match["rest"] or "")

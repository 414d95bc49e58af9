"""The options that a collector's file declares in its tables `[options.NAME]`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from aresmon.config.collector_options import DURATION, LIST_TYPES, TYPES, Option, seconds
from aresmon.system.errors import any_of
from aresmon.system.json_schema import did_you_mean

_NAME = re.compile(r"[a-z][a-z0-9_]{0,30}")
_SETTINGS = frozenset(
    ("type", "list", "description", "example", "default", "required", "secret", "choices", "pattern", "form")
) | {"minimum", "maximum", "schemes", "excludes", "needs", "files", "unless"}


class OptionError(ValueError):
    """A declaration of an option that is wrong, and its line; 0 where that is not known."""

    line = 0


def declared(tables: Mapping[str, Any]) -> dict[str, Option]:
    """The options that the tables `[options.NAME]` of a collector's file declare, by name.

    Raises OptionError for a declaration that is wrong.
    """
    found = tables.get("options", {})
    if not isinstance(found, dict) or not all(isinstance(one, dict) for one in found.values()):
        raise OptionError("options are tables, as [options.urls]")
    options = dict[str, Option]()
    for name, settings in found.items():
        with _line_of(settings):
            options[name] = _option(name, settings)
    for option in options.values():
        for other in (*option.excludes, *option.needs, *option.unless):
            if other not in options:
                with _line_of(found[option.name]):
                    raise OptionError(f"[options.{option.name}] names the option {other!r}, which is not declared")
    return options


@contextmanager
def _line_of(table: Any) -> Iterator[None]:
    """Give an error in this table its line."""
    try:
        yield
    except OptionError as error:
        error.line = getattr(table, "line", 0)
        raise


def _option(name: str, settings: Mapping[str, Any]) -> Option:
    where = f"[options.{name}]"
    if not _NAME.fullmatch(name):
        raise OptionError(f"{where}: a name is lower-case letters, digits and underscores")
    if unknown := sorted(set(settings) - _SETTINGS):
        raise OptionError(f"{where}: unknown setting {unknown[0]!r}{did_you_mean(unknown[0], _SETTINGS)}")
    kind = settings.get("type", "string")
    if kind not in TYPES or (settings.get("list") and kind not in LIST_TYPES):
        raise OptionError(f"{where}: type must be {any_of(list(TYPES))}, not {kind!r}")
    if not str(settings.get("description", "")).strip():
        raise OptionError(f"{where}: has no description")
    option = Option(
        name,
        kind,
        settings["description"],
        is_list=bool(settings.get("list")),
        is_required=bool(settings.get("required")),
        is_secret=bool(settings.get("secret")),
        has_files=bool(settings.get("files")),
        example=dict(example) if isinstance(example := settings.get("example"), dict) else example,
        choices=tuple(settings.get("choices", ())),
        pattern=settings.get("pattern", ""),
        form=settings.get("form", ""),
        minimum=_bound(settings.get("minimum"), kind, where),
        maximum=_bound(settings.get("maximum"), kind, where),
        schemes=tuple(settings.get("schemes", ())),
        excludes=tuple(settings.get("excludes", ())),
        needs=tuple(settings.get("needs", ())),
        unless=tuple(settings.get("unless", ())),
    )
    if option.is_secret and (option.type != "string" or option.is_list):
        raise OptionError(f"{where}: a secret is one text")
    default = settings.get("default")
    if default is None:
        return option
    if option.is_secret or option.is_required:
        raise OptionError(f"{where}: has a default, although it is {'a secret' if option.is_secret else 'required'}")
    if fault := option.find_fault(default):
        raise OptionError(f"{where}: its default {fault}")
    return replace(option, default=option.value(default))


def _bound(value: Any, kind: str, where: str) -> float | None:
    """A bound that is declared; that of a duration in seconds."""
    if value is None or (kind != "duration" and isinstance(value, int | float)):
        return value
    if kind == "duration" and isinstance(value, str) and DURATION.fullmatch(value):
        return seconds(value)
    raise OptionError(f"{where}: a bound is a number or, of a duration, a text as 30s; not {value!r}")

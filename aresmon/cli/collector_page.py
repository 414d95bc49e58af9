"""What `aresmon collectors show` prints: a page of text, in which no identifier and no command is broken."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from aresmon.config import collector_options
from aresmon.config.collector_options import Option
from aresmon.system.errors import any_of

if TYPE_CHECKING:
    from aresmon.config.collectors import Collector
    from aresmon.config.views import View

_WIDEST = 100  # columns; longer lines are hard to read
_NARROWEST = 40
_COMMAND = re.compile(r"`[^`]*`|\{secret: \S+\}")
_HEADING = "bold"


def collector_notes(collector: Collector) -> Iterator[str]:
    """What a collector needs, in sentences."""
    if collector.needs:
        yield f"Needs: {collector.needs}"
    if collector.agent:
        yield f"Runs in a {collector.agent} agent only."
    if collector.telegraf:
        yield f"Telegraf {'.'.join(map(str, collector.telegraf))} or newer."
    for variable in collector.required:
        yield f"env.{variable.name}: {variable.hint}"


def collector_page(collector: Collector, view: View | None, width: int) -> Iterator[tuple[str, str]]:
    """The lines of the page, each with its style. Only a command or an example can be longer than `width` columns."""
    width = max(_NARROWEST, min(width, _WIDEST))
    first, *rest = _wrapped(f"{collector.name}: {collector.title}", width)
    yield first, _HEADING
    yield from ((line, _HEADING) for line in rest)
    for note in collector_notes(collector):
        yield from _plain(["", *_wrapped(note, width)])
    yield from _section("In aresmon.yml", _example(collector))
    secrets = [one for one in collector.options.values() if one.is_secret]
    for one in secrets:
        name = one.example["secret"] if one.example else "NAME"
        steps = f"`aresmon collectors secret {name}` sets the value of `{one.name}`; a push brings it to the hosts."
        yield from _plain(["", *_wrapped(steps, width, indent=2)])
    options = (line for one in collector.options.values() for line in _option(one, width))
    yield from _section("Options", options)
    if view is None:
        return
    fields = (line for one in view.measurements.values() for line in _entry(one.name, ", ".join(one.fields), width))
    yield from _section("Fields", fields)
    panels = (line for one in view.panels for line in _entry(one.title, one.description, width))
    yield from _section("Panels", panels)
    alerts = (
        line
        for one in view.alerts
        for line in _entry(
            f"{one.id} ({', '.join(name for name, _ in one.levels.steps)})", f"{one.title}. Next: {one.next}", width
        )
    )
    yield from _section("Alerts", alerts)


def example(collector: Collector) -> str:
    """The collector with all options that have an example, to paste below `collect` in aresmon.yml."""
    options = [one for one in collector.options.values() if one.example is not None]
    given = [one for one in options if not any(other.name in one.excludes for other in options)]
    if not given:
        return f"- {collector.name}\n"
    lines = (f"    {one.name}: {_written(one)}\n" for one in given)
    return f"- {collector.name}:\n{''.join(lines)}"


def _example(collector: Collector) -> Iterator[str]:
    if collector.required:
        yield "  env:"
        yield from (f"    {one.name}: ..." for one in collector.required)
    yield "  collect:"
    whole = example(collector)
    if "\n " in whole and not any(one.is_required for one in collector.options.values()):
        yield f"    - {collector.name}"
        yield ""
        yield "  or, with options (leave out what is right by default):"
        yield ""
        yield "  collect:"
    yield from textwrap.indent(whole, "    ").splitlines()


def _written(option: Option) -> str:
    """Its example in YAML."""
    if option.is_secret:
        return f"{{secret: {option.example['secret']}}}"
    return json.dumps(option.example, ensure_ascii=False)


def _option(option: Option, width: int) -> Iterator[str]:
    plain = collector_options.plain(option.default)
    default = "" if plain is None else f"; `{json.dumps(plain, ensure_ascii=False)}` by default"
    instead = f", or {any_of(option.unless)}" if option.unless else ""
    value = f"{option.wanted}{f'; required{instead}' if option.is_required else default}".replace("`", "")
    yield from _wrapped(f"{option.name}: {value}", width, indent=2, hanging=6)
    yield from _wrapped(option.description, width, indent=6)


def _entry(title: str, text: str, width: int) -> Iterator[str]:
    yield from _wrapped(title, width, indent=2)
    yield from _wrapped(text, width, indent=6)


def _section(title: str, lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """A heading and its lines; nothing where there are none."""
    found = list(lines)
    if found:
        yield "", ""
        yield title, _HEADING
        yield from _plain(found)


def _plain(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    return ((line, "") for line in lines)


def _wrapped(text: str, width: int, *, indent: int = 0, hanging: int | None = None) -> list[str]:
    """The lines of a text. What is in `backticks` is not broken: somebody copies it."""
    kept = _COMMAND.sub(lambda found: found[0].replace(" ", "\0"), text)
    lines = textwrap.wrap(
        kept,
        width,
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent if hanging is None else hanging),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace("\0", " ") for line in lines]

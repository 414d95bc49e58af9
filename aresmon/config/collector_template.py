"""Fills the options of a collector into its Telegraf tables.

A collector's file is always TOML. A string of it can name options, and its comments can decide about tables:

- `urls = "{{urls}}"`: a string that is nothing but an option becomes its value: a list, a number, true or false.
- `servers = ["tcp://{{address}}"]`: inside a longer string, the value becomes a part of it.
- A line with an option that has no value is left out, and comments directly above it with it.
- `address = "{{address}}{{if password}} password={{password}}{{/if}}"`: a part of a string that is left out where the
  option has no value or is false.
- `address = "{{addresses[]}}"`: the `[[table]]` is repeated for each value of a list, and left out for none.
- `[[inputs.x]]  # {{if replication}}`: the table is left out where the option has no value or is false.

A secret becomes `${ARESMON_SECRET_NAME}`, which Telegraf replaces by the variable of its environment. All other values
are written as TOML; `json` writes texts, numbers, Booleans and lists of them the same way.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from aresmon.config.collector_options import OptionValue, SecretName

Values = Mapping[str, OptionValue | None]

_PLACE = re.compile(r"\{\{(?P<name>[a-z][a-z0-9_]*)(?P<each>\[\])?\}\}")
_IN_LINE = re.compile(rf'"\{{\{{(?P<whole>[a-z][a-z0-9_]*)(?:\[\])?\}}\}}"|{_PLACE.pattern}')
_PART = re.compile(r"\{\{if (?P<name>[a-z][a-z0-9_]*)\}\}(?P<inside>.*?)\{\{/if\}\}")
_HEADING = re.compile(
    r"[ \t]*\[\[?(?P<name>[A-Za-z0-9_.-]+)\]\]?[ \t]*(?:#[ \t]*(?:\{\{if (?P<condition>[a-z][a-z0-9_]*)\}\})?.*)?"
)


@dataclass(slots=True)
class _Block:
    """A heading and the settings below it; without a heading, the comments at the beginning of the file."""

    lines: list[str]
    condition: str = ""

    def filled(self, values: Values) -> Iterator[str]:
        if self.condition and values[self.condition] in (None, False):
            return
        for comments, written in self.entries:
            line = _without_parts(written, values)
            if all(values[one["name"]] is not None for one in _PLACE.finditer(line)):
                yield from comments
                yield _line(line, values)

    @property
    def entries(self) -> Iterator[tuple[list[str], str]]:
        """Each line that is no comment, with the comments above it; those at the end are above nothing."""
        comments: list[str] = []
        for line in self.lines:
            if _is_comment(line):
                comments.append(line)
            else:
                yield comments, line
                comments = []
        if comments:
            yield comments, ""

    @property
    def pattern(self) -> str:
        lines = "".join(_entry_pattern(comments, line) for comments, line in self.entries)
        return f"(?:{lines})?" if self.condition else lines


@dataclass(slots=True)
class _Plugin:
    """A `[[table]]` with its sub-tables, and the option for each of whose values it is there."""

    blocks: list[_Block] = field(default_factory=list)

    @property
    def each(self) -> str:
        places = (one for block in self.blocks for line in block.lines for one in _PLACE.finditer(line))
        return next((one["name"] for one in places if one["each"]), "")

    def filled(self, values: Values) -> Iterator[str]:
        if self.blocks[0].condition and values[self.blocks[0].condition] in (None, False):
            return
        several = values[self.each] if self.each else None
        repetitions = several if isinstance(several, tuple) else ()
        for one in [{**values, self.each: value} for value in repetitions] if self.each else [values]:
            for block in self.blocks:
                yield from block.filled(one)

    @property
    def pattern(self) -> str:
        blocks = "".join(block.pattern for block in self.blocks)
        return f"(?:{blocks})*" if self.each or self.blocks[0].condition else blocks


def fill(template: str, values: Values) -> str:
    """The tables with these values. Every option that the template names must be among `values`, with None where it
    has no value."""
    return _fill(template, tuple((name, value, type(value)) for name, value in values.items()))


@lru_cache(maxsize=512)
def _fill(template: str, values: tuple[tuple[str, OptionValue | None, type], ...]) -> str:
    """Cached, since most hosts of a fleet have the same collectors with the same options. The types are there since 1
    and 1.0 are equal, and written differently."""
    filled = {name: value for name, value, _ in values}
    return "".join(line for plugin in _plugins(template) for line in plugin.filled(filled))


def names(template: str) -> frozenset[str]:
    """The options that a template uses."""
    blocks = [block for plugin in _plugins(template) for block in plugin.blocks]
    lines = [line for block in blocks for line in block.lines if not _is_comment(line)]
    used = {one["name"] for line in lines for found in (_PLACE, _PART) for one in found.finditer(line)}
    return frozenset(used) | {block.condition for block in blocks if block.condition}


def pattern(template: str) -> re.Pattern[str]:
    """What finds the tables in a configuration, whatever the values with which they were filled."""
    return re.compile("".join(plugin.pattern for plugin in _plugins(template)))


@lru_cache(maxsize=128)
def _plugins(template: str) -> list[_Plugin]:
    """The tables of a template. Cached, since a fleet fills the same one for each host; nobody changes them."""
    plugins = [_Plugin([_Block([])])]
    for line in template.splitlines(keepends=True):
        heading = _HEADING.fullmatch(line.rstrip("\n"))
        if heading is None:
            plugins[-1].blocks[-1].lines.append(line)
            continue
        is_plugin = heading["name"].count(".") == 1 and line.lstrip().startswith("[[")
        above = _comments_at_end(plugins[-1].blocks[-1].lines) if len(plugins) > 1 else []
        if is_plugin:
            plugins.append(_Plugin())
        text = line if heading["condition"] is None else f"{line[: line.index('#')].rstrip()}\n"
        plugins[-1].blocks.append(_Block([*above, text], heading["condition"] or ""))
    return plugins if plugins[0].blocks[0].lines else plugins[1:]


def _comments_at_end(lines: list[str]) -> list[str]:
    """Take the comments at the end of these lines: they belong to what follows."""
    count = 0
    while count < len(lines) and _is_comment(lines[-1 - count]):
        count += 1
    taken = lines[len(lines) - count :]
    del lines[len(lines) - count :]
    return taken


def _without_parts(line: str, values: Values) -> str:
    """A line without the parts whose option has no value or is false."""
    return _PART.sub(lambda found: "" if values[found["name"]] in (None, False) else found["inside"], line)


def _line(line: str, values: Values) -> str:
    def replaced(found: re.Match[str]) -> str:
        return _written(values[found["whole"]]) if found["whole"] else _inside(values[found["name"]])

    return _IN_LINE.sub(replaced, line)


def _written(value: OptionValue | None) -> str:
    if isinstance(value, SecretName):
        return f'"${{{value.variable}}}"'
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)


def _inside(value: OptionValue | None) -> str:
    """A value as a part of a string."""
    if isinstance(value, SecretName):
        return f"${{{value.variable}}}"
    text = ",".join(map(str, value)) if isinstance(value, tuple) else _word(value)
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _entry_pattern(comments: Iterable[str], line: str) -> str:
    above = re.escape("".join(comments))
    starts = [one.start() for found in (_PLACE, _PART) for one in found.finditer(line)]
    if not starts:
        return above + re.escape(line)
    return rf"(?:{above}{re.escape(line[: min(starts)].rstrip(chr(34)))}[^\n]*\n)?"


def _is_comment(line: str) -> bool:
    return line.lstrip().startswith("#")

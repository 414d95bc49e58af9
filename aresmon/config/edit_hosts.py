"""Adds and removes one host in the text of an aresmon.yml; every other byte stays as it is.

The text is cut where YAML's own marks say, and what comes of it is read again: if it says anything but the
same with one host more or less, nothing is returned, and a person is told which lines to write or to remove.

The text must have its line ends as the file has them: `Path.read_bytes().decode()`, since `read_text` does
not keep a CRLF.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from aresmon.config.layout import FILE
from aresmon.system.errors import AresmonError, SiteError
from aresmon.system.json_schema import did_you_mean
from aresmon.system.yaml_document import parse

_WIDEST = 120  # characters of a line, from which on settings are written below each other
_MERGE = "tag:yaml.org,2002:merge"


def add_host(text: str, name: str, settings: Mapping[str, Any]) -> str:
    """The text with this host after the last one, written as its neighbours are. Without settings it is a name.

    It stands above comments that follow the last host at the hosts' own indentation, or less; they belong to
    what comes. If a blank line parts the last two hosts, one parts the new one too.

    Raises AresmonError if there is such a host, or if the file is written in a way that is not served.
    """
    hosts = _read(text)
    if name in hosts.data["hosts"]:
        raise AresmonError(
            f"{FILE}:{hosts.line(name)} hosts.{name}: is there already", hint="edit it, or choose another name"
        )
    plain = yaml.safe_load(yaml.safe_dump(dict(settings)))
    edited = (_added_to_flow if hosts.flow else _added_to_block)(hosts, name, plain)
    wanted = [*hosts.data["hosts"].items(), (name, plain)]
    if not _says(edited, hosts.data, wanted):
        lines = "\n".join(_block(name, plain, indent="  ", step="  "))
        raise AresmonError(
            f"{FILE}: `hosts` is written in a way that only a person can add to; nothing was changed",
            hint=f"add this to it:\n{lines}",
        )
    return edited


def remove_host(text: str, name: str) -> str:
    """The text without this host: its lines, the comments in them and deeper ones below, and those directly
    above it, at its indentation and without a blank line between.

    Comments above the first host stay: they may be about all of them. Of two blank lines that would then
    follow each other one goes.

    Raises AresmonError if there is no such host, if it is the only one, or the server, named or by being
    first; if it has an anchor that others use; or if the file is written in a way that is not served.
    """
    hosts = _read(text)
    _refuse_removal(hosts, name)
    entry = hosts.entry(name)
    wanted = [(other, value) for other, value in hosts.data["hosts"].items() if other != name]
    edited = (_without_in_flow if hosts.flow else _without_in_block)(hosts, entry) if entry else ""
    if not _says(edited, hosts.data, wanted):
        first = hosts.line(name)
        last = text.count("\n", 0, entry.stop) + 1 if entry else first
        lines = f"line {first}" if last <= first else f"lines {first} to {last}"
        raise AresmonError(
            f"{FILE}:{first} hosts.{name}: is written in a way that only a person can remove; nothing was changed",
            hint=f"remove it by hand: it is in {lines}",
        )
    return edited


# What stands where -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Entry:
    """A host in the text, by indices: from its name (`start`) to after its settings (`end`) and to after the
    comma that follows them in a flow mapping (`stop`; `end` where there is none)."""

    name: str
    start: int
    end: int
    stop: int
    column: int
    value: yaml.Node


@dataclass(frozen=True, slots=True)
class _Hosts:
    """The `hosts` of a text. `data` is what the whole text says, `lines` the line of each host, `tokens` what it
    is made of, without comments; `close` is the index of a flow mapping's `}`."""

    text: str
    data: dict[str, Any]
    flow: bool
    entries: tuple[_Entry, ...]
    close: int
    tokens: tuple[yaml.Token, ...]
    lines: Mapping[str, int]

    def entry(self, name: str) -> _Entry | None:
        return next((entry for entry in self.entries if entry.name == name), None)

    def line(self, name: str) -> int:
        return self.lines.get(name, 0)


def _read(text: str) -> _Hosts:
    document = parse(text)
    if document.problems:
        raise SiteError([problem.told(FILE) for problem in document.problems], hint="`aresmon check` looks at it again")
    data = document.data
    if not isinstance(data, dict) or not isinstance(data.get("hosts"), dict) or not data["hosts"]:
        raise AresmonError(f"{FILE}: must have `hosts`, a mapping with a host at least", hint="`aresmon check` helps")
    try:
        root: Any = yaml.compose(text, Loader=yaml.SafeLoader)
        tokens = tuple(token for token in yaml.scan(text, Loader=yaml.SafeLoader) if _is_visible(token))
        node = next(value for key, value in root.value if key.value == "hosts")
    except (yaml.YAMLError, RecursionError, StopIteration) as error:  # nested too deep, or `hosts` merged in
        raise AresmonError(
            f"{FILE}: is written in a way that only a person can edit", hint="edit it by hand"
        ) from error
    flow, stop = bool(node.flow_style), node.end_mark.index
    return _Hosts(
        text=text,
        data=data,
        flow=flow,
        entries=tuple(_entries(text, node, tokens, stop - flow)),
        close=stop - flow,
        tokens=tokens,
        lines={name: document.line(("hosts", name)) for name in data["hosts"]},
    )


def _is_visible(token: yaml.Token) -> bool:
    return bool(token.end_mark.index > token.start_mark.index)


def _entries(text: str, node: yaml.MappingNode, tokens: tuple[yaml.Token, ...], stop: int) -> Iterator[_Entry]:
    """Where each host is. Its end is its last token's: nodes do not tell it where there is an alias or nothing,
    and the mark after a block is that of what comes next."""
    starts = [token.start_mark.index for token in tokens]
    bounds = [*(key.start_mark.index for key, _ in node.value[1:]), stop]
    for (key, value), bound in zip(node.value, bounds, strict=True):
        at = bisect_left(starts, bound) - 1
        comma = tokens[at].end_mark.index if isinstance(tokens[at], yaml.FlowEntryToken) else 0
        end = tokens[at - 1 if comma else at].end_mark.index
        end = len(text[:end].rstrip())  # of a block scalar, whose end is the beginning of a line
        if isinstance(key, yaml.ScalarNode) and key.tag != _MERGE:
            start = key.start_mark
            yield _Entry(key.value, start.index, end, comma or end, start.column, value)


def _refuse_removal(hosts: _Hosts, name: str) -> None:
    names = list(hosts.data["hosts"])
    where = f"{FILE}:{hosts.line(name)} hosts.{name}"
    if name not in names:
        raise AresmonError(
            f"{FILE}: there is no host {name}{did_you_mean(name, names)}", hint=f"the hosts are {', '.join(names[:10])}"
        )
    if len(names) == 1:
        raise AresmonError(f"{where}: is the only host", hint="add another first")
    if name == hosts.data.get("server", names[0]):
        raise AresmonError(f"{where}: is the server, which runs the stack", hint="name another in `server` first")
    entry = hosts.entry(name)
    for anchor, line in _used_elsewhere(hosts.tokens, entry) if entry else ():
        raise AresmonError(
            f"{where}: line {line} uses what is written there, by its anchor &{anchor}",
            hint=f"write it out in line {line} first",
        )


def _used_elsewhere(tokens: tuple[yaml.Token, ...], entry: _Entry) -> Iterator[tuple[str, int]]:
    """The anchors in the entry that others use, and the lines where they do."""
    inside = [token for token in tokens if entry.start <= token.start_mark.index < entry.end]
    anchors = {token.value for token in inside if isinstance(token, yaml.AnchorToken)}
    for token in tokens:
        if isinstance(token, yaml.AliasToken) and token.value in anchors and token not in inside:
            yield token.value, token.start_mark.line + 1


def _says(text: str, before: Mapping[str, Any], hosts: list[tuple[str, Any]]) -> bool:
    """Whether the text says what it said before, but with these hosts, in this order."""
    document = parse(text)
    if document.problems or not isinstance(document.data, dict):
        return False
    now = document.data.get("hosts")
    if not isinstance(now, dict) or [*now] != [name for name, _ in hosts]:
        return False
    # A host without settings is written as nothing, or as `{}`.
    same = all(
        now[name] == value or (name not in before["hosts"] and not (now[name] or value)) for name, value in hosts
    )
    return same and {**document.data, "hosts": None} == {**before, "hosts": None}


# Block mappings --------------------------------------------------------------------------------------


def _added_to_block(hosts: _Hosts, name: str, settings: Mapping[str, Any]) -> str:
    text, last = hosts.text, hosts.entries[-1]
    at = _end_with_comments(text, last)
    end = _line_break(text, at)
    indent = " " * last.column
    line = f"{indent}{_flow(name)}: {_flow(settings)}"
    if not _are_written_in_one_line(hosts) or len(line) > _WIDEST:
        lines = _block(name, settings, indent=indent, step=_step(hosts))
    else:
        lines = [line]
    apart = len(hosts.entries) > 1 and _has_blank_line(text[hosts.entries[-2].end : last.start])
    return text[:at] + "".join(end + line for line in (["", *lines] if apart else lines)) + text[at:]


def _without_in_block(hosts: _Hosts, entry: _Entry) -> str:
    text = hosts.text
    first, after = _line_start(text, entry.start), _next_line(text, _end_with_comments(text, entry))
    if entry is not hosts.entries[0]:
        while _is_comment(text, _line_start(text, first - 1), entry.column):
            first = _line_start(text, first - 1)
    above, below = _line_start(text, first - 1), text[after : _line_end(text, after)].strip()
    if not below and not text[above:first].strip():
        first = above
    return _cut(text, first, after)


def _block(name: str, settings: Mapping[str, Any], *, indent: str, step: str) -> list[str]:
    """A host's lines, a line for each setting."""
    return [f"{indent}{_flow(name)}:", *(f"{indent}{step}{_flow(key)}: {_flow(settings[key])}" for key in settings)]


def _are_written_in_one_line(hosts: _Hosts) -> bool:
    """Whether the last host that has any settings has them in `{…}`, on one line."""
    for entry in reversed(hosts.entries):
        if isinstance(entry.value, yaml.MappingNode):
            return bool(entry.value.flow_style) and "\n" not in hosts.text[entry.start : entry.end]
    return False


def _step(hosts: _Hosts) -> str:
    """How much deeper the hosts' settings are than the hosts; where none has any, as much as these themselves."""
    for entry in reversed(hosts.entries):
        value = entry.value
        if isinstance(value, yaml.MappingNode) and not value.flow_style and value.value:
            column: int = value.value[0][0].start_mark.column
            if column > entry.column:
                return " " * (column - entry.column)
    return " " * (hosts.entries[-1].column or 2)


def _end_with_comments(text: str, entry: _Entry) -> int:
    """The end of the host's last line, with the comments directly below that are deeper than the host."""
    at = _line_end(text, entry.end)
    while _is_comment(text, (below := _next_line(text, at)), entry.column + 1, or_deeper=True) and below > at:
        at = _line_end(text, below)
    return at


# Flow mappings ---------------------------------------------------------------------------------------


def _added_to_flow(hosts: _Hosts, name: str, settings: Mapping[str, Any]) -> str:
    text, last = hosts.text, hosts.entries[-1]
    own = last.stop > last.end  # whether the last host has a comma already; then the new one gets one too
    comma = text[last.end : last.stop] if own else " ," if text[last.end - 1] == ":" else ","
    new = f"{_flow(name)}: {_flow(settings)}{',' if own else ''}"
    before = text[_line_start(text, last.start) : last.start]
    if before.strip():
        return f"{text[: last.end]}{comma} {new}{text[last.stop :]}"
    at = _line_end(text, last.stop)
    if hosts.close < at:
        at = last.stop
    return f"{text[: last.end]}{comma}{text[last.stop : at]}{_line_break(text, at)}{before}{new}{text[at:]}"


def _without_in_flow(hosts: _Hosts, entry: _Entry) -> str:
    text, index = hosts.text, hosts.entries.index(entry)
    before = hosts.entries[index - 1] if index else None
    following = hosts.entries[index + 1] if entry is not hosts.entries[-1] else None
    first, after = _span(hosts, entry, before=before, following=following)
    if before and not following and entry.stop == entry.end:  # it had no comma; nor has what is last now
        rest = text[before.stop : first] + text[after:]
        apart = " " if text[before.end - 1] == ":" and not rest[0].isspace() else ""  # `a:}` would be a name
        return text[: before.end] + apart + rest
    return text[:first] + text[after:]


def _span(hosts: _Hosts, entry: _Entry, *, before: _Entry | None, following: _Entry | None) -> tuple[int, int]:
    """From where to where a host goes; not with a comment that may be about others."""
    text = hosts.text
    if _has_its_lines(hosts, entry):
        first = _line_start(text, entry.start)
        while before and _is_comment(text, _line_start(text, first - 1), entry.column):
            first = _line_start(text, first - 1)
        return first, _next_line(text, _line_end(text, entry.stop))
    behind = text[entry.stop : following.start] if following else "\n"
    if before and "\n" in behind and "#" not in text[before.stop : entry.start]:
        return before.stop, entry.stop
    if following and "#" not in behind:
        return entry.start, following.start
    return entry.start, entry.stop


def _has_its_lines(hosts: _Hosts, entry: _Entry) -> bool:
    """Whether nothing but the host, its comma and a comment is on its lines."""
    rest = hosts.text[entry.stop : _line_end(hosts.text, entry.stop)].strip()
    before = hosts.text[_line_start(hosts.text, entry.start) : entry.start]
    return not before.strip() and (not rest or rest.startswith("#"))


# Text ------------------------------------------------------------------------------------------------


def _flow(value: Any) -> str:
    """A value as it may stand anywhere, in one line, in quotes where YAML wants them."""
    dumped: str = yaml.safe_dump(
        [value], default_flow_style=True, width=float("inf"), allow_unicode=True, sort_keys=False
    )
    return dumped.strip()[1:-1]


def _line_start(text: str, index: int) -> int:
    return text.rfind("\n", 0, max(index, 0)) + 1


def _line_end(text: str, index: int) -> int:
    """The end of the line, before its break."""
    found = text.find("\n", index)
    end = len(text) if found < 0 else found
    return end - 1 if end > index and text[end - 1] == "\r" else end


def _next_line(text: str, index: int) -> int:
    found = text.find("\n", index)
    return len(text) if found < 0 else found + 1


def _line_break(text: str, at: int) -> str:
    """The break of this line; of a last line without one, the one that the text has elsewhere."""
    end = _line_end(text, at)
    crlf = text.startswith("\r\n", end) if end < len(text) else "\r\n" in text
    return "\r\n" if crlf else "\n"


def _is_comment(text: str, start: int, column: int, *, or_deeper: bool = False) -> bool:
    """Whether the line that begins there is a comment at this column."""
    found = re.compile(r" *#").match(text, start)
    depth = found.end() - start - 1 if found else -1
    return depth == column or (or_deeper and depth > column)


def _has_blank_line(text: str) -> bool:
    return re.search(r"\n[ \t]*\r?\n", text) is not None


def _cut(text: str, first: int, after: int) -> str:
    """The text without these lines; if it ended without a line break, it does again."""
    if after == len(text) and not text.endswith("\n"):
        first = _line_end(text, _line_start(text, first - 1))
    return text[:first] + text[after:]

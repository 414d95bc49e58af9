"""Adds an entry to a mapping or list in the text of a YAML file, or removes one; every other byte stays as it is.

The text is cut where the marks of YAML's own tokens say. A cut may still change what the file says (anchors, merges,
unusual layouts), so the callers parse the result and refuse it if it is not what they meant.

The text must have its line ends as the file has them: `Path.read_bytes().decode()`, since `read_text` turns CRLF
into LF.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from aresmon.config.layout import FILE
from aresmon.system.errors import AresmonError, SiteError
from aresmon.system.yaml_document import Document, parse

_MERGE = "tag:yaml.org,2002:merge"
Tokens = tuple[yaml.Token, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a mapping or list, by indices into the text.

    It goes from its key or its dash (`start`) to the end of its value (`end`), and with the comma that follows it in a
    flow collection to `stop`; without one, `stop` is `end`. `key` is empty in a list.
    """

    key: str
    start: int
    end: int
    stop: int
    column: int
    value: yaml.Node


@dataclass(frozen=True, slots=True)
class Collection:
    """A mapping or list in a text. `open` and `close` are the indices where it begins and ends; in a flow collection
    `close` is that of its closing bracket."""

    text: str
    flow: bool
    entries: tuple[Entry, ...]
    open: int
    close: int

    def find(self, key: str) -> Entry | None:
        """The entry with this key."""
        return next((entry for entry in self.entries if entry.key == key), None)

    def with_entry(self, *, block: Sequence[str], flow: str) -> str:
        """The text with one more entry after the last: `block` are its lines, not indented, in a block collection, and
        `flow` is its text in a flow collection."""
        if not self.flow:
            return self._with_lines(block)
        if self.entries:
            return self._with_flow(flow)
        return self.text[: self.close].rstrip() + flow + self.text[self.close :]

    def without(self, entry: Entry, *, comments: bool) -> str:
        """The text without this entry; with `comments`, also without those directly above it and below it that are
        its own."""
        return self._without_flow(entry, comments) if self.flow else self._without_lines(entry, comments)

    # Block collections ---------------------------------------------------------------------------------

    def _with_lines(self, lines: Sequence[str]) -> str:
        text, last = self.text, self.entries[-1]
        at = _end_with_comments(text, last)
        end, indent = line_break(text, at), " " * last.column
        apart = len(self.entries) > 1 and _has_blank_line(text[self.entries[-2].end : last.start])
        added = [*([""] if apart else []), *(indent + line for line in lines)]
        return text[:at] + "".join(end + line for line in added) + text[at:]

    def _without_lines(self, entry: Entry, comments: bool) -> str:
        text = self.text
        first = _line_start(text, entry.start)
        after = _next_line(text, _end_with_comments(text, entry) if comments else entry.end)
        if comments and entry is not self.entries[0]:
            first = _above_comments(text, first, entry.column)
        above, below = _line_start(text, first - 1), text[after : _line_end(text, after)].strip()
        if not below and not text[above:first].strip():
            first = above
        return _cut(text, first, after)

    # Flow collections ----------------------------------------------------------------------------------

    def _with_flow(self, entry: str) -> str:
        text, last = self.text, self.entries[-1]
        own = last.stop > last.end  # whether the last entry has a comma already; then the new one gets one too
        comma = text[last.end : last.stop] if own else " ," if text[last.end - 1] == ":" else ","
        new = f"{entry}{',' if own else ''}"
        before = text[_line_start(text, last.start) : last.start]
        if before.strip():
            return f"{text[: last.end]}{comma} {new}{text[last.stop :]}"
        at = _line_end(text, last.stop)
        if self.close < at:
            at = last.stop
        return f"{text[: last.end]}{comma}{text[last.stop : at]}{line_break(text, at)}{before}{new}{text[at:]}"

    def _without_flow(self, entry: Entry, comments: bool) -> str:
        text, index = self.text, self.entries.index(entry)
        before = self.entries[index - 1] if index else None
        following = self.entries[index + 1] if entry is not self.entries[-1] else None
        first, after = self._span(entry, before=before, following=following, comments=comments)
        if before and not following and entry.stop == entry.end:  # it had no comma; nor has what is last now
            rest = text[before.stop : first] + text[after:]
            apart = " " if text[before.end - 1] == ":" and not rest[0].isspace() else ""  # `a:}` would be a name
            return text[: before.end] + apart + rest
        return text[:first] + text[after:]

    def _span(self, entry: Entry, *, before: Entry | None, following: Entry | None, comments: bool) -> tuple[int, int]:
        """From where to where an entry is cut; not with a comment that may be about others."""
        text = self.text
        if self._has_its_lines(entry):
            first = _line_start(text, entry.start)
            if comments and before:
                first = _above_comments(text, first, entry.column)
            return first, _next_line(text, _line_end(text, entry.stop))
        behind = text[entry.stop : following.start] if following else "\n"
        if before and "\n" in behind and "#" not in text[before.stop : entry.start]:
            return before.stop, entry.stop
        if following and "#" not in behind:
            return entry.start, following.start
        return entry.start, entry.stop

    def _has_its_lines(self, entry: Entry) -> bool:
        """Whether nothing but the entry, its comma and a comment is on its lines."""
        rest = self.text[entry.stop : _line_end(self.text, entry.stop)].strip()
        before = self.text[_line_start(self.text, entry.start) : entry.start]
        return not before.strip() and (not rest or rest.startswith("#"))


# Reading ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Source:
    """A text with the node tree and the tokens of its YAML; `tokens` are without those of no length."""

    text: str
    root: yaml.Node
    tokens: Tokens

    def collection(self, *keys: str) -> Collection | None:
        """The mapping or list at this key; None where there is none, or where it is merged in."""
        node: Any = self.root
        for key in keys:
            pairs = node.value if isinstance(node, yaml.MappingNode) else []
            node = next((value for name, value in pairs if name.value == key), None)
        if not isinstance(node, yaml.MappingNode | yaml.SequenceNode):
            return None
        flow, end = bool(node.flow_style), node.end_mark.index
        close = end - flow
        entries = tuple(_entries(self.text, node, self.tokens, close))
        return Collection(self.text, flow, entries, node.start_mark.index, close)

    def aliases(self, entry: Entry) -> Iterator[tuple[str, int]]:
        """The anchors in an entry that other entries use, and the lines where they do."""
        inside = [token for token in self.tokens if entry.start <= token.start_mark.index < entry.end]
        anchors = {token.value for token in inside if isinstance(token, yaml.AnchorToken)}
        for token in self.tokens:
            if isinstance(token, yaml.AliasToken) and token.value in anchors and token not in inside:
                yield token.value, token.start_mark.line + 1


def parsed(text: str) -> Document:
    """The data of an aresmon.yml. Raises SiteError where it is not YAML."""
    document = parse(text)
    if document.problems:
        errors = [problem.describe(FILE) for problem in document.problems]
        raise SiteError(errors, hint="`aresmon check` looks at it again")
    return document


def source(text: str) -> Source:
    """The nodes and tokens of a text that `parsed` accepts. Raises AresmonError where it is nested too deeply."""
    try:
        root: Any = yaml.compose(text, Loader=yaml.SafeLoader)
        tokens = tuple(token for token in yaml.scan(text, Loader=yaml.SafeLoader) if _is_visible(token))
    except (yaml.YAMLError, RecursionError):
        raise unsupported_error() from None
    return Source(text, root, tokens)


def unsupported_error() -> AresmonError:
    """The error for a file that is written in a way that is not served."""
    return AresmonError(f"{FILE}: is written in a way that only a person can edit", hint="edit it by hand")


def _is_visible(token: yaml.Token) -> bool:
    return bool(token.end_mark.index > token.start_mark.index)


def _entries(text: str, node: yaml.CollectionNode, tokens: Tokens, close: int) -> Iterator[Entry]:
    """Where each entry is. Its end is that of its last token: nodes do not have it for an alias or an empty value, and
    the mark after a block is that of what follows it."""
    starts = [token.start_mark.index for token in tokens]
    marks = list(_start_marks(node, tokens))
    bounds = [*(mark.index for mark in marks), close][1:]
    for item, mark, bound in zip(node.value, marks, bounds, strict=True):
        at = bisect_left(starts, bound) - 1
        comma = tokens[at].end_mark.index if isinstance(tokens[at], yaml.FlowEntryToken) else 0
        end = tokens[at - 1 if comma else at].end_mark.index
        end = len(text[:end].rstrip())  # of a block scalar, whose end is the beginning of a line
        key, value = item if isinstance(node, yaml.MappingNode) else (None, item)
        if key is None or (isinstance(key, yaml.ScalarNode) and key.tag != _MERGE):
            yield Entry(key.value if key else "", mark.index, end, comma or end, mark.column, value)


def _start_marks(node: yaml.CollectionNode, tokens: Tokens) -> Iterator[Any]:
    """Where each entry begins: a mapping's at its key, a list's at its dash, or in a flow list at its value."""
    if isinstance(node, yaml.MappingNode):
        yield from (key.start_mark for key, _ in node.value)
    elif node.flow_style:
        yield from (item.start_mark for item in node.value)
    else:
        first, last = node.start_mark, node.end_mark.index
        for token in tokens:
            mark = token.start_mark
            is_here = mark.column == first.column and first.index <= mark.index < last
            if isinstance(token, yaml.BlockEntryToken) and is_here:
                yield mark


# Text ------------------------------------------------------------------------------------------------


def format_flow(value: Any) -> str:
    """A value in flow style on one line, quoted where YAML needs it."""
    dumped: str = yaml.safe_dump(
        [value], default_flow_style=True, width=float("inf"), allow_unicode=True, sort_keys=False
    )
    return dumped.strip()[1:-1]


def line_break(text: str, at: int) -> str:
    """The break of this line; of a last line without one, the one that the text has elsewhere."""
    end = _line_end(text, at)
    crlf = text.startswith("\r\n", end) if end < len(text) else "\r\n" in text
    return "\r\n" if crlf else "\n"


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


def _is_comment(text: str, start: int, column: int, *, or_deeper: bool = False) -> bool:
    """Whether the line that begins there is a comment at this column."""
    found = re.compile(r" *#").match(text, start)
    depth = found.end() - start - 1 if found else -1
    return depth == column or (or_deeper and depth > column)


def _above_comments(text: str, first: int, column: int) -> int:
    """The start of the comments at this column that are directly above a line."""
    while _is_comment(text, _line_start(text, first - 1), column):
        first = _line_start(text, first - 1)
    return first


def _end_with_comments(text: str, entry: Entry) -> int:
    """The end of the entry's last line, with the comments directly below that are indented deeper than the entry."""
    at = _line_end(text, entry.end)
    while _is_comment(text, (below := _next_line(text, at)), entry.column + 1, or_deeper=True) and below > at:
        at = _line_end(text, below)
    return at


def _has_blank_line(text: str) -> bool:
    return re.search(r"\n[ \t]*\r?\n", text) is not None


def _cut(text: str, first: int, after: int) -> str:
    """The text without these lines; if it ended without a line break, it does again."""
    if after == len(text) and not text.endswith("\n"):
        first = _line_end(text, _line_start(text, first - 1))
    return text[:first] + text[after:]

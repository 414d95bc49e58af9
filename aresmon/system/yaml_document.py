"""YAML that remembers its lines, and refuses what YAML lets through in silence."""

from __future__ import annotations

import stat
from collections.abc import Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from aresmon.system.errors import AresmonError

_Loader: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_STANDARD_TAGS = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")
# libyaml composes by recursion on the C stack: what is nested deeper than this might end the process.
_DEEPEST, _LARGE = 100, 10_000
_MOST_NODES = 500_000  # far over any real site; a bomb of nested aliases has more

_LARGEST = 16 << 20  # bytes

Keys = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, order=True)
class YamlProblem:
    """One thing wrong with a file: the line (from 1; 0: the whole file), where in it, and what."""

    line: int
    where: str
    message: str

    def describe(self, file: str) -> str:
        """`aresmon.yml:12 hosts.lewi.collect: unknown collector 'sytem'`"""
        place = f"{file}:{self.line}" if self.line else file
        message = self.message.replace("\n", "\\n")
        return f"{place} {self.where}: {message}" if self.where else f"{place}: {message}"


@dataclass(slots=True)
class Document:
    """What a YAML file says, the line of each of its keys, and what is wrong with its form."""

    data: Any = None
    lines: dict[Keys, int] = field(default_factory=dict)
    problems: list[YamlProblem] = field(default_factory=list)

    def line(self, keys: Keys) -> int:
        """The line of this key, or of the nearest one above it that stands in the file."""
        while keys and keys not in self.lines:
            keys = keys[:-1]
        return self.lines.get(keys, 0)

    def problem(self, keys: Keys, message: str) -> YamlProblem:
        """Something wrong at this key."""
        return YamlProblem(self.line(keys), dotted(keys), message)


def dotted(keys: Keys) -> str:
    """`hosts.lewi.collect[2]`"""
    words = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys)
    return words.removeprefix(".")


def read_text(path: Path) -> str:
    """A text file's content; AresmonError says why it cannot be had."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
            raise AresmonError(f"{path} is not a plain file", hint="move it out of the way")
        if status.st_size > _LARGEST:
            raise AresmonError(
                f"{path} has {status.st_size >> 20} MiB; {_LARGEST >> 20} are the most", hint="is it the right file?"
            )
        return path.read_text(encoding="utf-8")
    except IsADirectoryError:
        raise AresmonError(f"{path} is a folder, not a file", hint="move it out of the way") from None
    except UnicodeDecodeError as error:
        raise AresmonError(
            f"{path} is no text: byte {error.start} is not UTF-8",
            hint="write it again with an editor, or start again with `aresmon init`",
        ) from None
    except FileNotFoundError:
        raise AresmonError(
            f"{path} does not exist",
            hint="`aresmon init` writes one; `aresmon --site FOLDER` works on a site in another folder",
        ) from None
    except OSError as error:
        raise AresmonError(f"{path} cannot be read: {error.strerror}", hint=f"look at `ls -l {path}`") from None


def parse(text: str) -> Document:
    """Read one YAML document. What is wrong with it is in `problems`; nothing is raised."""
    document = Document()
    loader = None
    try:
        _check_depth(text)
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is not None:
            document.data = _Reader(loader, document).value(node, (), ())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 0
        document.problems.append(YamlProblem(line, "", _told(error, text, line)))
    except (yaml.YAMLError, _TooManyNodesError, RecursionError, ValueError) as error:
        document.problems.append(YamlProblem(0, "", f"not YAML: {str(error).splitlines()[0]}"))
    finally:
        if loader is not None:
            loader.dispose()
    return document


def bad_mapping(text: str) -> YamlProblem | None:
    """Why this text is no YAML mapping, or None; whatever its tags and keys mean to whom it is written for."""
    try:
        _check_depth(text)
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        return YamlProblem(line, "", _told(error, text, line))
    except (yaml.YAMLError, _TooManyNodesError) as error:
        return YamlProblem(0, "", f"not YAML: {str(error).splitlines()[0]}")
    return None if isinstance(node, yaml.MappingNode) else YamlProblem(0, "", "must be a mapping")


def _check_depth(text: str) -> None:
    if len(text) < _LARGE:
        return
    depth = 0
    for event in yaml.parse(text, Loader=getattr(yaml, "CLoader", yaml.Loader)):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise _TooManyNodesError(f"more than {_DEEPEST} levels of mappings and lists")


def _told(error: yaml.MarkedYAMLError, text: str, line: int) -> str:
    lines = text.splitlines()
    if 0 < line <= len(lines) and "\t" in lines[line - 1][: len(lines[line - 1]) - len(lines[line - 1].lstrip())]:
        return "not YAML: this line is indented with a tab; YAML takes spaces only"
    said = " ".join(part for part in (error.context, error.problem) if part)
    return f"not YAML: {said}"


class _TooManyNodesError(Exception):
    pass


class _Reader:
    """Turns nodes into plain data and notes lines, duplicate keys and loops."""

    def __init__(self, loader: Any, document: Document) -> None:
        self.loader = loader
        self.document = document
        self.count = 0

    def value(self, node: yaml.Node, keys: Keys, above: tuple[int, ...]) -> Any:
        self.count += 1
        if self.count > _MOST_NODES:
            raise _TooManyNodesError("more than half a million values: aliases within aliases?")
        self.document.lines.setdefault(keys, node.start_mark.line + 1)
        if id(node) in above:
            self.document.problems.append(self.document.problem(keys, "an anchor that contains itself"))
            return None
        inside = (*above, id(node))
        if isinstance(node, yaml.ScalarNode):
            return self.scalar(node, keys)
        if node.tag not in _STANDARD_TAGS:
            self.document.problems.append(self.document.problem(keys, f"a {node.tag} has no place in this file"))
            return None
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, keys, inside)
        return [self.value(item, (*keys, index), inside) for index, item in enumerate(node.value)]

    def scalar(self, node: yaml.ScalarNode, keys: Keys) -> Any:
        try:
            return self.loader.construct_object(node)
        except (ValueError, KeyError, AttributeError):
            kind = node.tag.rpartition(":")[2]
            message = f"{node.value!r} reads as a {kind} and is none; put it in quotes if a text is meant"
            self.document.problems.append(YamlProblem(node.start_mark.line + 1, dotted(keys), message))
            return node.value

    def mapping(self, node: yaml.MappingNode, keys: Keys, above: tuple[int, ...]) -> dict[str, Any]:
        merges = [value for key, value in node.value if key.tag == "tag:yaml.org,2002:merge"]
        own: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = None if value_node in merges else self.key(key_node, keys)
            if key is None:
                continue
            if key in own:
                said = f"a second time; line {self.document.lines[*keys, key]} has it already"
                problem = YamlProblem(key_node.start_mark.line + 1, dotted((*keys, key)), said)
                self.document.problems.append(problem)
                continue
            self.document.lines.setdefault((*keys, key), key_node.start_mark.line + 1)
            own[key] = self.value(value_node, (*keys, key), above)
        # Merged last, and only where nothing is: a key keeps its own line.
        merged: dict[str, Any] = {}
        for value_node in merges:
            merged |= self.merge(value_node, keys, above)
        return merged | own

    def merge(self, node: yaml.Node, keys: Keys, above: tuple[int, ...]) -> dict[str, Any]:
        sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
        merged: dict[str, Any] = {}
        for source in reversed(sources):
            value = self.value(source, keys, above)
            if isinstance(value, dict):
                merged |= value
            else:
                self.document.problems.append(
                    YamlProblem(source.start_mark.line + 1, dotted(keys), "`<<` takes a mapping")
                )
        return merged

    def key(self, node: yaml.Node, keys: Keys) -> str | None:
        value: Hashable = self.scalar(node, keys) if isinstance(node, yaml.ScalarNode) else None
        if isinstance(value, str):
            return value
        is_scalar = isinstance(node, yaml.ScalarNode)
        read = f"{node.value} is read as {type(value).__name__}" if is_scalar else "is a list or mapping"
        message = f"the key {read}, not as a text; put it in quotes" if is_scalar else f"a key {read}; a key is a text"
        self.document.problems.append(YamlProblem(node.start_mark.line + 1, dotted(keys), message))
        # Kept as it was written, so that nothing is called missing that stands there.
        return str(node.value) if is_scalar else None

"""How an aresmon.yml of an older release becomes one of this release: each step changes the text and nothing around it.

A step looks at the text, not at who wrote it, and leaves one alone that is as it should be. What comes of it is read
again: if it says anything but what it should, the text stays as it was.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import yaml

from aresmon.system.yaml_document import parse

_TLS = "tls: off  # what other hosts send can be read on its way; `site` encrypts it: docs/agents.md"


@dataclass(frozen=True, slots=True)
class Migration:
    """A step that came with a release, why, and what it makes of a text."""

    release: str
    why: str
    change: Callable[[str], str]


def set_tls_off(text: str) -> str:
    """The text with `edge.tls: off`, as it was so far, where there are other hosts and nothing is said of it."""
    said = _read(text)
    edge = said.get("edge")
    if len(said.get("hosts") or ()) < 2 or not isinstance(edge, dict | None) or "tls" in (edge or {}):
        return text
    changed = _with_line(text, "edge", _TLS)
    wanted = {**said, "edge": {**(edge or {}), "tls": False}}
    return changed if _read(changed) == wanted else text


MIGRATIONS = (Migration("0.4.0", "say that agents write in the clear, since new sites encrypt", set_tls_off),)


def migrate(text: str) -> tuple[str, tuple[Migration, ...]]:
    """The text as this release would have it, and the steps that changed it."""
    taken = []
    for step in MIGRATIONS:
        changed = step.change(text)
        if changed != text:
            taken.append(step)
            text = changed
    return text, tuple(taken)


def _read(text: str) -> dict[str, Any]:
    document = parse(text)
    return document.data if isinstance(document.data, dict) and not document.problems else {}


def _with_line(text: str, section: str, line: str) -> str:
    """The text with a line of settings at the start of a section, or at the end of the text with the section."""
    end = "\r\n" if "\r\n" in text else "\n"
    root: Any = yaml.compose(text, Loader=yaml.SafeLoader)
    found = next(((key, value) for key, value in root.value if key.value == section), None)
    if found is None:
        gap = "" if text.endswith("\n") or not text else end
        return f"{text}{gap}{section}:{end}  {line}{end}"
    key, value = found
    setting, _, comment = line.partition("  #")
    if isinstance(value, yaml.MappingNode) and value.flow_style:
        place: int = value.start_mark.index + 1
        rest = ", " if value.value else ""
        return text[:place] + setting + rest + text[place:]
    if isinstance(value, yaml.MappingNode) and value.value:
        first = value.value[0][0].start_mark
        start, column = int(first.index - first.column), int(first.column)
        return text[:start] + " " * column + line + end + text[start:]
    after = text.find("\n", key.end_mark.index) + 1 or len(text)
    gap = "" if text[:after].endswith("\n") else end
    return f"{text[:after]}{gap}{' ' * (key.start_mark.column + 2)}{setting}  #{comment}{end}{text[after:]}"

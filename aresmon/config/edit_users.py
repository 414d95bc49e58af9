"""Adds and removes one of `grafana.users` in the text of an aresmon.yml; every other byte stays as it is.

As with the hosts (`yamledit`), what comes of a cut is read again: if it says anything but the same with one user
more or less, nothing is returned, and a person is told what to write.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import yaml

from aresmon.config.layout import FILE
from aresmon.system.errors import AresmonError, SiteError
from aresmon.system.yaml_document import parse


def add_user(text: str, settings: Mapping[str, str]) -> str:
    """The text with this user after the last one. Raises AresmonError where the file is written in a way that is
    not served."""
    data, root = _read(text)
    wanted = copy.deepcopy(data)
    grafana = wanted.get("grafana", {})
    if not isinstance(grafana, dict):
        raise AresmonError(f"{FILE}: grafana: must be a mapping", hint="`aresmon check` helps")
    wanted["grafana"] = {**grafana, "users": [*(grafana.get("users") or []), dict(settings)]}
    entry = _flow(dict(settings))
    edited = _added(text, root, entry)
    if not _says(edited, wanted):
        raise AresmonError(
            f"{FILE}: `grafana` is written in a way that only a person can add to; nothing was changed",
            hint=f"add this to it:\n  users:\n    - {entry}",
        )
    return edited


def remove_user(text: str, login: str) -> str:
    """The text without this user. Raises AresmonError where there is none, or only a person can remove it."""
    data, root = _read(text)
    wanted = copy.deepcopy(data)
    users = (wanted.get("grafana") or {}).get("users") or []
    logins = [str(one.get("login", "")).lower() if isinstance(one, dict) else "" for one in users]
    if login.lower() not in logins:
        raise AresmonError(f"{FILE}: there is no {login} in grafana.users", hint="`aresmon users list` shows who is")
    index = logins.index(login.lower())
    del users[index]
    edited = _removed(text, root, index)
    if not _says(edited, wanted):
        raise AresmonError(
            f"{FILE}: grafana.users[{index}] is written in a way that only a person can remove; nothing was changed",
            hint="remove it by hand, then `aresmon users apply`",
        )
    return edited


def _read(text: str) -> tuple[dict[str, Any], yaml.MappingNode]:
    document = parse(text)
    if document.problems:
        raise SiteError([problem.told(FILE) for problem in document.problems], hint="`aresmon check` looks at it again")
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError):
        root = None
    if not isinstance(document.data, dict) or not isinstance(root, yaml.MappingNode):
        raise AresmonError(f"{FILE}: must be a mapping", hint="`aresmon check` helps")
    return document.data, root


def _says(text: str, wanted: Mapping[str, Any]) -> bool:
    """Whether the text says this; no users and an empty list of them are the same."""
    document = parse(text)
    return not document.problems and isinstance(document.data, dict) and _bare(document.data) == _bare(wanted)


def _bare(data: Mapping[str, Any]) -> dict[str, Any]:
    bare = dict(data)
    if isinstance(bare.get("grafana"), dict):
        bare["grafana"] = {key: value for key, value in bare["grafana"].items() if (key, value) != ("users", [])}
    return {key: value for key, value in bare.items() if (key, value) != ("grafana", {})}


# Where it goes, and where it was ------------------------------------------------------------------------


def _added(text: str, root: yaml.MappingNode, entry: str) -> str:
    found = _value(root, "grafana")
    if found is None:
        return _below(text, root, f"grafana:\n  users:\n    - {entry}", column=0)
    if not isinstance(found, yaml.MappingNode):
        return text
    users = _value(found, "users")
    if users is None:
        if found.flow_style:
            return _within(text, found, f"users: [{entry}]")
        return _below(text, found, f"users:\n  - {entry}", column=found.start_mark.column)
    if not isinstance(users, yaml.SequenceNode):
        return text
    return (
        _within(text, users, entry)
        if users.flow_style
        else _below(text, users, f"- {entry}", column=users.start_mark.column)
    )


def _removed(text: str, root: yaml.MappingNode, index: int) -> str:
    grafana = _value(root, "grafana")
    users = _value(grafana, "users") if isinstance(grafana, yaml.MappingNode) else None
    if not isinstance(grafana, yaml.MappingNode) or not isinstance(users, yaml.SequenceNode):
        return text
    items = users.value
    if users.flow_style:
        return _cut_within(text, items, index)
    if len(items) > 1:
        first = items[index].start_mark.index
    else:
        owner, name = (grafana, "users") if len(grafana.value) > 1 else (root, "grafana")
        first = next(key.start_mark.index for key, _ in owner.value if key.value == name)
    return text[: _line_start(text, first)] + text[_next_line(text, _end(items[index])) :]


def _cut_within(text: str, items: list[yaml.Node], index: int) -> str:
    item = items[index]
    if index + 1 < len(items):
        return text[: item.start_mark.index] + text[items[index + 1].start_mark.index :]
    first = items[index - 1].end_mark.index if index else item.start_mark.index
    return text[:first] + text[item.end_mark.index :]


def _below(text: str, node: yaml.Node, lines: str, *, column: int) -> str:
    """The text with these lines after the last line of a block."""
    ending = "\r\n" if "\r\n" in text else "\n"
    at = _next_line(text, _end(node))
    before = text[:at] if not at or text[:at].endswith("\n") else text[:at] + ending
    return before + "".join(f"{' ' * column}{line}{ending}" for line in lines.split("\n")) + text[at:]


def _within(text: str, node: yaml.CollectionNode, word: str) -> str:
    """The text with this at the end of a `[…]` or `{…}`."""
    close = node.end_mark.index - 1
    body = text[:close].rstrip()
    comma = "" if not node.value else " " if body.endswith(",") else ", "
    return body + comma + word + text[close:] if "#" not in text[node.start_mark.index : close] else text


def _value(node: yaml.MappingNode, name: str) -> yaml.Node | None:
    return next((value for key, value in node.value if key.value == name), None)


def _end(node: yaml.Node) -> int:
    """Where the last thing in a node ends; the mark after a block is that of what comes next."""
    while isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        node = last[1] if isinstance(last, tuple) else last
    return node.end_mark.index - (1 if isinstance(node, yaml.ScalarNode) and node.style in ("|", ">") else 0)


def _line_start(text: str, index: int) -> int:
    return text.rfind("\n", 0, index) + 1


def _next_line(text: str, index: int) -> int:
    found = text.find("\n", index)
    return len(text) if found < 0 else found + 1


def _flow(value: Any) -> str:
    dumped: str = yaml.safe_dump(
        value, default_flow_style=True, width=float("inf"), allow_unicode=True, sort_keys=False
    )
    return dumped.strip()

"""Adds and removes one of `grafana.users` in the text of an aresmon.yml; every other byte stays as it is.

The result is parsed again: if it says anything but the same with one user more or less, the change is refused, and the
error says what to write.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from aresmon.config import yaml_spans
from aresmon.config.layout import FILE
from aresmon.config.yaml_spans import Collection, Source
from aresmon.system.errors import AresmonError
from aresmon.system.yaml_document import parse


def add_user(text: str, settings: Mapping[str, str]) -> str:
    """The text with this user after the last one. Raises AresmonError where the file is written in a way that is
    not served."""
    data, source = _read(text)
    wanted = copy.deepcopy(data)
    grafana = wanted.get("grafana", {})
    if not isinstance(grafana, dict):
        raise AresmonError(f"{FILE}: grafana: must be a mapping", hint="`aresmon check` helps")
    wanted["grafana"] = {**grafana, "users": [*(grafana.get("users") or []), dict(settings)]}
    entry = yaml_spans.format_flow(dict(settings))
    edited = _added(source, entry)
    if edited.endswith(f"- {entry}"):  # the last line of the file, which had no line break either
        edited += yaml_spans.line_break(edited, len(edited))
    if not _says(edited, wanted):
        raise AresmonError(
            f"{FILE}: `grafana` is written in a way that only a person can add to; nothing was changed",
            hint=f"add this to it:\n  users:\n    - {entry}",
        )
    return edited


def remove_user(text: str, login: str) -> str:
    """The text without this user. Raises AresmonError where there is none, or only a person can remove it."""
    data, source = _read(text)
    wanted = copy.deepcopy(data)
    users = (wanted.get("grafana") or {}).get("users") or []
    logins = [str(one.get("login", "")).lower() if isinstance(one, dict) else "" for one in users]
    if login.lower() not in logins:
        raise AresmonError(f"{FILE}: there is no {login} in grafana.users", hint="`aresmon users list` lists the users")
    index = logins.index(login.lower())
    del users[index]
    edited = _removed(source, index)
    if not _says(edited, wanted):
        raise AresmonError(
            f"{FILE}: grafana.users[{index}] is written in a way that only a person can remove; nothing was changed",
            hint="remove it by hand, then `aresmon users apply`",
        )
    return edited


def _read(text: str) -> tuple[dict[str, Any], Source]:
    data = yaml_spans.parsed(text).data
    if not isinstance(data, dict):
        raise AresmonError(f"{FILE}: must be a mapping", hint="`aresmon check` helps")
    return data, yaml_spans.source(text)


def _says(text: str, wanted: Mapping[str, Any]) -> bool:
    """Whether the text says this; no users and an empty list of them are the same."""
    document = parse(text)
    return not document.problems and isinstance(document.data, dict) and _bare(document.data) == _bare(wanted)


def _bare(data: Mapping[str, Any]) -> dict[str, Any]:
    bare = dict(data)
    if isinstance(bare.get("grafana"), dict):
        bare["grafana"] = {key: value for key, value in bare["grafana"].items() if (key, value) != ("users", [])}
    return {key: value for key, value in bare.items() if (key, value) != ("grafana", {})}


def _added(source: Source, entry: str) -> str:
    """The text with this entry; the text as it was where that is not served."""
    root, grafana, users = source.collection(), source.collection("grafana"), source.collection("grafana", "users")
    if users is not None:
        return _appended(users, block=[f"- {entry}"], flow=entry)
    if grafana is not None and not grafana.find("users"):
        return _appended(grafana, block=["users:", f"  - {entry}"], flow=f"users: [{entry}]")
    if root is not None and not root.flow and not root.find("grafana"):
        return root.with_entry(block=["grafana:", "  users:", f"    - {entry}"], flow="")
    return source.text


def _appended(to: Collection, *, block: list[str], flow: str) -> str:
    has_comment = "#" in to.text[to.open : to.close]
    return to.text if to.flow and has_comment else to.with_entry(block=block, flow=flow)


def _removed(source: Source, index: int) -> str:
    """The text without this user; in a block, its last one goes with `users`, and with `grafana` if that is all."""
    root, grafana, users = source.collection(), source.collection("grafana"), source.collection("grafana", "users")
    if root is None or grafana is None or users is None:
        return source.text
    if users.flow or len(users.entries) > 1:
        return users.without(users.entries[index], comments=False)
    owner, name = (grafana, "users") if len(grafana.entries) > 1 else (root, "grafana")
    entry = owner.find(name)
    return owner.without(entry, comments=False) if entry else source.text

"""Adds and removes one host in the text of an aresmon.yml; every other byte stays as it is.

The result is parsed again: if it says anything but the same with one host more or less, the change is refused, and the
error names the lines to write or to remove.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from aresmon.config import yaml_spans
from aresmon.config.layout import FILE
from aresmon.config.yaml_spans import Collection, Entry, Source
from aresmon.system.errors import AresmonError
from aresmon.system.json_schema import did_you_mean
from aresmon.system.yaml_document import parse

_WIDEST = 120  # characters of a line, from which on settings are written below each other


def add_host(text: str, name: str, settings: Mapping[str, Any]) -> str:
    """The text with this host after the last one, written as its neighbours are. Without settings it is only a name.

    It goes above comments that follow the last host at the hosts' own indentation, or less: they belong to what comes
    next. If a blank line separates the last two hosts, one separates the new host too.

    Raises AresmonError if the host exists, or if the file is written in a way that is not served.
    """
    hosts = _read(text)
    if name in hosts.data["hosts"]:
        raise AresmonError(
            f"{FILE}:{hosts.line(name)} hosts.{name}: this host exists already", hint="edit it, or choose another name"
        )
    plain = yaml.safe_load(yaml.safe_dump(dict(settings)))
    line = f"{yaml_spans.format_flow(name)}: {yaml_spans.format_flow(plain)}"
    edited = hosts.collection.with_entry(block=_block_lines(hosts.collection, name, plain, line), flow=line)
    wanted = [*hosts.data["hosts"].items(), (name, plain)]
    if not _says(edited, hosts.data, wanted):
        lines = "\n".join(f"  {one}" for one in _lines(name, plain, step="  "))
        raise AresmonError(
            f"{FILE}: `hosts` is written in a way that only a person can add to; nothing was changed",
            hint=f"add this to it:\n{lines}",
        )
    return edited


def remove_host(text: str, name: str) -> str:
    """The text without this host: without its lines, the comments in them and the deeper ones below, and the comments
    directly above it, at its indentation and without a blank line between.

    Comments above the first host stay: they may be about all of them. Of two blank lines that would then follow each
    other one goes.

    Raises AresmonError if there is no such host, if it is the only one, or the server, named or by being first; if it
    has an anchor that others use; or if the file is written in a way that is not served.
    """
    hosts = _read(text)
    _refuse_removal(hosts, name)
    entry = hosts.collection.find(name)
    wanted = [(other, value) for other, value in hosts.data["hosts"].items() if other != name]
    edited = hosts.collection.without(entry, comments=True) if entry else ""
    if not _says(edited, hosts.data, wanted):
        first = hosts.line(name)
        last = text.count("\n", 0, entry.stop) + 1 if entry else first
        lines = f"line {first}" if last <= first else f"lines {first} to {last}"
        raise AresmonError(
            f"{FILE}:{first} hosts.{name}: is written in a way that only a person can remove; nothing was changed",
            hint=f"remove it by hand: it is in {lines}",
        )
    return edited


@dataclass(frozen=True, slots=True)
class _Hosts:
    """The `hosts` of a text. `data` is what the whole text says, `lines` the line of each host."""

    data: dict[str, Any]
    source: Source
    collection: Collection
    lines: Mapping[str, int]

    def line(self, name: str) -> int:
        return self.lines.get(name, 0)


def _read(text: str) -> _Hosts:
    document = yaml_spans.parsed(text)
    data = document.data
    if not isinstance(data, dict) or not isinstance(data.get("hosts"), dict) or not data["hosts"]:
        raise AresmonError(f"{FILE}: must have `hosts`, a mapping with a host at least", hint="`aresmon check` helps")
    source = yaml_spans.source(text)
    collection = source.collection("hosts")
    if collection is None:  # merged in
        raise yaml_spans.unsupported_error()
    return _Hosts(data, source, collection, {name: document.line(("hosts", name)) for name in data["hosts"]})


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
    entry = hosts.collection.find(name)
    for anchor, line in hosts.source.aliases(entry) if entry else ():
        raise AresmonError(
            f"{where}: line {line} uses what is written there, by its anchor &{anchor}",
            hint=f"write it out in line {line} first",
        )


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


# Layout of the neighbours ----------------------------------------------------------------------------


def _block_lines(hosts: Collection, name: str, settings: Mapping[str, Any], line: str) -> list[str]:
    """The lines of a new host: one, as those of its neighbours, or one for each setting."""
    if _are_written_in_one_line(hosts) and hosts.entries[-1].column + len(line) <= _WIDEST:
        return [line]
    return _lines(name, settings, step=_step(hosts))


def _lines(name: str, settings: Mapping[str, Any], *, step: str) -> list[str]:
    pairs = (f"{step}{yaml_spans.format_flow(key)}: {yaml_spans.format_flow(value)}" for key, value in settings.items())
    return [f"{yaml_spans.format_flow(name)}:", *pairs]


def _are_written_in_one_line(hosts: Collection) -> bool:
    """Whether the last host that has any settings has them in `{…}`, on one line."""
    for entry in reversed(hosts.entries):
        if isinstance(entry.value, yaml.MappingNode):
            return bool(entry.value.flow_style) and "\n" not in hosts.text[entry.start : entry.end]
    return False


def _step(hosts: Collection) -> str:
    """How much deeper the settings are than the hosts; where no host has any, as much as the hosts themselves."""
    for entry in reversed(hosts.entries):
        column = _settings_column(entry)
        if column > entry.column:
            return " " * (column - entry.column)
    return " " * (hosts.entries[-1].column or 2)


def _settings_column(entry: Entry) -> int:
    value = entry.value
    if isinstance(value, yaml.MappingNode) and not value.flow_style and value.value:
        return int(value.value[0][0].start_mark.column)
    return 0

"""Adds collectors to hosts in the text of an aresmon.yml; every other byte stays as it is.

The result is parsed again: if it says anything but the same with these collectors more, the change is refused, and the
error names the lines to write.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from aresmon.config import yaml_spans
from aresmon.config.defaults import default_collect
from aresmon.config.layout import FILE
from aresmon.config.yaml_spans import Collection, Source
from aresmon.system.errors import AresmonError
from aresmon.system.yaml_document import parse

_WIDEST = 120  # characters of a line, from which on a list is written below each other

CollectorEntry = str | Mapping[str, Mapping[str, Any]]
"""A collector as `collect` has it: its name, or a mapping of the name to its options."""


def add_collectors(text: str, added: Mapping[str, Sequence[CollectorEntry]]) -> str:
    """The text with these entries, by host, at the end of the host's `collect`, written as those that are there.

    A host without `collect` gets one, with the collectors that it has by default. A list on one line that would get
    too long becomes one of several lines. The file is parsed once: with hundreds of hosts, that takes a while.

    Raises AresmonError if there is no such host, or if the file is written in a way that is not served.
    """
    document = yaml_spans.parsed(text)
    hosts = document.data.get("hosts") if isinstance(document.data, dict) else None
    for host in added:
        if not isinstance(hosts, dict) or host not in hosts:
            raise AresmonError(f"{FILE}: there is no host {host}", hint="`aresmon hosts list` names them")
    added = {host: entries for host, entries in added.items() if entries}
    edited = _edited(text, document.data, added) if added else text
    if edited is not None:
        return edited
    if len(added) > 1:  # one by one, so that the error names the host
        for host, entries in added.items():
            text = add_collectors(text, {host: entries})
        return text
    ((host, entries),) = added.items()
    lines = "\n".join(f"  {line}" for line in _lines(entries))
    raise AresmonError(
        f"{FILE}:{document.line(('hosts', host))} hosts.{host}: its `collect` is written in a way that only a "
        "person can add to; nothing was changed",
        hint=f"add this to it:\n{lines}",
    )


def _edited(text: str, data: Any, added: Mapping[str, Sequence[CollectorEntry]]) -> str | None:
    """The text with all of these; None if it would not say what it should."""
    source, wanted, edited = yaml_spans.source(text), copy.deepcopy(data), text
    for host in reversed(wanted["hosts"]):  # from the end: what is before an addition stays where it is
        if host not in added:
            continue
        settings = wanted["hosts"][host] or {}
        collect = [*settings.get("collect", default_collect()), *added[host]]
        wanted["hosts"][host] = {**settings, "collect": collect}
        longer = _with_entries(source, edited, host, added[host])
        if longer is None:
            return None
        edited = longer
    result = parse(edited)
    return None if result.problems or result.data != wanted else edited


def _with_entries(source: Source, text: str, host: str, entries: Sequence[CollectorEntry]) -> str | None:
    """The text with these entries, of which `source` describes all up to the end of this host."""
    settings, collect = (_in(text, source.collection(*keys)) for keys in (("hosts", host), ("hosts", host, "collect")))
    if collect is not None:
        if not collect.flow:
            return collect.with_entry(block=_lines(entries), flow="")
        longer = collect.with_entry(block=(), flow=_flow(entries))
        return longer if _fits(longer, collect) else _in_block(settings, collect, entries) or longer
    whole = [*default_collect(), *entries]
    if settings is None:
        return None
    return settings.with_entry(
        block=["collect:", *(f"  {line}" for line in _lines(whole))], flow=f"collect: [{_flow(whole)}]"
    )


def _in(text: str, collection: Collection | None) -> Collection | None:
    return None if collection is None else replace(collection, text=text)


def _fits(text: str, collect: Collection) -> bool:
    start = text.rfind("\n", 0, collect.open) + 1
    end = text.find("\n", collect.close)
    return "\n" in text[collect.open : collect.close] or (len(text) if end < 0 else end) - start <= _WIDEST


def _in_block(settings: Collection | None, collect: Collection, entries: Sequence[CollectorEntry]) -> str | None:
    """The text with a list on one line written below each other; None where its host is on one line too, or where
    a comment is in it."""
    text = collect.text
    entry = settings.find("collect") if settings is not None and not settings.flow else None
    inside = text[collect.open : collect.close]
    if entry is None or "#" in inside or "\n" in inside or "&" in text[entry.start : collect.open]:
        return None
    end, indent = yaml_spans.line_break(text, collect.open), " " * (entry.column + 2)
    lines = [f"- {text[one.start : one.end]}" for one in collect.entries] + _lines(entries)
    rest = text[collect.close + 1 :]
    comment, *below = rest.split(end, 1)
    block = "".join(end + indent + line for line in lines)
    return text[: collect.open].rstrip(" ") + comment + block + "".join(end + part for part in below)


def _lines(entries: Sequence[CollectorEntry]) -> list[str]:
    return [f"- {_one(entry)}" for entry in entries]


def _one(entry: CollectorEntry) -> str:
    if isinstance(entry, str):
        return yaml_spans.format_flow(entry)
    ((name, options),) = entry.items()
    return f"{yaml_spans.format_flow(name)}: {yaml_spans.format_flow(dict(options))}"


def _flow(entries: Sequence[CollectorEntry]) -> str:
    return ", ".join(yaml_spans.format_flow(entry if isinstance(entry, str) else dict(entry)) for entry in entries)

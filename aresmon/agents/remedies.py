"""What the inputs of a host need there, by the collectors that read them, for the message about a failure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from aresmon.agents import inputs
from aresmon.config.collector_options import OptionValue
from aresmon.config.collectors import Catalogue, Collector, CollectorUse
from aresmon.config.model import Host

_SCRIPT = re.compile(r"'''bash -c '(?:[^'\n]*\n[^'\n]*\$\{\w+[^}]*\})?(.{50})", re.DOTALL)
"""The beginning of a script, after a variable of Telegraf; it is in Telegraf's message, in one line and quoted."""
_SHORTEST = 4  # characters of an option's value by which a message is known to be about it


@dataclass(frozen=True, slots=True)
class CollectorNeeds:
    """A collector as a host runs it. `inputs` are Telegraf's plug-ins that are left with its options, `needs` is what
    must be on the host, in words, and `telegraf` the oldest version with these inputs, empty for any. `values` are
    texts by which a message is known to be about it: those of its options, and how its scripts begin."""

    collector: str
    inputs: tuple[str, ...]
    needs: str = ""
    telegraf: tuple[int, ...] = ()
    values: tuple[str, ...] = field(default=(), repr=False)


def collectors(host: Host, catalogue: Catalogue, body: str | None = None) -> tuple[CollectorNeeds, ...]:
    """The collectors of a host; with its configuration `body`, those whose tables are in it."""
    found = ((catalogue[use.name], use) for use in host.uses if use.name in catalogue)
    return tuple(
        _needs(collector, use) for collector, use in found if body is None or _is_in(body, host, collector, use)
    )


def owners(plugin: str, known: Sequence[CollectorNeeds], message: str = "") -> list[CollectorNeeds]:
    """The collectors that read this input: those of which a value is in the message, or else all."""
    all_of_it = [one for one in known if plugin in one.inputs]
    return [one for one in all_of_it if any(value in message for value in one.values)] or all_of_it


def name(plugin: str, several: Iterable[CollectorNeeds]) -> str:
    """How a message names an input: `inputs.prometheus (collector caddy)`; `inputs.redis` where only redis reads it."""
    names = sorted({one.collector for one in several})
    return f"inputs.{plugin}" + (f" (collector {' or '.join(names)})" if names not in ([], [plugin]) else "")


def remedy(several: Iterable[CollectorNeeds]) -> str:
    """What these collectors need, as the end of a sentence; empty for nothing."""
    return "; ".join(dict.fromkeys(f"{one.collector} needs {one.needs}" for one in several if one.needs))


def too_old(version: str, known: Iterable[CollectorNeeds]) -> Iterator[CollectorNeeds]:
    """The collectors that need a newer Telegraf than this version, such as `1.29.5`; none if it cannot be read."""
    numbers = tuple(int(part) for part in version.split("-")[0].split(".") if part.isdecimal())
    yield from (one for one in known if numbers and numbers < one.telegraf)


def _is_in(body: str, host: Host, collector: Collector, use: CollectorUse) -> bool:
    return collector.configuration(dict(use.options), in_container=host.agent == "docker").strip("\n") in body


def _needs(collector: Collector, use: CollectorUse) -> CollectorNeeds:
    values = {option: one.default for option, one in collector.options.items()} | dict(use.options)
    texts = tuple(text for value in values.values() for text in _texts(value) if len(text) >= _SHORTEST)
    configuration = collector.configuration(dict(use.options))
    there = inputs.plugins_in(configuration)
    plugins = tuple(plugin for plugin in collector.inputs if plugin in there)
    scripts = tuple(map(_quoted, _SCRIPT.findall(configuration)))
    return CollectorNeeds(collector.name, plugins, collector.needs, collector.telegraf, texts + scripts)


def _quoted(text: str) -> str:
    """As Go's %q writes it."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _texts(value: OptionValue | None) -> Iterator[str]:
    several = value if isinstance(value, tuple) else (value,)
    yield from (one for one in several if isinstance(one, str))

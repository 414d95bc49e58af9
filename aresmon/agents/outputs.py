"""Where a configuration sends its points, and whether those of the verification are among them.

A push is verified by a point of the measurement `aresmon_config` with the field `gen` and the host's name. Filters are
those of `models/filter.go` and `filter/filter.go` of Telegraf 1.39.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from aresmon.agents import tables
from aresmon.agents.tables import Configuration, LintFinding, Settings
from aresmon.config.names import DATABASE, MARKER

_FIELD = "gen"
_INCLUDES, _EXCLUDES = ("fieldinclude", "fieldpass", "pass"), ("fieldexclude", "fielddrop", "drop")
DEFAULT_URL = "http://localhost:8086"
_PORTS = {"http": 80, "https": 443}
_NAMES = ("name_override", "name_prefix", "name_suffix")


def urls(output: Mapping[str, Any]) -> list[str]:
    """The addresses of an outputs.influxdb."""
    found = output.get("urls", [])
    return [str(url) for url in (found if isinstance(found, list) else [found])]


def errors(found: Configuration, host: str) -> Iterator[LintFinding]:
    """Filters, aggregators and names that keep the verification's point from the site, on every way to it."""
    tags = {"host": host} | {key: str(value) for key, value in _global_tags(found).items()}
    for aggregator in found.plugins("aggregators"):
        if aggregator.read.get("drop_original") is True and _refusal(aggregator, tags) is None:
            what = f'{aggregator.name}: drop_original drops {MARKER}: add `namedrop = ["{MARKER}"]` to the aggregator'
            yield LintFinding(f"{what}. A push is verified by this measurement", aggregator.line("drop_original"))
    for processor in found.plugins("processors", "override"):
        key = next((key for key in _NAMES if processor.read.get(key)), "")
        if key and _refusal(processor, tags) is None:
            what = f'{processor.name}: {_remedy(key)}, or add `namedrop = ["{MARKER}"]` to the processor'
            yield LintFinding(f"{what}. A push is verified by this measurement", processor.line(key))
    several = list(found.plugins("outputs", "influxdb"))
    ways = [one for one in several if _leads_to(one, found.environment.get("ARESMON_URL", ""))] or several
    refusals = [(one, _refusal(one, tags) or _change(one) or "") for one in ways]
    if all(key for _, key in refusals):
        for output, key in refusals:
            yield LintFinding(
                f"{output.name}: {_remedy(key)}. A push is verified by this measurement", output.line(key)
            )


def elsewhere(text: str, environment: Mapping[str, str], site: Iterable[str]) -> list[LintFinding]:
    """A warning where no output has the address of the site, which `site` has in all its forms."""
    several = list(tables.of(text, environment).plugins("outputs", "influxdb"))
    addresses = [environment["ARESMON_URL"], *site]
    if any(_leads_to(one, url) and _database(one) == DATABASE for one in several for url in addresses):
        return []
    return [LintFinding(_elsewhere(one, environment["ARESMON_URL"]), one.line("urls")) for one in several[:1]]


def by_hand(found: Configuration, site: Iterable[str]) -> list[Settings]:
    """The outputs that lead to the site by an address that is written out."""
    addresses = [found.environment.get("ARESMON_URL", ""), *site]
    return [
        one
        for one in found.plugins("outputs", "influxdb")
        if urls(one.written) == urls(one.read) and any(_leads_to(one, url) for url in addresses)
    ]


def _elsewhere(output: Settings, site: str) -> str:
    shown = ", ".join(_public(url) for url in urls(output.read) or [DEFAULT_URL])
    return (
        f"no output leads to this site, {site}, database {DATABASE!r}: outputs.influxdb writes to {shown}, "
        f"database {_database(output)!r}. Unless this is another name of the site, no data will arrive; without "
        "this output, aresmon adds its own"
    )


def _database(output: Settings) -> str:
    return str(output.read.get("database") or "telegraf")


def _leads_to(output: Settings, site: str) -> bool:
    return _address(site) in {_address(url) for url in urls(output.read) or [DEFAULT_URL]}


def _address(url: str) -> tuple[str, int]:
    """The host and port of a URL; a URL that cannot be read is its own address."""
    try:
        parts = urlsplit(url)
        return (parts.hostname or url), parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        return url, 0


def _public(url: str) -> str:
    """A URL without the password that it may have."""
    return re.sub(r"//[^/@]*@", "//", url)


def _global_tags(found: Configuration) -> dict[str, Any]:
    tags = found.read(found.tables.get("global_tags", found.tables.get("tags", {})))
    return tags if isinstance(tags, dict) else {}


# Filters ------------------------------------------------------------------------------------------------------


def _refusal(plugin: Settings, tags: Mapping[str, str]) -> str | None:
    """The filter of a plug-in that does not select the verification's point; None if it is selected."""
    read = plugin.read
    if (names := _words(read, "namepass")) and not _matches(MARKER, names, read.get("namepass_separator", "")):
        return "namepass"
    if (names := _words(read, "namedrop")) and _matches(MARKER, names, read.get("namedrop_separator", "")):
        return "namedrop"
    if (passes := _tag_filter(read.get("tagpass"))) and not _any_tag(passes, tags):
        return "tagpass"
    if (drops := _tag_filter(read.get("tagdrop"))) and _any_tag(drops, tags):
        return "tagdrop"
    return None


def _change(output: Settings) -> str | None:
    """The setting of an output that takes away the field, the host's name, or the measurement's own name."""
    read = output.read
    for keys, is_wanted in ((_INCLUDES, True), (_EXCLUDES, False)):
        several = [word for key in keys for word in _words(read, key)]
        if several and _matches(_FIELD, several) != is_wanted:
            return next(key for key in keys if _words(read, key))
    for key, is_wanted in (("taginclude", True), ("tagexclude", False)):
        if (several := _words(read, key)) and _matches("host", several) != is_wanted:
            return key
    return next((key for key in _NAMES if read.get(key)), None)


def _remedy(key: str) -> str:
    match key:
        case "namepass":
            return f'namepass keeps out the measurement {MARKER}: add "{MARKER}" to it'
        case "namedrop":
            return f"namedrop drops the measurement {MARKER}: make it match less"
        case "tagpass" | "tagdrop":
            return f"{key} drops the measurement {MARKER}, whose tags are host and the global tags: filter the inputs"
        case "taginclude" | "tagexclude":
            return f"{key} takes away the tag host of {MARKER}, and of all points: keep the tag"
        case "name_override" | "name_prefix" | "name_suffix":
            return f"{key} renames the measurement {MARKER}: use it on the inputs"
        case _:
            return f"{key} drops the field {_FIELD} of {MARKER}: filter the inputs, or let this field pass"


def _words(read: Mapping[str, Any], key: str) -> list[str]:
    found = read.get(key, [])
    return [str(one) for one in (found if isinstance(found, list) else [found])]


def _tag_filter(found: Any) -> dict[str, list[str]]:
    return {tag: _words(found, tag) for tag in found} if isinstance(found, dict) else {}


def _any_tag(filters: Mapping[str, Sequence[str]], tags: Mapping[str, str]) -> bool:
    return any(tag in tags and _matches(tags[tag], words) for tag, words in filters.items() if words)


def _matches(name: str, patterns: Sequence[str], separators: Any = "") -> bool:
    """Whether a name matches one of these patterns. They are globs only if one of them has a wildcard."""
    if not separators and not any(one in pattern for pattern in patterns for one in "*?["):
        return name in patterns
    return any(re.fullmatch(_expression(one, str(separators)), name, re.DOTALL) for one in patterns)


def _expression(glob: str, separators: str) -> str:
    """A glob of github.com/gobwas/glob as a regular expression. One that cannot be read matches nothing."""
    one = f"[^{re.escape(separators)}]" if separators else "."
    parts = {"**": ".*", "*": f"{one}*", "?": one, "{": "(?:", "}": ")", ",": "|"}
    depth, found = 0, ""
    for part in re.findall(r"\\.|\*\*+|\[!?[^\]]*\]|.", glob, re.DOTALL):
        depth += {"{": 1, "}": -1}.get(part, 0)
        if part.startswith("[") and len(part) > 1:
            found += part.replace("[!", "[^", 1).replace("\\", "\\\\")
        elif part.startswith("**"):
            found += parts["**"]
        elif part in parts and (part != "," or depth):
            found += parts[part]
        else:
            found += re.escape(part[-1])
    try:
        re.compile(found)
    except re.error:
        return r"(?!)"
    return found

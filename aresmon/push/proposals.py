"""Which collectors a host wants, with what options, and what each still needs there.

Nothing here reaches a host: `questions` says what is to be asked there about what was found, and `propose` what comes
of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any
from urllib.parse import urlsplit

from aresmon.config import collector_options
from aresmon.config.collector_options import OptionValue
from aresmon.config.collectors import Catalogue, Collector, CollectorUse
from aresmon.config.discovery import VARIABLE, Discovery, Need
from aresmon.config.model import Host
from aresmon.push.sightings import Sighting, Values

_WORDS = {
    "address": "listens on no TCP port",
    "host": "listens on no TCP port",
    "port": "listens on no TCP port",
    "socket": "has no Unix socket that the agent can open",
    "folder": "has no Unix socket that the agent can open",
    "suffix": "has no Unix socket",
}

Question = tuple[str, ...]
"""What is asked on the host: `page HOST PORT PATH REGEX`, `match REGEX GLOB…`, `group NAME` or `program NAME`."""
Answers = Mapping[Question, bool]


@dataclass(frozen=True, slots=True)
class Remedy:
    """What a collector still needs on the host, and how it is done there: see `Need`. With `is_checked`, it was seen to
    be missing."""

    what: str
    file: str
    lines: tuple[str, ...]
    run: tuple[str, ...]
    statements: tuple[str, ...]
    is_checked: bool


@dataclass(frozen=True, slots=True)
class Proposal:
    """A use of a collector, what it is for, and what it still needs."""

    use: CollectorUse
    evidence: tuple[str, ...]
    remedies: tuple[Remedy, ...] = ()


@dataclass(frozen=True, slots=True)
class Unfit:
    """Something that was found and is not proposed, and why."""

    collector: str
    evidence: str
    why: str


@dataclass(frozen=True, slots=True)
class Discovered:
    """What came of looking at a host. `present` are the collectors that it has already, with what they are for."""

    proposals: tuple[Proposal, ...] = ()
    unfit: tuple[Unfit, ...] = ()
    present: tuple[tuple[str, str], ...] = ()


def questions(sightings: Iterable[Sighting], catalogue: Catalogue) -> list[Question]:
    """What is to be asked on the host about what was found there."""
    asked: dict[Question, None] = {}
    for one in sightings:
        declared = _discovery(catalogue[one.collector])
        asked |= dict.fromkeys(question for _, question in _pages(one, declared))
        for need in declared.needs:
            asked |= dict.fromkeys(_conditions(need).values())
    return list(asked)


def propose(sightings: Iterable[Sighting], answers: Answers, catalogue: Catalogue, host: Host) -> Discovered:
    """What the host could collect besides what it does. A collector that it has already is not proposed again."""
    present: dict[tuple[str, str], None] = {}
    unfit: dict[Unfit, None] = {}
    made: dict[CollectorUse, Proposal] = {}
    for one in sightings:
        if one.collector in host.collect:
            present[one.collector, one.evidence] = None
            continue
        result = _proposal(one, answers, catalogue[one.collector], host)
        if isinstance(result, Unfit):
            unfit[result] = None
        else:
            _add(made, result, catalogue)
    return Discovered(tuple(made.values()), tuple(unfit), tuple(present))


def _discovery(collector: Collector) -> Discovery:
    return collector.discovery or Discovery()


# What is asked ----------------------------------------------------------------------------------------------


def _pages(one: Sighting, declared: Discovery) -> Iterator[tuple[str, Question]]:
    """The pages that may be the service's, each with the question whether it is."""
    for template in declared.pages:
        for url in _filled(template, one.values):
            parts = urlsplit(url)
            host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else str(parts.hostname)
            path = parts.path + (f"?{parts.query}" if parts.query else "")
            yield url, ("page", host, str(parts.port or 80), path, declared.answers)


def _conditions(need: Need) -> dict[str, Question]:
    """The questions whose answers decide whether it is needed."""
    asked: dict[str, Question] = {}
    if need.group:
        asked["group"] = ("group", need.group)
    if need.program:
        asked["program"] = ("program", need.program)
    if need.unless:
        asked["unless"] = ("match", need.unless, *need.within)
    if need.only_if:
        asked["if"] = ("match", need.only_if, *need.within)
    return asked


# What comes of it -------------------------------------------------------------------------------------------


def _proposal(one: Sighting, answers: Answers, collector: Collector, host: Host) -> Proposal | Unfit:
    declared = _discovery(collector)
    pages = list(_pages(one, declared))
    page = next((url for url, question in pages if answers.get(question)), "")
    why = one.obstacle or _why_not(collector, host)
    if not why and one.way == "container" and pages and not page:
        why = f"none of its pages answers: {', '.join(url for url, _ in pages)}"
    if why:
        return Unfit(one.collector, one.evidence, why)
    values = dict(one.values)
    if declared.pages:
        values["page"] = (page or pages[-1][0],) if pages else ()
    options, missing = _options(one, declared, collector, values)
    if missing:
        return Unfit(one.collector, one.evidence, f"it {_WORDS.get(missing, f'has no {missing}')}")
    if wrong := next(collector_options.find_problems(collector.options, options), None):
        place, what = wrong
        return Unfit(one.collector, one.evidence, " ".join([*map(str, place), what]))
    kept = {name: collector.options[name].value(value) for name, value in options.items()}
    given = tuple(sorted((name, value) for name, value in kept.items() if value != collector.options[name].default))
    evidence = (one.evidence, *([f"{page} answers"] if page else []))
    needs = tuple(_remedies(one, declared, answers, has_page=bool(page), values=values))
    return Proposal(CollectorUse(collector.name, given), evidence, needs)


def _why_not(collector: Collector, host: Host) -> str:
    if collector.agent and collector.agent != host.agent:
        return f"the collector runs in a {collector.agent} agent only"
    given = dict(host.env)
    missing = [one for one in collector.required if one.name not in given]
    return f"it needs env.{missing[0].name}: {missing[0].hint}" if missing else ""


def _options(one: Sighting, declared: Discovery, collector: Collector, values: Values) -> tuple[dict[str, Any], str]:
    """The options as aresmon.yml has them, or the variable that is missing for one of them."""
    seen = {*values.get("socket", ()), *values.get("address", ())}
    if one.way == "local" and seen & set(declared.usual):
        return {}, ""
    options: dict[str, Any] = {}
    for name, template in declared.templates(one.way).items():
        if isinstance(template, Mapping):
            options[name] = {"secret": collector_options.secret_name(_filled(template["secret"], values)[0])}
            continue
        option, texts = collector.options[name], template if isinstance(template, tuple) else (template,)
        if missing := next((key for text in texts for key in _variables(text) if not values.get(key)), ""):
            return {}, missing
        several = [each for text in texts for each in (_filled(text, values) if isinstance(text, str) else [text])]
        plain = [int(value) if option.type == "integer" else value for value in several]
        options[name] = list(dict.fromkeys(plain)) if option.is_list else plain[0]
    return options, ""


def _remedies(
    one: Sighting, declared: Discovery, answers: Answers, *, has_page: bool, values: Values
) -> Iterator[Remedy]:
    for need in declared.needs:
        if one.way not in need.where or (need.of and one.program not in need.of):
            continue
        asked = {name: answers.get(question) for name, question in _conditions(need).items()}
        if (need.page and has_page) or asked.get("if") is False:
            continue
        if any(asked.get(name) for name in ("group", "program", "unless")):
            continue
        lines, run, statements = (
            tuple(_with_known(text, values) for text in several) for several in (need.lines, need.run, need.statements)
        )
        yield Remedy(need.what, need.file, lines, run, statements, is_checked=need.page or bool(asked))


def _add(made: dict[CollectorUse, Proposal], new: Proposal, catalogue: Catalogue) -> None:
    """Add a proposal: to that of the same use, or to the lists of one that differs only in these."""
    for use, old in made.items():
        joined = _joined(catalogue[use.name], use, new.use) if use.name == new.use.name else None
        if joined is not None:
            del made[use]
            evidence, remedies = (*old.evidence, *new.evidence), (*old.remedies, *new.remedies)
            made[joined] = Proposal(joined, tuple(dict.fromkeys(evidence)), tuple(dict.fromkeys(remedies)))
            return
    made[new.use] = new


def _joined(collector: Collector, one: CollectorUse, other: CollectorUse) -> CollectorUse | None:
    """One use for two that differ only in lists; None for others."""
    joined: dict[str, OptionValue] = {}
    for name in sorted({name for name, _ in (*one.options, *other.options)}):
        default = collector.options[name].default
        mine, others = (dict(use.options).get(name, default) for use in (one, other))
        if isinstance(mine, tuple) and isinstance(others, tuple):
            mine = tuple(dict.fromkeys((*mine, *others)))
        elif mine is None or mine != others:
            return None
        joined[name] = mine
    return CollectorUse(one.name, tuple(joined.items()))


# Variables --------------------------------------------------------------------------------------------------


def _variables(text: Any) -> list[str]:
    return VARIABLE.findall(text) if isinstance(text, str) else []


def _filled(text: str, values: Values) -> list[str]:
    """The text with each combination of values that were found together; none where a variable has no value."""
    names = list(dict.fromkeys(_variables(text)))
    if not names:
        return [text]
    columns = [values.get(name, ()) for name in names]
    rows: Iterable[tuple[str, ...]] = product(*columns)
    if len(set(map(len, columns))) == 1:  # those of the same sockets, side by side
        rows = zip(*columns, strict=True)
    return [_with_known(text, {name: (value,) for name, value in zip(names, row, strict=True)}) for row in rows]


def _with_known(text: str, values: Values) -> str:
    """The text with the first value of each variable that has one; other braces stay."""

    def one(match: re.Match[str]) -> str:
        known = values.get(match[1])
        return known[0] if known else match[0]

    return VARIABLE.sub(one, text)

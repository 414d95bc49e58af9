"""How a collector is found on a host: what its file declares in `[discover]`.

A collector is found by a program that listens, a systemd unit that is active, a file, or the image of a container. What
was found fills its options, and `[[discover.needs]]` say what is still to be done on the host, with the exact commands
or lines.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from aresmon.config.collector_options import Option
from aresmon.system.json_schema import did_you_mean

VARIABLE = re.compile(r"\{([a-z]+)\}")
KNOWN_VARIABLES = frozenset(
    ("address", "host", "port", "socket", "file", "folder", "parent", "suffix", "page", "container", "name")
)
"""The variables that options, pages and needs can use: what was found, and the host's `name` in aresmon.yml."""

Way = Literal["local", "network", "container"]
"""How the agent reaches a service: on its own machine; from a container, by an address; or in the service's container,
by a port that is published."""
WAYS: tuple[Way, ...] = ("local", "network", "container")

_LISTS = frozenset(("programs", "ports", "sockets", "usual", "units", "files", "images", "except", "pages"))
_SETTINGS = _LISTS | {"public", "text", "port", "answers", "options", "network", "container", "needs"}
_NEED_LISTS = frozenset(("run", "statements", "lines", "within", "where", "of"))
_NEED = _NEED_LISTS | {"what", "file", "page", "group", "program", "unless", "if"}


class DiscoveryError(ValueError):
    """A table [discover] that is wrong."""


@dataclass(frozen=True, slots=True)
class Need:
    """What a collector needs on the host: `what` in words, and how it is done. `lines` are added to a `file`, then the
    commands `run` are run; `statements` are typed into the client that the last of them opens.

    It is met if the collector's page answers (`page`), if Telegraf's account is in a `group`, if a `program` is there,
    or if a line of the files `within` matches the regular expression `unless`. It is no need if none matches `only_if`.
    Without such a condition, nobody can tell by looking. `where` and `of` limit it to ways and to programs.
    """

    what: str
    run: tuple[str, ...] = ()
    statements: tuple[str, ...] = ()
    file: str = ""
    lines: tuple[str, ...] = ()
    page: bool = False
    group: str = ""
    program: str = ""
    unless: str = ""
    only_if: str = ""
    within: tuple[str, ...] = ()
    where: tuple[str, ...] = WAYS
    of: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Discovery:
    """How a collector is found, and with what options.

    `programs` are names of processes, or patterns of their paths; one counts if it listens, on one of `ports` or
    `sockets` where these are given, and with `public` on an address that other machines reach. `files` count if a line
    matches `text`, where that is given. `images` are those of containers, whose service listens on `port` inside.
    `exceptions` are patterns of paths, units and images that are something else.

    `options` have what was found in them, as `tcp://{address}`; `network` and `container` are those for these ways.
    Where one of the `usual` sockets or addresses was found, the collector's defaults are right. Of `pages`, the first
    whose answer matches the regular expression `answers` is `{page}`; the last one if none does.
    """

    programs: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    sockets: tuple[str, ...] = ()
    public: bool = False
    usual: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    text: str = ""
    images: tuple[str, ...] = ()
    port: int = 0
    exceptions: tuple[str, ...] = ()
    pages: tuple[str, ...] = ()
    answers: str = ""
    options: tuple[tuple[str, Any], ...] = ()
    network: tuple[tuple[str, Any], ...] | None = None
    container: tuple[tuple[str, Any], ...] | None = None
    needs: tuple[Need, ...] = ()

    def templates(self, way: Way) -> Mapping[str, Any]:
        """The options to fill where the agent reaches the service in this way."""
        chosen = self.container if way == "container" else None
        if chosen is None and way != "local":
            chosen = self.network
        return dict(self.options if chosen is None else chosen)


def declared(tables: Mapping[str, Any], options: Mapping[str, Option]) -> Discovery | None:
    """What the tables `[discover]` of a collector's file declare; None without one. Raises DiscoveryError."""
    if "discover" not in tables:
        return None
    table = tables["discover"]
    if not isinstance(table, dict):
        raise DiscoveryError("[discover] is a table")
    _refuse_unknown("[discover]", table, _SETTINGS)
    needs = table.get("needs", [])
    if not isinstance(needs, list):
        raise DiscoveryError("[[discover.needs]] has two brackets")
    lists = {name: _list("[discover]", table, name, of=int if name == "ports" else str) for name in _LISTS}
    discovery = Discovery(
        exceptions=lists.pop("except"),
        **lists,
        public=bool(table.get("public")),
        text=_pattern("[discover] text", table.get("text", "")),
        port=table.get("port", 0),
        answers=_pattern("[discover] answers", table.get("answers", "")),
        options=_options("options", table.get("options", {}), options),
        network=_options("network", table["network"], options) if "network" in table else None,
        container=_options("container", table["container"], options) if "container" in table else None,
        needs=tuple(map(_need, needs)),
    )
    _check(discovery)
    return discovery


def _check(discovery: Discovery) -> None:
    wrong = ""
    if not (discovery.programs or discovery.units or discovery.files or discovery.images):
        wrong = "must have programs, units, files or images"
    elif (discovery.ports or discovery.sockets or discovery.public) and not discovery.programs:
        wrong = "ports, sockets and public are about programs, of which it names none"
    elif type(discovery.port) is not int or bool(discovery.images) != bool(discovery.port):
        wrong = "needs both images and port, a number: where the service listens inside"
    elif discovery.text and not discovery.files:
        wrong = "text is about files, of which it names none"
    elif bool(discovery.pages) != bool(discovery.answers):
        wrong = "needs both pages and answers, a regular expression"
    elif any(need.page for need in discovery.needs) and not discovery.pages:
        wrong = "has needs with `page`, and no pages"
    elif others := [page for page in discovery.pages if not re.match(r"http://[^/]+/", page)]:
        wrong = f"pages are as http://HOST/PATH, not {others[0]!r}"
    if wrong:
        raise DiscoveryError(f"[discover] {wrong}")
    _check_variables("[discover] pages", discovery.pages, KNOWN_VARIABLES - {"page"})


def _options(key: str, given: Any, options: Mapping[str, Option]) -> tuple[tuple[str, Any], ...]:
    where = f"[discover.{key}]"
    if not isinstance(given, dict):
        raise DiscoveryError(f"{where} is a table")
    _refuse_unknown(where, given, options)
    for name, value in given.items():
        option = options[name]
        plain = {"secret": "x"} if option.is_secret and isinstance(value, dict) and [*value] == ["secret"] else value
        texts = [value["secret"]] if plain is not value else value if isinstance(value, list) else [value]
        is_filled = any(isinstance(one, str) and VARIABLE.search(one) for one in texts)
        if (option.is_secret or not is_filled) and (fault := option.find_fault(plain)):
            raise DiscoveryError(f"{where} {name} {fault}")
        _check_variables(f"{where} {name}", (one for one in texts if isinstance(one, str)), KNOWN_VARIABLES)
    return tuple((name, tuple(value) if isinstance(value, list) else value) for name, value in given.items())


def _need(table: Any) -> Need:
    where = "[[discover.needs]]"
    if not isinstance(table, dict):
        raise DiscoveryError(f"{where} are tables")
    _refuse_unknown(where, table, _NEED)
    lists = {name: _list(where, table, name, of=str) for name in _NEED_LISTS & set(table)}
    if not str(table.get("what", "")).strip():
        raise DiscoveryError(f"{where} needs `what`, in words")
    if not (lists.get("run") or lists.get("lines")):
        raise DiscoveryError(f"{where} needs the commands to `run`, or the `lines` of a `file`")
    if bool(table.get("file")) != bool(lists.get("lines")):
        raise DiscoveryError(f"{where} needs both file and lines")
    if bool(table.get("unless") or table.get("if")) != bool(lists.get("within")):
        raise DiscoveryError(f"{where} needs within, and one of unless and if, a regular expression")
    if unknown := set(lists.get("where", ())) - set(WAYS):
        raise DiscoveryError(f"{where} where can be {', '.join(WAYS)}, not {min(unknown)!r}")
    return Need(
        what=str(table["what"]),
        file=str(table.get("file", "")),
        page=bool(table.get("page")),
        group=str(table.get("group", "")),
        program=str(table.get("program", "")),
        unless=_pattern(f"{where} unless", table.get("unless", "")),
        only_if=_pattern(f"{where} if", table.get("if", "")),
        **lists,
    )


def _list(where: str, table: Mapping[str, Any], name: str, *, of: type) -> tuple[Any, ...]:
    value = table.get(name, [])
    if not isinstance(value, list) or not all(type(one) is of for one in value):
        raise DiscoveryError(f"{where} {name} must be a list of {'ports' if of is int else 'texts'}")
    return tuple(value)


def _refuse_unknown(where: str, given: Iterable[str], known: Collection[str]) -> None:
    for name in given:
        if name not in known:
            raise DiscoveryError(f"{where}: unknown setting {name!r}{did_you_mean(name, known)}")


def _check_variables(where: str, texts: Iterable[str], known: frozenset[str]) -> None:
    for name in (name for text in texts for name in VARIABLE.findall(text)):
        if name not in known:
            raise DiscoveryError(f"{where} uses {{{name}}}; there are {', '.join(sorted(known))}")


def _pattern(where: str, text: Any) -> str:
    try:
        re.compile(text)
    except (re.error, TypeError) as error:
        raise DiscoveryError(f"{where} is no regular expression: {error}") from None
    return str(text)

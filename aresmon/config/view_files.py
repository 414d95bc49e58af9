"""Reads the views: `grafana/collectors/<collector>.yml`, and the site's own in `overrides/collectors/`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from aresmon.config import builtin_alerts, collectors, package_data, view_checks
from aresmon.config.units import parse_span
from aresmon.config.views import (
    HOST,
    SEVERITIES,
    Alert,
    Board,
    Column,
    Condition,
    FieldKind,
    Levels,
    Measurement,
    Panel,
    Restart,
    SeriesSpec,
    Severity,
    TableColumn,
    View,
    Views,
)
from aresmon.system import json_schema
from aresmon.system.errors import AresmonError, SiteError
from aresmon.system.yaml_document import Document, Keys, YamlProblem, parse, read_text

SCHEMA = Path(__file__).with_name("view_schema.yml")
SHIPPED = package_data.GRAFANA / "collectors"
OVERVIEW = "fleet"


def load(overrides: Path | None = None) -> dict[str, View]:
    """The shipped views and those of `overrides/collectors`, which win; by collector.

    Raises SiteError with everything that is wrong with any of them, each with its file and line.
    """
    # The tests validate the shipped ones against the schema: here that would take longer than reading them.
    found = {path.stem: read(read_text(path), path.stem, file=str(path), checked=True) for path in _files(SHIPPED)}
    errors: list[str] = []
    own = overrides / "collectors" if overrides is not None else None
    for path in _files(own) if own is not None else ():
        try:
            text = read_text(path)
            found[path.stem] = read(text, path.stem, file=str(path))
            problems = _not_kept(found[path.stem], path, parse(text))
            errors.extend(problem.describe(str(path)) for problem in problems)
        except SiteError as error:
            errors.extend(error.errors)
        except AresmonError as error:
            errors.append(error.message)
        errors.extend(f"{path}: {problem}" for problem in _wrong_name(path))
    errors.extend(_strangers(own) if own is not None else ())
    errors.extend(_place(own, places, what) for places, what in (*_shared_names(found), *_shared_kinds(found)))
    if errors:
        raise SiteError(errors, hint="nothing was changed; docs/views.md tells what such a file may say")
    return found


def read(text: str, name: str, *, file: str, checked: bool = False) -> View:
    """One view. `checked`: it is known to have nothing wrong. Raises SiteError with everything that is wrong, each
    with its line."""
    document = parse(text)
    if document.data is None and not document.problems:
        document.problems.append(YamlProblem(0, "", "is empty; it must at least have a title and its measurements"))
    if not document.problems and not checked:
        document.problems.extend(json_schema.problems(document, view_schema()))
        if not document.problems:
            document.problems.extend(view_checks.find_problems(document, _measurements(document.data)))
    if document.problems:
        raise SiteError([problem.describe(file) for problem in sorted(set(document.problems))])
    return _view(document.data, name)


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.yml"))


def _wrong_name(path: Path) -> Iterator[str]:
    if not any((place / f"{path.stem}.conf").exists() for place in (path.parent, package_data.TELEGRAF / "collectors")):
        yield f"there is no collector of this name; its inputs belong into {path.stem}.conf beside it"
    if path.stem == OVERVIEW:
        yield "the overview's dashboard has this name already; give the collector another"


def _strangers(folder: Path) -> Iterator[str]:
    """Files that nobody would read, and that somebody may have meant."""
    for path in sorted(folder.glob("*")):
        if path.suffix not in (".conf", ".yml") and not path.name.startswith(".") and path.name != "README.md":
            yield f"{path}: is read by nobody; a collector is NAME.conf, and what there is to see of it NAME.yml"


def _not_kept(view: View, path: Path, document: Document) -> Iterator[YamlProblem]:
    """Fields that the collector's own inputs leave out, where all of them say what they keep."""
    fragment = path.with_suffix(".conf")
    if not fragment.exists():
        return
    kept = collectors.kept_fields(read_text(fragment))
    for name, measurement in view.measurements.items() if kept is not None else ():
        for field in measurement.fields:
            if not any(fnmatchcase(field, one) for one in kept or ()):
                what = f"'{field}' is not among the fields that {fragment.name} keeps (`fieldinclude`)"
                yield document.problem(("measurements", name), what)


@cache
def view_schema() -> dict[str, Any]:
    """The JSON Schema of a view."""
    text = SCHEMA.read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 (a safe loader)
    return loaded


_Named = tuple[str, Keys]  # a view, and where in it


_Shared = Iterator[tuple[tuple[_Named, _Named], str]]
"""What is wrong between two files: where, the later one first, and what."""


def _shared_names(views: Views) -> _Shared:
    """Names that must be unique and that two files have. The alerts that belong to no collector are in no file."""
    owners: dict[tuple[str, str], _Named] = {("alert", name): ("", ()) for name in builtin_alerts.IDS}
    for view in views.values():
        alerts = [("alert", one.id, ("alerts", at)) for at, one in enumerate(view.alerts)]
        columns = [("column", one.title, ("columns", at)) for at, one in enumerate(view.columns)]
        for what, name, keys in (*alerts, *columns):
            here: _Named = (view.name, keys)
            other = owners.setdefault((what, name), here)
            if (owner := other[0]) != view.name:
                where = f"{owner}.yml and in {view.name}.yml" if owner else f"{view.name}.yml and one of aresmon's own"
                yield (here, other), f"the {what} '{name}' is in {where}; its name must be unique"


def _shared_kinds(views: Views) -> _Shared:
    """Fields of which two files say different kinds."""
    kinds: dict[tuple[str, str], tuple[FieldKind, str]] = {}
    for view in views.values():
        for one in view.measurements.values():
            keys: Keys = ("measurements", one.name)
            for field, kind in one.fields.items():
                former, owner = kinds.setdefault((one.name, field), (kind, view.name))
                if former != kind:
                    what = f"'{field}' of '{one.name}' is a {former} in {owner}.yml and a {kind} in {view.name}.yml"
                    yield ((view.name, keys), (owner, keys)), what


def _place(own: Path | None, places: tuple[_Named, ...], what: str) -> str:
    """A problem with its line in the view that is one of the site's own."""
    for view, keys in places:
        path = own / f"{view}.yml" if own is not None and view else None
        if path is not None and path.is_file():
            return parse(read_text(path)).problem(keys, what).describe(str(path))
    return what


# From data to types ----------------------------------------------------------------------------------


def _measurements(data: Any) -> dict[str, Measurement]:
    return {
        name: Measurement(
            name,
            tuple(one.get("tags", [])),
            {field: kind for several, kind in view_checks.KINDS.items() for field in one.get(several, [])},
            parse_span(one["min_step"]) if "min_step" in one else 0,
        )
        for name, one in data["measurements"].items()
    }


def _view(data: Any, name: str) -> View:
    known = _measurements(data)
    board = data.get("dashboard")
    return View(
        name=name,
        title=data["title"],
        measurements=known,
        panels=tuple(_panel(one, known) for one in data.get("panels", [])),
        columns=tuple(_column(one, known) for one in data.get("columns", [])),
        alerts=tuple(_alert(one, known) for one in data.get("alerts", [])),
        board=Board(board["title"], board.get("choose", ""), board.get("of", "")) if board else None,
        restarts=tuple(_restart(one, known) for one in data.get("restarts", [])),
    )


def _panel(data: Mapping[str, Any], known: Mapping[str, Measurement]) -> Panel:
    return Panel(
        title=data["title"],
        kind=data.get("kind", "timeseries"),
        unit=data["unit"],
        description=data["description"],
        series=tuple(_series(one, known) for one in data["series"]),
        levels=_levels(data.get("thresholds")),
        minimum=data.get("min"),
        maximum=data.get("max"),
        soft_maximum=data.get("soft_max"),
        decimals=data.get("decimals"),
        stack=data.get("stack", False),
        width=data.get("width", 0),
        height=data.get("height", 0),
        place=data.get("place", "main"),
        no_data=data.get("no_data", "no data"),
        show=_words(data.get("show", {})),
        columns=tuple(_table_column(one) for one in data.get("columns", [])),
        sort=tuple((title, order == "descending") for title, order in data.get("sort", {}).items()),
        rows=tuple(data.get("rows", [])),
        within=data.get("within", ""),
        row=data.get("row", ""),
        panel=data.get("panel", ""),
        formerly=data.get("formerly", ""),
    )


def _table_column(data: Mapping[str, Any]) -> TableColumn:
    return TableColumn(
        of=data["of"],
        title=data.get("title", ""),
        width=data["width"],
        unit=data.get("unit", ""),
        decimals=data.get("decimals"),
        minimum=data.get("min"),
        maximum=data.get("max"),
        levels=_levels(data.get("thresholds")),
        is_bar=data.get("bar", False),
        is_wrapped=data.get("wrap", False),
        show=_words(data.get("show", {})),
    )


def _words(data: Mapping[str, Any]) -> tuple[tuple[str, str, str], ...]:
    return tuple((value, one["text"], one["color"]) for value, one in data.items())


def _column(data: Mapping[str, Any], known: Mapping[str, Measurement]) -> Column:
    return Column(
        title=data["title"],
        unit=data["unit"],
        description=data.get("description", ""),
        series=_series(data["series"], known),
        levels=_levels(data.get("thresholds")),
        decimals=data.get("decimals"),
        width=data.get("width", 0),
        order=data.get("order", 100),
        trend=data.get("trend", False),
        top=data.get("top", ""),
    )


def _restart(data: Mapping[str, Any], known: Mapping[str, Measurement]) -> Restart:
    series = _series(data["series"], known)
    return Restart(data["title"], series, data.get("unit", ""), data.get("color", "orange"))


def _alert(data: Mapping[str, Any], known: Mapping[str, Measurement]) -> Alert:
    falling = "below" in data
    return Alert(
        id=data["id"],
        title=data["title"],
        series=_series(data["series"], known),
        over=parse_span(data["over"]),
        lasting=parse_span(data.get("for", "0s")),
        levels=Levels(_steps(data["below" if falling else "above"]), falling),
        unit=data["unit"],
        summary=data["summary"],
        next=data["next"],
        when=data.get("when", ""),
        each_host=data.get("each_host", False),
        panel=data.get("panel", ""),
        resource=data.get("resource", ""),
    )


def _series(data: Mapping[str, Any], known: Mapping[str, Measurement]) -> SeriesSpec:
    measurement = known.get(data.get("from", ""))
    tags = {HOST, *(measurement.tags if measurement else ())}
    return SeriesSpec(
        measurement=data.get("from", ""),
        field=data.get("field", ""),
        aggregate=data.get("aggregate", "mean"),
        rate=parse_span(data["rate"]) if "rate" in data else 0,
        increase=data.get("increase", False),
        math=data.get("math", "").strip(),
        where=tuple(_condition(key, value, tags) for key, value in data.get("where", {}).items()),
        by=tuple(data.get("by", [])),
        name=data.get("name", ""),
        formula=data.get("formula", ""),
        parts=tuple((name, _series(part, known)) for name, part in data.get("of", {}).items()),
        influxql=data.get("influxql", ""),
        role=data.get("role", ""),
        beside=tuple(data.get("beside", {}).items()),
        min_step=measurement.min_step if measurement and ("rate" in data or data.get("increase")) else 0,
    )


def _condition(key: str, value: str | float, tags: set[str]) -> Condition:
    name = key.rstrip("!<>")
    sign = key.removeprefix(name)
    is_expression = isinstance(value, str) and len(value) > 1 and value[0] == value[-1] == "/"
    plain = {"": "=", "!": "!=", "<": "<", ">": ">"}[sign]
    operator = {"=": "=~", "!=": "!~"}.get(plain, plain) if is_expression else plain
    return Condition(name, operator, value, name in tags)


def _levels(data: Mapping[str, Any] | None) -> Levels | None:
    if data is None:
        return None
    steps = _steps(data)
    values = [value for _, value in steps]
    return Levels(steps, falling=values != sorted(values))


def _steps(data: Mapping[str, Any]) -> tuple[tuple[Severity, float], ...]:
    return tuple((severity, float(data[severity])) for severity in SEVERITIES if severity in data)

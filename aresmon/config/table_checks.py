"""What is wrong with a table of a view, or with a column of the overview, that the schema cannot say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from aresmon.config.views import HOST, Measurement, ratio_in
from aresmon.system import json_schema
from aresmon.system.yaml_document import Document, Keys, YamlProblem

_TAKEN = ("Host", "State", "Data age", "age", "ever", "recent", "uid")  # columns that the overview has by itself
_OF_TABLES = ("columns", "sort", "rows", "within")
_SELECTORS = ("first", "last", "min", "max")


def column_problems(document: Document, keys: Keys, series: Mapping[str, Any], title: str) -> Iterator[YamlProblem]:
    """Of the series of a column of the overview."""
    if "influxql" in series:
        yield document.problem(keys, "a column is one field, or the ratio of two; it needs `from` or `formula`")
    yield from _cell_problems(document, keys, series)
    if title in _TAKEN:
        yield document.problem((*keys[:-1], "title"), f"the overview has a column '{title}' already")
    yield from _name_problems(document, (*keys[:-1], "title"), title)


def panel_problems(
    document: Document, keys: Keys, panel: Mapping[str, Any], known: Mapping[str, Measurement]
) -> Iterator[YamlProblem]:
    """Of a panel, which may be a table."""
    if panel.get("kind") != "table":
        yield from (
            document.problem((*keys, key), "has no effect: only a panel of the kind `table` has one")
            for key in _OF_TABLES
            if key in panel
        )
        return
    for number, series in enumerate(panel["series"]):
        place = (*keys, "series", number)
        yield from _cell_problems(document, place, series)
        yield from _name_problems(document, (*place, "name"), series.get("name", ""))
        is_now = "within" in panel
        if not is_now and (series.get("rate") or series.get("increase") or "formula" in series):
            message = "a growth or a ratio is one value a row only of what is now; add `within: 3m` to the panel"
            yield document.problem(place, message)
        if is_now and ("influxql" in series or not series.get("name")):
            yield document.problem(place, "with `within`, each series is a field or a ratio, and has a `name`")
        yield from _beside_problems(document, place, series, known)
    yield from _column_names(document, keys, panel)


def beside_problems(
    document: Document, keys: Keys, series: Mapping[str, Any], *, is_table: bool
) -> Iterator[YamlProblem]:
    """Columns with tags beside a series that is none of a table."""
    if "beside" in series and not is_table:
        yield document.problem((*keys, "beside"), "has no effect: only a panel of the kind `table` has such columns")


def _column_names(document: Document, keys: Keys, panel: Mapping[str, Any]) -> Iterator[YamlProblem]:
    """Columns of what nothing gives, and an order by what is no column."""
    given = [HOST, *panel.get("rows", []), *(series.get("name", "") for series in panel["series"])]
    for series in panel["series"]:
        parts = series.get("of", {}).values()
        given += [tag for one in (series, *parts) for tag in one.get("by", [])] + list(series.get("beside", {}))
    is_free = any("influxql" in series for series in panel["series"])
    titles = [name for name in given if name]
    for number, column in enumerate(panel.get("columns", [])):
        titles.append(column.get("title", column["of"]))
        if column["of"] not in given and not is_free:
            meant = json_schema.did_you_mean(column["of"], given)
            yield document.problem((*keys, "columns", number, "of"), f"no series and no tag is '{column['of']}'{meant}")
    for title in panel.get("sort", {}):
        if title not in titles:
            meant = json_schema.did_you_mean(title, titles)
            yield document.problem((*keys, "sort", title), f"no column has the title '{title}'{meant}")


def _beside_problems(
    document: Document, keys: Keys, series: Mapping[str, Any], known: Mapping[str, Measurement]
) -> Iterator[YamlProblem]:
    measurement = known.get(series.get("from", ""))
    for title, tag in series.get("beside", {}).items():
        if measurement is not None and tag not in measurement.tags:
            meant = json_schema.did_you_mean(tag, measurement.tags)
            yield document.problem((*keys, "beside", title), f"'{measurement.name}' has no tag '{tag}'{meant}")
        yield from _name_problems(document, (*keys, "beside", title), title)
    if "beside" in series and (series.get("aggregate") not in _SELECTORS or {"rate", "increase"} & series.keys()):
        message = f"a tag is that of one point; it needs one of the aggregates {', '.join(_SELECTORS)}"
        yield document.problem((*keys, "beside"), message)


def _cell_problems(document: Document, keys: Keys, series: Mapping[str, Any]) -> Iterator[YamlProblem]:
    """What is one value a row."""
    if "formula" in series and not _is_ratio(series):
        yield document.problem(keys, "a column is one field, or the ratio of two of one measurement, as `100 * a / b`")


def _name_problems(document: Document, keys: Keys, name: str) -> Iterator[YamlProblem]:
    if set(name) & set('"\\'):
        yield document.problem(keys, 'may have no " and no \\, since it stands in a statement')


def _is_ratio(series: Mapping[str, Any]) -> bool:
    """Whether one query can give it: two fields of the same points."""
    ratio, parts = ratio_in(series["formula"]), series.get("of", {})
    if ratio is None or not set(ratio[1:]) <= parts.keys():
        return False
    above, below = (parts[name] for name in ratio[1:])
    plain = not any({"rate", "increase", "math"} & part.keys() for part in (above, below))
    return plain and all(above.get(key) == below.get(key) for key in ("from", "where", "by"))

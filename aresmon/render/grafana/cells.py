"""Cells of tables: one value a row, as it is at the end of the time shown.

`__to` is Grafana's variable for the end of the time shown, in milliseconds: now, unless somebody looks at the past.
Only the raw points are young enough, whatever policy the rest of the dashboard asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from aresmon.config.views import SILENT_AFTER, Condition, SeriesSpec, ratio_in
from aresmon.render.grafana import queries
from aresmon.render.grafana.queries import DATASOURCE, Scope, Target

POLICY = "raw"
RECENT = f"{SILENT_AFTER // 60}m"
"""How old a value may be that is said to be of now. A host that has sent nothing for longer is silent, and alerts say
so too (`agent-silent`)."""
END = "${__to}ms"
_STEP = "30s"
"""Of a rate, and of the increase of many series: from point to point, the interfaces of 300 hosts would take most of a
second. The last step is shorter than the others and its rate too small, which a median does not mind; InfluxDB reads
the step before the first one, so that an increase is of half a minute more at most."""
RECENTLY = f"time > {END} - {RECENT} AND time <= {END}"
IS_RECENT = Condition("time", ">", f"{END} - {RECENT}", is_tag=False)
Where = tuple[Condition, ...]


def cell(
    series: SeriesSpec,
    *,
    rows: Sequence[str],
    ref: str,
    falling: bool = False,
    where: Where = (),
    within: str = RECENT,
) -> Target:
    """The query of a column, called after the series: one value for each combination of the tags `rows`, of points no
    older than `within`. Of several series in one row, the greatest counts, or the least where less is worse
    (`falling`)."""
    where = (*where, Condition("time", ">", f"{END} - {within}", is_tag=False))
    series = one_field(series)
    finer = [tag for tag in series.by if tag not in rows]
    if not finer and not series.rate and not series.increase:
        scope = Scope(POLICY, where=where, by=tuple(rows), step="", fill="")
        return queries.target(replace(series, by=()), scope, ref=ref, datasource=DATASOURCE, form="table")
    nested = _each(replace(series, beside=()), (*rows, *finer), where, is_stepped=bool(series.rate or finer))
    if finer:
        worst = "min" if falling else "max"
        nested = f'SELECT {worst}("value") AS "value" FROM ({nested}) WHERE $timeFilter{_grouped(rows)}'
    # The outermost function gives the column its title.
    head, _, rest = nested.partition(' AS "value"')
    return queries.raw(f'{head} AS "{series.name}"{rest}', ref=ref, datasource=DATASOURCE, form="table")


def _each(series: SeriesSpec, tags: Sequence[str], where: Where, *, is_stepped: bool) -> str:
    """A statement with a `value` for each series: the median of a rate, the sum of increases, or the value itself."""
    counted = bool(series.rate or series.increase)
    scope = Scope(POLICY, where=where, by=tuple(tags), step=_STEP if counted and is_stepped else "", fill="none")
    named = replace(series, name="growth" if counted else "value", by=())
    target = queries.target(named, scope, ref="A", datasource=DATASOURCE, form="table")
    if not counted:
        return queries.statement(target)
    if not is_stepped:
        # From point to point: nothing is left out before the end of the first step.
        target["select"] = [[part for part in target["select"][0] if part["type"] != "last"]]
    whole = "median" if series.rate else "sum"
    grown = queries.statement(target)
    return f'SELECT {whole}("growth") AS "value" FROM ({grown}) WHERE $timeFilter{_grouped(tags)}'


def _grouped(tags: Sequence[str]) -> str:
    named = ", ".join(f'"{tag}"' for tag in tags)
    return f" GROUP BY {named}" if named else ""


def one_field(series: SeriesSpec) -> SeriesSpec:
    """A ratio of two fields of one measurement as the first of them, with the second in its `math`."""
    ratio = ratio_in(series.formula)
    if ratio is None:
        return series
    factor, above, below = ratio
    parts = dict(series.parts)
    math = f'/ {parts[below].aggregate}("{parts[below].field}")' + (f" * {factor}" if factor else "")
    return replace(parts[above], math=math, name=series.name)

"""A host's panel of what is nearest to its limit: how far each value is on its way to the first threshold of its alert.

What can be compared is a value of one measurement with a threshold that it rises to, or a share of 100 that falls to
one, if it is in percent or its view names the resource; 100 % is where the alert fires, with the site's own thresholds
and exceptions. Source: Grafana 12,
public/app/features/transformers/extractFields, and packages/grafana-data/src/transformations/transformers/reduce.ts.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from aresmon.config.alerts import AlertException
from aresmon.config.model import Config, Host
from aresmon.config.names import uid_of_collector
from aresmon.config.units import parse_span
from aresmon.config.views import (
    HOST,
    MIN_ALERT_STEP,
    PLACEHOLDER,
    SEVERITIES,
    Levels,
    SeriesSpec,
    View,
    Views,
    min_step,
)
from aresmon.render.grafana import alert_queries, alert_rules, cells, panels, queries, roles, tables
from aresmon.render.grafana.alert_rules import AlertSpec
from aresmon.render.grafana.panels import DATASOURCE, Json, panel_id, thresholds

TITLE = "Nearest to its limit"
_WHAT, _SHARE = "What", "Of its limit"
# A query's name has the page and the number of the panel to look at behind it.
_NAMED = rf"/^(?<{_WHAT}>.*) #(?<page>\S+) #(?<panel>\d+)$/"
_OF_SOMETHING = re.compile(r"[a-z_]+ > 0(?![.0-9])")
_NAME = re.compile(r"[a-z][a-z_]*")
_UNSEEN = ("page", "panel")
_FULL = Levels((("warning", 100),))


@dataclass(frozen=True, slots=True)
class Figure:
    """A query of one or more values, each in per cent of its limit, their name as Grafana's alias, and the panel that
    shows them: its id, and its page where that is not the host's."""

    alias: str
    statement: str
    panel: int
    page: str = ""


def figures(config: Config, views: Views) -> dict[str, tuple[Figure, ...]]:
    """Those of each host, by its name, collector by collector."""
    rules = [one for one in alert_rules.list_rules(config, views) if _is_comparable(one)]
    worst_first = sorted(rules, key=lambda one: SEVERITIES.index(one.severity), reverse=True)
    least = {one.alert.id: one.severity for one in worst_first}
    several = [(one, _figure(one, ())) for one in rules if one.severity == least[one.alert.id]]
    return {host.name: tuple(_of_host(several, host)) for host in config.hosts}


def panel(several: Sequence[Figure], uid: str) -> Json:
    """The panel of these figures on the dashboard of this uid."""
    link = {
        "title": "Its panel",
        "url": "/d/${__data.fields.page}?viewPanel=${__data.fields.panel}&var-host=$host&${__url_time_range}",
        "targetBlank": False,
    }
    letters = panels.letters()
    share: Json = {
        "unit": "percent",
        "decimals": 0,
        "min": 0,
        "max": 100,
        "custom.width": 90,
        "custom.align": "right",
        "custom.cellOptions": tables.BAR,
        "thresholds": thresholds(_FULL, "blue"),
    }
    what: Json = {"links": [link], "custom.minWidth": 110, "custom.cellOptions": tables.WRAPPED}
    return {
        "id": panel_id("host", TITLE),
        "type": "table",
        "title": TITLE,
        "description": "How far each value is on its way to the first threshold of its alert, at which it is 100 %: "
        "the nearest first. A click leads to its graph. Alerts that count events are not here.",
        "datasource": {"type": queries.DATASOURCE_TYPE, "uid": DATASOURCE},
        "targets": [
            queries.raw(one.statement, ref=next(letters), datasource=DATASOURCE)
            | {"alias": f"{one.alias} #{one.page or uid} #{one.panel}"}
            for one in several
        ],
        "transformations": _transformations(),
        "fieldConfig": {
            "defaults": {
                "unit": "none",
                "custom": tables.CUSTOM | {"filterable": False},
                "color": {"mode": "thresholds"},
                "thresholds": thresholds(None),
                "mappings": [],
                "noValue": roles.NOTHING,
            },
            "overrides": [
                tables.override(_WHAT, *what.items()),
                tables.override(_SHARE, *share.items()),
                *map(tables.hidden, _UNSEEN),
            ],
        },
        "options": {
            "showHeader": False,
            "cellHeight": "sm",
            "sortBy": [{"displayName": _SHARE, "desc": True}],
        },
        "maxDataPoints": 60,
    }


def _transformations() -> list[Json]:
    """A row for each series, with its name in columns: what it is, and where it is shown."""
    return [
        {"id": "reduce", "options": {"mode": "seriesToRows", "reducers": ["lastNotNull"], "includeTimeField": False}},
        {
            "id": "extractFields",
            "options": {"source": "Field", "format": "regexp", "regExp": _NAMED, "replace": False, "keepTime": False},
        },
        {
            "id": "organize",
            "options": {
                "indexByName": {_WHAT: 0, "Last *": 1, "page": 2, "panel": 3},
                "renameByName": {"Last *": _SHARE},
                "excludeByName": {"Field": True},
                "includeByName": {},
            },
        },
    ]


# Which there are -------------------------------------------------------------------------------------


def _is_comparable(rule: AlertSpec) -> bool:
    """Whether a value has a way to go before it fires; none has what fires at the first event."""
    alert = rule.alert
    if rule.view is None or alert.each_host or not alert.panel:
        return False
    if rule.severity == "information" or not _parts(alert.series):
        return False
    if alert.when and not _OF_SOMETHING.match(alert.when):
        return False  # such as a share of a few answers, at which the alert does not fire
    if alert.unit != "percent" and not alert.resource:
        return False  # such as the status of an answer: 200 is not half of 400
    return 0 < rule.value < 100 and alert.unit == "percent" if alert.levels.falling else rule.value > 0


def _parts(series: SeriesSpec) -> Mapping[str, SeriesSpec]:
    """What its formula names, if one statement can ask for all of it."""
    parts = {name: part for name, part in series.parts if name in _NAME.findall(series.formula)} or {"": series}
    kinds = {(one.measurement, one.where, one.by, bool(one.rate or one.increase)) for one in parts.values()}
    return parts if len(kinds) == 1 and not any(one.aggregate == "distinct" for one in parts.values()) else {}


def _of_host(several: Iterable[tuple[AlertSpec, Figure]], host: Host) -> Iterator[Figure]:
    """Of each rule its figure, or one of the host's own, which has exceptions."""
    for one, general in several:
        if one.view is None or one.view.name not in host.collect or one.scoped.host not in ("", host.name):
            continue
        own = [case for case in one.scoped.without if case.host == host.name]
        if all(case.where for case in own):
            yield _figure(one, own) if own else general


def _figure(rule: AlertSpec, own: Collection[AlertException]) -> Figure:
    """`own` are the exceptions of the host; those of all hosts are in the rule."""
    alert, view = rule.alert, rule.view
    series = next(iter(_parts(alert.series).values()))
    limits = [case for case in rule.scoped.without if case in own or not case.host]
    name = alert.resource or PLACEHOLDER.sub("", alert.title)
    tags = [f"{{{tag}}}" for tag in series.by if f"{{{tag}}}" not in name]
    statement = _value(rule, _conditions(rule, series, limits))
    return Figure(queries.alias(" ".join([name, *tags])), statement, *_shown(view, alert.panel))


def _shown(view: View | None, title: str) -> tuple[int, str]:
    """The panel of this title, and its page where that is not the host's."""
    if view is None:
        return 0, ""
    is_elsewhere = any(one.title == title and one.place == "own" for one in view.panels)
    return panels.id_of(view, title), uid_of_collector(view.name) if is_elsewhere else ""


def _conditions(rule: AlertSpec, series: SeriesSpec, limits: Sequence[AlertException]) -> str:
    own = [queries.host_is("$host"), *series.where, *rule.scoped.conditions(series)]
    texts = [queries.format_condition(one) for one in own]
    for case in limits:
        pairs = [(tag, value) for tag, value in case.where if tag in series.by]
        if pairs:
            texts.append(f"({alert_queries.is_other(pairs)})")
    texts.append(f"time > {cells.END} - {rule.alert.over}s AND time <= {cells.END}")
    return " AND ".join(texts)


# The statement ---------------------------------------------------------------------------------------


def _value(rule: AlertSpec, where: str) -> str:
    series, parts = rule.alert.series, _parts(rule.alert.series)
    first = next(iter(parts.values()))
    source = f'"{cells.POLICY}"."{first.measurement}" WHERE {where}'
    tags = "".join(f', "{tag}"' for tag in first.by)
    if first.rate or first.increase:
        step = max(parse_span(MIN_ALERT_STEP), min_step(parts.values()))
        grown = ", ".join(f'{_growth(one)} AS "growth_{number}"' for number, one in enumerate(parts.values()))
        source = f'(SELECT {grown} FROM {source} GROUP BY time({step}s), "{HOST}"{tags} fill(none))'
        whole = "mean" if first.rate else "sum"
        texts = {name: f'{whole}("growth_{number}")' for number, name in enumerate(parts)}
    else:
        texts = {name: f'{one.aggregate}("{one.field}")' for name, one in parts.items()}
    texts = {name: f"({text} {parts[name].math})" if parts[name].math else text for name, text in texts.items()}
    value = _NAME.sub(lambda found: texts[found[0]], series.formula) if series.parts else texts[""]
    limit = rule.value
    way = f"(100 - ({value})) / {100 - limit:g} * 100" if rule.alert.levels.falling else f"({value}) / {limit:g} * 100"
    return f'SELECT {way} AS "share" FROM {source} GROUP BY "{HOST}"{tags}'


def _growth(series: SeriesSpec) -> str:
    value = f'{queries.aggregate_of(series)}("{series.field}")'
    return f"non_negative_derivative({value}, {series.rate}s)" if series.rate else f"non_negative_difference({value})"

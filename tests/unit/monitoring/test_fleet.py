"""The fleet: states, ages, values that are recent, courses, and the number of statements."""

from __future__ import annotations

import pytest

from aresmon.config import view_files
from aresmon.config.units import parse_span
from aresmon.config.views import SILENT_AFTER
from aresmon.monitoring.active_alerts import ActiveAlert
from aresmon.monitoring.fleet import Fleet, FleetReader, sort_key
from aresmon.render.grafana import cells, dashboards
from tests.unit.conftest import load
from tests.unit.monitoring.databases import Answering, series

NOW = 1_000_000_000.0
VIEWS = view_files.load()


def config_of(*names: str) -> object:
    return load("hosts:\n" + "".join(f"  {name}: {{agent: systemd, collect: [system, disk, net]}}\n" for name in names))


def reader(*names: str) -> FleetReader:
    return FleetReader(config_of(*names), VIEWS)  # type: ignore[arg-type]


def read(of: FleetReader, database: Answering, *alerts: ActiveAlert, now: float = NOW) -> Fleet:
    statements, fleet = of.ask(now, 900)
    return fleet(database(statements), alerts)


def newest(**ages: float) -> dict[str, list[object]]:
    return {"metrics_gathered": [series({int(NOW - age): 1.0}, host=name) for name, age in ages.items()]}


def alert(severity: str, host: str, state: str = "firing") -> ActiveAlert:
    return ActiveAlert("u", "a", severity, state, host, (), None, 0, "", "")  # type: ignore[arg-type]


def test_a_hosts_state_is_its_age_and_what_fires_on_it() -> None:
    names = ("well", "bad", "soon", "dead", "fresh")
    database = Answering(newest(well=4, bad=5, soon=6, dead=500))  # type: ignore[arg-type]
    alerts = (alert("warning", "bad"), alert("critical", "bad"), alert("warning", "soon", "pending"))

    fleet = read(reader(*names), database, *alerts)

    assert {row.name: row.state for row in fleet.rows} == {
        "well": "ok",
        "bad": "critical",
        "soon": "ok",
        "dead": "silent",
        "fresh": "never",
    }
    assert [row.name for row in sorted(fleet.rows, key=sort_key)] == ["bad", "dead", "fresh", "soon", "well"]
    assert {row.name: row.age for row in fleet.rows}["fresh"] is None


def test_a_fleet_of_any_size_takes_the_same_number_of_statements() -> None:
    one, _ = reader("biere").ask(NOW, 900)
    many, _ = reader(*(f"h{number}" for number in range(30))).ask(NOW, 900)

    assert len(one) == len(many) <= 1 + len(reader("biere").columns)


def test_a_column_has_the_value_of_the_busiest_series_and_its_course() -> None:
    at = int(NOW) // 30 * 30 - 60
    database = Answering(
        {
            **newest(biere=3),  # type: ignore[dict-item]
            "used_percent": [
                series({at - 30: 60.0, at: 61.0}, host="biere"),
            ],
            "bytes_recv": [
                series({at - 30: [5.0, 1.0], at: [9.0, 1.0]}, host="biere", interface="eth0"),
                series({at - 30: [7.0, 1.0], at: [8.0, 1.0]}, host="biere", interface="eth1"),
            ],
        }
    )

    fleet = read(reader("biere"), database)
    trends = dict(zip((column.title for column in fleet.columns), fleet.rows[0].trends, strict=True))

    assert trends["Fullest disk"].value == 61
    assert trends["Network in"].value == 9
    assert [one for one in trends["Network in"].points if one is not None] == [7, 9]
    assert len(trends["Network in"].points) == len(fleet.window.times)


def test_an_old_value_is_none_but_its_course_is_there() -> None:
    at = int(NOW) // 30 * 30 - 600
    database = Answering({**newest(biere=600), "used_percent": [series({at: 60.0}, host="biere")]})  # type: ignore[dict-item]

    fleet = read(reader("biere"), database)
    trend = fleet.rows[0].trends[[column.title for column in fleet.columns].index("Fullest disk")]

    assert trend.value is None
    assert 60.0 in trend.points


def test_once_all_are_known_the_newest_points_are_not_looked_for_in_all_of_the_past() -> None:
    of, database = reader("biere", "lewi"), Answering(newest(biere=4))  # type: ignore[arg-type]
    read(of, database)
    database.found.update(newest(lewi=4))  # type: ignore[arg-type]
    read(of, database)
    database.found.clear()
    fleet = read(of, database, now=NOW + 700)

    asked = [next(text for text in one if "metrics_gathered" in text) for one in database.requests]
    assert ["time > " in text for text in asked] == [False, False, True]
    assert [row.age for row in fleet.rows] == pytest.approx([704, 704]), "what is not found again gets older"


def test_a_host_is_silent_when_its_alert_fires_and_its_values_are_then_not_of_now() -> None:
    rule = next(one for one in VIEWS["system"].alerts if one.id == "agent-silent")

    assert rule.over == SILENT_AFTER == parse_span(cells.RECENT)


def test_the_columns_are_those_of_the_dashboard_in_their_order() -> None:
    config = config_of("biere", "lewi")
    tables = [one for one in dashboards.fleet_dashboard(config, VIEWS)["panels"] if one["title"] == "Hosts"]  # type: ignore[arg-type]
    order = next(one for one in tables[0]["transformations"] if one["id"] == "organize")["options"]["indexByName"]
    titles = [column.title for column in reader("biere", "lewi").columns]

    assert [title for title in sorted(order, key=order.get) if title in titles] == titles

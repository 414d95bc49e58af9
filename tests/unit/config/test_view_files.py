"""The views of collectors: what is wrong with one is told with its line, all at once, and what is shipped is right."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from aresmon.config import view_files
from aresmon.config.units import parse_span
from aresmon.config.views import Condition, Levels, View, min_step
from aresmon.system.errors import SiteError
from tests.harness import catalogue
from tests.unit.conftest import REPOSITORY, SHIPPED, VIEWS
from tests.unit.odd_views import FILES, TREES, mutate

GOOD = """\
title: Weather
measurements:
  weather: {tags: [station, sensor], gauges: [degrees, humidity], counters: [rain], states: [status]}
  wind: {tags: [station], gauges: [speed]}
dashboard: {title: Weather, choose: station, of: weather}
columns:
  - title: Outside
    unit: celsius
    series: {from: weather, field: degrees, aggregate: last}
panels:
  - title: Temperature
    unit: celsius
    description: How warm it is. Below zero, pipes freeze.
    thresholds: {warning: 30, critical: 40}
    min: -20
    max: 50
    series:
      - {from: weather, field: degrees, by: [station], name: "{station}"}
  - title: Rain
    kind: bargauge
    unit: short
    description: How much it rains. Long above zero, look at the cellar.
    series:
      - name: "{station}"
        formula: 100 * fallen / damp
        of:
          fallen: {from: weather, field: rain, increase: true, where: {status!: broken}, by: [station]}
          damp: {from: weather, field: humidity, by: [station]}
alerts:
  - id: frost
    title: Frost
    series: {from: weather, field: degrees, aggregate: min, by: [station]}
    over: 10m
    unit: celsius
    below: {warning: 3, critical: 0}
    summary: "{value} at {station} of {host}."
    next: Empty the pipes of the garden.
    panel: Temperature
"""
STATEMENT = '{influxql: SELECT x FROM y WHERE $timeFilter, name: "{room}"}'


def told(text: str) -> tuple[str, ...]:
    with pytest.raises(SiteError) as caught:
        view_files.read(text, "weather", file="weather.yml")
    return caught.value.errors


def read(text: str) -> View:
    return view_files.read(text, "weather", file="weather.yml")


# What is wrong ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("columns:", "colums:", "weather.yml:6 colums: unknown setting (did you mean 'columns'?)"),
        ("min: -20", "mini: -20", "weather.yml:15 panels[0].mini: unknown setting (did you mean 'min'?)"),
        (
            "from: weather, field: degrees, by",
            "from: wether, field: degrees, by",
            "weather.yml:18 panels[0].series[0].from: unknown measurement 'wether' (did you mean 'weather'?)",
        ),
        (
            "field: degrees, by",
            "field: degree, by",
            "weather.yml:18 panels[0].series[0].field: 'weather' has no field 'degree' (did you mean 'degrees'?)",
        ),
        (
            "by: [station], name",
            "by: [sation], name",
            "weather.yml:18 panels[0].series[0].by: 'weather' has no tag 'sation' (did you mean 'station'?)",
        ),
        (
            "status!: broken",
            "sttus!: broken",
            "weather.yml:27 panels[1].series[0].of.fallen.where.sttus!: 'weather' has no tag or field 'sttus' "
            "(did you mean 'status'?)",
        ),
        ("status!: broken", "status!: /(/", "where.status!: /(/ is no expression: missing ), unterminated subpattern"),
        ("unit: celsius\n    desc", "unit: celsus\n    desc", "not 'celsus' (did you mean 'celsius'?)"),
        ("aggregate: last", "aggregate: latest", "columns[0].series.aggregate: must be mean, median, min"),
        ("kind: bargauge", "kind: bargage", "not 'bargage' (did you mean 'bargauge'?)"),
        ("kind: bargauge", "place: detial", "not 'detial' (did you mean 'detail'?)"),
        (
            "{warning: 30,",
            "{warning: warm,",
            "weather.yml:14 panels[0].thresholds.warning: must be a number, not 'warm'",
        ),
        ("{warning: 30,", "{warning: .nan,", "panels[0].thresholds.warning: must be a number, not nan"),
        ("max: 50", "max: .inf", "weather.yml:16 panels[0].max: must be a number, not inf"),
        ("max: 50", "max: -20", "weather.yml:16 panels[0].max: must be more than min, which is -20"),
        ("{warning: 30,", "{information: 50, warning: 30,", "panels[0].thresholds: its values must grow or fall"),
        ("below: {warning: 3,", "below: {warning: -3,", "alerts[0].below: its values must fall"),
        ("below:", "above:", "alerts[0].above: its values must grow"),
        (
            "    below:",
            "    above: {warning: 1}\n    below:",
            "weather.yml:30 alerts[0]: needs `above` or `below`, and not both",
        ),
        ("    below: {warning: 3, critical: 0}\n", "", "alerts[0]: needs `above` or `below`, and not both"),
        (
            "fallen / damp",
            "falen / damp",
            "weather.yml:25 panels[1].series[0].formula: 'falen' is not among the names in `of` "
            "(did you mean 'fallen'?)",
        ),
        ("over: 10m", "over: 10m\n    when: x > 1", "alerts[0].when: 'x' is not among the names in `of`"),
        (
            'name: "{station}"}',
            'name: "{staton}"}',
            "panels[0].series[0].name: '{staton}' is not among the tags of `by` (did you mean 'station'?)",
        ),
        (
            '- name: "{station}"',
            '- name: "{sensor}"',
            "weather.yml:24 panels[1].series[0].name: '{sensor}' is not among the tags of `by`",
        ),
        (
            "at {station} of",
            "at {staton} of",
            "alerts[0].summary: '{staton}' is no tag of it (did you mean 'station'?)",
        ),
        ("title: Rain", "title: Temperature", "weather.yml:19 panels[1].title: 'Temperature' is there twice"),
        ("increase: true", "rate: 1s, increase: true", "has a rate and an increase; which of them?"),
        (
            "field: humidity, by",
            "field: humidity, rate: 1s, by",
            "panels[1].series[0].of.damp.field: 'humidity' is no counter: it has no rate and no increase",
        ),
        (
            "panel: Temperature",
            "panel: Temperatur",
            "alerts[0].panel: no panel has the title 'Temperatur' (did you mean 'Temperature'?)",
        ),
        ("choose: station, of: weather", "choose: station", "weather.yml:5 dashboard: `choose` and `of` go together"),
        ("of: weather}", "of: wether}", "dashboard.of: unknown measurement 'wether' (did you mean 'weather'?)"),
        ("choose: station", "choose: sttion", "'weather' has no tag 'sttion' (did you mean 'station'?)"),
        ("gauges: [speed]", "gauges: []", "weather.yml:4 measurements.wind: has no field"),
        ("counters: [rain]", "counters: [rain, degrees]", "'degrees' is two of gauge, peak, low, counter and state"),
        ("counters: [rain]", "counters: [rain, sensor]", "'sensor' is a field and a tag"),
        ("from: weather, field: degrees, by", "by", "needs one of `from` with `field`, `formula` with `of`"),
        ('name: "{station}"}', "formula: '1'}", "panels[0].series[0]: needs one of `from` with `field`"),
        ('name: "{station}"}', "of: {}}", "panels[0].series[0].of: is empty; at least one is needed"),
        ("formula: 100 *", "math: '* 8'\n        formula: 100 *", "series[0].math: has no effect beside `formula`"),
        ("damp: {from: weather, field: humidity,", "damp: {formula: '1',", "a part of a formula is one field"),
        (
            "series: {from: weather, field: degrees, aggregate: last}",
            "series: {formula: a, of: {a: {from: wind, field: speed}}}",
            "weather.yml:9 columns[0].series: a column is one field, or the ratio of two of one measurement",
        ),
        (
            'name: "{station}"}',
            'name: "{station}", role: out}',
            "weather.yml:18 panels[0].series[0].role: is drawn below zero, where the panel's `min` ends",
        ),
        ("formula: 100 *", "role: used\n        formula: 100 *", "series[0].role: has no effect: only the lines"),
        (
            "humidity, by: [station]}",
            "humidity, by: [station], role: used}",
            "series[0].of.damp.role: has no effect in a part of a formula",
        ),
        ("aggregate: last}", "aggregate: last, role: used}", "columns[0].series.role: has no effect: only the lines"),
        ("aggregate: min, by", "role: used, by", "alerts[0].series.role: has no effect: only the lines"),
        (
            "humidity, by: [station]}",
            "humidity, by: [station], aggregate: last, beside: {Sensor: sensor}}",
            "series[0].of.damp.beside: has no effect in a part of a formula",
        ),
        (
            "aggregate: min, by: [station]}",
            "aggregate: min, by: [station], beside: {Sensor: sensor}}",
            "weather.yml:32 alerts[0].series.beside: has no effect: only a panel of the kind `table`",
        ),
        (
            "aggregate: last}",
            "aggregate: last, beside: {Sensor: sensor}}",
            "columns[0].series.beside: has no effect: only a panel of the kind `table`",
        ),
        ("max: 50", "max: 50\n    panel: Rain", "panels[0].panel: has no effect: only what is seen at a glance"),
        (
            "max: 50",
            "max: 50\n    place: glance\n    panel: Rian",
            "no panel has the title 'Rian' (did you mean 'Rain'?)",
        ),
        (
            "max: 50",
            "max: 50\n    place: open\n    row: Air",
            "panels[0].row: has no effect: a panel of the place `open`",
        ),
        ("max: 50", "max: 50\n    formerly: Rain", "panels[0].formerly: 'Rain' is another panel's title"),
        ("max: 50", "max: 50\n    soft_max: 20", "panels[0].soft_max: has no effect beside `max`"),
        ("title: Outside", "title: Host", "columns[0].title: the overview has a column 'Host' already"),
        ("title: Outside", "title: 'The \"outside\"'", 'columns[0].title: may have no " and no \\'),
        ("status!: broken", "status!: it's", "where.status!: may have no '"),
        ("id: frost", "id: Frost", "alerts[0].id: must be 2 to 30 lower-case letters"),
        ("over: 10m", "over: ten", "alerts[0].over: must be a time in seconds"),
        ("title: Weather\nm", "m", "weather.yml:1: misses title"),
    ],
)
def test_what_is_wrong_is_told_with_its_line_and_what_was_meant(old: str, new: str, message: str) -> None:
    assert GOOD.count(old) == 1

    errors = told(GOOD.replace(old, new))

    assert any(message in error for error in errors), errors


def test_a_panel_that_would_stand_nowhere_is_refused() -> None:
    text = GOOD.replace("dashboard: {title: Weather, choose: station, of: weather}\n", "").replace(
        "kind: bargauge", "place: own"
    )

    assert told(text) == (
        "weather.yml:19 panels[1].place: stands nowhere: `own` is the collector's dashboard, and this file has no "
        "`dashboard`",
    )


def test_an_alert_of_a_statement_and_a_table_of_rates_are_refused() -> None:
    alert = GOOD.replace(
        "series: {from: weather, field: degrees, aggregate: min, by: [station]}", "series: {influxql: SHOW SERIES}"
    )
    table = GOOD.replace("kind: bargauge", "kind: table").replace(
        "series:\n      - name", "series:\n      - {from: weather, field: rain, rate: 1s}\n      - name"
    )

    assert any("an alert is described, not written as a statement" in error for error in told(alert))
    assert any("panels[1].series[1]: a column is one field, or the ratio" in error for error in told(table))
    assert any("panels[1].series[0]: a growth or a ratio is one value a row only of" in error for error in told(table))


TABLE = """\
title: Weather
measurements:
  weather: {tags: [station, sensor], gauges: [degrees], counters: [rain]}
panels:
  - title: Stations
    kind: table
    unit: none
    description: Each station as it is now.
    within: 3m
    sort: {Warmth: descending}
    columns:
      - {of: station, width: 100, wrap: true}
      - {of: now, title: Warmth, width: 90, bar: true}
    series:
      - {from: weather, field: degrees, aggregate: last, by: [station], name: now, beside: {Sensor: sensor}}
      - {from: weather, field: rain, rate: 1h, by: [station], name: rain}
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("within: 3m", "height: 9", "series[1]: a growth or a ratio is one value a row only of what is now"),
        ("kind: table", "kind: stat", "panels[0].columns: has no effect: only a panel of the kind `table` has one"),
        ("kind: table", "kind: stat", "panels[0].series[0].beside: has no effect"),
        ("of: station", "of: sttion", "no series and no tag is 'sttion' (did you mean 'station'?)"),
        ("sort: {Warmth", "sort: {Warmt", "no column has the title 'Warmt' (did you mean 'Warmth'?)"),
        ("sensor}}", "sensr}}", "'weather' has no tag 'sensr' (did you mean 'sensor'?)"),
        ("aggregate: last", "aggregate: mean", "series[0].beside: a tag is that of one point"),
        ("name: rain}", "}", "series[1]: with `within`, each series is a field or a ratio, and has a `name`"),
    ],
)
def test_what_is_wrong_with_a_table_is_told(old: str, new: str, message: str) -> None:
    view_files.read(TABLE, "weather", file="weather.yml")

    assert any(message in error for error in told(TABLE.replace(old, new)))


@pytest.mark.parametrize(("step", "over", "shortest"), [("", "1m", "1m"), ("30s", "1m", "1m"), ("5m", "9m", "5m")])
def test_an_alert_that_looks_back_over_less_than_two_steps_of_a_counter_is_refused(
    step: str, over: str, shortest: str
) -> None:
    text = GOOD.replace(
        "series: {from: weather, field: degrees, aggregate: min, by: [station]}",
        "series: {from: weather, field: rain, increase: true, by: [station]}",
    ).replace("states: [status]}", f"states: [status]{f', min_step: {step}' if step else ''}}}")

    assert told(text.replace("over: 10m", f"over: {over}")) == (
        f"weather.yml:33 alerts[0].over: is too short: the growth of a counter is read over steps of {shortest}, and "
        "two are needed",
    )
    assert read(text).alerts


def test_only_what_compares_a_counter_has_its_measurements_shortest_step() -> None:
    view = read(GOOD.replace("states: [status]}", "states: [status], min_step: 5m}"))

    temperature, rain = view.panels
    assert (min_step(temperature.series), min_step(rain.series)) == (0, 300)
    assert {name: part.min_step for name, part in rain.series[0].parts} == {"fallen": 300, "damp": 0}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "weather.yml: is empty"),
        ("# nothing\n", "weather.yml: is empty"),
        ("- a\n- b\n", "weather.yml:1: must be a mapping, not a list"),
        ("weather", "weather.yml:1: must be a mapping, not 'weather'"),
        ("title: [\n", "weather.yml:2: not YAML:"),
        ("title: a\ntitle: b\n", "weather.yml:2 title: a second time; line 1 has it already"),
        ("title: a\n\tmeasurements: b\n", "indented with a tab"),
        ("title: \x00\n", "not YAML:"),
        ("title: !!python/object:os.system {}\n", "has no place in this file"),
        ("title: &a [*a]\n", "an anchor that contains itself"),
    ],
)
def test_what_is_no_view_at_all_is_told_so(text: str, message: str) -> None:
    assert any(message in error for error in told(text)), told(text)


def test_everything_that_is_wrong_is_told_at_once_in_the_order_of_the_lines() -> None:
    text = GOOD.replace("unit: celsius", "unit: celsus").replace("over: 10m", "over: ten").replace("min: -20", "mn: 1")

    lines = [int(error.split(":")[1].split()[0]) for error in told(text)]

    assert len(lines) == 5
    assert lines == sorted(lines)


@pytest.mark.parametrize(
    ("written", "falling"),
    [("{warning: 1, critical: 2}", False), ("{warning: 2, critical: 1}", True), ("{critical: 1}", False)],
)
def test_thresholds_fall_when_the_critical_one_is_the_lower(written: str, falling: bool) -> None:
    levels = read(GOOD.replace("{warning: 30, critical: 40}", written)).panels[0].levels

    assert levels is not None
    assert levels.falling == falling


def test_a_statement_of_its_own_may_name_tags_that_nobody_described() -> None:
    view = read(GOOD.replace('{from: weather, field: degrees, by: [station], name: "{station}"}', STATEMENT))

    assert view.panels[0].series[0].name == "{room}"


def test_a_view_is_read_into_types() -> None:
    view = read(GOOD)

    temperature, rain = view.panels
    assert temperature.levels == Levels((("warning", 30), ("critical", 40)), falling=False)
    assert view.alerts[0].levels.falling
    assert view.alerts[0].over == 600
    assert rain.series[0].parts[0][1].where == (Condition("status", "!=", "broken", is_tag=False),)
    assert view.measurements["weather"].fields == {
        "degrees": "gauge",
        "humidity": "gauge",
        "rain": "counter",
        "status": "state",
    }


# A site's own ----------------------------------------------------------------------------------------


@pytest.fixture
def collectors(tmp_path: Path) -> Path:
    folder = tmp_path / "overrides" / "collectors"
    folder.mkdir(parents=True)
    return folder


def refused(folder: Path) -> tuple[str, ...]:
    with pytest.raises(SiteError) as caught:
        view_files.load(folder.parent)
    assert "docs/views.md" in caught.value.hint
    return caught.value.errors


def test_a_sites_own_view_wins_over_the_shipped_one_of_its_name(collectors: Path) -> None:
    (collectors / "disk.yml").write_text(GOOD)

    found = view_files.load(collectors.parent)

    assert found["disk"].title == "Weather"
    assert found["disk"].name == "disk"
    assert {name: view for name, view in found.items() if name != "disk"} == {
        name: view for name, view in VIEWS.items() if name != "disk"
    }


def test_no_two_shipped_alerts_have_one_title_since_grafana_makes_one_message_of_it() -> None:
    titles = [alert.title for view in VIEWS.values() for alert in view.alerts]

    assert [title for title in titles if titles.count(title) > 1] == []


def test_a_view_beside_its_own_collector_is_read(collectors: Path) -> None:
    (collectors / "weather.yml").write_text(GOOD)
    (collectors / "weather.conf").write_text("[[inputs.exec]]\n")

    assert set(view_files.load(collectors.parent)) == {*VIEWS, "weather"}


def test_a_view_without_a_collector_is_refused(collectors: Path) -> None:
    (collectors / "wether.yml").write_text(GOOD)

    assert refused(collectors) == (
        f"{collectors}/wether.yml: there is no collector of this name; its inputs belong into wether.conf beside it",
    )


def test_a_field_that_the_collectors_own_inputs_leave_out_is_refused(collectors: Path) -> None:
    (collectors / "weather.yml").write_text(GOOD)
    (collectors / "weather.conf").write_text('[[inputs.exec]]\n  fieldinclude = ["hum*"]\n')

    errors = refused(collectors)

    assert errors
    assert all(
        error.endswith("is not among the fields that weather.conf keeps (`fieldinclude`)")
        and re.match(rf"{collectors}/weather\.yml:[1-9] measurements\.(weather|wind): ", error)
        for error in errors
    )


def test_a_file_that_nobody_reads_is_told(collectors: Path) -> None:
    (collectors / "weather.yaml").write_text(GOOD)
    (collectors / ".weather.conf.swp").write_text("")

    assert refused(collectors) == (
        f"{collectors}/weather.yaml: is read by nobody; a collector is NAME.conf, and what there is to see of it "
        "NAME.yml",
    )


def test_a_view_that_would_take_the_overviews_place_is_refused(collectors: Path) -> None:
    (collectors / "fleet.yml").write_text(GOOD)
    (collectors / "fleet.conf").write_text("[[inputs.exec]]\n")

    assert refused(collectors) == (
        f"{collectors}/fleet.yml: the overview's dashboard has this name already; give the collector another",
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("id: frost", "id: disk-full", "30 alerts[0]: the alert 'disk-full' is in disk.yml and in net.yml; its name"),
        (
            "id: frost",
            "id: backup-late",
            "30 alerts[0]: the alert 'backup-late' is in net.yml and one of aresmon's own; its name",
        ),
        ("title: Outside", "title: CPU", "7 columns[0]: the column 'CPU' is in net.yml and in system.yml; its name"),
    ],
)
def test_what_two_files_share_is_refused(collectors: Path, old: str, new: str, message: str) -> None:
    (collectors / "net.yml").write_text(GOOD.replace(old, new))

    assert refused(collectors) == (f"{collectors}/net.yml:{message} must be unique",)


def test_a_field_that_two_files_describe_in_two_ways_is_refused(collectors: Path) -> None:
    own = GOOD.replace("  wind:", "  mem: {states: [total, mine], gauges: [used]}\n  wind:")
    (collectors / "net.yml").write_text(own)

    assert refused(collectors) == (
        f"{collectors}/net.yml:4 measurements.mem: 'total' of 'mem' is a state in net.yml and a gauge in system.yml",
    )


def test_what_is_wrong_with_any_of_a_sites_files_is_told_at_once(collectors: Path) -> None:
    (collectors / "disk.yml").write_text("")
    (collectors / "net.yml").write_bytes(b"\xff")
    (collectors / "system.yml").mkdir()
    (collectors / "docker.yml").write_text(GOOD.replace("min: -20", "mn: 1"))

    errors = refused(collectors)

    assert [error for error in errors if "there is no collector" in error] == []
    assert [error.removeprefix(f"{collectors}/").partition(".yml")[0] for error in errors] == [
        *("disk", "docker", "net", "system")
    ]


def test_a_site_without_overrides_has_the_shipped_views(tmp_path: Path) -> None:
    assert view_files.load(tmp_path / "overrides") == VIEWS


# What is shipped -------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_shipped_view_has_nothing_wrong(path: Path) -> None:
    view = view_files.read(path.read_text(encoding="utf-8"), path.stem, file=path.name)

    assert view == VIEWS[path.stem]


def test_every_shipped_collector_has_a_view_and_each_view_its_collector() -> None:
    assert set(VIEWS) == set(SHIPPED)


# Telegraf's name of an input → what it writes, where that is not one measurement of the same name.
WRITES = {
    "bind": ("bind_counter",),
    "chrony": ("chrony", "chrony_sources"),
    "docker": tuple(name for name in VIEWS["docker"].measurements),
    "elasticsearch": tuple(name for name in VIEWS["elasticsearch"].measurements),
    "internal": ("internal_agent", "internal_gather", "internal_write"),
    "kernel": ("kernel", "pressure"),
    "ldap": ("openldap",),
    "libvirt": tuple(name for name in VIEWS["libvirt"].measurements),
    "mysql": ("mysql", "mysql_variables"),
    "nfsclient": ("nfsstat",),
    "smartctl": ("smartctl", "smartctl_attributes"),
    "postgresql_extensible": ("postgresql", "postgresql_server"),
    "wireguard": ("wireguard_device", "wireguard_peer"),
}
# Inputs of which a processor makes another measurement, with other fields; tests/services has what it writes.
RENAMED = {"ups": ("upsd", "snmp")}
# What comes from such a processor, and the mark of a configuration, which every agent writes: render/telegraf.py
NO_INPUT = {"ups", "aresmon_config"}


@pytest.mark.parametrize("name", SHIPPED)
def test_a_view_knows_the_fields_that_its_collector_lets_through_and_no_others(name: str) -> None:
    view = VIEWS[name]

    seen: set[str] = set()
    for plugin, table, written in inputs(name):
        seen.update(written)
        fields = {field for one in written for field in view.measurements[one].fields}
        assert fields == set(table["fieldinclude"]), plugin
        tags = {tag for one in written for tag in view.measurements[one].tags}
        assert not tags & set(table.get("tagexclude", [])), plugin
        if "name_prefix" not in table:  # those names are of what is read, which a processor renames
            assert set(written) <= set(table.get("namepass", written)), plugin

    assert set(view.measurements) - NO_INPUT == seen


# What the agent counts when it has read an input and when it writes, a little before or after it reads these counts.
IRREGULAR = {"internal_agent": 60, "internal_gather": 60, "internal_write": 60}


@pytest.mark.parametrize("name", SHIPPED)
def test_what_is_counted_less_often_than_it_could_be_shown_has_a_shortest_step(name: str) -> None:
    """Else its rate falls to zero in some steps, and doubles in others."""
    for _, table, written in inputs(name):
        for one in written:
            read_every = parse_span(table.get("interval", "10s"))
            needed = max(IRREGULAR.get(one, 0), read_every if read_every > 10 else 0)
            assert VIEWS[name].measurements[one].min_step >= needed, one


def inputs(name: str) -> Iterator[tuple[str, dict[str, Any], tuple[str, ...]]]:
    """Each input of a collector: Telegraf's name of it, its settings, and the measurements that it writes.

    Tables that an option switches on, or that are repeated for each value of a list, are there too.
    """
    options = SHIPPED[name].options.values()
    given = {one.name: one.example for one in options if one.is_list and one.default is None}
    given |= {one.name: True for one in options if one.type == "boolean"}
    for plugin, several in tomllib.loads(plain(catalogue.configuration(name, **given)))["inputs"].items():
        for table in several if plugin not in RENAMED.get(name, ()) else ():
            named = table.get("name_override") or table.get("name")  # inputs.snmp has a setting of its own
            yield plugin, table, (named,) if named else WRITES.get(plugin, (plugin,))


def plain(text: str) -> str:
    """A fragment whose variables have a value, so that it is TOML."""
    return "".join(part.partition("}")[2] or part if index else part for index, part in enumerate(text.split("${")))


@pytest.mark.parametrize(
    ("file", "heading"), [("views.md", "## Example\n"), ("own-collectors.md", "`node-files.yml`, says")]
)
def test_an_example_of_the_documentation_has_nothing_wrong(file: str, heading: str) -> None:
    page = (REPOSITORY / "docs" / file).read_text(encoding="utf-8")

    example = page.partition(heading)[2].partition("```yaml\n")[2].partition("```")[0]

    assert view_files.read(example, "example", file=f"docs/{file}").alerts


# Whatever is in a file -------------------------------------------------------------------------------


@given(st.sampled_from(TREES), st.data())
@settings(max_examples=150)
def test_whatever_is_put_into_a_view_it_is_read_or_refused(tree: Any, data: st.DataObject) -> None:
    mutated = mutate(tree, data)

    text = yaml.safe_dump(mutated, sort_keys=False)

    assert is_read_or_refused(text)


@given(st.sampled_from(FILES), st.data())
@settings(max_examples=100)
def test_whatever_is_cut_out_of_a_file_it_is_read_or_refused(path: Path, data: st.DataObject) -> None:
    text = path.read_text(encoding="utf-8")
    start = data.draw(st.integers(0, len(text)))
    cut = text[:start] + data.draw(st.text(max_size=3)) + text[start + data.draw(st.integers(0, 60)) :]

    assert is_read_or_refused(cut)


def is_read_or_refused(text: str) -> bool:
    """Anything but a view or a SiteError is raised."""
    try:
        return isinstance(view_files.read(text, "own", file="own.yml"), View)
    except SiteError as error:
        return all(one.startswith("own.yml") and "\n" not in one for one in error.errors) and len(error.errors) > 0


RESTARTS = """\
restarts:
  - title: Station restarts
    {unit}series: {{from: weather, field: {field}, by: [station]{more}}}
"""


@pytest.mark.parametrize(
    ("unit", "field", "more", "problem"),
    [
        ("", "rain", "", ""),
        ("unit: s\n    ", "status", "", ""),
        ("unit: s\n    ", "rain", "", "'rain' is a counter, which has no `unit`"),
        ("", "status", "", "'status' is no counter, and needs its `unit`"),
        ("", "rain", ", rate: 1s", "has no effect in a restart, which is of one field"),
        ("", "snow", "", "'weather' has no field 'snow'"),
    ],
)
def test_a_restart_is_a_counter_that_begins_again_or_the_time_of_a_start(
    unit: str, field: str, more: str, problem: str
) -> None:
    text = GOOD + RESTARTS.format(unit=unit, field=field, more=more)

    if problem:
        assert [one for one in told(text) if problem in one]
    else:
        (restart,) = read(text).restarts
        assert (restart.series.field, restart.unit, restart.color) == (field, unit.strip().partition(" ")[2], "orange")


def test_two_restarts_have_titles_of_their_own() -> None:
    one = RESTARTS.format(unit="", field="rain", more="")

    found = told(GOOD + one + one.removeprefix("restarts:\n"))

    assert [problem.partition(" ")[2] for problem in found] == ["restarts[1].title: 'Station restarts' is there twice"]

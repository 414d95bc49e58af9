"""Downsampling: which points are made of which, by which statements, and which policy serves how long a time."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from aresmon.config.views import Measurement, View
from aresmon.influxdb import downsampling
from aresmon.influxdb.downsampling import LATE_TIER, SERVED_SPANS, TIERS, Downsampling
from aresmon.influxdb.influxql import POLICIES
from aresmon.render.grafana.panels import panel_json
from aresmon.render.grafana.queries import Scope
from tests.unit.conftest import VIEWS
from tests.unit.lines import points

WAYS = {"gauge": "mean", "peak": "max * 1.0", "low": "min", "counter": "last", "state": "last"}
SECONDS = {"s": 1, "m": 60, "h": 3600}
DISK = Measurement("disk", ("path",), {"free": "gauge", "reads": "counter", "mode": "state"})


def view(name: str, *measurements: Measurement) -> View:
    return View(name, name, {one.name: one for one in measurements}, (), (), (), None)


def seconds(span: str) -> int:
    return int(span[:-1]) * SECONDS[span[-1]]


def test_a_measurement_becomes_two_continuous_queries_under_its_own_name() -> None:
    fine, coarse = downsampling.downsamplings({"disk": view("disk", DISK)})

    assert fine.create_statement() == (
        f'CREATE CONTINUOUS QUERY "{fine.name}" ON "telegraf" RESAMPLE EVERY 5m FOR 15m BEGIN '
        'SELECT mean("free") AS "free", last("reads") AS "reads", last("mode") AS "mode" '
        'INTO "telegraf"."1m"."disk" FROM "telegraf"."raw"."disk" GROUP BY time(1m), * END'
    )
    assert coarse.create_statement() == (
        f'CREATE CONTINUOUS QUERY "{coarse.name}" ON "telegraf" RESAMPLE EVERY 1h FOR 9h BEGIN '
        'SELECT mean("free") AS "free", last("reads") AS "reads", last("mode") AS "mode" '
        'INTO "telegraf"."1h"."disk" FROM "telegraf"."1m"."disk" GROUP BY time(1h), * END'
    )


def test_what_is_there_already_is_downsampled_by_the_same_selection() -> None:
    fine, _ = downsampling.downsamplings({"disk": view("disk", DISK)})

    filled = fine.backfill_statement(1000, 2000)

    selected = filled.partition(" WHERE ")[0]
    assert selected in fine.create_statement()
    assert filled.endswith(" WHERE time >= 1000s AND time < 2000s GROUP BY time(1m), *")


def test_the_finer_points_are_made_before_those_that_are_made_of_them() -> None:
    made = [(one.tier.policy, one.tier.source) for one in downsampling.downsamplings(VIEWS)]

    assert list(dict.fromkeys(made)) == [("1m", "raw"), ("1h", "1m")]
    assert made == sorted(made, key=lambda pair: pair[0] == "1h")


def test_every_field_that_is_described_is_downsampled_once_under_its_name() -> None:
    for one in downsampling.downsamplings(VIEWS):
        found = re.findall(r'(mean|last|min|max)\("([^"]+)"\)( \* 1\.0)? AS "([^"]+)"', one.create_statement())
        fields = one.measurement.fields

        assert [name for _, name, _, _ in found] == [name for _, _, _, name in found] == list(fields)
        assert [how + factor for how, _, factor, _ in found] == [WAYS[kind] for kind in fields.values()]


def test_every_measurement_is_in_every_tier() -> None:
    made = {(one.tier.policy, one.measurement.name) for one in downsampling.downsamplings(VIEWS)}

    known = {name for each in VIEWS.values() for name in each.measurements}
    assert made == {(tier.policy, name) for tier in TIERS for name in known}
    assert len({one.name for one in downsampling.downsamplings(VIEWS)}) == len(made)


def test_another_field_is_another_query_and_another_order_of_files_is_not() -> None:
    names = {one.name for one in downsampling.downsamplings({"disk": view("disk", DISK)})}
    more = replace(DISK, fields={**DISK.fields, "used": "gauge"})

    assert names & {one.name for one in downsampling.downsamplings({"disk": view("disk", more)})} == set()
    assert all(re.fullmatch(r"1[mh]_disk_[0-9a-f]{8}", name) for name in names)
    reversed_views = dict(reversed(list(VIEWS.items())))
    assert downsampling.downsamplings(reversed_views) == downsampling.downsamplings(VIEWS)


@pytest.mark.parametrize("names", [("disk", "own"), ("own", "disk")])
def test_two_collectors_that_read_one_measurement_keep_the_fields_of_both(names: tuple[str, str]) -> None:
    own = Measurement("disk", (), {"free": "gauge", "label": "state"})
    views = {"disk": view("disk", DISK), "own": view("own", own)}

    fine, _ = downsampling.downsamplings({name: views[name] for name in names})

    assert list(fine.measurement.fields.items()) == [*DISK.fields.items(), ("label", "state")]


def test_a_name_that_needs_quoting_is_quoted_everywhere() -> None:
    odd = Measurement('we"ather', (), {"http_response.5xx": "counter"})

    fine = Downsampling(TIERS[0], odd)

    assert fine.create_statement().count('we\\"ather') == 3
    assert 'last("http_response.5xx") AS "http_response.5xx"' in fine.create_statement()
    assert downsampling.drop_statement(fine.name).startswith('DROP CONTINUOUS QUERY "1m_we\\"ather_')


@pytest.mark.parametrize("collector", VIEWS)
def test_what_a_panel_asks_the_greatest_or_least_of_is_downsampled_by_it(collector: str) -> None:
    view = VIEWS[collector]
    shown = [*(one for panel in view.panels for one in panel.series), *(one.series for one in view.columns)]

    for one in (part for series in shown for part in (series, *(part for _, part in series.parts))):
        if one.aggregate in ("max", "min"):
            kind = view.measurements[one.measurement].fields[one.field]
            assert kind == {"max": "peak", "min": "low"}[one.aggregate], (one.measurement, one.field)
        assert one.aggregate not in ("median", "first", "sum", "count", "spread", "distinct"), "points of points differ"


def test_late_points_count_for_as_long_as_an_agent_holds_them() -> None:
    late = [one for one in downsampling.continuous_queries(VIEWS) if one.tier == LATE_TIER]
    finer = [one for one in downsampling.downsamplings(VIEWS) if one.tier.policy == LATE_TIER.policy]

    assert [one.backfill_statement(0, 60) for one in late] == [one.backfill_statement(0, 60) for one in finer], (
        "they make the same points"
    )
    assert {one.name for one in late} & {one.name for one in finer} == set()
    # An agent of `system` alone has 26 points every ten seconds, and holds 50,000.
    assert seconds(LATE_TIER.span) - seconds(LATE_TIER.every) >= 50_000 / 26 * 10
    coarser = TIERS[1]
    assert seconds(coarser.span) >= seconds(LATE_TIER.span) + seconds(LATE_TIER.every) + seconds(coarser.every)


def test_each_run_sees_all_points_since_the_one_before_and_late_ones() -> None:
    for tier in (*TIERS, LATE_TIER):
        assert seconds(tier.span) >= 2 * seconds(tier.every)
        assert seconds(tier.span) % seconds(tier.policy) == 0
        assert tier.source in POLICIES
        assert tier.policy in POLICIES


def test_the_policies_serve_every_length_of_time_without_gap_or_overlap() -> None:
    assert [policy for policy, _, _ in SERVED_SPANS] == list(POLICIES)
    assert SERVED_SPANS[0][1] == 0
    assert [end for _, _, end in SERVED_SPANS[:-1]] == [start for _, start, _ in SERVED_SPANS[1:]]
    assert SERVED_SPANS[-1][2] >= 2**53  # milliseconds that a browser can count


def test_no_panel_asks_for_steps_finer_than_its_points() -> None:
    panel = panel_json(VIEWS["system"].panels[4], "system", Scope("$rp"))
    for policy, start, _ in SERVED_SPANS[1:]:
        assert start / panel["maxDataPoints"] >= seconds(policy) * 1000


def test_the_tiers_and_hosts_are_told_as_points() -> None:
    tiers = points(downsampling.tier_points())
    hosts = points(downsampling.host_points([("lewi", "host-lewi"), ("a.b", "host-a_b")]))

    assert [(one.fields["rp"], one.fields["start"], one.fields["end"]) for one in tiers] == list(SERVED_SPANS)
    assert len({one.time for one in tiers}) == len(SERVED_SPANS)
    assert [(one.measurement, one.tags, one.fields) for one in hosts] == [
        ("aresmon_host", {"host": "lewi"}, {"uid": "host-lewi"}),
        ("aresmon_host", {"host": "a.b"}, {"uid": "host-a_b"}),
    ]

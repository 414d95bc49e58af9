"""The same data asked for on each retention policy gives the same: two months of known values, on a real InfluxDB.

They are downsampled by `aresmon data backfill`, which is killed on its way, and late points by the continuous queries.
"""

from __future__ import annotations

import json
import math
import re
import signal
import time
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import pytest

from aresmon.config import view_files
from aresmon.influxdb import backfill, downsampling
from aresmon.influxdb.client import Series
from aresmon.influxdb.downsampling import LATE_TIER, Downsampling
from tests.engine.sites import DATABASE, Site, eventually, site_in
from tests.engine.synthetic import DAY, DENSE, HOUR, SLOW, Span, lines
from tests.engine.test_panels import Query, queries

COLLECT = ["system", "disk", "diskio", "net", "docker", "haproxy"]
VIEWS = view_files.load()
NOW = int(time.time()) // HOUR * HOUR
END = NOW - 12 * HOUR
BEGIN = END - 60 * DAY
DENSE_BEGIN = END - 4 * HOUR
LATE_HOURS = (END - 30 * DAY, END - 30 * DAY + 3 * HOUR)
GAP = (END - 10 * DAY, END - 10 * DAY + 7 * HOUR)
TWO = Span("two", END - 20 * DAY, END, SLOW, GAP)

Values = dict[tuple[Any, ...], dict[str, Any]]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site whose points came before any of them was downsampled, but for those of three hours of a host."""
    env = {"HAPROXY_STATS": "http://127.0.0.1:1"}
    hosts = {name: {"agent": "systemd", "collect": COLLECT, "env": env} for name in ("one", "two", "dense")}
    keep = {"raw": "90d", "1m": "120d", "1h": "2y"}
    with site_in(tmp_path_factory.mktemp("months"), hosts=hosts, storage={"keep": keep}) as made:
        made.up()
        write(made, Span("one", BEGIN, END, SLOW, LATE_HOURS))
        write(made, TWO)
        write(made, Span("dense", DENSE_BEGIN, END, DENSE))
        yield made


@pytest.fixture(scope="module")
def filled(site: Site) -> Site:
    """The same, downsampled by a run that was killed, another, and a third for what came too late for them."""
    journal = site.state / backfill.JOURNAL
    remaining: list[int] = []

    def is_begun() -> bool:
        remaining.append(len(backfill.read_journal(journal)))
        return process.poll() is not None or 0 < remaining[-1] < max(remaining)

    process = site.start("data", "backfill")
    assert eventually(is_begun, every=0.05)
    assert process.poll() is None, "it was done before it could be killed"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    left = backfill.read_journal(journal)
    assert 0 < len(left) < max(remaining)

    again = site.run("data", "backfill")
    assert again.code == 0, again
    assert f"note: {len(left)} measurements remain from an interrupted run" in again.out
    assert not journal.exists()

    write(site, Span("one", *LATE_HOURS, SLOW))
    days = (NOW - LATE_HOURS[0]) // DAY + 1
    late = site.run("data", "backfill", "--since", f"{days}d", "--until", f"{days - 2}d")
    assert late.code == 0, late
    return site


def write(site: Site, span: Span, policy: str = "raw") -> None:
    told = lines(VIEWS, span)
    while some := "\n".join(islice(told, 20_000)):
        site.influxdb.write(some, database=DATABASE, policy=policy)


def ask(site: Site, query: Query, policy: str, *, since: int, step: str, text: str = "") -> Values:
    """The rows of an answer by what they are of and when, without those that have no value."""
    chosen = {
        "= '$host'": f"= '{'dense' if step == '1m' else 'two'}'",
        "$timeFilter": f"time >= {since}s and time < {END}s",
        "$__interval": step,
        "$rp": policy,
        **dict.fromkeys(("/^$host$/", "/^$container_name$/", "/^$proxy$/", "/^$input$/"), "/^.*$/"),
        "$__from": str(since * 1000),
        "$__to": str(END * 1000),
    }
    statement = text or query.text
    for variable, value in chosen.items():
        statement = statement.replace(variable, value)
    assert not re.search(r"\$[a-z_]", statement), statement
    answer = site.influxdb.query(statement, database=DATABASE)[0]
    # Without steps, one value of the whole time has the time of its newest point, or of its bucket.
    ends = None if "GROUP BY time(" in statement else -1
    return {key[:ends]: row for series in answer for key, row in told(series) if row}


def told(series: Series) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
    for row in series.rows:
        known = {name: value for name, value in row.items() if name != "time" and value is not None}
        yield (series.name, *sorted(series.tags.items()), row["time"]), known


def is_alike(one: Any, other: Any) -> bool:
    if isinstance(one, str | bool) or isinstance(other, str | bool):
        return bool(one == other)
    return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-6)


def newest_of_a_gauge(text: str) -> bool:
    """Whether it asks for the newest value of what is downsampled to a mean or a greatest value: that of an hour
    is near its newest one, and not the same."""
    found = re.search(r'[^_]last\("([^"]+)"\)', text)
    measurement = re.search(r'FROM "\$rp"\."([^"]+)"', text)
    if not found or not measurement:
        return False
    kinds = [
        one.measurement.fields for one in downsampling.downsamplings(VIEWS) if one.measurement.name == measurement[1]
    ]
    return kinds[0].get(found[1]) in ("gauge", "peak", "low")


def within(site: Site, query: Query, found: Values, *, since: int, step: str) -> list[str]:
    """What is not between the least and the greatest value that the points themselves have in that step."""
    ends = [
        ask(site, query, "raw", since=since, step=step, text=query.text.replace("last(", f"{end}("))
        for end in ("min", "max")
    ]
    wrong = []
    for key, row in found.items():
        for name, value in row.items():
            least, greatest = sorted(
                one[key][name.replace("last", end)] for one, end in zip(ends, ("min", "max"), strict=True)
            )
            if not least - 1e-6 <= value <= greatest + 1e-6:
                wrong.append(f"{query.text} {key} {name}: {value} is not within {least} and {greatest}")
    return wrong


def asked(site: Site) -> list[Query]:
    """The queries of panels that choose their policy, each statement once."""
    known = {one.text: one for one in queries(site) if "$rp" in one.text}
    assert len(known) > 100
    return list(known.values())


def differences(site: Site, policies: tuple[str, ...], *, since: int, step: str) -> list[str]:
    wrong: list[str] = []
    number = 0
    for query in asked(site):
        plain = ask(site, query, "raw", since=since, step=step)
        number += bool(plain)
        for policy in policies:
            found = ask(site, query, policy, since=since, step=step)
            if found.keys() != plain.keys():
                wrong.append(f"{policy} {query.text}: {len(found)} rows, not {len(plain)}")
            elif newest_of_a_gauge(query.text):
                wrong.extend(within(site, query, found, since=since, step=step))
            else:
                wrong.extend(
                    f"{policy} {query.panel}: {query.text} {key}: {found[key]}, not {row}"
                    for key, row in plain.items()
                    if not all(is_alike(value, found[key].get(name, "nothing")) for name, value in row.items())
                )
    assert number > 100, "most find something"
    return wrong


def test_two_months_are_the_same_on_every_policy(filled: Site) -> None:
    assert differences(filled, ("1m", "1h"), since=BEGIN, step="1h")[:20] == []


def test_some_hours_are_the_same_by_the_minute(filled: Site) -> None:
    assert differences(filled, ("1m",), since=DENSE_BEGIN, step="1m")[:20] == []


def test_whole_numbers_stay_what_they_are_on_every_policy(filled: Site) -> None:
    raw, minute, hour = (types(filled, policy) for policy in ("raw", "1m", "1h"))
    floats = {
        (one.measurement.name, field)
        for one in downsampling.downsamplings(VIEWS)
        for field, kind in one.measurement.fields.items()
        if kind in ("gauge", "peak")
    }

    assert len(raw) > 100
    # Counters of services that show Prometheus' metrics are no whole numbers.
    assert {"integer", "string", "boolean"} <= {kind for field, kind in raw.items() if field not in floats}
    assert minute == hour == {**raw, **dict.fromkeys(floats, "float")}


def test_a_gap_stays_a_gap(filled: Site) -> None:
    for policy in ("raw", "1m", "1h"):
        count = f'SELECT count("load1") FROM "{policy}"."system" WHERE "host" = \'two\''
        assert filled.query(f"{count} AND time >= {GAP[0]}s AND time < {GAP[1]}s") == []
        assert filled.query(f"{count} AND time >= {GAP[1]}s AND time < {GAP[1] + DAY}s")


def test_to_fill_again_makes_the_same_points(filled: Site) -> None:
    def points() -> Any:
        return [filled.query(f'SELECT * FROM "{policy}"."net" GROUP BY *') for policy in ("1m", "1h")]

    before = points()
    again = filled.run("data", "backfill", "--measurement", "net")

    assert again.code == 0, again
    assert points() == before


def test_a_good_point_is_not_replaced_by_one_of_a_part(filled: Site) -> None:
    """As after the finer policy was lost: what is there of it begins in the middle of an hour that is known whole."""
    hour = END - 5 * DAY
    whole = {key: row for key, row in hourly(filled).items() if key[-1] >= hour}
    filled.query('DROP MEASUREMENT "mem"')
    for series, rows in whole_of(whole):
        filled.influxdb.write(
            "\n".join(f"mem{series} used={row['used']} {at}" for at, row in rows), database=DATABASE, policy="1h"
        )
    part = "\n".join(f"mem,host=two used=1 {hour + 1800 + 60 * minute}" for minute in range(90))
    filled.influxdb.write(part, database=DATABASE, policy="1m")

    result = filled.run("data", "backfill", "--measurement", "mem", "--policy", "1h")

    assert result.code == 0, result
    after = hourly(filled)
    key = ("mem", ("host", "two"))
    assert after[*key, hour]["used"] == whole[*key, hour]["used"] != 1
    assert after[*key, hour + HOUR]["used"] == 1, "the hour after it is there as a whole"


def test_points_that_come_late_are_downsampled_by_themselves(filled: Site) -> None:
    """By the continuous queries as they are, but that they need not wait for the next five minutes, or the hour."""
    now = int(time.time())
    minute, hour = (one for one in downsampling.downsamplings(VIEWS) if one.measurement.name == "swap")
    ages = {"fresh": 400, "held": 3 * HOUR, "longest": 5 * HOUR + 2400}
    for host, age in ages.items():
        filled.write(f"swap,host={host} used=7,total=9i,used_percent=3,in={age}i,out=5i {(now - age) * 10**9}")
    try:
        hurry(filled, minute)
        assert eventually(lambda: hosts_of(filled, "1m") == {"fresh"}, within=60)
        hurry(filled, Downsampling(LATE_TIER, minute.measurement))
        assert eventually(lambda: hosts_of(filled, "1m") == set(ages), within=60)
        hurry(filled, hour)
        assert eventually(lambda: hosts_of(filled, "1h") >= {"held", "longest"}, within=60)
        row = filled.query('SELECT * FROM "1h"."swap" WHERE "host" = \'longest\'')[0].rows[0]
        assert (row["in"], row["used"]) == (ages["longest"], 7)
    finally:
        for one in ("hurried_1m", "hurried_1m_late", "hurried_1h"):
            filled.query(f'DROP CONTINUOUS QUERY "{one}" ON "{DATABASE}"')


def test_up_fills_a_month_of_what_is_new_and_says_where_there_is_more(filled: Site) -> None:
    """It goes on where another was interrupted, too: what is owed is in the journal."""
    (one,) = (one for one in downsampling.downsamplings(VIEWS) if one.name.startswith("1h_kernel_v"))
    filled.query(f'DROP CONTINUOUS QUERY "{one.name}" ON "{DATABASE}"')
    assert filled.run("data", "show").code == 5
    filled.query('DELETE FROM "system" WHERE "host" = \'dense\' AND time < now() - 13h')
    day = (END - DAY) // HOUR * HOUR
    filled.write(f"system,host=dense load1=3 {day * 10**9}")
    owed = [
        backfill.BackfillTask("1m", "system", day, day + HOUR),
        backfill.BackfillTask("1h", "system", day, day + HOUR),
    ]
    backfill.write_journal(filled.state / backfill.JOURNAL, owed)

    result = filled.up()

    assert result.statements == ["downsample 1 measurements into 1h"]
    assert re.search(r"1h could be filled back to .*: `aresmon data backfill --policy 1h` does the rest", result.out)
    assert not (filled.state / backfill.JOURNAL).exists()
    for policy in ("1m", "1h"):
        (series,) = filled.query(f'SELECT "load1" FROM "{policy}"."system" WHERE "host" = \'dense\' AND time = {day}s')
        assert series.rows[0]["load1"] == 3
    assert filled.up().statements == []


def test_what_is_held_is_shown(filled: Site) -> None:
    shown = filled.run("data", "show", "--json")

    assert shown.code == 0, shown
    raw, minute, hour = json.loads(shown.out)
    assert [one["policy"] for one in (raw, minute, hour)] == ["raw", "1m", "1h"]
    assert raw["oldest"] == minute["oldest"] == hour["oldest"] == BEGIN
    assert raw["bytes"] > hour["bytes"] > 0
    assert raw["shards"] >= 60
    assert (minute["queries"], hour["queries"]) == (2 * hour["queries"], hour["queries"])
    assert all(one["missing"] == 0 for one in (raw, minute, hour))


def test_a_shorter_retention_says_what_it_deletes(filled: Site) -> None:
    former = filled.settings["storage"]
    filled.configure(storage={"keep": {"raw": "20d", "1m": "120d", "1h": "2y"}})
    try:
        refused, shown = filled.run("up"), filled.run("up", "--dry-run", "--shorten-retention")
    finally:
        filled.configure(storage=former)

    last = time.strftime("%Y-%m-%d", time.gmtime(BEGIN))
    assert refused.code == 1
    for told in (refused.err, shown.err):
        words = " ".join(told.split())
        assert "storage.keep.raw changes from 90d to 20d" in words
        assert re.search(
            rf"Deleted at once: \d+ shards, from {last} 00:00 to .* UTC, with about [0-9,]+ points of \d hosts?", words
        )
    assert "Nothing was changed" in shown.out
    counted = int(re.search(r"about ([0-9,]+) points", refused.err)[1].replace(",", ""))  # type: ignore[index]
    assert counted > 50_000
    assert filled.query('SELECT first("load1") FROM "raw"."system"')[0].rows[0]["time"] == BEGIN


def hurry(site: Site, one: Downsampling) -> None:
    """Make its continuous query, every few seconds."""
    name = f"hurried_{one.tier.policy}{'_late' if one.tier.late else ''}"
    text = one.create_statement().replace(f'"{one.name}"', f'"{name}"').replace(f"EVERY {one.tier.every} ", "EVERY 5s ")
    site.influxdb.query(text, database=DATABASE)


def hosts_of(site: Site, policy: str) -> set[str]:
    answer = site.query(f'SELECT * FROM "{policy}"."swap" WHERE time > now() - 7h GROUP BY "host"')
    return {series.tags["host"] for series in answer}


def types(site: Site, policy: str) -> Mapping[tuple[str, str], str]:
    answer = site.query(f'SHOW FIELD KEYS FROM "{policy}"./.*/')
    return {(series.name, row["fieldKey"]): row["fieldType"] for series in answer for row in series.rows}


def hourly(site: Site) -> Values:
    return {key: row for series in site.query('SELECT * FROM "1h"."mem" GROUP BY *') for key, row in told(series)}


def whole_of(values: Values) -> Iterator[tuple[str, list[tuple[int, dict[str, Any]]]]]:
    by_host: dict[str, list[tuple[int, dict[str, Any]]]] = {}
    for (_, (_, host), at), row in values.items():
        by_host.setdefault(f",host={host}", []).append((at, row))
    yield from by_host.items()

"""Every query of every dashboard, on a real InfluxDB with what real agents wrote, as the user Grafana has there.

On each retention policy: the points of the last minutes are written again at earlier hours, and downsampled by the
statements that the continuous queries run.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from aresmon.config import view_files
from aresmon.config.layout import SOCKET
from aresmon.influxdb import backfill, downsampling, events
from aresmon.influxdb.client import InfluxDB, Series
from aresmon.render.grafana.queries import EXPRESSION, statement
from aresmon.site import folder
from aresmon.site.project import Project
from aresmon.system.progress import NoProgress
from tests.engine import machine
from tests.engine.machine import Proxy
from tests.engine.sites import DATABASE, Site, eventually, site_in

HOST = "box"
COLLECT = ["system", "disk", "diskio", "net", "docker", "haproxy"]
HOUR = 3600
# How long a time is looked at on each policy, and by which steps; in seconds.
RANGES = {"raw": (600, "10s"), "1m": (3 * HOUR, "1m"), "1h": (8 * HOUR, "1h")}


@dataclass(frozen=True)
class Query:
    """One query of a panel, or of a dashboard's variables or annotations, as its file has it."""

    dashboard: str
    panel: str
    ref: str
    text: str

    def at(self, policy: str, now: float) -> str:
        """As Grafana sends it, with everything chosen, over a time that this policy serves."""
        span, step = RANGES[policy]
        since, until = int((now - span) * 1000), int(now * 1000)
        chosen = {
            "$timeFilter": f"time >= {since}ms and time <= {until}ms",
            "$__interval": step,
            "$__from": str(since),
            "$__to": str(until),
            "${__to}": str(until),
            "$rp": policy,
            **dict.fromkeys(("/^$host$/", "/^$container_name$/", "/^$proxy$/", "/^$input$/"), "/^.*$/"),
            "$host": HOST,
        }
        text = self.text
        for variable, value in chosen.items():
            text = text.replace(variable, value)
        assert not re.search(r"\$[a-z_]", text), text
        return text


def dashboards(site: Site) -> dict[str, Any]:
    """The dashboards that `up` wrote, by uid."""
    files = sorted((site.bundle / "grafana" / "dashboards").rglob("*.json"))
    return {one["uid"]: one for one in (json.loads(path.read_text(encoding="utf-8")) for path in files)}


def queries(site: Site) -> Iterator[Query]:
    """Every query of every panel."""
    for uid, dashboard in dashboards(site).items():
        for panel in (inner for outer in dashboard["panels"] for inner in (outer, *outer.get("panels", []))):
            for target in panel.get("targets", []):
                if target["datasource"] != EXPRESSION:
                    yield Query(uid, panel["title"], target["refId"], statement(target))


def asking(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    """Those that ask the database, and not Grafana itself."""
    return [one["target"] for one in dashboard["annotations"]["list"] if "target" in one]


@pytest.fixture(scope="module")
def proxy() -> Iterator[Proxy]:
    with machine.haproxy() as made:
        yield made


@pytest.fixture(scope="module")
def again() -> Iterator[str]:
    with machine.restarting() as name:
        yield name


@pytest.fixture(scope="module")
def others() -> Iterator[dict[str, str]]:
    with machine.containers() as made:
        yield made


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, proxy: Proxy, others: dict[str, str], again: str) -> Iterator[Site]:
    """A site that watches this machine with every shipped collector, and has points of the last eight hours."""
    hosts = {HOST: {"collect": COLLECT, "env": {"HAPROXY_STATS": proxy.statistics}}}
    with site_in(tmp_path_factory.mktemp("panels"), hosts=hosts) as made:
        made.up()
        for _ in range(20):
            proxy.visit()
        # Several rounds in each of two minutes of the clock: rates need two, in steps of a minute too, and some inputs
        # answer only at their second reading.
        rounds = 'SELECT count("metrics_gathered") FROM "internal_agent" WHERE time > now() - 5m GROUP BY time(1m)'

        def has_rounds() -> bool:
            counts = [row["count"] or 0 for series in made.query(rounds) for row in series.rows]
            return sum(counts) >= 5 and len([one for one in counts if one >= 2]) >= 2

        assert eventually(has_rounds, within=180)
        write_earlier(made)
        yield made


def write_earlier(site: Site) -> None:
    """The last minutes once more, at each of the eight hours before, and downsampled."""
    found = site.query("SELECT * FROM /.*/ GROUP BY *")
    floats = {
        (series.name, row["fieldKey"])
        for series in site.query("SHOW FIELD KEYS")
        for row in series.rows
        if row["fieldType"] == "float"
    }
    lines = [line for series in found for row in series.rows for line in copies(series, row, floats)]
    for start in range(0, len(lines), 5000):
        site.influxdb.write("\n".join(lines[start : start + 5000]), database=DATABASE, policy="raw")
    fill(site)


def fill(site: Site) -> None:
    """Downsample what is there, as `aresmon data backfill` does."""
    own = Project.load(folder.Site(site.folder))
    fleet, views, now = own.config, own.views, time.time()
    tasks = backfill.plan(site.influxdb, fleet, downsampling.downsamplings(views), backfill.BackfillOptions(), now=now)
    journal = own.site.state / backfill.JOURNAL
    assert not backfill.run(site.influxdb, fleet, views, tasks, journal=journal, progress=NoProgress()).rejected


def copies(series: Series, row: dict[str, Any], floats: set[tuple[str, str]]) -> Iterator[str]:
    """A point as lines of InfluxDB's protocol, at earlier hours. `floats` are fields by measurement and name: an
    answer does not tell 0.0 from 0."""
    tags = "".join(f",{name}={escaped(value)}" for name, value in series.tags.items() if value)
    told = {name: value for name, value in row.items() if name != "time" and value is not None}
    fields = ",".join(f"{name}={field(value, (series.name, name) in floats)}" for name, value in told.items())
    for hours in range(1, 9):
        yield f"{escaped(series.name)}{tags} {fields} {row['time'] - hours * HOUR}"


def escaped(text: str) -> str:
    return text.replace(" ", "\\ ").replace(",", "\\,").replace("=", "\\=")


def field(value: Any, is_float: bool) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + value.replace('"', '\\"') + '"'
    return str(value) if is_float else f"{value}i"


def grafana(site: Site) -> InfluxDB:
    """InfluxDB, with the rights that Grafana has there."""
    return InfluxDB(folder.Site(site.folder).socket_folder / SOCKET, "grafana", site.secret("influxdb-grafana"))


def has_values(series: list[Series]) -> bool:
    return any(value is not None for one in series for row in one.rows for name, value in row.items() if name != "time")


def measured(site: Site, name: str) -> bool:
    return has_values(site.query(f'SELECT * FROM "{name}" LIMIT 1'))


def not_due(site: Site) -> set[str]:
    """What this machine does not have: disks of its containers, where the kernel counts no such thing, and swap."""
    blkio = "docker_container_blkio"
    (swap,) = site.query('SELECT last("total") AS "total" FROM "swap"')
    return {
        *(set() if measured(site, blkio) else {f'"{blkio}"'}),
        *(set() if swap.rows[0]["total"] else {'"total"::field > 0'}),
    }


@pytest.mark.parametrize("policy", RANGES)
def test_every_query_finds_data_on_every_retention_policy(site: Site, policy: str) -> None:
    asked, now = list(queries(site)), time.time()
    assert len(asked) > 100
    missing = {'"aresmon_event"', *not_due(site)}

    empty = [
        f"{one.dashboard} {one.panel} {one.ref}: {one.at(policy, now)}"
        for one in asked
        if not has_values(grafana(site).query(one.at(policy, now), database=DATABASE)[0])
        and not any(part in one.text for part in missing)
    ]

    assert empty == []


@pytest.mark.parametrize("policy", RANGES)
def test_a_silent_time_is_a_hole_in_the_rate_of_a_counter(site: Site, policy: str) -> None:
    span, step = RANGES[policy][0], {"10s": 10, "1m": 60, "1h": HOUR}[RANGES[policy][1]]
    now = time.time() // step * step
    steps = range(-span // step + 1, 0)
    silent = {number for number in steps if steps[0] + 3 <= number < steps[0] + 6}
    lines = [
        f"net,host=quiet,interface=eth0 bytes_recv={(2000 + number) * step}i {now + number * step:.0f}"
        for number in steps
        if number not in silent
    ]
    site.influxdb.write("\n".join(lines), database=DATABASE, policy=policy)
    (traffic,) = (one for one in queries(site) if (one.panel, one.ref) == ("Network traffic", "A"))

    (found,) = grafana(site).query(traffic.at(policy, now - 1).replace(f"'{HOST}'", "'quiet'"), database=DATABASE)[0]

    (name,) = found.rows[0].keys() - {"time"}
    told = {round((row["time"] - now) / step): row[name] for row in found.rows}
    assert {number for number in steps if told[number] is None} == {steps[0], *silent}
    assert {told[number] for number in steps[1:] if number not in silent} == {8}


def test_the_machine_tells_of_its_containers_disks_where_the_engine_does(site: Site) -> None:
    """What `not_due` leaves out is left out only where there is nothing: the engine itself knows none."""
    ours = site.containers().values()  # others come and go

    def told() -> set[str]:
        stats: list[tuple[str, Any]] = [(str(one.name), one.stats(stream=False)) for one in ours]
        return {name for name, one in stats if one["blkio_stats"]["io_service_bytes_recursive"]}

    def found() -> set[str]:
        names = site.query('SHOW TAG VALUES FROM "docker_container_blkio" WITH KEY = "container_name"')
        return {row["value"] for series in names for row in series.rows} & {str(one.name) for one in ours}

    # What a container has just begun to do is read with the next round.
    assert eventually(lambda: told() == found(), within=40), (told(), found())


def test_an_expression_has_what_it_needs_of_each_of_its_queries(site: Site) -> None:
    now = time.time()
    known = {(one.dashboard, one.panel, one.ref): one for one in queries(site)}
    formulas = [
        (uid, panel["title"], target["expression"])
        for uid, dashboard in dashboards(site).items()
        for panel in (inner for outer in dashboard["panels"] for inner in (outer, *outer.get("panels", [])))
        for target in panel.get("targets", [])
        if target["datasource"] == EXPRESSION
    ]
    assert len(formulas) > 4

    for uid, title, expression in formulas:
        refs = [word[1:] for word in expression.replace("(", " ").replace(")", " ").split() if word.startswith("$")]
        answers = [grafana(site).query(known[uid, title, ref].at("raw", now), database=DATABASE)[0] for ref in refs]
        labels = [{tuple(sorted(one.tags.items())) for one in answer} for answer in answers]
        assert labels[0], expression
        assert all(one == labels[0] for one in labels), (uid, title, labels)


@pytest.mark.parametrize(
    ("hours", "policy"), [(1, "raw"), (12, "raw"), (24, "1m"), (24 * 20, "1m"), (24 * 90, "1h"), (24 * 700, "1h")]
)
def test_the_time_shown_chooses_the_policy(site: Site, hours: int, policy: str) -> None:
    variables = {one["name"]: one for one in dashboards(site)["host-box"]["templating"]["list"]}
    now = int(time.time() * 1000)
    text = variables["rp"]["query"].replace("$__from", str(now - hours * HOUR * 1000)).replace("$__to", str(now))

    (series,) = grafana(site).query(text, database=DATABASE)[0]

    assert [row["rp"] for row in series.rows] == [policy]


def test_every_choice_has_its_values(site: Site, others: dict[str, str]) -> None:
    found: dict[tuple[str, str], set[str]] = {}
    for uid, dashboard in dashboards(site).items():
        for one in dashboard["templating"]["list"]:
            if one["type"] == "query" and one["name"] != "rp":
                answer = grafana(site).query(one["query"], database=DATABASE)[0]
                found[uid, one["name"]] = {row["value"] for series in answer for row in series.rows}

    assert found["aresmon-docker", "container_name"] >= set(others.values())
    assert found["aresmon-haproxy", "proxy"] >= {"shop", "carts"}
    assert found["aresmon-internal", "input"] >= {"cpu", "docker", "haproxy"}
    assert all(values == {HOST} for (_, name), values in found.items() if name == "host")


def test_every_annotation_is_understood_and_a_push_shows(site: Site) -> None:
    event = events.HostEvent(HOST, "push", 'push to box: "proven"', "4f1c9ab C:\\ in\ntwo lines")
    events.record_events(site.influxdb, [event])
    now = time.time() + 1

    for uid, dashboard in dashboards(site).items():
        asked = [Query(uid, one["name"], "", one["query"]) for one in asking(dashboard)]
        pushes, reboots, *_ = (grafana(site).query(one.at("raw", now), database=DATABASE)[0] for one in asked)
        assert pushes[0].rows[0]["title"] == 'push to box: "proven"'
        assert pushes[0].rows[0]["text"] == "4f1c9ab C:\\ in two lines"
        assert reboots == []


def test_each_reboot_in_the_time_shown_has_a_mark_and_no_earlier_one(site: Site) -> None:
    now = int(time.time())
    booted = {
        "twice": ((590, now - 9000), (400, now - 405), (390, now - 405), (100, now - 105), (90, now - 106)),
        "before": ((590, now - 1000), (100, now - 1000)),
    }
    for host, points in booted.items():
        lines = "\n".join(f"kernel,host={host} boot_time={boot}i {now - age}" for age, boot in points)
        site.influxdb.write(lines, database=DATABASE, policy="raw")
    (reboots,) = (one["query"] for one in asking(dashboards(site)["aresmon-fleet"]) if one["name"] == "Reboots")

    found = grafana(site).query(Query("", "", "", reboots).at("raw", now), database=DATABASE)[0]

    marks = {one.tags["host"]: [row["time"] for row in one.rows] for one in found}
    assert marks == {"twice": [now - 400, now - 100]}
    assert {row["started"] for one in found for row in one.rows} == {0}


def test_each_restart_in_the_time_shown_has_a_mark(site: Site, again: str) -> None:
    now = int(time.time())
    billion = 1_000_000_000
    started = {
        "shop": ((500, 0, now - 9000), (300, 1, now - 305), (290, 1, now - 305), (100, 2, now - 105)),
        "old": ((500, 3, now - 9000), (100, 3, now - 9000)),
        "recreated": ((500, 0, now - 9000), (100, 0, now - 105)),
    }
    lines = [
        f"docker_container_status,host=marked,container_name={name} restart_count={times}i,started_at={at * billion}i "
        f"{now - age}"
        for name, points in started.items()
        for age, times, at in points
    ]
    for age, agent, shop, carts in ((500, 500, 1000, 5), (400, 600, 1100, 6), (200, 5, 3, 1), (100, 10, 4, 2)):
        lines.append(f"internal_agent,host=marked,version=1 metrics_gathered={agent}i {now - age}")
        lines.append(f"haproxy,host=marked,proxy=shop,sv=FRONTEND,type=frontend req_tot={shop}i {now - age}")
        lines.append(f"haproxy,host=marked,proxy=carts,sv=FRONTEND,type=frontend req_tot={carts}i {now - age}")
    site.influxdb.write("\n".join(lines), database=DATABASE, policy="raw")

    found: dict[tuple[str, ...], list[int]] = {}
    for page, name in (("docker", "Container"), ("haproxy", "HAProxy"), ("internal", "Agent")):
        marks = dashboards(site)[f"aresmon-{page}"]["annotations"]["list"]
        (query,) = (one["target"]["query"] for one in marks if one["name"] == f"{name} restarts")
        for one in grafana(site).query(Query("", "", "", query).at("raw", now), database=DATABASE)[0]:
            key = (page, one.tags["host"], one.tags.get("container_name", ""))
            found[key] = [now - int(row["time"]) for row in one.rows]

    assert {key: ages for key, ages in found.items() if key[:2] == ("docker", "marked")} == {
        ("docker", "marked", "shop"): [300, 100]
    }
    assert ("docker", HOST, again) in found  # a real one, which ends and is restarted
    for page in ("haproxy", "internal"):
        (age,) = found[page, "marked", ""]
        assert 140 < age < 260


def test_a_second_up_changes_nothing_of_the_downsampling(site: Site) -> None:
    names = {row["name"] for series in site.query("SHOW CONTINUOUS QUERIES") for row in series.rows}

    assert site.up().statements == []
    assert {one.name for one in downsampling.continuous_queries(view_files.load())} == names


def test_a_host_that_never_sent_anything_stands_in_the_overview_and_goes_with_it(site: Site) -> None:
    former = site.settings["hosts"]
    site.configure(hosts={**former, "never.seen": {"agent": "systemd"}})
    try:
        added = site.up().statements
        known = site.query('SELECT "uid" FROM "forever"."aresmon_host" GROUP BY "host"')
        assert {one.tags["host"]: one.rows[0]["uid"] for one in known} == {
            HOST: "host-box",
            "never.seen": "host-never_seen",
        }
    finally:
        site.configure(hosts=former)
        gone = site.up().statements

    assert "register host never.seen for the dashboards" in added
    assert "unregister host never.seen from the dashboards" in gone
    assert [one.tags["host"] for one in site.query('SELECT "uid" FROM "forever"."aresmon_host" GROUP BY "host"')] == [
        HOST
    ]

"""The doctor on a real site: well, broken in many ways at once, mended by what it says, down, and not answering."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.engine.sites import Site, has_grafana, site_in

Findings = dict[str, list[str]]

ALWAYS = {"engine-restart", "engine-logs", "engine-boot", "clock-unsynchronised", "service-stand-in", "memory-short"}
"""What depends on the machine that the tests run on."""
YOUNG = {"backup-none", "push-never", "passphrase", "file-notice", "host", "disk-short", "memory-promised"}
"""What is so on a site of a minute, whose agents are nobody's."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    hosts = {"box": {"agent": "systemd"}, "other": {"agent": "systemd"}}
    with site_in(tmp_path_factory.mktemp("doctor"), hosts=hosts) as made:
        made.up()
        yield made


def doctor(site: Site) -> dict[str, Any]:
    """What it finds; whatever that is, it ends well and says so in JSON."""
    result = site.run("doctor", "--json")
    assert result.code in (0, 5), result
    found: dict[str, Any] = json.loads(result.out)
    assert found["ok"] == (result.code == 0)
    return found


def by_kind(found: dict[str, Any]) -> Findings:
    """What was found, by its kind, without what is so on any site of these tests."""
    kinds: Findings = {}
    for one in found["findings"]:
        is_grafana = one["kind"] == "service" and "grafana" in one["what"] and not has_grafana()
        if one["kind"] not in ALWAYS | YOUNG and not is_grafana:
            kinds.setdefault(one["kind"], []).append(one["what"])
    return kinds


def files_of(site: Site) -> dict[str, tuple[int, int]]:
    """Every file of the site but the database's, with its size and when it was written."""
    paths = [path for path in site.folder.rglob("*") if path.is_file() and "data" not in path.parts]
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in paths}


def test_a_site_that_is_well_has_nothing_wrong_and_is_left_as_it_is(site: Site) -> None:
    before, containers = files_of(site), site.ids()

    found = doctor(site)

    assert by_kind(found) == {}
    assert [one for one in found["not_looked_at"] if not one["expected"]] == []
    assert {"database-silent", "port-differs", "secret-open", "downsampling", "plan-pending"} <= set(found["passed"])
    assert (files_of(site), site.ids()) == (before, containers)


def test_the_status_tells_what_the_data_takes(site: Site) -> None:
    site.mark(1)

    told = json.loads(site.run("status", "--json").out)["capacity"]

    assert told["series"] > 0
    assert told["free"] > 0
    assert told["bytes_a_day"] is None, "no day is over yet"
    assert {one["policy"] for one in told["policies"]} >= {"raw", "1m", "1h"}


def test_a_day_that_is_over_tells_the_pace(site: Site) -> None:
    at = int(time.time()) - 2 * 86400
    site.write("\n".join(f"mark value={n}i {(at - n) * 10**9}" for n in range(1000)))

    told = json.loads(site.run("status", "--json").out)["capacity"]

    raw = next(one for one in told["policies"] if one["policy"] == "raw")
    assert raw["shards"] >= 2
    assert 0 < raw["bytes_a_day"] < 10**6
    assert told["days_left"] is None
    assert "Data: " in site.run("status").out


def broken(site: Site) -> None:
    """Break as much as can be broken at once and still be looked at."""
    (site.state / "secrets" / "agent-box").chmod(0o644)
    (site.state / "run").chmod(0o755)
    edited = site.bundle / "edge" / "haproxy.cfg"
    edited.write_text(f"{edited.read_text()}# mine\n")
    query = next(row["name"] for one in site.query("SHOW CONTINUOUS QUERIES") for row in one.rows)
    site.query(f'DROP CONTINUOUS QUERY "{query}" ON "telegraf"')
    site.query('DROP USER "agent-other"')
    site.query(
        'CREATE CONTINUOUS QUERY "own" ON "telegraf" BEGIN SELECT max("v") INTO "x" FROM "y" GROUP BY time(1h) END'
    )
    for at in range(0, 6000, 3000):
        site.write("\n".join(f"requests,host=other,id=x{number} v=1" for number in range(at, at + 3000)))
    for when in (-300, 600):
        at = (int(time.time()) + when) * 10**9
        site.write(f"internal_agent,host=other,version=1.30.0 metrics_gathered=1i {at}")


def test_what_was_broken_is_found_and_up_mends_what_it_says_it_does(site: Site) -> None:
    broken(site)
    site.containers()["edge"].stop()
    address, _, port = site.grafana.rpartition(":")
    with socket.create_server((address, int(port))):
        found = doctor(site)
    kinds = by_kind(found)

    assert "other has 6000 series in requests; its tag id has 6000 values" in kinds["series-host"][0]
    assert any(".aresmon/secrets/agent-box" in what for what in kinds["secret-open"])
    assert kinds["bundle-edited"] == ["edited by hand: edge/haproxy.cfg"]
    assert any("edge is exited" in what for what in kinds["service"])
    assert any(f"another process listens on {site.grafana}" in what for what in kinds["port-taken"])
    assert any("other: its points are dated" in what for what in kinds["clock-host"])
    assert any("other has Telegraf 1.30.0" in what for what in kinds["agent-old"])
    assert {"database-differs", "downsampling", "downsampling-unknown", "socket"} <= set(kinds)

    site.up()
    left = by_kind(doctor(site))

    mended = {"secret-open", "bundle-edited", "service", "port-taken", "database-differs", "downsampling", "socket"}
    assert mended & set(left) == set(), left
    assert {"series-host", "clock-host", "downsampling-unknown"} <= set(left), "which are not for `up` to mend"


def test_a_database_that_hangs_is_named_and_stops_no_other_check(site: Site) -> None:
    influxdb = site.containers()["influxdb"]
    influxdb.pause()
    try:
        found = doctor(site)
    finally:
        influxdb.unpause()

    assert {"database-silent", "service"} & set(by_kind(found))
    assert {"secret-open", "engine-unreachable", "bundle-edited"} <= set(found["passed"])


def test_a_site_that_is_down_is_looked_at_as_far_as_it_is_there(site: Site) -> None:
    site.run("down")

    found = doctor(site)

    kinds = by_kind(found)
    assert sorted(what.partition(" ")[0] for what in kinds["service"]) == ["edge", "influxdb"]
    assert {"secret-open", "disk-short", "port-taken"} & set(found["passed"])

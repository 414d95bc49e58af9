"""A push to real servers: verified by its own points, and proven again when there is nothing to do."""

from __future__ import annotations

import json
from typing import Any

from tests.engine.sites import Site, eventually
from tests.fleet.operators import Operator
from tests.fleet.servers import Server


def test_a_push_ends_when_its_own_points_are_in_the_database(
    fleet_site: Site, operator: Operator, lewi: Server
) -> None:
    result = fleet_site.run("push-config", "lewi", env=operator.env())

    assert result.code == 0, result
    mark = result.out.split()[-1]
    assert f'value = "{mark}"' in lewi.read("/etc/telegraf/telegraf.conf")
    (series,) = fleet_site.query("SELECT last(gen) AS gen FROM aresmon_config WHERE host = 'lewi'")
    assert series.rows[0]["gen"] == mark


def test_a_push_with_nothing_to_do_restarts_nothing_and_looks_for_the_data_all_the_same(
    fleet_site: Site, operator: Operator, lewi: Server
) -> None:
    first = fleet_site.run("push-config", "lewi", env=operator.env())
    assert first.code == 0, first
    before = lewi.service()["MainPID"]

    result = fleet_site.run("push-config", "lewi", "--json", env=operator.env())

    assert result.code == 0, result
    assert json.loads(result.out)["hosts"][0]["outcome"] == "unchanged"
    assert lewi.service()["MainPID"] == before


def test_a_push_is_told_to_the_dashboards_and_one_with_nothing_to_do_is_not(
    fleet_site: Site, operator: Operator, lewi: Server
) -> None:
    asked = "SELECT title, text FROM forever.aresmon_event WHERE host = 'lewi'"
    before = sum(len(series.rows) for series in fleet_site.query(asked))
    fragment = fleet_site.override("hosts/lewi.conf", "[[inputs.mock]]\n  metric_name = 'told'\n")
    try:
        result = fleet_site.run("push-config", "lewi", env=operator.env())
        again = fleet_site.run("push-config", "lewi", env=operator.env())
    finally:
        fragment.unlink()

    assert (result.code, again.code) == (0, 0), result
    mark = result.out.split()[-1]
    (series,) = fleet_site.query(asked)
    assert len(series.rows) == before + 1
    assert series.rows[-1]["title"] == "push to lewi: verified"
    assert series.rows[-1]["text"] == mark.partition("-")[0]


def test_a_server_that_is_a_container_is_well_and_its_root_is_watched(
    fleet_site: Site, operator: Operator, lewi: Server
) -> None:
    """Its root is an overlay, and it has no disk of its own."""
    former = fleet_site.settings["hosts"]
    fleet_site.configure(hosts={**former, "lewi": {"agent": "systemd", "collect": ["system", "disk", "diskio", "net"]}})

    def told() -> dict[str, Any]:
        hosts = json.loads(fleet_site.run("status", "--json").out)["hosts"]
        return next(one for one in hosts if one["name"] == "lewi")

    try:
        result = fleet_site.run("push-config", "lewi", "--strict", env=operator.env())
        assert result.code == 0, result
        inputs = len(("cpu", "mem", "swap", "system", "processes", "kernel_vmstat", "kernel", "disk", "diskio", "net"))
        assert eventually(lambda: told()["expected"] >= 6 * inputs, within=150, every=5), told()
        assert told()["silent"] == []
    finally:
        fleet_site.configure(hosts=former)
        fleet_site.run("push-config", "lewi", env=operator.env())

    (found,) = fleet_site.query("SELECT last(total) AS total FROM disk WHERE host = 'lewi' AND path = '/'")
    assert found.rows[0]["total"] == int(lewi.run("df --block-size=1 --output=size / | tail -1"))

"""What the picture of a site shows, from its state, its database and Grafana's rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import pytest

from aresmon.backup.record import BackupRecord, CompletedBackup, FailedBackup
from aresmon.doctor.activity import HostStatus
from aresmon.doctor.problems import Problem, ServiceStatus
from aresmon.doctor.status import Status
from aresmon.influxdb.client import InfluxDB, InfluxDBUnreachableError, Series
from aresmon.system.errors import AresmonError
from aresmon.topology import site_map
from aresmon.topology.site_map import Backend, Part, SiteMap, State
from tests.unit.conftest import load

NOW = 1_000_000_000.0
CONFIG = load(
    """
server: biere
hosts: {biere: {agent: docker, collect: [docker]}, lewi: {collect: [system]}}
alerts:
  send_to:
    - discord: {secret: discord}
    - telegram: {secret: telegram, chat: "-100"}
      severity: critical
"""
)


class Database:
    """Answers with the containers, the failing checks and the servers of HAProxy that it is given, or not at all."""

    def __init__(self, *answers: Sequence[Series], error: AresmonError | None = None) -> None:
        self.answers, self.error = answers or ([], [], []), error

    def query(self, *statements: str, database: str) -> Sequence[Sequence[Series]]:
        assert (len(statements), database) == (3, "telegraf")
        if self.error is not None:
            raise self.error
        return self.answers


def seen(name: str, age: float | None = 3.0, **changes: Any) -> HostStatus:
    return replace(HostStatus(name, "docker", age, 120, 60, 60, 0, ()), **changes)


def status(*hosts: HostStatus, problems: Sequence[Problem] = (), backups: BackupRecord | None = None) -> Status:
    services = [ServiceStatus(name, "running", "healthy", name, 0, 0, 0, NOW) for name in ("influxdb", "edge")]
    services.append(ServiceStatus("grafana", "absent", "", "grafana", 0, 0, 0, 0))
    return Status("ares", "biere", NOW, tuple(services), hosts, tuple(problems), backups=backups or BackupRecord())


def rule(*alerts: tuple[str, str, str]) -> list[dict[str, Any]]:
    """Grafana's answer with these alerts: the state, the host and the severity of each."""
    listed = [{"state": state, "labels": {"host": host, "severity": severity}} for state, host, severity in alerts]
    return [{"name": "group", "rules": [{"name": "rule", "alerts": listed}, {"name": "quiet", "alerts": None}]}]


def read(one: Status, answers: Database | None = None, rules: Any = ()) -> SiteMap:
    return site_map.read(CONFIG, one, influxdb=lambda: cast("InfluxDB", answers or Database()), rules=rules)


def test_a_host_is_in_the_state_of_what_is_worst() -> None:
    calm, late, gone = seen("biere"), seen("lewi", 300.0), seen("lewi", None)
    wrong = Problem("lewi", "its writes failed", "look", "host")

    def state(*hosts: HostStatus, rules: Any = (), problems: Sequence[Problem] = ()) -> Part:
        return read(status(*hosts, problems=problems), rules=rules).hosts[1].part

    assert state(calm, seen("lewi")) == Part("lewi", State.OK, "ok")
    assert state(calm, seen("lewi"), problems=[wrong]) == Part("lewi", State.WARNING, "has problems")
    assert state(calm, seen("lewi"), rules=rule(("Alerting", "lewi", "warning"))).words == "1 warning"
    assert state(calm, seen("lewi"), rules=rule(("Alerting", "lewi", "critical"))).state is State.CRITICAL
    assert state(calm, seen("lewi"), rules=rule(("Pending", "lewi", "critical"))).state is State.OK
    assert state(calm, seen("lewi"), rules=rule(("Alerting", "biere", "critical"))).state is State.OK
    assert state(calm, late) == Part("lewi", State.CRITICAL, "silent for 5 min")
    assert state(calm, gone) == Part("lewi", State.CRITICAL, "no data")
    assert state() == Part("lewi", State.UNKNOWN, "state unknown")


def test_a_contact_point_shows_what_it_is_told_of() -> None:
    rules = rule(("Alerting", "lewi", "warning"), ("Alerting (NoData)", "", "warning"), ("Alerting", "", "critical"))

    told = read(status(seen("biere"), seen("lewi")), rules=rules)
    unknown = read(status(seen("biere"), seen("lewi")), rules=None)

    assert told.contact_points == (
        Part("discord", State.WARNING, "3 firing"),
        Part("telegram", State.WARNING, "1 firing"),
    )
    assert {part.state for part in unknown.contact_points} == {State.UNKNOWN}


def test_a_service_that_does_not_run_is_critical() -> None:
    services = {part.name: part for part in read(status()).services}

    assert services["edge"].state is State.OK
    assert services["grafana"] == Part("grafana", State.CRITICAL, "not running")


def test_containers_are_as_they_were_seen_last() -> None:
    def one(name: str, words: str, time: float) -> Series:
        tags = {"host": "biere", "container_name": name, "container_status": words}
        return Series("docker_container_status", tags, ({"time": time, "last": 0},))

    found = [one("wiki", "running", NOW - 60), one("wiki", "exited", NOW - 5), one("web", "running", NOW - 5)]
    ill = Series("docker_container_health", {"host": "biere", "container_name": "web"}, ({"time": NOW, "last": 2},))

    biere, lewi = read(status(seen("biere"), seen("lewi")), Database(found, [ill], [])).hosts

    assert biere.containers == (
        Part("web", State.WARNING, "running, unhealthy"),
        Part("wiki", State.OFF, "exited"),
    )
    assert lewi.containers == ()


@pytest.mark.parametrize(
    ("words", "state"),
    [
        ("UP", State.OK),
        ("UP 1/3", State.OK),
        ("no check", State.OK),
        ("DOWN", State.CRITICAL),
        ("MAINT", State.OFF),
        ("MAINT (via x)", State.OFF),
        ("DRAIN", State.WARNING),
        ("NOLB", State.WARNING),
    ],
)
def test_a_server_of_haproxy_is_in_the_state_of_its_check(words: str, state: State) -> None:
    one = Series("haproxy", {"host": "biere", "proxy": "wiki", "sv": "web1"}, ({"time": NOW, "last": words},))

    biere, _ = read(status(seen("biere"), seen("lewi")), Database([], [], [one])).hosts

    assert biere.backends == (Backend("wiki", (Part("web1", state, words.lower()),)),)


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (BackupRecord(), []),
        (BackupRecord(CompletedBackup(NOW - 7200, "a.tar", 9, "backups")), [(State.OK, "last backup 2 hours ago")]),
        (
            BackupRecord(CompletedBackup(NOW - 9e6, "a.tar", 9, "backups"), FailedBackup(NOW, "no space")),
            [(State.CRITICAL, "the last backup failed")],
        ),
    ],
)
def test_a_destination_of_backups_shows_the_last_one(record: BackupRecord, expected: list[tuple[State, str]]) -> None:
    shown = read(status(backups=record)).destinations

    assert [(part.state, part.words) for part in shown] == expected


def test_a_database_that_does_not_answer_leaves_out_what_runs_on_the_hosts() -> None:
    away = Database(error=InfluxDBUnreachableError("away"))

    biere, _ = read(status(seen("biere"), seen("lewi")), away).hosts

    assert (biere.containers, biere.backends) == ((), ())

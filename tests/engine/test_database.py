"""InfluxDB as the site has it: its version, its settings in effect, and what each of its users may do."""

from __future__ import annotations

import pytest

from aresmon.influxdb.client import InfluxDB, InfluxDBError
from tests.engine.sites import DATABASE, Site

CHANGES = [
    'DROP DATABASE "telegraf"',
    'DROP MEASUREMENT "mark"',
    'DELETE FROM "mark"',
    'DROP SERIES FROM "mark"',
    'DROP RETENTION POLICY "1h" ON "telegraf"',
    'ALTER RETENTION POLICY "raw" ON "telegraf" DURATION 1h',
    'CREATE DATABASE "own"',
    "CREATE USER \"own\" WITH PASSWORD 'own' WITH ALL PRIVILEGES",
    'GRANT ALL TO "grafana"',
    'SELECT * INTO "copy" FROM "mark"',
    'DROP USER "aresmon"',
    "SET PASSWORD FOR \"aresmon\" = 'own'",
    "SHOW USERS",
]


@pytest.fixture(scope="module")
def grafana(running: Site) -> InfluxDB:
    """InfluxDB as Grafana knows it."""
    running.mark(5)
    return InfluxDB(running.influxdb.socket, "grafana", running.secret("influxdb-grafana"))


def test_it_is_the_pinned_version(running: Site) -> None:
    assert running.influxdb.version() == "1.13.2"


def test_its_settings_are_in_effect(running: Site) -> None:
    rows = {series.name: series.rows[0] for series in running.query("SHOW DIAGNOSTICS") if series.rows}

    assert rows["config-httpd"]["enabled"] is True
    assert rows["config-data"]["dir"] == "/var/lib/influxdb/data"
    assert rows["config-data"]["wal-dir"] == "/var/lib/influxdb/wal"
    assert rows["config-coordinator"]["max-select-series"] == 51200
    assert rows["config-monitor"]["store-enabled"] is False
    assert (running.folder / "data/influxdb/meta").is_dir()
    running.mark(1)
    index = list((running.folder / "data/influxdb/data/telegraf/raw").glob("*/index"))
    assert index, "the index is on disk (tsi1)"


def test_nothing_in_its_configuration_is_unknown_to_it(running: Site) -> None:
    """influxd takes an unknown setting in silence; what it prints of its configuration has every one it knows."""
    container = running.containers()["influxdb"]
    code, printed = container.exec_run(["influxd", "config", "-config", "/etc/aresmon/influxdb.conf"], stderr=False)
    assert isinstance(printed, bytes)
    known = settings(printed.decode())

    assert code == 0
    for section, name, value in settings((running.bundle / "influxdb/influxdb.conf").read_text()):
        assert (section, name) in {(one[0], one[1]) for one in known}, f"[{section}] {name}"
        assert (section, name, plain(value)) in {(one[0], one[1], plain(one[2])) for one in known}


def test_it_has_the_site_s_database_users_and_policies(running: Site) -> None:
    assert {row["name"] for series in running.query("SHOW DATABASES") for row in series.rows} == {DATABASE}
    assert running.users() == {"aresmon", "grafana", "agent-box", "agent-other"}
    policies = {row["name"]: row["default"] for row in running.query('SHOW RETENTION POLICIES ON "telegraf"')[0].rows}
    assert policies == {"raw": True, "1m": False, "1h": False, "forever": False}


def test_grafana_reads(grafana: InfluxDB) -> None:
    assert grafana.query('SELECT "value" FROM "mark"', database=DATABASE)[0][0].rows[-1]["value"] == 5


@pytest.mark.parametrize("statement", CHANGES)
def test_grafana_can_change_nothing(running: Site, grafana: InfluxDB, statement: str) -> None:
    with pytest.raises(InfluxDBError):
        grafana.query(statement, database=DATABASE)

    assert 5 in running.marks()
    assert running.users() == {"aresmon", "grafana", "agent-box", "agent-other"}


@pytest.mark.parametrize("host", ["box", "other"])
def test_a_host_can_read_nothing(running: Site, host: str) -> None:
    agent = InfluxDB(running.influxdb.socket, f"agent-{host}", running.secret(f"agent-{host}"))

    for statement in ('SELECT * FROM "mark"', "SHOW USERS", 'CREATE DATABASE "own"'):
        with pytest.raises(InfluxDBError):
            agent.query(statement, database=DATABASE)


def test_nobody_without_a_name_may_do_anything(running: Site) -> None:
    for statement in ("SHOW DATABASES", "CREATE USER x WITH PASSWORD 'x' WITH ALL PRIVILEGES"):
        with pytest.raises(InfluxDBError):
            InfluxDB(running.influxdb.socket).query(statement)


def settings(text: str) -> set[tuple[str, str, str]]:
    """Section, name and value of each line of a configuration."""
    section, found = "", set()
    for line in (line.strip() for line in text.splitlines()):
        if line.startswith("["):
            section = line.strip("[]")
        elif "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.add((section, name.strip(), value.strip()))
    return found


def plain(value: str) -> str:
    """Durations and sizes in one way: `256m` is printed as a number of bytes, `30m` as `30m0s`."""
    bare = value.strip('"')
    if bare.endswith("m") and bare[:-1].isdigit() and bare == "256m":
        return str(256 << 20)
    return bare.removesuffix("0s") if bare.endswith("m0s") else bare

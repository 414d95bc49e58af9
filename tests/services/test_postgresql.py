"""PostgreSQL, and what is read of its statistics."""

from __future__ import annotations

import pytest

from tests.services.agent import agent, collect, gather
from tests.services.alerts import Alerts
from tests.services.host import Host
from tests.services.points import fields_of, only, select, tags_of

READ = collect("postgresql")
WITH_PASSWORD = collect(
    {
        "postgresql": {
            "address": "host=127.0.0.1 user=telegraf dbname=postgres",
            "password": {"secret": "postgresql"},
        }
    },
    secrets={"postgresql": "biere"},
)
_SERVER = "/usr/lib/postgresql/15/bin/postgres -c config_file=/etc/postgresql/15/main/postgresql.conf"
_LIMITS = "-c max_connections=13 -c superuser_reserved_connections=3 -c deadlock_timeout=100ms"
# Clients that are killed leave at once.
_LIMITS += " -c client_connection_check_interval=100ms"
_START = f"{_SERVER} -D /var/lib/postgresql/15/main {_LIMITS}"
# It archives nothing: its command fails.
_ARCHIVES = f"{_START} -c archive_mode=on -c archive_command=false"
_READY = "su postgres -s /bin/sh -c 'psql -c \"SELECT 1\"'"


@pytest.fixture(scope="module")
def postgresql(host: Host) -> Host:
    host.run("install -d -o postgres /run/postgresql")
    host.start("postgresql", _ARCHIVES, ready=_READY, user="postgres")
    sql(host, "CREATE ROLE telegraf LOGIN PASSWORD 'biere'; GRANT pg_monitor TO telegraf")
    sql(host, "CREATE DATABASE wiki")
    sql(host, "CREATE TABLE page (id int PRIMARY KEY, hits int); INSERT INTO page VALUES (1, 0), (2, 0)", "wiki")
    return host


def sql(host: Host, statement: str, database: str = "postgres") -> str:
    return host.run(f"psql -XAt {database}", user="postgres", stdin=statement).strip()


def test_what_is_read_is_what_postgresql_tells(postgresql: Host) -> None:
    counted = "SELECT xact_commit FROM pg_stat_database WHERE datname = 'wiki'"
    before = int(sql(postgresql, counted))
    sql(postgresql, "SELECT pg_stat_force_next_flush()", "wiki")
    points = gather(postgresql, READ, of="postgresql_server")
    after = int(sql(postgresql, counted))

    read = only(points, "postgresql", db="wiki")
    assert before <= read["xact_commit"] <= after
    assert read["size"] == int(sql(postgresql, "SELECT pg_database_size('wiki')"))
    assert read["numbackends"] == 0
    assert 0 < read["transaction_ids_percent"] < 0.01
    assert {one.tags["db"] for one in select(points, "postgresql")} == {"postgres", "wiki"}
    server = only(points, "postgresql_server").fields
    assert (server["connections"], server["connections_max"]) == (1, 10)
    assert (server["waiting"], server["replay_lag"], server["slots_unused"], server["replicas"]) == (0, 0, 0, 0)
    assert tags_of(points, "postgresql_server") == {"db"}
    # All that the views know of, and with their types: an integer that once was a text would be refused.
    assert fields_of(points, "postgresql_server") == {
        *("connections", "connections_max", "waiting", "oldest_transaction", "replay_lag", "replicas"),
        *("slots_unused", "slots_kept", "archive_fails"),
    }
    assert not [one.line for one in points if one.measurement.startswith("postgresql") and '"' in one.line]


def test_a_role_with_a_password_reads_the_same_over_tcp(postgresql: Host) -> None:
    points = gather(postgresql, WITH_PASSWORD, of="postgresql_server")

    assert only(points, "postgresql", db="wiki")["numbackends"] == 0


def test_connections_that_are_nearly_all_taken_are_an_alert(postgresql: Host, alerts: Alerts) -> None:
    with agent(postgresql, READ, pace=60) as running:
        running.read(6, of="postgresql_server")
        assert alerts.firing(running) == set()
        sleepers = "for n in {1..8}; do psql -c 'SELECT pg_sleep(99)' & done; wait"
        with postgresql.meanwhile("clients", sleepers, user="postgres"):
            points = running.read(24, of="postgresql_server")

    assert max(one["connections"] for one in select(points, "postgresql_server")) == 9
    assert "postgresql-connections-warning" in alerts.firing(running, points)


def test_a_lock_that_others_wait_for_is_an_alert(postgresql: Host, alerts: Alerts) -> None:
    with agent(postgresql, READ, pace=60) as running:
        running.read(6, of="postgresql_server")
        assert alerts.firing(running) == set()
        hold = "BEGIN; UPDATE page SET hits = 1 WHERE id = 1; SELECT pg_sleep(99)"
        wait = "UPDATE page SET hits = 2 WHERE id = 1"
        both = f"psql wiki -c '{hold}' & sleep 1; psql wiki -c '{wait}' & wait"
        with postgresql.meanwhile("clients", both, user="postgres"):
            points = running.read(24, of="postgresql_server")

    assert max(one["oldest_transaction"] for one in select(points, "postgresql_server")) > 5
    assert alerts.firing(running, points) == {"postgresql-waiting-warning"}


def test_deadlocks_and_rollbacks_are_alerts(postgresql: Host, alerts: Alerts) -> None:
    first, second = (
        f"UPDATE page SET hits = 1 WHERE id = {one}; SELECT pg_sleep(0.3); UPDATE page SET hits = 1 WHERE id = {other}"
        for one, other in ((1, 2), (2, 1))
    )
    cross = f"psql -q wiki -c 'BEGIN; {first}; COMMIT' & psql -q wiki -c 'BEGIN; {second}; COMMIT' & wait;"
    with agent(postgresql, READ, pace=15) as running:
        running.read(6, of="postgresql_server")
        postgresql.run(
            f"for n in {{1..12}}; do {cross} done; for n in {{1..80}}; do echo 'BEGIN; ROLLBACK;'; done | psql -q wiki",
            user="postgres",
            timeout=90,
        )
        points = running.read(2, of="postgresql_server")

    assert only(points, "postgresql", db="wiki")["deadlocks"] >= 6
    assert {"postgresql-deadlocks-warning"} <= alerts.firing(running)


def test_an_archive_that_fails_and_a_slot_that_nobody_uses_are_alerts(postgresql: Host, alerts: Alerts) -> None:
    sql(postgresql, "SELECT pg_create_physical_replication_slot('lost', true)")
    sql(postgresql, "SELECT pg_switch_wal()")
    postgresql.wait(
        "[[ $(su postgres -s /bin/sh -c \"psql -XAtc 'SELECT failed_count > 0 FROM pg_stat_archiver'\") == t ]]"
    )
    sql(postgresql, "INSERT INTO page SELECT n, 0 FROM generate_series(10, 5000) n", "wiki")
    with agent(postgresql, READ, pace=120) as running:
        points = running.read(85, of="postgresql_server")

    assert only(points, "postgresql_server")["slots_kept"] > 100_000
    assert alerts.firing(running) == {"postgresql-archive-critical", "postgresql-slot-unused-critical"}
    sql(postgresql, "SELECT pg_drop_replication_slot('lost')")


def test_a_replica_that_does_not_replay_is_an_alert(postgresql: Host, alerts: Alerts) -> None:
    postgresql.run("pg_basebackup -D /tmp/replica -R -c fast && mkdir /tmp/socket", user="postgres")
    ask = "host=/tmp/socket port=5433 user=telegraf dbname=postgres"
    options = "-c port=5433 -c unix_socket_directories=/tmp/socket -c data_directory=/tmp/replica -c max_connections=13"
    ready = "su postgres -s /bin/sh -c 'psql -h /tmp/socket -p 5433 -l'"
    postgresql.start("replica", f"{_SERVER} -D /tmp/replica {options}", ready=ready, user="postgres")
    try:
        sql(postgresql, "UPDATE page SET hits = 5", "wiki")
        postgresql.run("psql -h /tmp/socket -p 5433 -c 'SELECT pg_wal_replay_pause()'", user="postgres")
        sql(postgresql, "UPDATE page SET hits = 6", "wiki")
        postgresql.run("sleep 31", timeout=60)
        with agent(postgresql, collect({"postgresql": {"address": ask}}), pace=60) as running:
            points = running.read(20, of="postgresql_server")
        assert only(points, "postgresql_server")["replay_lag"] > 30
        assert alerts.firing(running) == {"postgresql-lag-warning"}
    finally:
        postgresql.stop("replica", signal="INT")

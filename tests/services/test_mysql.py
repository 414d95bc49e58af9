"""MariaDB, and what is read of its status."""

from __future__ import annotations

import pytest

from tests.services.agent import agent, collect, gather
from tests.services.alerts import Alerts
from tests.services.host import Host
from tests.services.points import fields_of, newest, tags_of

READ = collect("mysql")
WITH_PASSWORD = collect(
    {"mysql": {"address": "tcp(127.0.0.1:3306)", "user": "remote", "password": {"secret": "mysql"}}},
    secrets={"mysql": "bi:e/r@e"},
)
REPLICA = collect({"mysql": {"address": "unix(/tmp/replica/socket)", "replica": True}})
_START = "mariadbd --user=mysql --bind-address=127.0.0.1 --max-connections=10 --log-bin --server-id=1"
_REPLICA = (
    "mariadbd --no-defaults --user=mysql --datadir=/tmp/replica/data --socket=/tmp/replica/socket --server-id=2 "
    "--bind-address=127.0.0.1 --port=3307 --pid-file=/tmp/replica/pid"
)
_ASK = "mariadb --socket=/tmp/replica/socket -e"
_CONNECTED = f"{_ASK} 'SHOW SLAVE STATUS\\G' | grep -q 'Slave_IO_Running: Yes'"
_FROM = "MASTER_HOST='127.0.0.1', MASTER_USER='replica', MASTER_PASSWORD='x', MASTER_CONNECT_RETRY=1"
_GRANTS = (
    "CREATE USER telegraf@localhost IDENTIFIED VIA unix_socket; "
    "GRANT PROCESS, BINLOG MONITOR, SLAVE MONITOR ON *.* TO telegraf@localhost; "
)


@pytest.fixture(scope="module")
def mariadb(host: Host) -> Host:
    host.run("install -d -o mysql /run/mysqld")
    host.start("mariadb", _START, ready="mariadb -e 'SELECT 1'")
    host.run(
        f"mariadb -e \"{_GRANTS} CREATE USER remote@localhost IDENTIFIED BY 'bi:e/r@e'; "
        'GRANT PROCESS ON *.* TO remote@localhost"'
    )
    return host


@pytest.fixture(scope="module")
def replica(mariadb: Host) -> Host:
    mariadb.run(
        "install -d -o mysql /tmp/replica; mariadb-install-db --no-defaults --user=mysql --datadir=/tmp/replica/data "
        "--auth-root-authentication-method=socket > /dev/null"
    )
    account(
        mariadb, "CREATE USER replica@localhost IDENTIFIED BY 'x'; GRANT REPLICATION SLAVE ON *.* TO replica@localhost"
    )
    position = mariadb.run("mariadb -BNe 'SHOW MASTER STATUS'").split()
    mariadb.start("replica", _REPLICA, ready=f"{_ASK} 'SELECT 1'")
    file = f"MASTER_LOG_FILE='{position[0]}', MASTER_LOG_POS={position[1]}"
    mariadb.run(f'{_ASK} "{_GRANTS} CHANGE MASTER TO {_FROM}, {file}; START SLAVE"')
    mariadb.wait(_CONNECTED)
    mariadb.run("mariadb -e 'CREATE DATABASE wiki; CREATE TABLE wiki.page (id int)'")
    return mariadb


def account(host: Host, statement: str) -> None:
    """Change an account of the primary alone."""
    host.run(f'mariadb -e "SET sql_log_bin = 0; {statement}"')


def status(host: Host) -> dict[str, str]:
    """What the server tells of itself."""
    lines = host.run("mariadb -BNe 'SHOW GLOBAL STATUS'").splitlines()
    return {name: value for name, _, value in (line.partition("\t") for line in lines)}


def test_what_is_read_is_what_mariadb_tells(mariadb: Host) -> None:
    before = status(mariadb)
    points = gather(mariadb, READ, of="mysql")
    after = status(mariadb)

    read = newest(points, "mysql")
    for counter in ("questions", "slow_queries", "aborted_connects", "connection_errors_max_connections"):
        name = counter.capitalize()
        assert int(before[name]) <= read[counter] <= int(after[name]), counter
    assert read["threads_connected"] == int(before["Threads_connected"])
    for counter in ("innodb_row_lock_waits", "innodb_log_waits"):
        assert read[counter] == int(before[counter.capitalize()])
    assert newest(points, "mysql_variables")["max_connections"] == 10
    assert tags_of(points, "mysql") == tags_of(points, "mysql_variables") == {"server"}
    assert fields_of(points, "mysql") == {
        *("threads_connected", "threads_running", "connection_errors_max_connections", "aborted_connects"),
        *("questions", "slow_queries", "innodb_row_lock_waits", "innodb_log_waits"),
    }


def test_a_user_with_a_password_reads_the_same_over_tcp(mariadb: Host) -> None:
    points = gather(mariadb, WITH_PASSWORD, of="mysql")

    assert newest(points, "mysql_variables")["max_connections"] == 10


def test_connections_that_are_nearly_all_taken_and_refused_are_alerts(mariadb: Host, alerts: Alerts) -> None:
    with agent(mariadb, READ, pace=50) as running:
        running.read(10, of="mysql")
        assert alerts.firing(running) == set()
        sleepers = "for n in {1..9}; do mariadb -e 'SELECT SLEEP(99)' & done; wait"
        with mariadb.meanwhile("sleepers", sleepers):
            points = running.read(40, of="mysql")

    assert newest(points, "mysql")["threads_connected"] >= 9
    firing = alerts.firing(running)
    assert firing >= {"mysql-connections-warning", "mysql-running-warning"}


def test_replication_that_is_stopped_or_cut_is_an_alert(replica: Host, alerts: Alerts) -> None:
    with agent(replica, REPLICA, pace=50) as running:
        points = running.read(20, of="mysql")
        read = newest(points, "mysql")
        assert (read["slave_slave_io_running"], read["slave_slave_sql_running"]) == ("Yes", "Yes")
        assert read["slave_seconds_behind_master"] == 0
        assert alerts.firing(running) == set()
        replica.run(f"{_ASK} 'STOP SLAVE SQL_THREAD'")
        running.read(40, of="mysql")
        assert alerts.firing(running) == {"mysql-replica-stopped-critical"}
        replica.run(f"{_ASK} 'START SLAVE SQL_THREAD'")
        account(replica, "ALTER USER replica@localhost IDENTIFIED BY 'y'; KILL USER replica@localhost")
        points = running.read(40, of="mysql")
        assert newest(points, "mysql")["slave_slave_io_running"] == "Connecting"
        assert alerts.firing(running) == {"mysql-replica-unconnected-critical"}
    assert running.errors() == []


def test_a_replica_that_is_behind_is_an_alert(replica: Host, alerts: Alerts) -> None:
    account(replica, "ALTER USER replica@localhost IDENTIFIED BY 'x'")
    replica.run(f"{_ASK} 'STOP SLAVE; START SLAVE'")
    replica.wait(_CONNECTED)
    locked = f"{_ASK} 'LOCK TABLES wiki.page WRITE; SELECT SLEEP(50)' > /dev/null &"
    replica.run(f"{locked} sleep 1; mariadb -e 'INSERT INTO wiki.page VALUES (1)'; sleep 32; true")
    with agent(replica, REPLICA, pace=50) as running:
        points = running.read(30, of="mysql")

    assert newest(points, "mysql")["slave_seconds_behind_master"] > 30
    assert alerts.firing(running) == {"mysql-lag-critical"}

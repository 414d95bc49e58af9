"""The alerts of MySQL and MariaDB."""

from __future__ import annotations

from tests.engine.alert_cases.shapes import Case, Points, Value, case, grows, points

_SERVER = "server=/run/mysqld/mysqld.sock"


def _mysql(**fields: Value) -> Points:
    return points("mysql", _SERVER, **fields)


def _share(field: str, value: float) -> tuple[Points, Points]:
    return _mysql(**{field: value}), points("mysql_variables", _SERVER, max_connections=100)


CASES: dict[str, Case] = {
    "mysql-connections-warning": case(_share("threads_connected", 85), _share("threads_connected", 75)),
    "mysql-connections-critical": case(_share("threads_connected", 95), _share("threads_connected", 85)),
    "mysql-refused-critical": case(
        _mysql(connection_errors_max_connections=grows(1)), _mysql(connection_errors_max_connections=7)
    ),
    "mysql-running-warning": case(_share("threads_running", 65), _share("threads_running", 55)),
    "mysql-replica-stopped-critical": case(
        _mysql(slave_slave_sql_running="No"), _mysql(slave_slave_sql_running="Yes"), _mysql(threads_running=1)
    ),
    "mysql-replica-unconnected-critical": case(
        _mysql(slave_slave_io_running="Connecting"), _mysql(slave_slave_io_running="Yes"), _mysql(threads_running=1)
    ),
    "mysql-lag-critical": case(_mysql(slave_seconds_behind_master=40), _mysql(slave_seconds_behind_master=20)),
    "mysql-log-waits-warning": case(_mysql(innodb_log_waits=grows(900)), _mysql(innodb_log_waits=grows(300))),
}

"""The alerts of PostgreSQL."""

from __future__ import annotations

from tests.engine.alert_cases.shapes import Case, Points, Value, case, grows, interrupted, points


def _database(**fields: Value) -> Points:
    return points("postgresql", "db=wiki", **fields)


def _server(**fields: Value) -> Points:
    return points("postgresql_server", "db=postgres", **fields)


CASES: dict[str, Case] = {
    "postgresql-connections-warning": case(
        _server(connections=85, connections_max=100), _server(connections=75, connections_max=100)
    ),
    "postgresql-connections-critical": case(
        _server(connections=95, connections_max=100), _server(connections=85, connections_max=100)
    ),
    "postgresql-waiting-warning": case(_server(waiting=2), _server(waiting=0), _server(waiting=interrupted(3))),
    "postgresql-deadlocks-warning": case(
        _database(deadlocks=grows(2)), _database(deadlocks=grows(0.5)), _database(deadlocks=1000)
    ),
    "postgresql-rollbacks-warning": case(
        _database(xact_rollback=grows(20), xact_commit=grows(100)),
        _database(xact_rollback=grows(5), xact_commit=grows(100)),
        _database(xact_rollback=grows(1), xact_commit=grows(1)),  # hardly used
    ),
    "postgresql-lag-warning": case(_server(replay_lag=40), _server(replay_lag=20)),
    "postgresql-lag-critical": case(_server(replay_lag=4000), _server(replay_lag=3000)),
    "postgresql-slot-unused-critical": case(_server(slots_unused=1), _server(slots_unused=0)),
    "postgresql-archive-critical": case(_server(archive_fails=1), _server(archive_fails=0)),
    "postgresql-transaction-ids-warning": case(
        _database(transaction_ids_percent=60), _database(transaction_ids_percent=45)
    ),
    "postgresql-transaction-ids-critical": case(
        _database(transaction_ids_percent=85), _database(transaction_ids_percent=75)
    ),
}

"""The alerts of MongoDB."""

from __future__ import annotations

from tests.engine.alert_cases.shapes import Case, Points, Value, case, grows, interrupted, points


def _mongodb(**fields: Value) -> Points:
    return points("mongodb", "hostname=127.0.0.1:27017,rs_name=rs0", **fields)


def _port(result: Value) -> Points:
    return points("mongodb_port", "server=127.0.0.1,port=27017", result_code=result)


CASES: dict[str, Case] = {
    "mongodb-down-critical": case(_port(2), _port(0), _port(interrupted(2))),
    "mongodb-connections-warning": case(
        _mongodb(connections_current=85, connections_available=15),
        _mongodb(connections_current=75, connections_available=25),
    ),
    "mongodb-connections-critical": case(
        _mongodb(connections_current=97, connections_available=3),
        _mongodb(connections_current=90, connections_available=10),
    ),
    "mongodb-lag-warning": case(_mongodb(repl_lag=30), _mongodb(repl_lag=5), _mongodb(repl_lag=interrupted(30))),
    "mongodb-lag-critical": case(_mongodb(repl_lag=90), _mongodb(repl_lag=30)),
    "mongodb-member-critical": case(
        _mongodb(repl_state=9), _mongodb(repl_state=2), _mongodb(repl_state=7), _mongodb(repl_state=0)
    ),
    "mongodb-waiting-warning": case(
        _mongodb(queued_reads=8, queued_writes=8),
        _mongodb(queued_reads=3, queued_writes=3),
        _mongodb(queued_reads=interrupted(20), queued_writes=0),
    ),
    "mongodb-cache-warning": case(_mongodb(percent_cache_dirty=25), _mongodb(percent_cache_dirty=15)),
    "mongodb-cursors-warning": case(
        _mongodb(cursor_timed_out_count=grows(60)), _mongodb(cursor_timed_out_count=grows(10))
    ),
}

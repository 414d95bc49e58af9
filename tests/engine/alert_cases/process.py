"""The alerts of programs."""

from __future__ import annotations

from tests.engine.alert_cases.shapes import Case, Points, Value, case, interrupted, points


def _program(**fields: Value) -> Points:
    return points("program", "program=cron", **{"pid_count": 1, "result_code": 0, **fields})


def _handles(share: float) -> Points:
    return _program(num_fds=10 * share, rlimit_num_fds_soft=1000)


CASES: dict[str, Case] = {
    "program-gone-critical": case(
        _program(pid_count=0),
        _program(),
        _program(pid_count=interrupted(0, by=1)),
        _program(pid_count=0, result_code=1),  # nobody knows
    ),
    "program-restarts-warning": case(
        _program(created_at=lambda age: age // 180), _program(created_at=lambda age: age // 600), _program(created_at=5)
    ),
    "program-handles-warning": case(
        _handles(85), _handles(75), _program(num_fds=interrupted(900, by=10), rlimit_num_fds_soft=1000)
    ),
    "program-handles-critical": case(_handles(97), _handles(90)),
}

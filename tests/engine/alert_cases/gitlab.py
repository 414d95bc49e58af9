"""The alerts of GitLab."""

from __future__ import annotations

from tests.engine.alert_cases.shapes import Case, Points, Value, case, grows, interrupted, points


def _puma(**fields: Value) -> Points:
    return points("gitlab", "worker=puma_0", **fields)


def _errors(a_minute: float) -> Points:
    tags = "status=500,method=get,feature_category=source_code_management"
    return points("gitlab_errors", tags, http_requests_total=grows(a_minute))


def _jobs(a_minute: float) -> Points:
    return points("gitlab_sidekiq", "worker=PostReceive,queue=default", sidekiq_jobs_failed_total=grows(a_minute))


def _pool(busy: Value) -> Points:
    tags = "class=ActiveRecord::Base,database=db1,port=5432,pid=puma_0"
    return points("gitlab", tags, gitlab_database_connection_pool_busy=busy, gitlab_database_connection_pool_size=20)


CASES: dict[str, Case] = {
    "gitlab-waiting-warning": case(
        _puma(puma_queued_connections=8),
        _puma(puma_queued_connections=3),
        _puma(puma_queued_connections=interrupted(8, by=0, every=120)),
    ),
    "gitlab-no-thread-critical": case(
        _puma(puma_pool_capacity=0), _puma(puma_pool_capacity=3), _puma(puma_pool_capacity=interrupted(0, by=1))
    ),
    "gitlab-errors-warning": case(_errors(10), _errors(2)),
    "gitlab-jobs-warning": case(_jobs(12), _jobs(3)),
    "gitlab-database-warning": case(_pool(19), _pool(15), _pool(interrupted(20, by=5))),
}

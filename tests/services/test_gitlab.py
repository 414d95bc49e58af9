"""What is read of GitLab's metrics: of pages in the form that GitLab 18 documents, of Puma and of Sidekiq. They have a
label `host`, of the database, as those of a GitLab with a database elsewhere do."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.services.agent import agent, collect, gather
from tests.services.alerts import Alerts
from tests.services.host import Host
from tests.services.points import Labels, by_labels, exposed, fields_of, tags_of

RECORDED = Path(__file__).with_name("recorded") / "gitlab"
READ = collect({"gitlab": {"url": "http://127.0.0.1:8080/-/metrics", "sidekiq": "http://127.0.0.1:8080/sidekiq"}})
_PAGES = {"puma": "/srv/-/metrics", "sidekiq": "/srv/sidekiq"}


@pytest.fixture(scope="module")
def gitlab(host: Host) -> Host:
    show(host, "well")
    server = "python3 -m http.server --bind 127.0.0.1 --directory /srv 8080"
    host.start("gitlab", server, ready="curl -fs 127.0.0.1:8080/-/metrics")
    return host


def show(host: Host, name: str) -> None:
    """Let the pages be those of a GitLab that is well or ill."""
    for part, path in _PAGES.items():
        host.write(path, recorded(name, part))


def recorded(name: str, part: str) -> str:
    return (RECORDED / f"{name}-{part}.txt").read_text(encoding="utf-8")


def read_as(values: dict[Labels, float], renamed: dict[str, str]) -> dict[Labels, float]:
    """The values by their labels as an agent has them: with other names, and without those that are empty here."""
    return {
        frozenset((renamed.get(name, name), text) for name, text in labels if renamed.get(name, name)): value
        for labels, value in values.items()
    }


@pytest.mark.parametrize("name", ["well", "ill"])
def test_what_is_read_is_what_the_page_shows(gitlab: Host, name: str) -> None:
    show(gitlab, name)
    points = gather(gitlab, READ, of="gitlab")

    page = exposed(recorded(name, "puma"))
    fields = fields_of(points, "gitlab")
    assert len(fields) == 7
    for field in fields:
        assert by_labels(points, "gitlab", field) == read_as(page[field], {"host": "database"}), field
    assert {one.tags["host"] for one in points} == {"lewi"}


def test_of_requests_only_errors_are_series(gitlab: Host) -> None:
    show(gitlab, "ill")
    points = gather(gitlab, READ, of="gitlab_errors")

    errors = by_labels(points, "gitlab_errors", "http_requests_total")
    assert errors == {
        labels: value
        for labels, value in exposed(recorded("ill", "puma"))["http_requests_total"].items()
        if dict(labels)["status"] == "500"
    }


def test_what_is_read_of_sidekiq_is_what_its_page_shows(gitlab: Host) -> None:
    show(gitlab, "ill")
    points = gather(gitlab, READ, of="gitlab_sidekiq")

    page = exposed(recorded("ill", "sidekiq"))
    without = dict.fromkeys(("boundary", "external_dependencies", "feature_category", "urgency"), "")
    for field in ("sidekiq_jobs_failed_total", "sidekiq_concurrency"):
        assert by_labels(points, "gitlab_sidekiq", field) == read_as(page[field], without), field
    assert tags_of(points, "gitlab_sidekiq") == {"worker", "queue", "pid"}


def test_a_gitlab_that_cannot_keep_up_is_an_alert_for_each_reason(gitlab: Host, alerts: Alerts) -> None:
    show(gitlab, "well")
    with agent(gitlab, READ, pace=60) as running:
        running.read(4, of="gitlab_sidekiq")
        assert alerts.firing(running) == set()
        show(gitlab, "ill")
        running.read(14, of="gitlab_sidekiq")
        firing = alerts.firing(running)

    # All errors came at once, more than five minutes ago; the failed jobs less than ten.
    assert firing == {
        *("gitlab-waiting-warning", "gitlab-no-thread-critical", "gitlab-jobs-warning", "gitlab-database-warning")
    }


def test_a_gitlab_that_stops_is_an_error_of_its_input_and_an_alert(gitlab: Host, alerts: Alerts) -> None:
    with agent(gitlab, READ, pace=60) as running, gitlab.stopped("gitlab"):
        running.read(40)

    assert any("connection refused" in one for one in running.errors()), running.log()
    assert "input-fails-warning" in alerts.firing(running)

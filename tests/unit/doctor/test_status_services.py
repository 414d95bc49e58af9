"""What `status` says of the services, from the engine alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from aresmon.config.units import format_age
from aresmon.doctor.problems import Problem
from aresmon.doctor.status import Status, read_status
from aresmon.engine.images import pins
from aresmon.influxdb.client import InfluxDB
from aresmon.site.folder import Site
from aresmon.site.project import Project
from aresmon.system.errors import ExitCode
from tests import certificates
from tests.unit.conftest import FakeEngine, container

NOW = 1_000_000_000.0


@pytest.fixture
def site(site: Site) -> Site:
    """A site with a host alone."""
    site.file.write_text("hosts: {biere: }\n")
    return site


def of_edge(status: Status) -> list[Problem]:
    return [problem for problem in status.problems if problem.what.startswith("edge")]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"state": "exited", "exit_code": 3, "health": ""}, "edge is exited (exit code 3)"),
        ({"state": "exited", "exit_code": 137, "out_of_memory": True}, "edge is exited (exit code 137, out of memory)"),
        ({"state": "created", "error": "port is taken"}, "edge is created (port is taken)"),
        ({"health": "unhealthy", "last_check": "timed out"}, "edge is unhealthy: timed out"),
        ({"health": "unhealthy"}, "edge is unhealthy: its health check fails"),
    ],
)
def test_a_service_that_does_not_run_well_is_told_with_its_reason(
    site: Site, changes: dict[str, Any], message: str
) -> None:
    found = read_status(Project.load(site), FakeEngine({"edge": container("edge", **changes)}), now=NOW)

    (edge,) = of_edge(found)
    assert edge.what == message
    assert "`aresmon logs edge`" in edge.next


@pytest.mark.parametrize(
    ("service", "is_here", "what", "advice"),
    [
        ("edge", True, "it has no container", "`aresmon up` creates it"),
        ("edge", False, "image haproxy:", "`aresmon up` pulls the image, or builds it from packages"),
        ("grafana", False, "image grafana/", "when a registry can be reached: `aresmon images pull grafana"),
    ],
)
def test_a_service_without_a_container_is_told_apart_by_its_image_and_what_starts_it(
    site: Site, service: str, is_here: bool, what: str, advice: str
) -> None:
    images = {pins()[service].pull: "sha256:x"} if is_here else {}

    found = read_status(Project.load(site), FakeEngine(images=images), now=NOW)

    (problem,) = (one for one in found.problems if one.about == service)
    assert what in problem.what
    assert problem.next.startswith(advice)


@pytest.mark.parametrize(("used", "is_told"), [(270, False), (271, True)])
def test_a_service_that_has_almost_used_up_its_memory_is_told_before_the_kernel_ends_it(
    site: Site, used: int, is_told: bool
) -> None:
    engine = FakeEngine({"edge": container("edge", memory_limit=300 << 20)}, used=used << 20)

    problems = of_edge(read_status(Project.load(site), engine, now=NOW))

    assert [problem.what for problem in problems] == ([f"edge uses {used} of 300 MiB of memory"] if is_told else [])


def test_a_service_that_is_no_longer_part_of_the_site_is_shown_while_it_runs(site: Site) -> None:
    found = read_status(Project.load(site), FakeEngine({"chronograf": container("chronograf")}), now=NOW)

    assert [service.name for service in found.services] == ["influxdb", "grafana", "edge", "telegraf", "chronograf"]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7199, "120 min"), (7200, "2 h"), (2 * 86400, "2 d"), (9e6, "104 d")],
)
def test_an_age_is_told_in_one_unit(seconds: float, words: str) -> None:
    assert format_age(seconds) == words


@pytest.mark.parametrize(("days", "word"), [(-2, "expired on"), (5, "expires on"), (60, "")])
def test_a_certificate_that_ends_is_a_problem_of_the_edge_with_what_to_do(site: Site, days: int, word: str) -> None:
    certificates.write(site.root, ends=timedelta(days=days))
    tls = "tls: {certificate: certificate.pem, key: key.pem}"
    site.file.write_text(f"grafana: {{url: 'https://{certificates.NAME}', {tls}}}\nhosts: {{biere: }}\n")

    found = read_status(Project.load(site), FakeEngine({"edge": container("edge")}))

    ends = [problem for problem in found.problems if "certificate" in problem.what]
    assert [(one.about, word in one.what, "`aresmon up`" in one.next) for one in ends] == [("edge", True, True)] * bool(
        word
    )
    assert found.code == ExitCode.DEGRADED


def test_a_certificate_is_looked_at_on_the_server_alone(site: Site) -> None:
    site.file.write_text("grafana: {tls: {certificate: /nowhere/c, key: /nowhere/k}}\nhosts: {biere: }\n")
    afar: Callable[[], InfluxDB] = lambda: InfluxDB(site.socket_folder)  # noqa: E731

    about = [problem.what for problem in read_status(Project.load(site), FakeEngine(), influxdb=afar, now=NOW).problems]

    assert not any("/nowhere" in what for what in about)
    assert any(
        "/nowhere" in problem.what for problem in read_status(Project.load(site), FakeEngine(), now=NOW).problems
    )

"""What the tests with a real engine share. Nothing is skipped: without an engine they fail."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import docker.errors
import pytest

from aresmon.engine.docker import Engine
from aresmon.engine.images import pins
from tests.engine import sites
from tests.engine.sites import Site, site_in
from tests.harness.locks import lock

_BUILT = ("influxdb", "edge", "telegraf")

MakeSite = Callable[..., Site]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        for one in sites.alive:
            try:
                report.sections.extend(one.logs())
            except docker.errors.DockerException as error:
                report.sections.append((one.name, f"no logs: {error}"))
    return report


@pytest.fixture(scope="session", autouse=True)
def _heeded_interruptions() -> None:
    """A test run in the background of a script ignores SIGINT, and would pass that on to what it starts."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """The engine, with the images that packages can make; made by the project's own command if missing."""
    found = Engine()
    found.client.ping()
    with lock("images"):
        missing = [service for service in _BUILT if not found.image_id(pins()[service].build)]
        if missing:
            folder = tmp_path_factory.mktemp("images")
            command = [sys.executable, "-m", "aresmon", "-C", str(folder), "images", "build", *missing]
            subprocess.run(command, check=True, cwd=folder)
    return found


@pytest.fixture
def make_site(tmp_path: Path) -> Iterator[MakeSite]:
    """Make a site in a fresh folder; without any setting, it watches one host whose agent is not ours to run."""
    with ExitStack() as stack:

        def make(folder: Path | None = None, **settings: Any) -> Site:
            chosen = folder or tmp_path / f"site{len(sites.alive)}"
            return stack.enter_context(site_in(chosen, **settings))

        yield make


@pytest.fixture
def site(make_site: MakeSite) -> Site:
    """A site with the database and the edge, and no agent: `up` takes seconds."""
    return make_site()


@pytest.fixture
def sidecar_site(make_site: MakeSite) -> Site:
    """A site whose server has its agent beside the stack."""
    return make_site(hosts={"box": {"collect": ["system"]}})


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A running site of two hosts, for tests that leave it as it is."""
    hosts = {"box": {"agent": "systemd"}, "other": {"agent": "systemd"}}
    with site_in(tmp_path_factory.mktemp("running"), hosts=hosts) as made:
        made.up()
        yield made

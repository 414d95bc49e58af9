"""What the tests of collectors on real services share. Nothing is skipped: without an engine they fail."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from aresmon.engine import build
from aresmon.engine.docker import Engine
from tests.engine.conftest import _heeded_interruptions, engine  # noqa: F401 (fixtures of these tests too)
from tests.engine.sites import site_in
from tests.harness import names
from tests.services import host as hosts
from tests.services.alerts import Alerts
from tests.services.host import Host, service_host
from tests.services.image import services_image

_HERE = Path(__file__).parent

MakeHost = Callable[..., Host]

_making: list[subprocess.Popen[bytes]] = []


def pytest_collection_finish(session: pytest.Session) -> None:
    """Make the image while other tests run: the first of several workers does, before it begins."""
    is_wanted = any(item.path.is_relative_to(_HERE) for item in session.items)
    if is_wanted and os.environ.get(names.WORKER_VARIABLE) == "gw0":
        _making.append(subprocess.Popen([sys.executable, "-m", "tests.services.image"], cwd=_HERE.parents[1]))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        for one in hosts.alive:
            report.sections.extend(one.logs())
    return report


@pytest.fixture(scope="module")
def make_host(engine: Engine) -> Iterator[MakeHost]:  # noqa: F811
    """Make a host for the module: with capabilities besides Docker's defaults, with devices, booted by systemd."""
    with ExitStack() as stack:

        def make(*capabilities: str, devices: tuple[str, ...] = (), systemd: bool = False) -> Host:
            image, program = services_image(engine), build.compile_telegraf()
            made = service_host(image, program, capabilities=capabilities, devices=devices, systemd=systemd)
            return stack.enter_context(made)

        yield make


@pytest.fixture(scope="module")
def host(make_host: MakeHost) -> Host:
    """A host of services for the module's tests. What one of them starts, it stops, or the module shares it."""
    return make_host()


@pytest.fixture(scope="session")
def alerts(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> Iterator[Alerts]:  # noqa: F811
    """Tells which rules fire on what an agent sent."""
    with site_in(tmp_path_factory.mktemp("services")) as made:
        made.up()
        yield Alerts(made)

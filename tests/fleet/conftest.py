"""What the tests with real servers share. Nothing is skipped: without an engine they fail."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from copy import deepcopy
from pathlib import Path

import docker.errors
import pytest

from aresmon.engine.docker import Engine
from tests.engine import sites
from tests.engine.conftest import _heeded_interruptions, engine  # noqa: F401 (fixtures of these tests too)
from tests.engine.sites import Site, site_in
from tests.fleet import servers as started
from tests.fleet.desk import Desk, desk_of
from tests.fleet.image import server_image
from tests.fleet.keys import Key, new_key
from tests.fleet.operators import Operator, new_operator
from tests.fleet.places import backup_site, open_store, s3_server, unfinished  # noqa: F401 (fixtures of these tests too)
from tests.fleet.repository import Repository, new_repository
from tests.fleet.servers import Server, at_once, joined, servers

NAMES = ("biere", "ronflex", "lewi")
HOSTS = {"box": {"agent": "systemd"}, **{name: {"agent": "systemd", "collect": ["system"]} for name in NAMES}}

MakeServers = Callable[..., dict[str, Server]]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        failed: list[Site | Server] = [*sites.alive, *started.alive]
        for one in failed:
            try:
                report.sections.extend(one.logs())
            except (docker.errors.DockerException, OSError) as error:
                report.sections.append((one.name, f"no logs: {error}"))
    return report


@pytest.fixture(scope="session")
def key() -> Key:
    """The operators' key of this test run."""
    return new_key()


@pytest.fixture
def make_servers(engine: Engine, key: Key) -> Iterator[MakeServers]:  # noqa: F811
    """Start servers for one test; without Telegraf, or with more Debian packages, as it is told."""
    with ExitStack() as stack:

        def make(
            *names: str, packages: tuple[str, ...] = (), telegraf: bool = True, mounts: tuple[str, ...] = ()
        ) -> dict[str, Server]:
            image = server_image(engine, *packages, telegraf=telegraf)
            return stack.enter_context(servers(names, image=image, operators=key, mounts=mounts))

        yield make


@pytest.fixture(scope="module")
def fleet(request: pytest.FixtureRequest, engine: Engine, key: Key) -> Iterator[dict[str, Server]]:  # noqa: F811
    """Those of biere, ronflex and lewi that the module's tests name, started at once."""
    asked = {name for item in request.session.items if item.path == request.path for name in _fixtures(item)}
    if "open_store" in asked:
        asked.add("lewi")  # it asks for it where it is needed
    names = [name for name in NAMES if name in asked]
    with servers(names, image=server_image(engine), operators=key) as made:
        yield made


@pytest.fixture(autouse=True)
def _first_state(request: pytest.FixtureRequest) -> Iterator[None]:
    """Bring the servers that a test used back to their first state, side by side."""
    yield
    used = [name for name in NAMES if name in request.fixturenames]
    if used:
        fleet = request.getfixturevalue("fleet")
        at_once(Server.reset, [fleet[name] for name in used])


@pytest.fixture
def biere(fleet: dict[str, Server]) -> Server:
    return fleet["biere"]


@pytest.fixture
def ronflex(fleet: dict[str, Server]) -> Server:
    return fleet["ronflex"]


@pytest.fixture
def lewi(fleet: dict[str, Server]) -> Server:
    return fleet["lewi"]


@pytest.fixture
def operator(tmp_path: Path, key: Key, fleet: dict[str, Server]) -> Operator:
    """Somebody who reaches every server of the module as ares, under its name."""
    made = new_operator(tmp_path / "home", key)
    for server in fleet.values():
        made.add_host(server)
    return made


@pytest.fixture(scope="module")
def _running_site(tmp_path_factory: pytest.TempPathFactory, fleet: dict[str, Server]) -> Iterator[Site]:
    with site_in(tmp_path_factory.mktemp("fleet"), hosts=HOSTS) as made:
        made.configure(edge={"agents": made.agents, "grafana": made.grafana, "url": "http://edge:8086"})
        made.up()
        with joined(made, fleet.values()):
            yield made


@pytest.fixture
def fleet_site(_running_site: Site) -> Iterator[Site]:
    """A running site on this machine that the module's servers reach, with no point in its database yet.

    Afterwards its aresmon.yml is put back, and what else the test left in its folders is removed. The stack is
    not: what a test's own `up` changed, an `up` after it has to change back.
    """
    site = _running_site
    names = {row["name"] for series in site.query("SHOW MEASUREMENTS") for row in series.rows}
    # What `up` told the dashboards is not of the hosts.
    measured = "|".join(sorted(names - {"aresmon_host", "aresmon_tier"}))
    site.query(f"DROP SERIES FROM /^({measured})$/")
    settings, folders = deepcopy(site.settings), (site.folder, site.state)
    kept = {path for folder in folders for path in folder.iterdir()}
    yield site
    for path in {path for folder in folders for path in folder.iterdir()} - kept:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    site.settings = settings
    site.configure()


@pytest.fixture
def desk(fleet_site: Site, operator: Operator) -> Iterator[Desk]:
    """Where that operator pushes from."""
    with desk_of(fleet_site, operator) as made:
        yield made


@pytest.fixture
def configs_repo(tmp_path: Path) -> Repository:
    """A git repository of configurations, still without any."""
    return new_repository(tmp_path / "configs")


def _fixtures(item: pytest.Item) -> list[str]:
    return getattr(item, "fixturenames", [])

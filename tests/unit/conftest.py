"""What the tests build their cases from. Fakes stand for the engine's answers; nothing else is faked here."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import docker
import pytest
from hypothesis import settings

from aresmon.config import collectors, model, view_files
from aresmon.config.collectors import Catalogue
from aresmon.config.model import Config
from aresmon.config.views import Views
from aresmon.engine.containers import Container
from aresmon.engine.docker import Engine
from aresmon.engine.images import SERVICES, pins
from aresmon.grafana.client import Grafana
from aresmon.render.compose import AgentContext, RenderContext
from aresmon.site.folder import Site
from aresmon.system import poll
from aresmon.system.errors import SiteError
from tests.grafana.standin import StandIn, serving
from tests.grafana.state import State

# A slow machine is no failure, and in CI the same commit gives the same answer.
settings.register_profile("ours", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("ours")

REPOSITORY = Path(__file__).parents[2]
ARES = REPOSITORY / "examples" / "ares" / "aresmon.yml"
SHIPPED: Catalogue = collectors.load()
VIEWS: Views = view_files.load()


def load(text: str, known: Catalogue = SHIPPED) -> Config:
    """The fleet of this aresmon.yml."""
    return model.load(text, known)


def errors(text: str, known: Catalogue = SHIPPED) -> tuple[str, ...]:
    """What a person is told of a wrong aresmon.yml."""
    with pytest.raises(SiteError) as caught:
        model.load(text, known)
    return caught.value.errors


def place(root: str = "/srv/ares", **changes: Any) -> RenderContext:
    """A machine that is the same everywhere: its folder, users and images do not depend on where tests run."""
    fixed: dict[str, Any] = {
        "root": Path(root),
        "users": {"influxdb": 1500, "grafana": 472, "edge": 99, "telegraf": 1510},
        "images": {name: pin.pull for name, pin in pins().items()},
        "docker_group": 998,
        "fingerprints": {
            name: f"mark-of-{name}"
            for name in ("agent-biere", "grafana-admin", "grafana-secret-key", "influxdb-grafana")
        },
    }
    agents = {field.name for field in dataclasses.fields(AgentContext)}
    fixed["agents"] = AgentContext(**{name: changes.pop(name) for name in agents & changes.keys()})
    return RenderContext(**(fixed | changes))


def container(service: str = "edge", **changes: Any) -> Container:
    """A container that runs well."""
    well = Container(
        service=service,
        id=f"id-of-{service}",
        pid=100,
        state="running",
        health="healthy",
        image=pins()[service].pull if service in SERVICES else service,
        image_id="sha256:image",
        config_hash="hash",
        restarts=0,
        memory_limit=256 << 20,
        created=1000.0,
        started=1000.0,
        exit_code=0,
        out_of_memory=False,
        last_check="",
        error="",
        published=frozenset(),
        folder=Path("/srv/ares/.aresmon/bundle"),
    )
    return dataclasses.replace(well, **changes)


class FakeEngine(Engine):
    """Answers what it is given; anything else that would reach a real engine fails the test."""

    def __init__(
        self,
        containers: Mapping[str, Container] | None = None,
        *,
        images: Mapping[str, str] | None = None,
        used: int = 0,
    ) -> None:
        self.given, self.images_here, self.used = dict(containers or {}), dict(images or {}), used

    def containers(self, project: str) -> dict[str, Container]:
        return self.given

    def image_id(self, reference: str) -> str:
        return self.images_here.get(reference, "")

    def memory(self, container: Container) -> int:
        return self.used

    @property
    def client(self) -> docker.DockerClient:
        pytest.fail("a unit test asked for the real engine")

    @property
    def socket(self) -> Path:
        return Path("/var/run/docker.sock")

    @property
    def socket_group(self) -> int:
        return 998


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A site's folder with nothing in it."""
    return Site(tmp_path)


@pytest.fixture
def ares() -> Config:
    """The fleet of the example site."""
    return load(ARES.read_text(encoding="utf-8"))


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits by `poll` and has to try a second time fails the test."""
    clock = SimpleNamespace(monotonic=time.monotonic, sleep=lambda _: pytest.fail("it waited"))
    monkeypatch.setattr(poll, "time", clock)


@pytest.fixture
def standin() -> StandIn:
    """A stand-in for Grafana with an administrator. A test that has it serve is marked `own_sockets`."""
    made = StandIn(State())
    made.state.begin("admin", "password")
    return made


@pytest.fixture
def grafana(standin: StandIn) -> Iterator[Grafana]:
    """That stand-in, as its administrator."""
    with serving(standin) as address:
        yield Grafana(address, "admin", "password")

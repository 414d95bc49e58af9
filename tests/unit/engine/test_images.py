"""Which image each service runs, and how it is had."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from aresmon.engine import images
from aresmon.engine.docker import NotPulledError
from aresmon.engine.images import SERVICES, Pin, pins, services
from aresmon.system.errors import AresmonError, ExitCode
from aresmon.system.progress import NoProgress
from tests.unit.conftest import FakeEngine, load

SHIPPED_PINS = pins()
NO_NAME = "lookup registry.example.org: no such host"


class Registry(FakeEngine):
    """An engine that can pull what its registry has; `refused` says why, by image."""

    def __init__(self, has: Mapping[str, str], refused: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self.has, self.refused = has, dict(refused or {})
        self.asked: list[str] = []

    def pull(self, reference: str, progress: Callable[[str], None] = lambda _: None) -> None:
        self.asked.append(reference)
        if reference not in self.has:
            raise NotPulledError(self.refused.get(reference, "manifest unknown"))
        self.images_here[reference] = self.has[reference]


def test_every_service_has_an_exact_version() -> None:
    assert tuple(SHIPPED_PINS) == SERVICES
    assert [pin.pull for pin in SHIPPED_PINS.values() if not pin.pull.rpartition(":")[2][:1].isdigit()] == []


def test_a_sites_own_image_replaces_the_pinned_and_the_built_one() -> None:
    pin = pins(load("images: {influxdb: 'influxdb:1.11', mirror: m.example.org}\nhosts: {a: }"))["influxdb"]

    assert pin.candidates == ("influxdb:1.11",)


@pytest.mark.parametrize("mirror", ["mirror.example.org:5000/library", "mirror.example.org:5000/library/"])
def test_a_mirror_stands_before_the_pinned_names(mirror: str) -> None:
    found = pins(load(f"images: {{mirror: '{mirror}'}}\nhosts: {{a: }}"))

    assert found["grafana"].pull == f"mirror.example.org:5000/library/{SHIPPED_PINS['grafana'].pull}"
    assert found["edge"].build == SHIPPED_PINS["edge"].build


@pytest.mark.parametrize(
    ("text", "names"),
    [("hosts: {a: }", SERVICES), ("hosts: {a: {agent: systemd}}", ("influxdb", "grafana", "edge"))],
)
def test_a_site_runs_the_agent_only_where_it_has_one(text: str, names: tuple[str, ...]) -> None:
    assert services(load(text)) == names


def test_of_the_images_that_are_here_the_publishers_is_taken_before_the_built_one() -> None:
    both = {"influxdb:1": "sha256:pulled", "built:1": "sha256:built"}
    here = {"a": Pin("a", "influxdb:1", "built:1"), "b": Pin("b", "none:1", "built:1"), "c": Pin("c", "none:1", "")}

    found = images.local(FakeEngine(images=both), here)

    assert found.references == {"a": "influxdb:1", "b": "built:1"}
    assert found.ids == {"a": "sha256:pulled", "b": "sha256:built"}
    assert found.missing == {"c": "not on this machine yet"}


def test_nothing_is_fetched_where_everything_is_here() -> None:
    engine = Registry({})
    engine.images_here = {pin.pull: "sha256:x" for pin in SHIPPED_PINS.values()}

    found = images.obtain(engine, SHIPPED_PINS, NoProgress())

    assert (engine.asked, found.missing) == ([], {})


def test_only_what_is_missing_is_pulled() -> None:
    engine = Registry({pin.pull: "sha256:new" for pin in SHIPPED_PINS.values()})
    engine.images_here = {SHIPPED_PINS["edge"].pull: "sha256:here"}

    found = images.obtain(engine, SHIPPED_PINS, NoProgress())

    assert engine.asked == [SHIPPED_PINS[name].pull for name in ("influxdb", "grafana", "telegraf")]
    assert found.ids["edge"] == "sha256:here"
    assert found.missing == {}


def test_a_registry_that_does_not_answer_is_asked_once() -> None:
    wanted = {name: Pin(name, f"registry.example.org/{name}:1", "") for name in ("a", "b")}
    wanted["c"] = Pin("c", "other.example.org/c:1", "")
    engine = Registry({"other.example.org/c:1": "sha256:c"}, {"registry.example.org/a:1": NO_NAME})

    refused = images.pull(engine, wanted, NoProgress())

    assert engine.asked == ["registry.example.org/a:1", "other.example.org/c:1"]
    assert {name: why.endswith(NO_NAME) for name, why in refused.items()} == {"a": True, "b": True}
    assert refused["b"].startswith("registry.example.org/b:1")


def test_a_registry_that_misses_one_image_is_asked_for_the_others() -> None:
    wanted = {name: Pin(name, f"{name}:1", "") for name in ("a", "b")}

    refused = images.pull(Registry({"b:1": "sha256:b"}), wanted, NoProgress())

    assert list(refused) == ["a"]


def test_what_cannot_be_built_from_packages_is_told_without_trying() -> None:
    refused = images.build_all(FakeEngine(), {"grafana": SHIPPED_PINS["grafana"]}, NoProgress())

    assert refused == {"grafana": f"{SHIPPED_PINS['grafana'].pull} cannot be built from packages"}


EDGE = images.Images({"edge": "haproxy:1"}, {"edge": "sha256:x"}, {})


def tar_with(path: Path, member: str) -> Path:
    """A tar with one file in it."""
    with tarfile.open(path, "w") as archive:
        archive.addfile(tarfile.TarInfo(member))
    return path


class Saving(FakeEngine):
    """An engine that writes an archive, or fails in the middle of it."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__()
        self.error = error

    def save(self, references: object, archive: Path) -> None:
        archive.write_text(str(references))
        if self.error is not None:
            raise self.error


def test_an_archive_that_fails_in_the_middle_leaves_the_old_one(tmp_path: Path) -> None:
    archive = tar_with(tmp_path / "images.tar", "oci-layout")
    old = archive.read_bytes()

    with pytest.raises(AresmonError, match="No space left on device"):
        images.save(Saving(OSError(28, "No space left on device")), EDGE, archive, NoProgress())

    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("images.tar", old)]


@pytest.mark.parametrize("member", ["oci-layout", "repositories"])
def test_a_former_archive_of_images_is_replaced(tmp_path: Path, member: str) -> None:
    archive = tar_with(tmp_path / "images.tar", member)

    images.save(Saving(), EDGE, archive, NoProgress())

    assert archive.read_text() == "['haproxy:1']"


def test_a_file_that_is_no_archive_of_images_is_not_replaced(tmp_path: Path) -> None:
    settings, backup = tmp_path / "aresmon.yml", tar_with(tmp_path / "backup.tar", "manifest.json")
    settings.write_text("hosts: {a: }\n")

    for path in (settings, backup):
        content = path.read_bytes()
        with pytest.raises(AresmonError, match="exists and is not an archive of images"):
            images.save(Saving(), EDGE, path, NoProgress())
        assert path.read_bytes() == content


def test_an_archive_without_some_images_is_written_and_called_incomplete(tmp_path: Path) -> None:
    found = images.Images({"edge": "haproxy:1"}, {"edge": "sha256:x"}, {"grafana": "not here"})

    with pytest.raises(AresmonError, match=r"has edge, not grafana") as caught:
        images.save(Saving(), found, tmp_path / "images.tar", NoProgress())

    assert caught.value.code == ExitCode.DEGRADED
    assert (tmp_path / "images.tar").read_text() == "['haproxy:1']"


def test_without_any_image_no_archive_is_written(tmp_path: Path) -> None:
    with pytest.raises(AresmonError, match="no image of this site"):
        images.save(Saving(), images.Images({}, {}, {"edge": "x"}), tmp_path / "images.tar", NoProgress())

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [None, b"", b"no tar"])
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "images.tar"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(AresmonError, match=r"images\.tar (is not an archive of images|cannot be read)"):
        images.load(FakeEngine(), path, NoProgress())

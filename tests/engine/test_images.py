"""Images are carried from one machine to another, or their absence is told."""

from __future__ import annotations

import secrets
import tarfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import docker.errors
import pytest

from aresmon.engine.images import pins
from tests.engine.conftest import MakeSite
from tests.engine.sites import Site, client, has_image

NOBODY = "127.0.2.1:9"  # the port where nobody listens


@pytest.fixture
def own_tag() -> Iterator[str]:
    """The edge's image under a name of its own, which may be removed without harm to anyone."""
    reference = f"aresmon-test/{secrets.token_hex(4)}:1"
    client().images.get(pins()["edge"].build).tag(reference)
    yield reference
    with suppress(docker.errors.ImageNotFound):
        client().images.remove(reference)


@pytest.fixture
def carried(make_site: MakeSite, own_tag: str) -> Site:
    """A site that needs this one image and no other."""
    return make_site(images=dict.fromkeys(("influxdb", "grafana", "edge"), own_tag))


def test_saved_images_are_brought_back_by_load(carried: Site, own_tag: str, tmp_path: Path) -> None:
    archive = tmp_path / "images.tar"
    saved = carried.run("images", "save", str(archive))
    assert (saved.code, saved.err) == (0, "")
    image_id = client().images.get(own_tag).id
    client().images.remove(own_tag)
    assert not has_image(own_tag)

    loaded = carried.run("images", "load", str(archive))

    assert loaded.code == 0, loaded
    assert own_tag in loaded.out
    assert client().images.get(own_tag).id == image_id
    assert list(tmp_path.glob("*.tar*")) == [archive]


def test_what_is_missing_in_an_archive_is_told(make_site: MakeSite, own_tag: str, tmp_path: Path) -> None:
    site = make_site(images={"influxdb": own_tag, "edge": own_tag, "grafana": f"{NOBODY}/none:1"})

    result = site.run("images", "save", str(tmp_path / "images.tar"))

    assert result.code == 5, result
    assert "not grafana" in result.err
    assert tarfile.is_tarfile(tmp_path / "images.tar")


@pytest.mark.parametrize("command", ["save", "load"])
def test_a_place_that_is_not_there_is_told_and_nothing_is_left(carried: Site, tmp_path: Path, command: str) -> None:
    result = carried.run("images", command, str(tmp_path / "no/such/images.tar"))

    assert result.code == 1, result
    assert "no/such" in result.err
    assert "Traceback" not in result.err
    assert "internal error" not in result.err
    assert not (tmp_path / "no").exists()


def test_a_folder_is_no_archive(carried: Site, tmp_path: Path) -> None:
    target = tmp_path / "folder"
    target.mkdir()

    for command in ("save", "load"):
        result = carried.run("images", command, str(target))
        assert result.code == 1, result
        assert "internal error" not in result.err
    assert [path for path in tmp_path.iterdir() if path not in (target, carried.folder)] == []
    assert list(target.iterdir()) == []


def test_an_archive_is_written_over_only_when_it_is_whole(carried: Site, own_tag: str, tmp_path: Path) -> None:
    archive = tmp_path / "images.tar"
    assert carried.run("images", "save", str(archive)).code == 0
    former = archive.stat()
    client().images.remove(own_tag)

    assert carried.run("images", "save", str(archive)).code == 1

    assert (archive.stat().st_ino, archive.stat().st_size) == (former.st_ino, former.st_size)


@pytest.mark.parametrize("content", [b"", b"no tar at all" * 100])
def test_a_file_that_is_no_tar_is_refused(carried: Site, tmp_path: Path, content: bytes) -> None:
    archive = tmp_path / "images.tar"
    archive.write_bytes(content)

    result = carried.run("images", "load", str(archive))

    assert result.code == 1, result
    assert "is not an archive of images" in result.err


def test_a_tar_without_images_is_refused(carried: Site, tmp_path: Path) -> None:
    archive = tmp_path / "other.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(__file__, "something.py")

    result = carried.run("images", "load", str(archive))

    assert result.code in (1, 4), result
    assert "internal error" not in result.err
    assert "Traceback" not in result.err


def test_pulling_where_no_registry_answers_is_told_quickly(make_site: MakeSite) -> None:
    site = make_site(images={"mirror": f"{NOBODY}/mirror"})
    begun = time.monotonic()

    result = site.run("images", "pull")

    assert time.monotonic() - begun < 30
    assert result.code == 5, result
    assert f"not available: {NOBODY}/mirror/influxdb:" in result.err
    assert "refused" in result.err
    assert "aresmon images build" in result.err
    assert "images load" in result.err


def test_a_service_of_no_such_name_is_told(site: Site) -> None:
    result = site.run("images", "pull", "influx")

    assert result.code == 1
    assert "no service 'influx'" in result.err
    assert "influxdb" in result.err

"""A full disk ends in one clear error, loses nothing, and is forgotten once there is room."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from aresmon import process
from tests.engine.conftest import MakeSite
from tests.engine.door import basic, knock
from tests.engine.sites import Result, eventually, up_code

SmallDisk = Callable[[str, str], Path]


@pytest.fixture
def small_disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[SmallDisk]:
    """Mount a filesystem of this size, which is gone after the site that uses it."""
    with ExitStack() as stack:

        def mount(name: str, size: str) -> Path:
            folder = tmp_path / name
            folder.mkdir()
            process.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs", folder])
            stack.callback(process.run, ["umount", "--lazy", folder])
            return folder

        yield mount


def files_of(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@contextmanager
def full(disk: Path, *, but: int = 0) -> Iterator[None]:
    """Fill a filesystem, but for so many bytes."""
    filler = disk / "filler"
    try:
        with filler.open("wb") as file:
            while True:
                file.write(b"\0" * 4096)
                file.flush()
    except OSError:
        pass
    if but:
        with filler.open("r+b") as file:
            file.truncate(max(0, filler.stat().st_size - but))
    try:
        yield
    finally:
        filler.unlink()


def told_of_no_room(result: Result) -> None:
    assert result.code == 1, result
    assert "No space left on device" in result.err, result.err
    assert "make room" in result.err
    assert "aresmon itself failed" not in result.err


def test_no_room_for_the_data_is_told_before_anything_starts(small_disk: SmallDisk, make_site: MakeSite) -> None:
    disk = small_disk("disk", "300m")
    site = make_site(storage={"data": str(disk / "influxdb")})
    with full(disk, but=100 << 20):
        result = site.run("up")

        assert result.code == 1, result
        assert "MiB are free" in result.err
        assert site.containers() == {}

    site.up()


def test_a_disk_that_fills_up_under_influxdb_costs_no_point(small_disk: SmallDisk, make_site: MakeSite) -> None:
    disk = small_disk("disk", "400m")
    site = make_site(storage={"data": str(disk / "influxdb")})
    site.up()
    site.mark(1)
    box = basic("agent-box", site.secret("agent-box"))
    with full(disk):
        many = b"\n".join(b"filling,n=%d value=1" % n for n in range(20_000))
        answer = knock(site.agents, "POST", "/write?db=telegraf", body=many, authorization=[box])

        assert answer.status >= 500  # an agent keeps what is answered so, and sends it again
        assert site.marks() == [1]

    site.mark(2)  # a series it knows
    # New series take a restart: InfluxDB 1.13 keeps the error of a series file that it could not write to.
    site.containers()["influxdb"].restart()
    assert eventually(lambda: knock(site.agents, "POST", "/write?db=telegraf", authorization=[box]).status == 204)
    assert site.marks() == [1, 2]


def test_no_room_for_the_site_s_own_files(small_disk: SmallDisk, tmp_path: Path, make_site: MakeSite) -> None:
    disk = small_disk("disk", "2m")
    site = make_site(disk / "site", storage={"data": str(tmp_path / "influxdb")})
    with full(disk):
        told_of_no_room(site.run("up"))
        assert site.containers() == {}

    site.up()


def test_no_room_for_a_changed_bundle_leaves_what_runs(
    small_disk: SmallDisk, tmp_path: Path, make_site: MakeSite
) -> None:
    disk = small_disk("disk", "2m")
    site = make_site(disk / "site", storage={"data": str(tmp_path / "influxdb")})
    site.up()
    site.mark(1)
    before, secrets = site.ids(), {path: path.read_bytes() for path in files_of(site.state / "secrets")}
    site.configure(hosts={"box": {"agent": "systemd"}, "new": {"agent": "systemd"}})
    with full(disk):
        told_of_no_room(site.run("up"))
        assert site.ids() == before
        assert site.marks() == [1]
        told_of_no_room(site.run("render"))
        site.run("status")

    kept = {path: path.read_bytes() for path in files_of(site.state / "secrets") if path in secrets}
    assert kept == secrets
    assert json.loads((site.bundle / "manifest.json").read_bytes())["files"]
    site.up()
    assert site.users() >= {"agent-box", "agent-new"}
    assert site.marks() == [1]


def test_the_stack_goes_down_on_a_full_disk(small_disk: SmallDisk, tmp_path: Path, make_site: MakeSite) -> None:
    disk = small_disk("disk", "2m")
    site = make_site(disk / "site", storage={"data": str(tmp_path / "influxdb")})
    site.up()
    with full(disk):
        result = site.run("down")

    assert "aresmon itself failed" not in result.err
    assert result.code in (0, 1), result
    site.run("down")
    assert site.containers() == {}


@pytest.mark.parametrize("free", [0, 8], ids="{} KiB are free".format)
def test_no_room_for_temporary_files_is_told_or_does_not_matter(
    small_disk: SmallDisk, make_site: MakeSite, free: int
) -> None:
    disk = small_disk("disk", "1m")
    site = make_site()
    with full(disk, but=free << 10):
        result = site.run("up", env={"TMPDIR": str(disk)})
        if result.code != up_code():
            told_of_no_room(result)

    site.up()

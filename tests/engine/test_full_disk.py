"""A full disk ends in one clear error, loses nothing, and is forgotten once there is room."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from aresmon.system import process
from bench.agents import COUNTED, Account, Arrived, Habits, agents, finish, missing
from tests.engine.conftest import MakeSite
from tests.engine.door import basic, knock
from tests.engine.sites import Result, Site, eventually, up_code
from tests.harness import names

SmallDisk = Callable[[str, str], Path]


@pytest.fixture
def small_disk() -> Iterator[SmallDisk]:
    """Mount a filesystem of this size, which is gone after the site that uses it."""
    with ExitStack() as stack:

        def mount(name: str, size: str) -> Path:
            folder = names.folder() / name
            folder.mkdir()
            stack.callback(shutil.rmtree, folder.parent)
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


def checks(site: Site) -> str:
    """What the last health checks of the database said. `status` repeats the last, after two minutes to start in."""
    health = site.containers()["influxdb"].attrs["State"]["Health"]
    return "".join(one["Output"] for one in health["Log"])


def told_of_no_room(result: Result) -> None:
    assert result.code == 1, result
    assert "No space left on device" in result.err, result.err
    assert "make room" in result.err
    assert "internal error" not in result.err


def test_no_room_for_the_data_is_told_before_anything_starts(small_disk: SmallDisk, make_site: MakeSite) -> None:
    disk = small_disk("disk", "300m")
    site = make_site(storage={"data": str(disk / "influxdb")})
    with full(disk, but=100 << 20):
        result = site.run("up")

        assert result.code == 1, result
        assert "MiB free" in result.err
        assert site.containers() == {}

    site.up()


def test_a_disk_that_fills_up_under_influxdb_costs_no_point_and_nobody_is_needed_once_there_is_room(
    small_disk: SmallDisk, make_site: MakeSite
) -> None:
    disk = small_disk("disk", "400m")
    site = make_site(storage={"data": str(disk / "influxdb")})
    site.up()
    site.mark(1)
    account = Account("box", site.agents, "agent-box", site.secret("agent-box"))
    with agents([account], Habits()) as running:
        (box,) = running
        assert eventually(lambda: bool(site.query(COUNTED)))
        with full(disk):
            # New series: InfluxDB 1.13 keeps the error of a series file that it could not write to until it ends.
            many = b"\n".join(b"filling%d,n=%d value=1" % (n, n) for n in range(20_000))
            authorization = [basic("agent-box", site.secret("agent-box"))]
            answer = knock(site.agents, "POST", "/write?db=telegraf", body=many, authorization=authorization)

            assert answer.status >= 500  # an agent keeps what is answered so, and sends it again
            assert site.marks() == [1]
            assert eventually(lambda: "is its disk full?" in checks(site))
        before = site.containers()["influxdb"].attrs["RestartCount"]

        assert eventually(lambda: site.containers()["influxdb"].attrs["RestartCount"] == before + 1)
        new = b"after,new=series value=1"
        assert eventually(
            lambda: (
                knock(site.agents, "POST", "/write?db=telegraf", body=new, authorization=authorization).status == 204
            )
        )
        site.mark(2)
        assert site.marks() == [1, 2]
        assert finish(running, within=60) == []
        answers = site.query(COUNTED)
        there = {(one.tags["host"], one.tags["series"]): Arrived.told(one.rows[0]) for one in answers}
        assert missing(running, there) == {}
        assert (box.dropped, box.refused) == (0, 0)


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

    assert "internal error" not in result.err
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

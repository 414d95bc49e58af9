"""Restores: everything destroyed and brought back, point by point; interrupted, refused and taken out again."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from aresmon.backup import archive as backup_archive
from aresmon.backup import restore
from aresmon.backup.checksums import DAY
from aresmon.backup.restore import RestoreOptions
from aresmon.engine.docker import Engine
from aresmon.influxdb import backfill
from aresmon.site.folder import Site as OurSite
from aresmon.system.errors import AresmonError, ExitCode
from aresmon.system.progress import NoProgress
from tests.engine.backups import backed_up, filled_site, killed_at, note, noted, points, rewritten
from tests.engine.sites import DATABASE, Site, eventually
from tests.engine.test_interruptions import one_off

# Up to the exchange nothing is touched; from then on the next `up` has the new.
STAGES = ("reading", "restoring the points", "stopping influxdb", "moving the data", "starting influxdb")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with filled_site(tmp_path_factory.mktemp("restore")) as made:
        yield made


@pytest.fixture(scope="module")
def archive(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of the site as it was first, kept elsewhere."""
    return Path(shutil.copy(backed_up(site), tmp_path_factory.mktemp("elsewhere")))


@pytest.fixture(scope="module")
def first(site: Site, archive: Path) -> object:
    """The points in that archive."""
    assert archive.exists()
    return points(site)


def former(site: Site) -> list[Path]:
    return sorted((site.folder / "data/influxdb").glob(".aresmon-former-*"))


def later(site: Site) -> None:
    """Something that no archive has."""
    site.influxdb.write(f"later value=1i {int(time.time())}", database=DATABASE, policy="raw")
    assert ("raw", "later") in points(site)


def nothing_is_left(site: Site) -> None:
    assert one_off(site) == []
    assert list(site.folder.glob("data/*/.aresmon-scratch")) == []
    assert not (site.state / "restore.json").exists()
    assert not (site.state / "incoming").exists()


def test_a_dry_run_says_what_would_be_replaced_and_a_script_must_say_yes(
    site: Site, archive: Path, first: object
) -> None:
    shown, refused = site.run("restore", str(archive), "--dry-run", "--json"), site.run("restore", str(archive))

    assert json.loads(shown.out)["parts"] == ["influxdb", "grafana"]
    assert json.loads(shown.out)["replaced"] == [str(site.folder / f"data/{name}") for name in ("influxdb", "grafana")]
    assert refused.code == 1, refused
    assert "--yes" in refused.err
    assert points(site) == first


def test_a_restore_here_brings_back_the_points_and_keeps_the_later_ones_aside(
    site: Site, archive: Path, first: object
) -> None:
    later(site)
    note(site, "later")

    result = site.run("restore", str(archive), "--yes")

    assert result.code == 0, result
    assert points(site) == first
    assert noted(site) == ["before"]
    assert [str(path) in result.out for path in former(site)] == [True]
    assert (former(site)[0] / "data" / DATABASE).is_dir()
    assert site.run("up").statements == []
    nothing_is_left(site)


@pytest.mark.parametrize("what", ["InfluxDB is paused", "the bundle is gone"])
def test_the_data_are_exchanged_with_nothing_that_uses_them(
    site: Site, archive: Path, first: object, what: str
) -> None:
    later(site)
    if what == "InfluxDB is paused":
        site.containers()["influxdb"].pause()
    else:
        shutil.rmtree(site.bundle)
    was = site.containers()["influxdb"].attrs["State"]["StartedAt"]

    result = site.run("restore", str(archive), "--yes")

    assert result.code == 0, result
    assert result.out.index("stopping influxdb") < result.out.index("moving the data") < result.out.index("starting")
    assert site.containers()["influxdb"].attrs["State"]["StartedAt"] > was
    assert points(site) == first
    nothing_is_left(site)


def test_one_part_alone_leaves_the_others(site: Site, archive: Path) -> None:
    note(site, "later")
    later(site)

    result = site.run("restore", str(archive), "--yes", "--only", "grafana")

    assert result.code == 0, result
    assert noted(site) == ["before"]
    assert ("raw", "later") in points(site)
    nothing_is_left(site)


def test_a_killed_restore_leaves_the_old_or_the_new_whole(site: Site, archive: Path, first: object) -> None:
    for word in STAGES:
        later(site)
        old = points(site)
        seen = killed_at(site, word, "restore", str(archive), "--yes")

        result = site.run("up")

        assert result.code == 0, (seen, result)
        assert eventually(lambda: bool(points(site))), seen
        assert points(site) in (old, first), seen
        nothing_is_left(site)

    assert site.run("restore", str(archive), "--yes", "--only", "influxdb").code == 0
    assert points(site) == first
    nothing_is_left(site)


def test_what_no_data_follows_is_taken_out_again(site: Site, archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host was sending before, and does not any more."""
    monkeypatch.setattr(restore, "_DATA_WITHIN", 2.0)
    later(site)
    site.write("internal_agent,host=box metrics_gathered=1i")
    old, kept = points(site), former(site)
    ours = OurSite(site.folder)

    with pytest.raises(AresmonError, match="no data of box arrived") as undone:
        restore.restore(
            ours, Engine(), restore.find_source(ours, str(archive)), RestoreOptions(only="influxdb"), NoProgress()
        )

    assert undone.value.code == ExitCode.ROLLED_BACK
    assert points(site) == old
    assert former(site) == kept
    (rejected,) = (site.folder / "data/influxdb").glob(".aresmon-rejected-*")
    assert str(rejected) in undone.value.hint
    nothing_is_left(site)


def test_archives_of_others_and_of_tomorrow_are_refused(site: Site, archive: Path, tmp_path: Path) -> None:
    there = points(site)
    for index, (change, told) in enumerate(
        (
            ({"site": "elsewhere"}, "--from-site elsewhere"),
            ({"aresmon": "99.0.0"}, "was created by aresmon 99.0.0"),
            ({"influxdb": "99.0.0"}, "was created by InfluxDB 99.0.0"),
        )
    ):
        copy = rewritten(archive, tmp_path / f"{index}.tar", lambda parts: parts, origin=change)

        result = site.run("restore", str(copy), "--yes")

        assert result.code == 1, result
        assert told in result.err
    (tmp_path / "no.tar").write_bytes(b"this is no archive")
    assert "not a tar archive" in site.run("restore", str(tmp_path / "no.tar"), "--yes").err
    assert "there is no archive nobody.tar" in site.run("restore", "nobody.tar", "--yes").err
    assert points(site) == there
    nothing_is_left(site)


def test_points_that_are_not_what_the_archive_says_are_not_taken_unasked(
    site: Site, archive: Path, tmp_path: Path
) -> None:
    there = points(site)
    with archive.open("rb") as stream:
        days = backup_archive.read_manifest(stream).days
    copy = rewritten(backed_up(site), tmp_path / "mixed.tar", lambda parts: parts, days=days)

    result = site.run("restore", str(copy), "--yes", "--only", "influxdb")

    assert result.code == 4, result
    assert "failed its verification" in result.err
    assert "raw later" in result.err
    assert points(site) == there
    nothing_is_left(site)


def test_everything_destroyed_is_back_in_an_empty_folder_point_by_point(
    site: Site, archive: Path, first: object, tmp_path: Path
) -> None:
    passphrase = tmp_path / "passphrase"
    passphrase.write_text(site.secret("backup-passphrase") + "\n")
    secrets = {path.name: path.read_text() for path in (site.state / "secrets").iterdir() if path.is_file()}
    file = (site.folder / "aresmon.yml").read_text()
    assert site.run("down", "--volumes", "--yes").code == 0
    # What is left has the stand-in's socket in it.
    for path in site.folder.iterdir():
        if path.name != "data":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for path in (site.folder / "data").rglob("*"):
        if path.is_file():
            path.unlink()
    assert not (site.folder / "aresmon.yml").exists()

    refused = site.run("restore", str(archive))
    (tmp_path / "wrong").write_text("wrong-passphrase")
    wrong = site.run("restore", str(archive), "--passphrase-file", str(tmp_path / "wrong"))
    assert (refused.code, wrong.code) == (1, 1)
    assert "--passphrase-file" in refused.err
    assert "--without-secrets" in wrong.err
    assert not (site.folder / "aresmon.yml").exists()

    for word in ("decrypting the secrets", "restoring the points"):
        killed_at(site, word, "restore", str(archive), "--passphrase-file", str(passphrase))

    result = site.run("restore", str(archive), "--passphrase-file", str(passphrase))

    assert result.code == 0, result
    assert points(site) == first
    assert noted(site) == ["before"]
    assert (site.folder / "aresmon.yml").read_text() == file
    assert {path.name: path.read_text() for path in (site.state / "secrets").iterdir() if path.is_file()} == secrets
    again = site.run("up")
    assert (again.steps, again.statements) == ([], []), again
    assert site.influxdb.check_credentials([("agent-box", site.secret("agent-box"))]) == [True]
    nothing_is_left(site)


def test_coarser_points_that_the_archive_lacks_are_made_and_an_undone_restore_leaves_none_to_be_made(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = int(time.time()) // 3600 * 3600 - DAY  # no continuous query looks back so far
    lines = [f"disk,host=box used_percent={minute}.5 {at + minute * 60}" for minute in range(60)]
    site.influxdb.write("\n".join(lines), database=DATABASE, policy="raw")
    archive = backed_up(site)
    assert [coarser(site, policy) for policy in ("1m", "1h")] == [[], []]
    ours = OurSite(site.folder)
    monkeypatch.setattr(restore, "_start", lambda *_: restore._Started(failed="it does not start"))

    with pytest.raises(AresmonError, match="the restore was rolled back"):
        restore.restore(
            ours, Engine(), restore.find_source(ours, str(archive)), RestoreOptions(only="influxdb"), NoProgress()
        )
    assert backfill.read_journal(site.state / backfill.JOURNAL) == []
    assert coarser(site, "1m") == []

    restored = site.run("restore", str(archive), "--yes")

    assert restored.code == 0, restored
    assert "backfilling 1m from raw" in restored.out
    assert coarser(site, "1m") == [minute + 0.5 for minute in range(60)]
    assert coarser(site, "1h") == [59.5]
    assert backfill.read_journal(site.state / backfill.JOURNAL) == []
    nothing_is_left(site)


def coarser(site: Site, policy: str) -> list[float]:
    (answer,) = site.influxdb.query(f'SELECT "used_percent" FROM "{policy}"."disk"', database=DATABASE)
    return [row["used_percent"] for series in answer for row in series.rows]

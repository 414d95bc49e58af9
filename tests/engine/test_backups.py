"""Backups of a real InfluxDB: whole or not there, and known to restore."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import tarfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from aresmon.backup import checksums, create, verify
from aresmon.backup.checksums import DAY, Fingerprint
from aresmon.config import backup, view_files
from aresmon.config.builtin_alerts import FOREVER
from aresmon.engine.docker import Engine
from aresmon.influxdb.client import InfluxDB
from aresmon.monitoring import evaluation
from aresmon.render.grafana import alert_rules
from aresmon.site.folder import Site as OurSite
from aresmon.site.project import Project
from aresmon.system.errors import AresmonError
from aresmon.system.progress import NoProgress
from tests.engine.backups import archives, backed_up, filled_site, killed_at, points, rewritten
from tests.engine.sites import DATABASE, Site, eventually
from tests.engine.test_interruptions import one_off, read_until

STAGES = ("computing checksums of the points", "backing up InfluxDB", "hashing", "storing")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with filled_site(tmp_path_factory.mktemp("backups")) as made:
        yield made


@pytest.fixture(scope="module")
def archive(site: Site) -> Path:
    return backed_up(site)


def record(site: Site) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = json.loads((site.state / "backups.json").read_text())
    return found


def nothing_is_left(site: Site) -> None:
    """No staging, no second InfluxDB, and nothing but archives where they go."""
    assert not (site.folder / "data/influxdb/.aresmon-backup").exists()
    assert not (site.folder / "data/influxdb/.aresmon-scratch").exists()
    assert not list(site.state.glob("staging*"))
    assert one_off(site) == []
    there = {path.name for path in (site.folder / "data/backups").iterdir() if path.suffix != ".tar"}
    assert there <= {".aresmon-backups"}  # by which a folder of ours is known


def test_a_dry_run_makes_nothing(site: Site) -> None:
    result = site.run("backup", "--dry-run")

    assert result.code == 0, result
    assert "Nothing was changed" in result.out
    assert not (site.folder / "data/backups").exists()


def test_an_archive_is_the_owners_alone_and_holds(site: Site, archive: Path) -> None:
    assert archive.stat().st_mode & 0o777 == 0o600

    result = site.run("backup", "--verify", "latest", "--json")

    assert result.code == 0, result
    verdict = json.loads(result.out)
    assert verdict["ok"], verdict
    assert verdict["values"] > 3000
    assert record(site)["last_made"]["archive"] == record(site)["last_verified"]["archive"] == archive.name
    nothing_is_left(site)


def test_an_archive_that_is_stored_and_one_that_is_proven_end_their_alerts(site: Site, archive: Path) -> None:
    fleet = replace(
        Project.load(OurSite(site.folder)).config, backup=backup.read({"every": "daily", "verify": "weekly"})
    )
    groups = json.loads(alert_rules.render(fleet, view_files.load())[alert_rules.RULES])["groups"]
    rules = {rule["uid"]: rule for group in groups for rule in group["rules"]}
    assert site.run("backup", "--verify", "latest").code == 0
    now = time.time()

    for name, over in (("backup-late", 2 * 86400), ("backup-unproven", 14 * 86400)):
        uid = f"{name}-{fleet.server.replace('.', '_')}"
        assert evaluation.firing(rules[uid], site.query, now + over - 60) == set()
        assert len(evaluation.firing(rules[uid], site.query, now + over + 2 * 3600)) == 1
        assert len(evaluation.firing(rules[uid], site.query, now - 30 * 86400)) == 1


def test_only_days_whose_files_changed_are_added_up_again(
    site: Site, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, asked = OurSite(site.folder), list[set[tuple[str, int]]]()
    take = checksums.compute

    def taken(influxdb: InfluxDB, wanted: set[tuple[str, int]], windows: Mapping[str, int]) -> Fingerprint:
        asked.append(wanted)
        return take(influxdb, wanted, windows)

    backed_up(site)  # what was in memory is in files now, and stays as it is
    monkeypatch.setattr(checksums, "compute", taken)
    day = int(time.time()) // DAY * DAY - 2 * DAY
    site.influxdb.write(f"untagged value=1 {day + 17}", database=DATABASE, policy="raw")

    made = create.make(Project.load(ours), Engine(), NoProgress())

    assert ("raw", day) in asked[0]
    # The backup before is a point in a week of its own policy, which has little else.
    assert len([policy for policy, _ in asked[0] if policy != FOREVER]) < 5 < made.days
    verdict = verify.verify(Project.load(ours), Engine(), made.archive, NoProgress())
    assert verdict.ok, verdict


def test_without_room_nothing_is_begun_and_how_much_is_needed_is_told(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = OurSite(site.folder)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=100 << 20))

    with pytest.raises(AresmonError, match=r"100 MiB are free, and a backup temporarily needs 2\d\d MiB there"):
        create.make(Project.load(ours), Engine(), NoProgress())
    with pytest.raises(AresmonError, match=r"100 MiB are free, and this archive temporarily needs 2\d\d MiB there"):
        verify.verify(Project.load(ours), Engine(), "latest", NoProgress())

    nothing_is_left(site)


def test_no_secret_is_readable_in_an_archive(site: Site, archive: Path) -> None:
    content = archive.read_bytes()

    for path in (site.state / "secrets").rglob("*"):
        if path.is_file():
            assert path.read_bytes() not in content, path.name


def test_the_passphrase_is_warned_of_until_somebody_has_seen_it(site: Site, archive: Path) -> None:
    assert archive.exists()

    assert "aresmon backup passphrase" in site.run("backup").err
    shown = site.run("backup", "passphrase")
    assert shown.out == site.secret("backup-passphrase") + "\n"

    assert "aresmon backup passphrase" not in site.run("backup").err


def test_what_is_written_meanwhile_makes_no_difference(site: Site) -> None:
    ended = threading.Event()
    written: list[int] = []

    def write() -> None:
        while not ended.is_set():
            second = int(time.time())
            lines = "\n".join(f"cpu,host=box,cpu=cpu{core} usage={core}.5,n={second}i {second}" for core in range(20))
            site.influxdb.write(lines, database=DATABASE, policy="raw")
            # Late points, for a day that is over.
            site.influxdb.write(f"late n={len(written)}i {second - 86400}", database=DATABASE, policy="raw")
            written.append(second)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        made = backed_up(site)
    finally:
        ended.set()
        writer.join()

    assert len(written) > 3
    result = site.run("backup", "--verify", made.name)
    assert result.code == 0, result


def test_a_shard_that_was_altered_is_found_by_its_day(site: Site, archive: Path, tmp_path: Path) -> None:
    """By one who made the hashes right again: another value in the middle of a day that is over."""
    day = int(time.time()) // 86400 * 86400 - 86400
    site.influxdb.write(f"cpu,host=box,cpu=cpu0 usage=1e6 {day + 43200}", database=DATABASE, policy="raw")
    with tarfile.open(backed_up(site)) as tar:
        altered = {entry.name.split(".", 1)[1]: entry for entry in tar if ".s" in entry.name}
        bodies = {name: tar.extractfile(entry).read() for name, entry in altered.items()}  # type: ignore[union-attr]
    copy = rewritten(
        archive,
        tmp_path / archive.name,
        lambda parts: {name: bodies.get(name.split(".", 1)[1], body) for name, body in parts.items()},
    )

    result = site.run("backup", "--verify", str(copy))

    assert result.code == 4, result
    date = time.strftime("%Y-%m-%d", time.gmtime(day))
    assert f"raw cpu {date}: expected" in result.err
    assert "raw said" not in result.err
    assert record(site)["last_verified"]["ok"] is False
    assert f"{archive.name} failed its verification" in site.run("status").out
    assert site.run("backup", "--verify", archive.name).code == 0
    assert f"{archive.name} was verified" in site.run("status").out


@pytest.mark.parametrize("kind", ["manifest.json", "site/", "secrets", "grafana/", "influxdb/"])
def test_a_flipped_byte_is_told_with_the_member_it_is_in(site: Site, archive: Path, tmp_path: Path, kind: str) -> None:
    with tarfile.open(archive) as tar:
        entry = next(one for one in tar if one.name.startswith(kind) and one.size)
    content = bytearray(archive.read_bytes())
    content[entry.offset_data + entry.size // 2] ^= 0x04
    (tmp_path / archive.name).write_bytes(content)

    result = site.run("backup", "--verify", str(tmp_path / archive.name))

    assert result.code in (1, 4), result
    assert (entry.name if kind != "manifest.json" else "manifest") in result.err
    nothing_is_left(site)


def test_an_archive_that_is_cut_short_does_not_hold(site: Site, archive: Path, tmp_path: Path) -> None:
    content = archive.read_bytes()
    (tmp_path / archive.name).write_bytes(content[: len(content) * 2 // 3])

    result = site.run("backup", "--verify", str(tmp_path / archive.name))

    assert result.code == 4, result
    assert re.search("it ends (within|or cannot be read before) influxdb/", result.err), result


def test_a_killed_backup_leaves_the_data_and_no_archive_and_the_next_one_goes_on(site: Site) -> None:
    before, there = points(site), set(archives(site))
    for word in STAGES:
        seen = killed_at(site, word, "backup")

        assert set(archives(site)) - there == set(), seen
        assert site.run("up").steps == []
        assert points(site) == before

    backed_up(site)
    nothing_is_left(site)


def test_a_backup_keeps_status_not_out_and_names_itself_to_up(site: Site) -> None:
    process = site.start("backup")
    read_until(process, "computing checksums")
    process.send_signal(signal.SIGSTOP)  # it holds the lock, however slow the others are

    status, refused = site.run("status", "--json"), site.run("up")

    process.send_signal(signal.SIGCONT)
    process.communicate()
    assert process.returncode == 0
    assert json.loads(status.out)["services"], status
    assert "is locked by `aresmon backup`" in refused.err


def test_a_place_that_takes_nothing_is_told_and_the_others_have_the_archive(site: Site, tmp_path: Path) -> None:
    site.configure(backup={"to": [{"folder": "data/backups"}, {"folder": str(tmp_path / "not" / "mounted")}]})
    try:
        result = site.run("backup", "--json")
    finally:
        site.configure(backup={})

    made = json.loads(result.out)
    assert result.code == 5, result
    assert list(made["failed"]) == [str(tmp_path / "not" / "mounted")]
    assert (site.folder / "data/backups" / made["archive"]).exists()
    assert record(site)["last_failed"]["what"]


def test_days_that_cannot_be_read_are_told_and_no_archive_that_may_have_them_goes(site: Site) -> None:
    """The last one here: it leaves the site damaged."""
    site.configure(backup={"keep": {"last": 1, "daily": 0, "weekly": 0, "monthly": 0}})
    before = set(archives(site))
    day = int(time.time()) // DAY * DAY - DAY
    (shard,) = (one for one in checksums.list_shard_spans(site.influxdb) if (one.policy, one.start) == ("raw", day))
    container = site.containers()["influxdb"]
    container.stop()
    for file in (site.folder / f"data/influxdb/data/telegraf/raw/{shard.id}").glob("*.tsm"):
        os.truncate(file, 100)
    container.start()
    assert eventually(lambda: bool(site.influxdb.version()))

    result = site.run("backup", "--json")

    assert result.code == 5, result
    made = json.loads(result.out)
    assert made["damaged"] == [f"{time.strftime('%Y-%m-%d', time.gmtime(day))} in raw"]
    assert set(archives(site)) > before
    assert made["pruned"] == {}

"""What backups are made of: the record, what is sealed, what is gathered of the site's folder."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from aresmon.backup import contents, create, verify
from aresmon.backup import record as backup_record
from aresmon.backup.contents import WrongPassphraseError
from aresmon.backup.record import BackupRecord, CompletedBackup, FailedBackup, Verification
from aresmon.backup.storage.base import StoredArchive
from aresmon.engine.docker import Engine
from aresmon.site import secrets
from aresmon.site.folder import Site
from aresmon.site.project import Project
from aresmon.system.errors import AresmonError
from aresmon.system.progress import NoProgress
from tests.unit.conftest import load


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site(tmp_path)
    made.create_state_folder()
    return made


def test_a_record_is_what_was_noted(site: Site) -> None:
    made, verified = CompletedBackup(1.0, "a.tar", 7, "here"), Verification(2.0, "a.tar", False, "cpu")
    assert backup_record.read(site) == BackupRecord()

    backup_record.save_failed(site, FailedBackup(0.5, "no room"))
    assert backup_record.read(site).last_failed == FailedBackup(0.5, "no room")
    backup_record.save_made(site, made)
    backup_record.save_verified(site, verified)
    backup_record.save_passphrase(site, "mark")

    assert backup_record.read(site) == BackupRecord(made, None, verified, "mark")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"last_made": {"at": 1}}', '{"last_made": 3}'])
def test_a_record_that_cannot_be_read_is_an_empty_one(site: Site, content: str) -> None:
    (site.state / "backups.json").write_text(content)

    assert backup_record.read(site) == BackupRecord()


DAY = 86400.0
MADE = CompletedBackup(10 * DAY, "a.tar", 2_500_000, "/mnt/nas")


@pytest.mark.parametrize(
    ("record", "told"),
    [
        (BackupRecord(), []),
        (BackupRecord(MADE), []),
        (BackupRecord(replace(MADE, at=7 * DAY)), ["the last backup is 4 days old"]),
        (BackupRecord(MADE, FailedBackup(11 * DAY, "no room")), ["the last backup failed: no room"]),
        (BackupRecord(MADE, None, Verification(11 * DAY, "a.tar", True, "")), []),
        (
            BackupRecord(MADE, None, Verification(11 * DAY, "a.tar", False, "raw cpu")),
            ["a.tar failed its verification: raw cpu"],
        ),
    ],
)
def test_what_is_wrong_with_backups_is_told_with_what_to_do(record: BackupRecord, told: list[str]) -> None:
    found = list(backup_record.find_problems(record, due=2 * DAY, now=11 * DAY))

    assert [what.removeprefix("the archive ") for what, _ in found] == told
    assert all("`aresmon backup" in next_step for _, next_step in found)


def test_without_a_schedule_no_backup_is_too_old() -> None:
    assert list(backup_record.find_problems(BackupRecord(MADE), due=0, now=999 * DAY)) == []


def test_the_last_backup_and_its_proof_are_one_line() -> None:
    assert backup_record.describe(BackupRecord(), now=1.0) == "Backup: none yet"
    assert (
        backup_record.describe(BackupRecord(MADE, None, Verification(10 * DAY, "a.tar", True, "")), now=10 * DAY + 7200)
        == "Backup: 2 hours ago, 2.5 MB, in /mnt/nas; a.tar was verified 2 hours ago"
    )


def test_secrets_open_with_their_passphrase_alone(site: Site, tmp_path: Path) -> None:
    secrets.ensure(site.secrets, dict.fromkeys([secrets.BACKUP, "agent-lewi"], 0))
    (site.secrets / "alerts").mkdir()
    (site.secrets / "alerts/discord").write_text("https://example.org/hook")
    passphrase = secrets.read(site.secrets, secrets.BACKUP)

    (sealed,) = contents.collect_secrets(site).values()

    content = sealed.read_bytes()
    assert content.startswith(b"age-encryption.org/v1\n-> scrypt ")
    assert secrets.read(site.secrets, "agent-lewi").encode() not in content
    with pytest.raises(WrongPassphraseError):
        contents.decrypt_secrets(sealed, "another-passphrase", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    contents.decrypt_secrets(sealed, passphrase, tmp_path / "out")
    opened = tmp_path / "out/secrets"
    assert (opened / "agent-lewi").read_text() == secrets.read(site.secrets, "agent-lewi")
    assert (opened / "alerts/discord").read_text() == "https://example.org/hook"
    assert {path.stat().st_mode & 0o777 for path in opened.rglob("*") if path.is_file()} == {0o600}


def test_what_was_changed_does_not_open() -> None:
    sealed = bytearray(contents.encrypt(b"secret", "passphrase"))
    sealed[-1] ^= 1

    with pytest.raises(WrongPassphraseError):
        contents.decrypt(bytes(sealed), "passphrase")


def test_of_the_site_goes_what_cannot_be_made_again_and_nothing_secret(site: Site) -> None:
    kept = ["aresmon.yml", "overrides/compose.yml", "dashboards/team/x.json", ".aresmon/history.jsonl"]
    kept += [".aresmon/releases/lewi/1/telegraf.conf"]
    left = [".aresmon/bundle/.env", ".aresmon/secrets/agent-lewi", ".aresmon/log/x.log", ".aresmon/lock", "notes.txt"]
    for name in (*kept, *left):
        (site.root / name).parent.mkdir(parents=True, exist_ok=True)
        (site.root / name).write_text(name)

    taken = contents.collect_site(site)

    assert sorted(taken) == sorted(f"site/{name}" for name in kept)
    assert {path.read_text() for path in taken.values()} == set(kept)


def test_of_grafana_goes_its_database_and_what_it_cannot_make_again(site: Site) -> None:
    folder = site.root / "data/grafana"
    for name, mode in (("plugins/clock/gpx_clock", 0o755), ("plugins/clock/plugin.json", 0o644)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
        (folder / name).chmod(mode)
    for name in ("unified-search/bleve/root.bolt", "png/one.png", "grafana.db-journal"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    with closing(sqlite3.connect(folder / "grafana.db")) as database, database:
        database.execute("CREATE TABLE note (text TEXT)")

    taken = contents.collect_grafana(Project(site, load("hosts: {biere: {}}\n")))

    assert set(taken) == {
        "grafana/grafana.db",
        "grafana/plugins/clock/gpx_clock",
        "grafana/plugins/clock/plugin.json",
    }
    assert not [path for path in taken.values() if path.is_relative_to(folder)]
    assert os.access(taken["grafana/plugins/clock/gpx_clock"], os.X_OK)


@pytest.mark.parametrize("trouble", [FileNotFoundError(2, "No such file", "x.db"), AresmonError("no room")])
def test_whatever_keeps_a_backup_from_being_made_is_remembered(
    site: Site, trouble: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise trouble

    site.file.write_text("hosts: {biere: {}}\n")
    monkeypatch.setattr(create, "_make", fail)

    with pytest.raises(AresmonError):
        create.make(Project.load(site), Engine(), NoProgress())

    failed = backup_record.read(site).last_failed
    assert failed is not None
    assert failed.what in ("x.db: No such file", "no room")


def test_a_site_that_is_in_the_hands_of_another_command_has_no_backup_and_says_so(site: Site) -> None:
    site.file.write_text("hosts: {biere: {}}\n")

    with site.lock("push-config"), pytest.raises(AresmonError, match="is locked by"):
        create.make(Project.load(site), Engine(), NoProgress())

    failed = backup_record.read(site).last_failed
    assert failed is not None
    assert "`aresmon push-config`" in failed.what


@dataclass(frozen=True)
class Place:
    """A place with these archives, or one that does not answer."""

    where: str
    archives: tuple[StoredArchive, ...] = ()
    trouble: str = ""

    def list(self) -> list[StoredArchive]:
        if self.trouble:
            raise AresmonError(self.trouble)
        return list(self.archives)


def test_the_latest_archive_is_not_guessed_where_a_place_is_silent(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    config = load("hosts: {biere: {}}\n")
    older = StoredArchive("site-20260101T000000Z.tar", 1, datetime(2026, 1, 1, tzinfo=UTC))
    places = [Place("/mnt/nas", trouble="it is not mounted"), Place("s3://b", (older,))]
    monkeypatch.setattr(verify, "stores", lambda *_: places)

    with pytest.raises(AresmonError, match="the latest archive cannot be determined: /mnt/nas: it is not mounted"):
        verify.find_archive(Project(site, config), "latest")

    assert verify.find_archive(Project(site, config), older.name).where == "s3://b"

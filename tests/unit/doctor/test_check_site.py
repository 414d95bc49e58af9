"""What the doctor finds in a site's folder: secrets, git, leftovers, the bundle, the backups."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aresmon import __version__
from aresmon.backup import record
from aresmon.backup.record import BackupRecord, CompletedBackup, FailedBackup, Verification
from aresmon.config.model import Config
from aresmon.doctor import probe_site
from aresmon.doctor.check_site import backups, leaks, plan, secrets
from aresmon.doctor.check_site import folder as folder_check
from aresmon.doctor.facts import BackupFacts, FolderFacts, PlanFacts, SecretFacts, SocketFacts
from aresmon.influxdb import backfill
from aresmon.site import secrets as site_secrets
from aresmon.site.folder import Site
from aresmon.site.project import Project
from aresmon.stack import folder_swap
from aresmon.system import process
from tests.unit.conftest import load

NOW, DAY = 1_700_000_000.0, 86400.0
MADE = CompletedBackup(NOW - DAY, "ares-1.tar", 5, "here")
VERIFIED = Verification(NOW - 3 * DAY, "ares-1.tar", ok=True, what="all of it")
WELL = BackupFacts(BackupRecord(MADE, None, VERIFIED, "mark"), NOW, 2 * DAY, "mark")
SEEN = FolderFacts("/srv/ares", True, True, True, True, (), (), (), (), (), SocketFacts(True, 0o700))


def kinds(found: Any) -> list[str]:
    return [one.kind for one in found]


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({}, []),
        ({"writable": False}, ["site-read-only"]),
        ({"leftovers": (".aresmon/.x.abcdefgh",)}, ["leftovers"]),
        ({"unfinished": (("a restore was interrupted", "`aresmon up`"),)}, ["unfinished"]),
        ({"failures": (".aresmon/log/1.log",)}, ["aresmon-failed"]),
        ({"socket": SocketFacts(False, 0o700)}, ["socket"]),
        ({"socket": SocketFacts(True, 0o755)}, ["socket"]),
        ({"socket": None}, []),
    ],
)
def test_an_odd_folder_is_found(changed: dict[str, Any], found: list[str]) -> None:
    assert kinds(folder_check(replace(SEEN, **changed))) == found


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({"secrets": (SecretFacts("a", 0o600, 0, 0, True),)}, []),
        ({"secrets": (SecretFacts("a", 0o640, 0, 0, True),)}, ["secret-open"]),
        ({"secrets": (SecretFacts("a", 0o600, 5, 0, True),)}, ["secret-open"]),
        ({"secrets": (SecretFacts("a", 0o600, 5, None, False),)}, ["secret-unreadable"]),
        ({"tracked": (".aresmon/secrets/site-key",)}, ["secret-tracked"]),
        ({"exposed": (("agent-lewi", "aresmon.yml"),)}, ["secret-exposed"]),
        ({"ignored": False}, ["gitignore"]),
        ({"ignored": False, "in_git": False}, []),
        ({"ignored": False, "has_state": False}, []),
    ],
)
def test_an_odd_secret_is_found(changed: dict[str, Any], found: list[str]) -> None:
    assert kinds(secrets(replace(SEEN, **changed))) == found


def test_a_secret_is_found_where_it_stands_and_a_short_one_is_no_find() -> None:
    texts = [("aresmon.yml", "password: hunter2hunter2\nguest"), ("overrides/x.conf", "nothing")]

    assert leaks([("a", "hunter2hunter2"), ("b", "guest"), ("c", "other-secret")], texts) == [("a", "aresmon.yml")]


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({}, []),
        ({"version": "", "steps": ("create edge",)}, []),
        ({"version": "0.0.1", "steps": ("recreate edge",)}, ["bundle-version"]),
        ({"steps": ("recreate edge",)}, ["plan-pending"]),
        ({"changed": ("edge/haproxy.cfg",)}, ["plan-pending"]),
        ({"edited": ("edge/haproxy.cfg",), "changed": ("edge/haproxy.cfg",)}, ["bundle-edited"]),
    ],
)
def test_an_odd_bundle_is_found(changed: dict[str, Any], found: list[str]) -> None:
    seen = PlanFacts(**({"version": __version__, "edited": (), "changed": (), "steps": ()} | changed))

    assert kinds(plan(seen)) == found


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({}, []),
        ({"last_made": None, "last_verified": None}, ["backup-none"]),
        ({"last_made": replace(MADE, at=NOW - 3 * DAY)}, ["backup-old"]),
        ({"last_failed": FailedBackup(NOW - 7200, "no room")}, ["backup-failed"]),
        ({"last_verified": None}, ["backup-unverified"]),
        ({"last_verified": replace(VERIFIED, at=NOW - 40 * DAY)}, ["backup-unverified"]),
        ({"last_verified": replace(VERIFIED, ok=False)}, ["backup-broken"]),
        ({"kept_passphrase": ""}, ["passphrase"]),
        ({"kept_passphrase": "another"}, ["passphrase"]),
    ],
)
def test_an_odd_backup_is_found(changed: dict[str, Any], found: list[str]) -> None:
    assert kinds(backups(replace(WELL, record=replace(WELL.record, **changed)))) == found


def test_backups_by_hand_are_never_too_old_and_a_passphrase_that_is_not_made_is_not_asked_for() -> None:
    by_hand = replace(WELL, record=BackupRecord(replace(MADE, at=0), None, VERIFIED, ""), max_age=0.0, passphrase="")

    assert kinds(backups(by_hand)) == []


# Looked at for real ----------------------------------------------------------------------------------


@pytest.fixture
def config(site: Site) -> Config:
    """A site's folder as `up` leaves it, in a git repository."""
    site.file.write_text("hosts: {biere: {collect: [disk]}, lewi: }\n")
    process.run(["git", "init", "--quiet", str(site.root)])
    site.create_state_folder()
    found = load(site.file.read_text())
    site_secrets.ensure(
        site.secrets, dict.fromkeys(site_secrets.owners(found, {"grafana": 0, "telegraf": 0}), os.getuid())
    )
    return found


def look(site: Site, config: Config) -> FolderFacts:
    return probe_site.folder(Project(site, config), influxdb_runs=False)


def found_in(site: Site, config: Config) -> list[str]:
    seen = look(site, config)
    # Whose each file is differs by who runs this; the modes do not.
    mine = replace(seen, secrets=tuple(replace(one, expected_owner=None) for one in seen.secrets))
    return kinds([*folder_check(mine), *secrets(mine)])


def test_a_folder_as_up_leaves_it_has_nothing_wrong(site: Site, config: Config) -> None:
    assert found_in(site, config) == []
    assert len(look(site, config).secrets) > 5


def test_secrets_that_were_opened_and_committed_are_found(site: Site, config: Config) -> None:
    (site.secrets / "influxdb-admin").chmod(0o644)
    process.run(["git", "-C", str(site.root), "add", "--force", ".aresmon/secrets/site-key"])

    assert found_in(site, config) == ["secret-open", "secret-tracked"]
    assert look(site, config).tracked == (".aresmon/secrets/site-key",)


def test_a_secret_in_the_sites_file_is_found_and_never_told(site: Site, config: Config) -> None:
    value = (site.secrets / "agent-lewi").read_text()
    site.file.write_text(f"# {value}\n{site.file.read_text()}")

    seen = look(site, config)

    assert seen.exposed == (("agent-lewi", "aresmon.yml"),)
    assert value not in repr(seen) + repr(list(secrets(seen)))


def test_a_state_that_git_would_take_is_found(site: Site, config: Config) -> None:
    (site.state / ".gitignore").unlink()

    assert found_in(site, config) == ["gitignore"]


def test_what_an_interrupted_command_left_is_found_once_it_is_old(site: Site, config: Config) -> None:
    left = site.state / ".retention.json.k3jx0a1b"
    left.write_text("half")
    fresh = look(site, config).leftovers
    os.utime(left, (time.time() - 7200, time.time() - 7200))

    assert fresh == ()
    assert look(site, config).leftovers == (".aresmon/.retention.json.k3jx0a1b",)


def test_what_a_restore_kept_aside_is_found_at_once_with_its_place_and_size(site: Site, config: Config) -> None:
    aside = site.root / config.data / ".aresmon-former-20261101"
    aside.mkdir(parents=True)
    (aside / "points").write_bytes(bytes(3_000_000))

    assert look(site, config).leftovers == (f"{config.data}/.aresmon-former-20261101 (3.0 MB)",)


def test_journals_of_what_was_interrupted_are_found(site: Site, config: Config) -> None:
    backfill.write_journal(site.state / backfill.JOURNAL, [backfill.BackfillTask("1m", "cpu", 0, 60)])
    folder_swap.begin(site, [folder_swap.FolderSwap(site.root, site.root, site.root, (), ())])

    assert found_in(site, config) == ["unfinished", "unfinished"]
    assert [what.partition(" was")[0] for what, _ in look(site, config).unfinished] == [
        "a restore",
        "`aresmon data backfill`",
    ]


def test_a_failure_of_our_own_is_found(site: Site, config: Config) -> None:
    site.log.mkdir()
    (site.log / "20261124-1.log").write_text("Traceback")

    assert found_in(site, config) == ["aresmon-failed"]


def test_the_last_push_of_each_host_counts(site: Site, config: Config) -> None:
    for outcome in ("rolled back", "proven"):
        site.record(command="push-config", host="lewi", outcome=outcome, why="no data")
    site.record(command="push-config", host="biere", outcome="broken", why="it hangs")

    assert probe_site.pushes(site).last == {"lewi": ("proven", "no data"), "biere": ("broken", "it hangs")}


def test_the_record_of_backups_is_read(site: Site, config: Config) -> None:
    record.save_made(site, MADE)

    seen = probe_site.backups(Project(site, config))

    assert seen.record.last_made == MADE
    assert seen.max_age >= 0


def test_a_folder_without_git_or_state_is_looked_at(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.file.write_text("hosts: {biere: }\n")

    assert found_in(site, load("hosts: {biere: }\n")) == []

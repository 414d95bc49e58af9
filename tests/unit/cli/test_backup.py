"""`aresmon backup` without an engine: its places listed and pruned, its schedule printed, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from aresmon.backup import record
from aresmon.backup.record import Verification
from aresmon.cli import common, main
from aresmon.site.folder import Site

Run = Callable[..., Result]
SETTINGS = "site: ares\nhosts: {biere: }\nbackup: {keep: {last: 1, daily: 0, weekly: 0, monthly: 0}}\n"
NAMES = [f"ares-2026010{day}T033000Z.tar" for day in (1, 2, 3)]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A site with three archives, of which the rules want one."""
    made = Site(tmp_path / "site")
    folder = made.root / "data" / "backups"
    folder.mkdir(parents=True)
    made.file.write_text(SETTINGS)
    made.create_state_folder()
    for name in NAMES:
        (folder / name).write_bytes(b"x" * 1000)
    return made


@pytest.fixture
def run(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    monkeypatch.setenv("COLUMNS", "120")
    common.the_console.cache_clear()
    yield lambda *arguments: CliRunner().invoke(main.app, ["--site", str(site.root), *arguments])
    common.the_console.cache_clear()


def there(site: Site) -> list[str]:
    return sorted(path.name for path in (site.root / "data" / "backups").glob("*.tar"))


def test_a_list_says_what_each_archive_stays_for(run: Run) -> None:
    listed = run("backup", "list")

    assert listed.exit_code == 0, listed.output
    assert [line.split()[0] for line in listed.stdout.splitlines()[2:]] == NAMES
    assert f"{NAMES[0]}  0.0 MB  none: to be deleted" in listed.stdout
    assert f"{NAMES[2]}  0.0 MB  last 1" in listed.stdout


def test_a_backup_on_the_disk_of_the_data_is_told_to_be_none(run: Run) -> None:
    assert "all backups are on the same disk as the data" in run("backup", "list").stderr


def test_pruning_for_trial_changes_nothing_and_in_earnest_what_it_said(run: Run, site: Site) -> None:
    tried = run("backup", "prune", "--dry-run")
    before = there(site)
    pruned = run("backup", "prune")
    again = run("backup", "prune")

    assert before == NAMES
    assert there(site) == NAMES[2:]
    for name in NAMES[:2]:
        assert f"{name} would be deleted" in tried.stdout
        assert f"{name} is deleted" in pruned.stdout
    assert "Nothing was changed." in tried.stdout
    assert "Nothing to do" in again.stdout
    assert len(site.history("backup prune")) == 1


def test_the_last_archive_that_was_proven_is_not_pruned(run: Run, site: Site) -> None:
    record.save_verified(site, Verification(1.0, NAMES[0], ok=True, what=""))

    run("backup", "prune")

    assert there(site) == [NAMES[0], NAMES[2]]


def test_after_a_proof_that_failed_nothing_is_pruned(run: Run, site: Site) -> None:
    record.save_verified(site, Verification(1.0, NAMES[2], ok=False, what="a shard"))

    pruned = run("backup", "prune")
    listed = json.loads(run("backup", "list", "--json").stdout)

    assert pruned.exit_code == 0
    assert there(site) == NAMES
    assert listed["places"][0]["archives"][0]["wanted_by"] == ["the last verification failed"]


@pytest.mark.parametrize("kind", ["systemd", "cron"])
def test_a_schedule_names_this_site_and_runs_both_jobs(kind: str, run: Run, site: Site) -> None:
    printed = run("backup", "--schedule", kind)

    assert printed.exit_code == 0, printed.output
    assert f"--site {site.root} backup" in printed.stdout
    assert f"--site {site.root} backup --verify latest" in printed.stdout
    assert "sudo" in printed.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--schedule", "launchd"), 2, "unknown schedule kind 'launchd'"),
        (("--dry-run", "prune"), 2, "an option before `prune` has no effect"),
        (("--json", "list"), 2, "an option before `list` has no effect"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    arguments: tuple[str, ...], code: int, words: str, run: Run, site: Site
) -> None:
    refused = run("backup", *arguments)

    assert (refused.exit_code, words in refused.output) == (code, True), refused.output
    assert there(site) == NAMES


def test_a_site_that_is_never_backed_up_by_itself_has_no_schedule(run: Run, site: Site) -> None:
    site.file.write_text("hosts: {biere: }\nbackup: {every: never, verify: never}\n")

    refused = run("backup", "--schedule", "systemd")

    assert refused.exit_code == 1
    assert "are `never`" in refused.output


@pytest.mark.parametrize("value", ["short", "two words here", "x" * 257, ""])
def test_what_is_no_secret_key_is_refused_and_not_repeated(value: str, site: Site) -> None:
    refused = CliRunner().invoke(main.app, ["--site", str(site.root), "backup", "secret", "s3"], input=value)

    assert refused.exit_code == 1
    assert not value or value not in refused.output
    assert not (site.secrets / "backup").exists()

"""The way back of an upgrade: what it says where it fails, and what ends it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from aresmon.engine.compose import Compose
from aresmon.site.folder import Site
from aresmon.site.project import Project
from aresmon.stack import down, up, upgrade_journal
from aresmon.stack.image_versions import ServiceHistory
from aresmon.stack.upgrade_journal import UpgradeJournal
from aresmon.system.errors import AresmonError, ExitCode
from aresmon.system.progress import NoProgress
from aresmon.upgrade import service as upgrade_service
from aresmon.upgrade.service import UpgradeWork
from tests.unit.conftest import FakeEngine, container

FORMER, WANTED = ServiceHistory("haproxy:3.2.22", "1", "3.2.22"), ServiceHistory("haproxy:3.4.0", "2", "3.4.0")


@pytest.fixture
def back(site: Site, monkeypatch: pytest.MonkeyPatch) -> Callable[[UpgradeJournal], None]:
    """Take this turn back on a site whose former images are here, and nothing of which starts."""
    site.file.write_text("hosts: {biere: }\n")
    site.create_state_folder()
    engine = FakeEngine({"edge": container("edge", image=FORMER.image, image_id="1")}, images={FORMER.image: "1"})

    def starts_nothing(*_: object, **__: object) -> None:
        raise AresmonError("edge does not start", hint="look")

    monkeypatch.setattr(Compose, "stop", lambda *_: None)
    monkeypatch.setattr(up, "recreate_service", starts_nothing)
    return lambda turn: upgrade_service.roll_back(UpgradeWork(Project.load(site), engine, NoProgress()), turn)


@pytest.mark.parametrize("failed", ["", "no data arrives"], ids=["interrupted", "failed"])
def test_a_way_back_that_fails_ends_with_4_and_the_next_run_tries_it_again(
    site: Site, back: Callable[[UpgradeJournal], None], failed: str
) -> None:
    turn = UpgradeJournal("edge", FORMER, WANTED, 12.5, "trying", failed=failed)

    with pytest.raises(AresmonError, match="could not be rolled back to haproxy") as told:
        back(turn)

    assert told.value.code is ExitCode.BROKEN
    assert told.value.hint == "look; `aresmon upgrade` tries it again"
    assert failed in told.value.message
    left = upgrade_journal.read(site)
    assert left is not None
    assert left.stage == "returning"


def test_data_that_is_not_there_is_not_given_up(site: Site, back: Callable[[UpgradeJournal], None]) -> None:
    """Its disk may come back."""
    turn = UpgradeJournal("influxdb", FORMER, WANTED, 12.5, "trying", ".aresmon-before-x")

    with pytest.raises(AresmonError, match=r"data/influxdb, with .*, does not exist") as told:
        back(turn)

    assert told.value.code is ExitCode.BROKEN
    assert "delete .aresmon/upgrade.json" in told.value.hint
    assert upgrade_journal.read(site) is not None


@pytest.mark.parametrize("volumes", [False, True], ids=["down", "down --volumes"])
@pytest.mark.parametrize("service", ["influxdb", "grafana", "edge"])
def test_a_turn_is_forgotten_with_the_data_that_it_was_about(
    site: Site, monkeypatch: pytest.MonkeyPatch, service: str, volumes: bool
) -> None:
    site.file.write_text("hosts: {biere: }\n")
    site.create_state_folder()
    for folder in (site.root / "data/influxdb", site.root / "data/grafana"):
        folder.mkdir(parents=True)
        site.record_folder(folder)
    upgrade_journal.write(site, UpgradeJournal(service, FORMER, WANTED, 12.5, "trying", ".aresmon-before-x"))
    monkeypatch.setattr(FakeEngine, "remove_project", lambda *_: None)

    gone = down.down(Project.load(site), FakeEngine(), NoProgress(), volumes=volumes)

    assert len(gone) == 2 * volumes
    assert (upgrade_journal.read(site) is None) == volumes


def test_a_turn_about_data_that_stays_is_not_forgotten(site: Site, tmp_path: Path) -> None:
    site.create_state_folder()
    upgrade_journal.write(site, UpgradeJournal("influxdb", FORMER, WANTED, 12.5))

    upgrade_journal.forget_deleted(site, {"influxdb": tmp_path, "grafana": tmp_path / "gone"})

    assert upgrade_journal.read(site) is not None

"""Folders exchanged by renames: whenever it is interrupted, the rest can be done, and the whole be undone."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aresmon.backup import restore
from aresmon.config.layout import Layout
from aresmon.site.folder import Site
from aresmon.stack import folder_swap
from aresmon.system.errors import AresmonError, ExitCode
from aresmon.system.progress import NoProgress

NAMES = ("meta", "data", "wal", "grafana.db", "plugins")


class PowerCutError(Exception):
    """The machine's end."""


def cut_after(renames: int) -> Callable[[Path, Path], None]:
    """A rename that works so often."""
    left = [renames]

    def rename(old: Path, new: Path) -> None:
        if not left[0]:
            raise PowerCutError
        left[0] -= 1
        os.rename(old, new)  # noqa: PTH104 (what is stood in for)

    return rename


def fill(folder: Path, names: set[str], what: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).mkdir()
        (folder / name / "file").write_text(what)


def contents(folder: Path) -> dict[str, str]:
    """What is in a folder, but for our own."""
    return {path.parent.name: path.read_text() for path in folder.glob("[!.]*/file")}


def persist(site: Layout, renames: int) -> None:
    """Finish, interrupted after so many renames, and then by the next who comes."""
    try:
        folder_swap.finish(site, rename=cut_after(renames))
    except PowerCutError:
        assert folder_swap.pending(site)
    folder_swap.finish(site)
    assert not folder_swap.pending(site)


@settings(max_examples=60, deadline=None)
@given(
    old=st.sets(st.sampled_from(NAMES)),
    new=st.sets(st.sampled_from(NAMES), min_size=1),
    first=st.integers(0, 12),
    second=st.integers(0, 12),
)
def test_whenever_it_is_cut_off_the_new_is_whole_then_the_old_again(
    old: set[str], new: set[str], first: int, second: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("site")
    site, folder = Layout(root), root / "data"
    fill(folder, old, "old")
    fill(folder / ".scratch", new, "new")
    (folder / "foreign").mkdir()
    (folder / "foreign" / "file").write_text("foreign")
    move = folder_swap.plan_swap(folder, folder / ".scratch", folder / ".former", NAMES)

    folder_swap.begin(site, [move])
    persist(site, first)

    assert contents(folder) == dict.fromkeys(new, "new") | {"foreign": "foreign"}
    assert contents(folder / ".former") == dict.fromkeys(old, "old")

    folder_swap.begin(site, [move.reversed(folder / ".rejected")])
    persist(site, second)

    assert contents(folder) == dict.fromkeys(old, "old") | {"foreign": "foreign"}
    assert contents(folder / ".rejected") == dict.fromkeys(new, "new")


def test_what_a_service_made_in_between_is_kept_too(tmp_path: Path) -> None:
    site, folder = Layout(tmp_path), tmp_path / "data"
    fill(folder, {"meta"}, "old")
    fill(folder / ".scratch", {"meta"}, "new")
    folder_swap.begin(site, [folder_swap.plan_swap(folder, folder / ".scratch", folder / ".former", NAMES)])
    with pytest.raises(PowerCutError):
        folder_swap.finish(site, rename=cut_after(1))
    fill(folder, {"meta"}, "between")

    folder_swap.finish(site)

    assert contents(folder) == {"meta": "new"}
    assert contents(folder / ".former") == {"meta": "old", "meta~": "between"}


def test_what_a_service_leaves_when_it_ends_goes_with_the_database_that_it_is_of(tmp_path: Path) -> None:
    """SQLite would undo in a new database what the journal of another one says."""
    site, folder, names = Layout(tmp_path), tmp_path / "data", restore.NAMES["grafana"]
    fill(folder, {"grafana.db"}, "old")
    fill(folder / ".scratch", {"grafana.db"}, "new")
    move = folder_swap.plan_swap(folder, folder / ".scratch", folder / ".former", names)
    fill(folder, {"grafana.db-journal"}, "old")

    folder_swap.begin(site, [move])
    folder_swap.finish(site)

    assert contents(folder) == {"grafana.db": "new"}
    assert contents(folder / ".former") == {"grafana.db": "old", "grafana.db-journal": "old"}

    fill(folder, {"grafana.db-wal"}, "new")
    folder_swap.begin(site, [move.reversed(folder / ".rejected")])
    folder_swap.finish(site)

    assert contents(folder) == {"grafana.db": "old", "grafana.db-journal": "old"}
    assert contents(folder / ".rejected") == {"grafana.db": "new", "grafana.db-wal": "new"}


class Resting:
    """An engine whose containers are in these states; it notes what is stopped."""

    def __init__(self, **states: str) -> None:
        self.states = states
        self.stopped: list[str] = []

    def containers(self, project: str) -> dict[str, SimpleNamespace]:
        assert project == "ares"
        return {name: SimpleNamespace(service=name, state=state) for name, state in self.states.items()}

    def stop(self, container: SimpleNamespace) -> None:
        self.stopped.append(container.service)


def test_an_interrupted_exchange_is_completed_with_nothing_that_uses_the_folder(tmp_path: Path) -> None:
    """No aresmon.yml and no bundle is needed for it: they may be what was on its way."""
    site, folder = Site(tmp_path), tmp_path / "data"
    fill(folder, {"meta"}, "old")
    fill(folder / ".scratch", {"meta"}, "new")
    site.create_state_folder()
    folder_swap.begin(
        site, [folder_swap.plan_swap(folder, folder / ".scratch", folder / ".former", NAMES)], project="ares"
    )
    engine = Resting(influxdb="restarting", grafana="paused", edge="running")

    folder_swap.finish_interrupted(site, engine, NoProgress())  # type: ignore[arg-type]

    assert engine.stopped == ["influxdb", "grafana"]
    assert contents(folder) == {"meta": "new"}
    assert not folder_swap.pending(site)


def test_without_a_journal_there_is_nothing_to_do(tmp_path: Path) -> None:
    assert folder_swap.finish(Layout(tmp_path)) == []
    folder_swap.check_none(Layout(tmp_path))


def test_a_journal_that_cannot_be_read_is_for_a_person(tmp_path: Path) -> None:
    (tmp_path / ".aresmon").mkdir()
    (tmp_path / ".aresmon/restore.json").write_text("{")

    with pytest.raises(AresmonError, match="cannot be read") as refused:
        folder_swap.finish(Layout(tmp_path))

    assert refused.value.code == ExitCode.BROKEN


def test_a_backup_waits_for_an_interrupted_restore(tmp_path: Path) -> None:
    fill(tmp_path / "data/.scratch", {"meta"}, "new")
    move = folder_swap.plan_swap(tmp_path / "data", tmp_path / "data/.scratch", tmp_path / "data/.former", NAMES)
    folder_swap.begin(Layout(tmp_path), [move])

    with pytest.raises(AresmonError, match="interrupted"):
        folder_swap.check_none(Layout(tmp_path))

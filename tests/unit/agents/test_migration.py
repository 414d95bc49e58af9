"""What `telegraf config migrate` would change: read from its container, shown as a diff, written only when asked."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from aresmon.agents import migration
from aresmon.agents.migration import FileMigration
from aresmon.agents.sources import ConfigSources
from aresmon.site.folder import Site
from aresmon.site.project import Project, parse
from aresmon.system.errors import AresmonError
from tests.unit.conftest import FakeEngine

OLD = "[[inputs.disk]]\n  mount_points = ['/']\n"
NEW = "[[inputs.disk]]\n  mount_points = ['/']\n".replace("mount_", "migrated_")


class Migrating(FakeEngine):
    """An engine whose Telegraf knows the migration of mount_points, or none at all."""

    def __init__(self, said: str = "I! Migrating", *, knows: bool = True) -> None:
        super().__init__()
        self.said, self.knows = said, knows

    def run_once(
        self, image: str, command: Sequence[str], *, project: str, files: bytes, environment: Sequence[str]
    ) -> tuple[int, str]:
        with tarfile.open(fileobj=io.BytesIO(files)) as tar:
            conf = tar.extractfile("tmp/telegraf.conf")
            text = conf.read().decode() if conf else ""
        migrated = text.replace("mount_", "migrated_") if self.knows and "mount_" in text else ""
        return 0, f"2026-01-01T00:00:00Z {self.said}\n--- migrated ---\n{migrated}"


def test_an_old_text_becomes_the_new_one_and_another_stays() -> None:
    assert migration.migrate(Migrating(), "telegraf:1", OLD, project="ares") == NEW
    assert migration.migrate(Migrating(), "telegraf:1", NEW, project="ares") == NEW


def test_a_telegraf_without_migrations_is_told_with_the_way_out() -> None:
    with pytest.raises(AresmonError, match="Telegraf cannot migrate it: no migrations available") as caught:
        migration.migrate(Migrating("E! no migrations available", knows=False), "telegraf:1", OLD, project="ares")

    assert "`aresmon images build telegraf`" in caught.value.hint


@pytest.mark.parametrize("git", ["", "configs", "git@example.org:configs.git"])
def test_each_own_file_is_planned_with_where_it_is(tmp_path: Path, git: str) -> None:
    text = "hosts: {biere: , lewi: }\n" + (f"configs: {{git: {git}}}\n" if git else "")
    site = Site(tmp_path)
    project = Project(site, parse(site, text))
    commits = {"lewi": "c0ffee"} if git else {}

    planned = migration.plan(
        project,
        ConfigSources({"lewi": "\ufeff" + OLD}, commits=commits),
        project.config.hosts,
        engine=Migrating(),
        image="telegraf:1",
    )

    (one,) = planned
    assert (one.host, one.before, one.after) == ("lewi", OLD, NEW)
    assert one.path == {
        "": tmp_path / "overrides/agents/lewi.conf",
        "configs": tmp_path / "configs/lewi.conf",
    }.get(git)
    assert "-  mount_points = ['/']\n+  migrated_points = ['/']\n" in one.diff


def test_a_file_is_written_only_as_it_was_read(tmp_path: Path) -> None:
    file = tmp_path / "lewi.conf"
    file.write_bytes(OLD.encode())
    file.chmod(0o640)
    one = FileMigration("lewi", file, OLD, NEW)

    one.write()

    assert (file.read_text(), file.stat().st_mode & 0o777) == (NEW, 0o640)
    with pytest.raises(AresmonError, match="was changed since"):
        one.write()
    with pytest.raises(AresmonError, match="not checked out on this machine"):
        FileMigration("lewi", None, OLD, NEW).write()

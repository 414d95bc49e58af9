"""A folder kept inside itself: whole, with its owners and modes, and safe from who opens the folder next."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from aresmon.system.errors import AresmonError
from aresmon.upgrade import snapshot
from aresmon.upgrade.snapshot import SnapshotSize

KEPT = ".aresmon-before-now"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder as InfluxDB's is."""
    shard = tmp_path / "data/telegraf/raw/1"
    shard.mkdir(parents=True, mode=0o700)
    (shard / "000000001-000000001.tsm").write_bytes(b"sealed" * 100)
    (shard / "fields.idx").write_bytes(b"fields")
    (tmp_path / "meta").mkdir()
    (tmp_path / "meta/meta.db").write_bytes(b"meta")
    (tmp_path / "link").symlink_to("meta/meta.db")
    (tmp_path / ".aresmon-former-x").mkdir()
    (tmp_path / ".aresmon-former-x/old").write_bytes(b"no part of it" * 1000)
    return tmp_path


def test_all_of_it_is_kept_and_nothing_of_ours(folder: Path) -> None:
    snapshot.create(folder, KEPT)

    kept = folder / KEPT
    assert sorted(path.name for path in kept.iterdir()) == ["data", "link", "meta"]
    assert (kept / "meta/meta.db").read_bytes() == b"meta"
    assert (kept / "link").readlink() == Path("meta/meta.db")
    assert (kept / "data/telegraf/raw/1").stat().st_mode == (folder / "data/telegraf/raw/1").stat().st_mode
    assert kept.stat().st_mode == folder.stat().st_mode


def test_what_is_written_in_place_is_copied_and_what_is_sealed_is_linked(folder: Path) -> None:
    snapshot.create(folder, KEPT)

    (folder / "meta/meta.db").write_bytes(b"changed")
    sealed = "data/telegraf/raw/1/000000001-000000001.tsm"
    assert (folder / KEPT / "meta/meta.db").read_bytes() == b"meta"
    assert (folder / KEPT / sealed).samefile(folder / sealed)
    assert not (folder / sealed).stat().st_mode & 0o222
    (folder / sealed).unlink()
    assert (folder / KEPT / sealed).read_bytes() == b"sealed" * 100
    assert snapshot.list_modified(folder, KEPT) == []


def test_a_sealed_file_that_somebody_wrote_to_is_found(folder: Path) -> None:
    snapshot.create(folder, KEPT)
    sealed = folder / "data/telegraf/raw/1/000000001-000000001.tsm"
    sealed.chmod(0o600)
    sealed.write_bytes(b"rubbish")

    assert snapshot.list_modified(folder, KEPT) == ["data/telegraf/raw/1/000000001-000000001.tsm"]


def test_sockets_and_pipes_are_let_be(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(folder / "meta/s"))
        snapshot.create(folder, KEPT)

    assert not (folder / KEPT / "pipe").exists()
    assert not (folder / KEPT / "meta/s").exists()


def test_what_it_takes_is_known_before(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert snapshot.measure(folder).linked == 600
    assert 10 <= snapshot.measure(folder).copied < 100
    assert snapshot.check_room(folder) == snapshot.measure(folder)

    monkeypatch.setattr(shutil, "disk_usage", lambda _: _Full())
    with pytest.raises(AresmonError, match="a copy needs 0 MiB, and 1 MiB are free"):
        snapshot.check_room(folder)


def test_a_file_that_goes_while_it_is_weighed_weighs_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, gone = snapshot.measure(folder), folder / "data/telegraf/raw/1/000000001-000000001.tsm"
    listed = Path.iterdir

    def compacting(path: Path) -> Iterator[Path]:
        found = list(listed(path))
        if path == gone.parent:
            gone.unlink()
        return iter(found)

    monkeypatch.setattr(Path, "iterdir", compacting)

    assert snapshot.measure(folder) == SnapshotSize(before.copied, 0)


def test_a_folder_that_loses_a_file_while_it_is_kept_is_not_taken_for_whole(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose(path: Path, copy: Path) -> None:
        raise FileNotFoundError(2, "No such file or directory", str(path))

    monkeypatch.setattr(os, "link", lose)

    with pytest.raises(AresmonError):
        snapshot.create(folder, KEPT)


class _Full:
    free = 1 << 20


def test_forgetting_it_leaves_the_folder_as_it_was(folder: Path) -> None:
    before = sorted(folder.iterdir())
    snapshot.create(folder, KEPT)

    snapshot.delete(folder, KEPT)
    snapshot.delete(folder, KEPT)

    assert sorted(folder.iterdir()) == before

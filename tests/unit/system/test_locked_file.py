"""Files that several processes change: each change is made to the content that the one before it wrote."""

from __future__ import annotations

import multiprocessing
import stat
from pathlib import Path

import pytest

from aresmon.system import locked_file
from aresmon.system.errors import AresmonError

ROUNDS = 40


def _count(content: bytes | None) -> bytes:
    return str(int(content or b"0") + 1).encode()


def _count_often(path: Path) -> None:
    for _ in range(ROUNDS):
        locked_file.update(path, _count)


def test_no_change_of_several_processes_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "number"
    spawn = multiprocessing.get_context("fork")
    processes = [spawn.Process(target=_count_often, args=(path,)) for _ in range(3)]
    for one in processes:
        one.start()
    for one in processes:
        one.join()

    assert [one.exitcode for one in processes] == [0, 0, 0]
    assert path.read_bytes() == str(3 * ROUNDS).encode()
    assert [one.name for one in tmp_path.iterdir()] == ["number"]


def test_an_update_tells_whether_it_changed_anything(tmp_path: Path) -> None:
    path = tmp_path / "list"

    assert locked_file.update(path, lambda _: b"one")
    assert not locked_file.update(path, lambda content: content)
    assert not locked_file.update(path, lambda _: None)
    assert path.read_bytes() == b"one"


def test_nothing_is_made_for_a_change_that_changes_nothing(tmp_path: Path) -> None:
    assert not locked_file.update(tmp_path / "folder" / "list", lambda _: None)
    assert list(tmp_path.iterdir()) == []

    assert locked_file.update(tmp_path / "folder" / "list", lambda _: b"one")
    assert (tmp_path / "folder" / "list").read_bytes() == b"one"


@pytest.mark.parametrize("mode", [0o600, 0o640])
def test_a_file_keeps_its_mode_unless_another_is_given(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "list"
    path.write_bytes(b"one")
    path.chmod(mode)

    assert locked_file.update(path, lambda _: b"two")
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert locked_file.swap(path, b"two", b"three", mode=0o644)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_an_error_of_the_change_leaves_the_file_and_lets_the_lock_go(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_bytes(b"one")

    def fail(_: bytes | None) -> bytes:
        raise AresmonError("not a list")

    with pytest.raises(AresmonError, match="not a list"):
        locked_file.update(path, fail)

    assert locked_file.swap(path, b"one", b"two")


def test_a_file_that_cannot_be_read_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "list").mkdir()

    with pytest.raises(AresmonError, match="list cannot be read"):
        locked_file.update(tmp_path / "list", lambda _: b"one")

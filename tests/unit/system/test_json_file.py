from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from aresmon.system.errors import AresmonError, ExitCode
from aresmon.system.json_file import JsonFile


def _parse(data: Any) -> dict[str, int]:
    return {str(name): int(value) for name, value in data["counts"].items()}


def _serialise(counts: Mapping[str, int]) -> Any:
    return {"counts": dict(counts)}


@pytest.fixture
def file(tmp_path: Path) -> JsonFile[dict[str, int]]:
    return JsonFile(
        tmp_path / "state" / "counts.json",
        _parse,
        _serialise,
        description="the counts of a test",
        hint="delete it",
        code=ExitCode.BROKEN,
    )


def _put(file: JsonFile[Any], content: bytes) -> None:
    file.path.parent.mkdir()
    file.path.write_bytes(content)


def test_what_was_written_is_read_again(file: JsonFile[dict[str, int]]) -> None:
    file.write({"lewi": 3})

    assert file.read() == {"lewi": 3}
    assert file.path.stat().st_mode & 0o777 == 0o600
    assert json.loads(file.path.read_bytes()) == {"counts": {"lewi": 3}}
    assert [one.name for one in file.path.parent.iterdir()] == ["counts.json"]


def test_a_compact_file_is_one_line(tmp_path: Path) -> None:
    file: JsonFile[Any] = JsonFile(tmp_path / "a.json", dict, dict, indent=None, mode=0o644)

    file.write({"a": [1, 2]})

    assert file.path.read_bytes() == b'{"a":[1,2]}\n'
    assert file.path.stat().st_mode & 0o777 == 0o644


def test_a_missing_file_is_no_error(file: JsonFile[dict[str, int]]) -> None:
    assert file.read() is None
    assert file.read_or({"biere": 1}) == {"biere": 1}
    file.delete()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "Expecting value"),
        (b'{"counts"', "Expecting ':'"),
        (b"\xff", "can't decode byte 0xff"),
        (b"{}", "'counts' is missing"),
        (b"[]", "list indices must be integers"),
        (b'{"counts": []}', "no attribute 'items'"),
        (b'{"counts": {"a": "b"}}', "invalid literal for int"),
    ],
)
def test_every_malformed_file_is_one_kind_of_error(file: JsonFile[dict[str, int]], content: bytes, why: str) -> None:
    _put(file, content)

    with pytest.raises(AresmonError) as caught:
        file.read()

    assert caught.value.message.startswith(f"{file.path}, the counts of a test, cannot be read: ")
    assert why in caught.value.message
    assert (caught.value.hint, caught.value.code) == ("delete it", ExitCode.BROKEN)
    assert file.read_or({}) == {}


def test_a_file_of_another_account_is_not_called_broken(
    file: JsonFile[dict[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", denied)

    with pytest.raises(AresmonError, match="permission denied") as caught:
        file.read()

    assert caught.value.code == ExitCode.REFUSED
    assert file.read_or({}) == {}


def test_a_folder_in_its_place_is_told(file: JsonFile[dict[str, int]]) -> None:
    file.path.mkdir(parents=True)

    with pytest.raises(AresmonError, match="cannot be read: Is a directory"):
        file.read()


def test_a_write_that_fails_leaves_the_former_content(
    file: JsonFile[dict[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write({"lewi": 3})
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))

    with pytest.raises(AresmonError, match="cannot be written: No space left"):
        file.write({"lewi": 4})

    assert file.read() == {"lewi": 3}


def test_another_place_is_named_in_the_error(file: JsonFile[dict[str, int]]) -> None:
    with pytest.raises(AresmonError, match=r"^/srv/ares there, the counts of a test, cannot be read"):
        file.decode(b"", "/srv/ares there")

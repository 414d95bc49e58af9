"""Where a command may write the file that it is asked for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from aresmon.cli.output_file import require_usable
from aresmon.system.errors import AresmonError

MARK = "Written by a test"


def refusal(path: Path) -> str:
    """Why a file is refused, with the advice; empty if it is not."""
    try:
        require_usable(path, formats=(".html", ".pdf"), mark=MARK, command="aresmon report")
    except AresmonError as error:
        return f"{error.message}; {error.hint}"
    return ""


@pytest.mark.parametrize("content", [b"", MARK.encode(), b"<html><!-- Written by a test -->" + b"x" * 5000,
                                     b"%PDF" + b"\0" * 5000 + b"%%EOF\n% Written by a test\n"])  # fmt: skip
def test_a_new_name_an_empty_file_and_a_former_result_are_written(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "old.html").write_bytes(content)

    assert refusal(tmp_path / "old.html") == ""
    assert refusal(tmp_path / "new.pdf") == ""


@pytest.mark.parametrize("content", [b"mine", b"x" * 5000 + MARK.encode() + b"x" * 5000])
def test_somebody_elses_file_is_not_replaced(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "october.html"
    file.write_bytes(content)

    assert refusal(file) == (
        f"{file} exists and was not written by `aresmon report`; name another file with --output, or delete this one"
    )


def test_neither_is_a_folder_or_a_pipe(tmp_path: Path) -> None:
    (tmp_path / "folder.html").mkdir()
    os.mkfifo(tmp_path / "pipe.html")

    assert "folder.html exists and was not written by" in refusal(tmp_path / "folder.html")
    assert "pipe.html exists and was not written by" in refusal(tmp_path / "pipe.html")


def test_a_folder_that_does_not_exist_is_named_and_not_created(tmp_path: Path) -> None:
    missing = tmp_path / "reports" / "2026"
    (tmp_path / "file").touch()

    assert f"{missing} does not exist; " in refusal(missing / "october.html")
    assert f"`mkdir -p {missing}`" in refusal(missing / "october.html")
    assert "file is not a folder" in refusal(tmp_path / "file" / "october.html")
    assert not (tmp_path / "reports").exists()


def test_another_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AresmonError, match=r"october\.txt: the name must end in \.html or \.pdf") as caught:
        require_usable(tmp_path / "october.txt", formats=(".html", ".pdf"), mark=MARK, command="aresmon report")

    assert caught.value.code == 2

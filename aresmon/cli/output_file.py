"""The file that `map` or `report` writes: its name, its folder, and what it may replace."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from aresmon.system.errors import AresmonError, ExitCode, any_of

_HEAD, _TAIL = 1024, 128  # bytes that may contain the mark


def require_usable(path: Path, *, formats: Sequence[str], mark: str, command: str) -> None:
    """Refuse a name with another ending, a folder that does not exist, and somebody else's file.

    `mark` is in each file that the command has written.
    """
    if path.suffix not in formats:
        raise AresmonError(f"--output {path}: the name must end in {any_of(formats)}", code=ExitCode.USAGE)
    require_folder(path)
    if path.exists() and not _is_replaceable(path, mark.encode()):
        raise AresmonError(
            f"{path} exists and was not written by `{command}`",
            hint="name another file with --output, or delete this one",
        )


def require_folder(path: Path) -> None:
    """Refuse a file in a folder that does not exist."""
    if not path.parent.is_dir():
        what = "is not a folder" if path.parent.exists() else "does not exist"
        raise AresmonError(
            f"{path} cannot be written: {path.parent} {what}",
            hint=f"name a file in another folder, or create this one: `mkdir -p {path.parent}`",
        )


def _is_replaceable(path: Path, mark: bytes) -> bool:
    """Whether nothing of anybody's is lost: the file has the mark, or is empty."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            head = file.read(_HEAD)
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
            return not head or mark in head or mark in file.read()
    except OSError:
        return False

"""The secrets of `backup.to`, which others gave: one file each, read by aresmon alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from aresmon import files
from aresmon.errors import AresmonError

FOLDER = "backup"
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_VALUE = re.compile(r"[!-~]{8,256}")


def put(secrets: Path, name: str, value: str) -> Path:
    """Keep a secret under this name, in the folder of the site's secrets; where it is now.

    Raises AresmonError for a name or a value that cannot be used; the value is not in it.
    """
    if not _NAME.fullmatch(name):
        raise AresmonError(f"{name!r} is no name for a secret", hint="lower-case letters, digits and hyphens")
    value = value.strip()
    if not _VALUE.fullmatch(value):
        raise AresmonError(
            f"{name}: what was given is no secret access key", hint="8 to 256 signs on one line; nothing was changed"
        )
    folder = secrets / FOLDER
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise files.cannot_write(folder, error) from error
    files.write(folder / name, value.encode(), mode=0o600)
    return folder / name


def read(secrets: Path, name: str) -> str:
    """One of them. Raises AresmonError where it is missing or cannot be used."""
    path = secrets / FOLDER / name
    again = f"`aresmon backup secret {name}` takes it in"
    try:
        value = path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        raise AresmonError(f"backup.to: no secret named {name} yet", hint=again) from None
    except (OSError, UnicodeDecodeError):
        raise AresmonError(f"{path} cannot be read", hint=again) from None
    if not _VALUE.fullmatch(value):
        raise AresmonError(f"{path} is no secret access key", hint=again)
    return value


def missing(secrets: Path, names: Iterable[str]) -> Iterator[str]:
    """Those that are not there yet."""
    return (name for name in names if not (secrets / FOLDER / name).is_file())

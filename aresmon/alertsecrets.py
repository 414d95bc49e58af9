"""The secrets of `alerts`: addresses and tokens that somebody else gave, one file each, read by Grafana alone."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from aresmon import credentials, files
from aresmon.errors import AresmonError

FOLDER = "alerts"
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
# Grafana expands a `$` in what it reads from a file.
_VALUE = re.compile(r"[!-#%-~]{1,2048}")


def put(secrets: Path, name: str, value: str, *, owner: int) -> Path:
    """Keep a secret under this name, in the folder of the site's secrets, for Grafana's user; where it is now.

    Raises AresmonError for a name or a value that cannot be used; the value is not in it.
    """
    if not _NAME.fullmatch(name):
        raise AresmonError(f"{name!r} is no name for a secret", hint="lower-case letters, digits and hyphens")
    value = value.strip()
    if not _VALUE.fullmatch(value):
        raise AresmonError(
            f"{name}: a secret is one line of 1 to 2048 letters, digits and signs, without spaces and dollars",
            hint="nothing was changed",
        )
    prepare(secrets, owner)
    path = secrets / FOLDER / name
    files.write(path, value.encode(), mode=0o600, owner=owner)
    return path


def prepare(secrets: Path, owner: int) -> None:
    """Make their folder, which Grafana's container has mounted, and give it and all in it to Grafana's user alone."""
    folder = secrets / FOLDER
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path, mode in ((folder, 0o700), *((one, 0o600) for one in sorted(folder.iterdir()))):
            status = path.stat()
            if status.st_mode & 0o777 != mode:
                path.chmod(mode)
            if status.st_uid != owner and os.getuid() == 0:
                os.chown(path, owner, owner)
    except OSError as error:
        raise files.cannot_write(folder, error) from error


def check(secrets: Path, names: Iterable[str]) -> None:
    """Raise AresmonError for those that are not there or cannot be used: with one missing Grafana would not start."""
    wanted = list(names)
    missing = [name for name in wanted if not (secrets / FOLDER / name).is_file()]
    if missing:
        raise AresmonError(
            f"alerts: no secret named {' and none named '.join(missing)} yet",
            hint="; ".join(f"`aresmon alerts secret {name}` takes it in" for name in missing) + "; nothing was changed",
        )
    for name in wanted:
        read(secrets, name)


def read(secrets: Path, name: str) -> str:
    """One of them. Raises AresmonError where it is missing or cannot be used."""
    path = secrets / FOLDER / name
    try:
        value = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        raise AresmonError(f"{path} cannot be read", hint=f"`aresmon alerts secret {name}` takes it in anew") from None
    if not _VALUE.fullmatch(value):
        raise AresmonError(
            f"{path}: a secret is one line without spaces and dollars",
            hint=f"`aresmon alerts secret {name}` takes it in anew",
        )
    return value


def fingerprints(secrets: Path, names: Iterable[str]) -> dict[str, str]:
    """A mark of each that changes with it and tells nothing of it, by `alerts/<name>`; of those that are there."""
    if not (secrets / credentials.SITE_KEY).exists():
        return {}

    def secret(name: str) -> str:
        if name.startswith(f"{FOLDER}/"):
            return read(secrets, name.removeprefix(f"{FOLDER}/"))
        return credentials.read(secrets, name)

    here = [f"{FOLDER}/{name}" for name in names if (secrets / FOLDER / name).is_file()]
    return {name: credentials.mark(secret, name) for name in here}

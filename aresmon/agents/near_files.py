"""What the repository of configurations has for a host that has no file of its own at the top of it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import PurePosixPath

_SUFFIX = ".conf"


def near(paths: Sequence[str], host: str, hosts: Collection[str]) -> list[str]:
    """The files that may be meant for this host: in a sub-folder, in another case, or with its domain or without it.

    `paths` are all files of the repository, `hosts` the names of all hosts: another host's file is that host's.
    """
    return list(_near(paths, host, {name.lower() for name in hosts if name != host}))


def is_top_level(paths: Sequence[str], host: str) -> bool:
    """Whether the repository has a `<host>.conf` at the top, whatever it is: a file, a folder or a submodule."""
    name = f"{host}{_SUFFIX}"
    return any(path == name or path.startswith(f"{name}/") for path in paths)


def _near(paths: Sequence[str], host: str, others: Collection[str]) -> Iterator[str]:
    wanted = host.lower()
    for path in paths:
        found = PurePosixPath(path.lower())
        if found.suffix != _SUFFIX:
            continue
        name, folders = found.stem, found.parts[:-1]
        if name == wanted or wanted in folders or (_short(name) == _short(wanted) and name not in others):
            yield path


def _short(name: str) -> str:
    """The name without its domain."""
    return name.partition(".")[0]

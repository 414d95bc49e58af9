"""Restore the site's own files and secrets from an archive in one swap; the previous ones are kept."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from aresmon.backup import archive, contents
from aresmon.backup.archive import Manifest
from aresmon.backup.verify import ArchiveSource
from aresmon.config.layout import FILE
from aresmon.influxdb import scratch
from aresmon.site.folder import Site
from aresmon.stack import folder_swap
from aresmon.stack.folder_swap import FolderSwap
from aresmon.system.errors import AresmonError
from aresmon.system.progress import Progress

_STATE = "site/.aresmon/"
_OF_SITE = (FILE, "overrides", "dashboards")


@dataclass(frozen=True, slots=True)
class Key:
    """How to decrypt the secrets: `passphrase` is called when it is needed; without `wanted` they are not restored."""

    wanted: bool
    passphrase: Callable[[], str]


def restore_files(site: Site, source: ArchiveSource, former: Path, key: Key, progress: Progress) -> list[FolderSwap]:
    """Replace the site's files with those of the archive; the present ones are moved to `former`. Return the swaps.

    The hash of every member of the archive is checked first. Raises WrongPassphraseError and DamagedError, with
    nothing changed.
    """
    folder = site.state / "incoming"
    scratch.remove_folder(folder)
    try:
        with progress.stage(f"reading {source.name} from {source.where}"), source.open() as stream:
            archive.unpack(stream, accept=_accept, place=lambda name: _place(folder, name))
        if key.wanted:
            with progress.stage("decrypting the secrets"):
                contents.decrypt_secrets(folder / contents.SECRETS, key.passphrase(), folder / "state")
        for name in ("root", "state"):
            (folder / name).mkdir(exist_ok=True)
        former.mkdir(mode=0o700, parents=True, exist_ok=True)
        # aresmon.yml first: as soon as it is there, `up` recognises the site and completes the rest.
        moves = [
            folder_swap.plan_swap(site.root, folder / "root", former / "root", _OF_SITE),
            folder_swap.plan_swap(site.state, folder / "state", former / "state", ()),
        ]
        folder_swap.begin(site, moves)
        folder_swap.finish(site)
    finally:
        if not folder_swap.pending(site):
            scratch.remove_folder(folder)
            with suppress(OSError):  # nothing was there before
                former.rmdir()
    return moves


def _accept(said: Manifest) -> None:
    if not any(member.name == f"site/{FILE}" for member in said.members):
        raise AresmonError(f"the archive has no {FILE}")


def _place(folder: Path, name: str) -> Path | None:
    if name == contents.SECRETS:
        return folder / name
    if name.startswith(_STATE):
        return folder / "state" / name.removeprefix(_STATE)
    if name.startswith("site/"):
        return folder / "root" / name.removeprefix("site/")
    return None

"""The site's own files and secrets, brought back from an archive by one exchange, with what was there kept aside."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from aresmon import exchange, gathering, packing, scratch
from aresmon.errors import AresmonError
from aresmon.exchange import Move
from aresmon.layout import FILE
from aresmon.manifest import Manifest
from aresmon.progress import Progress
from aresmon.site import Site
from aresmon.trial import Source

_STATE = "site/.aresmon/"
_OF_SITE = (FILE, "overrides", "dashboards")


@dataclass(frozen=True, slots=True)
class Key:
    """How the secrets are opened: `passphrase` is asked for when it is needed; without `wanted` they stay shut."""

    wanted: bool
    passphrase: Callable[[], str]


def bring(site: Site, source: Source, former: Path, key: Key, progress: Progress) -> list[Move]:
    """Put the archive's site files in place of those that are here, which go to `former`; the moves that did it.

    Every member of the archive is held against its hash first. Raises WrongPassphraseError and DamagedError, with
    nothing changed.
    """
    folder = site.state / "incoming"
    scratch.remove(folder)
    try:
        with progress.stage(f"reading {source.name} from {source.where}"), source.open() as stream:
            packing.unpack(stream, accept=_accept, place=lambda name: _place(folder, name))
        if key.wanted:
            with progress.stage("opening the secrets"):
                gathering.open_secrets(folder / gathering.SECRETS, key.passphrase(), folder / "state")
        for name in ("root", "state"):
            (folder / name).mkdir(exist_ok=True)
        former.mkdir(mode=0o700, parents=True, exist_ok=True)
        # The file first: as soon as it is there, `up` is about this site, and finishes what is left.
        moves = [
            exchange.move(site.root, folder / "root", former / "root", _OF_SITE),
            exchange.move(site.state, folder / "state", former / "state", ()),
        ]
        exchange.begin(site, moves)
        exchange.finish(site)
    finally:
        if not exchange.pending(site):
            scratch.remove(folder)
            with suppress(OSError):  # nothing was there before
                former.rmdir()
    return moves


def _accept(said: Manifest) -> None:
    if not any(member.name == f"site/{FILE}" for member in said.members):
        raise AresmonError(f"the archive has no {FILE}")


def _place(folder: Path, name: str) -> Path | None:
    if name == gathering.SECRETS:
        return folder / name
    if name.startswith(_STATE):
        return folder / "state" / name.removeprefix(_STATE)
    if name.startswith("site/"):
        return folder / "root" / name.removeprefix("site/")
    return None

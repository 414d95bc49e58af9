"""The journal of an upgrade: how far the upgrade of one service is, for whoever continues after an interruption."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from aresmon.config.layout import Layout
from aresmon.stack.image_versions import ServiceHistory
from aresmon.system.errors import AresmonError, ExitCode
from aresmon.system.json_file import JsonFile

Stage = Literal["copying", "trying", "opened", "returning", "proven"]
"""`copying`: the service is stopped and its folder copied. `trying`: the new image may have written, and the edge was
closed. `opened`: the edge is open, so that new data is in the new folder only. `returning`: the previous image and
folder are being restored. `proven`: the upgrade is verified, and the copy is no longer needed."""


@dataclass(frozen=True, slots=True)
class UpgradeJournal:
    """The upgrade of one service: from which image to which. `snapshot` is the name of the copy inside the data folder,
    empty for a service without one; `begun` is in seconds since 1970; `hosts` are those that sent data at the time;
    `archive` is the backup that was made before, if any; `failed` is why the upgrade is rolled back."""

    service: str
    former: ServiceHistory
    wanted: ServiceHistory
    begun: float
    stage: Stage = "copying"
    snapshot: str = ""
    hosts: tuple[str, ...] = ()
    archive: str = ""
    failed: str = ""
    was_opened: bool = False


def read(site: Layout) -> UpgradeJournal | None:
    """The upgrade that was interrupted, if any. Raises AresmonError for a journal that cannot be read."""
    return _file(site).read()


def interrupted(site: Layout) -> str:
    """Describe the interrupted upgrade; empty if there is none."""
    left = read(site)
    return f"an upgrade of {left.service} to {left.wanted.image} was interrupted" if left else ""


def check_none(site: Layout) -> None:
    """Raise AresmonError if an upgrade was interrupted: its roll-back would replace data that arrives from now on."""
    left = interrupted(site)
    if left:
        raise AresmonError(left, hint="`aresmon up` or `aresmon upgrade` completes it or rolls it back first")


def write(site: Layout, attempt: UpgradeJournal) -> None:
    """Record how far it is."""
    _file(site).write(attempt)


def forget(site: Layout) -> None:
    """Delete the journal: the upgrade has ended."""
    _file(site).delete()


def forget_deleted(site: Layout, folders: Mapping[str, Path]) -> None:
    """Delete the journal if the data folder of its service, one of these, was deleted."""
    left = read(site)
    if left is not None and not (left.service in folders and folders[left.service].exists()):
        forget(site)


def _file(site: Layout) -> JsonFile[UpgradeJournal]:
    return JsonFile(
        site.state / "upgrade.json",
        _parse,
        asdict,
        description="the journal of an interrupted upgrade",
        hint="look into the data folders' .aresmon-before-... before anything else",
        code=ExitCode.BROKEN,
    )


def _parse(data: Any) -> UpgradeJournal:
    services = {name: ServiceHistory(**data[name]) for name in ("former", "wanted")}
    return UpgradeJournal(**{**data, **services, "hosts": tuple(data["hosts"])})

"""A service's turn in an upgrade, as it is remembered while it lasts: whoever comes next knows how far it was."""

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
"""`copying`: the service is stopped and its folder copied. `trying`: the new image may have written, and no agent was
let in. `opened`: agents were, so that what arrives is in the new folder alone. `returning`: the former image and folder
are being brought back. `proven`: the copy is of no more use."""


@dataclass(frozen=True, slots=True)
class UpgradeJournal:
    """One service's turn: from which image to which. `snapshot` is the name of the copy inside the data folder, empty
    for a service without one; `begun` is in seconds since 1970; `hosts` are those that sent data at the time;
    `archive` is the backup that was made before, if one was; `failed` says why it is taken back."""

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
    """The turn that was interrupted, if there is one. Raises AresmonError for a journal that cannot be read."""
    return _file(site).read()


def interrupted(site: Layout) -> str:
    """What an interrupted upgrade was at, in words; empty where there is none."""
    left = read(site)
    return f"an upgrade of {left.service} to {left.wanted.image} was interrupted" if left else ""


def check_none(site: Layout) -> None:
    """Raise AresmonError where an upgrade was interrupted: its way back would put former data over what comes now."""
    left = interrupted(site)
    if left:
        raise AresmonError(left, hint="`aresmon up` or `aresmon upgrade` completes or undoes it first")


def write(site: Layout, attempt: UpgradeJournal) -> None:
    """Remember how far it is."""
    _file(site).write(attempt)


def forget(site: Layout) -> None:
    """The turn is over."""
    _file(site).delete()


def forget_deleted(site: Layout, folders: Mapping[str, Path]) -> None:
    """The turn is over where data was deleted, and none is left of its service in these folders."""
    left = read(site)
    if left is not None and not (left.service in folders and folders[left.service].exists()):
        forget(site)


def _file(site: Layout) -> JsonFile[UpgradeJournal]:
    return JsonFile(
        site.state / "upgrade.json",
        _parse,
        asdict,
        description="the journal of an interrupted upgrade",
        hint="look into the data folders' .aresmon-before-… before anything else",
        code=ExitCode.BROKEN,
    )


def _parse(data: Any) -> UpgradeJournal:
    services = {name: ServiceHistory(**data[name]) for name in ("former", "wanted")}
    return UpgradeJournal(**{**data, **services, "hosts": tuple(data["hosts"])})

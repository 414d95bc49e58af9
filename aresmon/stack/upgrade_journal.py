"""A service's turn in an upgrade, as it is remembered while it lasts: whoever comes next knows how far it was."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from aresmon.config.layout import Layout
from aresmon.stack.image_versions import ServiceHistory
from aresmon.system import files
from aresmon.system.errors import AresmonError, ExitCode, not_yours

_FILE = "upgrade.json"

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
    """The turn that was interrupted, if there is one."""
    path = site.state / _FILE
    try:
        told: dict[str, Any] = json.loads(path.read_bytes())
        told |= {name: ServiceHistory(**told[name]) for name in ("former", "wanted")}
        return UpgradeJournal(**(told | {"hosts": tuple(told["hosts"])}))
    except FileNotFoundError:
        return None
    except PermissionError:
        raise not_yours(path) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AresmonError(
            f"{path}, the journal of an interrupted upgrade, cannot be read: {error}",
            hint="look into the data folders' .aresmon-before-… before anything else",
            code=ExitCode.BROKEN,
        ) from None


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
    files.write(site.state / _FILE, json.dumps(asdict(attempt), indent=1).encode(), mode=0o600)


def forget(site: Layout) -> None:
    """The turn is over."""
    (site.state / _FILE).unlink(missing_ok=True)


def forget_deleted(site: Layout, folders: Mapping[str, Path]) -> None:
    """The turn is over where data was deleted, and none is left of its service in these folders."""
    left = read(site)
    if left is not None and not (left.service in folders and folders[left.service].exists()):
        forget(site)

"""People's own dashboards, kept as files for git in the site's `dashboards/` folder, and brought back from there.

`dashboards/<folder's uid>/<dashboard's uid>.json`, with `general` for those in no folder; `dashboards/folders.json`
has each folder's title and the folder above it. Names are uids, which stay when a title changes. What aresmon
provisions, in the folder `aresmon`, is in the bundle and never here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aresmon.grafana.client import Grafana
from aresmon.system import files
from aresmon.system.errors import AresmonError, SiteError

FOLDER = "dashboards"
PROVISIONED = "aresmon"
_GENERAL, _FOLDERS = "general", "folders.json"
_UID = re.compile(r"[A-Za-z0-9_-]{1,40}")


@dataclass(frozen=True, slots=True)
class DashboardFile:
    """A dashboard in a file. `folder` is the uid of its folder; empty for none."""

    path: Path
    folder: str
    dashboard: Mapping[str, Any]

    @property
    def uid(self) -> str:
        return str(self.dashboard["uid"])

    @property
    def version(self) -> int:
        return int(self.dashboard.get("version", 0))


@dataclass(frozen=True, slots=True)
class ExportResult:
    """What an export did: files that were written, and those whose dashboard Grafana no longer has."""

    written: tuple[Path, ...]
    unchanged: int
    gone: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class DashboardChange:
    """What an import does with one file; `version` is what Grafana has now, 0 for nothing."""

    kept: DashboardFile
    what: str
    version: int


def export(root: Path, grafana: Grafana, uids: Sequence[str] = (), *, prune: bool = False) -> ExportResult:
    """Write people's own dashboards, all or these, into the folder `root`; each file is whole or as it was.

    Raises AresmonError for a uid that is not one of people's own.
    """
    own = {str(hit["uid"]): hit for hit in grafana.search_dashboards() if not _is_provisioned(hit)}
    unknown = [uid for uid in uids if uid not in own]
    if unknown:
        raise AresmonError(
            f"no dashboard created by people has the uid {', '.join(unknown)}",
            hint="a dashboard's uid is in its address: /d/<uid>/...; without any, all are exported",
        )
    wanted: dict[Path, bytes] = {}
    known = _read_folders(root)
    folders = dict(known) if uids else {}
    for uid in uids or sorted(own):
        found = grafana.dashboard(uid)
        if found is None or found["meta"].get("provisioned"):
            continue
        folder = str(found["meta"].get("folderUid", ""))
        folders |= _folder_with_parents(grafana, folder)
        wanted[_path_of(root, folder, uid)] = _serialise(_without_id(found["dashboard"]))
    stale = [path for path in _list_paths(root) if path not in wanted and (not uids or path.stem in uids)]
    moved = {path for path in stale if any(path.stem == other.stem for other in wanted)}
    for path in stale:
        if not prune and path not in moved:  # an import makes its folder again, with its title
            folders = _known_with_parents(known, path.parent.name) | folders
    if folders or (root / _FOLDERS).exists():
        wanted[root / _FOLDERS] = _serialise(folders)
    written = [path for path, content in wanted.items() if _write(path, content)]
    for path in stale:
        if prune or path in moved:
            path.unlink()
    gone = tuple(path for path in stale if path not in moved)
    return ExportResult(tuple(written), len(wanted) - len(written), gone)


def read(root: Path) -> list[DashboardFile]:
    """The dashboards in the files. Raises SiteError with everything that is wrong with them."""
    kept, wrong = [], []
    for path in _list_paths(root):
        try:
            dashboard = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            wrong.append(f"{_display_path(root, path)}: {error}")
            continue
        problem = _problem(path, dashboard)
        if problem:
            wrong.append(f"{_display_path(root, path)}: {problem}")
        else:
            kept.append(DashboardFile(path, "" if path.parent.name == _GENERAL else path.parent.name, dashboard))
    if wrong:
        raise SiteError(wrong, hint="nothing was changed; fix the files, or run `aresmon dashboards export` again")
    return kept


def plan(root: Path, grafana: Grafana, *, overwrite: bool) -> list[DashboardChange]:
    """What an import has to do. Nothing is changed.

    Raises SiteError for dashboards that are newer in Grafana than in their file, unless `overwrite` is set, and for
    those that aresmon provisions.
    """
    changes, wrong = [], []
    for kept in read(root):
        found = grafana.dashboard(kept.uid)
        if found is None:
            changes.append(DashboardChange(kept, "add", 0))
            continue
        version = int(found["dashboard"].get("version", 0))
        if found["meta"].get("provisioned") or kept.folder == PROVISIONED:
            wrong.append(f"{_display_path(root, kept.path)}: is one that aresmon provisions; give it another uid")
        elif _is_same(found, kept):
            continue
        elif version > kept.version and not overwrite:
            by = found["meta"].get("updatedBy", "somebody")
            where = _display_path(root, kept.path)
            wrong.append(f"{where}: is newer in Grafana (version {version} by {by}, here {kept.version})")
        else:
            changes.append(DashboardChange(kept, "change", version))
    if wrong:
        hint = "nothing was changed; `dashboards export` keeps Grafana's version, `import --overwrite` that of the file"
        raise SiteError(wrong, hint=hint)
    return changes


def import_dashboards(root: Path, grafana: Grafana, changes: Sequence[DashboardChange]) -> Iterator[DashboardChange]:
    """Carry out such a plan, folders first. Each file is then what Grafana made of it, so that the next import of it
    has nothing to do."""
    folders = _read_folders(root)
    for change in changes:
        _create_folders(grafana, change.kept.folder, folders)
        dashboard = {**_without_id(change.kept.dashboard), "version": change.version}
        grafana.save_dashboard(
            dashboard, folder=change.kept.folder, message="aresmon dashboards import", overwrite=False
        )
        found = grafana.dashboard(change.kept.uid)
        if found is not None:
            _write(change.kept.path, _serialise(_without_id(found["dashboard"])))
        yield change


def _is_provisioned(hit: Mapping[str, Any]) -> bool:
    return PROVISIONED in (hit.get("folderUid"), str(hit.get("folderTitle", "")).lower())


def _is_same(found: Mapping[str, Any], kept: DashboardFile) -> bool:
    ignored = ("id", "version")
    ours = {key: value for key, value in kept.dashboard.items() if key not in ignored}
    theirs = {key: value for key, value in found["dashboard"].items() if key not in ignored}
    return ours == theirs and found["meta"].get("folderUid", "") == kept.folder


def _without_id(dashboard: Mapping[str, Any]) -> dict[str, Any]:
    """Without the number that another Grafana would have given to another dashboard."""
    return {key: value for key, value in dashboard.items() if key != "id"}


def _serialise(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def _path_of(root: Path, folder: str, uid: str) -> Path:
    for name in (folder or _GENERAL, uid):
        if not _UID.fullmatch(name):
            raise AresmonError(f"the uid {name!r} is none that a file can be named after", hint="save it under another")
    return root / (folder or _GENERAL) / f"{uid}.json"


def _list_paths(root: Path) -> list[Path]:
    return sorted(root.glob("*/*.json"))


def _display_path(root: Path, path: Path) -> str:
    return f"{root.name}/{path.relative_to(root)}"


def _problem(path: Path, dashboard: Any) -> str:
    if not isinstance(dashboard, dict) or not isinstance(dashboard.get("title"), str) or not dashboard["title"]:
        return "is no dashboard in the classic form: it has no title"
    if dashboard.get("uid") != path.stem:
        return f"its uid is {dashboard.get('uid')!r}, and the file is named after another"
    if not isinstance(dashboard.get("version", 0), int):
        return "its version is no number"
    return ""


def _write(path: Path, content: bytes) -> bool:
    if path.exists() and path.read_bytes() == content:
        return False
    files.write(path, content)
    return True


def _folder_with_parents(grafana: Grafana, uid: str) -> dict[str, dict[str, str]]:
    """A folder and those above it, as `folders.json` has them."""
    found = grafana.folder(uid) if uid else None
    if found is None:
        return {}
    line = [*found.get("parents", []), found]
    above = ["", *(str(one["uid"]) for one in line)]
    return {
        str(one["uid"]): {"title": str(one["title"]), "parent": parent}
        for one, parent in zip(line, above, strict=False)
    }


def _known_with_parents(known: Mapping[str, dict[str, str]], uid: str) -> dict[str, dict[str, str]]:
    """A folder and those above it, as `folders.json` had them."""
    found = dict[str, dict[str, str]]()
    while uid in known and uid not in found:
        found[uid] = known[uid]
        uid = known[uid].get("parent", "")
    return found


def _read_folders(root: Path) -> dict[str, dict[str, str]]:
    try:
        folders = json.loads((root / _FOLDERS).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise SiteError([f"{root.name}/{_FOLDERS}: {error}"], hint="nothing was changed") from None
    return {str(uid): dict(one) for uid, one in folders.items()}


def _create_folders(grafana: Grafana, uid: str, folders: Mapping[str, Mapping[str, str]]) -> None:
    """Make a folder that is missing, and those above it. One that `folders.json` does not know is named by its uid."""
    if not uid or grafana.folder(uid) is not None:
        return
    one = folders.get(uid, {})
    parent = str(one.get("parent", ""))
    if parent != uid:
        _create_folders(grafana, parent, folders)
    grafana.create_folder(uid, str(one.get("title", uid)), parent=parent)

"""The bundle on disk: the rendered files, their manifest of hashes, and the comparison with newly rendered files."""

from __future__ import annotations

import difflib
import hashlib
import itertools
import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from aresmon import __version__
from aresmon.config.layout import Layout
from aresmon.config.masks import mask_secrets
from aresmon.system import files as system_files
from aresmon.system.errors import AresmonError
from aresmon.system.json_file import JsonFile

MANIFEST = "manifest.json"
_RECORD = "bundle.json"  # in the site's state: the bundle itself has nothing in it that depends on the clock
FORMAT = 1
# A sync takes some milliseconds. For the thousands of files of a large site, one sync for all of them is enough,
# provided that it comes before the manifest.
_SYNCED_ONE_BY_ONE = 50


@dataclass(frozen=True, slots=True)
class Bundle:
    """A rendered folder. `files` is what is on disk, `hashes` what aresmon wrote there, by path; `version` is the
    aresmon that wrote it. `created` is when the folder was created, in seconds since 1970, and 0 where that is not
    known; `record` is the file outside the folder that keeps this time, None for a folder that no container mounts."""

    folder: Path
    files: Mapping[str, bytes] = field(repr=False)
    hashes: Mapping[str, str] = field(default_factory=dict)
    version: str = ""
    created: float = 0.0
    record: JsonFile[float] | None = None

    @property
    def exists(self) -> bool:
        return bool(self.hashes)


@dataclass(frozen=True, slots=True)
class BundleDifference:
    """What writing `wanted` would change in `found`. `edited` are files that were changed since aresmon wrote them."""

    changed: tuple[str, ...]
    removed: tuple[str, ...]
    edited: tuple[str, ...]
    found: Mapping[str, bytes] = field(repr=False)
    wanted: Mapping[str, bytes] = field(repr=False)

    def __bool__(self) -> bool:
        return bool(self.changed or self.removed)

    def text(self) -> str:
        """Return a unified diff without secrets. A JSON file for Grafana gets one line instead: its lines are whole
        panels and rules."""
        return "".join(line for path in (*self.changed, *self.removed) for line in _describe(self, path))


def read_site(site: Layout) -> Bundle:
    """The bundle of a site. Raises AresmonError as `read` does."""
    return read(site.bundle, record=site.state / _RECORD)


def version_of(folder: Path) -> str:
    """The aresmon that wrote the bundle in this folder; empty where there is none, or none that can be read."""
    try:
        return str(json.loads((folder / MANIFEST).read_bytes())["version"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def read(folder: Path, *, record: Path | None = None) -> Bundle:
    """The bundle in this folder, or an empty one. `record` is the file that keeps the time of the folder's creation.

    Raises AresmonError where a newer aresmon wrote it in a format that this one does not know.
    """
    file = None if record is None else JsonFile(record, lambda data: float(data["created"]), _created, mode=0o644)
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        form, hashes = int(manifest["format"]), {str(k): str(v) for k, v in manifest["files"].items()}
        # aresmon 0.4.0 and before kept the time in the manifest, as `made`.
        version, created = str(manifest["version"]), float(manifest.get("made", 0))
    except FileNotFoundError:
        return Bundle(folder, _on_disk(folder), record=file)
    except (ValueError, KeyError, TypeError, AttributeError):
        return Bundle(folder, _on_disk(folder), version="an unreadable manifest", record=file)
    except OSError as error:
        raise AresmonError(f"{folder / MANIFEST} cannot be read: {error.strerror}") from None
    if form > FORMAT:
        raise AresmonError(
            f"{folder} was written by aresmon {version}, which is newer than this one ({__version__})",
            hint="use that version, or delete the folder and run `aresmon up`: data and secrets are not in it",
        )
    created = created or (file.read_or(0.0) if file else 0.0)
    return Bundle(folder, _on_disk(folder), hashes, version, created, file)


def compare(bundle: Bundle, wanted: Mapping[str, bytes]) -> BundleDifference:
    """Return what writing `wanted` would change."""
    changed = tuple(path for path, content in wanted.items() if bundle.files.get(path) != content)
    removed = tuple(path for path in bundle.files if path not in wanted and path in bundle.hashes)
    edited = tuple(
        path
        for path, content in bundle.files.items()
        if path in bundle.hashes and sha256(content) != bundle.hashes[path] and wanted.get(path) != content
    )
    return BundleDifference(changed, removed, edited, bundle.files, wanted)


def write(bundle: Bundle, wanted: Mapping[str, bytes]) -> Path | None:
    """Write `wanted` to the folder, each file atomically, and delete files that are no longer wanted.

    Existing folders keep their inode, since running containers mount them. Edited files are copied first; the folder
    with the copies is returned, or None.
    """
    difference = compare(bundle, wanted)
    aside = _keep_aside(bundle, difference.edited)
    _write_files(bundle.folder, {path: wanted[path] for path in difference.changed})
    for path in difference.removed:
        (bundle.folder / path).unlink(missing_ok=True)
        _remove_empty(bundle.folder, (bundle.folder / path).parent)
    _let_containers_in(bundle.folder, wanted)
    _record(bundle)
    content, manifest = _manifest(wanted), bundle.folder / MANIFEST
    if not manifest.is_file() or manifest.read_bytes() != content:
        system_files.write(manifest, content)
    return aside


def update(folder: Path, wanted: Mapping[str, bytes]) -> None:
    """Write these files, and their hashes in the manifest, as a `write` of the whole bundle would.

    What somebody edited is left for `write`, which keeps it aside; so are files that the bundle does not have, and
    a folder without a manifest that can be read.
    """
    found = read_files(folder, wanted)
    changed = {path: content for path, content in wanted.items() if found.get(path, content) != content}
    if not changed:
        return
    _write_files(folder, changed)
    manifest = folder / MANIFEST
    system_files.write(manifest, update_manifest(manifest.read_bytes(), changed))


def read_files(folder: Path, paths: Iterable[str]) -> Mapping[str, bytes]:
    """The content of those of these files that are as aresmon wrote them."""
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        hashes = manifest["files"] if int(manifest["format"]) <= FORMAT else {}
        found = {path: (folder / path).read_bytes() for path in paths if path in hashes and (folder / path).is_file()}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return {path: content for path, content in found.items() if sha256(content) == hashes[path]}


def recorded_hash(files: Mapping[str, bytes], path: str) -> str:
    """The SHA-256 of a file as aresmon wrote it last, by the manifest among the files of a bundle; empty if it is not
    there."""
    try:
        return str(json.loads(files[MANIFEST])["files"][path])
    except (KeyError, ValueError, TypeError):
        return ""


def _write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    is_large = len(files) > _SYNCED_ONE_BY_ONE
    for path, content in files.items():
        system_files.write(folder / path, content, sync=not is_large)
    if is_large:
        os.sync()


def _manifest(wanted: Mapping[str, bytes]) -> bytes:
    hashes = {path: sha256(content) for path, content in sorted(wanted.items())}
    return (json.dumps({"format": FORMAT, "version": __version__, "files": hashes}, indent=1) + "\n").encode()


def _record(bundle: Bundle) -> None:
    """Keep when the folder was created. Before the manifest is written, which has the time in 0.4.0 and before."""
    created = bundle.created or time.time()
    if bundle.record is not None and bundle.record.read_or(0.0) != created:
        bundle.record.write(created)


def _created(created: float) -> dict[str, float]:
    return {"created": created}


def update_manifest(manifest: bytes, changed: Mapping[str, bytes]) -> bytes:
    """Return a manifest with the hashes of these files updated."""
    content = json.loads(manifest)
    content["files"] |= {path: sha256(one) for path, one in changed.items()}
    return (json.dumps(content, indent=1) + "\n").encode()


def sha256(content: bytes) -> str:
    """Return the SHA-256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def _on_disk(folder: Path) -> dict[str, bytes]:
    try:
        paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
    except OSError as error:
        raise AresmonError(f"{error.filename} cannot be read: {error.strerror}") from None


def _describe(difference: BundleDifference, path: str) -> Iterator[str]:
    before, after = difference.found.get(path), difference.wanted.get(path)
    if not path.endswith(".json"):
        yield from _diff(path, before, after)
    elif before is None:
        yield f"+++ {path}: new\n"
    elif after is None:
        yield f"--- {path}: removed\n"
    else:
        lines = [line[:1] for line in difflib.unified_diff(_lines(before), _lines(after))][2:]
        yield f"@@@ {path}: {lines.count('+')} lines instead of {lines.count('-')}\n"


def _diff(path: str, before: bytes | None, after: bytes | None) -> Iterator[str]:
    """A unified diff without secrets: a host's own file can contain some, and its variables in aresmon.yml."""
    old, new = (mask_secrets(_text(one)).splitlines(keepends=True) for one in (before, after))
    if old == new and before and after:
        yield f"@@@ {path}: only secrets differ, which are not shown\n"
        return
    yield from difflib.unified_diff(
        old, new, "/dev/null" if before is None else path, "/dev/null" if after is None else path
    )


def _lines(content: bytes | None) -> list[str]:
    return _text(content).splitlines(keepends=True)


def _text(content: bytes | None) -> str:
    return (content or b"").decode(errors="replace")


def _keep_aside(bundle: Bundle, edited: tuple[str, ...]) -> Path | None:
    if not edited:
        return None
    name = f"edited-{time.strftime('%Y%m%d-%H%M%S')}"
    names = itertools.chain([name], (f"{name}-{count}" for count in itertools.count(2)))
    aside = next(folder for one in names if not (folder := bundle.folder.parent / one).exists())
    for path in edited:
        system_files.write(aside / path, bundle.files[path])
    return aside


def _let_containers_in(folder: Path, wanted: Mapping[str, bytes]) -> None:
    """Make the folders readable to the containers under a strict umask. Nothing here is secret."""
    for inner in {parent for path in wanted for parent in Path(path).parents}:
        if (folder / inner).stat().st_mode & 0o777 != 0o755:
            (folder / inner).chmod(0o755)


def _remove_empty(top: Path, folder: Path) -> None:
    while folder != top and not any(folder.iterdir()):
        shutil.rmtree(folder)
        folder = folder.parent

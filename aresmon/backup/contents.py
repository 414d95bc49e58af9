"""Collect the contents of an archive from the running services, in staging folders."""

from __future__ import annotations

import hashlib
import io
import os
import secrets
import shutil
import sqlite3
import tarfile
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote

from aresmon.config.layout import BLOCKED_FILE
from aresmon.config.names import DATABASE
from aresmon.engine.docker import Engine
from aresmon.influxdb.scratch import create_folder
from aresmon.site import secrets as site_secrets
from aresmon.site.folder import Site
from aresmon.site.project import Project
from aresmon.stack.folder_swap import STAGING, site_staging_folder, staging_folder
from aresmon.system import files, process
from aresmon.system.errors import AresmonError

"""In InfluxDB's data folder: the one place that it can write to."""

SECRETS = "secrets.tar.age"
_DAY = 86400.0
_KEPT = ("history.jsonl", "provisioned", "grafana-users.json", "retention.json", BLOCKED_FILE, "releases")
_SECRET = ("secrets", "tls", "authority")
# Pictures and logs, and an index that Grafana makes again by itself and writes to all the time.
_OF_GRAFANA_NOT = ("png", "pdf", "csv", "log", "logs", "unified-search")


def collect_influxdb(project: Project, engine: Engine, *, user: int) -> dict[str, Path]:
    """Collect the points of the database with InfluxDB's own online backup; members by name.

    Raises AresmonError if InfluxDB is not running, or with the output of the failed backup.
    """
    container = engine.containers(project.config.site).get("influxdb")
    if container is None or container.state != "running":
        raise AresmonError("InfluxDB is not running, and a backup needs it to run", hint="`aresmon up`")
    # A new name each time: if aresmon is killed, the program continues in the container, and must not write here.
    folder = staging_folder(project) / secrets.token_hex(4)
    create_folder(folder.parent, user)
    create_folder(folder, user)
    command = ["influxd", "backup", "-portable", "-db", DATABASE, f"/var/lib/influxdb/{STAGING}/{folder.name}"]
    done = engine.execute(container.id, command, given="", within=_DAY)
    if done.code != 0:
        raise process.ProcessError(done, hint="nothing was changed; `aresmon logs influxdb` may say more")
    return {f"influxdb/{path.name}": path for path in sorted(folder.iterdir())}


def collect_grafana(project: Project) -> dict[str, Path]:
    """Collect a copy of Grafana's database and its other files; nothing if Grafana has never run."""
    folder = project.site.root / project.config.grafana.data
    live = folder / "grafana.db"
    if not live.is_file():
        return {}
    copy = site_staging_folder(project.site) / "grafana.db"
    create_folder(copy.parent, os.getuid())
    try:
        with (
            closing(sqlite3.connect(f"file:{quote(str(live))}?mode=ro", uri=True, timeout=30)) as database,
            closing(sqlite3.connect(copy)) as taken,
        ):
            database.backup(taken)
    except sqlite3.Error as error:
        raise AresmonError(f"{live} cannot be copied: {error}", hint="`aresmon logs grafana` may show why") from None
    found = {"grafana/grafana.db": copy}
    for path in (path for path in _files(folder) if _is_grafanas(path, folder)):
        inner = path.relative_to(folder)
        with suppress(FileNotFoundError):  # Grafana has just removed it
            found[f"grafana/{inner}"] = _copied(path, site_staging_folder(project.site) / "grafana" / inner)
    return found


def collect_site(site: Site) -> dict[str, Path]:
    """Collect the site's own files, and those of aresmon's files that it could not generate again."""
    found = [site.file, *_files(site.overrides), *_files(site.root / "dashboards")]
    for name in _KEPT:
        found.extend([site.state / name] if (site.state / name).is_file() else _files(site.state / name))
    inner = [path.relative_to(site.root) for path in found]
    return {f"site/{path}": _copied(site.root / path, site_staging_folder(site) / "site" / path) for path in inner}


def _copied(path: Path, copy: Path) -> Path:
    """A copy with the same executable bit: the file may change or be deleted before it is packed."""
    create_folder(copy.parent, os.getuid())
    shutil.copy(path, copy)
    return copy


def collect_secrets(site: Site) -> dict[str, Path]:
    """Collect the secrets in one file, encrypted with the passphrase."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in _SECRET:
            for path in _files(site.state / name):
                content = path.read_bytes()
                entry = tarfile.TarInfo(str(path.relative_to(site.state)))
                entry.size, entry.mode, entry.uid = len(content), 0o600, path.stat().st_uid
                tar.addfile(entry, io.BytesIO(content))
    path = site_staging_folder(site) / SECRETS
    encrypted = encrypt(packed.getvalue(), site_secrets.read(site.secrets, site_secrets.BACKUP))
    files.write(path, encrypted, mode=0o600)
    return {SECRETS: path}


def decrypt_secrets(encrypted: Path, passphrase: str, folder: Path) -> None:
    """Decrypt the secrets of such a file into a folder, readable only by their owners.

    Raises WrongPassphraseError if the passphrase is wrong.
    """
    content = decrypt(encrypted.read_bytes(), passphrase)
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        for entry in tar:
            inner = tar.extractfile(entry)
            if inner is None or entry.name.split("/")[0] not in _SECRET or ".." in entry.name.split("/"):
                continue
            owner, path = entry.uid if os.getuid() == 0 else None, folder / entry.name
            create_folder(path.parent, os.getuid())
            files.write(path, inner.read(), mode=0o600, owner=owner)


def shard_states(project: Project) -> dict[int, str]:
    """A hash of the state of each shard's files, by the shard's number: if it has not changed, nor have the points.

    InfluxDB writes every point to a file at once, and every deletion creates a file.
    """
    states: dict[int, str] = {}
    for kind in ("data", "wal"):
        for folder in sorted((project.site.root / project.config.data / kind / DATABASE).glob("*/*")):
            if folder.name.isdigit():
                states[int(folder.name)] = f"{states.get(int(folder.name), '')}{kind}{_state(folder)}"
    return states


def folder_size(folder: Path) -> int:
    """The size in bytes of the files in a folder."""
    return sum(_size(path) for path in _files(folder))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # InfluxDB compacts meanwhile
        return 0


def _state(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in _files(folder):
        try:
            details = path.stat()
        except FileNotFoundError:
            return os.urandom(16).hex()
        digest.update(f"{path}\0{details.st_size}\0{details.st_mtime_ns}\0{details.st_ino}\n".encode())
    return digest.hexdigest()[:32]


def _files(folder: Path) -> Iterator[Path]:
    """The regular files in a folder, sorted; none if the folder does not exist."""
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink())


def _is_grafanas(path: Path, folder: Path) -> bool:
    inner = path.relative_to(folder)
    first = inner.parts[0]
    return first not in _OF_GRAFANA_NOT and not first.startswith((".aresmon-", "grafana.db"))


class WrongPassphraseError(AresmonError):
    """The data cannot be decrypted with this passphrase."""

    def __init__(self) -> None:
        super().__init__(
            "the archive's secrets cannot be decrypted with this passphrase",
            hint="use the passphrase that `aresmon backup passphrase` showed when the archive was created; without it, "
            "everything else can be restored with --without-secrets",
        )


def encrypt(content: bytes, passphrase: str) -> bytes:
    """Encrypt with a passphrase."""
    import pyrage

    return bytes(pyrage.passphrase.encrypt(content, passphrase))


def decrypt(content: bytes, passphrase: str) -> bytes:
    """Decrypt. Raises WrongPassphraseError if the passphrase is wrong or the data was changed."""
    import pyrage

    try:
        return bytes(pyrage.passphrase.decrypt(content, passphrase))
    except pyrage.DecryptError:
        raise WrongPassphraseError from None

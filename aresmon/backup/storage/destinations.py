"""The stores of a site, as `backup.to` names them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from aresmon.backup.storage.base import KnownFolders, Store
from aresmon.backup.storage.folder import FolderStore
from aresmon.backup.storage.s3 import S3Store
from aresmon.backup.storage.sftp import SftpStore
from aresmon.config.backup import Destination
from aresmon.site import external_secrets
from aresmon.site.folder import Site
from aresmon.site.project import Project


def stores(project: Project) -> list[Store]:
    """A store for each destination. None is opened before it is used."""
    memory = KnownFolders(project.site.state / "backup-folders")
    return [_store(project.site, project.config.site, one, memory) for one in project.config.backup.to]


def find_warnings(project: Project) -> Iterator[tuple[str, str]]:
    """Yield warnings about the destinations, each with the next step."""
    local = [_folder(project.site, one) for one in project.config.backup.to if one.folder and not one.ssh]
    if len(local) == len(project.config.backup.to) and all(
        _is_on_disk_of(project.site.root / project.config.data, path) for path in local
    ):
        yield (
            "all backups are on the same disk as the data: if it fails, both are lost",
            "add a destination elsewhere to `backup.to`: a mounted disk, `ssh` or `s3`",
        )
    for name in external_secrets.missing_backup_secrets(project.site.secrets, project.config.backup.secrets):
        yield f"backup.to: the secret {name} is not set", f"`aresmon backup secret {name}` sets it"


def list_written_folders(project: Project) -> list[str]:
    """The folders of this machine that a backup writes to, in addition to the site's own."""
    places = [_folder(project.site, one) for one in project.config.backup.to if one.folder and not one.ssh]
    return [
        str(path)
        for path in (project.site.root / project.config.data, project.site.root / project.config.grafana.data, *places)
    ]


def _store(site: Site, name: str, to: Destination, memory: KnownFolders) -> Store:
    if to.bucket is not None:
        bucket = to.bucket
        return S3Store(name, bucket, lambda: external_secrets.read_backup_secret(site.secrets, bucket.secret))
    if to.ssh:
        return SftpStore(name, to.ssh, to.folder, memory)
    path = _folder(site, to)
    return FolderStore(name, path, memory, within=path.is_relative_to(site.root))


def _folder(site: Site, to: Destination) -> Path:
    return Path(os.path.normpath(site.root / to.folder))


def _is_on_disk_of(data: Path, folder: Path) -> bool:
    """Whether both are on one file system, as far as they exist."""
    return _device(data) == _device(folder)


def _device(path: Path) -> int | None:
    for one in (path, *path.parents):
        try:
            return one.stat().st_dev
        except OSError:
            continue
    return None

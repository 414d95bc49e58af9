"""Places for backups, each empty: a folder, a folder behind a real sshd, a bucket of a real S3-compatible server.

The fixtures are every test's, by conftest.py.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from aresmon.backup.storage import destinations
from aresmon.backup.storage.base import MARK, Store
from aresmon.backup.storage.s3 import S3Store
from aresmon.backup.storage.sftp import SftpStore
from aresmon.site import external_secrets
from aresmon.site.folder import Site
from aresmon.site.project import Project
from tests.fleet.gateway import Gateway, gateway
from tests.fleet.operators import Operator
from tests.fleet.servers import Server

KINDS = ("folder", "sftp", "s3")
NAME = "ares-20260102T030405Z.tar"
LATER = "ares-20260103T030405Z.tar"
FOLDER = str(Path("/home", "ares", "backups"))  # which ssh finds as `backups`

Open = Callable[[str], Store]
Unfinished = Callable[[Store], list[str]]


@pytest.fixture(scope="module")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("s3")) as made:
        yield made


@pytest.fixture
def backup_site(tmp_path: Path) -> Site:
    made = Site(tmp_path / "site")
    made.root.mkdir()
    made.create_state_folder()
    return made


@pytest.fixture
def open_store(
    backup_site: Site, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Open:
    """The store of a kind, as aresmon.yml names it, and an empty place for it. Only SFTP takes a server."""

    def opened(kind: str) -> Store:
        if kind == "folder":
            (tmp_path / "backups").mkdir()
            return at(backup_site, {"folder": str(tmp_path / "backups")})
        if kind == "sftp":
            operator: Operator = request.getfixturevalue("operator")
            for name, value in operator.env().items():
                monkeypatch.setenv(name, value)
            server: Server = request.getfixturevalue("lewi")
            server.run(f"install -d -o ares -g ares -m 700 {FOLDER}")
            return at(backup_site, {"ssh": "lewi", "folder": "backups"})
        made: Gateway = request.getfixturevalue("s3_server")
        return at(backup_site, s3(backup_site, made))

    return opened


@pytest.fixture
def unfinished(request: pytest.FixtureRequest) -> Unfinished:
    """What stands in a place beside its archives and its mark."""

    def found(of: Store) -> list[str]:
        if isinstance(of, S3Store):
            uploads = of._client.list_multipart_uploads(Bucket=of.bucket.name)
            return [str(one["Key"]) for one in uploads.get("Uploads", [])]
        if isinstance(of, SftpStore):
            server: Server = request.getfixturevalue("lewi")
            there = server.run(f"ls -A {FOLDER}").split()
        else:
            there = [path.name for path in Path(of.where).iterdir()]
        return sorted({*there} - {MARK, NAME, LATER})

    return found


def at(site: Site, *to: dict[str, Any]) -> Store:
    """The first of a site's stores."""
    site.file.write_text(yaml.safe_dump({"site": "ares", "hosts": {"lewi": None}, "backup": {"to": list(to)}}))
    return destinations.stores(Project(site, Project.load(site).config))[0]


def s3(site: Site, server: Gateway, **changes: str) -> dict[str, Any]:
    external_secrets.write_backup_secret(site.secrets, "s3", server.secret)
    place = {"endpoint": server.endpoint, "bucket": server.bucket(), "prefix": "mon/x", "access_key": server.access_key}
    return {"s3": {**place, **changes}}


def names(of: Store) -> list[str]:
    return [one.name for one in of.list()]


def aresmon(site: Site, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "aresmon", "--site", str(site.root), *arguments]
    return subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=120)

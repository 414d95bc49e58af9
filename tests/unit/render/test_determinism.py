"""The same site renders the same bytes: at any time, for any account, on any machine with the same engine."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from aresmon.config import model
from aresmon.site import secrets
from aresmon.site.folder import Site, service_user_ids
from aresmon.system import process
from tests.unit.conftest import ARES, SHIPPED

# Another clock for everything that asks `time`.
_DRIVER = """
import runpy, sys, time
offset, now = float(sys.argv.pop(1)), time.time
time.time = lambda: now() + offset
runpy.run_module("aresmon", run_name="__main__")
"""
_YEAR = 365 * 86400.0


def _site(root: Path, kept: Path, owner: int, days_old: int) -> None:
    """Ares with its secrets, at a place where nothing is; every file of this owner and age."""
    root.mkdir()
    shutil.copy(ARES, root / "aresmon.yml")
    (root / "overrides/hosts").mkdir(parents=True)
    (root / "overrides/hosts/lewi.conf").write_text("[[inputs.nstat]]\n")
    shutil.copytree(kept, root / ".aresmon/secrets")
    for path in (root, *root.rglob("*")):
        os.utime(path, (1_700_000_000 - days_old * 86400,) * 2)
        if os.getuid() == 0:
            os.chown(path, owner, owner)


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """The secrets that both machines have."""
    site = Site(tmp_path / "first")
    site.root.mkdir()
    site.create_state_folder()
    config = model.load(ARES.read_text(encoding="utf-8"), SHIPPED)
    secrets.ensure(site.secrets, secrets.owners(config, service_user_ids()))
    return site.secrets


def _rendered(root: Path, environment: Mapping[str, str], offset: float, *arguments: str) -> dict[str, bytes]:
    command = [sys.executable, "-c", _DRIVER, str(offset), "-C", str(root), "render", *arguments]
    process.run(command, env=environment, timeout=120)
    folder = Path(arguments[-1]) if arguments else root / ".aresmon/bundle"
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def machines(tmp_path: Path) -> list[dict[str, str]]:
    return [
        {
            "HOME": str(tmp_path / f"home-{name}"),
            "TZ": zone,
            "PYTHONHASHSEED": seed,
            "LC_ALL": language,
            "USER": name,
            "DOCKER_HOST": f"unix://{tmp_path}/no-engine",
        }
        for name, zone, seed, language in [("ann", "UTC", "1", "C"), ("bob", "Asia/Tokyo", "2", "C.UTF-8")]
    ]


@pytest.mark.parametrize("output", [False, True], ids=["the bundle", "--output"])
def test_two_machines_render_the_same_bytes(
    tmp_path: Path, kept: Path, machines: list[dict[str, str]], output: bool
) -> None:
    root, found = tmp_path / "site", []
    arguments = ("--output", str(tmp_path / "output")) if output else ()
    for number, environment in enumerate(machines):
        _site(root, kept, 1000 + number, days_old=number * 100)
        found.append(_rendered(root, environment, number * 3 * _YEAR, *arguments))
        shutil.rmtree(root)
        shutil.rmtree(tmp_path / "output", ignore_errors=True)

    one, other = found
    assert one.keys() == other.keys()
    assert {"manifest.json", ".env", "agents/lewi/telegraf.conf"} <= one.keys()
    assert [path for path in one if one[path] != other[path]] == []


def test_a_bundle_that_0_4_0_wrote_is_no_difference(tmp_path: Path, kept: Path, machines: list[dict[str, str]]) -> None:
    root = tmp_path / "site"
    _site(root, kept, 0, days_old=0)
    first = _rendered(root, machines[0], 0.0)
    manifest = root / ".aresmon/bundle/manifest.json"
    manifest.write_bytes(first["manifest.json"].replace(b'"files"', b'"made": 1700000000.25,\n "files"'))

    assert _rendered(root, machines[1], _YEAR) == first

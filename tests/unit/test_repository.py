"""The repository itself: what a wheel ships, and what no file may name."""

from __future__ import annotations

import json
import re
import sys
import zipfile
from pathlib import Path

import pytest

from aresmon.system.process import run
from tests.unit.conftest import REPOSITORY

PREFIXES = {
    "compose": "aresmon/_shipped/compose",
    "telegraf": "aresmon/_shipped/telegraf",
    "grafana": "aresmon/_shipped/grafana",
}


def git_files(*folders: str) -> set[str]:
    """The files of the repository, in a dirty checkout too: tracked, or new and not ignored."""
    listed = run(["git", "ls-files", "-co", "--exclude-standard", "--", *folders], cwd=REPOSITORY).out.splitlines()
    return {name for name in listed if (REPOSITORY / name).is_file()}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built without a network and unpacked."""
    folder = tmp_path_factory.mktemp("wheel")
    run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder], cwd=REPOSITORY)
    (built,) = folder.glob("*.whl")
    zipfile.ZipFile(built).extractall(folder / "unpacked")
    return folder / "unpacked"


def test_the_wheel_ships_every_file_of_the_repository_that_belongs_to_it_and_no_other(wheel: Path) -> None:
    wanted = set()
    for name in git_files("aresmon", *PREFIXES):
        top, _, rest = name.partition("/")
        wanted.add(f"{PREFIXES.get(top, top)}/{rest}")

    shipped = {path.relative_to(wheel).as_posix() for path in wheel.rglob("*") if path.is_file()}
    shipped = {name for name in shipped if ".dist-info/" not in name}

    assert shipped == wanted
    assert {"aresmon/config/schema.yml", "aresmon/py.typed", "aresmon/_shipped/compose/images.yml"} <= shipped
    assert {"aresmon/_shipped/telegraf/agent.conf"} <= shipped
    assert any(name.startswith("aresmon/_shipped/grafana/provisioning/") for name in shipped)


def test_an_installed_aresmon_finds_what_it_ships(wheel: Path) -> None:
    program = """\
import json
from aresmon.config import collectors, package_data
from aresmon.engine import images
files = package_data.package_files()
print(json.dumps([str(package_data.ROOT), sorted(collectors.load()), sorted(files), sorted(images.pins())]))
package_data.site_schema()
"""

    done = run([sys.executable, "-c", program], env={"PYTHONPATH": str(wheel)}, cwd=wheel.parent)
    root, collectors, files, services = json.loads(done.out)

    assert root == str(wheel / "aresmon" / "_shipped")
    assert "system" in collectors
    assert "compose/compose.yml" in files
    assert services == ["edge", "grafana", "influxdb", "telegraf"]


def test_the_wheel_has_its_command_and_its_licence(wheel: Path) -> None:
    (info,) = wheel.glob("*.dist-info")

    assert "aresmon = aresmon.__main__:main" in (info / "entry_points.txt").read_text()
    assert (info / "licenses" / "LICENSE").is_file()


# Spelt so that this file does not find itself.
FORBIDDEN = {
    "a path of somebody's machine": re.compile(r"(?<![\w.$}-])/(?:work|home|Users)/\w+|/root/(?!\.)\w+"),
    "a registry": re.compile(
        r"\b(?:registry-1\.|index\.|hub\.)?docker" + r"\.io/|\b(?:gh|q)cr" + r"\.io\b|\bquay" + r"\.io\b"
    ),
    "a package index": re.compile(r"--(?:extra-)?index" + r"-url[ =]\S|\bpypi" + r"\.org\b"),
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_of_the_repository_names(what: str) -> None:
    found = []
    for name in sorted(git_files()):
        try:
            lines = (REPOSITORY / name).read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue
        found += [
            f"{name}:{number}: {line.strip()[:80]}"
            for number, line in enumerate(lines, 1)
            if FORBIDDEN[what].search(line)
        ]

    assert found == []


def test_every_pinned_package_has_a_hash() -> None:
    for name in ("requirements.txt", "requirements-dev.txt"):
        entries = (REPOSITORY / name).read_text().replace("\\\n", " ").splitlines()
        pins = [line for line in entries if line.strip() and not line.startswith("#")]

        assert len(pins) > 10
        assert [line.split()[0] for line in pins if "--hash=sha256:" not in line] == []


@pytest.mark.parametrize("name", ["map.svg", "map.png", "map.dot", "report-2026-10.html", "aresmon.yml"])
def test_what_commands_write_in_a_checkout_is_not_for_git(name: str) -> None:
    done = run(["git", "check-ignore", "--no-index", name], cwd=REPOSITORY, check=False)

    assert done.code == 0

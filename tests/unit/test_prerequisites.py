"""What a fresh machine gets of `scripts/prerequisites`, and what `make` says of a Python that is too old."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from aresmon.system import process
from tests.unit.conftest import REPOSITORY

_TOOLS = ("bash", "env", "grep", "sed", "seq", "sleep", "head", "mktemp", "mkdir", "cut", "cat", "cp", "rm", "touch")
# The programs that each package has: in a root of Debian 13, and as the releases' lists of files say.
DEBIAN_12 = {"docker.io": "20.10.24 dockerd docker", "docker-compose": "1.29.2-3", "mmdebstrap": "1.3.5 mmdebstrap"}
DEBIAN_13 = {
    "docker.io": "26.1.5+dfsg1-9+b1 dockerd",
    "docker-cli": "26.1.5+dfsg1-9+b1 docker",
    "docker-compose": "2.26.1-4 compose",
    "mmdebstrap": "1.5.7-1 mmdebstrap",
}
UBUNTU = {
    "docker.io": "28.2.2-0ubuntu1 dockerd docker",
    "docker-compose": "1.29.2-6ubuntu1",
    "docker-compose-v2": "2.40.3+ds1-0ubuntu1 compose",
    "mmdebstrap": "1.4.3 mmdebstrap",
}
DOCKER_S_OWN = {"docker.io": "28.2.2 dockerd docker", "docker-compose-plugin": "5.0.0-1~debian.13~trixie compose"}
_FAKES = {
    # Knows the lists only once they were read, as a fresh machine does.
    "apt-cache": """[ "$1" = policy ] || exit 9
[ -e lists ] && [ -e "packages/$2" ] || exit 0
read -r version _ <"packages/$2"
printf '%s:\\n  Installed: (none)\\n  Candidate: %s\\n' "$2" "$version"
""",
    "apt-get": """case " $* " in
  " update -qq ") touch lists ;;
  " install -y -qq --no-install-recommends "*)
    for name in "${@:5}"; do
      read -r _ programs <"packages/$name" || exit 100
      echo "$name" >>installed
      for program in $programs; do cp "shelf/$program" "bin/$program"; done
    done ;;
  *) exit 9 ;;
esac
""",
    "dpkg-deb": "exit 9\n",
    "id": "echo 0\n",
}
_SHELF = {
    "dockerd": "exit 9\n",
    "docker": """case "$1" in
  version) ;;
  compose) [ -e bin/compose ] && echo 2.26.1 ;;
  *) exit 9 ;;
esac
""",
    "compose": "exit 9\n",
    "mmdebstrap": "exit 9\n",
}


@dataclass
class Machine:
    """A folder with programs and packages, and nothing else in reach."""

    folder: Path

    def has(self, *programs: str) -> None:
        for name in programs:
            shutil.copy(self.folder / "shelf" / name, self.folder / "bin" / name)

    def installed(self) -> list[str]:
        """What `scripts/prerequisites` installs, in order."""
        script = REPOSITORY / "scripts" / "prerequisites"
        done = process.run(["bash", script], cwd=self.folder, env={"PATH": str(self.folder / "bin")}, check=False)
        assert done.code == 0, done
        list_of = self.folder / "installed"
        return list_of.read_text().split() if list_of.exists() else []


def machine(folder: Path, packages: dict[str, str]) -> Machine:
    """A fresh machine of a release with these packages."""
    made = Machine(folder)
    for place, files in (("bin", _FAKES), ("shelf", _SHELF), ("packages", packages)):
        (folder / place).mkdir()
        for name, content in files.items():
            file = folder / place / name
            file.write_text(f"{content}\n" if place == "packages" else f"#!{shutil.which('bash')}\n{content}")
            file.chmod(0o755)
    for name in _TOOLS:
        real = shutil.which(name)
        assert real
        (folder / "bin" / name).symlink_to(real)
    return made


@pytest.mark.parametrize(
    ("packages", "wanted"),
    [
        pytest.param(DEBIAN_13, ["docker.io", "docker-cli", "docker-compose", "mmdebstrap"], id="Debian 13"),
        pytest.param(UBUNTU, ["docker.io", "docker-compose-v2", "mmdebstrap"], id="Ubuntu"),
        pytest.param(DEBIAN_12 | DOCKER_S_OWN, ["docker.io", "docker-compose-plugin", "mmdebstrap"], id="Docker's own"),
    ],
)
def test_a_fresh_machine_gets_the_engine_its_program_and_compose(
    tmp_path: Path, packages: dict[str, str], wanted: list[str]
) -> None:
    fresh = machine(tmp_path, packages)

    assert fresh.installed() == wanted
    assert fresh.installed() == wanted  # and nothing a second time


def test_an_engine_without_its_program_gets_it_though_the_lists_were_never_read(tmp_path: Path) -> None:
    half = machine(tmp_path, DEBIAN_13)
    half.has("dockerd", "compose", "mmdebstrap")

    assert half.installed() == ["docker-cli"]


def test_a_compose_of_the_first_generation_is_not_installed(tmp_path: Path) -> None:
    """Debian 12: there is no package to install, so the next release's is taken apart."""
    old = machine(tmp_path, DEBIAN_12)
    script = (REPOSITORY / "scripts" / "prerequisites").read_text()
    taken = script.replace("install_compose_from_next_release\n", "cp shelf/compose bin/compose\n")
    assert taken != script
    (tmp_path / "script").write_text(taken)

    done = process.run(["bash", "script"], cwd=tmp_path, env={"PATH": str(tmp_path / "bin")})

    assert "out of the next Debian release" in done.err
    assert (tmp_path / "installed").read_text().split() == ["docker.io", "mmdebstrap"]
    assert old.installed() == ["docker.io", "mmdebstrap"]


@pytest.mark.parametrize(("version", "is_enough"), [("3, 10, 12", False), ("3, 11, 0", True), ("4, 0, 0", True)])
def test_make_asks_for_a_python_that_is_new_enough_before_it_makes_anything(
    tmp_path: Path, version: str, is_enough: bool
) -> None:
    python = tmp_path / "other-python"
    says = f'exec {sys.executable} -c "import sys; sys.version_info = ({version}); $2"'
    python.write_text(f'#!/bin/sh\n[ "$1" = -c ] && {says}\n[ "$1" = -m ] && echo made\n')
    python.chmod(0o755)
    makefile = REPOSITORY / "Makefile"

    done = process.run(
        ["make", "-f", makefile, f"PYTHON={python}", "VENV=here", "here/bin/pip"], cwd=tmp_path, check=False
    )

    assert (done.code == 0, "made" in done.out) == (is_enough, is_enough), done
    assert ("Python 3.11 or newer" in done.err and "PYTHON=python3.12 make up" in done.err) != is_enough


def test_make_up_compiles_the_bytecode_of_what_it_starts(tmp_path: Path) -> None:
    shutil.copytree(
        REPOSITORY / "aresmon" / "system", tmp_path / "aresmon" / "system", ignore=lambda *_: ["__pycache__"]
    )
    folder = tmp_path / "here"
    (folder / "bin").mkdir(parents=True)
    for name, content in (("python", f'exec {sys.executable} "$@"'), ("pip", ""), ("aresmon", "exit 0")):
        (folder / "bin" / name).write_text(f"#!/bin/sh\n{content}\n")
        (folder / "bin" / name).chmod(0o755)
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "prerequisites").write_text("#!/bin/sh\n")
    (tmp_path / "scripts" / "prerequisites").chmod(0o755)
    (folder / "run").touch()

    makefile = REPOSITORY / "Makefile"
    process.run(["make", "-f", makefile, "VENV=here", "-o", "here/run", "up"], cwd=tmp_path)

    compiled = {path.name.partition(".")[0] for path in (tmp_path / "aresmon").rglob("*.pyc")}
    assert "process" in compiled


@pytest.mark.parametrize("code", [0, 4, 5])
def test_make_status_is_quiet_for_a_person_and_fails_for_a_script(tmp_path: Path, code: int) -> None:
    program = tmp_path / "here" / "bin" / "aresmon"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\nexit {code}\n")
    program.chmod(0o755)
    argv = ["make", "-f", str(REPOSITORY / "Makefile"), "VENV=here", "-o", "here/run", "status"]
    ours, terminal = pty.openpty()

    shown = subprocess.run(argv, cwd=tmp_path, stdout=terminal, stderr=subprocess.PIPE, text=True, check=False)
    script = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False)

    os.close(terminal)
    os.close(ours)
    assert (shown.returncode == 0, script.returncode == 0) == (code in (0, 5), code == 0)
    assert ("Error" in shown.stderr, "Error" in script.stderr) == (code == 4, code != 0)

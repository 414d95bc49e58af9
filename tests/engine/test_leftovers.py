"""How the tests themselves end: what a worker that crashed left on this machine is removed, and nobody else's."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from pathlib import Path

from aresmon.config import package_data
from aresmon.engine.images import pins
from tests.engine.sites import client
from tests.fleet.containers import docker
from tests.harness.names import RUN_VARIABLE

_CRASH = """
import os
import subprocess

from tests.harness import names


def test_crash():
    name = names.fresh()
    subprocess.run(["docker", "network", "create", name], check=True)
    subprocess.run(
        ["docker", "run", "--detach", "--name", name, "--network", name, "--entrypoint", "sleep", {image!r}, "600"],
        check=True,
    )
    folder = names.folder()
    (folder / "file").touch()
    subprocess.Popen(["sleep", "601.{mark}"], start_new_session=True)
    os._exit(1)
"""


def test_what_a_crashed_worker_left_is_removed_and_told(tmp_path: Path) -> None:
    run, mark = secrets.token_hex(2), secrets.randbelow(10**6)
    (tmp_path / "test_crash.py").write_text(_CRASH.format(image=pins()["edge"].build, mark=mark))
    options = ["-n", "1", "-p", "tests.harness.leftovers", "-p", "no:cacheprovider", "-c", os.devnull]
    argv = [sys.executable, "-m", "pytest", *options, "--rootdir", str(tmp_path), str(tmp_path)]
    other = client().containers.create(pins()["edge"].build, name=f"aresmon-test-{run}0-gw0-other")
    try:
        done = subprocess.run(
            argv, cwd=package_data.ROOT, env=os.environ | {RUN_VARIABLE: run}, capture_output=True, text=True
        )
        left = docker("ps", "--all", "--format", "{{.Names}}", "--filter", f"name=aresmon-test-{run}").out.split()
    finally:
        other.remove(force=True)

    assert done.returncode != 0
    told = done.stdout.partition("left behind, and removed now")[2]
    for kind in ("container", "network", "folder"):
        assert f"{kind} " in told, done.stdout
    assert f"sleep 601.{mark}" in told
    assert left == [other.name]
    assert not list(Path("/tmp").glob(f"aresmon-test-{run}-*"))
    assert docker("network", "ls", "--quiet", "--filter", f"name=aresmon-test-{run}-").out == ""

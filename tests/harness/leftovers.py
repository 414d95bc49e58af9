"""What a worker left on this machine is removed when it has ended, and told: one that crashed cleaned nothing up.

Containers and networks are known by their names, network interfaces and folders too, processes by their environment.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import docker
import docker.errors
import pytest
import requests.exceptions

from tests.harness.names import REAL, RUN_VARIABLE, WORKER_VARIABLE, bridges, prefix, run

_REAL = tuple(f"tests/{folder}/" for folder in REAL)
_left: list[str] = []
_real: set[str] = set()
"""The workers that ran a test with a real engine, or may have."""


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.nodeid.startswith(_REAL):
        node = getattr(report, "node", None)
        _real.add(str(node.gateway.id) if node else "")


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    worker = str(node.gateway.id)
    if error:
        _real.add(worker)
    if worker in _real:
        _left.extend(remove(worker))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _left:
        terminalreporter.section("left behind, and removed now")
        terminalreporter.write_line("\n".join(_left))


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """Remove what the run left: by now no worker is there any more."""
    if _real and WORKER_VARIABLE not in os.environ:
        for one in remove(""):
            sys.stderr.write(f"left behind, and removed now: {one}\n")


def remove(worker: str) -> list[str]:
    """Remove what this worker left, or with an empty name the whole of this run; what it was."""
    found = list(_processes(worker))
    with suppress(docker.errors.DockerException, requests.exceptions.RequestException):
        found += _of_the_engine(prefix(worker))
    return [*found, *_interfaces(bridges(worker)), *_folders(prefix(worker))]


def _of_the_engine(mark: str) -> Iterator[str]:
    client = docker.from_env()
    for container in client.containers.list(all=True, filters={"name": mark}, ignore_removed=True):
        with suppress(docker.errors.NotFound):
            container.remove(force=True, v=True)
        yield f"container {container.name}"
    for network in client.networks.list(names=[mark]):
        try:
            network.remove()
            yield f"network {network.name}"
        except docker.errors.APIError as error:
            yield f"network {network.name}, which stays: {error.explanation}"


def _processes(worker: str) -> Iterator[str]:
    """End what was started with the environment of this worker, or of any of this run."""
    marks = {f"{RUN_VARIABLE}={run}", *([f"{WORKER_VARIABLE}={worker}"] if worker else [])}
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if int(path.name) != os.getpid() and marks <= set((path / "environ").read_text("latin-1").split("\0")):
                told = (path / "cmdline").read_text("latin-1").replace("\0", " ").strip()
                os.kill(int(path.name), signal.SIGKILL)
                yield f"process {path.name}: {told[:100]}"


def _interfaces(mark: str) -> Iterator[str]:
    for path in Path("/sys/class/net").glob(f"{mark}*"):
        _run("ip", "link", "delete", path.name)
        yield f"network interface {path.name}"


def _folders(mark: str) -> Iterator[str]:
    for folder in Path(tempfile.gettempdir()).glob(f"{mark}*"):
        for line in reversed(Path("/proc/mounts").read_text(encoding="utf-8").splitlines()):
            if Path(line.split()[1]).is_relative_to(folder):
                _run("umount", "--lazy", line.split()[1])
        shutil.rmtree(folder, ignore_errors=True)
        yield f"folder {folder}"


def _run(*argv: str) -> None:
    subprocess.run(argv, check=False)

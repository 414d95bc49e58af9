"""A second Docker engine on this machine, that may be killed and restarted without harm to anybody else's containers.

It has its own containerd, folders and socket, and leaves the firewall alone: published ports go through its proxy.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import docker

from aresmon.system import process
from tests.engine.sites import eventually
from tests.harness import names
from tests.harness.locks import network_prefix

_OPTIONS = ("--iptables=false", "--ip-forward=false", "--ip-masq=false", "--log-level=warn")


@dataclass
class SecondEngine:
    """An engine, and the folder with all that is its own."""

    folder: Path
    bridge: str
    program: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def address(self) -> str:
        return f"unix://{self.folder}/docker.sock"

    def start(self) -> None:
        """Start it, as a machine does that boots, and wait until it answers."""
        (self.folder / "docker.pid").unlink(missing_ok=True)
        with (self.folder / "log").open("ab") as log:
            own = (f"--{name}={self.folder}/{where}" for name, where in (("data-root", "data"), ("exec-root", "run")))
            ways = (f"--pidfile={self.folder}/docker.pid", f"--host={self.address}", f"--bridge={self.bridge}")
            argv = ["dockerd", *own, *ways, *_OPTIONS]
            self.program = subprocess.Popen(argv, stdout=log, stderr=log, start_new_session=True)
        assert eventually(self._answers), (self.folder / "log").read_text()

    def stop(self) -> None:
        """End it as an operator does: it ends its containers first."""
        if self.program is not None:
            self.program.terminate()
            self.program.wait(60)
            self.program = None

    def cut_power(self) -> None:
        """End everything at once: the engine, what runs its containers, and what runs in them."""
        assert self.program is not None
        inside = [int(one.attrs["State"]["Pid"]) for one in docker.DockerClient(self.address).containers.list()]
        # The engine first: it would start anew what it sees end.
        for pid in [self.program.pid, *self._helpers(), *(pid for one in inside for pid in (*_children(one), one))]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.program.wait(60)
        self.program = None
        # No mount outlives a machine, and what is in /run does not either.
        self.unmount()
        shutil.rmtree(self.folder / "run")

    def unmount(self) -> None:
        """Take away what is mounted in its folder."""
        for line in reversed(Path("/proc/mounts").read_text(encoding="utf-8").splitlines()):
            if line.split()[1].startswith(f"{self.folder}/"):
                process.run(["umount", "--lazy", line.split()[1]], check=False)

    def _helpers(self) -> list[int]:
        """Its containerd, and the shims of its containers: they name its folder in their command lines."""
        mark, found = os.fsencode(self.folder / "run"), []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                line = path.read_bytes()
                if line.split(b"\0")[0].rpartition(b"/")[2].startswith(b"containerd") and mark in line:
                    found.append(int(path.parent.name))
        return found

    def _answers(self) -> bool:
        with suppress(docker.errors.DockerException):
            return bool(docker.DockerClient(self.address).ping())
        return False


@contextmanager
def second_engine(*images: str) -> Iterator[SecondEngine]:
    """One that has these images; gone afterwards, with all that it ran."""
    made = SecondEngine(names.folder(), f"{names.bridges(names.this_worker())}{secrets.token_hex(1)}")
    with network_prefix() as prefix:
        try:
            _make_bridge(made.bridge, prefix)
            made.start()
            archive = made.folder / "images.tar"
            process.run(["docker", "save", "--output", archive, *images], timeout=300)
            process.run(["docker", "--host", made.address, "load", "--input", archive], timeout=300)
            archive.unlink()
            yield made
        finally:
            _remove(made)


def _remove(made: SecondEngine) -> None:
    with suppress(docker.errors.DockerException):
        for one in docker.DockerClient(made.address).containers.list(all=True):
            one.remove(force=True)
        docker.DockerClient(made.address).networks.prune()
    made.stop()
    made.unmount()
    process.run(["ip", "link", "delete", made.bridge], check=False)
    shutil.rmtree(made.folder, ignore_errors=True)


def _make_bridge(name: str, prefix: str) -> None:
    """A bridge of its own. An engine that is told to have none takes away docker0, which is another's."""
    process.run(["ip", "link", "add", name, "type", "bridge"])
    process.run(["ip", "address", "add", f"{prefix}.1/24", "dev", name])
    process.run(["ip", "link", "set", name, "up"])


def _children(pid: int) -> list[int]:
    with suppress(OSError):
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []

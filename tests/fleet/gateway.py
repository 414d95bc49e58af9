"""A real S3-compatible server: Versity's gateway, over a folder. Compiled once, kept in aresmon's cache."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from aresmon.engine import build
from aresmon.engine.build import Module
from tests.engine.sites import ADDRESS, free_address
from tests.harness.locks import lock

_MODULE = Module("github.com/versity/versitygw", "v1.8.0", "h1:au+wI+aybno/STsQiSm35Uu6Q6iK5MWReQxgO6SEMFc=")


@dataclass(frozen=True)
class Gateway:
    """Where it answers, its access key, and the folder whose folders are its buckets."""

    port: int
    folder: Path
    access_key: str
    secret: str

    @property
    def endpoint(self) -> str:
        return f"http://{ADDRESS}:{self.port}"

    def bucket(self) -> str:
        """A new bucket."""
        name = f"bucket-{secrets.token_hex(4)}"
        (self.folder / name).mkdir()
        return name


def program() -> Path:
    """The gateway; two minutes on two cores where it has to be compiled."""
    target = build.cache_folder() / f"versitygw-{_MODULE.version}"
    with lock("gateway"):
        return build._go_install(_MODULE, "cmd/versitygw", target, environment={"CGO_ENABLED": "0"})


@contextmanager
def gateway(folder: Path) -> Iterator[Gateway]:
    """One that runs while the context lasts. The folder's file system must know extended attributes."""
    port = int(free_address().rpartition(":")[2])
    made = Gateway(port, folder, "ARESTESTKEY", secrets.token_hex(16))
    env = {**os.environ, "ROOT_ACCESS_KEY": made.access_key, "ROOT_SECRET_KEY": made.secret}
    argv = [str(program()), "--port", f"{ADDRESS}:{port}", "--quiet", "posix", str(folder)]
    log = folder.with_name(f"{folder.name}.log")
    with log.open("wb") as out, subprocess.Popen(argv, env=env, stdout=out, stderr=out) as process:
        try:
            _wait(port, process, log)
            yield made
        finally:
            process.kill()


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection((ADDRESS, port), timeout=1).close()
        except OSError:
            assert process.poll() is None, log.read_text(encoding="utf-8")
            assert time.monotonic() < deadline, log.read_text(encoding="utf-8")
            time.sleep(0.05)
        else:
            return

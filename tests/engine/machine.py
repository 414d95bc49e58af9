"""What this machine says of itself, by its own files and tools; and things to watch on it."""

from __future__ import annotations

import csv
import http.server
import io
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from docker.errors import NotFound
from docker.models.containers import Container

from aresmon.engine.images import pins
from aresmon.system import process
from tests.engine.door import knock
from tests.engine.sites import ADDRESS, client, eventually, free_address
from tests.harness import names

_UP = 0x1  # IFF_UP


def memory(name: str) -> int:
    """A line of /proc/meminfo, in bytes."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) << 10
    raise KeyError(name)


def uptime() -> float:
    """Seconds since the machine started."""
    return float(Path("/proc/uptime").read_text().split()[0])


def interfaces() -> set[str]:
    """The network interfaces that are up, without those that Docker makes for containers."""
    return {
        path.name
        for path in Path("/sys/class/net").iterdir()
        if int((path / "flags").read_text(), 16) & _UP and not path.name.startswith(("veth", "br-", "lo"))
    }


@contextmanager
def mounted_disk() -> Iterator[Path]:
    """A small disk with a filesystem; where it is mounted, which other users see too."""
    with tempfile.TemporaryDirectory(prefix=names.prefix(names.this_worker())) as name:
        image, path = Path(name) / "disk", Path(name) / "mounted"
        path.parent.chmod(0o755)
        image.write_bytes(b"\0" * (16 << 20))
        path.mkdir()
        process.run(["mkfs.ext4", "-q", image])
        process.run(["mount", "-o", "loop", image, path])
        try:
            yield path
        finally:
            process.run(["umount", path])


@contextmanager
def niced_work() -> Iterator[None]:
    """Work of the lowest priority, on one processor."""
    argv = ["nice", "-n", "19", sys.executable, "-c", "while True: pass"]
    with subprocess.Popen(argv) as working:
        try:
            yield
        finally:
            working.kill()


@contextmanager
def containers() -> Iterator[dict[str, str]]:
    """Three containers: one that ended with 3, one that runs, one whose health check fails; by what they do."""
    image, mark = pins()["telegraf"].build, names.fresh()
    check = {"test": ["CMD", "false"], "interval": 1_000_000_000, "retries": 1, "timeout": 1_000_000_000}
    started: list[Container] = []
    run = client().containers.run
    try:
        for name, command, healthcheck in (
            ("ended", ["bash", "-c", "exit 3"], None),
            ("running", ["sleep", "3600"], None),
            ("ailing", ["sleep", "3600"], check),
        ):
            started.append(
                run(
                    image,
                    command,
                    entrypoint="",
                    detach=True,
                    init=True,
                    name=f"{mark}-{name}",
                    healthcheck=healthcheck,
                    network_mode="none",
                )
            )
        yield {str(one.name).rpartition("-")[2]: str(one.name) for one in started}
    finally:
        for one in started:
            one.remove(force=True)


def remove(name: str) -> None:
    """Remove the container of this name, if there is one."""
    with suppress(NotFound):
        client().containers.get(name).remove(force=True)


def replace(name: str) -> None:
    """Run a new container in place of the one of this name, as a person does who deploys."""
    remove(name)
    client().containers.run(
        pins()["telegraf"].build, ["sleep", "3600"], entrypoint="", detach=True, name=name, network_mode="none"
    )


@contextmanager
def restarting(after: float = 0) -> Iterator[str]:
    """A container that ends with an error so many seconds after its start, and is started again and again; its
    name."""
    name = f"{names.fresh()}-again"
    started = client().containers.run(
        pins()["telegraf"].build,
        ["bash", "-c", f"sleep {after}; exit 1"],
        entrypoint="",
        detach=True,
        name=name,
        restart_policy={"Name": "always"},
        network_mode="none",
    )
    try:
        yield name
    finally:
        started.remove(force=True)


@dataclass(frozen=True)
class Proxy:
    """A HAProxy on this machine, with one server that lives and one that does not."""

    statistics: str
    address: str

    def rows(self) -> dict[tuple[str, str], dict[str, str]]:
        """What it says of itself: its rows by proxy and server."""
        address, _, path = self.statistics.removeprefix("http://").partition("/")
        text = knock(address, "GET", f"/{path};csv", body=b"").body.removeprefix("# ")
        return {(row["pxname"], row["svname"]): row for row in csv.DictReader(io.StringIO(text))}

    def visit(self) -> None:
        """One request of a visitor."""
        assert knock(self.address, "GET", "/", body=b"").status == 200


@contextmanager
def haproxy() -> Iterator[Proxy]:
    """A real HAProxy before a real web server."""
    address, statistics, nobody = free_address(), free_address(), free_address()
    with tempfile.TemporaryDirectory(prefix=names.prefix(names.this_worker())) as name, web_server() as server:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "haproxy.cfg").write_text(
            "defaults\n  mode http\n  timeout connect 1s\n  timeout client 5s\n  timeout server 5s\n"
            f"frontend statistics\n  bind {statistics}\n  stats enable\n  stats uri /stats\n"
            f"frontend shop\n  bind {address}\n  default_backend carts\n"
            f"backend carts\n  server alive {server} check inter 500ms\n  server dead {nobody} check inter 500ms\n"
        )
        container = client().containers.run(
            pins()["edge"].build,
            ["-db", "-f", "/etc/shop/haproxy.cfg"],
            entrypoint=["haproxy"],
            detach=True,
            name=names.fresh(),
            network_mode="host",
            volumes={name: {"bind": "/etc/shop", "mode": "ro"}},
        )
        try:
            proxy = Proxy(f"http://{statistics}/stats", address)
            assert eventually(lambda: _is_checked(proxy), within=30), container.logs().decode()
            yield proxy
        finally:
            container.remove(force=True)


@contextmanager
def web_server() -> Iterator[str]:
    """A web server on this machine; its address."""
    folder = tempfile.mkdtemp(prefix=names.prefix(names.this_worker()))

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=folder)  # type: ignore[arg-type]

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 (the base class's name)
            pass

    server = http.server.ThreadingHTTPServer((ADDRESS, 0), Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"{ADDRESS}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        Path(folder).rmdir()


def filesystem(path: str) -> tuple[int, int]:
    """Bytes in all and bytes used, as df counts them."""
    told = os.statvfs(path)
    return told.f_blocks * told.f_frsize, (told.f_blocks - told.f_bfree) * told.f_frsize


def _is_checked(proxy: Proxy) -> bool:
    try:
        rows = proxy.rows()
    except OSError:
        return False
    return (rows["carts", "alive"]["status"], rows["carts", "dead"]["status"]) == ("UP", "DOWN")

"""A stack whose files are in memory, for tests of what pushes do with one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from aresmon.influxdb.client import InfluxDB
from aresmon.stack.access import Stack
from tests.unit.points import Points


@dataclass
class MemoryStack(Stack):
    """The stack in `/srv/ares`; `read_secret` gives its secrets. Whoever writes to it finds it in `files`."""

    read_secret: Callable[[str], str]
    root: str = "/srv/ares"
    owner: str = "-"
    is_local: bool = True
    runs_as_root: bool = False
    bundle: Mapping[str, bytes] = field(default_factory=dict)
    influxdb: InfluxDB = field(default_factory=Points)
    files: dict[str, bytes] = field(default_factory=dict)

    def describe(self, path: str) -> str:
        return f"{self.root}/.aresmon/{path}"

    def secret(self, name: str) -> str:
        return self.read_secret(name)

    async def read_file(self, path: str) -> bytes | None:
        return self.files.get(path)

    async def read_certificates(self, path: str) -> bytes:
        return self.files.get(path, b"")

    async def swap_file(self, path: str, expected: bytes | None, content: bytes, *, mode: int | None = None) -> bool:
        if self.files.get(path) != expected:
            return False
        self.files[path] = content
        return True

    async def delete_file(self, path: str) -> None:
        self.files.pop(path, None)

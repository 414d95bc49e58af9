"""The interface through which pushes and enrolments use the site's stack, on this machine or over ssh."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from functools import partial
from typing import Protocol

from aresmon.config.layout import BLOCKED_FILE
from aresmon.influxdb import users
from aresmon.influxdb.client import InfluxDB
from aresmon.site import ca, tls_migration
from aresmon.system.errors import AresmonError
from aresmon.system.locked_file import Change

_TRIES = 10
_TELEGRAF = "1510:1510"  # the user of Telegraf's image, where root runs the site


class Stack(Protocol):
    """The site's stack, wherever it runs. Paths are relative to the site's `.aresmon` folder there.

    `root` is the site's folder, `owner` the owner of its files as `user:group` or `-` for whoever writes them,
    `bundle` the files of the bundle that pushes need, by path. Methods that change a file raise AresmonError, with
    nothing changed, if it cannot be read or written.
    """

    root: str
    owner: str
    is_local: bool
    bundle: Mapping[str, bytes]
    influxdb: InfluxDB

    @property
    @abstractmethod
    def runs_as_root(self) -> bool:
        """Whether root runs the site."""

    @abstractmethod
    def describe(self, path: str) -> str:
        """A path as errors show it."""

    @abstractmethod
    def secret(self, name: str) -> str:
        """A secret. Raises AresmonError where there is none of that name."""

    @abstractmethod
    async def read_file(self, path: str) -> bytes | None:
        """The content of a file; None where there is none."""

    @abstractmethod
    async def read_certificates(self, path: str) -> bytes:
        """The certificates of a PEM file, never its private key; nothing where there is no such file."""

    @abstractmethod
    async def swap_file(self, path: str, expected: bytes | None, content: bytes, *, mode: int | None = None) -> bool:
        """Write a file if its content is still `expected` (None: there is no file); whether it was.

        An existing file keeps its owner, and its mode unless `mode` is given.
        """

    @abstractmethod
    async def delete_file(self, path: str) -> None:
        """Delete a file, if it is there."""

    @property
    def agent_owner(self) -> str:
        """Who reads the secret of the server's own agent, as `user:group`, or `-` for whoever writes it."""
        return _TELEGRAF if self.runs_as_root else self.owner

    async def update_file(self, path: str, change: Change, *, mode: int | None = None) -> None:
        """Change a file that others may be changing too: read it, compute, and write it if it is still the same.

        Raises AresmonError if it has changed each time.
        """
        for _ in range(_TRIES):
            before = await self.read_file(path)
            after = change(before)
            if after is None or after == before or await self.swap_file(path, before, after, mode=mode):
                return
        raise AresmonError(
            f"{self.describe(path)} was changed by another process {_TRIES} times in a row",
            hint="run the same command again",
        )

    async def write_secret(self, name: str, value: str) -> None:
        """Write a secret, readable by its owner alone."""
        await self.update_file(f"secrets/{name}", lambda _: value.encode(), mode=0o600)

    async def delete_secret(self, name: str) -> None:
        """Delete a secret, if there is one of that name."""
        await self.delete_file(f"secrets/{name}")

    async def blocked_hosts(self) -> Mapping[str, str]:
        """The hosts that may not write, and since when (ISO 8601, UTC)."""
        return users.parse_blocked_hosts(await self.read_file(BLOCKED_FILE), self.describe(BLOCKED_FILE))

    async def remove_block(self, host: str) -> None:
        """Remove a host from the list of blocked hosts."""
        await self.update_file(BLOCKED_FILE, partial(users.without_block, host, self.describe(BLOCKED_FILE)))

    async def record_tls(self, host: str, trusted: bytes) -> None:
        """Record that a host's data arrives by TLS; `trusted` are the certificates (PEM) that it was given."""
        next_authority = await self.read_certificates(f"authority/{ca.NEXT}")
        for name, change in tls_migration.list_changes(host, trusted, next_authority).items():
            await self.update_file(f"authority/{name}", change)

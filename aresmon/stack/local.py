"""The site's stack on this machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from aresmon.influxdb import users
from aresmon.influxdb.client import InfluxDB
from aresmon.site import bundle as site_bundle
from aresmon.site import ca, external_secrets
from aresmon.site.folder import Site
from aresmon.stack.access import Stack
from aresmon.system import files as system_files
from aresmon.system import locked_file


@dataclass(frozen=True, slots=True)
class LocalStack(Stack):
    """The site's stack on this machine, in the site's own folder."""

    site: Site
    root: str
    bundle: Mapping[str, bytes] = field(repr=False)
    influxdb: InfluxDB
    owner: str = "-"
    is_local: bool = True

    @classmethod
    def open(cls, site: Site) -> LocalStack:
        """Read what a push needs. Raises AresmonError where InfluxDB's secret or the bundle cannot be read."""
        files = {**site_bundle.read(site.bundle).files, **_manifest(site)}
        return cls(site, str(site.root), files, users.admin_client(site))

    @property
    def runs_as_root(self) -> bool:
        return os.getuid() == 0

    def describe(self, path: str) -> str:
        return str(self.site.state / path)

    def secret(self, name: str) -> str:
        return external_secrets.read_secret(self.site.secrets, name)

    async def read_file(self, path: str) -> bytes | None:
        return locked_file.read(self.site.state / path)

    async def read_certificates(self, path: str) -> bytes:
        return ca.certificates(self.site.state / path).encode()

    async def swap_file(self, path: str, expected: bytes | None, content: bytes, *, mode: int | None = None) -> bool:
        return locked_file.swap(self.site.state / path, expected, content, mode=mode)

    async def delete_file(self, path: str) -> None:
        try:
            (self.site.state / path).unlink(missing_ok=True)
        except OSError as error:
            raise system_files.cannot_write(self.site.state / path, error) from None


def _manifest(site: Site) -> Mapping[str, bytes]:
    try:
        return {site_bundle.MANIFEST: (site.bundle / site_bundle.MANIFEST).read_bytes()}
    except OSError:
        return {}

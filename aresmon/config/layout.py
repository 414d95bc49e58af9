"""Where things are in a site's folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FILE = "aresmon.yml"
SOCKET = "influxdb.sock"
BLOCKED_FILE = "blocked.json"
"""The list of blocked hosts, in the site's `.aresmon` folder."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The places of a site; `root` is its folder."""

    root: Path

    @property
    def file(self) -> Path:
        return self.root / FILE

    @property
    def overrides(self) -> Path:
        return self.root / "overrides"

    @property
    def state(self) -> Path:
        return self.root / ".aresmon"

    @property
    def bundle(self) -> Path:
        return self.state / "bundle"

    @property
    def secrets(self) -> Path:
        return self.state / "secrets"

    @property
    def socket_folder(self) -> Path:
        """Where InfluxDB makes its socket; in a folder that only the site's owner may enter."""
        return self.state / "run" / "influxdb"

    @property
    def tls(self) -> Path:
        """Certificates and keys, as the edge reads them: Grafana's, and its own for agents."""
        return self.state / "tls"

    @property
    def authority(self) -> Path:
        """The site's own certificate authority, for its owner alone."""
        return self.state / "authority"

    @property
    def log(self) -> Path:
        return self.state / "log"

    @property
    def configs(self) -> Path:
        """Our own clone of the repository of agent configurations."""
        return self.state / "configs.git"

    def releases(self, host: str) -> Path:
        """What was brought to a host, release by release."""
        return self.state / "releases" / host

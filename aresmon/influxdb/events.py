"""What happened to the hosts and to the backups, told to dashboards and alerts as points that are kept for ever."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from aresmon.config.builtin_alerts import BACKUP
from aresmon.config.names import DATABASE, EVENT
from aresmon.influxdb.client import InfluxDB
from aresmon.influxdb.downsampling import FOREVER_POLICY
from aresmon.system.errors import AresmonError

_WITHIN = 5.0  # seconds


@dataclass(frozen=True, slots=True)
class HostEvent:
    """Something that happened to a host: its kind, what, and how it ended."""

    host: str
    kind: str
    title: str
    text: str

    def line(self, at: int) -> str:
        """As a line of InfluxDB's protocol; `at` is in seconds since 1970."""
        fields = f"title={_field_text(self.title)},text={_field_text(self.text)}"
        return f"{EVENT},host={self.host},kind={self.kind} {fields} {at}"


def record_events(influxdb: InfluxDB, happened: Iterable[HostEvent]) -> None:
    """Write them down. Where the database does not answer they are left out: the site's history has them all."""
    _write(influxdb, [event.line(int(time.time())) for event in happened])


def record_backup(influxdb: InfluxDB, server: str, kind: Literal["made", "proven"], archive: str) -> None:
    """Write down that an archive was stored, or was restored for trial and holds; the alerts miss it otherwise."""
    _write(influxdb, [f"{BACKUP},host={server},kind={kind} archive={_field_text(archive)} {int(time.time())}"])


def _write(influxdb: InfluxDB, lines: Sequence[str]) -> None:
    if lines:
        with suppress(AresmonError):
            influxdb.write("\n".join(lines), database=DATABASE, policy=FOREVER_POLICY, within=_WITHIN)


def _field_text(text: str) -> str:
    """A text field on one line; what is no text in it, as a byte of a file's name, becomes a question mark."""
    escaped = text.encode(errors="replace").decode().replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
    return f'"{escaped}"'

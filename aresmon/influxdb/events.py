"""Events of hosts and backups, written as points that are kept forever, for dashboards and alerts."""

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
    """An event of a host, shown as an annotation: its kind, its title and its outcome as text."""

    host: str
    kind: str
    title: str
    text: str

    def line(self, at: int) -> str:
        """The event in line protocol; `at` is in seconds since 1970."""
        fields = f"title={_field_text(self.title)},text={_field_text(self.text)}"
        return f"{EVENT},host={self.host},kind={self.kind} {fields} {at}"


def record_events(influxdb: InfluxDB, events: Iterable[HostEvent]) -> None:
    """Write the events. If InfluxDB does not respond they are dropped: the site's history has all of them."""
    _write(influxdb, [event.line(int(time.time())) for event in events])


def record_backup(influxdb: InfluxDB, server: str, kind: Literal["made", "proven"], archive: str) -> None:
    """Record that an archive was stored or verified. Without a recent record, an alert reports the missing backup."""
    _write(influxdb, [f"{BACKUP},host={server},kind={kind} archive={_field_text(archive)} {int(time.time())}"])


def _write(influxdb: InfluxDB, lines: Sequence[str]) -> None:
    if lines:
        with suppress(AresmonError):
            influxdb.write("\n".join(lines), database=DATABASE, policy=FOREVER_POLICY, within=_WITHIN)


def _field_text(text: str) -> str:
    """Quote a string field, on one line. Bytes that are not text, as in a file name, become question marks."""
    escaped = text.encode(errors="replace").decode().replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
    return f'"{escaped}"'

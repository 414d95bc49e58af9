"""The alerts that belong to no collector: that the database does not answer, and that backups stay out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from aresmon.config.backup import Backup
from aresmon.config.views import Alert, Condition, Levels, SeriesSpec

BACKUP = "aresmon_backup"
"""The measurement with a point for each archive that was stored (`kind` is `made`), and for each that was restored
for trial and holds (`proven`)."""
FOREVER = "forever"
"""The retention policy that it is in: points of a monthly backup would be gone from any other."""

UNREACHABLE = Alert(
    id="database-unreachable",
    title="Database unreachable",
    # What it asks for does not matter: it fires when nothing answers.
    series=SeriesSpec(measurement="internal_agent", field="metrics_gathered", aggregate="count"),
    over=300,
    lasting=60,
    levels=Levels((("critical", 0),), falling=True),
    unit="short",
    summary="Grafana gets no answer from the database; no other alert can be trusted now.",
    next="`aresmon status` says which service is down; then `aresmon logs influxdb` and `aresmon logs edge`.",
)
_LATE, _UNPROVEN = "backup-late", "backup-unproven"
IDS = (UNREACHABLE.id, _LATE, _UNPROVEN)
_HOUR, _DAY = 3600, 86400


def list_all(backup: Backup) -> dict[str, Alert]:
    """All that there can be, by their ids, those of backups with the times that this site has."""
    return {one.id: one for one in (UNREACHABLE, *_of_backups(backup))}


def list_enabled(backup: Backup) -> Iterator[Alert]:
    """Those that a site has: of backups where `aresmon.yml` says something of them, and they are due at some time."""
    yield UNREACHABLE
    if backup.is_wanted:
        yield from (one for one in _of_backups(backup) if one.over)


def _of_backups(backup: Backup) -> tuple[Alert, Alert]:
    late, unproven = backup.every.missed_after, backup.verify.missed_after
    return (
        _missing(
            _LATE,
            "made",
            late,
            "Backups stay out",
            f"No archive of {{host}} was stored in {late // _DAY} days.",
            "On {host}: `aresmon backup` makes one, or says why not; `aresmon backup --schedule` prints its timer.",
        ),
        _missing(
            _UNPROVEN,
            "proven",
            unproven,
            "Backups are not proven",
            f"No archive of {{host}} was restored for trial, and held, in {unproven // _DAY} days.",
            "On {host}: `aresmon backup --verify latest` does so, or says what does not hold.",
        ),
    )


def _missing(name: str, kind: Literal["made", "proven"], over: int, title: str, summary: str, step: str) -> Alert:
    """A rule of the server, which fires when there is no point of this kind. It waits an hour, so that there is time
    to make the first one."""
    return Alert(
        id=name,
        title=title,
        series=SeriesSpec(
            measurement=BACKUP,
            field="archive",
            aggregate="count",
            where=(Condition("kind", "=", kind, is_tag=True),),
            policy=FOREVER,
        ),
        over=over,
        lasting=_HOUR,
        levels=Levels((("warning", 1),), falling=True),
        unit="short",
        summary=summary,
        next=step,
        each_host=True,
    )

"""What the points add up to, kept from backup to backup: only days whose files changed are added up again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from aresmon import files, fingerprint
from aresmon.fingerprint import Fingerprint, Mark
from aresmon.influxdb import InfluxDB
from aresmon.layout import Layout

_FILE = "fingerprints.json"
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Ledger:
    """A fingerprint, and the state that each shard's files had before it was taken, by the shard's number."""

    states: Mapping[int, str] = field(default_factory=dict)
    windows: Mapping[str, int] = field(default_factory=dict)
    days: Fingerprint = field(default_factory=dict)


def update(former: Ledger, influxdb: InfluxDB, states: Mapping[int, str]) -> Ledger:
    """The same for the database as it is now, whose shards' files had these states a moment ago."""
    shards = fingerprint.shards(influxdb)
    windows = fingerprint.windows(shards)
    changed = [
        shard
        for shard in shards
        if states.get(shard.id) is None
        or states[shard.id] != former.states.get(shard.id)
        or windows[shard.policy] != former.windows.get(shard.policy)
    ]
    stale = fingerprint.days(changed)
    same = fingerprint.days(shards) - stale
    kept = {key: mark for key, mark in former.days.items() if (key[0], key[2]) in same}
    return Ledger(states, windows, kept | dict(fingerprint.take(influxdb, stale, windows)))


def read(site: Layout) -> Ledger:
    """What the last backup kept; an empty one where there is none that can be read."""
    try:
        data = json.loads((site.state / _FILE).read_bytes())
        if data["format"] != _FORMAT:
            return Ledger()
        return Ledger(
            states={int(shard): str(state) for shard, state in data["states"].items()},
            windows={str(policy): int(window) for policy, window in data["windows"].items()},
            days={(p, m, int(day)): Mark(int(values), int(mark, 16)) for p, m, day, values, mark in data["days"]},
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return Ledger()


def write(site: Layout, ledger: Ledger) -> None:
    """Keep it for the next backup."""
    days = [[*key, mark.values, f"{mark.mark:016x}"] for key, mark in ledger.days.items()]
    data = {"format": _FORMAT, "states": ledger.states, "windows": ledger.windows, "days": days}
    files.write(site.state / _FILE, json.dumps(data, separators=(",", ":")).encode(), mode=0o600)

"""Continuous queries: from each measurement's points, one a minute and one an hour, under the same names.

So a dashboard asks the same of every retention policy. `SELECT mean(*)` would rename the fields and lose texts,
therefore each field is named: the mean of a gauge, the last value of a counter or a state, which stays an integer.

Source: InfluxDB 1.x, "InfluxQL continuous queries"; influxdb#7332.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from aresmon.render.influxql import identifier
from aresmon.render.telegraf import DATABASE
from aresmon.views import Measurement, Views

FOREVER = "forever"
"""The retention policy of what is not measured: tiers, hosts and events."""


@dataclass(frozen=True, slots=True)
class Tier:
    """Points of one resolution: made from those of the policy `source`, looked back for `span`, each `every`."""

    policy: str
    source: str
    every: str
    span: str


TIERS = (Tier("1m", "raw", "5m", "15m"), Tier("1h", "1m", "30m", "3h"))
# How long a time each policy serves, in milliseconds: so that no dashboard asks for steps finer than its points,
# nor for more than some ten thousand of a series.
_HOUR = 3_600_000
SERVES = (("raw", 0, 12 * _HOUR), ("1m", 12 * _HOUR, 21 * 24 * _HOUR), ("1h", 21 * 24 * _HOUR, 2**53))


@dataclass(frozen=True, slots=True)
class Downsampling:
    """One measurement into one tier."""

    tier: Tier
    measurement: Measurement

    @property
    def name(self) -> str:
        """Its name tells what it does from what another version would: InfluxDB writes statements its own way."""
        mark = hashlib.sha256(self._select().encode()).hexdigest()[:8]
        return f"{self.tier.policy}_{self.measurement.name}_{mark}"

    def create(self) -> str:
        """The statement that makes it. Late points count for as long as an agent holds them."""
        resample = f"RESAMPLE EVERY {self.tier.every} FOR {self.tier.span}"
        return (
            f"CREATE CONTINUOUS QUERY {identifier(self.name)} ON {identifier(DATABASE)} {resample} "
            f"BEGIN {self._select()} GROUP BY time({self.tier.policy}), * END"
        )

    def fill(self, since: int, until: int) -> str:
        """The same for points that are there already, from one time to another, in seconds since 1970."""
        return f"{self._select()} WHERE time >= {since}s AND time < {until}s GROUP BY time({self.tier.policy}), *"

    def _select(self) -> str:
        place, name = identifier(DATABASE), identifier(self.measurement.name)
        fields = ", ".join(self._fields())
        return (
            f"SELECT {fields} INTO {place}.{identifier(self.tier.policy)}.{name} "
            f"FROM {place}.{identifier(self.tier.source)}.{name}"
        )

    def _fields(self) -> Iterator[str]:
        for field, kind in self.measurement.fields.items():
            yield f"{'mean' if kind == 'gauge' else 'last'}({identifier(field)}) AS {identifier(field)}"


def downsamplings(views: Views) -> list[Downsampling]:
    """Every measurement into every tier, the finer tier first: the coarser one is made from it."""
    known: dict[str, Measurement] = {}
    for _, view in sorted(views.items()):
        for name, one in view.measurements.items():
            # Two collectors may read one measurement, and each know other fields of it.
            fields = {**(known[name].fields if name in known else {}), **one.fields}
            known[name] = replace(one, fields=fields)
    return [Downsampling(tier, known[name]) for tier in TIERS for name in sorted(known)]


def drop(name: str) -> str:
    """The statement that removes one."""
    return f"DROP CONTINUOUS QUERY {identifier(name)} ON {identifier(DATABASE)}"


def tier_points() -> str:
    """Which policy serves how long a time, as lines of InfluxDB's protocol, for the dashboards' variable `rp`."""
    return "\n".join(
        f'aresmon_tier rp="{policy}",start={start}i,end={end}i {second}'
        for second, (policy, start, end) in enumerate(SERVES, start=1)
    )


def host_points(uids: Iterable[tuple[str, str]]) -> str:
    """The hosts that should be there, and their dashboards' uids, in the same form."""
    return "\n".join(f'aresmon_host,host={host} uid="{uid}" 1' for host, uid in uids)

"""InfluxQL statements. Only this module quotes identifiers and strings.

Source: InfluxDB 1.x, "Influx Query Language specification".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from aresmon.config.model import RetentionSettings
from aresmon.config.units import FOREVER

POLICIES: Mapping[str, str] = {"raw": "raw", "1m": "minute", "1h": "hour"}
"""Retention policy → field of `RetentionSettings`. `raw` is the database's default policy."""


def identifier(name: str) -> str:
    """`"name"`"""
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def string(text: str) -> str:
    """`'text'`"""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") + "'"


def any_of(texts: Iterable[str]) -> str:
    """`/^(?:a|b)$/`"""
    joined = "|".join(re.escape(text).replace("/", r"\/") for text in texts)
    return f"/^(?:{joined})$/"


def duration(hours: int) -> str:
    """`168h`; 0 is `INF`."""
    return "INF" if hours == FOREVER else f"{hours}h"


def create_database(database: str, hours: int) -> str:
    """Create a database with `raw` as its default policy; no effect on an existing database."""
    return (
        f"CREATE DATABASE {identifier(database)} WITH DURATION {duration(hours)} REPLICATION 1 NAME {identifier('raw')}"
    )


def create_policy(database: str, policy: str, hours: int) -> str:
    """Create a retention policy; `raw` becomes the default."""
    default = " DEFAULT" if policy == "raw" else ""
    return (
        f"CREATE RETENTION POLICY {identifier(policy)} ON {identifier(database)} "
        f"DURATION {duration(hours)} REPLICATION 1{default}"
    )


def alter_policy(database: str, policy: str, hours: int) -> str:
    """Change a policy's duration, and its shard duration to the one that InfluxDB would choose for it.

    InfluxDB deletes older points at its next retention check. Without the new shard duration InfluxDB rejects a
    retention that is shorter than a shard, and a longer retention would consist of thousands of shards.
    """
    default = " DEFAULT" if policy == "raw" else ""
    return (
        f"ALTER RETENTION POLICY {identifier(policy)} ON {identifier(database)} "
        f"DURATION {duration(hours)} SHARD DURATION {_shard_hours(hours)}h{default}"
    )


def create_admin(user: str, password: str) -> str:
    """Create the first admin: the only statement that an InfluxDB without an admin accepts from anyone."""
    return f"CREATE USER {identifier(user)} WITH PASSWORD {string(password)} WITH ALL PRIVILEGES"


def create_user(user: str, password: str) -> str:
    """Create a user without privileges."""
    return f"CREATE USER {identifier(user)} WITH PASSWORD {string(password)}"


def set_password(user: str, password: str) -> str:
    """Change a user's password."""
    return f"SET PASSWORD FOR {identifier(user)} = {string(password)}"


def grant(privilege: str, database: str, user: str) -> str:
    """Grant `READ` or `WRITE` on a database; replaces the privilege that the user has there."""
    return f"GRANT {privilege} ON {identifier(database)} TO {identifier(user)}"


def _shard_hours(hours: int) -> int:
    """The shard duration that InfluxDB chooses for a retention (shardGroupDuration in services/meta/data.go)."""
    if hours == FOREVER or hours >= 180 * 24:
        return 7 * 24
    return 24 if hours >= 2 * 24 else 1


def retention_hours(keep: RetentionSettings, policy: str) -> int:
    """The retention of a policy, in hours; 0 means forever."""
    return int(getattr(keep, POLICIES[policy]))

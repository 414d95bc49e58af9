"""InfluxQL statements. Identifiers and strings are quoted here and nowhere else.

Source: InfluxDB 1.x, "Influx Query Language specification".
"""

from __future__ import annotations

from collections.abc import Mapping

from aresmon.config.model import FOREVER, RetentionSettings

POLICIES: Mapping[str, str] = {"raw": "raw", "1m": "minute", "1h": "hour"}
"""Retention policy → field of `Keep`. `raw` is the database's default."""


def identifier(name: str) -> str:
    """`"name"`"""
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def string(text: str) -> str:
    """`'text'`"""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") + "'"


def duration(hours: int) -> str:
    """`168h`; 0 is `INF`."""
    return "INF" if hours == FOREVER else f"{hours}h"


def create_database(database: str, hours: int) -> str:
    """A database with the policy `raw`, its default; does nothing where it exists."""
    return (
        f"CREATE DATABASE {identifier(database)} WITH DURATION {duration(hours)} REPLICATION 1 NAME {identifier('raw')}"
    )


def create_policy(database: str, policy: str, hours: int) -> str:
    """A retention policy; `raw` becomes the default one."""
    default = " DEFAULT" if policy == "raw" else ""
    return (
        f"CREATE RETENTION POLICY {identifier(policy)} ON {identifier(database)} "
        f"DURATION {duration(hours)} REPLICATION 1{default}"
    )


def alter_policy(database: str, policy: str, hours: int) -> str:
    """Another duration for a policy, and the shards that InfluxDB would have given it; what is older than it goes at
    the next check.

    Left alone, shards keep their length: InfluxDB refuses a duration below it, and a longer one would have thousands.
    """
    default = " DEFAULT" if policy == "raw" else ""
    return (
        f"ALTER RETENTION POLICY {identifier(policy)} ON {identifier(database)} "
        f"DURATION {duration(hours)} SHARD DURATION {_shard_hours(hours)}h{default}"
    )


def create_admin(user: str, password: str) -> str:
    """The one statement that a database without any admin takes from anyone."""
    return f"CREATE USER {identifier(user)} WITH PASSWORD {string(password)} WITH ALL PRIVILEGES"


def create_user(user: str, password: str) -> str:
    """A user without any right."""
    return f"CREATE USER {identifier(user)} WITH PASSWORD {string(password)}"


def set_password(user: str, password: str) -> str:
    """Another password."""
    return f"SET PASSWORD FOR {identifier(user)} = {string(password)}"


def grant(right: str, database: str, user: str) -> str:
    """`READ` or `WRITE` on a database; replaces the right that the user has there."""
    return f"GRANT {right} ON {identifier(database)} TO {identifier(user)}"


def _shard_hours(hours: int) -> int:
    """How long a shard of such a policy is, by InfluxDB's own rule (shardGroupDuration in services/meta/data.go)."""
    if hours == FOREVER or hours >= 180 * 24:
        return 7 * 24
    return 24 if hours >= 2 * 24 else 1


def retention_hours(keep: RetentionSettings, policy: str) -> int:
    """How many hours a policy keeps; 0 is for ever."""
    return int(getattr(keep, POLICIES[policy]))

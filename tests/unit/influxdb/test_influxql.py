"""InfluxQL: whatever a name or a password holds, it stays what it is and becomes no statement."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aresmon.config.model import RetentionSettings
from aresmon.config.units import FOREVER
from aresmon.influxdb import influxql

ODD = st.text(st.sampled_from("ab'\"\\\n; $é"))


def unquoted(quoted: str, quote: str) -> str:
    """What InfluxDB's scanner reads: it ends at the first quote that no backslash precedes, and knows these escapes."""
    whole = re.fullmatch(rf"{quote}((?:[^{quote}\\\n]|\\[{quote}\\n])*){quote}", quoted)
    assert whole, f"{quoted} ends early, or holds an escape that InfluxDB refuses"
    return re.sub(r"\\(.)", lambda escape: "\n" if escape[1] == "n" else escape[1], whole[1])


@given(ODD)
def test_a_string_reads_back_as_it_was(text: str) -> None:
    assert unquoted(influxql.string(text), "'") == text


@given(ODD)
def test_an_identifier_reads_back_as_it_was(name: str) -> None:
    assert unquoted(influxql.identifier(name), '"') == name


@pytest.mark.parametrize(("hours", "told"), [(168, "168h"), (1, "1h"), (FOREVER, "INF")])
def test_a_duration_is_told_in_hours_or_for_ever(hours: int, told: str) -> None:
    assert influxql.duration(hours) == told


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (
            influxql.create_database("telegraf", 168),
            'CREATE DATABASE "telegraf" WITH DURATION 168h REPLICATION 1 NAME "raw"',
        ),
        (
            influxql.create_policy("telegraf", "1m", FOREVER),
            'CREATE RETENTION POLICY "1m" ON "telegraf" DURATION INF REPLICATION 1',
        ),
        (
            influxql.create_policy("telegraf", "raw", 1),
            'CREATE RETENTION POLICY "raw" ON "telegraf" DURATION 1h REPLICATION 1 DEFAULT',
        ),
        (
            influxql.alter_policy("telegraf", "1h", 2),
            'ALTER RETENTION POLICY "1h" ON "telegraf" DURATION 2h SHARD DURATION 1h',
        ),
        (
            influxql.alter_policy("telegraf", "raw", 48),
            'ALTER RETENTION POLICY "raw" ON "telegraf" DURATION 48h SHARD DURATION 24h DEFAULT',
        ),
        (
            influxql.alter_policy("telegraf", "1m", 180 * 24 - 1),
            'ALTER RETENTION POLICY "1m" ON "telegraf" DURATION 4319h SHARD DURATION 24h',
        ),
        (
            influxql.alter_policy("telegraf", "1m", 180 * 24),
            'ALTER RETENTION POLICY "1m" ON "telegraf" DURATION 4320h SHARD DURATION 168h',
        ),
        (
            influxql.alter_policy("telegraf", "1h", FOREVER),
            'ALTER RETENTION POLICY "1h" ON "telegraf" DURATION INF SHARD DURATION 168h',
        ),
        (influxql.create_admin("a", "p'w"), "CREATE USER \"a\" WITH PASSWORD 'p\\'w' WITH ALL PRIVILEGES"),
        (influxql.create_user('a"b', "pw"), 'CREATE USER "a\\"b" WITH PASSWORD \'pw\''),
        (influxql.set_password("a", "p\\w"), "SET PASSWORD FOR \"a\" = 'p\\\\w'"),
        (influxql.grant("READ", "telegraf", "grafana"), 'GRANT READ ON "telegraf" TO "grafana"'),
    ],
)
def test_a_statement_is_written_in_influxdbs_grammar(statement: str, expected: str) -> None:
    assert statement == expected


def test_every_policy_has_its_own_time() -> None:
    assert [influxql.retention_hours(RetentionSettings(1, 2, 3), policy) for policy in ("raw", "1m", "1h")] == [1, 2, 3]

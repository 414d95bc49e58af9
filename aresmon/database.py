"""The database, its policies, users and rights: brought to what the site wants, as often as one likes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from aresmon.credentials import INFLUXDB_ADMIN, INFLUXDB_GRAFANA, agent
from aresmon.errors import AresmonError
from aresmon.fleet import FOREVER, Fleet
from aresmon.influxdb import InfluxDB, InfluxDBError, Series
from aresmon.render import influxql
from aresmon.render.telegraf import DATABASE, user

ADMIN = "aresmon"
GRAFANA = "grafana"
_UNAUTHORIZED, _FORBIDDEN = 401, 403


@dataclass(frozen=True, slots=True)
class User:
    """A database user and the one right it has."""

    name: str
    right: str
    secret: str


@dataclass(frozen=True, slots=True)
class Change:
    """A statement to send or lines of points to write, and how it reads to a person, who is never shown the
    statement: it may hold a password."""

    what: str
    statement: str = ""
    lines: str = ""


class AdminUnknownError(AresmonError):
    """InfluxDB has an admin already, and it is not ours or has another password."""


def users(fleet: Fleet) -> list[User]:
    """Everybody who may use the database, but its admin."""
    return [
        User(GRAFANA, "READ", INFLUXDB_GRAFANA),
        *(User(user(host), "WRITE", agent(host.name)) for host in fleet.hosts),
    ]


def admin(influxdb: InfluxDB, secrets: Mapping[str, str]) -> InfluxDB:
    """InfluxDB as its admin; the first one is made where there is none.

    Raises AdminUnknownError where the data folder has another admin, or ours with another password.
    """
    password = secrets[INFLUXDB_ADMIN]
    ours = InfluxDB(influxdb.socket, ADMIN, password)
    try:
        ours.query("SHOW USERS")
    except InfluxDBError as error:
        if error.status == _UNAUTHORIZED:
            raise AdminUnknownError("InfluxDB's admin has another password than the site's secrets say") from None
        if error.status != _FORBIDDEN:
            raise
        if not ours.is_empty():
            raise AdminUnknownError(f"InfluxDB has a user {ADMIN} who is no admin") from None
        influxdb.query(influxql.create_admin(ADMIN, password))
    return ours


def reset_admin(open_influxdb: InfluxDB, secrets: Mapping[str, str]) -> None:
    """Give our admin its password and rights in an InfluxDB that runs without authentication."""
    known = _names(open_influxdb.query("SHOW USERS")[0], "user")
    password = secrets[INFLUXDB_ADMIN]
    if ADMIN in known:
        open_influxdb.query(
            influxql.set_password(ADMIN, password), f"GRANT ALL PRIVILEGES TO {influxql.identifier(ADMIN)}"
        )
    else:
        open_influxdb.query(influxql.create_admin(ADMIN, password))


def plan(influxdb: InfluxDB, fleet: Fleet, secrets: Mapping[str, str], *, shorten: bool = False) -> list[Change]:
    """What is missing or different in the database. Nothing is changed.

    Raises AresmonError where a retention would get shorter, which deletes points, and `shorten` is not set.
    """
    databases, known_users = influxdb.query("SHOW DATABASES", "SHOW USERS")
    changes = list(_policies(influxdb, fleet, _names(databases, "name"), shorten=shorten))
    known = _names(known_users, "user")
    wanted = users(fleet)
    changes.extend(_users(influxdb, wanted, known, secrets))
    changes.extend(_rights(influxdb, wanted, known))
    gone = sorted(name for name in known if name.startswith("agent-") and name not in {one.name for one in wanted})
    changes.extend(
        Change(f"remove the user {name}, whose host is gone", f"DROP USER {influxql.identifier(name)}") for name in gone
    )
    return changes


def agent_changes(influxdb: InfluxDB, host: str, password: str) -> list[Change]:
    """What is missing or different of one host's user. Nothing is changed."""
    wanted = [User(f"agent-{host}", "WRITE", agent(host))]
    known = _names(influxdb.query("SHOW USERS")[0], "user")
    return [*_users(influxdb, wanted, known, {agent(host): password}), *_rights(influxdb, wanted, known)]


def revoke_agent(influxdb: InfluxDB, host: str) -> None:
    """Remove one host's user, if it is there: its password is worth nothing from then on."""
    if f"agent-{host}" in _names(influxdb.query("SHOW USERS")[0], "user"):
        influxdb.query(f"DROP USER {influxql.identifier(f'agent-{host}')}")


def check_retention(kept: Mapping[str, int], fleet: Fleet) -> None:
    """Raise AresmonError where a policy, kept for so many hours, would get shorter: that deletes points."""
    for policy, hours in kept.items():
        wanted = influxql.keep_hours(fleet.keep, policy) if policy in influxql.POLICIES else hours
        if _is_shorter(wanted, hours):
            raise _would_delete(policy, hours, wanted)


def apply(influxdb: InfluxDB, changes: Sequence[Change]) -> None:
    """Carry out a plan."""
    influxdb.query(*(change.statement for change in changes))


def _policies(influxdb: InfluxDB, fleet: Fleet, databases: set[str], *, shorten: bool) -> Iterator[Change]:
    existing: dict[str, int] = {}
    if DATABASE in databases:
        rows = influxdb.query(f"SHOW RETENTION POLICIES ON {influxql.identifier(DATABASE)}")[0]
        existing = {row["name"]: _hours(row["duration"]) for series in rows for row in series.rows}
    else:
        yield Change(f"create the database {DATABASE}", influxql.create_database(DATABASE, fleet.keep.raw))
        existing["raw"] = fleet.keep.raw
    for policy in influxql.POLICIES:
        wanted = influxql.keep_hours(fleet.keep, policy)
        kept = existing.get(policy)
        if kept is None:
            yield Change(f"create the retention policy {policy}", influxql.create_policy(DATABASE, policy, wanted))
        elif kept != wanted:
            if _is_shorter(wanted, kept) and not shorten:
                raise _would_delete(policy, kept, wanted)
            what = f"keep {policy} for {influxql.duration(wanted)} instead of {influxql.duration(kept)}"
            yield Change(what, influxql.alter_policy(DATABASE, policy, wanted))


def _users(influxdb: InfluxDB, wanted: Sequence[User], known: set[str], secrets: Mapping[str, str]) -> Iterator[Change]:
    there = [one for one in wanted if one.name in known]
    right = influxdb.knows([(one.name, secrets[one.secret]) for one in there])
    for one in wanted:
        if one.name not in known:
            yield Change(f"create the user {one.name}", influxql.create_user(one.name, secrets[one.secret]))
    for one, knows in zip(there, right, strict=True):
        if not knows:
            yield Change(f"set the password of {one.name}", influxql.set_password(one.name, secrets[one.secret]))


def _rights(influxdb: InfluxDB, wanted: Sequence[User], known: set[str]) -> Iterator[Change]:
    there = [one for one in wanted if one.name in known]
    answers = influxdb.query(*(f"SHOW GRANTS FOR {influxql.identifier(one.name)}" for one in there))
    granted = {
        one.name: {row["database"]: row["privilege"] for series in answer for row in series.rows}
        for one, answer in zip(there, answers, strict=True)
    }
    for one in wanted:
        rights = {database: right for database, right in granted.get(one.name, {}).items() if right != "NO PRIVILEGES"}
        for database in sorted(set(rights) - {DATABASE}):
            statement = f"REVOKE ALL ON {influxql.identifier(database)} FROM {influxql.identifier(one.name)}"
            yield Change(f"take from {one.name} its right on {database}", statement)
        if rights.get(DATABASE) != one.right:
            yield Change(f"let {one.name} {one.right.lower()}", influxql.grant(one.right, DATABASE, one.name))


def _names(series: Sequence[Series], column: str) -> set[str]:
    return {str(row[column]) for one in series for row in one.rows}


def _hours(told: str) -> int:
    """InfluxDB's `168h0m0s`, or `0s` for ever, in hours."""
    return int(told.partition("h")[0]) if "h" in told else FOREVER


def _is_shorter(wanted: int, kept: int) -> bool:
    return wanted != FOREVER and (kept == FOREVER or wanted < kept)


def _would_delete(policy: str, kept: int, wanted: int) -> AresmonError:
    return AresmonError(
        f"storage.keep.{policy} goes from {influxql.duration(kept)} to {influxql.duration(wanted)}: "
        "InfluxDB would delete the points in between, for good",
        hint="put the longer time back into aresmon.yml, or say that you mean it: `aresmon up --shorten-retention`",
    )

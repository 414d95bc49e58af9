"""The database, its policies, users and rights: brought to what the site wants, as often as one likes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from aresmon.config.model import FOREVER, Config, as_written
from aresmon.config.names import DATABASE
from aresmon.influxdb import influxql
from aresmon.influxdb.client import InfluxDB, InfluxDBError, Series
from aresmon.site.folder import Site
from aresmon.site.project import Project
from aresmon.site.secrets import INFLUXDB_ADMIN, INFLUXDB_GRAFANA, account, agent, other, upcoming
from aresmon.system import locked_file
from aresmon.system.errors import AresmonError
from aresmon.system.json_file import JsonFile

ADMIN = "aresmon"
SHORTEN_HINT = "put the longer time back into aresmon.yml, or say that you mean it: `aresmon up --shorten-retention`"
"""What to do about a retention that gets shorter."""
_UNAUTHORIZED, _FORBIDDEN = 401, 403


@dataclass(frozen=True, slots=True)
class User:
    """A database user and the one right it has."""

    name: str
    right: str
    secret: str


@dataclass(frozen=True, slots=True)
class DatabaseChange:
    """A statement to send or lines of points to write, and how it reads to a person, who is never shown the
    statement: it may hold a password."""

    what: str
    statement: str = ""
    lines: str = ""


class AdminUnknownError(AresmonError):
    """InfluxDB has an admin already, and it is not ours or has another password."""


def wanted_users(config: Config, secrets: Mapping[str, str]) -> list[User]:
    """Everybody who may use the database, but its admin: of a secret that is being rotated, both its users."""
    names = [INFLUXDB_GRAFANA, *(agent(host.name) for host in config.hosts)]
    return [one for name in names for one in _users_for_secret(name, secrets)]


def _users_for_secret(name: str, secrets: Mapping[str, str]) -> Iterator[User]:
    """The users that a secret is for: the one of its value, and the one of its next."""
    current = _user(name, secrets[name])
    yield current
    if upcoming(name) in secrets:
        following = _user(name, secrets[upcoming(name)])
        if following.name != current.name:
            yield replace(following, secret=upcoming(name))


def _user(name: str, password: str) -> User:
    return User(account(name, password), "READ" if name == INFLUXDB_GRAFANA else "WRITE", name)


def connect_as_admin(influxdb: InfluxDB, secrets: Mapping[str, str]) -> InfluxDB:
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
    known = _column(open_influxdb.query("SHOW USERS")[0], "user")
    password = secrets[INFLUXDB_ADMIN]
    if ADMIN in known:
        open_influxdb.query(
            influxql.set_password(ADMIN, password), f"GRANT ALL PRIVILEGES TO {influxql.identifier(ADMIN)}"
        )
    else:
        open_influxdb.query(influxql.create_admin(ADMIN, password))


def plan(
    influxdb: InfluxDB, config: Config, secrets: Mapping[str, str], *, shorten: bool = False
) -> list[DatabaseChange]:
    """What is missing or different in the database. Nothing is changed.

    Raises AresmonError where a retention would get shorter, which deletes points, and `shorten` is not set.
    """
    databases, known_users = influxdb.query("SHOW DATABASES", "SHOW USERS")
    changes = list(_plan_policies(influxdb, config, _column(databases, "name"), shorten=shorten))
    known = _column(known_users, "user")
    wanted = wanted_users(config, secrets)
    changes.extend(_plan_users(influxdb, wanted, known, secrets))
    changes.extend(_plan_revocations(wanted, known_users))
    changes.extend(_plan_grants(influxdb, wanted, known))
    changes.extend(_drop_obsolete_users(known, wanted, secrets))
    return changes


def _drop_obsolete_users(
    known: set[str], wanted: Sequence[User], secrets: Mapping[str, str]
) -> Iterator[DatabaseChange]:
    """The users of hosts that are gone, and of passwords that were rotated away: not while that is under way, since
    either of the two may be what a host writes with."""
    names = {one.name for one in wanted}
    moving = {other(one.name) for one in wanted if upcoming(one.secret) in secrets}
    for name in sorted(known - names - moving):
        if other(name) in names:
            yield DatabaseChange(f"remove the user {name}, whose password was rotated away", _drop_statement(name))
        elif name.startswith("agent-"):
            yield DatabaseChange(f"remove the user {name}, whose host is gone", _drop_statement(name))


def _drop_statement(name: str) -> str:
    return f"DROP USER {influxql.identifier(name)}"


def plan_user(influxdb: InfluxDB, name: str, password: str) -> list[DatabaseChange]:
    """What is missing or different of the user that this password is for, by its secret's name. Nothing is changed."""
    wanted = [_user(name, password)]
    known_users = influxdb.query("SHOW USERS")[0]
    known = _column(known_users, "user")
    passwords = _plan_users(influxdb, wanted, known, {name: password})
    return [*passwords, *_plan_revocations(wanted, known_users), *_plan_grants(influxdb, wanted, known)]


def list_other_admins(influxdb: InfluxDB) -> list[str]:
    """The admins that aresmon did not make, who may do everything."""
    return sorted(_admins(influxdb.query("SHOW USERS")[0]) - {ADMIN})


def remove_users(influxdb: InfluxDB, *names: str) -> None:
    """Remove those of these users that are there: their passwords are worth nothing from then on."""
    known = _column(influxdb.query("SHOW USERS")[0], "user")
    influxdb.query(*(_drop_statement(name) for name in names if name in known))


def apply(influxdb: InfluxDB, changes: Sequence[DatabaseChange]) -> None:
    """Carry out a plan."""
    influxdb.query(*(change.statement for change in changes))


def _plan_policies(
    influxdb: InfluxDB, config: Config, databases: set[str], *, shorten: bool
) -> Iterator[DatabaseChange]:
    existing: dict[str, int] = {}
    if DATABASE in databases:
        rows = influxdb.query(f"SHOW RETENTION POLICIES ON {influxql.identifier(DATABASE)}")[0]
        existing = {row["name"]: parse_hours(row["duration"]) for series in rows for row in series.rows}
    else:
        yield DatabaseChange(f"create the database {DATABASE}", influxql.create_database(DATABASE, config.keep.raw))
        existing["raw"] = config.keep.raw
    for policy in influxql.POLICIES:
        wanted = influxql.retention_hours(config.keep, policy)
        kept = existing.get(policy)
        if kept is None:
            yield DatabaseChange(
                f"create the retention policy {policy}", influxql.create_policy(DATABASE, policy, wanted)
            )
        elif kept != wanted:
            if is_shorter(wanted, kept) and not shorten:
                raise AresmonError(describe_shorter_retention(policy, kept, wanted), hint=SHORTEN_HINT)
            what = f"set the retention of {policy} to {as_written(wanted)}, from {as_written(kept)}"
            yield DatabaseChange(what, influxql.alter_policy(DATABASE, policy, wanted))


def _plan_users(
    influxdb: InfluxDB, wanted: Sequence[User], known: set[str], secrets: Mapping[str, str]
) -> Iterator[DatabaseChange]:
    there = [one for one in wanted if one.name in known]
    right = influxdb.knows([(one.name, secrets[one.secret]) for one in there])
    for one in wanted:
        if one.name not in known:
            yield DatabaseChange(f"create the user {one.name}", influxql.create_user(one.name, secrets[one.secret]))
    for one, knows in zip(there, right, strict=True):
        if not knows:
            yield DatabaseChange(
                f"set the password of {one.name}", influxql.set_password(one.name, secrets[one.secret])
            )


def _plan_revocations(wanted: Sequence[User], known_users: Sequence[Series]) -> Iterator[DatabaseChange]:
    """An admin may do everything, whatever rights it was given on databases."""
    admins = _admins(known_users)
    for one in wanted:
        if one.name in admins:
            statement = f"REVOKE ALL PRIVILEGES FROM {influxql.identifier(one.name)}"
            yield DatabaseChange(f"take from {one.name} the care of InfluxDB itself", statement)


def _plan_grants(influxdb: InfluxDB, wanted: Sequence[User], known: set[str]) -> Iterator[DatabaseChange]:
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
            yield DatabaseChange(f"take from {one.name} its right on {database}", statement)
        if rights.get(DATABASE) != one.right:
            yield DatabaseChange(f"let {one.name} {one.right.lower()}", influxql.grant(one.right, DATABASE, one.name))


def _column(series: Sequence[Series], column: str) -> set[str]:
    return {str(row[column]) for one in series for row in one.rows}


def _admins(known_users: Sequence[Series]) -> set[str]:
    return {str(row["user"]) for one in known_users for row in one.rows if row.get("admin")}


def parse_hours(told: str) -> int:
    """InfluxDB's `168h0m0s`, or `0s` for ever, in hours."""
    return int(told.partition("h")[0]) if "h" in told else FOREVER


def is_shorter(wanted: int, kept: int) -> bool:
    """Whether so many hours are less than so many others; 0 is for ever."""
    return wanted != FOREVER and (kept == FOREVER or wanted < kept)


def describe_shorter_retention(policy: str, kept: int, wanted: int) -> str:
    """What it means that a policy keeps its points for so many hours, and no longer for so many others."""
    times = f"from {as_written(kept)} to {as_written(wanted)}"
    return f"storage.keep.{policy} goes {times}: InfluxDB would delete the points in between, for good"


BLOCKED_FILE = "blocked.json"
"""The list of blocked hosts, in the site's `.aresmon` folder."""


def blocked_hosts(site: Site) -> Mapping[str, str]:
    """The hosts that may not write, and since when (ISO 8601, UTC). Raises AresmonError where that cannot be known."""
    return _blocked_file(site.state / BLOCKED_FILE).read() or {}


def parse_blocked_hosts(content: bytes | None, where: str) -> Mapping[str, str]:
    """The hosts that may not write, from the content of their file; None where there is no such file.

    Raises AresmonError, which names the file as `where`, for content of another form.
    """
    return {} if content is None else _blocked_file(Path(BLOCKED_FILE)).decode(content, where)


def without_blocked_hosts(project: Project) -> Config:
    """The fleet without the hosts that may not write."""
    out = blocked_hosts(project.site)
    return replace(project.config, hosts=tuple(host for host in project.config.hosts if host.name not in out))


def block_host(site: Site, influxdb: InfluxDB, host: str) -> bool:
    """Let a host write no more; whether it could before. Interrupted, the next `up` completes it."""
    path = site.state / BLOCKED_FILE
    is_new = locked_file.update(path, partial(with_block, host, str(path)))
    first = account(agent(host), "")
    remove_users(influxdb, first, other(first))
    return is_new


def unblock_host(site: Site, influxdb: InfluxDB, secrets: Mapping[str, str], host: str) -> bool:
    """Let a host of the site write again, with the password that it has; whether it could not before."""
    # The users first: interrupted, the host is still blocked, and the same command goes on.
    for name in (agent(host), upcoming(agent(host))):
        if name in secrets:
            apply(influxdb, plan_user(influxdb, agent(host), secrets[name]))
    path = site.state / BLOCKED_FILE
    return locked_file.update(path, partial(without_block, host, str(path)))


def with_block(host: str, where: str, content: bytes | None) -> bytes | None:
    """The list of blocked hosts with this one; None where it is on it already. `where` names the file in errors."""
    known = parse_blocked_hosts(content, where)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return None if host in known else _blocked_file(Path(BLOCKED_FILE)).encode({**known, host: now})


def without_block(host: str, where: str, content: bytes | None) -> bytes | None:
    """The list of blocked hosts without this one; None where it is not on it. `where` names the file in errors."""
    known = parse_blocked_hosts(content, where)
    others = {name: since for name, since in known.items() if name != host}
    return _blocked_file(Path(BLOCKED_FILE)).encode(others) if host in known else None


def _blocked_file(path: Path) -> JsonFile[Mapping[str, str]]:
    return JsonFile(
        path,
        lambda data: {str(host): str(since) for host, since in data.items()},
        dict,
        description="the hosts that may not write",
        hint="remove it, and block those again: `aresmon hosts block HOST`",
        mode=0o644,
    )

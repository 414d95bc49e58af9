"""The database, its retention policies, users and privileges; hosts whose writes are blocked.

`plan` compares InfluxDB with aresmon.yml and the site's secrets, `apply` executes the result; both are idempotent.
While a secret is being rotated, both its users exist. A blocked host has no user; the list of blocked hosts is in
`blocked.json` in the site's `.aresmon/`.

Source: InfluxDB 1.x, "Authentication and authorization".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from aresmon.config.layout import BLOCKED_FILE, SOCKET
from aresmon.config.model import Config
from aresmon.config.names import DATABASE
from aresmon.config.units import FOREVER, format_hours
from aresmon.influxdb import influxql
from aresmon.influxdb.client import InfluxDB, InfluxDBError, Series
from aresmon.site.folder import Site
from aresmon.site.project import Project
from aresmon.site.secrets import INFLUXDB_ADMIN, INFLUXDB_GRAFANA, agent_secret, database_user, next_name, other_user
from aresmon.site.secrets import read as read_secret
from aresmon.system import locked_file
from aresmon.system.errors import AresmonError
from aresmon.system.json_file import JsonFile

ADMIN = "aresmon"
SHORTEN_HINT = (
    "restore the longer retention in aresmon.yml, or confirm the shorter one: `aresmon up --shorten-retention`"
)
"""The hint of an error about a retention that gets shorter."""
_UNAUTHORIZED, _FORBIDDEN = 401, 403


@dataclass(frozen=True, slots=True)
class User:
    """A database user, its privilege (`READ` or `WRITE`) and the name of the secret with its password."""

    name: str
    privilege: str
    secret: str


@dataclass(frozen=True, slots=True)
class DatabaseChange:
    """A statement to execute, or points to write in line protocol. Only `description` is printed: the statement may
    contain a password."""

    description: str
    statement: str = ""
    lines: str = ""


class AdminUnknownError(AresmonError):
    """InfluxDB has an admin, but not aresmon's, or aresmon's with another password."""


def wanted_users(config: Config, secrets: Mapping[str, str]) -> list[User]:
    """The users that should exist, except the admin; two for a secret that is being rotated."""
    names = [INFLUXDB_GRAFANA, *(agent_secret(host.name) for host in config.hosts)]
    return [one for name in names for one in _users_for_secret(name, secrets)]


def _users_for_secret(name: str, secrets: Mapping[str, str]) -> Iterator[User]:
    """The user of a secret's current value, and while it is being rotated also that of its next value."""
    current = _user(name, secrets[name])
    yield current
    if next_name(name) in secrets:
        following = _user(name, secrets[next_name(name)])
        if following.name != current.name:
            yield replace(following, secret=next_name(name))


def _user(name: str, password: str) -> User:
    return User(database_user(name, password), "READ" if name == INFLUXDB_GRAFANA else "WRITE", name)


def connect_as_admin(influxdb: InfluxDB, secrets: Mapping[str, str]) -> InfluxDB:
    """Connect as aresmon's admin, which is created if InfluxDB has no admin yet.

    Raises AdminUnknownError if the data folder has another admin, or aresmon's with another password.
    """
    password = secrets[INFLUXDB_ADMIN]
    ours = InfluxDB(influxdb.socket, ADMIN, password)
    try:
        ours.query("SHOW USERS")
    except InfluxDBError as error:
        if error.status == _UNAUTHORIZED:
            raise AdminUnknownError("InfluxDB rejects the admin password in the site's secrets") from None
        if error.status != _FORBIDDEN:
            raise
        if not ours.has_no_admin():
            raise AdminUnknownError(f"InfluxDB's user {ADMIN} is not an admin") from None
        influxdb.query(influxql.create_admin(ADMIN, password))
    return ours


def reset_admin(open_influxdb: InfluxDB, secrets: Mapping[str, str]) -> None:
    """Set aresmon's admin password and privileges in an InfluxDB that runs without authentication."""
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
    """Return the changes that the database needs; changes nothing.

    Raises AresmonError if a retention would get shorter, which deletes points, and `shorten` is not set.
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
    """Drop the users of removed hosts and of passwords replaced by a rotation.

    While a rotation is in progress both its users stay, because the host may write as either.
    """
    names = {one.name for one in wanted}
    rotating = {other_user(one.name) for one in wanted if next_name(one.secret) in secrets}
    for name in sorted(known - names - rotating):
        if other_user(name) in names:
            yield DatabaseChange(f"drop the user {name}: its password was rotated", _drop_statement(name))
        elif name.startswith("agent-"):
            yield DatabaseChange(f"drop the user {name}: its host is no longer in aresmon.yml", _drop_statement(name))


def _drop_statement(name: str) -> str:
    return f"DROP USER {influxql.identifier(name)}"


def plan_user(influxdb: InfluxDB, name: str, password: str) -> list[DatabaseChange]:
    """Return the changes that the user of one secret needs; changes nothing. `name` is the secret's name."""
    wanted = [_user(name, password)]
    known_users = influxdb.query("SHOW USERS")[0]
    known = _column(known_users, "user")
    passwords = _plan_users(influxdb, wanted, known, {name: password})
    return [*passwords, *_plan_revocations(wanted, known_users), *_plan_grants(influxdb, wanted, known)]


def list_other_admins(influxdb: InfluxDB) -> list[str]:
    """The names of the admins that aresmon did not create."""
    return sorted(_admins(influxdb.query("SHOW USERS")[0]) - {ADMIN})


def without_write_permission(influxdb: InfluxDB, names: Sequence[str]) -> set[str]:
    """Those of these users that exist and may not write."""
    known_users = influxdb.query("SHOW USERS")[0]
    there = sorted((_column(known_users, "user") - _admins(known_users)) & set(names))
    held = _privileges(influxdb, there)
    return {name for name in there if held[name].get(DATABASE) not in ("WRITE", "ALL PRIVILEGES")}


def remove_users(influxdb: InfluxDB, *names: str) -> None:
    """Drop those of these users that exist; their passwords are rejected from then on."""
    known = _column(influxdb.query("SHOW USERS")[0], "user")
    influxdb.query(*(_drop_statement(name) for name in names if name in known))


def apply(influxdb: InfluxDB, changes: Sequence[DatabaseChange]) -> None:
    """Execute a plan."""
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
            what = f"set the retention of {policy} to {format_hours(wanted)}, from {format_hours(kept)}"
            yield DatabaseChange(what, influxql.alter_policy(DATABASE, policy, wanted))


def _plan_users(
    influxdb: InfluxDB, wanted: Sequence[User], known: set[str], secrets: Mapping[str, str]
) -> Iterator[DatabaseChange]:
    there = [one for one in wanted if one.name in known]
    accepted = influxdb.check_credentials([(one.name, secrets[one.secret]) for one in there])
    for one in wanted:
        if one.name not in known:
            yield DatabaseChange(f"create the user {one.name}", influxql.create_user(one.name, secrets[one.secret]))
    for one, is_accepted in zip(there, accepted, strict=True):
        if not is_accepted:
            yield DatabaseChange(
                f"set the password of {one.name}", influxql.set_password(one.name, secrets[one.secret])
            )


def _plan_revocations(wanted: Sequence[User], known_users: Sequence[Series]) -> Iterator[DatabaseChange]:
    """Revoke admin privileges, which override the privileges on single databases."""
    admins = _admins(known_users)
    for one in wanted:
        if one.name in admins:
            statement = f"REVOKE ALL PRIVILEGES FROM {influxql.identifier(one.name)}"
            yield DatabaseChange(f"revoke admin privileges from {one.name}", statement)


def _plan_grants(influxdb: InfluxDB, wanted: Sequence[User], known: set[str]) -> Iterator[DatabaseChange]:
    granted = _privileges(influxdb, [one.name for one in wanted if one.name in known])
    for one in wanted:
        found = granted.get(one.name, {})
        held = {database: privilege for database, privilege in found.items() if privilege != "NO PRIVILEGES"}
        for database in sorted(set(held) - {DATABASE}):
            statement = f"REVOKE ALL ON {influxql.identifier(database)} FROM {influxql.identifier(one.name)}"
            yield DatabaseChange(f"revoke all privileges on {database} from {one.name}", statement)
        if held.get(DATABASE) != one.privilege:
            statement = influxql.grant(one.privilege, DATABASE, one.name)
            yield DatabaseChange(f"grant {one.privilege} to {one.name}", statement)


def _privileges(influxdb: InfluxDB, names: Sequence[str]) -> dict[str, dict[str, str]]:
    """The privileges of these users, by name and database."""
    answers = influxdb.query(*(f"SHOW GRANTS FOR {influxql.identifier(name)}" for name in names))
    return {
        name: {row["database"]: row["privilege"] for series in answer for row in series.rows}
        for name, answer in zip(names, answers, strict=True)
    }


def _column(series: Sequence[Series], column: str) -> set[str]:
    return {str(row[column]) for one in series for row in one.rows}


def _admins(known_users: Sequence[Series]) -> set[str]:
    return {str(row["user"]) for one in known_users for row in one.rows if row.get("admin")}


def parse_hours(duration: str) -> int:
    """Convert InfluxDB's `168h0m0s` to hours; `0s` is forever."""
    return int(duration.partition("h")[0]) if "h" in duration else FOREVER


def is_shorter(wanted: int, kept: int) -> bool:
    """Whether a wanted retention is shorter than the current one, both in hours; 0 means forever."""
    return wanted != FOREVER and (kept == FOREVER or wanted < kept)


def describe_shorter_retention(policy: str, kept: int, wanted: int) -> str:
    """Describe the effect of a shorter retention; `kept` is the current one and `wanted` the new one, in hours."""
    times = f"from {format_hours(kept)} to {format_hours(wanted)}"
    return f"storage.keep.{policy} changes {times}: InfluxDB would permanently delete the points in between"


def admin_client(site: Site) -> InfluxDB:
    """The site's InfluxDB, as its admin. Raises AresmonError where its secret cannot be read."""
    return InfluxDB(site.socket_folder / SOCKET, ADMIN, read_secret(site.secrets, INFLUXDB_ADMIN))


def blocked_hosts(site: Site) -> Mapping[str, str]:
    """The blocked hosts, and since when (ISO 8601, UTC). Raises AresmonError if the file cannot be read."""
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
    first = database_user(agent_secret(host), "")
    remove_users(influxdb, first, other_user(first))
    return is_new


def unblock_host(site: Site, influxdb: InfluxDB, secrets: Mapping[str, str], host: str) -> bool:
    """Allow a host to write again, with its present password; return whether it was blocked."""
    # Users first: if interrupted here, the host is still blocked and the same command continues.
    for name in (agent_secret(host), next_name(agent_secret(host))):
        if name in secrets:
            apply(influxdb, plan_user(influxdb, agent_secret(host), secrets[name]))
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
        description="the list of blocked hosts",
        hint="delete it, then block those hosts again: `aresmon hosts block HOST`",
        mode=0o644,
    )

"""`aresmon users`: who may use Grafana, and adding, removing and giving another password to one of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from aresmon.config import edit_users, model
from aresmon.config.model import Config
from aresmon.engine.docker import Engine
from aresmon.grafana import admin_access, users
from aresmon.grafana.answers import GrafanaNotRunningError, GrafanaUnreachableError
from aresmon.grafana.client import Account, Grafana
from aresmon.grafana.users import GrafanaUserChange
from aresmon.site import folder
from aresmon.site import secrets as site_secrets
from aresmon.site.folder import Site
from aresmon.site.project import Project, parse
from aresmon.system import files
from aresmon.system.errors import AresmonError
from aresmon.system.json_schema import did_you_mean
from aresmon.system.progress import Progress

Kind = Literal["admin", "guest", "user", "own"]


@dataclass(frozen=True, slots=True)
class UserRow:
    """A user of Grafana; `kind` is which part of aresmon.yml names it, or `own` where none does. `id` is 0 for who is
    not made yet."""

    login: str
    kind: Kind
    role: str
    name: str
    email: str
    is_disabled: bool
    id: int

    @property
    def state(self) -> str:
        return "not created yet" if not self.id else "disabled" if self.is_disabled else "active"


def kinds_by_login(wanted: Config) -> dict[str, Kind]:
    """Whom aresmon.yml names, by login in lower case."""
    named: dict[str, Kind] = {person.key: "user" for person in wanted.grafana.users}
    named |= dict.fromkeys((person.key for person in wanted.grafana.guests), "guest")
    return named | {wanted.grafana.admin.lower(): "admin"}


def list_users(project: Project) -> list[UserRow]:
    """Everybody in Grafana, and who is to be; those of aresmon.yml first. Nothing is changed."""
    wanted = project.config
    named = kinds_by_login(wanted)
    accounts = {one.login.lower(): one for one in _administrator(project).accounts()}
    people = {person.key: person.role for person in (*wanted.grafana.guests, *wanted.grafana.users)}
    missing = [UserRow(key, kind, people.get(key, "admin"), "", "", False, 0) for key, kind in named.items()]
    there = [_row(one, named.get(key, "own")) for key, one in accounts.items()]
    order = {"admin": 0, "guest": 1, "user": 2, "own": 3}
    return sorted(
        [*there, *(row for row in missing if row.login not in accounts)], key=lambda row: (order[row.kind], row.login)
    )


def preview(project: Project) -> list[GrafanaUserChange]:
    """What `apply` would do. Nothing is changed."""
    grafana = _administrator(project)
    owners = site_secrets.owners(project.config, folder.service_user_ids())
    made = {name: _secret(project.site, name) for name in owners}
    return users.plan_changes(project, grafana, grafana.accounts(), made)


def apply(project: Project, engine: Engine, progress: Progress, *, command: str) -> tuple[str, ...]:
    """Bring Grafana's users to what aresmon.yml says; what was changed."""
    site, wanted = project.site, project.config
    with site.lock(command):
        secrets = site_secrets.ensure(site.secrets, site_secrets.owners(wanted, folder.service_user_ids()))
        details = users.ensure(project, engine, secrets, progress)
        if details:
            site.record(command=command, grafana=details)
        return details


def add(project: Project, engine: Engine, progress: Progress, settings: Mapping[str, str]) -> None:
    """Add a user to aresmon.yml, once Grafana is seen to be there for it.

    Raises SiteError or AresmonError where it would not be sound; the file is as it was then.
    """
    site, wanted, login = project.site, project.config, settings["login"]
    if (kind := kinds_by_login(wanted).get(login.lower())) is not None:
        raise AresmonError(f"{login} is already in aresmon.yml, as {kind}", hint="`aresmon users apply` creates it")
    model.load(edit_users.add_user(_text(site), settings), project.catalogue)
    with _else_by_hand(f"add {login} to grafana.users"):
        admin_access.check_running(wanted, engine)
        admin_access.connect_as_admin(project, engine, progress)
    # Read again: Grafana may have been waited for, and the file edited meanwhile.
    _write(site, edit_users.add_user(_text(site), settings), command="users add")


def check_removal(wanted: Config, engine: Engine, login: str) -> None:
    """Raise AresmonError for the administrator and for guests, which are a person's to take out of the file, and
    where there is no Grafana to remove somebody from."""
    kind = kinds_by_login(wanted).get(login.lower(), "own")
    if kind in ("admin", "guest"):
        raise AresmonError(
            f"{login} is grafana.{'admin' if kind == 'admin' else 'guests'} in aresmon.yml",
            hint="edit the file, then `aresmon users apply`; a user removed from the file is disabled",
        )
    with _else_by_hand(_by_hand(kind, login)):
        admin_access.check_running(wanted, engine)


def remove(project: Project, engine: Engine, progress: Progress, login: str) -> bool:
    """Take a user out of aresmon.yml if it is there, and delete it in Grafana; whether it was there.

    Raises AresmonError as `check_removal`; nothing was changed then.
    """
    site, wanted = project.site, project.config
    check_removal(wanted, engine, login)
    kind = kinds_by_login(wanted).get(login.lower(), "own")
    with _else_by_hand(_by_hand(kind, login)):
        grafana, _ = admin_access.connect_as_admin(project, engine, progress)
    account = users.find_account(site, grafana.accounts(), login)
    if account is None and kind == "own":
        raise AresmonError(f"there is no user {login}", hint="`aresmon users list` shows the users")
    if kind == "user":
        _write(site, edit_users.remove_user(_text(site), login), command="users remove")
    with site.lock("users remove"):
        if account is not None:
            grafana.delete(account.id)
        users.forget(site, login)
        site.record(command="users remove", login=login)
    return account is not None


def set_password(project: Project, engine: Engine, progress: Progress, *, login: str, password: str) -> str:
    """Give a user another password, in Grafana and in the site's secrets; where it is kept, or nothing.

    Raises AresmonError for a guest, whose password stands in aresmon.yml.
    """
    site_secrets.check(password)
    site, wanted = project.site, project.config
    kind = kinds_by_login(wanted).get(login.lower(), "own")
    if kind == "guest":
        raise AresmonError(
            f"the password of {login} is set in aresmon.yml, grafana.guests",
            hint="change it there, then `aresmon users apply`",
        )
    with site.lock("users set-password"):
        grafana, _ = admin_access.connect_as_admin(project, engine, progress)
        accounts = grafana.accounts()
        account = users.find_account(site, accounts, login)
        if account is None:
            meant = did_you_mean(login.lower(), [one.login.lower() for one in accounts])
            raise AresmonError(f"there is no user {login}{meant}", hint="`aresmon users list` shows the users")
        # Grafana first: if it refuses, the site's secret is still the one that it takes.
        grafana.set_password(account.id, password)
        name = {"admin": site_secrets.GRAFANA_ADMIN, "user": site_secrets.grafana_user_secret(login)}.get(kind, "")
        if name:
            owner = site_secrets.owners(wanted, folder.service_user_ids())[name]
            site_secrets.replace(site.secrets, name, password, owner)
        site.record(command="users set-password", login=login)
    return str(site.secrets / name) if name else ""


@contextmanager
def _else_by_hand(what: str) -> Iterator[None]:
    """Say of a Grafana that is not there what a person can do in aresmon.yml instead."""
    try:
        yield
    except (GrafanaNotRunningError, GrafanaUnreachableError) as error:
        other = f"; or {what} in aresmon.yml by hand, and `aresmon up` does the rest" if what else ""
        error.hint = f"nothing was changed; {error.hint}{other}"
        raise


def _by_hand(kind: Kind, login: str) -> str:
    return f"remove {login} from grafana.users" if kind == "user" else ""


def _administrator(project: Project) -> Grafana:
    grafana = admin_access.admin_client(project)
    grafana.health()
    return grafana


def _row(account: Account, kind: Kind) -> UserRow:
    role = "server admin" if account.is_server_admin else account.role.lower()
    return UserRow(account.login, kind, role, account.name, account.email, account.is_disabled, account.id)


def _secret(site: Site, name: str) -> str:
    """A secret; where it is to be made, what no password is."""
    try:
        return site_secrets.read(site.secrets, name)
    except AresmonError:
        return ""


def _text(site: Site) -> str:
    try:
        return site.file.read_bytes().decode()
    except (OSError, UnicodeDecodeError):
        raise AresmonError(f"{site.file} cannot be read", hint="`aresmon check` shows why") from None


def _write(site: Site, text: str, *, command: str) -> None:
    """Put another text into aresmon.yml, which keeps its mode, once it is seen to be sound."""
    parse(site, text)
    with site.lock(command):
        files.write(site.file.resolve(), text.encode(), mode=site.file.stat().st_mode & 0o777)

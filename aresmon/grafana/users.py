"""Grafana's users, brought to what aresmon.yml says, as often as one likes. Those it does not know are let be."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from aresmon.config.access import GrafanaUser
from aresmon.config.model import Config
from aresmon.engine.docker import Engine
from aresmon.grafana import admin_access
from aresmon.grafana.answers import GrafanaError
from aresmon.grafana.client import Account, Grafana
from aresmon.site import secrets as site_secrets
from aresmon.site.folder import Site
from aresmon.site.project import Project
from aresmon.system.json_file import JsonFile
from aresmon.system.progress import Progress

_REMEMBERED = "grafana-users.json"
_MOST_WRONG = 5  # the edge refuses an address after ten in a minute
_AGAIN = "correct aresmon.yml if that is the cause; `aresmon up` continues from here"

Act = Literal["add", "enable", "disable", "replace", "profile", "password", "join", "role", "server-admin"]


@dataclass(frozen=True, slots=True)
class UserSpec:
    """A user as the site wants it. An empty name or address is the user's own choice, but a guest's is none."""

    login: str
    role: str
    name: str
    email: str
    is_server_admin: bool
    password: str = field(repr=False)
    is_guest: bool = False

    @property
    def key(self) -> str:
        return self.login.lower()


@dataclass(frozen=True, slots=True)
class GrafanaUserChange:
    """One thing to do, and how it reads to a person. `account` is who is there; of someone new there is none."""

    act: Act
    what: str
    account: Account | None = None
    wanted: UserSpec | None = None


def list_wanted(config: Config, secrets: Mapping[str, str]) -> list[UserSpec]:
    """Everybody whom aresmon.yml names; the administrator comes first."""
    admin = UserSpec(config.grafana.admin, "Admin", "", "", True, secrets[site_secrets.GRAFANA_ADMIN])
    guests = [replace(_wanted(person, person.password), is_guest=True) for person in config.grafana.guests]
    users = [
        _wanted(person, secrets[site_secrets.grafana_user_secret(person.login)]) for person in config.grafana.users
    ]
    return [admin, *guests, *users]


def match(people: Sequence[UserSpec], accounts: Sequence[Account], remembered: Mapping[str, str]) -> dict[str, Account]:
    """Who of them is there, by the key of who is wanted: found by login, else by the uid that was remembered, since
    a user may give itself another login."""
    by_login = {account.login.lower(): account for account in accounts}
    by_uid = {account.uid: account for account in accounts if account.uid}
    keys = {one.key for one in people}
    found = {key: by_login[key] for key in keys if key in by_login}
    taken = {account.id for account in found.values()}
    for key in keys - set(found):
        account = by_uid.get(remembered.get(key, ""))
        if account is not None and account.id not in taken:
            found[key] = account
    return found


def plan(
    people: Sequence[UserSpec],
    accounts: Sequence[Account],
    *,
    takes: Mapping[str, bool],
    remembered: Mapping[str, str],
    chosen: Collection[str] = (),
) -> list[GrafanaUserChange]:
    """What is missing or different. `takes` says by key whose password was tried and whether it is taken, `remembered`
    whom we managed last time, by key and uid, and `chosen` who has preferences, such as a theme or a home, by
    key."""
    found = match(people, accounts, remembered)
    changes = list[GrafanaUserChange]()
    for one in people:
        account = found.get(one.key)
        if one.is_guest and account is not None and one.key in chosen:
            # Nobody can set another user's preferences, and a guest has nothing else that would be lost.
            what = f"recreate {one.login}, which deletes its preferences"
            changes.append(GrafanaUserChange("replace", what, account, one))
        else:
            changes.extend(_person(one, account, takes.get(one.key)))
    return [*changes, *_leaving(accounts, {account.id for account in found.values()}, remembered)]


def apply(grafana: Grafana, changes: Sequence[GrafanaUserChange]) -> None:
    """Carry out a plan, in its order. Raises GrafanaError naming what could not be done; the rest is for next time."""
    for change in changes:
        try:
            _perform(grafana, change)
        except GrafanaError as error:
            said = error.message.removeprefix("Grafana: ")
            raise GrafanaError(f"{change.what}: {said}", status=error.status, hint=error.hint or _AGAIN) from None


def ensure(project: Project, engine: Engine, secrets: Mapping[str, str], progress: Progress) -> tuple[str, ...]:
    """Bring Grafana's users to what the site wants, once it is ready; what was changed.

    Raises GrafanaUnreachableError where it does not get ready, GrafanaError where it refuses.
    """
    with progress.stage("configuring Grafana: users"):
        grafana, details = admin_access.connect_as_admin(project, engine, progress)
        accounts = grafana.accounts()
        changes = plan_changes(project, grafana, accounts, secrets)
        apply(grafana, changes)
        _forget_secrets(project, changes)
        _remember(project.site, list_wanted(project.config, secrets), grafana.accounts() if changes else accounts)
        return (*details, *(change.what for change in changes))


def plan_changes(
    project: Project, grafana: Grafana, accounts: Sequence[Account], secrets: Mapping[str, str]
) -> list[GrafanaUserChange]:
    """What there is to do about these accounts of Grafana's. Nothing is changed; each password is tried once."""
    people, remembered = list_wanted(project.config, secrets), _remembered(project.site)
    found = match(people, accounts, remembered)
    takes = _try(grafana, people, found)
    entered = [one for one in people if one.is_guest and takes.get(one.key) and found[one.key].role]
    chosen = [
        one.key for one in entered if grafana.as_user(found[one.key].login, one.password).has_chosen_preferences()
    ]
    return plan(people, accounts, takes=takes, remembered=remembered, chosen=chosen)


def _try(grafana: Grafana, people: Sequence[UserSpec], found: Mapping[str, Account]) -> dict[str, bool]:
    """Whose password is taken, by key. After five that are not, the rest are said to be wrong without trying: to set
    a password that is set already does no harm, and an address that fails too often is shut out."""
    takes: dict[str, bool] = {}
    for one in people:
        account = found.get(one.key)
        if account is None or account.is_disabled:
            continue
        wrong = sum(1 for is_taken in takes.values() if not is_taken)
        may_try = bool(one.password) and wrong < _MOST_WRONG
        takes[one.key] = one.is_server_admin or (may_try and grafana.accepts(account.login, one.password))
    return takes


def find_account(site: Site, accounts: Sequence[Account], login: str) -> Account | None:
    """Whom this login means: the user that we managed by it, whatever its login is now; else who has it."""
    key = login.lower()
    uid = _remembered(site).get(key)
    ours = [account for account in accounts if uid and account.uid == uid]
    return next(iter([*ours, *(account for account in accounts if account.login.lower() == key)]), None)


def forget(site: Site, login: str) -> None:
    """Look after this user no more."""
    left = {key: uid for key, uid in _remembered(site).items() if key != login.lower()}
    _remembered_file(site).write(left)
    (site.secrets / site_secrets.grafana_user_secret(login)).unlink(missing_ok=True)


def _wanted(person: GrafanaUser, password: str) -> UserSpec:
    return UserSpec(person.login, person.role.capitalize(), person.name, person.email, False, password)


def _person(one: UserSpec, account: Account | None, takes: bool | None) -> Iterator[GrafanaUserChange]:
    if account is None:
        yield GrafanaUserChange("add", f"add {one.login} ({one.role.lower()})", None, one)
        return
    if account.is_disabled:
        yield GrafanaUserChange("enable", f"enable {one.login}", account, one)
    yield from _profile(one, account)
    if not takes:
        yield GrafanaUserChange("password", f"set the password of {one.login}", account, one)
    if not account.role:
        yield GrafanaUserChange("join", f"add {one.login} to the organisation as {one.role.lower()}", account, one)
    elif account.role != one.role:
        what = f"make {one.login} {one.role.lower()} instead of {account.role.lower()}"
        yield GrafanaUserChange("role", what, account, one)
    if account.is_server_admin != one.is_server_admin:
        what = (
            f"make {one.login} a server administrator"
            if one.is_server_admin
            else f"revoke server administration from {one.login}"
        )
        yield GrafanaUserChange("server-admin", what, account, one)


def _profile(one: UserSpec, account: Account) -> Iterator[GrafanaUserChange]:
    if account.login.lower() != one.key:
        yield GrafanaUserChange("profile", f"restore the login {one.login} of {account.login}", account, one)
    elif one.name and account.name != one.name:
        yield GrafanaUserChange("profile", f"restore the name {one.name} of {one.login}", account, one)
    elif one.email and account.email.lower() != one.email.lower():
        yield GrafanaUserChange("profile", f"set the address of {one.login} to {one.email}", account, one)
    elif one.is_guest and account.email.lower() not in ("", account.login.lower()):
        yield GrafanaUserChange("profile", f"remove the address {account.email} of {one.login}", account, one)


def _leaving(accounts: Sequence[Account], kept: set[int], remembered: Mapping[str, str]) -> Iterator[GrafanaUserChange]:
    """The managed users who are no longer in the file. They are disabled, not deleted, in case their line was deleted
    by mistake."""
    ours = set(remembered.values())
    for account in accounts:
        if account.uid in ours and account.id not in kept and not account.is_disabled:
            yield GrafanaUserChange("disable", f"disable {account.login}, which is no longer in aresmon.yml", account)


def _perform(grafana: Grafana, change: GrafanaUserChange) -> None:
    account, one = change.account, change.wanted
    if account is not None and one is not None:
        _mend(grafana, change.act, account, one)
    elif account is not None:
        grafana.enable(account.id, False)
    elif one is not None:
        _add(grafana, one)


def _add(grafana: Grafana, one: UserSpec) -> None:
    user = grafana.create(one.login, one.password, name=one.name, email=one.email)
    if one.role != "Viewer":
        grafana.set_role(user, one.role)


def _mend(grafana: Grafana, act: Act, account: Account, one: UserSpec) -> None:
    if act == "replace":
        grafana.delete(account.id)
        _add(grafana, one)
    elif act == "enable":
        grafana.enable(account.id, True)
    elif act == "password":
        grafana.set_password(account.id, one.password)
    elif act == "join":
        grafana.join(account.login, one.role)
    elif act == "role":
        grafana.set_role(account.id, one.role)
    elif act == "server-admin":
        grafana.set_server_admin(account.id, one.is_server_admin)
    else:
        own = "" if one.is_guest or account.email == account.login else account.email
        grafana.update(account, login=one.login, name=one.name or account.name, email=one.email or own)


def _remembered(site: Site) -> Mapping[str, str]:
    return _remembered_file(site).read_or({})


def _remembered_file(site: Site) -> JsonFile[Mapping[str, str]]:
    """Grafana's `uid` of each managed user, by login."""
    return JsonFile(site.state / _REMEMBERED, lambda data: dict(data.items()), dict)


def _remember(site: Site, people: Sequence[UserSpec], accounts: Sequence[Account]) -> None:
    found = match(people, accounts, {})
    now = {key: account.uid for key, account in sorted(found.items())}
    if now != _remembered(site):
        _remembered_file(site).write(now)


def _forget_secrets(project: Project, changes: Sequence[GrafanaUserChange]) -> None:
    """Remove the passwords of those who were disabled."""
    kept = {site_secrets.grafana_user_secret(person.login) for person in project.config.grafana.users}
    for change in changes:
        if change.act == "disable" and change.account is not None:
            name = site_secrets.grafana_user_secret(change.account.login)
            if name not in kept:
                (project.site.secrets / name).unlink(missing_ok=True)

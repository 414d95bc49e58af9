"""`aresmon users`: who may use Grafana."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from aresmon.cli import completion
from aresmon.cli.common import command, confirm_by_name, group, the_console, the_engine, the_project
from aresmon.cli.options import DryRun, Json, Login, Yes
from aresmon.system.errors import AresmonError, ExitCode, any_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aresmon.site.project import Project


app = group("List, add and remove Grafana users, and set passwords.")

_ROLES = ("viewer", "editor", "admin")


@command(app, name="list", example="aresmon users list")
def list_users(as_json: Json = False) -> None:
    """List Grafana's users.

    These are the users in aresmon.yml and those created in Grafana itself.
    """
    from aresmon.grafana import manage_users

    project = _site_with_grafana()
    rows = [
        {
            "login": row.login,
            "kind": row.kind,
            "role": row.role,
            "state": row.state,
            "name": row.name,
            "email": row.email,
        }
        for row in manage_users.list_users(project)
    ]
    the_console().data(rows) if as_json else the_console().users(rows)


@command(app, name="apply", example="aresmon users apply --dry-run")
def apply(
    dry_run: DryRun = False,
) -> None:
    """Update Grafana's users to match aresmon.yml.

    `aresmon up` does the same. Passwords, roles and names of the users in aresmon.yml are reset; other users are not
    changed.
    """
    from aresmon.grafana import manage_users

    project = _site_with_grafana()
    if dry_run:
        changes = [change.what for change in manage_users.preview(project)]
        _tell(changes)
        the_console().say("Nothing was changed." if changes else "Nothing to do.")
        return
    _apply(project, "users apply", nothing="Nothing to do: Grafana's users are as aresmon.yml says.")


@command(app, name="set-password", example="aresmon users set-password marie")
def set_password(
    login: Login,
    generate: Annotated[
        bool, typer.Option("--generate", help="Generate a password instead of prompting for it.")
    ] = False,
) -> None:
    """Set the password of a user.

    Prompts for it without echo, or reads the first line of standard input.
    """
    from aresmon.grafana import manage_users
    from aresmon.site import secrets

    project = _site_with_grafana()
    password = secrets.generate() if generate else _password(login)
    if generate and login.lower() not in {
        key for key, kind in manage_users.kinds_by_login(project.config).items() if kind != "guest"
    }:
        raise AresmonError(
            f"a generated password of {login} would not be stored anywhere, because aresmon.yml does not name the user",
            hint="run the command without --generate",
        )
    kept = manage_users.set_password(project, the_engine(), the_console(), login=login, password=password)
    the_console().say(f"the password of {login} is changed" + (f"; it is in {kept}" if kept else "."))


@command(app, name="add", example="aresmon users add marie --role editor")
def add(
    login: Login,
    role: Annotated[
        str,
        typer.Option(
            "--role",
            metavar="ROLE",
            autocompletion=completion.choice(*_ROLES),
            help="The role: viewer, editor or admin.",
        ),
    ] = "viewer",
    name: Annotated[
        str, typer.Option("--name", metavar="NAME", show_default=False, help="The name shown in Grafana.")
    ] = "",
    email: Annotated[
        str, typer.Option("--email", metavar="ADDRESS", show_default=False, help="The e-mail address.")
    ] = "",
) -> None:
    """Add a user to aresmon.yml and to Grafana.

    The password is generated, and stored in .aresmon/secrets.
    """
    from aresmon.grafana import manage_users
    from aresmon.site import secrets

    if role not in _ROLES:
        raise AresmonError(f"--role must be {any_of(_ROLES)}, not '{role}'", code=ExitCode.USAGE)
    project = _site_here()
    settings = {"login": login, "role": role, "name": name, "email": email}
    manage_users.add(project, the_engine(), the_console(), {key: value for key, value in settings.items() if value})
    the_console().say(f"{project.site.file}: {login} is added to grafana.users")
    try:
        _apply(the_project(), "users add")
    except AresmonError as error:
        hint = f"{login} is in aresmon.yml; `aresmon up` creates it in Grafana"
        raise AresmonError(error.message, hint=hint, code=error.code) from None
    the_console().say(f"password in {project.site.secrets / secrets.grafana_user_secret(login)}")


@command(app, name="remove", example="aresmon users remove marie")
def remove(
    login: Login,
    yes: Yes = False,
) -> None:
    """Remove a user from aresmon.yml and delete it in Grafana.

    Dashboards that the user created are kept.
    """
    from aresmon.grafana import manage_users

    project = _site_here()
    manage_users.check_removal(project.config, the_engine(), login)
    if not yes:
        confirm_by_name(login, f"This deletes Grafana's user {login}, with its preferences and stars")
    was_there = manage_users.remove(project, the_engine(), the_console(), login)
    the_console().say(f"{login} is removed." if was_there else f"{login} is removed; Grafana did not have it.")


def _site_here() -> Project:
    """The site, whose stack is on this machine: Grafana is spoken to where it runs."""
    from aresmon.stack import location

    project = the_project()
    location.require_local(project)
    return project


def _site_with_grafana() -> Project:
    from aresmon.grafana import admin_access

    project = _site_here()
    admin_access.check_running(project.config, the_engine())
    return project


def _apply(project: Project, name: str, *, nothing: str = "") -> None:
    from aresmon.grafana import manage_users

    details = manage_users.apply(project, the_engine(), the_console(), command=name)
    _tell(details)
    if not details and nothing:
        the_console().say(nothing)


def _tell(changes: Iterable[str]) -> None:
    for change in changes:
        the_console().say(f"grafana: {change}")


def _password(login: str) -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    first = str(typer.prompt(f"new password of {login}", hide_input=True, default="", show_default=False))
    again = str(typer.prompt("again", hide_input=True, default="", show_default=False))
    if first != again:
        raise AresmonError("the two entries differ; nothing was changed", code=ExitCode.USAGE)
    return first

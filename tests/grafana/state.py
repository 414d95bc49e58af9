"""What the stand-in for Grafana keeps, and the rules by which Grafana lets it be changed.

Watched on a Grafana 12.2: logins in lower case, the login as the address of who has none, five wrong passwords in
five minutes that lock a login until an administrator sets its password, and the messages.
"""

from __future__ import annotations

import secrets
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_LOCKED_AFTER, _WINDOW = 5, 300.0
_STAMP = "2026-01-01T00:00:00Z"
RANKS = {"None": 0, "Viewer": 1, "Editor": 2, "Admin": 3}


class RefusedError(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


@dataclass
class User:
    """A user. `role` is the one in the first organisation; empty for who is not in it."""

    id: int
    login: str
    password: str
    name: str = ""
    email: str = ""
    role: str = "Viewer"
    is_admin: bool = False
    is_disabled: bool = False
    preferences: dict[str, str] = field(default_factory=dict)
    uid: str = field(default_factory=lambda: secrets.token_hex(7))


@dataclass
class State:
    """Users, folders and dashboards. With a `folder`, users are also written to a grafana.db in it."""

    folder: Path | None = None
    clock: Callable[[], float] = time.monotonic
    users: dict[int, User] = field(default_factory=dict)
    folders: dict[str, dict[str, Any]] = field(default_factory=dict)
    dashboards: dict[str, dict[str, Any]] = field(default_factory=dict)
    rules: list[dict[str, Any]] = field(default_factory=list)
    annotations: list[dict[str, Any]] = field(default_factory=list)
    wrong: dict[str, list[float]] = field(default_factory=dict)
    last: int = 0
    refused: int = 0

    def begin(self, login: str, password: str) -> None:
        """Make the administrator, as Grafana does on an empty data folder alone."""
        if not self.users:
            admin = self.create(login, password, email="admin@localhost")
            admin.role, admin.is_admin = "Admin", True
            self.keep()

    def keep(self) -> None:
        """Write the users where Grafana has them."""
        if self.folder is None:
            return
        with closing(sqlite3.connect(self.folder / "grafana.db")) as database, database:
            database.execute("CREATE TABLE IF NOT EXISTS user (id INTEGER PRIMARY KEY, login TEXT, is_admin INTEGER)")
            database.execute("DELETE FROM user")
            rows = [(user.id, user.login, int(user.is_admin)) for user in self.users.values()]
            database.executemany("INSERT INTO user VALUES (?, ?, ?)", rows)

    # Who asks --------------------------------------------------------------------------------------------

    def enter(self, login: str, password: str) -> User:
        """Who this is. Raises RefusedError as Grafana does, which gives the same answer for a lock."""
        key = login.lower()
        now = self.clock()
        recent = [at for at in self.wrong.get(key, []) if now - at < _WINDOW]
        if len(recent) >= _LOCKED_AFTER:
            raise RefusedError(401, "Invalid username or password")
        user = self.find(login)
        if user is None or user.password != password:
            self.wrong[key] = [*recent, now]
            self.refused += 1
            raise RefusedError(401, "Invalid username or password")
        self.wrong.pop(key, None)
        if user.is_disabled:
            raise RefusedError(401, "Unauthorized")
        return user

    def find(self, login: str) -> User | None:
        key = login.lower()
        return next((one for one in self.users.values() if key in (one.login, one.email.lower())), None)

    def user(self, number: int) -> User:
        if number not in self.users:
            raise RefusedError(404, "user not found")
        return self.users[number]

    def member(self, number: int) -> User:
        user = self.user(number)
        if not user.role:
            raise RefusedError(500, "Failed update org user")
        return user

    # Users -----------------------------------------------------------------------------------------------

    def create(self, login: str, password: str, *, name: str = "", email: str = "") -> User:
        if not login and not email:
            raise RefusedError(400, "Validation error, need specify either username or email")
        self._check_password(password)
        self._check_free(login, email, but=None)
        self.last += 1
        user = User(self.last, login.lower(), password, name, email.lower() or login.lower())
        self.users[user.id] = user
        self.keep()
        return user

    def update(self, user: User, login: str, name: str, email: str) -> None:
        self._check_free(login, email, but=user)
        user.login, user.name = login.lower() or user.login, name
        user.email = email.lower() or user.login
        self.keep()

    def set_password(self, user: User, password: str) -> None:
        self._check_password(password)
        user.password = password
        self.wrong.pop(user.login, None)

    def reset_admin(self, number: int, password: str) -> str:
        """As `grafana cli admin reset-admin-password` does: no lock is lifted; what it prints."""
        self._check_password(password)
        if number not in self.users:
            return "Admin user cannot be found"
        if not self.users[number].is_admin:
            raise RefusedError(400, "reset-admin-password can only be used to reset an admin user account")
        self.users[number].password = password
        return "Admin password changed successfully"

    def set_server_admin(self, user: User, wanted: bool) -> None:
        admins = [one for one in self.users.values() if one.is_admin]
        if not wanted and admins == [user]:
            raise RefusedError(400, "cannot remove last grafana admin")
        user.is_admin = wanted
        self.keep()

    def set_role(self, user: User, role: str) -> None:
        admins = [one for one in self.users.values() if one.role == "Admin"]
        if role != "Admin" and admins == [user]:
            raise RefusedError(400, "Cannot change role so that there is no organization admin left")
        user.role = role

    def delete(self, user: User) -> None:
        del self.users[user.id]
        self.keep()

    def _check_password(self, password: str) -> None:
        if len(password) < 4:
            raise RefusedError(400, "New password is too short")

    def _check_free(self, login: str, email: str, *, but: User | None) -> None:
        for word in (login, email):
            other = self.find(word) if word else None
            if other is not None and other is not but:
                raise RefusedError(412, f"User with email '{email}' or username '{login.lower()}' already exists")

    # Folders and dashboards ------------------------------------------------------------------------------

    def create_folder(self, uid: str, title: str, parent: str) -> dict[str, Any]:
        if uid in self.folders:
            raise RefusedError(409, "a folder with that UID already exists")
        if parent and parent not in self.folders:
            raise RefusedError(400, "parent folder not found")
        self.folders[uid] = {"uid": uid, "title": title, "parentUid": parent}
        return self.folder_of(uid)

    def folder_of(self, uid: str) -> dict[str, Any]:
        """A folder as Grafana tells it, with its parents from the top down."""
        if uid not in self.folders:
            raise RefusedError(404, "folder not found")
        folder = self.folders[uid]
        parents: list[dict[str, Any]] = []
        above = folder["parentUid"]
        while above:
            parents.insert(0, {"uid": above, "title": self.folders[above]["title"]})
            above = self.folders[above]["parentUid"]
        told = {"uid": uid, "title": folder["title"], "orgId": 1, "version": 1}
        return told | ({"parentUid": folder["parentUid"], "parents": parents} if parents else {})

    def save_dashboard(self, dashboard: dict[str, Any], folder: str, *, overwrite: bool, by: str) -> dict[str, Any]:
        if not dashboard.get("title"):
            raise RefusedError(400, "Dashboard title cannot be empty")
        if folder and folder not in self.folders:
            raise RefusedError(400, "folder not found")
        uid = dashboard.get("uid") or secrets.token_hex(7)
        there = self.dashboards.get(uid)
        if there is not None and there["provisioned"]:
            raise RefusedError(400, "Cannot save provisioned dashboard")
        if there is not None and not overwrite and dashboard.get("version") != there["dashboard"]["version"]:
            raise RefusedError(412, "The dashboard has been changed by someone else")
        self.put_dashboard(uid, dashboard, folder, by=by)
        saved: dict[str, Any] = self.dashboards[uid]["dashboard"]
        return saved

    def put_dashboard(
        self, uid: str, dashboard: dict[str, Any], folder: str, *, by: str = "", provisioned: bool = False
    ) -> None:
        there = self.dashboards.get(uid)
        number = there["dashboard"]["id"] if there else len(self.dashboards) + 1
        version = there["dashboard"]["version"] + 1 if there else 1
        kept = {**dashboard, "uid": uid, "id": number, "version": version}
        self.dashboards[uid] = {"dashboard": kept, "folder": folder, "provisioned": provisioned, "by": by}

    def meta(self, uid: str) -> dict[str, Any]:
        """What Grafana tells of a dashboard beside it."""
        kept = self.dashboards[uid]
        folder = self.folders.get(kept["folder"], {})
        return {
            "type": "db",
            "slug": uid,
            "url": f"/d/{uid}/{uid}",
            "version": kept["dashboard"]["version"],
            "updated": _STAMP,
            "updatedBy": kept["by"],
            "isFolder": False,
            "folderUid": kept["folder"],
            "folderTitle": folder.get("title", "General"),
            "provisioned": kept["provisioned"],
        }

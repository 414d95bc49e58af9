"""What the stand-in does for each operation that it serves."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.grafana.state import RANKS, RefusedError, State, User

_SEEN = "2026-01-01T00:00:00Z"


@dataclass(frozen=True)
class Asked:
    """A request: who asks, the values in the path and after it, and the body; `major` is Grafana's version."""

    state: State
    user: User
    values: Mapping[str, str]
    query: Mapping[str, str]
    body: Mapping[str, Any]
    reload: Callable[[str], None]
    major: int

    @property
    def about(self) -> User:
        """The user whom the path names."""
        return self.state.user(int(self.values["user_id"]))


@dataclass(frozen=True)
class Route:
    """What serves an operation, and who may ask for it: a server admin, or who has this role at least."""

    serve: Callable[[Asked], Any]
    role: str = ""
    status: int = 200

    def allows(self, user: User) -> bool:
        if not self.role:
            return user.is_admin
        return user.is_admin or RANKS.get(user.role, 0) >= RANKS[self.role]


def _me(asked: Asked) -> Any:
    return _profile(asked.user)


def _profile(user: User) -> dict[str, Any]:
    told = {"id": user.id, "uid": user.uid, "login": user.login, "name": user.name, "email": user.email}
    return {**told, "orgId": 1, "isGrafanaAdmin": user.is_admin, "isDisabled": user.is_disabled}


def _preferences(asked: Asked) -> Any:
    return dict(asked.user.preferences)


def _prefer(asked: Asked) -> Any:
    asked.user.preferences = {name: str(value) for name, value in asked.body.items() if value}
    return {"message": "Preferences updated"}


def _users(asked: Asked) -> Any:
    size, page = int(asked.query.get("perpage", "1000")), int(asked.query.get("page", "1"))
    chosen = list(asked.state.users.values())[(page - 1) * size : page * size]
    return [
        {
            "id": one.id,
            "uid": one.uid,
            "login": one.login,
            "name": one.name,
            "email": one.email,
            "isAdmin": one.is_admin,
            "isDisabled": one.is_disabled,
            "lastSeenAt": _SEEN,
            "authLabels": [],
        }
        for one in chosen
    ]


def _members(asked: Asked) -> Any:
    return [
        {
            "orgId": 1,
            "userId": one.id,
            "uid": one.uid,
            "login": one.login,
            "name": one.name,
            "email": one.email,
            "role": one.role,
            "isDisabled": one.is_disabled,
            "lastSeenAt": _SEEN,
        }
        for one in asked.state.users.values()
        if one.role
    ]


def _create(asked: Asked) -> Any:
    body = asked.body
    user = asked.state.create(
        body.get("login", ""), body.get("password", ""), name=body.get("name", ""), email=body.get("email", "")
    )
    return {"id": user.id, "uid": user.uid, "message": "User created"}


def _update(asked: Asked) -> Any:
    asked.state.update(
        asked.about, asked.body.get("login", ""), asked.body.get("name", ""), asked.body.get("email", "")
    )
    return {"message": "User updated"}


def _delete(asked: Asked) -> Any:
    asked.state.delete(asked.about)
    return {"message": "User deleted"}


def _password(asked: Asked) -> Any:
    asked.state.set_password(asked.about, asked.body.get("password", ""))
    return {"message": "User password updated"}


def _permissions(asked: Asked) -> Any:
    asked.state.set_server_admin(asked.about, bool(asked.body.get("isGrafanaAdmin")))
    return {"message": "User permissions updated"}


def _disable(asked: Asked) -> Any:
    asked.about.is_disabled = True
    return {"message": "User disabled"}


def _enable(asked: Asked) -> Any:
    asked.about.is_disabled = False
    return {"message": "User enabled"}


def _role(asked: Asked) -> Any:
    asked.state.set_role(asked.state.member(int(asked.values["user_id"])), asked.body["role"])
    return {"message": "Organization user updated"}


def _join(asked: Asked) -> Any:
    user = asked.state.find(asked.body["loginOrEmail"])
    if user is None:
        raise RefusedError(403, "user not found")
    user.role = asked.body["role"]
    return {"message": "User added to organization"}


def _make_folder(asked: Asked) -> Any:
    return asked.state.create_folder(asked.body["uid"], asked.body["title"], asked.body.get("parentUid", ""))


def _folder(asked: Asked) -> Any:
    return asked.state.folder_of(asked.values["folder_uid"])


def _search(asked: Asked) -> Any:
    size, page = int(asked.query.get("limit", "1000")), int(asked.query.get("page", "1"))
    uids = list(asked.state.dashboards)[(page - 1) * size : page * size]
    return [_hit(asked.state, uid) for uid in uids]


def _hit(state: State, uid: str) -> dict[str, Any]:
    kept, meta = state.dashboards[uid], state.meta(uid)
    told = {"id": kept["dashboard"]["id"], "uid": uid, "title": kept["dashboard"]["title"], "type": "dash-db"}
    inside = {"folderUid": kept["folder"], "folderTitle": meta["folderTitle"]} if kept["folder"] else {}
    return told | inside


def _dashboard(asked: Asked) -> Any:
    uid = asked.values["uid"]
    if uid not in asked.state.dashboards:
        raise RefusedError(404, "Dashboard not found")
    return {"dashboard": asked.state.dashboards[uid]["dashboard"], "meta": asked.state.meta(uid)}


def _save(asked: Asked) -> Any:
    body = asked.body
    saved = asked.state.save_dashboard(
        body["dashboard"], body.get("folderUid", ""), overwrite=bool(body.get("overwrite")), by=asked.user.login
    )
    told = {"id": saved["id"], "uid": saved["uid"], "version": saved["version"]}
    return {**told, "title": saved["title"], "status": "success", "url": f"/d/{saved['uid']}"}


def _rules(asked: Asked) -> Any:
    return {"status": "success", "data": {"groups": asked.state.rules}}


def _annotations(asked: Asked) -> Any:
    """Those of a time, the newest first, as far as the limit goes; both ends of the time belong to it."""
    start, end = (int(asked.query[name]) for name in ("from", "to"))
    found = [one for one in asked.state.annotations if start <= one["time"] <= end]
    return sorted(found, key=lambda one: -int(one["time"]))[: int(asked.query["limit"])]


def _try_receivers(asked: Asked) -> Any:
    if asked.major != 12:
        raise RefusedError(404, "Not found")
    receivers = [
        {
            "name": one["name"],
            "grafana_managed_receiver_configs": [
                {"name": config.get("name", ""), "uid": config.get("uid", ""), "status": "ok"}
                for config in one["grafana_managed_receiver_configs"]
            ],
        }
        for one in asked.body["receivers"]
    ]
    return {"alert": {}, "receivers": receivers, "notified_at": _SEEN}


def _rendered(asked: Asked) -> Any:
    """The name of each template that no other one uses, in place of its text."""
    file = asked.body["template"]
    names = [name for name in re.findall(r'define "([^"]+)"', file) if f'template "{name}"' not in file]
    return {"results": [{"name": name, "text": f"<{name}>", "scope": "."} for name in names], "errors": []}


def _try_integration(asked: Asked) -> Any:
    if asked.major == 12:
        raise RefusedError(404, "Not found")
    uid = asked.values["receiver_uid"]
    name = base64.urlsafe_b64decode(uid + "=" * (-len(uid) % 4)).decode()
    return {"status": "success", "duration": "1ms"} if name else {"status": "failure", "duration": "1ms", "error": "no"}


def _reloaded(what: str) -> Callable[[Asked], Any]:
    def serve(asked: Asked) -> Any:
        asked.reload(what)
        return {"message": f"{what.capitalize()} config reloaded"}

    return serve


ROUTES: dict[tuple[str, str], Route] = {
    ("GET", "/user"): Route(_me, "None"),
    ("GET", "/user/preferences"): Route(_preferences, "Viewer"),
    ("PUT", "/user/preferences"): Route(_prefer, "Viewer"),
    ("GET", "/users"): Route(_users),
    ("PUT", "/users/{user_id}"): Route(_update),
    ("POST", "/admin/users"): Route(_create),
    ("DELETE", "/admin/users/{user_id}"): Route(_delete),
    ("PUT", "/admin/users/{user_id}/password"): Route(_password),
    ("PUT", "/admin/users/{user_id}/permissions"): Route(_permissions),
    ("POST", "/admin/users/{user_id}/disable"): Route(_disable),
    ("POST", "/admin/users/{user_id}/enable"): Route(_enable),
    ("GET", "/orgs/{org_id}/users"): Route(_members),
    ("POST", "/orgs/{org_id}/users"): Route(_join),
    ("PATCH", "/orgs/{org_id}/users/{user_id}"): Route(_role),
    ("POST", "/folders"): Route(_make_folder, "Editor"),
    ("GET", "/folders/{folder_uid}"): Route(_folder, "Viewer"),
    ("GET", "/search"): Route(_search, "Viewer"),
    ("GET", "/dashboards/uid/{uid}"): Route(_dashboard, "Viewer"),
    ("POST", "/dashboards/db"): Route(_save, "Editor"),
    ("GET", "/prometheus/grafana/api/v1/rules"): Route(_rules, "Viewer"),
    ("GET", "/annotations"): Route(_annotations, "Viewer"),
    ("POST", "/alertmanager/grafana/config/api/v1/receivers/test"): Route(_try_receivers, "Editor"),
    ("POST", "/alertmanager/grafana/config/api/v1/templates/test"): Route(_rendered, "Editor"),
    (
        "POST",
        "/apis/notifications.alerting.grafana.app/v1beta1/namespaces/default/receivers/{receiver_uid}/test",
    ): Route(_try_integration, "Editor"),
    ("POST", "/admin/provisioning/dashboards/reload"): Route(_reloaded("dashboards")),
    ("POST", "/admin/provisioning/datasources/reload"): Route(_reloaded("datasources")),
    ("POST", "/admin/provisioning/alerting/reload"): Route(_reloaded("alerting")),
}

"""Grafana 12 and 13 over their HTTP API, as one user with a password.

Source: Grafana's own description of it (its OpenAPI document); what is not in there has its source at its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from aresmon.config.model import Config
from aresmon.grafana.answers import (
    GrafanaError,
    GrafanaUnreachableError,
    parse_answer,
    require_mapping,
    require_rows,
    wrong_scheme_error,
)
from aresmon.system.poll import retry

if TYPE_CHECKING:
    from requests.adapters import HTTPAdapter


ORGANISATION = 1
MAJORS = (12, 13)
READY_WITHIN = 180.0  # seconds; a first start makes some hundred tables
_CONNECT, _READ = 5.0, 30.0
_PAGE = 1000
_EVERY = 0.5
_NOT_TLS_ERRORS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST")  # OpenSSL's words for no TLS
_PREFERENCES = ("theme", "homeDashboardUID", "timezone", "weekStart", "language", "regionalFormat")


@dataclass(frozen=True, slots=True)
class Health:
    """What Grafana says of itself. `version` is empty where it is hidden from who asks (`grafana.anonymous`)."""

    version: str
    database: str


@dataclass(frozen=True, slots=True)
class Account:
    """A user of Grafana. `role` is the one in the first organisation, empty for who is not in it; `uid` is never
    given twice, which an `id` is as soon as the data folder is another."""

    id: int
    uid: str
    login: str
    name: str
    email: str
    is_server_admin: bool
    is_disabled: bool
    role: str = ""


@dataclass(frozen=True, slots=True)
class Grafana:
    """A Grafana behind an address, as http://127.0.0.1:3000, and who we are there. `fingerprint` is the SHA-256 of
    the one certificate that it may show, whose name is that of the site and not of this address."""

    base: str
    login: str = ""
    password: str = field(default="", repr=False)
    fingerprint: str = ""

    def as_user(self, login: str, password: str) -> Grafana:
        """The same Grafana for another user."""
        return Grafana(self.base, login, password, self.fingerprint)

    # What it is ------------------------------------------------------------------------------------------

    def health(self) -> Health:
        """Its version, and how its own database is. Raises GrafanaError for a version that is not spoken here."""
        answer = require_mapping(self._send("GET", "/api/health", anonymous=True))
        health = Health(str(answer.get("version", "")), str(answer.get("database", "")))
        if not health.version and health.database == "ok":
            health = replace(health, version=self._version_for_users())
            if not health.version:
                return health
        major = health.version.partition(".")[0]
        if not major.isdigit():
            raise GrafanaUnreachableError(f"the server on {self.base} does not report Grafana's version")
        if int(major) not in MAJORS:
            raise GrafanaError(
                f"Grafana {health.version} is running on {self.base}; aresmon supports {MAJORS[0]} and {MAJORS[1]}",
                hint="remove `images.grafana` from aresmon.yml to use the supported version",
            )
        return health

    def _version_for_users(self) -> str:
        """The version as users see it; empty for a wrong password, which the caller's next request reports.

        Where anybody may look on without a login, Grafana leaves its version out of /api/health, whoever asks, and
        tells it in the settings of its own pages to users who are logged in. Source: Grafana's pkg/api/http_server.go
        (apiHealthHandler) and pkg/api/frontendsettings.go; its API description does not have these settings.
        """
        try:
            settings = require_mapping(self._send("GET", "/api/frontend/settings"))
        except GrafanaError as error:
            if error.status != 401:
                raise
            return ""
        build = settings.get("buildInfo")
        return str(build.get("version", "")) if isinstance(build, dict) else ""

    def me(self) -> Account:
        """Who we are. Raises GrafanaError, of status 401 where the login or the password is wrong."""
        return _account(require_mapping(self._send("GET", "/api/user")))

    def accepts(self, login: str, password: str) -> bool:
        """Whether it takes this password: one attempt to log in.

        By /api/user: where anybody may look on, Grafana takes a wrong password for nobody's, and elsewhere answers.
        """
        try:
            self.as_user(login, password).me()
        except GrafanaError as error:
            if error.status != 401:
                raise
            return False
        return True

    def has_chosen_preferences(self) -> bool:
        """Whether we have a theme, a home, a time zone, a first day of the week or a language of our own choice."""
        answer = require_mapping(self._send("GET", "/api/user/preferences"))
        return any(answer.get(name) for name in _PREFERENCES)

    # Users -----------------------------------------------------------------------------------------------

    def accounts(self) -> list[Account]:
        """Everybody, with their role in the first organisation."""
        members = require_rows(self._send("GET", f"/api/orgs/{ORGANISATION}/users"))
        roles = {row.get("userId"): str(row.get("role", "")) for row in members}
        return [_account(row, roles.get(row.get("id"), "")) for row in self._pages("/api/users", {}, size="perpage")]

    def create(self, login: str, password: str, *, name: str = "", email: str = "") -> int:
        """Make a user; the new id. Its role is Viewer, until `set_role`."""
        body = {"login": login, "password": password, "name": name, "email": email, "orgId": ORGANISATION}
        return int(require_mapping(self._send("POST", "/api/admin/users", body))["id"])

    def update(self, account: Account, *, login: str, name: str, email: str) -> None:
        """Give a user another login, name or address."""
        self._send("PUT", f"/api/users/{account.id}", {"login": login, "name": name, "email": email})

    def delete(self, user: int) -> None:
        """Delete a user, for good."""
        self._send("DELETE", f"/api/admin/users/{user}")

    def set_password(self, user: int, password: str) -> None:
        """Give a user another password, without knowing the former. It also ends a lock."""
        self._send("PUT", f"/api/admin/users/{user}/password", {"password": password})

    def set_role(self, user: int, role: str) -> None:
        """Make a member of the first organisation its Viewer, Editor or Admin."""
        self._send("PATCH", f"/api/orgs/{ORGANISATION}/users/{user}", {"role": role})

    def join(self, login: str, role: str) -> None:
        """Make a user a member of the first organisation."""
        self._send("POST", f"/api/orgs/{ORGANISATION}/users", {"loginOrEmail": login, "role": role})

    def set_server_admin(self, user: int, wanted: bool) -> None:
        """Give a user the right to look after Grafana itself, or take it away."""
        self._send("PUT", f"/api/admin/users/{user}/permissions", {"isGrafanaAdmin": wanted})

    def enable(self, user: int, wanted: bool) -> None:
        """Let a user log in, or no longer; the sessions of who is disabled end."""
        self._send("POST", f"/api/admin/users/{user}/{'enable' if wanted else 'disable'}")

    # Folders and dashboards ------------------------------------------------------------------------------

    def folder(self, uid: str) -> dict[str, Any] | None:
        """A folder, with its `parents` from the top down; None where there is none."""
        return self._found(f"/api/folders/{quote(uid, safe='')}")

    def create_folder(self, uid: str, title: str, *, parent: str = "") -> None:
        """Make a folder, in another one if `parent` names it by its uid."""
        self._send("POST", "/api/folders", {"uid": uid, "title": title} | ({"parentUid": parent} if parent else {}))

    def search_dashboards(self) -> list[dict[str, Any]]:
        """A line for each dashboard: uid, title, folderUid, folderTitle."""
        return list(self._pages("/api/search", {"type": "dash-db"}, size="limit"))

    def dashboard(self, uid: str) -> dict[str, Any] | None:
        """A dashboard: its `dashboard` in the classic form, and its `meta`; None where there is none."""
        return self._found(f"/api/dashboards/uid/{quote(uid, safe='')}")

    def save_dashboard(self, dashboard: Mapping[str, Any], *, folder: str, message: str, overwrite: bool) -> int:
        """Save a dashboard; its version. Raises GrafanaError, of status 412 where another version is there."""
        body = {"dashboard": dashboard, "folderUid": folder, "message": message, "overwrite": overwrite}
        return int(require_mapping(self._send("POST", "/api/dashboards/db", body)).get("version", 0))

    # Provisioning and alerts -----------------------------------------------------------------------------

    def reload(self, what: str) -> None:
        """Read the provisioned files again: `dashboards`, `datasources` or `alerting`.

        The last is not in the published description; source: Grafana's pkg/api/api.go.
        """
        self._send("POST", f"/api/admin/provisioning/{what}/reload")

    def rules(self) -> list[dict[str, Any]]:
        """The alert rules by group, with their state.

        Not in the published description; source: Grafana's pkg/services/ngalert/api/tooling/definitions/prom.go.
        """
        data = require_mapping(self._send("GET", "/api/prometheus/grafana/api/v1/rules")).get("data")
        return require_rows(require_mapping(data).get("groups", []))

    def alert_changes(self, start: float, end: float) -> Iterator[dict[str, Any]]:
        """The changes of alerts' states between two times in seconds since 1970, the newest first: `time` in
        milliseconds, `newState`, `prevState`, and `text` with the rule's title and the labels."""
        until, known = int(end * 1000), set[int]()
        while True:
            query = {"type": "alert", "from": int(start * 1000), "to": until, "limit": _PAGE}
            rows = require_rows(self._send("GET", "/api/annotations", query=query))
            fresh = [row for row in rows if row["id"] not in known]
            yield from fresh
            if len(rows) < _PAGE or not fresh:
                return
            known |= {row["id"] for row in fresh}
            until = min(int(row["time"]) for row in fresh)

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Send a request of which the caller knows the address; return its answer."""
        return require_mapping(self._send("POST", path, body))

    def render_templates(self, name: str, file: str, alerts: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        """What the templates of a file, which need not be there yet, make of these alerts: their texts by name.

        Not in the published description; source: Grafana's
        pkg/services/ngalert/api/tooling/definitions/alertmanager.go, RoutePostTestGrafanaTemplates.
        """
        path = "/api/alertmanager/grafana/config/api/v1/templates/test"
        body = {"name": name, "template": file, "alerts": list(alerts)}
        found = require_rows(require_mapping(self._send("POST", path, body)).get("results") or [])
        return {str(one.get("name")): str(one.get("text", "")) for one in found}

    # Access ----------------------------------------------------------------------------------------------

    def _found(self, path: str) -> dict[str, Any] | None:
        try:
            return require_mapping(self._send("GET", path))
        except GrafanaError as error:
            if error.status != 404:
                raise
            return None

    def _pages(self, path: str, query: Mapping[str, Any], *, size: str) -> Iterator[dict[str, Any]]:
        page = 1
        while True:
            rows = require_rows(self._send("GET", path, query={**query, size: _PAGE, "page": page}))
            yield from rows
            if len(rows) < _PAGE:
                return
            page += 1

    def _send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        query: Mapping[str, Any] | None = None,
        anonymous: bool = False,
    ) -> Any:
        """One request, sent once; the JSON of its answer."""
        import requests

        auth = None if anonymous else (self.login, self.password)
        try:
            with requests.Session() as session:
                session.trust_env = False  # no proxy, and no password from ~/.netrc
                if self.fingerprint:
                    session.mount("https://", _pinned_adapter(self.fingerprint))
                response = session.request(
                    method,
                    self.base + path,
                    json=body,
                    params=query,
                    auth=auth,
                    headers={"Accept": "application/json"},
                    timeout=(_CONNECT, _READ),
                    allow_redirects=False,
                    verify=not self.fingerprint,
                )
        except requests.exceptions.SSLError as error:
            if any(word in str(error) for word in _NOT_TLS_ERRORS):
                raise wrong_scheme_error(f"the server on {self.base} does not use https") from None
            raise GrafanaUnreachableError(
                f"the server on {self.base} presents a certificate that is not trusted",
                hint="it must be the one in aresmon.yml, grafana.tls; after a renewal, `aresmon up` installs it",
            ) from None
        except requests.exceptions.Timeout:
            raise GrafanaUnreachableError(f"Grafana does not answer on {self.base} within {_READ:.0f} s") from None
        except requests.exceptions.RequestException:
            raise GrafanaUnreachableError(f"Grafana does not answer on {self.base}") from None
        return parse_answer(response, base=self.base, login=self.login)


def connect(config: Config, password: str, *, fingerprint: str = "") -> Grafana:
    """The site's Grafana, through the edge, as its administrator."""
    return Grafana(
        f"{config.grafana.access.scheme}://{config.edge.grafana.here}", config.grafana.admin, password, fingerprint
    )


def wait_until_ready(
    grafana: Grafana,
    *,
    is_running: Callable[[], bool] = lambda: True,
    within: float = READY_WITHIN,
) -> Health:
    """Wait until Grafana answers as Grafana does and its database is well.

    Raises the last GrafanaUnreachableError after so many seconds, or as soon as it does not run any more; GrafanaError
    at once for a version that is not spoken here.
    """

    def health() -> Health:
        found = grafana.health()
        if found.database == "ok":
            return found
        raise GrafanaUnreachableError(f"Grafana's own database is not healthy: {found.database or 'it does not say'}")

    return retry(health, on=GrafanaUnreachableError, within=within, every=_EVERY, keep_trying=is_running)


def _pinned_adapter(fingerprint: str) -> HTTPAdapter:
    """What opens a connection to who shows this certificate, and to nobody else."""
    from requests.adapters import HTTPAdapter

    class Pinned(HTTPAdapter):
        def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
            super().init_poolmanager(*arguments, **options, assert_fingerprint=fingerprint)

    return Pinned()


def _account(row: Mapping[str, Any], role: str = "") -> Account:
    return Account(
        id=int(row.get("id", 0)),
        uid=str(row.get("uid", "")),
        login=str(row.get("login", "")),
        name=str(row.get("name", "")),
        email=str(row.get("email", "")),
        is_server_admin=bool(row.get("isAdmin", row.get("isGrafanaAdmin", False))),
        is_disabled=bool(row.get("isDisabled", False)),
        role=role,
    )

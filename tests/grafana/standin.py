"""A stand-in for Grafana, since its image can not be had everywhere: users, folders, dashboards, provisioning.

It answers on a TCP port or on a Unix socket. Every request and every answer of its own is held against Grafana's
description; what that does not allow is answered with 500 and fails the test, by `violations`.
"""

from __future__ import annotations

import base64
import json
import socketserver
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, ClassVar, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.grafana.openapi import Operation, ViolationError, description
from tests.grafana.provisioning import read
from tests.grafana.routes import ROUTES, Asked
from tests.grafana.state import RefusedError, State, User

Mode = Literal["well", "starting", "edge", "ending", "slow", "failing", "elsewhere", "garbled", "crowded"]
RESET = "/-/reset-admin-password"
"""The way in of the `grafana cli` in the image for tests; Grafana has no such address."""
_SETTINGS = "/api/frontend/settings"  # not in Grafana's description; its pkg/api/frontendsettings.go serves it

_FOREIGN: dict[Mode, tuple[int, str, str]] = {
    "starting": (200, "text/html", "<html><title>Grafana</title>Loading</html>"),
    "edge": (503, "text/plain", "Grafana is not running on this server yet.\n"),
    "ending": (502, "text/html", "<html><body><h1>502 Bad Gateway</h1></body></html>\n"),  # HAProxy's own page
    "elsewhere": (302, "text/html", "<html>Found</html>"),
    "garbled": (200, "application/json", '["no", "Grafana"]'),
    "crowded": (429, "text/plain", "Too many requests\n"),
}


class StandIn:
    """The stand-in. `mode` is how it is now; `sent` are the requests so far, but for those that only look."""

    def __init__(self, state: State | None = None, *, provisioning: Path | None = None) -> None:
        self.state = state or State()
        self.mode: Mode = "well"
        self.version = "12.4.5"
        self.is_anonymous = False  # `grafana.anonymous`: visitors need no login, and the version is hidden from them
        self.delay = 0.0
        self.provisioning = provisioning
        self.refuse: dict[tuple[str, str], tuple[int, str]] = {}
        self.violations: list[str] = []
        self.sent: list[tuple[str, str]] = []
        self.reloads: list[str] = []
        self.lock = threading.Lock()

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> tuple[int, str, str]:
        """Status, content type and body of the answer to a request."""
        if self.mode == "slow":
            time.sleep(self.delay)
        elif self.mode in _FOREIGN:
            return _FOREIGN[self.mode]
        with self.lock:
            url = urlsplit(target)
            if url.path == RESET:
                return self._reset(dict(parse_qsl(url.query)), body)
            if (method, url.path) == ("GET", _SETTINGS):
                return self._settings(headers)
            try:
                status, answer = self._serve(method, unquote(url.path), dict(parse_qsl(url.query)), headers, body)
            except ViolationError as violation:
                self.violations.append(str(violation))
                status, answer = 500, {"message": f"not in the description: {violation}"}
            return status, "application/json", json.dumps(answer)

    def _serve(
        self, method: str, path: str, query: dict[str, str], headers: Mapping[str, str], body: bytes
    ) -> tuple[int, Any]:
        about = description()
        operation = about.operation(method, path)
        given = json.loads(body) if body else None
        about.check_request(operation, query, given)
        if method != "GET":
            self.sent.append((method, path))
        try:
            status, answer = self._carry_out(operation, query, headers, given)
        except RefusedError as refused:
            status, answer = refused.status, {"message": refused.message}
        about.check_answer(operation, status, answer)
        return status, answer

    def _carry_out(
        self, operation: Operation, query: dict[str, str], headers: Mapping[str, str], given: Any
    ) -> tuple[int, Any]:
        if operation.template == "/health":
            if self.mode == "failing":
                return 503, {"message": "database is locked"}
            hidden = {} if self.is_anonymous else {"version": self.version, "commit": "stand-in"}
            return 200, {"database": "ok", **hidden}
        for (method, template), (status, message) in self.refuse.items():
            if (method, template) == (operation.method, operation.template):
                raise RefusedError(status, message)
        route = ROUTES.get((operation.method, operation.template))
        if route is None:
            raise ViolationError(f"the stand-in does not serve {operation}")
        user = self._user(headers)
        if not route.allows(user):
            raise RefusedError(403, "You'll need additional permissions to perform this action.")
        asked = Asked(
            self.state, user, operation.values, query, given or {}, self._reload, int(self.version.partition(".")[0])
        )
        return route.status, route.serve(asked)

    def _settings(self, headers: Mapping[str, str]) -> tuple[int, str, str]:
        """What Grafana's own pages read first; to who is not logged in, where that is allowed, without the version."""
        try:
            self._user(headers)
        except RefusedError as refused:
            if not self.is_anonymous:
                return refused.status, "application/json", json.dumps({"message": refused.message})
            return 200, "application/json", json.dumps({"buildInfo": {"version": "", "env": "production"}})
        return 200, "application/json", json.dumps({"buildInfo": {"version": self.version, "env": "production"}})

    def _user(self, headers: Mapping[str, str]) -> User:
        scheme, _, word = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic":
            raise RefusedError(401, "Unauthorized")
        login, _, password = base64.b64decode(word).decode().partition(":")
        return self.state.enter(login, password)

    def _reload(self, what: str) -> None:
        if self.provisioning is not None:
            try:
                read(self.state, self.provisioning, what)
            except ValueError as error:
                raise RefusedError(500, str(error)) from None
        self.reloads.append(what)

    def _reset(self, query: Mapping[str, str], body: bytes) -> tuple[int, str, str]:
        try:
            said = self.state.reset_admin(int(query["user"]), body.decode().rstrip("\n"))
        except RefusedError as refused:
            return 400, "text/plain", f"Error: {refused.message}\n"
        return 200, "text/plain", f"{said}\n"


class _Tcp(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


class _Unix(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


@contextmanager
def serving(standin: StandIn, *, socket: Path | None = None, context: ssl.SSLContext | None = None) -> Iterator[str]:
    """Answer until the end of the block, on a port that was free, or on this socket; the address. With a `context`
    in TLS.

    Raises AssertionError at the end for what the description does not allow.
    """

    class Handler(_Handler):
        served = standin

    if socket is None:
        tcp = _Tcp(("127.0.0.1", 0), Handler, bind_and_activate=False)
        server: socketserver.BaseServer = tcp
        if context is not None:
            tcp.socket = context.wrap_socket(tcp.socket, server_side=True)
        tcp.server_bind()
        tcp.server_activate()
        address = f"http{'s' if context else ''}://127.0.0.1:{tcp.socket.getsockname()[1]}"
    else:
        socket.unlink(missing_ok=True)
        server, address = _Unix(str(socket), Handler), str(socket)
        socket.chmod(0o777)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield address
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        if socket is not None:
            socket.unlink(missing_ok=True)
    if standin.violations:
        raise AssertionError(f"not in Grafana's description: {standin.violations}")


class _Handler(BaseHTTPRequestHandler):
    served: ClassVar[StandIn]
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = False

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        status, kind, text = self.served.answer(self.command, self.path, headers, body)
        content = text.encode()
        try:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            if status == 302:
                self.send_header("Location", "/login")
            self.end_headers()
            self.wfile.write(content)
        except BrokenPipeError:
            self.close_connection = True

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _handle  # noqa: N815 (the library names them)

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""

    def address_string(self) -> str:
        return "somebody"

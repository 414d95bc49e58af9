"""Client for the InfluxDB 1.x HTTP API, over the Unix socket that only the site's owner can open.

Source: InfluxDB 1.x, "InfluxDB API reference" (/query, /ping).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aresmon.system.errors import AresmonError

if TYPE_CHECKING:
    import requests


_BASE = "http+unix://influxdb"
_PING_TIMEOUT, _QUERY_TIMEOUT = 5.0, 60.0  # seconds; InfluxDB itself ends a query after 30
_CHUNK_POINTS = 2000  # points in each part of a chunked response
_DISK_FULL = "no space left on device"  # the kernel's message, which InfluxDB passes on
_DISK_FULL_HINT = (
    "free disk space where storage.data is (`df -h`), then rerun the command; `aresmon doctor` has details"
)
_LONGEST_SOCKET_PATH = 100  # bytes; Linux allows 108, and the SDK's adapter adds a few


class InfluxDBError(AresmonError):
    """InfluxDB answered with an error; `status` is the HTTP status, 0 for an error in the response body."""

    def __init__(self, message: str, *, status: int = 0) -> None:
        super().__init__(f"InfluxDB: {message}", hint=_DISK_FULL_HINT if _DISK_FULL in message else "")
        self.status = status


class InfluxDBUnreachableError(AresmonError):
    """InfluxDB did not answer."""


@dataclass(frozen=True, slots=True)
class Series:
    """One series of a query result: its tags, and one mapping from column to value for each row."""

    name: str
    tags: dict[str, str]
    rows: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class InfluxDB:
    """An InfluxDB behind a Unix socket, and the user to authenticate as; anonymous without one.

    `ping_timeout` is in seconds. `server` is the host that the socket leads to through ssh, if it is another one.
    """

    socket: Path
    user: str = ""
    password: str = field(default="", repr=False)
    ping_timeout: float = _PING_TIMEOUT
    server: str = ""

    def query(self, *statements: str, database: str = "", within: float = _QUERY_TIMEOUT) -> list[list[Series]]:
        """Send statements in one request and return the series of each. Times are in seconds since 1970.

        Raises InfluxDBError if a statement fails (the others may have been executed), InfluxDBUnreachableError if
        there is no response within `within` seconds.
        """
        if not statements:
            return []
        found: list[list[tuple[Series, list[dict[str, Any]]]]] = [[] for _ in statements]
        for number, part in self._parts("; ".join(statements), database, within):
            last = found[number][-1][0] if found[number] else None
            if last is not None and (last.name, last.tags) == (part.name, part.tags):
                found[number][-1][1].extend(part.rows)
            else:
                found[number].append((part, list(part.rows)))
        return [[replace(series, rows=tuple(rows)) for series, rows in one] for one in found]

    def stream(self, statement: str, *, database: str, within: float = _QUERY_TIMEOUT) -> Iterator[Series]:
        """Yield the series of one statement as they arrive; a long series arrives in several parts.

        Raises the errors of `query`, possibly after the first series.
        """
        for _, part in self._parts(statement, database, within):
            yield part

    def _parts(self, statements: str, database: str, within: float) -> Iterator[tuple[int, Series]]:
        """Yield the number of the statement and a part of a series, as they arrive.

        In chunks: InfluxDB holds one chunk in memory, and its limit on rows (`max-row-limit`) does not apply.
        """
        form = {"q": statements, "epoch": "s", "db": database, "chunked": "true", "chunk_size": str(_CHUNK_POINTS)}
        with self._session() as session, self._send(session, "POST", "/query", within, data=form, stream=True) as sent:
            if sent.status_code != HTTPStatus.OK:
                raise InfluxDBError(str(_json(sent).get("error", sent.reason)), status=sent.status_code)
            for line in self._lines(sent):
                answer = _object(line, sent.status_code)
                if "error" in answer:
                    raise InfluxDBError(str(answer["error"]))
                for result in answer.get("results", []):
                    for series in _series(result):
                        yield int(result.get("statement_id", 0)), series

    def _lines(self, response: requests.Response) -> Iterator[bytes]:
        import requests.exceptions

        try:
            yield from (line for line in response.iter_lines(chunk_size=1 << 16) if line)
        except requests.exceptions.RequestException as error:
            raise InfluxDBUnreachableError(
                f"InfluxDB closed the connection before the response was complete ({self._place()})"
            ) from error

    def write(self, lines: str, *, database: str, policy: str, within: float = _QUERY_TIMEOUT) -> None:
        """Write points in InfluxDB's line protocol, with times in seconds since 1970.

        Raises InfluxDBError if they are rejected, InfluxDBUnreachableError if there is no response.
        """
        parameters = {"db": database, "rp": policy, "precision": "s"}
        with self._session() as session:
            response = self._send(session, "POST", "/write", within, params=parameters, data=lines.encode())
        if response.status_code != HTTPStatus.NO_CONTENT:
            raise InfluxDBError(str(_json(response).get("error", response.reason)), status=response.status_code)

    def check_credentials(self, credentials: Sequence[tuple[str, str]]) -> list[bool]:
        """Return for each user and password whether InfluxDB accepts it, in the same order."""
        with self._session() as session:
            return [
                self._send(session, "GET", "/ping", self.ping_timeout, auth=pair).status_code == HTTPStatus.NO_CONTENT
                for pair in credentials
            ]

    def has_no_admin(self) -> bool:
        """Whether no admin exists yet. Until then InfluxDB authenticates anyone, and allows only creating an admin."""
        return self.check_credentials([("nobody", "nothing")]) == [True]

    def version(self) -> str:
        """The version that InfluxDB reports."""
        with self._session() as session:
            return str(self._send(session, "GET", "/ping", self.ping_timeout).headers.get("X-Influxdb-Version", ""))

    def _send(
        self, session: requests.Session, method: str, path: str, within: float, **request: Any
    ) -> requests.Response:
        import requests.exceptions

        if self.user:
            request.setdefault("auth", (self.user, self.password))
        try:
            return session.request(method, _BASE + path, timeout=within, **request)
        except requests.exceptions.RequestException as error:
            raise InfluxDBUnreachableError(
                f"InfluxDB does not answer on {self._place()}",
                hint="`aresmon status` shows whether it is running; `aresmon up` starts it"
                + (f", on {self.server}" if self.server else ""),
            ) from error

    def _place(self) -> str:
        return f"{self.server}, through ssh" if self.server else str(self.socket)

    @contextmanager
    def _session(self) -> Iterator[requests.Session]:
        import requests
        from docker.transport import UnixHTTPAdapter

        with requests.Session() as session, _short_path(self.socket) as path:
            session.trust_env = False  # no proxy, and no password from ~/.netrc
            session.mount("http+unix://", UnixHTTPAdapter(f"http+unix://{path}", timeout=60))
            yield session


def preload_docker_sdk() -> None:
    """Import the Docker SDK now: threads that import it at the same time may find it half initialised."""
    import docker.errors
    import docker.transport  # noqa: F401


@contextmanager
def _short_path(socket: Path) -> Iterator[str]:
    """A path to the socket that fits into a Unix socket address, which is limited to 108 bytes."""
    if len(os.fsencode(socket)) <= _LONGEST_SOCKET_PATH:
        yield str(socket)
        return
    try:
        folder = os.open(socket.parent, os.O_PATH | os.O_DIRECTORY)
    except OSError as error:
        raise InfluxDBUnreachableError(f"{socket.parent}: {error.strerror}", hint="`aresmon up` creates it") from None
    try:
        yield f"/proc/self/fd/{folder}/{socket.name}"
    finally:
        os.close(folder)


def _json(response: requests.Response) -> dict[str, Any]:
    return _object(response.content, response.status_code)


def _object(text: bytes, status: int) -> dict[str, Any]:
    try:
        answer = json.loads(text)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise InfluxDBError(f"the response is not JSON (status {status})", status=status)
    return answer


def _series(result: dict[str, Any]) -> list[Series]:
    if "error" in result:
        raise InfluxDBError(str(result["error"]))
    return [
        Series(
            name=one.get("name", ""),
            tags=dict(one.get("tags", {})),
            rows=tuple(dict(zip(one["columns"], row, strict=True)) for row in one.get("values", [])),
        )
        for one in result.get("series", [])
    ]

"""Client for the InfluxDB 1.x HTTP API, over the Unix socket that only the site's owner can open.

Source: InfluxDB 1.x, "InfluxDB API reference" (/query, /ping).
"""

from __future__ import annotations

import base64
import json
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse, IncompleteRead
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from aresmon.system.errors import AresmonError

_PING_TIMEOUT, _QUERY_TIMEOUT = 5.0, 60.0  # seconds; InfluxDB itself ends a query after 30
_CHUNK_POINTS = 2000  # points in each part of a chunked response
_DISK_FULL = "no space left on device"  # the kernel's message, which InfluxDB passes on
_DISK_FULL_HINT = (
    "free disk space where storage.data is (`df -h`), then rerun the command; `aresmon doctor` has details"
)
_PIECE = 1 << 16
_LONGEST_SOCKET_PATH = 100  # bytes; Linux allows 108


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
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        with self._connection(within) as connection:
            response = self._send(connection, "POST", "/query", body=urlencode(form).encode(), headers=headers)
            if response.status != HTTPStatus.OK:
                raise InfluxDBError(str(self._body(response).get("error", response.reason)), status=response.status)
            for line in self._lines(response):
                answer = _object(line, response.status)
                if "error" in answer:
                    raise InfluxDBError(str(answer["error"]))
                for result in answer.get("results", []):
                    for series in _series(result):
                        yield int(result.get("statement_id", 0)), series

    def _lines(self, response: HTTPResponse) -> Iterator[bytes]:
        rest = b""
        try:
            while piece := response.read1(_PIECE):  # unlike readline(), it raises where the last chunk is missing
                *lines, rest = (rest + piece).split(b"\n")
                yield from filter(None, lines)
            if response.length:
                raise IncompleteRead(rest, response.length)
        except (OSError, HTTPException) as error:
            raise InfluxDBUnreachableError(
                f"InfluxDB closed the connection before the response was complete ({self._place()})"
            ) from error
        if rest:
            yield rest

    def _body(self, response: HTTPResponse) -> dict[str, Any]:
        return _object(b"".join(self._lines(response)), response.status)

    def write(self, lines: str, *, database: str, policy: str, within: float = _QUERY_TIMEOUT) -> None:
        """Write points in InfluxDB's line protocol, with times in seconds since 1970.

        Raises InfluxDBError if they are rejected, InfluxDBUnreachableError if there is no response.
        """
        parameters = urlencode({"db": database, "rp": policy, "precision": "s"})
        with self._connection(within) as connection:
            response = self._send(connection, "POST", f"/write?{parameters}", body=lines.encode())
            if response.status != HTTPStatus.NO_CONTENT:
                raise InfluxDBError(str(self._body(response).get("error", response.reason)), status=response.status)

    def check_credentials(self, credentials: Sequence[tuple[str, str]]) -> list[bool]:
        """Return for each user and password whether InfluxDB accepts it, in the same order."""
        return [self._ping(*pair).status == HTTPStatus.NO_CONTENT for pair in credentials]

    def has_no_admin(self) -> bool:
        """Whether no admin exists yet. Until then InfluxDB authenticates anyone, and allows only creating an admin."""
        return self.check_credentials([("nobody", "nothing")]) == [True]

    def version(self) -> str:
        """The version that InfluxDB reports."""
        return self._ping(self.user, self.password).headers.get("X-Influxdb-Version", "")

    def _ping(self, user: str, password: str) -> HTTPResponse:
        with self._connection(self.ping_timeout) as connection:
            return self._send(connection, "GET", "/ping", headers=_login(user, password))

    def _send(
        self,
        connection: HTTPConnection,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] = {},
    ) -> HTTPResponse:
        try:
            connection.request(method, path, body, {**_login(self.user, self.password), **headers})
            return connection.getresponse()
        except (OSError, HTTPException) as error:
            raise InfluxDBUnreachableError(
                f"InfluxDB does not answer on {self._place()}",
                hint="`aresmon status` shows whether it is running; `aresmon up` starts it"
                + (f", on {self.server}" if self.server else ""),
            ) from error

    def _place(self) -> str:
        return f"{self.server}, through ssh" if self.server else str(self.socket)

    @contextmanager
    def _connection(self, within: float) -> Iterator[HTTPConnection]:
        with _short_path(self.socket) as path, closing(UnixConnection(path, within)) as connection:
            yield connection


class UnixConnection(HTTPConnection):
    """HTTP over a Unix socket. Python's own client: `requests` takes longer to load than InfluxDB to answer."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("influxdb", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket instead of an address."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _login(user: str, password: str) -> dict[str, str]:
    pair = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": f"Basic {pair}"} if user else {}


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

"""Requests to the edge, sent byte for byte as they are written here."""

from __future__ import annotations

import base64
import http.client
import socket
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

POINT = b"knock value=1i"


@dataclass(frozen=True)
class Answer:
    """What came back. `is_influxdb` says whether InfluxDB itself answered, and not the edge; `headers` are by
    their names in lower case, those of one name joined by `, `."""

    status: int
    body: str
    is_influxdb: bool
    headers: Mapping[str, str] = field(default_factory=dict)


def basic(user: str, password: str) -> str:
    """The value of an Authorization header."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def by_tls(address: str, trusted: Path) -> http.client.HTTPConnection:
    """A way to knock there by TLS, for one that takes the authorities in this file and no others."""
    context = ssl.create_default_context(cafile=str(trusted))
    return http.client.HTTPSConnection(address, timeout=20, context=context)


def knock(
    address: str | http.client.HTTPConnection,
    method: str,
    target: str,
    *,
    body: bytes = POINT,
    authorization: Sequence[str] = (),
    headers: Sequence[tuple[str, str]] = (),
) -> Answer:
    """Send one request whose target is not touched by any library; in the clear, or as `by_tls` says."""
    connection = http.client.HTTPConnection(address, timeout=20) if isinstance(address, str) else address
    try:
        connection.putrequest(method, target, skip_accept_encoding=True)
        for value in authorization:
            connection.putheader("Authorization", value)
        for name, content in headers:
            connection.putheader(name, content)
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        told = response.headers.get("X-Influxdb-Version") is not None
        back: dict[str, str] = {}
        for name, content in response.headers.items():
            back[name.lower()] = f"{back[name.lower()]}, {content}" if name.lower() in back else content
        return Answer(response.status, response.read().decode(errors="replace"), told, back)
    finally:
        connection.close()


def raw(address: str, request: bytes) -> bytes:
    """Send bytes, and return all that comes back until the other side closes or says nothing more."""
    host, _, port = address.rpartition(":")
    answer = b""
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(request)
        try:
            while piece := connection.recv(65536):
                answer += piece
        except (TimeoutError, ConnectionResetError):
            pass
    return answer

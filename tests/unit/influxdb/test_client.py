"""The client of InfluxDB's HTTP API, before a server that answers what the test says."""

from __future__ import annotations

import base64
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from aresmon.influxdb.client import InfluxDB, InfluxDBError, InfluxDBUnreachableError
from tests.unit.conftest import REPOSITORY

pytestmark = pytest.mark.own_sockets("the server is the test's own")

Serve = Callable[..., InfluxDB]
SERIES = b'{"results":[{"statement_id":0,"series":[{"name":"m","columns":["time","v"],"values":[[1,2]]}]}]}\n'


def answer(status: str, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", *headers, *([] if headers else [f"Content-Length: {len(body)}"])]
    return "\r\n".join([*lines, "", ""]).encode() + body


def chunked(*chunks: bytes) -> bytes:
    body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    return answer("200 OK", body, "Transfer-Encoding: chunked")


def receive(connection: socket.socket) -> bytes:
    """A whole request."""
    text = b""
    while b"\r\n\r\n" not in text or len(text.partition(b"\r\n\r\n")[2]) < length(text):
        text += connection.recv(1 << 16)
    return text


def length(text: bytes) -> int:
    found = re.search(rb"Content-Length: (\d+)", text)
    return int(found[1]) if found else 0


@pytest.fixture
def requests() -> list[bytes]:
    """What the server was sent."""
    return []


@pytest.fixture
def serve(tmp_path: Path, requests: list[bytes]) -> Iterator[Serve]:
    """Answer each connection with the next of these; a client for the user ada."""
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(tmp_path / "socket"))
    listening.listen()
    threads: list[threading.Thread] = []

    def start(*answers: bytes, within: float = 5.0) -> InfluxDB:
        def run() -> None:
            for one in answers:
                connection, _ = listening.accept()
                with connection:
                    requests.append(receive(connection))
                    connection.sendall(one)
                    if not one:
                        connection.recv(1)  # silence, until the client gives up

        threads.append(threading.Thread(target=run, daemon=True))
        threads[-1].start()
        return InfluxDB(tmp_path / "socket", "ada", "secret", ping_timeout=within)

    yield start
    for thread in threads:
        thread.join(5)
    listening.close()


def test_a_query_is_sent_as_a_form_with_the_users_password(serve: Serve, requests: list[bytes]) -> None:
    influxdb = serve(chunked(SERIES, b""))

    (found,) = influxdb.query("SELECT a & b", database="aresmon")

    assert [(one.name, one.rows) for one in found] == [("m", ({"time": 1, "v": 2},))]
    head, _, body = requests[0].decode().partition("\r\n\r\n")
    assert head.startswith("POST /query HTTP/1.1\r\n")
    assert f"Authorization: Basic {base64.b64encode(b'ada:secret').decode()}" in head
    assert "Content-Type: application/x-www-form-urlencoded" in head
    assert parse_qs(body)["q"] == ["SELECT a & b"]


def test_parts_of_an_answer_are_joined(serve: Serve) -> None:
    half = len(SERIES) // 2
    influxdb = serve(chunked(SERIES[:half], SERIES[half:] + SERIES, b""))

    (found,) = influxdb.query("SELECT")

    assert [len(one.rows) for one in found] == [2]


def test_an_error_that_is_cut_off_is_no_answer(serve: Serve) -> None:
    influxdb = serve(answer("500 Internal Server Error", b'{"error":', "Content-Length: 50"))

    with pytest.raises(InfluxDBUnreachableError, match="before the response was complete"):
        influxdb.query("SELECT")


@pytest.mark.parametrize("kept", [0.3, 0.9, 1.0])
def test_an_answer_that_is_cut_off_is_never_taken_for_a_whole_one(serve: Serve, kept: float) -> None:
    whole = chunked(SERIES, SERIES)  # without the last, empty chunk
    start = whole.index(b"\r\n\r\n") + 4
    influxdb = serve(whole[: start + int((len(whole) - start) * kept)])

    with pytest.raises(InfluxDBUnreachableError, match="before the response was complete"):
        influxdb.query("SELECT")


@pytest.mark.parametrize(
    ("given", "message", "status"),
    [
        (answer("401 Unauthorized", b'{"error":"authorization failed"}'), "InfluxDB: authorization failed", 401),
        (answer("502 Bad Gateway", b"<html>"), r"InfluxDB: the response is not JSON \(status 502\)", 502),
        (chunked(b'{"results":[{"error":"no such thing"}]}\n', b""), "InfluxDB: no such thing", 0),
    ],
)
def test_an_error_is_told_in_the_words_of_influxdb(serve: Serve, given: bytes, message: str, status: int) -> None:
    with pytest.raises(InfluxDBError, match=message) as caught:
        serve(given).query("SELECT")

    assert caught.value.status == status


def test_points_are_written_to_a_policy(serve: Serve, requests: list[bytes]) -> None:
    serve(answer("204 No Content")).write("m v=1 1", database="aresmon", policy="for ever")

    head, _, body = requests[0].decode().partition("\r\n\r\n")
    assert head.startswith("POST /write?db=aresmon&rp=for+ever&precision=s HTTP/1.1\r\n")
    assert body == "m v=1 1"


def test_points_that_are_refused_are_an_error(serve: Serve) -> None:
    influxdb = serve(answer("400 Bad Request", b'{"error":"unable to parse"}'))

    with pytest.raises(InfluxDBError, match="unable to parse"):
        influxdb.write("m", database="aresmon", policy="raw")


def test_each_login_is_tried_alone(serve: Serve, requests: list[bytes]) -> None:
    influxdb = serve(answer("204 No Content"), answer("401 Unauthorized", b"{}"))

    assert influxdb.check_credentials([("eve", "x"), ("eve", "y")]) == [True, False]
    assert [base64.b64encode(b"eve:x") in requests[0], base64.b64encode(b"eve:y") in requests[1]] == [True, True]


def test_the_version_is_in_a_header(serve: Serve) -> None:
    assert serve(answer("204 No Content", b"", "X-Influxdb-Version: 1.13.2")).version() == "1.13.2"


def test_a_server_that_says_nothing_is_unreachable(serve: Serve) -> None:
    with pytest.raises(InfluxDBUnreachableError, match="InfluxDB does not answer on "):
        serve(b"", within=0.1).version()


def test_no_server_is_unreachable() -> None:
    with pytest.raises(InfluxDBUnreachableError, match="InfluxDB does not answer on "):
        InfluxDB(Path("/nonexistent")).query("SELECT")


def test_it_loads_no_library_that_takes_longer_than_an_answer() -> None:
    code = (
        "import sys, aresmon.influxdb.client; print([name for name in ('requests', 'docker') if name in sys.modules])"
    )

    told = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)

    assert told.stdout == "[]\n"

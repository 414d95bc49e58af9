"""That no unit test reaches out, however its code takes a refusal."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import docker
import pytest

from aresmon.engine.docker import Engine
from tests.harness.blocked import SlipError, blocked, slips
from tests.unit.conftest import REPOSITORY


def by_address() -> None:
    socket.create_connection(("192.0.2.1", 80), timeout=1)


def by_name() -> None:
    socket.getaddrinfo("example.org", 443)


def by_datagram() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as one:
        one.sendto(b"?", ("192.0.2.1", 53))


def by_the_engines_socket() -> None:
    docker.DockerClient("unix:///var/run/docker.sock").ping()


def by_our_own_engine() -> None:
    Engine().client.ping()


def by_somebody_elses_port() -> None:
    socket.create_connection(("127.0.0.1", 22), timeout=1)


WAYS = [by_address, by_name, by_datagram, by_the_engines_socket, by_our_own_engine, by_somebody_elses_port]


@pytest.mark.parametrize("allows_own", [False, True])
@pytest.mark.parametrize("reach", WAYS)
def test_every_way_out_is_closed_and_remembered(reach: Callable[[], None], allows_own: bool) -> None:
    with blocked(allows_own=allows_own):
        with suppress(Exception):  # as code does that takes a refusal for a server that is away
            reach()

        assert slips()


def test_what_a_test_listens_on_itself_is_reached_where_that_is_allowed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        with blocked(allows_own=True):
            socket.create_connection(server.getsockname()).close()
            assert not slips()
        with blocked(), pytest.raises(SlipError):
            socket.create_connection(server.getsockname())


def test_a_program_that_is_started_finds_no_engine() -> None:
    program = "import docker; docker.from_env()"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)

    assert "docker.errors.DockerException" in done.stderr
    assert not Path(os.environ["DOCKER_HOST"].removeprefix("unix://")).exists()


def test_a_slip_that_is_swallowed_fails_its_test_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "test_slip.py").write_text(
        "import socket\n\n\ndef test_slip():\n    try:\n"
        "        socket.create_connection(('127.0.0.1', 9))\n    except Exception:\n        pass\n"
    )
    options = ["-p", "tests.harness.blocked", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", str(tmp_path)]
    argv = [sys.executable, "-m", "pytest", "-q", *options, str(tmp_path)]

    done = subprocess.run(argv, cwd=REPOSITORY, capture_output=True, text=True)

    assert "1 passed, 1 error" in done.stdout, done
    assert "reaches nothing but what it listens on itself" in done.stdout

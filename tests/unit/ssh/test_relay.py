"""The relay that runs on the server, between standard input and output and a Unix socket."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

from aresmon.ssh import relay


def listen(folder: Path) -> socket.socket:
    """A socket in a folder, by a name that is short: its whole path may be longer than an address can be."""
    server = socket.socket(socket.AF_UNIX)
    before = os.open(".", os.O_PATH)
    try:
        os.chdir(folder)
        server.bind("influxdb.sock")
    finally:
        os.fchdir(before)
        os.close(before)
    server.listen(1)
    return server


def answer(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        asked = connection.makefile("rb").read()
        connection.sendall(asked.upper())


def test_a_socket_in_a_long_folder_is_reached(tmp_path: Path) -> None:
    folder = tmp_path / ("a" * 60) / ("b" * 60)
    folder.mkdir(parents=True)

    with listen(folder) as server:
        threading.Thread(target=answer, args=(server,), daemon=True).start()
        program = Path(relay.__file__).read_text()
        done = subprocess.run(
            [sys.executable, "-c", program, str(folder / "influxdb.sock")],
            input=b"ping",
            capture_output=True,
            timeout=20,
            check=False,
        )

    assert (done.returncode, done.stdout, done.stderr) == (0, b"PING", b"")


def test_a_socket_that_is_not_there_ends_it_with_the_reason(tmp_path: Path) -> None:
    program = Path(relay.__file__).read_text()
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "none.sock")], capture_output=True, timeout=20, check=False
    )

    assert done.returncode == 1
    assert b"No such file" in done.stderr

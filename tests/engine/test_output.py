"""Commands on a running stack whose standard output is full, closed, or has no reader."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.engine.grafanas import grafana_for
from tests.engine.sites import Site, site_in

COMMANDS = [
    "status",
    "status --json",
    "status --watch",
    "top --once",
    "top --json",
    "top box",
    "map --output -",
    "hosts list",
    "alerts list",
    "data show",
    "users list",
    "logs",
    "logs -f influxdb",
    "doctor",
    "up",
    "up --dry-run",
    "backup list",
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site that runs, with a Grafana."""
    with site_in(tmp_path_factory.mktemp("output"), hosts={"box": {"agent": "docker"}}) as made, grafana_for(made):
        result = made.run("up")
        assert result.code == 0, result
        yield made


def run(site: Site, command: str, output: str | int) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "aresmon", "-C", str(site.folder), *command.split()]
    shell = ["/bin/sh", "-c", f'exec "$@" >{output}', "sh", *argv]
    return subprocess.run(shell, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("to", "why"), [("/dev/full", "No space left on device"), ("&-", "it is not open for writing")]
)
def test_output_that_cannot_be_written_is_said_in_a_sentence(site: Site, command: str, to: str, why: str) -> None:
    done = run(site, command, to)

    assert done.stderr.splitlines()[-1] == f"cannot write to standard output: {why}", done
    assert done.returncode in (1, 5), done
    assert not (site.state / "log").exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_without_a_reader_a_command_ends_as_other_programs_do(site: Site, command: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)

    argv = [sys.executable, "-m", "aresmon", "-C", str(site.folder), *command.split()]
    done = subprocess.run(
        argv, stdin=subprocess.DEVNULL, stdout=writer, stderr=subprocess.PIPE, text=True, check=False, timeout=60
    )
    os.close(writer)
    assert (done.returncode, "internal error" in done.stderr) == (-signal.SIGPIPE, False), done
    assert not (site.state / "log").exists()


def test_what_up_does_is_done_although_it_cannot_be_written(site: Site) -> None:
    site.run("down")

    done = run(site, "up", "/dev/full")

    assert done.returncode == 1, done
    assert {one.status for one in site.containers().values()} == {"running"}
    assert site.run("up", "--dry-run").out == "Nothing to do.\n"

"""What is wrong with the machine is told before anything is touched: engine, Compose, ports, images."""

from __future__ import annotations

import os
import shutil
import socket
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.engine.conftest import MakeSite
from tests.engine.sites import OTHER_ADDRESS, Result, Site, client

COMMANDS = [["up"], ["up", "--dry-run"], ["down"], ["status"], ["logs", "edge"], ["images", "pull", "edge"]]


def refused(result: Result, *words: str) -> None:
    """The command was refused with these words and a next step, and without a traceback."""
    assert result.code == 1, result
    assert "Traceback" not in result.err
    assert "next:" in result.err
    for word in words:
        assert word in result.err, result.err


@contextmanager
def listening(address: str) -> Iterator[None]:
    """Somebody else on an address and port."""
    host, _, port = address.rpartition(":")
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, int(port)))
        listener.listen()
        yield


@pytest.fixture
def docker_that(tmp_path: Path) -> Callable[[str], dict[str, str]]:
    """A `docker` earlier on the PATH, with a shell's answer to `docker compose`; the rest goes to the real one."""

    def make(compose: str) -> dict[str, str]:
        folder = tmp_path / "bin"
        folder.mkdir()
        program = folder / "docker"
        real = shutil.which("docker")
        program.write_text(f'#!/bin/sh\nif [ "$1" = compose ]; then\n{compose}\nfi\nexec {real} "$@"\n')
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        return {"PATH": f"{folder}:{os.environ['PATH']}"}

    return make


# The engine and Compose ----------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_engine_is_told_with_what_to_do(site: Site, command: list[str]) -> None:
    result = site.run(*command, env={"DOCKER_HOST": "unix:///nonexistent.sock"})

    refused(result, "/nonexistent.sock", "start it")
    assert site.containers() == {}


def test_no_engine_writes_no_file_for_this_machine(site: Site) -> None:
    (site.folder / "aresmon.yml").unlink()

    refused(site.run("up", env={"DOCKER_HOST": "unix:///nonexistent.sock"}), "does not answer")

    assert list(site.folder.iterdir()) == []


@pytest.mark.parametrize("host", ["tcp://127.0.0.1:2375", "ssh://biere"])
def test_an_engine_elsewhere_is_refused(site: Site, host: str) -> None:
    refused(site.run("up", env={"DOCKER_HOST": host}), f"the Docker engine is at {host}", "unset DOCKER_HOST")


def test_a_machine_without_compose_is_told_what_to_install(
    site: Site, docker_that: Callable[[str], dict[str, str]]
) -> None:
    env = docker_that("echo \"docker: 'compose' is not a docker command.\" >&2; exit 1")

    refused(site.run("up", env=env), "Docker Compose v2 is not installed", "docker-compose-v2")

    assert site.containers() == {}


def test_an_old_engine_s_own_words_for_no_compose_are_understood(
    site: Site, docker_that: Callable[[str], dict[str, str]]
) -> None:
    # What docker 20.10 makes of `docker compose --project-directory …` without the plug-in.
    env = docker_that('echo "unknown flag: --project-directory" >&2; exit 125')

    refused(site.run("up", env=env), "Docker Compose v2 is not installed")


def test_compose_1_is_told_to_be_too_old(site: Site, docker_that: Callable[[str], dict[str, str]]) -> None:
    version = 'if [ "$2" = version ]; then echo 1.29.2; exit 0; fi'
    env = docker_that(f'{version}; echo "unknown flag: --progress" >&2; exit 1')

    refused(site.run("up", env=env), "Docker Compose 1.29.2 is too old", "2.17")


# Ports ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["agents", "grafana"])
def test_a_taken_port_is_named_before_anything_starts(site: Site, which: str) -> None:
    address = getattr(site, which)
    with listening(address):
        result = site.run("up")

        refused(result, f"edge.{which}: another process listens on {address}", f"sport = :{address.rpartition(':')[2]}")
        assert site.containers() == {}

    site.up()


def test_both_taken_ports_are_named_at_once(site: Site) -> None:
    with listening(site.agents), listening(site.grafana):
        refused(
            site.run("up"), f"edge.agents: another process listens on {site.agents}", "edge.grafana: another process"
        )


def test_a_port_taken_while_the_stack_runs_leaves_it_as_it_is(site: Site) -> None:
    site.up()
    before = site.ids()
    moved = site.grafana
    with listening(other := f"{OTHER_ADDRESS}:{moved.rpartition(':')[2]}"):
        site.grafana = other
        site.configure()

        refused(site.run("up"), f"edge.grafana: another process listens on {other}")

    assert site.ids() == before


def test_an_address_that_this_machine_has_not_is_told(site: Site) -> None:
    site.agents = "192.0.2.7:8086"
    site.configure()

    refused(site.run("up"), "this machine has no address 192.0.2.7")


# Folders -------------------------------------------------------------------------------------------------


def test_a_data_folder_that_is_a_file_is_told(site: Site) -> None:
    (site.folder / "data").mkdir()
    (site.folder / "data/influxdb").write_text("precious")

    refused(site.run("up"), "data/influxdb is a file")

    assert (site.folder / "data/influxdb").read_text() == "precious"
    assert site.containers() == {}


def test_a_data_folder_below_a_file_is_told(site: Site) -> None:
    (site.folder / "data").write_text("precious")

    refused(site.run("up"), "cannot be created")

    assert (site.folder / "data").read_text() == "precious"


def test_somebody_else_s_files_are_never_taken_over(site: Site) -> None:
    data = site.folder / "data/influxdb"
    data.mkdir(parents=True)
    (data / "theirs").write_text("precious")
    for path in (data, data / "theirs"):
        os.chown(path, 4321, 4321)

    refused(site.run("up"), "belongs to user 4321", "chown -R 1500:1500")

    assert [(path.stat().st_uid, path.stat().st_mode & 0o777) for path in (data, data / "theirs")] == [
        (4321, 0o755),
        (4321, 0o644),
    ]
    assert (data / "theirs").read_text() == "precious"
    assert site.containers() == {}


def test_an_empty_folder_of_another_owner_is_put_right(site: Site) -> None:
    data = site.folder / "data/influxdb"
    data.mkdir(parents=True)
    os.chown(data, 4321, 4321)

    site.up()

    assert data.stat().st_uid == 1500


# Images --------------------------------------------------------------------------------------------------


def test_without_influxdb_s_image_nothing_is_begun(site: Site) -> None:
    site.configure(images={"influxdb": "127.0.2.1:1/no/such:1"})

    refused(site.run("up"), "there is no image for InfluxDB", "127.0.2.1:1/no/such:1", "aresmon images pull influxdb")

    assert site.containers() == {}
    assert not site.bundle.exists()


def test_another_influxdb_s_image_missing_leaves_the_running_one_and_all_else_is_done(site: Site) -> None:
    site.up()
    before = site.ids()
    site.configure(images={"influxdb": "127.0.2.1:1/no/such:1"}, memory={"edge": "300m"})

    result = site.run("up")

    assert result.code == 5, result
    assert "influxdb keeps " in result.err
    assert "127.0.2.1:1/no/such:1" in result.err
    assert result.steps == [("recreate", "edge")]
    assert site.ids()["influxdb"] == before["influxdb"]
    site.mark(1)
    assert site.run("up").steps == site.run("up", "--dry-run").steps == []


def test_without_grafana_s_image_the_rest_starts_and_the_exit_code_is_5(site: Site) -> None:
    site.configure(images={"grafana": "127.0.2.1:1/no/such:1"})

    result = site.run("up")

    assert result.code == 5
    assert "grafana is not running: 127.0.2.1:1/no/such:1" in result.err
    assert "aresmon images pull grafana && aresmon up" in result.err
    assert {name: one.status for name, one in site.containers().items()} == {"influxdb": "running", "edge": "running"}


def test_another_edge_s_image_missing_leaves_the_running_one(make_site: MakeSite) -> None:
    site = make_site()
    site.up()
    before = site.ids()
    site.configure(images={"edge": "127.0.2.1:1/no/such:1"})

    result = site.run("up")

    assert result.code == 5, result
    assert "edge" in result.out + result.err
    assert site.ids() == before
    assert client().containers.get(before["edge"]).status == "running"

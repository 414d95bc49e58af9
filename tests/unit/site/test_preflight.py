"""What is looked at before anything starts: folders, room, ports."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from aresmon.config.listen import ListenAddress
from aresmon.site import preflight
from aresmon.system.errors import AresmonError

OWN = os.getuid()
OTHER = OWN + 4321


def test_a_folder_that_is_missing_is_made_for_its_service(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"

    preflight.check_folder(folder, OWN, "influxdb")
    assert not folder.exists(), "a look changes nothing"
    preflight.prepare_folder(folder, OWN, "influxdb")

    assert folder.is_dir()


def test_a_file_in_place_of_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("mine")

    with pytest.raises(AresmonError, match=r"influxdb's folder .*data is a file"):
        preflight.check_folder(tmp_path / "data", OWN, "influxdb")


def test_a_folder_below_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")

    with pytest.raises(AresmonError, match="cannot be created"):
        preflight.check_folder(tmp_path / "file" / "data", OWN, "influxdb")


def test_somebody_elses_data_is_never_taken_over(tmp_path: Path) -> None:
    (tmp_path / "wal").write_text("precious")

    with pytest.raises(AresmonError, match=f"belongs to user {OWN}, but influxdb runs as user {OTHER}") as caught:
        preflight.prepare_folder(tmp_path, OTHER, "influxdb")

    assert f"chown -R {OTHER}:{OTHER}" in caught.value.hint
    assert tmp_path.stat().st_uid == OWN


def test_a_folder_that_its_owner_cannot_write_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o555)

    with pytest.raises(AresmonError, match="not writable for its owner"):
        preflight.check_folder(folder, OWN, "influxdb")


@pytest.mark.parametrize(("free", "is_enough"), [(preflight.LEAST_ROOM, True), (preflight.LEAST_ROOM - 1, False)])
def test_a_full_disk_is_told_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, is_enough: bool
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))

    if is_enough:
        preflight.check_room(tmp_path / "not" / "made" / "yet")
    else:
        with pytest.raises(AresmonError, match=r"255 MiB free, InfluxDB needs 256"):
            preflight.check_room(tmp_path / "not" / "made" / "yet")


@pytest.fixture
def taken() -> Iterator[int]:
    """A port of this machine that somebody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield int(listener.getsockname()[1])


def test_every_port_that_is_taken_is_named_at_once(taken: int) -> None:
    listens = [("edge.agents", ListenAddress("127.0.0.1", taken)), ("edge.grafana", ListenAddress("127.0.0.1", taken))]

    with pytest.raises(AresmonError) as caught:
        preflight.check_ports(listens)

    assert caught.value.message.splitlines() == [
        f"edge.agents: another process listens on 127.0.0.1:{taken}",
        f"edge.grafana: another process listens on 127.0.0.1:{taken}",
    ]
    assert f"sport = :{taken}" in caught.value.hint


def test_an_address_that_is_not_this_machines_is_told() -> None:
    with pytest.raises(AresmonError, match=r"edge\.agents: this machine has no address 192\.0\.2\.1"):
        preflight.check_ports([("edge.agents", ListenAddress("192.0.2.1", 8086))])


def test_a_port_that_nobody_listens_on_is_free(taken: int) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = int(probe.getsockname()[1])

    preflight.check_ports([("edge.agents", ListenAddress("127.0.0.1", free))])
    assert free != taken


@pytest.mark.parametrize("umask", [0o077, 0o027, 0o000])
def test_no_umask_closes_or_opens_a_folder_that_services_share(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        preflight.give_to_service(tmp_path / "influxdb", OWN)
    finally:
        os.umask(before)
    (tmp_path / "tls").mkdir(mode=0o700)

    preflight.give_to_service(tmp_path / "tls", OWN)

    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("influxdb", "tls")] == [0o755, 0o755]


def test_a_folder_of_our_own_is_given_to_its_service_with_all_that_is_in_it(tmp_path: Path) -> None:
    owner = 99 if os.getuid() == 0 else os.getuid()
    folder = tmp_path / "tls"
    folder.mkdir()
    (folder / "agents.pem").write_text("as a restore brought it")

    preflight.give_to_service(folder, owner)
    preflight.give_to_service(tmp_path / "new" / "tls", owner)

    given = (folder, folder / "agents.pem", tmp_path / "new" / "tls")
    assert {path.stat().st_uid for path in given} == {owner}

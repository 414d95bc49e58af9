"""Where backups go: what holds of one kind of place holds of all, and what can go wrong with each."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import tarfile
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from aresmon.backup.storage.base import MARK, PIECE, Store, StoreError
from aresmon.site import external_secrets
from aresmon.site.folder import Site
from tests.fleet.gateway import Gateway
from tests.fleet.operators import Operator
from tests.fleet.places import FOLDER, KINDS, LATER, NAME, Open, Unfinished, at, names, s3
from tests.fleet.servers import Server

MEBIBYTE = b"0123456789abcdef" * (1 << 16)


class OddError(Exception):
    """What nobody expects."""


def read(of: Store, name: str = NAME) -> bytes:
    with of.get(name) as file:
        return b"".join(iter(lambda: file.read(100_000), b""))


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_comes_back_as_it_was_brought(kind: str, open_store: Open, unfinished: Unfinished) -> None:
    place = open_store(kind)
    content = os.urandom(40 * PIECE + 17)

    place.put(NAME, (content[start : start + 300_000] for start in range(0, len(content), 300_000)))
    place.put(LATER, [b"small"], size=5)

    assert [(one.name, one.size, f"{one.at:%d %H:%M:%S}") for one in place.list()] == [
        (NAME, len(content), "02 03:04:05"),
        (LATER, 5, "03 03:04:05"),
    ]
    assert read(place) == content
    with place.get(LATER) as file:
        assert (file.read(2), file.read()) == (b"sm", b"all")
    assert unfinished(place) == []
    place.delete(NAME)
    place.delete(NAME)
    assert names(place) == [LATER]


@pytest.mark.parametrize("kind", KINDS)
def test_a_tar_is_read_as_it_streams_in(kind: str, open_store: Open, tmp_path: Path) -> None:
    place = open_store(kind)
    (tmp_path / "a").write_bytes(MEBIBYTE)
    with tarfile.open(tmp_path / "made.tar", "w") as tar:
        tar.add(tmp_path / "a", "first")
        tar.add(tmp_path / "a", "second")
    place.put(NAME, [(tmp_path / "made.tar").read_bytes()])

    with place.get(NAME) as file, tarfile.open(fileobj=file, mode="r|") as tar:  # type: ignore[call-overload]
        found = [(member.name, member.size) for member in tar]

    assert found == [("first", len(MEBIBYTE)), ("second", len(MEBIBYTE))]


@pytest.mark.parametrize("kind", KINDS)
def test_what_breaks_while_it_is_brought_is_not_there(kind: str, open_store: Open, unfinished: Unfinished) -> None:
    place = open_store(kind)

    def broken() -> Iterator[bytes]:
        yield from itertools.repeat(MEBIBYTE, 20)
        raise OddError

    with pytest.raises(OddError):
        place.put(NAME, broken())
    with pytest.raises(StoreError, match="received 5 bytes of an archive of 6"):
        place.put(NAME, [b"12345"], size=6)

    assert names(place) == []
    assert unfinished(place) == []


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_that_is_there_is_not_overwritten(kind: str, open_store: Open, unfinished: Unfinished) -> None:
    place = open_store(kind)
    place.put(NAME, [b"first"])

    with pytest.raises(StoreError, match="already exists"):
        place.put(NAME, [b"second"])

    assert read(place) == b"first"
    assert unfinished(place) == []


def break_off(site: Site, with_signal: signal.Signals) -> None:
    """Have another process bring an archive, and send it a signal in the middle."""
    program = f"""
        from pathlib import Path
        from aresmon.backup.storage import destinations
        from aresmon.site.folder import Site
        from aresmon.site.project import Project
        project = Project.load(Site(Path({str(site.root)!r})))
        def pieces():
            for number in range(10**4):
                if number == 40:
                    print("going", flush=True)
                yield b"x" * 1048576
        destinations.stores(project)[0].put({LATER!r}, pieces())
    """
    argv = [sys.executable, "-c", textwrap.dedent(program)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == b"going\n"
        running.send_signal(with_signal)


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_killed_run_left_is_not_listed_and_the_next_one_removes_it(
    kind: str, open_store: Open, backup_site: Site, unfinished: Unfinished
) -> None:
    place = open_store(kind)
    place.put(NAME, [b"first"])

    break_off(backup_site, signal.SIGKILL)

    assert names(place) == [NAME]
    assert len(unfinished(place)) == 1
    place.put(LATER, [b"whole"])
    assert read(place, LATER) == b"whole"
    assert unfinished(place) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_that_is_interrupted_takes_back_what_it_brought(
    kind: str, open_store: Open, backup_site: Site, unfinished: Unfinished
) -> None:
    place = open_store(kind)
    place.put(NAME, [b"first"])

    break_off(backup_site, signal.SIGINT)

    assert names(place) == [NAME]
    assert unfinished(place) == []


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_that_is_not_there_is_told(kind: str, open_store: Open) -> None:
    place = open_store(kind)
    place.put(LATER, [b"there"])

    with pytest.raises(StoreError) as caught:
        read(place)

    assert place.where in caught.value.message
    assert "aresmon backup list" in caught.value.hint


@pytest.mark.parametrize("kind", KINDS)
def test_only_archives_of_the_site_are_touched(kind: str, open_store: Open) -> None:
    place = open_store(kind)
    foreign = f"../{NAME}", "lewi-20260102T030405Z.tar", "ares-20269902T030405Z.tar", "x"

    for name in foreign:
        for act in (lambda of: place.put(of, [b""]), place.delete, lambda of: read(place, of)):
            with pytest.raises(StoreError, match="is not the name of an archive of ares"):
                act(name)


# A folder --------------------------------------------------------------------------------------------


def test_a_folder_that_is_not_there_is_not_made_since_its_disk_may_not_be_mounted(
    backup_site: Site, tmp_path: Path
) -> None:
    place = at(backup_site, {"folder": str(tmp_path / "missing")})

    with pytest.raises(StoreError, match=r"is not a folder on this machine: is its disk not mounted\?"):
        place.put(NAME, [b"x"])

    assert not (tmp_path / "missing").exists()


def test_a_folder_that_had_archives_and_is_empty_is_not_filled(backup_site: Site, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    place = at(backup_site, {"folder": str(tmp_path / "disk")})
    place.put(NAME, [b"x"])
    (tmp_path / "disk").rename(tmp_path / "unmounted")
    (tmp_path / "disk").mkdir()

    for act in (lambda: place.put(LATER, [b"x"]), lambda: place.list()):
        with pytest.raises(StoreError, match="is its disk not mounted"):
            act()

    assert list((tmp_path / "disk").iterdir()) == []
    (tmp_path / "disk" / MARK).touch()
    place.put(LATER, [b"x"])


def test_a_folder_of_the_site_is_made_for_its_owner_alone(backup_site: Site) -> None:
    place = at(backup_site, {"folder": "data/backups"})

    assert place.list() == []
    place.put(NAME, [b"x"])

    folder = backup_site.root / "data" / "backups"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / NAME).stat().st_mode & 0o777 == 0o600


def test_an_archive_that_does_not_fit_is_refused_before_a_byte_is_written(backup_site: Site) -> None:
    place = at(backup_site, {"folder": "data/backups"})

    with pytest.raises(StoreError, match=r"the archive needs [0-9,.]+ MB, and [0-9,.]+ MB are free"):
        place.put(NAME, iter(()), size=1 << 60)


# By ssh ----------------------------------------------------------------------------------------------


def test_a_disk_that_gets_full_over_there_is_told_and_nothing_stays(
    open_store: Open, unfinished: Unfinished, lewi: Server
) -> None:
    place = open_store("sftp")
    place.put(NAME, [b"first"])

    with lewi.full_disk(FOLDER, leave=8 << 20):
        with pytest.raises(StoreError, match="lewi:backups: its disk is full"):
            place.put(LATER, itertools.repeat(MEBIBYTE, 30))
        assert unfinished(place) == [".filler"]
        with pytest.raises(StoreError, match=r"the archive needs 31\.5 MB, and"):
            place.put(LATER, itertools.repeat(MEBIBYTE, 30), size=30 << 20)

    assert names(place) == [NAME]


def test_a_network_that_is_cut_in_the_middle_is_told_and_the_next_run_goes_on(
    open_store: Open, unfinished: Unfinished, lewi: Server
) -> None:
    place = open_store("sftp")

    def cut() -> Iterator[bytes]:
        yield from itertools.repeat(MEBIBYTE, 5)
        lewi.cut()
        yield from itertools.repeat(MEBIBYTE, 1000)

    with pytest.raises(StoreError, match="lewi:backups: the connection was lost"):
        place.put(NAME, cut())
    lewi.mend()

    assert names(place) == []
    place.put(NAME, [b"whole"])
    assert read(place) == b"whole"
    assert unfinished(place) == []


def test_a_machine_with_another_host_key_gets_nothing(open_store: Open, lewi: Server, operator: Operator) -> None:
    place = open_store("sftp")

    operator.wrong_key(lewi)
    with pytest.raises(StoreError, match="lewi: its host key differs from the one in"):
        place.put(NAME, [b"x"])
    operator.forget_key(lewi)
    with pytest.raises(StoreError, match=r"its host key is not in ~/\.ssh/known_hosts"):
        place.put(NAME, [b"x"])

    assert lewi.run(f"ls -A {FOLDER}") == ""


def test_what_is_in_the_way_over_there_is_told(open_store: Open, backup_site: Site, lewi: Server) -> None:
    place = open_store("sftp")

    with pytest.raises(StoreError, match=r"lewi:elsewhere is not a folder on that machine: is its disk not mounted\?"):
        at(backup_site, {"ssh": "lewi", "folder": "elsewhere"}).put(NAME, [b"x"])
    lewi.run(f"chmod 500 {FOLDER}")
    with pytest.raises(StoreError, match="lewi:backups: permission denied"):
        place.put(NAME, [b"x"])
    lewi.run(f"chmod 700 {FOLDER}; sed -i /^Subsystem/d /etc/ssh/sshd_config; systemctl restart ssh")
    lewi.wait_for_ssh()
    with pytest.raises(StoreError, match="the server does not offer SFTP"):
        place.put(NAME, [b"x"])


def test_an_archive_over_there_is_for_its_owner_alone(open_store: Open, lewi: Server) -> None:
    open_store("sftp").put(NAME, [b"x"])

    assert lewi.run(f"stat -c '%a %U' {FOLDER}/{NAME}").split() == ["600", "ares"]


# In a bucket -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "secret", "what"),
    [
        ({"bucket": "nowhere"}, "", "there is no bucket of this name"),
        ({"access_key": "SOMEBODYELSE"}, "", "the access key is unknown"),
        ({}, "another-secret", "the secret does not belong to the access key"),
        ({"endpoint": "http://127.0.2.1:9"}, "", "cannot be reached"),
    ],
)
def test_what_is_wrong_with_a_bucket_is_told(
    changes: dict[str, str], secret: str, what: str, backup_site: Site, s3_server: Gateway
) -> None:
    place = at(backup_site, s3(backup_site, s3_server, **changes))
    if secret:
        external_secrets.write_backup_secret(backup_site.secrets, "s3", secret)

    with pytest.raises(StoreError, match=what) as caught:
        place.put(NAME, [b"x"])

    assert caught.value.message.startswith("s3://")
    assert caught.value.hint
    assert (secret or s3_server.secret) not in f"{caught.value.message}{caught.value.hint}"


def test_a_bucket_without_its_secret_says_how_to_give_it(backup_site: Site, s3_server: Gateway) -> None:
    place = at(backup_site, s3(backup_site, s3_server, secret="other"))

    with pytest.raises(StoreError, match="the secret other is not set") as caught:
        place.list()

    assert caught.value.hint == "`aresmon backup secret other` sets it"


def test_nothing_of_the_environment_decides_where_a_backup_goes(
    backup_site: Site, s3_server: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").write_text("[profile other]\nregion = nowhere-1\n[default]\nregion = nowhere-1\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "missing")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "SOMEBODYELSE")
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.setenv(name, "http://127.0.2.1:9")
    place = at(backup_site, s3(backup_site, s3_server))

    place.put(NAME, [b"x"])

    assert names(place) == [NAME]

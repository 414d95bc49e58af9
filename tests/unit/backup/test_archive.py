"""An archive as a stream: whole, or known to be damaged."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aresmon.backup import archive as backup_archive
from aresmon.backup.archive import ArchiveMember, DamagedError, Manifest
from aresmon.system.errors import AresmonError, ExitCode
from tests.unit.backup.test_manifest import said

CONTENTS = {"site/aresmon.yml": b"site: ares\n", "site/empty": b"", "influxdb/x.s1.tar.gz": bytes(range(256)) * 9}
MEMBERS = tuple(ArchiveMember(name, len(body), hashlib.sha256(body).hexdigest()) for name, body in CONTENTS.items())


def archive(members: tuple[ArchiveMember, ...] = MEMBERS) -> bytes:
    """An archive of these contents, in memory."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, body in {
            backup_archive.NAME: backup_archive.encode_manifest(said(members=members)),
            **CONTENTS,
        }.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(body)
            tar.addfile(entry, io.BytesIO(body))
    return packed.getvalue()


def unpacked(content: bytes, folder: Path) -> Manifest:
    return backup_archive.unpack(io.BytesIO(content), accept=lambda _: None, place=lambda name: folder / name)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_was_packed_is_unpacked_and_has_the_size_that_was_told(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    for name, body in CONTENTS.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(body)
    members = tuple(backup_archive.hash_member(name, source / name) for name in CONTENTS)
    content = backup_archive.encode_manifest(said(members=members))

    packed = b"".join(backup_archive.stream_archive(content, members, lambda name: source / name))

    assert members == MEMBERS
    assert len(packed) == backup_archive.archive_size(content, members)
    assert unpacked(packed, target) == said(members=members)
    assert files(target) == CONTENTS
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:  # by anybody's tar as well
        assert tar.getnames() == [backup_archive.NAME, *CONTENTS]


def test_a_program_is_one_again_and_nothing_else_is(tmp_path: Path) -> None:
    for name, mode in (("gpx_linux", 0o755), ("plugin.json", 0o640)):
        (tmp_path / name).write_text(name)
        (tmp_path / name).chmod(mode)
    members = tuple(backup_archive.hash_member(name, tmp_path / name) for name in ("gpx_linux", "plugin.json"))
    content = backup_archive.encode_manifest(said(members=members))

    packed = b"".join(backup_archive.stream_archive(content, members, lambda name: tmp_path / name))
    unpacked(packed, tmp_path / "target")

    assert len(packed) == backup_archive.archive_size(content, members)
    assert [os.access(tmp_path / "target" / one.name, os.X_OK) for one in members] == [True, False]


def test_a_file_that_has_gone_is_named(tmp_path: Path) -> None:
    gone = ArchiveMember("grafana/x", 1, "ab")

    with pytest.raises(AresmonError, match="grafana/x cannot be read: No such file"):
        backup_archive.hash_member(gone.name, tmp_path / "x")
    with pytest.raises(AresmonError, match="grafana/x cannot be read: No such file"):
        b"".join(backup_archive.stream_archive(b"{}", [gone], lambda _: tmp_path / "x"))


def test_a_bit_of_the_manifest_that_flipped_is_damage(tmp_path: Path) -> None:
    content = archive()
    at = content.index(b'"host":"biere"') + len('"host":"')

    with pytest.raises(DamagedError, match=r"manifest\.json has changed"):
        unpacked(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :], tmp_path)


def test_a_file_that_changes_while_it_is_packed_makes_no_archive(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"before")
    members = (backup_archive.hash_member("site/file", path),)
    path.write_bytes(b"behind")

    with pytest.raises(AresmonError, match="changed while"):
        list(backup_archive.stream_archive(b"{}", members, lambda _: path))


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_flipped_bit_is_told_or_harms_nothing(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    content = bytearray(archive())
    position = data.draw(st.integers(0, len(content) - 1))
    content[position] ^= 1 << data.draw(st.integers(0, 7))
    folder = tmp_path_factory.mktemp("flipped")

    try:
        unpacked(bytes(content), folder)
    except AresmonError:
        return
    assert files(folder) == CONTENTS


@pytest.mark.parametrize("name", CONTENTS)
def test_a_member_with_another_hash_is_named(name: str, tmp_path: Path) -> None:
    wrong = tuple(ArchiveMember(one.name, one.size, "0" * 64) if one.name == name else one for one in MEMBERS)

    with pytest.raises(DamagedError, match=name):
        unpacked(archive(wrong), tmp_path)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_an_archive_that_is_cut_short_is_never_whole(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = archive()
    end = content.rindex(b"\xff") + 1

    with pytest.raises(DamagedError, match=r"ends|tar archive|begin") as damaged:
        unpacked(content[: data.draw(st.integers(0, end - 1))], tmp_path_factory.mktemp("short"))
    assert damaged.value.code == ExitCode.BROKEN


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "site/../../x", "site//x"])
def test_a_member_stays_in_its_place(name: str, tmp_path: Path) -> None:
    with pytest.raises(DamagedError, match="unsafe name"):
        unpacked(archive((ArchiveMember(name, 0, ""),)), tmp_path)

    assert files(tmp_path) == {}


def test_what_is_refused_by_its_manifest_writes_nothing(tmp_path: Path) -> None:
    def refuse(_: Manifest) -> None:
        raise AresmonError("not this one")

    with pytest.raises(AresmonError, match="not this one"):
        backup_archive.unpack(io.BytesIO(archive()), accept=refuse, place=lambda name: tmp_path / name)

    assert files(tmp_path) == {}

"""The bundle on disk: written once, left alone after, put back where somebody else wrote to it."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aresmon import __version__
from aresmon.config.layout import Layout
from aresmon.site import bundle
from aresmon.system import files
from aresmon.system.errors import AresmonError

WANTED = {".env": b"A='1'\n", "agents/lewi/telegraf.conf": b"one\n", "edge/haproxy.cfg": b"two\n"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / ".aresmon" / "bundle"


def read(folder: Path) -> bundle.Bundle:
    return bundle.read_site(Layout(folder.parent.parent))


def write(folder: Path, wanted: dict[str, bytes]) -> Path | None:
    return bundle.write(read(folder), wanted)


def on_disk(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != bundle.MANIFEST
    }


def marks(folder: Path) -> dict[Path, tuple[int, int]]:
    """Inode and time of everything in a folder."""
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in (folder, *folder.rglob("*"))}


def manifest(folder: Path, **changes: Any) -> None:
    path = folder / bundle.MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_nothing_is_there_before_the_first_write(folder: Path) -> None:
    found = read(folder)

    assert (found.exists, found.created, dict(found.files)) == (False, 0, {})
    assert bundle.compare(found, WANTED).changed == tuple(WANTED)


def test_the_first_write_brings_every_file_and_a_manifest(folder: Path) -> None:
    aside = write(folder, WANTED)

    found = read(folder)
    assert aside is None
    assert on_disk(folder) == WANTED
    assert dict(found.hashes) == {path: bundle.sha256(content) for path, content in WANTED.items()}
    assert (found.exists, found.version) == (True, __version__)


def test_a_second_write_touches_nothing(folder: Path) -> None:
    write(folder, WANTED)
    before = marks(folder)

    write(folder, WANTED)

    assert marks(folder) == before


def test_a_change_is_shown_as_a_diff_and_written_without_touching_the_rest(folder: Path) -> None:
    write(folder, WANTED)
    before, created = marks(folder), read(folder).created
    wanted = {**WANTED, "edge/haproxy.cfg": b"three\n", "edge/new.cfg": b"four\n"}

    difference = bundle.compare(read(folder), wanted)
    write(folder, wanted)

    assert (difference.changed, difference.removed, difference.edited) == (("edge/haproxy.cfg", "edge/new.cfg"), (), ())
    assert "--- edge/haproxy.cfg\n+++ edge/haproxy.cfg\n@@ -1 +1 @@\n-two\n+three\n" in difference.text()
    assert "--- /dev/null\n+++ edge/new.cfg\n" in difference.text()
    assert on_disk(folder) == wanted
    after = marks(folder)
    assert after[folder / ".env"] == before[folder / ".env"]
    assert after[folder / "edge"][0] == before[folder / "edge"][0]
    assert read(folder).created == created


def test_a_diff_shows_no_secret(folder: Path) -> None:
    write(folder, {"agent.env": b"STATS=http://me:hunter2@a/\n", "telegraf.conf": b'password = "hunter2"\n'})
    wanted = {"agent.env": b"STATS=http://me:hunter2@b/\n", "telegraf.conf": b'password = "hunter3"\n'}

    text = bundle.compare(read(folder), wanted).text()

    assert "-STATS=http://me:***@a/\n+STATS=http://me:***@b/\n" in text
    assert "@@@ telegraf.conf: only secrets differ, which are not shown\n" in text
    assert "hunter" not in text


def test_what_is_rendered_for_grafana_is_told_in_a_line_a_file(folder: Path) -> None:
    write(folder, {"a.json": b"[\n1,\n2\n]\n", "gone.json": b"[]\n"})

    difference = bundle.compare(read(folder), {"a.json": b"[\n1,\n3,\n4\n]\n", "new.json": b"{}\n"})

    assert difference.text() == "@@@ a.json: 2 lines instead of 1\n+++ new.json: new\n--- gone.json: removed\n"


def test_a_file_that_is_no_longer_wanted_goes_with_its_empty_folders(folder: Path) -> None:
    write(folder, WANTED)
    wanted = {path: content for path, content in WANTED.items() if not path.startswith("agents/")}

    difference = bundle.compare(read(folder), wanted)
    write(folder, wanted)

    assert difference.removed == ("agents/lewi/telegraf.conf",)
    assert "+++ /dev/null\n" in difference.text()
    assert not (folder / "agents").exists()
    assert on_disk(folder) == wanted


def test_a_file_of_somebody_elses_in_the_folder_is_left_alone(folder: Path) -> None:
    write(folder, WANTED)
    (folder / "notes.txt").write_text("mine")

    difference = bundle.compare(read(folder), WANTED)
    write(folder, WANTED)

    assert not difference
    assert (folder / "notes.txt").read_text() == "mine"


def test_a_file_edited_by_hand_is_kept_aside_and_put_back(folder: Path) -> None:
    write(folder, WANTED)
    (folder / "edge/haproxy.cfg").write_bytes(b"by hand\n")

    difference = bundle.compare(read(folder), WANTED)
    aside = write(folder, WANTED)

    assert difference.edited == ("edge/haproxy.cfg",)
    assert aside is not None
    assert (aside / "edge/haproxy.cfg").read_bytes() == b"by hand\n"
    assert on_disk(folder) == WANTED


def test_a_file_removed_by_hand_comes_back_and_is_not_called_edited(folder: Path) -> None:
    write(folder, WANTED)
    (folder / ".env").unlink()

    difference = bundle.compare(read(folder), WANTED)
    write(folder, WANTED)

    assert (difference.changed, difference.edited) == ((".env",), ())
    assert on_disk(folder) == WANTED


def test_two_edits_within_a_second_are_both_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "strftime", lambda _: "20250101-120000")
    write(folder, WANTED)
    kept = []
    for text in (b"first\n", b"second\n"):
        (folder / ".env").write_bytes(text)
        aside = write(folder, WANTED)
        assert aside is not None
        kept.append(aside)

    assert [(aside / ".env").read_bytes() for aside in kept] == [b"first\n", b"second\n"]


@pytest.mark.parametrize("survived", [1, 2, 3])
def test_a_crash_in_the_middle_is_no_edit_and_the_next_write_completes_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, survived: int
) -> None:
    write(folder, WANTED)
    wanted = {path: content + b"new\n" for path, content in WANTED.items()}
    real, turns = files.write, iter(range(10))

    def dies(path: Path, content: bytes, **how: bool) -> None:
        if next(turns) == survived:
            raise KeyboardInterrupt
        real(path, content, **how)

    with monkeypatch.context() as patch:
        patch.setattr(files, "write", dies)
        with pytest.raises(KeyboardInterrupt):
            write(folder, wanted)

    assert bundle.compare(read(folder), wanted).edited == ()
    assert write(folder, wanted) is None
    assert on_disk(folder) == wanted
    assert not bundle.compare(read(folder), wanted)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        '{"format": 1}',
        '{"format": 1, "version": "0", "made": 1, "files": []}',
        "\x00",
        '{"format": "x"}',
    ],
)
def test_a_broken_manifest_is_written_anew_over_the_files(folder: Path, content: str) -> None:
    write(folder, WANTED)
    (folder / bundle.MANIFEST).write_text(content)

    found = read(folder)
    write(folder, WANTED)

    assert (found.exists, found.version) == (False, "an unreadable manifest")
    assert read(folder).exists
    assert on_disk(folder) == WANTED


def test_the_form_of_a_newer_version_is_refused_with_both_versions(folder: Path) -> None:
    write(folder, WANTED)
    manifest(folder, format=bundle.FORMAT + 1, version="9.9.9")

    with pytest.raises(AresmonError, match=r"by aresmon 9\.9\.9, which is newer than this one"):
        read(folder)


def test_a_bundle_of_another_version_gets_this_versions_manifest(folder: Path) -> None:
    write(folder, WANTED)
    manifest(folder, version="0.0.1")

    assert read(folder).version == "0.0.1"
    write(folder, WANTED)

    assert read(folder).version == __version__


@pytest.fixture
def strict() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.mark.usefixtures("strict")
def test_a_strict_umask_does_not_lock_the_containers_out(folder: Path) -> None:
    write(folder, {"a/b/c/file": b"x", **WANTED})

    modes = {path.relative_to(folder).as_posix(): path.stat().st_mode & 0o777 for path in (folder, *folder.rglob("*"))}
    assert {mode for name, mode in modes.items() if (folder / name).is_dir()} == {0o755}
    assert {mode for name, mode in modes.items() if (folder / name).is_file()} == {0o644}


def test_the_time_of_the_folder_is_kept_outside_of_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_700_000_000.0)
    write(folder, WANTED)
    first = (folder / bundle.MANIFEST).read_bytes()
    monkeypatch.setattr(time, "time", lambda: 1_800_000_000.0)
    write(folder, {**WANTED, ".env": b"A='2'\n"})
    write(folder, WANTED)

    assert (folder / bundle.MANIFEST).read_bytes() == first
    assert read(folder).created == 1_700_000_000.0


def test_a_folder_that_was_deleted_has_a_time_of_its_own(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Containers that are older look into the deleted one."""
    write(folder, WANTED)
    shutil.rmtree(folder)
    monkeypatch.setattr(time, "time", lambda: 1_800_000_000.0)

    assert read(folder).created == 0
    write(folder, WANTED)

    assert read(folder).created == 1_800_000_000.0


def test_a_manifest_of_0_4_0_is_no_difference_and_gives_its_time(folder: Path) -> None:
    write(folder, WANTED)
    manifest(folder, version="0.4.0", made=1_700_000_000.5)
    (folder.parent / "bundle.json").unlink()

    found = read(folder)

    assert (found.exists, found.version, found.created) == (True, "0.4.0", 1_700_000_000.5)
    assert not bundle.compare(found, WANTED)
    write(folder, WANTED)
    assert read(folder).created == 1_700_000_000.5
    assert "made" not in json.loads((folder / bundle.MANIFEST).read_bytes())


def test_a_folder_that_is_only_rendered_gets_nothing_beside_it(tmp_path: Path) -> None:
    bundle.write(bundle.read(tmp_path / "output"), WANTED)

    assert [path.name for path in tmp_path.iterdir()] == ["output"]


def test_an_update_of_some_files_is_as_if_all_had_been_written(folder: Path) -> None:
    write(folder, WANTED)

    bundle.update(folder, {"edge/haproxy.cfg": b"three\n", "new.cfg": b"of nobody\n"})

    wanted = {**WANTED, "edge/haproxy.cfg": b"three\n"}
    difference = bundle.compare(read(folder), wanted)
    assert (on_disk(folder), difference.edited) == (wanted, ())
    assert not difference


def test_an_update_changes_no_edited_file_and_none_without_a_manifest(folder: Path) -> None:
    write(folder, WANTED)
    (folder / "edge/haproxy.cfg").write_bytes(b"mine\n")

    bundle.update(folder, {"edge/haproxy.cfg": b"three\n"})

    assert bundle.compare(read(folder), WANTED).found["edge/haproxy.cfg"] == b"mine\n"
    (folder / bundle.MANIFEST).write_text("{")
    bundle.update(folder, {".env": b"three\n"})
    assert on_disk(folder)[".env"] == WANTED[".env"]

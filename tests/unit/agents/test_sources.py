"""What was brought to a host, kept: to go back to, and to hold the live file against."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from aresmon.agents.sources import KEPT, Release, Releases
from aresmon.system.errors import AresmonError


def release(number: int, *, commit: str = "") -> Release:
    return Release(number, f"mark-{number}", "ada", 1000.0 + number, commit)


@pytest.fixture
def kept(tmp_path: Path) -> Releases:
    """The releases of a host to which nothing was ever pushed."""
    return Releases(tmp_path / "releases" / "lewi")


def test_a_host_to_which_nothing_was_pushed_has_none(kept: Releases) -> None:
    assert (kept.all(), kept.newest(), kept.next_number()) == ([], None, 1)
    assert not kept.folder.exists()


def test_a_release_is_kept_with_all_that_is_known_of_it(kept: Releases) -> None:
    kept.add("[agent]\n", release(1, commit="abc"))

    assert kept.all() == [release(1, commit="abc")]
    assert kept.body(1) == "[agent]\n"
    assert kept.next_number() == 2


def test_what_was_found_before_the_first_push_has_the_number_0(kept: Releases) -> None:
    kept.add("found\n", release(0))

    assert kept.newest() == release(0)
    assert (kept.body(0), kept.next_number()) == ("found\n", 1)


def test_releases_stand_in_the_order_of_their_numbers(kept: Releases) -> None:
    for number in (10, 2, 100000, 1):
        kept.add(f"{number}", release(number))

    assert [one.number for one in kept.all()] == [1, 2, 10, 100000]
    assert kept.newest() == release(100000)
    assert kept.body(100000) == "100000"


def test_a_body_comes_back_byte_for_byte(kept: Releases) -> None:
    body = "é\r\n\tx = '\x00'\n\n"

    kept.add(body, release(1))

    assert kept.body(1) == body


def test_only_the_owner_may_read_them(kept: Releases) -> None:
    kept.add("secret\n", release(1))

    assert {path.stat().st_mode & 0o777 for path in kept.folder.iterdir()} == {0o600}


def test_the_oldest_go_first_and_with_all_that_is_theirs(kept: Releases) -> None:
    for number in range(KEPT + 3):
        kept.add("x", release(number))

    assert [one.number for one in kept.all()] == list(range(3, KEPT + 3))
    assert len(list(kept.folder.iterdir())) == 2 * KEPT


def test_a_release_that_is_not_kept_is_told_with_those_that_are(kept: Releases) -> None:
    kept.add("x", release(1))
    kept.add("x", release(2))

    with pytest.raises(AresmonError, match="lewi has no release 7") as caught:
        kept.body(7)

    assert caught.value.hint == "its releases are: 1, 2; `aresmon history lewi` lists them"


def test_where_there_are_none_that_is_told(kept: Releases) -> None:
    with pytest.raises(AresmonError) as caught:
        kept.body(1)

    assert caught.value.hint.startswith("its releases are: none;")


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "3", '{"number": 9}', '{"number": 9, "mark": "", "by": "", "at": 0, "later": 1}', "\xff"],
)
def test_a_file_that_is_not_ours_is_no_release(kept: Releases, content: str) -> None:
    kept.add("x", release(1))
    (kept.folder / "00009.json").write_bytes(content.encode("latin-1"))

    assert kept.all() == [release(1)]


def test_a_body_that_is_gone_takes_no_other_with_it(kept: Releases) -> None:
    kept.add("one", release(1))
    kept.add("two", release(2))
    (kept.folder / "00002.conf").unlink()

    with pytest.raises(AresmonError, match="no release 2"):
        kept.body(2)
    assert kept.body(1) == "one"


def test_a_release_that_was_cut_off_in_the_middle_does_not_count(
    kept: Releases, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept.add("one", release(1))
    rename = os.replace

    def only_the_body(name: str, path: Path) -> None:
        if path.suffix == ".json":
            raise KeyboardInterrupt
        rename(name, path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", only_the_body)
        with pytest.raises(KeyboardInterrupt):
            kept.add("two", release(2))

    assert kept.newest() == release(1)
    assert kept.next_number() == 2


def test_the_form_is_json_that_a_script_can_read(kept: Releases) -> None:
    kept.add("x", release(1, commit="abc"))

    assert json.loads((kept.folder / "00001.json").read_text()) == {
        "number": 1,
        "mark": "mark-1",
        "by": "ada",
        "at": 1001.0,
        "commit": "abc",
    }

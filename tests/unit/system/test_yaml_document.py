"""YAML with lines: every form of bad input ends in a message, never in an exception of the parser's."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from aresmon.system.errors import AresmonError
from aresmon.system.yaml_document import YamlProblem, dotted, parse, read_text


def told(text: str) -> list[str]:
    return [problem.describe("f.yml") for problem in parse(text).problems]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1\nb: 2\n", "f.yml:2: not YAML: while parsing a flow sequence did not find expected ',' or ']'"),
        ("a:\n\tb: 1\n", "f.yml:2: not YAML: this line is indented with a tab; YAML takes spaces only"),
        ("a: *b\n", "f.yml:1: not YAML: found undefined alias"),
        ("a: 1\n---\nb: 1\n", "f.yml:2: not YAML: expected a single document in the stream but found another document"),
        ("\na: !vault x\n", "f.yml:2: not YAML: could not determine a constructor for the tag '!vault'"),
        ("a\x00b", "f.yml: not YAML: unacceptable character #x0000: control characters are not allowed"),
        ("a: 1\nb: 2\na: 3\n", "f.yml:3 a: a second time; line 1 has it already"),
        ("x:\n  a: {b: 1, b: 2}\n", "f.yml:2 x.a.b: a second time; line 2 has it already"),
        ("a: 1\nno: 2\n", "f.yml:2: the key no is read as bool, not as a text; put it in quotes"),
        ("a:\n  1: x\n", "f.yml:2 a: the key 1 is read as int, not as a text; put it in quotes"),
        ("a:\n  2024-01-01: x\n", "f.yml:2 a: the key 2024-01-01 is read as date, not as a text; put it in quotes"),
        ("a: &self\n  b: *self\n", "f.yml:2 a.b: an anchor that contains itself"),
        ("a: &self [1, *self]\n", "f.yml:1 a[1]: an anchor that contains itself"),
        ("a:\n  <<: 3\n", "f.yml:2 a: `<<` takes a mapping"),
    ],
)
def test_bad_form_is_told_with_its_line_and_place(text: str, message: str) -> None:
    assert told(text) == [message]


@pytest.mark.parametrize("scalar", ["2024-99-99", "!!int x", "!!float x", "!!timestamp x", "!!bool x"])
def test_a_value_that_is_not_what_it_claims_to_be_is_told_with_its_line(scalar: str) -> None:
    problems = parse(f"a: 1\nb:\n  c: {scalar}\n").problems

    assert [(problem.line, problem.where) for problem in problems] == [(3, "b.c")]


@pytest.mark.parametrize("value", ["!!python/object:os.system {}", "!vault [a]"])
def test_a_mapping_or_list_with_a_foreign_tag_is_refused(value: str) -> None:
    assert parse(f"a: {value}\n").problems


def test_all_problems_of_form_are_told_not_the_first_alone() -> None:
    lines = [problem.line for problem in parse("a: 1\na: 2\nyes: 3\nb: &b [*b]\n").problems]

    assert sorted(lines) == [2, 3, 4]


def test_aliases_within_aliases_are_stopped_within_seconds() -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n + 1}: &a{n + 1} [{', '.join([f'*a{n}'] * 9)}]\n" for n in range(12)
    )

    begun = time.monotonic()
    messages = told(bomb)

    assert messages == ["f.yml: not YAML: more than half a million values: aliases within aliases?"]
    assert time.monotonic() - begun < 20


def test_aliases_merged_within_merges_are_stopped_within_seconds() -> None:
    bomb = "a0: &a0 {x: 1}\n" + "".join(
        f"a{n + 1}: &a{n + 1} {{<<: [{', '.join([f'*a{n}'] * 9)}]}}\n" for n in range(12)
    )

    assert told(bomb) == ["f.yml: not YAML: more than half a million values: aliases within aliases?"]


@pytest.mark.parametrize("depth", [2_000, 200_000])
def test_lists_within_lists_are_refused_and_do_not_crash_the_interpreter(depth: int) -> None:
    program = (
        f"from aresmon.system.yaml_document import parse; print(len(parse('[' * {depth} + ']' * {depth}).problems))"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )  # a crash ends it

    assert (done.returncode, done.stdout) == (0, "1\n")


def test_merge_keys_fill_in_and_never_overwrite() -> None:
    document = parse("a: &a {x: 1, y: 1}\nb: &b {x: 2, z: 2}\nc: {<<: [*a, *b], y: 3}\n")

    assert document.problems == []
    assert document.data["c"] == {"x": 1, "y": 3, "z": 2}


@pytest.mark.parametrize("merge_first", [True, False])
def test_a_key_beside_a_merge_keeps_its_own_line(merge_first: bool) -> None:
    pair = ["  <<: *a", "  x: [2]"] if merge_first else ["  x: [2]", "  <<: *a"]
    document = parse("\n".join(["a: &a", "  x:", "    - 1", "b:", *pair, ""]))
    own = 6 if merge_first else 5

    assert document.data["b"] == {"x": [2]}
    assert (document.line(("b", "x")), document.line(("b", "x", 0))) == (own, own)


def test_a_missing_key_has_the_line_of_the_nearest_one_above_it() -> None:
    document = parse("a:\n  b:\n    - x\n    - y\n")

    assert document.line(("a", "b", 1)) == 4
    assert document.line(("a", "b", 7, "c")) == 2
    assert document.line(("a", "elsewhere")) == 1


def test_a_place_reads_as_a_person_would_write_it() -> None:
    assert dotted(("hosts", "lewi", "collect", 2)) == "hosts.lewi.collect[2]"
    assert YamlProblem(0, "", "is empty").describe("f.yml") == "f.yml: is empty"


def test_a_folder_in_place_of_the_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(AresmonError, match="is a folder, not a file"):
        read_text(tmp_path)


def test_a_missing_file_is_told_with_what_writes_one(tmp_path: Path) -> None:
    with pytest.raises(AresmonError, match=r"aresmon\.yml does not exist") as caught:
        read_text(tmp_path / "aresmon.yml")

    assert "aresmon init" in caught.value.hint


def test_a_binary_file_is_told_with_the_byte_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "aresmon.yml"
    path.write_bytes(b"site: \xff\xfe\x00")

    with pytest.raises(AresmonError, match=r"aresmon\.yml is no text: byte 6 is not UTF-8"):
        read_text(path)


def test_an_unreadable_file_is_told_with_the_systems_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> str:
        raise PermissionError(errno.EACCES, "Permission denied")

    (tmp_path / "aresmon.yml").write_text("site: ares\n")
    monkeypatch.setattr(Path, "read_text", refuse)

    with pytest.raises(AresmonError, match=r"aresmon\.yml cannot be read: Permission denied"):
        read_text(tmp_path / "aresmon.yml")


def test_what_is_no_plain_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "aresmon.yml")

    with pytest.raises(AresmonError, match="is not a plain file"):
        read_text(tmp_path / "aresmon.yml")


def test_a_file_that_can_be_no_site_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with (tmp_path / "aresmon.yml").open("wb") as file:
        file.truncate(17 << 20)

    with pytest.raises(AresmonError, match="17 MiB"):
        read_text(tmp_path / "aresmon.yml")

"""The order that a host is given, and what it tells: both as data."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aresmon.push import protocol
from aresmon.push.protocol import AgentPaths, HostMessage, LastPush, PushedFile, PushOrder, WriteAccess
from tests.unit.push.request import split_request

STATE = "/var/lib/aresmon/ares"
AGENT = AgentPaths("lewi", "systemd", "ares", STATE, "/etc/telegraf/telegraf.conf", "/etc/default/telegraf")
ACCESS = WriteAccess("http://biere:8086", "agent-lewi", "pass:word", "telegraf")
FILES = (
    PushedFile("/etc/default/telegraf", b"A='1'\n", "0640", "root:telegraf"),
    PushedFile("/etc/telegraf/telegraf.conf", b"[agent]\n\n\x00\xff", "0640", "root:telegraf"),
)
ORDER = PushOrder(
    agent=AGENT,
    files=FILES,
    content="c0ffee",
    config_id="c0ffee-1",
    output="0123",
    transaction="20260101T000000-abcd",
    by="ada",
    deadline=38,
    names=("A", "B"),
)


def order(**changes: Any) -> PushOrder:
    return dataclasses.replace(ORDER, **changes)


def split(given: bytes) -> tuple[list[tuple[str, str]], bytes]:
    """The header's lines, and what comes after it."""
    header, rest = split_request(given)
    pairs = (line.partition("=") for line in header.decode().removesuffix("\n").split("\n"))
    return [(name, value) for name, _, value in pairs], rest


def header(given: bytes) -> dict[str, str]:
    return dict(split(given)[0])


def test_an_order_is_a_header_of_the_given_length_and_its_files_one_after_the_other() -> None:
    lines, rest = split(protocol.push_request(ORDER))

    assert rest == FILES[0].content + FILES[1].content
    assert [value for name, value in lines if name == "file"] == [
        f"{len(one.content)} 0640 root:telegraf {hashlib.sha256(one.content).hexdigest()} {one.path}" for one in FILES
    ]


def test_an_order_says_what_to_bring_where_and_as_whom() -> None:
    told = header(protocol.push_request(ORDER))

    assert told.items() >= {
        ("mode", "push"),
        ("kind", "systemd"),
        ("site", "ares"),
        ("state", STATE),
        ("watched", "/etc/telegraf/telegraf.conf"),
        ("environment", "/etc/default/telegraf"),
        ("folder", ""),
        ("project", ""),
        ("tx", "20260101T000000-abcd"),
        ("by", "ada"),
        ("content", "c0ffee"),
        ("gen", "c0ffee-1"),
        ("output", "0123"),
        ("deadline", "38"),
        ("names", "A B"),
    }
    assert told["script"] == hashlib.sha256(protocol.script().encode()).hexdigest()


@pytest.mark.parametrize("flag", ["verify", "overwrite", "force", "break_lock"])
@pytest.mark.parametrize(("value", "told"), [(True, "1"), (False, "0")])
def test_a_flag_is_a_one_or_a_zero(flag: str, value: bool, told: str) -> None:
    assert header(protocol.push_request(order(**{flag: value})))[flag] == told


def test_nothing_is_forced_unless_it_is_asked_for() -> None:
    told = header(protocol.push_request(ORDER))

    assert [told[flag] for flag in ("verify", "overwrite", "force", "break_lock")] == ["1", "0", "0", "0"]


def test_the_files_that_are_to_be_shown_are_named() -> None:
    lines, _ = split(protocol.push_request(ORDER, shown=["/a", "/b c"]))

    assert [value for name, value in lines if name == "show"] == ["/a", "/b c"]


def test_without_an_access_there_is_no_word_of_one() -> None:
    assert {"write", "auth", "database"} & set(header(protocol.push_request(ORDER))) == set()


def test_a_password_stands_in_its_one_line_and_there_not_in_clear() -> None:
    given = protocol.push_request(order(access=ACCESS))

    told = header(given)
    assert (told["write"], told["database"]) == ("http://biere:8086", "telegraf")
    assert base64.b64decode(told["auth"]) == b"agent-lewi:pass:word"
    assert b"pass:word" not in given


def test_a_password_is_in_no_printed_form_of_an_order() -> None:
    secret = order(access=ACCESS, files=(PushedFile("/x", b"pass:word"),))

    assert "pass:word" not in f"{secret} {secret!r} {ACCESS!r}"


def test_a_look_asks_for_nothing_to_be_done() -> None:
    lines, rest = split(protocol.survey_request(AGENT, shown=["/etc/telegraf/telegraf.conf"]))

    assert rest == b""
    assert [name for name, _ in lines] == [
        *("mode", "kind", "site", "state", "watched", "environment", "folder", "project", "replaces", "show")
    ]
    assert dict(lines)["mode"] == "look"


@pytest.mark.parametrize("field", ["by", "content", "config_id", "output", "transaction"])
def test_a_line_break_comes_into_no_header(field: str) -> None:
    with pytest.raises(ValueError, match="a line break"):
        protocol.push_request(order(**{field: "x\nmode=look"}))


def test_a_line_break_comes_into_no_header_by_a_name_or_a_path_either() -> None:
    orders = [
        order(names=("A\nB",)),
        order(files=(PushedFile("/a\nmode=look", b""),)),
        order(files=(PushedFile("/a", b"", owner="x\ny"),)),
        order(agent=dataclasses.replace(AGENT, watched="/x\n/y")),
        order(access=dataclasses.replace(ACCESS, url="http://x\n")),
    ]
    for one in orders:
        with pytest.raises(ValueError, match="a line break"):
            protocol.push_request(one)
    with pytest.raises(ValueError, match="a line break"):
        protocol.survey_request(AGENT, shown=["/a\nb"])


WORDS = st.text(st.characters(exclude_characters="\n\0", exclude_categories=["Cs"]), max_size=20)


@given(WORDS, st.lists(st.binary(max_size=50), max_size=3))
def test_any_order_can_be_taken_apart_again(by: str, contents: list[bytes]) -> None:
    files = tuple(PushedFile(f"/f{index}", content) for index, content in enumerate(contents))

    lines, rest = split(protocol.push_request(order(by=by, files=files)))

    assert dict(lines)["by"] == by
    for spec in [value for name, value in lines if name == "file"]:
        size, _, _, digest, _ = spec.split(" ", 4)
        content, rest = rest[: int(size)], rest[int(size) :]
        assert hashlib.sha256(content).hexdigest() == digest
    assert rest == b""


@pytest.mark.parametrize(
    ("line", "event"),
    [
        ("@state lock", HostMessage("state", "lock")),
        ("@running", HostMessage("running")),
        ("@refused check  two  spaces", HostMessage("refused", "check  two  spaces")),
        ("@", HostMessage("")),
        ("@rolled-back", HostMessage("rolled-back", "")),
    ],
)
def test_an_event_is_a_word_and_the_rest(line: str, event: HostMessage) -> None:
    assert protocol.parse_message(line) == event


@pytest.mark.parametrize("line", ["", "Last login: Mon", " @state lock", "bash: @x", "state lock"])
def test_a_line_that_is_not_ours_is_no_event(line: str) -> None:
    assert protocol.parse_message(line) is None


@given(st.text())
def test_no_line_breaks_the_reading(line: str) -> None:
    told = protocol.parse_message(line)

    assert (told is None) == (not line.startswith("@"))
    if told is not None:
        assert isinstance(told.values, dict)


def test_values_are_read_by_name_and_words_without_one_left_out() -> None:
    told = HostMessage("probe", "active=active loaded= version=1.39.3 clock=1.5 stray why=a=b")

    assert told.values == {"active": "active", "loaded": "", "version": "1.39.3", "clock": "1.5", "why": "a=b"}


def test_a_file_that_was_shown_has_its_hash_and_its_content() -> None:
    content = b"[agent]\n\xff"
    line = f"@file {hashlib.sha256(content).hexdigest()} {base64.b64encode(content).decode()} /etc/a b.conf"

    told = protocol.parse_message(line)

    assert told is not None
    assert protocol.parse_file(told) == ("/etc/a b.conf", hashlib.sha256(content).hexdigest(), content)


def test_a_file_that_is_not_there_has_no_content_and_an_empty_one_has_an_empty_one() -> None:
    empty = hashlib.sha256(b"").hexdigest()

    assert protocol.parse_file(HostMessage("file", "-  /etc/a")) == ("/etc/a", "-", None)
    assert protocol.parse_file(HostMessage("file", f"{empty}  /etc/a")) == ("/etc/a", empty, b"")


def test_what_a_host_remembers_is_told_line_by_line() -> None:
    remembered = LastPush()

    for line in [
        *("content=c0ffee", "gen=c0ffee-1", "output=0123", "tx=t-1", "by=Ada as root", "at=1700000000"),
        *("sha=aaaa /etc/default/telegraf", "sha=bbbb /etc/telegraf/with space.conf", "", "garbage", "later=thing"),
    ]:
        remembered = remembered.with_line(line)

    assert remembered == LastPush(
        content="c0ffee",
        config_id="c0ffee-1",
        by="Ada as root",
        at=1700000000.0,
        hashes={"/etc/default/telegraf": "aaaa", "/etc/telegraf/with space.conf": "bbbb"},
    )


def test_a_host_that_remembers_nothing_is_told_by_nothing() -> None:
    assert LastPush().with_line("") == LastPush()
    assert not LastPush().content

"""The file by which a host knows the edge is brought, tried and taken back with the rest of a push."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from aresmon.push.protocol import PushedFile, PushOrder, WriteAccess
from tests.unit.push.remote.sandbox import Sandbox, words

URL = "https://edge.example.org"
CONFIG = "# reads $ARESMON_CA\n"


@pytest.fixture
def trusted(box: Sandbox) -> Path:
    return box.root / "etc/telegraf/aresmon-ca.pem"


def order(box: Sandbox, trusted: Path, content: str = "AUTHORITY\n") -> PushOrder:
    """A configuration for an edge that speaks TLS, with what it is known by."""
    made = box.order(CONFIG, f"ARESMON_CA={trusted}\n", content=f"of {content.strip()}")
    files = (PushedFile(str(trusted), content.encode()), *made.files)
    return dataclasses.replace(
        made, files=files, authority=str(trusted), access=WriteAccess(URL, "agent-box", "password", "telegraf")
    )


def test_it_is_tried_and_checked_before_it_takes_its_place(box: Sandbox, trusted: Path) -> None:
    told = box.bring(order(box, trusted))

    assert told[-1].word == "committed", told
    assert (box.root / "curl-authority").read_text() == trusted.read_text() == "AUTHORITY\n"
    assert trusted.stat().st_mode & 0o777 == 0o644


def test_another_one_is_brought_though_the_configuration_is_the_same(box: Sandbox, trusted: Path) -> None:
    box.bring(order(box, trusted))

    assert box.bring(order(box, trusted))[-1].word == "unchanged"
    assert box.bring(order(box, trusted, "ANOTHER\n"))[-1].word == "committed"
    assert trusted.read_text() == "ANOTHER\n"


def test_one_that_was_not_there_is_gone_after_a_roll_back(box: Sandbox, trusted: Path) -> None:
    with box.push(order(box, trusted)) as talk:
        talk.hear(answer="rollback no data")

    assert box.last()["outcome"] == "undone"
    assert not trusted.exists()
    assert box.strays() == []


@pytest.mark.parametrize("end", ["kill", "boot"])
def test_the_former_one_comes_back_when_nobody_is_there_to_take_it_back(box: Sandbox, trusted: Path, end: str) -> None:
    box.bring(order(box, trusted))
    with box.push(order(box, trusted, "ANOTHER\n")) as talk:
        talk.until("running")
        assert trusted.read_text() == "ANOTHER\n"
        talk.kill()
    box.boot() if end == "boot" else box.wait_settled()

    assert trusted.read_text() == "AUTHORITY\n"
    assert box.strays() == []


@pytest.mark.parametrize(("code", "word"), [(60, "x509"), (35, "clear"), (7, "000"), (28, "000")])
def test_an_edge_that_is_not_who_it_should_be_stops_the_push(box: Sandbox, trusted: Path, code: int, word: str) -> None:
    box.fault("curl", str(code))

    told = box.bring(order(box, trusted))

    assert words(told, "refused") == [f"refused write {word} {URL}"]
    assert not trusted.exists()
    assert box.strays() == []


def test_one_that_is_edited_on_the_host_is_drift(box: Sandbox, trusted: Path) -> None:
    box.bring(order(box, trusted))
    trusted.write_text("MINE\n")

    assert words(box.bring(order(box, trusted, "ANOTHER\n")), "drift") == [f"drift {trusted}"]
    assert trusted.read_text() == "MINE\n"

"""Keys from bytes: what terminals send, in pieces too, and the Escape key that begins like all of them."""

from __future__ import annotations

import pytest

from aresmon.terminal.keys import KeyReader


@pytest.mark.parametrize(
    ("data", "keys"),
    [
        (b"q", ["q"]),
        (b"\x1b[A\x1bOB\x1b[C\x1b[D", ["up", "down", "right", "left"]),
        (b"\x1b[5~\x1b[6~", ["pageup", "pagedown"]),
        (b"\x1b[H\x1b[4~\x1bOF", ["home", "end", "end"]),
        (b"\r\n\x7f\x08", ["enter", "enter", "backspace", "backspace"]),
        (b"\x1bOP\x1b[[A\x1b[11~", ["f1", "f1", "f1"]),
        (b"\x1b[1;5A\x1b[200~x", ["x"]),
        ("é/€".encode(), ["é", "/", "€"]),
        (b"\x1bq", ["escape", "q"]),
        (b"\xff\x01a", ["a"]),
        (b"\x03", ["q"]),
    ],
)
def test_bytes_become_keys(data: bytes, keys: list[str]) -> None:
    assert KeyReader().feed(data) == keys


@pytest.mark.parametrize("data", [b"\x1b[A", b"\x1bOA", b"\x1b[5~", b"\x1b[[A", "€".encode()])
def test_a_key_may_arrive_byte_by_byte(data: bytes) -> None:
    reader = KeyReader()

    whole = KeyReader().feed(data)

    assert [key for number in range(len(data)) for key in reader.feed(data[number : number + 1])] == whole
    assert len(whole) == 1
    assert not reader.is_waiting


def test_an_escape_that_nothing_follows_is_the_key() -> None:
    reader = KeyReader()

    assert reader.feed(b"\x1b") == []
    assert reader.is_waiting
    assert reader.flush() == ["escape"]
    assert reader.flush() == []


def test_a_broken_sequence_does_not_stay() -> None:
    reader = KeyReader()

    assert reader.feed("€".encode()[:1]) == []
    assert reader.flush() == []
    assert reader.feed(b"q") == ["q"]

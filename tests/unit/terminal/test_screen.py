"""The screen as lines in a pipe: what a locale that knows ASCII alone gets."""

from __future__ import annotations

import pytest

from aresmon.system.characters import in_ascii
from aresmon.terminal.screen import Screen
from aresmon.terminal.text import line


def printed(capsys: pytest.CaptureFixture[str]) -> str:
    screen = Screen()
    screen.print([line("12.5 µs", screen.glyphs.full, screen.glyphs.rule, screen.glyphs.ellipsis, " Arès")])
    return capsys.readouterr().out.strip()


def says(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    for name in ("LC_ALL", "LC_CTYPE", "LANG", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    "variables",
    [
        {"LC_ALL": "C"},
        {"LC_ALL": "POSIX", "LANG": "fr_FR.UTF-8"},
        {"LANG": "C", "LC_CTYPE": "C.UTF-8"},
        {"LC_CTYPE": "C", "LANG": "fr_FR.UTF-8"},
        {"LANG": "fr_FR.UTF-8", "TERM": "linux"},
    ],
    ids=str,
)
def test_where_only_ascii_is_known_everything_is_ascii(
    variables: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    says(monkeypatch, **variables)

    assert printed(capsys) == "12.5 us#-~ Ares"


@pytest.mark.parametrize(
    "variables", [{}, {"LC_ALL": "C.UTF-8"}, {"LC_CTYPE": "C.UTF-8"}, {"LANG": "en_US.UTF-8"}], ids=str
)
def test_elsewhere_it_is_not(
    variables: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    says(monkeypatch, **variables)

    assert printed(capsys) == "12.5 µs█─… Arès"


def test_a_text_keeps_its_length_in_ascii() -> None:
    text = "Müller \N{EN DASH} “naïve”… 20 °C ✓"

    assert in_ascii(text) == "Muller - 'naive'~ 20 oC ?"
    assert len(in_ascii(text)) == len(text)

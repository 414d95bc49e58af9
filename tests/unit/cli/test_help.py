"""The help of every command: sections, one-line descriptions, metavars and examples."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.core import TyperGroup
from typer.main import get_command
from typer.testing import CliRunner

from aresmon.cli import main

METAVARS = {
    *("ADDRESS", "ARCHIVE", "COLLECTORS", "FILE", "FOLDER", "HOST", "KIND", "LINES", "LOGIN", "MEASUREMENT"),
    *(
        "ENTRIES",
        "HOSTS",
        "MONTH",
        "NAME",
        "NAME=VALUE",
        "PART",
        "PLUGIN",
        "POLICY",
        "PROXY",
        "RELEASE",
        "ROLE",
        "SECONDS",
        "SECRET",
        "SERVICE",
        "SITE",
    ),
    *("TEXT", "TIME", "UID", "USER@HOST"),
}
COMPLETION = {"install_completion", "show_completion", "help"}
ALIASES = {"push": "push-config", "rollback": "rollback-config", "diff": "drift"}

Words = tuple[str, ...]


def walk(command: Any, above: Words = ()) -> Iterator[tuple[Words, Any]]:
    yield above, command
    if isinstance(command, TyperGroup):
        for name in command.list_commands(typer.Context(command)):
            yield from walk(command.commands[name], (*above, name))


EVERYTHING: dict[Words, Any] = dict(walk(get_command(main.app)))
COMMANDS = {words: command for words, command in EVERYTHING.items() if not isinstance(command, TyperGroup)}
SHOWN = {words: command for words, command in EVERYTHING.items() if not command.hidden}
GROUPS = {words: command for words, command in EVERYTHING.items() if isinstance(command, TyperGroup)}


def help_of(words: Words, columns: int = 80) -> list[str]:
    result = CliRunner().invoke(main.app, [*words, "--help"], prog_name="aresmon", env={"COLUMNS": str(columns)})
    assert result.exit_code == 0
    return result.stdout.splitlines()


def test_the_commands_stand_under_five_headings_in_a_chosen_order() -> None:
    lines = help_of(())

    headings = [line.rstrip(":") for line in lines if re.fullmatch(r"[A-Z].*:", line)]
    assert headings == ["Options", *main.SECTIONS]
    assert list(main.SECTIONS) == [
        "Stack",
        "Hosts and agents",
        "Alerts and people",
        "Data and backups",
        "Maintenance",
    ]
    listed = [match[1] for line in lines if (match := re.match(r"  ([a-z][a-z-]+)  ", line))]
    assert listed == [each.name for members in main.SECTIONS.values() for each in members]


def test_the_commands_are_those_of_the_design() -> None:
    names = {words[-1] for words in SHOWN if words}

    assert {"init", "check", "render", "up", "down", "status", "logs", "collectors", "schema"} <= names
    assert {words[1] for words in SHOWN if words[:1] == ("images",) and len(words) == 2} == {
        *("pull", "build", "save", "load")
    }


def test_every_command_stands_in_one_section() -> None:
    names = [each.name for members in main.SECTIONS.values() for each in members]

    assert len(names) == len(set(names))
    assert {words[0] for words in SHOWN if words} == set(names)


@pytest.mark.parametrize("words", GROUPS, ids=" ".join)
def test_every_description_stands_whole_on_one_line_of_80_columns(words: Words) -> None:
    lines = help_of(words)

    for name, command in GROUPS[words].commands.items():
        if not command.hidden:
            assert command.help is not None
            summary = command.help.splitlines()[0]
            assert summary.endswith(".")
            (line,) = [line for line in lines if line.startswith(f"  {name} ")]
            assert line.split(None, 1)[1] == summary
            assert len(line) <= 80


@pytest.mark.parametrize("words", EVERYTHING, ids=" ".join)
@pytest.mark.parametrize("columns", [80, 120])
def test_no_help_is_wider_than_the_terminal(words: Words, columns: int) -> None:
    assert max(map(len, help_of(words, columns))) <= columns


@pytest.mark.parametrize("words", EVERYTHING, ids=" ".join)
def test_defaults_and_ranges_are_given_in_words(words: Words) -> None:
    assert not [line for line in help_of(words) if line.endswith("default:")]
    text = " ".join(" ".join(help_of(words)).split())

    shown = re.findall(r"\[([^\]]*(?:default|\d|x)[^\]]*)\]", text)
    assert all(re.fullmatch(r"(?:default: [\w.]+(?:; )?)?(?:\d+ to \d+)?", one) for one in shown), shown


@pytest.mark.parametrize("words", [words for words in EVERYTHING if words], ids=" ".join)
def test_the_first_line_of_a_help_is_a_whole_sentence(words: Words) -> None:
    lines = help_of(words)

    assert lines[1] == ""
    assert re.fullmatch(r"  [A-Z][^.]*(\.yml[^.]*)?\.", lines[2]) or lines[2].endswith("overrides/.")
    assert lines[3] == ""


@pytest.mark.parametrize("words", EVERYTHING, ids=" ".join)
def test_metavars_are_words_of_the_field(words: Words) -> None:
    context = typer.Context(EVERYTHING[words])

    for each in EVERYTHING[words].params:
        if each.name not in COMPLETION and not getattr(each, "is_flag", False):
            assert each.make_metavar(context) in METAVARS, each.name


@pytest.mark.parametrize("words", EVERYTHING, ids=" ".join)
def test_every_option_and_argument_is_explained_in_a_sentence(words: Words) -> None:
    for each in EVERYTHING[words].params:
        text = getattr(each, "help", None) or ""
        assert re.fullmatch(r"[A-Zi].*\.", text), f"{each.name}: {text}"


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_has_an_example_of_itself(words: Words) -> None:
    (example,) = [line.strip() for line in help_of(words) if line.strip().startswith("Example: ")]

    own = (ALIASES.get(words[0], words[0]), *words[1:])
    assert re.match(rf"Example: aresmon {' '.join(own)}\b", example)


@pytest.mark.parametrize(("alias", "name"), ALIASES.items())
def test_an_alias_is_the_same_command_and_in_no_list(alias: str, name: str) -> None:
    assert COMMANDS[(alias,)].hidden
    assert help_of((alias,))[1:] == help_of((name,))[1:]
    assert f"  Alias: aresmon {alias}" in help_of((name,))
    assert not any(line.startswith(f"  {alias} ") for line in help_of(()))


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["stauts"], "status"),
        (["push-confg"], "push-config"),
        (["rolback"], "rollback"),
        (["hosts", "ad"], "add"),
        (["backup", "lsit"], "list"),
    ],
    ids=" ".join,
)
def test_a_mistyped_command_gets_a_suggestion(typed: list[str], meant: str) -> None:
    result = CliRunner().invoke(main.app, typed, prog_name="aresmon")

    assert result.exit_code == 2
    assert re.search(rf"No such command '{typed[-1]}'\. Did you mean .*'{meant}'", result.stderr)


def test_a_question_can_always_be_answered_in_advance() -> None:
    asking = {("down",), ("restore",), ("hosts", "remove"), ("users", "remove"), ("authority", "close")}

    assert asking <= {words for words, each in COMMANDS.items() if "-y" in [o for p in each.params for o in p.opts]}

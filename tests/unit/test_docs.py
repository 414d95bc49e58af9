"""The documents: nothing in them is stale, missing, dead or untrue as far as a program can tell."""

from __future__ import annotations

import ast
import functools
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import typer.main
from typer.testing import CliRunner

from aresmon.cli import common, main, site
from aresmon.config.view_files import view_schema
from aresmon.system import process
from docs.reference import write
from tests.unit.conftest import ARES, REPOSITORY, FakeEngine, load

DOCUMENTS = sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")])
README = REPOSITORY / "README.md"
HOSTS_NEEDED = {("hosts", "add"), ("hosts", "discover"), ("hosts", "remove")}
GRAFANA_NEEDED = {("users", "list"), ("dashboards", "export"), ("alerts", "test"), ("alerts", "list")}
ENGINE_NEEDED = {
    *("up", "upgrade", "down", "status", "top", "doctor", "logs", "images", "push-config", "rollback-config", "drift"),
    *("backup", "restore", "data"),
}
COMMANDS = [words for words in write.commands() if words]
GROUPS = {words[:-1] for words in COMMANDS}

documents = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(REPOSITORY).as_posix())


@functools.cache
def options(words: tuple[str, ...]) -> set[str]:
    """The long options of a command, or of `aresmon` itself, as typer knows them."""
    found = typer.main.get_command(main.app)
    for word in words:
        found = getattr(found, "commands", {})[word]
    return {name for each in found.params for name in each.opts if name.startswith("--")} | {"--help"}


def blocks(document: Path, *languages: str) -> list[str]:
    """The fenced blocks of a document in these languages."""
    fences = re.findall(r"^```(\w*)\n(.*?)^```$", document.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [text for language, text in fences if language in languages]


def prose(document: Path) -> str:
    """A document without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", document.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def typed(block: str) -> Iterator[str]:
    """What is typed in a `console` block: the lines after `$ `."""
    return (line.removeprefix("$ ") for line in block.splitlines() if line.startswith("$ "))


def command_lines(document: Path) -> Iterator[list[str]]:
    """Every `aresmon …` that a document names, in its prose and in its blocks, without what is put in for names."""
    told = re.findall(r"`(aresmon [^`]+)`", prose(document))
    told += [line for block in blocks(document, "console") for line in typed(block)]
    told += [line for block in blocks(document, "sh") for line in block.splitlines()]
    for line in told:
        for part in re.split(r"&&|\||;|#", line):
            if part.strip().startswith("aresmon "):
                yield shlex.split(part)[1:]


def split(line: list[str]) -> tuple[tuple[str, ...], list[str]]:
    """The words of the command, and what follows them."""
    words: tuple[str, ...] = ()
    while line and words in GROUPS and not line[0].startswith("-"):
        words, line = (*words, line[0]), line[1:]
    return words, line


# Reference -------------------------------------------------------------------------------------------


def test_the_reference_is_what_it_would_be_if_it_were_written_now() -> None:
    assert write.stale() == [], "make reference"


def test_the_writer_names_stale_files_and_leaves_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write, "FOLDER", tmp_path)
    monkeypatch.setattr(write, "stale", lambda: ["commands.md"])
    said: list[str] = []

    code = write.main(["--check"], said.append)

    assert code == 1
    assert "commands.md is stale" in said[0]
    assert list(tmp_path.iterdir()) == []


def test_the_writer_refuses_what_it_does_not_know() -> None:
    assert write.main(["--chekc"], lambda _: None) == 2


@pytest.mark.parametrize("words", write.commands(), ids=" ".join)
def test_every_command_and_option_is_documented(words: tuple[str, ...]) -> None:
    page = (write.FOLDER / "commands.md").read_text(encoding="utf-8")
    title = f"## `{' '.join(['aresmon', *words])}`\n"

    assert title in page
    section = page.partition(title)[2].partition("\n## ")[0]
    assert {option for option in options(words) if not re.search(rf"{option}\b", section)} == set()


@pytest.mark.parametrize("setting", write.settings())
def test_every_setting_is_documented(setting: str) -> None:
    page = (write.FOLDER / "aresmon-yml.md").read_text(encoding="utf-8")

    assert f"`{setting}`" in page


def words_of(schema: Any) -> set[str]:
    """Every key that a file may have, at any depth."""
    if isinstance(schema, list):
        return {word for one in schema for word in words_of(one)}
    if not isinstance(schema, dict):
        return set()
    inner = schema.get("properties", {})
    return {*inner, *(word for each in schema.values() for word in words_of(each))}


def test_every_word_of_a_collectors_view_is_documented() -> None:
    text = (REPOSITORY / "docs" / "views.md").read_text(encoding="utf-8")
    words = words_of(view_schema())

    assert len(words) > 40
    assert {word for word in words if not re.search(rf"`[^`\n]*\b{word}\b[^`\n]*`", text)} == set()


def test_every_step_that_a_push_reports_is_documented() -> None:
    page = (REPOSITORY / "docs" / "push.md").read_text(encoding="utf-8")
    parts = [path.read_text(encoding="utf-8") for path in (REPOSITORY / "aresmon" / "push" / "remote").glob("*.bash")]
    steps = {step for part in parts for step in re.findall(r'emit "state ([a-z]+)"', part)} - {"rollback"}

    assert len(steps) > 5
    assert [step for step in sorted(steps) if f"| {step} |" not in page] == []


def test_every_exit_code_is_documented() -> None:
    readme = README.read_text(encoding="utf-8")
    page = (write.FOLDER / "commands.md").read_text(encoding="utf-8")

    for code in write.EXIT_CODES:
        assert f"| {int(code)} |" in page
        assert f"| {int(code)} |" in readme


def test_the_design_has_a_row_for_each_package() -> None:
    text = (REPOSITORY / "docs" / "design.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z]+)/` \|", text, re.MULTILINE)

    assert sorted(rows) == sorted(path.parent.name for path in (REPOSITORY / "aresmon").glob("*/__init__.py"))


def test_every_file_in_the_designs_walkthroughs_exists() -> None:
    text = (REPOSITORY / "docs" / "design.md").read_text(encoding="utf-8")
    walks = text.partition("## Walkthroughs\n")[2].partition("\n## ")[0]
    files = set(re.findall(r"`([a-z0-9_/]+\.(?:py|bash))`", walks))

    assert walks.count("\n### ") == 3
    assert len(files) > 30
    assert [name for name in sorted(files) if not (REPOSITORY / "aresmon" / name).is_file()] == []


# Links and commands ----------------------------------------------------------------------------------


def anchors(document: Path) -> set[str]:
    """The anchors of a document's headings, as forges make them."""
    headings = re.findall(r"^#+ (.*)$", prose(document), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@documents
def test_every_relative_link_leads_somewhere(document: Path) -> None:
    text = prose(document)
    targets = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r"^\[[^\]]+\]: (\S+)$", text, re.MULTILINE)

    for target in targets:
        if not re.match(r"[a-z]+:", target):
            path, _, anchor = target.partition("#")
            file = (document.parent / path).resolve() if path else document
            assert file.exists(), target
            assert not anchor or anchor in anchors(file), target


@documents
def test_every_file_of_the_repository_that_is_named_exists(document: Path) -> None:
    if document.name == "CHANGELOG.md":  # it tells of the past
        return
    folders = "aresmon|bench|compose|docs|examples|grafana|scripts|telegraf|tests"
    named = re.findall(rf"`((?:{folders})/[a-z0-9_./*-]+)`", prose(document))

    roots = (REPOSITORY, REPOSITORY / "aresmon")
    assert [name for name in named if not any(list(root.glob(name.rstrip("/"))) for root in roots)] == []


@documents
def test_every_command_that_is_named_exists(document: Path) -> None:
    for line in command_lines(document):
        words, rest = split(line)

        assert words in COMMANDS or (not words and rest), f"aresmon {shlex.join(line)}"
        unknown = {word for word in rest if word.startswith("--")} - options(words) - options(())
        assert unknown == set(), f"aresmon {shlex.join(line)}"


@documents
def test_every_shell_block_is_one(document: Path, tmp_path: Path) -> None:
    bash = shutil.which("bash")
    assert bash

    for number, block in enumerate(blocks(document, "sh")):
        script = tmp_path / f"{number}.sh"
        script.write_text(block)
        process.run([bash, "-n", script])


@documents
def test_every_whole_aresmon_yml_that_is_shown_is_sound(document: Path) -> None:
    for block in blocks(document, "yaml"):
        if re.search(r"^hosts:", block, re.MULTILINE) and document.name != "tutorial.md":  # it makes a collector first
            assert load(block).hosts


def test_the_example_of_people_in_grafana_is_a_whole_one() -> None:
    (block,) = blocks(REPOSITORY / "docs" / "users.md", "yaml")

    assert [person.login for person in load(block).grafana.users] == ["marie"]


# Texts that the documents quote ------------------------------------------------------------------------

QUOTED = [
    ("docs/agents.md", "has never sent data"),
    ("docs/agents.md", "is silent: its newest point is "),
    ("docs/agents.md", " in the last minute"),
    ("docs/agents.md", ": inputs were collected "),
    ("docs/doctor.md", " series in "),
    ("docs/doctor.md", "; grows to "),
    ("docs/doctor.md", "; disk full in "),
    ("docs/faults.md", " can be neither read nor written"),
    ("docs/faults.md", " are missing"),
    ("docs/faults.md", "the clock of "),
    ("docs/upgrade.md", " is available, and only `aresmon upgrade` runs another version on its data"),
    ("docs/users.md", "Grafana is not running here"),
]
"""A part of a message that a document quotes, as it stands between two values in the code."""


@functools.cache
def literals() -> str:
    """Every literal text in the package, one a line; an f-string has one for each part between its values."""
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in (REPOSITORY / "aresmon").rglob("*.py"))
    nodes = (node for tree in trees for node in ast.walk(tree))
    return "\n".join(node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str))


@pytest.mark.parametrize(("name", "text"), QUOTED)
def test_a_message_that_a_document_quotes_is_still_printed(name: str, text: str) -> None:
    assert text.strip(" :;") in (REPOSITORY / name).read_text(encoding="utf-8"), f"{name} does not quote it any more"
    assert text in literals(), f"{name} quotes a message that has changed"


# The README's commands, run --------------------------------------------------------------------------


def runnable() -> list[str]:
    """What the README types at a console and what needs neither an engine nor a host."""
    lines = [line for block in blocks(README, "console") for line in typed(block)]
    words = {line: split(shlex.split(line)[1:])[0] for line in lines}
    elsewhere = HOSTS_NEEDED | GRAFANA_NEEDED
    return [line for line in lines if words[line][0] not in ENGINE_NEEDED and words[line] not in elsewhere]


def test_the_readme_has_commands_to_run() -> None:
    assert len(runnable()) >= 3


@pytest.mark.parametrize("line", runnable())
def test_a_command_of_the_readme_does_what_it_says(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ARES.parent, tmp_path / "site")
    monkeypatch.chdir(tmp_path / "site")
    monkeypatch.setattr(site, "the_engine", FakeEngine)
    common.the_console.cache_clear()

    result = CliRunner().invoke(main.app, shlex.split(line)[1:])

    common.the_console.cache_clear()
    assert result.exit_code == 0, result.output


# Words -----------------------------------------------------------------------------------------------

PRIVATE = re.compile(
    r"\b(?:afar|ground|troubles?|doubts?|anew|mends?|mended|passers-by|strangers?|dear|held against|taken back"
    r"|told|looked after|wholly|brought to rest|heed(?:s|ed)?)\b",
    re.IGNORECASE,
)


def test_texts_use_the_words_of_the_field_and_not_private_ones() -> None:
    package = [path for path in (REPOSITORY / "aresmon").rglob("*") if path.suffix in (".py", ".bash", ".yml", ".css")]
    package += [*(REPOSITORY / "telegraf").rglob("*.conf"), *(REPOSITORY / "grafana").rglob("*.yml")]
    documents = [path for path in DOCUMENTS if path.parent.name != "reference" and path.name != "CHANGELOG.md"]
    found = [
        f"{path.relative_to(REPOSITORY)}:{number}: {line.strip()}"
        for path in sorted([*package, *documents])
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if PRIVATE.search(line)
    ]

    assert found == []

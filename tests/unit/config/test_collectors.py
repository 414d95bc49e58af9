"""The catalogue of collectors: those that are shipped, and a site's own beside or instead of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from aresmon.config import collectors as config_collectors
from aresmon.system.errors import SiteError
from tests.unit.conftest import REPOSITORY, SHIPPED

GOOD = "# A weather station.\n[[inputs.exec]]\n  commands = ['weather']\n"


@pytest.fixture
def collectors(tmp_path: Path) -> Path:
    folder = tmp_path / "overrides" / "collectors"
    folder.mkdir(parents=True)
    return folder


def refused(folder: Path) -> tuple[str, ...]:
    with pytest.raises(SiteError) as caught:
        config_collectors.load(folder.parent)
    return caught.value.errors


def test_the_shipped_collectors_are_those_of_the_page() -> None:
    page = (REPOSITORY / "docs" / "reference" / "collectors.md").read_text(encoding="utf-8")

    assert list(SHIPPED) == re.findall(r"^## `(.+)`$", page, re.MULTILINE)


@pytest.mark.parametrize("file", ["README.md", "docs/collectors.md"])
def test_how_many_collectors_are_shipped_is_told(file: str) -> None:
    page = (REPOSITORY / file).read_text(encoding="utf-8")

    told = re.findall(r"\b(\d+) (?:\[collectors\]\(\S+\) )?are shipped", page)

    assert told == [str(len(SHIPPED))]


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_collector_says_what_it_watches_and_with_which_inputs(name: str) -> None:
    collector = SHIPPED[name]

    assert collector.title.endswith(".")
    assert not collector.title.startswith("#")
    assert collector.inputs
    assert collector.is_shipped


def test_only_haproxy_asks_for_a_variable_and_says_what_to_put_in_it() -> None:
    required = {name: [one.name for one in collector.required] for name, collector in SHIPPED.items()}

    assert {name: names for name, names in required.items() if names} == {"haproxy": ["HAPROXY_STATS"]}
    assert "as http://" in SHIPPED["haproxy"].required[0].hint


def test_a_sites_own_collector_stands_beside_the_shipped_ones(collectors: Path) -> None:
    (collectors / "weather.conf").write_text(GOOD)

    found = config_collectors.load(collectors.parent)

    assert set(found) == {*SHIPPED, "weather"}
    assert (found["weather"].title, found["weather"].inputs) == ("A weather station.", ("exec",))
    assert not found["weather"].is_shipped


def test_a_sites_own_collector_wins_over_the_shipped_one_of_its_name(collectors: Path) -> None:
    (collectors / "disk.conf").write_text(GOOD)

    assert config_collectors.load(collectors.parent)["disk"].text == GOOD


def test_a_site_without_overrides_has_the_shipped_collectors(tmp_path: Path) -> None:
    assert config_collectors.load(tmp_path / "overrides") == SHIPPED


def test_a_collector_without_a_comment_is_titled_by_its_name(collectors: Path) -> None:
    (collectors / "weather.conf").write_text("[[inputs.exec]]\n")

    assert config_collectors.load(collectors.parent)["weather"].title == "weather"


def test_all_bad_collectors_are_named_at_once(collectors: Path) -> None:
    contents = {
        "agent.conf": "[agent]\n[[inputs.cpu]]\n",
        "broken.conf": "[[inputs.cpu]\n",
        "empty.conf": "",
        "output.conf": "[[inputs.cpu]]\n[[outputs.file]]\n",
        "Weather Station.conf": GOOD,
    }
    for name, content in contents.items():
        (collectors / name).write_text(content)
    (collectors / "binary.conf").write_bytes(b"\xff")
    (collectors / "folder.conf").mkdir()

    told = {message.removeprefix(f"{collectors}/").partition(".conf")[0]: message for message in refused(collectors)}

    assert set(told) == {"agent", "binary", "broken", "empty", "folder", "output", "Weather Station"}
    assert "has [agent]; the agent and its output are aresmon's" in told["agent"]
    assert "has [outputs]" in told["output"]
    assert "broken.conf:1: not TOML:" in told["broken"]
    assert told["empty"].endswith("has no [[inputs.NAME]]")
    assert "lower-case" in told["Weather Station"]


@pytest.mark.parametrize("text", ["inputs = 1\n", "[inputs]\ncpu = 2\n", "inputs = ['cpu']\n"])
def test_inputs_that_are_no_tables_are_refused(collectors: Path, text: str) -> None:
    (collectors / "odd.conf").write_text(text)

    assert len(refused(collectors)) == 1


@pytest.mark.parametrize(
    ("reference", "required"),
    [
        ("${NAME}", [("NAME", "")]),
        ("${NAME:?what it is}", [("NAME", "what it is")]),
        ("${NAME:-default}", []),
        ("${NAME-}", []),
        ("${A} ${B:-x} ${A}", [("A", "")]),
        ("$NAME", []),
    ],
)
def test_a_variable_without_a_default_is_required(
    collectors: Path, reference: str, required: list[tuple[str, str]]
) -> None:
    (collectors / "own.conf").write_text(
        f"# One.\n# not ${{COMMENTED}}\n[[inputs.exec]]\n  commands = ['{reference}']\n"
    )

    found = config_collectors.load(collectors.parent)["own"].required

    assert [(one.name, one.hint) for one in found] == required

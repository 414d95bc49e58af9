"""The page of `aresmon collectors show`: what somebody copies of it is whole, and its example is right."""

from __future__ import annotations

import re
import textwrap

import pytest
import yaml

from aresmon.cli.collector_page import collector_page, example
from aresmon.config.model import load
from tests.unit.conftest import SHIPPED, VIEWS

_COPIED = re.compile(r"`[^`]*`|\{secret: \S+\}")


def page(name: str, width: int) -> list[str]:
    return [line for line, _ in collector_page(SHIPPED[name], VIEWS.get(name), width)]


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", SHIPPED)
def test_no_line_is_too_long_but_one_that_somebody_copies(name: str, width: int) -> None:
    lines = page(name, width)
    end = lines.index("Options") if "Options" in lines else lines.index("Fields")
    examples = lines[lines.index("In aresmon.yml") : end]

    long = [line for line in lines if len(line) > min(width, 100) and line not in examples]

    assert [line for line in long if " " in _COPIED.sub("x", line.strip())] == []


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", SHIPPED)
def test_no_command_and_no_identifier_is_broken(name: str, width: int) -> None:
    collector, view = SHIPPED[name], VIEWS[name]
    lines = page(name, width)
    text = "\n".join(lines)
    words = set(re.split(r"[\s,]+", text))

    commands = _COPIED.findall(" ".join([collector.needs, *(one.description for one in view.panels)]))
    fields = {field for one in view.measurements.values() for field in one.fields}
    assert [one for one in commands if one not in text] == []
    assert (fields | {f"{one}:" for one in collector.options}) - words == set()
    assert all(any(line.strip().startswith(f"{alert.id} (") for line in lines) for alert in view.alerts)


@pytest.mark.parametrize("name", SHIPPED)
def test_its_example_can_be_pasted_into_aresmon_yml(name: str) -> None:
    env = {one.name: "x" for one in SHIPPED[name].required}
    host = {"agent": SHIPPED[name].agent or "systemd", "env": env}
    text = yaml.safe_dump({"hosts": {"a": host}}) + "    collect:\n" + textwrap.indent(example(SHIPPED[name]), " " * 4)

    assert name in load(text, SHIPPED).host("a").collect
    assert textwrap.indent(example(SHIPPED[name]), " " * 4).rstrip() in "\n".join(page(name, 80))


WITH_SECRET = [name for name, one in SHIPPED.items() if any(option.is_secret for option in one.options.values())]


@pytest.mark.parametrize("name", WITH_SECRET)
def test_a_secret_is_told_with_the_command_that_sets_it(name: str) -> None:
    text = "\n".join(page(name, 80))

    for option in SHIPPED[name].options.values():
        if option.is_secret:
            assert f"`aresmon collectors secret {(option.example or {'secret': 'NAME'})['secret']}`" in text


def test_a_required_option_names_those_that_can_be_given_instead() -> None:
    lines = page("process", 80)

    start = lines.index("Options")
    assert "required, or patterns or units" in " ".join(line.strip() for line in lines[start : start + 4])

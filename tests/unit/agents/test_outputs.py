"""Where points go, and whether the verification's point is among them."""

from __future__ import annotations

import re

import pytest

from aresmon.agents import lint, outputs
from aresmon.agents.tables import LintFinding

ENVIRONMENT = {"ARESMON_URL": "http://biere:8086", "ARESMON_HOST": "lewi"}
AGENT = '[agent]\n  hostname = "lewi"\n[global_tags]\n  rack = "r1"\n[[inputs.cpu]]\n'
OUTPUT = '[[outputs.influxdb]]\n  urls = ["${ARESMON_URL}"]\n  skip_database_creation = true\n'


def errors(more: str) -> list[LintFinding]:
    return lint.errors(f"{AGENT}{OUTPUT}{more}", "lewi", ENVIRONMENT)


@pytest.mark.parametrize(
    "settings",
    [
        "namepass = ['aresmon_config', 'cpu']",
        "namepass = ['aresmon*']",
        "namepass = ['cpu', 'are?mon_[a-c]onfig']",
        "namepass = ['*_{config,x}']",
        "namepass = ['*.*', 'aresmon_config']\nnamepass_separator = '.'",
        "namepass = []",
        "namedrop = ['cpu*']",
        "namedrop = ['aresmon_{config}']",  # no glob without a wildcard
        "fieldinclude = ['g*']",
        "fieldexclude = ['usage_*']",
        "tagexclude = ['rack']",
        "taginclude = ['host']",
        "tagpass = {host = ['le*']}",
        "tagpass = {rack = ['r1'], none = ['x']}",
        "tagdrop = {host = ['ronflex']}",
    ],
)
def test_a_filter_that_lets_the_verification_pass_is_none_of_the_lints(settings: str) -> None:
    assert errors(settings) == []


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ("namepass = ['mem', 'cpu']", "namepass"),
        ("namepass = ['aresmon.*']\nnamepass_separator = '.'", "namepass"),
        ("namepass = ['aresmon_{config}']", "namepass"),
        ("namepass = ['${WHAT:-cpu}']", "namepass"),
        ("namedrop = ['aresmon_*']", "namedrop"),
        ("namedrop = ['*']", "namedrop"),
        ("tagpass = {host = ['biere']}", "tagpass"),
        ("tagpass = {cpu = ['cpu-total']}", "tagpass"),
        ("tagdrop = {rack = ['r?']}", "tagdrop"),
        ("fieldinclude = ['usage_idle']", "fieldinclude"),
        ("fieldpass = ['usage_idle']", "fieldpass"),
        ("fieldexclude = ['gen']", "fieldexclude"),
        ("tagexclude = ['h*']", "tagexclude"),
        ("taginclude = ['cpu']", "taginclude"),
        ("name_prefix = 'site_'", "name_prefix"),
    ],
)
def test_a_filter_that_keeps_the_verification_back_is_refused_with_its_line(settings: str, key: str) -> None:
    (told,) = errors(settings)

    assert told.text.startswith(f"outputs.influxdb: {key} ")
    assert "aresmon_config" in told.text
    assert told.line == 9


def test_one_way_to_the_site_is_enough() -> None:
    second = OUTPUT.replace("skip", "namedrop = ['aresmon_config']\nskip")

    assert errors(second) == []
    assert errors("namepass = ['cpu']\n[[outputs.file]]\n") != []
    elsewhere = '[[outputs.influxdb]]\n  urls = ["http://other:8086"]\n'
    assert [told.line for told in errors(f"namepass = ['cpu']\n{elsewhere}")] == [9]


@pytest.mark.parametrize(
    ("plugin", "is_wrong"),
    [
        ("[[aggregators.minmax]]\n  drop_original = true\n", True),
        ("[[aggregators.minmax]]\n  drop_original = false\n", False),
        ("[[aggregators.minmax]]\n  drop_original = true\n  namepass = ['cpu']\n", False),
        ("[[processors.override]]\n  name_prefix = 'x_'\n", True),
        ("[[processors.override]]\n  name_prefix = 'x_'\n  namepass = ['cpu']\n", False),
        ("[[processors.override]]\n  [processors.override.tags]\n    a = 'b'\n", False),
    ],
)
def test_what_changes_every_point_before_the_output_is_seen_too(plugin: str, is_wrong: bool) -> None:
    assert bool(errors(plugin)) == is_wrong


@pytest.mark.parametrize(
    ("output", "shown"),
    [
        ('urls = ["http://127.0.0.1:9"]\ndatabase = "metrics"', "http://127.0.0.1:9, database 'metrics'"),
        ('urls = ["http://biere:8087"]', "http://biere:8087, database 'telegraf'"),
        ('urls = ["http://biere:8086"]\ndatabase = "metrics"', "http://biere:8086, database 'metrics'"),
        ("", "http://localhost:8086, database 'telegraf'"),
        ('urls = ["${OLD:-http://u:secret@old:1}"]', "http://old:1, database 'telegraf'"),
    ],
)
def test_an_output_that_leads_elsewhere_is_told_with_its_address(output: str, shown: str) -> None:
    (told,) = outputs.elsewhere(f"{AGENT}[[outputs.influxdb]]\n{output}\n", ENVIRONMENT, [])

    assert re.search(f"no output leads to this site, http://biere:8086, .* writes to {re.escape(shown)}\\.", told.text)
    assert "secret" not in told.text


@pytest.mark.parametrize("url", ["${ARESMON_URL}", "http://BIERE:8086/", "http://other:1", "http://10.0.0.1:8086"])
def test_an_output_that_leads_to_the_site_by_one_of_its_names_is_well(url: str) -> None:
    text = f'{AGENT}[[outputs.influxdb]]\nurls = ["http://other:1", "{url}"]\ndatabase = "telegraf"\n'

    found = outputs.elsewhere(text, ENVIRONMENT, ["http://10.0.0.1:8086"])

    assert bool(found) == (url == "http://other:1")

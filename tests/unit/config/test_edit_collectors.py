"""Collectors are added to a host in the text of an aresmon.yml, and nothing else changes."""

from __future__ import annotations

import pytest
import yaml

from aresmon.config.edit_collectors import add_collectors
from aresmon.system.errors import AresmonError

REDIS = {"redis": {"address": "tcp://127.0.0.1:6380"}}
LONG = [{"http": {"urls": [f"https://{number}.example.org/a/long/path"]}} for number in range(4)]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "hosts:\n  lewi:\n    collect: [system, disk]  # few\n  # later\n",
            'hosts:\n  lewi:\n    collect: [system, disk, nginx, {redis: {address: "tcp://127.0.0.1:6380"}}]  # few\n'
            "  # later\n",
        ),
        (
            "hosts:\n  lewi:\n    collect:\n      - system  # all\n      # the disks\n      - disk\n    # end\n",
            "hosts:\n  lewi:\n    collect:\n      - system  # all\n      # the disks\n      - disk\n      - nginx\n"
            '      - redis: {address: "tcp://127.0.0.1:6380"}\n    # end\n',
        ),
        (
            "hosts:\n  lewi: {collect: [system]}\n",
            'hosts:\n  lewi: {collect: [system, nginx, {redis: {address: "tcp://127.0.0.1:6380"}}]}\n',
        ),
        (
            "hosts:\n  lewi:\n    collect: []\n",
            'hosts:\n  lewi:\n    collect: [nginx, {redis: {address: "tcp://127.0.0.1:6380"}}]\n',
        ),
        (
            "hosts:\r\n  lewi:\r\n    collect:\r\n    - system\r\n",
            "hosts:\r\n  lewi:\r\n    collect:\r\n    - system\r\n    - nginx\r\n"
            '    - redis: {address: "tcp://127.0.0.1:6380"}\r\n',
        ),
    ],
)
def test_collectors_are_added_as_those_that_are_there_are_written(before: str, after: str) -> None:
    edited = add_collectors(before, "lewi", ["nginx", REDIS])

    assert edited.replace("'", '"') == after


def test_a_host_without_the_list_gets_it_with_what_it_collects_by_default() -> None:
    edited = add_collectors("hosts:\n  lewi:\n    agent: systemd  # ours\n", "lewi", ["nginx"])

    assert edited.startswith("hosts:\n  lewi:\n    agent: systemd  # ours\n    collect:\n      - ")
    assert yaml.safe_load(edited)["hosts"]["lewi"]["collect"][-1] == "nginx"
    assert len(yaml.safe_load(edited)["hosts"]["lewi"]["collect"]) > 1


def test_a_line_that_would_get_too_long_becomes_several() -> None:
    before = "hosts:\n  lewi:\n    collect: [system, disk]  # few\n    env: {A: b}\n"

    edited = add_collectors(before, "lewi", LONG)

    assert edited.startswith(
        "hosts:\n  lewi:\n    collect:  # few\n      - system\n      - disk\n      - http: {urls: ["
    )
    assert edited.endswith("\n    env: {A: b}\n")
    assert max(map(len, edited.splitlines())) < 80


def test_a_long_list_of_several_lines_stays_one() -> None:
    before = "hosts:\n  lewi:\n    collect: [\n      system,  # all\n      disk,\n    ]\n"

    edited = add_collectors(before, "lewi", LONG)

    assert "      system,  # all\n      disk,\n" in edited
    assert yaml.safe_load(edited)["hosts"]["lewi"]["collect"] == ["system", "disk", *LONG]


@pytest.mark.parametrize(
    "text",
    [
        "hosts:\n  lewi:\n",
        "base: &base [system]\nhosts:\n  lewi:\n    collect: *base\n",
        "hosts:\n  biere: &all {collect: [system]}\n  lewi: *all\n",
        "hosts:\n  biere:\n    collect: &all [system]\n  lewi:\n    collect: *all\n",
    ],
)
def test_what_would_change_anything_else_is_left_to_a_person_with_the_lines_to_write(text: str) -> None:
    with pytest.raises(AresmonError, match=r"only a person can add to; nothing was changed") as caught:
        add_collectors(text, "lewi", ["nginx", REDIS])

    assert "- nginx\n  - redis: {address: " in caught.value.hint


def test_a_host_that_is_not_there_is_told() -> None:
    with pytest.raises(AresmonError, match="there is no host orval"):
        add_collectors("hosts:\n  lewi: {}\n", "orval", ["nginx"])

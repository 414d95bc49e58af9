"""Collectors are added to a host in the text of an aresmon.yml, and nothing else changes."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import yaml

from aresmon.config.edit_collectors import CollectorEntry, add_collectors
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
    edited = add_collectors(before, {"lewi": ["nginx", REDIS]})

    assert edited.replace("'", '"') == after


def test_a_host_without_the_list_gets_it_with_what_it_collects_by_default() -> None:
    edited = add_collectors("hosts:\n  lewi:\n    agent: systemd  # ours\n", {"lewi": ["nginx"]})

    assert edited.startswith("hosts:\n  lewi:\n    agent: systemd  # ours\n    collect:\n      - ")
    assert yaml.safe_load(edited)["hosts"]["lewi"]["collect"][-1] == "nginx"
    assert len(yaml.safe_load(edited)["hosts"]["lewi"]["collect"]) > 1


def test_a_line_that_would_get_too_long_becomes_several() -> None:
    before = "hosts:\n  lewi:\n    collect: [system, disk]  # few\n    env: {A: b}\n"

    edited = add_collectors(before, {"lewi": LONG})

    assert edited.startswith(
        "hosts:\n  lewi:\n    collect:  # few\n      - system\n      - disk\n      - http: {urls: ["
    )
    assert edited.endswith("\n    env: {A: b}\n")
    assert max(map(len, edited.splitlines())) < 80


def test_a_long_list_of_several_lines_stays_one() -> None:
    before = "hosts:\n  lewi:\n    collect: [\n      system,  # all\n      disk,\n    ]\n"

    edited = add_collectors(before, {"lewi": LONG})

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
        add_collectors(text, {"lewi": ["nginx", REDIS]})

    assert "- nginx\n  - redis: {address: " in caught.value.hint


def test_a_host_that_is_not_there_is_told() -> None:
    with pytest.raises(AresmonError, match="there is no host orval"):
        add_collectors("hosts:\n  lewi: {}\n", {"orval": ["nginx"]})


@pytest.mark.parametrize(
    "text",
    [
        "hosts:\n  lewi:\n    collect: [system, disk]  # few\n\n  # ours\n  biere:\n    collect:\n      - system\n"
        "    # end\n  orval: {}\n  chimay:\n    agent: docker\n",
        "hosts: {lewi: {collect: [system]}, biere: {agent: docker}, orval: {collect: [system, disk]}, chimay: {}}\n",
        "hosts:\r\n  chimay: {collect: []}\r\n  lewi:\r\n    collect: [disk]\r\n  biere: {}\r\n  orval: {}\r\n",
    ],
    ids=["blocks", "on one line", "in another order, with the line ends of Windows"],
)
def test_several_hosts_at_once_get_what_they_get_one_by_one(text: str) -> None:
    added: dict[str, Sequence[CollectorEntry]] = {"lewi": LONG, "biere": ["nginx"], "orval": [], "chimay": [REDIS]}
    one_by_one = text
    for host, entries in added.items():
        one_by_one = add_collectors(one_by_one, {host: entries})

    edited = add_collectors(text, added)

    assert edited == one_by_one
    assert yaml.safe_load(edited)["hosts"]["chimay"]["collect"][-1] == REDIS


def test_of_several_hosts_the_one_is_named_that_only_a_person_can_add_to() -> None:
    text = "base: &base [system]\nhosts:\n  lewi:\n    collect: [disk]\n  biere:\n    collect: *base\n"

    with pytest.raises(AresmonError, match=r"aresmon.yml:5 hosts.biere: its `collect` is written") as caught:
        add_collectors(text, {"lewi": ["nginx"], "biere": ["nginx"]})

    assert "- nginx" in caught.value.hint

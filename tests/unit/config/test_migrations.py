"""An older aresmon.yml: what is changed in it, and that nothing else is."""

from __future__ import annotations

import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from aresmon.config import migrations
from tests.unit.conftest import load

TWO = "hosts: {biere: , lewi: {agent: systemd}}\n"
LINE = "tls: off  # what other hosts send can be read on its way; `site` encrypts it: docs/agents.md"


def migrated(text: str) -> str:
    return migrations.migrate(text)[0]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (TWO, f"{TWO}edge:\n  {LINE}\n"),
        (TWO.rstrip("\n"), f"{TWO}edge:\n  {LINE}\n"),
        (
            f"edge:  # the door\n  # where it listens\n  agents: 0.0.0.0:8086\n{TWO}",
            f"edge:  # the door\n  # where it listens\n  {LINE}\n  agents: 0.0.0.0:8086\n{TWO}",
        ),
        (f"edge: {{agents: 0.0.0.0:8086}}\n{TWO}", f"edge: {{tls: off, agents: 0.0.0.0:8086}}\n{TWO}"),
        (f"edge: {{}}\n{TWO}", f"edge: {{tls: off}}\n{TWO}"),
        (f"edge:\n{TWO}", f"edge:\n  {LINE}\n{TWO}"),
        (f"edge:\r\n    agents: 0.0.0.0:8086\r\n{TWO}", f"edge:\r\n    {LINE}\r\n    agents: 0.0.0.0:8086\r\n{TWO}"),
    ],
)
def test_how_agents_send_is_said_where_it_was_not(before: str, after: str) -> None:
    assert migrated(before) == after


@pytest.mark.parametrize(
    "text",
    [
        "hosts: {biere: }\n",
        f"edge: {{tls: site}}\n{TWO}",
        f"edge:\n  tls: off\n{TWO}",
        f"edge: &edge {{agents: 0.0.0.0:8086}}\nother: *edge\n{TWO}",
        "no mapping",
        "hosts: [",
        "",
    ],
)
def test_a_text_that_says_it_or_needs_it_not_or_cannot_be_read_stays(text: str) -> None:
    assert migrations.migrate(text) == (text, ())


COMMENT = st.sampled_from(["", "  # why", "  # ünï: {odd}"])
EDGES = st.sampled_from(
    [
        "",
        "edge:{0}\n",
        "edge:{0}\n  agents: 127.0.0.1:8086{0}\n",
        "edge: {{agents: 127.0.0.1:8086}}{0}\n",
        "edge:{0}\n\n  # above\n\n      agents: 127.0.0.1:8086\n      grafana: 127.0.0.1:3000{0}\n",
    ]
)
HOSTS = st.sampled_from(["hosts:{0}\n  biere:\n  lewi: {{agent: systemd}}{0}\n", "hosts: {{biere: , lewi: }}{0}\n"])


@given(COMMENT, EDGES, HOSTS, st.booleans(), st.sampled_from(["", "# the end\n", "\n\n"]))
def test_a_migrated_file_loads_keeps_every_line_and_is_not_migrated_again(
    comment: str, edge: str, hosts: str, is_first: bool, end: str
) -> None:
    parts = [edge, hosts] if is_first else [hosts, edge]
    text = "site: a\n" + "".join(part.format(comment) for part in parts) + end

    changed, steps = migrations.migrate(text)

    load(changed)
    assert yaml.safe_load(changed)["edge"]["tls"] is False
    assert len(steps) == 1
    assert migrations.migrate(changed) == (changed, ())
    assert re.findall(r"# (?:why|ünï|above|the end)", changed) == re.findall(r"# (?:why|ünï|above|the end)", text)
    before, after = text.splitlines(), changed.splitlines()
    assert [line for line in before if line not in after and not line.startswith("edge: {")] == []


def test_the_steps_are_in_the_order_of_their_releases() -> None:
    releases = [tuple(map(int, step.release.split("."))) for step in migrations.MIGRATIONS]

    assert releases == sorted(releases)

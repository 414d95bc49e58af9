"""The hosts that a push connects to while the rest of it is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from aresmon.push.selection import first_wave
from aresmon.site.folder import Site
from aresmon.site.project import Project

HOSTS = "hosts: {biere: {agent: systemd}, lewi: , ronflex: , krampus: }\n"


def project(folder: Path, text: str = HOSTS) -> Project:
    (folder / "aresmon.yml").write_text(text)
    return Project.load(Site(folder))


@pytest.mark.parametrize(
    ("canary", "parallel", "names"),
    [
        (0, 100, ["lewi", "ronflex", "krampus"]),
        (1, 100, []),
        (2, 100, ["lewi"]),
        (0, 3, ["lewi", "ronflex"]),
        (5, 2, ["lewi"]),
    ],
)
def test_those_of_the_first_wave_but_the_server_itself(
    tmp_path: Path, canary: int, parallel: int, names: list[str]
) -> None:
    site = project(tmp_path)

    found = first_wave(site, site.config.hosts, canary=canary, parallel=parallel)

    assert [host.name for host in found] == names


def test_none_where_hosts_were_blocked(tmp_path: Path) -> None:
    site = project(tmp_path)
    site.site.state.mkdir()
    (site.site.state / "blocked.json").write_text("{}")

    assert first_wave(site, site.config.hosts, canary=0, parallel=9) == []


def test_none_where_the_stack_is_reached_through_its_server(tmp_path: Path) -> None:
    site = project(tmp_path, "server: biere\nhosts: {biere: {ssh: biere}, lewi: }\n")

    assert first_wave(site, site.config.hosts, canary=0, parallel=9) == []

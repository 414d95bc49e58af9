"""A site that moves: to another address, to another folder; and what is never taken along or deleted."""

from __future__ import annotations

import shutil
from pathlib import Path

from aresmon.engine.docker import Engine
from tests.engine.sites import Site, containers_of, remove_project


def test_an_edge_goes_from_loopback_to_every_address_and_back(site: Site) -> None:
    site.up()
    loopback = site.agents
    port = loopback.rpartition(":")[2]

    for agents in (f"0.0.0.0:{port}", loopback):
        site.agents = agents
        site.configure()
        assert ("recreate", "edge") in site.up().steps

    assert site.containers()["edge"].status == "running"


def test_a_deleted_socket_folder_is_mended(site: Site) -> None:
    site.up()
    site.mark(1)
    shutil.rmtree(site.state / "run")

    steps = site.up().steps

    assert {("recreate", "influxdb"), ("recreate", "edge")} <= set(steps)
    assert site.marks() == [1]


def test_down_deletes_no_folder_that_was_not_empty_when_it_was_named(site: Site, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.txt").write_text("years of work")
    site.configure(storage={"data": str(precious)})

    refused = site.run("up")
    down = site.run("down", "--volumes", "--yes")

    assert refused.code == 1
    assert (down.code, (precious / "thesis.txt").read_text()) == (0, "years of work")
    assert f"{precious} was not deleted: it was not empty when aresmon first used it" in down.err


def test_a_name_in_the_site_s_own_compose_file_makes_no_second_project(site: Site) -> None:
    other = f"{site.name}-other"
    site.override("compose.yml", f"name: {other}\nservices: {{edge: {{labels: {{mine: 'yes'}}}}}}\n")

    site.up()

    assert containers_of(other) == []
    assert site.containers()["edge"].labels["mine"] == "yes"


def test_a_broken_compose_file_of_the_site_s_own_is_named_before_anything_starts(site: Site) -> None:
    site.override("compose.yml", "services: [\n")

    result = site.run("up")

    assert (result.code, site.containers()) == (1, {})
    assert "overrides/compose.yml:2: not YAML" in result.err


def test_a_shorter_retention_is_refused_before_anything_moves_also_under_a_new_name(site: Site) -> None:
    site.up()
    former, before = site.name, site.ids()
    site.name = f"{site.name}-new"
    site.configure(storage={"keep": {"raw": "1d"}})

    refused = [site.run("up"), site.run("up", "--dry-run")]

    try:
        assert [result.code for result in refused] == [1, 1]
        assert {one.service: one.id for one in Engine().containers(former).values()} == before
    finally:
        remove_project(former)


def test_folders_that_were_opened_to_others_are_closed_again(site: Site) -> None:
    site.up()
    for folder in (site.state, site.state / "secrets", site.state / "run"):
        folder.chmod(0o755)

    site.up()

    assert {path.stat().st_mode & 0o777 for path in (site.state, site.state / "secrets", site.state / "run")} == {0o700}


def test_another_data_folder_says_that_the_former_one_is_left_behind(site: Site) -> None:
    site.up()
    site.configure(storage={"data": "data/elsewhere"})

    result = site.up()

    assert f"storage.data changes from {site.folder}/data/influxdb to {site.folder}/data/elsewhere" in result.err
    assert (site.folder / "data" / "influxdb" / "meta").is_dir()

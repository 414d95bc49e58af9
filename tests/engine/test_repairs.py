"""Whatever was changed behind its back, `up` puts right, says so, and keeps what somebody may want."""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest

from tests.engine.door import basic, knock
from tests.engine.sites import ADDRESS, OTHER_ADDRESS, Site, containers_of
from tests.harness import names


def manifest(site: Site, **changes: Any) -> dict[str, Any]:
    """The bundle's manifest, after these changes to it."""
    path = site.bundle / "manifest.json"
    content: dict[str, Any] = json.loads(path.read_bytes())
    if changes:
        content |= changes
        path.write_text(json.dumps(content))
    return content


# The bundle ----------------------------------------------------------------------------------------------


def test_an_edited_bundle_is_put_back_and_the_edit_is_kept_aside(site: Site) -> None:
    site.up()
    before, file = site.ids(), site.bundle / "edge/haproxy.cfg"
    rendered = file.read_text()
    file.write_text(rendered + "# mine\n")

    result = site.up()

    assert "warning: these generated files were edited and have been restored: edge/haproxy.cfg" in result.err
    assert file.read_text() == rendered
    [kept] = site.state.glob("edited-*/edge/haproxy.cfg")
    assert kept.read_text() == rendered + "# mine\n"
    assert str(kept.parent.parent) in result.err
    assert site.ids() == before
    assert "edited by hand" not in site.up().err


def test_an_edited_compose_file_does_not_change_what_runs(site: Site) -> None:
    site.up()
    before, file = site.ids(), site.bundle / "compose.yml"
    file.write_text(file.read_text().replace("8086", "8087"))

    result = site.up()

    assert "edited and have been restored: compose.yml" in result.err
    assert site.ids() == before


def test_a_bundle_of_another_version_is_rendered_anew_and_nothing_restarts(site: Site) -> None:
    site.up()
    before = site.ids()
    version = manifest(site, version="0.0.1")["version"]
    assert version == "0.0.1"

    result = site.up()

    assert "rendered by aresmon 0.0.1" in result.out
    assert manifest(site)["version"] != "0.0.1"
    assert site.ids() == before
    assert "0.0.1" not in site.up().out


def test_a_bundle_of_a_newer_form_is_refused_and_left(site: Site) -> None:
    site.up()
    before, wanted = site.ids(), manifest(site, format=99, version="9.9.9")

    for command in (["up"], ["up", "--dry-run"], ["render"]):
        result = site.run(*command)

        assert result.code == 1, result
        assert "written by aresmon 9.9.9, which is newer" in result.err
        assert "next:" in result.err
    assert manifest(site) == wanted
    assert site.ids() == before


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": "x"}', '{"format": 1}'])
def test_an_unreadable_manifest_is_made_anew(site: Site, content: str) -> None:
    site.run("render")
    (site.bundle / "manifest.json").write_text(content)

    result = site.run("render")

    assert result.code == 0, result
    assert manifest(site)["files"]


def test_a_deleted_bundle_is_made_anew_under_the_running_stack(site: Site) -> None:
    site.up()
    site.mark(1)
    before = site.ids()
    shutil.rmtree(site.bundle)

    result = site.up()

    assert sorted(result.steps) == [("recreate", "edge"), ("recreate", "influxdb")]
    assert not set(site.ids().values()) & set(before.values())
    code, _ = site.containers()["edge"].exec_run(["test", "-r", "/etc/aresmon/haproxy.cfg"])
    assert code == 0, "the new container looks into the new folder"
    assert site.marks() == [1]
    assert site.up().steps == []


# Containers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("service", ["edge", "influxdb"])
def test_a_container_removed_by_hand_comes_back(site: Site, service: str) -> None:
    site.up()
    site.mark(1)
    before = site.ids()
    site.containers()[service].remove(force=True)
    assert site.run("status").code == 5

    result = site.up()

    assert result.steps == [("create", service)]
    assert {name: one for name, one in site.ids().items() if name != service} == {
        name: one for name, one in before.items() if name != service
    }
    assert site.marks() == [1]


@pytest.mark.parametrize("service", ["edge", "influxdb"])
def test_a_container_stopped_by_hand_is_started(site: Site, service: str) -> None:
    site.up()
    site.mark(1)
    before = site.ids()
    site.containers()[service].stop()
    told = site.run("status")
    assert (told.code, f"{service} is exited" in told.out) == (5, True)

    result = site.up()

    assert result.steps == [("start", service)]
    assert site.ids() == before
    assert site.marks() == [1]


# The site ------------------------------------------------------------------------------------------------


def test_a_host_taken_out_of_the_file_may_write_no_longer(site: Site) -> None:
    site.configure(hosts={"box": {"agent": "systemd"}, "gone": {"agent": "systemd"}})
    site.up()
    credentials = basic("agent-gone", site.secret("agent-gone"))
    assert knock(site.agents, "POST", "/write?db=telegraf", authorization=[credentials]).status == 204
    site.configure(hosts={"box": {"agent": "systemd"}})

    result = site.up()

    assert "drop the user agent-gone: its host is no longer in aresmon.yml" in result.statements
    assert site.users() == {"aresmon", "grafana", "agent-box"}
    assert knock(site.agents, "POST", "/write?db=telegraf", authorization=[credentials]).status == 401
    assert site.query('SELECT * FROM "knock"'), "its points stay"


def test_a_new_host_is_let_in_and_nothing_restarts(site: Site) -> None:
    site.up()
    before = site.ids()
    site.configure(hosts={"box": {"agent": "systemd"}, "new": {"agent": "systemd"}})

    site.up()

    assert site.ids() == before
    credentials = basic("agent-new", site.secret("agent-new"))
    assert knock(site.agents, "POST", "/write?db=telegraf", authorization=[credentials]).status == 204


def test_a_renamed_site_takes_its_data_along(site: Site) -> None:
    site.up()
    site.mark(1)
    former = site.name
    site.name = names.fresh()
    site.configure()

    result = site.up()

    assert sorted(result.steps)[:2] == [("create", "edge"), ("create", "influxdb")]
    assert containers_of(former) == []
    assert site.marks() == [1]
    assert site.up().steps == []


def test_a_moved_port_is_taken_at_once(site: Site) -> None:
    site.up()
    former = site.agents
    site.agents = former.replace(ADDRESS, OTHER_ADDRESS)
    site.configure()

    site.up()

    credentials = basic("agent-box", site.secret("agent-box"))
    assert knock(site.agents, "POST", "/write?db=telegraf", authorization=[credentials]).status == 204
    with pytest.raises(ConnectionRefusedError):
        knock(former, "GET", "/ping")


def test_the_shell_s_variables_do_not_reach_the_stack(site: Site) -> None:
    evil = {
        "ARESMON_PROJECT": "somebody-elses",
        "ARESMON_SECRETS": "/nonexistent",
        "INFLUXDB_IMAGE": "no/such:1",
        "INFLUXDB_DATA": "/nonexistent",
        "EDGE_AGENTS": "0.0.0.0:1",
        "EDGE_MEMORY": "1b",
        "COMPOSE_FILE": "/nonexistent.yml",
        "COMPOSE_PROJECT_NAME": "somebody-elses",
        "COMPOSE_PROFILES": "none",
        "COMPOSE_ENV_FILES": "/nonexistent",
        "COMPOSE_PARALLEL_LIMIT": "x",
        "INFLUXDB_HTTP_AUTH_ENABLED": "false",
        "HTTP_PROXY": "http://127.0.0.1:1",
        "http_proxy": "http://127.0.0.1:1",
    }

    site.up(env=evil)

    assert containers_of("somebody-elses") == []
    assert knock(site.agents, "POST", "/write?db=telegraf").status == 401
    before = site.ids()
    site.up()
    assert site.ids() == before


def test_dry_run_tells_the_steps_and_changes_nothing(site: Site) -> None:
    result = site.run("up", "--dry-run")

    assert result.code == 0, result
    assert result.steps == [("create", "influxdb"), ("create", "edge")]
    assert not site.bundle.exists()
    assert not (site.folder / "data").exists()
    assert site.containers() == {}

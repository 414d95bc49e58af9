"""What `up` would do: every reason for a step, and their order."""

from __future__ import annotations

from typing import Any

import pytest

from aresmon.agents.sources import Release, Releases
from aresmon.site.folder import Site
from aresmon.site.project import Project
from aresmon.stack.plan import ServiceSpec, Step, agent_context, plan
from aresmon.system.errors import AresmonError
from tests.unit.conftest import container, load

WANTED = ServiceSpec(config_hash="hash", image_id="sha256:image")
MADE = 500.0


@pytest.mark.parametrize(
    ("changes", "action", "because"),
    [
        ({"config_hash": "another"}, "recreate", "its configuration changed"),
        ({"image_id": "sha256:another"}, "recreate", "its image changed"),
        ({"created": MADE - 1}, "recreate", "a folder that it mounts was deleted"),
        ({"state": "exited", "health": ""}, "start", "it is exited"),
        ({"state": "created", "health": ""}, "start", "it is created"),
        ({"state": "paused"}, "start", "it is paused"),
        ({"health": "unhealthy"}, "recreate", "it is unhealthy"),
        ({"config_hash": "another", "state": "exited"}, "recreate", "its configuration changed"),
        ({"health": "unhealthy", "created": MADE - 1}, "recreate", "a folder that it mounts was deleted"),
    ],
)
def test_a_container_that_is_not_as_wanted_gets_one_step_with_its_reason(
    changes: dict[str, Any], action: str, because: str
) -> None:
    steps = plan({"edge": WANTED}, {"edge": container("edge", **changes)}, bundle_made=MADE)

    assert [(step.action, step.reason) for step in steps] == [(action, because)]


@pytest.mark.parametrize("changes", [{}, {"health": ""}, {"health": "starting"}, {"restarts": 9}, {"created": MADE}])
def test_a_container_that_runs_as_wanted_is_left_alone(changes: dict[str, Any]) -> None:
    assert plan({"edge": WANTED}, {"edge": container("edge", **changes)}, bundle_made=MADE) == []


def test_the_image_of_a_service_that_is_not_ours_may_be_any() -> None:
    running = {"adminer": container("adminer", image_id="sha256:any")}

    assert plan({"adminer": ServiceSpec("hash", "")}, running, bundle_made=MADE) == []


def test_a_service_without_a_container_is_created() -> None:
    assert plan({"edge": WANTED}, {}, bundle_made=MADE) == [Step("edge", "create", "there is no container")]


def test_a_container_of_no_wanted_service_is_removed() -> None:
    steps = plan({"edge": WANTED}, {"chronograf": container("chronograf"), "edge": container()}, bundle_made=MADE)

    assert steps == [Step("chronograf", "remove", "no longer part of the site")]


def test_steps_come_in_the_order_in_which_services_start_and_strays_last() -> None:
    wanted = dict.fromkeys(("influxdb", "grafana", "edge"), WANTED)

    steps = plan(wanted, {"old": container("old"), "grafana": container("grafana", state="exited")}, bundle_made=MADE)

    assert [step.service for step in steps] == ["influxdb", "grafana", "edge", "old"]


def test_a_host_whose_own_file_cannot_be_used_has_its_last_release_in_the_bundle(site: Site) -> None:
    config = load("server: biere\nhosts: {biere: {agent: docker}, h1: , h4: , h5: }\n")
    for name, content in {"h1": "[[inputs.cpu]]\n", "h4": "[", "h5": "inputs = 1\n"}.items():
        (site.overrides / "agents").mkdir(parents=True, exist_ok=True)
        (site.overrides / "agents" / f"{name}.conf").write_text(content)
        Releases(site.releases(name)).add(f"# {name}\n", Release(1, "m", "ada", 0.0))

    found = agent_context(Project(site, config), config.hosts)

    assert found.own_agents == {"h1": "[[inputs.cpu]]\n"}
    assert found.proven == {"h4": "# h4\n", "h5": "# h5\n"}


def test_a_file_of_the_servers_own_agent_that_cannot_be_used_refuses_up(site: Site) -> None:
    config = load("server: biere\nhosts: {biere: {agent: docker}}\n")
    (site.overrides / "hosts").mkdir(parents=True)
    (site.overrides / "hosts" / "biere.conf").write_text("[")

    with pytest.raises(AresmonError, match=r"overrides/hosts/biere\.conf: not TOML"):
        agent_context(Project(site, config), config.hosts)

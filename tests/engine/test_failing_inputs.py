"""Inputs that fail, from the server's own agent: `up` and a push try them, and `status` and `doctor` name them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.engine.sites import Site, eventually, site_in

# Nothing listens there.
NGINX = {"nginx": {"urls": ["http://127.0.0.1:9/status"]}}
REDIS = {"redis": {"address": "tcp://127.0.0.1:9"}}
NEEDS = "nginx needs a location with `stub_status` that this host may read"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site whose server watches an nginx that is not there; it has not been started."""
    hosts = {"box": {"collect": ["system", NGINX]}}
    with site_in(tmp_path_factory.mktemp("failing"), hosts=hosts) as made:
        yield made


def test_up_warns_of_an_input_that_fails_and_status_and_doctor_name_it(site: Site) -> None:
    started = site.run("up")

    assert "inputs.nginx failed when it was tried: " in started.err
    assert "connect: connection refused" in started.err
    assert NEEDS in " ".join(started.err.split())

    def status() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(site.run("status", "--json").out)
        return found

    assert eventually(lambda: status()["hosts"][0]["failing"] == ["nginx"], within=150, every=5)
    found = status()
    (box,) = found["hosts"]
    assert box["reads"] < box["expected"]
    (problem,) = [one for one in found["problems"] if one["about"] == "box"]
    assert problem["what"] == "box: inputs.nginx fails at each reading"
    assert problem["next"].endswith(NEEDS)
    examined = site.run("doctor")
    assert "box: inputs.nginx fails at each reading" in " ".join(examined.out.split())


def test_a_push_to_the_servers_own_agent_tries_what_is_new(site: Site) -> None:
    site.configure(hosts={"box": {"collect": ["system", NGINX, REDIS]}})

    (pushed,) = json.loads(site.run("push-config", "box", "--json").out)["hosts"]

    assert pushed["outcome"] == "verified"
    (tried,) = [note for note in pushed["notes"] if "when it was tried" in note]
    assert tried.startswith("inputs.redis failed when it was tried: dial tcp 127.0.0.1:9: connect: connection refused")

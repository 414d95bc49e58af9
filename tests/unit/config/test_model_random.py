"""What holds for any aresmon.yml, right or wrong."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from aresmon.system.errors import SiteError
from tests.harness.catalogue import entry
from tests.unit.conftest import ARES, SHIPPED, load

NAMES = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?(\.[a-z]{1,5})?", fullmatch=True)
ANYWHERE = sorted(name for name, one in SHIPPED.items() if not one.required and not one.agent)
COLLECTORS = st.lists(st.sampled_from(ANYWHERE), unique=True).map(lambda names: [entry(name) for name in names])
PORTS = st.integers(1, 65535)


def optional(**settings_: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A mapping with any of these settings."""
    return st.fixed_dictionaries({}, optional=settings_)


HOSTS = st.dictionaries(
    NAMES,
    st.none()
    | optional(
        agent=st.sampled_from(["systemd", "docker"]),
        collect=COLLECTORS,
        env=st.dictionaries(
            st.from_regex(r"[A-Z][A-Z0-9_]{0,8}", fullmatch=True),
            st.text(st.characters(codec="utf-8", categories=["L", "N", "Zs"]), max_size=9),
        ),
    ),
    min_size=1,
    max_size=5,
)
SITES = st.builds(
    lambda hosts, rest: {**rest, "hosts": hosts},
    HOSTS,
    optional(
        site=st.from_regex(r"[a-z0-9][a-z0-9-]{0,30}", fullmatch=True),
        storage=optional(
            data=st.sampled_from(["/srv/influx", "data/x", "./y"]),
            keep=optional(raw=st.sampled_from(["1h", "7d"]), **{"1h": st.sampled_from(["4y", "forever"])}),
        ),
        grafana=optional(admin=st.sampled_from(["Ares", "a.b@c"]), url=st.just("https://grafana.example.org/x")),
        edge=optional(
            agents=PORTS.map(lambda port: f"10.0.0.1:{port}"), grafana=PORTS.map(lambda port: f"[::1]:{port}")
        ),
        memory=optional(influxdb=st.sampled_from(["1g", "300m"])),
    ),
)


def written(item: Any) -> str:
    """An entry of `collect`, whatever the order of its options."""
    return json.dumps(item, sort_keys=True)


@given(SITES)
def test_any_valid_site_is_read_as_it_was_written(site: dict[str, Any]) -> None:
    config = load(yaml.safe_dump(site, sort_keys=False))

    assert [host.name for host in config.hosts] == list(site["hosts"])
    assert config.server == next(iter(site["hosts"]))
    for host in config.hosts:
        settings_ = site["hosts"][host.name] or {}
        assert dict(host.env) == settings_.get("env", {})
        named = settings_.get("collect", ["system", "disk", "diskio", "net"])
        expected = {written(item) for item in (*named, "internal")}
        assert sorted(written(use.entry()) for use in host.uses) == sorted(expected)


@given(st.text() | st.text("ab:-&*!<>?|{}[]\"'#% \n\t0.").map(lambda text: f"hosts: {text}"))
@settings(max_examples=500)
def test_garbage_is_refused_as_an_error_of_the_site_and_in_no_other_way(text: str) -> None:
    with contextlib.suppress(SiteError):
        load(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["site", "server", "storage", "grafana", "edge", "hosts", "alerts"]), JSON))
def test_settings_of_any_type_are_refused_or_read(data: dict[str, Any]) -> None:
    with contextlib.suppress(SiteError):
        load(yaml.safe_dump(data))


@pytest.mark.parametrize("line", range(1, len(ARES.read_text(encoding="utf-8").splitlines())))
def test_the_example_with_any_line_missing_is_read_or_refused_with_a_place(line: int) -> None:
    lines = ARES.read_text(encoding="utf-8").splitlines()
    del lines[line - 1]

    told: tuple[str, ...] = ()
    try:
        load("\n".join(lines))
    except SiteError as error:
        told = error.errors

    assert [message for message in told if not message.startswith("aresmon.yml:")] == []

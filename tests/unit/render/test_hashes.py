"""The `…_CONFIGURATION` of a service changes when it must be made anew, and at no other time."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aresmon.config.collectors import CollectorUse
from aresmon.config.model import Config
from aresmon.config.package_data import package_files
from aresmon.render.bundle import render
from aresmon.site import secrets
from tests.unit.conftest import SHIPPED, VIEWS, load, place
from tests.unit.render.test_bundle import variables

FILES = package_files()
MARKS = dict(place().fingerprints)


def hashes(config: Config, files: dict[str, bytes] = FILES, **at: Any) -> dict[str, str]:
    env = variables(render(config, SHIPPED, VIEWS, place(**at), shipped_files=files)[".env"])
    return {
        name.removesuffix("_CONFIGURATION").lower(): value for name, value in env.items() if "_CONFIGURATION" in name
    }


def changed(config: Config, then: dict[str, str]) -> set[str]:
    before = hashes(config)
    assert set(before) == {"influxdb", "grafana", "edge", "telegraf"}
    return {service for service in before if before[service] != then[service]}


@pytest.mark.parametrize(
    ("path", "services"),
    [
        ("compose/influxdb.conf", {"influxdb"}),
        ("compose/haproxy.cfg", {"edge"}),
        ("grafana/provisioning/datasources/influxdb.yml", {"grafana"}),
        ("telegraf/agent.conf", {"telegraf"}),
        ("compose/compose.yml", set()),
    ],
)
def test_a_mounted_file_changes_the_hash_of_the_service_that_mounts_it(
    ares: Config, path: str, services: set[str]
) -> None:
    other = {**FILES, path: FILES[path] + b"# another line\n"}

    assert changed(ares, hashes(ares, other)) == services


def test_a_new_provisioning_file_changes_grafanas_hash(ares: Config) -> None:
    other = {**FILES, "grafana/provisioning/alerting/new.yml": b"apiVersion: 1\n"}

    assert changed(ares, hashes(ares, other)) == {"grafana"}


@pytest.mark.parametrize(
    ("secret", "services"),
    [
        ("agent-biere", {"telegraf"}),
        ("grafana-admin", {"grafana"}),
        ("grafana-secret-key", {"grafana"}),
        ("influxdb-grafana", {"grafana"}),
        ("agent-lewi", set()),
        ("influxdb-admin", set()),
    ],
)
def test_another_secret_changes_the_hash_of_the_service_that_reads_it(
    ares: Config, secret: str, services: set[str]
) -> None:
    assert changed(ares, hashes(ares, fingerprints={**MARKS, secret: "another"})) == services


def test_another_hosts_collectors_change_no_hash_of_the_servers_services(ares: Config) -> None:
    lewi = ares.host("lewi")
    less = replace(lewi, uses=(CollectorUse("system"), CollectorUse("internal")))
    fewer = replace(ares, hosts=tuple(less if host is lewi else host for host in ares.hosts))

    assert changed(ares, hashes(fewer)) == set()


def test_a_host_that_is_no_longer_watched_changes_grafanas_hash_alone(ares: Config) -> None:
    fewer = replace(ares, hosts=tuple(host for host in ares.hosts if host.name != "lewi"))

    assert changed(ares, hashes(fewer)) == {"grafana"}


def test_another_secret_of_the_alerts_changes_grafanas_hash_alone(ares: Config) -> None:
    assert changed(ares, hashes(ares, fingerprints={**MARKS, "alerts/ops": "another"})) == {"grafana"}


def test_the_servers_own_collectors_change_its_agents_hash() -> None:
    before, after = hashes(load("hosts: {a: , b: }")), hashes(load("hosts: {a: {collect: [system]}, b: }"))

    assert {service for service in before if before[service] != after[service]} == {"telegraf"}


def test_no_secret_stands_in_any_rendered_file(ares: Config, tmp_path: Path) -> None:
    names = secrets.owners(ares, dict(place().users))
    values = secrets.ensure(tmp_path, dict.fromkeys(names, os.getuid()))
    at = place(fingerprints=secrets.fingerprints(tmp_path, names))

    made = render(ares, SHIPPED, VIEWS, at, shipped_files=FILES)

    assert len(values) >= 8
    assert [(name, path) for name, value in values.items() for path in made if value.encode() in made[path]] == []

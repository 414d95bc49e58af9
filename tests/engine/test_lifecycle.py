"""A stack's life: up, down, up again with its data, and the user's own files in it."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from aresmon.engine.images import pins
from tests.engine.sites import Site, client, eventually, site_in
from tests.harness import names

FIRST = {"box": {"collect": ["system"]}}


@pytest.fixture(scope="module")
def readable() -> Iterator[Path]:
    """A folder that the agent's user may look into, as it sees the machine."""
    with tempfile.TemporaryDirectory(prefix=names.prefix(names.this_worker())) as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A running site with an agent. Each test takes it as it finds it and leaves it running."""
    with site_in(tmp_path_factory.mktemp("lifecycle"), hosts=FIRST) as made:
        made.up()
        yield made


def running_agent(site: Site) -> tuple[str, str]:
    """The agent's container and when it was started: both change with a switch of its configuration."""
    agent = site.containers()["telegraf"]
    return str(agent.id), str(agent.attrs["State"]["StartedAt"])


def test_what_telegraf_does_not_know_is_refused_before_anything_is_switched(site: Site) -> None:
    before, ids, bundle = running_agent(site), site.ids(), (site.bundle / "manifest.json").read_bytes()
    mine = site.override("collectors/mine.conf", "# Mine.\n[[inputs.no_such_plugin]]\n")
    site.configure(hosts={"box": {"collect": ["system", "mine"]}})

    result = site.run("up")

    mine.unlink()
    site.configure(hosts=FIRST)
    assert result.code == 1, result
    assert "box: Telegraf rejects the configuration:" in result.err
    assert "no_such_plugin" in result.err
    assert (running_agent(site), site.ids()) == (before, ids)
    assert (site.bundle / "manifest.json").read_bytes() == bundle
    assert site.run("up").steps == []


def test_a_fragment_with_a_typo_is_refused_before_anything_is_switched(site: Site) -> None:
    before = running_agent(site)
    fragment = site.override("hosts/box.conf", "[[inputs.cpu]]\n  percpus = true\n")

    result = site.run("up")

    fragment.unlink()
    assert result.code == 1, result
    assert "percpus" in result.err
    assert running_agent(site) == before


def test_the_user_s_own_collector_arrives_in_influxdb(site: Site, readable: Path) -> None:
    (readable / "beers").write_text("fridge beers=23i\n")
    inputs = "\n".join(
        [
            "# Beers in the fridge.",
            "[[inputs.file]]",
            f'  files = ["/hostfs{readable}/beers"]',
            '  data_format = "influx"',
        ]
    )
    site.override("collectors/fridge.conf", inputs + "\n")
    site.configure(hosts={"box": {"collect": ["system", "fridge"]}})
    others = {service: one for service, one in site.ids().items() if service != "telegraf"}

    result = site.up()

    assert result.steps == [("recreate", "telegraf")]
    assert eventually(lambda: bool(site.query('SELECT last("beers") FROM "fridge"')), within=40)
    series = site.query('SELECT last("beers") FROM "fridge" GROUP BY "host"')[0]
    assert (series.rows[0]["last"], series.tags["host"]) == (23, "box")
    assert {service: one for service, one in site.ids().items() if service != "telegraf"} == others
    assert "fridge (overrides/)" in " ".join(site.run("collectors").out.split())


def test_a_file_of_the_host_is_given_by_its_path_there(site: Site, readable: Path) -> None:
    certificate = readable / "own.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=box", "-days", "9"]
    subprocess.run([*made, "-keyout", "/dev/null", "-out", str(certificate)], check=True, capture_output=True)
    certificate.chmod(0o644)
    site.configure(hosts={"box": {"collect": ["system", {"certificate": {"sources": [str(certificate)]}}]}})

    site.up()

    assert eventually(lambda: bool(site.query('SELECT last("expiry") FROM "x509_cert"')), within=100)
    assert 8 * 86400 < site.query('SELECT last("expiry") FROM "x509_cert"')[0].rows[0]["last"] < 9 * 86400


def test_the_user_s_fragment_for_one_host_is_part_of_its_agent(site: Site) -> None:
    site.override("hosts/box.conf", '[[inputs.mem]]\n  name_override = "mine_mem"\n')

    site.up()

    assert eventually(lambda: bool(site.query('SELECT last("total") FROM "mine_mem"')), within=40)


def test_the_user_s_compose_file_has_the_last_word(site: Site) -> None:
    site.override("compose.yml", "services:\n  edge:\n    labels: {org.example.mine: 'yes'}\n    mem_limit: 300m\n")

    result = site.up()

    edge = site.containers()["edge"]
    assert result.steps == [("recreate", "edge")]
    assert edge.labels["org.example.mine"] == "yes"
    assert edge.attrs["HostConfig"]["Memory"] == 300 << 20
    assert site.up().steps == []


def test_a_change_of_the_user_s_compose_file_takes_effect(site: Site) -> None:
    site.override("compose.yml", "services:\n  edge:\n    mem_limit: 310m\n")

    site.up()

    assert site.containers()["edge"].attrs["HostConfig"]["Memory"] == 310 << 20


def test_a_broken_compose_file_of_the_user_s_changes_nothing(site: Site) -> None:
    good, before = (site.folder / "overrides/compose.yml").read_text(), site.ids()
    site.override("compose.yml", "services:\n  edge:\n    mem_limits: 310m\n")

    result = site.run("up")

    site.override("compose.yml", good)
    assert result.code == 1, result
    assert "mem_limits" in result.err
    assert site.ids() == before


def test_a_new_password_of_the_agent_reaches_it_and_its_data_goes_on(site: Site) -> None:
    (site.state / "secrets/agent-box").write_text("another-password-than-before\n")

    result = site.up()

    assert result.steps == [("recreate", "telegraf")]
    assert result.statements == ["set the password of agent-box"]
    assert "waiting for data of box" in result.out


def test_a_dry_run_tells_what_would_change_in_the_database_and_changes_nothing(site: Site) -> None:
    secrets = sorted((site.state / "secrets").iterdir())
    site.configure(hosts=FIRST | {"other": {"agent": "systemd"}}, storage={"keep": {"raw": "14d"}})
    try:
        shown, users = site.run("up", "--dry-run"), site.users()
        assert (site.run("up", "--dry-run").statements, sorted((site.state / "secrets").iterdir())) == (
            shown.statements,
            secrets,
        )
        done = site.up()
    finally:
        site.configure(hosts=FIRST, storage={"keep": {"raw": "14d"}})
        site.up()

    assert shown.out.rstrip().endswith("Nothing was changed.")
    assert "agent-other" not in users
    assert {"create the user agent-other", "set the retention of raw to 14d, from 7d"} <= set(shown.statements)
    assert shown.statements == done.statements


def test_down_keeps_the_data_and_up_goes_on_with_it(site: Site) -> None:
    site.mark(1)
    oldest = site.query('SELECT first("metrics_gathered") FROM "internal_agent"')[0].rows[0]["time"]

    down = site.run("down")

    assert (down.code, "The data is kept" in down.out) == (0, True)
    assert site.containers() == {}
    assert site.run("status").code == 5
    site.up()
    assert site.marks() == [1]
    assert site.query('SELECT first("metrics_gathered") FROM "internal_agent"')[0].rows[0]["time"] == oldest


def test_down_names_who_else_is_in_its_network(site: Site) -> None:
    stranger, network = f"{site.name}-stranger", f"{site.name}_front"
    image = pins()["edge"].build
    made = client().containers.run(image, entrypoint=["sleep", "600"], name=stranger, network=network, detach=True)
    try:
        refused = site.run("down")
    finally:
        made.remove(force=True)

    assert refused.code == 1, refused
    assert f"the network {network} cannot be removed with {stranger} in it" in refused.err
    assert f"docker network disconnect {network} {stranger}" in refused.err
    assert site.run("down").code == 0
    site.up()


def test_down_a_second_time_has_nothing_to_do(site: Site) -> None:
    assert site.run("down").code == 0

    assert site.run("down").code == 0

    site.up()


def test_data_is_deleted_only_when_it_is_meant(site: Site) -> None:
    before = site.ids()

    refused = site.run("down", "--volumes")

    assert refused.code == 1, refused
    assert "--yes" in refused.err
    assert site.ids() == before
    assert (site.folder / "data/influxdb/data").exists()


def test_with_volumes_and_yes_the_data_is_gone_and_the_site_starts_afresh(site: Site) -> None:
    site.mark(2)

    result = site.run("down", "--volumes", "--yes")

    assert result.code == 0, result
    assert str(site.folder / "data/influxdb") in result.out
    assert not (site.folder / "data/influxdb").exists()
    assert (site.folder / "aresmon.yml").exists()
    site.up()
    assert site.marks() == []

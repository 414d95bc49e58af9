"""The first aresmon.yml: for this machine, and right from the start."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from aresmon.site import init
from aresmon.site.folder import Site
from aresmon.site.project import Project
from aresmon.system.errors import AresmonError
from tests.unit.conftest import load

NOWHERE = Path("/nonexistent/haproxy.cfg")


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [
        ("biere", "biere"),
        ("Biere.ares-ensiie.eu", "biere"),
        ("my_server", "my-server"),
        ("-odd-", "odd"),
        ("été", "t"),
        ("", "server"),
        ("日本", "server"),
        ("x" * 80, "x" * 63),
        (f"{'x' * 62}-y", "x" * 62),
    ],
)
def test_a_machines_name_is_made_a_hosts_name_that_the_schema_takes(name: str, cleaned: str) -> None:
    assert init.host_name(name) == cleaned
    assert load(f'hosts: {{"{cleaned}": }}').server == cleaned


@pytest.mark.parametrize("docker", [True, False])
@pytest.mark.parametrize("haproxy", ["", "http://127.0.0.1:8404/stats"])
def test_the_file_is_right_as_it_is_written(docker: bool, haproxy: str) -> None:
    config = load(init.compose("biere", docker=docker, haproxy=haproxy))

    host = config.host("biere")
    assert (config.server, config.sidecar, config.notices) == ("biere", host, ())
    assert ("docker" in host.collect, "haproxy" in host.collect) == (docker, bool(haproxy))
    assert dict(host.env) == ({"HAPROXY_STATS": haproxy} if haproxy else {})


def test_a_host_whose_name_yaml_would_read_as_a_number_is_written_so_that_it_stays_a_name() -> None:
    for name in ("1234", "no", "0x10", "1e3"):
        assert load(init.compose(name, docker=False, haproxy="")).server == name


def test_what_the_comments_offer_is_right_too() -> None:
    text = init.compose("biere", docker=True, haproxy="")

    for section in ("# grafana:", "edge:"):
        block = text[text.index(f"\n{section}") + 1 :].partition("\n\n")[0]
        shown = yaml.safe_load("\n".join(line.removeprefix("# ") for line in block.splitlines()))
        assert load(yaml.safe_dump({**shown, "hosts": {"biere": {}}}))
    assert load(text.replace("  # lewi:", "  lewi:").replace("  #   ", "    ")).host("lewi").agent == "systemd"


def test_the_file_is_written_beside_the_schema_that_editors_are_pointed_to(site: Site) -> None:
    text = init.write(site, docker=True, hostname="biere", haproxy_config=NOWHERE)

    pointed = text.splitlines()[0].partition("$schema=")[2]
    assert site.file.read_text() == text
    assert json.loads((site.root / pointed).read_text())["title"] == "aresmon.yml"


def test_a_file_that_is_there_is_never_overwritten(site: Site) -> None:
    site.file.write_text("mine")

    with pytest.raises(AresmonError, match="already exists and was not changed"):
        init.write(site, docker=True, hostname="biere", haproxy_config=NOWHERE)

    assert site.file.read_text() == "mine"


def test_a_file_that_points_nowhere_is_not_overwritten_either(site: Site) -> None:
    site.file.symlink_to("elsewhere.yml")

    with pytest.raises(AresmonError):
        init.write(site, docker=True, hostname="biere", haproxy_config=NOWHERE)

    assert site.file.is_symlink()


STATS = "listen stats\n  bind *:8404\n  stats enable\n  stats uri /stats\n"


@pytest.mark.parametrize(
    ("config", "address"),
    [
        (STATS, "http://127.0.0.1:8404/stats"),
        ("frontend x\n  bind :8404\n  stats enable\n", "http://127.0.0.1:8404/haproxy?stats"),
        ("frontend web\n  bind :80\n\n" + STATS, "http://127.0.0.1:8404/stats"),
        (STATS + "frontend web\n  bind :80\n", "http://127.0.0.1:8404/stats"),
        ("frontend x\n  bind 127.0.0.1:9000\n  stats uri /s;csv\n", "http://127.0.0.1:9000/s;csv"),
        ("frontend web\n  bind :80\n", ""),
        ("frontend x\n  bind :443 ssl crt /x\n  stats enable\n", ""),
        ("global\n  stats socket /run/haproxy/admin.sock\n", ""),
        ("listen x\n  bind :8404\n  # stats enable\n", ""),
        ("# " + STATS.replace("\n", "\n# "), ""),
        ("listen x\n  bind 10.0.0.5:8404\n  stats enable\n", "http://10.0.0.5:8404/haproxy?stats"),
        ("", ""),
    ],
)
def test_haproxy_is_found_where_it_shows_its_statistics_in_clear(tmp_path: Path, config: str, address: str) -> None:
    path = tmp_path / "haproxy.cfg"
    path.write_text(config)

    assert init.find_haproxy(path) == address


@pytest.mark.parametrize("path", [NOWHERE, Path("/")])
def test_a_machine_without_haproxy_has_none(path: Path) -> None:
    assert init.find_haproxy(path) == ""


def test_an_odd_haproxy_address_does_not_make_a_wrong_file(site: Site, tmp_path: Path) -> None:
    config = tmp_path / "haproxy.cfg"
    config.write_text("listen x\n  bind :8404\n  stats uri /a\"b'$c\n")

    init.write(site, docker=False, hostname="biere", haproxy_config=config)

    assert Project.load(site).config.server == "biere"


@pytest.mark.parametrize(
    ("bind", "address"),
    [
        ("127.0.0.1:8404", "127.0.0.1"),
        ("*:8404", "127.0.0.1"),
        (":8404", "127.0.0.1"),
        ("[::]:8404", "127.0.0.1"),
        (":::8404", "127.0.0.1"),
        ("[::1]:8404", "[::1]"),
        ("2001:db8::1:8404", "[2001:db8::1]"),
    ],
)
def test_the_statistics_of_haproxy_are_found_at_any_address(bind: str, address: str) -> None:
    text = f"frontend stats\n  bind {bind} interface lo\n  stats uri /stats\n"

    assert init.parse_haproxy(text) == f"http://{address}:8404/stats"

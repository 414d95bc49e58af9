"""How collectors are found: what their files declare."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from aresmon.config import collectors
from aresmon.config.discovery import WAYS, Need
from aresmon.system.errors import AresmonError
from tests.unit.conftest import SHIPPED

DECLARED = """\
# A weather station.

[discover]
  programs = ["weewxd", "/opt/weewx/*"]
  ports = [8090]
  sockets = ["/run/weewx*.sock"]
  images = ["felddy/weewx"]
  port = 8090
  except = ["/snap/*"]
  pages = ["http://{address}/status"]
  answers = '^stations: '
  [discover.options]
    address = "{page}"
    password = {secret = "weewx-{name}"}
  [discover.container]
    address = "http://{address}"
  # A person's comment.
  [[discover.needs]]
    what = "its page of status"
    page = true
    file = "/etc/weewx.conf"
    lines = ['[Status]', 'enable = {yes}']
    run = ["systemctl restart weewx"]
  [[discover.needs]]
    what = "a group"
    group = "weewx"
    where = ["local"]
    run = ["usermod -aG weewx telegraf"]

[options.address]
  description = "Where."
[options.password]
  description = "The password."
  secret = true

# What it tells.
[[inputs.http]]
  urls = ["{{address}}"]
  password = "{{password}}"
"""


def written(folder: Path, text: str) -> collectors.Collector:
    path = folder / "weather.conf"
    path.write_text(text)
    return collectors.read(path)


def test_a_file_declares_how_it_is_found(tmp_path: Path) -> None:
    found = written(tmp_path, DECLARED).discovery

    assert found is not None
    assert (found.programs, found.ports, found.port) == (("weewxd", "/opt/weewx/*"), (8090,), 8090)
    assert (found.exceptions, found.pages) == (("/snap/*",), ("http://{address}/status",))
    assert [need.what for need in found.needs] == ["its page of status", "a group"]
    assert found.needs[0].lines == ("[Status]", "enable = {yes}")
    assert found.needs[1] == Need("a group", ("usermod -aG weewx telegraf",), group="weewx", where=("local",))


def test_a_container_has_its_own_options_and_the_network_those_of_all(tmp_path: Path) -> None:
    found = written(tmp_path, DECLARED).discovery

    assert found is not None
    usual = {"address": "{page}", "password": {"secret": "weewx-{name}"}}
    assert found.templates("local") == found.templates("network") == usual
    assert found.templates("container") == {"address": "http://{address}"}


def test_nothing_of_it_comes_into_the_configuration(tmp_path: Path) -> None:
    with_it, without = written(tmp_path, DECLARED), re.sub(r"(?s)\[discover\].*?\n\n", "", DECLARED)

    assert "discover" not in without
    assert with_it.configuration() == written(tmp_path, without).configuration()
    assert "# What it tells.\n[[inputs.http]]" in with_it.template


def test_a_collector_without_it_is_not_found() -> None:
    assert SHIPPED["http"].discovery is None


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("ports = [8090]", "port = [8090]\n", "port is there twice"),
        ("  ports = [8090]", "  prts = [8090]", "[discover]: unknown setting 'prts' (did you mean 'ports'?)"),
        ("ports = [8090]", 'ports = ["8090"]', "[discover] ports must be a list of ports"),
        ('programs = ["weewxd", "/opt/weewx/*"]', 'programs = "weewxd"', "[discover] programs must be a list of texts"),
        ('programs = ["weewxd", "/opt/weewx/*"]', "programs = []", "are about programs, of which it names none"),
        ('images = ["felddy/weewx"]', "images = []", "needs both images and port"),
        ("answers = '^stations: '", "answers = '('", "[discover] answers is no regular expression"),
        ("  answers = '^stations: '\n", "", "needs both pages and answers"),
        ("http://{address}/status", "{address}/status", "pages are as http://HOST/PATH"),
        ("http://{address}/status", "http://{where}/status", "[discover] pages uses {where}; there are address,"),
        ('"{page}"', '"{where}"', "[discover.options] address uses {where}"),
        ('    address = "{page}"', '    adress = "{page}"', "unknown setting 'adress' (did you mean 'address'?)"),
        ('{secret = "weewx-{name}"}', '"biere"', "[discover.options] password must be {secret: NAME}"),
        ('what = "a group"', 'what = ""', "[[discover.needs]] needs `what`, in words"),
        ('    group = "weewx"', '    grup = "weewx"', "unknown setting 'grup' (did you mean 'group'?)"),
        ('    run = ["usermod -aG weewx telegraf"]', "", "needs the commands to `run`, or the `lines` of a `file`"),
        ('    file = "/etc/weewx.conf"\n', "", "needs both file and lines"),
        ('group = "weewx"', "unless = '^x'", "needs within, and one of unless and if"),
        ('where = ["local"]', 'where = ["here"]', "where can be local, network, container, not 'here'"),
    ],
)
def test_a_wrong_declaration_is_refused_with_the_file(tmp_path: Path, before: str, after: str, message: str) -> None:
    assert before in DECLARED

    with pytest.raises(AresmonError) as caught:
        written(tmp_path, DECLARED.replace(before, after, 1))

    assert message in str(caught.value)
    assert "weather.conf" in str(caught.value)


@pytest.mark.parametrize("name", [name for name, one in SHIPPED.items() if one.discovery])
def test_every_secret_that_is_proposed_is_the_hosts_own(name: str) -> None:
    found = SHIPPED[name].discovery
    assert found is not None

    secrets = [value for way in WAYS for value in found.templates(way).values()]

    assert all("{name}" in value["secret"] for value in secrets if isinstance(value, dict))

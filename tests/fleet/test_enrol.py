"""A machine becomes one of the site's hosts, and stops being one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.engine.door import basic, knock
from tests.engine.sites import Site
from tests.fleet.conftest import MakeServers
from tests.fleet.keys import Key
from tests.fleet.operators import Operator, new_operator
from tests.fleet.servers import Server, joined

# What InfluxData's package does, from a repository that is on the machine itself.
_PACKAGE = r"""
set -e
mkdir -p /srv/repository/telegraf/{DEBIAN,usr/bin,usr/lib/systemd/system,etc/telegraf/telegraf.d,etc/default}
cd /srv/repository
mv /usr/bin/telegraf telegraf/usr/bin/
mv "$(systemctl show telegraf -p FragmentPath --value)" telegraf/usr/lib/systemd/system/telegraf.service
rm -rf /etc/telegraf /etc/default/telegraf /etc/systemd/system/multi-user.target.wants/telegraf.service
userdel telegraf
touch telegraf/etc/default/telegraf telegraf/etc/telegraf/telegraf.conf
cat >telegraf/DEBIAN/control <<END
Package: telegraf
Version: 1.39.3-1
Architecture: $(dpkg --print-architecture)
Maintainer: nobody <nobody@example.org>
Description: Telegraf
END
cat >telegraf/DEBIAN/postinst <<END
#!/bin/sh
useradd --system --user-group --no-create-home telegraf
systemctl enable --quiet telegraf
END
chmod 755 telegraf/DEBIAN/postinst
dpkg-deb --build -Znone telegraf telegraf.deb >/dev/null
cat telegraf/DEBIAN/control - >Packages <<END
Filename: ./telegraf.deb
Size: $(stat -c %s telegraf.deb)
SHA256: $(sha256sum telegraf.deb | cut -d' ' -f1)
END
rm -f /etc/apt/sources.list.d/* /etc/apt/sources.list
echo 'deb [trusted=yes] file:/srv/repository ./' >/etc/apt/sources.list.d/own.list
systemctl daemon-reload
apt-get update -qq
"""


@pytest.fixture
def bare(make_servers: MakeServers) -> Server:
    """A machine without Telegraf."""
    return make_servers("tripel", telegraf=False)["tripel"]


@pytest.fixture
def equipped(make_servers: MakeServers) -> Server:
    """A machine with Telegraf, just installed."""
    return make_servers("tripel")["tripel"]


@pytest.fixture
def registrar(tmp_path: Path, key: Key) -> Operator:
    return new_operator(tmp_path / "home", key)


def text_of(site: Site) -> str:
    return (site.folder / "aresmon.yml").read_text()


def add_comment(site: Site) -> str:
    """Put a person's own words into aresmon.yml; the whole of it."""
    text = f"# Written by hand.\n{text_of(site)}"
    (site.folder / "aresmon.yml").write_text(text)
    return text


def may_write(site: Site, password: str) -> int:
    """What the edge answers to a point of tripel's."""
    return knock(site.agents, "POST", "/write?db=telegraf", authorization=[basic("agent-tripel", password)]).status


def hosts_in_status(site: Site) -> dict[str, float | None]:
    """The age of each host's newest point, as `status` tells it."""
    return {host["name"]: host["age"] for host in json.loads(site.run("status", "--json").out)["hosts"]}


def test_a_machine_without_telegraf_is_given_one_and_appears_in_status(
    fleet_site: Site, registrar: Operator, bare: Server, lewi: Server
) -> None:
    registrar.add_host(bare)
    before = add_comment(fleet_site)

    with joined(fleet_site, [bare]):
        result = fleet_site.run("hosts", "add", "tripel", "--collect", "system,disk", env=registrar.env())

        assert result.code == 0, result
        assert "tripel: debian 12, x86_64, no Telegraf" in result.out
        assert "tripel: verified" in result.out
        assert text_of(fleet_site).startswith(before.rstrip("\n"))
        newest = hosts_in_status(fleet_site)["tripel"]
        assert newest is not None
        assert newest < 40
        bare.reboot()
        assert bare.is_active


def test_a_package_is_taken_where_the_machine_has_a_repository_of_it(
    fleet_site: Site, registrar: Operator, equipped: Server, lewi: Server
) -> None:
    registrar.add_host(equipped)
    equipped.run(_PACKAGE)
    assert equipped.attempt("command -v telegraf").code != 0

    with joined(fleet_site, [equipped]):
        result = fleet_site.run("hosts", "add", "tripel", "--collect", "system", env=registrar.env())

    assert result.code == 0, result
    assert "installing the package telegraf 1.39.3-1 on tripel" in result.out
    assert "install ok installed" in equipped.run("dpkg-query -W -f '${Status}' telegraf")


def test_a_machine_that_somebody_has_configured_keeps_that_until_somebody_decides(
    fleet_site: Site, registrar: Operator, equipped: Server, lewi: Server
) -> None:
    registrar.add_host(equipped)
    configuration = "/etc/telegraf/telegraf.conf"
    equipped.write(configuration, '[[outputs.influxdb]]\n  urls = ["http://127.0.0.1:9"]\n\n[[inputs.kernel]]\n')
    before = equipped.sha256(configuration)

    with joined(fleet_site, [equipped]):
        refused = fleet_site.run("hosts", "add", "tripel", "--collect", "system", env=registrar.env())
        kept = equipped.sha256(configuration)
        added = fleet_site.run("hosts", "add", "tripel", "--adopt", env=registrar.env())

    assert (refused.code, kept) == (1, before), refused
    assert "inputs: kernel; outputs: influxdb (http://127.0.0.1:9)" in refused.out
    assert "--adopt" in refused.out
    assert added.code == 0, added
    assert "[[inputs.kernel]]" in equipped.read(configuration)


def test_what_is_interrupted_after_the_file_is_gone_on_with(
    fleet_site: Site, registrar: Operator, equipped: Server, lewi: Server
) -> None:
    registrar.add_host(equipped)

    first = fleet_site.run("hosts", "add", "tripel", "--collect", "system", env=registrar.env())

    assert first.code == 1, first
    assert "tripel cannot connect to the edge at http://edge:8086" in first.out
    assert not equipped.is_active
    assert "tripel" in text_of(fleet_site)

    with joined(fleet_site, [equipped]):
        second = fleet_site.run("hosts", "add", "tripel", env=registrar.env())

    assert second.code == 0, second
    assert "tripel: verified" in second.out


def test_a_machine_that_is_not_reached_is_not_written_anywhere(
    fleet_site: Site, registrar: Operator, lewi: Server
) -> None:
    before = text_of(fleet_site)

    result = fleet_site.run("hosts", "add", "nowhere", "--ssh", "ares@127.0.2.1:9", env=registrar.env())

    assert result.code == 1, result
    assert "nowhere is unreachable" in result.err
    assert text_of(fleet_site) == before
    assert "agent-nowhere" not in fleet_site.users()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--collect", "sytem"], "unknown collector 'sytem' (did you mean 'system'?)"),
        (["--collect", "haproxy"], "'haproxy' needs env.HAPROXY_STATS"),
        (["--agent", "docker"], "tripel has no Docker with Compose v2"),
    ],
)
def test_what_would_not_be_sound_is_refused_before_anything_is_installed(
    fleet_site: Site, registrar: Operator, bare: Server, lewi: Server, options: list[str], said: str
) -> None:
    registrar.add_host(bare)
    before = text_of(fleet_site)

    result = fleet_site.run("hosts", "add", "tripel", *options, env=registrar.env())

    assert result.code == (2 if "sytem" in options else 1), result
    assert said in result.err
    assert text_of(fleet_site) == before
    assert bare.attempt("command -v telegraf").code != 0


def test_a_host_that_is_removed_sends_nothing_knows_nothing_and_may_nothing(
    fleet_site: Site, registrar: Operator, equipped: Server, lewi: Server
) -> None:
    registrar.add_host(equipped)
    before = add_comment(fleet_site)
    with joined(fleet_site, [equipped]):
        added = fleet_site.run("hosts", "add", "tripel", "--collect", "system", env=registrar.env())
        assert added.code == 0, added
        password = fleet_site.secret("agent-tripel")
        assert may_write(fleet_site, password) == 204

        result = fleet_site.run("hosts", "remove", "tripel", "--yes", env=registrar.env())

    assert result.code == 0, result
    assert text_of(fleet_site) == before
    assert may_write(fleet_site, password) == 401
    assert not (fleet_site.state / "secrets" / "agent-tripel").exists()
    assert not equipped.is_active
    assert equipped.attempt(f"grep -rl '{password}' /etc /var/lib").out == ""
    assert "tripel" not in hosts_in_status(fleet_site)


def test_a_host_that_is_away_is_removed_all_the_same_and_told(
    fleet_site: Site, registrar: Operator, equipped: Server, lewi: Server
) -> None:
    registrar.add_host(equipped)
    with joined(fleet_site, [equipped]):
        assert fleet_site.run("hosts", "add", "tripel", "--collect", "system", env=registrar.env()).code == 0
        password = fleet_site.secret("agent-tripel")
        equipped.cut()

        result = fleet_site.run("hosts", "remove", "tripel", "--yes", env=registrar.env())

    assert result.code == 5, result
    assert "its agent was not stopped: tripel is unreachable" in result.err
    assert may_write(fleet_site, password) == 401
    assert "tripel" not in text_of(fleet_site)


def test_the_server_and_the_last_host_cannot_be_removed(fleet_site: Site, registrar: Operator, lewi: Server) -> None:
    result = fleet_site.run("hosts", "remove", "box", "--yes", env=registrar.env())

    assert result.code == 1, result
    assert "is the server" in result.err
    assert "box" in text_of(fleet_site)

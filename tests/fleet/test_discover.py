"""What a host runs is found over ssh, written to aresmon.yml as it is proposed, and collected after the next push."""

from __future__ import annotations

import json

import yaml

from tests.fleet.desk import Desk
from tests.fleet.servers import Server

SSHD = """\
# The ssh server: whether it greets.

[discover]
  programs = ["sshd"]
  ports = [22]
  units = ["ssh.service"]
  except = ["/opt/*"]
  [discover.options]
    addresses = ["{address}"]
  [[discover.needs]]
    what = "a group that Telegraf's account is not in"
    group = "aresmon-nobody"
    run = ["usermod -aG aresmon-nobody telegraf"]
  [[discover.needs]]
    what = "bash, which is there"
    program = "bash"
    run = ["false"]

[options.addresses]
  list = true
  example = ["127.0.0.1:22"]
  required = true
  description = "Where it listens."

[[inputs.net_response]]
  protocol = "tcp"
  address = "{{addresses[]}}"
  expect = "SSH-2.0"
  fieldinclude = ["result_code"]
"""
ENTRY = {"sshd": {"addresses": ["127.0.0.1:22"]}}


def test_what_a_host_runs_is_proposed_written_and_pushed(desk: Desk, lewi: Server) -> None:
    desk.site.override("collectors/sshd.conf", SSHD)
    file = desk.site.folder / "aresmon.yml"
    before = f"# Written by hand.\n{file.read_text()}"
    file.write_text(before)
    processes = lewi.run("ps -eo comm= | sort")

    shown = desk.run("hosts", "discover", "lewi")
    proposed = desk.run("hosts", "discover", "lewi", "--json")

    assert (shown.code, file.read_text()) == (0, before), shown
    assert "found: sshd listens on 0.0.0.0:22" in shown.out
    assert "(ssh.service, package openssh-server)" in shown.out
    assert "$ usermod -aG aresmon-nobody telegraf" in shown.out
    assert "bash, which is there" not in shown.out
    assert "`aresmon hosts discover lewi --apply` writes this" in shown.out
    (host,) = json.loads(proposed.out)["hosts"]
    assert {"login", "updates", "systemd"} < {one["collector"] for one in host["proposals"]}
    (own,) = [one for one in host["proposals"] if one["collector"] == "sshd"]
    assert own["entry"] == ENTRY
    assert lewi.run("ps -eo comm= | sort") == processes

    lewi.run("groupadd --force aresmon-nobody")
    for command in (command for one in host["proposals"] for need in one["needs"] for command in need["run"]):
        lewi.run(command)
    applied = desk.run("hosts", "discover", "lewi", "--apply")
    pushed = desk.push("lewi")

    assert applied.code == 0, applied
    assert file.read_text().startswith("# Written by hand.\n")
    assert yaml.safe_load(file.read_text())["hosts"]["lewi"]["collect"] == [
        "system",
        *(one["entry"] for one in host["proposals"]),
    ]
    assert pushed.outcomes == {"lewi": "verified"}, pushed
    assert 'address = "127.0.0.1:22"' in lewi.read("/etc/telegraf/telegraf.conf")
    assert "nothing to add" in desk.run("hosts", "discover", "lewi").out


def test_a_host_that_is_not_reached_does_not_hide_the_others(desk: Desk, lewi: Server) -> None:
    desk.site.override("collectors/sshd.conf", SSHD)
    desk.configure("ronflex", ssh="ares@127.0.2.1:9")

    result = desk.run("hosts", "discover", "ronflex", "lewi")

    assert result.code == 1, result
    assert "ronflex is unreachable" in result.err
    assert "found: sshd listens on 0.0.0.0:22" in result.out

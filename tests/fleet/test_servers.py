"""The servers are what the tests take them for, and so is each misfortune."""

from __future__ import annotations

import errno
import socket
import subprocess
import time

import pytest

from aresmon.engine.docker import Engine
from tests.engine.sites import Site, eventually
from tests.fleet.conftest import MakeServers
from tests.fleet.containers import docker
from tests.fleet.image import server_image
from tests.fleet.keys import Key
from tests.fleet.operators import Operator
from tests.fleet.repository import Repository
from tests.fleet.servers import Server, servers, start_agent

EDGE = "exec 3<>/dev/tcp/edge/8086"
CONFIGURATION = "/etc/telegraf/telegraf.conf"


def newest(site: Site, host: str) -> float:
    """When the newest point of a host was taken, in seconds; 0 before its first."""
    found = site.query(f'SELECT last("usage_idle") FROM "cpu" WHERE "host" = \'{host}\'')
    return float(found[0].rows[0]["time"]) if found else 0.0


def test_a_server_is_a_whole_machine_with_telegraf_as_just_installed(lewi: Server) -> None:
    booted = lewi.run("systemctl is-system-running")
    enabled = lewi.run("systemctl is-enabled telegraf ssh")

    assert (booted.strip(), enabled.split()) == ("running", ["enabled", "enabled"])
    assert lewi.run("hostname").strip() == "lewi"
    assert lewi.service()["ActiveState"] == "inactive"
    assert lewi.attempt("type -P python3 curl wget").out == ""


def test_ares_and_root_are_let_in_straight_and_through_another_server(
    operator: Operator, lewi: Server, biere: Server
) -> None:
    operator.add_host(lewi, alias="lewi-root", user="root")
    operator.add_host(lewi, alias="lewi-far", jump=biere.name)

    as_ares = operator.ssh("lewi", "id -un; sudo -n id -un; cat", stdin="by stdin")
    as_root = operator.ssh("lewi-root", "id -un; hostname")
    from_far = operator.ssh("lewi-far", "hostname; echo $SSH_CONNECTION")

    assert as_ares.out.split() == ["ares", "root", "by", "stdin"], as_ares
    assert as_root.out.split() == ["root", "lewi"], as_root
    assert from_far.out.split()[:2] == ["lewi", biere.address], from_far


def test_the_sudo_of_bob_wants_his_password(operator: Operator, lewi: Server) -> None:
    operator.add_host(lewi, alias="bob", user="bob")

    without = operator.ssh("bob", "sudo -n id -un")
    wrong = operator.ssh("bob", "sudo -S -p '' id -un", stdin="guess\n")
    right = operator.ssh("bob", "sudo -S -p '' id -un", stdin="hunter2-test\n")

    assert "a password is required" in without.err
    assert (without.code, wrong.code) == (1, 1)
    assert right.out.strip() == "root"


def test_a_server_that_is_unknown_or_has_another_key_is_refused(operator: Operator, lewi: Server) -> None:
    operator.wrong_key(lewi)
    impostor = operator.ssh("lewi", "true")
    operator.forget_key(lewi)
    stranger = operator.ssh("lewi", "true")

    assert (impostor.code, stranger.code) == (255, 255)
    assert "REMOTE HOST IDENTIFICATION HAS CHANGED" in impostor.err
    assert "Host key verification failed" in stranger.err


def test_data_of_an_agent_arrives_and_goes_on_after_a_power_cut(fleet_site: Site, lewi: Server) -> None:
    start_agent(lewi, fleet_site, every="1s")
    assert eventually(lambda: newest(fleet_site, "lewi") > 0, within=30), lewi.journal(unit="telegraf")
    before = lewi.service()["MainPID"]

    lewi.power_cut()
    back = time.time()

    assert eventually(lambda: newest(fleet_site, "lewi") > back, within=30), lewi.journal(unit="telegraf")
    assert lewi.is_active
    assert lewi.service()["MainPID"] != before


def test_a_cut_is_silent_and_mending_it_lets_connections_go_on(lewi: Server) -> None:
    with socket.create_connection((lewi.address, 22), timeout=5) as connection:
        assert connection.recv(64).startswith(b"SSH-")

        with lewi.unplugged():
            connection.settimeout(1)
            connection.sendall(b"SSH-2.0-test\r\n")
            with pytest.raises(TimeoutError):
                connection.recv(64)
            with pytest.raises(TimeoutError):
                socket.create_connection((lewi.address, 22), timeout=1)

        connection.settimeout(20)
        assert connection.recv(64) != b""


def test_a_cut_reaches_every_network_and_outlives_a_power_cut(fleet_site: Site, lewi: Server) -> None:
    with lewi.unplugged():
        inside = lewi.attempt(EDGE, timeout=2)
        lewi.power_cut()
        inside_later = lewi.attempt(EDGE, timeout=2)
        with pytest.raises(TimeoutError):
            socket.create_connection((lewi.address, 22), timeout=1)
    lewi.wait_for_ssh()

    assert (inside.code, inside_later.code) == (124, 124)
    assert eventually(lambda: lewi.attempt(EDGE, timeout=2).code == 0)


def test_a_server_without_power_is_not_there_and_is_itself_again_with_it(operator: Operator, lewi: Server) -> None:
    lewi.power_off()

    # Silence, or "no route" once the machine across has asked for its address in vain.
    with pytest.raises(OSError, match=r"timed out|No route"):
        socket.create_connection((lewi.address, 22), timeout=2)
    lewi.power_on()

    assert operator.ssh("lewi", "hostname").out.strip() == "lewi"


def test_a_held_call_waits_until_it_is_let_go_and_others_pass(operator: Operator, lewi: Server) -> None:
    script = "cp /etc/hostname /etc/one && mv /etc/one /etc/two && mv -T /etc/two /etc/three"
    argv = ["ssh", "-F", str(operator.config), "lewi", f"sudo -n bash -c '{script}'"]

    with lewi.hold("mv", matching=r"^-T .*three$") as hold, subprocess.Popen(argv) as pushing:
        arguments = hold.wait_reached()
        held = (pushing.poll(), lewi.exists("/etc/two"), lewi.exists("/etc/three"))
        hold.release()
        code = pushing.wait(timeout=20)

    assert arguments == "-T /etc/two /etc/three"
    assert held == (None, True, False)
    assert (code, lewi.exists("/etc/three"), lewi.exists("/usr/local/sbin/mv")) == (0, True, False)


def test_power_can_be_cut_while_a_call_is_held(lewi: Server) -> None:
    with lewi.hold("systemctl", matching="restart") as hold:
        lewi.run("systemd-run --quiet --unit pushing bash -c 'touch /etc/before; systemctl restart telegraf'")
        hold.wait_reached()
        lewi.power_cut()

    assert lewi.exists("/etc/before")
    assert not lewi.exists("/run/hold-systemctl.reached")
    assert lewi.attempt("PATH=/usr/local/sbin:$PATH; systemctl --version").code == 0


def test_a_full_disk_takes_nothing_more_and_is_given_back_as_it_is(lewi: Server) -> None:
    before = lewi.sha256(CONFIGURATION)

    with lewi.full_disk():
        full = lewi.attempt(f"cp {CONFIGURATION} {CONFIGURATION}.new")
        renamed = lewi.attempt(f"mv -T {CONFIGURATION} {CONFIGURATION}.old")
    after = lewi.attempt(f"echo more >> {CONFIGURATION}.new; stat -f -c %T /etc/telegraf")

    assert "No space left on device" in full.err
    assert renamed.code == 0
    assert (lewi.sha256(f"{CONFIGURATION}.old"), lewi.exists(CONFIGURATION)) == (before, False)
    assert (after.code, after.out.strip()) == (0, "overlayfs")


def test_a_nearly_full_disk_tears_a_file(lewi: Server) -> None:
    with lewi.full_disk(leave=8192):
        torn = lewi.attempt("head -c 20000 /dev/zero > /etc/telegraf/.part")
        size = lewi.run("stat -c %s /etc/telegraf/.part")

    assert "No space left on device" in torn.err
    assert int(size) == 8192


def test_a_read_only_folder_refuses_root(operator: Operator, lewi: Server) -> None:
    with lewi.read_only():
        refused = operator.ssh("lewi", f"sudo -n touch {CONFIGURATION}.new")
    allowed = operator.ssh("lewi", f"sudo -n touch {CONFIGURATION}.new")

    assert errno.EROFS == 30
    assert "Read-only file system" in refused.err
    assert allowed.code == 0


def test_a_telegraf_that_does_not_stop_is_killed_after_a_while(fleet_site: Site, lewi: Server) -> None:
    fleet_site.override("lewi.conf", "# of this test alone")
    start_agent(lewi, fleet_site, every="1s")
    lewi.hang_stop(seconds=3)
    assert lewi.is_active

    began = time.monotonic()
    lewi.run("systemctl stop telegraf")

    assert 3 <= time.monotonic() - began < 10
    assert lewi.service()["Result"] == "timeout"


def test_a_site_forgets_the_test_before(fleet_site: Site, lewi: Server) -> None:
    assert (newest(fleet_site, "lewi"), fleet_site.query("SHOW SERIES")) == (0.0, [])
    assert not (fleet_site.folder / "overrides").exists()
    assert lewi.service()["ActiveState"] == "inactive"


def test_reset_leaves_nothing_of_a_test(operator: Operator, fleet_site: Site, lewi: Server) -> None:
    first = lewi.sha256(CONFIGURATION)
    start_agent(lewi, fleet_site)
    lewi.write("/var/lib/aresmon/journal", "half a push")
    lewi.fill_disk()
    lewi.cut()

    lewi.reset()

    assert (lewi.sha256(CONFIGURATION), lewi.exists("/var/lib/aresmon")) == (first, False)
    assert lewi.service()["ActiveState"] == "inactive"
    assert operator.ssh("lewi", "hostname").out.strip() == "lewi"
    assert lewi.attempt(EDGE, timeout=5).code == 0


def test_a_server_can_be_had_without_telegraf(make_servers: MakeServers) -> None:
    bare = make_servers("bare", telegraf=False)["bare"]

    assert bare.attempt("type -P telegraf; id telegraf; ls -d /etc/telegraf").out == ""
    assert bare.attempt("systemctl is-system-running --wait", timeout=60).out.strip() == "running"


def test_servers_are_gone_after_a_failure(engine: Engine, key: Key) -> None:
    names: list[str] = []

    def fail() -> None:
        with servers(["one", "two"], image=server_image(engine, telegraf=False), operators=key) as made:
            names.extend(one.container for one in made.values())
            raise InterruptedError

    with pytest.raises(InterruptedError):
        fail()

    left = docker("ps", "--all", "--format", "{{.Names}}").out.split()
    networks = docker("network", "ls", "--format", "{{.Name}}").out.split()
    assert not {*names, names[0].removesuffix("-one")} & {*left, *networks}


def test_a_repository_takes_commits_and_rewrites(configs_repo: Repository) -> None:
    first = configs_repo.commit({"lewi.conf": "[agent]\n", "ronflex.conf": "[agent]\n"}, "Add two")
    second = configs_repo.commit({"ronflex.conf": None}, "Remove one")
    rewritten = configs_repo.force_push({"lewi.conf": "# other\n"})

    assert len({first, second, rewritten, configs_repo.head}) == 3
    assert configs_repo.git("log", "--format=%P", "-1", rewritten).strip() == first
    assert configs_repo.git("ls-tree", "--name-only", rewritten).split() == ["README.md", "lewi.conf"]

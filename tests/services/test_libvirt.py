"""Virtual machines: of the real libvirt, with a guest that QEMU emulates without KVM. It has a disk and a network card,
and nothing to boot."""

from __future__ import annotations

import pytest

from tests.services.agent import agent, collect, gather
from tests.services.alerts import Alerts
from tests.services.conftest import MakeHost
from tests.services.host import Host
from tests.services.points import only, tags_of

# As root, without control groups and namespaces, which the host of the tests does not have.
_QEMU = """\
user = "root"
group = "root"
security_driver = "none"
namespaces = []
cgroup_controllers = []
remember_owner = 0
"""
_LIBVIRTD = """\
unix_sock_group = "libvirt"
unix_sock_rw_perms = "0770"
auth_unix_rw = "none"
"""
_GUEST = """\
<domain type='qemu'>
  <name>wiki</name>
  <memory unit='MiB'>32</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type><boot dev='hd'/></os>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <disk type='file'>
      <driver name='qemu' type='raw'/><source file='/srv/wiki.img'/><target dev='vda' bus='virtio'/>
    </disk>
    <interface type='ethernet'><model type='virtio'/></interface>
  </devices>
</domain>
"""
READ = collect({"libvirt": {"guests": ["wiki"]}})


@pytest.fixture(scope="module")
def hypervisor(make_host: MakeHost) -> Host:
    host = make_host("NET_ADMIN", devices=("/dev/net/tun",))
    host.write("/etc/libvirt/qemu.conf", _QEMU)
    host.write("/etc/libvirt/libvirtd.conf", _LIBVIRTD)
    host.run("usermod -aG libvirt telegraf; truncate -s 1M /srv/wiki.img; mkdir -p /run/libvirt")
    host.write("/srv/wiki.xml", _GUEST)
    host.start("virtlogd", "virtlogd", ready="[[ -S /run/libvirt/virtlogd-sock ]]")
    host.start("libvirtd", "libvirtd", ready="virsh -c qemu:///system list")
    virsh(host, "define /srv/wiki.xml")
    virsh(host, "start wiki")
    return host


def virsh(host: Host, command: str) -> str:
    return host.run(f"virsh -q -c qemu:///system {command}")


def told_by_virsh(host: Host) -> dict[str, str]:
    """Its statistics of the guest, as `state.state`."""
    lines = virsh(host, "domstats wiki").splitlines()[1:]
    return dict(line.strip().split("=", 1) for line in lines if "=" in line)


def test_what_is_read_is_what_virsh_tells(hypervisor: Host) -> None:
    points = gather(hypervisor, READ, of="libvirt_block")

    told = told_by_virsh(hypervisor)
    guest = {"domain_name": "wiki"}
    assert only(points, "libvirt_state", **guest)["state"] == int(told["state.state"]) == 1
    processor = only(points, "libvirt_cpu", **guest).fields
    assert processor.keys() == {"user", "system"}
    assert sum(processor.values()) == pytest.approx(int(told["cpu.time"]), rel=0.9)
    balloon = only(points, "libvirt_balloon", **guest)
    assert (balloon["current"], balloon["maximum"]) == (int(told["balloon.current"]), int(told["balloon.maximum"]))
    assert balloon["rss"] == pytest.approx(int(told["balloon.rss"]), rel=0.5)
    disk = only(points, "libvirt_block", **guest, block_id="0").fields
    assert disk == {"rd_bytes": int(told["block.0.rd.bytes"]), "wr_bytes": int(told["block.0.wr.bytes"])}
    assert disk["rd_bytes"] > 0
    card = only(points, "libvirt_net", **guest, interface_id="0").fields
    assert card == {"rx_bytes": int(told["net.0.rx.bytes"]), "tx_bytes": int(told["net.0.tx.bytes"])}


def test_a_guest_is_one_series_of_each_part(hypervisor: Host) -> None:
    points = gather(hypervisor, READ, of="libvirt_block")

    assert {one.measurement for one in points if one.measurement.startswith("libvirt")} == {
        *("libvirt_state", "libvirt_cpu", "libvirt_balloon", "libvirt_block", "libvirt_net")
    }
    assert tags_of(points, "libvirt_state") == {"domain_name", "needed"}


def test_a_guest_that_is_paused_is_an_alert(hypervisor: Host, alerts: Alerts) -> None:
    with agent(hypervisor, READ, pace=60) as running:
        running.read(4, of="libvirt_state")
        assert alerts.firing(running) == set()
        virsh(hypervisor, "suspend wiki")
        running.read(28, of="libvirt_state")
        firing = alerts.firing(running)
        virsh(hypervisor, "resume wiki")

    assert firing == {"guest-paused-warning"}


def test_a_guest_that_must_run_and_does_not_is_an_alert(hypervisor: Host, alerts: Alerts) -> None:
    virsh(hypervisor, "destroy wiki")
    with agent(hypervisor, READ, pace=60) as running:
        running.read(9, of="libvirt_state")
        firing = alerts.firing(running)
    without = collect({"libvirt": {"guests": ["mail"]}})
    with agent(hypervisor, without, pace=60) as running:
        running.read(9, of="libvirt_state")
        others = alerts.firing(running)
    virsh(hypervisor, "start wiki")

    assert firing == {"guest-off-critical"}
    assert others == set()


def test_a_libvirt_that_stops_is_an_error_of_its_input_and_an_alert(hypervisor: Host, alerts: Alerts) -> None:
    with agent(hypervisor, READ, pace=60) as running:
        running.read(2, of="libvirt_state")
        with hypervisor.stopped("libvirtd"):
            running.until(lambda _: len(running.errors()) > 6)
            running.read(4)
        firing = alerts.firing(running)

    assert "inputs.libvirt" in running.errors()[0]
    assert "input-fails-warning" in firing

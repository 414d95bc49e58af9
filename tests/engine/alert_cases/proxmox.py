"""The alerts of Proxmox VE."""

from __future__ import annotations

from tests.engine.alert_cases.shapes import Case, Points, Value, case, interrupted, points


def _guest(_tags: str = "vm_type=lxc", **fields: Value) -> Points:
    return points("proxmox", f"vm_name=wiki,vm_id=101,{_tags}", **fields)


CASES: dict[str, Case] = {
    "proxmox-guest-down-critical": case(
        _guest("vm_type=qemu,needed=yes", uptime=0),
        _guest("vm_type=qemu,needed=yes", uptime=900),
        _guest("vm_type=qemu", uptime=0),
    ),
    "proxmox-container-memory-warning": case(
        _guest(mem_used_percentage=95),
        _guest(mem_used_percentage=85),
        _guest("vm_type=qemu", mem_used_percentage=95),
        _guest(mem_used_percentage=interrupted(95, by=50)),
    ),
    "proxmox-container-disk-warning": case(_guest(disk_used_percentage=92), _guest(disk_used_percentage=85)),
    "proxmox-container-disk-critical": case(_guest(disk_used_percentage=97), _guest(disk_used_percentage=92)),
    "proxmox-guest-processors-warning": case(
        _guest(cpuload=0.99), _guest(cpuload=0.9), _guest(cpuload=interrupted(1, by=0.1))
    ),
}

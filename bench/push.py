"""A changed Telegraf configuration to many hosts: `aresmon push-config` beside a loop over ssh, pyinfra and Ansible.

Each checks it there with Telegraf's own check, puts it in its place by a rename, restarts the service and looks
whether it runs; after each run, and not counted, every host must have another file and another process. The hosts
are containers with systemd and sshd on the same two cores as whoever pushes. Then whole waves with the proof, on
the same hosts; and 100 and 500 simulated hosts, which cost nothing (bench/sshd.py), for aresmon and the loop.
Run it: `.venv/bin/python -m bench.push` (about eight minutes; needs the engine and the built images).
"""

from __future__ import annotations

import itertools
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bench import push_hosts
from bench.measure import MIB, ROOT, Median, Run, mib, run, seconds, side_by_side, table, tell
from bench.push_hosts import Controller
from bench.push_peers import Command, Peers
from tests.fleet.keys import new_key
from tests.fleet.operators import new_operator
from tests.fleet.servers import Server, at_once

OURS = "`aresmon push-config --no-verify`"
PROOF = 23.0
"""Seconds for a wave with the proof: an interval, its flush, and three."""
_SIZES, _WAVES, _SIMULATED = (3, 10, 30), 3, (100, 500)
_REPETITIONS = 3
_HEADER = ("median", "client CPU a host", "largest process")
_ADDRESS, _PORT = "127.0.2.24", 20000
_TO_LOOP, _FROM_ANSIBLE = 1.2, 8.0
_CLIENT, _MEMORY = 0.025, 150 * MIB


def measure() -> str:
    """The tables and the verdicts, as Markdown."""
    parts = [_real(size) for size in _SIZES if push_hosts.possible(size)]
    return "\n".join([*parts, _simulated()])


# Real hosts ------------------------------------------------------------------------------------------


def _real(size: int) -> str:
    with push_hosts.real_hosts(size) as (controller, servers), tempfile.TemporaryDirectory() as name:
        rounds = itertools.count()
        hosts = list(servers.values())
        push = partial(_ours, controller, hosts, rounds)
        push()  # the first one makes what stays: the journal's folder, the unit for the boot
        peers = Peers(Path(name), Path(name), controller.operator.config, controller.operator.home, controller.hosts)
        commands = peers.commands()
        candidates: dict[str, Callable[[], Run]] = {OURS: partial(push, "--no-verify")}
        for peer, command in commands.items():
            candidates[peer] = partial(_theirs, command, Path(name), hosts, rounds)
        found = side_by_side(candidates, repetitions=_REPETITIONS)
        waves = [push().seconds for _ in range(_WAVES)]
    return _told(size, found, waves)


def _ours(controller: Controller, hosts: Sequence[Server], rounds: Iterator[int], *options: str) -> Run:
    number = next(rounds)
    folder = controller.site / "overrides" / "hosts"
    folder.mkdir(parents=True, exist_ok=True)
    for host in controller.hosts:
        (folder / f"{host}.conf").write_text(f'[global_tags]\n  round = "{number}"\n', encoding="utf-8")
    argv = controller.aresmon("push-config", *controller.hosts, "--canary", "0", *options)
    done = _changing(hosts, partial(run, argv, environment=controller.environment, how="family"))
    push_hosts.keep(hosts)
    return done


def _theirs(command: Command, folder: Path, hosts: Sequence[Server], rounds: Iterator[int]) -> Run:
    number = next(rounds)
    for host in hosts:
        (folder / f"{host.name}.conf").write_text(f"{host.read(push_hosts.LIVE)}# {number}\n", encoding="utf-8")
    done = _changing(hosts, partial(run, command.argv, environment=command.environment, how="family"))
    push_hosts.put_back(hosts)
    return done


def _changing(hosts: Sequence[Server], push: Callable[[], Run]) -> Run:
    """Run it. Raises RuntimeError unless every host has another file afterwards, and runs anew."""
    at_once(_forget_starts, hosts)
    before = push_hosts.look(hosts)
    done = push()
    after = push_hosts.look(hosts)
    same = [
        name
        for name, seen in after.items()
        if not seen.pid or seen.pid == before[name].pid or seen.sha256 == before[name].sha256
    ]
    if same:
        raise RuntimeError(f"nothing changed on {', '.join(same)}:\n{done.said[-1500:]}")
    return done


def _forget_starts(server: Server) -> None:
    """Five starts in ten seconds are too many for systemd: that is no part of the work."""
    server.run("systemctl reset-failed telegraf")


def _told(size: int, found: Mapping[str, Median], waves: Sequence[float]) -> str:
    ours, loop, ansible = found[OURS], found["ssh loop"], found.get("Ansible")
    rows = []
    for name, one in found.items():
        took, *rest = _row(one, size)
        rows.append((name, took, f"{one.seconds / loop.seconds:.1f}", *rest))
    to_loop = ours.seconds / loop.seconds
    lines = [
        f"**{size} hosts**, {ours.runs} runs in turns:\n",
        table(("", _HEADER[0], "to the loop", *_HEADER[1:]), rows),
        f"Target: at most {_TO_LOOP} of the loop; {_verdict(to_loop <= _TO_LOOP, f'{to_loop:.1f}')}.",
    ]
    if ansible:
        faster = ansible.seconds / ours.seconds
        lines.append(
            f"Target: {_FROM_ANSIBLE:.0f} times faster than Ansible; "
            f"{_verdict(faster >= _FROM_ANSIBLE, f'{faster:.1f}')}."
        )
    longest = max(waves)
    told, held = ", ".join(f"{one:.1f}" for one in waves), _verdict(longest <= PROOF, f"{longest:.1f} s")
    lines.append(f"With verification, a whole wave: {told} s. Target: at most {PROOF:.0f} s; {held}.\n")
    return "\n".join(lines)


# Simulated hosts -------------------------------------------------------------------------------------


def _simulated() -> str:
    rows, runs = [], dict[int, Median]()
    for size in _SIMULATED:
        with _hosts_that_cost_nothing(size) as (controller, peers):
            argv = controller.aresmon("push-config", *controller.hosts, "--canary", "0", "--no-verify")
            candidates = {
                OURS: partial(_anew, controller, partial(run, argv, environment=controller.environment, how="family")),
                "ssh loop": partial(run, peers.loop().argv, how="family"),
            }
            tell(f"pushing to {size} simulated hosts")
            found = side_by_side(candidates, repetitions=_REPETITIONS)
        runs[size] = found[OURS]
        rows += [(f"{size}, {name}", *_row(one, size)) for name, one in found.items()]
    small, large = (runs[size] for size in _SIMULATED)
    cpu = large.processor / _SIMULATED[-1]
    growth = (large.seconds / _SIMULATED[-1]) / (small.seconds / _SIMULATED[0])
    return "\n".join(
        [
            "**Simulated hosts**, which answer at once:\n",
            table(("hosts", *_HEADER), rows),
            f"At {_SIMULATED[-1]} hosts: client CPU a host, target under {_CLIENT * 1000:.0f} ms; "
            f"{_verdict(cpu < _CLIENT, f'{cpu * 1000:.0f} ms')}. Memory, target under {mib(_MEMORY)}; "
            f"{_verdict(large.peak < _MEMORY, mib(large.peak))}. From {_SIMULATED[0]} to {_SIMULATED[-1]} hosts a host "
            f"takes {growth:.2f} times as long.",
        ]
    )


def _anew(controller: Controller, push: Callable[[], Run]) -> Run:
    """Run it as if nothing had been pushed yet: the simulated hosts remember nothing either."""
    shutil.rmtree(controller.site / ".aresmon" / "releases", ignore_errors=True)
    return push()


@contextmanager
def _hosts_that_cost_nothing(size: int) -> Iterator[tuple[Controller, Peers]]:
    names = [f"host-{number:03}" for number in range(1, size + 1)]
    key, folder = new_key(), Path(tempfile.mkdtemp(prefix="aresmon-bench-"))
    try:
        operator = new_operator(folder / "home", key)
        for number, name in enumerate(names):
            entry = f"Host {name}\n  HostName {_ADDRESS}\n  Port {_PORT + number}\n  User root\n"
            with operator.config.open("a", encoding="utf-8") as file:
                file.write(entry)
        known = "".join(f"[{_ADDRESS}]:{_PORT + number} {key.public}\n" for number in range(size))
        operator.known_hosts.write_text(known, encoding="utf-8")
        controller = Controller(_site(folder / "site", names), operator, tuple(names))
        files = folder / "files"
        files.mkdir()
        for name in names:
            (files / f"{name}.conf").write_text("# a configuration\n", encoding="utf-8")
        with _answering(folder, key.private, key.public, size):
            yield controller, Peers(folder, files, operator.config, operator.home, names)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _site(folder: Path, names: Sequence[str]) -> Path:
    secrets = folder / ".aresmon" / "secrets"
    secrets.mkdir(parents=True)
    for name in ("influxdb-admin", "site-key", *(f"agent-{host}" for host in names)):
        (secrets / name).write_text("a-secret-of-the-benchmark", encoding="ascii")
    text = "site: aresmon-bench-simulated\nedge: {url: 'http://edge:8086'}\nhosts:\n  box: {agent: systemd}\n"
    (folder / "aresmon.yml").write_text(text + push_hosts.hosts_yaml(names), encoding="utf-8")
    return folder


@contextmanager
def _answering(folder: Path, host_key: str, authorized: str, size: int) -> Iterator[None]:
    (folder / "host-key").touch(mode=0o600)
    (folder / "host-key").write_text(host_key, encoding="utf-8")
    (folder / "authorized").write_text(f"{authorized}\n", encoding="utf-8")
    told = (_ADDRESS, str(_PORT), str(size), str(folder / "host-key"), str(folder / "authorized"))
    argv = (sys.executable, "-m", "bench.sshd", *told)
    server = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        if server.stdout is None or server.stdout.readline() != "ready\n":
            raise RuntimeError("the simulated hosts did not start")
        yield
    finally:
        server.kill()
        server.wait()


def _row(one: Median, hosts: int) -> tuple[str, str, str]:
    return seconds(one.seconds), f"{one.processor / hosts * 1000:.0f} ms", mib(one.peak)


def _verdict(is_held: bool, measured: str) -> str:
    return f"met, {measured}" if is_held else f"**missed**, {measured}"


def main() -> None:
    print(measure())


if __name__ == "__main__":
    main()

"""Everyday commands beside those of an earlier commit, and what each command imports.

Run it: `.venv/bin/python -m bench before` or `.venv/bin/python -m bench.before [REVISION]` (three minutes; needs the
engine, the built images and the history of the repository).
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bench.measure import ARESMON, ROOT, Median, Run, run, seconds, side_by_side, table, tell
from bench.stand import Stand, running_site

RELEASE_0_4_0 = "0e00175"
_FOLDERS = ("aresmon", "compose", "telegraf", "grafana")
_HOSTS = 1000
_REPETITIONS = 9
_LIBRARIES = (
    "asyncio",
    "asyncssh",
    "boto3",
    "cryptography",
    "docker",
    "jsonschema",
    "pyrage",
    "requests",
    "rich",
    "yaml",
)
_COMMANDS = ("--help", "check", "render", "status", "up --dry-run", "history", "drift --help", "backup --help")


def measure(stand: Stand, *, revision: str = RELEASE_0_4_0) -> str:
    """The tables and the ratios, as Markdown; `stand` runs on this checkout's code."""
    with _package_of(revision) as before, _site_of_many_hosts() as many:
        ways = {"before": {"PYTHONPATH": str(before)}, "now": {"PYTHONPATH": str(ROOT)}}
        commands = {
            "--help": (ARESMON[0], "-m", "aresmon", "--help"),
            "status": stand.aresmon("status"),
            f"render, {_HOSTS:,} hosts": (*ARESMON, "--site", str(many), "render"),
        }
        found: dict[str, Mapping[str, Median]] = {}
        for name, argv in commands.items():
            tell(f"{name}, in turns")
            found[name] = _in_turns(argv, ways)
    with _own_site(revision) as (old_package, old_site):
        tell("up with nothing to do, in turns")
        runs = {
            "before": partial(_run, (*ARESMON, "--site", str(old_site.folder), "up"), {"PYTHONPATH": str(old_package)}),
            "now": partial(_run, stand.aresmon("up"), {"PYTHONPATH": str(ROOT)}),
        }
        found["up, nothing to do"] = side_by_side(runs, repetitions=_REPETITIONS)
    rows = [
        (
            f"`{name}`",
            seconds(of["before"].seconds),
            seconds(of["now"].seconds),
            f"{of['now'].seconds / of['before'].seconds:.2f}",
            f"{of['now'].processor / of['before'].processor:.2f}",
        )
        for name, of in found.items()
    ]
    header = (f"command, {_REPETITIONS} runs in turns", f"at {revision}", "now", "ratio", "ratio, processor")
    return table(header, rows) + "\n" + _imports(stand)


def _in_turns(argv: tuple[str, ...], ways: Mapping[str, Mapping[str, str]]) -> Mapping[str, Median]:
    return side_by_side(
        {name: partial(_run, argv, environment) for name, environment in ways.items()}, repetitions=_REPETITIONS
    )


def _run(argv: tuple[str, ...], environment: Mapping[str, str]) -> Run:
    # `status` ends with 5 while the site's first minute is not whole yet.
    return run(argv, allowed=(0, 5), environment=environment, cwd=Path("/"))


def _imports(stand: Stand) -> str:
    """For each command: how long its imports take, how many modules they are, and the heavy libraries among them."""
    rows = []
    for command in _COMMANDS:
        argv = [sys.executable, "-X", "importtime", "-m", "aresmon", "--site", str(stand.folder), *command.split()]
        told = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=ROOT).stderr
        lines = re.findall(r"^import time: +(\d+) \| +\d+ \| +([\w.]+)$", told, re.MULTILINE)
        loaded = {name for _, name in lines}
        libraries = ", ".join(name for name in _LIBRARIES if name in loaded) or "none"
        total = sum(int(microseconds) for microseconds, _ in lines) / 1e6
        rows.append(
            (f"`{command}`", seconds(total), len(lines), sum(n.startswith("aresmon") for n in loaded), libraries)
        )
    return table(("imports of a command", "time", "modules", "of aresmon", "heavy libraries"), rows)


@contextmanager
def _package_of(revision: str) -> Iterator[Path]:
    """The package and its data folders as they were at a revision, in a folder of their own."""
    with tempfile.TemporaryDirectory(prefix="aresmon-bench-") as name:
        archive = subprocess.run(
            ["git", "archive", revision, *_FOLDERS], cwd=ROOT, capture_output=True, check=True
        ).stdout
        subprocess.run(["tar", "-x", "-C", name], input=archive, check=True)
        yield Path(name)


@contextmanager
def _own_site(revision: str) -> Iterator[tuple[Path, Stand]]:
    """A second running site, made by the code of that revision."""
    with (
        _package_of(revision) as package,
        running_site(name="aresmon-bench-before", address="127.0.2.21", package=package) as stand,
    ):
        yield package, stand


@contextmanager
def _site_of_many_hosts() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="aresmon-bench-") as name:
        hosts = "".join(f"  host{number}: {{agent: systemd}}\n" for number in range(_HOSTS))
        (Path(name) / "aresmon.yml").write_text(f"site: aresmon-bench\nhosts:\n{hosts}", encoding="utf-8")
        yield Path(name)


def main() -> None:
    revision = sys.argv[1] if len(sys.argv) > 1 else RELEASE_0_4_0
    with running_site() as stand:
        print(measure(stand, revision=revision))


if __name__ == "__main__":
    main()

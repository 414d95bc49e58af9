"""Imports point down, and each door to the outside has one keeper."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from aresmon import process
from tests.unit.conftest import REPOSITORY

PACKAGE = REPOSITORY / "aresmon"

LAYERS = [
    "errors",
    *(
        "process",
        "interruptions",
        "files",
        "layout",
        "yamlfile",
        "shipped",
        "cgroups",
        "progress",
        "lint",
        "outcome",
        "container",
        "tsm",
    ),
    *("snapshot", "versions", "migrations"),
    "attempt",
    *("schema", "catalogue", "views", "releases", "yamledit", "useredit"),
    *("secretforms", "viewcheck"),
    "archiving",
    "ownalerts",
    "viewfile",
    "alerting",
    *("people", "door"),
    "channel",
    "fleet",
    *("pins", "credentials", "certificates", "git"),
    *("alertsecrets", "authority"),
    "checkout",
    "configs",
    *("backuprecord", "backupsecrets"),
    "rotation",
    "archives.store",
    *("archives.folder", "archives.bucket", "archives.selection", "archives.timers"),
    "archives.pruning",
    "archives.inventory",
    "site",
    *("starter", "preflight", "bundle", "origins"),
    *("render.place", "render.influxql", "render.telegraf", "render.configs"),
    *("render.targets", "render.boards"),
    *("render.panels", "render.downsampling"),
    "render.frame",
    "render.overview",
    "render.contacts",
    "render.conditions",
    "render.alerts",
    "render.dashboards",
    *("render.compose", "render.proxies"),
    *("render.bundle", "moving"),
    "networks",
    *("engine", "influxdb", "compose", "grafana"),
    *("sealing", "fingerprint"),
    *("manifest", "ledger"),
    *("packing", "exchange", "scratch"),
    "gathering",
    *("agentcheck", "plan", "recipes", "database", "readiness", "proof", "shards", "arrivals", "delivery", "capacity"),
    *("holdings", "backfill", "retention", "tiers", "events", "blocking"),
    *("images", "store"),
    *("recovery", "keeping", "alerts"),
    "users",
    "intent",
    *("choice", "evidence"),
    "roster",
    *("hosts.transport", "hosts.local", "hosts.ssh", "hosts.relay", "transaction"),
    "archives.sftp",
    "archives.destinations",
    *("trial", "backups"),
    *("sitefiles", "verifying"),
    *("survey", "orders", "afar", "enrol"),
    *("ground", "explain", "pushing", "rollout"),
    *("pushes", "membership", "checking"),
    "agentrotation",
    "troubles",
    *("status", "stack"),
    "restoring",
    "stackrotation",
    "upgrading",
    "upgrade",
    "console",
    *("doctor.facts", "doctor.findings", "doctor.bounded"),
    *("doctor.machine_checks", "doctor.site_checks", "doctor.data_checks"),
    *("doctor.checks", "doctor.machine", "doctor.folder", "doctor.contents", "doctor.reach"),
    *("doctor.examination", "doctor.telling"),
    *("cli_support", "cli_restore"),
    *(
        "cli_alerts",
        "cli_authority",
        "cli_backup",
        "cli_dashboards",
        "cli_data",
        "cli_doctor",
        "cli_hosts",
        "cli_images",
        "cli_push",
        "cli_snippet",
        "cli_upgrade",
        "cli_users",
    ),
    "cli_secrets",
    "cli",
    "__main__",
]

ORDER = {f"aresmon.{name}": position for position, name in enumerate(LAYERS)}

DOORS = {
    "rich": {"console"},
    "subprocess": {"process"},
    "docker": {"engine", "influxdb", "networks"},
    "requests": {"engine", "grafana", "influxdb", "readiness"},
    "typer": {
        *("cli", "cli_alerts", "cli_authority", "cli_backup", "cli_dashboards", "cli_data", "cli_doctor", "cli_hosts"),
        *(
            "cli_images",
            "cli_push",
            "cli_restore",
            "cli_secrets",
            "cli_snippet",
            "cli_support",
            "cli_upgrade",
            "cli_users",
        ),
    },
    "jsonschema": {"schema"},
    "fcntl": {"site"},
    "socket": {"preflight", "starter", "hosts.relay"},
    "asyncssh": {"hosts.ssh", "afar", "archives.sftp"},
    "boto3": {"archives.bucket"},
    "botocore": {"archives.bucket"},
    "pyrage": {"sealing"},
    "cryptography": {"authority", "certificates"},
}


def module(path: Path) -> str:
    return ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module(path): ast.parse(path.read_text(encoding="utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}
PACKAGES = {"aresmon", "aresmon.archives", "aresmon.doctor", "aresmon.hosts", "aresmon.render"}


def imported(tree: ast.AST) -> Iterator[str]:
    """Every module that this one imports, wherever in it: `from aresmon import fleet` is aresmon.fleet."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports are not read here"
            origin = node.module or ""
            for name in node.names:
                inner = f"{origin}.{name.name}"
                yield inner if inner in MODULES else origin


def test_every_module_has_its_place_among_the_layers() -> None:
    assert set(MODULES) - PACKAGES == set(ORDER)


@pytest.mark.parametrize("name", ORDER)
def test_a_module_imports_only_what_stands_below_it(name: str) -> None:
    ours = {other for other in imported(MODULES[name]) if other.startswith("aresmon.")}

    assert {other for other in ours if ORDER.get(other, len(ORDER)) >= ORDER[name]} == set()


def test_the_packages_themselves_import_nothing() -> None:
    assert {name: set(imported(MODULES[name])) - {"__future__"} for name in PACKAGES} == {
        name: set() for name in PACKAGES
    }


@pytest.mark.parametrize("library", DOORS)
def test_each_door_to_the_outside_has_its_keepers_alone(library: str) -> None:
    users = {
        name.removeprefix("aresmon.")
        for name, tree in MODULES.items()
        if any(other.partition(".")[0] == library for other in imported(tree))
    }

    assert users == DOORS[library]


RENDER = sorted(name for name in MODULES if name.startswith("aresmon.render."))
PURE = {
    *("__future__", "aresmon", "collections", "dataclasses", "decimal", "hashlib", "json", "pathlib", "re", "string"),
    *("tomllib", "typing", "zlib"),
}
EFFECTS = {
    *("open", "print", "input", "exec", "eval"),
    *(
        "read_text",
        "read_bytes",
        "write_text",
        "write_bytes",
        "exists",
        "is_file",
        "is_dir",
        "iterdir",
        "glob",
        "rglob",
    ),
    *("stat", "mkdir", "touch", "unlink", "resolve", "cwd", "home", "expanduser", "chmod", "replace_file"),
}


@pytest.mark.parametrize("name", RENDER)
def test_rendering_imports_nothing_that_could_touch_the_machine(name: str) -> None:
    assert {other.partition(".")[0] for other in imported(MODULES[name])} - PURE == set()


@pytest.mark.parametrize("name", RENDER)
def test_rendering_calls_nothing_that_could_touch_the_machine(name: str) -> None:
    calls = [node.func for node in ast.walk(MODULES[name]) if isinstance(node, ast.Call)]
    names = {call.attr if isinstance(call, ast.Attribute) else getattr(call, "id", "") for call in calls}

    assert names & EFFECTS == set()


def test_the_command_line_answers_without_loading_an_engine_or_a_terminal_library() -> None:
    heavy = {"docker", "requests", "jsonschema", "aresmon.console"}
    program = f"import sys, aresmon.cli; print(sorted({heavy} & set(sys.modules)))"

    assert process.run([sys.executable, "-c", program]).out == "[]\n"

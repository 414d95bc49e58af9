"""What a command does before and after its work, which a push to few hosts mostly consists of."""

from __future__ import annotations

import subprocess
import sys

import pytest


def run(code: str) -> list[str]:
    argv = [sys.executable, "-c", code]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()


def test_modules_are_read_without_garbage_collections() -> None:
    code = """
import gc, aresmon.cli.main
from aresmon.__main__ import main

found = []

def read() -> None:
    gc.callbacks.append(lambda phase, _: found.append(phase))
    import aresmon.push.run, aresmon.ssh.client
    print("collections", len(found))

aresmon.cli.main.main = read
main()
"""
    assert run(code) == ["collections", "0"]


def test_the_first_frame_of_top_needs_no_alert_rules() -> None:
    loaded = run("import sys, aresmon.terminal.feed; print(*sorted(sys.modules), sep='\\n')")

    assert "aresmon.terminal.feed" in loaded
    assert "aresmon.render.grafana.alert_rules" not in loaded


@pytest.mark.parametrize("module", ["aresmon.render.bundle", "aresmon.render.grafana.dashboards"])
def test_a_push_does_not_read_what_it_does_not_need(module: str) -> None:
    code = "import sys, aresmon.push.run, aresmon.ssh.client; print(*sorted(sys.modules), sep='\\n')"
    loaded = run(code)
    assert "aresmon.push.run" in loaded
    if module in loaded:
        pytest.fail(f"{module} is read")


def test_what_prints_the_results_of_all_commands_loads_only_what_all_of_them_need() -> None:
    loaded = run("import sys, aresmon.cli.console, aresmon.system.poll; print(*sorted(sys.modules), sep='\\n')")

    assert "rich.console" in loaded
    assert {
        one for one in loaded if one.startswith(("asyncio", "aresmon.doctor", "aresmon.stack", "requests"))
    } == set()

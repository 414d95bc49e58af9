"""What a push loads: loading takes longer than most of what it does."""

from __future__ import annotations

import subprocess
import sys

from tests.unit.conftest import REPOSITORY

_LOADS = "aresmon.cli.console, aresmon.cli.deployment, aresmon.push.run, aresmon.push.drift, aresmon.push.session"
_UNUSED = (
    "aresmon.doctor",
    "aresmon.engine.build",
    "aresmon.grafana",
    "aresmon.influxdb.backfill",
    "aresmon.monitoring",
    "aresmon.render.grafana.dashboards",
    "aresmon.stack.plan",
    "cryptography.x509",
    "docker",
    "requests",
)


def test_a_push_loads_nothing_that_it_does_not_use() -> None:
    code = f"import sys, {_LOADS}, aresmon.ssh.client; print([one for one in {_UNUSED} if one in sys.modules])"

    told = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)

    assert told.stdout == "[]\n"

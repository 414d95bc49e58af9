"""A collector with a secret, which sends that secret: what arrives proves what its agent was given."""

from __future__ import annotations

import subprocess
import sys

from tests.engine.sites import Site

STATION = """# A weather station.
[options.password]
  secret = true
  required = true
  example = {secret = "station"}
  description = "The password of its account."

[[inputs.mock]]
  metric_name = "station"
  [[inputs.mock.constant]]
    name = "given"
    value = "{{password}}"
"""
SECRET, OTHER = "h{u}n#t%e r=2;[é]", "another-one-5"


def give_secret(site: Site, value: str) -> str:
    """Set it on the server, by standard input; what is printed."""
    argv = [sys.executable, "-m", "aresmon", "--site", str(site.folder), "collectors", "secret", "station"]
    done = subprocess.run(argv, input=f"{value}\n", capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done
    assert value not in done.stdout + done.stderr
    return done.stdout


def sent_secret(site: Site, host: str) -> str:
    """The value that arrived last."""
    found = site.query(f"SELECT last(given) AS value FROM station WHERE host = '{host}'")
    return str(found[0].rows[0]["value"]) if found else ""

"""A real Telegraf that writes to a site's edge as one of its hosts, and whose every point can be missed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from docker.models.containers import Container

from aresmon.config import package_data
from aresmon.engine.images import pins
from tests.engine import echo
from tests.engine.sites import Site, client

_CONFIGURATION = """\
[agent]
  interval = "1s"
  flush_interval = "1s"
  precision = "1ms"
{output}
[[inputs.mock]]
  metric_name = "counted"
  [inputs.mock.tags]
    by = "{name}"
  [[inputs.mock.step]]
    name = "n"
    start = 0.0
    step = 1.0
"""


def environment(site: Site, host: str) -> dict[str, str]:
    """What the site would give to this host's agent now."""
    lines = (site.bundle / "agents" / host / "agent.env").read_text(encoding="utf-8").splitlines()
    pairs = (line.partition("=") for line in lines if not line.startswith("#"))
    return {name: value for name, _, value in pairs} | {"ARESMON_PASSWORD": site.secret(f"agent-{host}")}


@contextmanager
def counting(
    site: Site, host: str, name: str, *, trusted: str = "", once: bool = False, **env: str
) -> Iterator[Container]:
    """A Telegraf that counts up from 0 each second, on the machine's network, as the site would configure it.

    `trusted` is the file by which it knows the edge; with `once`, it counts one and ends.
    """
    output = (package_data.TELEGRAF / "output.conf").read_text(encoding="utf-8")
    text = _CONFIGURATION.format(output=output, name=name)
    variables: Mapping[str, str] = environment(site, host) | env
    container = client().containers.create(
        pins()["telegraf"].build,
        ["--config", "/etc/telegraf/telegraf.conf", *(["--once"] if once else [])],
        entrypoint=["telegraf"],
        environment=dict(variables),
        name=f"{site.name}-{name}",
        network_mode="host",
    )
    try:
        container.put_archive("/etc", echo.archive("telegraf/telegraf.conf", text.encode()))
        container.put_archive("/etc", echo.archive("telegraf/aresmon-ca.pem", trusted.encode()))
        container.start()
        yield container
    finally:
        container.remove(force=True)


def counted(site: Site, name: str) -> list[int]:
    """What arrived of it, in the order of its clock."""
    found = site.query(f'SELECT "n" FROM "counted" WHERE "by" = \'{name}\'')
    return [int(row["n"]) for series in found for row in series.rows]

"""`aresmon snippet`: what a proxy in front of Grafana needs."""

from __future__ import annotations

from typing import Annotated

import typer

from aresmon.cli import completion
from aresmon.cli.common import the_console, the_project
from aresmon.system.errors import AresmonError, ExitCode


def snippet(
    proxy: Annotated[
        str,
        typer.Argument(metavar="PROXY", autocompletion=completion.proxies, help="The proxy: haproxy, nginx or caddy."),
    ] = "haproxy",
) -> None:
    """Print the configuration of a reverse proxy for Grafana.

    For sites where Grafana is behind a proxy that has the TLS certificate. Settings that are missing in aresmon.yml
    are reported on standard error.
    """
    from aresmon.render import proxy_snippets

    if proxy not in proxy_snippets.PROXIES:
        raise AresmonError(
            f"no snippet for '{proxy}'",
            hint=f"there is one for {', '.join(proxy_snippets.PROXIES)}",
            code=ExitCode.USAGE,
        )
    config, console = the_project().config, the_console()
    typer.echo(proxy_snippets.snippet(proxy, config), nl=False)
    for what, next_step in proxy_snippets.find_warnings(config):
        console.warn(what, hint=next_step)

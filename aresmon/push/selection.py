"""The hosts that a command names, and those that are connected to while the rest of a push is loaded and planned.

It imports little, since the connections wait for it.
"""

from __future__ import annotations

from collections.abc import Sequence

from aresmon.config.layout import BLOCKED_FILE
from aresmon.config.model import Config, Host
from aresmon.site.project import Project
from aresmon.stack.location import is_local
from aresmon.system.errors import AresmonError, ExitCode


def select_hosts(config: Config, names: Sequence[str], *, every: bool) -> list[Host]:
    """The hosts with these names, in the order of aresmon.yml. Raises AresmonError for an unknown name or none."""
    if every and names:
        raise AresmonError("--all and host names cannot be combined", hint="use one or the other", code=ExitCode.USAGE)
    config.check_names(names)
    if not every and not names:
        hint = f"name one or more ({', '.join(host.name for host in config.hosts[:10])}), or use --all"
        raise AresmonError("no host was named", hint=hint, code=ExitCode.USAGE)
    return [host for host in config.hosts if every or host.name in names]


def first_wave(project: Project, hosts: Sequence[Host], *, canary: int, parallel: int) -> list[Host]:
    """The hosts of a push's first wave that are reached by ssh; none where it is too early to say.

    That is where hosts were blocked, which nobody connects to, and where the stack is reached through its server.
    """
    if not is_local(project) or (project.site.state / BLOCKED_FILE).exists():
        return []
    server = project.config.server
    return [host for host in hosts[: min(canary or parallel, parallel)] if host.name != server]

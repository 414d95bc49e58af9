"""Where the stack of a site runs: on this machine, or on its server."""

from __future__ import annotations

from aresmon.site import init
from aresmon.site.project import Project
from aresmon.system.errors import AresmonError


def is_local(project: Project) -> bool:
    """Whether the stack is on this machine: it is, unless the server has an `ssh` and nothing ran here yet."""
    return not project.config.is_remote or project.site.socket_folder.is_dir()


def require_local(project: Project, *, force: bool = False) -> None:
    """Raise AresmonError if the stack is not on this machine, and this machine's name is not the server's.

    `force` skips the check: the user said that this machine is the server.
    """
    if force or is_local(project) or init.this_host() == project.config.server.partition(".")[0]:
        return
    raise AresmonError(
        f"the stack of this site runs on {project.config.server}, and this machine is {init.this_host()}",
        hint=f"run the command there; if this machine is {project.config.server}: `aresmon up --here`",
    )

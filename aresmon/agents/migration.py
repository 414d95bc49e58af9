"""What `telegraf config migrate` would change in a host's own file: old plug-ins and settings, by their successors."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aresmon.agents.sources import ConfigSources
from aresmon.config import telegraf_text
from aresmon.config.model import Host
from aresmon.engine.docker import Engine
from aresmon.engine.images import tar_of
from aresmon.site.project import Project
from aresmon.system import files, git
from aresmon.system.errors import AresmonError

_FILE = "tmp/telegraf.conf"
_CUT = "--- migrated ---"
# Telegraf writes the new file beside the old one, and says nothing of use on its standard output.
_COMMAND = f"telegraf config migrate --config /{_FILE} 2>&1; echo '{_CUT}'; cat /{_FILE}.migrated 2>/dev/null"


@dataclass(frozen=True, slots=True)
class FileMigration:
    """A host's own file, as it is and as it would be. `path` is where it can be written; None if that is elsewhere."""

    host: str
    path: Path | None
    before: str
    after: str

    @property
    def diff(self) -> str:
        """What would change, as a unified diff."""
        old, new = self.before.splitlines(keepends=True), self.after.splitlines(keepends=True)
        return "".join(difflib.unified_diff(old, new, f"{self.host}.conf", f"{self.host}.conf, migrated"))

    def write(self) -> None:
        """Replace the file. Raises AresmonError if it is not on this machine, or was changed since it was read."""
        if self.path is None or not self.path.is_file():
            raise AresmonError(
                f"{self.host}.conf is in a repository that is not checked out on this machine",
                hint="apply the difference to the file there, commit and push it",
            )
        if telegraf_text.without_bom(self.path.read_bytes().decode(errors="replace")) != self.before:
            raise AresmonError(
                f"{self.path} was changed since the last commit of configs",
                hint="commit the change, then migrate again",
            )
        files.write(self.path, self.after.encode(), mode=self.path.stat().st_mode & 0o777)


def migrate(engine: Engine, image: str, text: str, *, project: str) -> str:
    """A configuration with its deprecated plug-ins and settings replaced; the same text if there are none.

    Raises AresmonError if the image's Telegraf knows no migrations, or cannot read the text.
    """
    code, output = engine.run_once(
        image, ["sh", "-c", _COMMAND], files=tar_of({_FILE: text.encode()}), environment=[], project=project
    )
    log, cut, migrated = output.partition(f"{_CUT}\n")
    problem = re.search(r" E! (.*)", log)
    if not cut or (problem and not migrated):
        said = problem[1] if problem else log.strip()[-200:] or f"exit code {code}"
        raise AresmonError(
            f"Telegraf cannot migrate it: {said}",
            hint="an image that was built before version 0.5.0 knows no migrations: `aresmon images build telegraf`",
        )
    return migrated or text


def plan(
    project: Project, origin: ConfigSources, hosts: Sequence[Host], *, engine: Engine, image: str
) -> Iterator[FileMigration]:
    """The migration of each host that has a file of its own. Raises AresmonError if one cannot be migrated."""
    for host in hosts:
        own = origin.text(host.name)
        if own is not None:
            before = telegraf_text.without_bom(own)
            try:
                after = migrate(engine, image, before, project=project.config.site)
            except AresmonError as error:
                raise AresmonError(f"{host.name}.conf: {error.message}", hint=error.hint) from None
            yield FileMigration(host.name, _path(project, origin.commits, host), before, after)


def _path(project: Project, commits: Mapping[str, str], host: Host) -> Path | None:
    if host.name not in commits or project.config.configs is None:
        return project.site.overrides / "agents" / f"{host.name}.conf"
    folder = git.remote(project.config.configs.git, project.site.root).folder
    return folder / f"{host.name}.conf" if folder else None

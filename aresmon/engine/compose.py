"""`docker compose`, as a program: the SDK knows nothing of it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from aresmon.system import dotenv, process
from aresmon.system.errors import AresmonError, ExitCode

OVERRIDE = "overrides/compose.yml"
_OLDEST = (2, 17)
# An engine that nobody has configured has 31 ranges, and also leaves out those that the machine's routes reach.
_NO_ADDRESSES = (
    "all address ranges that the engine has for networks are in use: remove networks that nothing uses "
    "(`docker network prune`), or give the engine more and smaller ranges (`default-address-pools` in "
    "/etc/docker/daemon.json, then restart it)"
)


@dataclass(frozen=True, slots=True)
class Compose:
    """`docker compose` on one bundle. `folder` has the files, `project` is where relative paths start."""

    folder: Path
    project: Path

    @property
    def name(self) -> str:
        """The project's."""
        return self._variables()["ARESMON_PROJECT"]

    def hashes(self) -> dict[str, str]:
        """Compose's own hash of each service's configuration: another one, and it makes a new container."""
        lines = self.run("config", "--hash", "*").splitlines()
        return dict(line.split(maxsplit=1) for line in lines if line.strip())

    def up(self, services: Sequence[str], *, recreate: bool = False) -> None:
        """Start services; recreate their containers if their configuration changed, or with `recreate`."""
        force = ["--force-recreate"] if recreate else []
        if services:
            self.run("up", "--detach", "--no-deps", "--no-build", "--quiet-pull", *force, *services)

    def stop(self, *services: str) -> None:
        """Stop services and leave their containers."""
        self.run("stop", *services)

    def argv(self, *arguments: str) -> list[str]:
        """The command line, whose files and variables come from the bundle's `.env`."""
        variables = self._variables()
        files = variables.get("COMPOSE_FILE", "compose.yml").split(":")
        chosen = [part for name in files for part in ("--file", str(self.folder / name))]
        # Named here, since a `name:` in the site's own file would make another project, which nobody looks after.
        named = ["--project-name", variables["ARESMON_PROJECT"], "--project-directory", str(self.project)]
        base = ["docker", "compose", *named, "--env-file", str(self.folder / ".env")]
        return [*base, *chosen, "--progress", "plain", *arguments]

    def environment(self) -> dict[str, None]:
        """The variables to take out of the caller's shell, where they would win over the bundle's."""
        return dict.fromkeys([*self._variables(), *(name for name in os.environ if name.startswith("COMPOSE_"))])

    def run(self, *arguments: str) -> str:
        """Run a subcommand; what it printed. Raises AresmonError with its last words."""
        done = process.run(self.argv(*arguments), env=self.environment(), check=False, timeout=900)
        if done.code == ExitCode.INTERRUPTED:
            raise KeyboardInterrupt
        if done.code != 0:
            raise _failed(done, OVERRIDE if any(part.endswith(OVERRIDE) for part in done.argv) else "")
        return done.out

    def _variables(self) -> dict[str, str]:
        return dotenv.variables((self.folder / ".env").read_text(encoding="utf-8"))


def _failed(done: process.Completed, override: str) -> AresmonError:
    said = (done.err or done.out).lower()
    if (
        "unknown command" in said
        or "is not a docker command" in said
        or "unknown flag" in said
        or "unknown shorthand" in said
    ):
        return _missing()
    if "address pool" in said:
        return process.ProcessError(done, hint=_NO_ADDRESSES)
    mine = f"; of its files {override} is yours" if override else ""
    return process.ProcessError(done, hint=f"the message is Docker Compose's own{mine}")


def _missing() -> AresmonError:
    try:
        version = process.run(["docker", "compose", "version", "--short"], check=False).out.strip().lstrip("v")
    except AresmonError:
        version = ""
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    what = "Docker Compose v2 is not installed"
    if numbers and numbers < _OLDEST:
        what = f"Docker Compose {version} is too old; {'.'.join(map(str, _OLDEST))} is the oldest supported version"
    elif shutil.which("docker-compose"):
        what += " (the program docker-compose that is here is version 1, which ended in 2023)"
    return AresmonError(
        what,
        hint="install the package docker-compose-v2 (Ubuntu), docker-compose (Debian 13) or docker-compose-plugin "
        "(Docker's own), or run `make up`, which installs it on Debian and Ubuntu",
    )

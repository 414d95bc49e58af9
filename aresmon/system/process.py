"""The one place that starts other programs."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aresmon.system.errors import AresmonError


@dataclass(frozen=True, slots=True)
class Completed:
    """A program that has ended."""

    argv: tuple[str, ...]
    code: int
    out: str
    err: str


class ProcessError(AresmonError):
    """A program that failed; its last words are in the message, all of them in `completed`."""

    def __init__(self, completed: Completed, *, hint: str = "") -> None:
        words = (completed.err.strip() or completed.out.strip()).splitlines()
        said = "\n".join(words[-15:]) or "it said nothing"
        super().__init__(f"{_name(completed.argv)} failed with code {completed.code}: {said}", hint=hint)
        self.completed = completed


def run(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str | None] | None = None,
    cwd: Path | None = None,
    timeout: float | None = None,
    check: bool = True,
    given: str | None = None,
) -> Completed:
    """Run a program to its end and keep what it said.

    `env` is added to this process's environment (None takes a variable out), `timeout` is in seconds, `given` is
    what it reads from its standard input.
    Secrets have no place in `argv`: every process of the machine may read it.

    Raises ProcessError if it fails and `check` is set, AresmonError if it cannot be started or takes
    longer than `timeout`.
    """
    command = tuple(str(part) for part in argv)
    try:
        done = subprocess.run(
            command,
            env=_environment(env or {}),
            cwd=cwd,
            timeout=timeout,
            **({"stdin": subprocess.DEVNULL} if given is None else {"input": given}),
            capture_output=True,
            encoding="utf-8",
            errors="replace",
        )
    except FileNotFoundError as error:
        if cwd is not None and not cwd.is_dir():
            raise AresmonError(f"{cwd} is not a folder to run {command[0]} in") from error
        raise AresmonError(f"{command[0]} is not installed, or not on the PATH") from error
    except OSError as error:
        raise AresmonError(f"{command[0]} could not be started: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise AresmonError(f"{_name(command)} did not end within {timeout:.0f} s") from error
    completed = Completed(command, done.returncode, done.stdout, done.stderr)
    if check and completed.code != 0:
        raise ProcessError(completed)
    return completed


def _environment(changes: Mapping[str, str | None]) -> dict[str, str]:
    merged = {**os.environ, **changes}
    return {name: value for name, value in merged.items() if value is not None}


def _name(argv: Sequence[str]) -> str:
    """The program and its subcommands, without options and their values: `docker compose up`."""
    words = [Path(argv[0]).name]
    skip = False
    for word in argv[1:]:
        if word.startswith("-"):
            skip = "=" not in word and word in _OPTIONS_WITH_VALUE
        elif skip:
            skip = False
        else:
            words.append(word)
        if len(words) == 3:
            break
    return " ".join(words)


_OPTIONS_WITH_VALUE = frozenset({"--project-directory", "--env-file", "-f", "--file", "--progress", "--project-name"})

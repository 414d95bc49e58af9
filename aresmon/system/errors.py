"""Errors that are printed to the user, words for their messages, and exit codes."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum


class ExitCode(IntEnum):
    """The exit code of every command."""

    DONE = 0
    REFUSED = 1  # refused or failed; nothing changed, or the message says what did
    USAGE = 2
    ROLLED_BACK = 3
    BROKEN = 4  # broken or unknown: a person must look
    DEGRADED = 5  # `status` found problems, `up` could start only a part
    INTERRUPTED = 130


class AresmonError(Exception):
    """An error that a person can act on.

    `message` says where and what, `hint` what to do next.
    """

    def __init__(self, message: str, *, hint: str = "", code: ExitCode = ExitCode.REFUSED) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code


def not_yours(path: object) -> AresmonError:
    """The error for what this account may not read."""
    return AresmonError(
        f"{path} cannot be read: permission denied",
        hint="the site belongs to who ran `aresmon up` first: run this as them, or with sudo",
    )


class SiteError(AresmonError):
    """Everything that is wrong with a site's files, reported at once: one line each."""

    def __init__(self, errors: Sequence[str], *, hint: str = "") -> None:
        super().__init__("\n".join(errors), hint=hint)
        self.errors = tuple(errors)


def any_of(words: Sequence[str]) -> str:
    """`a, b or c`"""
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def plural(number: int, what: str) -> str:
    """`1 host`, `2 hosts`"""
    return f"{number} {what}{'s' * (number != 1)}"

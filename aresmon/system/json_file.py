"""State files in JSON: each is read and written in one place, as one type."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from aresmon.system import files
from aresmon.system.errors import AresmonError, ExitCode, not_yours

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class JsonFile(Generic[T]):
    """A file that holds one value as JSON.

    `parse` makes the value from the decoded JSON; it raises ValueError, KeyError, TypeError or AttributeError for data
    of another shape. `serialise` is its inverse. `description` (what the file holds), `hint` and `code` are for the
    error about a file that cannot be read. `indent` is the number of spaces for each level; None writes one compact
    line.
    """

    path: Path
    parse: Callable[[Any], T]
    serialise: Callable[[T], Any]
    description: str = ""
    hint: str = ""
    code: ExitCode = ExitCode.REFUSED
    mode: int = 0o600
    indent: int | None = 1

    def read(self) -> T | None:
        """The value; None where the file does not exist. Raises AresmonError where it cannot be read or parsed."""
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return None
        except PermissionError:
            raise not_yours(self.path) from None
        except OSError as error:
            raise self._unreadable(error.strerror or str(error)) from None
        return self.decode(content)

    def read_or(self, default: T) -> T:
        """The value; `default` where the file does not exist, or cannot be read or parsed."""
        try:
            found = self.read()
        except AresmonError:
            return default
        return default if found is None else found

    def decode(self, content: bytes, where: str = "") -> T:
        """The value in the content of such a file. `where` names another place than `path` in the error.

        Raises AresmonError where it cannot be parsed.
        """
        try:
            return self.parse(json.loads(content))
        except KeyError as error:
            raise self._unreadable(f"{error} is missing", where) from None
        except (ValueError, TypeError, AttributeError) as error:
            raise self._unreadable(str(error), where) from None

    def encode(self, value: T) -> bytes:
        """The content of the file for this value."""
        separators = (",", ":") if self.indent is None else None
        text = json.dumps(self.serialise(value), indent=self.indent, separators=separators)
        return f"{text}\n".encode()

    def write(self, value: T) -> None:
        """Replace the file atomically. Raises AresmonError, with the former content in place, where that fails."""
        files.write(self.path, self.encode(value), mode=self.mode)

    def delete(self) -> None:
        """Delete the file, if it exists. Raises OSError."""
        self.path.unlink(missing_ok=True)

    def _unreadable(self, why: str, where: str = "") -> AresmonError:
        name = where or str(self.path)
        what = f"{name}, {self.description}," if self.description else name
        return AresmonError(f"{what} cannot be read: {why}", hint=self.hint, code=self.code)

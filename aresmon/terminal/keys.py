"""The bytes that a terminal sends, as names of keys.

Source: ECMA-48 (CSI, SS3), and what xterm, the Linux console, tmux and screen send.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

ESCAPE = b"\x1b"
_SEQUENCE = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\[\[[A-E]|O[ -~])")
_NAMES: Mapping[bytes, str] = {
    **{ESCAPE + opening + letter: name for opening in (b"[", b"O") for letter, name in (
        (b"A", "up"), (b"B", "down"), (b"C", "right"), (b"D", "left"), (b"H", "home"), (b"F", "end"), (b"M", "enter"),
    )},
    b"\x1b[1~": "home", b"\x1b[7~": "home", b"\x1b[4~": "end", b"\x1b[8~": "end",
    b"\x1b[5~": "pageup", b"\x1b[6~": "pagedown",
    b"\x1bOP": "f1", b"\x1b[11~": "f1", b"\x1b[[A": "f1",
    b"\r": "enter", b"\n": "enter", b"\x7f": "backspace", b"\x08": "backspace", b"\x03": "q", b"\x04": "q",
}  # fmt: skip


class KeyReader:
    """Turns what arrives into keys; a sequence may arrive in pieces."""

    def __init__(self) -> None:
        self._left = b""

    @property
    def is_waiting(self) -> bool:
        """Whether a sequence has begun. If nothing follows soon, it was the Escape key."""
        return bool(self._left)

    def feed(self, data: bytes) -> list[str]:
        """The keys of these bytes, and of those that were left."""
        self._left += data
        return list(self._keys())

    def flush(self) -> list[str]:
        """Nothing followed: what is left is the Escape key, or nothing that is known."""
        left, self._left = self._left, b""
        return ["escape"] if left.startswith(ESCAPE) else []

    def _keys(self) -> Iterator[str]:
        while self._left:
            taken, key = self._first()
            if not taken:
                return
            self._left = self._left[taken:]
            if key:
                yield key

    def _first(self) -> tuple[int, str]:
        """How many bytes the first key takes, 0 if it is not complete, and its name; empty if it is not known."""
        data = self._left
        if data.startswith(ESCAPE):
            # On the Linux console F1 begins like an unknown sequence.
            if data.startswith(b"\x1b[["):
                return (4, _NAMES.get(data[:4], "")) if len(data) >= 4 else (0, "")
            if found := _SEQUENCE.match(data):
                return found.end(), _NAMES.get(found[0], "")
            is_begun = len(data) == 1 or re.fullmatch(rb"\x1b(?:O|\[[0-?]*[ -/]*)", data)
            return (0, "") if is_begun else (1, "escape")
        if data[:1] in _NAMES:
            return 1, _NAMES[data[:1]]
        size = next((number for lead, number in ((0xF8, 1), (0xF0, 4), (0xE0, 3), (0xC0, 2)) if data[0] >= lead), 1)
        if len(data) < size:
            return 0, ""
        text = data[:size].decode(errors="ignore")
        return size, text if text.isprintable() else ""

"""Text for a terminal, a file or another program that knows ASCII alone."""

from __future__ import annotations

import codecs
import os
import unicodedata
from collections.abc import Mapping

ERRORS = "aresmon.ascii"
"""The name of `replace`, as the `errors` of a stream."""
_LIKE: Mapping[str, str] = {"…": "~", "µ": "u", "°": "o", "Pd": "-", "Pi": "'", "Pf": "'"}
"""What stands in ASCII for a character, or for those of a category."""


def in_ascii(text: str) -> str:
    """A text with as many characters, all of ASCII: letters without their accents, `?` where no letter is alike."""
    if text.isascii():
        return text
    return "".join(one if one.isascii() else _like(one) for one in text)


def replace(error: UnicodeError) -> tuple[str, int]:
    """What is written instead of characters that the encoding of a stream lacks, and where it goes on."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return in_ascii(error.object[error.start : error.end].replace("…", "...")), error.end


def is_ascii_locale() -> bool:
    """Whether the locale says that the terminal knows ASCII alone.

    The encoding of standard output does not tell: Python writes UTF-8 in the C locale (PEP 540), and where `LC_ALL`
    does not forbid it, sets `LC_CTYPE` to one with UTF-8 (PEP 538).
    """
    chosen = os.environ.get("LC_ALL") or os.environ.get("LC_CTYPE") or os.environ.get("LANG")
    if chosen == "C.UTF-8" and not os.environ.get("LC_ALL"):
        chosen = os.environ.get("LANG")
    return chosen in ("C", "POSIX")


def _like(letter: str) -> str:
    if known := _LIKE.get(letter) or _LIKE.get(unicodedata.category(letter)):
        return known
    base = unicodedata.normalize("NFKD", letter)[0]
    return base if base.isascii() and base.isprintable() else "?"


codecs.register_error(ERRORS, replace)

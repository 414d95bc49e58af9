"""asyncssh, imported without starting programs, and without X.509.

When it is imported, asyncssh looks for two optional libraries with ctypes.util.find_library, which starts ldconfig,
gcc and ld for each name: a tenth of a second on a machine with a compiler. Here the folders of libraries are read.
For X.509 certificates, which OpenSSH does not know either, it loads a part of cryptography that takes a fifth of the
time, and then does not find pyOpenSSL: here that import fails at once.
"""

from __future__ import annotations

import ctypes.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_FOLDERS = ("usr/local/lib", "usr/lib/*-linux-gnu*", "lib/*-linux-gnu*", "usr/lib64", "lib64", "usr/lib", "lib")


def find_library(name: str) -> str | None:
    """The path of a shared library, or None: `nettle` is found as libnettle.so.8."""
    stem = f"lib{name.removeprefix('lib')}.so"
    found = (path for folder in _FOLDERS for path in sorted(Path("/").glob(f"{folder}/{stem}*"), reverse=True))
    return next(map(str, found), None)


_X509 = "asyncssh.crypto.x509"


@contextmanager
def _quickly() -> Iterator[None]:
    original = ctypes.util.find_library
    if sys.platform == "linux":
        ctypes.util.find_library = find_library
    sys.modules[_X509] = None  # type: ignore[assignment]  # an ImportError, which asyncssh allows for
    try:
        yield
    finally:
        ctypes.util.find_library = original
        del sys.modules[_X509]


with _quickly():
    import asyncssh

__all__ = ["asyncssh"]

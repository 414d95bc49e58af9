"""The parts of a request, as a host reads it."""

from __future__ import annotations


def split_request(given: bytes) -> tuple[bytes, bytes]:
    """The header, and the files after it."""
    size, _, rest = given.partition(b"\n")
    return rest[: int(size)], rest[int(size) :]

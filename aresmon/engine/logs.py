"""The logs of several services as one, each line under its service's name."""

from __future__ import annotations

import heapq
import queue
import threading
from collections.abc import Iterable, Iterator, Mapping


def merge(pieces: Mapping[str, Iterable[str]], *, follow: bool) -> Iterator[str]:
    """The lines of all services, each as `service | line`, with names padded to one width.

    `pieces` are the logs of each service, in any chunks, whose lines begin with a timestamp (RFC 3339, UTC). Without
    `follow` the lines are in the order of their timestamps; with it, in the order in which they arrive.
    """
    width = max(map(len, pieces))
    named = [_named(f"{name:{width}} | ", of) for name, of in pieces.items()]
    if follow:
        yield from _as_they_arrive(named)
    else:
        yield from heapq.merge(*named, key=_timestamp)


def _named(prefix: str, pieces: Iterable[str]) -> Iterator[str]:
    for line in split_lines(pieces):
        yield f"{prefix}{line}\n"


def split_lines(pieces: Iterable[str]) -> Iterator[str]:
    """Whole lines, without their ends, of text that comes in any chunks; a last line without an end is one too."""
    rest = ""
    for piece in pieces:
        *whole, rest = (rest + piece).split("\n")
        yield from whole
    if rest:
        yield rest


def _timestamp(line: str) -> str:
    """RFC 3339 in UTC sorts as text; the engine puts one before every line."""
    return line.partition(" | ")[2].partition(" ")[0]


def _as_they_arrive(streams: Iterable[Iterable[str]]) -> Iterator[str]:
    arrived: queue.SimpleQueue[str | BaseException | None] = queue.SimpleQueue()

    def read(stream: Iterable[str]) -> None:
        try:
            for line in stream:
                arrived.put(line)
        except BaseException as error:  # raised where the lines are read
            arrived.put(error)
        else:
            arrived.put(None)

    running = [threading.Thread(target=read, args=(stream,), daemon=True) for stream in streams]
    for thread in running:
        thread.start()
    ended = 0
    while ended < len(running):
        line = arrived.get()
        if isinstance(line, BaseException):
            raise line
        if line is None:
            ended += 1
        else:
            yield line

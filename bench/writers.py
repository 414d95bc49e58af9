"""Hosts that write as Telegraf does, by the thousand: each has a connection of its own that it keeps, and sends what it
read in one compressed request every ten seconds, each at a moment of its own.

What is sent is made beforehand, so that the writers take little of the processor that they share with what is measured.
Source: Telegraf 1.39, plugins/outputs/influxdb/http.go (`content_encoding` is gzip by default).
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import ssl
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.month import HOST, INTERVAL, TIME, Day

_TIMEOUT = 5.0  # seconds for one answer, as in telegraf/output.conf
_TAKEN = 204
_LEAST = 1  # of gzip's levels: the receiver's work is the same


@dataclass(frozen=True, slots=True)
class Door:
    """Where hosts write: a socket, or an address that is spoken to by TLS where there is a context. Hosts take the
    accounts (`user:password`) in turn; without any they say nobody's name."""

    socket: Path | None = None
    address: tuple[str, int] = ("", 0)
    tls: ssl.SSLContext | None = None
    accounts: Sequence[str] = field(default=(), repr=False)

    def head(self, number: int) -> bytes:
        """What stands before the length and the body of a host's request."""
        lines = ["POST /write?db=telegraf HTTP/1.1", "Host: edge", "Content-Encoding: gzip"]
        if self.accounts:
            token = base64.b64encode(self.accounts[number % len(self.accounts)].encode()).decode()
            lines.append(f"Authorization: Basic {token}")
        return "\r\n".join(lines).encode()


@dataclass(slots=True)
class Told:
    """How the writes ended: answers by status (0 for none in time), seconds of each, and the most seconds that a
    writer was late to send, which says that the writers themselves were too slow."""

    answers: Counter[int] = field(default_factory=Counter)
    times: list[float] = field(default_factory=list)
    late: float = 0.0

    @property
    def refused(self) -> int:
        """Writes that were not taken."""
        return sum(self.answers.values()) - self.answers[_TAKEN]

    def quantile(self, part: float) -> float:
        """Seconds within which this part of the writes was answered."""
        ordered = sorted(self.times)
        return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else 0.0


class _Answers(asyncio.Protocol):
    """One connection: who waits is told the status of the answer, or 0 when the other side hangs up."""

    def __init__(self) -> None:
        self.waiting: asyncio.Future[int] | None = None
        self.read = b""

    def data_received(self, data: bytes) -> None:
        self.read += data
        if b"\r\n\r\n" in self.read:
            self._tell(int(self.read[9:12]))
            self.read = b""

    def connection_lost(self, _: Exception | None) -> None:
        self._tell(0)

    def _tell(self, status: int) -> None:
        if self.waiting is not None and not self.waiting.done():
            self.waiting.set_result(status)


class Writer:
    """One host's connection, opened when it is first needed and after each write that was not taken."""

    def __init__(self, door: Door, number: int) -> None:
        self.door, self.head = door, door.head(number)
        self._transport: asyncio.WriteTransport | None = None
        self._answers = _Answers()

    async def write(self, body: bytes) -> int:
        """Send it; the status of the answer, 0 where there is none within five seconds."""
        try:
            async with asyncio.timeout(_TIMEOUT):
                if self._transport is None or self._transport.is_closing():
                    await self._open()
                assert self._transport is not None
                self._answers.waiting = asyncio.get_running_loop().create_future()
                self._transport.write(b"%b\r\nContent-Length: %d\r\n\r\n%b" % (self.head, len(body), body))
                status = await self._answers.waiting
        except OSError:  # TimeoutError and ssl's errors too
            status = 0
        if status != _TAKEN:
            self.close()
        return status

    def close(self) -> None:
        """Hang up; the next write opens another connection."""
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        door = self.door
        if door.socket is not None:
            self._transport, self._answers = await loop.create_unix_connection(_Answers, str(door.socket))
        else:
            name = "edge" if door.tls else None
            self._transport, self._answers = await loop.create_connection(
                _Answers, *door.address, ssl=door.tls, server_hostname=name
            )


def bodies(day: Day, hosts: range, *, at: int, turns: int) -> Iterator[list[bytes]]:
    """Of each host what it sends in so many turns, the first of which it reads `at` a moment (seconds since 1970)."""
    for host in hosts:
        texts = (day.intervals[(host * 7 + turn) % len(day.intervals)] for turn in range(turns))
        yield [
            gzip.compress(
                text.replace(HOST, f"host-{host:05}").replace(TIME, f"{at + turn * INTERVAL}000000000").encode(), _LEAST
            )
            for turn, text in enumerate(texts)
        ]


def offer(door: Door, sent: Sequence[Sequence[bytes]], *, unseen: int = 1, interval: float = INTERVAL) -> Told:
    """Let every host send its bodies, one each interval, whatever becomes of the one before; how that ended.

    The first `unseen` turns do not count: in them connections are opened and series are made.
    """
    return asyncio.run(_offer(door, sent, unseen, interval))


async def _offer(door: Door, sent: Sequence[Sequence[bytes]], unseen: int, interval: float) -> Told:
    told, begin = Told(), time.monotonic() + 0.5

    async def host(number: int) -> None:
        writer = Writer(door, number)
        for turn, body in enumerate(sent[number]):
            due = begin + (turn + number / len(sent)) * interval
            await asyncio.sleep(due - time.monotonic())
            begun = time.monotonic()
            status = await writer.write(body)
            if turn >= unseen:
                told.answers[status] += 1
                told.times.append(time.monotonic() - begun)
                told.late = max(told.late, begun - due)
        writer.close()

    await asyncio.gather(*(host(number) for number in range(len(sent))))
    return told


def greet(door: Door, body: bytes) -> float:
    """Let each account write once, one after the other; seconds each. InfluxDB knows a password again afterwards,
    which it else hashes with bcrypt, so slowly that a few at a time keep all others waiting."""
    return asyncio.run(_greet(door, body))


async def _greet(door: Door, body: bytes) -> float:
    begun, number = time.monotonic(), max(1, len(door.accounts))
    for one in range(number):
        writer = Writer(door, one)
        await writer.write(body)
        writer.close()
    return (time.monotonic() - begun) / number


def flood(door: Door, sent: Sequence[bytes], *, writers: int, within: float) -> tuple[Told, float]:
    """Let so many writers send what is there, each the next as soon as the one before is answered, for so many
    seconds at the most; how that ended, and how long it took."""
    return asyncio.run(_flood(door, iter(sent), writers, within))


async def _flood(door: Door, left: Iterator[bytes], writers: int, within: float) -> tuple[Told, float]:
    told, start = Told(), time.monotonic()

    async def one(number: int) -> None:
        writer = Writer(door, number)
        for body in left:
            begun = time.monotonic()
            told.answers[await writer.write(body)] += 1
            told.times.append(time.monotonic() - begun)
            if time.monotonic() - start > within:
                break
        writer.close()

    await asyncio.gather(*(one(number) for number in range(writers)))
    return told, time.monotonic() - start

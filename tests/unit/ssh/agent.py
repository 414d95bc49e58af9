"""An ssh agent of this process: it lists keys and signs, as draft-ietf-sshm-ssh-agent says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncssh
from asyncssh.packet import Byte, SSHPacket, String, UInt32

_LIST, _KEYS, _SIGN, _SIGNATURE = 11, 12, 13, 14


@asynccontextmanager
async def open_agent(path: Path, *keys: asyncssh.SSHKey) -> AsyncIterator[Path]:
    """Listen on this socket with these keys."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                size = int.from_bytes(await reader.readexactly(4), "big")
                packet = SSHPacket(await reader.readexactly(size))
                writer.write(String(_answer(packet, keys)))
        except asyncio.IncompleteReadError:
            writer.close()

    server = await asyncio.start_unix_server(serve, str(path))
    try:
        yield path
    finally:
        server.close()


def _answer(packet: SSHPacket, keys: tuple[asyncssh.SSHKey, ...]) -> bytes:
    if packet.get_byte() == _LIST:
        listed = b"".join(String(key.public_data) + String(b"test") for key in keys)
        return Byte(_KEYS) + UInt32(len(keys)) + listed
    blob, data = packet.get_string(), packet.get_string()
    (key,) = [key for key in keys if key.public_data == blob]
    return Byte(_SIGNATURE) + String(key.sign(data, key.algorithm))

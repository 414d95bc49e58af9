"""Simulated hosts for `bench.push`: an SSH server that answers at once what hosts would answer, and does nothing.

One process listens on a port a host, lets everybody in who has the operator's key, and runs no program. aresmon's
transaction is told as a host tells it that all goes well; any other command succeeds without a word.
Run by bench/push.py: `python -m bench.sshd ADDRESS PORT COUNT HOST_KEY AUTHORIZED_KEYS`; says `ready` when it listens.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
import sys
import time

import asyncssh

_LIVE = b"# the configuration of a simulated host\n"


async def serve(address: str, port: int, count: int, *, host_key: str, authorized: str) -> None:
    """Listen until the end of the process."""
    for number in range(count):
        await asyncssh.create_server(
            asyncssh.SSHServer,
            address,
            port + number,
            server_host_keys=[host_key],
            authorized_client_keys=authorized,
            process_factory=_answer,
            encoding=None,
            allow_scp=True,
            sftp_factory=None,
            login_timeout=120,
            backlog=200,
        )
    print("ready", flush=True)
    await asyncio.Event().wait()


async def _answer(process: asyncssh.SSHServerProcess[bytes]) -> None:
    command = process.command or ""
    try:
        script = re.search(r"read -r -N (\d+) aresmon_script", command)
        if script:
            await process.stdin.readexactly(int(script[1]))
            await _transaction(process)
        else:
            await _shell(process)
    except (asyncssh.Error, OSError):
        process.close()
    else:
        process.exit(0)


async def _transaction(process: asyncssh.SSHServerProcess[bytes]) -> None:
    header: dict[str, str] = {}
    sizes, shown = [], []
    length = int(await process.stdin.readline())
    for line in (await process.stdin.readexactly(length)).decode().splitlines():
        name, _, value = line.partition("=")
        header[name] = value
        if name == "file":
            sizes.append(int(value.split(" ", 1)[0]))
        elif name == "show":
            shown.append(value)

    def say(text: str) -> None:
        process.stdout.write(f"@{text}\n".encode())

    say("state lock")
    say("state probe")
    say(f"probe active=active loaded=loaded version=1.39.3 clock={time.time():.6f} restarts=0")
    for path in shown:
        say(f"file {hashlib.sha256(_LIVE).hexdigest()} {base64.b64encode(_LIVE).decode()} {path}")
    say("state stage")
    for size in sizes:
        await process.stdin.readexactly(size)
    for state in ("check", "prepare", "switch", "restart"):
        say(f"state {state}")
    say(f"clock {time.time():.6f}")
    say("running")
    say("state commit")
    say("committed 4242")


async def _shell(process: asyncssh.SSHServerProcess[bytes]) -> None:
    await process.stdin.read()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), host_key=sys.argv[4], authorized=sys.argv[5]))

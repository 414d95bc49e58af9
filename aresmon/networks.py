"""A network of Docker's, removed: nobody may be in it, and the engine does not always know."""

from __future__ import annotations

import time
from collections.abc import Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING

from aresmon.errors import AresmonError, ExitCode

if TYPE_CHECKING:
    from docker.models.networks import Network

_LEAVES_WITHIN = 10.0  # seconds


def remove(network: Network) -> None:
    """Remove a network. The engine counts the endpoint of a removed container for a moment longer.

    Raises AresmonError where somebody else is in it, or nobody and it cannot be removed within ten seconds.
    """
    import docker.errors

    deadline = time.monotonic() + _LEAVES_WITHIN
    while True:
        try:
            network.remove()
            return
        except docker.errors.APIError as error:
            if error.status_code != HTTPStatus.FORBIDDEN:
                raise
        network.reload()
        inside = sorted(one["Name"] for one in network.attrs["Containers"].values())
        if inside or time.monotonic() > deadline:
            raise _still_used(str(network.name), inside)
        time.sleep(0.2)


def _still_used(network: str, by: Sequence[str]) -> AresmonError:
    if by:
        what = f"the network {network} cannot be removed with {', '.join(by)} in it"
        return AresmonError(what, hint=f"`docker network disconnect {network} {by[0]}`, then the same command again")
    return AresmonError(
        f"the network {network} cannot be removed: the engine counts an endpoint in it that no container has",
        hint="a fault of the engine, which a restart of it mends: `sudo systemctl restart docker`, then the same "
        "command again",
        code=ExitCode.BROKEN,
    )

"""The docker command line: it alone has standard input, time limits and an exit code for what runs inside."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext

from tests.engine.sites import Result
from tests.harness.locks import lock, network_prefix

LABEL = "org.aresmon.test=fleet"
"""On every container and network of these tests: what a killed run left is found by it.

    docker ps -aq --filter label=org.aresmon.test=fleet | xargs -r docker rm -fv
    docker network ls -q --filter label=org.aresmon.test=fleet | xargs -r docker network rm
"""

# Engine 20.10 loses count of a network's endpoints where several come and go at once, and then never removes it.
_ONE_AT_A_TIME = "engine-networks"
_MOVES = ("create", "start", "rm", "kill", "stop", "network")


def docker(*arguments: str, stdin: str | bytes = b"", timeout: float = 120, check: bool = True) -> Result:
    """Run docker to its end; with `check`, a failure is the test's."""
    argv = ["docker", *arguments]
    sent = stdin.encode() if isinstance(stdin, str) else stdin
    with lock(_ONE_AT_A_TIME) if arguments[0] in _MOVES else nullcontext():
        done = subprocess.run(argv, input=sent, capture_output=True, timeout=timeout)
    result = Result(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))
    assert result.code == 0 or not check, (arguments, result)
    return result


@contextmanager
def network(name: str) -> Iterator[str]:
    """A network that this machine alone reaches, gone afterwards; the first three bytes of its addresses."""
    with ExitStack() as claims:
        while True:
            prefix = claims.enter_context(network_prefix())
            subnet = f"{prefix}.0/24"
            made = docker("network", "create", "--internal", "--label", LABEL, "--subnet", subnet, name, check=False)
            if made.code == 0:
                break
            assert "overlap" in made.err, made  # a run that was killed left one
        try:
            yield prefix
        finally:
            docker("network", "rm", name)

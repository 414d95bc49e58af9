"""Telegraf's own check of a configuration, by the very image that will run it."""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Mapping

from aresmon.engine import Engine
from aresmon.errors import AresmonError

_ANSWER = re.compile(r"E! (?:loading config file \S+ failed: )?(?P<said>.*)", re.DOTALL)


def check(
    engine: Engine, image: str, host: str, configuration: bytes, variables: Mapping[str, str], *, project: str
) -> None:
    """Run `telegraf config check --strict-env-handling` in a container that is removed again.

    The configuration is copied in, since the bundle on disk is still the running one. The site's certificate
    authority is not, since Telegraf would only read it.

    Raises AresmonError with Telegraf's words if it is refused.
    """
    given = {name: "" if name == "ARESMON_CA" else value for name, value in variables.items()}
    code, said = engine.run_once(
        image,
        ["telegraf", "config", "check", "--strict-env-handling", "--config", "/etc/telegraf/telegraf.conf"],
        files=_tar({"etc/telegraf/telegraf.conf": configuration, "run/secrets/agent": b"none"}),
        environment=[f"{name}={value}" for name, value in given.items()],
        project=project,
    )
    if code != 0:
        match = _ANSWER.search(said)
        raise AresmonError(
            f"{host}: Telegraf refuses the configuration: {_readable(match['said'] if match else said)}",
            hint="nothing was changed; the collectors are named in aresmon.yml, your own are in overrides/. An image "
            "built here has the inputs of its day: `aresmon images build telegraf` adds the new ones",
        )


def _readable(said: str) -> str:
    """Telegraf prints the parser's own tables in the middle of its message; without them it can be read."""
    without = re.sub(r"(processing (field|value|table|element) [^:]*? failed: )|with value \S*&?\{.*?\}\S* ", "", said)
    return " ".join(without.split())[-400:]


def _tar(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o644
            tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()

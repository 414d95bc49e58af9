"""Telegraf's own check of a configuration, by the very image that will run it."""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from aresmon.agents import lint
from aresmon.config import package_data
from aresmon.config.collectors import Catalogue
from aresmon.config.model import Config, Host
from aresmon.engine.docker import Engine
from aresmon.render import telegraf
from aresmon.render.telegraf import TelegrafTemplates
from aresmon.system.errors import AresmonError, SiteError
from aresmon.system.json_schema import did_you_mean
from aresmon.system.yaml_document import read_text

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


def check_folder(
    folder: Path, config: Config, catalogue: Catalogue, *, engine: Engine, image: str
) -> tuple[list[str], list[str]]:
    """The hosts whose configurations in this folder are sound, and what is not wise in them.

    With an image, Telegraf's own check looks at each too. Raises SiteError with everything that is wrong.
    """
    texts = _texts(folder)
    errors, warnings = list(_check_names(texts, config)), list[str]()
    frame = TelegrafTemplates.of(package_data.package_files())
    hosts = [host for host in config.hosts if host.name in texts]
    for host in hosts:
        try:
            body = telegraf.configuration(host, catalogue, frame, own=texts[host.name])
            lint.check(host, body, config)
            warnings += [f"{host.name}.conf: {one}" for one in lint.warnings(body)]
            _check_with_telegraf(host, body, config, engine, image)
        except AresmonError as error:
            errors.append(error.message)
    if errors:
        raise SiteError(errors, hint="nothing was pushed")
    return [host.name for host in hosts], warnings


def _texts(folder: Path) -> Mapping[str, str]:
    texts = {path.stem: read_text(path) for path in sorted(folder.glob("*.conf"))}
    if not texts:
        raise AresmonError(f"{folder} has no .conf", hint="name the folder of `configs`, with one <host>.conf each")
    return texts


def _check_names(texts: Mapping[str, str], config: Config) -> Iterator[str]:
    known = [host.name for host in config.hosts]
    for name in texts:
        if name not in known:
            yield f"{name}.conf: there is no host {name}{did_you_mean(name, known)}"


def _check_with_telegraf(host: Host, body: str, config: Config, engine: Engine, image: str) -> None:
    if not image:
        return
    variables = {"ARESMON_PASSWORD": "none"} | telegraf.variables(host, config)
    check(engine, image, host.name, body.encode(), variables, project=config.site)

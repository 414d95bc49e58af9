"""Telegraf's own check of a configuration, run in the image that will use it."""

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
from aresmon.system import git
from aresmon.system.errors import AresmonError, SiteError
from aresmon.system.json_schema import did_you_mean
from aresmon.system.yaml_document import read_text

_ANSWER = re.compile(r"E! (?:loading config file \S+ failed: )?(?P<message>.*)", re.DOTALL)


def check(
    engine: Engine, image: str, host: str, configuration: bytes, variables: Mapping[str, str], *, project: str
) -> None:
    """Run `telegraf config check --strict-env-handling` in a temporary container.

    The configuration is copied into it, since the bundle on disk still has the running one. The site's CA certificate
    is left out: the check would only read it.

    Raises AresmonError with Telegraf's message if it rejects the configuration.
    """
    environment = {name: "" if name == "ARESMON_CA" else value for name, value in variables.items()}
    code, output = engine.run_once(
        image,
        ["telegraf", "config", "check", "--strict-env-handling", "--config", "/etc/telegraf/telegraf.conf"],
        files=_tar({"etc/telegraf/telegraf.conf": configuration, "run/secrets/agent": b"none"}),
        environment=[f"{name}={value}" for name, value in environment.items()],
        project=project,
    )
    if code != 0:
        match = _ANSWER.search(output)
        raise AresmonError(
            f"{host}: Telegraf rejects the configuration: {_shorten(match['message'] if match else output)}",
            hint="nothing was changed; check the collectors in aresmon.yml and the files in overrides/. An older image "
            "lacks newer inputs: `aresmon images build telegraf` adds them",
        )


def _shorten(message: str) -> str:
    """Remove the parser's internal tables, which Telegraf prints in the middle of its message."""
    text = re.sub(r"(processing (field|value|table|element) [^:]*? failed: )|with value \S*&?\{.*?\}\S* ", "", message)
    return " ".join(text.split())[-400:]


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
    """Check the configurations in this folder; returns their hosts, and warnings.

    With an image, each also passes Telegraf's own check. Raises SiteError with all errors.
    """
    texts, errors = _texts(folder)
    errors += _check_names(texts, config)
    warnings = list[str]()
    frame = TelegrafTemplates.of(package_data.package_files())
    hosts = [host for host in config.hosts if host.name in texts]
    for host in hosts:
        try:
            body = telegraf.configuration(host, catalogue, frame, own=texts[host.name])
            lint.check(host, body, config)
            found = [*lint.warnings(body, lint.environment(host, config)), *lint.elsewhere(body, host, config)]
            warnings += [f"{host.name}.conf: {one.text}" for one in found]
            _check_with_telegraf(host, body, config, engine, image)
        except AresmonError as error:
            errors.append(error.message)
    if errors:
        raise SiteError(errors, hint="nothing was pushed")
    return [host.name for host in hosts], warnings


def _texts(folder: Path) -> tuple[Mapping[str, str], list[str]]:
    """The files of the hosts, and why the others cannot be read."""
    texts, errors = dict[str, str](), list[str]()
    for path in sorted(folder.glob("*.conf")):
        try:
            texts[path.stem] = read_text(path)
            git.check_content(texts[path.stem], str(path))
        except AresmonError as error:
            errors.append(error.message)
            texts.pop(path.stem, None)
    if not texts and not errors:
        raise AresmonError(
            f"{folder} has no .conf file", hint="give the folder of `configs`, which has a <host>.conf for each host"
        )
    return texts, errors


def _check_names(texts: Mapping[str, str], config: Config) -> Iterator[str]:
    known = [host.name for host in config.hosts]
    for name in texts:
        if name not in known:
            yield f"{name}.conf: aresmon.yml has no host {name}{did_you_mean(name, known)}"


def _check_with_telegraf(host: Host, body: str, config: Config, engine: Engine, image: str) -> None:
    if not image:
        return
    variables = {"ARESMON_PASSWORD": "none"} | telegraf.variables(host, config)
    check(engine, image, host.name, body.encode(), variables, project=config.site)

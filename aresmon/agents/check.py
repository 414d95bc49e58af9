"""Telegraf's own check of a configuration, run in the image that will use it."""

from __future__ import annotations

import functools
import io
import re
import tarfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import yaml

from aresmon.agents import lint, tables
from aresmon.config import package_data, telegraf_toml
from aresmon.config.collectors import Catalogue
from aresmon.config.model import Config, Host
from aresmon.engine import images
from aresmon.engine.docker import Engine
from aresmon.render import telegraf
from aresmon.render.telegraf import TelegrafTemplates
from aresmon.system import git
from aresmon.system.errors import AresmonError, SiteError
from aresmon.system.json_schema import did_you_mean
from aresmon.system.yaml_document import read_text

_NO_START = re.compile(r"could not initialize \w+ (?P<kind>\w+)\.(?P<name>\w+)[^:]*: (?P<why>.*)", re.DOTALL)
_ANSWER = re.compile(r"E! (?:loading config file \S+ failed: )?(?P<message>.*)", re.DOTALL)


def check(
    engine: Engine, image: str, host: str, configuration: bytes, variables: Mapping[str, str], *, project: str
) -> None:
    """Run `telegraf config check --strict-env-handling` in a temporary container.

    The configuration is copied into it, since the bundle on disk still has the running one. The site's CA certificate
    is left out: the check would only read it.

    Raises AresmonError with Telegraf's message if it rejects the configuration.
    """
    message = _rejection(engine, image, configuration, variables, project)
    if message:
        raise AresmonError(
            f"{host}: Telegraf rejects the configuration: {_shorten(message)}",
            hint="nothing was changed; check the collectors in aresmon.yml and the files in overrides/. An older image "
            "lacks newer inputs: `aresmon images build telegraf` adds them",
        )


def _rejection(engine: Engine, image: str, configuration: bytes, variables: Mapping[str, str], project: str) -> str:
    """Telegraf's message if it rejects the configuration, else an empty string."""
    environment = {name: "" if name == "ARESMON_CA" else value for name, value in variables.items()}
    code, output = engine.run_once(
        image,
        ["telegraf", "config", "check", "--strict-env-handling", "--config", "/etc/telegraf/telegraf.conf"],
        files=_tar({"etc/telegraf/telegraf.conf": configuration, "run/secrets/agent": b"none"}),
        environment=[f"{name}={value}" for name, value in environment.items()],
        project=project,
    )
    match = _ANSWER.search(output)
    return "" if code == 0 else (match["message"] if match else output)


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
    frame, telegraf_of = TelegrafTemplates.of(package_data.package_files()), _ImageTelegraf(engine, image, config)
    hosts = [host for host in config.hosts if host.name in texts]
    for host in hosts:
        try:
            body = telegraf.configuration(host, catalogue, frame, own=texts[host.name])
            lint.check(host, body, config)
            found = [*lint.warnings(body, lint.environment(host, config)), *lint.elsewhere(body, host, config)]
            warnings += [f"{host.name}.conf: {one.text}" for one in found]
            if image:
                unchecked = telegraf_of.check(host, body, lint.environment(host, config))
                warnings += [f"{host.name}.conf: {one}" for one in unchecked]
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


@dataclass(frozen=True)
class _ImageTelegraf:
    """The Telegraf of an image. One that was built here has only some plug-ins, and few programs besides."""

    engine: Engine
    image: str
    config: Config

    @cached_property
    def plugins(self) -> frozenset[str]:
        """The names of its plug-ins, such as `inputs.cpu`."""
        nothing = _tar({})
        _, output = self.engine.run_once(
            self.image, ["telegraf", "plugins"], files=nothing, environment=[], project=self.config.site
        )
        return frozenset(output.split())

    def check(self, host: Host, body: str, environment: Mapping[str, str]) -> list[str]:
        """Check a host's configuration; returns warnings about what could not be checked.

        On a systemd host another Telegraf runs. What only an image that was built here lacks is left out of its check.
        """
        variables = {"ARESMON_PASSWORD": "none"} | telegraf.variables(host, self.config)
        if host.agent != "systemd" or self.image != images.pins(self.config)["telegraf"].build:
            check(self.engine, self.image, host.name, body.encode(), variables, project=self.config.site)
            return []
        lacking = _lacking(tables.of(body, environment), self.plugins)
        while True:
            left = telegraf_toml.without(body, lacking).encode()
            failed = _NO_START.search(_rejection(self.engine, self.image, left, variables, self.config.site))
            if failed is None or (failed["kind"], failed["name"]) in lacking:
                break
            lacking[failed["kind"], failed["name"]] = f"cannot start it: {_shorten(failed['why'])}"
        check(self.engine, self.image, host.name, left, variables, project=self.config.site)
        return [
            f"{kind}.{name} was not checked: the image {self.image}, which was built here, {what}. The host's own "
            "Telegraf checks it at the push"
            for (kind, name), what in lacking.items()
        ]


def _lacking(found: tables.Configuration, plugins: Collection[str]) -> dict[tuple[str, str], str]:
    """The plug-ins of a configuration that a Telegraf with these plug-ins lacks, and the whole one has."""
    whole = {f"{kind}.{name}" for kind, names in _whole().items() for name in names}
    lacking = dict[tuple[str, str], str]()
    for kind in ("inputs", "outputs", "processors", "aggregators", "secretstores"):
        formats = "serializers" if kind == "outputs" else "parsers"
        for one in found.plugins(kind):
            needed = [one.name, *([f"{formats}.{one.read['data_format']}"] if "data_format" in one.read else [])]
            missing = [name for name in needed if name in whole and name not in plugins]
            if missing:
                lacking[kind, one.name.partition(".")[2]] = f"has no {missing[0]}"
    return lacking


@functools.cache
def _whole() -> Mapping[str, Sequence[str]]:
    found: Mapping[str, Sequence[str]] = yaml.safe_load(
        Path(__file__).with_name("plugins.yml").read_text(encoding="utf-8")
    )
    return found

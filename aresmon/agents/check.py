"""Telegraf's own check of a configuration, run in the image that will use it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from aresmon.agents import deprecations, lint, migration, plugin_names, tables
from aresmon.agents.deprecations import Deprecation
from aresmon.agents.tables import LintFinding
from aresmon.config import package_data, telegraf_text, telegraf_toml
from aresmon.config.collectors import Catalogue
from aresmon.config.model import Config, Host
from aresmon.engine import images
from aresmon.engine.docker import Engine
from aresmon.engine.images import tar_of
from aresmon.render import telegraf
from aresmon.render.telegraf import TelegrafTemplates
from aresmon.system import git
from aresmon.system.errors import AresmonError, SiteError
from aresmon.system.json_schema import did_you_mean
from aresmon.system.yaml_document import read_text

_WHICH_FOLDER = "give the folder of `configs`, which has a <host>.conf for each host"
_NAMED = re.compile(
    r"(?:could not initialize \w+ |plugin )(?P<kind>\w+)\.(?P<name>\w+)|error parsing (?P<other>\w+)(?: array)?, "
)
_ANSWER = re.compile(r"E! (?:loading config file \S+ failed: )?(?P<message>.*)", re.DOTALL)


def check(
    engine: Engine, image: str, host: str, configuration: bytes, variables: Mapping[str, str], *, project: str
) -> None:
    """Run `telegraf config check --strict-env-handling` in a temporary container.

    The configuration is copied into it, since the bundle on disk still has the running one. The site's CA certificate
    is left out: the check would only read it.

    Raises AresmonError with Telegraf's message if it rejects the configuration.
    """
    message, _ = _check(engine, image, configuration, variables, project)
    if message:
        raise AresmonError(
            f"{host}: Telegraf rejects the configuration: {_shorten(message)}",
            hint="nothing was changed; check the collectors in aresmon.yml and the files in overrides/. An older image "
            "lacks newer inputs: `aresmon images build telegraf` adds them",
        )


def _check(
    engine: Engine, image: str, configuration: bytes, variables: Mapping[str, str], project: str
) -> tuple[str, list[Deprecation]]:
    """Telegraf's message if it rejects the configuration, else an empty string; and what it calls deprecated."""
    environment = {name: "" if name == "ARESMON_CA" else value for name, value in variables.items()}
    code, output = engine.run_once(
        image,
        ["telegraf", "config", "check", "--strict-env-handling", "--config", "/etc/telegraf/telegraf.conf"],
        files=tar_of({"etc/telegraf/telegraf.conf": configuration, "run/secrets/agent": b"none"}),
        environment=[f"{name}={value}" for name, value in environment.items()],
        project=project,
    )
    said = deprecations.without_notices(output)
    match = _ANSWER.search(said)
    message = "" if code == 0 else (match["message"] if match else said)
    return message, list(deprecations.logged(output))


def _shorten(message: str) -> str:
    """Remove the parser's internal tables, which Telegraf prints in the middle of its message."""
    text = re.sub(r"(processing (field|value|table|element) [^:]*? failed: )|with value \S*&?\{.*?\}\S* ", "", message)
    text = re.sub(r"\n\S+Z E! (?:loading config file \S+ failed: )?", "; ", text)
    return " ".join(text.split())[-400:]


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
        own = texts[host.name]
        try:
            body = telegraf.configuration(host, catalogue, frame, own=own)
        except AresmonError as error:
            errors.append(error.message)
            continue
        environment = lint.environment(host, config)
        wrong, doubtful = lint.errors(body, host.name, environment), lint.warnings(body, environment)
        doubtful += [*lint.elsewhere(body, host, config), *lint.advice(body, host, config)]
        if image:
            rejected, unchecked = telegraf_of.check(host, body)
            wrong, doubtful = [*wrong, *rejected], [*doubtful, *unchecked]
            if rejected and _can_migrate(engine, image, own, config.site):
                what = (
                    f"`telegraf config migrate` would change it: `aresmon push-config {host.name} --migrate` shows how"
                )
                doubtful.append(LintFinding(what))
        errors += [f"{telegraf.place(host, body, own, one.line)}: {one.text}" for one in wrong]
        warnings += [f"{telegraf.place(host, body, own, one.line)}: {one.text}" for one in doubtful]
    if errors:
        raise SiteError([*errors, *warnings], hint="nothing was pushed")
    return [host.name for host in hosts], warnings


def _can_migrate(engine: Engine, image: str, text: str, project: str) -> bool:
    with suppress(AresmonError):
        text = telegraf_text.without_bom(text)
        return migration.migrate(engine, image, text, project=project) != text
    return False


def _texts(folder: Path) -> tuple[Mapping[str, str], list[str]]:
    """The files of the hosts, and why the others cannot be read."""
    texts, errors = dict[str, str](), list[str]()
    if not folder.is_dir():
        raise AresmonError(f"{folder} {'is not a folder' if folder.exists() else 'does not exist'}", hint=_WHICH_FOLDER)
    for path in sorted(folder.glob("*.conf")):
        try:
            texts[path.stem] = read_text(path)
            git.check_content(texts[path.stem], str(path))
        except AresmonError as error:
            errors.append(error.message)
            texts.pop(path.stem, None)
    if not texts and not errors:
        raise AresmonError(f"{folder} has no .conf file", hint=_WHICH_FOLDER)
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
        nothing = tar_of({})
        _, output = self.engine.run_once(
            self.image, ["telegraf", "plugins"], files=nothing, environment=[], project=self.config.site
        )
        return frozenset(output.split())

    def check(self, host: Host, body: str) -> tuple[list[LintFinding], list[LintFinding]]:
        """All that Telegraf rejects in a host's configuration, and warnings about what is deprecated or not checked.

        On a systemd host another Telegraf runs. A plug-in that this image lacks, because it was built here or is of
        another version, is left out of the check.
        """
        found = tables.of(body, {})
        is_other = host.agent == "systemd"
        is_lean = is_other and self.image == images.pins(self.config)["telegraf"].build
        lacking = _lacking(found, self.plugins) if is_other else {}
        left, rejected, old = telegraf_toml.without(body, lacking), list[LintFinding](), dict[Deprecation, None]()
        while True:
            message, notices = self._check(host, left)
            old |= dict.fromkeys(notices)
            if not message:
                break
            one = _Rejection.of(message, found)
            if is_lean and one.is_start and one.plugin:
                lacking[one.plugin] = f"cannot start it: {one.text}"
            else:
                rejected.append(LintFinding(f"Telegraf rejects the configuration: {one.text}", one.line))
            # Telegraf stops at the first error: ask again without what it names, for the next.
            former, left = left, one.without(left)
            if left == former:
                break
        version = self.image.rpartition(":")[2]
        built = ", which was built here," if is_lean else ""
        return rejected, [
            *(LintFinding(one.text, _line(one, found)) for one in old if one.is_near(version)),
            *(
                LintFinding(
                    f"{kind}.{name} was not checked: the image {self.image}{built} {what}. The host's own Telegraf "
                    "checks it at the push",
                    next(found.plugins(kind, name)).line(),
                )
                for (kind, name), what in lacking.items()
            ),
        ]

    def _check(self, host: Host, body: str) -> tuple[str, list[Deprecation]]:
        variables = telegraf.placeholders(host) | telegraf.variables(host, self.config)
        return _check(self.engine, self.image, body.encode(), variables, self.config.site)


def _line(old: Deprecation, found: tables.Configuration) -> int:
    """Where a deprecated setting is."""
    kind, _, name = old.plugin.partition(".")
    several = list(found.plugins(kind, name)) if name else [found.agent] if found.agent else []
    return next((one.line(old.setting) for one in several if not old.setting or old.setting in one.written), 0)


@dataclass(frozen=True, slots=True)
class _Rejection:
    """One rejection: what it says, the plug-in or the agent's settings that it names, and their line."""

    text: str
    line: int = 0
    plugin: tuple[str, str] | None = None
    lines: frozenset[int] = frozenset()
    is_start: bool = False

    @classmethod
    def of(cls, message: str, found: tables.Configuration) -> _Rejection:
        text, named = _shorten(message), _NAMED.search(message)
        fields = re.findall(r'"(\w+)"', message.partition("specified the fields")[2].partition("]")[0])
        if named is None:
            lines = found.agent.written.lines if found.agent else {}
            at = frozenset(lines[name] for name in fields if name in lines)
            return cls(re.sub(r"^line \d+: ", "", text) if at else text, min(at, default=0), lines=at)
        kinds = [named["kind"]] if named["kind"] else ["inputs", "outputs", "processors", "aggregators", "secretstores"]
        name = named["name"] or named["other"]
        several = [(kind, one) for kind in kinds for one in found.plugins(kind, name)]
        if not several:
            return cls(text)
        kind, first = next((pair for pair in several if any(key in pair[1].written for key in fields)), several[0])
        line = next((first.line(key) for key in fields if key in first.written), first.line())
        is_start = named[0].startswith("could not")
        text = text.partition(": ")[2] if is_start else text
        return cls(re.sub(r"line \d+:(?:\{\d+ \d+\}:)? ", "", text), line, (kind, name), is_start=is_start)

    def without(self, body: str) -> str:
        """A configuration without what was rejected."""
        if self.plugin:
            return telegraf_toml.without(body, {self.plugin})
        return "\n".join("" if n in self.lines else line for n, line in enumerate(body.split("\n"), 1))


def _lacking(found: tables.Configuration, plugins: Collection[str]) -> dict[tuple[str, str], str]:
    """The plug-ins of a configuration that a Telegraf with these plug-ins lacks, and the whole one has."""
    whole = {f"{kind}.{name}" for kind, names in plugin_names.whole().items() for name in names}
    lacking = dict[tuple[str, str], str]()
    for kind in ("inputs", "outputs", "processors", "aggregators", "secretstores"):
        formats = "serializers" if kind == "outputs" else "parsers"
        for one in found.plugins(kind):
            needed = [one.name, *([f"{formats}.{one.read['data_format']}"] if "data_format" in one.read else [])]
            missing = [name for name in needed if name in whole and name not in plugins]
            if missing:
                lacking[kind, one.name.partition(".")[2]] = f"has no {missing[0]}"
    return lacking

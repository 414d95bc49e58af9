"""A site with everything that its files say, read once a command and handed down."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from aresmon import __version__
from aresmon.config import collectors, model, view_files
from aresmon.config.collectors import Catalogue
from aresmon.config.layout import FILE
from aresmon.config.model import Config
from aresmon.config.package_data import SCHEMA
from aresmon.config.views import Views
from aresmon.site.folder import HostFiles, Site
from aresmon.system import files
from aresmon.system.errors import AresmonError, SiteError
from aresmon.system.json_schema import did_you_mean
from aresmon.system.yaml_document import Keys, bad_mapping, dotted, read_text
from aresmon.system.yaml_document import parse as parse_yaml


@dataclass(frozen=True)
class Project:
    """A site's folder and its configuration. The collectors and their views are read on first use, once.

    `digest` is that of the validated text, the schema and the release; empty for a text that is in no file.
    """

    site: Site
    config: Config
    digest: str = field(default="", compare=False, repr=False)

    @classmethod
    def load(cls, site: Site) -> Project:
        """Read aresmon.yml. Raises SiteError with everything that is wrong with it, and with what concerns the stack in
        overrides/. A host's own file there concerns that host alone: see `wrong_overrides`."""
        text = read_text(site.file)
        digest = hashlib.sha256(f"{__version__}\0{text}".encode() + SCHEMA.read_bytes()).hexdigest()
        config = parse(site, text, checked=_was_valid(site, digest))
        wrong = list(_wrong_compose_override(site))
        if wrong:
            raise SiteError(wrong, hint="docs/tutorial.md shows what belongs into overrides/")
        project = cls(site, config, digest)
        project.record_valid()
        return project

    def record_valid(self) -> None:
        """Note in `.aresmon`, once it exists, that this text is valid: the next command need not validate it."""
        if self.digest and self.site.state.is_dir() and not _was_valid(self.site, self.digest):
            with suppress(AresmonError):  # it only saves time
                files.write(self.site.state / "checked", self.digest.encode(), sync=False)

    @cached_property
    def catalogue(self) -> Catalogue:
        """The shipped collectors and the site's own, by name."""
        return collectors.load(self.site.overrides)

    @cached_property
    def views(self) -> Views:
        """The panels and alerts of each collector. Raises SiteError for a view of the site's own that is wrong."""
        return view_files.load(self.site.overrides)

    def wrong_overrides(self) -> list[str]:
        """What is wrong with the hosts' own files in overrides/. Each line concerns one host."""
        hosts = [host.name for host in self.config.hosts]
        return [
            *_wrong_host_files("hosts", self.site.host_fragments(), hosts),
            *_wrong_host_files("agents", self.site.own_agents(), hosts),
        ]

    def collector_secret_places(self) -> dict[str, str]:
        """Where aresmon.yml first names each secret of a collector, as `aresmon.yml:12 hosts.lewi.collect[0].http`."""
        document, places = parse_yaml(read_text(self.site.file)), dict[str, str]()
        for host, settings in document.data["hosts"].items():
            for index, item in enumerate((settings or {}).get("collect", ())):
                name, options = next(iter(item.items())) if isinstance(item, dict) else (item, None)
                for option, value in (options or {}).items():
                    if isinstance(value, dict):
                        keys: Keys = ("hosts", host, "collect", index, name, option)
                        places.setdefault(value["secret"], f"{FILE}:{document.line(keys)} {dotted(keys)}")
        return places

    def data_folders(self) -> dict[str, Path]:
        """The folders with the site's data, by service."""
        return {"influxdb": self.site.root / self.config.data, "grafana": self.site.root / self.config.grafana.data}


def parse(site: Site, text: str, *, checked: bool = False) -> Config:
    """Parse the text of an aresmon.yml for this site; with `checked`, without validating it against the schema.

    Raises SiteError with everything that is wrong with it.
    """
    known = collectors.load(site.overrides)
    return model.load(text, known, file=FILE, checked=checked, views=lambda: view_files.load(site.overrides))


def _was_valid(site: Site, digest: str) -> bool:
    """Whether this text was validated before: validating takes longer than everything else."""
    try:
        return (site.state / "checked").read_bytes() == digest.encode()
    except OSError:
        return False


def _wrong_compose_override(site: Site) -> Iterator[str]:
    """The form alone; Compose judges the rest."""
    path = site.overrides / "compose.yml"
    problem = bad_mapping(read_text(path)) if path.exists() else None
    if problem:
        yield problem.describe("overrides/compose.yml")


def _wrong_host_files(folder: str, found: HostFiles, hosts: Sequence[str]) -> Iterator[str]:
    for name in sorted({*found.texts, *found.errors}):
        if name not in hosts:
            yield f"overrides/{folder}/{name}.conf: there is no host {name}{did_you_mean(name, hosts)}"
        if name in found.errors:
            yield found.errors[name].message

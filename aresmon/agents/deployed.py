"""The configuration that runs on a host, found by its config ID among those that the site knows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

from aresmon.agents.sources import Releases
from aresmon.config.model import Host
from aresmon.config.package_data import package_files
from aresmon.render import telegraf
from aresmon.render.telegraf import TelegrafTemplates
from aresmon.site.folder import HostFiles
from aresmon.site.project import Project
from aresmon.system.errors import AresmonError


@dataclass(frozen=True)
class DeployedConfigs:
    """The configurations of a site's hosts. Each file is read when it is asked for, once."""

    project: Project

    def body(self, host: Host, config_id: str) -> str | None:
        """The configuration with this config ID, without it; None if it is not known here, as where it was pushed from
        another machine.

        A host that sends no config ID is taken to run its newest release, else what `up` renders for it.
        """
        return next(
            (body for found, body in self._known(host) if not config_id or config_id.startswith(f"{found}-")), None
        )

    def _known(self, host: Host) -> Iterator[tuple[str, str]]:
        """The configurations that a host may run, the likeliest first, each with its fingerprint."""
        releases = Releases(self.project.site.releases(host.name))
        newest = releases.newest()
        if newest is not None:
            with suppress(AresmonError):  # one that was found on the host may be no text
                yield newest.config_id.partition("-")[0], releases.body(newest.number)
        with suppress(AresmonError):  # a file of the site's own that is wrong; `check` and a push report it
            own, extra = self._own.text(host.name), self._fragments.text(host.name) or ""
            rendered = telegraf.configuration(host, self.project.catalogue, self._templates, own=own, extra=extra)
            yield telegraf.fingerprint(rendered), rendered
        # The server's own agent runs with this file, also while aresmon.yml has changed since.
        written = self.project.site.bundle / "agents" / host.name / "telegraf.conf"
        if written.is_file():
            text = telegraf.without_config_id(written.read_text("utf-8", "replace"), self._templates)
            yield telegraf.fingerprint(text), text
        for one in reversed(releases.all()):
            with suppress(AresmonError):
                yield one.config_id.partition("-")[0], releases.body(one.number)

    @cached_property
    def _templates(self) -> TelegrafTemplates:
        return TelegrafTemplates.of(package_files())

    @cached_property
    def _fragments(self) -> HostFiles:
        return self.project.site.host_fragments()

    @cached_property
    def _own(self) -> HostFiles:
        return self.project.site.own_agents()

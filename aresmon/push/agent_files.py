"""The files of a host's agent: a systemd service, a container of its own, or the server's own container."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from aresmon.config import names as config_names
from aresmon.config.model import Config, Host
from aresmon.push.protocol import AgentPaths, PushedFile
from aresmon.render import compose, telegraf
from aresmon.site import bundle as site_bundle
from aresmon.site import secrets as site_secrets
from aresmon.stack.access import Stack
from aresmon.system import dotenv
from aresmon.system.errors import AresmonError

_SYSTEMD = ("/etc/telegraf/telegraf.conf", "/etc/default/telegraf")
_STATE = "/var/lib/aresmon"


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """What one host's agent runs with. `account` is its database user, `variables` its environment without the
    password; `is_rotated`: the password replaces the one in the stack's secrets."""

    host: Host
    paths: AgentPaths
    account: str
    password: str = field(repr=False)
    variables: Mapping[str, str] = field(repr=False)
    is_rotated: bool = False


def agent_paths(config: Config, host: Host, stack: Stack) -> AgentPaths:
    """Where the files of a host's agent are."""
    if host == config.sidecar:
        folder = f"{stack.root}/.aresmon/bundle"
        return AgentPaths(
            host.name,
            "docker",
            config.site,
            f"{stack.root}/.aresmon/push",
            f"{folder}/agents/{host.name}/telegraf.conf",
            folder=folder,
            project=config.site,
            as_root=not stack.is_local,
        )
    state = f"{_STATE}/{config.site}"
    if host.agent == "docker":
        folder = f"{state}/agent"
        watched = f"{folder}/agents/{host.name}/telegraf.conf"
        project = f"{config.site}-{host.name.replace('.', '-')}"
        return AgentPaths(host.name, "docker", config.site, state, watched, folder=folder, project=project)
    return AgentPaths(host.name, "systemd", config.site, state, *_SYSTEMD)


def trusted_path(host: Host, paths: AgentPaths) -> str:
    """Where the host itself, and not a container of it, finds the site's certificate authority."""
    if host.agent == "systemd":
        return telegraf.trust(host)
    return f"{paths.watched.rpartition('/')[0]}/{config_names.AUTHORITY}"


@dataclass(frozen=True, slots=True)
class AgentFiles:
    """Makes the files of an agent. `package_files` are the package's own, `image` and `memory` those of the site's
    `telegraf` service."""

    config: Config
    stack: Stack
    package_files: Mapping[str, bytes] = field(repr=False)
    image: str
    memory: str

    def digest(self, host: Host) -> str:
        """A SHA-256 of what an agent needs besides its configuration and its variables; empty where that is nothing.

        Another one means that there is something to push: the trusted certificates, and of a container its image,
        memory limit and Compose files.
        """
        parts = [self.trusted()] if self.config.edge.channel.by_site else []
        if host.agent == "docker" and host != self.config.sidecar:
            parts += [self.image.encode(), self.memory.encode()]
            parts += [self.package_files[f"compose/{name}"] for name in compose.agent_files(host)]
        return hashlib.sha256(b"\0".join(parts)).hexdigest() if parts else ""

    def trusted(self) -> bytes:
        """The certificates (PEM) by which agents verify the edge; nothing where they know its authority already.

        Raises AresmonError where `up` has not made them yet.
        """
        if not self.config.edge.channel.by_site:
            return b""
        found = self.stack.bundle.get(f"agents/{self.config.server}/{config_names.AUTHORITY}", b"")
        if b"BEGIN CERTIFICATE" not in found:
            raise AresmonError(
                "the stack has no certificate authority for its agents yet", hint="`aresmon up` on the server makes it"
            )
        return found

    def build(self, settings: AgentSettings, text: bytes) -> list[PushedFile]:
        """Every file of this host's agent, in the order in which they are switched; `text` is its configuration."""
        if settings.host == self.config.sidecar:
            return self._sidecar(settings, text)
        if settings.host.agent == "docker":
            return self._container(settings, text)
        return self._service(settings, text)

    def _service(self, settings: AgentSettings, text: bytes) -> list[PushedFile]:
        environment = telegraf.environment_file(settings.variables, settings.password).encode()
        trusted = self.trusted()
        return [
            *([PushedFile(telegraf.trust(settings.host), trusted)] if trusted else []),
            PushedFile(settings.paths.environment, environment, "0640", "root:telegraf"),
            PushedFile(settings.paths.watched, text, "0640", "root:telegraf"),
        ]

    def _sidecar(self, settings: AgentSettings, text: bytes) -> list[PushedFile]:
        """What changes in the bundle of the stack: nothing of the other services."""
        name, bundle = settings.host.name, dict(self.stack.bundle)
        project = dotenv.variables(bundle.get(".env", b"").decode()).get("ARESMON_PROJECT")
        if project != self.config.site or site_bundle.MANIFEST not in bundle:
            raise AresmonError(
                f"{name}: the stack is not there yet", hint="`aresmon up` starts it, its own agent included"
            )
        path = f"agents/{name}/telegraf.conf"
        bundle[path] = text
        bundle[compose.AGENT_ENVIRONMENT] = compose.agent_environment(settings.variables).encode()
        mark = compose.sidecar_configuration(bundle, name, self._fingerprint(settings))
        bundle[".env"] = dotenv.with_variable(bundle[".env"].decode(), "TELEGRAF_CONFIGURATION", mark).encode()
        changed = [path, compose.AGENT_ENVIRONMENT, ".env"]
        bundle[site_bundle.MANIFEST] = site_bundle.manifest_with(
            bundle[site_bundle.MANIFEST], {one: bundle[one] for one in changed}
        )
        files = [
            PushedFile(f"{settings.paths.folder}/{one}", bundle[one], owner=self.stack.owner)
            for one in (*changed, site_bundle.MANIFEST)
        ]
        return [*self._sidecar_secret(settings), *files]

    def _fingerprint(self, settings: AgentSettings) -> str:
        name = site_secrets.agent(settings.host.name)
        known = {site_secrets.SITE_KEY: self.stack.secret(site_secrets.SITE_KEY), name: settings.password}
        return site_secrets.mark(known.__getitem__, name)

    def _sidecar_secret(self, settings: AgentSettings) -> list[PushedFile]:
        """The secret of the server's own agent, which its container has mounted, where it is replaced."""
        if not settings.is_rotated:
            return []
        path = f"{self.stack.root}/.aresmon/secrets/{site_secrets.agent(settings.host.name)}"
        return [PushedFile(path, settings.password.encode(), "0600", self.stack.agent_owner)]

    def _container(self, settings: AgentSettings, text: bytes) -> list[PushedFile]:
        """A Compose project with the agent alone."""
        host, paths = settings.host, settings.paths
        environment = compose.agent_environment(settings.variables).encode()
        names = compose.agent_files(host)
        path, trusted = f"agents/{host.name}/telegraf.conf", self.trusted()
        project = compose.agent_project(
            names,
            project=paths.project,
            image=self.image,
            memory=self.memory,
            folder=f"./{PurePosixPath(path).parent}",
            configuration=hashlib.sha256(text + environment + settings.password.encode() + trusted).hexdigest()[:12],
        )
        made = {name: self.package_files[f"compose/{name}"] for name in names}
        made |= {".env": project.encode(), compose.AGENT_ENVIRONMENT: environment, path: text}
        made |= {f"agents/{host.name}/{config_names.AUTHORITY}": trusted} if trusted else {}
        files = [PushedFile(f"{paths.folder}/{name}", content) for name, content in made.items()]
        secret = PushedFile(f"{paths.folder}/secrets/agent", settings.password.encode(), "0400", "1510:1510")
        return [secret, *files]

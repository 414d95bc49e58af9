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
from aresmon.site import secrets
from aresmon.stack.access import Stack
from aresmon.system import dotenv
from aresmon.system.errors import AresmonError

_SYSTEMD = ("/etc/telegraf/telegraf.conf", "/etc/default/telegraf")
_STATE = "/var/lib/aresmon"


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


@dataclass(frozen=True, slots=True)
class AgentFiles:
    """Makes the files of the site's agents. `package_files` are the package's own, `image` and `memory` those of the
    site's `telegraf` service."""

    config: Config
    stack: Stack
    package_files: Mapping[str, bytes] = field(repr=False)
    image: str
    memory: str

    def prepare(self, host: Host, new_password: str = "") -> PreparedAgent:
        """What a host's agent needs besides its configuration; `new_password` replaces the one that it has.

        Raises AresmonError where the agent has no password yet, or the site no certificate authority.
        """
        name = secrets.agent_secret(host.name)
        password = new_password or self.stack.secret(name)
        account = secrets.database_user(name, password)
        return PreparedAgent(
            self,
            host,
            agent_paths(self.config, host, self.stack),
            account,
            password,
            telegraf.variables(host, self.config, account=account),
            self._trusted(),
            {one.variable: self.stack.secret(one.path) for one in host.secrets},
            is_rotated=bool(new_password),
        )

    def _trusted(self) -> bytes:
        """The certificates (PEM) by which agents verify the edge; nothing where they know its authority already."""
        if not self.config.edge.channel.by_site:
            return b""
        found = self.stack.bundle.get(f"agents/{self.config.server}/{config_names.AUTHORITY}", b"")
        if b"BEGIN CERTIFICATE" not in found:
            raise AresmonError(
                "the stack has no certificate authority for its agents yet", hint="`aresmon up` on the server makes it"
            )
        return found


@dataclass(frozen=True, slots=True)
class PreparedAgent:
    """One host's agent. `account` is its database user, `variables` its environment without the secrets, `trusted` the
    certificates (PEM) by which it verifies the edge, `secrets` those of its collectors by their variables;
    `is_rotated`: its password replaces the stack's secret."""

    site: AgentFiles = field(repr=False)
    host: Host
    paths: AgentPaths
    account: str
    password: str = field(repr=False)
    variables: Mapping[str, str] = field(repr=False)
    trusted: bytes = field(repr=False)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    is_rotated: bool = False

    @property
    def is_sidecar(self) -> bool:
        """Whether this is the server's own agent."""
        return self.host == self.site.config.sidecar

    @property
    def names(self) -> tuple[str, ...]:
        """The variables that it reads, the secrets among them."""
        return tuple(sorted([*self.variables, *self.secrets, "ARESMON_PASSWORD"]))

    @property
    def authority(self) -> str:
        """Where the host itself, and not a container of it, finds the site's certificate authority; empty without."""
        if not self.trusted:
            return ""
        if self.host.agent == "systemd":
            return telegraf.ca_path(self.host)
        return f"{self.paths.watched.rpartition('/')[0]}/{config_names.AUTHORITY}"

    @property
    def digest(self) -> str:
        """A SHA-256 of what the agent needs besides its configuration and its variables; empty where that is nothing.

        Another one means that there is something to push: the trusted certificates, and of a container its image,
        memory limit and Compose files.
        """
        parts = [self.trusted] if self.trusted else []
        if self.host.agent == "docker" and not self.is_sidecar:
            parts += [self.site.image.encode(), self.site.memory.encode()]
            parts += [self.site.package_files[f"compose/{name}"] for name in compose.agent_files(self.host)]
            parts.append(self.site.package_files[compose.SHIPPED_HEALTH])
            parts += self._secret_files(PurePosixPath("secrets")).values()
        return hashlib.sha256(b"\0".join(parts)).hexdigest() if parts else ""

    def files(self, text: bytes) -> list[PushedFile]:
        """Every file of the agent, in the order in which they are switched; `text` is its configuration."""
        if self.is_sidecar:
            return self._sidecar(text)
        return self._container(text) if self.host.agent == "docker" else self._service(text)

    def _service(self, text: bytes) -> list[PushedFile]:
        environment = telegraf.environment_file(self.variables, self.password, self.secrets).encode()
        return [
            *([PushedFile(self.authority, self.trusted)] if self.trusted else []),
            PushedFile(self.paths.environment, environment, "0640", "root:telegraf"),
            PushedFile(self.paths.watched, text, "0640", "root:telegraf"),
        ]

    def _sidecar(self, text: bytes) -> list[PushedFile]:
        """What changes in the bundle of the stack: nothing of the other services."""
        name, stack = self.host.name, self.site.stack
        bundle = dict(stack.bundle)
        project = dotenv.variables(bundle.get(".env", b"").decode()).get("ARESMON_PROJECT")
        if project != self.site.config.site or site_bundle.MANIFEST not in bundle:
            raise AresmonError(
                f"{name}: the stack is not there yet", hint="`aresmon up` starts it, its own agent included"
            )
        path = f"agents/{name}/telegraf.conf"
        bundle[path] = text
        bundle[compose.AGENT_ENVIRONMENT] = compose.agent_environment(self.variables).encode()
        # Those of a collector that is no longer there do not count: the next `up` removes them.
        bundle.pop(f"agents/{name}/{compose.AGENT_START}", None)
        given = self._secret_files(PurePosixPath(stack.root, ".aresmon/secrets"))
        bundle |= given
        digest = compose.sidecar_configuration(bundle, name, self._fingerprints())
        env = dotenv.with_variable(bundle[".env"].decode(), "TELEGRAF_CONFIGURATION", digest)
        bundle[".env"] = dotenv.with_variable(env, "COMPOSE_FILE", self._compose_files(env)).encode()
        changed = {one: bundle[one] for one in (path, compose.AGENT_ENVIRONMENT, *given, ".env")}
        changed[site_bundle.MANIFEST] = site_bundle.update_manifest(bundle[site_bundle.MANIFEST], changed)
        files = [
            PushedFile(f"{self.paths.folder}/{one}", content, owner=stack.owner) for one, content in changed.items()
        ]
        return [*self._sidecar_secret(), *files]

    def _secret_files(self, folder: PurePosixPath) -> dict[str, bytes]:
        """The files that give a container the secrets of its collectors, which are in this folder."""
        return compose.container_secrets(self.host, folder, self.site.package_files)

    def _compose_files(self, env: str) -> str:
        """The Compose files of the stack: with the one for the secrets of this agent's collectors, or without it."""
        names = [one for one in dotenv.variables(env)["COMPOSE_FILE"].split(":") if one != compose.AGENT_SECRETS]
        if self.host.secrets:
            names.insert(names.index(compose.AGENT_ENVIRONMENT) + 1, compose.AGENT_SECRETS)
        return ":".join(names)

    def _fingerprints(self) -> list[str]:
        """Keyed fingerprints of the password and of the collectors' secrets, as the bundle has them."""
        name = secrets.agent_secret(self.host.name)
        known = {secrets.SITE_KEY: self.site.stack.secret(secrets.SITE_KEY), name: self.password}
        known |= {one.path: self.secrets[one.variable] for one in self.host.secrets}
        return [secrets.fingerprint(known.__getitem__, one) for one in known if one != secrets.SITE_KEY]

    def _sidecar_secret(self) -> list[PushedFile]:
        """The secret of the server's own agent, which its container has mounted, where it is replaced."""
        if not self.is_rotated:
            return []
        path = f"{self.site.stack.root}/.aresmon/secrets/{secrets.agent_secret(self.host.name)}"
        return [PushedFile(path, self.password.encode(), "0600", self.site.stack.agent_owner)]

    def _container(self, text: bytes) -> list[PushedFile]:
        """A Compose project with the agent alone."""
        environment = compose.agent_environment(self.variables).encode()
        names = compose.agent_files(self.host)
        inside = f"agents/{self.host.name}"
        path = f"{inside}/telegraf.conf"
        parts = (
            text,
            environment,
            self.password.encode(),
            self.trusted,
            *(one.encode() for one in self.secrets.values()),
        )
        project = compose.agent_project(
            [*names, *([compose.AGENT_SECRETS] if self.secrets else [])],
            project=self.paths.project,
            image=self.site.image,
            memory=self.site.memory,
            folder=f"./{inside}",
            configuration=hashlib.sha256(b"".join(parts)).hexdigest()[:12],
        )
        # The check is there before the container that runs it.
        made = {f"{inside}/{config_names.AGENT_HEALTH}": self.site.package_files[compose.SHIPPED_HEALTH]}
        made |= {name: self.site.package_files[f"compose/{name}"] for name in names}
        made |= {".env": project.encode(), compose.AGENT_ENVIRONMENT: environment, path: text}
        made |= {f"{inside}/{config_names.AUTHORITY}": self.trusted} if self.trusted else {}
        made |= self._secret_files(PurePosixPath("secrets"))
        files = [PushedFile(f"{self.paths.folder}/{name}", content) for name, content in made.items()]
        kept = {"agent": self.password}
        kept |= {one.path: self.secrets[one.variable] for one in self.host.secrets}
        folder = f"{self.paths.folder}/secrets"
        return [
            *(PushedFile(f"{folder}/{name}", one.encode(), "0400", "1510:1510") for name, one in kept.items()),
            *files,
        ]

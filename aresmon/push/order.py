"""What each host should run, and the order that brings it there."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from aresmon.agents import lint
from aresmon.config import names as config_names
from aresmon.config.model import Config, Host
from aresmon.push.protocol import AgentPaths, PushedFile, PushOrder, WriteAccess
from aresmon.render import compose, telegraf
from aresmon.render.telegraf import TelegrafTemplates
from aresmon.site import bundle as site_bundle
from aresmon.site import secrets as site_secrets
from aresmon.system import dotenv
from aresmon.system.errors import AresmonError

_SYSTEMD = ("/etc/telegraf/telegraf.conf", "/etc/default/telegraf")
_STATE = "/var/lib/aresmon"


@dataclass(frozen=True, slots=True)
class Stack:
    """Where the site's stack is. `root` is the site's folder on the server, `owner` whose it is (`user:group`),
    `is_here` whether that is this machine; `secret` reads a secret by its name, `bundle` is what is there of it,
    `moving` are the secrets that a push is to replace, with their new values."""

    root: str
    is_here: bool
    secret: Callable[[str], str] = field(repr=False)
    bundle: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    owner: str = "-"
    moving: Mapping[str, str] = field(default_factory=dict, repr=False)

    def value(self, name: str) -> str:
        """A secret as it is to be. Raises AresmonError where there is none of that name."""
        return self.moving.get(name) or self.secret(name)


@dataclass(frozen=True, slots=True)
class Target:
    """What a host should run. `body` is its configuration without a mark, `commit` where it comes from in `configs`,
    `notes` what is not wise in it."""

    host: Host
    body: str
    commit: str = ""
    notes: tuple[str, ...] = ()

    @property
    def content(self) -> str:
        return telegraf.fingerprint(self.body)


@dataclass(frozen=True, slots=True)
class PushOptions:
    """How a push is to be done, as its options say."""

    by: str
    verify: bool = True
    strict: bool = False
    overwrite: bool = False
    force: bool = False
    break_lock: bool = False
    deadline: int | None = None


def agent(config: Config, host: Host, stack: Stack) -> AgentPaths:
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
            as_root=not stack.is_here,
        )
    state = f"{_STATE}/{config.site}"
    if host.agent == "docker":
        folder = f"{state}/agent"
        watched = f"{folder}/agents/{host.name}/telegraf.conf"
        project = f"{config.site}-{host.name.replace('.', '-')}"
        return AgentPaths(host.name, "docker", config.site, state, watched, folder=folder, project=project)
    return AgentPaths(host.name, "systemd", config.site, state, *_SYSTEMD)


def order(
    target: Target,
    config: Config,
    stack: Stack,
    templates: TelegrafTemplates,
    *,
    options: PushOptions,
    files: AgentFiles,
) -> PushOrder:
    """The order that brings a target to its host. Raises AresmonError where something for it is missing."""
    host = target.host
    where = agent(config, host, stack)
    password = stack.value(site_secrets.agent(host.name))
    account = site_secrets.account(site_secrets.agent(host.name), password)
    variables = telegraf.variables(host, config, account=account)
    content = _content(target.body, password, variables, files.around(host))
    transaction = f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{secrets.token_hex(4)}"
    mark = f"{target.content}-{transaction}"
    text = telegraf.marked(target.body, mark, templates).encode()
    is_sidecar = host == config.sidecar
    made = files.of(host, where, text, password)
    return PushOrder(
        agent=where,
        files=tuple(made),
        content=content,
        mark=mark,
        output=hashlib.sha256(f"{lint.output_of(target.body)}{content[12:]}".encode()).hexdigest()[:12],
        transaction=transaction,
        by=options.by,
        deadline=options.deadline or lint.pace(target.body).deadline,
        flush=lint.rounded_interval(target.body),
        names=tuple(sorted([*variables, "ARESMON_PASSWORD"])),
        access=_access(variables, account, password),
        authority=_authority(host, where) if config.edge.channel.by_site else "",
        verify=options.verify,
        # What aresmon's own `up` wrote there is no drift; an edit by hand is seen by the bundle's manifest.
        overwrite=options.overwrite or is_sidecar,
        force=options.force,
        break_lock=options.break_lock,
    )


def _access(variables: Mapping[str, str], account: str, password: str) -> WriteAccess | None:
    """How the right to write is tried beforehand; not where the edge's certificate is for another name."""
    if variables["ARESMON_EDGE"]:
        return None
    return WriteAccess(variables["ARESMON_URL"], account, password, config_names.DATABASE)


def _authority(host: Host, where: AgentPaths) -> str:
    """Where the host itself, and not a container of it, finds the site's certificate authority."""
    if host.agent == "systemd":
        return telegraf.trust(host)
    return f"{where.watched.rpartition('/')[0]}/{config_names.AUTHORITY}"


def _content(body: str, password: str, variables: Mapping[str, str], around: str) -> str:
    """What tells whether there is anything to bring: the configuration, and a keyed mark of all that goes with it."""
    told = json.dumps([variables, around], sort_keys=True)
    return telegraf.fingerprint(body) + hmac.new(password.encode(), told.encode(), hashlib.sha256).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class AgentFiles:
    """Makes the files of an agent. `shipped` are the package's own, `image` and `users` those of the site's
    `telegraf` service, `fingerprint` the mark of the sidecar's secret, `reader` who reads that (`user:group`)."""

    config: Config
    stack: Stack
    shipped: Mapping[str, bytes]
    image: str
    memory: str
    fingerprint: Callable[[str], str]
    reader: str = "-"

    def around(self, host: Host) -> str:
        """What an agent needs besides its configuration, and in a container is made of: another one is brought too."""
        parts = [self.trusted()] if self.config.edge.channel.by_site else []
        if host.agent == "docker" and host != self.config.sidecar:
            parts += [self.image.encode(), self.memory.encode()]
            parts += [self.shipped[f"compose/{name}"] for name in compose.agent_files(host)]
        return hashlib.sha256(b"\0".join(parts)).hexdigest() if parts else ""

    def trusted(self) -> bytes:
        """The certificates by which agents know the edge; none where they know its authority already.

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

    def of(self, host: Host, where: AgentPaths, text: bytes, password: str) -> list[PushedFile]:
        """Every file of this host's agent, in the order in which they are switched."""
        account = site_secrets.account(site_secrets.agent(host.name), password)
        if host == self.config.sidecar:
            return self._sidecar(host, where, text, account)
        if host.agent == "docker":
            return self._container(host, where, text, password)
        environment = telegraf.environment(host, self.config, password, account=account).encode()
        trusted = self.trusted()
        return [
            *([PushedFile(telegraf.trust(host), trusted)] if trusted else []),
            PushedFile(where.environment, environment, "0640", "root:telegraf"),
            PushedFile(where.watched, text, "0640", "root:telegraf"),
        ]

    def _sidecar(self, host: Host, where: AgentPaths, text: bytes, account: str) -> list[PushedFile]:
        """What changes in the bundle that is there: nothing of the other services."""
        there = dict(self.stack.bundle)
        project = dotenv.variables(there.get(".env", b"").decode()).get("ARESMON_PROJECT")
        if project != self.config.site or site_bundle.MANIFEST not in there:
            raise AresmonError(
                f"{host.name}: the stack is not there yet", hint="`aresmon up` starts it, its own agent included"
            )
        path = f"agents/{host.name}/telegraf.conf"
        there[path] = text
        variables = telegraf.variables(host, self.config, account=account)
        there[compose.AGENT_ENVIRONMENT] = compose.agent_environment(variables).encode()
        mark = compose.sidecar_configuration(there, host.name, self.fingerprint(site_secrets.agent(host.name)))
        there[".env"] = dotenv.with_variable(there[".env"].decode(), "TELEGRAF_CONFIGURATION", mark).encode()
        changed = [path, compose.AGENT_ENVIRONMENT, ".env"]
        there[site_bundle.MANIFEST] = site_bundle.manifest_with(
            there[site_bundle.MANIFEST], {name: there[name] for name in changed}
        )
        owner = self.stack.owner
        files = [
            PushedFile(f"{where.folder}/{name}", there[name], owner=owner) for name in (*changed, site_bundle.MANIFEST)
        ]
        return [*self._moving(host), *files]

    def _moving(self, host: Host) -> list[PushedFile]:
        """The secret of the server's own agent, which its container has mounted, where it is replaced."""
        name = site_secrets.agent(host.name)
        if name not in self.stack.moving:
            return []
        content = self.stack.moving[name].encode()
        return [PushedFile(f"{self.stack.root}/.aresmon/secrets/{name}", content, "0600", self.reader)]

    def _container(self, host: Host, where: AgentPaths, text: bytes, password: str) -> list[PushedFile]:
        """A Compose project with the agent alone."""
        account = site_secrets.account(site_secrets.agent(host.name), password)
        variables = telegraf.variables(host, self.config, account=account)
        environment = compose.agent_environment(variables).encode()
        names = compose.agent_files(host)
        path, trusted = f"agents/{host.name}/telegraf.conf", self.trusted()
        settings = compose.agent_project(
            names,
            project=where.project,
            image=self.image,
            memory=self.memory,
            folder=f"./{PurePosixPath(path).parent}",
            configuration=hashlib.sha256(text + environment + password.encode() + trusted).hexdigest()[:12],
        )
        made = {name: self.shipped[f"compose/{name}"] for name in names}
        made |= {".env": settings.encode(), compose.AGENT_ENVIRONMENT: environment, path: text}
        made |= {f"agents/{host.name}/{config_names.AUTHORITY}": trusted} if trusted else {}
        files = [PushedFile(f"{where.folder}/{name}", content) for name, content in made.items()]
        secret = PushedFile(f"{where.folder}/secrets/agent", password.encode(), "0400", "1510:1510")
        return [secret, *files]

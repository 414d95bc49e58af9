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

from aresmon import bundle, credentials, lint
from aresmon.errors import AresmonError
from aresmon.fleet import Fleet, Host
from aresmon.render import compose, telegraf
from aresmon.render.telegraf import Frame
from aresmon.transaction import Access, Agent, File, Order

_SYSTEMD = ("/etc/telegraf/telegraf.conf", "/etc/default/telegraf")
_STATE = "/var/lib/aresmon"


@dataclass(frozen=True, slots=True)
class Stack:
    """Where the site's stack is. `root` is the site's folder on the server, `owner` whose it is (`user:group`),
    `is_here` whether that is this machine; `secret` reads a secret by its name, `bundle` is what is there of it."""

    root: str
    is_here: bool
    secret: Callable[[str], str] = field(repr=False)
    bundle: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    owner: str = "-"


@dataclass(frozen=True, slots=True)
class Wish:
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
class Manner:
    """How a push is to be done, as its options say."""

    by: str
    verify: bool = True
    strict: bool = False
    overwrite: bool = False
    force: bool = False
    break_lock: bool = False
    deadline: int | None = None


def check(host: Host, body: str, fleet: Fleet) -> None:
    """Raise AresmonError with everything for which this configuration must not be brought to this host."""
    known = {*telegraf.variables(host, fleet), "ARESMON_PASSWORD"}
    wrong = lint.errors(body, host.name, known)
    if wrong:
        raise AresmonError(
            "\n".join(f"{host.name}.conf: {one}" for one in wrong), hint="nothing was changed; mend it, and push again"
        )


def agent(fleet: Fleet, host: Host, stack: Stack) -> Agent:
    """Where the files of a host's agent are."""
    if host == fleet.sidecar:
        folder = f"{stack.root}/.aresmon/bundle"
        return Agent(
            host.name,
            "docker",
            fleet.site,
            f"{stack.root}/.aresmon/push",
            f"{folder}/agents/{host.name}/telegraf.conf",
            folder=folder,
            project=fleet.site,
            as_root=not stack.is_here,
        )
    state = f"{_STATE}/{fleet.site}"
    if host.agent == "docker":
        folder = f"{state}/agent"
        watched = f"{folder}/agents/{host.name}/telegraf.conf"
        project = f"{fleet.site}-{host.name.replace('.', '-')}"
        return Agent(host.name, "docker", fleet.site, state, watched, folder=folder, project=project)
    return Agent(host.name, "systemd", fleet.site, state, *_SYSTEMD)


def order(wished: Wish, fleet: Fleet, stack: Stack, frame: Frame, *, manner: Manner, files: AgentFiles) -> Order:
    """The order that brings a wish to its host. Raises AresmonError where something for it is missing."""
    host = wished.host
    where = agent(fleet, host, stack)
    password = stack.secret(credentials.agent(host.name))
    variables = telegraf.variables(host, fleet)
    content = _content(wished.body, password, variables, files.around(host))
    transaction = f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{secrets.token_hex(4)}"
    mark = f"{wished.content}-{transaction}"
    text = telegraf.marked(wished.body, mark, frame).encode()
    is_sidecar = host == fleet.sidecar
    made = files.of(host, where, text, password)
    return Order(
        agent=where,
        files=tuple(made),
        content=content,
        mark=mark,
        output=hashlib.sha256(f"{lint.output_of(wished.body)}{content[12:]}".encode()).hexdigest()[:12],
        transaction=transaction,
        by=manner.by,
        deadline=manner.deadline or lint.pace(wished.body).deadline,
        flush=lint.rounded_interval(wished.body),
        names=tuple(sorted([*variables, "ARESMON_PASSWORD"])),
        access=Access(variables["ARESMON_URL"], telegraf.user(host), password, telegraf.DATABASE),
        verify=manner.verify,
        # What aresmon's own `up` wrote there is no drift; an edit by hand is seen by the bundle's manifest.
        overwrite=manner.overwrite or is_sidecar,
        force=manner.force,
        break_lock=manner.break_lock,
    )


def _content(body: str, password: str, variables: Mapping[str, str], around: str) -> str:
    """What tells whether there is anything to bring: the configuration, and a keyed mark of all that goes with it."""
    told = json.dumps([variables, around], sort_keys=True)
    return telegraf.fingerprint(body) + hmac.new(password.encode(), told.encode(), hashlib.sha256).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class AgentFiles:
    """Makes the files of an agent. `shipped` are the package's own, `image` and `users` those of the site's
    `telegraf` service, `fingerprint` the mark of the sidecar's secret."""

    fleet: Fleet
    stack: Stack
    shipped: Mapping[str, bytes]
    image: str
    memory: str
    fingerprint: Callable[[str], str]

    def around(self, host: Host) -> str:
        """What an agent in a container of its own is made of besides its configuration: another one is brought too."""
        if host.agent == "systemd" or host == self.fleet.sidecar:
            return ""
        files = (self.shipped[f"compose/{name}"] for name in compose.agent_files(host))
        return hashlib.sha256(b"\0".join([self.image.encode(), self.memory.encode(), *files])).hexdigest()

    def of(self, host: Host, where: Agent, text: bytes, password: str) -> list[File]:
        """Every file of this host's agent, in the order in which they are switched."""
        if host == self.fleet.sidecar:
            return self._sidecar(host, where, text)
        if host.agent == "docker":
            return self._container(host, where, text, password)
        environment = telegraf.environment(host, self.fleet, password).encode()
        return [
            File(where.environment, environment, "0640", "root:telegraf"),
            File(where.watched, text, "0640", "root:telegraf"),
        ]

    def _sidecar(self, host: Host, where: Agent, text: bytes) -> list[File]:
        """What changes in the bundle that is there: nothing of the other services."""
        there = dict(self.stack.bundle)
        project = compose.variables(there.get(".env", b"").decode()).get("ARESMON_PROJECT")
        if project != self.fleet.site or bundle.MANIFEST not in there:
            raise AresmonError(
                f"{host.name}: the stack is not there yet", hint="`aresmon up` starts it, its own agent included"
            )
        path = f"agents/{host.name}/telegraf.conf"
        there[path] = text
        there[compose.AGENT_ENVIRONMENT] = compose.agent_environment(telegraf.variables(host, self.fleet)).encode()
        mark = compose.sidecar_configuration(there, host.name, self.fingerprint(credentials.agent(host.name)))
        there[".env"] = compose.with_variable(there[".env"].decode(), "TELEGRAF_CONFIGURATION", mark).encode()
        changed = [path, compose.AGENT_ENVIRONMENT, ".env"]
        there[bundle.MANIFEST] = bundle.manifest_with(there[bundle.MANIFEST], {name: there[name] for name in changed})
        owner = self.stack.owner
        return [File(f"{where.folder}/{name}", there[name], owner=owner) for name in (*changed, bundle.MANIFEST)]

    def _container(self, host: Host, where: Agent, text: bytes, password: str) -> list[File]:
        """A Compose project with the agent alone."""
        variables = telegraf.variables(host, self.fleet)
        environment = compose.agent_environment(variables).encode()
        names = compose.agent_files(host)
        path = f"agents/{host.name}/telegraf.conf"
        settings = compose.agent_project(
            names,
            project=where.project,
            image=self.image,
            memory=self.memory,
            folder=f"./{PurePosixPath(path).parent}",
            configuration=hashlib.sha256(text + environment + password.encode()).hexdigest()[:12],
        )
        made = {name: self.shipped[f"compose/{name}"] for name in names}
        made |= {".env": settings.encode(), compose.AGENT_ENVIRONMENT: environment, path: text}
        files = [File(f"{where.folder}/{name}", content) for name, content in made.items()]
        secret = File(f"{where.folder}/secrets/agent", password.encode(), "0400", "1510:1510")
        return [secret, *files]

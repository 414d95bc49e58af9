"""What a host should run, and the order that deploys it."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import time
from dataclasses import dataclass, field

from aresmon.agents import lint
from aresmon.config import names as config_names
from aresmon.config.model import Host
from aresmon.push.agent_files import AgentFiles, AgentSettings, agent_paths, trusted_path
from aresmon.push.protocol import PushOrder, WriteAccess
from aresmon.render import telegraf
from aresmon.render.telegraf import TelegrafTemplates
from aresmon.site import secrets as site_secrets


@dataclass(frozen=True, slots=True)
class Target:
    """What a host should run. `body` is its configuration without the config ID, `commit` where it comes from in
    `configs`, `notes` warnings about it; `password` replaces the agent's present one, where it is rotated."""

    host: Host
    body: str
    commit: str = ""
    notes: tuple[str, ...] = ()
    password: str = field(default="", repr=False)

    @property
    def content(self) -> str:
        return telegraf.fingerprint(self.body)


@dataclass(frozen=True, slots=True)
class PushOptions:
    """How to push, as the command's options say."""

    by: str
    verify: bool = True
    strict: bool = False
    overwrite: bool = False
    force: bool = False
    break_lock: bool = False
    deadline: int | None = None


def order(target: Target, files: AgentFiles, templates: TelegrafTemplates, options: PushOptions) -> PushOrder:
    """The order that deploys a target to its host. Raises AresmonError where something for it is missing."""
    body, settings = target.body, _settings(target, files)
    content = _content(body, settings, files.digest(target.host))
    transaction = f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{secrets.token_hex(4)}"
    mark = f"{target.content}-{transaction}"
    is_sidecar = target.host == files.config.sidecar
    return PushOrder(
        agent=settings.paths,
        files=tuple(files.build(settings, telegraf.marked(body, mark, templates).encode())),
        content=content,
        mark=mark,
        output=hashlib.sha256(f"{lint.output_of(body)}{content[12:]}".encode()).hexdigest()[:12],
        transaction=transaction,
        by=options.by,
        deadline=options.deadline or lint.pace(body).deadline,
        flush=lint.rounded_interval(body),
        names=tuple(sorted([*settings.variables, "ARESMON_PASSWORD"])),
        access=_access(settings),
        authority=trusted_path(target.host, settings.paths) if files.config.edge.channel.by_site else "",
        verify=options.verify,
        # What aresmon's own `up` wrote there is no drift; an edit by hand is seen by the bundle's manifest.
        overwrite=options.overwrite or is_sidecar,
        force=options.force,
        break_lock=options.break_lock,
    )


def _settings(target: Target, files: AgentFiles) -> AgentSettings:
    host, name = target.host, site_secrets.agent(target.host.name)
    password = target.password or files.stack.secret(name)
    account = site_secrets.account(name, password)
    variables = telegraf.variables(host, files.config, account=account)
    paths = agent_paths(files.config, host, files.stack)
    return AgentSettings(host, paths, account, password, variables, is_rotated=bool(target.password))


def _access(settings: AgentSettings) -> WriteAccess | None:
    """How the permission to write is tested beforehand; not where the edge's certificate is for another name."""
    if settings.variables["ARESMON_EDGE"]:
        return None
    return WriteAccess(settings.variables["ARESMON_URL"], settings.account, settings.password, config_names.DATABASE)


def _content(body: str, settings: AgentSettings, others: str) -> str:
    """What tells whether there is anything to push: the configuration's fingerprint, and a keyed one of the rest."""
    text = json.dumps([settings.variables, others], sort_keys=True)
    key = settings.password.encode()
    return telegraf.fingerprint(body) + hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:12]

"""What a host should run, and the order that deploys it."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import time
from dataclasses import dataclass, field

from aresmon.agents import lint, readings, trial
from aresmon.agents.readings import NO_READINGS, ReadingTimes
from aresmon.agents.remedies import CollectorNeeds
from aresmon.config import names
from aresmon.config.model import Host
from aresmon.config.telegraf_toml import TelegrafTomlError
from aresmon.push.agent_files import AgentFiles, PreparedAgent
from aresmon.push.protocol import PushOrder, WriteAccess
from aresmon.render import telegraf
from aresmon.render.telegraf import TelegrafTemplates

_AS_FOUND = 10  # seconds for which an agent must keep running with a configuration that is brought back as found


@dataclass(frozen=True, slots=True)
class Target:
    """What a host should run. `body` is its configuration without the config ID, `commit` where it comes from in
    `configs`, `notes` warnings about it, `elsewhere` says that no output leads to this site; `password` replaces the
    agent's present one, where it is rotated; `restores` is the number of the release that it is.

    `replaces` are the SHA-256 of configurations that a first push may replace; `overwrite` discards what was changed
    on the host. `as_found` is a configuration as it was found there, which is deployed instead of `body` without a
    config ID. `former` is the configuration of the last push, empty where it is unknown: inputs that it has need no
    trial. `collectors` are those of the host, with what each needs.
    """

    host: Host
    body: str
    commit: str = ""
    notes: tuple[str, ...] = ()
    elsewhere: str = ""
    password: str = field(default="", repr=False)
    replaces: tuple[str, ...] = ()
    overwrite: bool = False
    as_found: bytes | None = field(default=None, repr=False)
    restores: int | None = None
    former: str = field(default="", repr=False)
    collectors: tuple[CollectorNeeds, ...] = field(default=(), repr=False)

    @property
    def content(self) -> str:
        return telegraf.fingerprint(self.body)


@dataclass(frozen=True, slots=True)
class PushOptions:
    """How to push, as the command's options say; `why` is the reason that was given."""

    by: str
    verify: bool = True
    strict: bool = False
    overwrite: bool = False
    force: bool = False
    break_lock: bool = False
    deadline: int | None = None
    soak: int = 0
    why: str = ""


def order(target: Target, files: AgentFiles, templates: TelegrafTemplates, options: PushOptions) -> PushOrder:
    """The order that deploys a target to its host. Raises AresmonError where something for it is missing."""
    if target.as_found is not None:
        return _order_as_found(target, target.as_found, files, options)
    body, agent = target.body, files.prepare(target.host, target.password)
    content, transaction = _content(target.content, agent), _transaction()
    config_id = f"{target.content}-{transaction}"
    return PushOrder(
        agent=agent.paths,
        files=tuple(agent.files(telegraf.with_config_id(body, config_id, templates).encode())),
        content=content,
        config_id=config_id,
        output=hashlib.sha256(f"{lint.output_settings(body)}{content[12:]}".encode()).hexdigest()[:12],
        transaction=transaction,
        by=options.by,
        deadline=options.deadline or lint.read_timing(body, agent.variables).deadline,
        flush=lint.rounded_interval(body, agent.variables),
        # Without verification a push is as quick as it can be: it neither waits nor runs anything beside the agent.
        readings=readings.read(body, agent.variables) if options.verify else NO_READINGS,
        cpu_reader=readings.cpu_reader(body, agent.variables) if options.verify else "",
        names=agent.names,
        outputs=tuple(lint.output_urls(body, agent.variables)),
        access=_access(agent),
        authority=agent.authority,
        verify=options.verify,
        # What aresmon's own `up` wrote there is no drift; an edit by hand is seen by the bundle's manifest.
        overwrite=options.overwrite or target.overwrite or agent.is_sidecar,
        force=options.force,
        break_lock=options.break_lock,
        replaces=target.replaces,
        trial=trial.inputs(target.former, body) if options.verify else (),
        collectors=target.collectors,
        secrets=tuple(agent.secrets.values()),
    )


def _order_as_found(target: Target, content: bytes, files: AgentFiles, options: PushOptions) -> PushOrder:
    """The order that brings back a configuration byte for byte, whatever it says."""
    agent = files.prepare(target.host)
    digest = hashlib.sha256(content).hexdigest()[:12]
    return PushOrder(
        agent=agent.paths,
        files=tuple(agent.files(content)),
        content=_content(digest, agent),
        config_id="",
        output=digest,
        transaction=_transaction(),
        by=options.by,
        deadline=options.deadline or 2 * _AS_FOUND,
        readings=_readings_as_found(content, agent),
        names=agent.names,
        authority=agent.authority,
        verify=False,
        overwrite=True,
        force=options.force,
        break_lock=options.break_lock,
        as_found=_AS_FOUND,
    )


def _readings_as_found(content: bytes, agent: PreparedAgent) -> ReadingTimes:
    """When an agent reads with this configuration; unknown where it cannot be parsed."""
    try:
        return readings.read(content.decode(), agent.variables)
    except (UnicodeDecodeError, TelegrafTomlError):
        return NO_READINGS


def _transaction() -> str:
    return f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{secrets.token_hex(4)}"


def _access(agent: PreparedAgent) -> WriteAccess | None:
    """How the permission to write is tested before the switch; not where the edge's certificate is for another name."""
    if agent.variables["ARESMON_EDGE"]:
        return None
    return WriteAccess(agent.variables["ARESMON_URL"], agent.account, agent.password, names.DATABASE)


def _content(fingerprint: str, agent: PreparedAgent) -> str:
    """What tells whether there is anything to push: the configuration's fingerprint, and a keyed one of the rest."""
    parts = [agent.variables, agent.digest, *([agent.secrets] if agent.secrets else [])]
    text = json.dumps(parts, sort_keys=True)
    return fingerprint + hmac.new(agent.password.encode(), text.encode(), hashlib.sha256).hexdigest()[:12]

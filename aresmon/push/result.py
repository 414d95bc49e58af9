"""How a push ends for a host."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from aresmon.agents import deprecations, remedies

if TYPE_CHECKING:
    from aresmon.agents.remedies import CollectorNeeds
    from aresmon.push.protocol import AgentPaths, HostMessage, HostSurvey, PushOrder


class PushOutcome(StrEnum):
    """How a push ended for one host."""

    VERIFIED = "verified"
    UNCHANGED = "unchanged"
    UNVERIFIED = "unverified"
    REFUSED = "refused"
    DRIFTED = "drifted"
    UNREACHABLE = "unreachable"
    SILENT = "silent"
    SKIPPED = "skipped"
    ROLLED_BACK = "rolled back"
    BROKEN = "broken"
    UNKNOWN = "unknown"


GOOD = frozenset({PushOutcome.VERIFIED, PushOutcome.UNCHANGED, PushOutcome.UNVERIFIED})
"""The outcomes that need no further action."""


def is_good(outcome: str) -> bool:
    """Whether an outcome in a site's history needs no further action; 0.4.0 recorded `proven` for `verified`."""
    return outcome in GOOD or outcome == "proven"


@dataclass(frozen=True, slots=True)
class PushResult:
    """The result of a push to one host.

    `why` is the reason for the outcome and `next` the next step, both for a person; `commit` is
    the commit of `configs` that it comes from. `silent` are the measurements that no longer arrive, `notes` are
    warnings, `live` is the configuration that was on the host before the push; with `is_found`, somebody
    wrote it, and nothing was pushed to the host before. `undecided` describes it if the push was refused for that.
    """

    host: str
    outcome: PushOutcome
    why: str = ""
    next: str = ""
    config_id: str = ""
    commit: str = ""
    seconds: float = 0.0
    silent: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    live: bytes | None = field(default=None, repr=False)
    is_found: bool = False
    undecided: str = ""

    @property
    def is_interrupted(self) -> bool:
        """Whether ^C or a signal is the reason."""
        return INTERRUPTED in self.why


INTERRUPTED = "aresmon was interrupted"
"""The reason of a push that ^C or a signal ended."""

_CLOCK_TOLERANCE = 2.0  # seconds
_ANSWER = re.compile(r"\b[45]\d\d [A-Z]|\bx509: ")

Explanation = tuple[str, str]
"""The reason, and the next step."""


def describe_reason(event: Mapping[str, Any]) -> str:
    """Why a push in the history was made: the release that it restores, and what was said; empty for neither."""
    restored = f"back to release {event['restores']}" if "restores" in event else ""
    return ": ".join(filter(None, (restored, str(event.get("reason", "")))))


def describe_refusal(message: HostMessage, order: PushOrder, version: str = "") -> Explanation:
    """Explain why the host, which has this version of Telegraf, refused the push. Nothing was changed on it."""
    if message.word == "locked":
        age, _, owner = message.rest.partition(" ")
        return (
            f"{owner} has been pushing to this host for {age} s",
            "wait until that push has ended, or take over its lock with --break-lock if it never will",
        )
    step, _, why = message.rest.partition(" ")
    if step == "write":
        return describe_write(why, order)
    if step == "link":
        path, _, found = why.partition(" ")
        return (
            f"{path} is a link that {found}",
            f"on {order.agent.host}, replace the link by the file itself, or by root's link to a file, and push again",
        )
    if step in ("mounted", "immutable"):
        return _describe_irreplaceable(step, why, order)
    if step == "other":
        return (
            f"the service reads {why}, not {order.agent.watched}",
            f"on {order.agent.host}, `systemctl cat telegraf` shows the unit and the drop-in with the other path: "
            "correct it, run `systemctl daemon-reload`, then restart the agent and push again",
        )
    if step == "check" and (old := _older_than_needed(why, order, version)):
        return (
            "; ".join(describe_old(version, replace(order, collectors=old))),
            f"upgrade the package telegraf on {order.agent.host}, or remove the collector from its collect; the "
            "running configuration is unchanged",
        )
    if step == "check":
        return (
            f"Telegraf rejects the configuration: {clean_log_line(why)}",
            "correct the configuration and push again; the running configuration is unchanged",
        )
    return why or f"the host refused it in the step {step or '(unknown)'} and gave no reason", _next_step(
        step, why, order
    )


def _next_step(step: str, why: str, order: PushOrder) -> str:
    host = order.agent.host
    if step == "probe" and "not installed" in why:
        return f"install it with `aresmon hosts add {host}`"
    if step == "probe":
        return (
            f"{log_command(order.agent)}; start the agent first, or push with --force, which cannot tell whether the "
            "new configuration is at fault if the agent fails again"
        )
    if step == "journal":
        return (
            "compare those files with the ones in place, and copy back what is missing; then push with --overwrite, "
            "which removes them"
        )
    if step == "masked":
        return f"on {host}, run `systemctl unmask telegraf`, then push again"
    if step == "unit":
        return f"on {host}, `systemctl status telegraf` shows what is wrong with the unit: correct it, then push again"
    if step == "kind":
        return f"on {host}, move it aside, then push again"
    if step == "watchdog" and "systemd-run" in why:
        return f"on {host}, install the package with systemd-run (systemd), then push again"
    if step == "recover":
        return log_command(order.agent)
    return "correct this and push again; nothing was changed on the host"


def _describe_irreplaceable(step: str, found: str, order: PushOrder) -> Explanation:
    """Explain that a rename onto a file would fail; `found` is its path, and before it the attributes of `chattr`."""
    host = order.agent.host
    if step == "mounted":
        return (
            f"{found} is a mount point, so no other file can take its place",
            f"on {host}, run `umount {found}` and remove the mount from where it is configured (`findmnt {found}`), or "
            "mount the folder instead; then push again",
        )
    attributes, _, path = found.partition(" ")
    meaning = "immutable" if "i" in attributes else "append-only"
    return (
        f"{path} is {meaning} (`lsattr -d {path}` shows the attribute), so it cannot be replaced",
        f"on {host}, run `chattr -{attributes} {path}`, then push again",
    )


def describe_write(answer: str, order: PushOrder) -> Explanation:
    """Explain the answer of InfluxDB or the edge to the empty test write: an HTTP status code, or a code of ours."""
    code, _, url = answer.partition(" ")
    host = order.agent.host
    user = order.access.user if order.access else "the agent"
    repair = "run `aresmon up` on the server to repair the database's users, then push again"
    match code:
        case "401":
            return f"InfluxDB rejected the password of user {user} (401)", repair
        case "403":
            return f"InfluxDB user {user} has no write permission (403)", repair
        case "404":
            return "InfluxDB has no such database (404)", repair
        case "000":
            return (
                f"{host} cannot connect to the edge at {url}",
                "check that edge.url in aresmon.yml has the name and port by which hosts reach the server, that "
                "edge.agents listens there, and that no firewall blocks them",
            )
        case "x509":
            return (
                f"{host} does not trust the certificate of {url}",
                "check that edge.url in aresmon.yml is the name by which hosts reach the server; `aresmon up` issues a "
                "certificate for it, `aresmon authority show` shows the issuer",
            )
        case "clear":
            return (
                f"{url} does not support TLS, or no TLS version that {host} supports",
                "run `aresmon up` on the server to configure TLS on the edge",
            )
        case _:
            return f"the edge at {url} answered with status {code}", "see `aresmon logs edge` on the server"


def describe_unmanaged(names: str, agent: AgentPaths) -> Explanation:
    """Explain that a push would remove variables that somebody else set on the host. `names` has spaces between."""
    return (
        f"{agent.environment} sets {', '.join(names.split())}, which aresmon.yml does not",
        f"add them to hosts.{agent.host}.env in aresmon.yml, or remove them from the host with --overwrite",
    )


def describe_found(summary: str, agent: AgentPaths, unmanaged: str) -> Explanation:
    """Explain that the host has a configuration that somebody wrote. `unmanaged` are variables that only they set."""
    host = agent.host
    variables = f"; {describe_unmanaged(unmanaged, agent)[0]}" if unmanaged else ""
    first = f"add these variables to hosts.{host}.env in aresmon.yml, then " if unmanaged else ""
    return (
        f"it has a configuration that aresmon did not deploy ({summary}){variables}",
        f"{first}push with --adopt to keep it as overrides/agents/{host}.conf, or with --overwrite to replace it (it "
        f"is kept as release 0); `aresmon push-config {host} --dry-run` shows the difference",
    )


def describe_drift(paths: Sequence[str], host: str) -> Explanation:
    """Explain that files were changed on the host."""
    return (
        f"{', '.join(paths)} changed on the host since the last push",
        f"`aresmon drift {host}` shows the changes; keep them with --adopt, or discard them with --overwrite",
    )


def describe_note(message: HostMessage) -> Iterator[str]:
    """Describe a message that does not stop the push; nothing for an unknown one."""
    match message.word:
        case "untested":
            yield f"write permission was not tested before the push: {message.rest}"
        case "link":
            path, _, target = message.rest.partition(" ")
            yield f"{path} is a link, and stays one: the file behind it, {target}, is the one that is deployed"
        case "buffered":
            size, _, folder = message.rest.partition(" ")
            yield f"{size} bytes of buffered points in {folder} will not be sent, since the output's settings changed"
        case "recovered":
            yield f"an interrupted push ({message.rest}) was rolled back first"
        case "lock-broken":
            yield f"the lock of {message.rest or 'somebody'} was taken over"
        case "tried-late":
            yield f"not every new input had answered within {message.rest} s, when they were tried"


def describe_deprecated(notice: str, version: str) -> Iterator[str]:
    """Describe what the host's Telegraf, of this version, calls deprecated, if that may soon matter."""
    found = deprecations.parse(notice)
    if found is not None and found.is_near(version):
        yield found.text


def describe_failing(plugin: str, order: PushOrder) -> str:
    """Describe an input of which each reading failed since the push."""
    several = remedies.owners(plugin, order.collectors)
    remedy = remedies.remedy(several)
    said = f"{remedies.name(plugin, several)} failed each time that it was read: {log_command(order.agent)}"
    return said + (remedy and f". {remedy}")


def describe_old(version: str, order: PushOrder) -> Iterator[str]:
    """Describe the collectors for which the host's Telegraf, of this version, is too old."""
    for one in remedies.too_old(version, order.collectors):
        needed = ".".join(map(str, one.telegraf))
        yield f"the collector {one.collector} needs Telegraf {needed} or newer, and {order.agent.host} has {version}"


def _older_than_needed(why: str, order: PushOrder, version: str) -> tuple[CollectorNeeds, ...]:
    """The collectors with a plug-in that Telegraf's answer names, if it is too old for them."""
    return tuple(
        one
        for one in remedies.too_old(version, order.collectors)
        if any(re.search(rf"\b{re.escape(plugin)}\b", why) for plugin in one.inputs)
    )


def survey_notes(found: HostSurvey) -> Iterator[str]:
    """Warnings about the state of a host before the push."""
    if found.last.get("outcome") in ("undone", "broken"):  # a word of the state file: rolled back
        yield f"the previous push to this host was rolled back: {found.last['why']}"
    if found.damaged:
        yield describe_damaged(found.damaged)
    if found.included:
        yield f"Telegraf also reads telegraf.d/: {', '.join(found.included)}"
    if "asked" in found.facts:
        lag = found.asked_at - float(found.facts["asked"])
        if abs(lag) > _CLOCK_TOLERANCE:
            yield f"its clock is {abs(lag):.0f} s {'behind' if lag > 0 else 'ahead of'} this machine's"


def describe_damaged(journal: str) -> str:
    """Say that an interrupted push left a journal from which nothing can be restored."""
    return f"an earlier push was interrupted, and its journal {journal} is damaged: nothing was restored from it"


def log_command(agent: AgentPaths) -> str:
    """The command that shows the agent's log, for a person."""
    if agent.kind == "docker":
        return f"on {agent.host}, run: docker logs --tail 50 {agent.project}-telegraf-1"
    return f"on {agent.host}, run: journalctl -u telegraf -n 50"


def explain_log(lines: Sequence[str]) -> str:
    """Return the log line that explains most: an error that the server answered with, else the last line."""
    answers = [line for line in lines if _ANSWER.search(line)]
    return clean_log_line((answers or lines)[-1])


def clean_log_line(line: str) -> str:
    """Remove Telegraf's time stamp, HTML and the name of the staged file from a log line. At most 400 characters."""
    text = (line.rpartition("E! ")[2] or line).partition(" Error: <html>")[0]  # the edge answers with HTML pages
    return " ".join(text.replace("/.telegraf.conf.aresmon", "/telegraf.conf").split())[-400:].rstrip(".")

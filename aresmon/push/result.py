"""How a push ends for a host."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from aresmon.push.protocol import AgentPaths, HostMessage, HostSurvey, PushOrder


class PushOutcome(StrEnum):
    """How a push ended for one host."""

    PROVEN = "proven"
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


GOOD = frozenset({PushOutcome.PROVEN, PushOutcome.UNCHANGED, PushOutcome.UNVERIFIED})
"""Nothing is left to do."""


@dataclass(frozen=True, slots=True)
class PushResult:
    """What became of one host. `live` is the configuration that was found there, `seconds` how long it took; `notes`
    are worth knowing though it went well."""

    host: str
    outcome: PushOutcome
    why: str = ""
    next: str = ""
    mark: str = ""
    commit: str = ""
    seconds: float = 0.0
    silent: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    live: bytes | None = field(default=None, repr=False)


_CLOCKS_APART = 2.0  # seconds that are worth telling
_UNTOUCHED = "nothing was changed there"
_SECRET = re.compile(
    r"""^(.?\s*\#?\s*\w*(?:passw|passphrase|token|secret|api_key)\w*\s*=\s*["']+)(?!\$|@\{)[^"'\n]+""",
    re.MULTILINE | re.IGNORECASE,
)
_ANSWER = re.compile(r"\b[45]\d\d [A-Z]|\bx509: ")
_LOGIN = re.compile(r"""(://[^\s/:@"']*):[^\s/@"'$]+@""")

Told = tuple[str, str]
"""Why, and what to do next."""


def refusal(told: HostMessage, order: PushOrder) -> Told:
    """What the host refused."""
    if told.word == "locked":
        age, _, owner = told.rest.partition(" ")
        return f"{owner} pushes to it, for {age} s now", "wait for them; if they are gone for good: --break-lock"
    where, _, why = told.rest.partition(" ")
    if where == "write":
        return _write(why, order)
    if where == "check":
        return f"Telegraf refuses the configuration: {readable(why)}", "the running configuration is untouched"
    return why, _next(where, why, order)


def _next(where: str, why: str, order: PushOrder) -> str:
    host = order.agent.host
    if where == "probe" and "not installed" in why:
        return f"`aresmon hosts add {host}` brings it there"
    if where == "probe":
        return (
            f"{look_there(order.agent)}; a push could not tell its own fault from that one: --force pushes all the same"
        )
    if where == "recover":
        return look_there(order.agent)
    return _UNTOUCHED


def _write(answer: str, order: PushOrder) -> Told:
    """What InfluxDB or the edge answered to an empty write."""
    code, _, url = answer.partition(" ")
    user = order.access.user if order.access else "the agent"
    remedy = "`aresmon up` on the server mends that; then push again"
    match code:
        case "401":
            return f"InfluxDB refuses the password of {user}", remedy
        case "403":
            return f"{user} may not write", remedy
        case "404":
            return "InfluxDB has no such database", remedy
        case "000":
            return (
                f"the edge is not reached from there ({url})",
                "edge.url in aresmon.yml is how hosts reach the server: is it the right name and port, and no firewall "
                "in between?",
            )
        case "x509":
            return (
                f"its certificate is not one that {order.agent.host} takes for {url}",
                "is edge.url the name by which hosts reach the server? `aresmon up` makes a certificate for it; "
                "`aresmon authority show` tells by whom",
            )
        case "clear":
            why = f"what answers at {url} speaks no TLS, or another"
            return why, "`aresmon up` on the server brings the edge to it"
        case _:
            return f"the edge at {url} answers {code}", "`aresmon logs edge` on the server says more"


def strangers(names: str, agent: AgentPaths) -> Told:
    """Variables that somebody set there, and that a push would let go."""
    why = f"{agent.environment} sets {', '.join(names.split())}, and aresmon.yml does not"
    return why, f"put them under hosts.{agent.host}.env, or let them go with --overwrite"


def drift(paths: Sequence[str], host: str) -> Told:
    """An edit made on the host."""
    why = f"{', '.join(paths)} was edited there since the last push"
    return why, f"`aresmon drift {host}` shows how; keep it with --adopt, or let it go with --overwrite"


def note(told: HostMessage) -> Iterator[str]:
    """What is worth knowing though it stops nothing."""
    match told.word:
        case "untested":
            yield f"its right to write was not tried beforehand: {told.rest}"
        case "buffered":
            size, _, folder = told.rest.partition(" ")
            yield f"{size} bytes wait in {folder} for the former output; with another one nobody sends them"
        case "recovered":
            yield f"a push that was left in its middle ({told.rest}) was taken back first"
        case "lock-broken":
            yield f"the lock of {told.rest or 'somebody'} was broken"


def circumstances(seen: HostSurvey) -> Iterator[str]:
    """What a look at the host gives to know."""
    if seen.last.get("outcome") in ("undone", "broken"):
        yield f"the push before this one was taken back there: {seen.last['why']}"
    if seen.merged:
        yield f"telegraf.d/ there is read besides: {', '.join(seen.merged)}"
    if "asked" in seen.facts:
        apart = seen.asked_at - float(seen.facts["asked"])
        if abs(apart) > _CLOCKS_APART:
            yield f"its clock is {abs(apart):.0f} s {'behind' if apart > 0 else 'ahead of'} this machine's"


def without_secrets(text: str) -> str:
    """A configuration, or a diff of one, to be shown: what stands there in clear is known to whoever may read it."""
    return _LOGIN.sub(r"\1:***@", _SECRET.sub(r"\1***", text))


def look_there(agent: AgentPaths) -> str:
    """The command for a person."""
    if agent.kind == "docker":
        return f"on {agent.host}: docker logs --tail 50 {agent.project}-telegraf-1"
    return f"on {agent.host}: journalctl -u telegraf -n 50"


def said(words: Sequence[str]) -> str:
    """Of the agent's own words those that tell most: what it was answered, else the last."""
    answers = [one for one in words if _ANSWER.search(one)]
    return readable((answers or words)[-1])


def readable(said: str) -> str:
    """Telegraf's own words, without its time stamp and the name of our temporary file."""
    words = (said.rpartition("E! ")[2] or said).partition(" Error: <html>")[0]  # the edge answers in pages
    return " ".join(words.replace("/.telegraf.conf.aresmon", "/telegraf.conf").split())[-400:].rstrip(".")

"""What `hosts discover` prints: proposals with their evidence, and what each still needs."""

from __future__ import annotations

import difflib
import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from aresmon.cli.console import Console
from aresmon.config.layout import FILE
from aresmon.config.masks import mask_secrets
from aresmon.config.model import Host
from aresmon.push import discovery
from aresmon.push.discovery import HostDiscovery
from aresmon.push.proposals import Discovered, Proposal, Remedy
from aresmon.site.project import Project
from aresmon.ssh.transport import Transport
from aresmon.system.errors import plural

_MOST = 3  # lines of evidence for one collector
# A password that is written without quotes; a mapping names a secret.
_PLAIN_SECRET = re.compile(r"((?:passw|passphrase|pwd|token)\w*:[ \t]+)[^\s{\[*,}]+", re.IGNORECASE)


def described(found: HostDiscovery) -> dict[str, Any]:
    """What came of looking at a host, as JSON."""
    discovered = found.discovered
    return {
        "host": found.host.name,
        "error": found.error.message if found.error else "",
        "proposals": [_proposal(one) for one in discovered.proposals],
        "not_proposed": [
            {"collector": one.collector, "evidence": one.evidence, "why": one.why} for one in discovered.unfit
        ],
        "collected": [{"collector": name, "evidence": evidence} for name, evidence in discovered.present],
    }


async def tell_services(
    console: Console, project: Project, host: Host, transport: Transport, *, as_root: bool = True
) -> None:
    """Look at a host, and name what it runs that it does not collect."""
    (found,) = await discovery.discover([host], project.catalogue, lambda _: transport, as_root=as_root)
    if said := summary(found):
        console.note(said)


def summary(found: HostDiscovery) -> str:
    """What a host runs that it does not collect, in a sentence with the next step; empty for nothing."""
    names = ", ".join(dict.fromkeys(one.use.name for one in found.discovered.proposals))
    name = found.host.name
    return f"{name} can also collect {names}: `aresmon hosts discover {name}` shows how" if names else ""


def difference(before: str, after: str) -> str:
    """What would change in aresmon.yml, as a unified diff without secrets: passwords can be in a line beside it."""
    old, new = (_masked(text.replace("\r\n", "\n")).splitlines() for text in (before, after))
    lines = difflib.unified_diff(old, new, FILE, f"{FILE}: proposed", n=2, lineterm="")
    return "".join(f"{line}\n" for line in lines)


def _masked(text: str) -> str:
    return _PLAIN_SECRET.sub(r"\1***", mask_secrets(text))


def tell_all(
    console: Console, project: Project, found: Sequence[HostDiscovery], diff: str, *, is_written: bool
) -> None:
    """Print what came of looking at hosts, the change of aresmon.yml, and the next step."""
    for one in found:
        _tell(console, one)
    changed = [one.host.name for one in found if one.discovered.proposals]
    if not changed:
        return
    console.say()
    console.diff(diff)
    own = project.site.own_agents().texts
    for name in changed:
        if name in own:
            console.warn(f"{name} has the configuration overrides/agents/{name}.conf, which replaces its collectors")
    if not is_written:
        console.say(f"Nothing was changed. `aresmon hosts discover {' '.join(changed)} --apply` writes this.")
        return
    sidecar = project.config.sidecar
    pushed = [name for name in changed if sidecar is None or name != sidecar.name]
    steps = [f"`aresmon push-config {' '.join(pushed)}`"] if pushed else []
    steps += ["`aresmon up`"] if len(pushed) < len(changed) else []
    console.say(f"{FILE} is written. When the hosts have what is needed: {' and '.join(steps)}")


def _tell(console: Console, found: HostDiscovery) -> None:
    if found.error is not None:
        console.error(found.error)
        return
    name, discovered = found.host.name, found.discovered
    number = len(discovered.proposals)
    console.say(f"{name}: {plural(number, 'collector') if number else 'nothing'} to add", style="bold")
    width = console.out.width if console.out.is_terminal else 0
    for line in _lines(name, discovered):
        for part in _wrapped(line, width):
            console.say(part)


def _lines(host: str, discovered: Discovered) -> Iterator[str]:
    for one in discovered.proposals:
        yield f"  {one.use.name}"
        yield from (f"    found: {evidence}" for evidence in _first(one.evidence))
        for remedy in one.remedies:
            yield from _remedy(host, remedy)
        for secret in one.use.secrets:
            yield f"    needs: the secret {secret.name}. In the site's folder on the server:"
            yield f"      $ aresmon collectors secret {secret.name}"
    if discovered.unfit:
        yield "  not proposed"
        several = [(unfit.collector, f"{unfit.evidence}; {unfit.why}") for unfit in discovered.unfit]
        yield from (f"    {name}: {what}" for name, what in _by_collector(several))
    if discovered.present:
        yield "  collected already"
        yield from (f"    {name}: {evidence}" for name, evidence in _by_collector(discovered.present))


def _by_collector(found: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """What was found for each collector, the first few."""
    for name, several in groupby(found, key=lambda one: one[0]):
        yield from ((name, what) for what in _first([what for _, what in several]))


def _first(several: Sequence[str]) -> Iterator[str]:
    """The first few, and how many more: a machine can have fifty sensors."""
    yield from several[:_MOST]
    if len(several) > _MOST:
        yield f"{len(several) - _MOST} more"


def _remedy(host: str, remedy: Remedy) -> Iterator[str]:
    unless = "" if remedy.is_checked else ", if that was not done yet"
    yield f"    needs: {remedy.what}{unless}. On {host}:"
    if remedy.lines:
        yield f"      add to {remedy.file}:"
        yield from (f"        | {line}".rstrip() for line in remedy.lines)
    yield from (f"      $ {command}" for command in remedy.run)
    yield from (f"        > {statement}".rstrip() for statement in remedy.statements)


def _wrapped(line: str, width: int) -> Sequence[str]:
    """A line of words in several lines, indented below its first word; commands and lines of files stay whole."""
    indent = len(line) - len(line.lstrip())
    if not width or len(line) <= width or line.lstrip()[:2] in ("$ ", "| ", "> "):
        return [line]
    return textwrap.wrap(
        line.strip(),
        width,
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent + 2),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _proposal(one: Proposal) -> dict[str, Any]:
    return {
        "collector": one.use.name,
        "entry": one.use.entry(),
        "evidence": list(one.evidence),
        "secrets": [secret.name for secret in one.use.secrets],
        "needs": [
            {
                "what": remedy.what,
                "missing": True if remedy.is_checked else None,
                "file": remedy.file,
                "lines": list(remedy.lines),
                "run": list(remedy.run),
                "statements": list(remedy.statements),
            }
            for remedy in one.remedies
        ],
    }

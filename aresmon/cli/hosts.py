"""`aresmon hosts`: list, add, discover, remove, block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, cast

import typer

from aresmon.cli import completion, deployment
from aresmon.cli.common import command, confirm_by_name, group, run_in_session, the_console, the_engine, the_project
from aresmon.cli.options import Adopt, AskSudo, Host, Hosts, Json, Overwrite, Yes
from aresmon.system.errors import AresmonError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aresmon.config.model import AgentKind
    from aresmon.influxdb.client import InfluxDB
    from aresmon.push.enroll import EnrollOptions, FoundAgent
    from aresmon.push.session import Session
    from aresmon.site.folder import Site
    from aresmon.site.project import Project


app = group("List, add, remove and block hosts; find what they run.")


@command(app, name="list", example="aresmon hosts list")
def list_hosts(as_json: Json = False) -> None:
    """List the hosts in aresmon.yml and their last release."""
    from aresmon.agents.sources import Releases

    project = the_project()
    rows = []
    for host in project.config.hosts:
        newest = Releases(project.site.releases(host.name)).newest()
        rows.append((host, newest.number if newest else 0))
    if not as_json:
        the_console().hosts(rows)
        return
    the_console().data(
        [
            {
                "host": host.name,
                "agent": host.agent,
                "ssh": host.ssh,
                "collect": [use.entry() for use in host.uses],
                "release": release,
            }
            for host, release in rows
        ]
    )


@command(app, name="add", example="aresmon hosts add lewi --ssh lewi")
def add(
    name: Annotated[
        str, typer.Argument(metavar="HOST", help="The host's name, which is also the `host` tag of its data.")
    ],
    ssh: Annotated[
        str,
        typer.Option(
            "--ssh", metavar="USER@HOST", show_default=False, help="The ssh destination; by default, the host's name."
        ),
    ] = "",
    agent: Annotated[
        str,
        typer.Option(
            "--agent",
            metavar="KIND",
            autocompletion=completion.choice("systemd", "docker"),
            show_default=False,
            help="How Telegraf runs: systemd or docker; by default, as found on the host.",
        ),
    ] = "",
    collect: Annotated[
        str,
        typer.Option(
            "--collect",
            metavar="COLLECTORS",
            autocompletion=completion.collectors,
            show_default=False,
            help="Collectors, separated by commas; by default, those for the services found on the host.",
        ),
    ] = "",
    env: Annotated[
        list[str] | None,
        typer.Option("--env", metavar="NAME=VALUE", help="A variable that a collector requires; can be repeated."),
    ] = None,
    overwrite: Overwrite = False,
    adopt: Adopt = False,
    ask_sudo: AskSudo = False,
) -> None:
    """Add a host: install Telegraf, deploy to it, verify its data.

    Detects the services on the host, adds the host to aresmon.yml and creates its credentials. An interrupted run
    continues with the same command.

    If somebody has configured Telegraf on the host, it is not replaced unasked: --adopt keeps that configuration,
    --overwrite replaces it.
    """
    import asyncio

    from aresmon.push import enroll

    if adopt and overwrite:
        raise AresmonError("--overwrite and --adopt cannot be combined", code=ExitCode.USAGE)
    project = the_project()
    asked = enroll.EnrollOptions(
        name, ssh, _kind(agent), tuple(filter(None, collect.split(","))), _variables(env or [])
    )
    enroll.check_request(project, asked)
    asyncio.run(_prepare(project, asked, ask_sudo=ask_sudo))
    try:
        project = the_project()  # with the new host in it
        _give_credentials(project, name, ask_sudo=ask_sudo)
        code = _push(project, name, adopt=adopt, overwrite=overwrite, ask_sudo=ask_sudo)
        asyncio.run(_tell_services(project, name, ask_sudo=ask_sudo))
    except AresmonError as error:
        raise AresmonError(error.message, hint=f"{error.hint}; {enroll.next_step(name)}", code=error.code) from None
    raise typer.Exit(code)


@command(app, name="discover", example="aresmon hosts discover lewi --apply")
def discover(
    hosts: Hosts = None,
    every: Annotated[bool, typer.Option("--all", "-a", help="Look at every host in aresmon.yml.")] = False,
    apply: Annotated[bool, typer.Option("--apply", help="Write the proposed collectors to aresmon.yml.")] = False,
    ask_sudo: AskSudo = False,
    as_json: Json = False,
) -> None:
    """Find the services on hosts, and propose collectors for them.

    Looks at listening programs, systemd units, packages, files and containers on each host, over one connection.
    Nothing is installed there, and nothing is changed. Prints what was found, what each collector still needs on the
    host, and the change of aresmon.yml, which --apply writes; comments are kept.

    Exit codes: 1 if a host could not be looked at.
    """
    import asyncio

    from aresmon.cli import discoveries
    from aresmon.cli.common import sudo_password
    from aresmon.push import discovery, enroll, selection
    from aresmon.push.session import transport_to
    from aresmon.ssh.client import Connections

    project, console = the_project(), the_console()
    site, chosen = project.site, selection.select_hosts(project.config, hosts or [], every=every)
    connections = Connections(sudo_password(wanted=ask_sudo))
    found = asyncio.run(
        discovery.discover(
            chosen, project.catalogue, lambda host: transport_to(project, host.name, host.ssh, connections)
        )
    )
    added = {one.host.name: uses for one in found if (uses := [each.use for each in one.discovered.proposals])}
    before = enroll.text_of(site)
    after = enroll.with_collectors(site, added)
    is_written = apply and after != before
    if is_written:
        enroll.write(site, after, command="hosts discover")
        for name, uses in added.items():
            site.record(command="hosts discover", host=name, collect=[use.name for use in uses])
    diff = discoveries.difference(before, after)
    if as_json:
        console.data({"hosts": list(map(discoveries.described, found)), "diff": diff, "applied": is_written})
    else:
        discoveries.tell_all(console, project, found, diff, is_written=is_written)
    if any(one.error for one in found):
        raise typer.Exit(ExitCode.REFUSED)


@command(app, name="remove", example="aresmon hosts remove lewi")
def remove(
    name: Host,
    leave_agent: Annotated[
        bool, typer.Option("--leave-agent", help="Leave the agent running; do not connect to the host.")
    ] = False,
    yes: Yes = False,
    ask_sudo: AskSudo = False,
) -> None:
    """Remove a host: stop its agent and revoke its credentials.

    Its entry in aresmon.yml is removed too. Its data is kept until storage.keep expires it. If the host cannot be
    reached, its agent is left running and a warning says so.
    """
    from aresmon.push import enroll, selection

    project, console = the_project(), the_console()
    site = project.site
    (host,) = selection.select_hosts(project.config, [name], every=False)
    text = enroll.without_host(site, name)
    if not yes:
        stops = "leaves" if leave_agent else "stops"
        confirm_by_name(name, f"This {stops} the agent of {name} and revokes its password")

    async def run(session: Session) -> str:
        left = "" if leave_agent else await enroll.stop_agent(session, host)
        await enroll.revoke(session, name)
        return left

    left = run_in_session(run, project=project, ask_sudo=ask_sudo)
    enroll.write(site, text, command="hosts remove")
    site.record(command="hosts remove", host=name, left=left)
    console.say(f"{name} is removed. Its data is kept until its retention expires (storage.keep).")
    if left:
        console.warn(f"its agent was not stopped: {left}", hint="stop it on the host; its password has been revoked")
        raise typer.Exit(ExitCode.DEGRADED)


async def _prepare(project: Project, asked: EnrollOptions, *, ask_sudo: bool) -> None:
    """Inspect the machine, add its entry to aresmon.yml, install Telegraf there."""
    from aresmon.cli.common import sudo_password
    from aresmon.push import enroll
    from aresmon.push.session import transport_to
    from aresmon.ssh.client import Connections

    console, site, config = the_console(), project.site, project.config
    there = next((host for host in config.hosts if host.name == asked.name), None)
    destination = asked.ssh or (there.ssh if there else asked.name)
    transport = transport_to(project, asked.name, destination, Connections(sudo_password(wanted=ask_sudo)))
    supply = enroll.AgentPackage.of(config, the_engine())
    with console.stage(f"inspecting {asked.name}"):
        found = await enroll.inspect(asked.name, transport, supply.reference)
    _tell_found(asked.name, found)
    if there is not None:
        settings = enroll.HostSettings(there.agent, there.ssh, there.uses, dict(there.env))
    else:
        settings = enroll.choose_settings(
            asked.name, found, ssh=destination, agent=asked.agent, collect=asked.collect, env=asked.env
        )
        text = enroll.with_host(site, asked, settings)
    await enroll.install(asked.name, settings, found, transport, supply=supply, progress=console)
    if there is None:
        enroll.write(site, text, command="hosts add")
        site.record(command="hosts add", host=asked.name, agent=settings.agent, collect=list(settings.collect))
        console.say(f"{site.file}: {asked.name} added ({settings.agent}: {', '.join(settings.collect)})")


@command(app, name="block", example="aresmon hosts block lewi")
def block(name: Host) -> None:
    """Stop accepting data from a host, such as one that sends too much.

    Takes effect at once. Data already stored is kept; the agent buffers new data until its buffer is full. The host
    stays blocked until `aresmon hosts unblock`.
    """
    from aresmon.influxdb import users

    site, influxdb = _here(name)
    with site.lock("hosts block"):
        is_new = users.block_host(site, influxdb, name)
        if is_new:
            site.record(command="hosts block", host=name)
    the_console().say(
        f"{name} is blocked; `aresmon hosts unblock {name}` reverses this"
        if is_new
        else f"nothing to do: {name} is already blocked"
    )


@command(app, name="unblock", example="aresmon hosts unblock lewi")
def unblock(name: Host) -> None:
    """Accept data from a blocked host again."""
    from aresmon.influxdb import users
    from aresmon.site import secrets as site_secrets

    site, influxdb = _here(name)
    with site.lock("hosts unblock"):
        own = (site_secrets.agent_secret(name), site_secrets.next_name(site_secrets.agent_secret(name)))
        secrets = {one: site_secrets.read(site.secrets, one) for one in own if (site.secrets / one).exists()}
        was = users.unblock_host(site, influxdb, secrets, name)
        if was:
            site.record(command="hosts unblock", host=name)
    the_console().say(f"{name} may write again" if was else f"nothing to do: {name} is not blocked")


async def _tell_services(project: Project, name: str, *, ask_sudo: bool) -> None:
    """Name what else the host runs that collectors are for."""
    from aresmon.cli import discoveries
    from aresmon.cli.common import sudo_password
    from aresmon.push.session import transport_to
    from aresmon.ssh.client import Connections

    host = project.config.host(name)
    transport = transport_to(project, name, host.ssh, Connections(sudo_password(wanted=ask_sudo)))
    await discoveries.tell_services(the_console(), project, host, transport)


def _here(name: str) -> tuple[Site, InfluxDB]:
    """The site, which has this host and whose stack is here, and its InfluxDB."""
    from aresmon.influxdb import service
    from aresmon.stack import location

    project = the_project()
    config = project.config
    config.check_names([name])
    if not location.is_local(project):
        raise AresmonError(
            f"hosts can be blocked and unblocked only on {config.server}, where the stack runs",
            hint="run the command there, in the site's folder",
        )
    return project.site, service.admin_client(project.site)


def _give_credentials(project: Project, name: str, *, ask_sudo: bool) -> None:
    """Create the credentials; with `up` if the stack is here: a first remote host also opens the agents' port."""
    from aresmon.push import enroll
    from aresmon.stack import location, up

    console, config = the_console(), project.config
    if location.is_local(project):
        up.up(project, the_engine(), console, announce=lambda outcome: None)
        return

    async def run(opened: Session) -> None:
        await enroll.make_credentials(opened, name)

    with console.stage(f"creating the credentials of {name} on {config.server}"):
        run_in_session(run, project=project, ask_sudo=ask_sudo)
    console.note(f"copy this aresmon.yml to {config.server}; otherwise its next `up` revokes the credentials of {name}")


def _push(project: Project, name: str, *, adopt: bool, overwrite: bool, ask_sudo: bool) -> ExitCode:
    from aresmon.push import order, rollout
    from aresmon.site.folder import current_user

    host = project.config.host(name)
    options = order.PushOptions(by=current_user(), overwrite=overwrite)
    sources = deployment.SourceOptions(adopt=adopt)

    async def run(session: Session) -> ExitCode:
        return await deployment.deploy(session, [host], options, rollout.RolloutPace(0), sources=sources)

    with project.site.lock("hosts add"):
        return run_in_session(run, project=project, ask_sudo=ask_sudo)


def _tell_found(name: str, found: FoundAgent) -> None:
    console = the_console()
    parts = [
        found.distribution,
        found.machine,
        f"Telegraf {found.telegraf}" if found.telegraf else "no Telegraf",
        *([f"Docker {found.docker}"] if found.docker else []),
        *([f"HAProxy at {found.haproxy}"] if found.haproxy else []),
    ]
    console.say(f"{name}: {', '.join(parts)}")
    for note in found.notes():
        console.warn(f"{name}: {note}")


def _kind(text: str) -> AgentKind | None:
    if text not in ("", "systemd", "docker"):
        raise AresmonError(f"--agent is systemd or docker, not '{text}'", code=ExitCode.USAGE)
    return cast("AgentKind", text) if text else None


def _variables(pairs: Sequence[str]) -> dict[str, str]:
    wrong = [pair for pair in pairs if "=" not in pair]
    if wrong:
        raise AresmonError(f"--env takes NAME=value, not '{wrong[0]}'", code=ExitCode.USAGE)
    return {name: value for name, _, value in (pair.partition("=") for pair in pairs)}

"""`aresmon authority`: by what agents know the edge."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from aresmon.cli.common import command, confirm_by_name, group, the_console, the_project
from aresmon.cli.options import DryRun, Json, Yes
from aresmon.system.errors import AresmonError, not_yours

if TYPE_CHECKING:
    from aresmon.site.project import Project


app = group("Show and rotate the site's certificate authority.")
_WAITS = {
    "finish": "next: `aresmon up`, then `aresmon push-config --all` removes the previous one from the hosts",
    "prepare": "",
    "bring": "next: `aresmon up`, then `aresmon push-config --all`, then `aresmon authority rotate` again",
    "wait": "next: `aresmon push-config --all`, then `aresmon authority rotate` again",
    "promote": "next: `aresmon authority rotate` activates it",
}


@command(app, name="show", example="aresmon authority show")
def show(as_json: Json = False) -> None:
    """Show the certificate authority and the edge's certificate.

    Also lists the hosts that may still write without TLS.
    """
    from aresmon.site import ca, tls_migration

    project = _site_with_authority()
    console, facts = the_console(), ca.read_facts(project.site.authority)
    known = ca.list_authorities(project.site.authority)
    behind = sorted(tls_migration.unencrypted_hosts(project))
    if as_json:
        console.data(
            {
                "authorities": [{"sha256": one.fingerprint, "ends": one.ends.isoformat()} for one in known],
                "edge": {"names": list(facts.names), "ends": facts.ends} if facts else None,
                "in_clear": behind,
                "without_next": sorted(tls_migration.hosts_without_next(project)),
            }
        )
        return
    for title, one in zip(("authority", "next"), known, strict=False):
        console.say(f"{title}: SHA-256 {one.fingerprint}, ends on {one.ends:%Y-%m-%d}")
    if facts:
        console.say(f"edge: until {ca.format_date(facts.ends)}, for {', '.join(facts.names)}")
    console.say(f"unencrypted: {', '.join(behind) or 'none'}")
    _tell_step(project)


@command(app, name="close", example="aresmon authority close")
def close(
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Stop accepting data sent without TLS.

    `aresmon up` does this automatically once every host has been deployed to. Use this command for agents that you
    configured by hand.
    """
    from aresmon.site import tls_migration

    project = _site_with_tls()
    behind = sorted(tls_migration.unencrypted_hosts(project))
    if not behind:
        the_console().say("Nothing to do: no host writes unencrypted.")
        return
    what = f"Data of {', '.join(behind)} is rejected from the next `aresmon up` on, unless they already use TLS"
    if dry_run:
        the_console().say(f"{what}.")
        return
    if not yes:
        confirm_by_name(project.config.site, what)
    with project.site.lock("authority close"):
        tls_migration.require_tls(project.site)
    the_console().say("next: `aresmon up` closes the port to unencrypted data")


@command(app, name="rotate", example="aresmon authority rotate --dry-run")
def rotate(
    dry_run: DryRun = False,
) -> None:
    """Replace the certificate authority, in two steps.

    The first run creates the next authority; `aresmon push-config` deploys it to the hosts beside the current one.
    Once every host trusts both, the second run makes it the current one, and `aresmon up` issues a new certificate for
    the edge. No agent is disconnected.
    """
    from datetime import UTC, datetime

    from aresmon.site import tls_migration

    project = _site_with_authority()
    with project.site.lock("authority rotate"):
        step = tls_migration.next_step(project)
        if step == "finish":
            hint = "`aresmon up`, then `aresmon authority rotate` again"
            raise AresmonError("`up` has not deployed the present authority yet", hint=hint)
        if step in ("wait", "bring"):
            waiting = ", ".join(sorted(tls_migration.hosts_without_next(project))) or "the bundle"
            raise AresmonError(
                f"the next authority is not installed yet on {waiting}", hint=_WAITS[step].removeprefix("next: ")
            )
        details = (
            "create the next authority"
            if step == "prepare"
            else "activate the next authority and remove the previous one"
        )
        if dry_run:
            the_console().say(f"would {details}; nothing was changed")
            return
        tls_migration.rotate(project, datetime.now(UTC))
    the_console().say(f"done: {details}")
    _tell_step(project)


def _tell_step(project: Project) -> None:
    from aresmon.site import tls_migration

    waits = _WAITS[tls_migration.next_step(project)]
    if waits:
        the_console().say(waits)


def _site_with_tls() -> Project:
    project = the_project()
    if not project.config.edge.channel.is_tls:
        raise AresmonError("agents of this site write without TLS", hint="set `edge: {tls: site}` in aresmon.yml")
    return project


def _site_with_authority() -> Project:
    from aresmon.site import ca

    project = _site_with_tls()
    site = project.site
    if not project.config.edge.channel.by_site:
        raise AresmonError(
            "the edge uses a certificate from another authority (edge.tls)", hint="renew it with its issuer"
        )
    if site.authority.is_dir() and not os.access(site.authority, os.R_OK | os.X_OK):
        raise not_yours(site.authority)
    if not ca.trusted_certificates(site.authority):
        raise AresmonError("there is no certificate authority here yet", hint="`aresmon up` on the server creates it")
    return project

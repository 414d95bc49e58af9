"""Options and arguments that several commands share: one name, one metavar and one help text for each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aresmon.cli import completion

DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done, without changing anything.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
AskSudo = Annotated[bool, typer.Option("--ask-sudo", "-K", help="Ask for the sudo password on the hosts.")]
ShortenRetention = Annotated[
    bool, typer.Option("--shorten-retention", help="Allow a shorter storage.keep to delete older points.")
]

Host = Annotated[str, typer.Argument(metavar="HOST", help="A host in aresmon.yml.", autocompletion=completion.hosts)]
Hosts = Annotated[
    list[str] | None,
    typer.Argument(metavar="HOST", help="Hosts in aresmon.yml.", autocompletion=completion.hosts, show_default=False),
]
Services = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="SERVICE",
        show_default=False,
        autocompletion=completion.services,
        help="Services of the stack; all of them by default.",
    ),
]
Login = Annotated[str, typer.Argument(metavar="LOGIN", help="The user's login.", autocompletion=completion.logins)]
ImageArchive = Annotated[Path, typer.Argument(metavar="FILE", help="The tar file.")]

# A push.
NoVerify = Annotated[
    bool,
    typer.Option(
        "--no-verify",
        help="Skip verification. A configuration that sends no data will not be rolled back.",
    ),
]
Why = Annotated[
    str, typer.Option("--why", metavar="TEXT", show_default=False, help="The reason, which `aresmon history` shows.")
]
Wait = Annotated[
    bool, typer.Option("--wait", help="Wait for another command on this site, such as a backup, instead of failing.")
]
Force = Annotated[bool, typer.Option("--force", help="Deploy even if the agent is not running now.")]
BreakLock = Annotated[
    bool, typer.Option("--break-lock", help="End a deployment that hangs on the host, roll it back, and continue.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what was changed or found on the host.")]
Adopt = Annotated[
    bool, typer.Option("--adopt", help="Keep what was changed or found on the host, as a file of the site.")
]
Soak = Annotated[
    int,
    typer.Option(
        "--soak",
        metavar="SECONDS",
        min=0,
        max=86400,
        show_default=False,
        help="Watch the agent for at least this time after its start before the configuration is kept.",
    ),
]
Deadline = Annotated[
    int | None,
    typer.Option(
        "--deadline",
        metavar="SECONDS",
        min=5,
        max=3600,
        show_default=False,
        help="Time for data to arrive before the host is rolled back; by default it depends on the host's interval.",
    ),
]

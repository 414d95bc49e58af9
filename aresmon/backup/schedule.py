"""Scheduled backups: systemd units, as a script that installs them, or lines for cron.

Source: systemd.unit(5), systemd.timer(5), systemd.exec(5), crontab(5).
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from aresmon.config.backup import Schedule

FOLDER = "/etc/systemd/system"
_END = "END-OF-FILE"

_UNITS = Path(__file__).with_name("units")  # templates: `{name}` is replaced


@dataclass(frozen=True, slots=True)
class Run:
    """How to run aresmon for a site: `program` is its command, `root` the site's folder, `user` its owner, and `writes`
    the other folders that a backup writes to. All paths are absolute."""

    site: str
    program: Sequence[str]
    root: str
    user: str
    writes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class ScheduledJob:
    """A scheduled command: its name, the arguments of `aresmon`, and when it runs."""

    name: str
    title: str
    arguments: Sequence[str]
    when: Schedule


def jobs(every: Schedule, verify: Schedule) -> list[ScheduledJob]:
    """The scheduled commands of a site, without those that run `never`."""
    wanted = [
        ScheduledJob("backup", "Backup", ("backup",), every),
        ScheduledJob("verify", "Verification of the last backup", ("backup", "--verify", "latest"), verify),
    ]
    return [job for job in wanted if job.when.every != "never"]


def systemd(run: Run, wanted: Sequence[ScheduledJob]) -> str:
    """A shell script that writes the units and starts the timers. It can be run again."""
    lines = [
        "#!/bin/sh",
        f"# Backups of the site {run.site} by systemd. As root: it writes to {FOLDER}.",
        "set -eu",
        "",
    ]
    for name, text in units(run, wanted).items():
        lines += [f"cat >{FOLDER}/{name} <<'{_END}'", text.rstrip("\n"), _END, ""]
    timers = " ".join(f"{_unit(run, job)}.timer" for job in wanted)
    lines += ["systemctl daemon-reload", f"systemctl enable --now {timers}", f"systemctl list-timers {timers}"]
    return "\n".join(lines) + "\n"


def units(run: Run, wanted: Sequence[ScheduledJob]) -> dict[str, str]:
    """The units by file name: a service and a timer for each job. A job waits for the ones before it."""
    found: dict[str, str] = {}
    for number, job in enumerate(wanted):
        description = f"{job.title} of the site {run.site} of aresmon"
        found[f"{_unit(run, job)}.service"] = _template("job.service").format(
            description=description,
            after="".join(f" {_unit(run, other)}.service" for other in wanted[:number]),
            mounts=_paths([run.root, *run.writes]),
            user=run.user,
            root=run.root.replace("%", "%%"),
            command=" ".join(_word(word) for word in _command(run, job)),
            writes=_paths([run.root, *run.writes], prefix="-"),
        )
        found[f"{_unit(run, job)}.timer"] = _template("job.timer").format(
            description=description, calendar=_calendar(job.when)
        )
    return found


def _template(name: str) -> str:
    return (_UNITS / name).read_text(encoding="utf-8")


def cron(run: Run, wanted: Sequence[ScheduledJob]) -> str:
    """A file for /etc/cron.d. Standard output is discarded; cron mails the errors."""
    lines = [
        f"# Backups of the site {run.site}, for /etc/cron.d; in {run.user}'s own crontab, leave out the user name.",
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    ]
    for job in wanted:
        command = " ".join(shlex.quote(word) for word in _command(run, job)).replace("%", r"\%")
        lines.append(f"{_cron_time(job.when)} {run.user} {command} >/dev/null")
    return "\n".join(lines) + "\n"


def _command(run: Run, job: ScheduledJob) -> Iterator[str]:
    yield from run.program
    yield from ("--site", run.root)
    yield from job.arguments


def _unit(run: Run, job: ScheduledJob) -> str:
    return f"aresmon-{run.site}-{job.name}"


def _calendar(when: Schedule) -> str:
    day = {"weekly": f"{when.day[:3].capitalize()} *-*-*", "monthly": "*-*-01"}.get(when.every, "*-*-*")
    return f"{day} {when.minute // 60:02}:{when.minute % 60:02}:00"


def _cron_time(when: Schedule) -> str:
    days = {"weekly": f"* * {when.day[:3]}", "monthly": "1 * *"}.get(when.every, "* * *")
    return f"{when.minute % 60} {when.minute // 60} {days}"


def _paths(paths: Sequence[str], prefix: str = "") -> str:
    """A list of paths for systemd, without those inside another one."""
    kept = [one for one in dict.fromkeys(paths) if not any(one.startswith(f"{other}/") for other in paths)]
    return " ".join(_word(f"{prefix}{one}") for one in kept)


def _word(text: str) -> str:
    """One word, quoted for systemd."""
    plain = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{plain}"' if any(sign in plain for sign in " '\"\\") else plain

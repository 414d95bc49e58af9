"""The user's folder: `aresmon.yml`, `overrides/`, and the state that aresmon keeps in `.aresmon/`."""

from __future__ import annotations

import fcntl
import getpass
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aresmon.config import telegraf_toml
from aresmon.config.layout import FILE, Layout
from aresmon.config.telegraf_toml import TelegrafTomlError
from aresmon.system import files, git
from aresmon.system.errors import AresmonError
from aresmon.system.yaml_document import read_text

# Paths go into Compose's .env and into bind mounts, where these mean themselves.
_RECENT = 1 << 20  # bytes
_PLAIN_PATH = re.compile(r"[A-Za-z0-9 ._/@+-]+")


@dataclass(frozen=True, slots=True)
class HostFiles:
    """The content of each host's file, and why the others cannot be used, which concerns no other host. A host is in
    one of the two."""

    texts: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, AresmonError] = field(default_factory=dict)

    def text(self, host: str) -> str | None:
        """A host's file; None if it has none. Raises AresmonError if it has one that cannot be used."""
        if host in self.errors:
            raise self.errors[host]
        return self.texts.get(host)


def _host_files(folder: Path) -> HostFiles:
    texts, errors = dict[str, str](), dict[str, AresmonError]()
    for path in sorted(folder.glob("*.conf")):
        try:
            text = read_text(path)
            git.check_content(text, f"overrides/{folder.name}/{path.name}")
            telegraf_toml.parse(text)
            texts[path.stem] = text
        except TelegrafTomlError as error:
            where = f"overrides/{folder.name}/{path.name}"
            errors[path.stem] = AresmonError(f"{where}: not TOML: {error}", hint=f"correct {where}")
        except AresmonError as error:
            errors[path.stem] = error
    return HostFiles(texts, errors)


@dataclass(frozen=True, slots=True)
class Site(Layout):
    """A site's folder. Nothing is read or made until a method asks for it."""

    def host_fragments(self) -> HostFiles:
        """The site's own Telegraf fragments, by host: `overrides/hosts/<host>.conf`."""
        return _host_files(self.overrides / "hosts")

    def own_agents(self) -> HostFiles:
        """Whole configurations of the site's own, by host: `overrides/agents/<host>.conf` stands for its collectors."""
        return _host_files(self.overrides / "agents")

    def provisioned_uids(self) -> frozenset[str]:
        """The uids of all alert rules and receivers that Grafana ever had of us; it keeps what leaves its files."""
        try:
            return frozenset((self.state / "provisioned").read_text(encoding="ascii").split())
        except FileNotFoundError:
            return frozenset()

    def record_provisioned(self, uids: Iterable[str]) -> None:
        """Remember that Grafana is about to have these as well."""
        known = self.provisioned_uids()
        if not known >= (wanted := frozenset(uids)):
            files.write(self.state / "provisioned", "".join(f"{uid}\n" for uid in sorted(known | wanted)).encode())

    def create_state_folder(self) -> None:
        """Make `.aresmon/`, out of the way of git and of other users."""
        if not _PLAIN_PATH.fullmatch(str(self.root)):
            raise AresmonError(
                f"{self.root}: the path of a site's folder may contain only letters, digits, spaces and . _ @ + -",
                hint="move the folder; Compose interprets other characters",
            )
        try:
            for folder in (self.state, self.secrets, self.socket_folder.parent):
                folder.mkdir(mode=0o700, exist_ok=True)
                if folder.stat().st_mode & 0o077:
                    folder.chmod(0o700)
        except OSError as error:
            raise files.cannot_write(self.state, error) from error
        if not (self.state / ".gitignore").exists():
            files.write(self.state / ".gitignore", b"# Secrets and generated files: nothing for git.\n*\n")

    def filled_folders(self) -> set[Path]:
        """The data folders that were empty, or not there, when aresmon gave them to a service: what is in them
        now is the service's, and no one else's."""
        try:
            lines = (self.state / "filled-folders").read_text(encoding="utf-8").splitlines()
        except OSError:
            return set()
        return {Path(line) for line in lines}

    def record_folder(self, folder: Path) -> None:
        """Note that a service begins to fill this folder."""
        lines = sorted({str(one) for one in (*self.filled_folders(), folder)})
        files.write(self.state / "filled-folders", "".join(f"{line}\n" for line in lines).encode())

    @contextmanager
    def lock(self, command: str, *, on_wait: Callable[[str], None] | None = None) -> Iterator[bool]:
        """Hold the site for one changing command; whether another one had to end first.

        Raises AresmonError naming who holds it already; with `on_wait`, calls that with who does, and waits.
        """
        self.create_state_folder()
        path, waited = self.state / "lock", False
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise files.cannot_write(path, error) from error
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                holder = os.read(handle, 500).decode(errors="replace").strip() or "another aresmon"
                if on_wait is None:
                    raise AresmonError(
                        f"{self.root} is locked by {holder}",
                        hint="wait until that command ends; its lock is then released",
                    ) from None
                on_wait(holder)
                fcntl.flock(handle, fcntl.LOCK_EX)
                os.lseek(handle, 0, os.SEEK_SET)
                waited = True
            os.ftruncate(handle, 0)
            now = datetime.now().astimezone().strftime("%H:%M:%S")
            os.write(handle, f"`aresmon {command}` (process {os.getpid()}, {current_user()}, since {now})\n".encode())
            yield waited
        finally:
            os.close(handle)

    def record(self, **event: Any) -> None:
        """Add a line to the history: one JSON object a line, `at` in UTC."""
        line = json.dumps({"at": datetime.now(UTC).isoformat(timespec="seconds"), "by": current_user(), **event})
        try:
            with (self.state / "history.jsonl").open("a", encoding="utf-8") as file:
                file.write(line + "\n")
        except OSError as error:
            raise files.cannot_write(self.state / "history.jsonl", error) from error

    def recent_history(self, *commands: str) -> list[dict[str, Any]]:
        """The same of the end of the history, the last megabyte, which is read quickly however old the site is."""
        try:
            with (self.state / "history.jsonl").open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - _RECENT))
                lines = file.read().decode(errors="replace").splitlines()
        except OSError:
            return []
        return [event for line in lines if (event := _event(line)).get("command") in commands]

    def history(self, *commands: str) -> list[dict[str, Any]]:
        """The lines of the history that these commands wrote, the oldest first."""
        try:
            lines = (self.state / "history.jsonl").read_text(encoding="utf-8").splitlines()
        except OSError:
            return []
        return [event for line in lines if (event := _event(line)).get("command") in commands]


def _event(line: str) -> dict[str, Any]:
    """A line of the history; one that was cut off by the end of the machine is none."""
    try:
        event = json.loads(line)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}


def find_site(folder: Path) -> Site:
    """The site of this folder: the nearest one above it that has an aresmon.yml, else the folder itself."""
    try:
        here = folder.resolve()
    except OSError:
        raise AresmonError("the current folder no longer exists", hint="`cd` to the site's folder") from None
    if not here.is_dir():
        raise AresmonError(
            f"{here} is not a folder", hint="specify the folder that contains, or will contain, aresmon.yml"
        )
    for candidate in (here, *here.parents):
        if (candidate / FILE).exists():
            return Site(candidate)
    return Site(here)


def current_user() -> str:
    """Who runs this: the account, and behind sudo the one before it."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = str(os.getuid())
    behind = os.environ.get("SUDO_USER")
    return f"{behind} as {name}" if behind and behind != name else name


# The images' own users; where an unprivileged user runs the site, everything runs as that user.
_USERS = {"influxdb": 1500, "grafana": 472, "edge": 99, "telegraf": 1510}


def service_user_ids() -> dict[str, int]:
    """The user id of each service."""
    own = os.getuid()
    return dict(_USERS) if own == 0 else dict.fromkeys(_USERS, own)

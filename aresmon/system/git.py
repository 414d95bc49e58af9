"""git, as a program: asked so that it asks nobody, its words made fit for a person, addresses without secrets."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from aresmon.system import process
from aresmon.system.errors import AresmonError
from aresmon.system.process import Completed

LOCALLY = 30.0
"""Seconds, for what does not go over a network."""

# What ties git to the repository of whoever called us: a hook, a rebase. Settings (GIT_CONFIG_…) stay.
_OF_A_CALLER = (
    *("GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_NAMESPACE", "GIT_CONFIG"),
    *("GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_SHALLOW_FILE", "GIT_GRAFT_FILE"),
    *("GIT_REPLACE_REF_BASE", "GIT_QUARANTINE_PATH", "GIT_INTERNAL_SUPER_PREFIX", "GIT_IMPLICIT_WORK_TREE"),
)
_LITERALLY = ("GIT_LITERAL_PATHSPECS", "GIT_GLOB_PATHSPECS", "GIT_NOGLOB_PATHSPECS", "GIT_ICASE_PATHSPECS")

_LFS_POINTER = "version https://git-lfs.github.com/spec/v1"

TRY = "`git ls-remote {shown}` asks the same"
"""What a person may do to see for themselves."""
_FAILURES = (  # what git says of it, what is the matter, what next; the first that fits
    (
        "dubious ownership",
        "belongs to another user, and git reads no such repository",
        "run aresmon as its owner, or trust it: `{trust}`",
    ),
    (
        "shallow (roots|update)",
        "has only a part of its history",
        "bring the rest into it: `git fetch --unshallow` there",
    ),
    (
        "Host key verification failed|HOST IDENTIFICATION HAS CHANGED|No .* host key is known",
        "is on a machine whose key ssh does not know",
        "connect to it once with `ssh`, compare the key, and try again",
    ),
    (
        r"Permission denied \(|Authentication failed|could not read (Username|Password)|terminal prompts disabled"
        r"|HTTP Basic: Access denied|error: 40[13]\b|Too many authentication failures",
        "does not let us in",
        f"nobody is asked for a password here: give ssh a key, or git's credential helper a token, that may read it; "
        f"{TRY}",
    ),
    (
        r"does not appear to be a git repo|not a git repository|[Rr]epository .*not found|is this a git repository"
        r"|error: 404\b|could not be found|is not valid: is this|does not exist|no such repo",
        "is no git repository, or not one that we may see",
        f"correct configs.git in aresmon.yml; {TRY}",
    ),
    (
        r"[Cc]ould not resolve|[Cc]onnection (refused|timed out|reset|closed)|[Nn]etwork is unreachable"
        r"|No route to host|Failed to connect|[Cc]ould(n't| not) connect|unable to connect|timed out|SSL|certificate"
        r"|hung up|early EOF|error: 5\d\d\b|Could not read from remote",
        "cannot be reached",
        f"is its address right in configs.git of aresmon.yml, and the network there? {TRY}",
    ),
)


@dataclass(frozen=True, slots=True)
class Remote:
    """Where the repository is. `shown` and `url` are without secrets; `secret` is a line of git's credential
    store, `user` the name to log in with where there is only that; `folder` is set if it is on this machine."""

    shown: str
    url: str
    user: str = ""
    secret: str = ""
    folder: Path | None = None


def remote(address: str, root: Path) -> Remote:
    """Take an address apart; a folder is absolute, starts with `~/`, or is relative to `root`."""
    if address.startswith("file://"):
        path = root / unquote(address.removeprefix("file://"))
        return Remote(shown=address, url=address if path.is_absolute() else str(path), folder=path)
    if ":" not in address.partition("/")[0]:
        path = Path(address).expanduser() if address.startswith("~/") else root / address
        return Remote(shown=str(path), url=str(path), folder=path)
    found = re.fullmatch(r"(https?://)(?:([^/?#]*)@)?([^/?#@]*)(.*)", address)
    return (
        _web(*found.groups(), shown=mask_secrets(address))
        if found
        else Remote(shown=mask_secrets(address), url=address)
    )


def _web(scheme: str, login: str | None, host: str, path: str, *, shown: str) -> Remote:
    """An http address, less the login: git would put it on the command line of its helper."""
    if "@" in path and not re.fullmatch(r"[^:]*|\[[^]]*\]|.*:[0-9]+", host):
        raise AresmonError(
            f"{shown} is no address", hint="in the login of configs.git write / as %2F, @ as %40, : as %3A, ? as %3F"
        )
    url = f"{scheme}{host}{path}"
    if not login:
        return Remote(shown=shown, url=url)
    user, colon, password = login.partition(":")
    if not colon:
        return Remote(shown=shown, url=url, user=unquote(user))
    encoded = ":".join(quote(unquote(word), safe="") for word in (user, password))
    return Remote(shown=shown, url=url, secret=f"{scheme}{encoded}@{host}")


def run_git(arguments: Sequence[str], *, cwd: Path, env: Mapping[str, str] | None, timeout: float) -> Completed:
    """Run git to its end, whatever it ends with. Raises AresmonError where there is no git."""
    if shutil.which("git") is None:
        raise AresmonError(
            "git is not installed, or not on the PATH", hint="install it (Debian, Ubuntu: `sudo apt-get install git`)"
        )
    return process.run(
        ["git", *arguments], env={**_environment(), **(env or {})}, cwd=cwd, timeout=timeout, check=False
    )


def _environment() -> dict[str, str | None]:
    """What git sees otherwise than we do: nobody to ask, no repository of a caller's, and English."""
    traces = [name for name in os.environ if name.startswith("GIT_TRACE")]
    changed: dict[str, str | None] = dict.fromkeys((*_OF_A_CALLER, *_LITERALLY, *traces))
    changed |= {"GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "", "SSH_ASKPASS_REQUIRE": "never"}
    changed |= {"GIT_OPTIONAL_LOCKS": "0", "GIT_DEFAULT_HASH": "sha1", "GIT_DEFAULT_REF_FORMAT": "files"}
    return changed | {"LC_ALL": "C"}


def without_questions(command: str) -> str:
    """An ssh command that asks nobody. What is not ssh itself knows other options and is left as it is."""
    try:
        program = Path(shlex.split(command)[0]).name
    except (ValueError, IndexError):
        return command
    return f"{command} -o BatchMode=yes -o ConnectTimeout=20" if program == "ssh" else command


def failure(remote: Remote, said: str) -> AresmonError | None:
    """Why git did not get at a repository, from its own words; None if that is none of the known reasons."""
    for pattern, what, then in _FAILURES:
        if re.search(pattern, said):
            trust = re.search(r"git config --global --add safe\.directory \S.*", said)
            hint = then.format(
                shown=remote.shown, trust=without_escapes(trust[0]) if trust else "git config safe.directory"
            )
            return AresmonError(f"{remote.shown} {what}: {clean_output(said)}", hint=hint)
    return None


def clean_output(said: str) -> str:
    """What git said, in a line, without its advice and without secrets."""
    dull = re.compile(r"Please make sure|and the repository exists|hint:|From |To add an exception|\s*git config|@@@")
    lines = [line.strip() for line in said.splitlines() if line.strip() and not dull.match(line)]
    details = [line for line in lines if "Could not read from remote" not in line] or lines
    return without_escapes(mask_secrets("; ".join(details[-3:]))) or "git said nothing"


def mask_secrets(text: str) -> str:
    """The text with no login of an http address, and no password of any other."""
    text = re.sub(r"(https?://)\S*@", r"\1***@", text)
    return re.sub(r"(://[^\s/:@]*):[^\s/]*@", r"\1:***@", text)


def without_escapes(text: str) -> str:
    """The text without what would steer a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def format_names(names: Sequence[str]) -> str:
    """The first ten names, and how many more there are."""
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return ", ".join(names[:10]) + more


def check_content(text: str, where: str) -> None:
    """Raise AresmonError if this is what Git LFS leaves in the place of a file that was not fetched."""
    if text.startswith(_LFS_POINTER):
        raise AresmonError(
            f"{where} is a pointer of Git LFS, not the configuration itself",
            hint="take it out of Git LFS: `git lfs untrack '*.conf'`, `git add --renormalize .`, then commit and push; "
            "in a checkout, `git lfs pull` fetches the file",
        )

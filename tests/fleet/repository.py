"""A git repository of configurations, as an operator's team keeps it elsewhere."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

BRANCH = "master"

# Nothing of the account that runs the tests: no hooks, no signing, no name.
_ENVIRONMENT = {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_SYSTEM": "/dev/null",
    **{f"GIT_{who}_NAME": "Ada" for who in ("AUTHOR", "COMMITTER")},
    **{f"GIT_{who}_EMAIL": "ada@example.org" for who in ("AUTHOR", "COMMITTER")},
}


@dataclass(frozen=True)
class Repository:
    """A bare repository at `bare`, and somebody's clone of it."""

    bare: Path
    clone: Path

    @property
    def url(self) -> str:
        """What stands in aresmon.yml as `configs.git`."""
        return str(self.bare)

    @property
    def head(self) -> str:
        """The newest commit of the branch."""
        return self.git("ls-remote", self.url, f"refs/heads/{BRANCH}").split()[0]

    def commit(self, files: Mapping[str, str | None], message: str = "Change configurations") -> str:
        """Change files (None removes one) and push; the new commit."""
        self._change(files)
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        self.git("push", "--quiet", "origin", BRANCH)
        return self.head

    def force_push(self, files: Mapping[str, str | None], message: str = "Rewrite the last commit") -> str:
        """Replace the newest commit by another one: who has it cannot fast-forward any more. The new commit."""
        self._change(files)
        self.git("commit", "--quiet", "--allow-empty", "--amend", "--message", message)
        self.git("push", "--quiet", "--force", "origin", BRANCH)
        return self.head

    def git(self, *arguments: str) -> str:
        """Run git in the clone; what it prints."""
        argv, env = ["git", *arguments], {**os.environ, **_ENVIRONMENT}
        done = subprocess.run(argv, cwd=self.clone, env=env, capture_output=True, text=True)
        assert done.returncode == 0, (arguments, done.stderr)
        return done.stdout

    def _change(self, files: Mapping[str, str | None]) -> None:
        for path, text in files.items():
            file = self.clone / path
            file.parent.mkdir(parents=True, exist_ok=True)
            if text is None:
                file.unlink()
            else:
                file.write_text(text, encoding="utf-8")
        self.git("add", "--all")


def new_repository(folder: Path) -> Repository:
    """A repository with one commit, a README."""
    made = Repository(folder / "configs.git", folder / "clone")
    made.clone.mkdir(parents=True)
    made.git("init", "--quiet", "--bare", "--initial-branch", BRANCH, str(made.bare))
    made.git("init", "--quiet", "--initial-branch", BRANCH)
    made.git("remote", "add", "origin", made.url)
    made.commit({"README.md": "One file for each host.\n"}, "Begin")
    return made

"""Keys of ssh, made for one test run."""

from __future__ import annotations

import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.harness import names


@dataclass(frozen=True)
class Key:
    """A key pair, as the files of OpenSSH hold it."""

    private: str
    public: str


def new_key() -> Key:
    """A key pair that nobody has seen before."""
    with tempfile.TemporaryDirectory(prefix=names.prefix(names.this_worker())) as folder:
        file = Path(folder) / "key"
        argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "aresmon-test", "-f", str(file)]
        subprocess.run(argv, check=True)
        return Key(file.read_text(encoding="utf-8"), file.with_suffix(".pub").read_text(encoding="utf-8").strip())

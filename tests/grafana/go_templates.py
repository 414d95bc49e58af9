"""Renders templates of Grafana's messages by Go itself, with the functions and types that they have in Grafana."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

GO = shutil.which("go")
_PROGRAM = Path(__file__).parent / "messages" / "main.go"


def build(folder: Path) -> Path:
    """The program that renders, built in this folder. It takes the standard library alone."""
    assert GO is not None, "Go is not installed: scripts/prerequisites tests"
    made = folder / "render"
    environment = os.environ | {"GOCACHE": os.environ.get("GOCACHE", str(folder / "cache")), "GO111MODULE": "off"}
    subprocess.run([GO, "build", "-o", str(made), str(_PROGRAM)], check=True, env=environment, cwd=folder)
    return made


def render(program: Path, templates: str, texts: Sequence[str], alerts: Sequence[Mapping[str, Any]]) -> list[str]:
    """What these texts say of these alerts; `templates` is the file that they may use."""
    return render_each(program, templates, texts, [alerts])[0]


def render_each(
    program: Path, templates: str, texts: Sequence[str], messages: Sequence[Sequence[Mapping[str, Any]]]
) -> list[list[str]]:
    """The same for several messages."""
    asked = [{"templates": templates, "texts": list(texts), "alerts": list(alerts)} for alerts in messages]
    done = subprocess.run([str(program)], input=json.dumps(asked), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answers: list[list[str]] = json.loads(done.stdout)
    return answers

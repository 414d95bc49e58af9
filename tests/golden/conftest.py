"""Golden files: what aresmon makes, kept to be looked at, and held against what it makes now."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

UPDATE = "ARESMON_UPDATE_GOLDEN"
HOW = f"if that is meant: {UPDATE}=1 .venv/bin/python -m pytest tests/golden, then look at `git diff tests/golden`"

Compare = Callable[[Path, Mapping[str, bytes]], None]


@pytest.fixture
def compare() -> Compare:
    """Hold files against those of a golden folder, path by path; with the environment variable, write them anew."""
    return _write_anew if os.environ.get(UPDATE) else _compare


def _compare(folder: Path, made: Mapping[str, bytes]) -> None:
    kept = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    assert sorted(made) == sorted(kept), f"other files than in {folder}; {HOW}"
    for name, content in made.items():
        assert content.decode() == kept[name].read_text(encoding="utf-8"), f"{kept[name]} differs; {HOW}"


def _write_anew(folder: Path, made: Mapping[str, bytes]) -> None:
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        path.unlink()
    for name, content in made.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    pytest.skip(f"{folder} is written anew")

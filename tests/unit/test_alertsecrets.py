"""The secrets of `alerts`: taken in, kept to Grafana's user, marked, never shown."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from aresmon import alertsecrets, credentials
from aresmon.errors import AresmonError

ME = os.getuid()
VALUE = "https://discord.com/api/webhooks/1/a-b_c?x=1&y=#z"


def test_a_secret_is_kept_as_it_is_where_nobody_else_can_look(tmp_path: Path) -> None:
    path = alertsecrets.put(tmp_path, "ops", f"{VALUE}\n", owner=ME)

    assert path == tmp_path / "alerts" / "ops"
    assert path.read_text(encoding="ascii") == VALUE
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert alertsecrets.read(tmp_path, "ops") == VALUE


@pytest.mark.parametrize("value", ["", "two words", "two\nlines", "a$b", "é", "x" * 2049])
def test_a_value_that_grafana_would_misread_is_refused_and_not_repeated(tmp_path: Path, value: str) -> None:
    alertsecrets.put(tmp_path, "ops", VALUE, owner=ME)
    with pytest.raises(AresmonError) as caught:
        alertsecrets.put(tmp_path, "ops", value, owner=ME)

    assert not value or value not in f"{caught.value.message} {caught.value.hint}"
    assert alertsecrets.read(tmp_path, "ops") == VALUE


@pytest.mark.parametrize("name", ["", "../agent-biere", "a/b", "Ops", "-a", "x" * 41])
def test_a_name_cannot_lead_elsewhere(tmp_path: Path, name: str) -> None:
    with pytest.raises(AresmonError, match="is no name"):
        alertsecrets.put(tmp_path, name, VALUE, owner=ME)

    assert list(tmp_path.rglob("*")) == []


def test_what_is_missing_is_told_with_the_command_that_brings_it(tmp_path: Path) -> None:
    alertsecrets.put(tmp_path, "ops", VALUE, owner=ME)
    with pytest.raises(AresmonError, match="no secret named beat and none named bot") as caught:
        alertsecrets.check(tmp_path, ["ops", "beat", "bot"])

    assert "`aresmon alerts secret beat`" in caught.value.hint
    alertsecrets.check(tmp_path, ["ops"])


def test_a_secret_that_was_edited_into_something_else_is_told_of(tmp_path: Path) -> None:
    alertsecrets.put(tmp_path, "ops", VALUE, owner=ME).write_text("a b\n", encoding="ascii")
    with pytest.raises(AresmonError, match="one line without spaces"):
        alertsecrets.check(tmp_path, ["ops"])


def test_a_mark_changes_with_the_secret_and_tells_nothing_of_it(tmp_path: Path) -> None:
    credentials.ensure(tmp_path, {credentials.SITE_KEY: ME})
    alertsecrets.put(tmp_path, "ops", VALUE, owner=ME)
    first = alertsecrets.fingerprints(tmp_path, ["ops", "missing"])
    alertsecrets.put(tmp_path, "ops", VALUE + "2", owner=ME)
    second = alertsecrets.fingerprints(tmp_path, ["ops"])

    assert set(first) == set(second) == {"alerts/ops"}
    assert first != second
    assert "discord" not in str(first)


def test_what_others_could_read_is_closed_again(tmp_path: Path) -> None:
    path = alertsecrets.put(tmp_path, "ops", VALUE, owner=ME)
    path.chmod(0o644)
    path.parent.chmod(0o755)
    alertsecrets.prepare(tmp_path, ME)

    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)

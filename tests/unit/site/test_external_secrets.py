"""The secrets of `alerts`: taken in, kept to Grafana's user, marked, never shown."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from aresmon.site import external_secrets, secrets
from aresmon.system.errors import AresmonError, SiteError

ME = os.getuid()
USES: external_secrets.Uses = {"ops": ("address",), "beat": ("address",), "bot": ("bot",)}
VALUE = "https://discord.com/api/webhooks/1/a-b_c?x=1&y=#z"


def test_a_secret_is_kept_as_it_is_where_nobody_else_can_look(tmp_path: Path) -> None:
    path = external_secrets.write_alert_secret(tmp_path, "ops", f"{VALUE}\n", owner=ME)

    assert path == tmp_path / "alerts" / "ops"
    assert path.read_text(encoding="ascii") == VALUE
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert external_secrets.read_alert_secret(tmp_path, "ops") == VALUE


@pytest.mark.parametrize("value", ["", "two words", "two\nlines", "a$b", "é", "x" * 2049])
def test_a_value_that_grafana_would_misread_is_refused_and_not_repeated(tmp_path: Path, value: str) -> None:
    external_secrets.write_alert_secret(tmp_path, "ops", VALUE, owner=ME)
    with pytest.raises(AresmonError) as caught:
        external_secrets.write_alert_secret(tmp_path, "ops", value, owner=ME)

    assert not value or value not in f"{caught.value.message} {caught.value.hint}"
    assert external_secrets.read_alert_secret(tmp_path, "ops") == VALUE


@pytest.mark.parametrize("name", ["", "../agent-biere", "a/b", "Ops", "-a", "x" * 41])
def test_a_name_cannot_lead_elsewhere(tmp_path: Path, name: str) -> None:
    with pytest.raises(AresmonError, match="is not a valid name"):
        external_secrets.write_alert_secret(tmp_path, name, VALUE, owner=ME)

    assert list(tmp_path.rglob("*")) == []


def test_what_is_missing_is_told_with_the_command_that_brings_it(tmp_path: Path) -> None:
    external_secrets.write_alert_secret(tmp_path, "ops", VALUE, owner=ME)
    with pytest.raises(SiteError) as caught:
        external_secrets.check(tmp_path, USES)

    assert [line.partition(" is not")[0] for line in caught.value.errors] == [
        "alerts: the secret beat",
        "alerts: the secret bot",
    ]
    assert caught.value.hint == "`aresmon alerts secret NAME` sets each of them; nothing was changed"
    external_secrets.check(tmp_path, {"ops": ("address",)})
    external_secrets.write_alert_secret(tmp_path, "bot", "1:a", owner=ME)
    with pytest.raises(SiteError) as caught:
        external_secrets.check(tmp_path, USES)
    assert caught.value.hint == "`aresmon alerts secret beat` sets it; nothing was changed"


def test_a_secret_that_was_edited_into_something_else_is_told_of(tmp_path: Path) -> None:
    external_secrets.write_alert_secret(tmp_path, "ops", VALUE, owner=ME).write_text(f"{VALUE}\n", encoding="ascii")
    with pytest.raises(AresmonError, match="line's end") as caught:
        external_secrets.check(tmp_path, {"ops": ("address",)})

    assert "webhooks" not in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize("value", [f'"{VALUE}"', "discord.com/api/webhooks/1", "https://discord.com/api/webhooks/%zz"])
def test_an_address_that_grafana_could_not_read_is_refused_when_it_comes_and_again_by_up(
    tmp_path: Path, value: str
) -> None:
    uses: external_secrets.Uses = {"ops": ("address",)}
    with pytest.raises(AresmonError, match="ops: the value") as refused:
        external_secrets.write_alert_secret(tmp_path, "ops", value, owner=ME, uses=uses)
    assert not (tmp_path / "alerts").exists()

    path = external_secrets.write_alert_secret(tmp_path, "ops", VALUE, owner=ME)
    path.write_text(value, encoding="ascii")
    with pytest.raises(SiteError) as held:
        external_secrets.check(tmp_path, uses)

    for error in (refused.value, held.value):
        assert "an http or https address, as https://host/path" in f"{error.message} {error.hint}"
        assert "webhooks" not in f"{error.message} {error.hint}"


def test_a_mark_changes_with_the_secret_and_tells_nothing_of_it(tmp_path: Path) -> None:
    secrets.ensure(tmp_path, {secrets.SITE_KEY: ME})
    external_secrets.write_alert_secret(tmp_path, "ops", VALUE, owner=ME)
    first = external_secrets.fingerprints(tmp_path, ["alerts/ops", "alerts/missing"])
    external_secrets.write_alert_secret(tmp_path, "ops", VALUE + "2", owner=ME)
    second = external_secrets.fingerprints(tmp_path, ["alerts/ops"])

    assert set(first) == set(second) == {"alerts/ops"}
    assert first != second
    assert "discord" not in str(first)


def test_what_others_could_read_is_closed_again(tmp_path: Path) -> None:
    path = external_secrets.write_alert_secret(tmp_path, "ops", VALUE, owner=ME)
    path.chmod(0o644)
    path.parent.chmod(0o755)
    external_secrets.prepare_folder(tmp_path, ME)

    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


@pytest.mark.parametrize(
    "value", ["", "\n", "two\nlines", "a'b", 'a"b', "a\\b", "a$b", "\x07", "\udcff\udcfe", "x" * 2049]
)
def test_a_value_that_no_environment_file_carries_is_refused_and_not_shown(tmp_path: Path, value: str) -> None:
    with pytest.raises(AresmonError) as caught:
        external_secrets.write_collector_secret(tmp_path, "mysql", value, owner=ME)

    assert not (tmp_path / "collectors").exists()
    assert len(value.strip()) < 2 or value.strip() not in f"{caught.value.message} {caught.value.hint}"


def test_a_secret_of_a_collector_is_kept_for_its_reader_alone(tmp_path: Path) -> None:
    path = external_secrets.write_collector_secret(tmp_path, "mysql", "h{u}n#t%e r=2;[é]\r\n", owner=ME)

    assert external_secrets.read_secret(tmp_path, "collectors/mysql") == "h{u}n#t%e r=2;[é]"
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)

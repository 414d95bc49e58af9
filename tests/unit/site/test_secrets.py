"""The secrets of a site: made once, open to nobody, and never shown."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from aresmon.config.model import Config
from aresmon.site import secrets
from aresmon.system.errors import AresmonError

OWN = os.getuid()


def ensure(folder: Path, *names: str) -> dict[str, str]:
    return secrets.ensure(folder, dict.fromkeys(names, OWN))


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_missing_secrets_are_made_long_different_and_for_their_owner_alone(tmp_path: Path) -> None:
    made = ensure(tmp_path, "a", "b")

    assert made["a"] != made["b"]
    assert min(map(len, made.values())) >= 32
    assert {name: (tmp_path / name).read_text() for name in made} == made
    assert {mode(tmp_path / name) for name in made} == {0o600}


def test_a_secret_that_is_there_is_kept(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("mine-since-long")

    assert ensure(tmp_path, "a") == {"a": "mine-since-long"}


@pytest.mark.parametrize("open_mode", [0o644, 0o640, 0o777])
def test_a_secret_that_others_can_read_is_closed_to_them(tmp_path: Path, open_mode: int) -> None:
    (tmp_path / "a").write_text("long-enough")
    (tmp_path / "a").chmod(open_mode)

    ensure(tmp_path, "a")

    assert mode(tmp_path / "a") == 0o600


def test_an_editors_newline_is_no_part_of_the_secret_nor_of_its_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("long-enough\n")

    assert ensure(tmp_path, "a") == {"a": "long-enough"}
    assert (tmp_path / "a").read_bytes() == b"long-enough"
    assert mode(tmp_path / "a") == 0o600


@pytest.mark.parametrize(
    "content",
    [
        *(
            b"",
            b"abc",
            b"with space",
            b" leading",
            b"trailing ",
            b"with$dollar",
            b"with'quote",
            b'with"quote',
            b"back\\slash",
        ),
        *(b"two\nlines", b"x" * 257, b"caf\xc3\xa9s", b"\xff\xfe\xfd\xfc"),
    ],
)
def test_a_secret_that_cannot_be_used_is_refused_by_name_and_not_shown(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "agent-lewi").write_bytes(content)

    with pytest.raises(AresmonError, match="agent-lewi: a secret must be ") as caught:
        ensure(tmp_path, "agent-lewi")

    if content:
        assert content.decode(errors="replace") not in f"{caught.value.message} {caught.value.hint}"
    assert (tmp_path / "agent-lewi").read_bytes() == content
    assert caught.value.__context__ is None or caught.value.__suppress_context__, "a traceback would show it"


def test_a_missing_secret_is_told_with_what_makes_it(tmp_path: Path) -> None:
    with pytest.raises(AresmonError, match="influxdb-admin does not exist") as caught:
        secrets.read(tmp_path, "influxdb-admin")

    assert "aresmon up" in caught.value.hint


def test_a_site_without_any_secret_has_not_run(tmp_path: Path) -> None:
    with pytest.raises(AresmonError, match="this site has not run on this machine yet"):
        secrets.read(tmp_path / "missing", "influxdb-admin")


def test_a_secret_that_is_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir(mode=0o700)

    with pytest.raises(AresmonError, match="a cannot be read: Is a directory"):
        ensure(tmp_path, "a")


def test_every_service_reads_its_own_secrets_and_no_others(ares: Config) -> None:
    users = {"influxdb": 1500, "grafana": 472, "edge": 99, "telegraf": 1510}

    assert secrets.owners(ares, users) == {
        "site-key": OWN,
        "influxdb-admin": OWN,
        "backup-passphrase": OWN,
        "influxdb-grafana": 472,
        "grafana-admin": 472,
        "grafana-secret-key": 472,
        "agent-biere": 1510,
        "agent-ronflex": OWN,
        "agent-lewi": OWN,
    }


def test_fingerprints_tell_secrets_apart_and_tell_nothing_of_them(tmp_path: Path) -> None:
    values = ensure(tmp_path, "site-key", "a", "b")
    (tmp_path / "b").write_text(values["a"])

    marks = secrets.fingerprints(tmp_path, ["a", "b"])

    assert set(marks) == {"a", "b"}
    assert marks["a"] != marks["b"], "the same password in two places must not be seen"
    assert all(value not in mark and mark not in value for value in values.values() for mark in marks.values())


def test_a_fingerprint_changes_with_its_secret_and_with_nothing_else(tmp_path: Path) -> None:
    ensure(tmp_path, "site-key", "a", "b")
    before = secrets.fingerprints(tmp_path, ["a", "b"])
    assert secrets.fingerprints(tmp_path, ["a", "b"]) == before

    (tmp_path / "b").write_text("another-one")
    after = secrets.fingerprints(tmp_path, ["a", "b"])

    assert (after["a"] == before["a"], after["b"] == before["b"]) == (True, False)


def test_fingerprints_of_two_sites_with_the_same_passwords_differ(tmp_path: Path) -> None:
    marks = []
    for site in ("one", "two"):
        ensure(tmp_path / site, "site-key")
        (tmp_path / site / "a").write_text("the-same")
        marks.append(secrets.fingerprints(tmp_path / site, ["a"])["a"])

    assert marks[0] != marks[1]


def test_a_site_without_secrets_has_no_fingerprints(tmp_path: Path) -> None:
    assert secrets.fingerprints(tmp_path / "none", ["a"]) == {}
    assert secrets.fingerprints(tmp_path, ["a", "b"]) == {}


def test_a_stray_file_among_the_secrets_is_nobody_s_business(tmp_path: Path) -> None:
    ensure(tmp_path, "site-key", "a")
    (tmp_path / "a.bak").touch()
    (tmp_path / "old").mkdir()

    assert set(secrets.fingerprints(tmp_path, ["a"])) == {"a"}

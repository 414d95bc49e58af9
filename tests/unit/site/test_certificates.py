"""A certificate is looked at before anything is touched, and what is wrong is told with its line."""

from __future__ import annotations

import errno
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from aresmon.config.access import KeyPair
from aresmon.site import certificates
from aresmon.system.errors import AresmonError
from tests import certificates as made
from tests.unit.conftest import errors, load

URL = f"https://{made.NAME}/"
FILE = """\
grafana:
  url: https://grafana.example.org
  tls:
    certificate: certificate.pem
    key: key.pem
hosts: {a: }
"""


@pytest.fixture
def pair() -> KeyPair:
    """The pair as aresmon.yml names it."""
    found = load(FILE).grafana.access.tls
    assert found is not None
    return found


def close(closed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody read this file, not even root."""
    read = Path.read_bytes

    def refuse(path: Path) -> bytes:
        if path == closed:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)


def refusal(root: Path, pair: KeyPair) -> str:
    with pytest.raises(AresmonError) as caught:
        certificates.find_warnings(root, pair, URL)
    assert "nothing was changed" in caught.value.hint
    return caught.value.message


def test_a_pair_that_belongs_together_is_taken(tmp_path: Path, pair: KeyPair) -> None:
    made.write(tmp_path)

    assert certificates.find_warnings(tmp_path, pair, URL) == []


@pytest.mark.parametrize(("name", "line"), [("certificate", 4), ("key", 5)])
def test_a_file_that_is_not_there_is_named_with_its_line(tmp_path: Path, pair: KeyPair, name: str, line: int) -> None:
    made.write(tmp_path)
    (tmp_path / f"{name}.pem").unlink()

    with pytest.raises(AresmonError) as caught:
        certificates.find_warnings(tmp_path, pair, URL)

    where = f"aresmon.yml:{line} grafana.tls.{name}"
    assert caught.value.message == f"{where}: {tmp_path}/{name}.pem cannot be read: no such file or directory"
    assert caught.value.hint == f"nothing was changed; name an existing file at {where}"


@pytest.mark.parametrize("name", ["certificate", "key"])
def test_a_folder_in_place_of_a_file_is_told_as_one_that_is_not_there(tmp_path: Path, pair: KeyPair, name: str) -> None:
    made.write(tmp_path)
    (tmp_path / f"{name}.pem").unlink()
    (tmp_path / f"{name}.pem").mkdir()

    with pytest.raises(AresmonError, match="is a directory") as caught:
        certificates.find_warnings(tmp_path, pair, URL)

    assert "name an existing file at aresmon.yml:" in caught.value.hint


def test_a_file_that_is_another_s_asks_for_who_may_read_it(
    tmp_path: Path, pair: KeyPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.write(tmp_path)
    close(tmp_path / "key.pem", monkeypatch)

    with pytest.raises(AresmonError, match="permission denied") as caught:
        certificates.find_warnings(tmp_path, pair, URL)

    assert "run aresmon as a user who may read it" in caught.value.hint


@pytest.mark.parametrize(
    "content", [b"", b"no certificate", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_what_is_no_certificate_is_refused(tmp_path: Path, pair: KeyPair, content: bytes) -> None:
    made.write(tmp_path)
    (tmp_path / "certificate.pem").write_bytes(content)

    assert "grafana.tls.certificate: certificate.pem does not contain a certificate in PEM format" in refusal(
        tmp_path, pair
    )


def test_what_is_no_key_is_refused_and_not_shown(tmp_path: Path, pair: KeyPair) -> None:
    made.write(tmp_path)
    (tmp_path / "key.pem").write_text("-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n")

    told = refusal(tmp_path, pair)

    assert "aresmon.yml:5 grafana.tls.key: key.pem does not contain a private key in PEM format" in told
    assert "c2Vj" not in told


def test_a_key_with_a_password_is_refused(tmp_path: Path, pair: KeyPair) -> None:
    made.write(tmp_path, password="locked")

    assert "key.pem is encrypted with a password" in refusal(tmp_path, pair)


def test_somebody_else_s_key_is_refused(tmp_path: Path, pair: KeyPair) -> None:
    made.write(tmp_path / "other")
    made.write(tmp_path)
    (tmp_path / "other" / "key.pem").replace(tmp_path / "key.pem")

    assert "key.pem is not the key of certificate.pem" in refusal(tmp_path, pair)


def test_a_certificate_that_has_ended_is_refused(tmp_path: Path, pair: KeyPair) -> None:
    made.write(tmp_path, ends=timedelta(days=-1))

    assert "certificate.pem expired on 2" in refusal(tmp_path, pair)


@pytest.mark.parametrize(("hours", "is_told"), [(1, True), (14 * 24 - 1, True), (14 * 24 + 1, False)])
def test_an_end_within_14_days_is_a_warning(tmp_path: Path, pair: KeyPair, hours: int, is_told: bool) -> None:
    made.write(tmp_path, ends=timedelta(hours=hours))

    doubts = certificates.find_warnings(tmp_path, pair, URL)

    assert ["certificate.pem expires on 2" in doubt.what for doubt in doubts] == [True] * is_told
    assert ["renew it; `aresmon up`" in doubt.next for doubt in doubts] == [True] * is_told


def test_a_common_name_alone_covers_nothing_as_browsers_see_it(tmp_path: Path, pair: KeyPair) -> None:
    made.write(tmp_path, is_common_name_alone=True)

    (doubt,) = certificates.find_warnings(tmp_path, pair, URL)

    assert (
        f"reject it for {made.NAME}: it is valid for no name (browsers check only its subject alternative" in doubt.what
    )


def troubles(root: Path, pair: KeyPair | None) -> list[str]:
    return [doubt.what for doubt in certificates.find_problems(root, pair, URL, root / "tls", now=datetime.now(UTC))]


@pytest.mark.parametrize(
    ("days", "words"), [(-1, "certificate.pem expired on"), (3, "certificate.pem expires on"), (20, "")]
)
def test_an_end_is_a_trouble_before_and_after_it(tmp_path: Path, pair: KeyPair, days: int, words: str) -> None:
    made.write(tmp_path, ends=timedelta(days=days))

    assert [words in what for what in troubles(tmp_path, pair)] == [True] * bool(words)


def test_a_renewed_certificate_is_no_help_while_the_edge_shows_the_former_one(tmp_path: Path, pair: KeyPair) -> None:
    made.write(tmp_path, ends=timedelta(days=3))
    certificates.install(tmp_path, pair, tmp_path / "tls", os.getuid())
    made.write(tmp_path)

    assert ["the edge still uses the previous certificate" in what for what in troubles(tmp_path, pair)] == [True]
    certificates.install(tmp_path, pair, tmp_path / "tls", os.getuid())
    assert troubles(tmp_path, pair) == []


def test_a_certificate_that_went_away_is_a_trouble_and_one_that_is_another_s_is_none(
    tmp_path: Path, pair: KeyPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ["no such file" in what for what in troubles(tmp_path, pair)] == [True]
    made.write(tmp_path)
    close(tmp_path / "certificate.pem", monkeypatch)
    assert troubles(tmp_path, pair) == troubles(tmp_path, None) == []


@pytest.mark.parametrize(
    ("name", "url", "is_covered"),
    [
        ("grafana.example.org", "https://GRAFANA.example.org:8443/x", True),
        ("*.example.org", "https://grafana.example.org", True),
        ("*.example.org", "https://a.grafana.example.org", False),
        ("*.example.org", "https://example.org", False),
        ("other.example.org", "https://grafana.example.org", False),
    ],
)
def test_another_name_than_people_type_is_a_warning(
    tmp_path: Path, pair: KeyPair, name: str, url: str, is_covered: bool
) -> None:
    made.write(tmp_path, name=name)

    assert (certificates.find_warnings(tmp_path, pair, url) == []) == is_covered


def test_the_edge_gets_one_file_for_itself_and_loses_it_with_the_setting(tmp_path: Path, pair: KeyPair) -> None:
    made.write(tmp_path)
    target = tmp_path / "tls" / certificates.FILES["grafana"]

    certificates.install(tmp_path, pair, target.parent, os.getuid())

    assert target.stat().st_mode & 0o777 == 0o600
    assert target.read_text().count("-----BEGIN ") == 2
    first = target.stat().st_ino
    certificates.install(tmp_path, pair, target.parent, os.getuid())
    assert target.stat().st_ino == first, "the same pair is not written again"
    certificates.install(tmp_path, None, target.parent, os.getuid())
    assert not target.exists()


def test_a_renewed_certificate_has_another_mark(tmp_path: Path, pair: KeyPair) -> None:
    made.write(tmp_path)
    before = certificates.change_hash(tmp_path, pair)
    made.write(tmp_path)

    assert before != certificates.change_hash(tmp_path, pair) != ""
    assert certificates.change_hash(tmp_path, None) == ""


# The settings of the access ----------------------------------------------------------------------------


def test_a_site_without_a_word_on_it_has_a_plain_door() -> None:
    door = load("hosts: {a: }\n").grafana.access

    assert (door.tls, door.anonymous, door.behind, door.scheme) == (None, False, (), "http")


def test_with_a_certificate_and_no_address_links_are_https() -> None:
    config = load("grafana: {tls: {certificate: a, key: b}}\nhosts: {a: }\n")

    assert (config.grafana.url, config.grafana.access.scheme) == ("https://127.0.0.1:3000", "https")


@pytest.mark.parametrize(
    ("grafana", "told"),
    [
        ("{behind: [10.0.0.300]}", "grafana.behind[0]: '10.0.0.300' is no IP address"),
        ("{behind: [10.0.0.1/24]}", "grafana.behind[0]: '10.0.0.1/24' is no IP address"),
        ("{behind: ['0.0.0.0/0']}", "grafana.behind[0]: '0.0.0.0/0' is everybody"),
        ("{url: 'http://a', tls: {certificate: a, key: b}}", "grafana.url: with grafana.tls people come by https"),
        ("{tls: {certificate: a}}", "grafana.tls"),
        ("{anonymous: maybe}", "grafana.anonymous"),
    ],
)
def test_what_cannot_be_is_told(grafana: str, told: str) -> None:
    assert told in errors(f"grafana: {grafana}\nhosts: {{a: }}\n")[0]


def test_a_proxy_here_is_not_believed_where_everybody_looks_like_it() -> None:
    told = errors("edge: {grafana: '[::]:3000'}\ngrafana: {behind: [127.0.0.1]}\nhosts: {a: }\n")

    assert "all clients look like this machine" in told[0]


@pytest.mark.parametrize(
    ("grafana", "is_told"),
    [
        ("{url: 'https://a'}", True),
        ("{url: 'https://a', behind: [127.0.0.1]}", False),
        ("{url: 'https://a', tls: {certificate: a, key: b}}", False),
        ("{url: 'http://a'}", False),
    ],
)
def test_a_proxy_that_is_not_named_is_a_notice(grafana: str, is_told: bool) -> None:
    notices = load(f"grafana: {grafana}\nhosts: {{a: }}\n").notices

    assert any("say `behind: [127.0.0.1]`" in notice for notice in notices) == is_told


def test_a_pair_for_agents_is_looked_at_in_their_words(tmp_path: Path) -> None:
    found = load("edge:\n  tls: {certificate: certificate.pem, key: key.pem}\nhosts: {a: }\n").edge.channel.pair
    assert found is not None
    made.write(tmp_path)

    (doubt,) = certificates.find_warnings(tmp_path, found, "https://biere:8086")
    assert doubt.what == (
        f"aresmon.yml:2 edge.tls.certificate: agents will reject it for biere: it is valid for {made.NAME}"
    )
    assert "or set edge.url to the name that hosts use" in doubt.next

    certificates.install(tmp_path, found, tmp_path / "tls", os.getuid(), service="edge")
    assert [path.name for path in (tmp_path / "tls").iterdir()] == ["agents.pem"]
    assert [
        one.what
        for one in certificates.find_problems(
            tmp_path, found, f"https://{made.NAME}", tmp_path / "tls", now=datetime.now(UTC)
        )
    ] == []

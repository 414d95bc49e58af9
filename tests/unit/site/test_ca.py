"""The site's own authority vouches for the edge, renews it in time, and gives way to another without a gap."""

from __future__ import annotations

import os
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from aresmon.site import ca
from aresmon.system.errors import AresmonError
from tests.unit.conftest import load

NOW = datetime(2026, 11, 24, tzinfo=UTC)
NAMES = ("10.8.0.1", "biere.example.org")


def made(folder: Path, names: Sequence[str] = NAMES, *, at: timedelta = timedelta()) -> str:
    return ca.ensure(folder, names, NOW + at)


def certificates(folder: Path, name: str) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates((folder / name).read_bytes())


def test_an_edge_is_vouched_for_by_name_and_address_and_for_nothing_else(tmp_path: Path) -> None:
    made(tmp_path / "authority")
    (root,) = certificates(tmp_path / "authority", "authority.pem")
    (edge,) = certificates(tmp_path / "authority", "edge.pem")

    edge.verify_directly_issued_by(root)
    names = edge.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["biere.example.org"]
    assert [str(one) for one in names.get_values_for_type(x509.IPAddress)] == ["10.8.0.1"]
    assert list(edge.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        ExtendedKeyUsageOID.SERVER_AUTH
    ]
    assert edge.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    assert root.extensions.get_extension_for_class(x509.BasicConstraints).value == x509.BasicConstraints(True, 0)


def test_the_keys_are_for_the_owner_alone_and_in_nothing_that_hosts_get(tmp_path: Path) -> None:
    folder = tmp_path / "authority"
    made(folder)

    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert "PRIVATE" not in ca.trusted_certificates(folder)
    assert ca.trusted_certificates(folder).count("BEGIN CERTIFICATE") == 1


def test_what_hosts_get_is_taken_as_an_authority_by_who_checks_strictly(tmp_path: Path) -> None:
    made(tmp_path / "authority")

    context = ssl.create_default_context(cadata=ca.trusted_certificates(tmp_path / "authority"))

    (root,) = context.get_ca_certs()
    assert "aresmon authority 2026-11-24 " in str(root["subject"])


@pytest.mark.parametrize(("days", "is_due"), [(0, False), (243, False), (244, True), (365, True), (3000, True)])
def test_the_edge_is_renewed_when_less_than_a_third_of_its_time_is_left(
    tmp_path: Path, days: int, is_due: bool
) -> None:
    made(tmp_path)
    before = ca.change_hash(tmp_path), ca.trusted_certificates(tmp_path)

    why = made(tmp_path, at=timedelta(days=days))

    assert bool(why) is is_due
    assert (ca.change_hash(tmp_path) != before[0]) is is_due
    assert ca.trusted_certificates(tmp_path) == before[1]


def test_another_name_makes_another_certificate_and_the_same_ones_in_another_order_do_not(tmp_path: Path) -> None:
    made(tmp_path)

    assert made(tmp_path, tuple(reversed(NAMES))) == ""
    assert made(tmp_path, ("biere",)) == "the edge's names have changed"
    assert made(tmp_path, ("biere",)) == ""


@pytest.mark.parametrize("name", ["edge.pem", "edge.json"])
def test_a_file_that_went_away_is_made_again(tmp_path: Path, name: str) -> None:
    made(tmp_path)
    (tmp_path / name).unlink()

    assert made(tmp_path) != ""
    assert made(tmp_path) == ""
    certificates(tmp_path, "edge.pem")[0].verify_directly_issued_by(certificates(tmp_path, "authority.pem")[0])


def test_an_authority_that_went_away_is_not_replaced_by_one_that_no_host_knows(tmp_path: Path) -> None:
    made(tmp_path)
    (tmp_path / "authority.pem").unlink()

    with pytest.raises(AresmonError, match=r"authority\.pem cannot be used: No such file") as told:
        made(tmp_path)

    assert f"or delete {tmp_path}" in told.value.hint
    assert not (tmp_path / "authority.pem").exists()


def test_an_authority_that_is_not_whole_is_refused_and_not_replaced(tmp_path: Path) -> None:
    made(tmp_path)
    (tmp_path / "authority.pem").write_text("nothing\n")

    with pytest.raises(
        AresmonError, match=r"authority\.pem cannot be used: it does not contain a certificate and its key"
    ) as told:
        made(tmp_path)

    assert "restore it from a backup" in told.value.hint
    assert (tmp_path / "authority.pem").read_text() == "nothing\n"


def test_no_certificate_outlives_its_authority(tmp_path: Path) -> None:
    made(tmp_path)

    made(tmp_path, at=timedelta(days=3500))

    facts = ca.read_facts(tmp_path)
    assert facts is not None
    assert facts.ends == facts.authority_ends


def troubles(folder: Path, target: Path, *, days: int = 0, names: Sequence[str] = NAMES) -> list[str]:
    return [one.what for one in ca.find_problems(folder, names, target, NOW + timedelta(days=days))]


def test_an_end_another_name_and_a_former_certificate_are_troubles(tmp_path: Path) -> None:
    folder, target = tmp_path / "authority", tmp_path / "agents.pem"
    assert troubles(folder, target) == []
    made(folder)
    assert troubles(folder, target) == ["the edge still uses its previous certificate for agents"]
    ca.install(folder, target, os.getuid())
    assert target.stat().st_mode & 0o777 == 0o600

    assert troubles(folder, target, days=334) == []
    assert troubles(folder, target, days=336) == ["the edge's certificate for agents expires on 2027-11-24"]
    assert troubles(folder, target, days=366) == ["the edge's certificate for agents expired on 2027-11-24"]
    assert troubles(folder, target, names=["x"]) == ["the edge's certificate does not cover all names that agents use"]
    assert "the site's certificate authority expires on 2036-11-23" in troubles(folder, target, days=3300)


def test_the_next_authority_is_trusted_before_it_signs_and_alone_afterwards(tmp_path: Path) -> None:
    made(tmp_path)
    before = ca.list_authorities(tmp_path)

    ca.prepare_next(tmp_path, NOW)
    assert ca.list_authorities(tmp_path)[0] == before[0]
    assert len(ca.list_authorities(tmp_path)) == 2
    assert made(tmp_path) == "", "the present one goes on signing"
    following = ca.list_authorities(tmp_path)[1]

    ca.promote_next(tmp_path)
    assert troubles(tmp_path, tmp_path) == ["the edge's certificate was not issued by the site's current authority"]
    assert made(tmp_path) != ""
    assert ca.list_authorities(tmp_path) == [following]
    certificates(tmp_path, "edge.pem")[0].verify_directly_issued_by(certificates(tmp_path, "authority.pem")[0])


@pytest.mark.parametrize(
    ("edge", "names"),
    [
        ("{tls: site}", {"biere"}),
        ("{tls: site, agents: '10.8.0.1:9000'}", {"biere", "10.8.0.1"}),
        ("{tls: site, url: 'https://m.example.org:443'}", {"biere", "m.example.org"}),
        ("{tls: site, url: 'https://192.0.2.7:443'}", {"biere", "192.0.2.7"}),
    ],
)
def test_the_edge_s_names_are_those_by_which_agents_reach_it(edge: str, names: set[str]) -> None:
    config = load(f"edge: {edge}\nhosts: {{biere: , lewi: }}\n")

    assert set(ca.server_names(config)) == names | {"localhost", "127.0.0.1", "::1"}

"""`aresmon authority`: what is shown, what is asked for, and what is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from aresmon.cli.main import app
from aresmon.site import ca, secrets, tls_migration
from aresmon.site.folder import Site
from aresmon.site.project import Project

FILE = "edge: {tls: site}\nhosts: {biere: , lewi: }\n"


def run(site: Site, *words: str, text: str = FILE) -> tuple[int, str]:
    site.file.write_text(text)
    result = CliRunner().invoke(app, ["-C", str(site.root), "authority", *words])
    return result.exit_code, result.output


@pytest.fixture
def moved(site: Site) -> Site:
    """A site that came to TLS with two hosts."""
    site.file.write_text(FILE)
    site.create_state_folder()
    secrets.ensure(site.secrets, dict.fromkeys(map(secrets.agent_secret, ("biere", "lewi")), 0))
    config = Project.load(site).config
    tls_migration.begin(Project(site, config))
    ca.ensure(site.authority, ca.server_names(config), datetime.now(UTC))
    bring(site)
    return site


def bring(site: Site) -> None:
    """What `up` gives to pushes."""
    folder = site.bundle / "agents" / "biere"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "aresmon-ca.pem").write_text(ca.trusted_certificates(site.authority))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("hosts: {biere: }\n", "agents of this site write without TLS"),
        (
            "edge: {tls: {certificate: c, key: k}}\nhosts: {biere: }\n",
            "the edge uses a certificate from another authority",
        ),
        (FILE, "there is no certificate authority here yet"),
    ],
)
def test_where_there_is_no_authority_it_is_said_why(site: Site, text: str, why: str) -> None:
    code, told = run(site, "show", text=text)

    assert code == 1
    assert why in told


def test_what_is_shown_is_what_a_person_compares(moved: Site) -> None:
    (known,) = ca.list_authorities(moved.authority)

    code, told = run(moved, "show")

    assert code == 0
    assert f"authority: SHA-256 {known.fingerprint}, ends on {known.ends:%Y-%m-%d}\n" in told
    assert "for 127.0.0.1, ::1, biere, localhost\n" in told
    assert "unencrypted: biere, lewi\n" in told
    data = json.loads(run(moved, "show", "--json")[1])
    assert data["authorities"][0]["sha256"] == known.fingerprint
    assert (data["in_clear"], data["without_next"]) == (["biere", "lewi"], [])


def test_who_would_be_cut_off_is_named_and_without_a_terminal_nobody_is(moved: Site) -> None:
    config = Project.load(moved).config

    dry = run(moved, "close", "--dry-run")
    code, told = run(moved, "close")

    assert (dry[0], "Data of biere, lewi is rejected" in dry[1]) == (0, True)
    assert (code, "rerun with --yes" in told) == (1, True)
    assert tls_migration.unencrypted_hosts(Project(moved, config)) == {"biere", "lewi"}
    assert run(moved, "close", "--yes")[0] == 0
    assert tls_migration.unencrypted_hosts(Project(moved, config)) == frozenset()
    assert run(moved, "close")[1] == "Nothing to do: no host writes unencrypted.\n"


def test_another_authority_is_made_and_then_waits_for_up_and_the_hosts(moved: Site) -> None:
    dry = run(moved, "rotate", "--dry-run")
    assert (dry, ca.is_changing(moved.authority)) == (
        (0, "would create the next authority; nothing was changed\n"),
        False,
    )

    code, told = run(moved, "rotate")
    assert (code, "done: create the next authority" in told, "`aresmon push-config --all`" in told) == (0, True, True)

    code, told = run(moved, "rotate")
    assert (code, "the next authority is not installed yet on biere, lewi" in told) == (1, True)


def test_another_change_is_refused_until_up_has_brought_the_last_one(moved: Site) -> None:
    assert run(moved, "rotate")[0] == 0
    bring(moved)
    for host in ("biere", "lewi"):
        tls_migration.record_tls(moved, host, ca.trusted_certificates(moved.authority).encode())

    code, told = run(moved, "rotate")
    shown = run(moved, "show")[1]
    again, refused = run(moved, "rotate")

    assert (code, "done: activate the next authority" in told) == (0, True)
    assert "next: `aresmon up`, then `aresmon push-config --all` removes the previous" in told
    assert "next: `aresmon up`, then `aresmon push-config --all` removes the previous" in shown
    assert (again, "`up` has not deployed the present authority" in refused) == (1, True)
    assert not ca.is_changing(moved.authority)
    bring(moved)
    assert run(moved, "rotate", "--dry-run")[0] == 0

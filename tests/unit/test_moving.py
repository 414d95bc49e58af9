"""Who has still to follow to TLS, or to another authority, is known until a push proves that they did."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from aresmon import afar, authority, credentials, moving, process
from aresmon.fleet import Fleet
from aresmon.site import Site
from tests.unit.conftest import load

NOW = datetime(2026, 11, 24, tzinfo=UTC)
ONE, TWO = b"BEGIN CERTIFICATE", b"BEGIN CERTIFICATE BEGIN CERTIFICATE"


def fleet_with(tls: str, *hosts: str) -> Fleet:
    return load(f"edge: {{tls: {tls}}}\nhosts: {{{', '.join(f'{name}: ' for name in hosts)}}}\n")


@pytest.fixture
def fleet() -> Fleet:
    return fleet_with("site", "biere", "lewi")


def before_tls(site: Site, *hosts: str) -> None:
    """These hosts had their passwords already."""
    credentials.ensure(site.secrets, dict.fromkeys(map(credentials.agent, hosts), 0))


def told(site: Site, fleet: Fleet) -> list[str]:
    return [doubt.what for _, doubt in moving.troubles(site, fleet)]


def test_a_new_site_has_nobody_in_the_clear(site: Site, fleet: Fleet) -> None:
    moving.begin(site, fleet)
    before_tls(site, "biere", "lewi")

    assert moving.in_clear(site, fleet) == frozenset()
    assert told(site, fleet) == []


def test_hosts_of_before_are_in_the_clear_until_a_push_is_proven(site: Site, fleet: Fleet) -> None:
    before_tls(site, "biere", "lewi")
    moving.begin(site, fleet)
    assert told(site, fleet) == ["biere may still write in the clear", "lewi may still write in the clear"]

    moving.followed(site, "biere", ONE)

    assert moving.in_clear(site, fleet) == {"lewi"}
    moving.begin(site, fleet)
    assert moving.in_clear(site, fleet) == {"lewi"}, "a second `up` notes nobody anew"


def test_a_host_that_came_or_went_since_is_on_no_list(site: Site, fleet: Fleet) -> None:
    before_tls(site, "biere", "lewi")
    moving.begin(site, fleet)
    before_tls(site, "ronflex")

    assert moving.in_clear(site, fleet_with("site", "lewi", "ronflex")) == {"lewi"}


def test_a_dry_run_tells_the_same_and_notes_nothing(site: Site, fleet: Fleet) -> None:
    before_tls(site, "lewi")

    assert moving.in_clear(site, fleet) == {"lewi"}
    assert not (site.authority / moving.IN_CLEAR).exists()


def test_without_tls_nothing_is_noted_and_going_back_begins_anew(site: Site, fleet: Fleet) -> None:
    before_tls(site, "lewi")
    moving.begin(site, fleet)
    moving.followed(site, "lewi", ONE)

    off = fleet_with("off", "biere", "lewi")
    moving.begin(site, off)

    assert moving.in_clear(site, off) == frozenset()
    assert moving.in_clear(site, fleet) == {"lewi"}


def test_an_edge_that_takes_both_though_nobody_needs_it_is_told(site: Site, fleet: Fleet) -> None:
    moving.begin(site, fleet)
    site.bundle.mkdir(parents=True)
    (site.bundle / ".env").write_text("AGENTS_IN_CLEAR='yes'\n")

    assert told(site, fleet) == ["the agents' port still takes what comes in the clear"]


def test_another_authority_signs_once_up_and_a_push_to_each_brought_it(site: Site, fleet: Fleet) -> None:
    site.make_state()
    moving.begin(site, fleet)
    authority.ensure(site.authority, authority.names(fleet), NOW)
    assert moving.next_step(site, fleet) == "prepare"

    moving.rotate(site, fleet, NOW)
    assert moving.next_step(site, fleet) == "bring"
    brought = site.bundle / "agents" / "biere" / "aresmon-ca.pem"
    brought.parent.mkdir(parents=True)
    brought.write_text(authority.trusted(site.authority))
    assert moving.next_step(site, fleet) == "wait"
    for name in ("biere", "lewi"):
        moving.followed(site, name, ONE)
    assert moving.without_next(site, fleet) == {"biere", "lewi"}, "a push that brought the present one alone"
    for name in ("biere", "lewi"):
        moving.followed(site, name, TWO)
    assert moving.next_step(site, fleet) == "promote"
    following = authority.shown(site.authority)[1]

    moving.rotate(site, fleet, NOW)

    assert authority.shown(site.authority) == [following]
    assert moving.next_step(site, fleet) == "prepare"
    assert told(site, fleet) == []


def test_from_elsewhere_a_host_is_taken_off_the_server_s_lists_and_the_others_stay(tmp_path: Path) -> None:
    lists = [tmp_path / name for name in (moving.IN_CLEAR, moving.WITHOUT_NEXT)]
    lists[0].write_text("biere\nbiere2\nlewi\n")
    given = "biere\n" + "".join(f"{one}\n" for one in lists)

    process.run(["bash", "-c", afar._FOLLOWED], given=given)

    assert lists[0].read_text() == "biere2\nlewi\n"
    assert [path.name for path in tmp_path.iterdir()] == [moving.IN_CLEAR]

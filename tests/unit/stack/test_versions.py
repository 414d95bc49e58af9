"""What has run on a site, and what may run next."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aresmon import __version__
from aresmon.site.folder import Site
from aresmon.stack import image_versions
from aresmon.stack.image_versions import ServiceHistory, Versions
from aresmon.system.errors import AresmonError

RELEASES = st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30)).map(
    lambda one: ".".join(map(str, one))
)


@pytest.mark.parametrize(
    ("reference", "version"),
    [
        ("influxdb:1.13.1", "1.13.1"),
        ("grafana/grafana:12.4.5-ubuntu", "12.4.5"),
        ("mirror.example.org:5000/library/haproxy:3.2.22", "3.2.22"),
        ("influxdb:v1.12.3", "1.12.3"),
        ("influxdb:1.13.1@sha256:0123", "1.13.1"),
        ("aresmon/haproxy:debian", ""),
        ("influxdb:1", ""),
        ("influxdb:latest", ""),
        ("influxdb", ""),
        ("127.0.0.1:5000/influxdb", ""),
        ("influxdb@sha256:1.2", ""),
    ],
)
def test_the_version_of_an_image_is_read_from_its_name(reference: str, version: str) -> None:
    assert image_versions.version_in(reference) == version


@pytest.mark.parametrize(
    ("service", "newest", "wanted", "why"),
    [
        ("influxdb", "1.13.1", "1.13.0", ""),
        ("influxdb", "1.13.1", "1.14.0", ""),
        ("influxdb", "1.13.1", "1.12.9", "an older version"),
        ("influxdb", "1.9.0", "1.13.0", ""),
        ("influxdb", "1.13.1", "2.7.1", "cannot read"),
        ("influxdb", "1.13.1", "3.0.0", "cannot read"),
        ("influxdb", "1.13.1", "", ""),
        ("influxdb", "", "1.2.0", ""),
        ("grafana", "12.4.5", "12.4.4", "cannot undo"),
        ("grafana", "12.4.5", "11.6.0", "cannot undo"),
        ("grafana", "12.4.5", "13.0.0", ""),
        ("edge", "3.2.22", "2.6.0", ""),
        ("telegraf", "1.39.3", "1.30.0", ""),
    ],
)
def test_data_forbids_what_could_not_read_it(service: str, newest: str, wanted: str, why: str) -> None:
    said = image_versions.find_objection(service, newest, wanted)

    assert (why in said) if why else said == ""


@given(st.sampled_from(["influxdb", "grafana"]), RELEASES, RELEASES)
def test_of_two_versions_one_way_at_least_is_open_within_a_major(service: str, one: str, other: str) -> None:
    ways = [image_versions.find_objection(service, one, other), image_versions.find_objection(service, other, one)]

    assert "" in ways or service == "influxdb"
    assert image_versions.find_objection(service, one, one) == ""


@given(st.lists(RELEASES, min_size=1))
def test_the_newest_version_that_ever_wrote_is_never_forgotten(ran: list[str]) -> None:
    known = Versions()

    for number, version in enumerate(ran):
        known = image_versions.with_running(
            known, {"influxdb": ServiceHistory("influxdb", f"sha256:{number}", version)}
        )

    assert image_versions.parse_version(known.of("influxdb").newest) == max(map(image_versions.parse_version, ran))
    assert known.of("influxdb").version == ran[-1]
    assert known.aresmon == __version__


def test_what_is_remembered_is_read_again(site: Site) -> None:
    known = Versions("0.3.0", {"grafana": ServiceHistory("grafana:1.2", "sha256:1", "1.2", "1.3", "sha256:2")})

    image_versions.write(site, known)

    assert image_versions.read(site) == known


@pytest.mark.parametrize("content", ["", "[]", '{"aresmon": 1}', '{"aresmon": "1", "services": {"x": {"y": 1}}}'])
def test_what_cannot_be_read_is_nothing(site: Site, content: str) -> None:
    site.create_state_folder()
    (site.state / "versions.json").write_text(content)

    assert image_versions.read(site) == Versions()


def test_before_it_was_remembered_the_bundle_tells_the_release(site: Site) -> None:
    site.bundle.mkdir(parents=True)
    (site.bundle / "manifest.json").write_text('{"version": "0.1.0"}')

    assert image_versions.read(site).aresmon == "0.1.0"
    assert image_versions.version_warning(site) == (
        f"the site was last started by aresmon 0.1.0, and this is {__version__}",
        "`aresmon upgrade` (`--dry-run`)",
    )


def test_a_site_of_a_newer_release_is_refused_and_one_of_a_newer_patch_is_not(site: Site) -> None:
    image_versions.write(site, Versions("99.1.0"))
    with pytest.raises(AresmonError, match="newer than this release") as caught:
        image_versions.check_release(site)
    assert "use aresmon 99.1.0" in caught.value.hint
    assert image_versions.version_warning(site) == (
        f"the site was last started by aresmon 99.1.0, and this is {__version__}",
        "use aresmon 99.1.0",
    )

    image_versions.write(site, Versions(__version__))
    image_versions.check_release(site)
    assert image_versions.version_warning(site) is None


def test_data_that_is_gone_was_written_by_nobody() -> None:
    known = Versions("0.3.0", {"influxdb": ServiceHistory(newest="1.14.0"), "edge": ServiceHistory("haproxy")})

    assert known.without(["influxdb"]).of("influxdb") == ServiceHistory()
    assert known.without(["influxdb"]).of("edge") == ServiceHistory("haproxy")

"""`aresmon collectors new`, with the Telegraf of the image, to the data of the new collector."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.engine.sites import Site, site_in


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site_in(tmp_path_factory.mktemp("new"), hosts={"box": {"collect": ["net"]}}) as made:
        made.up()
        yield made


def test_a_new_collector_is_made_from_the_image_accepted_and_collected(site: Site) -> None:
    made = site.run("collectors", "new", "memory", "--from", "mem")

    assert made.code == 0, made
    assert "memory.conf is written." in made.out
    assert "memory.yml is written." in made.out
    site.configure(hosts={"box": {"collect": ["net", "memory"]}})
    assert site.run("check").code == 0
    assert site.run("collectors", "show", "memory").code == 0
    site.up()
    (series,) = site.query("SELECT last(available_percent) FROM mem")
    assert 0 < float(series.rows[0]["last"]) < 100

    again = site.run("collectors", "new", "memory", "--from", "mem")

    assert again.code == 1
    assert "memory.conf exists already" in again.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("net", "--from", "net"), "there is a collector net already"),
        (("web", "--from", "nginxx"), "Telegraf has no input nginxx (did you mean 'nginx'?)"),
        (("web", "--from", "redis", "--set", "password=a"), "--set password would show a secret"),
        (("Web", "--from", "nginx"), "a collector's name is lower-case letters"),
    ],
)
def test_what_cannot_be_made_is_refused_and_nothing_is_written(
    site: Site, arguments: tuple[str, ...], told: str
) -> None:
    refused = site.run("collectors", "new", *arguments)

    assert refused.code == 1
    assert told in " ".join(refused.err.split())
    assert not (site.folder / "overrides/collectors/web.conf").exists()

"""Data whose image is on the machine no more: it meets no other version unasked."""

from __future__ import annotations

from pathlib import Path

from tests.engine import otherimages
from tests.engine.backups import backed_up
from tests.engine.conftest import MakeSite
from tests.engine.sites import Site, client, up_code

QUICK = ("--no-backup", "--within", "30")


def stopped_without_its_image(make_site: MakeSite) -> tuple[Site, Path]:
    """A site that ran, is down, and whose InfluxDB's image is here no more; and an archive of it."""
    own = otherimages.image("influxdb", "1.13.8")
    site = make_site(images={"influxdb": own})
    site.up()
    site.mark(1)
    archive = backed_up(site)
    assert site.run("down").code == 0
    client().images.remove(own)
    return site, archive


def test_data_whose_image_was_removed_is_let_alone_until_an_image_of_its_version_is_there(make_site: MakeSite) -> None:
    site, archive = stopped_without_its_image(make_site)

    site.configure(images={"influxdb": otherimages.image("influxdb", "1.14.0")})
    for command in (["up"], ["up", "--dry-run"], ["upgrade", *QUICK], ["restore", str(archive), "--yes"]):
        result = site.run(*command)
        assert result.code == 1, result
        assert "its data was written by 1.13.8, whose image is no longer here" in result.err
        assert "nothing was changed" in result.err
    assert site.containers() == {}

    site.configure(images={"influxdb": otherimages.image("influxdb", "1.13.9")})
    site.up()
    assert site.marks() == [1]


def test_a_restore_into_a_folder_that_was_emptied_asks_for_no_former_version(make_site: MakeSite) -> None:
    site, archive = stopped_without_its_image(make_site)
    (site.folder / "data/influxdb").rename(site.folder / "data/influxdb-of-then")

    site.configure(images={"influxdb": otherimages.image("influxdb", "1.14.0")})
    result = site.run("restore", str(archive), "--yes")

    assert result.code == up_code(), result
    assert site.marks() == [1]
    assert site.run("up").steps == []

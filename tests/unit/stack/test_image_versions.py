"""Which image a service runs: the pinned one, or for good reasons the one that it has."""

from __future__ import annotations

import pytest

from aresmon.engine.images import Images
from aresmon.site.bundle import BundleDifference
from aresmon.stack import image_versions
from aresmon.stack.image_versions import ServiceHistory, Versions
from aresmon.stack.up import UpResult
from aresmon.system.errors import AresmonError, ExitCode

SAME = BundleDifference((), (), (), {}, {})


def unasked(*_: str) -> str:
    raise AssertionError("asked for a version that the name tells")


def pinned(**images: str) -> Images:
    return Images(images, {service: f"id of {image}" for service, image in images.items()}, {})


def ran(image: str, version: str, **more: str) -> ServiceHistory:
    return ServiceHistory(image, f"id of {image}", version, **more)


def told(service: str, image: str, image_id: str) -> str:
    assert image_id == f"id of {image}"
    return image.rpartition(":")[2]


@pytest.mark.parametrize(
    ("service", "now", "then", "is_kept"),
    [
        ("influxdb", "1.13.1", "1.13.2", False),
        ("influxdb", "1.13.1", "1.14.0", True),
        ("influxdb", "1.13.1", "latest", True),
        ("influxdb", "latest", "1.13.1", True),
        ("grafana", "12.4.5", "12.4.9", False),
        ("grafana", "12.4.5", "13.0.0", True),
        ("edge", "3.2.22", "3.4.0", False),
        ("telegraf", "1.39.3", "1.40.0", False),
    ],
)
def test_another_version_is_kept_from_data_and_from_nothing_else(
    service: str, now: str, then: str, is_kept: bool
) -> None:
    before = ran(f"x:{now}", "" if now == "latest" else now)

    chosen, kept = image_versions.select(
        pinned(**{service: f"x:{then}"}), {service: before}, Versions(), version_of=told
    )

    assert chosen.references[service] == (f"x:{now}" if is_kept else f"x:{then}")
    assert chosen.ids[service] == f"id of {chosen.references[service]}"
    assert [one.service for one in kept] == [service] * is_kept
    assert all(one.description.startswith(f"{service} keeps x:{now}: x:{then} is available") for one in kept)


def test_the_image_that_runs_already_is_no_question() -> None:
    same = pinned(influxdb="x:1.13.1")

    assert image_versions.select(same, {"influxdb": ran("x:1.13.1", "")}, Versions(), version_of=unasked) == (same, ())


def test_what_an_upgrade_took_back_is_not_tried_by_up() -> None:
    known = Versions("", {"edge": ran("x:3.2.22", "3.2.22", refused="id of x:3.4.0")})

    chosen, kept = image_versions.select(
        pinned(edge="x:3.4.0"), {"edge": ran("x:3.2.22", "3.2.22")}, known, version_of=told
    )

    assert chosen.references == {"edge": "x:3.2.22"}
    assert "an upgrade to x:3.4.0 was rolled back" in kept[0].description


def test_everything_is_kept_where_an_upgrade_comes_to_it_in_its_turn() -> None:
    found = pinned(edge="x:3.4.0", telegraf="x:2", grafana="x:13.0.0")

    chosen, kept = image_versions.select(
        found, {"edge": ran("x:1", "1"), "telegraf": ran("x:1", "1")}, Versions(), version_of=told, everything=True
    )

    assert chosen.references == {"edge": "x:1", "telegraf": "x:1", "grafana": "x:13.0.0"}
    assert len(kept) == 2


def test_what_runs_goes_on_in_an_upgrade_though_its_pinned_image_cannot_be_had() -> None:
    found = Images({}, {}, {"edge": "no registry answers", "grafana": "no registry answers"})

    chosen, _ = image_versions.select(found, {"edge": ran("x:1", "1")}, Versions(), version_of=unasked, everything=True)

    assert (chosen.references, chosen.missing) == ({"edge": "x:1"}, {"grafana": "no registry answers"})


def test_what_runs_goes_on_though_its_pinned_image_cannot_be_had_and_up_says_so() -> None:
    found = Images({}, {}, {"influxdb": "x:1.14.0 could not be pulled", "grafana": "no registry answers"})
    now = {"influxdb": ran("x:1.13.1", "1.13.1")}

    chosen, kept = image_versions.select(found, now, Versions(), version_of=unasked)

    assert (chosen.references, chosen.missing) == ({"influxdb": "x:1.13.1"}, {"grafana": "no registry answers"})
    assert [one.description for one in kept] == ["influxdb keeps x:1.13.1: x:1.14.0 could not be pulled"]
    assert UpResult((), SAME, (), {}, kept=kept).code is ExitCode.DEGRADED


@pytest.mark.parametrize("everything", [False, True], ids=["up", "restore and upgrade"])
@pytest.mark.parametrize(
    ("service", "last", "then", "may"),
    [
        ("influxdb", "1.13.1", "1.13.4", True),
        ("influxdb", "1.13.1", "1.14.0", False),
        ("influxdb", "1.13.1", "2.7.1", False),
        ("influxdb", "1.13.1", "latest", False),
        ("grafana", "12.4.5", "12.4.9", True),
        ("grafana", "12.4.5", "13.0.0", False),
        ("grafana", "12.4.5", "11.0.0", False),
        ("edge", "3.2.22", "3.4.0", True),
    ],
)
def test_data_whose_image_is_gone_meets_its_own_version_alone(
    service: str, last: str, then: str, may: bool, everything: bool
) -> None:
    known = Versions("", {service: ServiceHistory(f"x:{last}", "gone", last, last)})
    found = pinned(**{service: f"x:{then}"})

    def says(name: str, image: str, image_id: str) -> str:
        return "" if then == "latest" else told(name, image, image_id)

    if may:
        assert image_versions.select(found, {}, known, version_of=says, everything=everything) == (found, ())
        return
    with pytest.raises(AresmonError, match=f"{service} cannot run as x:{then}") as caught:
        image_versions.select(found, {}, known, version_of=says, everything=everything)
    assert f"set `images.{service}`" in caught.value.hint


def test_data_of_which_nothing_is_known_meets_what_is_pinned() -> None:
    found = pinned(influxdb="x:1.14.0", grafana="x:13.0.0")

    assert image_versions.select(found, {}, Versions(), version_of=told, everything=True) == (found, ())


def test_what_the_data_forbids_is_refused_where_nothing_older_is_left_to_keep() -> None:
    known = Versions("", {"grafana": ServiceHistory("x:12.4.5", "gone", "12.4.5", "12.4.5")})

    with pytest.raises(AresmonError, match=r"grafana cannot run as x:12\.3\.0.*cannot undo") as caught:
        image_versions.select(pinned(grafana="x:12.3.0"), {}, known, version_of=told)
    assert "nothing was changed" in caught.value.hint

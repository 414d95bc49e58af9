"""People's own dashboards as files, against the stand-in for Grafana."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aresmon.grafana import dashboard_files
from aresmon.grafana.client import Grafana
from aresmon.system.errors import AresmonError, SiteError
from tests.grafana.standin import StandIn, serving
from tests.grafana.state import State

pytestmark = pytest.mark.own_sockets("the stand-in for Grafana answers over HTTP")


@pytest.fixture
def grafana(grafana: Grafana, standin: StandIn) -> Grafana:
    """A Grafana with two dashboards of people's own, one two folders deep, and one that aresmon provisions."""
    grafana.create_folder("ours", "Ours")
    grafana.create_folder("fridge", "The fridge", parent="ours")
    grafana.save_dashboard(
        {"uid": "beer", "title": "Bière", "panels": []}, folder="fridge", message="", overwrite=False
    )
    grafana.save_dashboard({"uid": "loose", "title": "Loose"}, folder="", message="", overwrite=False)
    standin.state.create_folder("aresmon", "aresmon", "")
    standin.state.put_dashboard("fleet", {"title": "Fleet"}, "aresmon", provisioned=True)
    standin.sent.clear()
    return grafana


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "dashboards"


def names(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*.json")}


def bring(root: Path, grafana: Grafana, *, overwrite: bool = False) -> list[str]:
    changes = dashboard_files.plan(root, grafana, overwrite=overwrite)
    return [f"{change.what} {change.kept.uid}" for change in dashboard_files.import_dashboards(root, grafana, changes)]


def edit(root: Path, **changes: object) -> None:
    path = root / "fridge" / "beer.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_an_export_has_people_s_dashboards_and_their_folders(root: Path, grafana: Grafana, standin: StandIn) -> None:
    dashboard_files.export(root, grafana)

    assert names(root) == {"folders.json", "fridge/beer.json", "general/loose.json"}
    assert json.loads((root / "folders.json").read_text()) == {
        "fridge": {"title": "The fridge", "parent": "ours"},
        "ours": {"title": "Ours", "parent": ""},
    }
    text = (root / "fridge" / "beer.json").read_text()
    assert text == '{\n  "panels": [],\n  "title": "Bière",\n  "uid": "beer",\n  "version": 1\n}\n'
    assert standin.sent == []


def test_a_second_export_writes_nothing(root: Path, grafana: Grafana) -> None:
    assert len(dashboard_files.export(root, grafana).written) == 3

    again = dashboard_files.export(root, grafana)

    assert (again.written, again.unchanged, again.gone) == ((), 3, ())


def test_one_dashboard_alone_is_exported_beside_the_others(root: Path, grafana: Grafana) -> None:
    dashboard_files.export(root, grafana)
    (root / "general" / "loose.json").unlink()

    done = dashboard_files.export(root, grafana, ["loose"])

    assert [path.name for path in done.written] == ["loose.json"]
    assert "fridge" in json.loads((root / "folders.json").read_text())


@pytest.mark.parametrize("uid", ["nothing", "fleet"])
def test_what_is_not_people_s_own_is_not_exported(root: Path, grafana: Grafana, uid: str) -> None:
    with pytest.raises(AresmonError, match=uid):
        dashboard_files.export(root, grafana, [uid])


def test_a_dashboard_that_moved_leaves_no_second_file(root: Path, grafana: Grafana) -> None:
    dashboard_files.export(root, grafana)
    grafana.save_dashboard({"uid": "loose", "title": "Loose"}, folder="ours", message="", overwrite=True)

    done = dashboard_files.export(root, grafana)

    assert names(root) == {"folders.json", "fridge/beer.json", "ours/loose.json"}
    assert done.gone == ()


def test_what_grafana_has_no_more_is_told_and_deleted_on_demand(root: Path, grafana: Grafana, standin: StandIn) -> None:
    dashboard_files.export(root, grafana)
    del standin.state.dashboards["loose"]

    assert [path.name for path in dashboard_files.export(root, grafana).gone] == ["loose.json"]
    assert "general/loose.json" in names(root)
    assert [path.name for path in dashboard_files.export(root, grafana, prune=True).gone] == ["loose.json"]
    assert "general/loose.json" not in names(root)


def test_a_folder_that_was_deleted_keeps_its_title_as_long_as_a_file_is_in_it(
    root: Path, grafana: Grafana, standin: StandIn
) -> None:
    dashboard_files.export(root, grafana)
    for deleted in ("fridge", "ours"):
        del standin.state.folders[deleted]
    del standin.state.dashboards["beer"]

    assert [path.name for path in dashboard_files.export(root, grafana).gone] == ["beer.json"]
    assert bring(root, grafana) == ["add beer"]

    assert standin.state.folders["fridge"] == {"uid": "fridge", "title": "The fridge", "parentUid": "ours"}
    assert standin.state.folders["ours"]["title"] == "Ours"


def test_an_import_into_an_empty_grafana_makes_folders_and_dashboards(root: Path, grafana: Grafana) -> None:
    dashboard_files.export(root, grafana)
    other = StandIn(State())
    other.state.begin("admin", "password")
    with serving(other) as address:
        empty = Grafana(address, "admin", "password")

        assert bring(root, empty) == ["add beer", "add loose"]
        assert other.state.folders["fridge"] == {"uid": "fridge", "title": "The fridge", "parentUid": "ours"}
        assert other.state.dashboards["beer"]["folder"] == "fridge"
        other.sent.clear()
        assert bring(root, empty) == []
        assert other.sent == []
        assert dashboard_files.export(root, empty).written == ()


def test_an_edited_file_changes_its_dashboard_again_and_again(root: Path, grafana: Grafana, standin: StandIn) -> None:
    dashboard_files.export(root, grafana)
    for title in ("Beer", "Beers"):
        edit(root, title=title)

        assert bring(root, grafana) == ["change beer"]
        assert standin.state.dashboards["beer"]["dashboard"]["title"] == title
        assert bring(root, grafana) == []


def test_what_is_newer_in_grafana_is_not_overwritten_unless_it_is_meant(
    root: Path, grafana: Grafana, standin: StandIn
) -> None:
    dashboard_files.export(root, grafana)
    edit(root, title="From the file")
    (root / "general" / "new.json").write_text('{"uid": "new", "title": "New"}')
    grafana.save_dashboard({"uid": "beer", "title": "From Grafana"}, folder="fridge", message="", overwrite=True)
    standin.sent.clear()

    with pytest.raises(SiteError, match=r"dashboards/fridge/beer\.json: is newer in Grafana \(version 2 by admin"):
        bring(root, grafana)

    assert standin.sent == []
    assert bring(root, grafana, overwrite=True) == ["change beer", "add new"]
    assert standin.state.dashboards["beer"]["dashboard"]["title"] == "From the file"


def test_what_aresmon_provisions_is_never_imported_over(root: Path, grafana: Grafana, standin: StandIn) -> None:
    dashboard_files.export(root, grafana)
    (root / "general" / "fleet.json").write_text('{"uid": "fleet", "title": "Mine"}')

    with pytest.raises(SiteError, match="one that aresmon provisions"):
        bring(root, grafana, overwrite=True)

    assert standin.sent == []


def test_every_wrong_file_is_told_at_once_and_nothing_is_imported(
    root: Path, grafana: Grafana, standin: StandIn
) -> None:
    dashboard_files.export(root, grafana)
    for name, content in {"a1": "{", "b2": "[]", "c3": '{"uid": "other", "title": "T"}', "d4": '{"uid": "d4"}'}.items():
        (root / "general" / f"{name}.json").write_text(content)

    with pytest.raises(SiteError) as caught:
        bring(root, grafana)

    assert [error.partition(": ")[0] for error in caught.value.errors] == [
        f"dashboards/general/{name}.json" for name in ("a1", "b2", "c3", "d4")
    ]
    assert standin.sent == []

"""`aresmon backup` and its places: listed, pruned, given their keys, and filled by systemd."""

from __future__ import annotations

import json

import yaml

from aresmon.backup import schedule as backup_schedule
from aresmon.config.backup import parse_schedule
from aresmon.site.folder import Site
from tests.fleet.gateway import Gateway
from tests.fleet.places import Open, aresmon, at, names, s3
from tests.fleet.servers import Server

# Several ---------------------------------------------------------------------------------------------


def test_a_place_that_fails_is_told_and_the_others_are_listed_and_pruned(
    backup_site: Site, open_store: Open, lewi: Server, s3_server: Gateway
) -> None:
    place = open_store("sftp")
    for day in range(1, 5):
        place.put(f"ares-2026010{day}T030405Z.tar", [b"x"])
    at(
        backup_site,
        {"folder": "/nonexistent/backups"},
        {"ssh": "lewi", "folder": "backups"},
        s3(backup_site, s3_server),
    )
    settings = yaml.safe_load(backup_site.file.read_text())
    settings["backup"]["keep"] = {"last": 2, "daily": 0, "weekly": 0, "monthly": 0}
    backup_site.file.write_text(yaml.safe_dump(settings))

    listed = aresmon(backup_site, "backup", "list", "--json")
    tried = aresmon(backup_site, "backup", "prune", "--dry-run")
    pruned = aresmon(backup_site, "backup", "prune")
    again = aresmon(backup_site, "backup", "prune", "--json")

    places = json.loads(listed.stdout)["places"]
    assert [(one["where"].partition(":")[0], len(one["archives"]), bool(one["error"])) for one in places] == [
        ("/nonexistent/backups", 0, True),
        ("lewi", 4, False),
        ("s3", 0, False),
    ]
    assert "lewi:backups: ares-20260101T030405Z.tar would be deleted\n" in tried.stdout
    assert "lewi:backups: ares-20260102T030405Z.tar is deleted\n" in pruned.stdout
    assert [one["removed"] for one in json.loads(again.stdout)["places"]] == [[], [], []]
    assert [done.returncode for done in (listed, tried, pruned, again)] == [5, 5, 5, 5]
    assert "warning: /nonexistent/backups is not a folder on this machine" in pruned.stderr
    assert names(place) == ["ares-20260103T030405Z.tar", "ares-20260104T030405Z.tar"]


def test_a_secret_is_taken_in_by_standard_input_and_shown_nowhere(backup_site: Site, s3_server: Gateway) -> None:
    place = at(backup_site, s3(backup_site, s3_server))
    (backup_site.secrets / "backup" / "s3").unlink()

    taken = aresmon(backup_site, "backup", "secret", "s3", stdin=f"{s3_server.secret}\n")

    assert taken.returncode == 0, taken
    assert s3_server.secret not in taken.stdout + taken.stderr
    assert (backup_site.secrets / "backup" / "s3").stat().st_mode & 0o777 == 0o600
    assert place.list() == []


# By itself -------------------------------------------------------------------------------------------

STUB = """\
#!/bin/sh
echo "$@" > /srv/ares/told
touch /srv/ares/data/x /mnt/backups/x || exit
for elsewhere in /etc /root /usr; do ! touch $elsewhere/x 2>/dev/null || exit; done
[ "$HOME" = /root ] && echo well > /srv/ares/end
"""


def test_systemd_takes_the_units_and_runs_them_where_they_may_write(ronflex: Server) -> None:
    run = backup_schedule.Run(
        "ares", ["/opt/my tools/aresmon"], "/srv/ares", "root", ["/srv/ares/data", "/mnt/backups"]
    )
    script = backup_schedule.systemd(
        run, backup_schedule.jobs(parse_schedule("daily@03:30"), parse_schedule("sunday@04:30"))
    )
    ronflex.run("mkdir -p /srv/ares/data /mnt/backups '/opt/my tools'")
    ronflex.write("/opt/my tools/aresmon", STUB, mode="0755")

    installed = ronflex.attempt("sh", stdin=script)
    verified = ronflex.attempt("systemd-analyze verify /etc/systemd/system/aresmon-ares-*")
    ronflex.run("systemctl start aresmon-ares-verify.service", check=False)

    assert installed.code == 0, installed
    assert verified.code == 0
    assert "aresmon" not in verified.out + verified.err, verified
    assert ronflex.service("aresmon-ares-verify")["Result"] == "success", ronflex.journal(unit="aresmon-ares-verify")
    assert ronflex.read("/srv/ares/told") == "--site /srv/ares backup --verify latest\n"
    assert ronflex.read("/srv/ares/end") == "well\n"
    timers_there = ronflex.run("systemctl list-timers --no-legend --plain | grep aresmon")
    assert len(timers_there.splitlines()) == 2
    assert ronflex.attempt("sh", stdin=script).code == 0

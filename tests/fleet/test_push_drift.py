"""Edits made on a host: seen, shown, kept or let go; and earlier releases, brought back."""

from __future__ import annotations

import base64
import json

from tests.fleet.desk import OTHER, QUICK, Desk
from tests.fleet.repository import Repository
from tests.fleet.servers import Server

CONFIGURATION = "/etc/telegraf/telegraf.conf"
NAMED = ("biere", "ronflex", "lewi")


def edit(server: Server) -> str:
    """Change the configuration as somebody in a hurry does, and what it is then."""
    server.run(f"""sed -i 's/available_percent/used_percent/' {CONFIGURATION}; systemctl restart telegraf""")
    return server.read(CONFIGURATION)


def test_an_edit_is_shown_and_stops_a_push(desk: Desk, lewi: Server) -> None:
    desk.verified(lewi)
    edited = edit(lewi)
    desk.own(lewi, text=OTHER)

    pushed = desk.push("lewi")
    drift = desk.run("drift", "lewi")

    assert (pushed.code, pushed.outcomes) == (1, {"lewi": "drifted"}), pushed
    assert "--adopt" in pushed.next("lewi")
    assert "--overwrite" in pushed.next("lewi")
    assert lewi.read(CONFIGURATION) == edited
    assert drift.code == 5, drift
    assert '-  fieldinclude = ["available_percent"]\n+  fieldinclude = ["used_percent"]' in drift.out


def test_the_doctor_visits_the_hosts_and_names_what_each_has(desk: Desk, ronflex: Server, lewi: Server) -> None:
    desk.verified(lewi)
    desk.verified(ronflex)
    edit(lewi)
    ronflex.run("systemctl stop telegraf")

    result = desk.run("doctor", "--hosts", "--json")

    assert result.code == 5, result
    about = {(one["kind"], name) for one in json.loads(result.out)["findings"] for name in NAMED if name in one["what"]}
    assert {("host-drift", "lewi"), ("host-agent", "ronflex"), ("host-unreachable", "biere")} <= about
    assert ("host-agent", "lewi") not in about


def test_an_edit_is_let_go(desk: Desk, lewi: Server) -> None:
    before = desk.verified(lewi)
    edit(lewi)

    pushed = desk.push("lewi", "--overwrite")

    assert pushed.outcomes == {"lewi": "verified"}, pushed
    assert "available_percent" in lewi.read(CONFIGURATION)
    assert desk.kept(*before) == {"lewi": "new"}
    assert desk.run("drift", "lewi").code == 0


def test_an_edit_is_kept_as_a_file_of_the_site_and_proven(desk: Desk, lewi: Server) -> None:
    before = desk.verified(lewi)
    edit(lewi)

    pushed = desk.push("lewi", "--adopt")

    assert pushed.outcomes == {"lewi": "verified"}, pushed
    kept = (desk.site.folder / "overrides" / "agents" / "lewi.conf").read_text()
    assert kept.lstrip().startswith("[agent]")
    assert "used_percent" in kept
    assert "aresmon_config" not in kept
    assert "used_percent" in lewi.read(CONFIGURATION)
    assert desk.kept(*before) == {"lewi": "new"}
    assert desk.push("lewi").outcomes == {"lewi": "unchanged"}


def test_an_edit_that_configs_would_overwrite_is_kept_and_the_push_waits(
    desk: Desk, lewi: Server, configs_repo: Repository
) -> None:
    configs_repo.commit({"lewi.conf": QUICK})
    desk.site.configure(configs={"git": configs_repo.url, "branch": "master"})
    assert desk.push("lewi").outcomes == {"lewi": "verified"}
    edited = edit(lewi)

    pushed = desk.push("lewi", "--adopt")

    assert (pushed.code, pushed.outcomes) == (1, {"lewi": "refused"}), pushed
    assert "the repository has another lewi.conf" in pushed.why("lewi")
    assert lewi.read(CONFIGURATION) == edited
    assert "used_percent" in (desk.site.folder / "overrides" / "agents" / "lewi.conf").read_text()


def test_a_change_of_the_password_s_file_is_seen_and_not_shown(desk: Desk, lewi: Server) -> None:
    desk.verified(lewi)
    lewi.run("echo EXTRA=1 >> /etc/default/telegraf")

    drift = desk.run("drift", "lewi", "--json")

    (told,) = json.loads(drift.out)
    assert drift.code == 5
    assert "/etc/default/telegraf was edited" in told["drift"]
    assert told["diff"] == ""
    assert desk.site.secret("agent-lewi") not in drift.out


def test_an_earlier_release_is_brought_back_with_the_same_proof_and_all_is_in_the_history(
    desk: Desk, lewi: Server
) -> None:
    found = lewi.read(CONFIGURATION)
    desk.verified(lewi, text=QUICK)
    before = desk.verified(lewi, text=OTHER)

    result = desk.run("rollback-config", "lewi", "--json")

    assert result.code == 0, result
    assert "inputs.swap" not in lewi.read(CONFIGURATION)
    assert desk.kept(*before) == {"lewi": "new"}
    history = json.loads(desk.run("history", "lewi", "--json").out)
    assert [(line["release"], line["outcome"]) for line in history[-3:]] == [
        (1, "verified"),
        (2, "verified"),
        (3, "verified"),
    ]
    assert {line["owner"] for line in history[-3:]} == {"root"}
    assert (desk.site.state / "releases" / "lewi" / "00000.conf").read_text() == found


# What somebody has configured, with an output that leads nowhere; with CRs, and a byte that is not UTF-8.
SOMEBODYS = (
    b'[agent]\r\n  interval = "1s"\n  flush_interval = "1s"\n  hostname = ""  # caf\xe9\n\n'
    b'[[outputs.influxdb]]\n  urls = ["http://127.0.0.1:9"]\n  database = "old"\n  password = "s3cret-of-theirs"\n\n'
    b'[[inputs.procstat]]\n  pattern = "sshd"\n\n'
)


def put(server: Server, content: bytes) -> None:
    """Start the server's agent with this configuration, as somebody does who never heard of aresmon."""
    encoded = base64.b64encode(content).decode()
    server.run(f"base64 -d >{CONFIGURATION} <<<{encoded}; systemctl restart telegraf")


def test_a_configuration_that_was_found_stays_until_somebody_decides_and_can_be_brought_back(
    desk: Desk, lewi: Server
) -> None:
    put(lewi, SOMEBODYS)
    before = lewi.sha256(CONFIGURATION)
    desk.own(lewi, text=QUICK)

    refused = desk.push("lewi")
    shown = desk.run("push-config", "lewi")
    kept = lewi.sha256(CONFIGURATION)
    replaced = desk.push("lewi", "--overwrite")
    missing = desk.run("rollback-config", "lewi", "--to", "7")
    back = desk.run("rollback-config", "lewi", "--to", "0")

    assert (refused.code, refused.outcomes) == (1, {"lewi": "refused"}), refused
    assert "inputs: procstat; outputs: influxdb (http://127.0.0.1:9)" in refused.why("lewi")
    assert "--adopt" in refused.next("lewi")
    assert "--overwrite" in refused.next("lewi")
    assert "-[[inputs.procstat]]" in shown.out
    assert "s3cret" not in shown.out + shown.err + refused.result.out
    assert (kept, lewi.sha256(CONFIGURATION)) == (before, before)
    assert replaced.outcomes == {"lewi": "verified"}, replaced
    assert (missing.code, back.code) == (1, 0), (missing, back)
    assert "its releases are: 0, 1" in missing.err
    assert lewi.is_active
    assert desk.run("drift", "lewi").code == 0
    assert desk.push("lewi").outcomes == {"lewi": "verified"}


def test_a_link_stays_a_link_and_the_file_behind_it_is_deployed_and_brought_back(desk: Desk, lewi: Server) -> None:
    put(lewi, SOMEBODYS)
    lewi.run(
        f"mkdir -p /srv/configs; mv {CONFIGURATION} /srv/configs/lewi.conf;ln -s /srv/configs/lewi.conf {CONFIGURATION}"
    )
    before = lewi.sha256("/srv/configs/lewi.conf")
    desk.own(lewi, text=QUICK)

    refused = desk.push("lewi")
    kept = lewi.sha256("/srv/configs/lewi.conf")
    replaced = desk.push("lewi", "--overwrite")
    deployed = lewi.read("/srv/configs/lewi.conf")
    back = desk.run("rollback-config", "lewi", "--to", "0")

    assert (refused.outcomes, kept) == ({"lewi": "refused"}, before), refused
    assert replaced.outcomes == {"lewi": "verified"}, replaced
    assert any("is a link, and stays one" in note for note in replaced.notes("lewi"))
    assert "[[inputs.mem]]" in deployed
    assert back.code == 0, back
    assert lewi.sha256("/srv/configs/lewi.conf") == before
    assert lewi.run(f"readlink {CONFIGURATION}").strip() == "/srv/configs/lewi.conf"
    lewi.run(f"rm -f {CONFIGURATION}; rm -rf /srv/configs")


def test_a_configuration_that_was_found_is_adopted_on_a_first_push(desk: Desk, lewi: Server) -> None:
    put(lewi, SOMEBODYS.replace(b"caf\xe9", b"cafe"))

    pushed = desk.push("lewi", "--adopt")

    assert pushed.outcomes == {"lewi": "verified"}, pushed
    kept = (desk.site.folder / "overrides" / "agents" / "lewi.conf").read_text()
    live = lewi.read(CONFIGURATION)
    assert "[[inputs.procstat]]" in kept
    for part in ("[[inputs.procstat]]", "http://127.0.0.1:9", "${ARESMON_URL"):
        assert part in live
    assert desk.push("lewi").outcomes == {"lewi": "unchanged"}


def test_after_a_push_there_is_nothing_for_up_to_do(desk: Desk, lewi: Server) -> None:
    desk.site.up()
    desk.own(lewi)
    assert "agents/lewi/telegraf.conf" in desk.run("up", "--dry-run").out

    (_,) = desk.verified(lewi, text=OTHER)

    planned, report = desk.run("up", "--dry-run"), json.loads(desk.run("doctor", "--json").out)
    assert "agents/lewi/" not in planned.out, planned
    assert planned.steps == []
    assert {one["kind"] for one in report["findings"]} & {"plan-pending", "bundle-edited"} == set(), report

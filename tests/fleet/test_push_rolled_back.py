"""A configuration that runs, and whose data does not arrive: the former one comes back, and its data."""

from __future__ import annotations

import re

from tests.fleet.desk import OTHER, Desk, output, pushed_by
from tests.fleet.servers import Server
from tests.fleet.standing import kept


def test_an_output_that_influxdb_refuses_is_rolled_back(
    desk: Desk, biere: Server, ronflex: Server, lewi: Server
) -> None:
    before = [desk.by_hand(biere), *desk.verified(ronflex, lewi)]
    desk.kept(before[0])  # its data arrives
    desk.own(biere, text=OTHER + output("biere", literal="l1teral-and-wrong"))
    desk.own(ronflex, text=OTHER + output("ronflex", database="nope"))
    desk.own(lewi, text=OTHER + output("lewi", literal="l1teral-and-wrong"))

    pushed = desk.push("biere", "ronflex", "lewi", "--deadline", "5", "--overwrite")

    assert (pushed.code, set(pushed.outcomes.values())) == (3, {"rolled back"}), pushed
    # The edge closes the connection with its 403 while the agent may still be sending, and then sees no answer.
    forbidden = "403 Forbidden|broken pipe|connection reset|could not write any address"
    for host, words in {"biere": "401 Unauthorized", "ronflex": forbidden, "lewi": "401 Unauthorized"}.items():
        assert pushed.why(host).startswith("no data arrived within 5 s. Telegraf logged: ["), pushed
        assert re.search(words, pushed.why(host)), pushed
        assert pushed.why(host).endswith("The previous configuration is running and its data arrives")
    assert "l1teral" not in pushed.result.out + pushed.result.err
    assert desk.kept(*before) == {"biere": "restored", "ronflex": "restored", "lewi": "restored"}


def test_data_without_the_mark_and_an_address_that_is_none_are_told_apart(
    desk: Desk, ronflex: Server, lewi: Server
) -> None:
    before = desk.verified(ronflex, lewi)
    filtered = output("ronflex") + "  metricpass = 'name != \"aresmon_config\"'\n"
    away = '[[outputs.influxdb]]\n  urls = ["http://nowhere.invalid:8086"]\n  skip_database_creation = true\n'
    desk.own(ronflex, text=OTHER + filtered)
    desk.own(lewi, text=OTHER + away)

    pushed = desk.push("ronflex", "lewi", "--deadline", "5", "--max-fail", "2")

    assert pushed.outcomes == {"ronflex": "rolled back", "lewi": "rolled back"}, pushed
    assert re.match(r"data arrived from .*mem.*, but not the config ID within 5 s", pushed.why("ronflex")), pushed
    assert "namepass" in pushed.next("ronflex")
    assert "the output writes to http://nowhere.invalid:8086, and lewi finds no address of" in pushed.why("lewi"), (
        pushed
    )
    assert desk.kept(*before) == {"ronflex": "restored", "lewi": "restored"}


def test_a_configuration_whose_points_bear_another_name_is_rolled_back(desk: Desk, lewi: Server) -> None:
    desk.site.query("DELETE WHERE \"host\" = 'lewi'")  # of earlier tests: never did anything arrive of this host
    before = desk.by_hand(lewi, name="other")
    desk.own(lewi)

    pushed = desk.push("lewi", "--deadline", "5", "--overwrite")

    assert (pushed.code, pushed.outcomes) == (3, {"lewi": "rolled back"}), pushed
    assert pushed.why("lewi").startswith("the data arrived under the host name other, and not under lewi within 5 s")
    assert "The previous configuration is running; it sent no data before the push either" in pushed.why("lewi")
    assert pushed.notes("lewi") == ["Telegraf also reads telegraf.d/: name.conf"]
    assert kept(desk.site, before, name="other") == "restored"


def test_a_host_whose_former_data_does_not_come_back_is_broken_and_the_command_is_told(
    desk: Desk, lewi: Server
) -> None:
    (before,) = desk.verified(lewi)
    lewi.write("/etc/telegraf/telegraf.d/name.conf", '[agent]\n  hostname = "other"\n')
    desk.own(lewi)

    pushed = desk.push("lewi", "--deadline", "5")

    assert (pushed.code, pushed.outcomes) == (4, {"lewi": "broken"}), pushed
    assert "The previous configuration is running, but its data does not arrive either" in pushed.why("lewi")
    assert pushed.next("lewi") == "on lewi, run: journalctl -u telegraf -n 50"
    assert kept(desk.site, before, name="other") == "restored"


def test_a_disk_that_fills_up_in_the_middle_brings_the_former_back(desk: Desk, lewi: Server) -> None:
    (before,) = desk.verified(lewi)
    desk.own(lewi)

    with lewi.hold("systemctl", matching="^restart") as hold:
        pushing = desk.start("push-config", "lewi", "--json")
        hold.wait_reached()
        with lewi.full_disk("/var/lib/aresmon"):
            hold.release()
            pushed = pushed_by(pushing)

    assert (pushed.code, pushed.outcomes) == (3, {"lewi": "rolled back"}), pushed
    assert "for the record of the push. The previous configuration is running and its data arrives" in pushed.why(
        "lewi"
    )
    assert desk.kept(before) == {"lewi": "restored"}

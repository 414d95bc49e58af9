"""What a host says, as a person is told it: why, and what to do next."""

from __future__ import annotations

import base64
import dataclasses

import pytest

from aresmon.push import result
from aresmon.push.protocol import HostMessage, HostSurvey, WriteAccess
from tests.unit.scripted import CLOCK, PROBE, agent, order

ACCESS = WriteAccess("http://biere:8086", "agent-lewi", "s3cret", "telegraf")


@pytest.mark.parametrize(
    ("event", "why", "what_next"),
    [
        (
            HostMessage("locked", "12 Ada Lovelace"),
            "Ada Lovelace has been pushing to this host for 12 s",
            "wait until that push has ended, or take over its lock with --break-lock if it never will",
        ),
        (
            HostMessage("refused", "write 401 http://biere:8086"),
            "InfluxDB rejected the password of user agent-lewi (401)",
            "run `aresmon up` on the server to repair the database's users, then push again",
        ),
        (
            HostMessage("refused", "write 403 http://biere:8086"),
            "InfluxDB user agent-lewi has no write permission (403)",
            "run `aresmon up` on the server to repair the database's users, then push again",
        ),
        (
            HostMessage("refused", "write 404 http://biere:8086"),
            "InfluxDB has no such database (404)",
            "run `aresmon up` on the server to repair the database's users, then push again",
        ),
        (
            HostMessage("refused", "write 503 http://biere:8086"),
            "the edge at http://biere:8086 answered with status 503",
            "see `aresmon logs edge` on the server",
        ),
        (
            HostMessage(
                "refused", "check 2026-01-01T00:00:00Z E! error loading /etc/telegraf/.telegraf.conf.aresmon: bad. "
            ),
            "Telegraf rejects the configuration: error loading /etc/telegraf/telegraf.conf: bad",
            "correct the configuration and push again; the running configuration is unchanged",
        ),
        (
            HostMessage("refused", "stage /etc/x cannot be written: its filesystem is mounted read-only"),
            "/etc/x cannot be written: its filesystem is mounted read-only",
            "correct this and push again; nothing was changed on the host",
        ),
        (
            HostMessage(
                "refused",
                "recover an earlier push was interrupted, and the agent does not start with its previous files",
            ),
            "an earlier push was interrupted, and the agent does not start with its previous files",
            "on lewi, run: journalctl -u telegraf -n 50",
        ),
        (
            HostMessage("refused", "masked telegraf.service is masked"),
            "telegraf.service is masked",
            "on lewi, run `systemctl unmask telegraf`, then push again",
        ),
        (
            HostMessage("refused", "kind /var/lib/aresmon/ares/lock is a folder, and must be a file"),
            "/var/lib/aresmon/ares/lock is a folder, and must be a file",
            "on lewi, move it aside, then push again",
        ),
        (
            HostMessage("refused", "watchdog the watchdog could not be started: systemd-run is not installed"),
            "the watchdog could not be started: systemd-run is not installed",
            "on lewi, install the package with systemd-run (systemd), then push again",
        ),
        (
            HostMessage("refused", "stage"),
            "the host refused it in the step stage and gave no reason",
            "correct this and push again; nothing was changed on the host",
        ),
        (
            HostMessage("refused", "mounted /etc/telegraf/telegraf.conf"),
            "/etc/telegraf/telegraf.conf is a mount point, so no other file can take its place",
            "on lewi, run `umount /etc/telegraf/telegraf.conf` and remove the mount from where it is configured "
            "(`findmnt /etc/telegraf/telegraf.conf`), or mount the folder instead; then push again",
        ),
        (
            HostMessage("refused", "immutable i /etc/telegraf/telegraf.conf"),
            "/etc/telegraf/telegraf.conf is immutable (`lsattr -d /etc/telegraf/telegraf.conf` shows the attribute), "
            "so it cannot be replaced",
            "on lewi, run `chattr -i /etc/telegraf/telegraf.conf`, then push again",
        ),
        (
            HostMessage("refused", "immutable a /etc/telegraf"),
            "/etc/telegraf is append-only (`lsattr -d /etc/telegraf` shows the attribute), so it cannot be replaced",
            "on lewi, run `chattr -a /etc/telegraf`, then push again",
        ),
        (
            HostMessage("refused", "journal it is damaged"),
            "it is damaged",
            "compare those files with the ones in place, and copy back what is missing; then push with --overwrite, "
            "which removes them",
        ),
        (
            HostMessage("refused", "lock /var/lib/aresmon/ares has no room left"),
            "/var/lib/aresmon/ares has no room left",
            "correct this and push again; nothing was changed on the host",
        ),
    ],
)
def test_a_refusal_says_why_and_what_next(event: HostMessage, why: str, what_next: str) -> None:
    assert result.describe_refusal(event, order(access=ACCESS)) == (why, what_next)


def test_an_edge_that_is_not_reached_is_told_with_its_address_and_what_to_look_at() -> None:
    why, what_next = result.describe_refusal(
        HostMessage("refused", "write 000 http://biere:8086"), order(access=ACCESS)
    )

    assert why == "lewi cannot connect to the edge at http://biere:8086"
    assert "edge.url" in what_next
    assert "edge.agents" in what_next
    assert "firewall" in what_next


@pytest.mark.parametrize(
    ("word", "why", "what_next"),
    [
        ("x509", "lewi does not trust the certificate of https://biere:8086", "aresmon authority show"),
        (
            "clear",
            "https://biere:8086 does not support TLS, or no TLS version that lewi supports",
            "`aresmon up` on the server",
        ),
    ],
)
def test_an_edge_that_is_not_who_it_should_be_is_told(word: str, why: str, what_next: str) -> None:
    told = result.describe_refusal(HostMessage("refused", f"write {word} https://biere:8086"), order(access=ACCESS))

    assert told[0] == why
    assert what_next in told[1]


def test_of_an_agent_s_words_those_on_a_certificate_tell_most() -> None:
    words = ["E! [outputs.influxdb] tls: x509: certificate has expired", "E! [agent] could not write any address"]

    assert result.explain_log(words) == "[outputs.influxdb] tls: x509: certificate has expired"


def test_a_machine_without_telegraf_is_told_how_to_get_it() -> None:
    why, what_next = result.describe_refusal(HostMessage("refused", "probe Telegraf is not installed"), order())

    assert why == "Telegraf is not installed"
    assert what_next.startswith("install it with `aresmon hosts add lewi`")


def test_an_agent_that_is_down_is_told_where_to_look_and_how_to_go_on() -> None:
    why, what_next = result.describe_refusal(HostMessage("refused", "probe its agent is failed already"), order())

    assert why == "its agent is failed already"
    assert what_next.startswith("on lewi, run: journalctl -u telegraf -n 50; ")
    assert "--force" in what_next


def test_unmanaged_variables_are_named_with_where_they_belong() -> None:
    where = dataclasses.replace(agent(), environment="/etc/default/telegraf")

    why, what_next = result.describe_unmanaged("TOKEN PROXY", where)

    assert why == "/etc/default/telegraf sets TOKEN, PROXY, which aresmon.yml does not"
    assert what_next == "add them to hosts.lewi.env in aresmon.yml, or remove them from the host with --overwrite"


def test_drift_names_the_files_and_both_ways_out() -> None:
    why, what_next = result.describe_drift(["/etc/a", "/etc/b"], "lewi")

    assert why == "/etc/a, /etc/b changed on the host since the last push"
    assert all(part in what_next for part in ("`aresmon drift lewi`", "--adopt", "--overwrite"))


@pytest.mark.parametrize(
    ("event", "parts"),
    [
        (
            HostMessage("untested", "https://x (curl is not installed)"),
            ["not tested before the push", "curl is not installed"],
        ),
        (HostMessage("buffered", "1234 /var/lib/telegraf"), ["1234 bytes", "/var/lib/telegraf"]),
        (HostMessage("recovered", "20260101T000000-ab"), ["20260101T000000-ab", "rolled back first"]),
        (HostMessage("lock-broken", "eve"), ["eve"]),
        (HostMessage("lock-broken", ""), ["somebody"]),
    ],
)
def test_what_is_worth_knowing_is_a_sentence(event: HostMessage, parts: list[str]) -> None:
    (note,) = result.describe_note(event)

    assert [part for part in parts if part not in note] == []


def test_a_word_that_nobody_knows_is_no_note() -> None:
    assert list(result.describe_note(HostMessage("later", "thing"))) == []


def seen(*lines: str, asked_at: float = CLOCK) -> HostSurvey:
    found = HostSurvey()
    for line in lines:
        word, _, rest = line.removeprefix("@").partition(" ")
        found.add(HostMessage(word, rest))
    found.asked_at = asked_at
    return found


@pytest.mark.parametrize(
    ("apart", "note"),
    [
        (0.0, None),
        (1.9, None),
        (-1.9, None),
        (100.0, "its clock is 100 s behind this machine's"),
        (-7.0, "its clock is 7 s ahead of this machine's"),
    ],
)
def test_clocks_apart_are_told(apart: float, note: str | None) -> None:
    assert list(result.survey_notes(seen(PROBE, asked_at=CLOCK + apart))) == ([note] if note else [])


def test_what_telegraf_reads_besides_is_told() -> None:
    (note,) = result.survey_notes(seen("@included a.conf", "@included b.conf"))

    assert note == "Telegraf also reads telegraf.d/: a.conf, b.conf"


@pytest.mark.parametrize(
    ("kind", "command"),
    [
        ("systemd", "on lewi, run: journalctl -u telegraf -n 50"),
        ("docker", "on lewi, run: docker logs --tail 50 p-telegraf-1"),
    ],
)
def test_a_person_is_sent_to_the_agents_log(kind: str, command: str) -> None:
    assert result.log_command(dataclasses.replace(agent(), kind=kind, project="p")) == command  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("2026-01-01T00:00:00Z E! [agent] bad thing", "[agent] bad thing"),
        ("no mark of an error", "no mark of an error"),
        ("one E! two E! three.", "three"),
        ("  many\n  spaces\there  ", "many spaces here"),
        ("E! " + "x" * 900, "x" * 400),
        ("E! [outputs.influxdb] 401 Error: <html><body>long page</body></html>", "[outputs.influxdb] 401"),
        ("", ""),
    ],
)
def test_telegrafs_words_are_made_short(said: str, words: str) -> None:
    assert result.clean_log_line(said) == words


def test_a_file_that_was_shown_is_known_by_its_path() -> None:
    found = seen(f"@file ab {base64.b64encode(b'x').decode()} /etc/a", "@file -  /etc/b")

    assert (found.content("/etc/a"), found.content("/etc/b"), found.content("/etc/c")) == (b"x", None, None)

"""From the site's files to results: which hosts, what each should run, what is remembered, what has drifted."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import hashlib
import json
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from aresmon.agents import sources
from aresmon.agents.sources import ConfigSources, Release
from aresmon.config.package_data import package_files
from aresmon.push import adopt as push_adopt
from aresmon.push import drift as push_drift
from aresmon.push import enroll, run, selection
from aresmon.push.adopt import Adoption
from aresmon.push.order import PushOptions, Target
from aresmon.push.result import PushOutcome, PushResult, describe_reason
from aresmon.push.rollout import RolloutPace
from aresmon.push.session import Session
from aresmon.render import telegraf
from aresmon.render.bundle import agent_files
from aresmon.render.telegraf import TelegrafTemplates
from aresmon.site import bundle
from aresmon.site.folder import Site
from aresmon.site.project import Project
from aresmon.ssh.transport import LostError, UnreachableHostError
from aresmon.stack.plan import agent_context
from aresmon.system.errors import AresmonError
from tests.unit.conftest import SHIPPED, load
from tests.unit.scripted import PROBE, Observed, Scripted, Step
from tests.unit.stacks import MemoryStack

FLEET = load(
    """\
site: ares
hosts:
  biere: {agent: systemd, collect: [system]}
  lewi: {agent: systemd, collect: [system]}
  ronflex: {agent: systemd, collect: [system]}
"""
)
FRAME = TelegrafTemplates.of(package_files())
LIVE = "/etc/telegraf/telegraf.conf"
INPUT = "[[inputs.cpu]]\n"


class ReadOnlyStack(MemoryStack):
    """Neither a push nor a look changes anything there, without TLS."""

    async def swap_file(self, path: str, *_: object, **__: object) -> bool:
        pytest.fail(f"a push writes {path}")

    async def delete_file(self, path: str) -> None:
        pytest.fail(f"a push deletes {path}")


class Hosts:
    """The hosts of a site, and what each says in its next conversations."""

    def __init__(self, site: Site) -> None:
        self.says: dict[str, Scripted] = {}
        self.session = Session(
            project=Project(site, FLEET),
            templates=FRAME,
            stack=ReadOnlyStack(lambda name: f"pw-of-{name}"),
            transport=lambda host: self.says[host.name],
        )

    def say(self, host: str, *conversations: Sequence[Step] | AresmonError) -> None:
        self.says[host] = Scripted(list(conversations), name=host)

    def targets(self, *names: str, change_source: Sequence[str] = ()) -> list[Target]:
        chosen = selection.select_hosts(FLEET, names, every=not names)
        found, refused = run.build_targets(self.session, chosen, change_source=change_source)
        assert refused == []
        return found

    def push(
        self, wanted: Sequence[Target], *, canary: int = 0, max_fail: int = 0, why: str = ""
    ) -> tuple[list[PushResult], list[PushResult]]:
        """A push without a proof: the results, and those that were told on the way."""
        observed = Observed()
        results = run.push(
            self.session,
            wanted,
            options=PushOptions("ada", verify=False, why=why),
            pace=RolloutPace(canary, max_fail=max_fail),
            observer=observed,
        )
        return asyncio.run(results), observed.results


@pytest.fixture
def hosts(site: Site) -> Hosts:
    site.create_state_folder()
    return Hosts(site)


def live(text: str | None) -> str:
    """What a host tells of its configuration."""
    if text is None:
        return f"@file -  {LIVE}"
    content = text.encode()
    return f"@file {hashlib.sha256(content).hexdigest()} {base64.b64encode(content).decode()} {LIVE}"


COMMITTED: Sequence[Step] = [PROBE, "@state restart", "@running", "@committed 7"]
REFUSED: Sequence[Step] = [PROBE, "@refused check no"]


# Which hosts ------------------------------------------------------------------------------------------


def names(*asked: str, every: bool = False) -> list[str]:
    return [host.name for host in selection.select_hosts(FLEET, asked, every=every)]


def test_hosts_are_taken_in_the_order_of_the_file_and_once() -> None:
    assert names("ronflex", "biere", "ronflex") == ["biere", "ronflex"]
    assert names(every=True) == ["biere", "lewi", "ronflex"]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (["lewy"], "no host 'lewy' in aresmon.yml (did you mean 'lewi'?)"),
        (["zzz"], "no host 'zzz' in aresmon.yml; its hosts are biere, lewi, ronflex"),
        (["lewi", "bier"], "no host 'bier' in aresmon.yml (did you mean 'biere'?)"),
        (["le"], "no host 'le' in aresmon.yml"),
    ],
)
def test_a_name_that_is_none_is_told_with_the_one_that_may_be_meant(asked: list[str], message: str) -> None:
    with pytest.raises(AresmonError) as caught:
        names(*asked)

    assert caught.value.message.startswith(message)


def test_nobody_is_pushed_to_by_accident() -> None:
    with pytest.raises(AresmonError, match="no host was named") as caught:
        names()

    assert caught.value.hint == "name one or more (biere, lewi, ronflex), or use --all"


def test_all_and_names_do_not_go_together() -> None:
    with pytest.raises(AresmonError, match="--all and host names cannot be combined"):
        names("lewi", every=True)


# What each should run ---------------------------------------------------------------------------------


def write(site: Site, path: str, text: str) -> None:
    file = site.overrides / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_without_a_file_of_its_own_a_host_runs_its_collectors(hosts: Hosts) -> None:
    (target,) = hosts.targets("lewi")

    assert target.body == telegraf.configuration(FLEET.host("lewi"), SHIPPED, FRAME)
    assert (target.commit, target.content) == ("", telegraf.fingerprint(target.body))


def test_a_file_of_the_sites_own_stands_for_them_and_a_fragment_comes_besides(hosts: Hosts) -> None:
    write(hosts.session.site, "agents/lewi.conf", INPUT)
    write(hosts.session.site, "hosts/lewi.conf", "[[inputs.ping]]\n")

    (target,) = hosts.targets("lewi")

    assert "[[inputs.ping]]" in target.body
    assert "[[inputs.mem]]" not in target.body


def test_a_configuration_that_must_not_be_brought_refuses_its_host_alone(hosts: Hosts) -> None:
    write(hosts.session.site, "agents/lewi.conf", '[agent]\n  hostname = "biere"\n[[inputs.cpu]]\n')

    found, refused = run.build_targets(hosts.session, list(FLEET.hosts))

    assert [target.host.name for target in found] == ["biere", "ronflex"]
    assert [(one.host, one.outcome) for one in refused] == [("lewi", PushOutcome.REFUSED)]
    assert "lewi.conf:2: [agent] hostname is 'biere'" in refused[0].why


def test_a_file_that_cannot_be_read_refuses_its_host_alone(hosts: Hosts) -> None:
    for path, content in {
        "agents/biere.conf": b"# caf\xe9\n[[inputs.cpu]]\n",
        "hosts/lewi.conf": b"[[inputs.ping]\n",
        "hosts/nobody.conf": b"[",
    }.items():
        write(hosts.session.site, path, "")
        (hosts.session.site.overrides / path).write_bytes(content)

    found, refused = run.build_targets(hosts.session, list(FLEET.hosts))

    assert [target.host.name for target in found] == ["ronflex"]
    assert [one.host for one in refused] == ["biere", "lewi"]
    assert "biere.conf is no text: byte 5 is not UTF-8" in refused[0].why
    assert refused[1].why.startswith("overrides/hosts/lewi.conf: not TOML: ")


def test_what_is_not_wise_is_noted(hosts: Hosts) -> None:
    write(
        hosts.session.site,
        "agents/lewi.conf",
        f'{INPUT}[[outputs.influxdb]]\n  urls = ["http://x"]\n  password = "hunter2"\n',
    )

    (target,) = hosts.targets("lewi")

    assert len(target.notes) == 2
    assert "hunter2" not in "".join(target.notes)


def test_files_of_configs_that_may_be_meant_for_a_host_are_named(hosts: Hosts, monkeypatch: pytest.MonkeyPatch) -> None:
    origin = ConfigSources(unmatched=("Lewi", "lewy"), near={"lewi": ["Lewi.conf", "hosts/lewi.conf"]})
    monkeypatch.setattr(sources, "fetch", lambda *_, **__: origin)

    (target,) = hosts.targets("lewi")

    assert target.notes == (
        "configs has no lewi.conf at its top, but Lewi.conf, hosts/lewi.conf, which is not used: if it is meant for "
        "this host, move it to lewi.conf",
        "configs has lewy.conf, but there is no host lewy (did you mean lewi.conf?)",
    )


# The push ---------------------------------------------------------------------------------------------


def test_what_was_brought_is_kept_and_what_was_there_before_it(hosts: Hosts) -> None:
    hosts.say("lewi", [live("[found]\n"), *COMMITTED])
    wanted = hosts.targets("lewi")

    results, told = hosts.push(wanted)

    kept = hosts.session.releases(FLEET.host("lewi"))
    assert [result.outcome for result in results] == [PushOutcome.UNVERIFIED]
    assert told == results
    assert [one.number for one in kept.all()] == [0, 1]
    assert (kept.body(0), kept.body(1)) == ("[found]\n", wanted[0].body)
    newest = kept.newest()
    assert newest
    assert (newest.config_id, newest.by) == (results[0].config_id, "ada")


def test_results_are_written_to_the_disk_beside_the_connections(hosts: Hosts, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connections to all hosts are served by one thread, which must not wait for a disk."""
    syncing = list[threading.Thread]()
    monkeypatch.setattr(os, "fsync", lambda _: syncing.append(threading.current_thread()))
    hosts.say("lewi", [live("[found]\n"), *COMMITTED])

    hosts.push(hosts.targets("lewi"))

    assert [one.number for one in hosts.session.releases(FLEET.host("lewi")).all()] == [0, 1]
    assert threading.main_thread() not in syncing
    assert len(syncing) == 6, "two files and their folder for each of the two releases"


def test_the_second_push_does_not_keep_what_was_there_again(hosts: Hosts) -> None:
    hosts.say("lewi", [live("[found]\n"), *COMMITTED], [live("[first]\n"), *COMMITTED])

    hosts.push(hosts.targets("lewi"))
    hosts.push(hosts.targets("lewi"))

    assert [one.number for one in hosts.session.releases(FLEET.host("lewi")).all()] == [0, 1, 2]


@pytest.mark.parametrize("steps", [REFUSED, UnreachableHostError("away")], ids=["refused", "away"])
def test_what_was_not_brought_is_no_release_and_has_its_line_all_the_same(
    hosts: Hosts, steps: Sequence[Step] | AresmonError
) -> None:
    hosts.say("lewi", steps)

    (result,), _ = hosts.push(hosts.targets("lewi"))

    assert hosts.session.releases(FLEET.host("lewi")).all() == []
    (line,) = hosts.session.site.history("push-config")
    assert (line["host"], line["outcome"], line["release"]) == ("lewi", str(result.outcome), 0)


def test_what_is_there_and_was_not_known_here_becomes_a_release_once(hosts: Hosts) -> None:
    """It was proven when nobody lived to note it, or somebody else brought it from a folder of their own."""
    hosts.say("lewi", [PROBE, "@unchanged m"], [PROBE, "@unchanged m"])

    hosts.push(hosts.targets("lewi"))
    hosts.push(hosts.targets("lewi"))

    assert [one.config_id for one in hosts.session.releases(FLEET.host("lewi")).all()] == ["m"]


def test_a_line_of_the_history_tells_who_what_and_how_it_ended(hosts: Hosts) -> None:
    hosts.say("lewi", COMMITTED)

    (result,), _ = hosts.push(hosts.targets("lewi"))

    (line,) = hosts.session.site.history("push-config")
    assert line.items() >= {
        ("command", "push-config"),
        ("host", "lewi"),
        ("outcome", "unverified"),
        ("release", 1),
        ("mark", result.config_id),
        ("owner", "ada"),
    }
    assert line["transaction"] in result.config_id
    assert "pw-of" not in json.dumps(line)


def test_the_reason_is_kept_with_the_release_and_shown_in_the_history(hosts: Hosts) -> None:
    hosts.say("lewi", COMMITTED, COMMITTED, COMMITTED)
    (wanted,) = hosts.targets("lewi")
    changed = replace(wanted, body=f"{wanted.body}# changed\n")

    hosts.push([wanted], why="less noise")
    hosts.push([changed])
    hosts.push([run.previous_target(hosts.session, FLEET.host("lewi"), None)], why="it filled the log")

    releases = hosts.session.releases(FLEET.host("lewi")).all()
    assert [one.why for one in releases if one.number] == ["less noise", "", "it filled the log"]
    assert "why" not in json.loads((hosts.session.site.releases("lewi") / "00002.json").read_text())
    lines = hosts.session.site.history("push-config")
    assert [describe_reason(line) for line in lines] == ["less noise", "", "back to release 1: it filled the log"]


def test_a_host_that_was_not_begun_has_no_line(hosts: Hosts) -> None:
    hosts.say("biere", REFUSED)
    hosts.say("lewi")

    results, _ = hosts.push(hosts.targets("biere", "lewi"), canary=1)

    assert [result.outcome for result in results] == [PushOutcome.REFUSED, PushOutcome.SKIPPED]
    assert [line["host"] for line in hosts.session.site.history("push-config")] == ["biere"]


def test_a_host_that_lacks_its_secret_is_refused_and_the_others_go_on(hosts: Hosts) -> None:
    def secret(name: str) -> str:
        if name == "agent-lewi":
            raise AresmonError("the server has no secret agent-lewi")
        return "pw"

    stack = ReadOnlyStack(secret)
    object.__setattr__(hosts.session, "stack", stack)
    hosts.say("biere", COMMITTED)

    going, told = hosts.push(hosts.targets("biere", "lewi"))

    assert {result.host: result.outcome for result in going} == {
        "lewi": PushOutcome.REFUSED,
        "biere": PushOutcome.UNVERIFIED,
    }
    assert len(told) == 2


def test_a_host_that_is_blocked_is_refused_with_what_lets_it_in_again(hosts: Hosts) -> None:
    stack = ReadOnlyStack(lambda _: "pw", files={"blocked.json": b'{"lewi": "2026-11-24T10:00:00+00:00"}'})
    object.__setattr__(hosts.session, "stack", stack)

    (result,), _ = hosts.push(hosts.targets("lewi"))

    assert result.outcome == PushOutcome.REFUSED
    assert "blocked since 2026-11-24" in result.why
    assert "`aresmon hosts unblock lewi`" in result.next


# The bundle -------------------------------------------------------------------------------------------


def wanted_by_up(hosts: Hosts) -> Mapping[str, bytes]:
    """The files of the site's agents, as `up` would write them now."""
    session, agents = hosts.session, agent_context(hosts.session.project, FLEET.hosts)
    files = dict[str, bytes]()
    for host in FLEET.hosts:
        files |= agent_files(host, FLEET, SHIPPED, agents, session.templates)
    return files


def pending(hosts: Hosts) -> tuple[str, ...]:
    """The files of the bundle that `up` would change."""
    return bundle.compare(bundle.read_site(hosts.session.site), wanted_by_up(hosts)).changed


def test_a_push_leaves_the_bundle_as_up_would_write_it(hosts: Hosts) -> None:
    bundle.write(bundle.read_site(hosts.session.site), wanted_by_up(hosts))
    write(hosts.session.site, "agents/biere.conf", INPUT)
    write(hosts.session.site, "agents/lewi.conf", INPUT)
    assert pending(hosts) == ("agents/biere/telegraf.conf", "agents/lewi/telegraf.conf")
    hosts.say("lewi", COMMITTED)
    hosts.say("biere", REFUSED)

    hosts.push(hosts.targets("lewi", "biere"), max_fail=1)

    assert pending(hosts) == ("agents/biere/telegraf.conf",)
    found = bundle.read_site(hosts.session.site)
    assert bundle.compare(found, found.files).edited == ()


def test_a_rolled_back_release_does_not_stand_in_the_bundle_where_up_would_write_another(hosts: Hosts) -> None:
    bundle.write(bundle.read_site(hosts.session.site), wanted_by_up(hosts))
    keep(hosts, whole("zero"), whole("one"))
    hosts.say("lewi", COMMITTED)

    hosts.push([run.previous_target(hosts.session, FLEET.host("lewi"), None)])

    assert pending(hosts) == ()


def test_a_push_leaves_an_edited_file_of_the_bundle_for_up_to_keep_aside(hosts: Hosts) -> None:
    site = hosts.session.site
    bundle.write(bundle.read_site(site), wanted_by_up(hosts))
    (site.bundle / "agents/lewi/telegraf.conf").write_text("# mine\n")
    hosts.say("lewi", COMMITTED)

    hosts.push(hosts.targets("lewi"))

    assert bundle.compare(bundle.read_site(site), wanted_by_up(hosts)).edited == ("agents/lewi/telegraf.conf",)


# The plan ---------------------------------------------------------------------------------------------


def test_a_plan_shows_what_would_change_without_the_mark_and_without_secrets(hosts: Hosts) -> None:
    (target,) = hosts.targets("lewi")
    changed = target.body.replace('precision = "1s"', 'precision = "1ms"') + '  token = "hunter2"\n'
    hosts.say("lewi", [PROBE, live(telegraf.with_config_id(changed, "m-1", FRAME))])

    (planned,) = asyncio.run(push_drift.plan(hosts.session, [target]))

    assert '-  precision = "1ms"' in planned.diff
    assert '+  precision = "1s"' in planned.diff
    assert "hunter2" not in planned.diff
    assert "aresmon_config" not in planned.diff
    assert planned.refusal is None


def test_a_plan_without_a_change_has_no_diff(hosts: Hosts) -> None:
    (target,) = hosts.targets("lewi")
    hosts.say("lewi", [PROBE, live(telegraf.with_config_id(target.body, "m-1", FRAME))])

    (planned,) = asyncio.run(push_drift.plan(hosts.session, [target]))

    assert planned.diff == ""


def test_a_plan_tells_drift_and_hosts_that_cannot_be_looked_at(hosts: Hosts) -> None:
    hosts.say("biere", UnreachableHostError("biere is not reached", hint="look"))
    hosts.say("lewi", [PROBE, live(None), f"@drift {LIVE}"])
    hosts.say("ronflex", [])

    biere, lewi, ronflex = asyncio.run(push_drift.plan(hosts.session, hosts.targets()))

    assert biere.refusal
    assert (biere.refusal.outcome, biere.refusal.next) == (PushOutcome.UNREACHABLE, "look")
    assert (lewi.live, lewi.drifted) == (None, (LIVE,))
    assert ronflex.refusal


# Going back -------------------------------------------------------------------------------------------


def keep(hosts: Hosts, *bodies: str) -> None:
    for number, body in enumerate(bodies):
        hosts.session.releases(FLEET.host("lewi")).add(
            body, Release(number, f"m-{number}", "ada", 0.0, f"commit-{number}")
        )


def whole(word: str) -> str:
    return telegraf.configuration(FLEET.host("lewi"), SHIPPED, FRAME) + f"# {word}\n"


def test_the_former_release_is_the_one_before_the_newest(hosts: Hosts) -> None:
    keep(hosts, whole("zero"), whole("one"), whole("two"))

    target = run.previous_target(hosts.session, FLEET.host("lewi"), None)

    assert (target.body, target.commit) == (whole("one"), "commit-1")


def test_a_release_that_says_the_same_as_the_present_one_is_no_former_one(hosts: Hosts) -> None:
    """Such a one comes of a password that was rotated."""
    keep(hosts, whole("zero"), whole("one"), whole("two"), whole("two"))

    assert run.previous_target(hosts.session, FLEET.host("lewi"), None).body == whole("one")


def test_any_release_that_is_kept_can_be_named(hosts: Hosts) -> None:
    keep(hosts, whole("zero"), whole("one"), whole("two"))

    assert run.previous_target(hosts.session, FLEET.host("lewi"), 0).body == whole("zero")
    with pytest.raises(AresmonError, match="lewi has no release 7"):
        run.previous_target(hosts.session, FLEET.host("lewi"), 7)


@pytest.mark.parametrize(
    "bodies", [[], [whole("one")], [whole("one"), whole("one")]], ids=["none", "one", "the same twice"]
)
def test_where_there_is_no_former_release_that_is_told(hosts: Hosts, bodies: list[str]) -> None:
    keep(hosts, *bodies)

    with pytest.raises(AresmonError, match="lewi has no release before the current one") as caught:
        run.previous_target(hosts.session, FLEET.host("lewi"), None)
    assert "aresmon history lewi" in caught.value.hint


def test_a_release_that_must_not_be_brought_any_more_is_refused(hosts: Hosts) -> None:
    keep(hosts, "[agent]\n", whole("one"))

    with pytest.raises(AresmonError, match=r"lewi\.conf: "):
        run.previous_target(hosts.session, FLEET.host("lewi"), 0)


# Drift ------------------------------------------------------------------------------------------------


def drift(hosts: Hosts, *told: Step, host: str = "lewi") -> push_drift.Drift:
    hosts.say(host, [PROBE, *told])
    (found,) = asyncio.run(push_drift.drift(hosts.session, [FLEET.host(host)]))
    return found


def test_a_host_that_is_as_it_was_pushed_has_no_drift(hosts: Hosts) -> None:
    keep(hosts, whole("one"))

    assert drift(hosts, "@current content=x", live(telegraf.with_config_id(whole("one"), "m", FRAME))).what == ""


def test_a_release_that_cannot_be_read_is_told_for_its_host_and_the_others_are_compared(hosts: Hosts) -> None:
    keep(hosts, whole("one"))
    (hosts.session.releases(FLEET.host("lewi")).folder / "00000.conf").unlink()
    hosts.say("biere", [PROBE, live(None)])
    hosts.say("lewi", [PROBE, "@current content=x", live("x")])

    biere, lewi = asyncio.run(push_drift.drift(hosts.session, [FLEET.host("biere"), FLEET.host("lewi")]))

    assert biere.what == "never pushed to from this site"
    assert lewi.what == "lewi has no release 0"


def test_an_edit_is_shown_with_both_ways_out(hosts: Hosts) -> None:
    keep(hosts, whole("one"))
    edited = whole("one").replace("# one", "# ONE")

    found = drift(hosts, "@current content=x", live(telegraf.with_config_id(edited, "m", FRAME)), f"@drift {LIVE}")

    assert found.what == f"{LIVE} was edited since the last push"
    assert found.diff.startswith("--- lewi: deployed\n+++ lewi: live\n")
    assert "-# one\n+# ONE\n" in found.diff
    assert "--adopt" in found.next
    assert "--overwrite" in found.next


def test_an_edit_of_the_environment_is_named_and_not_shown(hosts: Hosts) -> None:
    keep(hosts, whole("one"))
    same = live(telegraf.with_config_id(whole("one"), "m", FRAME))

    found = drift(hosts, "@current content=x", same, "@drift /etc/default/telegraf")

    assert found.what.startswith("/etc/default/telegraf was edited since the last push (not shown")
    assert found.diff == ""


@pytest.mark.parametrize(
    ("told", "what"),
    [
        ([live("x\n")], "never pushed to from this site"),
        (["@current content=x", live("x\n"), "@pending t1"], "a push (t1) is running, or was interrupted"),
        (
            ["@current content=x", live("x\n"), "@damaged /var/x/pending"],
            "an earlier push was interrupted, and its journal /var/x/pending is damaged: nothing was restored from it",
        ),
    ],
)
def test_other_states_are_told(hosts: Hosts, told: list[Step], what: str) -> None:
    assert drift(hosts, *told).what == what


@pytest.mark.parametrize(
    ("restarts", "active", "what"),
    [
        (0, "active", ""),
        (1, "active", ""),
        (2, "active", "the agent has restarted 2 times since the last push (active)"),
        (1, "activating", "the agent has restarted 1 times since the last push (activating)"),
        (5, "failed", "the agent has restarted 5 times since the last push (failed)"),
    ],
)
def test_a_restart_loop_is_told_where_no_file_differs(hosts: Hosts, restarts: int, active: str, what: str) -> None:
    keep(hosts, whole("one"))
    probe = PROBE.replace("restarts=0", f"restarts={restarts}").replace("active=active", f"active={active}")
    same = live(telegraf.with_config_id(whole("one"), "m", FRAME))

    found = drift(hosts, "@current content=x", "@current at=1793491200", same, probe)

    assert (found.what, bool(found.next)) == (what, bool(what))


@pytest.mark.parametrize("error", [UnreachableHostError("away", hint="h"), LostError("gone", hint="h")])
def test_a_host_that_cannot_be_looked_at_is_told(hosts: Hosts, error: AresmonError) -> None:
    hosts.say("lewi", error)

    (found,) = asyncio.run(push_drift.drift(hosts.session, [FLEET.host("lewi")]))

    assert (found.what, found.next) == (error.message, "h")


# Adopting ---------------------------------------------------------------------------------------------


def edited_by_hand(hosts: Hosts) -> Sequence[Step]:
    keep(hosts, whole("one"))
    edited = telegraf.with_config_id(whole("one").replace("# one", "# ONE"), "m", FRAME)
    return [PROBE, "@current content=x", live(edited), f"@drift {LIVE}"]


def test_an_edit_that_is_adopted_becomes_a_file_of_the_sites(hosts: Hosts) -> None:
    hosts.say("lewi", edited_by_hand(hosts))

    kept, refused = asyncio.run(push_adopt.adopt(hosts.session, [FLEET.host("lewi")]))

    path = hosts.session.site.overrides / "agents" / "lewi.conf"
    assert (kept["lewi"].path, kept["lewi"].is_first, refused) == (str(path), False, [])
    assert push_adopt.with_adopted(hosts.targets("lewi", change_source=["lewi"])[0], kept["lewi"]).overwrite
    assert "# ONE\n" in path.read_text()
    assert "aresmon_config" not in path.read_text()
    assert "# ONE\n" in hosts.targets("lewi", change_source=["lewi"])[0].body


def test_what_was_adopted_is_what_runs_already(hosts: Hosts) -> None:
    steps = edited_by_hand(hosts)
    hosts.say("lewi", steps, steps)

    asyncio.run(push_adopt.adopt(hosts.session, [FLEET.host("lewi")]))
    (planned,) = asyncio.run(push_drift.plan(hosts.session, hosts.targets("lewi", change_source=["lewi"])))

    assert planned.diff == ""


def test_a_host_without_an_edit_is_not_adopted(hosts: Hosts) -> None:
    keep(hosts, whole("one"))
    hosts.say("lewi", [PROBE, "@current content=x", live(telegraf.with_config_id(whole("one"), "m", FRAME))])

    assert asyncio.run(push_adopt.adopt(hosts.session, [FLEET.host("lewi")])) == ({}, [])
    assert not (hosts.session.site.overrides / "agents").exists()


def test_an_adopted_edit_that_configs_would_overwrite_is_not_pushed() -> None:
    host = FLEET.host("lewi")
    own, theirs = Target(FLEET.host("biere"), "x"), Target(host, "y", commit="abc")

    found, refused = push_adopt.split_shadowed(
        [own, theirs], {"lewi": Adoption("overrides/agents/lewi.conf", "d", is_first=False)}
    )
    all_found, none = push_adopt.split_shadowed([own, theirs], {})

    assert (found, [one.outcome for one in refused]) == ([own], [PushOutcome.REFUSED])
    assert "the repository has another lewi.conf" in refused[0].why
    assert (all_found, none) == ([own, theirs], [])


# A configuration that was found ----------------------------------------------------------------------

FOUND = """\
[agent]
  interval = "10s"
  hostname = ""

[[outputs.influxdb]]
  urls = ["http://ada:hunter2@127.0.0.1:9"]
  database = "old"
  # caf\u00e9

[[inputs.procstat]]
  pattern = "sshd"
"""


def found(text: str | bytes = FOUND) -> list[Step]:
    content = text if isinstance(text, bytes) else text.encode()
    digest = hashlib.sha256(content).hexdigest()
    return [PROBE, f"@file {digest} {base64.b64encode(content).decode()} {LIVE}", f"@found {digest}"]


def test_a_configuration_that_was_found_is_described_and_left(hosts: Hosts) -> None:
    hosts.say("lewi", [*found(), "@unmanaged TOKEN PROXY"])

    (result,), _ = hosts.push(hosts.targets("lewi"))

    assert (result.outcome, result.undecided[:16]) == (PushOutcome.REFUSED, "inputs: procstat")
    assert "(inputs: procstat; outputs: influxdb (http://ada:***@127.0.0.1:9))" in result.why
    assert "TOKEN, PROXY" in result.why
    assert "--adopt" in result.next
    assert "--overwrite" in result.next
    assert hosts.session.releases(FLEET.host("lewi")).all() == []


def test_a_host_with_a_configuration_of_its_own_keeps_no_other_host_from_being_pushed(hosts: Hosts) -> None:
    hosts.say("biere", found())
    hosts.say("lewi", COMMITTED)

    results, _ = hosts.push(hosts.targets("biere", "lewi"), canary=1)

    assert [one.outcome for one in results] == [PushOutcome.REFUSED, PushOutcome.UNVERIFIED]


def test_a_found_configuration_is_adopted_with_an_output_to_the_site(hosts: Hosts) -> None:
    host, site = FLEET.host("lewi"), hosts.session.site
    hosts.say("lewi", found())

    kept, refused = asyncio.run(push_adopt.adopt(hosts.session, [host]))

    (target,) = hosts.targets("lewi")
    target = push_adopt.with_adopted(target, kept["lewi"])
    assert (refused, target.overwrite) == ([], False)
    assert target.replaces == (hashlib.sha256(FOUND.encode()).hexdigest(),)
    assert (site.overrides / "agents" / "lewi.conf").read_text().startswith(FOUND.rstrip())
    assert "[[inputs.procstat]]" in target.body
    assert "${ARESMON_URL" in target.body
    assert "127.0.0.1:9" in target.body
    assert hosts.session.releases(host).content(0) == FOUND.encode()


def test_what_was_adopted_may_be_corrected_and_adopted_again(hosts: Hosts) -> None:
    host, file = FLEET.host("lewi"), hosts.session.site.overrides / "agents" / "lewi.conf"
    hosts.say("lewi", found(), found())
    asyncio.run(push_adopt.adopt(hosts.session, [host]))
    file.write_text("[[inputs.cpu]]\n")

    kept, refused = asyncio.run(push_adopt.adopt(hosts.session, [host]))

    assert (list(kept), refused, file.read_text()) == (["lewi"], [], "[[inputs.cpu]]\n")


def test_a_file_of_the_sites_own_is_not_replaced_by_an_adoption(hosts: Hosts) -> None:
    write(hosts.session.site, "agents/lewi.conf", INPUT)
    hosts.say("lewi", found())

    kept, refused = asyncio.run(push_adopt.adopt(hosts.session, [FLEET.host("lewi")]))

    assert (kept, [one.host for one in refused]) == ({}, ["lewi"])
    assert "exists already" in refused[0].why
    assert (hosts.session.site.overrides / "agents" / "lewi.conf").read_text() == INPUT


def test_files_of_the_site_that_are_links_stay_links(hosts: Hosts) -> None:
    site = hosts.session.site
    for link in (site.file, site.overrides / "agents" / "lewi.conf"):
        (site.root / "git").mkdir(exist_ok=True)
        link.parent.mkdir(parents=True, exist_ok=True)
        place = site.root / "git" / link.name
        place.write_text("")
        link.unlink(missing_ok=True)
        link.symlink_to(place)
    hosts.say("lewi", edited_by_hand(hosts))

    enroll.write(site, "hosts: {a: }\n", command="hosts add")
    asyncio.run(push_adopt.adopt(hosts.session, [FLEET.host("lewi")]))

    assert (site.root / "git" / "aresmon.yml").read_text() == "hosts: {a: }\n"
    assert "# ONE" in (site.root / "git" / "lewi.conf").read_text()
    assert site.file.is_symlink()
    assert (site.overrides / "agents" / "lewi.conf").is_symlink()


def test_what_is_not_utf_8_cannot_be_adopted(hosts: Hosts) -> None:
    hosts.say("lewi", found(b"# caf\xe9\n[[outputs.file]]\n"))

    kept, (refused,) = asyncio.run(push_adopt.adopt(hosts.session, [FLEET.host("lewi")]))

    assert (kept, refused.outcome) == ({}, PushOutcome.REFUSED)
    assert "byte 5 is not UTF-8" in refused.why


def test_what_is_replaced_is_kept_byte_for_byte_and_brought_back_without_any_check(hosts: Hosts) -> None:
    content = b"# caf\xe9\r\n[[outputs.file]]\n\n"
    brought_back = [PROBE, "@current content=x", "@state restart", "@running", "@committed 7"]
    hosts.say("lewi", [found(content)[1], *COMMITTED], brought_back)
    hosts.push([dataclasses.replace(hosts.targets("lewi")[0], overwrite=True)])

    target = run.previous_target(hosts.session, FLEET.host("lewi"), None)
    (result,), _ = hosts.push([target])

    releases = hosts.session.releases(FLEET.host("lewi"))
    assert target.as_found == content
    assert hosts.says["lewi"].given[1].endswith(content)
    assert b"\nas_found=1\n" in hosts.says["lewi"].given[1]
    assert (result.outcome, result.config_id) == (PushOutcome.UNVERIFIED, "")
    assert [releases.content(number) == content for number in (0, 1, 2)] == [True, False, True]


def test_a_plan_and_drift_tell_what_was_found(hosts: Hosts) -> None:
    hosts.say("lewi", found(), found())

    (planned,) = asyncio.run(push_drift.plan(hosts.session, hosts.targets("lewi")))
    (drifted,) = asyncio.run(push_drift.drift(hosts.session, [FLEET.host("lewi")]))

    assert planned.found.startswith("inputs: procstat; outputs: influxdb")
    assert "-[[inputs.procstat]]" in planned.diff
    assert "hunter2" not in planned.diff + drifted.what
    assert "a configuration of its own (inputs: procstat" in drifted.what


def test_where_only_a_secret_differs_that_is_told_and_the_secret_is_not(hosts: Hosts) -> None:
    assert push_drift.difference("lewi", 'password = "a"\n', 'password = "b"\n') == (
        "lewi: only secrets differ, which are not shown\n"
    )


# For scripts ------------------------------------------------------------------------------------------


def test_a_result_for_scripts_has_all_but_the_live_file() -> None:
    result = PushResult(
        "lewi", PushOutcome.ROLLED_BACK, "why", "next", "m", "abc", 12.345, ("cpu",), ("note",), live=b"password"
    )

    told = run.as_json(result)

    assert told == {
        "host": "lewi",
        "outcome": "rolled back",
        "why": "why",
        "next": "next",
        "config_id": "m",
        "mark": "m",
        "commit": "abc",
        "seconds": 12.3,
        "silent": ["cpu"],
        "notes": ["note"],
        "found": "",
    }
    assert json.loads(json.dumps(told)) == told

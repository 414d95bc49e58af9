"""Telegraf's own verdict on a configuration, made readable."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from aresmon.agents import check
from aresmon.engine.images import pins
from aresmon.system.errors import AresmonError, SiteError
from tests.unit.conftest import SHIPPED, FakeEngine, load

FLEET = load("hosts: {biere: , lewi: , ronflex: {agent: docker}}\n")


class Telegraf(FakeEngine):
    """An engine whose Telegraf says this of a configuration."""

    def __init__(self, code: int, said: str = "") -> None:
        super().__init__()
        self.answer = (code, said)

    def run_once(
        self, image: str, command: Sequence[str], *, project: str, files: bytes, environment: Sequence[str]
    ) -> tuple[int, str]:
        self.image, self.command, self.environment, self.project = image, command, environment, project
        with tarfile.open(fileobj=io.BytesIO(files)) as tar:
            self.names = set(tar.getnames())
            conf = tar.extractfile("etc/telegraf/telegraf.conf")
            self.configuration = conf.read() if conf else b""
        return self.answer


def test_a_configuration_is_checked_by_its_own_image_with_its_variables_and_no_secret() -> None:
    engine = Telegraf(0)

    check.check(engine, "telegraf:1", "biere", b"[agent]", {"ARESMON_HOST": "biere"}, project="ares")

    assert (engine.image, engine.configuration, engine.project) == ("telegraf:1", b"[agent]", "ares")
    assert list(engine.environment) == ["ARESMON_HOST=biere"]
    assert "--strict-env-handling" in engine.command
    assert engine.names == {"etc/telegraf/telegraf.conf", "run/secrets/agent"}


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            "2025-01-01T00:00:00Z I! Loading config\n2025-01-01T00:00:00Z E! loading config file "
            "/etc/telegraf/telegraf.conf failed: error parsing cpus, undefined but requested input: cpus",
            "biere: Telegraf rejects the configuration: error parsing cpus, undefined but requested input: cpus",
        ),
        ("exec: telegraf: not found", "biere: Telegraf rejects the configuration: exec: telegraf: not found"),
    ],
)
def test_a_refusal_is_told_in_telegrafs_words(said: str, words: str) -> None:
    with pytest.raises(AresmonError) as caught:
        check.check(Telegraf(1, said), "telegraf:1", "biere", b"", {}, project="ares")

    assert caught.value.message == words
    assert "nothing was changed" in caught.value.hint


REAL = {
    "an empty name": '[global_tags]\n[agent]\n  hostname = ""\n  omit_hostname = false\n[[inputs.mem]]\n',
    "a byte order mark": "\ufeff[agent]\n  interval = '1s'\n[[inputs.mem]]\n",
    "variables in comments": "[agent]\n  interval = '1s' # was ${OLD_INTERVAL}\n[[inputs.mem]] # the box of $USER\n",
    "a shell's variable": "[[inputs.exec]]\n  commands = [\"sh -c 'for a in b; do echo x,part=$a used=1i; done'\"]\n",
    "an escaped one": "[[inputs.exec]]\n  commands = [\"sh -c 'for a in b; do echo x,part=$$a used=1i; done'\"]\n",
    "awk's": "[[inputs.exec]]\n  commands = ['''sh -c \"uptime | awk '{print $NF}'\"''']\n",
    "a name with a default": '[agent]\n  hostname = "${HOSTNAME:-lewi}"\n[[inputs.mem]]\n',
    "a password": '[[inputs.redis]]\n  servers = ["tcp://a:6379"]\n  password = "pa$$word"\n',
}


@pytest.mark.parametrize("text", REAL.values(), ids=REAL)
def test_what_telegraf_takes_passes(tmp_path: Path, text: str) -> None:
    (tmp_path / "lewi.conf").write_text(text, encoding="utf-8")

    found = check.check_folder(tmp_path, FLEET, SHIPPED, engine=FakeEngine(), image="")

    assert found == (["lewi"], [])


BUILT = pins(FLEET)["telegraf"].build


class Lean(FakeEngine):
    """An engine with a Telegraf that was built here: it has few plug-ins, and no pgrep."""

    def run_once(
        self, image: str, command: Sequence[str], *, project: str, files: bytes, environment: Sequence[str]
    ) -> tuple[int, str]:
        if command[1] == "plugins":
            return 0, "inputs.cpu\ninputs.exec\ninputs.mem\ninputs.procstat\ninputs.internal\noutputs.influxdb\n"
        if command[0] == "sh":  # the migration
            return 0, "--- migrated ---\n"
        with tarfile.open(fileobj=io.BytesIO(files)) as tar:
            conf = tar.extractfile("etc/telegraf/telegraf.conf")
            text = conf.read().decode() if conf else ""
        for plugin in ("inputs.cpus", "inputs.nginx", "outputs.influxdb_v2", "processors.rename", "data_format"):
            if plugin in text:
                return 1, f"E! loading config file x failed: undefined but requested: {plugin}"
        if "inputs.procstat" in text:
            return 1, "E! could not initialize input inputs.procstat: creating finder failed: no pgrep"
        return (1, "E! bad field") if "no_such_field" in text else (0, "")


WHOLE = """[[inputs.nginx]]
  urls = ["http://127.0.0.1/status"]
  [inputs.nginx.tags]
    a = "b"
[[inputs.procstat]]
  pattern = "sshd"
[[inputs.exec]]
  commands = ["x"]
  data_format = "avro"
[[processors.rename]]
"""


def test_what_only_the_built_image_lacks_is_warned_of_for_a_systemd_host(tmp_path: Path) -> None:
    (tmp_path / "lewi.conf").write_text(WHOLE, encoding="utf-8")

    _, warnings = check.check_folder(tmp_path, FLEET, SHIPPED, engine=Lean(), image=BUILT)

    assert [one.split(" ")[:2] for one in warnings] == [
        ["lewi.conf:1:", "inputs.nginx"],
        ["lewi.conf:7:", "inputs.exec"],
        ["lewi.conf:10:", "processors.rename"],
        ["lewi.conf:5:", "inputs.procstat"],
    ]
    assert all(BUILT in one for one in warnings)
    assert "has no parsers.avro" in warnings[1]
    assert "cannot start it: creating finder failed: no pgrep" in warnings[3]


@pytest.mark.parametrize(
    ("name", "more", "image"),
    [
        ("ronflex", "", BUILT),  # its container is of this image
        ("lewi", "", "telegraf:1.39.3"),  # the publisher's has every program
        ("lewi", "[[inputs.cpus]]\n", BUILT),  # no Telegraf has it
        ("lewi", "[[inputs.cpu]]\n  no_such_field = 1\n", BUILT),
    ],
)
def test_what_no_agent_of_the_host_takes_is_refused(tmp_path: Path, name: str, more: str, image: str) -> None:
    (tmp_path / f"{name}.conf").write_text(WHOLE + more, encoding="utf-8")

    with pytest.raises(SiteError, match="Telegraf rejects the configuration"):
        check.check_folder(tmp_path, FLEET, SHIPPED, engine=Lean(), image=image)


@pytest.mark.parametrize("plugin", ["fritzbox_smarthome", "sflow"])  # new in 1.40, and removed in 1.40
def test_a_plugin_of_another_version_is_warned_of_for_a_systemd_host(tmp_path: Path, plugin: str) -> None:
    (tmp_path / "lewi.conf").write_text(f"[[inputs.mem]]\n[[inputs.{plugin}]]\n", encoding="utf-8")

    _, (warning,) = check.check_folder(tmp_path, FLEET, SHIPPED, engine=Lean(), image="telegraf:1.39.3")

    assert warning.startswith(f"lewi.conf:2: inputs.{plugin} was not checked: the image telegraf:1.39.3 has no ")


DEPRECATED = """2026-11-29T10:32:49Z I! Loading config: x
2026-11-29T10:32:49Z E! DeprecationError: Option "fieldpass" of plugin "inputs.mem" deprecated since version 1.29.0 \
and will be removed in 1.40.0: use 'fieldinclude' instead
2026-11-29T10:32:49Z W! DeprecationWarning: Value "x --token s3cret" for option "command" of plugin "inputs.exec" \
deprecated since version 1.39.0 and will be removed in 1.45.0: Use array syntax instead: ["x","--token","s3cret"]
"""


class Deprecating(Lean):
    """An engine whose Telegraf calls settings deprecated, and may reject the configuration for something else."""

    def __init__(self, code: int) -> None:
        super().__init__()
        self.code = code

    def run_once(
        self, image: str, command: Sequence[str], *, project: str, files: bytes, environment: Sequence[str]
    ) -> tuple[int, str]:
        if command[1] != "config":
            return super().run_once(image, command, project=project, files=files, environment=environment)
        return self.code, DEPRECATED + "2026-11-29T10:32:49Z E! loading config file x failed: no\n" * self.code


@pytest.mark.parametrize(("version", "expected"), [("1.40.1", 1), ("1.39.3", 1), ("1.38.4", 0), ("1.44.0", 2)])
def test_what_telegraf_calls_deprecated_is_warned_of_before_it_is_removed(
    tmp_path: Path, version: str, expected: int
) -> None:
    (tmp_path / "lewi.conf").write_text("[[inputs.cpu]]\n[[inputs.mem]]\n  fieldpass = ['used']\n", encoding="utf-8")

    _, warnings = check.check_folder(tmp_path, FLEET, SHIPPED, engine=Deprecating(0), image=f"telegraf:{version}")

    assert len(warnings) == expected
    if expected:
        assert warnings[0] == (
            "lewi.conf:3: fieldpass of inputs.mem is deprecated since Telegraf 1.29.0, and is to be removed in 1.40.0: "
            "use 'fieldinclude' instead"
        )
    assert "s3cret" not in "".join(warnings)


def test_what_is_only_deprecated_is_not_the_reason_of_a_rejection(tmp_path: Path) -> None:
    (tmp_path / "lewi.conf").write_text("[[inputs.mem]]\n  fieldpass = ['used']\n", encoding="utf-8")

    with pytest.raises(SiteError) as caught:
        check.check_folder(tmp_path, FLEET, SHIPPED, engine=Deprecating(1), image="telegraf:1.40.1")

    assert caught.value.errors[0] == "lewi.conf: Telegraf rejects the configuration: no"


OLD = """# as of 2016
[tags]
[agent]
  flush_buffer_when_full = true
  hostname = "old"
  interval = "0s"
[[outputs.influxdb]]
  urls = ["http://biere:8086"]
  user_agent = "x"
  fielddrop = ["gen"]
[[inputs.cpu]]
  bad = 1
[[inputs.mem]]
  bad = 1
[inputs.cpus]
"""


class Strict(FakeEngine):
    """An engine whose Telegraf says these things, one at a time, until what they are about is gone."""

    def run_once(
        self, image: str, command: Sequence[str], *, project: str, files: bytes, environment: Sequence[str]
    ) -> tuple[int, str]:
        if command[1] == "plugins":
            return 0, "inputs.cpu\ninputs.mem\ninputs.internal\noutputs.influxdb\n"
        if command[0] == "sh":  # the migration
            return 0, "--- migrated ---\n"
        with tarfile.open(fileobj=io.BytesIO(files)) as tar:
            conf = tar.extractfile("etc/telegraf/telegraf.conf")
            text = conf.read().decode() if conf else ""
        unused = 'configuration specified the fields ["{}"], but they were not used'
        for sign, message in {
            "flush_buffer_when_full": "line 1: " + unused.format("flush_buffer_when_full"),
            "[[inputs.cpu]]": "plugin inputs.cpu: line 1: " + unused.format("bad"),
            "[[inputs.mem]]": "plugin inputs.mem: line 1: " + unused.format("bad"),
            "[inputs.cpus]": "error parsing cpus, undefined but requested input: cpus",
        }.items():
            if sign in text:
                return 1, f"E! loading config file x failed: {message}"
        return 0, ""


def test_all_that_is_wrong_with_an_old_file_is_told_at_once_with_its_own_lines(tmp_path: Path) -> None:
    (tmp_path / "lewi.conf").write_text(OLD, encoding="utf-8")

    with pytest.raises(SiteError) as caught:
        check.check_folder(tmp_path, FLEET, SHIPPED, engine=Strict(), image="telegraf:1.39.3")

    places = [one.partition(" ")[0] for one in caught.value.errors]
    assert [int(one.split(":")[1]) for one in places] == [5, 6, 10, 4, 12, 14, 15, 7, 7]
    assert "flush_buffer_when_full" in caught.value.errors[3]
    assert "aresmon adds its own" in caught.value.errors[-1]


def test_lines_are_those_of_the_file_also_below_the_name_that_aresmon_adds(tmp_path: Path) -> None:
    (tmp_path / "lewi.conf").write_text("\n[agent]\n  interval = '0s'\n[[inputs.mem]]\n  interval = 'x'\n")

    with pytest.raises(SiteError) as caught:
        check.check_folder(tmp_path, FLEET, SHIPPED, engine=FakeEngine(), image="")

    assert [one.partition(" ")[0] for one in caught.value.errors] == ["lewi.conf:3:", "lewi.conf:5:"]

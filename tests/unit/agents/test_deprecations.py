"""What Telegraf calls deprecated, as it logs it."""

from __future__ import annotations

import pytest

from aresmon.agents import deprecations

OPTION = (
    'Option "pid_tag" of plugin "inputs.procstat" deprecated since version 1.29.0 and will be removed in 1.40.0: '
    "use 'tag_with' instead"
)
VALUE = (
    'Value "s3cret" for option "headers.X" of plugin "outputs.elasticsearch" deprecated since version 1.32.0 and will '
    "be removed in 1.45.0: use s3cret"
)
PLUGIN = (
    'Plugin "inputs.sflow" deprecated since version 1.31.0 and will be removed in 1.40.0: use inputs.netflow instead'
)
BARE = 'Option "a" of plugin "agent" deprecated since version 1.38.0 and will be removed in 2.0.0: '


@pytest.mark.parametrize(
    ("notice", "plugin", "setting", "text"),
    [
        (
            OPTION,
            "inputs.procstat",
            "pid_tag",
            "pid_tag of inputs.procstat is deprecated since Telegraf 1.29.0, and is to be removed in 1.40.0: "
            "use 'tag_with' instead",
        ),
        (
            VALUE,
            "outputs.elasticsearch",
            "headers.X",
            "the value of headers.X of outputs.elasticsearch is deprecated since Telegraf 1.32.0, and is to be removed "
            "in 1.45.0",
        ),
        (
            PLUGIN,
            "inputs.sflow",
            "",
            "inputs.sflow is deprecated since Telegraf 1.31.0, and is to be removed in 1.40.0: "
            "use inputs.netflow instead",
        ),
        (BARE, "agent", "a", "a of agent is deprecated since Telegraf 1.38.0, and is to be removed in 2.0.0"),
    ],
)
def test_a_notice_becomes_a_sentence_without_the_value(notice: str, plugin: str, setting: str, text: str) -> None:
    found = deprecations.parse(notice)

    assert found is not None
    assert (found.plugin, found.setting, found.text) == (plugin, setting, text)


def test_another_line_is_no_notice() -> None:
    assert deprecations.parse("something else") is None
    assert list(deprecations.logged("2026-01-01T00:00:00Z E! [inputs.cpu] Deprecation: no\n")) == []


@pytest.mark.parametrize(
    ("version", "removal", "expected"),
    [
        ("1.40.1", "1.40.0", True),
        ("1.39.3-1", "1.40.0", True),
        ("1.38.4", "1.40.0", False),
        ("1.39.3", "1.45.0", False),
        ("1.39.3", "2.0.0", False),
        ("", "2.0.0", True),
        ("latest", "2.0.0", True),
    ],
)
def test_a_removal_is_near_if_the_next_minor_version_is_the_one(version: str, removal: str, expected: bool) -> None:
    assert deprecations.Deprecation("inputs.cpu", "", removal, "").is_near(version) is expected


def test_each_notice_counts_once_and_none_is_left_as_an_error() -> None:
    output = f"1 E! DeprecationError: {OPTION}\n1 W! DeprecationWarning: {VALUE}\n" * 2 + "1 E! loading failed\n"

    assert [one.setting for one in deprecations.logged(output)] == ["pid_tag", "headers.X"]
    assert "DeprecationError" not in deprecations.without_notices(output)
    assert "E! loading failed" in deprecations.without_notices(output)

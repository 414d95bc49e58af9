"""One host more or less in an aresmon.yml, and nothing else of it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from aresmon.config.edit_hosts import add_host, remove_host
from aresmon.site import init
from aresmon.system.errors import AresmonError
from tests.unit.conftest import ARES, load

LEWI: Mapping[str, Any] = {"agent": "systemd", "collect": ["system", "disk"]}

BLOCK = """\
hosts:
  biere:
    agent: docker
    collect: [system]   # more to come
  ronflex:
    agent: systemd
alerts: {}
"""

FLOW_LINES = """\
# Ours
hosts:
  biere: {agent: docker}
  # the second
  ronflex: {collect: [system, disk]}   # in the basement
  # lewi: {agent: systemd}

# The end
"""


def refusal(text: str, name: str, settings: Mapping[str, Any] | None = None) -> AresmonError:
    with pytest.raises(AresmonError) as caught:
        remove_host(text, name) if settings is None else add_host(text, name, settings)
    return caught.value


# Added -----------------------------------------------------------------------------------------------


def test_a_host_is_added_in_a_block_where_its_neighbours_are() -> None:
    assert add_host(BLOCK, "lewi", {**LEWI, "env": {"URL": "http://h:8404/stats"}}) == BLOCK.replace(
        "alerts:",
        "  lewi:\n    agent: systemd\n    collect: [system, disk]\n    env: {URL: 'http://h:8404/stats'}\nalerts:",
    )


def test_a_host_is_added_in_one_line_where_its_neighbours_are() -> None:
    assert add_host(FLOW_LINES, "lewi", LEWI) == FLOW_LINES.replace(
        "in the basement\n", "in the basement\n  lewi: {agent: systemd, collect: [system, disk]}\n"
    )


def test_what_would_be_too_long_a_line_is_written_below_each_other() -> None:
    added = add_host(FLOW_LINES, "lewi", {"agent": "docker", "env": {"X": "y" * 100}})

    assert f"\n  lewi:\n    agent: docker\n    env: {{X: {'y' * 100}}}\n" in added


def test_the_commented_examples_of_a_first_file_stay_below_the_new_host() -> None:
    text = init.compose("biere", docker=True, haproxy="http://127.0.0.1:8404/stats")

    added = add_host(text, "lewi", LEWI)

    assert added == text.replace(
        "  # Another server",
        "  lewi:\n    agent: systemd\n    collect: [system, disk]\n  # Another server",
    )
    assert load(added).host("lewi").agent == "systemd"


def test_a_commented_setting_of_the_last_host_stays_with_it() -> None:
    text = "hosts:\n  biere:\n    agent: docker\n    # collect: [system]\n      # deeper\n  # next\n"

    assert add_host(text, "lewi", {}) == text.replace("  # next", "  lewi: {}\n  # next").replace(": {}", ":")


def test_a_blank_line_between_hosts_is_kept_up() -> None:
    text = "hosts:\n  biere:\n    agent: docker\n\n  ronflex:\n    agent: systemd\n\nalerts: {}\n"

    assert add_host(text, "lewi", {"agent": "systemd"}) == text.replace(
        "\nalerts", "\n  lewi:\n    agent: systemd\n\nalerts"
    )


@pytest.mark.parametrize(
    ("text", "added"),
    [
        ("hosts: {a: {}, b: {x: 1}}\n", "hosts: {a: {}, b: {x: 1}, lewi: {agent: docker}}\n"),
        ("hosts: { a: {} } # c\n", "hosts: { a: {}, lewi: {agent: docker} } # c\n"),
        ("hosts: {a: {},}\n", "hosts: {a: {}, lewi: {agent: docker},}\n"),
        ("hosts: {a, b: }\n", "hosts: {a, b: , lewi: {agent: docker} }\n"),
        ("{server: a, hosts: {a: }, site: x}", "{server: a, hosts: {a: , lewi: {agent: docker} }, site: x}"),
        ("hosts: {\n  a: {},\n  b: {}\n}\n", "hosts: {\n  a: {},\n  b: {},\n  lewi: {agent: docker}\n}\n"),
        ("hosts: {\n  a: {}, # 1\n}\n", "hosts: {\n  a: {}, # 1\n  lewi: {agent: docker},\n}\n"),
        ("hosts: {\n  a: {} # }\n}\n", "hosts: {\n  a: {}, # }\n  lewi: {agent: docker}\n}\n"),
        ("hosts: {\n  a: {} }\n", "hosts: {\n  a: {},\n  lewi: {agent: docker} }\n"),
        ("hosts: {a: {},\r\n  b: {}\r\n  }\r\n", "hosts: {a: {},\r\n  b: {},\r\n  lewi: {agent: docker}\r\n  }\r\n"),
        ("hosts: {a: {},\r\n  b: {} }\r\n", "hosts: {a: {},\r\n  b: {},\r\n  lewi: {agent: docker} }\r\n"),
        ("hosts:\n {a: {}}\n", "hosts:\n {a: {}, lewi: {agent: docker}}\n"),
    ],
)
def test_a_host_is_added_to_a_flow_mapping(text: str, added: str) -> None:
    assert add_host(text, "lewi", {"agent": "docker"}) == added
    assert remove_host(added, "lewi") == text


@pytest.mark.parametrize(
    ("text", "added"),
    [
        ("hosts:\n  a:\n", "hosts:\n  a:\n  lewi:\n    agent: docker\n"),
        ("hosts:\n  a:", "hosts:\n  a:\n  lewi:\n    agent: docker"),
        ("hosts:\n  a: # c", "hosts:\n  a: # c\n  lewi:\n    agent: docker"),
        ("hosts:\n a:\n     agent: docker\n", "hosts:\n a:\n     agent: docker\n lewi:\n     agent: docker\n"),
        ("hosts:\n    a:\n", "hosts:\n    a:\n    lewi:\n        agent: docker\n"),
        ("hosts:\r\n  a:\r\n", "hosts:\r\n  a:\r\n  lewi:\r\n    agent: docker\r\n"),
        ("hosts:\r\n  a:", "hosts:\r\n  a:\r\n  lewi:\r\n    agent: docker"),
        ("---\nhosts:\n  a:\n...\n", "---\nhosts:\n  a:\n  lewi:\n    agent: docker\n...\n"),
        (
            "hosts:\n  a: &a {env: {X: y}}\n  b: *a\nsite: x\n",
            "hosts:\n  a: &a {env: {X: y}}\n  b: *a\n  lewi: {agent: docker}\nsite: x\n",
        ),
        (
            "hosts:\n  a: &a\n    agent: docker\n  b:\n    <<: *a\n",
            "hosts:\n  a: &a\n    agent: docker\n  b:\n    <<: *a\n  lewi:\n    agent: docker\n",
        ),
        (
            "hosts:\n  a:\n    env:\n      X: >-\n        y\n        z\n\nsite: x\n",
            "hosts:\n  a:\n    env:\n      X: >-\n        y\n        z\n  lewi:\n    agent: docker\n\nsite: x\n",
        ),
        (
            'hosts:\n  a:\n    ssh: "b\n\n      # c"\n',
            'hosts:\n  a:\n    ssh: "b\n\n      # c"\n  lewi:\n    agent: docker\n',
        ),
        (
            "hosts:\n  a:\n    collect:\n    - system\n    - disk\n",
            "hosts:\n  a:\n    collect:\n    - system\n    - disk\n  lewi:\n    agent: docker\n",
        ),
        ("\ufeffhosts:\n  a:\n# é\n", "\ufeffhosts:\n  a:\n  lewi:\n    agent: docker\n# é\n"),
        (
            "hosts:\n  a: {env: {X: y,\n    Y: z}}\n",
            "hosts:\n  a: {env: {X: y,\n    Y: z}}\n  lewi:\n    agent: docker\n",
        ),
    ],
)
def test_a_host_is_added_to_a_block(text: str, added: str) -> None:
    assert add_host(text, "lewi", {"agent": "docker"}) == added
    assert remove_host(added, "lewi") == text


@pytest.mark.parametrize(
    "name", ["on", "123", "null", "0x1f", "1.5", "n", "1e3", "2026-11-24", "a.b", f"{'x' * 60}." * 3 + "x"]
)
@pytest.mark.parametrize("text", ["hosts:\n  a:\n", "hosts: {a: {}}\n"])
def test_a_name_is_in_quotes_where_yaml_would_read_something_else(text: str, name: str) -> None:
    added = add_host(text, name, LEWI)

    assert list(load(added.replace("agent: systemd, ", "")).hosts)[1].name == name
    assert remove_host(added, name) == text


@pytest.mark.parametrize(
    "value", ["no", "1", "a: b", "a #b", "", " ", "{x}", "[x", "&a", "*a", "été", "x, y", "~", "- a"]
)
def test_a_value_is_in_quotes_where_yaml_would_read_something_else(value: str) -> None:
    for text in ("hosts:\n  a:\n    agent: docker\n", "hosts:\n  a: {agent: docker}\n", "hosts: {a: {}}\n"):
        assert yaml.safe_load(add_host(text, "lewi", {"env": {"X": value}}))["hosts"]["lewi"] == {"env": {"X": value}}


@pytest.mark.parametrize(("text", "line"), [("hosts:\n  a:\n", "  lewi:"), ("hosts:\n  a: {ssh: b}\n", "  lewi: {}")])
def test_a_host_without_settings_is_a_name(text: str, line: str) -> None:
    assert add_host(text, "lewi", {}) == f"{text}{line}\n"


def test_a_host_that_is_there_is_not_added() -> None:
    assert refusal(BLOCK, "ronflex", LEWI).message == "aresmon.yml:5 hosts.ronflex: this host exists already"


def test_what_is_no_yaml_is_told_as_everywhere() -> None:
    assert "aresmon.yml:2: not YAML" in refusal("hosts:\n\ta:\n", "lewi", LEWI).message


@pytest.mark.parametrize("text", ["", "hosts:\n", "hosts: []\n", "site: x\n", "hosts: {}\n", "[]"])
def test_a_file_without_hosts_is_refused(text: str) -> None:
    assert "must have `hosts`" in refusal(text, "lewi", LEWI).message


@pytest.mark.parametrize(
    "text",
    [
        "x: &h\n  a:\nhosts: *h\n",  # the anchor would be changed too
        "hosts:\n  a:\n    env:\n      X: |+\n        y\n\nsite: x\n",  # a blank line that is part of a value
        "hosts:\n  ? a\n  :\n    ssh: b\n",  # a name that is not at the beginning of its line
    ],
)
def test_what_would_change_anything_else_is_left_to_a_person_with_the_lines_to_write(text: str) -> None:
    error = refusal(text, "lewi", LEWI)

    assert "only a person can add to; nothing was changed" in error.message
    assert error.hint == "add this to it:\n  lewi:\n    agent: systemd\n    collect: [system, disk]"


def test_hosts_that_are_merged_in_are_left_to_a_person() -> None:
    text = "x: &x {hosts: {a: , b: }}\n<<: *x\n"

    assert "only a person can edit" in refusal(text, "lewi", LEWI).message


# Removed ---------------------------------------------------------------------------------------------


def test_a_host_goes_with_its_lines() -> None:
    assert remove_host(BLOCK, "ronflex") == BLOCK.replace("  ronflex:\n    agent: systemd\n", "")


def test_the_comment_directly_above_a_host_and_behind_it_go_with_it() -> None:
    text = FLOW_LINES.replace("  ronflex", "  # of them\n  ronflex")

    assert remove_host(text, "ronflex") == text.replace(
        "  # the second\n  # of them\n  ronflex: {collect: [system, disk]}   # in the basement\n", ""
    )


@pytest.mark.parametrize("between", ["  # apart\n\n", "# another indentation\n", "    # of biere\n"])
def test_any_other_comment_above_a_host_stays(between: str) -> None:
    text = f"hosts:\n  biere:\n    agent: docker\n{between}  ronflex:\n    agent: systemd\nsite: x\n"

    assert remove_host(text, "ronflex") == text.replace("  ronflex:\n    agent: systemd\n", "")


def test_a_comment_above_the_first_host_stays_since_it_may_be_about_all() -> None:
    text = "server: ronflex\nhosts:\n  # In the basement\n  biere:\n    agent: docker\n    # of biere\n  ronflex:\n"

    assert remove_host(text, "biere") == "server: ronflex\nhosts:\n  # In the basement\n  ronflex:\n"


@pytest.mark.parametrize(
    ("name", "left"),
    [("a", "\n  s:\n\n  b:\n\nsite: x\n"), ("b", "\n  s:\n\n  a:\n\nsite: x\n")],
)
def test_blank_lines_do_not_add_up(name: str, left: str) -> None:
    text = "server: s\nhosts:\n  s:\n\n  a:\n\n  b:\n\nsite: x\n"

    assert remove_host(text, name) == f"server: s\nhosts:{left}"


@pytest.mark.parametrize(
    ("text", "name", "left"),
    [
        ("hosts: {s: {}, a: {}, b: {}}\n", "a", "hosts: {s: {}, b: {}}\n"),
        ("hosts: {s: {}, a: {}, b: {}}\n", "b", "hosts: {s: {}, a: {}}\n"),
        ("hosts: {s: {}, a: {}, b: {},}\n", "b", "hosts: {s: {}, a: {},}\n"),
        ("hosts: {s: {}, a, b }\n", "a", "hosts: {s: {}, b }\n"),
        ("hosts: {s: ,a: {}}\n", "a", "hosts: {s: }\n"),
        ("hosts: {\n  s: {},\n  a: {}, # a\n  b: {} # b\n}\n", "a", "hosts: {\n  s: {},\n  b: {} # b\n}\n"),
        ("hosts: {\n  s: {}, # s\n  a: {} # a\n}\n", "a", "hosts: {\n  s: {} # s\n}\n"),
        ("hosts: {\n  s: {}, # s\n  a: {}, # a\n}\n", "a", "hosts: {\n  s: {}, # s\n}\n"),
        ("hosts: {\n  s: {}, # s\n  a: {} }\n", "a", "hosts: {\n  s: {} # s\n   }\n"),
        ("hosts: {\n  s: {},\n  # a\n  a: {x: 1,\n    y: 2}\n}\n", "a", "hosts: {\n  s: {}\n}\n"),
        ("hosts: {s: {}, a: {},\n  b: {}}\n", "a", "hosts: {s: {},\n  b: {}}\n"),
        ("hosts: {s: {}, a: {}, # both\n  b: {}}\n", "a", "hosts: {s: {}, # both\n  b: {}}\n"),
        ("{hosts: {a: {}, s: {}}, server: s}", "a", "{hosts: {s: {}}, server: s}"),
        ("server: s\nhosts: {a: {}, # both\n  s: {}}\n", "a", "server: s\nhosts: { # both\n  s: {}}\n"),
        ("server: s\nhosts: {a: {},\n  s: {}}\n", "a", "server: s\nhosts: {s: {}}\n"),
    ],
)
def test_a_host_is_taken_out_of_a_flow_mapping(text: str, name: str, left: str) -> None:
    assert remove_host(text, name) == left


@pytest.mark.parametrize(
    ("text", "name", "left"),
    [
        ("hosts:\n  s:\n  a:", "a", "hosts:\n  s:"),
        ("hosts:\r\n  s:\r\n  a:\r\n    x: 1\r\n  b:\r\n", "a", "hosts:\r\n  s:\r\n  b:\r\n"),
        ("hosts:\r\n  s:\r\n  a:", "a", "hosts:\r\n  s:"),
        ("hosts:\n  s:\n  'on':\n  b:\n", "on", "hosts:\n  s:\n  b:\n"),
        ("hosts:\n  s: &s {x: 1}\n  a: *s\n  b: *s\n", "b", "hosts:\n  s: &s {x: 1}\n  a: *s\n"),
        ("hosts:\n  s: &s\n    x: 1\n  a:\n    <<: *s\n  b:\n", "a", "hosts:\n  s: &s\n    x: 1\n  b:\n"),
        ("hosts:\n  s:\n  a: {x: &x [1], y: *x}\n", "a", "hosts:\n  s:\n"),
        ("hosts:\n  s:\n  a:\n    x: |\n      1\n\n      2\n\n  b:\n", "a", "hosts:\n  s:\n\n  b:\n"),
    ],
)
def test_a_host_is_taken_out_of_a_block(text: str, name: str, left: str) -> None:
    assert remove_host(text, name) == left


def test_the_only_host_is_not_removed() -> None:
    assert refusal("hosts:\n  a:\n", "a").message == "aresmon.yml:2 hosts.a: is the only host"


@pytest.mark.parametrize("server", ["server: biere\n", ""])
def test_the_server_is_not_removed_be_it_named_or_the_first(server: str) -> None:
    error = refusal(server + BLOCK, "biere")

    assert "hosts.biere: is the server" in error.message
    assert error.hint == "name another in `server` first"


def test_a_host_that_is_not_there_is_not_removed() -> None:
    error = refusal(BLOCK, "ronflx")

    assert error.message == "aresmon.yml: there is no host ronflx (did you mean 'ronflex'?)"


@pytest.mark.parametrize("anchored", ["a: &x {c: [1]}", "a: {c: &x [1]}", "a: {c: &x 1}", "&x a: {c: 1}"])
@pytest.mark.parametrize("use", ["{d: *x}", "\n    d: *x"])
def test_a_host_that_others_refer_to_is_not_removed(anchored: str, use: str) -> None:
    error = refusal(f"hosts:\n  s:\n  {anchored}\n  b: {use}\n", "a")

    line = 4 + use.count("\n")
    assert error.message == f"aresmon.yml:3 hosts.a: line {line} uses what is written there, by its anchor &x"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("x: &h\n  s:\n  a:\n    ssh: b\nhosts: *h\n", "lines 3 to 4"),
        ("server: s\nx: &h {a: }\nhosts:\n  s:\n  <<: *h\n", "line 2"),
    ],
)
def test_what_would_change_anything_else_is_left_to_a_person_with_the_lines_to_remove(text: str, lines: str) -> None:
    error = refusal(text, "a")

    assert "only a person can remove; nothing was changed" in error.message
    assert error.hint == f"remove it by hand: it is in {lines}"


# Any file --------------------------------------------------------------------------------------------

NAMES = st.sampled_from(["biere", "ronflex", "lewi", "on", "123", "a.b-c", "1e3", "x" * 63, "null", "evoli"])
WORDS = st.text("ab #:{}[]&*'\",-é", max_size=8)
SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "agent": st.sampled_from(["docker", "systemd"]),
        "collect": st.lists(st.sampled_from(["system", "disk", "net"]), max_size=3, unique=True),
        "env": st.dictionaries(st.sampled_from(["X", "Y_Z"]), WORDS, min_size=1),
    },
)
FILLING = st.lists(
    st.tuples(st.sampled_from(["", "# ", "#"]), st.integers(0, 9), st.text("ab:{} #-", max_size=6)), max_size=3
)


def filling(lines: list[tuple[str, int, str]]) -> list[str]:
    """Comments and blank lines, in any indentation."""
    return [f"{' ' * indent}{mark}{words if mark else ''}" for mark, indent, words in lines]


def written(name: str, settings: Mapping[str, Any], indent: int, deeper: int, style: str) -> list[str]:
    """A host in one of the ways in which people write it."""
    key = yaml.safe_dump([name]).strip()[2:]
    flow = yaml.safe_dump(settings, default_flow_style=True, width=999, allow_unicode=True).strip()
    if style == "flow" or (style == "block" and not settings):
        return [f"{' ' * indent}{key}: {flow if settings else ''}".rstrip()]
    block = yaml.safe_dump(settings, default_flow_style=None if style == "mixed" else False, allow_unicode=True)
    lines = block.strip().splitlines() if settings else []
    return [f"{' ' * indent}{key}:", *(f"{' ' * (indent + deeper)}{line}" for line in lines)]


@st.composite
def sites(draw: st.DrawFn) -> tuple[str, list[str]]:
    """The text of a site, and the names of its hosts; the last is none of the server."""
    names = draw(st.lists(NAMES, min_size=2, max_size=5, unique=True))
    indent, deeper = draw(st.sampled_from([1, 2, 4])), draw(st.sampled_from([1, 2, 4]))
    lines = [*filling(draw(FILLING)), *(["site: x"] if draw(st.booleans()) else []), "hosts:"]
    for name in names:
        style = draw(st.sampled_from(["flow", "block", "mixed"]))
        lines += filling(draw(FILLING)) + written(name, draw(SETTINGS), indent, deeper, style)
    lines += filling(draw(FILLING))
    lines += draw(
        st.sampled_from([[], ["server: " + yaml.safe_dump([names[0]]).strip()[2:]], ["grafana: {admin: x}", ""]])
    )
    end = draw(st.sampled_from(["\n", "\r\n"]))
    return end.join(lines) + (end if draw(st.booleans()) else ""), names


def solid(text: str) -> list[str]:
    """The lines that are not blank, with their breaks."""
    return [line for line in text.splitlines(keepends=True) if line.strip()]


def common(one: str, other: str) -> int:
    """How many characters are the same at the beginning of both."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def loose(text: str) -> list[str]:
    """The comments that are no host's, since they are not indented."""
    return [line for line in text.splitlines() if line.startswith("#")]


@given(sites(), NAMES, SETTINGS)
def test_all_lines_survive_an_addition_and_removing_it_gives_them_back(
    site: tuple[str, list[str]], name: str, settings: dict[str, Any]
) -> None:
    text, names = site
    assume(name not in names)

    added = add_host(text, name, settings)

    data = yaml.safe_load(added)
    assert (data["hosts"].pop(name) or {}) == settings
    assert data == yaml.safe_load(text)
    assert added.endswith(text[common(text, added) :])
    assert solid(remove_host(added, name)) == solid(text)


@given(sites(), st.data())
def test_all_other_lines_survive_a_removal(site: tuple[str, list[str]], data: st.DataObject) -> None:
    text, names = site
    name = data.draw(st.sampled_from(names[1:]))

    removed = remove_host(text, name)

    expected = yaml.safe_load(text)
    del expected["hosts"][name]
    at = common(text, removed)
    gone = text[at : at + len(text) - len(removed)]
    assert yaml.safe_load(removed) == expected
    assert text == removed[:at] + gone + removed[at:]
    assert loose(removed) == loose(text)


SPACES = st.sampled_from(["", " ", "\n", "\n  ", " # {c},\n  ", "\n  # c\n  ", "\r\n    "])
VALUES = st.sampled_from(["{}", "{ssh: b}", "{collect: [disk,\n  net], }", "{ssh: 'b, }'}", ""])


@st.composite
def flows(draw: st.DrawFn) -> tuple[str, list[str]]:
    """The text of a site with its hosts in `{…}`, in one line or several, and their names."""
    names = draw(st.lists(st.sampled_from(["a", "b", "c", "'1'"]), min_size=2, max_size=4, unique=True))
    hosts = ",".join(f"{draw(SPACES)}{name}: {draw(VALUES)}{draw(SPACES)}" for name in names)
    text = f"hosts: {{{hosts}{draw(st.sampled_from(['', ',']))}{draw(SPACES)}}}{draw(SPACES)}"
    return text, [name.strip("'") for name in names]


@given(flows())
def test_all_else_survives_in_a_flow_mapping_too(site: tuple[str, list[str]]) -> None:
    text, names = site

    added, removed = add_host(text, "lewi", LEWI), remove_host(text, names[-1])

    assert yaml.safe_load(added) == {"hosts": {**yaml.safe_load(text)["hosts"], "lewi": LEWI}}
    assert list(yaml.safe_load(removed)["hosts"]) == names[:-1]
    assert remove_host(added, "lewi").split() == text.split()
    assert added.count("#") == text.count("#")


@given(st.text("ab:-&*!<>?|{}[]\"'#% \n\t0.", max_size=40).map(lambda text: f"hosts: {text}"))
def test_any_text_is_edited_rightly_or_refused(text: str) -> None:
    added = None
    with contextlib.suppress(AresmonError):
        added = add_host(text, "lewi", LEWI)

    assert added is None or yaml.safe_load(added) == {"hosts": {**yaml.safe_load(text)["hosts"], "lewi": LEWI}}


def test_the_example_takes_and_gives_up_a_host() -> None:
    text = ARES.read_text(encoding="utf-8")

    added = add_host(text, "evoli", LEWI)

    assert [host.name for host in load(added).hosts] == ["biere", "ronflex", "lewi", "evoli"]
    assert remove_host(added, "evoli") == text
    assert [host.name for host in load(remove_host(text, "ronflex")).hosts] == ["biere", "lewi"]

"""One of `grafana.users` more or less in the text of an aresmon.yml, and every other byte as it was."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from aresmon.config.edit_users import add_user, remove_user
from aresmon.system.errors import AresmonError

BOB = {"login": "bob", "role": "editor"}
LINE = "{login: bob, role: editor}"
FORMS = [
    ("hosts:\n  a:\n", "hosts:\n  a:\ngrafana:\n  users:\n    - {line}\n"),
    ("hosts: {a: }", "hosts: {a: }\ngrafana:\n  users:\n    - {line}\n"),
    (
        "grafana: {admin: Ares}  # ours\nhosts: {a: }\n",
        "grafana: {admin: Ares, users: [{line}]}  # ours\nhosts: {a: }\n",
    ),
    ("grafana: {}\nhosts: {a: }\n", "grafana: {users: [{line}]}\nhosts: {a: }\n"),
    (
        "grafana:\n  admin: Ares  # ours\n\n# The hosts.\nhosts: {a: }\n",
        "grafana:\n  admin: Ares  # ours\n  users:\n    - {line}\n\n# The hosts.\nhosts: {a: }\n",
    ),
    (
        "grafana:\n  users:\n    - {login: ann}\n  admin: Ares\nhosts: {a: }\n",
        "grafana:\n  users:\n    - {login: ann}\n    - {line}\n  admin: Ares\nhosts: {a: }\n",
    ),
    (
        "grafana:\n  users:\n  - login: ann\n    name: Ann  # who\nhosts: {a: }\n",
        "grafana:\n  users:\n  - login: ann\n    name: Ann  # who\n  - {line}\nhosts: {a: }\n",
    ),
    (
        "grafana:\n  users: [{login: ann}]\nhosts: {a: }\n",
        "grafana:\n  users: [{login: ann}, {line}]\nhosts: {a: }\n",
    ),
    ("grafana: {users: []}\r\nhosts: {a: }\r\n", "grafana: {users: [{line}]}\r\nhosts: {a: }\r\n"),
    (
        "grafana:\r\n  admin: x\r\nhosts: {a: }\r\n",
        "grafana:\r\n  admin: x\r\n  users:\r\n    - {line}\r\nhosts: {a: }\r\n",
    ),
]


@pytest.mark.parametrize(("text", "expected"), FORMS)
def test_a_user_is_added_where_people_would_write_it(text: str, expected: str) -> None:
    assert add_user(text, BOB) == expected.replace("{line}", LINE)


@pytest.mark.parametrize(("text", "expected"), FORMS)
def test_who_was_added_is_removed_and_the_rest_says_the_same(text: str, expected: str) -> None:
    removed = remove_user(expected.replace("{line}", LINE), "BOB")

    before, after = yaml.safe_load(text), yaml.safe_load(removed)
    for data in (before, after):
        if not data.get("grafana", {}).get("users", True):
            del data["grafana"]["users"]
        if not data.get("grafana", True):
            del data["grafana"]
    assert after == before


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "grafana: {users: [{login: a1}, {login: bob}]}\nhosts: {a: }\n",
            "grafana: {users: [{login: a1}]}\nhosts: {a: }\n",
        ),
        (
            "grafana: {users: [{login: bob}, {login: a1}]}\nhosts: {a: }\n",
            "grafana: {users: [{login: a1}]}\nhosts: {a: }\n",
        ),
        (
            "grafana:\n  users:\n    - {login: bob}\n    - login: a1\n      role: admin\nhosts: {a: }\n",
            "grafana:\n  users:\n    - login: a1\n      role: admin\nhosts: {a: }\n",
        ),
        ("grafana:\n  users:\n    - {login: bob}\nhosts: {a: }\n", "hosts: {a: }\n"),
        (  # what is commented out above is not theirs
            "hosts: {a: }\n# keep: 5w\ngrafana:\n  # admin: x\n  users:\n    - {login: bob}\n",
            "hosts: {a: }\n# keep: 5w\n",
        ),
        (
            "hosts: {a: }\ngrafana:\n  users:\n    - {login: a1}\n    # - {login: c3}\n    - {login: bob}\n",
            "hosts: {a: }\ngrafana:\n  users:\n    - {login: a1}\n    # - {login: c3}\n",
        ),
        (
            "hosts: {a: }\ngrafana:\n  users: [\n    {login: a1},\n    {login: bob}\n  ]\n",
            "hosts: {a: }\ngrafana:\n  users: [\n    {login: a1}\n  ]\n",
        ),
    ],
)
def test_a_user_is_removed_with_its_lines(text: str, expected: str) -> None:
    assert remove_user(text, "bob") == expected


@pytest.mark.parametrize(
    "text",
    [
        "grafana: &all {admin: a}\nother: *all\nhosts: {a: }\ngrafana2: 5\n<<: {grafana: {users: []}}\n",
        "grafana:\n  users:\nhosts: {a: }\n",
        "grafana: [1]\nhosts: {a: }\n",
        "grafana: {admin: a, # ours\n }\nhosts: {a: }\n",
        "{hosts: {a: }}\n",
    ],
)
def test_what_only_a_person_can_edit_is_refused_with_what_to_do(text: str) -> None:
    with pytest.raises(AresmonError) as caught:
        add_user(text, BOB)

    assert caught.value.hint


def test_who_is_not_there_cannot_be_removed() -> None:
    with pytest.raises(AresmonError, match=r"no bob in grafana\.users"):
        remove_user("hosts: {a: }\n", "bob")


@given(st.lists(st.sampled_from(["a1", "b2", "c3", "d4"]), unique=True), st.booleans(), st.booleans())
def test_any_sequence_of_edits_says_what_it_should(logins: list[str], in_flow: bool, has_grafana: bool) -> None:
    text = ("grafana: {admin: x}\n" if in_flow else "grafana:\n  admin: x\n") if has_grafana else ""
    text += "hosts: {a: }\n"
    for login in logins:
        text = add_user(text, {"login": login})
    for login in logins[:-1]:
        text = remove_user(text, login)

    users = (yaml.safe_load(text).get("grafana") or {}).get("users", [])
    assert users == [{"login": login} for login in logins[-1:]]

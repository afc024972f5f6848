"""Patterns of consumer groups: they mean what Python means where both have them, and are matched in little time."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kafkastatic.broker.groups.consumer.patterns import BadPatternError, compiled
from tests.broker.consumer_scenes import Consumers, Told

PIECES = ["a", "b", "-", "\\.", ".", "[ab]", "[^a]", "[a-c0-2]", "(a|b)", "(?:ab)", "a*", "b+", "(ab)?", "[ab]{2}"]
PIECES += [
    ".{1,3}",
    "(a|ab)*",
    "((a+)b*)+",
    "|",
    "^",
    "$",
    "\\d",
    "\\W",
    "\\bb",
    "a\\B",
    "(?i:A)",
    "\\A",
    "[\\d.-]",
    "x{0}",
]


@settings(deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=7).map("".join), st.text("abA01.-_", min_size=1, max_size=7))
def test_what_both_have_means_the_same(pattern: str, name: str) -> None:
    """Characters, classes, repetitions, groups, edges: of any order."""
    assert compiled(pattern)(name) is (re.compile(pattern).fullmatch(name) is not None)


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        (r"\Qa.b\E-\pL+\x41\x{42}", "a.b-xyAB"),
        (r"[[:alpha:]]+[[:^digit:]]\pN{2}", "abc-42"),
        (r"(?P<one>a)(?<two>b)(?i)C", "abc"),
        (r"a{,2}b{", "a{,2}b{"),
        (r"[]a]+[^]]\z", "a]-"),
        (r"(?s-i:.)\103+?", "xCC"),
    ],
)
def test_what_only_re2_has(pattern: str, name: str) -> None:
    """By its syntax: https://github.com/google/re2/wiki/Syntax."""
    assert compiled(pattern)(name)
    assert not compiled(pattern)(f"{name}\n")


@pytest.mark.parametrize(
    "pattern",
    [
        *(
            "(",
            ")",
            "a(b",
            "[a",
            "[b-a]",
            "*",
            "a**",
            "+a",
            "a|*",
            "a{2}{3}",
            "{2}",
            "a{3,2}",
            "a{1001}",
            "(a{99}){99}",
        ),
        *("(?=a)", "(?!a)", "(?<=a)", "(?<!a)", "(?>a)", "(?#a)", "(a)\\1", "(?P=n)", "(?P<n>a)(?P<n>b)", "a++", "a*+"),
        *("\\", "\\y", "\\Z", "\\xg0", "\\p{Martian}", "[[:odd:]]", "(?z)a", "(" * 20_000, "(?P<a"),
    ],
)
def test_what_is_no_pattern_for_re2(pattern: str) -> None:
    """It is refused, whatever it is."""
    with pytest.raises(BadPatternError):
        compiled(pattern)


@pytest.mark.parametrize(
    "pattern", ["(a+)+b", "(a|aa)*b", "((a*)*)*b", "(a?){500}a{200}b", "(.*)" * 50 + "b", "(a|b|.)*!"]
)
def test_no_pattern_stops_the_broker(pattern: str) -> None:
    """Whoever goes back and forth through these would not be done in a lifetime."""
    scene = Consumers(topics={"a" * 249: 1})

    assert scene.join("a", topics=None, subscribed_topic_regex=pattern) == Told(0, 1, {})
    assert scene.tell("a", 1) == Told(0, 1)

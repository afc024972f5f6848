"""The coordinator's assignors by themselves."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from kafkastatic.broker.groups.consumer.assignors import Subscriber, Targets, Wanted, range_, uniform

T, U = b"t" * 16, b"u" * 16


def member(name: str, *had: tuple[bytes, int], topics: Iterable[bytes] = (T,), inst: str | None = None) -> Subscriber:
    return Subscriber(name, inst, tuple(topics), frozenset(had))


def wanted(*members: Subscriber, early: bool = False, **counts: int) -> Wanted:
    partitions = {{"t": T, "u": U}[name]: count for name, count in counts.items()}
    return Wanted(members, partitions, len({one.topics for one in members}) == 1, early)


def numbers(targets: Targets, topic: bytes = T) -> dict[str, list[int]]:
    return {name: sorted(n for t, n in places if t == topic) for name, places in targets.items()}


def test_uniform_deals_in_order() -> None:
    """Runs of the same length where it comes out even."""
    assert numbers(uniform(wanted(member("a"), member("b"), t=6))) == {"a": [0, 1, 2], "b": [3, 4, 5]}


def test_uniform_keeps_what_it_can() -> None:
    """Who has more than its share gives up the last; who has its share keeps all of it."""
    had = member("a", *((T, n) for n in range(6)))
    assert numbers(uniform(wanted(had, member("b"), t=6))) == {"a": [0, 1, 2], "b": [3, 4, 5]}
    one, two = member("a", (T, 1), (T, 4)), member("b", (T, 0), (T, 5))
    assert numbers(uniform(wanted(one, two, member("c"), t=6))) == {"a": [1, 4], "b": [0, 5], "c": [2, 3]}


@pytest.mark.parametrize(("early", "shares"), [(False, {"a": [0], "b": [1, 2]}), (True, {"a": [0, 2], "b": [1]})])
def test_the_surplus_goes_to_who_has_it_since_4_0(early: bool, shares: dict[str, list[int]]) -> None:
    """In 3.9 to the first member, also when another one has it."""
    one, two = member("a", (T, 0)), member("b", (T, 1), (T, 2))

    assert numbers(uniform(wanted(one, two, early=early, t=3))) == shares


def test_uniform_with_several_subscriptions_is_balanced_and_keeps() -> None:
    """Nobody gets what it did not subscribe to."""
    one, two = member("a", (T, 0), (T, 1)), member("b", topics=(T, U))

    targets = uniform(wanted(one, two, t=4, u=2))
    assert {name: len(places) for name, places in targets.items()} == {"a": 3, "b": 3}
    assert targets["a"] >= {(T, 0), (T, 1)}
    assert numbers(targets, U) == {"a": [], "b": [0, 1]}


def test_uniform_with_several_subscriptions_goes_by_kafka_s_order() -> None:
    """Topics with more partitions for each taker come first; each partition goes to who has the least (4.4.0's own)."""
    one, two, three = member("a", topics=(T, U)), member("b"), member("c", topics=(U,))

    new = uniform(wanted(one, two, three, t=3, u=4))
    assert numbers(new, T) == {"a": [], "b": [0, 1, 2], "c": []}
    assert numbers(new, U) == {"a": [0, 2], "b": [], "c": [1, 3]}


@pytest.mark.parametrize(("early", "given"), [(False, [2, 3]), (True, [0, 1])])
def test_uniform_with_several_subscriptions_gives_the_last_ones(early: bool, given: list[int]) -> None:
    """Until what they have differs by one at most; of 3.9 it is known that it gives others."""
    one, two = member("a", *((T, n) for n in range(4)), topics=(T, U)), member("b")

    assert numbers(uniform(wanted(one, two, early=early, t=4, u=0)))["b"] == given


def test_range_goes_by_instance_ids_first() -> None:
    """The same members come first in every topic."""
    members = [member("a", topics=(T, U)), member("z", topics=(T, U), inst="1"), member("y", topics=(T, U), inst="2")]

    targets = range_(wanted(*members, t=4, u=3))
    assert numbers(targets) == {"z": [0, 1], "y": [2], "a": [3]}
    assert numbers(targets, U) == {"z": [0], "y": [1], "a": [2]}


def test_nobody_gets_nothing() -> None:
    """A group without members has no targets."""
    assert uniform(wanted(t=1)) == range_(wanted(t=1)) == {}

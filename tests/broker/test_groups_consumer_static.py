"""Static members of consumer groups: the first owner of an instance id keeps it."""

from __future__ import annotations

import pytest

from tests.broker.consumer_scenes import Consumers, Told
from tests.broker.group_scenes import GROUP, RANGE, left

JAVA = {"behaves_as": "3.9", "group_coordinator_rebalance_protocols": "classic,consumer", "version": 0}


def test_an_owner_that_lives_keeps_its_instance_id() -> None:
    """Whoever comes is refused, the owner's own process too; the owner hears nothing of it."""
    scene = Consumers()
    scene.two("one", "two")

    assert scene.join("c", "two") == Told(111)
    assert scene.join("b", "two") == Told(111)
    assert scene.tell("b", 3, "two") == Told(0, 3)


def test_a_static_member_that_steps_out_comes_back_to_its_partitions() -> None:
    """Under the same or another member id, in the same epoch; the others hear nothing."""
    scene = Consumers()
    scene.two("one", "two")

    assert scene.tell("b", -2, "two") == Told(0, -2)
    assert scene.members()["b"] == (-2, [2, 3])
    assert scene.tell("a", 3, "one") == Told(0, 3)
    assert scene.join("b", "two") == Told(0, 3, {"orders": [2, 3]})
    assert scene.tell("b", -2, "two") == Told(0, -2)
    assert scene.tell("b", -2, "two") == Told(0, -2)
    assert scene.join("c", "two") == Told(0, 3, {"orders": [2, 3]})
    assert scene.tell("a", 3, "one") == Told(0, 3)
    assert scene.members() == {"a": (3, [0, 1]), "c": (3, [2, 3])}


def test_stepping_out_does_not_restart_the_session() -> None:
    """It ends when it would have ended: 3 s after the last heartbeat."""
    scene = Consumers(group_consumer_session_timeout_ms=3_000)
    scene.two("one", "two")
    scene.at(1.5)
    scene.tell("a", 3, "one")
    scene.tell("b", -2, "two")
    scene.at(2.999)
    assert scene.tell("a", 3, "one") == Told(0, 3)
    scene.at(3.0)

    assert scene.tell("a", 3, "one") == Told(0, 4, {"orders": [0, 1, 2, 3]})


def test_a_crashed_owner_s_place_is_free_when_its_session_is_over() -> None:
    """Until then 111; and whoever says -2 in its name frees it at once."""
    scene = Consumers(group_consumer_session_timeout_ms=3_000)
    scene.join("a", "one")
    scene.at(2.999)
    assert scene.join("b", "one") == Told(111)
    scene.at(3.0)
    assert scene.join("b", "one") == Told(0, 4, {"orders": [0, 1, 2, 3]})

    assert scene.join("c", "one") == Told(111)
    assert scene.tell("b", -2, "one") == Told(0, -2)
    assert scene.join("c", "one") == Told(0, 4, {"orders": [0, 1, 2, 3]})


def test_who_was_replaced_is_fenced() -> None:
    """By its instance id; without it, nobody knows it any more. Its leaving does not harm the successor."""
    scene = Consumers()
    scene.two("one", "two")
    scene.tell("b", -2, "two")
    scene.join("c", "two")

    assert scene.tell("b", 3, "two") == Told(82)
    assert scene.tell("b", 3) == Told(25)
    assert scene.tell("b", -1, "two") == Told(82)
    assert scene.tell("b", -2, "two") == Told(82)
    assert scene.tell("c", 3, "two") == Told(0, 3)


def test_after_its_own_stepping_out_the_old_epoch_is_none() -> None:
    """It has to join again."""
    scene = Consumers()
    scene.two("one", "two")
    scene.tell("b", -2, "two")

    assert scene.tell("b", 3, "two") == Told(110)


def test_a_static_member_that_leaves_for_good_is_gone_at_once() -> None:
    """-1 has the same meaning for all; its instance id is unknown then."""
    scene = Consumers()
    scene.two("one", "two")

    assert scene.tell("b", -1, "two") == Told(0, -1)
    assert scene.tell("a", 3, "one") == Told(0, 4, {"orders": [0, 1, 2, 3]})
    assert scene.tell("b", 3, "two") == Told(25)
    assert scene.message == "Instance id two is unknown."


def test_an_administrator_removes_the_owner_by_its_instance_id() -> None:
    """LeaveGroup without a member id."""
    scene = Consumers()
    scene.two("one", "two")

    assert scene.leave("admin", ("", "two"), ("", "three")) == [left("admin", ("", "two", 0), ("", "three", 25))]
    assert scene.tell("b", 3, "two") == Told(25)
    assert scene.join("c", "two") == Told(0, 5, {"orders": [2, 3]})


def test_in_3_9_an_administrator_cannot_remove_it() -> None:
    """LeaveGroup is for members of the classic protocol there (KAFKA-18188)."""
    scene = Consumers(**JAVA)
    scene.join("a", "one")

    assert scene.leave("admin", ("", "one")) == [left("admin", ("", "one", 25))]
    assert scene.tell("a", 1, "one") == Told(0, 1)


def test_while_it_is_away_its_partitions_wait_for_it() -> None:
    """A newcomer gets its share of them when it comes back, or when its session is over."""
    scene = Consumers(group_consumer_session_timeout_ms=3_000)
    scene.join("a", "one")
    scene.tell("a", -2, "one")
    scene.at(1.0)

    assert scene.join("b") == Told(0, 3, {})
    assert scene.tell("b", 3) == Told(0, 3)
    assert scene.join("c", "one") == Told(0, 3, {"orders": [0, 1]})
    assert scene.tell("b", 3) == Told(0, 3, {"orders": [2, 3]})


def test_another_subscription_when_it_comes_back() -> None:
    """Is another group epoch."""
    scene = Consumers(topics={"orders": 2, "payments": 2})
    scene.join("a", "one")
    scene.tell("a", -2, "one")

    assert scene.join("b", "one", topics=["orders", "payments"]) == Told(0, 3, {"orders": [0, 1], "payments": [0, 1]})


@pytest.mark.parametrize(("epoch", "code"), [(2, 0), (0, 0), (3, 0), (4, 113)])
def test_after_a_return_old_epochs_may_commit(epoch: int, code: int) -> None:
    """What it held before it went counts as held since epoch 0."""
    scene = Consumers()
    scene.two("one", "two")
    scene.tell("b", -2, "two")
    scene.join("c", "two")

    assert scene.commit("c", "c", gen=epoch, partition=2) == code


@pytest.mark.parametrize(
    ("member", "epoch", "partition", "version", "code"),
    [
        ("a", 3, 0, 9, 0),
        ("a", 3, 3, 9, 0),  # also what is another's: at the present epoch nobody looks
        ("a", 4, 0, 9, 113),
        ("a", 2, 0, 9, 0),  # held since epoch 2
        ("a", 1, 0, 9, 113),
        ("a", 2, 3, 9, 113),  # not held
        ("b", 2, 2, 9, 113),  # held since epoch 3
        ("x", 3, 0, 9, 25),
        ("", -1, 0, 9, 25),
        ("a", 3, 0, 8, 35),
        ("a", 2, 0, 10, 0),
    ],
)
def test_who_may_commit(member: str, epoch: int, partition: int, version: int, code: int) -> None:
    """An epoch that is over is good for what was held in it; the instance id is not looked at."""
    scene = Consumers()
    scene.two("one", "two")

    assert scene.commit("it", member, "no matter", gen=epoch, partition=partition, version=version) == code


def test_in_3_9_only_the_present_epoch_may_commit() -> None:
    """Whatever was held when."""
    scene = Consumers(**JAVA)
    scene.join("a")
    scene.join("b")
    scene.tell("a", 1)
    scene.tell("a", 1, owned={"orders": [0, 1]})

    assert [scene.commit("it", "a", gen=epoch) for epoch in (1, 2, 3)] == [113, 0, 113]


def test_after_its_own_stepping_out_it_commits_by_minus_2_only() -> None:
    """So a client commits first, and steps out then."""
    scene = Consumers()
    scene.two("one", "two")
    scene.tell("b", -2, "two")

    assert [scene.commit("it", "b", gen=epoch, partition=2) for epoch in (3, -2)] == [113, 0]


def test_offsets_of_an_empty_group_are_anybody_s() -> None:
    """Who commits without a member id has the group for its offsets only."""
    scene = Consumers()
    scene.join("a")
    scene.tell("a", -1)

    assert scene.commit("it", gen=-1) == 0
    found = scene.coordinator.snapshot(GROUP)
    assert found is not None
    assert (found.state, found.group_type, found.generation) == ("Empty", "consumer", 3)


def test_an_empty_consumer_group_becomes_a_classic_one() -> None:
    """With the first member that joins it so; and the other way round."""
    scene = Consumers()
    scene.join("a")
    scene.tell("a", -1)
    scene.join_classic("join", "one", protocols=RANGE)
    scene.at(0.0)
    found = scene.coordinator.snapshot(GROUP)
    assert found is not None
    assert (found.state, found.group_type, found.generation) == ("CompletingRebalance", "classic", 1)
    scene.leave("left", ("", "one"))

    assert scene.join("a") == Told(0, 2, {"orders": [0, 1, 2, 3]})

"""ConsumerGroupHeartbeat: joining, reconciling, leaving, and not being heard any more."""

from __future__ import annotations

from typing import Any

import pytest

from tests.broker.consumer_scenes import Consumers, Told
from tests.broker.group_scenes import GROUP


def test_the_first_member_gets_everything_in_one_round_trip() -> None:
    """In epoch 2; it is told how often it is to be heard, and nothing more when it has been told all."""
    scene = Consumers(group_consumer_heartbeat_interval_ms=700)

    assert scene.join("a") == Told(0, 2, {"orders": [0, 1, 2, 3]})
    assert (scene.member_id, scene.interval, scene.message) == ("a", 700, None)
    assert scene.tell("a", 2) == Told(0, 2)
    assert scene.state() == "Stable"


def test_in_3_9_the_first_epoch_is_1() -> None:
    """And the coordinator makes the member id, as there is only version 0."""
    scene = Consumers(version=0, behaves_as="3.9", group_coordinator_rebalance_protocols="classic,consumer")

    assert scene.join("") == Told(0, 1, {"orders": [0, 1, 2, 3]})
    assert scene.member_id == "1"


def test_by_default_3_9_has_no_consumer_groups() -> None:
    """It says so in every answer, though it advertises the API."""
    assert Consumers(version=0, behaves_as="3.9").join("a") == Told(35)


def test_a_second_member_waits_until_the_first_has_given_up() -> None:
    """Epoch by epoch: the owner is told what it keeps, says that it owns no more, and only then others get it."""
    scene = Consumers()
    scene.join("a")

    assert scene.join("b") == Told(0, 3, {})
    assert scene.state() == "Reconciling"
    assert scene.tell("a", 2) == Told(0, 2, {"orders": [0, 1]})
    assert scene.tell("b", 3) == Told(0, 3)
    assert scene.tell("a", 2, owned={"orders": [0, 1, 2]}) == Told(0, 2)
    assert scene.tell("a", 2, owned={"orders": [0, 1]}) == Told(0, 3)
    assert scene.tell("b", 3) == Told(0, 3, {"orders": [2, 3]})
    assert scene.state() == "Stable"


def test_who_does_not_give_up_in_time_is_fenced() -> None:
    """Its rebalance timeout counts from when it was told; heartbeats do not help."""
    scene = Consumers()
    scene.join("a", rebalance=5_000)
    scene.join("b")
    scene.at(1.0)
    scene.tell("a", 2)
    scene.at(5.9)
    assert scene.tell("a", 2) == Told(0, 2)
    scene.at(6.0)

    assert scene.tell("a", 2) == Told(25)
    assert scene.tell("b", 3) == Told(0, 4, {"orders": [0, 1, 2, 3]})


def test_who_is_not_heard_is_fenced() -> None:
    """After the group's session timeout since its last heartbeat; the others are told with their next one."""
    scene = Consumers(group_consumer_session_timeout_ms=3_000)
    scene.two()
    scene.at(2.0)
    scene.tell("b", 3)
    scene.at(2.999)
    assert scene.members().keys() == {"a", "b"}
    scene.at(3.0)

    assert scene.tell("a", 3) == Told(25)
    assert scene.tell("b", 3) == Told(0, 4, {"orders": [0, 1, 2, 3]})


def test_who_leaves_is_gone_at_once() -> None:
    """And its epoch is -1 in the answer."""
    scene = Consumers()
    scene.two()

    assert scene.tell("b", -1) == Told(0, -1)
    assert scene.tell("b", -1) == Told(25)
    assert scene.tell("a", 3) == Told(0, 4, {"orders": [0, 1, 2, 3]})
    assert scene.tell("a", -1) == Told(0, -1)
    assert scene.state() == "Empty"
    assert scene.coordinator.deadline() is None
    assert scene.join("c") == Told(0, 6, {"orders": [0, 1, 2, 3]})


@pytest.mark.parametrize(
    ("epoch", "owned", "told"),
    [
        (4, None, Told(110)),  # ahead
        (2, None, Told(110)),  # behind, and who knows with what
        (2, {"orders": [0, 1, 2]}, Told(110)),  # behind, with what it has given up
        (2, {"orders": [0]}, Told(0, 3)),  # the answer with its epoch was lost
        (0, {}, Told(0, 3, {"orders": [0, 1]})),  # comes anew
    ],
)
def test_an_epoch_that_is_not_the_member_s(epoch: int, owned: Any, told: Told) -> None:
    """The one before is as good, when nothing is owned that is not assigned."""
    scene = Consumers()
    scene.two()
    joins: dict[str, Any] = {"topics": ["orders"], "rebalance": 5_000} if epoch == 0 else {}

    assert scene.tell("a", epoch, owned=owned, **joins) == told


def test_in_3_9_who_comes_anew_is_fenced() -> None:
    """Epoch 0 is no exception there (KAFKA-19233), unless it is the one before."""
    scene = Consumers(version=0, behaves_as="3.9", group_coordinator_rebalance_protocols="classic,consumer")

    assert scene.join("a") == Told(0, 1, {"orders": [0, 1, 2, 3]})
    assert scene.join("a") == Told(0, 1, {"orders": [0, 1, 2, 3]})
    scene.join("b")
    scene.tell("a", 1)
    scene.tell("a", 1, owned={"orders": [0, 1]})
    assert scene.join("a") == Told(110)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"mid": ""}, 42),
        ({"group": ""}, 42),
        ({"inst": ""}, 42),
        ({"rack_id": " "}, 42),
        ({"rebalance": -1}, 42),
        ({"owned": None}, 42),
        ({"owned": {"orders": [0]}}, 42),
        ({"topics": None}, 42),
        ({"epoch": -3}, 42),
        ({"epoch": -2}, 42),
        ({"server_assignor": "magic"}, 112),
        ({"subscribed_topic_regex": "("}, 128),
        ({"subscribed_topic_regex": "(?=a)"}, 128),
        ({"epoch": 1}, 69),
        ({"epoch": -1}, 69),
    ],
)
def test_requests_that_are_refused(fields: dict[str, Any], code: int) -> None:
    """Each lacks something, or has something that it must not have; nothing is left behind."""
    scene = Consumers()
    given: dict[str, Any] = {"mid": "a", "epoch": 0, "topics": ["orders"], "owned": {}, "rebalance": 5_000}

    assert scene.tell(**given | fields) == Told(code)
    assert scene.message
    assert scene.coordinator.group_ids() == []
    assert scene.coordinator.deadline() is None


def test_what_a_heartbeat_leaves_out_has_not_changed() -> None:
    """And a full one is answered with the assignment in any case."""
    scene = Consumers(topics={"orders": 2, "payments": 1})
    scene.join("a")

    assert scene.tell("a", 2, topics=["orders", "payments"]) == Told(0, 3, {"orders": [0, 1], "payments": [0]})
    assert scene.tell("a", 3, rack_id="r1") == Told(0, 3)
    full = {"topics": ["orders", "payments"], "rebalance": 5_000, "owned": {"orders": [0, 1], "payments": [0]}}
    assert scene.tell("a", 3, **full) == Told(0, 3, {"orders": [0, 1], "payments": [0]})
    assert scene.tell("a", 3, topics=["payments"]) == Told(0, 3, {"payments": [0]})
    assert scene.tell("a", 3, owned={"payments": [0]}) == Told(0, 4)


def test_a_group_that_is_full_takes_nobody_else() -> None:
    """Except, since 4.4, a static member that comes back under another member id (KAFKA-20601)."""
    scene = Consumers(group_consumer_max_size=2)
    scene.two("one", "two")

    assert scene.join("c") == Told(81)
    assert scene.join("c", "two") == Told(111)
    scene.tell("b", -2, "two")
    assert scene.join("c", "two") == Told(0, 3, {"orders": [2, 3]})


def test_topics_that_grow_appear_and_go() -> None:
    """Each is another epoch, seen by the next heartbeat."""
    scene = Consumers(topics={"orders": 1})
    assert scene.join("a", topics=["orders", "later"]) == Told(0, 2, {"orders": [0]})
    scene.topics.counts["orders"] = 2
    assert scene.tell("a", 2) == Told(0, 3, {"orders": [0, 1]})
    scene.topics.ids["later"], scene.topics.counts["later"] = bytes([9] * 16), 1
    assert scene.tell("a", 3) == Told(0, 4, {"orders": [0, 1], "later": [0]})
    gone = scene.topics.ids.pop("orders")

    assert scene.tell("a", 4) == Told(0, 4, {"later": [0]})
    assert scene.tell("a", 4, owned={"later": [0]}) == Told(0, 5)
    assert gone not in scene.topics.ids.values()


def test_a_pattern_is_resolved_after_the_heartbeat_that_brings_it() -> None:
    """What it matches comes with the next one; topics that appear and match too. The whole name counts."""
    scene = Consumers(topics={"orders": 1, "orders-eu": 2, "payments": 3})

    assert scene.join("a", topics=None, subscribed_topic_regex="orders.*") == Told(0, 1, {})
    assert scene.tell("a", 1) == Told(0, 2, {"orders": [0], "orders-eu": [0, 1]})
    scene.topics.ids["orders-us"], scene.topics.counts["orders-us"] = bytes([9] * 16), 1
    scene.tell("a", 2)
    assert scene.tell("a", 2) == Told(0, 3, {"orders": [0], "orders-eu": [0, 1], "orders-us": [0]})
    assert scene.tell("a", 3, subscribed_topic_regex="payment") == Told(0, 3, {})
    assert scene.tell("a", 3, owned={}) == Told(0, 4)


def test_an_assignment_is_kept_for_its_interval() -> None:
    """Who joins within it gets nothing yet: the group is Assigning until somebody is heard after it."""
    scene = Consumers(group_consumer_assignment_interval_ms=1_000)
    scene.join("a")
    scene.at(0.5)

    assert scene.join("b") == Told(0, 2, {})
    assert scene.state() == "Assigning"
    scene.at(0.999)
    assert scene.tell("a", 2) == Told(0, 2)
    scene.at(1.0)
    assert scene.tell("a", 2) == Told(0, 2, {"orders": [0, 1]})
    assert scene.state() == "Reconciling"


def test_when_the_coordinator_moves_members_go_on() -> None:
    """All was written down but the timers: sessions start anew, and while nobody has loaded the group none runs out."""
    scene = Consumers(group_consumer_session_timeout_ms=3_000)
    scene.two()
    scene.at(2.0)
    scene.coordinator.moved(GROUP, 2.0, loaded=False)
    assert scene.coordinator.deadline() is None
    scene.at(9.0)
    scene.coordinator.moved(GROUP, 9.0)
    scene.at(11.9)

    assert scene.tell("a", 3) == Told(0, 3)
    scene.at(12.0)
    assert scene.tell("b", 3) == Told(25)


def test_who_was_to_give_up_has_its_time_anew_when_the_coordinator_moves() -> None:
    """The rebalance timeout starts again with the sessions."""
    scene = Consumers()
    scene.join("a", rebalance=5_000)
    scene.join("b")
    scene.tell("a", 2)
    scene.at(4.0)
    scene.coordinator.moved(GROUP, 4.0)
    scene.at(8.9)
    assert scene.members().keys() == {"a", "b"}
    scene.at(9.0)

    assert scene.members().keys() == {"b"}

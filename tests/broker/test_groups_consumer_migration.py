"""From one protocol to the other while the group goes on."""

from __future__ import annotations

from typing import Any

import pytest

from kafkastatic._protocol.consumer_protocol import decode_assignment, encode_assignment, encode_subscription
from kafkastatic.types import TopicPartition
from tests.broker.consumer_scenes import Consumers, Told
from tests.broker.group_scenes import GROUP, beaten, joined, left, not_joined, not_synced

JAVA = {
    "behaves_as": "3.9",
    "group_coordinator_rebalance_protocols": "classic,consumer",
    "group_consumer_migration_policy": "bidirectional",
    "version": 0,
}
METADATA = encode_subscription(["orders"])
PROTOCOLS = (("range", METADATA),)
ALL = [TopicPartition("orders", number) for number in range(4)]


def classic(*instances: str, shared: bool = False, **settings: object) -> Consumers:
    """A stable classic group of static members with as many partitions each, or with all of them where `shared`."""
    scene = Consumers(**settings)
    for inst in instances:
        scene.join_classic(f"join {inst}", inst, protocols=PROTOCOLS)
        scene.at(scene.now)
        for other, mid in zip(instances, list(scene.members()), strict=False):
            if other != inst:
                scene.join_classic(f"again {other}", other, mid, protocols=PROTOCOLS)
    ids, gen = list(scene.members()), scene.generation()
    share = len(ALL) // len(ids)
    assign = {mid: encode_assignment(ALL if shared else ALL[n * share : (n + 1) * share]) for n, mid in enumerate(ids)}
    for mid, inst in reversed(list(zip(ids, instances, strict=True))):
        scene.sync(f"sync {inst}", mid, inst, gen=gen, assign=assign)
    assert scene.state() == "Stable"
    return scene


def shares(scene: Consumers) -> dict[str, list[int]]:
    return {mid: numbers for mid, (_, numbers) in scene.members().items()}


def test_a_consumer_takes_the_place_of_a_classic_static_member() -> None:
    """The group becomes a consumer group; it gets the same partitions, the others are not disturbed (KAFKA-17228)."""
    scene = classic("one", "two")
    mid_one, mid_two = scene.members()

    assert scene.join("new", "two") == Told(0, 2, {"orders": [2, 3]})
    assert shares(scene) == {mid_one: [0, 1], "new": [2, 3]}
    assert scene.beat("beat", mid_one, "one", gen=2) == [beaten("beat")]
    found = scene.coordinator.snapshot(GROUP)
    assert found is not None
    assert (found.group_type, found.state) == ("consumer", "Stable")
    # Whoever was replaced is told so, except by its commits.
    assert scene.beat("old", mid_two, "two", gen=2) == [beaten("old", 82)]
    assert scene.sync("old", mid_two, "two", gen=2) == [not_synced("old", 82)]
    assert scene.join_classic("old", "two", mid_two, protocols=PROTOCOLS) == [not_joined("old", 82)]
    assert scene.commit("old", mid_two, "two", gen=2) == 25


def test_in_3_9_the_owner_of_the_classic_protocol_keeps_its_place() -> None:
    """Until its session is over."""
    scene = classic("one", **JAVA)

    assert scene.join("new", "one") == Told(111)
    found = scene.coordinator.snapshot(GROUP)
    assert found is not None
    assert found.group_type == "classic"


def test_a_new_consumer_makes_the_classic_members_share() -> None:
    """They are told to join by their heartbeats, and to join again when they have given up."""
    scene = classic("one")
    (mid,) = scene.members()

    assert scene.join("new") == Told(0, 2, {})
    assert scene.beat("beat", mid, "one") == [beaten("beat", 27)]
    owning = (("range", encode_subscription(["orders"], owned=ALL)),)
    assert scene.join_classic("join", "one", mid, protocols=owning) == [joined("join", mid, "", gen=1)]
    (synced,) = scene.sync("sync", mid, "one", gen=1)
    kept = decode_assignment(synced.response.assignment)
    assert len(kept) == 2
    assert scene.beat("beat", mid, "one") == [beaten("beat", 27)]
    less = (("range", encode_subscription(["orders"], owned=kept)),)
    assert scene.join_classic("join", "one", mid, protocols=less) == [joined("join", mid, "", gen=2)]
    scene.sync("sync", mid, "one", gen=2)
    assert scene.beat("beat", mid, "one", gen=2) == [beaten("beat")]
    told = scene.tell("new", 2)
    assert told.assigned is not None
    assert len(told.assigned["orders"]) == 2


def test_a_classic_member_that_does_not_join_in_time_is_fenced() -> None:
    """Its rebalance timeout counts from the first heartbeat that told it."""
    scene = classic("one")
    (mid,) = scene.members()
    scene.join("new")
    scene.beat("beat", mid, "one")
    for now in (9.0, 18.0, 19.9):
        scene.at(now)
        scene.tell("new", 2)
        assert scene.beat("beat", mid, "one") == [beaten("beat", 27)]
    scene.at(20.0)

    assert scene.beat("beat", mid, "one") == [beaten("beat", 25)]


def test_who_is_parked_when_the_group_changes_is_to_join_again() -> None:
    """27 for its join."""
    scene = classic("one")
    assert scene.join_classic("parked", "two", protocols=PROTOCOLS) == []
    _, mid = scene.members()

    assert scene.join("new").code == 0
    assert scene.others == [not_joined("parked", 27, mid)]


def test_a_leader_that_gave_a_partition_to_two_keeps_its_classic_group() -> None:
    """A consumer group has one owner for each: Kafka fails on it (-1), and refuses the consumer."""
    scene = classic("one", "two", shared=True)

    assert scene.join("new") == Told(-1)
    assert scene.message
    found = scene.coordinator.snapshot(GROUP)
    assert found is not None
    assert (found.group_type, found.state, len(found.members)) == ("classic", "Stable", 2)


def test_a_classic_member_of_a_version_to_come_is_told_its_assignment() -> None:
    """In the newest version that the broker has: it may understand that one too."""
    scene = Consumers()
    newest = (99).to_bytes(2, "big") + encode_subscription(["orders"])[2:]
    scene.join("a")

    (reply,) = scene.join_classic("join", "one", protocols=(("range", newest),))
    mid = reply.response.member_id
    assert reply == joined("join", mid, "", gen=reply.response.generation_id)
    (synced,) = scene.sync("sync", mid, "one", gen=reply.response.generation_id)
    assert synced.response.error_code == 0
    assert synced.response.assignment[:2] == (3).to_bytes(2, "big")
    assert decode_assignment(synced.response.assignment) == []


def test_when_the_last_consumer_leaves_the_group_is_classic_again() -> None:
    """Its members rebalance, their heartbeats say so; what they have is kept for the meantime."""
    scene = classic("one", "two")
    mid_one, _ = scene.members()
    scene.join("new", "two")

    assert scene.tell("new", -1, "two") == Told(0, -1)
    found = scene.coordinator.snapshot(GROUP)
    assert found is not None
    assert (found.group_type, found.state) == ("classic", "PreparingRebalance")
    assert shares(scene) == {mid_one: [0, 1]}
    assert scene.tell("new", 2, "two") == Told(69)
    assert scene.beat("beat", mid_one, "one", gen=2) == [beaten("beat", 27)]


def test_a_classic_static_member_takes_its_place_back() -> None:
    """And with the last consumer gone, the group is a classic one at once; the consumer gets 69."""
    scene = classic("one", "two")
    scene.join("new", "two")

    (reply,) = scene.join_classic("back", "two", protocols=PROTOCOLS)
    mid = reply.response.member_id
    assert reply == joined("back", mid, "", gen=2)
    assert shares(scene)[mid] == [2, 3]
    assert scene.state() == "Stable"
    assert scene.tell("new", 2, "two") == Told(69)
    (synced,) = scene.sync("sync", mid, "two", gen=2)
    assert decode_assignment(synced.response.assignment) == ALL[2:]


def test_a_dynamic_classic_member_of_a_consumer_group() -> None:
    """It is told its id first; leaves by LeaveGroup; what it does not support is refused."""
    scene = Consumers()
    scene.join("a")
    (reply,) = scene.join_classic("first", protocols=PROTOCOLS)
    mid = reply.response.member_id
    assert reply == not_joined("first", 79, mid)

    assert scene.join_classic("second", None, mid, protocols=PROTOCOLS) == [joined("second", mid, "", gen=3)]
    assert scene.join_classic("other", None, "x", protocols=(("custom", METADATA),)) == [not_joined("other", 23)]
    assert scene.leave("leave", (mid, None)) == [left("leave", (mid, None, 0))]
    assert scene.members().keys() == {"a"}


@pytest.mark.parametrize(
    "settings", [{"group_consumer_migration_policy": "downgrade"}, JAVA | {"group_consumer_migration_policy": ""}]
)
def test_without_upgrades_a_consumer_cannot_join_a_classic_group_with_members(settings: dict[str, Any]) -> None:
    """Which is so in 3.9 by default. The group goes on; once it is empty, it may."""
    scene = classic("one", **settings)
    (mid,) = scene.members()

    assert scene.join("new", "two") == Told(69)
    assert scene.beat("beat", mid, "one") == [beaten("beat")]
    scene.leave("leave", (mid, "one"))
    assert scene.join("new", "two").code == 0


@pytest.mark.parametrize("settings", [{"group_consumer_migration_policy": "upgrade"}, {"group_max_size": 1}])
def test_without_downgrades_a_consumer_group_of_classic_members_stays_one(settings: dict[str, Any]) -> None:
    """By the policy, or because they are too many for a classic group: the last consumer leaves, or is replaced."""
    scene = Consumers(**settings)
    scene.join("a", "one")
    for number, inst in enumerate(("two", "three")):
        scene.join_classic(f"join {number}", inst, protocols=PROTOCOLS)

    assert scene.tell("a", -1, "one") == Told(0, -1)
    found = scene.coordinator.snapshot(GROUP)
    assert found is not None
    assert (found.group_type, len(found.members)) == ("consumer", 2)
    (reply,) = scene.join_classic("back", "one", protocols=PROTOCOLS)
    assert reply.response.error_code == 0
    found = scene.coordinator.snapshot(GROUP)
    assert found is not None
    assert (found.group_type, len(found.members)) == ("consumer", 3)


def test_a_group_of_something_else_does_not_change() -> None:
    """Connect's workers have a group of another type: it is no consumer group, and none can join it as one."""
    scene = Consumers()
    scene.join_classic("join", "one", protocol_type="connect")
    scene.at(0.0)

    assert scene.join("new") == Told(69)
    assert scene.state() == "CompletingRebalance"

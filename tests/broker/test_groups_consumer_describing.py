"""What can be seen of consumer groups: ConsumerGroupDescribe, ListGroups, DescribeGroups, DeleteGroups, OffsetFetch."""

from __future__ import annotations

from typing import Any

from kafkastatic._protocol.framing import decode_request, decode_response, encode_request, encode_response
from kafkastatic._protocol.messages.consumer_group_describe import ConsumerGroupDescribeRequest
from kafkastatic._protocol.messages.delete_groups import DeleteGroupsRequest
from kafkastatic._protocol.messages.describe_groups import DescribeGroupsRequest
from kafkastatic._protocol.messages.list_groups import ListGroupsRequest
from kafkastatic._protocol.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
)
from kafkastatic._protocol.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestGroup
from tests.broker.consumer_scenes import Consumers
from tests.broker.group_scenes import GROUP


def ask(scene: Consumers, request: Any, version: int) -> Any:
    """Through the framing, there and back."""
    _, heard = decode_request(encode_request(request, version, 1, "admin")[4:])
    (reply,) = scene.send("it", heard, version)
    return decode_response(type(request), encode_response(reply.response, version, 1)[4:], version)


def test_a_group_that_reconciles_is_described() -> None:
    """What is still to be given up is told as assigned; member type 1 is a consumer."""
    scene = Consumers()
    scene.join("a", "one", rack_id="r", subscribed_topic_regex="none")
    scene.join("b")
    scene.tell("a", 2)

    (group,) = ask(scene, ConsumerGroupDescribeRequest(group_ids=[GROUP], include_authorized_operations=True), 1).groups
    assert (group.error_code, group.group_state, group.group_epoch, group.assignment_epoch) == (0, "Reconciling", 3, 3)
    assert (group.assignor_name, group.authorized_operations) == ("uniform", 3400)
    first, second = group.members
    assert (first.member_id, first.instance_id, first.rack_id, first.member_epoch) == ("a", "one", "r", 2)
    assert (first.client_id, first.client_host, first.member_type) == ("app", "/127.0.0.1", 1)
    assert (first.subscribed_topic_names, first.subscribed_topic_regex) == (["orders"], "none")
    assert [(t.topic_name, t.partitions) for t in first.assignment.topic_partitions] == [("orders", [0, 1, 2, 3])]
    assert (second.member_epoch, second.assignment.topic_partitions) == (3, [])
    assert sum(len(t.partitions) for m in group.members for t in m.target_assignment.topic_partitions) == 4


def test_what_is_no_consumer_group_is_not_described() -> None:
    """69 for one that is not there, and for a classic one; to DescribeGroups a consumer group is none."""
    scene = Consumers()
    scene.join_classic("join", "one")
    codes = ask(scene, ConsumerGroupDescribeRequest(group_ids=[GROUP, "ghost"]), 0).groups
    assert [(group.group_id, group.error_code) for group in codes] == [(GROUP, 69), ("ghost", 69)]

    other = Consumers()
    other.join("a")
    (group,) = ask(other, DescribeGroupsRequest(groups=[GROUP]), 6).groups
    assert (group.error_code, group.group_state, group.error_message) == (
        69,
        "Dead",
        f"Group {GROUP} is not a classic group.",
    )
    (group,) = ask(other, DescribeGroupsRequest(groups=[GROUP]), 5).groups
    assert (group.error_code, group.group_state) == (0, "Dead")


def test_groups_are_listed_by_state_and_type() -> None:
    """Whatever their case."""
    scene = Consumers()
    scene.join("a")
    scene.join("b")

    def listed(**filters: list[str]) -> list[tuple[str, str, str]]:
        groups = ask(scene, ListGroupsRequest(**filters), 5).groups
        return [(group.group_state, group.group_type, group.protocol_type) for group in groups]

    assert listed() == [("Reconciling", "consumer", "consumer")]
    assert listed(states_filter=["reconciling"], types_filter=["Consumer"]) == listed()
    assert listed(types_filter=["classic"]) == listed(states_filter=["Stable"]) == []


def test_a_group_with_members_is_not_deleted() -> None:
    """68; an empty one is."""
    scene = Consumers()
    scene.join("a")

    def deleted() -> int:
        return ask(scene, DeleteGroupsRequest(groups_names=[GROUP]), 2).results[0].error_code

    assert deleted() == 68
    scene.tell("a", -1)
    assert deleted() == 0
    assert scene.coordinator.group_ids() == []


def test_members_that_are_none_any_more_are_told_so_by_offset_fetch() -> None:
    """Unlike in classic groups. Who says nothing of itself is answered."""
    scene = Consumers()
    scene.two()

    def fetched(member_id: str | None, epoch: int) -> int:
        group = OffsetFetchRequestGroup(group_id=GROUP, member_id=member_id, member_epoch=epoch, topics=None)
        return ask(scene, OffsetFetchRequest(groups=[group]), 9).groups[0].error_code

    assert [fetched("a", 3), fetched("a", 2), fetched("a", 4), fetched("x", 3)] == [0, 113, 113, 25]
    assert [fetched(None, -1), fetched(None, 3)] == [0, -1]


def test_offsets_of_what_is_subscribed_to_are_not_deleted() -> None:
    """86, by names and by patterns."""
    scene = Consumers(topics={"orders": 1, "payments": 1, "other": 1})
    scene.join("a", subscribed_topic_regex="pay.*")

    topics = [
        OffsetDeleteRequestTopic(name=name, partitions=[OffsetDeleteRequestPartition(partition_index=0)])
        for name in ("orders", "payments", "other")
    ]
    answer = ask(scene, OffsetDeleteRequest(group_id=GROUP, topics=topics), 0)
    assert {t.name: t.partitions[0].error_code for t in answer.topics} == {"orders": 86, "payments": 86, "other": 0}

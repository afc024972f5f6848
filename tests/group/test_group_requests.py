"""Group requests as they go out, each with the member's whole identity."""

from __future__ import annotations

import pytest

from kafkastatic._group import requests
from kafkastatic._group.assignors import RangeAssignor
from kafkastatic._protocol.consumer_protocol import decode_assignment, decode_subscription
from kafkastatic._protocol.messages.heartbeat import HeartbeatRequest
from kafkastatic._protocol.messages.join_group import JoinGroupResponseMember
from kafkastatic._protocol.messages.leave_group import LeaveGroupRequest, MemberIdentity
from kafkastatic.errors import ProtocolError
from kafkastatic.types import Membership, MemberSubscription
from tests.group.machine import DYNAMIC_MID, GROUP, INST, MID, O0, O1, O2, subscribed

WHO = Membership(GROUP, INST, MID, 4, frozenset({O0}))
DYNAMIC_WHO = Membership(GROUP, None, DYNAMIC_MID, 4)


class Sticky(RangeAssignor):
    name = "sticky"


def a_join(who: Membership, generation: int = 4, reason: str = "first join"):
    return requests.join(
        who,
        topics=frozenset({"refunds", "orders"}),
        assignors=[RangeAssignor(), Sticky()],
        session_timeout_ms=45_000,
        rebalance_timeout_ms=300_000,
        generation=generation,
        rack="r1",
        reason=reason,
    )


def test_a_join_offers_every_assignor_in_order_of_preference() -> None:
    """With the same subscription for each: topics in order, what is owned, generation and rack (KIP-429, KIP-792)."""
    request = a_join(WHO)

    assert (request.member_id, request.group_instance_id, request.protocol_type) == (MID, INST, "consumer")
    assert [protocol.name for protocol in request.protocols] == ["range", "sticky"]
    for protocol in request.protocols:
        assert decode_subscription(protocol.metadata) == (["orders", "refunds"], None, [O0], 4, "r1")


def test_two_generations_make_two_subscriptions() -> None:
    """Bytes that do not differ would not make the broker rebalance for a follower."""
    assert a_join(WHO, 4).protocols != a_join(WHO, 5).protocols
    assert a_join(WHO, 4).protocols == a_join(WHO, 4).protocols


def test_a_sync_of_a_follower_carries_no_assignments() -> None:
    """Only a leader has some to send."""
    request = requests.sync(WHO, "range")

    assert (request.generation_id, request.member_id, request.group_instance_id) == (4, MID, INST)
    assert (request.protocol_type, request.protocol_name) == ("consumer", "range")
    assert request.assignments == []


def test_a_sync_of_a_leader_carries_everybodys() -> None:
    """By member id, in the bytes of Kafka's own consumers."""
    request = requests.sync(WHO, "range", {MID: [O0, O1], "other": [O2], "idle": []})

    shares = {share.member_id: decode_assignment(share.assignment) for share in request.assignments}
    assert shares == {MID: [O0, O1], "other": [O2], "idle": []}


def test_a_heartbeat_says_who_and_when() -> None:
    """Generation, member id and instance id."""
    assert requests.heartbeat(WHO) == HeartbeatRequest(
        group_id=GROUP, generation_id=4, member_id=MID, group_instance_id=INST
    )


def test_a_leave_names_the_member_id_and_the_instance_id() -> None:
    """With the instance id alone it would remove whoever holds it now."""
    assert requests.leave(WHO, "closing") == LeaveGroupRequest(
        group_id=GROUP, members=[MemberIdentity(member_id=MID, group_instance_id=INST, reason="closing")]
    )


@pytest.mark.parametrize("version", range(10))
def test_a_dynamic_join_goes_out_in_every_version(version: int) -> None:
    """A dynamic member needs no version in particular."""
    request = a_join(DYNAMIC_WHO)

    read = type(request).decode(bytes(request.encode(version)), version)
    assert (read.member_id, read.group_instance_id) == (DYNAMIC_MID, None)


@pytest.mark.parametrize("version", range(5))
def test_a_dynamic_sync_and_heartbeat_go_out_in_every_version(version: int) -> None:
    """Neither do these."""
    for request in (requests.sync(DYNAMIC_WHO, "range"), requests.heartbeat(DYNAMIC_WHO)):
        read = type(request).decode(bytes(request.encode(version)), version)
        assert (read.member_id, read.generation_id, read.group_instance_id) == (DYNAMIC_MID, 4, None)


def test_a_subscription_is_read_as_it_was_written() -> None:
    """What the leader is told of a member, its instance id included."""
    member = subscribed(MID, "orders", "refunds", instance_id=INST)

    assert requests.subscription(member) == MemberSubscription(MID, INST, ["orders", "refunds"], None, [], -1, None)


def test_a_subscription_that_does_not_parse_is_an_error() -> None:
    """It is not taken for an empty one."""
    with pytest.raises(ProtocolError):
        requests.subscription(JoinGroupResponseMember(member_id="odd", metadata=b""))

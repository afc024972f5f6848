"""What a static member that restarts is not told: it is given back the assignment that stood before (KIP-345).

One DescribeGroups, behind its first heartbeat, says whether that assignment fits the topics. If not, it joins again
with its member id; its generation makes the subscription differ, so that the broker rebalances for a follower too.
"""

from __future__ import annotations

import pytest

from kafkastatic._group.classic import ClassicMember
from kafkastatic._group.leader import misfits
from kafkastatic._group.member import (
    Answered,
    Assign,
    AssignFinished,
    CoordinatorFound,
    Lose,
    MetadataChanged,
    Report,
    RequestFailed,
    Revoke,
    RevokeFinished,
    Send,
    Started,
    SubscriptionChanged,
    TimerFired,
)
from kafkastatic._group.states import State
from kafkastatic._protocol.consumer_protocol import decode_subscription
from kafkastatic._protocol.messages.describe_groups import DescribeGroupsResponse
from kafkastatic.errors import KafkaTimeoutError, ProtocolError, UnsupportedVersionError
from kafkastatic.types import TopicPartition
from tests.group.machine import (
    COOPERATIVE,
    INST,
    LOST,
    MID,
    MINE,
    NOTHING,
    O0,
    O1,
    O2,
    O3,
    STATIC,
    VERSIONS,
    CooperativeAssignor,
    beat,
    beaten,
    describe,
    described,
    done,
    idle,
    join,
    join_error,
    joined,
    reports,
    snapshot,
    subscribed,
    sync,
    synced,
)

U0 = TopicPartition("users", 0)
ME = subscribed(MID, "orders", instance_id=INST)
OTHER = subscribed("other", "orders")
LEADS = joined(leader=MID, members=[ME, OTHER], skip=True)


def restarted(answer=None, *topics: str, owned=MINE, settings=STATIC, **cluster: int) -> ClassicMember:
    """Restarted at 0.0 into generation 4, as follower unless told otherwise; asked at 0.3, by DescribeGroups 4."""
    member = idle(settings, topics or ("orders",))
    member.handle(MetadataChanged(snapshot(**(cluster or {"orders": 4}))), 0.0)
    member.handle(Started(), 0.0)
    member.handle(CoordinatorFound(VERSIONS), 0.0)
    member.handle(Answered(1, answer or joined()), 0.1)
    assert done(member.handle(Answered(2, synced(owned)), 0.2)) == [beat(3), Assign(owned, owned)]
    assert member.handle(Answered(3, beaten()), 0.3) == [describe(4)]
    assert member.handle(AssignFinished(), 0.3) == []
    return member


@pytest.mark.scenario(4, where="machine")
@pytest.mark.parametrize("answer", [joined(), LEADS], ids=["follower", "leader"])
def test_an_assignment_that_fits_is_left_alone(answer) -> None:
    """Every partition has an owner, whoever it is: one DescribeGroups in the member's life, and no join."""
    member = restarted(answer)

    assert member.handle(Answered(4, described(0, ME, OTHER, assigned=[O0, O1, O2, O3])), 0.4) == []
    assert done(member.handle(TimerFired(), 3.2)) == [beat(5)]
    assert done(member.handle(Answered(5, beaten()), 3.3)) == []


@pytest.mark.scenario(5, where="machine")
@pytest.mark.scenario(6, where="machine")
@pytest.mark.parametrize("answer", [joined(), LEADS], ids=["follower", "leader"])
def test_partitions_that_were_added_while_nobody_watched_are_shared_out(answer) -> None:
    """With skip_assignment nothing tells of them; the member joins with its member id, and with its generation."""
    member = restarted(answer)

    assert member.handle(Answered(4, described(0, ME, OTHER, assigned=[O0, O1])), 0.4) == [
        Report("assignment_outdated", {"member_id": MID, "epoch": 4, "topics": ["orders"]}),
        Report(
            "revoking",
            {"member_id": MID, "epoch": 4, "partitions": 2, "reason": "the assignment does not fit orders"},
        ),
        Revoke(MINE, deadline=30.4),
    ]
    assert done(member.handle(RevokeFinished(), 0.5)) == [
        join(5, MID, generation=4, reason="the assignment does not fit orders")
    ]


@pytest.mark.scenario(6, where="machine")
def test_partitions_that_are_no_more_are_taken_out() -> None:
    """A topic that was deleted, or created again smaller, while its leader was down."""
    member = restarted(LEADS, orders=1)

    assert done(member.handle(Answered(4, described(0, ME, OTHER, assigned=[O0, O1])), 0.4)) == [
        Revoke(MINE, deadline=30.4)
    ]
    assert misfits({"orders": {0}}, ["orders"], snapshot(orders=0)) == ["orders"]


@pytest.mark.scenario(6, where="machine")
def test_a_leader_looks_at_the_topics_of_the_whole_group() -> None:
    """Also at those that it does not read itself, as soon as metadata has named them."""
    reads = subscribed("other", "users")
    member = restarted(joined(leader=MID, members=[ME, reads], skip=True), orders=2)

    assert member.handle(Answered(4, described(0, ME, reads, assigned=[O0, O1])), 0.4) == []
    actions = member.handle(MetadataChanged(snapshot(orders=2, users=1)), 0.5)
    assert done(actions) == [Revoke(MINE, deadline=30.5)]
    assert actions[0] == Report("assignment_outdated", {"member_id": MID, "epoch": 4, "topics": ["users"]})


def test_a_follower_does_not_look_at_topics_that_it_does_not_read() -> None:
    """It is not told which those are, and their readers look themselves."""
    member = restarted(orders=2, users=3)

    assert member.handle(Answered(4, described(0, ME, OTHER, assigned=[O0, O1])), 0.4) == []


# ── a subscription that changed ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.scenario(7, where="machine")
@pytest.mark.parametrize("leads", [False, True], ids=["follower", "leader"])
def test_a_subscription_that_grew_is_joined_with(leads: bool) -> None:
    """The broker has stored it and said nothing: nobody has the new topic's partitions. Two joins, and no more."""
    me = subscribed(MID, "orders", "users", instance_id=INST)
    answer = joined(leader=MID, members=[me], skip=True) if leads else joined()
    member = restarted(answer, "orders", "users", orders=2, users=1)

    actions = member.handle(Answered(4, described(0, me, assigned=[O0, O1])), 0.4)
    assert done(actions) == [Revoke(MINE, deadline=30.4)]
    again = done(member.handle(RevokeFinished(), 0.5))
    reason = "the assignment does not fit users"
    assert again == [join(5, MID, generation=4, topics=["orders", "users"], reason=reason)]
    both = frozenset({O0, O1, U0})
    member.handle(Answered(5, joined(generation=5)), 0.6)
    assert done(member.handle(Answered(6, synced(both)), 0.7)) == [beat(7, generation=5), Assign(both, both)]
    assert member.handle(AssignFinished(), 0.8) == []
    assert member.handle(Answered(7, beaten()), 0.9) == []  # it is not asked about again


@pytest.mark.scenario(7, where="machine")
def test_a_subscription_to_something_else_is_joined_with_at_once() -> None:
    """What is assigned of other topics is never owned; the second join tells the generation, which makes it differ."""
    member = idle(STATIC, ("users",))
    member.handle(MetadataChanged(snapshot(users=1)), 0.0)
    member.handle(Started(), 0.0)
    (first,) = done(member.handle(CoordinatorFound(VERSIONS), 0.0))
    member.handle(Answered(1, joined()), 0.1)

    (second,) = done(member.handle(Answered(2, synced()), 0.2))

    assert second == join(3, MID, generation=4, topics=["users"], reason="assigned orders, not subscribed to")
    assert isinstance(first, Send) and isinstance(second, Send)
    assert first.request.protocols[0].metadata != second.request.protocols[0].metadata
    assert decode_subscription(first.request.protocols[0].metadata).generation == -1
    assert member.membership.assignment == NOTHING
    assert done(member.handle(Answered(3, joined(generation=5)), 0.3)) == [sync(4, generation=5)]
    mine = frozenset({U0})
    assert done(member.handle(Answered(4, synced(mine)), 0.4)) == [beat(5, generation=5), Assign(mine, mine)]


@pytest.mark.scenario(7, where="machine")
def test_a_leader_that_assigns_what_was_not_asked_for_makes_no_livelock() -> None:
    """The second time in a row, what was subscribed to is owned and the rest is not."""
    member = idle(STATIC, ("orders",))
    member.handle(Started(), 0.0)
    member.handle(CoordinatorFound(VERSIONS), 0.0)
    member.handle(Answered(1, joined()), 0.1)
    strange = frozenset({O0, U0})
    assert done(member.handle(Answered(2, synced(strange)), 0.2)) == [
        join(3, MID, generation=4, reason="assigned users, not subscribed to")
    ]
    member.handle(Answered(3, joined(generation=5)), 0.3)

    mine = frozenset({O0})
    actions = member.handle(Answered(4, synced(strange)), 0.4)

    assert done(actions) == [beat(5, generation=5), Assign(mine, mine)]
    assert reports(actions) == ["assigned"]
    assert member.handle(AssignFinished(), 0.5) == []


# ── orphans of a cooperative rebalance ─────────────────────────────────────────────────────────────────────────


@pytest.mark.scenario(8, where="machine")
def test_partitions_that_a_dead_member_had_given_up_get_an_owner() -> None:
    """It died between the two generations of a cooperative rebalance, and is given back the first one's assignment."""
    mine = frozenset({O0})
    member = restarted(owned=mine, settings=COOPERATIVE.evolve(assignors=(Sticky(),)), orders=2)

    actions = member.handle(Answered(4, described(0, ME, OTHER, assigned=[O0])), 0.4)

    assert reports(actions) == ["assignment_outdated", "joining"]
    (sent,) = done(actions)
    assert isinstance(sent, Send)
    assert (sent.request.NAME, sent.request.member_id) == ("JoinGroup", MID)
    told = decode_subscription(sent.request.protocols[0].metadata)
    assert (told.owned, told.generation) == ([O0], 4)
    assert member.membership.assignment == mine  # and goes on being read


class Sticky(CooperativeAssignor):
    name = "cooperative-sticky"


def test_an_assignor_of_the_application_may_leave_partitions_out() -> None:
    """Only Kafka's own are known to give every partition an owner."""
    answer = joined()
    answer.protocol_name = "cooperative"
    member = idle(COOPERATIVE)
    member.handle(MetadataChanged(snapshot(orders=4)), 0.0)
    member.handle(Started(), 0.0)
    member.handle(CoordinatorFound(VERSIONS), 0.0)
    member.handle(Answered(1, answer), 0.1)
    member.handle(Answered(2, synced()), 0.2)
    member.handle(Answered(3, beaten()), 0.2)
    member.handle(AssignFinished(), 0.2)

    assert member.handle(Answered(4, described(0, ME, OTHER, assigned=[O0])), 0.4) == []


# ── when the group cannot be described ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "answer",
    [
        described(30),
        described(69),
        described(0, state="Dead"),
        UnsupportedVersionError(api="DescribeGroups"),
        ProtocolError("bytes that are no answer"),
    ],
    ids=["no right", "no classic group", "dead", "no such api", "nonsense"],
)
def test_a_member_that_may_not_look_goes_on_without(answer: object) -> None:
    """That is told once; it is no reason to fail, and not tried again."""
    member = restarted(orders=2)

    failed = isinstance(answer, Exception)
    actions = member.handle(RequestFailed(4, answer) if failed else Answered(4, answer), 0.4)  # type: ignore[arg-type]

    assert (done(actions), reports(actions)) == ([], ["group_not_described"])
    assert done(member.handle(TimerFired(), 3.2)) == [beat(5)]
    assert member.handle(Answered(5, beaten()), 3.3) == []


@pytest.mark.parametrize(
    "answer",
    [
        described(14),
        described(0, state="PreparingRebalance"),
        described(0, state="CompletingRebalance"),
        DescribeGroupsResponse(groups=[]),
        LOST,
        KafkaTimeoutError("late"),
    ],
    ids=["loading", "preparing", "completing", "empty", "lost", "late"],
)
def test_a_member_that_cannot_look_just_now_looks_again(answer: object) -> None:
    """With the next good heartbeat, if the rebalance has not begun anew by then."""
    member = restarted(orders=2)

    failed = isinstance(answer, Exception)
    assert member.handle(RequestFailed(4, answer) if failed else Answered(4, answer), 0.4) == []  # type: ignore[arg-type]
    member.handle(TimerFired(), 3.2)
    assert member.handle(Answered(5, beaten()), 3.3) == [describe(6)]


def test_an_assignment_that_does_not_parse_is_none_to_judge_by() -> None:
    """Nor is it a reason to fail."""
    member = restarted(orders=2)
    answer = described(0, ME, OTHER, assigned=[O0])
    answer.groups[0].members[1].member_assignment = b"\0"

    assert reports(member.handle(Answered(4, answer), 0.4)) == ["group_not_described"]


def test_a_group_that_rebalances_meanwhile_is_not_looked_at() -> None:
    """A new assignment is on its way: the answer that comes behind it changes nothing."""
    member = restarted(orders=4)
    member.handle(TimerFired(), 3.2)
    assert done(member.handle(Answered(5, beaten(27)), 3.3)) == [Revoke(MINE, deadline=33.3)]
    assert done(member.handle(RevokeFinished(), 3.4)) == [join(6, MID, generation=4, reason="group is rebalancing")]

    assert member.handle(Answered(4, described(0, ME, assigned=[O0])), 3.5) == []


def test_a_look_during_on_assigned_waits_for_its_end() -> None:
    """A callback is never overtaken."""
    member = idle(STATIC)
    member.handle(MetadataChanged(snapshot(orders=4)), 0.0)
    member.handle(Started(), 0.0)
    member.handle(CoordinatorFound(VERSIONS), 0.0)
    member.handle(Answered(1, joined()), 0.1)
    member.handle(Answered(2, synced()), 0.2)
    member.handle(Answered(3, beaten()), 0.3)

    assert done(member.handle(Answered(4, described(0, ME, assigned=[O0, O1])), 0.4)) == []
    assert done(member.handle(AssignFinished(), 0.5)) == [Revoke(MINE, deadline=30.5)]


def test_only_a_member_that_may_have_restarted_looks() -> None:
    """Not a dynamic one, nor a leader that has just balanced, nor one that joins with its member id."""
    for settings in (STATIC.evolve(instance_id=None), STATIC):
        member = idle(settings)
        member.handle(MetadataChanged(snapshot(orders=2)), 0.0)
        member.handle(Started(), 0.0)
        member.handle(CoordinatorFound(VERSIONS), 0.0)
        member.handle(Answered(1, joined(leader=MID, members=[ME])), 0.1)
        member.handle(Answered(2, synced()), 0.2)
        assert member.handle(Answered(3, beaten()), 0.3) == []


# ── own abandoned joins ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.scenario(20, where="machine")
def test_a_blind_join_that_was_given_up_may_fence_the_next_one_once() -> None:
    """Given up, resubmitted, fenced by the first: one blind join more; fenced again, it is somebody else's doing."""
    member = idle(STATIC)
    member.handle(Started(), 0.0)
    assert done(member.handle(CoordinatorFound(VERSIONS), 0.0)) == [join(1, reason="first join")]
    assert done(member.handle(SubscriptionChanged(frozenset()), 1.0)) == []
    assert done(member.handle(SubscriptionChanged(frozenset({"orders"})), 2.0)) == [
        join(2, reason="subscription changed")
    ]

    assert member.handle(Answered(1, joined()), 2.1) == []  # whatever the first is answered

    actions = member.handle(Answered(2, join_error(82)), 2.2)
    assert reports(actions) == ["join_fenced_by_own_abandoned_join", "joining"]
    assert done(actions) == [join(3, reason="subscription changed")]
    assert done(member.handle(Answered(3, join_error(82)), 2.3))[0] == Lose(NOTHING, "fenced")
    assert member.state is State.FAILED


# ── by itself ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("assigned", "wrong"),
    [
        ({"orders": {0, 1}, "users": {0}}, []),
        ({"orders": {0}, "users": {0}}, ["orders"]),
        ({"orders": {0, 1, 2}, "users": {0}}, ["orders"]),
        ({"orders": {0, 1}}, ["users"]),
        ({}, ["orders", "users"]),
        ({"orders": {0, 1}, "users": {0}, "others": {7}}, []),
    ],
)
def test_what_does_not_fit(assigned, wrong) -> None:
    """Too few and too many; topics that nobody asked about, or that metadata has not named, are left out."""
    assert misfits(assigned, ["orders", "users", "unknown"], snapshot(orders=2, users=1)) == wrong

"""The leader: it balances the group, and watches the topics of all its members."""

from __future__ import annotations

import pytest

from kafkastatic._group.leader import Leadership
from kafkastatic._group.member import (
    Answered,
    Assign,
    AssignFinished,
    CloseRequested,
    CoordinatorFound,
    FetchMetadata,
    Lose,
    MetadataChanged,
    Report,
    RequestFailed,
    Revoke,
    RevokeFinished,
    Started,
    Stop,
    SubscriptionChanged,
    TimerFired,
)
from kafkastatic._group.states import State
from kafkastatic._protocol.messages.describe_groups import (
    DescribeGroupsResponse,
)
from kafkastatic._protocol.messages.join_group import JoinGroupResponseMember
from kafkastatic.errors import (
    InconsistentGroupProtocolError,
    InvalidAssignmentError,
    KafkaTimeoutError,
    ProtocolError,
)
from kafkastatic.types import TopicPartition
from tests.group.machine import (
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
    Failed,
    balancing,
    beat,
    beaten,
    describe,
    described,
    done,
    idle,
    join,
    joined,
    joining,
    leading,
    reports,
    revoked,
    snapshot,
    subscribed,
    sync,
    synced,
)

ME = subscribed(MID, "orders", instance_id=INST)


def test_a_leader_balances_what_it_knows() -> None:
    """With the group's topics known, the assignments go out with the SyncGroup."""
    member = joining()
    member.handle(MetadataChanged(snapshot(orders=3)), 0.0)
    members = [ME, subscribed("billing-1-a", "orders", instance_id="billing-1")]

    assert member.handle(Answered(1, joined(leader=MID, members=members)), 0.1) == [
        Report("joined", {"member_id": MID, "epoch": 4, "leader": True, "skip_assignment": False}),
        FetchMetadata(frozenset({"orders"})),
        sync(2, shares={MID: [O0, O1], "billing-1-a": [O2]}),
    ]
    assert member.leads


def test_a_leader_waits_for_topics_that_only_others_read() -> None:
    """A topic of the group that it does not read itself is asked for, and balanced when it is known."""
    member = joining()
    member.handle(MetadataChanged(snapshot(orders=1)), 0.0)
    members = [ME, subscribed("other", "refunds")]

    assert done(member.handle(Answered(1, joined(leader=MID, members=members)), 0.1)) == [
        FetchMetadata(frozenset({"orders", "refunds"}))
    ]
    assert member.state is State.BALANCING
    assert member.deadline() is None
    assert member.handle(MetadataChanged(snapshot(orders=3)), 0.2) == []
    assert member.handle(MetadataChanged(snapshot(orders=2)), 0.2) == []
    assert done(member.handle(MetadataChanged(snapshot(orders=2, refunds=1)), 0.3)) == [
        sync(2, shares={MID: [O0, O1], "other": [TopicPartition("refunds", 0)]})
    ]
    assert done(member.handle(Answered(2, synced()), 0.4)) == [beat(3), Assign(MINE, MINE)]
    assert member.handle(AssignFinished(), 0.5) == []


def test_a_topic_that_does_not_exist_keeps_nobody_waiting() -> None:
    """To know that a topic is missing is to know it: the others are balanced."""
    member = balancing()

    assert done(member.handle(MetadataChanged(snapshot(orders=0)), 0.2)) == [sync(2, shares={MID: []})]


@pytest.mark.parametrize(("before", "after"), [(2, 4), (0, 1), (2, 0)], ids=["grown", "created", "deleted"])
def test_a_changed_topic_makes_the_leader_rebalance(before: int, after: int) -> None:
    """The broker does nothing when a topic of a classic group changes: its leader must."""
    member = leading(orders=before)

    assert done(member.handle(MetadataChanged(snapshot(orders=before)), 1.0)) == []
    assert done(member.handle(MetadataChanged(snapshot(orders=after)), 2.0)) == [Revoke(MINE, deadline=32.0)]
    assert done(member.handle(RevokeFinished(), 2.1)) == [
        join(4, MID, generation=4, reason="partitions of orders changed")
    ]


def test_a_follower_leaves_the_topics_to_its_leader() -> None:
    """Partitions that are added do not concern a follower."""
    member = joining()
    member.handle(MetadataChanged(snapshot(orders=2)), 0.0)
    member.handle(Answered(1, joined()), 0.1)
    member.handle(Answered(2, synced()), 0.2)
    member.handle(AssignFinished(), 0.3)

    assert member.handle(MetadataChanged(snapshot(orders=4)), 1.0) == []
    assert not member.leads


def test_a_topic_that_changes_before_the_leader_owns_anything_is_balanced_afterwards() -> None:
    """Growth during the sync, or during on_assigned, is remembered."""
    member = joining()
    member.handle(MetadataChanged(snapshot(orders=2)), 0.0)
    member.handle(Answered(1, joined(leader=MID, members=[ME])), 0.1)

    assert member.handle(MetadataChanged(snapshot(orders=4)), 0.2) == []
    member.handle(Answered(2, synced()), 0.3)
    assert done(member.handle(AssignFinished(), 0.4)) == [Revoke(MINE, deadline=30.4)]


@pytest.mark.scenario(5, where="machine")
def test_a_restarted_leader_keeps_the_assignment_and_goes_on_watching() -> None:
    """With skip_assignment its SyncGroup carries none, it heartbeats at once, and growth makes it rebalance."""
    member = joining()
    member.handle(MetadataChanged(snapshot(orders=2)), 0.0)

    assert done(
        member.handle(Answered(1, joined("billing-0-b", leader="billing-0-b", members=[ME], skip=True)), 0.1)
    ) == [
        FetchMetadata(frozenset({"orders"})),
        sync(2, "billing-0-b"),
    ]
    assert done(member.handle(Answered(2, synced()), 0.2)) == [beat(3, "billing-0-b"), Assign(MINE, MINE)]
    assert member.handle(AssignFinished(), 0.3) == []
    assert done(member.handle(MetadataChanged(snapshot(orders=4)), 1.0)) == [Revoke(MINE, deadline=31.0)]
    assert done(member.handle(RevokeFinished(), 1.1)) == [
        join(4, "billing-0-b", generation=4, reason="partitions of orders changed")
    ]


@pytest.mark.scenario(5, where="machine")
def test_a_restarted_leader_takes_topics_that_it_learns_of_as_they_are() -> None:
    """The standing assignment may know them already: the first news of a topic is no change."""
    member = joining()
    other = subscribed("other", "refunds")
    member.handle(MetadataChanged(snapshot(orders=2)), 0.0)
    member.handle(Answered(1, joined(leader=MID, members=[ME, other], skip=True)), 0.1)
    member.handle(Answered(2, synced()), 0.2)
    member.handle(AssignFinished(), 0.3)

    assert member.handle(MetadataChanged(snapshot(orders=2, refunds=3)), 1.0) == []
    assert done(member.handle(MetadataChanged(snapshot(orders=2, refunds=4)), 2.0)) == [Revoke(MINE, deadline=32.0)]


# ── a leader that restarted below version 9 of JoinGroup ───────────────────────────────────────────────────────

R0 = TopicPartition("refunds", 0)

OLD_ID = "billing-0-0e5bd1f2-3a67-4f3c-9d7e-1c2f3a4b5c6d"
NEW_ID = "billing-0-5b1e2c3d-4f50-4a6b-8c7d-9e0f1a2b3c4d"


def unlisted():
    """Restarted at 0.0 as a leader that is told of no members; asked at 0.3, by DescribeGroups 4, whom it leads."""
    member = joining()
    member.handle(MetadataChanged(snapshot(orders=2)), 0.0)
    actions = member.handle(Answered(1, joined(NEW_ID, leader=OLD_ID)), 0.1)
    assert done(actions) == [sync(2, NEW_ID)]
    assert actions[0] == Report("joined", {"member_id": NEW_ID, "epoch": 4, "leader": True, "skip_assignment": False})
    member.handle(Answered(2, synced()), 0.2)
    assert member.handle(Answered(3, beaten()), 0.3) == [describe(4)]
    member.handle(AssignFinished(), 0.3)
    return member


@pytest.mark.scenario(29, where="machine")
def test_a_restarted_leader_that_is_told_its_old_member_id_goes_on_watching() -> None:
    """DescribeGroups names the topics of the whole group; their growth makes it join with its member id."""
    member = unlisted()

    other = subscribed("other", "refunds")

    assert member.handle(Answered(4, described(0, ME, other, assigned=[O0, O1, R0])), 0.4) == [
        FetchMetadata(frozenset({"orders", "refunds"}))
    ]
    assert member.leads
    assert member.handle(MetadataChanged(snapshot(orders=2, refunds=1)), 0.5) == []
    assert done(member.handle(MetadataChanged(snapshot(orders=2, refunds=2)), 1.0)) == [Revoke(MINE, deadline=31.0)]
    assert done(member.handle(RevokeFinished(), 1.1)) == [
        join(5, NEW_ID, generation=4, reason="partitions of refunds changed")
    ]
    assert done(member.handle(Answered(5, joined(NEW_ID, 5, leader=NEW_ID, members=[ME])), 1.2)) == [
        FetchMetadata(frozenset({"orders"})),
        sync(6, NEW_ID, 5, shares={MID: [O0, O1]}),
    ]


@pytest.mark.scenario(29, where="machine")
@pytest.mark.parametrize(
    "answer",
    [
        described(14),
        described(16),
        described(0, state="PreparingRebalance"),
        DescribeGroupsResponse(groups=[]),
        LOST,
        KafkaTimeoutError("late"),
    ],
    ids=["loading", "moved", "rebalancing", "empty", "lost", "late"],
)
def test_a_group_that_cannot_be_described_just_now_is_asked_about_again(answer: object) -> None:
    """With the next good heartbeat."""
    member = unlisted()
    failed = isinstance(answer, Exception)

    assert done(member.handle(RequestFailed(4, answer) if failed else Answered(4, answer), 0.4)) == []
    assert not member.leads
    assert member.handle(TimerFired(), 3.2) == [beat(5, NEW_ID)]
    assert member.handle(Answered(5, beaten()), 3.3) == [describe(6)]
    assert member.handle(TimerFired(), 6.2) == [beat(7, NEW_ID)]
    assert member.handle(Answered(7, beaten()), 6.3) == []  # it is asked about already
    assert member.handle(Answered(6, described(0, ME, assigned=[O0, O1])), 6.4) == [
        FetchMetadata(frozenset({"orders"}))
    ]
    assert member.handle(TimerFired(), 9.2) == [beat(8, NEW_ID)]
    assert member.handle(Answered(8, beaten()), 9.3) == []


@pytest.mark.scenario(29, where="machine")
@pytest.mark.parametrize(
    "answer", [described(30), described(0, subscribed("other", "refunds"), JoinGroupResponseMember(metadata=b"\0"))]
)
def test_a_leader_that_may_not_know_the_group_watches_what_it_reads_itself(answer: DescribeGroupsResponse) -> None:
    """For want of rights, or because a member's subscription does not parse."""
    member = unlisted()

    actions = member.handle(Answered(4, answer), 0.4)
    assert (done(actions), reports(actions)) == ([FetchMetadata(frozenset({"orders"}))], ["group_not_described"])
    assert done(member.handle(MetadataChanged(snapshot(orders=3)), 1.0)) == [Revoke(MINE, deadline=31.0)]


@pytest.mark.scenario(29, where="machine")
@pytest.mark.parametrize(
    "leader",
    ["somebody", "", "billing-0", f"billing-0-1{OLD_ID.removeprefix('billing-0')}", OLD_ID[:-1], f"x{OLD_ID}"],
)
def test_a_follower_does_not_take_another_leader_for_itself(leader: str) -> None:
    """The member ids of its own instance id end with a UUID: `billing-0-1` is another instance."""
    member = joining()
    member.handle(Answered(1, joined(NEW_ID, leader=leader)), 0.1)
    member.handle(Answered(2, synced()), 0.2)

    member.handle(Answered(3, beaten()), 0.3)

    assert member.handle(Answered(4, described(0, ME, assigned=[O0, O1])), 0.4) == []
    assert not member.leads


@pytest.mark.parametrize("made", ["stepped out", "lost", "rejoining"])
def test_leadership_ends_with_its_generation(made: str) -> None:
    """Out of the generation that it led, a member leads nothing."""
    member = leading()
    assert member.leads
    if made == "stepped out":
        member.handle(SubscriptionChanged(frozenset()), 1.0)
        revoked(member, 1.1)
    elif made == "lost":
        member.handle(TimerFired(), 3.2)
        member.handle(Answered(4, beaten(22)), 3.3)
    else:
        member.handle(MetadataChanged(snapshot(orders=4)), 1.0)
        revoked(member, 1.1)

    assert not member.leads
    assert member.handle(MetadataChanged(snapshot(orders=9)), 5.0) == []


def test_closing_while_balancing_ends_at_once() -> None:
    """There is nothing to give up yet."""
    member = balancing()

    assert done(member.handle(CloseRequested(leave=False), 0.2)) == [Stop()]


# ── assignors and subscriptions that break ─────────────────────────────────────────────────────────────────────


class Broken:
    """An application's own assignor that does what it should not."""

    name = "range"

    def __init__(self, outcome: object) -> None:
        self.outcome = outcome

    def assign(self, partitions, members):
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


@pytest.mark.parametrize(
    ("outcome", "error"),
    [
        (ZeroDivisionError(), ZeroDivisionError),
        (None, InvalidAssignmentError),
        ({MID: [("orders", 7)]}, InvalidAssignmentError),
    ],
    ids=["raises", "nothing", "no such partition"],
)
def test_an_assignor_that_breaks_ends_the_consumer(outcome: object, error: type[BaseException]) -> None:
    """What the application's assignor raises, or what is wrong with its outcome, is the consumer's end."""
    member = idle(STATIC.evolve(assignors=(Broken(outcome),)))
    member.handle(MetadataChanged(snapshot(orders=2)), 0.0)
    member.handle(Started(), 0.0)
    member.handle(CoordinatorFound(VERSIONS), 0.0)

    actions = member.handle(Answered(1, joined(leader=MID, members=[ME])), 0.1)

    assert done(actions) == [FetchMetadata(frozenset({"orders"})), Lose(NOTHING, "failed"), Failed(error)]


def test_a_group_on_an_assignor_that_is_not_ours_ends_its_leader() -> None:
    """A leader cannot balance by rules that it does not know."""
    member = joining()
    member.handle(MetadataChanged(snapshot(orders=2)), 0.0)
    answer = joined(leader=MID, members=[ME])
    answer.protocol_name = "unheard-of"

    actions = member.handle(Answered(1, answer), 0.1)

    assert done(actions)[-1] == Failed(InconsistentGroupProtocolError, "JoinGroup")


def test_a_member_whose_subscription_does_not_parse_ends_the_leader() -> None:
    """It is not guessed at, nor left out in silence."""
    member = joining()
    odd = JoinGroupResponseMember(member_id="odd", metadata=b"\x00")

    assert done(member.handle(Answered(1, joined(leader=MID, members=[ME, odd])), 0.1)) == [
        Lose(NOTHING, "failed"),
        Failed(ProtocolError),
    ]


# ── leadership by itself ───────────────────────────────────────────────────────────────────────────────────────


def leadership(*topics: str) -> Leadership:
    return Leadership([subscribed(MID, *topics, instance_id=INST)], "range", STATIC.assignors)


def test_a_leader_watches_the_topics_of_all_members() -> None:
    """Each topic that any member reads, once."""
    lead = Leadership([subscribed("a", "orders"), subscribed("b", "refunds", "orders")], "range", STATIC.assignors)

    assert lead.topics == {"orders", "refunds"}
    assert not lead.knows_topics(snapshot(orders=1))
    assert lead.knows_topics(snapshot(orders=1, refunds=0, others=5))


def test_a_change_is_told_once() -> None:
    """What was told counts as balanced from then on."""
    lead = leadership("orders", "refunds")
    lead.balance(snapshot(orders=2, refunds=2))

    assert lead.changes(snapshot(orders=2, refunds=2, others=9)) == []
    assert lead.changes(snapshot(orders=4, refunds=1)) == ["orders", "refunds"]
    assert lead.changes(snapshot(orders=4, refunds=1)) == []


def test_a_balance_leaves_out_topics_that_do_not_exist() -> None:
    """An assignor sees only topics that have partitions."""
    lead = leadership("orders", "refunds")

    assert lead.balance(snapshot(orders=4, refunds=0)) == {MID: [O0, O1, O2, O3]}

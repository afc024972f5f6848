"""Cooperative rebalances (KIP-429): a member keeps what it owns while it joins, and gives up what it is not given."""

from __future__ import annotations

import pytest

from kafkastatic._group.assignors import RangeAssignor
from kafkastatic._group.leader import Leadership
from kafkastatic._group.member import (
    Answered,
    Assign,
    AssignFinished,
    CoordinatorFound,
    FetchMetadata,
    FindCoordinator,
    Lose,
    MetadataChanged,
    Report,
    RequestFailed,
    Revoke,
    RevokeFinished,
    Send,
    Started,
    TimerFired,
)
from kafkastatic._group.states import State
from kafkastatic._protocol.consumer_protocol import decode_subscription, encode_subscription
from kafkastatic._protocol.messages.join_group import (
    JoinGroupRequest,
    JoinGroupResponseMember,
)
from kafkastatic.errors import InvalidAssignmentError
from kafkastatic.types import TopicPartition
from tests.group.cooperative_machine import answer, join, owns_less, rejoining, stable, sync, syncing
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
    STATIC,
    VERSIONS,
    CooperativeAssignor,
    Failed,
    beat,
    beaten,
    done,
    error_of,
    idle,
    join_error,
    snapshot,
    subscribed,
    sync_error,
    synced,
)

# ── a rebalance ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_rebalance_takes_nothing_before_the_join() -> None:
    """The member joins with what it owns and its generation (KIP-792), and goes on owning it."""
    member = stable()
    assert member.handle(TimerFired(), 6.0) == [beat(5)]

    assert member.handle(Answered(5, beaten(27)), 6.1) == [
        Report("joining", {"member_id": MID, "reason": "group is rebalancing"}),
        join(6, MINE, reason="group is rebalancing"),
    ]
    assert (member.state, member.membership.assignment) == (State.JOINING, MINE)
    assert done(member.handle(Answered(6, answer(5)), 6.2)) == [sync(7, 5)]
    assert (member.state, member.membership.assignment) == (State.SYNCING, MINE)


def test_what_is_kept_is_not_touched() -> None:
    """An assignment that only adds calls on_assigned with what is new; nothing is revoked, no further join follows."""
    member = syncing()

    assert member.handle(Answered(7, synced(frozenset({O0, O1, O2}))), 6.3) == [
        beat(8, generation=5),
        Report("assigned", {"member_id": MID, "epoch": 5, "partitions": 3, "added": 1}),
        Assign(frozenset({O2}), frozenset({O0, O1, O2})),
    ]
    assert member.handle(AssignFinished(), 6.4) == []
    assert member.state is State.STABLE


def test_what_is_gone_is_given_up_first_and_then_the_member_joins_again_at_once() -> None:
    """Revoke, assign, join: the freed partition gets its new owner in the next generation."""
    member = owns_less()
    assert member.membership.assignment == MINE  # until it is given up, and its last offsets are committed

    assert member.handle(RevokeFinished(), 6.4) == [
        Report("assigned", {"member_id": MID, "epoch": 5, "partitions": 2, "added": 1}),
        Assign(frozenset({O2}), frozenset({O1, O2})),
    ]
    assert member.membership.assignment == {O1, O2}
    assert done(member.handle(AssignFinished(), 6.5)) == [
        join(9, frozenset({O1, O2}), generation=5, reason="partitions were given up")
    ]
    assert done(member.handle(Answered(9, answer(6)), 6.6)) == [sync(10, 6)]
    assert done(member.handle(Answered(10, synced(frozenset({O1, O2}))), 6.7)) == [
        beat(11, generation=6),
        Assign(NOTHING, frozenset({O1, O2})),
    ]
    assert member.handle(AssignFinished(), 6.8) == []


def test_a_member_that_loses_all_its_partitions_to_others_gives_them_up_in_order() -> None:
    """An empty assignment is no loss of the membership."""
    member = syncing()

    assert done(member.handle(Answered(7, synced(NOTHING)), 6.3))[1:] == [Revoke(MINE, deadline=36.3)]
    assert done(member.handle(RevokeFinished(), 6.4)) == [Assign(NOTHING, NOTHING)]
    assert done(member.handle(AssignFinished(), 6.5)) == [
        join(9, NOTHING, generation=5, reason="partitions were given up")
    ]


def test_a_rebalance_during_a_callback_is_joined_when_it_has_ended() -> None:
    """With all that is owned then; while partitions are given up a join follows anyway."""
    member = syncing()
    member.handle(Answered(7, synced(frozenset({O0, O1, O2}))), 6.3)
    assert member.handle(Answered(8, beaten(27)), 6.31) == []
    assert done(member.handle(AssignFinished(), 6.4)) == [
        join(9, frozenset({O0, O1, O2}), generation=5, reason="group is rebalancing")
    ]

    member = owns_less()
    assert member.handle(Answered(8, beaten(27)), 6.31) == []
    assert done(member.handle(RevokeFinished(), 6.4)) == [Assign(frozenset({O2}), frozenset({O1, O2}))]


def test_a_sync_that_is_overtaken_by_the_next_rebalance_keeps_everything() -> None:
    """REBALANCE_IN_PROGRESS means join again, and owned partitions stay owned."""
    member = syncing()

    assert done(member.handle(Answered(7, sync_error(27)), 6.3)) == [
        join(8, MINE, generation=5, reason="SyncGroup answered 27")
    ]


def test_a_join_that_has_to_wait_keeps_everything() -> None:
    """Neither a backoff nor a coordinator that has moved takes a partition."""
    member = rejoining()

    assert member.handle(Answered(6, join_error(14)), 6.2) == []
    assert (member.state, member.membership.assignment) == (State.WAITING, MINE)
    assert done(member.handle(TimerFired(), 6.3)) == [join(7, MINE, reason="group is rebalancing")]
    assert done(member.handle(RequestFailed(7, LOST), 6.4)) == [FindCoordinator(after=0.2)]
    assert (member.state, member.membership.assignment) == (State.FINDING, MINE)
    assert done(member.handle(CoordinatorFound(VERSIONS), 6.9)) == [join(8, MINE, reason="JoinGroup was not answered")]


def test_a_leader_rejoins_for_changed_topics_without_giving_anything_up() -> None:
    """Its new partitions are shared out while the old ones are read."""
    member = idle(COOPERATIVE)
    member.handle(MetadataChanged(snapshot(orders=2)), 0.0)
    member.handle(Started(), 0.0)
    member.handle(CoordinatorFound(VERSIONS), 0.0)
    me = subscribed(MID, "orders", instance_id=INST)
    member.handle(Answered(1, answer(4, leader=MID, members=[me])), 0.1)
    member.handle(Answered(2, synced()), 0.2)
    member.handle(AssignFinished(), 0.3)

    assert done(member.handle(MetadataChanged(snapshot(orders=4)), 1.0)) == [
        join(4, MINE, reason="partitions of orders changed")
    ]
    assert done(member.handle(Answered(4, answer(5, leader=MID, members=[me])), 1.1))[0] == FetchMetadata(
        frozenset({"orders"})
    )


# ── eager, cooperative, both ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "assignors",
    [(RangeAssignor(),), (RangeAssignor(), CooperativeAssignor()), (CooperativeAssignor(), RangeAssignor())],
)
def test_a_member_that_offers_any_eager_assignor_rebalances_eagerly(assignors) -> None:
    """Whatever the group chooses: all its partitions are given up first, and none is told as owned."""
    member = idle(STATIC.evolve(assignors=assignors))
    member.handle(Started(), 0.0)
    member.handle(CoordinatorFound(VERSIONS), 0.0)
    member.handle(Answered(1, answer(4)), 0.1)
    member.handle(Answered(2, synced()), 0.2)
    member.handle(AssignFinished(), 0.2)

    assert done(member.handle(Answered(3, beaten(27)), 0.3)) == [Revoke(MINE, deadline=30.3)]
    (sent,) = done(member.handle(RevokeFinished(), 0.4))
    assert isinstance(sent, Send) and isinstance(sent.request, JoinGroupRequest)
    assert [(p.name, decode_subscription(p.metadata).owned) for p in sent.request.protocols] == [
        (assignor.name, []) for assignor in assignors
    ]


class Telling(CooperativeAssignor):
    """Says what it is asked."""

    def user_data(self, topics, owned, generation):
        return repr((sorted(topics), sorted(owned), generation)).encode()


def test_an_assignor_sends_its_own_data_along() -> None:
    """It is asked with what was assigned last and when, also when that has been given up since."""
    member = idle(STATIC.evolve(assignors=(Telling(), RangeAssignor())))
    member.handle(Started(), 0.0)
    (first,) = done(member.handle(CoordinatorFound(VERSIONS), 0.0))
    member.handle(Answered(1, answer(4)), 0.1)
    member.handle(Answered(2, synced()), 0.2)
    member.handle(AssignFinished(), 0.2)
    member.handle(Answered(3, beaten(27)), 0.3)
    (second,) = done(member.handle(RevokeFinished(), 0.4))

    def said(sent: object) -> list[bytes | None]:
        assert isinstance(sent, Send)
        return [decode_subscription(p.metadata).user_data for p in sent.request.protocols]

    assert said(first) == [repr((["orders"], [], -1)).encode(), None]
    assert said(second) == [repr((["orders"], [O0, O1], 4)).encode(), None]


def test_an_assignor_whose_data_cannot_be_had_ends_the_consumer() -> None:
    """What it raises is the consumer's end."""

    class Raising(CooperativeAssignor):
        def user_data(self, topics, owned, generation):
            raise ZeroDivisionError

    member = idle(STATIC.evolve(assignors=(Raising(),)))
    member.handle(Started(), 0.0)

    assert done(member.handle(CoordinatorFound(VERSIONS), 0.0)) == [
        Lose(NOTHING, "failed"),
        Failed(ZeroDivisionError),
    ]


# ── heartbeats ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_first_heartbeats_of_a_cooperative_generation_come_early() -> None:
    """The next one may be near: after 50 ms, then whenever the generation is twice as old, up to the interval."""
    member = stable()
    sent = [0.2]
    for key in range(5, 14):
        due = member.deadline()
        assert due is not None
        assert done(member.handle(TimerFired(), due)) == [beat(key)]
        assert done(member.handle(Answered(key, beaten()), due)) == []
        sent.append(due)

    ages = [round(at - 0.2, 3) for at in sent]
    assert ages == [0, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.2, 9.2]


# ── what a leader may not do ───────────────────────────────────────────────────────────────────────────────────


class Impatient(CooperativeAssignor):
    """Gives O0 to `new` whoever has it."""

    def assign(self, partitions, members):
        return {"new": [O0], "old": [O1]}


def owning(member_id: str, *owned: TopicPartition, generation: int):
    metadata = encode_subscription(["orders"], None, owned, generation, None)
    return JoinGroupResponseMember(member_id=member_id, metadata=metadata)


def test_a_partition_that_is_taken_from_its_owner_waits_for_the_next_generation() -> None:
    """A cooperative assignor that hands it over at once makes two owners: its outcome is refused."""
    members = [owning("old", O0, O1, generation=4), owning("new", generation=4)]
    lead = Leadership(members, "cooperative", (Impatient(),))

    with pytest.raises(InvalidAssignmentError, match="which old has to give up first") as error:
        lead.balance(snapshot(orders=2))
    assert (error.value.member_id, error.value.topic, error.value.partition) == ("new", "orders", 0)


def test_an_early_handover_ends_the_leader() -> None:
    """Before anything of it reaches the group."""
    member = idle(STATIC.evolve(assignors=(Impatient(),)))
    member.handle(MetadataChanged(snapshot(orders=2)), 0.0)
    member.handle(Started(), 0.0)
    member.handle(CoordinatorFound(VERSIONS), 0.0)
    members = [owning("old", O0, O1, generation=4), owning("new", generation=4)]

    actions = member.handle(Answered(1, answer(5, leader=MID, members=members)), 0.1)

    assert isinstance(error_of(actions), InvalidAssignmentError)
    assert not [action for action in actions if isinstance(action, Send)]

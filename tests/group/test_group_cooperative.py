"""Cooperative rebalances (KIP-429): a member keeps what it owns while it joins, and gives up what it is not given."""

from __future__ import annotations

import pytest

from kafkastatic._group.assignors import RangeAssignor
from kafkastatic._group.leader import Leadership
from kafkastatic._group.member import (
    Answered,
    Assign,
    AssignFinished,
    CloseRequested,
    CommitRejected,
    CoordinatorFound,
    FetchMetadata,
    FindCoordinator,
    Lose,
    LoseFinished,
    MetadataChanged,
    PollExpired,
    Report,
    RequestFailed,
    Revoke,
    RevokeFinished,
    Send,
    Started,
    Stop,
    SubscriptionChanged,
    TimerFired,
)
from kafkastatic._group.states import State
from kafkastatic._protocol.consumer_protocol import decode_subscription, encode_subscription
from kafkastatic._protocol.messages.join_group import (
    JoinGroupRequest,
    JoinGroupRequestProtocol,
    JoinGroupResponseMember,
)
from kafkastatic.errors import FencedInstanceIdError, InvalidAssignmentError
from kafkastatic.types import TopicPartition
from tests.group import machine
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
    joined,
    snapshot,
    subscribed,
    sync_error,
    synced,
    undescribed,
)

R0 = TopicPartition("refunds", 0)


def join(key: int, owned: frozenset[TopicPartition], *, generation: int = 4, reason: str, topics=("orders",)) -> Send:
    """A JoinGroup with the member id, that tells what the member owns."""
    sent = machine.join(key, MID, generation=generation, reason=reason, topics=topics)
    metadata = encode_subscription(topics, None, owned, generation, None)
    sent.request.protocols = [JoinGroupRequestProtocol(name="cooperative", metadata=metadata)]
    return sent


def sync(key: int, generation: int) -> Send:
    sent = machine.sync(key, generation=generation)
    sent.request.protocol_name = "cooperative"
    return sent


def answer(generation: int, **how: object):
    response = joined(generation=generation, **how)
    response.protocol_name = "cooperative"
    return response


def stable(owned: frozenset[TopicPartition] = MINE):
    """Owns partitions in generation 4 since 0.2, when it sent heartbeat 3; the next one is due at 0.25."""
    member = idle(COOPERATIVE)
    member.handle(Started(), 0.0)
    member.handle(CoordinatorFound(VERSIONS), 0.0)
    member.handle(Answered(1, answer(4)), 0.1)
    member.handle(Answered(2, synced(owned)), 0.2)
    member.handle(Answered(3, beaten()), 0.2)
    member.handle(Answered(4, undescribed()), 0.2)
    member.handle(AssignFinished(), 0.2)
    return member


def rejoining():
    """Told at 6.1, by heartbeat 5, that the group rebalances; its JoinGroup 6 was sent then."""
    member = stable()
    member.handle(TimerFired(), 6.0)
    member.handle(Answered(5, beaten(27)), 6.1)
    return member


def syncing():
    """In generation 5 since 6.2, when SyncGroup 7 was sent."""
    member = rejoining()
    member.handle(Answered(6, answer(5)), 6.2)
    return member


def owns_less():
    """Assigned O1 and O2 at 6.3, it gives O0 up; heartbeat 8 was sent."""
    member = syncing()
    assert done(member.handle(Answered(7, synced(frozenset({O1, O2}))), 6.3)) == [
        beat(8, generation=5),
        Revoke(frozenset({O0}), deadline=36.3),
    ]
    return member


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


# ── losing ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("make", "key", "response", "cause"),
    [
        (rejoining, 6, join_error(25), "removed"),
        (syncing, 7, sync_error(25), "removed"),
        (syncing, 7, sync_error(22), "illegal_generation"),
        (owns_less, 8, beaten(22), "illegal_generation"),
        (owns_less, 8, beaten(25), "removed"),
    ],
    ids=["join-25", "sync-25", "sync-22", "heartbeat-22", "heartbeat-25"],
)
def test_a_lost_membership_loses_everything_once(make, key, response, cause) -> None:
    """Kept partitions too: on_lost runs before the next join, which tells of none."""
    member = make()

    assert done(member.handle(Answered(key, response), 6.35)) == [Lose(MINE, cause)]
    assert member.membership.assignment == NOTHING
    assert member.handle(RevokeFinished(), 6.4) == []  # if one was running
    (sent,) = done(member.handle(LoseFinished(), 6.5))
    assert isinstance(sent, Send)
    assert sent.request.member_id == ("" if cause == "removed" else MID)
    assert decode_subscription(sent.request.protocols[0].metadata).owned == []
    assert member.membership.assignment == NOTHING


@pytest.mark.scenario(10, where="machine")
@pytest.mark.parametrize(
    ("make", "key", "response"),
    [(rejoining, 6, join_error(82)), (syncing, 7, sync_error(82)), (owns_less, 8, beaten(82))],
    ids=["join", "sync", "heartbeat"],
)
def test_a_fenced_member_loses_what_it_kept(make, key, response) -> None:
    """Whatever it was doing, its kept partitions are lost with the error, and nothing is sent any more."""
    member = make()

    actions = done(member.handle(Answered(key, response), 6.35))

    assert actions[0] == Lose(MINE, "fenced")
    assert [type(action) for action in actions[1:]] == [Failed]
    assert actions[1].error is FencedInstanceIdError
    assert member.handle(RevokeFinished(), 6.4) == []
    assert member.deadline() is None


@pytest.mark.scenario(30, where="machine")
def test_partitions_kept_through_a_generation_that_was_missed_are_lost() -> None:
    """Its members did not know that they are owned, and may have got them: the next join tells of none."""
    member = rejoining()

    actions = member.handle(Answered(6, answer(6)), 6.2)

    assert actions == [
        Report("lost", {"member_id": MID, "epoch": 4, "cause": "illegal_generation", "inferred": False}),
        Lose(MINE, "illegal_generation"),
    ]
    assert done(member.handle(LoseFinished(), 6.3)) == [
        join(7, NOTHING, generation=4, reason="lost membership: illegal_generation")
    ]


def test_the_epochs_of_a_kip_848_group_are_no_missed_generations() -> None:
    """Its coordinator, which names no leader, knows what is owned; its epochs may jump."""
    member = rejoining()

    assert done(member.handle(Answered(6, answer(9, leader="")), 6.2)) == [sync(7, 9)]
    assert member.membership.assignment == MINE


@pytest.mark.scenario(21, where="machine")
@pytest.mark.parametrize("make", [rejoining, syncing])
def test_a_member_that_holds_a_record_too_long_loses_what_it_kept(make) -> None:
    """During a join as well; it comes back under its member id."""
    member = make()

    assert done(member.handle(PollExpired(("orders", 0, 17), 0.5), 6.3)) == [Lose(MINE, "max_poll_interval_ms")]
    assert done(member.handle(LoseFinished(), 6.4)) == []
    assert member.state is State.PAUSED
    (sent,) = done(member.handle(SubscriptionChanged(frozenset({"orders"})), 7.0))
    assert (sent.request.NAME, sent.request.member_id) == ("JoinGroup", MID)


def test_a_commit_that_is_refused_during_a_join_is_judged_by_the_join() -> None:
    """It says nothing that the JoinGroup's own answer will not."""
    member = rejoining()

    assert member.handle(CommitRejected(22), 6.2) == []


# ── the application ────────────────────────────────────────────────────────────────────────────────────────────


def test_another_subscription_gives_up_only_what_is_not_subscribed_to_any_more() -> None:
    """The rest is kept."""
    member = idle(COOPERATIVE, ("orders", "refunds"))
    member.handle(Started(), 0.0)
    member.handle(CoordinatorFound(VERSIONS), 0.0)
    member.handle(Answered(1, answer(4)), 0.1)
    member.handle(Answered(2, synced(frozenset({O0, R0}))), 0.2)
    member.handle(AssignFinished(), 0.2)

    assert done(member.handle(SubscriptionChanged(frozenset({"orders"})), 1.0)) == [
        Revoke(frozenset({R0}), deadline=31.0)
    ]
    assert done(member.handle(RevokeFinished(), 1.1)) == [join(4, frozenset({O0}), reason="subscription changed")]


def test_another_subscription_during_a_join_gives_up_what_it_names_no_more() -> None:
    """At once: the join is given up for it. One that only adds waits for the join's end."""
    member = rejoining()
    assert done(member.handle(SubscriptionChanged(frozenset({"refunds"})), 6.2)) == [Revoke(MINE, deadline=36.2)]
    assert member.handle(Answered(6, answer(5)), 6.3) == []
    assert done(member.handle(RevokeFinished(), 6.4)) == [
        join(7, NOTHING, topics=["refunds"], reason="subscription changed")
    ]

    member = rejoining()
    assert member.handle(SubscriptionChanged(frozenset({"orders", "refunds"})), 6.2) == []
    member.handle(Answered(6, answer(5)), 6.3)
    member.handle(Answered(7, synced()), 6.4)
    assert done(member.handle(AssignFinished(), 6.5)) == [
        join(9, MINE, generation=5, topics=["orders", "refunds"], reason="subscription changed")
    ]


@pytest.mark.parametrize("way", [["refunds"], [], None], ids=["at once", "by way of nothing", "with what is kept"])
def test_another_subscription_while_some_partitions_are_given_up(way) -> None:
    """What it names no more is given up, too, before anything is owned: else nobody would ever be told of it."""
    member = owns_less()
    topics = ["orders", "refunds"] if way is None else ["refunds"]
    if way == []:
        assert member.handle(SubscriptionChanged(NOTHING), 6.35) == []
    assert member.handle(SubscriptionChanged(frozenset(topics)), 6.36) == []

    if way is None:
        assert done(member.handle(RevokeFinished(), 6.4)) == [Assign(frozenset({O2}), frozenset({O1, O2}))]
        (sent,) = done(member.handle(AssignFinished(), 6.5))
        assert sent == join(9, frozenset({O1, O2}), generation=5, topics=topics, reason="subscription changed")
        return
    assert done(member.handle(RevokeFinished(), 6.4)) == [Revoke(frozenset({O1}), deadline=36.4)]
    assert done(member.handle(RevokeFinished(), 6.5)) == [
        join(9, NOTHING, generation=5, topics=topics, reason="subscription changed")
    ]


@pytest.mark.parametrize("make", [stable, rejoining, syncing])
def test_closing_gives_everything_up_in_order(make) -> None:
    """Kept partitions are drained and committed, also in the middle of a join, which is given up for it."""
    member = make()

    assert done(member.handle(CloseRequested(leave=False), 6.3)) == [Revoke(MINE, deadline=36.3)]
    assert done(member.handle(RevokeFinished(), 6.4)) == [Stop()]


def test_closing_while_some_partitions_are_given_up_gives_up_the_rest_then() -> None:
    """Nothing new is assigned any more."""
    member = owns_less()

    assert member.handle(CloseRequested(leave=False), 6.35) == []
    assert done(member.handle(RevokeFinished(), 6.4)) == [Revoke(frozenset({O1}), deadline=36.4)]
    assert done(member.handle(RevokeFinished(), 6.5)) == [Stop()]


@pytest.mark.scenario(21, where="machine")
def test_unsubscribing_gives_everything_up_and_falls_silent() -> None:
    """A static member keeps its member id, and comes back with it."""
    member = rejoining()

    assert done(member.handle(SubscriptionChanged(frozenset()), 6.2)) == [Revoke(MINE, deadline=36.2)]
    assert done(member.handle(RevokeFinished(), 6.3)) == []
    assert (member.state, member.deadline()) == (State.PAUSED, None)
    (sent,) = done(member.handle(SubscriptionChanged(frozenset({"orders"})), 9.0))
    assert sent.request.member_id == MID


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

"""Cooperative members (KIP-429) that lose what they kept, or whose application wants something else."""

from __future__ import annotations

import pytest

from kafkastatic._group.member import (
    Answered,
    Assign,
    AssignFinished,
    CloseRequested,
    CommitRejected,
    CoordinatorFound,
    Lose,
    LoseFinished,
    PollExpired,
    Report,
    Revoke,
    RevokeFinished,
    Send,
    Started,
    Stop,
    SubscriptionChanged,
)
from kafkastatic._group.states import State
from kafkastatic._protocol.consumer_protocol import decode_subscription
from kafkastatic.errors import FencedInstanceIdError
from tests.group.cooperative_machine import R0, answer, join, owns_less, rejoining, stable, sync, syncing
from tests.group.machine import (
    COOPERATIVE,
    MID,
    MINE,
    NOTHING,
    O0,
    O1,
    O2,
    VERSIONS,
    Failed,
    beaten,
    done,
    idle,
    join_error,
    sync_error,
    synced,
)

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

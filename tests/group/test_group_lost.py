"""Out of the group by the coordinator's doing: partitions are lost, and the member comes back by itself."""

from __future__ import annotations

import pytest

from kafkastatic._group import commits
from kafkastatic._group.member import (
    Answered,
    Assign,
    AssignFinished,
    CommitRejected,
    CoordinatorFound,
    FindCoordinator,
    Lose,
    LoseFinished,
    Report,
    RequestFailed,
    Revoke,
    RevokeFinished,
    TimerFired,
)
from kafkastatic._group.states import State
from kafkastatic._protocol.messages.offset_commit import (
    OffsetCommitResponse,
    OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
)
from kafkastatic.errors import BrokerError
from kafkastatic.types import Membership
from tests.group.machine import (
    GROUP,
    INST,
    LOST,
    MID,
    MINE,
    NOTHING,
    VERSIONS,
    Failed,
    assigning,
    beat,
    beat_again,
    beaten,
    done,
    join,
    join_error,
    joined,
    losing,
    rejoining,
    revoking,
    stable,
    sync,
    sync_error,
    synced,
    syncing,
)


@pytest.mark.scenario(17, where="machine")
def test_an_expired_session_is_lost_and_joined_again() -> None:
    """A heartbeat that is not known any more: on_lost, a join under the instance id alone, on_assigned."""
    member = stable()
    beat_again(member)

    assert member.handle(Answered(5, beaten(25)), 99.0) == [
        Report("lost", {"member_id": "billing-0-a", "epoch": 4, "cause": "unknown_member_id", "inferred": False}),
        Lose(MINE, "unknown_member_id"),
    ]
    assert member.membership.assignment == NOTHING
    assert done(member.handle(LoseFinished(), 99.1)) == [
        join(6, generation=4, reason="lost membership: unknown_member_id")
    ]
    assert done(member.handle(Answered(6, joined("billing-0-b", 7)), 99.2)) == [sync(7, "billing-0-b", 7)]
    assert done(member.handle(Answered(7, synced()), 99.3)) == [beat(8, "billing-0-b", 7), Assign(MINE, MINE)]


@pytest.mark.scenario(18, where="machine")
@pytest.mark.scenario(30, where="machine")
def test_a_missed_generation_is_joined_with_the_member_id_kept() -> None:
    """A heartbeat of an old generation: on_lost once, and one join with the member id that we have."""
    member = stable()
    beat_again(member)

    assert done(member.handle(Answered(5, beaten(22)), 3.3)) == [Lose(MINE, "illegal_generation")]
    assert member.membership == Membership(GROUP, INST, MID, -1, NOTHING)
    assert member.handle(CommitRejected(22), 3.3) == []
    assert done(member.handle(LoseFinished(), 3.4)) == [
        join(6, MID, generation=4, reason="lost membership: illegal_generation")
    ]
    assert done(member.handle(Answered(6, joined(generation=6)), 3.5)) == [sync(7, generation=6)]


@pytest.mark.scenario(30, where="machine")
def test_a_commit_of_a_missed_generation_is_rejected_and_loses_the_membership() -> None:
    """If the commit tells it first, the partitions are lost as if the heartbeat had."""
    member = stable()
    entry = OffsetCommitResponsePartition(partition_index=0, error_code=22)
    answer = OffsetCommitResponse(topics=[OffsetCommitResponseTopic(name="orders", partitions=[entry])])

    outcome = commits.classify(answer)

    assert (outcome.verdict, outcome.code) == (commits.Verdict.REJECTED, 22)
    assert done(member.handle(CommitRejected(22), 1.0)) == [Lose(MINE, "illegal_generation")]
    assert member.membership.member_id == MID


@pytest.mark.scenario(23, where="machine")
def test_a_member_that_an_administrator_removed_joins_again() -> None:
    """Removal is no ban: on_lost, and a join under the instance id."""
    member = stable()
    beat_again(member)

    assert member.handle(Answered(5, beaten(25)), 45.1) == [
        Report("lost", {"member_id": MID, "epoch": 4, "cause": "removed", "inferred": True}),
        Lose(MINE, "removed"),
    ]
    assert done(member.handle(LoseFinished(), 45.2)) == [join(6, generation=4, reason="lost membership: removed")]


@pytest.mark.scenario(17, where="machine")
def test_a_session_that_may_have_expired_is_no_removal() -> None:
    """It counts from when the last good heartbeat was sent: its answer may lie about while the loop does not run."""
    member = assigning()  # heartbeat 3 was sent at 0.2
    member.handle(Answered(3, beaten()), 45.2)
    member.handle(AssignFinished(), 45.2)
    member.handle(TimerFired(), 45.2)

    assert done(member.handle(Answered(5, beaten(25)), 45.2)) == [Lose(MINE, "unknown_member_id")]


@pytest.mark.parametrize(("code", "member_id"), [(22, MID), (25, ""), (27, MID)])
def test_a_sync_that_comes_too_late_joins_again(code: int, member_id: str) -> None:
    """The group went on without us during the sync: a new join at once; nothing was owned, so nothing is lost."""
    member = syncing()

    assert done(member.handle(Answered(2, sync_error(code)), 0.5)) == [
        join(3, member_id, generation=4, reason=f"SyncGroup answered {code}")
    ]


@pytest.mark.scenario(28, where="machine")
def test_a_coordinator_that_was_gone_for_too_long_costs_the_membership_once() -> None:
    """The session passes without a coordinator: that is reported; what the coordinator says later decides."""
    member = stable()
    beat_again(member)
    assert done(member.handle(RequestFailed(5, LOST), 10.0)) == [FindCoordinator(after=0.1)]
    assert member.deadline() == 45.3

    assert member.handle(TimerFired(), 45.3) == [Report("session_timeout_passed", {"member_id": MID, "epoch": 4})]
    assert member.deadline() is None
    assert member.handle(CoordinatorFound(VERSIONS), 60.0) == [beat(6)]
    assert done(member.handle(Answered(6, beaten(25)), 60.1)) == [Lose(MINE, "unknown_member_id")]
    assert done(member.handle(LoseFinished(), 60.2)) == [
        join(7, generation=4, reason="lost membership: unknown_member_id")
    ]


@pytest.mark.scenario(39, where="machine")
def test_a_commit_that_is_not_known_asks_the_heartbeat() -> None:
    """A group that moved to KIP-848 answers so to a fenced classic member; a blind join would turn the group back."""
    member = stable()

    assert member.handle(CommitRejected(25), 1.0) == [beat(5)]
    assert member.handle(CommitRejected(25), 1.1) == []
    assert done(member.handle(Answered(5, beaten(82)), 1.2))[0] == Lose(MINE, "fenced")


@pytest.mark.scenario(39, where="machine")
def test_a_group_that_is_no_classic_one_any_more_ends_the_consumer() -> None:
    """GROUP_ID_NOT_FOUND of a heartbeat is terminal, and no reason to join."""
    member = stable()
    beat_again(member)

    assert done(member.handle(Answered(5, beaten(69)), 3.3)) == [Lose(MINE, "failed"), Failed(BrokerError, "Heartbeat")]


def test_a_commit_during_a_rebalance_asks_the_heartbeat_too() -> None:
    """REBALANCE_IN_PROGRESS of a commit: the heartbeat says what to do."""
    member = stable()

    assert member.handle(CommitRejected(27), 1.0) == [beat(5)]


@pytest.mark.parametrize("code", [22, 25, 27, 82])
def test_a_commit_that_is_rejected_outside_the_group_changes_nothing(code: int) -> None:
    """The member knows better already: what it sends next is answered for itself."""
    for make in (syncing, rejoining, losing):
        member = make()
        state = member.state

        assert member.handle(CommitRejected(code), 4.0) == []
        assert member.state is state


# ── rebalances ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_rebalance_revokes_and_joins_again() -> None:
    """Partitions are given up in order, then the member joins with the member id and the generation it was in."""
    member = stable()
    beat_again(member)

    assert member.handle(Answered(5, beaten(27)), 3.3) == [
        Report("revoking", {"member_id": MID, "epoch": 4, "partitions": 2, "reason": "group is rebalancing"}),
        Revoke(MINE, deadline=33.3),
    ]
    assert member.membership.assignment == MINE
    assert done(member.handle(RevokeFinished(), 3.4)) == [join(6, MID, generation=4, reason="group is rebalancing")]
    assert member.membership.assignment == NOTHING


def test_heartbeats_go_on_while_partitions_are_given_up() -> None:
    """A slow drain does not cost the membership, and a second notice of the same rebalance changes nothing."""
    member = revoking()

    assert done(member.handle(TimerFired(), 6.2)) == [beat(6)]
    assert member.handle(Answered(6, beaten(27)), 6.3) == []
    assert member.state is State.REVOKING


def test_a_rebalance_without_partitions_joins_at_once() -> None:
    """Who owns nothing has nothing to give up."""
    member = syncing()
    member.handle(Answered(2, synced(NOTHING)), 0.2)
    member.handle(AssignFinished(), 0.3)

    assert done(member.handle(Answered(3, beaten(27)), 0.4)) == [
        join(4, MID, generation=4, reason="group is rebalancing")
    ]


def test_a_rebalance_during_on_assigned_waits_for_it() -> None:
    """Callbacks do not overlap: the partitions are given up when on_partitions_assigned is done."""
    member = assigning()

    assert member.handle(Answered(3, beaten(27)), 0.3) == []
    assert done(member.handle(AssignFinished(), 0.9)) == [Revoke(MINE, deadline=30.9)]


@pytest.mark.parametrize(
    ("make", "key", "now", "late"),
    [(assigning, 3, 0.3, AssignFinished()), (revoking, 6, 6.3, RevokeFinished())],
    ids=["assigning", "revoking"],
)
def test_a_membership_lost_during_a_callback_waits_for_on_lost_only(make, key, now, late) -> None:
    """The end of the callback that ran says nothing any more; the end of on_lost does."""
    member = make()
    if key == 6:
        member.handle(TimerFired(), 6.2)

    assert done(member.handle(Answered(key, beaten(22)), now)) == [Lose(MINE, "illegal_generation")]
    assert member.handle(late, now) == []
    assert done(member.handle(LoseFinished(), now)) == [
        join(key + 1, MID, generation=4, reason="lost membership: illegal_generation")
    ]


# ── callbacks that raise ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("make", "event", "gone"),
    [(assigning, AssignFinished, MINE), (revoking, RevokeFinished, MINE), (losing, LoseFinished, NOTHING)],
    ids=["on_assigned", "on_revoked", "on_lost"],
)
def test_a_callback_that_raises_ends_the_consumer_with_what_it_raised(make, event, gone) -> None:
    """The application's own error comes out as it is; what is owned is lost."""
    member = make()
    boom = ValueError("boom")

    actions = member.handle(event(boom), 5.0)

    assert done(actions) == [Lose(gone, "failed"), Failed(ValueError)]
    assert member.deadline() is None


def test_a_known_member_that_was_removed_while_its_join_was_parked_joins_anew() -> None:
    """The parked JoinGroup is answered with UNKNOWN_MEMBER_ID: that is told, one more goes without the member id."""
    member = rejoining()

    assert member.handle(Answered(6, join_error(25)), 3.5) == [
        Report("lost", {"member_id": MID, "epoch": 4, "cause": "removed", "inferred": True}),
        Lose(NOTHING, "removed"),
    ]
    assert done(member.handle(LoseFinished(), 3.6)) == [join(7, generation=4, reason="lost membership: removed")]

"""The coordinator moves, loads, or cannot be reached: the membership survives what it can."""

from __future__ import annotations

import pytest

from kafkastatic._group.member import (
    Answered,
    AssignFinished,
    CoordinatorForgotten,
    CoordinatorFound,
    FindCoordinator,
    Lose,
    LoseFinished,
    Report,
    RequestFailed,
    Revoke,
    RevokeFinished,
    Stop,
    SubscriptionChanged,
    TimerFired,
)
from kafkastatic._group.states import IN_GROUP, State
from kafkastatic.errors import (
    FencedInstanceIdError,
    GroupAuthorizationFailedError,
    KafkaTimeoutError,
    ProtocolError,
    UnsupportedVersionError,
)
from tests.group.machine import (
    EVERYWHERE,
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
    error_of,
    join,
    join_error,
    joined,
    joining,
    leaving,
    left,
    proof,
    rejoining,
    revoking,
    stable,
    sync,
    sync_error,
    synced,
    syncing,
)


@pytest.mark.scenario(27, where="machine")
def test_a_restarted_broker_costs_nothing() -> None:
    """NOT_COORDINATOR, a lookup, a heartbeat and a proof: same member id, same generation, no callback."""
    member = stable()
    beat_again(member)

    assert member.handle(Answered(5, beaten(16)), 3.3) == [
        Report("coordinator_lost", {"code": 16}),
        FindCoordinator(after=0.1),
    ]
    assert member.handle(CoordinatorFound(VERSIONS), 9.0) == [beat(6)]
    assert member.handle(Answered(6, beaten()), 9.1) == [proof(7)]
    assert member.handle(Answered(7, synced()), 9.2) == [Report("membership_confirmed", {"member_id": MID, "epoch": 4})]
    assert (member.state, member.membership.epoch, member.membership.member_id) == (State.STABLE, 4, MID)
    assert member.deadline() == 12.0
    assert done(member.handle(TimerFired(), 12.0)) == [beat(8)]
    assert member.handle(Answered(8, beaten()), 12.1) == []


def found_again():
    """Its coordinator was lost to heartbeat 5 and found at 9.0; heartbeat 6 was answered NONE, proof 7 is asked for."""
    member = stable()
    beat_again(member)
    member.handle(Answered(5, beaten(16)), 3.3)
    member.handle(CoordinatorFound(VERSIONS), 9.0)
    assert member.handle(Answered(6, beaten()), 9.1) == [proof(7)]
    return member


@pytest.mark.scenario(27, where="machine")
def test_good_heartbeats_of_a_loading_coordinator_prove_nothing() -> None:
    """It answers NONE to anybody: the session is not prolonged before a SyncGroup is answered well."""
    member = found_again()

    assert member.handle(Answered(7, sync_error(14)), 9.2) == []
    assert member.handle(TimerFired(), 12.0) == [beat(8)]
    assert member.handle(Answered(8, beaten()), 12.1) == [proof(9)]
    assert member.handle(TimerFired(), 45.3) == [
        Report("session_timeout_passed", {"member_id": MID, "epoch": 4}),
        beat(10),
    ]
    assert member.handle(Answered(10, beaten()), 45.4) == []  # proof 9 is still asked for
    assert member.handle(Answered(9, synced()), 45.5) == [
        Report("membership_confirmed", {"member_id": MID, "epoch": 4})
    ]
    assert member.handle(TimerFired(), 48.3) == [beat(11)]
    assert member.deadline() == 90.5


@pytest.mark.scenario(28, where="machine")
@pytest.mark.parametrize(
    ("code", "then"),
    [
        (22, [Lose(MINE, "illegal_generation")]),
        (25, [Lose(MINE, "removed")]),
        (16, [FindCoordinator(after=0.2)]),
        (7, [FindCoordinator(after=0.2)]),
        (82, [Lose(MINE, "fenced"), Failed(FencedInstanceIdError, "SyncGroup")]),
        (30, [Lose(MINE, "failed"), Failed(GroupAuthorizationFailedError, "SyncGroup")]),
    ],
)
def test_a_proof_that_is_refused_says_what_a_heartbeat_would(code: int, then: list[object]) -> None:
    """The member was lost, replaced or moved while its coordinator was away."""
    member = found_again()

    assert done(member.handle(Answered(7, sync_error(code)), 9.2)) == then


@pytest.mark.scenario(27, where="machine")
def test_a_proof_that_is_told_of_a_rebalance_leaves_it_to_the_next_heartbeat() -> None:
    """3.9 answers SyncGroup so while it loads, too: to rejoin for that would be the only rebalance that there is."""
    member = found_again()

    assert member.handle(Answered(7, sync_error(27)), 9.2) == []
    assert member.handle(TimerFired(), 12.0) == [beat(8)]
    assert member.handle(Answered(8, beaten()), 12.1) == [proof(9)]
    confirmed = Report("membership_confirmed", {"member_id": MID, "epoch": 4})
    assert member.handle(Answered(9, synced()), 12.2) == [confirmed]


@pytest.mark.scenario(27, where="machine")
def test_a_rebalance_of_which_a_proof_is_told_is_joined_when_a_heartbeat_says_so_too() -> None:
    """That one is not answered so by a coordinator that loads."""
    member = found_again()

    assert member.handle(Answered(7, sync_error(27)), 9.2) == []
    assert member.handle(TimerFired(), 12.0) == [beat(8)]
    assert done(member.handle(Answered(8, beaten(27)), 12.1)) == [Revoke(MINE, deadline=42.1)]


def test_a_proof_without_an_answer_looks_for_the_coordinator() -> None:
    """What was asked of the one that is gone is of no account, and the next one is asked anew."""
    member = found_again()

    assert done(member.handle(RequestFailed(7, LOST), 9.2)) == [FindCoordinator(after=0.2)]
    assert member.handle(CoordinatorFound(VERSIONS), 9.5) == [beat(8)]
    assert member.handle(Answered(8, beaten()), 9.6) == [proof(9)]
    assert done(member.handle(TimerFired(), 12.5)) == [beat(10)]
    assert done(member.handle(RequestFailed(10, LOST), 12.6)) == [FindCoordinator(after=0.4)]
    assert member.handle(Answered(9, synced()), 12.7) == []


def test_a_member_that_joins_anew_needs_no_proof() -> None:
    """SyncGroup has been answered since the coordinator was lost."""
    member = found_again()
    member.handle(Answered(7, sync_error(22)), 9.2)
    member.handle(LoseFinished(), 9.3)
    member.handle(Answered(8, joined(generation=5)), 9.4)
    member.handle(Answered(9, synced()), 9.5)

    assert member.handle(Answered(10, beaten()), 9.6) == []


@pytest.mark.scenario(27, where="machine")
def test_a_loading_coordinator_is_asked_again() -> None:
    """COORDINATOR_LOAD_IN_PROGRESS of a JoinGroup or a SyncGroup repeats that request, identity unchanged."""
    member = rejoining()

    assert member.handle(Answered(6, join_error(14)), 4.0) == []
    assert member.deadline() == 4.1
    assert done(member.handle(TimerFired(), 4.1)) == [join(7, MID, generation=4, reason="group is rebalancing")]
    assert done(member.handle(Answered(7, joined(generation=5)), 4.2)) == [sync(8, generation=5)]
    assert member.handle(Answered(8, sync_error(14)), 4.5) == []
    assert member.deadline() == 4.6
    assert member.handle(TimerFired(), 4.6) == [sync(9, generation=5)]


@pytest.mark.scenario(27, where="machine")
def test_a_heartbeat_that_meets_a_loading_coordinator_proves_nothing() -> None:
    """It neither prolongs the session nor loses the membership; the next one is due as ever."""
    member = stable()
    beat_again(member)

    assert member.handle(Answered(5, beaten(14)), 3.3) == []
    assert member.deadline() == 6.2
    assert done(member.handle(TimerFired(), 6.2)) == [beat(6)]
    assert member.handle(TimerFired(), 45.3) == [Report("session_timeout_passed", {"member_id": MID, "epoch": 4})]


def test_a_sync_that_cannot_be_served_just_now_is_repeated() -> None:
    """So does any other code that Kafka calls retriable."""
    member = syncing()

    assert member.handle(Answered(2, sync_error(7)), 1.0) == []
    assert member.deadline() == 1.1
    assert member.handle(TimerFired(), 1.1) == [sync(3)]
    member.handle(Answered(3, synced()), 1.2)
    assert done(member.handle(RequestFailed(4, LOST), 1.3)) == [FindCoordinator(after=0.1)]


@pytest.mark.parametrize("code", [15, 16])
def test_a_join_to_the_wrong_broker_looks_for_the_right_one(code: int) -> None:
    """The same join goes to whichever broker coordinates the group now."""
    member = joining()

    assert done(member.handle(Answered(1, join_error(code)), 0.1)) == [FindCoordinator(after=0.1)]
    assert member.deadline() is None
    assert done(member.handle(CoordinatorFound(VERSIONS), 0.3)) == [join(2, reason="first join")]


@pytest.mark.parametrize("code", [15, 16])
def test_a_sync_to_the_wrong_broker_joins_again_at_the_right_one(code: int) -> None:
    """The member id is kept; the group is joined anew there."""
    member = syncing()

    assert done(member.handle(Answered(2, sync_error(code)), 0.2)) == [FindCoordinator(after=0.1)]
    assert done(member.handle(CoordinatorFound(VERSIONS), 0.4)) == [
        join(3, MID, generation=4, reason=f"SyncGroup answered {code}")
    ]


@pytest.mark.parametrize("code", [15, 16, 7])
@pytest.mark.parametrize(
    ("make", "key", "end"),
    [(assigning, 3, AssignFinished()), (revoking, 6, RevokeFinished())],
    ids=["assigning", "revoking"],
)
def test_a_coordinator_lost_during_a_callback_is_looked_for_meanwhile(code: int, make, key, end) -> None:
    """The callback goes on, and so do the heartbeats once the coordinator is found."""
    member = make()
    if key == 6:
        member.handle(TimerFired(), 6.2)
    state = member.state

    assert done(member.handle(Answered(key, beaten(code)), 6.3)) == [FindCoordinator(after=0.1)]
    assert member.state is state
    assert done(member.handle(CoordinatorFound(VERSIONS), 6.5)) == [beat(key + 1)]


def test_a_revoke_that_ends_without_a_coordinator_joins_when_it_is_found() -> None:
    """It is looked for once, whoever noticed that it is gone."""
    member = revoking()
    member.handle(TimerFired(), 6.2)
    member.handle(RequestFailed(6, LOST), 6.3)

    assert member.handle(RevokeFinished(), 6.4) == []
    assert member.state is State.FINDING
    assert done(member.handle(CoordinatorFound(VERSIONS), 7.0)) == [
        join(7, MID, generation=4, reason="group is rebalancing")
    ]


@pytest.mark.parametrize("error", [LOST, KafkaTimeoutError("late")], ids=["lost", "late"])
@pytest.mark.parametrize(
    ("make", "key", "then"),
    [
        (joining, 1, join(2, reason="JoinGroup was not answered")),
        (rejoining, 6, join(7, MID, generation=4, reason="JoinGroup was not answered")),
        (syncing, 2, join(3, MID, generation=4, reason="SyncGroup was not answered")),
        (assigning, 3, beat(4)),
    ],
    ids=["first join", "rejoin", "sync", "heartbeat"],
)
def test_a_request_without_an_answer_looks_for_the_coordinator(error, make, key, then) -> None:
    """What follows once it is found: the join again, or the next heartbeat."""
    member = make()

    actions = member.handle(RequestFailed(key, error), 5.0)

    assert actions[0].event == "coordinator_lost"
    assert done(actions) == [FindCoordinator(after=0.1)]
    assert done(member.handle(CoordinatorFound(VERSIONS), 6.0)) == [then]


@pytest.mark.parametrize("error", [LOST, ProtocolError("no answer"), KafkaTimeoutError("late")])
def test_a_leave_without_an_answer_ends_in_order(error) -> None:
    """Closing fails for nothing that happens to its LeaveGroup."""
    member = leaving()

    assert done(member.handle(RequestFailed(5, error), 2.0)) == [Stop()]


@pytest.mark.parametrize("error", [ProtocolError("no answer"), UnsupportedVersionError(api="Heartbeat")])
def test_a_request_that_can_never_be_answered_ends_the_consumer(error) -> None:
    """Bytes that are no answer, or a version that is not spoken, are no passing trouble."""
    member = stable()
    beat_again(member)

    actions = member.handle(RequestFailed(5, error), 3.3)

    assert done(actions) == [Lose(MINE, "failed"), Failed(type(error), getattr(error, "api", None))]
    assert error_of(actions) is error


def test_an_answer_that_does_not_parse_ends_the_consumer() -> None:
    """An assignment that is no assignment is not guessed at."""
    member = syncing()
    answer = synced()
    answer.assignment = b"\x00"

    assert done(member.handle(Answered(2, answer), 0.2)) == [Lose(NOTHING, "failed"), Failed(ProtocolError)]


def test_answers_to_requests_that_are_not_ours_change_nothing() -> None:
    """In no state does an answer, or a failure, under an unknown key do anything."""
    for state, make in EVERYWHERE.items():
        member = make()
        deadline = member.deadline()

        assert member.handle(Answered(99, left(82)), 0.0) == []
        assert member.handle(RequestFailed(99, ProtocolError("no answer")), 0.0) == []
        assert (member.state, member.deadline()) == (state, deadline)


def test_a_coordinator_that_is_found_again_starts_no_second_heartbeat() -> None:
    """Once it was found, the heartbeat that is under way is waited for."""
    member = stable()
    beat_again(member)
    member.handle(RequestFailed(5, LOST), 4.0)

    assert member.handle(CoordinatorFound(VERSIONS), 4.2) == [beat(6)]
    assert member.handle(TimerFired(), 7.2) == []
    assert member.deadline() == 45.3


def test_failures_of_the_coordinator_are_retried_more_and_more_slowly() -> None:
    """The backoff grows until something succeeds that proves the membership."""
    member = stable()
    beat_again(member)

    assert done(member.handle(RequestFailed(5, LOST), 4.0)) == [FindCoordinator(after=0.1)]
    member.handle(CoordinatorFound(VERSIONS), 4.2)
    assert done(member.handle(RequestFailed(6, LOST), 4.3)) == [FindCoordinator(after=0.2)]
    member.handle(CoordinatorFound(VERSIONS), 4.6)
    member.handle(Answered(7, beaten()), 4.7)
    member.handle(Answered(8, synced()), 4.8)
    member.handle(TimerFired(), 7.6)
    assert done(member.handle(RequestFailed(9, LOST), 7.7)) == [FindCoordinator(after=0.1)]


def test_a_rebalance_of_who_owns_nothing_waits_for_the_coordinator() -> None:
    """Without partitions and without a coordinator there is only the lookup to wait for."""
    member = syncing()
    member.handle(Answered(2, synced(NOTHING)), 0.2)
    member.handle(RequestFailed(3, LOST), 0.3)
    member.handle(AssignFinished(), 0.4)

    assert member.handle(SubscriptionChanged(frozenset({"refunds"})), 0.5) == []
    assert member.state is State.FINDING
    assert done(member.handle(CoordinatorFound(VERSIONS), 0.6)) == [
        join(4, MID, generation=4, topics=["refunds"], reason="subscription changed")
    ]


# ── noticed by another request ─────────────────────────────────────────────────────────────────────────────────

NOTICED = Report("coordinator_lost", {"api": "another request"})


@pytest.mark.scenario(27, where="machine")
def test_a_coordinator_that_another_request_lost_has_to_confirm_the_membership_too() -> None:
    """As if a heartbeat had been told that it is none: a lookup, a heartbeat, a proof."""
    member = stable()

    assert member.handle(CoordinatorForgotten(), 2.0) == [NOTICED, FindCoordinator()]
    assert member.handle(TimerFired(), 3.2) == []
    assert member.handle(CoordinatorFound(VERSIONS), 4.0) == [beat(5)]
    assert member.handle(Answered(5, beaten()), 4.1) == [proof(6)]
    assert member.handle(Answered(6, synced()), 4.2) == [Report("membership_confirmed", {"member_id": MID, "epoch": 4})]
    assert member.deadline() == 7.0


def test_a_lost_coordinator_is_looked_up_once_whoever_notices() -> None:
    """While it is looked for, nobody's notice is news."""
    member = stable()
    beat_again(member)

    assert member.handle(RequestFailed(5, LOST), 4.0) == [
        Report("coordinator_lost", {"api": "Heartbeat", "error": str(LOST)}),
        FindCoordinator(after=0.1),
    ]
    assert member.handle(CoordinatorForgotten(), 4.1) == []
    assert member.handle(CoordinatorFound(VERSIONS), 4.2) == [beat(6)]
    assert member.handle(CoordinatorForgotten(), 4.3) == [NOTICED, FindCoordinator()]


@pytest.mark.parametrize("late", [beaten(), beaten(16), beaten(27), RequestFailed(4, LOST)])
def test_a_heartbeat_to_a_coordinator_that_was_lost_meanwhile_says_nothing(late) -> None:
    """Whatever becomes of it, before its successor is found or after; the next one asks that."""
    for found_first in (False, True):
        member = stable()
        beat_again(member)
        event = late if isinstance(late, RequestFailed) else Answered(5, late)
        member.handle(CoordinatorForgotten(), 4.0)

        if not found_first:
            assert member.handle(event, 4.1) == []
        assert member.handle(CoordinatorFound(VERSIONS), 4.2) == [beat(6)]
        assert member.handle(event, 4.3) == []
        assert member.handle(Answered(6, beaten()), 4.4) == [proof(7)]


def test_a_coordinator_lost_outside_the_group_changes_nothing() -> None:
    """Who joins is judged by whichever coordinator it joins at."""
    for state, make in EVERYWHERE.items():
        if state not in IN_GROUP:
            member = make()
            deadline = member.deadline()

            assert member.handle(CoordinatorForgotten(), 0.0) == []
            assert (member.state, member.deadline()) == (state, deadline)

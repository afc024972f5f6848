"""The application's side: it subscribes to something else, is slow, comes back, and closes."""

from __future__ import annotations

import pytest

from kafkastatic._group.member import (
    Answered,
    AssignFinished,
    CloseRequested,
    CoordinatorFound,
    FindCoordinator,
    Lose,
    LoseFinished,
    PollExpired,
    PollResumed,
    Report,
    RequestFailed,
    Revoke,
    RevokeFinished,
    Started,
    Stop,
    SubscriptionChanged,
    TimerFired,
)
from kafkastatic._group.states import IN_GROUP, OVER, State
from tests.group.machine import (
    DYNAMIC_MID,
    EVERYWHERE,
    LOST,
    MID,
    MINE,
    VERSIONS,
    assigning,
    balancing,
    done,
    dynamic,
    expired,
    finding,
    idle,
    join,
    join_error,
    joined,
    joining,
    leave,
    leaving,
    left,
    losing,
    paused,
    rejoining,
    reports,
    revoking,
    stable,
    sync_error,
    synced,
    syncing,
    waiting,
)

TO_REFUNDS = SubscriptionChanged(frozenset({"refunds"}))
TO_NOTHING = SubscriptionChanged(frozenset())
TO_ORDERS = SubscriptionChanged(frozenset({"orders"}))
OUT = (finding, waiting, joining, balancing, syncing)
"""Not in the group yet."""

# ── subscription ───────────────────────────────────────────────────────────────────────────────────────────────


def test_another_subscription_gives_up_what_is_owned_and_joins_with_it() -> None:
    """A stable member revokes, then joins with the new topics."""
    member = stable()

    assert done(member.handle(TO_REFUNDS, 1.0)) == [Revoke(MINE, deadline=31.0)]
    assert done(member.handle(RevokeFinished(), 1.1)) == [
        join(5, MID, generation=4, topics=["refunds"], reason="subscription changed")
    ]


def test_the_same_subscription_changes_nothing() -> None:
    """To subscribe to what one reads already is no reason for a rebalance, in any state."""
    for state, make in EVERYWHERE.items():
        if state is State.PAUSED:
            continue
        member = make()

        assert member.handle(TO_ORDERS, 4.0) == []
        assert member.state is state


@pytest.mark.parametrize(
    ("make", "then", "sent"),
    [
        (idle, Started(), FindCoordinator()),
        (finding, CoordinatorFound(VERSIONS), join(1, topics=["refunds"], reason="subscription changed")),
        (waiting, TimerFired(), join(2, topics=["refunds"], reason="subscription changed")),
        (losing, LoseFinished(), join(6, MID, generation=4, topics=["refunds"], reason="subscription changed")),
        (revoking, RevokeFinished(), join(6, MID, generation=4, topics=["refunds"], reason="subscription changed")),
    ],
    ids=["idle", "finding", "waiting", "losing", "revoking"],
)
def test_another_subscription_before_the_next_join_goes_out_with_it(make, then, sent) -> None:
    """Where a join follows anyway, it carries the new topics, and no second one follows it."""
    member = make()

    assert member.handle(TO_REFUNDS, 4.0) == []
    assert done(member.handle(then, 4.1)) == [sent]


@pytest.mark.parametrize(
    ("make", "events", "key"),
    [(joining, [Answered(1, joined()), Answered(2, synced())], 3), (syncing, [Answered(2, synced())], 3)],
    ids=["joining", "syncing"],
)
def test_another_subscription_during_a_join_joins_once_more(make, events, key) -> None:
    """The join under way is not abandoned: when it has ended a second one follows, and nothing was owned meanwhile."""
    member = make()

    assert member.handle(TO_REFUNDS, 0.2) == []
    for event in events[:-1]:
        member.handle(event, 0.3)
    assert done(member.handle(events[-1], 0.4)) == [
        join(key, MID, generation=4, topics=["refunds"], reason="subscription changed")
    ]


def test_another_subscription_during_on_assigned_joins_once_more() -> None:
    """The callback ends first."""
    member = assigning()

    assert member.handle(TO_REFUNDS, 0.2) == []
    assert done(member.handle(AssignFinished(), 0.4)) == [Revoke(MINE, deadline=30.4)]
    assert done(member.handle(RevokeFinished(), 0.5)) == [
        join(4, MID, generation=4, topics=["refunds"], reason="subscription changed")
    ]


@pytest.mark.scenario(21, where="machine")
def test_a_static_member_that_unsubscribes_keeps_its_member_id() -> None:
    """It sends no LeaveGroup and no heartbeat, and comes back under the member id that it had."""
    member = stable()

    assert done(member.handle(TO_NOTHING, 1.0)) == [Revoke(MINE, deadline=31.0)]
    assert member.handle(RevokeFinished(), 1.1) == [Report("stepped_out", {"member_id": MID, "epoch": -1})]
    assert member.deadline() is None
    assert done(member.handle(TO_ORDERS, 50.0)) == [join(5, MID, generation=4, reason="subscription changed")]
    assert done(member.handle(Answered(5, join_error(25)), 50.1)) == [
        join(6, generation=4, reason="member id was not known any more")
    ]


def test_a_dynamic_member_that_unsubscribes_leaves() -> None:
    """It gives its place up, waits for no answer, and joins anew when it comes back."""
    member = dynamic()
    member.handle(TO_NOTHING, 1.0)

    assert done(member.handle(RevokeFinished(), 1.1)) == [
        leave(5, DYNAMIC_MID, reason="subscription changed", instance_id=None)
    ]
    assert member.state is State.PAUSED
    assert member.handle(Answered(5, left(25)), 1.2) == []
    assert done(member.handle(TO_ORDERS, 2.0)) == [
        join(6, generation=4, reason="subscription changed", instance_id=None)
    ]


@pytest.mark.parametrize("make", OUT)
def test_unsubscribing_before_anything_is_owned_pauses_at_once(make) -> None:
    """Whatever was under way is not waited for."""
    member = make()

    actions = member.handle(TO_NOTHING, 4.0)

    assert reports(actions) == ["stepped_out"]
    assert done(actions) == []
    assert (member.state, member.deadline()) == (State.PAUSED, None)


@pytest.mark.parametrize(
    ("make", "end"), [(revoking, RevokeFinished()), (losing, LoseFinished())], ids=["revoking", "losing"]
)
def test_unsubscribing_during_a_callback_pauses_after_it(make, end) -> None:
    """The callback ends first."""
    member = make()

    assert member.handle(TO_NOTHING, 4.0) == []
    assert reports(member.handle(end, 4.1)) == ["stepped_out"]
    assert member.state is State.PAUSED


def test_unsubscribing_during_on_assigned_gives_up_what_was_assigned() -> None:
    """Its end is followed by on_partitions_revoked."""
    member = assigning()

    assert member.handle(TO_NOTHING, 0.3) == []
    assert done(member.handle(AssignFinished(), 0.4)) == [Revoke(MINE, deadline=30.4)]
    assert reports(member.handle(RevokeFinished(), 0.5)) == ["stepped_out"]


@pytest.mark.parametrize(
    ("make", "end"), [(revoking, RevokeFinished()), (losing, LoseFinished())], ids=["revoking", "losing"]
)
def test_subscribing_again_during_a_callback_joins_after_it(make, end) -> None:
    """Unsubscribe and subscribe, while on_revoked or on_lost runs: a join, and no pause."""
    member = make()
    member.handle(TO_NOTHING, 4.0)

    assert member.handle(TO_ORDERS, 4.1) == []
    assert done(member.handle(end, 4.2)) == [join(6, MID, generation=4, reason="subscription changed")]


def test_a_member_without_topics_waits_for_some() -> None:
    """It looks for the coordinator, which checks the versions, and joins when it is subscribed."""
    member = idle(topics=())

    assert member.handle(Started(), 0.0) == [FindCoordinator()]
    assert member.handle(CoordinatorFound(VERSIONS), 0.1) == []
    assert member.handle(PollResumed(), 0.2) == []
    assert done(member.handle(TO_ORDERS, 1.0)) == [join(1, reason="subscription changed")]


def test_a_member_that_subscribes_before_the_coordinator_is_found_joins_then() -> None:
    """There is one lookup, and it is waited for."""
    member = idle(topics=())
    member.handle(Started(), 0.0)

    assert done(member.handle(TO_ORDERS, 0.1)) == []
    assert done(member.handle(CoordinatorFound(VERSIONS), 0.2)) == [join(1, reason="subscription changed")]


# ── a slow application ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.scenario(21, where="machine")
def test_a_static_member_that_is_too_slow_keeps_its_member_id() -> None:
    """Its partitions are lost and it falls silent, without LeaveGroup; asking for a record brings it back."""
    member = stable()

    assert member.handle(PollExpired(("orders", 0, 17), 0.5), 1.0) == [
        Report("poll_expired", {"member_id": MID, "epoch": 4, "last": ("orders", 0, 17), "excess_ms": 500}),
        Lose(MINE, "max_poll_interval_ms"),
    ]
    assert reports(member.handle(LoseFinished(), 1.1)) == ["stepped_out"]
    assert member.deadline() is None
    assert done(member.handle(PollResumed(), 9.0)) == [
        join(5, MID, generation=4, reason="max_poll_interval_ms exceeded")
    ]


def test_a_dynamic_member_that_is_too_slow_leaves() -> None:
    """So that the others need not wait for its session to time out."""
    member = dynamic()
    member.handle(PollExpired(None, 0.5), 1.0)

    assert done(member.handle(LoseFinished(), 1.1)) == [
        leave(5, DYNAMIC_MID, reason="max_poll_interval_ms exceeded", instance_id=None)
    ]


def test_asking_again_while_on_lost_runs_joins_after_it() -> None:
    """The application was slow, not gone."""
    member = expired()

    assert member.handle(PollResumed(), 1.1) == []
    assert done(member.handle(LoseFinished(), 1.2)) == [
        join(5, MID, generation=4, reason="max_poll_interval_ms exceeded")
    ]


def test_asking_again_does_not_undo_an_unsubscribe() -> None:
    """Slow, then unsubscribed, then asking: there is nothing to join for."""
    member = expired()
    member.handle(TO_NOTHING, 1.1)

    assert member.handle(PollResumed(), 1.2) == []
    assert reports(member.handle(LoseFinished(), 1.3)) == ["stepped_out"]
    assert member.handle(PollResumed(), 1.4) == []
    assert member.state is State.PAUSED


def test_a_member_that_is_too_slow_to_give_up_its_partitions_pauses_after_it() -> None:
    """A drain is under way already: it ends as planned, but no join follows before a record is asked for."""
    member = revoking()

    assert reports(member.handle(PollExpired(None, 0.5), 4.0)) == ["poll_expired"]
    assert reports(member.handle(RevokeFinished(), 4.1)) == ["stepped_out"]
    assert done(member.handle(PollResumed(), 5.0)) == [
        join(6, MID, generation=4, reason="max_poll_interval_ms exceeded")
    ]


def test_a_member_that_is_too_slow_while_it_joins_pauses_too() -> None:
    """Nobody would read what it is about to be assigned."""
    member = rejoining()

    assert reports(member.handle(PollExpired(None, 0.5), 4.0)) == ["poll_expired", "stepped_out"]
    assert done(member.handle(PollResumed(), 5.0)) == [
        join(7, MID, generation=4, reason="max_poll_interval_ms exceeded")
    ]


def closing():
    """Asked to close for good while it gave its partitions up."""
    member = revoking()
    member.handle(CloseRequested(leave=True), 3.9)
    return member


@pytest.mark.parametrize("make", [idle, paused, leaving, closing], ids=["idle", "paused", "leaving", "closing"])
def test_slowness_outside_the_group_is_nobodys_concern(make) -> None:
    """There is nothing to give up."""
    member = make()
    state = member.state

    assert member.handle(PollExpired(None, 0.5), 4.0) == []
    assert member.state is state


@pytest.mark.parametrize("state", [state for state in State if state is not State.PAUSED], ids=lambda s: s.value)
def test_asking_for_records_does_nothing_by_itself(state: State) -> None:
    """Only a member that stepped out comes back by it."""
    member = EVERYWHERE[state]()

    assert member.handle(PollResumed(), 4.0) == []
    assert member.state is state


# ── close ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("permanent", [False, True], ids=["remain", "leave"])
@pytest.mark.parametrize("make", [idle, *OUT, paused], ids=lambda make: make.__name__)
def test_closing_what_owns_nothing_ends_at_once(make, permanent: bool) -> None:
    """A member that remains sends nothing; one that leaves does where it has a member id to leave by."""
    member = make()
    who = member.membership.member_id

    actions = done(member.handle(CloseRequested(leave=permanent), 5.0))

    if permanent and who:
        (sent,) = actions
        assert sent == leave(sent.key, who, reason="the consumer is being closed")
        assert done(member.handle(Answered(sent.key, left()), 5.1)) == [Stop()]
    else:
        assert actions == [Stop()]
    assert member.deadline() is None
    assert member.handle(TimerFired(), 99.0) == []


@pytest.mark.parametrize(
    ("make", "end"),
    [(stable, None), (revoking, None), (assigning, AssignFinished())],
    ids=["stable", "revoking", "assigning"],
)
def test_closing_gives_up_what_is_owned_first(make, end) -> None:
    """Callbacks run to their end; then a static member is silent."""
    member = make()
    actions = done(member.handle(CloseRequested(leave=False), 4.0))
    if end is not None:
        actions += done(member.handle(end, 4.0))

    assert actions == ([] if make is revoking else [Revoke(MINE, deadline=34.0)])
    assert member.handle(RevokeFinished(), 4.1) == [Report("closed", {"member_id": MID, "epoch": 4}), Stop()]
    assert member.handle(CloseRequested(leave=True), 4.2) == []


def test_closing_while_partitions_are_lost_waits_for_on_lost() -> None:
    """on_partitions_lost runs to its end; no join follows."""
    member = losing()

    assert member.handle(CloseRequested(leave=False), 4.0) == []
    assert done(member.handle(LoseFinished(), 4.1)) == [Stop()]


@pytest.mark.scenario(24, where="machine")
@pytest.mark.parametrize("code", [0, 25, 82])
def test_leaving_for_good_names_the_member_and_never_fails(code: int) -> None:
    """LeaveGroup carries member id and instance id; what it is answered is reported, and close ends in order."""
    member = stable()
    member.handle(CloseRequested(leave=True), 1.0)

    assert done(member.handle(RevokeFinished(), 1.1)) == [leave(5, reason="the consumer is being closed")]
    assert member.handle(Answered(5, left(code)), 1.2) == [
        Report("left", {"member_id": MID, "epoch": 4, "code": 82 if code == 82 else 0}),
        Stop(),
    ]


@pytest.mark.scenario(24, where="machine")
def test_a_leave_that_is_refused_as_a_whole_is_reported_too() -> None:
    """The coordinator has moved: the place stays until the session times out."""
    member = leaving()

    assert member.handle(Answered(5, left(top=16)), 1.2)[0].fields["code"] == 16


def test_leaving_without_a_coordinator_is_not_waited_for() -> None:
    """There is nobody to tell; the session will time out."""
    member = stable()
    member.handle(TimerFired(), 3.2)
    member.handle(RequestFailed(5, LOST), 3.3)
    member.handle(CloseRequested(leave=True), 3.4)

    assert done(member.handle(RevokeFinished(), 3.5)) == [Stop()]


def test_a_closed_member_repeats_no_request() -> None:
    """A SyncGroup or JoinGroup that waited to be repeated is not, while LeaveGroup is on its way."""
    member = syncing()
    member.handle(Answered(2, sync_error(14)), 0.2)

    assert done(member.handle(CloseRequested(leave=True), 0.25)) == [leave(3, reason="the consumer is being closed")]
    assert member.deadline() is None
    assert member.handle(TimerFired(), 9.0) == []
    assert member.handle(CloseRequested(leave=True), 9.1) == []


def test_a_dynamic_member_leaves_when_it_is_told_to() -> None:
    """As the consumer does for it by default."""
    member = dynamic()
    member.handle(CloseRequested(leave=True), 1.0)

    assert done(member.handle(RevokeFinished(), 1.1)) == [
        leave(5, DYNAMIC_MID, reason="the consumer is being closed", instance_id=None)
    ]


def test_the_states_are_what_the_tests_think() -> None:
    """Each maker of a member makes one in its state, and partitions are owned in the group only."""
    for state, make in EVERYWHERE.items():
        member = make()

        assert member.state is state
        assert bool(member.membership.assignment) == (state in IN_GROUP)
        assert (member.deadline() is not None) == (state in {State.WAITING, *IN_GROUP})
    assert OVER < set(EVERYWHERE) == set(State)

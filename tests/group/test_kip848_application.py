"""What the application does to a KIP-848 member: it subscribes, is slow, closes."""

from __future__ import annotations

import pytest

from kafkastatic._group.kip848 import ConsumerMember
from kafkastatic._group.kip848.states import OVER, State
from kafkastatic._group.member import (
    Answered,
    Assign,
    AssignFinished,
    CloseRequested,
    CommitRejected,
    CoordinatorForgotten,
    CoordinatorFound,
    FindCoordinator,
    Lose,
    LoseFinished,
    MetadataChanged,
    PollExpired,
    PollResumed,
    Report,
    RequestFailed,
    Revoke,
    RevokeFinished,
    Saved,
    Send,
    Started,
    Stop,
    SubscriptionChanged,
    TimerFired,
)
from tests.group.consumer_machine import (
    DYNAMIC,
    EVERYWHERE,
    HALF,
    INST,
    MID,
    MINE,
    NOTHING,
    ORDERS,
    R0,
    REFUNDS,
    RESUMED,
    STATIC,
    VERSIONS,
    assigning,
    beat,
    done,
    empty_handed,
    failed,
    finding,
    gone,
    idle,
    join,
    joining,
    leave,
    leaving,
    losing,
    paused,
    probing,
    refused,
    rejoin,
    reports,
    revoking,
    saving,
    snapshot,
    stable,
    waiting,
    well,
)
from tests.group.machine import LOST

pytestmark = pytest.mark.protocol("consumer")

BOTH = frozenset({"orders", "refunds"})
NONE: frozenset[str] = frozenset()
EXPIRED = PollExpired(("orders", 0, 17), 0.5)

# ── subscription ──


def test_another_subscription_goes_out_at_once_and_costs_nothing() -> None:
    """The membership stays; what is not ours any more the coordinator says."""
    member = stable()
    member.handle(MetadataChanged(snapshot(orders=ORDERS, refunds=REFUNDS)), 0.9)

    assert member.handle(SubscriptionChanged(BOTH), 1.0) == [beat(3, topics=["orders", "refunds"])]
    assert member.membership.assignment == MINE
    actions = member.handle(Answered(3, well(5, {ORDERS: [0, 1], REFUNDS: [0]})), 1.1)
    assert done(actions) == [Assign(frozenset({R0}), MINE | {R0})]


def test_what_is_not_subscribed_to_any_more_is_revoked_at_once() -> None:
    """The coordinator may assign it for a second longer; nothing of it is read meanwhile."""
    member = stable()
    member.handle(MetadataChanged(snapshot(orders=ORDERS, refunds=REFUNDS)), 0.9)

    assert done(member.handle(SubscriptionChanged(frozenset({"refunds"})), 1.0)) == [
        beat(3, topics=["refunds"]),
        Revoke(MINE, 31.0),
    ]
    assert member.handle(Answered(3, well(5, HALF)), 1.1) == []
    assert done(member.handle(RevokeFinished(), 1.2)) == [beat(4, 5, owned={})]
    actions = member.handle(Answered(4, well(5, {REFUNDS: [0]})), 1.3)
    assert done(actions) == [Assign(frozenset({R0}), frozenset({R0}))]


def test_a_restart_with_another_subscription_owns_nothing_of_the_old_one() -> None:
    """Its first answer has its old partitions, if the coordinator has not computed yet; it asks again soon."""
    member = ConsumerMember(STATIC, frozenset({"refunds"}))
    member.handle(MetadataChanged(snapshot(orders=ORDERS, refunds=REFUNDS)), 0.0)
    member.handle(Started(), 0.0)
    member.handle(CoordinatorFound(VERSIONS), 0.0)

    assert done(member.handle(Answered(1, well(4, HALF)), 0.0)) == []
    assert member.deadline() == pytest.approx(0.1)
    assert member.handle(TimerFired(), 0.1) == [beat(2)]
    assert done(member.handle(Answered(2, well(5, {REFUNDS: [0]})), 0.1)) == [Assign(frozenset({R0}), frozenset({R0}))]


def test_a_restart_with_a_larger_subscription_asks_for_the_rest_soon() -> None:
    """It owns what it is given, and waits for a share of the other topic."""
    member = ConsumerMember(STATIC, BOTH)
    member.handle(MetadataChanged(snapshot(orders=ORDERS, refunds=REFUNDS)), 0.0)
    member.handle(Started(), 0.0)
    member.handle(CoordinatorFound(VERSIONS), 0.0)

    assert done(member.handle(Answered(1, well(4, HALF)), 0.0)) == [Assign(MINE, MINE)]
    assert member.deadline() == pytest.approx(0.1)


def test_a_share_of_a_new_subscription_is_asked_for_early() -> None:
    """The coordinator computes later than it answers: the heartbeats after a change come as after a join."""
    member = stable()
    member.handle(SubscriptionChanged(BOTH), 1.0)
    member.handle(Answered(3, well(5)), 1.0)

    assert member.deadline() == pytest.approx(1.1)


def test_the_same_subscription_again_sends_nothing() -> None:
    """There is nothing to tell."""
    assert stable().handle(SubscriptionChanged(frozenset({"orders"})), 1.0) == []


def test_a_subscription_during_the_join_follows_it() -> None:
    """The join said what was subscribed to then."""
    member = joining()

    assert member.handle(SubscriptionChanged(BOTH), 0.05) == []
    member.handle(Answered(1, well(4, HALF)), 0.1)
    assert member.handle(AssignFinished(), 0.2) == [beat(2, owned=HALF, topics=["orders", "refunds"])]


def test_a_subscription_during_a_heartbeat_follows_it() -> None:
    """One heartbeat at a time."""
    member = stable()
    member.handle(TimerFired(), 5.3)

    assert member.handle(SubscriptionChanged(BOTH), 5.35) == []
    assert member.handle(Answered(3, well()), 5.4) == [beat(4, topics=["orders", "refunds"])]


@pytest.mark.parametrize("make", [finding, saving, waiting, probing, losing])
def test_a_subscription_out_of_the_group_goes_with_the_join(make) -> None:
    """Nothing is sent for it."""
    member = make()

    assert member.handle(SubscriptionChanged(BOTH), 6.0) == []
    assert member.state is make().state


def test_a_pattern_takes_the_place_of_names_and_gives_it_back() -> None:
    """An empty pattern takes back the one that was sent."""
    member = stable()

    assert member.handle(SubscriptionChanged(frozenset({"orders"}), "ord.*"), 1.0) == [
        beat(3, topics=[], regex="ord.*")
    ]
    member.handle(Answered(3, well()), 1.05)
    assert member.handle(SubscriptionChanged(frozenset({"orders"})), 1.06) == [beat(4, topics=["orders"], regex="")]


def test_an_unsubscribed_static_member_keeps_its_place() -> None:
    """It gives its partitions up, leaves for now, and is silent; the way back is a join."""
    member = stable()

    assert member.handle(SubscriptionChanged(NONE), 1.0) == [
        Report("revoking", {"member_id": MID, "epoch": 4, "partitions": 2, "reason": "subscription changed"}),
        Revoke(MINE, 31.0),
    ]
    assert member.handle(RevokeFinished(), 1.1) == [
        Report("stepped_out", {"member_id": MID, "epoch": 4}),
        leave(3, -2),
    ]
    assert (member.membership.epoch, member.membership.assignment) == (-1, NOTHING)
    assert member.deadline() is None
    assert member.handle(Answered(3, gone(-2)), 1.2) == []
    assert done(member.handle(SubscriptionChanged(BOTH), 2.0)) == [rejoin(4, topics=["orders", "refunds"])]


def test_an_unsubscribed_dynamic_member_leaves() -> None:
    """It has no place to keep."""
    member = stable(DYNAMIC)
    member.handle(SubscriptionChanged(NONE), 1.0)

    assert done(member.handle(RevokeFinished(), 1.1)) == [leave(3, -1, instance_id=None)]


def test_a_member_that_left_for_now_says_so_again_on_its_way_back() -> None:
    """Nobody waited for that answer: if it was lost, its own identity would refuse the join, so it is said again."""
    member = paused()

    assert done(member.handle(SubscriptionChanged(frozenset({"orders"})), 2.0)) == [rejoin(4)]


def test_unsubscribing_during_a_partial_revoke_gives_up_the_rest() -> None:
    """One callback after the other."""
    member = revoking()

    assert member.handle(SubscriptionChanged(NONE), 6.0) == []
    assert done(member.handle(RevokeFinished(), 6.1)) == [Revoke(frozenset({("orders", 0)}), 36.1)]
    assert done(member.handle(RevokeFinished(), 6.2)) == [leave(4, -2)]


def test_subscribing_again_during_the_last_revoke_stays() -> None:
    """What was given up is owned anew."""
    member = stable()
    member.handle(SubscriptionChanged(NONE), 1.0)
    assert member.handle(SubscriptionChanged(frozenset({"orders"})), 1.05) == [beat(3)]

    actions = member.handle(RevokeFinished(), 1.1)

    assert done(actions) == [Assign(MINE, MINE)]
    assert member.handle(Answered(3, well()), 1.2) == [beat(4)]  # the coordinator has never heard of the interlude


def test_unsubscribing_with_nothing_owned_leaves_at_once() -> None:
    """There is nothing to give up."""
    assert done(empty_handed().handle(SubscriptionChanged(NONE), 0.05)) == [leave(2, -2)]


def test_unsubscribing_during_a_join_takes_it_back() -> None:
    """Its answer is of no account: the leave arrives behind it."""
    member = joining()

    assert done(member.handle(SubscriptionChanged(NONE), 0.05)) == [leave(2, -2)]
    assert member.handle(Answered(1, well(4, HALF)), 0.1) == []
    assert done(member.handle(SubscriptionChanged(frozenset({"orders"})), 0.2)) == [rejoin(3)]


def test_a_member_without_topics_waits_for_some() -> None:
    """It knows the coordinator by then."""
    member = idle(topics=[])
    assert member.handle(Started(), 0.0) == [FindCoordinator()]
    assert member.handle(CoordinatorFound(VERSIONS), 0.1) == []

    assert done(member.handle(SubscriptionChanged(frozenset({"orders"})), 0.2)) == [join(1)]


# ── slowness ──


def test_a_slow_application_loses_its_partitions() -> None:
    """Nothing more of them can be committed; a static member then leaves for now, and is silent until it is asked."""
    member = stable()

    assert member.handle(EXPIRED, 1.0) == [
        Report("poll_expired", {"member_id": MID, "epoch": 4, "last": ("orders", 0, 17), "excess_ms": 500}),
        Lose(MINE, "max_poll_interval_ms"),
    ]
    assert done(member.handle(LoseFinished(), 1.1)) == [leave(3, -2)]
    assert member.state is State.PAUSED
    assert done(member.handle(PollResumed(), 9.0)) == [rejoin(4)]


def test_a_slow_application_that_comes_back_during_on_lost_joins_again() -> None:
    """Its own identity may stand, so it leaves as that first."""
    member = stable()
    member.handle(EXPIRED, 1.0)

    assert member.handle(PollResumed(), 1.05) == []
    assert done(member.handle(LoseFinished(), 1.1)) == [rejoin(3)]


@pytest.mark.parametrize("make", [assigning, revoking, losing])
def test_slowness_during_a_callback_waits_for_it(make) -> None:
    """Then the member is out."""
    member = make()

    assert reports(member.handle(EXPIRED, 7.0)) == ["poll_expired"]
    ends = {assigning: AssignFinished, revoking: RevokeFinished, losing: LoseFinished}[make]
    member.handle(ends(), 7.1)
    while member.state is State.REVOKING:
        member.handle(RevokeFinished(), 7.2)
    assert member.state is State.PAUSED


def test_slowness_before_the_join_is_answered_takes_it_back() -> None:
    """And is out at once."""
    member = joining()

    assert done(member.handle(EXPIRED, 7.0)) == [leave(2, -2)]


@pytest.mark.parametrize("make", [idle, paused, leaving])
def test_slowness_of_one_who_reads_nothing_is_none(make) -> None:
    """There is nothing to lose."""
    assert make().handle(EXPIRED, 7.0) == []


# ── close ──


@pytest.mark.scenario(31, where="machine")
def test_a_static_member_closes_by_giving_up_and_leaving_for_now() -> None:
    """Revoke comes first, in which the driver commits; after epoch -2 nothing more can be committed."""
    member = stable()

    assert done(member.handle(CloseRequested(leave=False), 1.0)) == [Revoke(MINE, 31.0)]
    assert member.handle(RevokeFinished(), 1.1) == [leave(3, -2)]
    assert member.membership.epoch == -1
    assert member.handle(Answered(3, gone(-2)), 1.2) == [
        Report("left", {"member_id": MID, "epoch": -1, "code": 0}),
        Stop(),
    ]


@pytest.mark.scenario(37, where="machine")
def test_a_commit_after_the_leave_asks_nothing() -> None:
    """It has no epoch to be stamped with, and no heartbeat is sent for it."""
    member = leaving()

    assert member.membership.epoch == -1
    assert member.handle(CommitRejected(113), 1.2) == []


@pytest.mark.scenario(32, where="machine")
def test_a_static_member_that_closes_for_good_gives_its_place_up() -> None:
    """Epoch -1: the others need not wait for its session."""
    member = stable()
    member.handle(CloseRequested(leave=True), 1.0)

    assert member.handle(RevokeFinished(), 1.1) == [leave(3, -1)]


def test_a_dynamic_member_closes_for_good() -> None:
    """Whatever is asked: it has no place to keep."""
    member = stable(DYNAMIC)
    member.handle(CloseRequested(leave=False), 1.0)

    assert member.handle(RevokeFinished(), 1.1) == [leave(3, -1, instance_id=None)]


@pytest.mark.parametrize("code", [0, 14, 16, 25, 69, 82, 110])
def test_no_answer_to_a_leave_fails_a_close(code: int) -> None:
    """It is reported, and the member is gone."""
    actions = leaving().handle(Answered(3, refused(code)), 1.2)

    assert actions == [Report("left", {"member_id": MID, "epoch": -1, "code": code}), Stop()]


def test_no_answer_at_all_does_not_fail_it_either() -> None:
    """The session will time out."""
    actions = leaving().handle(RequestFailed(3, LOST), 1.2)

    assert (reports(actions), done(actions)) == (["left"], [Stop()])


@pytest.mark.parametrize("state", sorted(set(State) - OVER, key=lambda state: state.value))
@pytest.mark.parametrize("for_good", [False, True])
def test_closing_ends_from_everywhere(state: State, for_good: bool) -> None:
    """With whatever callback is running, and one answer at most."""
    member = EVERYWHERE[state]()
    actions = member.handle(CloseRequested(for_good), 50.0)
    for _ in range(4):
        if member.state in OVER:
            break
        sent = [action.key for action in actions if hasattr(action, "key")]
        if member.state is State.LEAVING:
            actions = member.handle(Answered(sent[-1] if sent else 3, gone(-2)), 50.0)
        else:
            ends = {State.ASSIGNING: AssignFinished, State.REVOKING: RevokeFinished, State.LOSING: LoseFinished}
            actions = member.handle(ends[member.state](), 50.0)
    assert member.state is State.STOPPED
    assert actions[-1] == Stop()
    assert member.deadline() is None


def test_closing_without_a_coordinator_sends_nothing() -> None:
    """The session will time out."""
    member = stable()
    member.handle(CoordinatorForgotten(), 1.0)
    member.handle(CloseRequested(leave=True), 1.1)

    assert done(member.handle(RevokeFinished(), 1.2)) == [Stop()]


def test_closing_during_a_join_takes_it_back() -> None:
    """The leave arrives behind it; a crash restart that was never needed."""
    assert done(joining().handle(CloseRequested(leave=False), 0.05)) == [leave(2, -2)]


def test_closing_what_was_never_in_the_group_sends_nothing() -> None:
    """There is nothing to leave."""
    for make in (idle, finding, saving, waiting):
        assert done(make().handle(CloseRequested(leave=True), 0.3)) == [Stop()]


def test_a_place_that_a_dead_process_left_is_released_too() -> None:
    """One that has nothing to read closes as who it was."""
    member = idle(RESUMED, topics=[])
    member.handle(Started(), 0.0)
    member.handle(CoordinatorFound(VERSIONS), 0.1)

    assert done(member.handle(CloseRequested(leave=False), 0.2)) == [leave(1, -2)]


@pytest.mark.parametrize("leaves", [False, True])
def test_a_fenced_member_sends_nothing_in_closing(leaves: bool) -> None:
    """And nothing afterwards, whatever happens."""
    member = failed()

    for event in (
        CloseRequested(leaves),
        Started(),
        CoordinatorFound(VERSIONS),
        Answered(3, well()),
        RequestFailed(3, LOST),
        MetadataChanged(snapshot()),
        SubscriptionChanged(BOTH),
        AssignFinished(),
        RevokeFinished(),
        LoseFinished(),
        Saved(),
        EXPIRED,
        PollResumed(),
        CommitRejected(82),
        TimerFired(),
    ):
        assert member.handle(event, 99.0) == []
    assert member.deadline() is None


def test_a_lost_member_that_closes_joins_no_more() -> None:
    """It leaves if the coordinator knows it still."""
    for code, expected in ((25, [Stop()]), (110, [leave(4, -2)])):
        member = losing(code)
        member.handle(CloseRequested(leave=False), 6.0)
        assert done(member.handle(LoseFinished(), 6.1)) == expected


def test_every_request_carries_who_sends_it() -> None:
    """The instance id too, in every state (a request without it is answered with another error)."""
    member = stable(STATIC)
    sent = [member.handle(TimerFired(), 5.3)[-1]]
    member.handle(CoordinatorForgotten(), 5.4)
    sent += member.handle(CoordinatorFound(VERSIONS), 5.5)
    member.handle(Answered(4, refused(110)), 5.6)
    sent += done(member.handle(LoseFinished(), 5.7))
    sends = [send for send in sent if isinstance(send, Send)]
    requests = [request for send in sends for request in (send.ahead, send.request) if request is not None]

    assert [(request.member_id, request.instance_id) for request in requests] == [(MID, INST)] * 4  # type: ignore[attr-defined]
    assert [request.member_epoch for request in requests] == [4, 4, -2, 0]  # type: ignore[attr-defined]

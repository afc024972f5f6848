"""Whose is the instance id? The first owner keeps it (KIP-848), and a member must know itself again."""

from __future__ import annotations

import pytest

from kafkastatic._group.kip848.states import State
from kafkastatic._group.member import (
    Answered,
    Assign,
    CloseRequested,
    CoordinatorFound,
    FindCoordinator,
    Lose,
    LoseFinished,
    Report,
    RequestFailed,
    Stop,
    SubscriptionChanged,
    TimerFired,
)
from kafkastatic.errors import BrokerError, FencedInstanceIdError, GroupMaxSizeReachedError, UnreleasedInstanceIdError
from tests.group.consumer_machine import (
    API,
    DYNAMIC,
    GROUP,
    HALF,
    INST,
    MID,
    MINE,
    NOTHING,
    RESUMED,
    STATIC,
    VERSIONS,
    Failed,
    done,
    error_of,
    finding,
    gone,
    join,
    joining,
    leave,
    losing,
    paused,
    probing,
    refused,
    rejoin,
    reports,
    stable,
    told,
    well,
)
from tests.group.machine import LOST

pytestmark = pytest.mark.protocol("consumer")

IN_USE = Failed(UnreleasedInstanceIdError, API)
FENCED = Failed(FencedInstanceIdError, API)


def retries(member, key: int, until: float, code: int = 111) -> int:
    """Let it join again whenever it wants to, and refuse it; how often it did."""
    count = 0
    while (now := member.deadline()) is not None and now < until:
        assert done(member.handle(TimerFired(), now)) == [join(key + count)]
        assert member.handle(Answered(key + count, refused(code)), now) == []
        count += 1
    return count


# ── a crash, and its restart under the member id that was kept ──


@pytest.mark.scenario(31, where="machine")
@pytest.mark.scenario(33, where="machine")
def test_a_restart_leaves_as_its_dead_self_and_joins_in_one_round_trip() -> None:
    """Whether the process crashed or closed: -2 frees the place, or is said again; directly behind it goes the join."""
    member = finding(RESUMED)

    assert done(member.handle(CoordinatorFound(VERSIONS), 0.0)) == [rejoin(1)]
    assert done(member.handle(Answered(1, well(4, HALF)), 0.1)) == [Assign(MINE, MINE)]


@pytest.mark.scenario(33, where="machine")
def test_who_was_in_the_group_joins_again_by_one_round_trip() -> None:
    """From a pause, too: the answer to its -2 may have been lost."""
    assert done(paused().handle(SubscriptionChanged(frozenset({"orders"})), 2.0)) == [rejoin(4)]


@pytest.mark.scenario(35, where="machine")
def test_a_restart_that_another_process_forestalled_waits() -> None:
    """The kept member id is not the owner's: the owner is not touched, however often it is tried."""
    member = joining(RESUMED)

    assert member.handle(Answered(1, refused(111)), 0.1) == [
        Report("waiting_for_release", {"error": "UNRELEASED_INSTANCE_ID", "timeout_s": 60.0})
    ]
    assert member.state is State.WAITING
    assert done(member.handle(TimerFired(), 0.2)) == [rejoin(2)]
    assert member.handle(Answered(2, refused(111)), 0.3) == []
    assert done(member.handle(TimerFired(), 0.5)) == [rejoin(3)]


def test_a_restart_meets_a_loading_coordinator() -> None:
    """Both are refused, or the first one alone: -2 goes ahead of the next join again."""
    member = joining(RESUMED)

    assert member.handle(Answered(1, refused(14)), 0.1) == []
    assert done(member.handle(TimerFired(), 0.2)) == [rejoin(2)]
    member.handle(Answered(2, refused(111)), 0.3)
    assert done(member.handle(TimerFired(), 0.5)) == [rejoin(3)]


@pytest.mark.scenario(33, where="machine")
@pytest.mark.parametrize("code", [25, 110])
def test_leaving_that_comes_behind_the_join_is_noticed_by_the_next_heartbeat(code: int) -> None:
    """A broker may finish what it read from a connection that broke: the member loses what it has and joins anew."""
    member, actions = told(refused(code), RESUMED)

    assert [action for action in actions if isinstance(action, Lose)] != []
    assert done(member.handle(LoseFinished(), 6.0)) == [join(4) if code == 25 else rejoin(4)]


# ── a dynamic member that is known already ──


@pytest.mark.parametrize("code", [25, 69])
def test_a_dynamic_member_that_nobody_remembers_joins(code: int) -> None:
    """Its session timed out between the two questions, or the group is gone."""
    member = probing()

    assert done(member.handle(Answered(3, refused(code)), 0.2)) == [join(4, instance_id=None)]


def test_a_probe_meets_a_loading_coordinator() -> None:
    """It joins again after a backoff, and asks again whether it is known."""
    member = probing()

    assert member.handle(Answered(3, refused(14)), 0.2) == []
    at = member.deadline()
    assert at is not None
    assert done(member.handle(TimerFired(), at)) == [join(4, instance_id=None)]
    assert done(member.handle(Answered(4, refused(110)), at)) == [leave(5, -1, instance_id=None)]


@pytest.mark.parametrize("code", [15, 16])
def test_a_probe_meets_no_coordinator(code: int) -> None:
    """It is looked up, and joined."""
    member = probing()

    assert isinstance(done(member.handle(Answered(3, refused(code)), 0.2))[0], FindCoordinator)
    assert done(member.handle(CoordinatorFound(VERSIONS), 0.4)) == [join(4, instance_id=None)]


def test_a_lost_probe_is_followed_by_a_join() -> None:
    """Which finds out whether the probe has arrived."""
    member = probing()

    assert isinstance(done(member.handle(RequestFailed(3, LOST), 0.2))[0], FindCoordinator)
    assert done(member.handle(CoordinatorFound(VERSIONS), 0.4)) == [join(4, instance_id=None)]
    assert done(member.handle(Answered(4, refused(110)), 0.5)) == [leave(5, -1, instance_id=None)]


def test_a_probe_that_is_refused_for_good_ends_the_member() -> None:
    """As any refusal does."""
    assert done(probing().handle(Answered(3, refused(30)), 0.2))[0] == Lose(NOTHING, "failed")


# ── a join whose answer was lost, an epoch that was fenced ──


@pytest.mark.scenario(34, where="machine")
def test_a_member_whose_join_was_not_answered_knows_itself_again() -> None:
    """It leaves as who it may be, and joins directly behind; one round trip."""
    member = joining()
    member.handle(RequestFailed(1, LOST), 0.1)

    assert done(member.handle(CoordinatorFound(VERSIONS), 0.2)) == [rejoin(2)]
    assert done(member.handle(Answered(2, well(4, HALF)), 0.3)) == [Assign(MINE, MINE)]


def test_a_broker_may_refuse_what_a_dynamic_member_was_before() -> None:
    """INVALID_REQUEST to a member id that it knows otherwise: that one leaves; a second refusal is the member's end."""
    member = joining(DYNAMIC)
    member.handle(RequestFailed(1, LOST), 0.1)
    member.handle(CoordinatorFound(VERSIONS), 0.2)

    assert done(member.handle(Answered(2, refused(42)), 0.3)) == [leave(3, -1, instance_id=None)]
    assert done(member.handle(Answered(3, gone(-1)), 0.4)) == [join(4, instance_id=None)]
    assert done(member.handle(Answered(4, refused(42)), 0.5)) == [Lose(NOTHING, "failed"), Failed(BrokerError, API)]


def test_a_dynamic_member_whose_join_was_not_answered_leaves_for_good_before_it_joins() -> None:
    """Older brokers answer its second join with FENCED_MEMBER_EPOCH; it has no place to keep."""
    member = joining(DYNAMIC)
    member.handle(RequestFailed(1, LOST), 0.1)
    member.handle(CoordinatorFound(VERSIONS), 0.2)

    assert done(member.handle(Answered(2, refused(110)), 0.3)) == [leave(3, -1, instance_id=None)]
    assert done(member.handle(Answered(3, gone(-1)), 0.4)) == [join(4, instance_id=None)]


@pytest.mark.scenario(34, where="machine")
@pytest.mark.scenario(38, where="machine")
def test_a_fenced_epoch_loses_before_it_joins_and_knows_itself_again() -> None:
    """on_partitions_lost runs before anything is sent; then -2, for its own identity may stand, and the join."""
    member, actions = told(refused(110))

    assert actions == [
        Report("lost", {"member_id": MID, "epoch": 4, "cause": "fenced_member_epoch", "inferred": False}),
        Lose(MINE, "fenced_member_epoch"),
    ]
    assert (member.membership.epoch, member.membership.assignment) == (-1, NOTHING)
    assert member.deadline() is None
    assert done(member.handle(LoseFinished(), 6.0)) == [rejoin(4)]
    assert done(member.handle(Answered(4, well(7, HALF)), 6.1)) == [Assign(MINE, MINE)]


# ── the id of another ──


@pytest.mark.scenario(33, where="machine")
@pytest.mark.scenario(35, where="machine")
def test_a_newcomer_waits_for_its_instance_id_and_leaves_nobody() -> None:
    """It was never in the group, so it does not ask whether it is itself; it joins again, each time a little later."""
    member = joining()

    assert member.handle(Answered(1, refused(111)), 0.0) == [
        Report("waiting_for_release", {"error": "UNRELEASED_INSTANCE_ID", "timeout_s": 60.0})
    ]
    times = []
    for key in range(2, 6):
        now = member.deadline()
        assert now is not None
        times.append(round(now, 3))
        assert done(member.handle(TimerFired(), now)) == [join(key)]
        assert member.handle(Answered(key, refused(111)), now) == []
    assert times == [0.1, 0.3, 0.7, 1.5]


@pytest.mark.scenario(33, where="machine")
def test_a_newcomer_gets_in_when_the_session_has_timed_out() -> None:
    """And begins a new wait should it ever have to."""
    member = joining()
    member.handle(Answered(1, refused(111)), 0.0)
    member.handle(TimerFired(), 0.1)

    assert done(member.handle(Answered(2, well(5, HALF)), 0.2)) == [Assign(MINE, MINE)]


@pytest.mark.scenario(33, where="machine")
def test_a_newcomer_does_not_wait_for_ever() -> None:
    """One last join when the wait is over, then the error, which says how long it was."""
    member = joining(STATIC.evolve(wait_timeout=1.0))
    member.handle(Answered(1, refused(111)), 0.0)
    count = retries(member, 2, 1.0)
    assert member.deadline() == 1.0
    assert done(member.handle(TimerFired(), 1.0)) == [join(2 + count)]

    actions = member.handle(Answered(2 + count, refused(111, "owned by bbbb")), 1.1)

    assert done(actions) == [Lose(NOTHING, "failed"), IN_USE]
    error = error_of(actions)
    assert isinstance(error, UnreleasedInstanceIdError)
    assert (error.group, error.instance_id, error.member_id) == (GROUP, INST, MID)
    assert error.detail == "owned by bbbb; still so after instance_id_wait_ms, 1 s"


def test_a_newcomer_that_shall_not_wait_ends_at_once() -> None:
    """The wait is the application's choice."""
    member = joining(STATIC.evolve(wait_timeout=0.0))

    assert done(member.handle(Answered(1, refused(111)), 0.1)) == [Lose(NOTHING, "failed"), IN_USE]


def test_closing_a_newcomer_that_waits_leaves_nobody() -> None:
    """It has no place to give up."""
    member = joining()
    member.handle(Answered(1, refused(111)), 0.0)

    assert done(member.handle(CloseRequested(leave=True), 0.1)) == [Stop()]


def test_a_full_group_is_waited_for_by_a_static_member() -> None:
    """Up to 4.3 its own old place counts against it (KAFKA-20601)."""
    member = joining()

    assert member.handle(Answered(1, refused(81)), 0.0) == [
        Report("waiting_for_release", {"error": "GROUP_MAX_SIZE_REACHED", "timeout_s": 60.0})
    ]
    assert retries(member, 2, 60.0, code=81) > 5


def test_a_full_group_ends_a_dynamic_member() -> None:
    """There is no place of its own that could become free."""
    actions = joining(DYNAMIC).handle(Answered(1, refused(81)), 0.0)

    assert done(actions) == [Lose(NOTHING, "failed"), Failed(GroupMaxSizeReachedError, API)]


# ── removed, or replaced ──


@pytest.mark.scenario(36, where="machine")
def test_a_replaced_member_ends() -> None:
    """Its heartbeats carry its instance id, so it is told of the rival: partitions lost, and nothing is sent again."""
    member, actions = told(refused(82, "fenced by bbbb"))

    assert reports(actions) == ["fenced"]
    assert done(actions) == [Lose(MINE, "fenced"), FENCED]
    error = error_of(actions)
    assert isinstance(error, FencedInstanceIdError)
    assert (error.group, error.instance_id, error.member_id, error.epoch) == (GROUP, INST, MID, 4)
    assert member.membership.assignment == NOTHING
    assert member.deadline() is None
    for leaves in (False, True):
        assert member.handle(CloseRequested(leave=leaves), 6.0) == []


@pytest.mark.scenario(36, where="machine")
def test_a_removed_member_whose_id_is_taken_meanwhile_waits() -> None:
    """UNKNOWN_MEMBER_ID, then UNRELEASED_INSTANCE_ID: it waits, and takes nothing over."""
    member = losing(25)

    assert done(member.handle(LoseFinished(), 6.0)) == [join(4)]
    assert reports(member.handle(Answered(4, refused(111)), 6.1)) == ["waiting_for_release"]
    count = retries(member, 5, 60.0)
    now = member.deadline()
    assert now == pytest.approx(66.1, abs=6.5)
    assert count > 5


def test_a_removal_is_told_from_a_session_that_timed_out() -> None:
    """Three intervals after the last good answer no session has timed out: somebody removed the member."""
    _, actions = told(refused(25))

    assert actions == [
        Report("lost", {"member_id": MID, "epoch": 4, "cause": "removed", "inferred": True}),
        Lose(MINE, "removed"),
    ]


def test_a_session_that_may_have_timed_out_is_no_removal() -> None:
    """Later than that nothing is inferred."""
    member = stable()
    member.handle(TimerFired(), 15.4)

    actions = member.handle(Answered(3, refused(25)), 15.5)

    assert actions == [
        Report("lost", {"member_id": MID, "epoch": 4, "cause": "unknown_member_id", "inferred": False}),
        Lose(MINE, "unknown_member_id"),
    ]


def test_a_join_fenced_by_its_instance_id_ends_the_member() -> None:
    """No coordinator is known to answer so; it would be terminal."""
    assert done(joining().handle(Answered(1, refused(82)), 0.1)) == [Lose(NOTHING, "fenced"), FENCED]

"""What a KIP-848 member owns: only what is taken away is revoked, and the coordinator is told at once."""

from __future__ import annotations

import pytest

from kafkastatic._group.kip848.states import State
from kafkastatic._group.member import (
    Answered,
    Assign,
    AssignFinished,
    CommitRejected,
    CoordinatorForgotten,
    CoordinatorFound,
    FindCoordinator,
    Lose,
    LoseFinished,
    MetadataChanged,
    Report,
    RequestFailed,
    Revoke,
    RevokeFinished,
    SubscriptionChanged,
    TimerFired,
)
from kafkastatic.errors import BrokerError, FencedInstanceIdError
from tests.group.consumer_machine import (
    API,
    DYNAMIC,
    HALF,
    INST,
    MID,
    MINE,
    NOTHING,
    O0,
    O1,
    O2,
    O3,
    ORDERS,
    R0,
    REFUNDS,
    VERSIONS,
    Failed,
    assigning,
    beat,
    beat_again,
    done,
    error_of,
    full,
    join,
    losing,
    refused,
    rejoin,
    reports,
    revoking,
    snapshot,
    stable,
    told,
    well,
)
from tests.group.machine import LOST

pytestmark = pytest.mark.protocol("consumer")

JUST_O0 = frozenset({O0})


# ── more, less, other ──


def test_what_is_new_is_assigned_beside_what_there_is() -> None:
    """Nothing is revoked for it; the acknowledgement follows the callback."""
    member, actions = told(well(5, {ORDERS: [0, 1, 2]}))

    assert actions == [
        Report("assigned", {"member_id": MID, "epoch": 5, "partitions": 3, "added": 1}),
        Assign(frozenset({O2}), frozenset({O0, O1, O2})),
    ]
    assert member.membership.epoch == 5
    assert member.handle(AssignFinished(), 5.6) == [beat(4, 5, owned={ORDERS: [0, 1, 2]})]


@pytest.mark.scenario(16, where="machine")
def test_only_what_is_taken_away_is_revoked() -> None:
    """Until then it is owned; afterwards no commit of it can be stamped as ours."""
    member, actions = told(well(4, {ORDERS: [0]}))

    assert actions == [
        Report("revoking", {"member_id": MID, "epoch": 4, "partitions": 1, "reason": "not assigned any more"}),
        Revoke(frozenset({O1}), 35.4),
    ]
    assert member.membership.assignment == MINE
    actions = member.handle(RevokeFinished(), 6.0)
    assert member.membership.assignment == JUST_O0
    assert done(actions) == [beat(4, owned={ORDERS: [0]}), Assign(NOTHING, JUST_O0)]
    assert member.handle(AssignFinished(), 6.1) == []


def test_the_epoch_follows_the_acknowledgement() -> None:
    """The coordinator moves the member on when it has given up what it had to; commits are stamped with that."""
    member = revoking()
    member.handle(RevokeFinished(), 6.0)
    member.handle(AssignFinished(), 6.1)

    assert member.handle(Answered(4, well(5)), 6.2) == []
    assert member.membership.epoch == 5
    assert member.handle(TimerFired(), 11.2) == [beat(5, 5)]


def test_an_exchange_gives_up_before_it_takes() -> None:
    """What stays is told between the two callbacks, what came after them."""
    member, actions = told(well(5, {ORDERS: [1, 3]}))

    assert done(actions) == [Revoke(JUST_O0, 35.4)]
    assert done(member.handle(RevokeFinished(), 6.0)) == [
        beat(4, 5, owned={ORDERS: [1]}),
        Assign(frozenset({O3}), frozenset({O1, O3})),
    ]
    assert member.handle(AssignFinished(), 6.1) == []  # heartbeat 4 is under way
    assert member.handle(Answered(4, well(5)), 6.2) == [beat(5, 5, owned={ORDERS: [1, 3]})]


def test_everything_may_be_taken_away() -> None:
    """The member stays in the group with nothing."""
    member, actions = told(well(5, {}))

    assert done(actions) == [Revoke(MINE, 35.4)]
    assert done(member.handle(RevokeFinished(), 6.0)) == [beat(4, 5, owned={}), Assign(NOTHING, NOTHING)]
    assert member.state is State.ASSIGNING


def test_the_same_assignment_again_changes_nothing() -> None:
    """As a full heartbeat is answered."""
    _, actions = told(well(4, HALF))

    assert actions == []


# ── an assignment during a callback ──


def test_an_assignment_during_a_revoke_is_reconciled_next() -> None:
    """Heartbeats go on meanwhile; the newest assignment counts."""
    member = revoking()
    assert member.handle(TimerFired(), 10.4) == [beat(4)]

    assert member.handle(Answered(4, well(4, {ORDERS: [0, 2]})), 10.5) == []
    assert done(member.handle(RevokeFinished(), 11.0)) == [
        beat(5, owned={ORDERS: [0]}),
        Assign(frozenset({O2}), frozenset({O0, O2})),
    ]


def test_an_assignment_during_an_assign_is_reconciled_next() -> None:
    """What is taken away again is revoked when the application has been given it."""
    member = assigning()
    assert member.handle(TimerFired(), 5.1) == [beat(2, owned=HALF)]
    assert member.handle(Answered(2, well(5, {ORDERS: [0]})), 5.2) == []

    assert done(member.handle(AssignFinished(), 5.3)) == [Revoke(frozenset({O1}), 35.3)]


def test_what_is_given_back_during_its_revoke_is_assigned_anew() -> None:
    """The application gave it up, so it is told that it has it again."""
    member = revoking()
    member.handle(TimerFired(), 10.4)
    member.handle(Answered(4, well(4, HALF)), 10.5)

    assert done(member.handle(RevokeFinished(), 11.0))[1:] == [Assign(frozenset({O1}), MINE)]


def test_a_callback_that_raises_ends_the_member() -> None:
    """With what it raised."""
    for member, event in ((assigning(), AssignFinished), (revoking(), RevokeFinished), (losing(), LoseFinished)):
        error = RuntimeError("the application's own")
        assert error_of(member.handle(event(error), 12.0)) is error


def test_a_callback_that_ends_late_is_nobodys() -> None:
    """A revoke that was overtaken by a loss changes nothing when it ends."""
    member = revoking()
    member.handle(TimerFired(), 10.4)
    assert done(member.handle(Answered(4, refused(110)), 10.5)) == [Lose(MINE, "fenced_member_epoch")]

    assert member.handle(RevokeFinished(), 11.0) == []
    assert done(member.handle(LoseFinished(), 11.1)) == [rejoin(5)]


# ── heartbeats ──


def test_one_heartbeat_at_a_time() -> None:
    """What comes up while one is under way goes with the next, which follows at once."""
    member = stable()
    beat_again(member)

    assert member.handle(CommitRejected(113), 5.35) == []
    assert member.handle(Answered(3, well()), 5.4) == [beat(4)]


@pytest.mark.parametrize("make", [stable, assigning, revoking], ids=["stable", "assigning", "revoking"])
@pytest.mark.parametrize("code", [25, 113, 110, 82])
@pytest.mark.scenario(37, where="machine")
def test_a_rejected_commit_asks_a_heartbeat_at_once(make, code: int) -> None:
    """Whatever a commit is answered: the heartbeat decides what we are."""
    member = make()
    before = member.membership
    now = 7.0 if make is revoking else 1.0

    (send,) = member.handle(CommitRejected(code, before), now)

    assert (send.request.member_epoch, send.request.member_id, send.request.instance_id) == (4, MID, INST)
    assert member.membership == before


@pytest.mark.scenario(37, where="machine")
def test_a_stale_epoch_is_refreshed_by_the_heartbeat() -> None:
    """The commit can be tried once more with the epoch that it says."""
    member = stable()

    assert member.handle(CommitRejected(113, member.membership), 1.0) == [beat(3)]
    assert member.handle(Answered(3, well(6)), 1.1) == []
    assert member.membership.epoch == 6


@pytest.mark.scenario(37, where="machine")
def test_an_unknown_member_of_a_commit_is_judged_by_the_heartbeat() -> None:
    """It is fenced, lost, or nothing at all."""
    for code, expected in (
        (82, [Lose(MINE, "fenced"), Failed(FencedInstanceIdError, API)]),
        (25, [Lose(MINE, "removed")]),
        (0, []),
    ):
        member = stable()
        member.handle(CommitRejected(25, member.membership), 1.0)
        response = refused(code) if code else well()
        assert done(member.handle(Answered(3, response), 1.1)) == expected


def test_a_rejected_commit_of_another_member_id_asks_nothing() -> None:
    """Nor does one when we are in no group."""
    member = stable()
    assert member.handle(CommitRejected(25, member.membership.evolve(member_id="bbbb")), 1.0) == []
    assert losing().handle(CommitRejected(25), 6.0) == []


@pytest.mark.parametrize(
    ("code", "actions"),
    [
        (24, "failed"),
        (25, "lost"),
        (29, "failed"),
        (30, "failed"),
        (35, "failed"),
        (42, "failed"),
        (69, "failed"),
        (81, "failed"),
        (82, "fenced"),
        (110, "lost"),
        (111, "failed"),
        (112, "failed"),
        (113, "failed"),
        (128, "failed"),
        (14, None),
        (15, "coordinator_lost"),
        (16, "coordinator_lost"),
        (7, "coordinator_lost"),
    ],
)
@pytest.mark.parametrize("make", [stable, assigning, revoking], ids=["stable", "assigning", "revoking"])
def test_what_a_heartbeat_is_answered(make, code: int, actions: str | None) -> None:
    """The table of errors, in every state of a member: what is lost is all that is owned, callbacks are cut short."""
    member = make()
    now = member.deadline()
    assert now is not None
    (send,) = member.handle(TimerFired(), now)

    answer = member.handle(Answered(send.key, refused(code, "because")), now)

    assert reports(answer) == ([actions] if actions else [])
    lost = [action for action in answer if isinstance(action, Lose)]
    assert [action.partitions for action in lost] == ([] if actions in (None, "coordinator_lost") else [MINE])
    if actions in ("failed", "fenced"):
        error = error_of(answer)
        assert isinstance(error, BrokerError)
        assert (error.code, error.epoch, error.detail) == (code, 4, "because")


@pytest.mark.scenario(39, where="machine")
def test_a_group_that_became_a_classic_one_ends_the_member() -> None:
    """GROUP_ID_NOT_FOUND: a join would turn the whole group back; the remedy says what to do."""
    member, actions = told(refused(69))

    assert done(actions) == [Lose(MINE, "failed"), Failed(BrokerError, API)]
    assert "group.consumer.migration.policy" in str(error_of(actions))
    assert member.handle(LoseFinished(), 6.0) == []


@pytest.mark.scenario(38, where="machine")
@pytest.mark.parametrize("code", [25, 110])
def test_partitions_are_lost_before_anything_is_sent(code: int) -> None:
    """Nothing of them can be committed from then on; the join waits for the application's callback."""
    member, actions = told(refused(code))

    assert [type(action) for action in actions] == [Report, Lose]
    assert (member.membership.epoch, member.membership.assignment) == (-1, NOTHING)
    assert member.handle(TimerFired(), 50.0) == []
    assert done(member.handle(LoseFinished(), 50.0)) == [join(4) if code == 25 else rejoin(4)]


def test_a_dynamic_member_joins_again_under_its_id() -> None:
    """It is the client's own."""
    member, _ = told(refused(25), DYNAMIC)

    assert done(member.handle(LoseFinished(), 6.0)) == [join(4, instance_id=None)]


# ── the coordinator moves, loads, hangs ──


def test_a_loading_coordinator_is_asked_again_with_everything() -> None:
    """It says so itself (14), so that a good answer is proof of membership."""
    member, actions = told(refused(14))

    assert actions == []
    assert member.deadline() == pytest.approx(5.5)
    assert member.handle(TimerFired(), 5.5) == [full(4, 4, owned=HALF)]
    assert member.handle(Answered(4, well(4, HALF)), 5.6) == [
        Report("membership_confirmed", {"member_id": MID, "epoch": 4})
    ]


@pytest.mark.parametrize("code", [15, 16])
def test_a_coordinator_that_moved_is_told_everything(code: int) -> None:
    """Epoch and partitions stay; the good answer of its successor confirms them."""
    member, actions = told(refused(code))

    assert actions == [Report("coordinator_lost", {"code": code}), FindCoordinator(after=0.1)]
    assert member.membership.assignment == MINE
    assert member.handle(CoordinatorFound(VERSIONS), 6.0) == [full(4, 4, owned=HALF)]
    assert member.handle(Answered(4, well(4, HALF)), 6.1) == [
        Report("membership_confirmed", {"member_id": MID, "epoch": 4})
    ]


def test_a_heartbeat_that_is_not_answered_looks_for_the_coordinator() -> None:
    """And says everything to whoever is found, in the same epoch."""
    member = revoking()
    member.handle(TimerFired(), 10.4)

    actions = member.handle(RequestFailed(4, LOST), 15.4)

    assert reports(actions) == ["coordinator_lost"]
    assert done(actions) == [FindCoordinator(after=0.1)]
    assert member.handle(CoordinatorFound(VERSIONS), 16.0) == [full(5, 4, owned=HALF)]


def test_another_request_finds_the_coordinator_gone() -> None:
    """It is looked up at once, and once; the answer to the heartbeat under way is of no account."""
    member = stable()
    beat_again(member)

    assert done(member.handle(CoordinatorForgotten(), 5.35)) == [FindCoordinator()]
    assert member.handle(CoordinatorForgotten(), 5.36) == []
    assert member.handle(Answered(3, refused(25)), 5.4) == []
    assert member.handle(TimerFired(), 11.0) == []
    assert member.handle(CoordinatorFound(VERSIONS), 12.0) == [full(4, 4, owned=HALF)]


def test_a_revoke_that_ends_without_a_coordinator_is_told_to_the_next_one() -> None:
    """Nothing is sent into the void."""
    member = revoking()
    member.handle(CoordinatorForgotten(), 6.0)

    assert done(member.handle(RevokeFinished(), 6.1)) == [Assign(NOTHING, JUST_O0)]
    assert member.handle(AssignFinished(), 6.2) == []
    assert member.handle(CoordinatorFound(VERSIONS), 7.0) == [full(4, 4, owned={ORDERS: [0]})]


def test_a_session_that_may_have_timed_out_is_reported_once() -> None:
    """The coordinator does not tell its length: three intervals without a good answer are told as a suspicion."""
    member = stable()
    member.handle(CoordinatorForgotten(), 1.0)

    assert member.deadline() == pytest.approx(15.3)
    assert member.handle(TimerFired(), 15.3) == [
        Report("session_timeout_passed", {"member_id": MID, "epoch": 4, "inferred": True})
    ]
    assert member.membership.assignment == MINE
    assert member.deadline() is None
    assert done(member.handle(CoordinatorFound(VERSIONS), 60.0)) == [full(3, 4, owned=HALF)]
    assert reports(member.handle(Answered(3, well(4, HALF)), 60.1)) == ["membership_confirmed"]


# ── topics ──


def test_partitions_of_several_topics_are_told_by_their_ids() -> None:
    """In one order."""
    member = stable()
    member.handle(MetadataChanged(snapshot(orders=ORDERS, refunds=REFUNDS)), 1.0)
    member.handle(SubscriptionChanged(frozenset({"orders", "refunds"})), 1.0)

    actions = member.handle(Answered(3, well(5, {REFUNDS: [0], ORDERS: [1, 0]})), 1.1)

    assert done(actions) == [Assign(frozenset({R0}), frozenset({O0, O1, R0}))]
    assert member.handle(AssignFinished(), 1.2) == [beat(4, 5, owned={ORDERS: [0, 1], REFUNDS: [0]})]

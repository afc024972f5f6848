"""What the application is told of a membership: the events of real machines, with literal times, and their health."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import pytest

from kafkastatic._group.journal import Journal
from kafkastatic._group.member import (
    Action,
    Answered,
    AssignFinished,
    CloseRequested,
    CoordinatorFound,
    Event,
    LoseFinished,
    Member,
    PollExpired,
    PollResumed,
    RequestFailed,
    RevokeFinished,
    Send,
    Started,
    SubscriptionChanged,
    TimerFired,
)
from kafkastatic._group.settings import ConsumerSettings, Settings
from kafkastatic._protocol.messages.heartbeat import HeartbeatResponse
from kafkastatic._protocol.primitives import Response
from kafkastatic.errors import FencedInstanceIdError, GroupAuthorizationFailedError, UnreleasedInstanceIdError
from kafkastatic.events import (
    Assigned,
    Fenced,
    Health,
    Joined,
    Joining,
    Lost,
    Rebalanced,
    Revoked,
    Waiting,
)
from kafkastatic.events import Event as Told
from kafkastatic.types import TopicPartition
from tests.group import consumer_machine as kip848
from tests.group.machine import (
    LOST,
    MID,
    MINE,
    NOTHING,
    O0,
    O1,
    O2,
    STATIC,
    VERSIONS,
    beaten,
    error_of,
    idle,
    join_error,
    joined,
    sync_error,
    synced,
)

EPOCH = 1_000_000.0
"""What the wall clock shows when the machine's shows 0."""

THEIRS = frozenset({O1, O2})


class Watched:
    """A member, its journal, and when it is."""

    def __init__(self, settings: Settings = STATIC, topics: Sequence[str] = ("orders",)) -> None:
        self.member: Member = idle(settings, topics)
        self.journal = Journal(settings.rebalance_timeout)
        self.now = 0.0
        self.actions: list[Action] = []
        self.asked: dict[type[Response], int] = {}  # the last request that is answered so

    @classmethod
    def of(cls, member: Member, rebalance_timeout: float) -> Self:
        ours = cls()
        ours.member, ours.journal = member, Journal(rebalance_timeout)
        return ours

    def sees(self, event: Event, now: float) -> list[Told]:
        self.now, self.actions = now, self.member.handle(event, now)
        for action in self.actions:
            if isinstance(action, Send):
                self.asked[action.request.RESPONSE] = action.key
        return self.journal.saw(event, self.actions, self.member, now, EPOCH + now)

    def hears(self, answer: Response, now: float) -> list[Told]:
        """The last request of its kind is answered."""
        return self.sees(Answered(self.asked[type(answer)], answer), now)

    @property
    def health(self) -> tuple[bool, bool, str, float]:
        """Live, ready, the reason, and since when on the machine's clock."""
        health = self.journal.health(EPOCH + self.now)
        return health.live, health.ready, health.reason, round(health.since - EPOCH, 6)


def entered(settings: Settings = STATIC) -> Watched:
    """Stable in generation 4 since 0.5, when `on_partitions_assigned` had run for 0.3 s."""
    ours = Watched(settings)
    ours.journal.starting(EPOCH)
    ours.sees(Started(), 0.0)
    ours.sees(CoordinatorFound(VERSIONS), 0.0)
    ours.hears(joined(), 0.1)
    ours.hears(synced(), 0.2)
    ours.hears(beaten(), 0.3)
    ours.sees(AssignFinished(), 0.5)
    return ours


def beats(ours: Watched, code: int = 0) -> list[Told]:
    """The heartbeat of 3.2 is answered at 3.3."""
    assert ours.sees(TimerFired(), 3.2) == []
    return ours.hears(beaten(code), 3.3)


IN_THE_GROUP = (True, True, "in the group", 0.5)


# ── the way in ──


def test_a_first_join_is_told_step_by_step_and_is_no_rebalance() -> None:
    """Ready when its callbacks are done."""
    ours = Watched()
    assert ours.health == (True, False, "not started", -EPOCH)
    ours.journal.starting(EPOCH)
    assert ours.health == (True, False, "starting", 0.0)

    assert ours.sees(Started(), 0.0) == []
    assert ours.health == (True, False, "joining the group: looking for the coordinator", 0.0)
    assert ours.sees(CoordinatorFound(VERSIONS), 0.1) == [Joining(EPOCH + 0.1, "", "first join")]
    assert ours.health == (True, False, "joining the group: first join", 0.1)
    assert ours.hears(joined(), 0.2) == [Joined(EPOCH + 0.2, MID, 4, False)]
    assert ours.hears(synced(), 0.3) == []
    assert ours.hears(beaten(), 0.4) == []
    assert ours.health == (True, False, "joining the group: on_partitions_assigned runs", 0.3)
    assert ours.sees(AssignFinished(), 2.5) == [Assigned(EPOCH + 2.5, 4, MINE, MINE)]
    assert ours.health == (True, True, "in the group", 2.5)


def test_nothing_is_told_of_a_quiet_life() -> None:
    """While another static member restarts, all that is heard are good heartbeats."""
    ours = entered()

    assert [beats(ours), ours.sees(TimerFired(), 6.2), ours.hears(beaten(), 6.3)] == [[], [], []]
    assert ours.health == IN_THE_GROUP


def test_a_member_that_gets_nothing_is_told_so_and_is_ready() -> None:
    """There are more members than partitions."""
    ours = Watched()
    ours.sees(Started(), 0.0)
    ours.sees(CoordinatorFound(VERSIONS), 0.0)
    ours.hears(joined(), 0.1)
    ours.hears(synced(NOTHING), 0.2)

    assert ours.sees(AssignFinished(), 0.3) == [Assigned(EPOCH + 0.3, 4, NOTHING, NOTHING)]
    assert ours.health == (True, True, "in the group", 0.3)


def test_a_member_without_topics_is_not_ready() -> None:
    """Until it subscribes."""
    ours = Watched(topics=())
    assert ours.sees(Started(), 0.0) == ours.sees(CoordinatorFound(VERSIONS), 0.1) == []
    assert ours.health == (True, False, "not in the group: nothing is subscribed to", 0.1)

    assert ours.sees(SubscriptionChanged(frozenset({"orders"})), 1.0) == [
        Joining(EPOCH + 1.0, "", "subscription changed")
    ]
    assert ours.health == (True, False, "joining the group: subscription changed", 1.0)


@pytest.mark.scenario(25, where="machine")
def test_waiting_for_the_instance_id_is_neither_dead_nor_ready() -> None:
    """The group is full, by the predecessor: told once, with its end; each try is a `Joining`."""
    ours = Watched(STATIC.evolve(release_timeout=60.0))
    ours.sees(Started(), 0.0)
    ours.sees(CoordinatorFound(VERSIONS), 0.0)

    assert ours.hears(join_error(81), 0.1) == [
        Waiting(EPOCH + 0.1, "GROUP_MAX_SIZE_REACHED", EPOCH + 0.1, EPOCH + 60.1)
    ]
    assert ours.health == (True, False, "waiting for the instance id: GROUP_MAX_SIZE_REACHED", 0.1)
    (again,) = ours.sees(TimerFired(), 0.2)
    assert isinstance(again, Joining)
    assert ours.hears(join_error(81), 0.3) == []
    assert ours.health == (True, False, "waiting for the instance id: GROUP_MAX_SIZE_REACHED", 0.1)
    ours.sees(TimerFired(), 0.5)
    assert ours.hears(joined(), 0.6) == [Joined(EPOCH + 0.6, MID, 4, False)]
    assert ours.health[2].startswith("joining the group: ")


# ── rebalances ──


def test_a_rebalance_is_told_once_with_where_the_time_went() -> None:
    """0.6 s of revoking, 2 of joining, 0.4 of syncing, 1.5 of assigning; ready all the time."""
    ours = entered()

    assert beats(ours, 27) == []
    assert ours.health == (True, True, "rebalancing: group is rebalancing", 3.3)
    assert ours.sees(RevokeFinished(), 3.9) == [
        Revoked(EPOCH + 3.9, 4, MINE),
        Joining(EPOCH + 3.9, MID, "group is rebalancing"),
    ]
    assert ours.hears(joined(generation=5), 5.9) == [Joined(EPOCH + 5.9, MID, 5, False)]
    assert ours.hears(synced(THEIRS), 6.3) == []
    assert ours.health == (True, True, "rebalancing: group is rebalancing", 3.3)
    assert ours.sees(AssignFinished(), 7.8) == [
        Assigned(EPOCH + 7.8, 5, THEIRS, THEIRS),
        rebalance(
            at=7.8,
            cause="group is rebalancing",
            epochs=(4, 5),
            kept={O1},
            added={O2},
            revoked={O0},
            spent=(0.6, 2.0, 0.4, 1.5),
        ),
    ]
    assert ours.health == (True, True, "in the group", 7.8)


def rebalance(
    *,
    at: float,
    cause: str,
    epochs: tuple[int, int],
    kept: set[TopicPartition],
    added: set[TopicPartition],
    revoked: set[TopicPartition],
    spent: tuple[float, float, float, float],
) -> Rebalanced:
    """As told, its durations to the microsecond."""
    revoke, join, sync, assign = (pytest.approx(seconds, abs=1e-6) for seconds in spent)
    total = pytest.approx(sum(spent), abs=1e-6)
    what = frozenset(kept), frozenset(added), frozenset(revoked)
    return Rebalanced(EPOCH + at, cause, *epochs, *what, revoke, join, sync, assign, total)


def test_a_rebalance_that_does_not_end_is_not_ready_any_more() -> None:
    """After `max_poll_interval_ms` the group has gone on without us, or something hangs."""
    ours = entered()
    beats(ours, 27)

    ours.now = 303.2
    assert ours.health == (True, True, "rebalancing: group is rebalancing", 3.3)
    ours.now = 303.4
    late = "rebalancing: group is rebalancing, for longer than max_poll_interval_ms"
    assert ours.health == (True, False, late, 3.3)
    ours.sees(RevokeFinished(), 304.0)
    assert ours.health == (True, False, late, 3.3)


def test_a_rebalance_during_the_first_callback_is_one_all_the_same() -> None:
    """What was assigned just now is given up at once, and had been owned."""
    ours = Watched()
    ours.sees(Started(), 0.0)
    ours.sees(CoordinatorFound(VERSIONS), 0.0)
    ours.hears(joined(), 0.1)
    ours.hears(synced(), 0.2)
    assert ours.hears(beaten(27), 0.3) == []

    assert ours.sees(AssignFinished(), 0.4) == [Assigned(EPOCH + 0.4, 4, MINE, MINE)]
    assert ours.health == (True, True, "rebalancing: group is rebalancing", 0.4)
    assert ours.sees(RevokeFinished(), 0.5)[0] == Revoked(EPOCH + 0.5, 4, MINE)
    ours.hears(joined(generation=5), 0.6)
    ours.hears(synced(), 0.7)
    assert ours.sees(AssignFinished(), 0.8) == [
        Assigned(EPOCH + 0.8, 5, MINE, MINE),
        rebalance(
            at=0.8,
            cause="group is rebalancing",
            epochs=(4, 5),
            kept={O0, O1},
            added=set(),
            revoked=set(),
            spent=(0.1, 0.1, 0.1, 0.1),
        ),
    ]


def test_looking_for_the_coordinator_is_part_of_joining() -> None:
    """It dies while the partitions are given up."""
    ours = entered()
    beats(ours, 27)
    ours.sees(TimerFired(), 6.2)
    ours.sees(RequestFailed(ours.asked[HeartbeatResponse], LOST), 6.3)

    assert ours.sees(RevokeFinished(), 7.3) == [Revoked(EPOCH + 7.3, 4, MINE)]
    assert ours.sees(CoordinatorFound(VERSIONS), 9.3) == [Joining(EPOCH + 9.3, MID, "group is rebalancing")]
    ours.hears(joined(generation=5), 9.8)
    ours.hears(synced(), 10.0)
    told = ours.sees(AssignFinished(), 10.0)[-1]
    assert isinstance(told, Rebalanced)
    assert (told.revoke, told.join) == (pytest.approx(4.0), pytest.approx(2.5))


def test_a_way_back_after_an_unsubscribe_is_no_rebalance() -> None:
    """The application went and came; it is not in the group meanwhile."""
    ours = entered()
    assert ours.sees(SubscriptionChanged(frozenset()), 1.0) == []
    assert ours.sees(RevokeFinished(), 1.1) == [Revoked(EPOCH + 1.1, 4, MINE)]
    assert ours.health == (True, False, "not in the group: unsubscribed", 1.1)

    ours.sees(SubscriptionChanged(frozenset({"orders"})), 2.0)
    assert ours.health == (True, False, "joining the group: subscription changed", 2.0)
    ours.hears(joined(generation=5), 2.1)
    ours.hears(synced(), 2.2)
    assert ours.sees(AssignFinished(), 2.3) == [Assigned(EPOCH + 2.3, 5, MINE, MINE)]


# ── losses ──


@pytest.mark.scenario(30, where="machine")
def test_a_lost_membership_is_not_ready_until_it_is_back() -> None:
    """Told at once, before the callback; the way back is a rebalance whose cause it is."""
    ours, cause = entered(), "lost membership: illegal_generation"

    assert beats(ours, 22) == [Lost(EPOCH + 3.3, 4, MINE, "illegal_generation", inferred=False)]
    assert ours.health == (True, False, "not in the group: lost, illegal_generation", 3.3)
    (joining,) = ours.sees(LoseFinished(), 3.4)
    assert joining == Joining(EPOCH + 3.4, MID, cause)
    assert ours.health == (True, False, f"joining the group: {cause}", 3.4)
    ours.hears(joined(generation=5), 3.6)
    assert ours.hears(synced(THEIRS), 3.9) == []
    assert ours.health == (True, False, "joining the group: on_partitions_assigned runs", 3.9)
    assert ours.sees(AssignFinished(), 4.3) == [
        Assigned(EPOCH + 4.3, 5, THEIRS, THEIRS),
        rebalance(
            at=4.3,
            cause=cause,
            epochs=(4, 5),
            kept={O1},
            added={O2},
            revoked={O0},
            spent=(0.1, 0.2, 0.3, 0.4),
        ),
    ]
    assert ours.health == (True, True, "in the group", 4.3)


def test_partitions_that_are_lost_while_they_are_given_up_are_not_revoked() -> None:
    """Nor are those assigned that are lost while their callback runs."""
    ours = entered()
    beats(ours, 27)
    ours.sees(TimerFired(), 6.2)
    assert ours.hears(beaten(22), 6.3) == [Lost(EPOCH + 6.3, 4, MINE, "illegal_generation", inferred=False)]
    assert ours.sees(RevokeFinished(), 6.4) == []
    ours.sees(LoseFinished(), 6.5)
    ours.hears(joined(generation=5), 6.6)
    ours.hears(synced(), 6.7)
    assert ours.hears(beaten(22), 6.8) == [Lost(EPOCH + 6.8, 5, MINE, "illegal_generation", inferred=False)]
    assert ours.sees(AssignFinished(), 6.9) == []


@pytest.mark.scenario(21, where="machine")
def test_a_slow_application_is_not_ready_until_it_asks_again() -> None:
    """It is alive: a restart would meet the same record."""
    ours = entered()

    assert ours.sees(PollExpired(("orders", 0, 17), 0.5), 301.0) == [
        Lost(EPOCH + 301.0, 4, MINE, "max_poll_interval_ms", inferred=False)
    ]
    assert ours.sees(LoseFinished(), 301.1) == []
    assert ours.health == (True, False, "not in the group: max_poll_interval_ms exceeded", 301.0)
    assert ours.sees(PollResumed(), 400.0) == [Joining(EPOCH + 400.0, MID, "max_poll_interval_ms exceeded")]


# ── doubts ──


@pytest.mark.scenario(27, where="machine")
def test_a_bare_heartbeat_of_a_loading_coordinator_confirms_nothing() -> None:
    """A short failover costs no readiness, but is told; one that outlasts the session does, until there is proof."""
    ours = entered()
    assert beats(ours, 16) == []
    doubtful = (True, True, "unconfirmed: the coordinator was lost", 3.3)
    assert ours.health == doubtful
    ours.sees(CoordinatorFound(VERSIONS), 9.0)
    ours.hears(beaten(), 9.1)
    assert ours.health == doubtful
    ours.hears(sync_error(14), 9.2)
    assert ours.health == doubtful
    ours.sees(TimerFired(), 45.3)
    passed = (True, False, "unconfirmed: no word of the coordinator for session_timeout_ms", 45.3)
    assert ours.health == passed
    ours.hears(beaten(), 45.4)
    assert ours.health == passed

    ours.hears(synced(), 45.5)
    assert ours.health == (True, True, "in the group", 45.5)


def test_a_heartbeat_is_proof_where_no_coordinator_was_lost() -> None:
    """It said all the time that it was loading, and does not any more."""
    ours = entered()
    beats(ours, 14)
    ours.sees(TimerFired(), 6.2)
    ours.sees(TimerFired(), 45.3)
    assert ours.health[1] is False

    assert ours.hears(beaten(), 45.4) == []
    assert ours.health == (True, True, "in the group", 45.4)


# ── the end ──


@pytest.mark.scenario(9, where="machine")
def test_a_fenced_member_has_lost_its_partitions_and_is_dead() -> None:
    """The last event has the error, when it is known who has the id now."""
    ours = entered()

    assert beats(ours, 82) == [Lost(EPOCH + 3.3, 4, MINE, "fenced_instance_id", inferred=False)]
    assert ours.health == (True, False, "not in the group: FencedInstanceIdError", 3.3)
    error = error_of(ours.actions)
    assert isinstance(error, FencedInstanceIdError)
    error.owner = "member billing-0-b"
    assert ours.sees(LoseFinished(), 3.4) == []
    assert ours.journal.failed(error, EPOCH + 3.5) == [Fenced(EPOCH + 3.5, error, "member billing-0-b")]
    assert ours.health == (False, False, "ended: FencedInstanceIdError", 3.5)
    assert ours.journal.health(EPOCH + 4.0).error is error


def test_who_is_fenced_before_it_owned_anything_has_lost_nothing() -> None:
    ours = Watched()
    ours.sees(Started(), 0.0)
    ours.sees(CoordinatorFound(VERSIONS), 0.0)

    assert ours.hears(join_error(82), 0.1) == []
    assert ours.health == (True, False, "not in the group: FencedInstanceIdError", 0.1)


def test_other_errors_end_it_without_a_word_but_their_own() -> None:
    """A coordinator's code is the cause of the loss; what else it was, an application's own error for instance, is
    raised."""
    ours = entered()
    assert beats(ours, 30) == [Lost(EPOCH + 3.3, 4, MINE, "group_authorization_failed", inferred=False)]
    assert ours.journal.failed(error_of(ours.actions), EPOCH + 3.4) == []
    assert ours.health == (False, False, "ended: GroupAuthorizationFailedError", 3.4)

    ours = entered()
    beats(ours, 27)
    assert ours.sees(RevokeFinished(RuntimeError("the application's own")), 3.4) == [
        Lost(EPOCH + 3.4, 4, MINE, "failed", inferred=False)
    ]


def test_a_close_in_order() -> None:
    """Its partitions are revoked; that it was closed is no rebalance, and nothing goes back on it."""
    ours = entered()
    ours.journal.closing(EPOCH + 1.0)

    assert ours.sees(CloseRequested(leave=False), 1.0) == []
    assert ours.health == (True, False, "closing", 1.0)
    assert ours.sees(RevokeFinished(), 1.1) == [Revoked(EPOCH + 1.1, 4, MINE)]
    ours.journal.closed(EPOCH + 1.2)
    ours.journal.closing(EPOCH + 1.3)
    assert ours.health == (True, False, "closed", 1.2)


def test_a_stop_is_for_good_but_an_error_weighs_more() -> None:
    """A rebalance after `stop()` makes nobody ready; a consumer that died is dead, also once it is closed."""
    ours = entered()
    ours.journal.stopping(EPOCH + 1.0)
    beats(ours, 27)
    assert ours.health == (True, False, "stopped", 1.0)

    assert ours.journal.failed(GroupAuthorizationFailedError(), EPOCH + 4.0) == []
    ours.journal.closing(EPOCH + 5.0)
    ours.journal.closed(EPOCH + 5.0)
    assert ours.health == (False, False, "ended: GroupAuthorizationFailedError", 4.0)


def test_who_asks_nothing_of_a_group_is_ready_when_it_has_started() -> None:
    """Whatever the membership that idles beside does."""
    journal = Journal(300.0)
    journal.starting(10.0)
    journal.alone(11.0)
    assert journal.health(12.0) == Health(True, True, "reads without a group", 11.0)

    ours = Watched(topics=())
    ours.journal.alone(EPOCH + 0.0)
    ours.sees(Started(), 0.1)
    assert ours.health == (True, True, "reads without a group", 0.0)


# ── the same of a member of a KIP-848 group ──


def consumer_group(settings: ConsumerSettings = kip848.STATIC) -> Watched:
    """One that knows the topics and the coordinator, and has sent join 1 at 0.0."""
    ours = Watched.of(kip848.idle(settings), settings.rebalance_timeout)
    ours.sees(Started(), 0.0)
    assert ours.sees(CoordinatorFound(kip848.VERSIONS), 0.0) == [Joining(EPOCH, kip848.MID, "first join")]
    return ours


def reconciled() -> Watched:
    """Owns `MINE` in epoch 4 since 0.2; heartbeat 3 was sent at 5.3."""
    ours = consumer_group()
    assert ours.hears(kip848.well(4, kip848.HALF), 0.1) == [Joined(EPOCH + 0.1, kip848.MID, 4, None)]
    assert ours.sees(AssignFinished(), 0.2) == [Assigned(EPOCH + 0.2, 4, MINE, MINE)]
    ours.hears(kip848.well(), 0.3)
    ours.sees(TimerFired(), 5.3)
    assert ours.health == (True, True, "in the group", 0.2)
    return ours


@pytest.mark.scenario(33, where="machine")
def test_a_crashed_predecessors_instance_id_is_waited_for() -> None:
    """Neither dead nor ready, with the end of the waiting told."""
    ours = consumer_group()

    assert ours.hears(kip848.refused(111), 0.1) == [
        Waiting(EPOCH + 0.1, "UNRELEASED_INSTANCE_ID", EPOCH + 0.1, EPOCH + 60.1)
    ]
    assert ours.health == (True, False, "waiting for the instance id: UNRELEASED_INSTANCE_ID", 0.1)
    assert [type(event) for event in ours.sees(TimerFired(), 0.2)] == [Joining]
    assert ours.health == (True, False, "waiting for the instance id: UNRELEASED_INSTANCE_ID", 0.1)
    assert ours.hears(kip848.well(4, kip848.HALF), 0.3) == [Joined(EPOCH + 0.3, kip848.MID, 4, None)]
    assert ours.health == (True, False, "joining the group: on_partitions_assigned runs", 0.3)


@pytest.mark.scenario(35, where="machine")
def test_an_instance_id_that_is_not_released_ends_it_as_one_that_was_taken() -> None:
    """The owner is named by the last event."""
    ours = consumer_group()
    ours.hears(kip848.refused(111), 0.1)
    ours.sees(TimerFired(), 0.2)

    assert ours.hears(kip848.refused(111), 60.2) == []
    error = error_of(ours.actions)
    assert isinstance(error, UnreleasedInstanceIdError)
    error.owner = "member bbbb"
    assert ours.journal.failed(error, EPOCH + 60.3) == [Fenced(EPOCH + 60.3, error, "member bbbb")]
    assert ours.health == (False, False, "ended: UnreleasedInstanceIdError", 60.3)


def test_who_is_let_in_and_given_nothing_yet_is_not_ready() -> None:
    """Others have to give its share up first."""
    ours = consumer_group()

    ours.hears(kip848.well(4, {}), 0.1)
    assert ours.health == (True, False, "joining the group: first join", 0.0)
    ours.sees(TimerFired(), 0.2)
    assert ours.hears(kip848.well(4, kip848.HALF), 0.3) == []
    assert ours.sees(AssignFinished(), 0.4) == [Assigned(EPOCH + 0.4, 4, MINE, MINE)]
    assert ours.health == (True, True, "in the group", 0.4)


def test_one_partition_that_goes_is_a_rebalance_of_its_own() -> None:
    """Nothing was joined; what stays is kept, and the callback is told that nothing was added."""
    ours = reconciled()

    assert ours.hears(kip848.well(5, {kip848.ORDERS: [0]}), 5.4) == []
    assert ours.health == (True, True, "rebalancing: not assigned any more", 5.4)
    assert ours.sees(RevokeFinished(), 5.9) == [Revoked(EPOCH + 5.9, 5, frozenset({O1}))]
    assert ours.sees(AssignFinished(), 6.0) == [
        Assigned(EPOCH + 6.0, 5, frozenset({O0}), NOTHING),
        rebalance(
            at=6.0,
            cause="not assigned any more",
            epochs=(4, 5),
            kept={O0},
            added=set(),
            revoked={O1},
            spent=(0.5, 0.0, 0.0, 0.1),
        ),
    ]


def test_a_share_that_grows_is_a_rebalance_without_a_revoke() -> None:
    """Told by a heartbeat, and done when the callback is."""
    ours = reconciled()

    assert ours.hears(kip848.well(5, {kip848.ORDERS: [0, 1, 2]}), 5.4) == []
    assert ours.sees(AssignFinished(), 5.7) == [
        Assigned(EPOCH + 5.7, 5, MINE | {O2}, frozenset({O2})),
        rebalance(
            at=5.7,
            cause="the assignment changed",
            epochs=(4, 5),
            kept={O0, O1},
            added={O2},
            revoked=set(),
            spent=(0.0, 0.0, 0.0, 0.3),
        ),
    ]


def test_another_epoch_with_the_same_share_is_nothing() -> None:
    """Others rebalance."""
    ours = reconciled()

    assert ours.hears(kip848.well(5), 5.4) == []
    assert ours.health == (True, True, "in the group", 0.2)


@pytest.mark.protocol("consumer")
@pytest.mark.scenario(23, where="machine")
def test_a_removal_is_inferred_and_says_so() -> None:
    """Within three heartbeat intervals no session times out."""
    ours = reconciled()

    assert ours.hears(kip848.refused(25), 5.4) == [Lost(EPOCH + 5.4, 4, MINE, "removed", inferred=True)]
    assert ours.health == (True, False, "not in the group: lost, removed", 5.4)


@pytest.mark.scenario(38, where="machine")
def test_a_fenced_epoch_is_lost_and_no_end() -> None:
    ours = reconciled()

    assert ours.hears(kip848.refused(110), 5.4) == [Lost(EPOCH + 5.4, 4, MINE, "fenced_member_epoch", inferred=False)]
    (again,) = ours.sees(LoseFinished(), 5.5)
    assert again == Joining(EPOCH + 5.5, kip848.MID, "lost membership: fenced_member_epoch")


def test_a_good_answer_is_proof() -> None:
    """After a coordinator was lost, and after our own loop was asleep for longer than a session may last."""
    ours = reconciled()
    ours.hears(kip848.refused(16), 5.4)
    assert ours.health == (True, True, "unconfirmed: the coordinator was lost", 5.4)
    ours.sees(CoordinatorFound(kip848.VERSIONS), 6.0)
    ours.hears(kip848.well(), 6.1)
    assert ours.health == (True, True, "in the group", 6.1)

    ours.sees(TimerFired(), 60.0)
    assert ours.health == (True, False, "unconfirmed: no word of the coordinator for three heartbeat intervals", 60.0)
    ours.hears(kip848.well(), 60.1)
    assert ours.health == (True, True, "in the group", 60.1)

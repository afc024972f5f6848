"""Into the group: the first join, a restart, a dynamic member, and joins that are refused."""

from __future__ import annotations

import pytest

from kafkastatic._group.member import (
    Answered,
    Assign,
    AssignFinished,
    CloseRequested,
    CoordinatorFound,
    CoordinatorRefused,
    FindCoordinator,
    Lose,
    LoseFinished,
    Report,
    RequestFailed,
    Revoke,
    Started,
    Stop,
    SubscriptionChanged,
    TimerFired,
)
from kafkastatic._group.settings import STATIC_VERSIONS
from kafkastatic._group.states import State
from kafkastatic._protocol.error_codes import TABLE
from kafkastatic.errors import (
    BrokerError,
    ConfigError,
    FencedInstanceIdError,
    GroupAuthorizationFailedError,
    GroupMaxSizeReachedError,
    InconsistentGroupProtocolError,
    InvalidSessionTimeoutError,
    UnsupportedVersionError,
)
from kafkastatic.types import Membership
from tests.group.machine import (
    DYNAMIC,
    DYNAMIC_MID,
    GROUP,
    INST,
    LOST,
    MID,
    MINE,
    NOTHING,
    STATIC,
    VERSIONS,
    Failed,
    beat,
    beat_again,
    beaten,
    describe,
    done,
    error_of,
    finding,
    idle,
    join,
    join_error,
    joined,
    joining,
    rejoining,
    revoked,
    stable,
    sync,
    sync_error,
    synced,
    syncing,
)

RETRIABLE = frozenset(code for code, info in TABLE.items() if info.retriable) - {15, 16}


@pytest.mark.scenario(1, where="machine")
def test_a_first_join_takes_one_joingroup() -> None:
    """A static member joins with one JoinGroup, and is assigned its partitions once."""
    member = idle()

    assert member.handle(Started(), 0.0) == [FindCoordinator()]
    assert member.handle(CoordinatorFound(VERSIONS), 0.1) == [
        Report("joining", {"member_id": "", "reason": "first join"}),
        join(1, reason="first join"),
    ]
    assert member.handle(Answered(1, joined()), 0.2) == [
        Report("joined", {"member_id": MID, "epoch": 4, "leader": False, "skip_assignment": False}),
        sync(2),
    ]
    assert member.handle(Answered(2, synced()), 0.3) == [
        beat(3),
        Report("assigned", {"member_id": MID, "epoch": 4, "partitions": 2, "added": 2}),
        Assign(MINE, MINE),
    ]
    assert member.handle(Answered(3, beaten()), 0.4) == [describe(4)]
    assert member.handle(AssignFinished(), 0.4) == []
    assert member.membership == Membership(GROUP, INST, MID, 4, MINE)
    assert member.deadline() == 3.3


@pytest.mark.scenario(2, where="machine")
@pytest.mark.parametrize(("request_class", "needed"), STATIC_VERSIONS, ids=[api.NAME for api, _ in STATIC_VERSIONS])
def test_a_broker_too_old_for_static_members_ends_the_consumer(request_class, needed) -> None:
    """If one of the five APIs cannot carry an instance id, the consumer ends before any join."""
    member = finding()
    versions = {**VERSIONS, request_class.API_KEY: (0, needed - 1)}

    actions = member.handle(CoordinatorFound(versions), 0.1)

    assert done(actions) == [Lose(NOTHING, "failed"), Failed(UnsupportedVersionError, request_class.NAME)]
    error = error_of(actions)
    assert isinstance(error, ConfigError)
    assert error.code == 35
    assert member.deadline() is None


@pytest.mark.scenario(2, where="machine")
def test_a_broker_that_lacks_an_api_ends_the_consumer_too() -> None:
    """An API that the broker does not offer at all is too old as well."""
    member = finding()

    actions = member.handle(CoordinatorFound({}), 0.1)

    assert done(actions) == [Lose(NOTHING, "failed"), Failed(UnsupportedVersionError, "JoinGroup")]


def test_a_dynamic_member_does_not_mind_an_old_broker() -> None:
    """Without an instance id there is nothing that an old broker could not carry."""
    member = finding(DYNAMIC)

    assert done(member.handle(CoordinatorFound({11: (0, 4)}), 0.1)) == [join(1, reason="first join", instance_id=None)]


def test_a_dynamic_member_joins_again_with_the_id_it_is_given() -> None:
    """A dynamic member is given its member id first, and joins with it (KIP-394)."""
    member = joining(DYNAMIC)

    assert done(member.handle(Answered(1, join_error(79, DYNAMIC_MID)), 0.1)) == [
        join(2, DYNAMIC_MID, reason="first join", instance_id=None)
    ]
    assert done(member.handle(Answered(2, joined(DYNAMIC_MID)), 0.2)) == [sync(3, DYNAMIC_MID, instance_id=None)]
    assert done(member.handle(Answered(3, synced()), 0.3)) == [
        beat(4, DYNAMIC_MID, instance_id=None),
        Assign(MINE, MINE),
    ]


@pytest.mark.parametrize("given", ["", DYNAMIC_MID])
def test_a_broker_that_asks_for_a_member_id_for_ever_is_not_asked_for_ever(given: str) -> None:
    """A second demand for a member id, or one that names none, is an error and no endless loop."""
    member = joining(DYNAMIC)
    key = 1
    if given:
        member.handle(Answered(1, join_error(79, given)), 0.1)
        key = 2

    assert done(member.handle(Answered(key, join_error(79, given)), 0.1)) == [
        Lose(NOTHING, "failed"),
        Failed(BrokerError, "JoinGroup"),
    ]


@pytest.mark.scenario(4, where="machine")
def test_a_restart_leaves_nothing_behind_and_takes_the_old_place() -> None:
    """A static member stops without LeaveGroup; its next start gets the generation and the partitions it had."""
    first = stable()
    assert done(first.handle(CloseRequested(leave=False), 1.0)) == [Revoke(MINE, deadline=31.0)]
    assert done(revoked(first, 1.1)) == [Stop()]
    second = joining()

    assert done(second.handle(Answered(1, joined("billing-0-b", 4)), 10.1)) == [sync(2, "billing-0-b")]
    assert done(second.handle(Answered(2, synced()), 10.2)) == [beat(3, "billing-0-b"), Assign(MINE, MINE)]
    assert second.membership == Membership(GROUP, INST, "billing-0-b", 4, MINE)


@pytest.mark.scenario(22, where="machine")
def test_the_first_heartbeat_follows_the_syncgroup_at_once() -> None:
    """Until its first heartbeat a replacement lives on its predecessor's session timer, so it does not wait for it."""
    member = joining()
    member.handle(Answered(1, joined()), 10.0)

    assert done(member.handle(Answered(2, synced()), 10.0)) == [beat(3), Assign(MINE, MINE)]
    assert member.handle(Answered(3, beaten()), 10.1) == [describe(4)]
    assert member.deadline() == 13.0
    assert done(member.handle(TimerFired(), 13.0)) == [beat(5)]


def test_heartbeats_go_on_while_the_callback_runs() -> None:
    """A slow on_partitions_assigned does not cost the membership."""
    member = joining()
    member.handle(Answered(1, joined()), 0.1)
    member.handle(Answered(2, synced()), 0.2)
    member.handle(Answered(3, beaten()), 0.3)

    assert done(member.handle(TimerFired(), 3.2)) == [beat(5)]
    assert member.state is State.ASSIGNING


def test_an_assignment_of_nothing_is_an_assignment() -> None:
    """A member without partitions is in the group all the same."""
    member = joining()
    member.handle(Answered(1, joined()), 0.1)

    assert done(member.handle(Answered(2, synced(NOTHING)), 0.2)) == [beat(3), Assign(NOTHING, NOTHING)]


# ── joins that are refused ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.scenario(19, where="machine")
@pytest.mark.scenario(23, where="machine")
def test_a_known_member_id_that_is_refused_is_given_up_once() -> None:
    """If the coordinator does not know the member id any more, one join without it follows."""
    member = rejoining()

    assert member.handle(Answered(6, join_error(25)), 48.3) == [
        Report("joining", {"member_id": "", "reason": "member id was not known any more"}),
        join(7, generation=4, reason="member id was not known any more"),
    ]
    assert member.handle(Answered(7, join_error(25)), 48.4) == []
    assert member.state is State.WAITING
    assert member.deadline() == 48.5


@pytest.mark.parametrize("code", [14, 27, 7])
def test_a_join_that_is_refused_for_now_is_tried_again(code: int) -> None:
    """The coordinator loads, or cannot write just now: the same join again, after a backoff that grows."""
    member = joining()

    assert member.handle(Answered(1, join_error(code)), 0.1) == []
    assert member.deadline() == 0.2
    assert member.handle(TimerFired(), 0.15) == []
    assert done(member.handle(TimerFired(), 0.2)) == [join(2, reason="first join")]
    assert member.handle(Answered(2, join_error(code)), 0.3) == []
    assert member.deadline() == 0.5


@pytest.mark.parametrize(
    ("code", "error"),
    [
        pytest.param(23, InconsistentGroupProtocolError, marks=pytest.mark.scenario(26, where="machine")),
        (26, InvalidSessionTimeoutError),
        (30, GroupAuthorizationFailedError),
        pytest.param(81, GroupMaxSizeReachedError, marks=pytest.mark.scenario(25, where="machine")),
    ],
)
def test_a_join_that_is_refused_for_good_ends_the_consumer(code: int, error: type[BaseException]) -> None:
    """What no repetition can cure ends the consumer, with a remedy in the message and the identity in the error."""
    member = joining()

    actions = member.handle(Answered(1, join_error(code)), 0.1)

    assert done(actions) == [Lose(NOTHING, "failed"), Failed(error, "JoinGroup")]
    raised = error_of(actions)
    assert (raised.group, raised.instance_id) == (GROUP, INST)
    if code in (23, 26, 81):
        assert raised.remedy in str(raised)


@pytest.mark.scenario(25, where="machine")
def test_a_full_group_names_the_restart_of_a_static_member() -> None:
    """GROUP_MAX_SIZE_REACHED says that a static member cannot restart into a full group."""
    member = joining()

    assert "static member cannot restart into a full classic group" in str(
        error_of(member.handle(Answered(1, join_error(81)), 0.1))
    )


@pytest.mark.scenario(26, where="machine")
def test_a_group_without_a_common_assignor_says_to_roll_both() -> None:
    """INCONSISTENT_GROUP_PROTOCOL says to roll out a list with the old and the new assignor."""
    member = joining()

    assert "both the old and the new assignor" in str(error_of(member.handle(Answered(1, join_error(23)), 0.1)))


BY_PREDECESSOR = pytest.mark.parametrize(
    ("code", "error"),
    [
        pytest.param(81, GroupMaxSizeReachedError, marks=pytest.mark.scenario(25, where="machine")),
        pytest.param(23, InconsistentGroupProtocolError, marks=pytest.mark.scenario(26, where="machine")),
    ],
)
PATIENT = STATIC.evolve(release_timeout=3.0, backoff=lambda attempt: 1.0)


@BY_PREDECESSOR
def test_a_static_restart_waits_for_its_predecessors_session(code: int, error: type[BrokerError]) -> None:
    """As long as it is told to, it tries again, and is in the group as soon as the ghost is gone."""
    member = joining(PATIENT)

    assert member.handle(Answered(1, join_error(code)), 0.1) == [
        Report("waiting_for_release", {"error": error.name, "timeout_s": 3.0})
    ]
    assert (member.state, member.deadline()) == (State.WAITING, 1.1)
    assert done(member.handle(TimerFired(), 1.1)) == [join(2, reason="first join")]
    assert member.handle(Answered(2, join_error(code)), 1.2) == []
    assert done(member.handle(TimerFired(), 2.2)) == [join(3, reason="first join")]
    assert done(member.handle(Answered(3, joined()), 2.3)) == [sync(4)]


@BY_PREDECESSOR
def test_a_static_restart_waits_no_longer_than_it_is_told_to(code: int, error: type[BrokerError]) -> None:
    """The last try is when the time is over; its answer is the consumer's end, and names the option."""
    member = joining(PATIENT)
    member.handle(Answered(1, join_error(code)), 0.1)
    member.handle(TimerFired(), 1.1)
    member.handle(Answered(2, join_error(code)), 1.2)
    member.handle(TimerFired(), 2.2)
    member.handle(Answered(3, join_error(code)), 2.3)

    assert member.deadline() == 3.1
    assert done(member.handle(TimerFired(), 3.1)) == [join(4, reason="first join")]
    actions = member.handle(Answered(4, join_error(code)), 3.2)
    assert done(actions) == [Lose(NOTHING, "failed"), Failed(error, "JoinGroup")]
    assert "still so after instance_id_wait_ms, 3 s" in str(error_of(actions))


@BY_PREDECESSOR
def test_a_member_that_has_been_in_the_group_waits_for_nobody(code: int, error: type[BrokerError]) -> None:
    """Its predecessor is gone since it was: whoever is in its way now will stay."""
    member = joining(PATIENT)
    member.handle(Answered(1, joined()), 0.1)
    member.handle(Answered(2, synced()), 0.2)
    member.handle(AssignFinished(), 0.3)
    member.handle(Answered(3, beaten(25)), 0.4)
    member.handle(LoseFinished(), 0.5)

    assert done(member.handle(Answered(4, join_error(code)), 0.6)) == [
        Lose(NOTHING, "failed"),
        Failed(error, "JoinGroup"),
    ]


def test_waiting_for_a_predecessor_ends_with_the_consumer() -> None:
    """A close does not wait for it."""
    member = joining(PATIENT)
    member.handle(Answered(1, join_error(81)), 0.1)

    assert done(member.handle(CloseRequested(leave=False), 0.2)) == [Stop()]


def test_an_unknown_code_keeps_its_number() -> None:
    """A code that this release does not know ends the consumer under its number."""
    member = joining()

    assert "(999)" in str(error_of(member.handle(Answered(1, join_error(999)), 0.1)))


CODES = [code for code in (*TABLE, 999) if code]


def test_every_other_code_of_a_join_ends_the_consumer() -> None:
    """No code is passed over: a blind JoinGroup is retried, looks for the coordinator, or fails."""
    ended = {code: joining() for code in CODES}
    for code, member in ended.items():
        member.handle(Answered(1, join_error(code)), 0.1)

    assert {code for code, member in ended.items() if member.state is State.FINDING} == {15, 16}
    assert {code for code, member in ended.items() if member.state is State.WAITING} == {25, 27, *RETRIABLE}
    assert {member.state for member in ended.values()} == {State.FINDING, State.WAITING, State.FAILED}


def test_every_other_code_of_a_sync_ends_the_consumer() -> None:
    """So it is with a SyncGroup."""
    ended = {code: syncing() for code in CODES}
    for code, member in ended.items():
        member.handle(Answered(2, sync_error(code)), 0.2)

    assert {code for code, member in ended.items() if member.state is State.JOINING} == {22, 25, 27}
    assert {code for code, member in ended.items() if member.state is State.FINDING} == {15, 16}
    assert {code for code, member in ended.items() if member.deadline() is not None} == set(RETRIABLE)
    states = {State.JOINING, State.FINDING, State.SYNCING, State.FAILED}
    assert {member.state for member in ended.values()} == states


def test_every_other_code_of_a_heartbeat_ends_the_consumer() -> None:
    """And with a Heartbeat, where whatever is retriable is the coordinator's trouble, but for its loading."""
    ended = {code: stable() for code in CODES}
    looking: set[int] = set()
    for code, member in ended.items():
        beat_again(member)
        if FindCoordinator(after=0.1) in member.handle(Answered(5, beaten(code)), 3.3):
            looking.add(code)

    assert {code for code, member in ended.items() if member.state is State.LOSING} == {22, 25}
    assert {code for code, member in ended.items() if member.state is State.REVOKING} == {27}
    assert looking == {15, 16, *RETRIABLE} - {14}
    assert {code for code, member in ended.items() if member.state is State.STABLE} == looking | {14}
    states = {State.LOSING, State.REVOKING, State.STABLE, State.FAILED}
    assert {member.state for member in ended.values()} == states


def test_a_coordinator_that_is_refused_ends_the_consumer() -> None:
    """If the cluster will not say who coordinates the group, there is nothing to retry."""
    member = finding()
    error = GroupAuthorizationFailedError(api="FindCoordinator")

    actions = member.handle(CoordinatorRefused(error), 0.1)

    assert done(actions) == [Lose(NOTHING, "failed"), Failed(GroupAuthorizationFailedError, "FindCoordinator")]
    assert error_of(actions) is error


# ── a join of our own that may still be parked (KAFKA-20985) ───────────────────────────────────────────────────


@pytest.mark.scenario(20, where="machine")
def test_a_blind_join_that_was_lost_is_sent_once_more_and_no_two_are_waited_for() -> None:
    """A JoinGroup without a member id is not answered: the next one goes out when the first is given up, not before."""
    member = joining()

    assert member.handle(SubscriptionChanged(frozenset({"refunds"})), 1.0) == []
    assert done(member.handle(RequestFailed(1, LOST), 2.0)) == [FindCoordinator(after=0.1)]
    assert done(member.handle(CoordinatorFound(VERSIONS), 2.2)) == [
        join(2, topics=["refunds"], reason="JoinGroup was not answered")
    ]
    assert member.handle(Answered(1, join_error(82)), 2.3) == []


@pytest.mark.scenario(20, where="machine")
def test_a_join_that_our_own_abandoned_join_fenced_is_tried_once_more() -> None:
    """A fence within the rebalance timeout of a blind join that we abandoned is no rival's yet; the second is."""
    member = joining()
    member.handle(SubscriptionChanged(frozenset()), 1.0)
    assert done(member.handle(SubscriptionChanged(frozenset({"orders"})), 2.0)) == [
        join(2, reason="subscription changed")
    ]

    assert member.handle(Answered(2, join_error(82)), 3.0) == [
        Report("join_fenced_by_own_abandoned_join"),
        Report("joining", {"member_id": "", "reason": "subscription changed"}),
        join(3, reason="subscription changed"),
    ]
    assert done(member.handle(Answered(3, join_error(82)), 3.1)) == [
        Lose(NOTHING, "fenced"),
        Failed(FencedInstanceIdError, "JoinGroup"),
    ]


@pytest.mark.scenario(20, where="machine")
def test_an_abandoned_join_excuses_nothing_after_the_rebalance_timeout() -> None:
    """By then the coordinator has answered the abandoned join: a fence is another process's."""
    early, late = joining(), joining()
    for member in (early, late):
        member.handle(SubscriptionChanged(frozenset()), 1.0)
        member.handle(SubscriptionChanged(frozenset({"orders"})), 2.0)

    assert done(early.handle(Answered(2, join_error(82)), 300.9)) == [join(3, reason="subscription changed")]
    assert done(late.handle(Answered(2, join_error(82)), 301.0)) == [
        Lose(NOTHING, "fenced"),
        Failed(FencedInstanceIdError, "JoinGroup"),
    ]


@pytest.mark.scenario(20, where="machine")
def test_an_abandoned_join_excuses_nothing_once_a_later_one_has_succeeded() -> None:
    """The join that succeeded has replaced the abandoned one: a fence after it is another process's."""
    member = joining()
    member.handle(RequestFailed(1, LOST), 1.0)
    member.handle(CoordinatorFound(VERSIONS), 1.1)
    member.handle(Answered(2, joined()), 1.2)
    assert done(member.handle(Answered(3, synced()), 1.3))[0] == beat(4)
    member.handle(AssignFinished(), 1.3)
    member.handle(Answered(4, beaten(27)), 1.4)
    assert done(revoked(member, 1.5)) == [join(5, MID, generation=4, reason="group is rebalancing")]

    assert done(member.handle(Answered(5, join_error(82)), 1.6)) == [
        Lose(NOTHING, "fenced"),
        Failed(FencedInstanceIdError, "JoinGroup"),
    ]


def test_a_join_that_carried_a_member_id_is_never_excused() -> None:
    """An abandoned join with a member id cannot fence us, so it is no excuse."""
    member = rejoining()
    member.handle(RequestFailed(6, LOST), 3.5)
    assert done(member.handle(CoordinatorFound(VERSIONS), 3.6)) == [
        join(7, MID, generation=4, reason="JoinGroup was not answered")
    ]

    assert done(member.handle(Answered(7, join_error(82)), 3.7)) == [
        Lose(NOTHING, "fenced"),
        Failed(FencedInstanceIdError, "JoinGroup"),
    ]

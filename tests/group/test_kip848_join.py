"""The way into a KIP-848 group: versions, a durable id, the join, and the share that comes later."""

from __future__ import annotations

import pytest

from kafkastatic._group.kip848.states import State
from kafkastatic._group.member import (
    Answered,
    Assign,
    AssignFinished,
    CoordinatorFound,
    CoordinatorRefused,
    FindCoordinator,
    MetadataChanged,
    Report,
    RequestFailed,
    ResolveTopics,
    Save,
    Saved,
    Started,
    SubscriptionChanged,
    TimerFired,
)
from kafkastatic.errors import (
    BrokerError,
    ConfigError,
    GroupAuthorizationFailedError,
    ProtocolError,
    UnsupportedVersionError,
)
from tests.group.consumer_machine import (
    API,
    DYNAMIC,
    EVERYWHERE,
    HALF,
    INST,
    MID,
    MINE,
    NOTHING,
    O0,
    O1,
    OLD_VERSIONS,
    ORDERS,
    RESUMED,
    STATIC,
    VERSIONS,
    Failed,
    assigning,
    beat,
    done,
    empty_handed,
    error_of,
    finding,
    idle,
    join,
    joining,
    refused,
    rejoin,
    reports,
    saving,
    snapshot,
    stable,
    waiting,
    well,
)
from tests.group.machine import LOST

pytestmark = pytest.mark.protocol("consumer")


def test_a_start_looks_for_the_coordinator() -> None:
    """Nothing can be sent before it is known."""
    assert idle().handle(Started(), 0.0) == [FindCoordinator()]


def test_a_join_says_everything() -> None:
    """Epoch 0, the client's own member id (KIP-1082), the instance id, and that nothing is owned."""
    member = finding(STATIC.evolve(rack="r1", assignor="range"))

    actions = member.handle(CoordinatorFound(VERSIONS), 0.5)

    expected = join(1)
    expected.request.rack_id, expected.request.server_assignor = "r1", "range"
    assert actions == [Report("joining", {"member_id": MID, "reason": "first join"}), expected]


def test_a_dynamic_member_joins_without_an_instance_id() -> None:
    """Null, not empty: the coordinator refuses the empty one."""
    member = finding(DYNAMIC)

    assert done(member.handle(CoordinatorFound(VERSIONS), 0.5)) == [join(1, instance_id=None)]


def test_an_old_coordinator_is_sent_the_same() -> None:
    """Version 0 takes a client's member id too (seen on 3.9.2)."""
    assert done(finding().handle(CoordinatorFound(OLD_VERSIONS), 0.5)) == [join(1)]


def test_a_joined_member_is_given_its_partitions() -> None:
    """It owns what the first answer says, in the epoch that it says, and acknowledges when the callback is done."""
    member = joining()

    assert member.handle(Answered(1, well(4, HALF)), 0.1) == [
        Report("joined", {"member_id": MID, "epoch": 4}),
        Report("assigned", {"member_id": MID, "epoch": 4, "partitions": 2, "added": 2}),
        Assign(MINE, MINE),
    ]
    assert (member.membership.epoch, member.membership.assignment) == (4, MINE)
    assert member.handle(AssignFinished(), 0.2) == [beat(2, owned=HALF)]
    assert member.handle(Answered(2, well()), 0.3) == []
    assert member.deadline() == 5.3
    assert member.handle(TimerFired(), 5.3) == [beat(3)]


def test_the_interval_is_the_coordinators() -> None:
    """Each answer says when the next heartbeat is due."""
    member = joining()
    member.handle(Answered(1, well(4, HALF, interval_ms=700)), 0.1)

    assert member.deadline() == pytest.approx(0.8)


# ── versions ──


def test_a_broker_without_the_api_is_refused() -> None:
    """It is never a silent fallback to a classic group."""
    error = error_of(finding().handle(CoordinatorFound({8: (0, 8)}), 0.5))

    assert isinstance(error, UnsupportedVersionError)
    assert isinstance(error, ConfigError)
    assert "Kafka 4.0" in str(error)
    assert "group_protocol='classic'" in str(error)
    assert (error.group, error.instance_id) == ("payments", INST)


@pytest.mark.parametrize("commits", [{}, {8: (0, 8)}], ids=["none", "older ones"])
def test_a_broker_that_would_take_no_commit_is_refused_before_the_join(commits) -> None:
    """Every commit would be answered UNSUPPORTED_VERSION."""
    actions = finding().handle(CoordinatorFound({68: (0, 1), **commits}), 0.5)

    error = error_of(actions)
    assert isinstance(error, UnsupportedVersionError)
    assert "OffsetCommit" in str(error)


@pytest.mark.parametrize("key", [1, 3], ids=["joining", "in the group"])
def test_a_broker_that_does_not_use_the_api_is_refused(key: int) -> None:
    """3.9.2 offers it and answers UNSUPPORTED_VERSION, with its default settings: that is not retried."""
    member = joining()
    if key == 3:
        member = stable()
        member.handle(TimerFired(), 5.3)

    error = error_of(member.handle(Answered(key, refused(35)), 5.4))

    assert isinstance(error, UnsupportedVersionError)
    assert isinstance(error, ConfigError)
    assert "group.coordinator.rebalance.protocols" in str(error)


# ── patterns ──


def test_a_pattern_is_the_coordinators_to_match() -> None:
    """It goes out as it is, and no topic by name."""
    member = idle(topics=["orders"], pattern="ord.*")
    member.handle(Started(), 0.0)

    assert done(member.handle(CoordinatorFound(VERSIONS), 0.5)) == [join(1, topics=[], regex="ord.*")]
    member.handle(Answered(1, well(4, HALF)), 0.6)
    member.handle(AssignFinished(), 0.7)
    member.handle(Answered(2, well()), 0.8)
    assert member.handle(SubscriptionChanged(frozenset({"orders", "ordinals"}), "ord.*"), 1.0) == []


def test_an_old_coordinator_is_sent_the_topics_that_match() -> None:
    """Version 0 knows no patterns: the client's own matches go out by name, and again when they change."""
    member = idle(topics=["orders"], pattern="ord.*")
    member.handle(Started(), 0.0)

    assert done(member.handle(CoordinatorFound(OLD_VERSIONS), 0.5)) == [join(1)]
    member.handle(Answered(1, well(4, HALF)), 0.6)
    member.handle(AssignFinished(), 0.7)
    member.handle(Answered(2, well()), 0.8)
    assert member.handle(SubscriptionChanged(frozenset({"orders", "ordinals"}), "ord.*"), 1.0) == [
        beat(3, topics=["orders", "ordinals"])
    ]


def test_an_old_coordinator_is_not_joined_before_a_topic_matches() -> None:
    """Version 0 refuses an empty subscription (seen on 3.9.2)."""
    member = idle(topics=[], pattern="ord.*")
    assert member.handle(Started(), 0.0) == [FindCoordinator()]

    assert member.handle(CoordinatorFound(OLD_VERSIONS), 0.5) == []
    assert member.state is State.PAUSED
    assert done(member.handle(SubscriptionChanged(frozenset({"orders"}), "ord.*"), 1.0)) == [join(1)]


@pytest.mark.parametrize("member", [joining(), stable()], ids=["joining", "in the group"])
def test_a_pattern_that_the_coordinator_cannot_read_ends_the_member(member) -> None:
    """INVALID_REGULAR_EXPRESSION, with the coordinator's own words."""
    key = 1
    if member.state is State.STABLE:
        member.handle(TimerFired(), 5.3)
        key = 3

    error = error_of(member.handle(Answered(key, refused(128, "missing closing ).")), 5.4))

    assert isinstance(error, BrokerError)
    assert (error.code, error.name, error.detail) == (128, "INVALID_REGULAR_EXPRESSION", "missing closing ).")
    assert "RE2" in str(error)


# ── the member id is durable before anybody depends on it ──


def test_a_persistent_member_id_is_saved_before_the_first_heartbeat() -> None:
    """Nothing is sent under it until it is durable."""
    member = finding(STATIC.evolve(persistent=True))

    assert member.handle(CoordinatorFound(VERSIONS), 0.5) == [Save(MID)]
    assert member.state is State.SAVING
    assert member.deadline() is None
    assert done(member.handle(Saved(), 0.6)) == [join(1)]


def test_a_member_id_that_cannot_be_saved_ends_the_member() -> None:
    """The application is told why; nothing was sent."""
    member = saving()
    error = OSError("read-only")

    actions = member.handle(Saved(error), 0.6)

    assert error_of(actions) is error
    assert reports(actions) == ["failed"]


def test_a_member_id_that_was_kept_is_not_saved_again() -> None:
    """It is durable already."""
    assert done(finding(RESUMED).handle(CoordinatorFound(VERSIONS), 0.5)) == [rejoin(1)]


def test_unsubscribing_while_the_id_is_saved_joins_nothing() -> None:
    """It is saved all the same, and once."""
    member = saving()

    assert member.handle(SubscriptionChanged(frozenset()), 0.1) == [
        Report("stepped_out", {"member_id": MID, "epoch": -1})
    ]
    assert member.handle(SubscriptionChanged(frozenset({"orders"})), 0.2) == []
    assert member.state is State.SAVING
    assert done(member.handle(Saved(), 0.3)) == [join(1)]


# ── a join that is refused for the moment ──


def test_a_loading_coordinator_is_asked_again() -> None:
    """After a backoff, the same one."""
    member = waiting()

    assert member.deadline() == pytest.approx(0.2)
    assert done(member.handle(TimerFired(), 0.2)) == [join(2)]


@pytest.mark.parametrize("code", [15, 16])
def test_a_coordinator_that_is_none_is_looked_up_again(code: int) -> None:
    """And joined where it is found."""
    member = joining()

    assert done(member.handle(Answered(1, refused(code)), 0.1)) == [FindCoordinator(after=0.1)]
    assert done(member.handle(CoordinatorFound(VERSIONS), 0.3)) == [rejoin(2)]


def test_a_lost_join_is_sent_again() -> None:
    """To whichever broker is found; the late answer to the first one is nobody's."""
    member = joining()

    actions = member.handle(RequestFailed(1, LOST), 0.1)

    assert reports(actions) == ["coordinator_lost"]
    assert done(actions) == [FindCoordinator(after=0.1)]
    assert done(member.handle(CoordinatorFound(VERSIONS), 0.3)) == [rejoin(2)]
    assert member.handle(Answered(1, well(4, HALF)), 0.4) == []


def test_what_is_no_answer_ends_the_member() -> None:
    """Bytes that cannot be read are not retried."""
    assert done(joining().handle(RequestFailed(1, ProtocolError("odd")), 0.1))[-1] == Failed(ProtocolError)


def test_a_coordinator_that_cannot_be_had_ends_the_member() -> None:
    """For want of rights, for instance."""
    actions = finding().handle(CoordinatorRefused(GroupAuthorizationFailedError()), 0.1)

    assert done(actions)[-1] == Failed(GroupAuthorizationFailedError)


# ── the share comes later ──


def test_an_empty_handed_member_asks_again_soon() -> None:
    """Others give up its share at their next heartbeat: for one interval and a second it sends heartbeats early."""
    member = empty_handed()
    times, key = [], 2
    while member.state is State.STABLE:
        now = member.deadline()
        assert now is not None
        times.append(round(now, 2))
        assert done(member.handle(TimerFired(), now)) == [beat(key)]
        member.handle(Answered(key, well()), now)
        key += 1

    assert times == [0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 5.5, 6.0]
    assert member.state is State.ASSIGNING


def test_a_share_that_comes_is_assigned_at_once() -> None:
    """By the first early heartbeat that is answered with it."""
    member = empty_handed()
    member.handle(TimerFired(), 0.1)

    actions = member.handle(Answered(2, well(4, HALF)), 0.15)

    assert done(actions) == [Assign(MINE, MINE)]


def test_a_member_that_gets_nothing_is_told_so_in_the_end() -> None:
    """More members than partitions: the assignment of nothing is announced when the wait is over."""
    member = empty_handed()
    member.handle(TimerFired(), 6.0)

    assert member.handle(Answered(2, well()), 6.1) == [
        Report("assigned", {"member_id": MID, "epoch": 4, "partitions": 0, "added": 0}),
        Assign(NOTHING, NOTHING),
    ]
    assert member.handle(AssignFinished(), 6.2) == []
    assert member.deadline() == pytest.approx(11.1)


def test_a_quick_heart_does_not_beat_quicker_than_its_interval_says_it_may() -> None:
    """Where the interval is shorter than the early times, it rules."""
    member = joining()
    member.handle(Answered(1, well(4, {}, interval_ms=60)), 0.0)

    assert member.deadline() == pytest.approx(0.06)


# ── topics by id ──


def test_topics_that_are_not_known_are_resolved_and_what_is_known_is_assigned() -> None:
    """The rest follows when the metadata has it."""
    unknown = b"?" * 16
    member = idle(topics=["orders", "returns"])
    member.handle(Started(), 0.0)
    member.handle(CoordinatorFound(VERSIONS), 0.0)

    assert done(member.handle(Answered(1, well(4, {ORDERS: [0], unknown: [1]})), 0.1)) == [
        ResolveTopics(frozenset({unknown})),
        Assign(frozenset({O0}), frozenset({O0})),
    ]
    assert done(member.handle(AssignFinished(), 0.2)) == [beat(2, owned={ORDERS: [0]})]
    assert member.handle(MetadataChanged(snapshot(orders=ORDERS)), 0.3) == []
    actions = member.handle(MetadataChanged(snapshot(orders=ORDERS, returns=unknown)), 0.4)
    assert done(actions) == [Assign(frozenset({("returns", 1)}), frozenset({O0, ("returns", 1)}))]


def test_an_assignment_of_unknown_topics_alone_waits_for_their_names() -> None:
    """Nothing is assigned until then, and they are asked for once."""
    member = idle()
    member.handle(MetadataChanged(snapshot()), 0.0)
    member.handle(Started(), 0.0)
    member.handle(CoordinatorFound(VERSIONS), 0.0)

    assert done(member.handle(Answered(1, well(4, HALF)), 0.1)) == [ResolveTopics(frozenset({ORDERS}))]
    member.handle(TimerFired(), 5.1)
    assert member.handle(Answered(2, well()), 5.2) == []
    assert done(member.handle(MetadataChanged(snapshot(orders=ORDERS)), 5.3)) == [Assign(MINE, MINE)]


def test_a_topic_that_left_the_metadata_keeps_its_name_while_it_is_owned() -> None:
    """A snapshot without it takes nothing away: only the coordinator does."""
    member = stable()
    member.handle(MetadataChanged(snapshot()), 1.0)
    member.handle(TimerFired(), 5.3)

    assert member.handle(Answered(3, well(4, HALF)), 5.4) == []
    assert member.membership.assignment == MINE


def test_a_topic_that_was_created_again_is_acknowledged_by_its_new_id() -> None:
    """By name nothing has changed."""
    member = stable()
    again = b"O" * 16
    member.handle(MetadataChanged(snapshot(orders=again)), 1.0)
    member.handle(TimerFired(), 5.3)

    assert member.handle(Answered(3, well(4, {again: [0, 1]})), 5.4) == [beat(4, owned={again: [0, 1]})]
    assert member.membership.assignment == MINE


# ── the table of errors, for a join ──


@pytest.mark.parametrize("code", [24, 29, 30, 42, 69, 110, 112, 999])
def test_a_join_that_is_refused_for_good_ends_the_member(code: int) -> None:
    """With the coordinator's own words, and nothing is sent again."""
    member = joining()

    error = error_of(member.handle(Answered(1, refused(code, "because")), 0.1))

    assert isinstance(error, BrokerError)
    assert (error.code, error.api, error.detail, error.member_id) == (code, API, "because", MID)
    assert member.deadline() is None


@pytest.mark.parametrize(("code", "word"), [(69, "group.consumer.migration.policy"), (112, "group_remote_assignor")])
def test_a_refused_join_says_what_to_do(code: int, word: str) -> None:
    """The remedy names the setting."""
    assert word in str(error_of(joining().handle(Answered(1, refused(code)), 0.1)))


def test_there_is_a_member_for_every_state() -> None:
    """The words of these tests are what they say."""
    assert {state: make().state for state, make in EVERYWHERE.items()} == {state: state for state in State}
    assert assigning().membership.assignment == MINE == {O0, O1}

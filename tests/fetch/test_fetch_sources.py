"""Which broker is asked for a partition: leaders, nearest replicas (KIP-392), leaders that moved (KIP-951)."""

from __future__ import annotations

from typing import Any

import pytest

from kafkastatic import _cluster
from kafkastatic._fetch.answers import Need, Outcome
from kafkastatic._protocol import error_codes as codes
from kafkastatic._protocol.messages.fetch import LeaderIdAndEpoch, NodeEndpoint, PartitionData
from kafkastatic.types import Broker, ClusterSnapshot, PartitionInfo, TopicInfo, TopicPartition

from .logs import A, B, C, batch
from .planning import Fetches, data, snapshot, wanted

RACK = {"client_rack": "rack-2", "metadata_max_age_ms": 60_000}


def sent_to(replica: int) -> PartitionData:
    """A leader's answer without data."""
    return PartitionData(high_watermark=100, preferred_read_replica=replica)


def moved(leader: int, epoch: int, code: int = codes.NOT_LEADER_OR_FOLLOWER) -> PartitionData:
    return PartitionData(error_code=code, current_leader=LeaderIdAndEpoch(leader_id=leader, leader_epoch=epoch))


def asked(fetches: Fetches, now: float = 0.0) -> dict[int, list[TopicPartition]]:
    """Whom the plans would ask, for what."""
    found: dict[int, list[TopicPartition]] = {}
    for node in fetches.planner.sources(fetches.snapshot, now):
        plan = fetches.plan(now, node)
        if plan is not None:
            found[node] = [state.tp for state in plan.states]
    return found


def near(**options: Any) -> Fetches:
    """Partitions `a` and `b` of leader 1; the former is sent to replica 2 at 0.0."""
    fetches = Fetches(options={**RACK, **options}, a=5, b=6)
    assert fetches.take(fetches.ask(), a=sent_to(2), b=data()) == {Need.SOURCES}
    return fetches


# ── the nearest replica ──


def test_a_partition_goes_where_the_leader_sends_it() -> None:
    """From the same offset on, and there it stays; its leader's session forgets it."""
    fetches = Fetches(options=RACK, a=5, b=6)
    assert fetches.ask().request.rack_id == "rack-2"
    fetches.answered(fetches.ask(), session_id=7, a=sent_to(2), b=data())

    assert asked(fetches, 1.0) == {2: [A], 1: [B]}
    assert wanted(fetches.ask(1.0, node=2)) == {A: 5}
    (forgotten,) = fetches.ask(1.0).request.forgotten_topics_data
    assert forgotten.partitions == [0]
    fetches.take(fetches.ask(2.0, node=2), 2.0, a=data(batch(5, 2)))
    assert wanted(fetches.ask(2.0, node=2)) == {A: 7}


def test_after_the_age_of_metadata_the_leader_is_asked_again() -> None:
    """It may know a nearer one."""
    fetches = near()
    assert fetches.planner.next_change(1.0) == 60.0
    assert asked(fetches, 59.9) == {2: [A], 1: [B]}
    assert asked(fetches, 60.0) == {1: [A, B]}
    assert fetches.ask(60.0).request.rack_id == "rack-2"
    assert fetches.planner.next_change(60.0) == float("inf")


@pytest.mark.parametrize(
    "code",
    [codes.OFFSET_OUT_OF_RANGE, codes.NOT_LEADER_OR_FOLLOWER, codes.UNKNOWN_SERVER_ERROR, codes.CORRUPT_MESSAGE],
)
def test_what_a_replica_says_against_a_partition_is_not_the_truth(code: int) -> None:
    """The leader is asked at once, at the same offset, and has to send the data itself."""
    fetches = near(auto_offset_reset="earliest")
    needs = fetches.take(fetches.ask(1.0, node=2), 1.0, a=data(code=code))

    stale = {Need.METADATA} if code == codes.NOT_LEADER_OR_FOLLOWER else set[Need]()
    assert needs == {Need.SOURCES} | stale
    assert asked(fetches, 1.0) == {1: [A, B]}
    ask = fetches.ask(1.0)
    assert wanted(ask) == {A: 5, B: 6}
    assert ask.request.rack_id == ""
    assert fetches.positions[A].error is None
    assert fetches.ask(60.9).request.rack_id == ""
    assert fetches.ask(61.0).request.rack_id == "rack-2"


def test_out_of_range_at_the_leader_too_is_the_truth() -> None:
    fetches = near(auto_offset_reset="earliest")
    fetches.take(fetches.ask(1.0, node=2), 1.0, a=data(code=codes.OFFSET_OUT_OF_RANGE))
    assert fetches.take(fetches.ask(1.0), 1.0, a=data(code=codes.OFFSET_OUT_OF_RANGE), b=data()) == {Need.OFFSETS}


def test_a_replica_that_does_not_answer_is_left_at_once() -> None:
    fetches = near()
    assert fetches.planner.no_answer(fetches.ask(1.0, node=2), 1.0).needs == {Need.SOURCES, Need.METADATA}
    assert asked(fetches, 1.0) == {1: [A, B]}
    assert fetches.ask(1.0).request.rack_id == ""


@pytest.mark.parametrize("gone", ["broker", "replica"])
def test_a_replica_that_metadata_does_not_name_is_not_asked(gone: str) -> None:
    """Nor can the leader send us there time and again."""
    fetches = near()
    if gone == "broker":
        fetches.snapshot = snapshot({A: 1, B: 1}, brokers=1)
    else:
        alone = {0: PartitionInfo(0, 1, 10, 0, (1,)), 1: PartitionInfo(1, 1, 11, 0, (1,))}
        topic = fetches.snapshot.topics["orders"]
        fetches.snapshot = ClusterSnapshot(
            brokers=fetches.snapshot.brokers, topics={"orders": TopicInfo("orders", topic.topic_id, alone)}
        )

    assert asked(fetches, 1.0) == {1: [A, B]}
    assert fetches.ask(1.0).request.rack_id == ""


# ── a leader that moved ──


def test_a_new_leader_is_asked_at_once() -> None:
    """The backoff is the old one's."""
    fetches = Fetches(a=5, b=6)
    fetches.take(fetches.ask(), 0.0, a=data(code=codes.NOT_LEADER_OR_FOLLOWER), b=data())
    assert asked(fetches, 0.1) == {1: [B]}
    fetches.snapshot = snapshot({A: 2, B: 1})
    assert asked(fetches, 0.1) == {2: [A], 1: [B]}


def test_a_broker_that_dies_after_a_leader_moved_holds_up_nothing() -> None:
    fetches = Fetches(a=5, b=6)
    ask = fetches.ask()
    fetches.snapshot = snapshot({A: 2, B: 2})
    fetches.planner.no_answer(ask, 1.0)
    assert asked(fetches, 1.0) == {2: [A, B]}


@pytest.mark.parametrize("code", [codes.NOT_LEADER_OR_FOLLOWER, codes.FENCED_LEADER_EPOCH])
def test_the_old_leader_may_say_who_leads_now(code: int) -> None:
    """Metadata is asked for only of those partitions that it does not know about."""
    fetches = Fetches(a=5, b=6, c=7)
    endpoint = NodeEndpoint(node_id=2, host="b2", port=9, rack="r")
    outcome = fetches.answered(fetches.ask(), endpoints=[endpoint], a=moved(2, 12, code), b=moved(2, 13, code))

    assert outcome == Outcome(set(), {A: (2, 12), B: (2, 13)}, [Broker(2, "b2", 9, "r")], delayed=True)
    assert fetches.answered(fetches.ask(9.0), 9.0, a=moved(-1, -1, code)).needs == {Need.METADATA}


def test_news_of_a_leader_changes_the_snapshot() -> None:
    old = snapshot({A: 1, B: 1, C: 1}, brokers=1)
    there = Broker(2, "b2", 9092)
    new = _cluster.led_by(old, {A: (2, 11), B: (2, 12)}, [there, Broker(3, "b3", 9092)])

    assert new.brokers == {1: old.brokers[1], 2: there}
    infos = [new.leader(tp) for tp in (A, B, C)]
    assert [(info.leader, info.leader_epoch) for info in infos if info] == [(2, 11), (2, 12), (1, 12)]
    assert old.leader(A) == PartitionInfo(0, 1, 10, 0, (1,)), "the old one stays as it was"


@pytest.mark.parametrize(
    ("leader", "epoch"), [(2, 10), (2, 9), (3, 11)], ids=["same epoch", "older epoch", "a broker without address"]
)
def test_news_that_say_nothing_new_change_nothing(leader: int, epoch: int) -> None:
    old = snapshot({A: 1})
    assert _cluster.led_by(old, {A: (leader, epoch), TopicPartition("gone", 0): (1, 99)}, []) is old


# ── how long a broker may wait for data ──


def test_no_broker_waits_long_while_a_partition_is_served_by_none() -> None:
    """It may be the next to lead that one, and a request under way would hold up the first for it."""
    fetches = Fetches(a=5, b=6)
    fetches.snapshot = snapshot({A: 1, B: 2})
    assert fetches.ask(node=2).request.max_wait_ms == 500
    fetches.planner.no_answer(fetches.ask(node=1), 0.0)
    assert fetches.ask(0.1, node=2).request.max_wait_ms == 100
    fetches.snapshot = snapshot({A: -1, B: 2})
    assert fetches.ask(60.0, node=2).request.max_wait_ms == 100
    assert fetches.ask(69.9, node=2).request.max_wait_ms == 100
    assert fetches.ask(70.0, node=2).request.max_wait_ms == 500, "it may stay so for ever"
    fetches.snapshot = snapshot({A: 2, B: 2})
    assert fetches.ask(80.0, node=2).request.max_wait_ms == 500
    fetches.snapshot = snapshot({A: -1, B: 2})
    assert fetches.ask(90.0, node=2).request.max_wait_ms == 100


def test_a_broker_waits_as_long_as_it_may_again_when_the_trouble_is_over() -> None:
    fetches = Fetches(options={"retry_backoff_max_ms": 2000}, a=5, b=6)
    fetches.take(fetches.ask(), 0.0, a=data(code=codes.NOT_LEADER_OR_FOLLOWER), b=data())
    assert fetches.ask(0.1).request.max_wait_ms == 100
    assert fetches.ask(4.2).request.max_wait_ms == 100
    assert fetches.ask(4.25).request.max_wait_ms == 500


# ── several brokers, one bound ──


def test_requests_in_flight_count_against_the_bound() -> None:
    """However many brokers there are, no more is asked for than there is room."""
    fetches = Fetches(options={"max_buffered_bytes": 900, "fetch_max_bytes": 5000}, a=0, b=0, c=0)
    fetches.snapshot = snapshot({A: 1, B: 2, C: 3}, brokers=3)
    sizes = [fetches.ask(node=node).request.max_bytes for node in (1, 2, 3)]
    assert sizes == [300, 300, 300]

    big = batch(0, 1, value_size=800)
    fetches.answered(fetches.ask(node=1), a=data(big))
    assert fetches.plan(node=1) is None, "two others may bring 600 more"


def test_a_broker_that_hangs_keeps_its_share_only() -> None:
    """The others go on, whatever moved to them."""
    fetches = Fetches(options={"max_buffered_bytes": 900, "fetch_max_bytes": 5000}, a=0, b=0, c=0)
    fetches.snapshot = snapshot({A: 1, B: 2, C: 3}, brokers=3)
    hanging = fetches.ask(node=1)
    fetches.snapshot = snapshot({A: 2, B: 2, C: 3}, brokers=3)
    for turn in range(3):
        for node in (2, 3):
            ask = fetches.ask(float(turn), node=node)
            assert ask.request.max_bytes == 300
            fetches.answered(ask, float(turn))
    fetches.planner.no_answer(hanging, 3.0)
    assert fetches.ask(3.0, node=2).request.max_bytes == 450

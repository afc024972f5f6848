"""Topics of assigned partitions that are deleted, come back, or are created again under the same name (KIP-516)."""

from __future__ import annotations

import pytest

from kafkastatic._fetch.answers import Ask, Outcome
from kafkastatic._fetch.consumption import Consumption
from kafkastatic._fetch.plan import Planner
from kafkastatic._fetch.positions import EARLIEST, PartitionState, Positions
from kafkastatic._fetch.topics import Changes, observe
from kafkastatic._protocol.messages.fetch import FetchableTopicResponse, FetchResponse, PartitionData
from kafkastatic.config import ConsumerConfig
from kafkastatic.types import NO_TOPIC_ID, Broker, ClusterSnapshot, OffsetAndMetadata, PartitionInfo, TopicInfo

from .logs import A, Application, B, batch, push

OLD, NEW = b"old".ljust(16), b"new".ljust(16)
UNKNOWN, DENIED = 3, 29


def orders(topic_id: bytes, partitions: int = 2, *, code: int = 0, former: bytes | None = None) -> ClusterSnapshot:
    """The cluster, in which the topic `orders` is known like this."""
    found = {p: PartitionInfo(p, 1) for p in range(partitions)}
    topic = TopicInfo("orders", topic_id, found, code, former=frozenset({former} - {None}))
    return ClusterSnapshot(brokers={1: Broker(1, "b1", 9092)}, topics={"orders": topic})


def reading(topic_id: bytes = OLD, *starts: int) -> Consumption:
    """Of the partitions 0, 1, ... of `orders`, standing at these offsets of the topic with this id."""
    positions = Positions(orders(topic_id).topics.get)
    positions.add([A, B][: len(starts)])
    for state, start in zip(positions, starts, strict=True):
        state.move(start)
    return Consumption(positions, check_crcs=True, max_decompressed=1 << 20)


def planner_of(positions: Positions) -> Planner:
    return Planner(ConsumerConfig(bootstrap_servers="b1", auto_offset_reset="latest"), positions, lambda _: 0.1)


def asked(planner: Planner, snapshot: ClusterSnapshot) -> Ask:
    plan = planner.plan(1, planner.sources(snapshot, 0.0), 0.0)
    assert plan is not None
    return planner.ask(plan, snapshot)


def follow(source: Consumption, snapshot: ClusterSnapshot) -> Changes:
    """What the driver does with a snapshot."""
    changes = observe(source.positions, snapshot)
    source.vanish(changes.vanished)
    source.begin_again(changes.recreated)
    return changes


def test_a_topic_that_is_there_changes_nothing() -> None:
    """The same id, be it with more partitions."""
    source = reading(OLD, 7, 8)

    assert follow(source, orders(OLD, 5)) == Changes(frozenset(), {})
    assert [(state.handed, state.gone, state.reborn) for state in source.positions] == [
        (7, False, False),
        (8, False, False),
    ]


@pytest.mark.parametrize("snapshot", [orders(OLD, 0, code=UNKNOWN), ClusterSnapshot()], ids=["missing", "not listed"])
def test_a_deleted_topic_is_told_once_and_neither_fetched_nor_committed(snapshot: ClusterSnapshot) -> None:
    """What is in hand stays in hand, the rest is not handed out."""
    source = reading(OLD, 0, 0)
    push(source.positions[A], batch(0, 3))
    loop = Application(source).loop()
    assert [next(loop), next(loop)] == [(A, 0), (A, 1)]

    assert follow(source, snapshot) == Changes(frozenset({A, B}), {})
    assert follow(source, snapshot) == Changes(frozenset(), {})

    planner = planner_of(source.positions)
    assert (planner.sources(snapshot, 0.0), planner.sources(orders(OLD), 0.0)) == ({}, {})
    assert not planner.leaderless(snapshot)
    assert source.in_hand() == {A: 1}
    assert next(loop, None) is None
    assert source.in_hand() == {}
    assert (source.consumed_offsets(), source.handed_offsets()) == ({}, {})
    assert source.positions.unresolved() == []


def test_the_very_topic_that_was_missing_goes_on_where_it_stood() -> None:
    """A broker that was behind did not know it: nothing is lost or repeated."""
    source = reading(OLD, 0)
    push(source.positions[A], batch(0, 3))
    loop = Application(source).loop()
    next(loop)
    follow(source, orders(OLD, 0, code=UNKNOWN))

    assert follow(source, orders(OLD)) == Changes(frozenset(), {})

    state = source.positions[A]
    assert (state.gone, state.fetch_at) == (False, 1)
    push(state, batch(1, 2))
    assert list(loop) == [(A, 1), (A, 2)]


def test_a_topic_that_may_not_be_described_is_not_taken_for_deleted() -> None:
    """Rights that were withdrawn may be granted again."""
    source = reading(OLD, 7)

    assert follow(source, orders(OLD, 0, code=DENIED)) == Changes(frozenset(), {})


@pytest.mark.parametrize("missing_first", [False, True])
def test_another_topic_of_the_name_is_begun_as_if_nothing_was_known(missing_first: bool) -> None:
    """What was fetched, handed out and committed is of no account; pause and bar stay, and the last commit is known."""
    source = reading(OLD, 0, 9)
    state = source.positions[A]
    push(state, batch(0, 3))
    state.committed = OffsetAndMetadata(2)
    source.positions[B].paused = source.positions[B].barred = True
    loop = Application(source).loop()
    assert next(loop) == (A, 0)
    if missing_first:
        follow(source, orders(OLD, 0, code=UNKNOWN))

    changes = follow(source, orders(NEW))

    assert changes.recreated.keys() == {A, B}
    assert next(loop, None) is None
    fresh = source.positions[A]
    assert fresh is not state
    assert (fresh.topic_id, fresh.reborn, fresh.former, fresh.committed) == (NEW, True, OffsetAndMetadata(2), None)
    assert (fresh.fetch_at, fresh.buffered, fresh.gone) == (None, 0, False)
    assert (source.positions[B].paused, source.positions[B].barred) == (True, True)
    assert (source.consumed_offsets(), source.handed_offsets(), source.in_hand()) == ({}, {}, {})
    assert source.positions.unresolved() == [fresh]


def test_a_partition_that_the_new_topic_does_not_have_is_gone_until_it_does() -> None:
    """Then it is begun again like the others."""
    source = reading(OLD, 3, 9)

    vanished, recreated = follow(source, orders(NEW, 1))
    assert (vanished, recreated.keys()) == ({B}, {A})
    vanished, recreated = follow(source, orders(NEW, 2))
    assert (vanished, recreated.keys()) == (frozenset(), {B})


def test_a_fetch_of_the_old_topic_is_not_taken_for_the_new_one() -> None:
    """Its answer may arrive when the new one already stands at the very offset that it was asked for."""
    source = reading(OLD, 0)
    planner = planner_of(source.positions)
    ask = asked(planner, orders(OLD))
    follow(source, orders(NEW))
    source.positions[A].move(0)

    data = PartitionData(partition_index=0, records=batch(0, 3), high_watermark=3)
    answer = FetchResponse(responses=[FetchableTopicResponse(topic_id=OLD, partitions=[data])])

    assert planner.take(ask, answer, 0.1) == Outcome()
    assert source.positions[A].buffered == 0


def test_an_offset_behind_the_end_of_a_topic_that_was_created_again_leads_to_its_beginning() -> None:
    """Whatever auto_offset_reset says: all its records are new."""
    positions = Positions(orders(NEW, former=OLD).topics.get)
    positions.add([A])
    state = positions[A]
    assert state.reborn
    state.move(500)
    planner = planner_of(positions)
    ask = asked(planner, orders(NEW))
    data = PartitionData(partition_index=0, error_code=1)
    planner.take(ask, FetchResponse(responses=[FetchableTopicResponse(topic_id=NEW, partitions=[data])]), 0.1)

    assert (state.fetch_at, state.reset) == (None, EARLIEST)


@pytest.mark.parametrize("topic_id", [OLD, NEW])
def test_an_id_that_becomes_known_is_taken_as_it_is(topic_id: bytes) -> None:
    """Nothing tells what the position was of before; a broker that names no ids never tells a topic from another."""
    positions = Positions()
    positions.add([A])
    state = positions[A]

    assert observe(positions, orders(NO_TOPIC_ID, 0, code=UNKNOWN)) == Changes(frozenset(), {})
    assert observe(positions, orders(topic_id)) == Changes(frozenset(), {})
    assert (state.topic_id, state.gone) == (topic_id, False)
    assert observe(positions, orders(NO_TOPIC_ID)) == Changes(frozenset(), {})


def test_no_two_states_share_a_version() -> None:
    """Neither those of one partition that follow each other, nor those after a seek."""
    states = [PartitionState(A) for _ in range(3)]
    before = [state.version for state in states]
    states[0].move(5)

    assert len({*before, states[0].version}) == 4

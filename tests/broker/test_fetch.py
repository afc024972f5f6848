"""Fetch, asked by kafka-python's messages: at once, and after a wait."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from kafkastatic.broker.faults import Rule
from tests.broker.batches import seen, values
from tests.broker.desk import Desk, answers, watched
from tests.support.virtual_loop import run_virtually

SIZE = len(values(b"x"))


def leaders(response: Any) -> list[tuple[int, int] | None]:
    """The present leader and its epoch, where a partition's answer names them."""
    told = [partition.current_leader for topic in response.responses for partition in topic.partitions]
    return [leader and (leader.leader_id, leader.leader_epoch) for leader in told]


@pytest.mark.asyncio
@pytest.mark.parametrize("version", range(4, 19))
async def test_records_are_read_in_every_version(version: int) -> None:
    """From the batch that holds the offset; from 13 on topics have ids."""
    desk = Desk()
    topic = desk.topic("orders", 2)
    for data in (values(b"a"), values(b"b", b"c"), values(b"d", codec="lz4")):
        await desk.produce("orders", data, 1)

    answer = await desk.fetch((topic if version >= 13 else "orders", {1: 2, 0: 0}), version=version)

    (about,) = answer.responses
    assert (about.topic_id.bytes == topic.topic_id) if version >= 13 else (about.topic == "orders")
    full, empty = about.partitions
    assert [(r.offset, r.value) for r in seen([full.records])] == [(1, b"b"), (2, b"c"), (3, b"d")]
    assert (full.partition_index, full.error_code, full.high_watermark, full.last_stable_offset) == (1, 0, 4, 4)
    assert (empty.partition_index, empty.error_code, empty.high_watermark, empty.records) == (0, 0, 0, b"")
    assert full.aborted_transactions is None
    assert version < 5 or full.log_start_offset == 0
    assert version < 7 or (answer.error_code, answer.session_id) == (0, 0)
    assert version < 11 or full.preferred_read_replica == -1


@pytest.mark.asyncio
async def test_read_committed_sees_every_record() -> None:
    """There are no transactions: none is aborted, and the last stable offset is the high watermark."""
    desk = Desk()
    topic = desk.topic("orders")
    await desk.produce("orders", values(b"a"))

    answer = await desk.fetch((topic, {0: 0}), isolation_level=1)

    (partition,) = answer.responses[0].partitions
    assert (partition.last_stable_offset, partition.aborted_transactions) == (1, [])
    assert [r.value for r in seen([partition.records])] == [b"a"]


@pytest.mark.asyncio
async def test_limits_hold_but_for_the_first_batch() -> None:
    """Of a partition, and of the whole answer; a client can always go on."""
    desk = Desk()
    topic = desk.topic("orders", 3)
    for index in range(3):
        for _ in range(3):
            await desk.produce("orders", values(b"x"), index)

    async def sizes(max_bytes: int, of_each: int) -> list[int]:
        wanted = {index: {"fetch_offset": 0, "partition_max_bytes": of_each} for index in range(3)}
        answer = await desk.fetch((topic, wanted), max_bytes=max_bytes)
        return [size // SIZE for _, _, _, size in answers(answer)]

    assert await sizes(1 << 20, 1 << 20) == [3, 3, 3]
    assert await sizes(1 << 20, 2 * SIZE + 1) == [2, 2, 2]
    assert await sizes(1 << 20, 1) == [1, 0, 0]
    assert await sizes(5 * SIZE - 1, 2 * SIZE) == [2, 2, 0]
    assert await sizes(0, 2 * SIZE) == [1, 0, 0]


@pytest.mark.asyncio
async def test_a_negative_limit_is_an_error() -> None:
    """-1, as Kafka has no code for it."""
    desk = Desk()
    topic = desk.topic("orders", 2)
    await desk.produce("orders", values(b"x"), 1)

    of_a_partition = await desk.fetch((topic, {0: {"fetch_offset": 0, "partition_max_bytes": -1}, 1: 0}))
    of_all = await desk.fetch((topic, {0: 0}), max_bytes=-1)

    assert answers(of_a_partition) == [(0, -1, -1, 0), (1, 0, 1, SIZE)]
    assert answers(of_all) == [(0, -1, -1, 0)]


@pytest.mark.asyncio
async def test_a_broker_has_a_limit_of_its_own() -> None:
    """fetch.max.bytes."""
    desk = Desk(fetch_max_bytes=2 * SIZE)
    topic = desk.topic("orders")
    for _ in range(3):
        await desk.produce("orders", values(b"x"))

    assert answers(await desk.fetch((topic, {0: 0}))) == [(0, 0, 3, 2 * SIZE)]
    assert answers(await desk.fetch((topic, {0: 0}), min_bytes=1 << 30, max_wait_ms=10_000)) == [(0, 0, 3, 2 * SIZE)]


@pytest.mark.asyncio
async def test_what_cannot_be_read_is_told_by_its_kind() -> None:
    """With -1 for what is not known, and the other partitions read all the same."""
    desk = Desk()
    topic, gone = desk.topic("orders", 3), desk.topic("gone")
    desk.cluster.delete_topic(gone)
    topic.partitions[2].leader_epoch = 5
    await desk.produce("orders", values(b"x"))

    def at(offset: int, epoch: int) -> dict[str, int]:
        return {"fetch_offset": offset, "current_leader_epoch": epoch}

    by_id = await desk.fetch((gone, {0: 0}), (topic, {0: 0, 1: 1, 7: 0, 2: at(0, 4)}))
    by_name = await desk.fetch(("gone", {0: 0}), ("orders", {0: 2, 1: -1, 2: at(0, 6)}), version=12)
    unknown = await desk.fetch((topic, {2: at(0, 5)}))

    assert answers(by_id) == [(0, 0, 1, SIZE), (1, 1, -1, 0), (2, 74, -1, 0), (0, 100, -1, 0), (7, 3, -1, 0)]
    assert answers(by_name) == [(0, 1, -1, 0), (1, 1, -1, 0), (2, 75, -1, 0), (0, 3, -1, 0)]
    assert answers(unknown) == [(2, 0, 0, 0)]
    assert [(t.topic_id.bytes, len(t.partitions)) for t in by_id.responses] == [
        (topic.topic_id, 3),
        (gone.topic_id, 1),
        (topic.topic_id, 1),
    ]


@pytest.mark.asyncio
async def test_another_brokers_partition_is_refused_and_its_leader_named() -> None:
    """From version 16 on, with the address (KIP-951); each node once."""
    desk = Desk(3)
    topic = desk.topic("orders", 3)  # led by 1, 2, 3

    old = await desk.fetch((topic, {0: 0, 1: 0, 2: 0}), version=15)
    new = await desk.fetch((topic, {0: 0, 1: 0, 2: 0}), version=16)

    assert answers(old) == answers(new) == [(0, 0, 0, 0), (1, 6, -1, 0), (2, 6, -1, 0)]
    assert leaders(old) == [None, None, None]
    assert leaders(new) == [None, (2, 0), (3, 0)]
    assert [(n.node_id, n.host, n.port) for n in new.node_endpoints] == [(2, "node-2", 9002), (3, "node-3", 9003)]

    desk.listener, desk.nodes[1].advertised[1] = 1, ("proxy", 1)
    elsewhere = await desk.fetch((topic, {1: 0, 2: 0}), version=16)
    assert [(n.node_id, n.host, n.port) for n in elsewhere.node_endpoints] == [(2, "proxy", 1), (3, "node-3", 9003)]


@pytest.mark.asyncio
async def test_a_follower_answers_consumers_who_may_ask_it() -> None:
    """From version 11 on (KIP-392), unless they believe in another leader; then they are told the present one."""
    desk = Desk(2)
    topic = desk.topic("orders", replicas=2)
    await desk.produce("orders", values(b"x"))
    topic.partitions[0].lead(2)
    stale = {"fetch_offset": 0, "current_leader_epoch": 0}

    by_name = [answers(await desk.fetch(("orders", {0: 0}), version=version)) for version in (10, 11)]
    fenced = await desk.fetch((topic, {0: stale}))

    assert by_name == [[(0, 6, -1, 0)], [(0, 0, 1, SIZE)]]
    assert answers(fenced) == [(0, 74, -1, 0)]
    assert leaders(fenced) == [(2, 1)]
    assert [n.node_id for n in fenced.node_endpoints] == [2]


async def soon(task: asyncio.Task[Any]) -> Any:
    """The answer of a fetch that need not wait for time to pass."""
    return await asyncio.wait_for(task, 20)


@pytest.mark.asyncio
async def test_a_fetch_waits_for_records() -> None:
    """It is answered as soon as one of its partitions has some, and takes its watchers away."""
    desk = Desk()
    topic = desk.topic("orders", 3)
    task = await desk.parked((topic, {0: 0, 2: 0}))
    assert watched(topic) == [topic.partitions[0], topic.partitions[2]]

    await desk.produce("orders", values(b"x"), 1)
    await desk.produce("orders", values(b"y"), 2)

    assert answers(await soon(task)) == [(0, 0, 0, 0), (2, 0, 1, SIZE)]
    assert watched(topic) == []


@pytest.mark.asyncio
async def test_a_fetch_waits_for_as_many_bytes_as_it_wants() -> None:
    """Of all its partitions together."""
    desk = Desk()
    topic = desk.topic("orders", 2)
    task = await desk.parked((topic, {0: 0, 1: 0}), min_bytes=3 * SIZE)

    for partition in (0, 1):
        await desk.produce("orders", values(b"x"), partition)
        for _ in range(10):
            await asyncio.sleep(0)
        assert not task.done()
    await desk.produce("orders", values(b"x"), 0)

    assert answers(await soon(task)) == [(0, 0, 2, 2 * SIZE), (1, 0, 1, SIZE)]


def test_a_fetch_waits_as_long_as_it_wants_and_then_gets_what_there_is() -> None:
    """Too little is better than nothing; what comes in the meantime, and is too little, does not prolong it."""

    async def main() -> None:
        clock, desk = asyncio.get_running_loop().time, Desk()
        topic = desk.topic("orders")
        await desk.produce("orders", values(b"x"))
        task = await desk.parked((topic, {0: 0}), min_bytes=1 << 20, max_wait_ms=500)
        await asyncio.sleep(0.3)
        await desk.produce("orders", values(b"y"))

        assert answers(await task) == [(0, 0, 2, 2 * SIZE)]
        assert clock() == pytest.approx(0.5)
        assert watched(topic) == []

    run_virtually(main())


@pytest.mark.asyncio
async def test_a_fetch_that_wants_nothing_or_will_not_wait_does_not() -> None:
    """min_bytes 0, max_wait_ms 0 or less."""
    desk = Desk()
    topic = desk.topic("orders")

    for fields in ({"min_bytes": 0}, {"max_wait_ms": 0}, {"max_wait_ms": -5}):
        answer = await asyncio.wait_for(desk.fetch((topic, {0: 0}), **{"max_wait_ms": 60_000} | fields), 20)
        assert answers(answer) == [(0, 0, 0, 0)]


@pytest.mark.asyncio
async def test_a_waiting_fetch_is_answered_when_a_leader_changes() -> None:
    """With the error that its client needs to find the new one."""
    desk = Desk(2)
    topic = desk.topic("orders", 2, replicas=2)
    mine = {"fetch_offset": 0, "current_leader_epoch": 0}
    task = await desk.parked((topic, {0: mine}))

    topic.partitions[0].lead(2)

    assert answers(await soon(task)) == [(0, 74, -1, 0)]
    assert watched(topic) == []


@pytest.mark.asyncio
@pytest.mark.parametrize("again", [False, True])
async def test_a_waiting_fetch_is_answered_when_its_topic_is_deleted(again: bool) -> None:
    """3, as it was a known topic when it came; 103 where there is another one of the name by then."""
    desk = Desk()
    topic = desk.topic("orders")
    task = await desk.parked((topic, {0: 0}))

    desk.cluster.delete_topic(topic)
    if again:
        desk.topic("orders")

    assert answers(await soon(task)) == [(0, 103 if again else 3, -1, 0)]
    assert watched(topic) == []


@pytest.mark.asyncio
async def test_a_waiting_fetch_by_name_is_answered_when_its_topic_is_made_anew() -> None:
    """It would watch partitions that are no more."""
    desk = Desk()
    topic = desk.topic("orders")
    task = await desk.parked(("orders", {0: 0}), version=12)

    desk.cluster.delete_topic(topic)
    desk.topic("orders")

    assert answers(await soon(task)) == [(0, 0, 0, 0)]


def test_an_unknown_partition_waits_with_the_others_and_alone_does_not() -> None:
    """As in Kafka: only an error of a partition that exists ends the wait."""

    async def main() -> None:
        clock, desk = asyncio.get_running_loop().time, Desk()
        topic = desk.topic("orders")

        assert answers(await desk.fetch((topic, {5: 0}), max_wait_ms=60_000)) == [(5, 3, -1, 0)]
        assert answers(await desk.fetch((topic, {0: 9}), max_wait_ms=60_000)) == [(0, 1, -1, 0)]
        assert clock() == 0.0
        assert answers(await desk.fetch((topic, {0: 0, 5: 0}), max_wait_ms=500)) == [(0, 0, 0, 0), (5, 3, -1, 0)]
        assert clock() == pytest.approx(0.5)

    run_virtually(main())


@pytest.mark.asyncio
async def test_a_cancelled_fetch_takes_its_watchers_away() -> None:
    """As it is when its connection closes."""
    desk = Desk()
    topic = desk.topic("orders", 3)
    task = await desk.parked((topic, {0: 0, 1: 0, 2: 0}))
    assert watched(topic) == topic.partitions

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert watched(topic) == []


@pytest.mark.asyncio
async def test_what_a_session_was_told_is_not_told_again() -> None:
    """Only records, other offsets and errors are news; errors each time."""
    desk = Desk()
    topic = desk.topic("orders", 4)
    await desk.produce("orders", values(b"x"))

    opened = await desk.fetch((topic, {0: 0, 1: 0, 2: 0, 3: 9}), session_epoch=0)
    session = {"session_id": opened.session_id}
    assert opened.session_id > 0
    assert answers(opened) == [(0, 0, 1, SIZE), (1, 0, 0, 0), (2, 0, 0, 0), (3, 1, -1, 0)]

    moved = await desk.fetch((topic, {0: 1}), session_epoch=1, **session)
    assert answers(moved) == [(3, 1, -1, 0)]
    mended = await desk.fetch((topic, {3: 0}), session_epoch=2, **session)
    assert answers(mended) == [(3, 0, 0, 0)]
    assert answers(await desk.fetch(session_epoch=3, **session)) == []

    task = await desk.parked(session_epoch=4, **session)
    await desk.produce("orders", values(b"y"), 2)
    assert answers(await soon(task)) == [(2, 0, 1, SIZE)]
    topic.partitions[2].log.delete_before(1)
    left = await desk.fetch((topic, {2: 1}), session_epoch=5, **session)
    assert answers(left) == [(2, 0, 1, 0)]


@pytest.mark.asyncio
async def test_partitions_of_a_session_have_their_turns() -> None:
    """What was answered with records comes last next time, so that a small limit starves none."""
    desk = Desk()
    topic = desk.topic("orders", 3)
    for index in range(3):
        await desk.produce("orders", values(b"x"), index)

    first = await desk.fetch((topic, {0: 0, 1: 0, 2: 0}), session_epoch=0, max_bytes=1)
    found = [index for index, _, _, size in answers(first) if size]
    for epoch in range(1, 5):
        answer = await desk.fetch(session_id=first.session_id, session_epoch=epoch, max_bytes=1)
        found += [index for index, _, _, size in answers(answer) if size]

    assert found == [0, 0, 1, 2, 0]


@pytest.mark.asyncio
async def test_forgotten_partitions_are_not_told_of() -> None:
    """And a session without any ends."""
    desk = Desk()
    topic = desk.topic("orders", 2)
    opened = await desk.fetch((topic, {0: 0, 1: 0}), session_epoch=0)
    session = {"session_id": opened.session_id}
    await desk.produce("orders", values(b"x"), 0)

    assert answers(await desk.fetch(session_epoch=1, forget=(topic, [0]), **session)) == []
    ended = await desk.fetch(session_epoch=2, forget=(topic, [1]), **session)

    assert (ended.error_code, ended.session_id, answers(ended)) == (0, 0, [])
    assert (await desk.fetch(session_epoch=3, **session)).error_code == 70


@pytest.mark.asyncio
async def test_a_session_is_one_brokers() -> None:
    """Another one, and the same one after a restart, does not know it (70)."""
    desk = Desk(2)
    topic = desk.topic("orders")
    opened = await desk.fetch((topic, {0: 0}), session_epoch=0)

    elsewhere = await desk.fetch(session_id=opened.session_id, session_epoch=1, node=2)
    desk.fetches.forget(1)
    afterwards = await desk.fetch(session_id=opened.session_id, session_epoch=1)

    assert [(a.error_code, a.session_id, answers(a)) for a in (elsewhere, afterwards)] == [(70, 0, [])] * 2


@pytest.mark.asyncio
async def test_a_request_that_was_overtaken_in_its_session_is_refused() -> None:
    """Its client has moved on: 71, with the session's id, as in Kafka."""
    desk = Desk()
    topic = desk.topic("orders")
    opened = await desk.fetch((topic, {0: 0}), session_epoch=0)
    session = {"session_id": opened.session_id}
    task = await desk.parked(session_epoch=1, **session)

    assert answers(await desk.fetch(session_epoch=2, **session)) == []
    await desk.produce("orders", values(b"x"))

    overtaken = await soon(task)
    assert (overtaken.error_code, overtaken.session_id, answers(overtaken)) == (71, opened.session_id, [])
    assert answers(await desk.fetch(session_epoch=3, **session)) == [(0, 0, 1, SIZE)]


@pytest.mark.asyncio
async def test_a_topic_that_appears_is_found_by_its_session() -> None:
    """What was an unknown id before."""
    desk = Desk()
    topic = desk.topic("orders")
    del desk.cluster.topics["orders"], desk.cluster.topics_by_id[topic.topic_id]
    opened = await desk.fetch((topic, {0: 0}), session_epoch=0)
    desk.cluster.topics["orders"] = desk.cluster.topics_by_id[topic.topic_id] = topic

    found = await desk.fetch(session_id=opened.session_id, session_epoch=1)

    assert (answers(opened), answers(found)) == ([(0, 100, -1, 0)], [(0, 0, 0, 0)])


@pytest.mark.asyncio
async def test_a_partition_may_be_refused_on_purpose() -> None:
    """A fault's code instead of its records; at once, and not told of the others."""
    desk = Desk()
    topic = desk.topic("orders", 2)
    await desk.produce("orders", values(b"x"), 1)
    opened = await desk.fetch((topic, {0: 0, 1: 1}), session_epoch=0)

    desk.fault = Rule("Fetch", topic="orders", partition=0, error=9)
    refused = await asyncio.wait_for(desk.fetch(session_id=opened.session_id, session_epoch=1, max_wait_ms=60_000), 20)

    assert answers(refused) == [(0, 9, -1, 0)]

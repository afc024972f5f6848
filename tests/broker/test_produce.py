"""Produce and InitProducerId, asked by kafka-python's messages."""

from __future__ import annotations

from uuid import UUID

import pytest

from kafkastatic.errors import ProtocolError
from tests.broker.batches import CODECS, batch, seen, values
from tests.broker.desk import NOW, Desk

OK = 0


@pytest.mark.asyncio
@pytest.mark.parametrize("version", range(3, 14))
@pytest.mark.parametrize("acks", [1, -1])
async def test_a_batch_is_appended_and_answered_with_its_offset(version: int, acks: int) -> None:
    """In every version; from 13 on the topic has an id instead of a name."""
    desk = Desk()
    topic = desk.topic("orders", 2)
    place = topic if version >= 13 else "orders"

    first = await desk.produce(place, values(b"a", b"b"), 1, version=version, acks=acks)
    second = await desk.produce(place, values(b"c"), 1, version=version, acks=acks)

    assert [(a.index, a.error_code, a.base_offset, a.log_append_time_ms) for a in (first, second)] == [
        (1, OK, 0, -1),
        (1, OK, 2, -1),
    ]
    assert version < 5 or (first.log_start_offset, second.log_start_offset) == (0, 0)
    log = topic.partitions[1].log
    assert [record.value for record in seen(log.read(0, 1 << 20, at_least_one=True))] == [b"a", b"b", b"c"]


@pytest.mark.asyncio
@pytest.mark.parametrize("codec", CODECS)
async def test_every_codec_is_taken(codec: str) -> None:
    """And zstd not before version 7."""
    desk = Desk()
    desk.topic("orders")
    data = values(b"a" * 100, codec=codec)

    codes = [(await desk.produce("orders", data, version=version)).error_code for version in (6, 7)]

    assert codes == ([76, OK] if codec == "zstd" else [OK, OK])


@pytest.mark.asyncio
async def test_what_does_not_exist_is_told_by_its_kind() -> None:
    """A topic by name, by id, and a partition of one that exists."""
    desk = Desk()
    topic, gone = desk.topic("orders"), desk.topic("gone")
    desk.cluster.delete_topic(gone)
    data = values(b"a")

    answers = [
        await desk.produce("nothing", data),
        await desk.produce(gone, data),
        await desk.produce("orders", data, 7),
        await desk.produce(topic, data, 7),
    ]

    assert [(a.error_code, a.base_offset, a.log_append_time_ms, a.log_start_offset) for a in answers] == [
        (3, -1, -1, -1),
        (100, -1, -1, -1),
        (3, -1, -1, -1),
        (3, -1, -1, -1),
    ]


@pytest.mark.asyncio
async def test_another_brokers_partition_is_refused_and_its_leader_named() -> None:
    """From version 10 on, with the address (KIP-951)."""
    desk = Desk(2)
    desk.topic("orders")

    async def ask(version: int) -> object:
        kind = {"index": 0, "records": values(b"a")}
        return await desk.ask(
            "Produce",
            version,
            node=2,
            acks=-1,
            timeout_ms=1000,
            transactional_id=None,
            topic_data=[("orders", [tuple(kind.values())])],
        )

    old, new = await ask(9), await ask(10)

    assert old.responses[0].partition_responses[0].error_code == 6
    refused = new.responses[0].partition_responses[0]
    assert (refused.error_code, refused.current_leader.leader_id, refused.current_leader.leader_epoch) == (6, 1, 0)
    assert [(n.node_id, n.host, n.port) for n in new.node_endpoints] == [(1, "node-1", 9001)]

    desk.listener, desk.nodes[0].advertised[1] = 1, ("proxy", 1)
    assert [(n.node_id, n.host, n.port) for n in (await ask(10)).node_endpoints] == [(1, "proxy", 1)]


@pytest.mark.asyncio
async def test_too_few_replicas_in_sync_refuse_acks_all_only() -> None:
    """min.insync.replicas, of no more replicas than there are."""
    desk = Desk(2)
    topic = desk.topic("orders", replicas=2, min_insync_replicas="3")
    both = await desk.produce("orders", values(b"a"))
    desk.cluster.node_stopped(2)

    answers = [await desk.produce("orders", values(b"a"), acks=acks) for acks in (-1, 1)]

    assert both.error_code == OK
    assert [(a.error_code, a.base_offset, a.log_start_offset) for a in answers] == [(19, -1, 0), (OK, 1, 0)]
    assert topic.partitions[0].log.end_offset == 2


@pytest.mark.asyncio
async def test_no_answer_is_wanted_with_acks_0() -> None:
    """What is refused then ends the connection, as there is no other way to tell."""
    desk = Desk()
    topic = desk.topic("orders")

    assert await desk.produce("orders", values(b"a"), acks=0) is None
    assert topic.partitions[0].log.end_offset == 1
    with pytest.raises(ProtocolError):
        await desk.produce("orders", b"nonsense", acks=0)


@pytest.mark.asyncio
async def test_other_acks_are_refused() -> None:
    """21."""
    desk = Desk()
    topic = desk.topic("orders")

    assert (await desk.produce("orders", values(b"a"), acks=2)).error_code == 21
    assert topic.partitions[0].log.end_offset == 0


@pytest.mark.asyncio
async def test_refusals_of_the_log_are_answered_with_its_start() -> None:
    """But for a batch that is corrupt or too large; records that are to blame are named."""
    desk = Desk()
    topic = desk.topic("orders", 1, max_message_bytes="200", cleanup_policy="compact")
    topic.partitions[0].log.append(values(b"a", b"b"), leader_epoch=0, now_ms=NOW)
    topic.partitions[0].log.delete_before(1)
    good = batch((NOW, b"k", b"v"))

    answers = [
        await desk.produce("orders", data)
        for data in (b"", good[:-1] + b"?", values(b"x" * 200), values(b"a"), batch((NOW, b"k", b""), (NOW, None, b"")))
    ]

    assert [(a.error_code, a.log_start_offset, [e.batch_index for e in a.record_errors]) for a in answers] == [
        (87, -1, []),
        (2, -1, []),
        (10, -1, []),
        (87, 1, [0]),
        (87, 1, [1]),
    ]
    assert [a.error_message is None for a in answers] == [True, True, True, False, False]


@pytest.mark.asyncio
async def test_log_append_time_is_told() -> None:
    """The broker's clock, in milliseconds."""
    desk = Desk()
    desk.topic("orders", message_timestamp_type="LogAppendTime")

    answer = await desk.produce("orders", values(b"a"))

    assert (answer.error_code, answer.log_append_time_ms) == (OK, NOW)


@pytest.mark.asyncio
async def test_the_partitions_watchers_are_told_of_what_was_appended() -> None:
    """Once for each batch, and not of one that was there before or was refused."""
    desk = Desk()
    topic, told = desk.topic("orders"), list[int]()
    topic.partitions[0].watchers.add(lambda: told.append(topic.partitions[0].log.end_offset))
    data = values(b"a", producer=(1, 0, 0))

    for sent in (data, data, values(b"c", producer=(1, 0, 5)), values(b"b", b"c")):
        await desk.produce("orders", sent)

    assert told == [1, 3]


@pytest.mark.asyncio
async def test_an_idempotent_producer_writes_once() -> None:
    """Its id is new; a repetition is answered with the offset that it has."""
    desk = Desk()
    topic = desk.topic("orders")
    ids = [
        await desk.ask(
            "InitProducerId", 5, transactional_id=None, transaction_timeout_ms=0, producer_id=i, producer_epoch=e
        )
        for i, e in ((-1, -1), (-1, -1), (0, 0))
    ]
    producer_id = ids[0].producer_id
    data = [values(b"a", producer=(producer_id, 0, 0)), values(b"b", producer=(producer_id, 0, 1))]

    answers = [await desk.produce("orders", one) for one in (data[0], data[1], data[0])]
    gap = await desk.produce("orders", values(b"d", producer=(producer_id, 0, 3)))

    assert [(i.error_code, i.producer_epoch) for i in ids] == [(OK, 0)] * 3
    assert len({i.producer_id for i in ids}) == 3
    assert [(a.error_code, a.base_offset) for a in (*answers, gap)] == [(OK, 0), (OK, 1), (OK, 0), (45, -1)]
    assert topic.partitions[0].log.end_offset == 2


@pytest.mark.asyncio
async def test_transactions_are_refused_as_if_nobody_was_authorized() -> None:
    """53, wherever a transactional id comes up; half an identity is no request."""
    desk = Desk()
    topic = desk.topic("orders")

    async def init(transactional_id: str | None, producer_id: int, epoch: int) -> tuple[int, int, int]:
        answer = await desk.ask(
            "InitProducerId",
            4,
            transactional_id=transactional_id,
            transaction_timeout_ms=1000,
            producer_id=producer_id,
            producer_epoch=epoch,
        )
        return answer.error_code, answer.producer_id, answer.producer_epoch

    assert await init("payments", -1, -1) == (53, -1, -1)
    assert [await init(None, -1, 0), await init(None, 3, -1), await init("", -1, -1)] == [(42, -1, -1)] * 3
    data = values(b"a", transactional=True, producer=(1, 0, 0))
    for transactional_id in (None, "payments"):
        answer = await desk.produce("orders", data, transactional_id=transactional_id)
        assert (answer.error_code, answer.base_offset) == (53, -1)
    assert topic.partitions[0].log.end_offset == 0


@pytest.mark.asyncio
async def test_the_partitions_of_a_request_have_one_answer_each() -> None:
    """What one is refused for is not the others' affair."""
    desk = Desk()
    one, two = desk.topic("one", 2), desk.topic("two")

    answer = await desk.ask(
        "Produce",
        13,
        acks=1,
        timeout_ms=1000,
        transactional_id=None,
        topic_data=[
            (UUID(bytes=two.topic_id), [(0, values(b"a"))]),
            (UUID(bytes=one.topic_id), [(1, values(b"b")), (0, b"nonsense")]),
        ],
    )

    assert [(t.topic_id.bytes, [(p.index, p.error_code) for p in t.partition_responses]) for t in answer.responses] == [
        (two.topic_id, [(0, OK)]),
        (one.topic_id, [(1, OK), (0, 87)]),
    ]

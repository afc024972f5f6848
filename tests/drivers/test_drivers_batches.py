"""Batches of a consumer of a scripted broker, plain and lazy, among the other ways to read."""

from __future__ import annotations

import pytest

from kafkastatic import RecordView
from kafkastatic.errors import ConfigError
from tests.support.scripted_broker import ScriptedBroker

from .world import TP, consumer_of, nothing_left


@pytest.mark.asyncio
async def test_a_lazy_record_can_be_committed() -> None:
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"a", b"b", b"c")
        async with consumer_of(broker) as consumer:
            async for batch in consumer.batches(lazy=True):
                await consumer.commit(batch.records[0])
                break
            assert await consumer.committed(TP) == 1
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_every_way_to_read_goes_on_where_another_stopped() -> None:
    """One by one, in lists, lazily: nothing twice, nothing left out, each record of the kind asked for."""
    values = [b"%d" % n for n in range(12)]
    read: list[bytes] = []
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, *values)
        async with consumer_of(broker) as consumer:
            for _ in range(2):
                read.append((await consumer.getone()).value)
                async for lazy in consumer.batches(2, lazy=True):
                    assert all(isinstance(record, RecordView) for record in lazy)
                    read += [bytes(record.value) for record in lazy]
                    break
                async for record in consumer:
                    read.append(record.value)
                    break
                async for batch in consumer.batches(1):
                    read += [record.value for record in batch]
                    break
                for records in (await consumer.getmany(timeout_ms=1000, max_records=1)).values():
                    read += [record.value for record in records]
            await consumer.commit()
            assert await consumer.committed(TP) == len(values)
        await nothing_left(broker)
    assert read == values


@pytest.mark.asyncio
async def test_lazy_batches_go_with_no_deserializer() -> None:
    async with ScriptedBroker() as broker, consumer_of(broker, value_deserializer=int) as consumer:
        with pytest.raises(ConfigError, match="deserializers"):
            await anext(consumer.batches(lazy=True))

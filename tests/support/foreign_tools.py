"""What foreign clients do, all with one face: create a topic, produce, tell the lag; and three of them reading a topic.

Each call of `ForeignTools` blocks and leaves nothing open.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar

import aiokafka
import aiokafka.admin
import confluent_kafka
import confluent_kafka.admin
import kafka
import kafka.admin

from kafkastatic.broker import Broker
from tests.support.members import AioMember, ConfluentMember, ForeignMember, KafkaPythonMember
from tests.support.scenes import eventually

T = TypeVar("T")

PARTITIONS = 6
WITHIN = 20.0


class ForeignTools:
    """One client library."""

    member: type[ForeignMember]

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap

    def create_topic(self, name: str, partitions: int) -> None:
        raise NotImplementedError

    def produce(self, topic: str, partition: int, values: Sequence[bytes], codec: str) -> None:
        raise NotImplementedError

    def lag(self, group: str, topic: str, partitions: int) -> dict[int, int]:
        """Partition -> records that the group has not committed."""
        raise NotImplementedError


class AioTools(ForeignTools):
    member = AioMember

    def create_topic(self, name: str, partitions: int) -> None:
        async def create() -> None:
            admin = aiokafka.admin.AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
            try:
                await admin.start()
                await admin.create_topics([aiokafka.admin.NewTopic(name, partitions, replication_factor=3)])
            finally:
                await admin.close()

        _run(create())

    def produce(self, topic: str, partition: int, values: Sequence[bytes], codec: str) -> None:
        async def produce() -> None:
            compression = None if codec == "none" else codec
            async with aiokafka.AIOKafkaProducer(
                bootstrap_servers=self.bootstrap, compression_type=compression, enable_idempotence=True, linger_ms=20
            ) as producer:
                sent = [await producer.send(topic, value, partition=partition) for value in values]
                await asyncio.gather(*sent)

        _run(produce())

    def lag(self, group: str, topic: str, partitions: int) -> dict[int, int]:
        async def lag() -> dict[int, int]:
            consumer = aiokafka.AIOKafkaConsumer(
                bootstrap_servers=self.bootstrap, group_id=group, enable_auto_commit=False
            )
            every = [aiokafka.TopicPartition(topic, partition) for partition in range(partitions)]
            try:
                await consumer.start()
                consumer.assign(every)
                ends = await consumer.end_offsets(every)
                return {tp.partition: ends[tp] - (await consumer.committed(tp) or 0) for tp in every}
            finally:
                await consumer.stop()

        return _run(lag())


def _run(main: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(main, WITHIN))


class ConfluentTools(ForeignTools):
    member = ConfluentMember

    def create_topic(self, name: str, partitions: int) -> None:
        admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": self.bootstrap})
        topic = confluent_kafka.admin.NewTopic(name, partitions, replication_factor=3)
        admin.create_topics([topic], operation_timeout=WITHIN)[name].result(WITHIN)

    def produce(self, topic: str, partition: int, values: Sequence[bytes], codec: str) -> None:
        options = {"compression.type": codec, "enable.idempotence": True, "linger.ms": 20}
        producer = confluent_kafka.Producer({"bootstrap.servers": self.bootstrap, **options})
        failed: list[object] = []
        for value in values:
            producer.produce(topic, value, partition=partition, on_delivery=lambda error, _: failed.append(error))
        assert producer.flush(WITHIN) == 0
        assert failed == [None] * len(values)

    def lag(self, group: str, topic: str, partitions: int) -> dict[int, int]:
        consumer = confluent_kafka.Consumer({"bootstrap.servers": self.bootstrap, "group.id": group})
        every = [confluent_kafka.TopicPartition(topic, partition) for partition in range(partitions)]
        try:
            committed = consumer.committed(every, timeout=WITHIN)
            ends = {tp.partition: consumer.get_watermark_offsets(tp, timeout=WITHIN)[1] for tp in committed}
            return {tp.partition: ends[tp.partition] - max(tp.offset, 0) for tp in committed}
        finally:
            consumer.close()


class KafkaPythonTools(ForeignTools):
    member = KafkaPythonMember

    def create_topic(self, name: str, partitions: int) -> None:
        admin = kafka.admin.KafkaAdminClient(bootstrap_servers=self.bootstrap)
        with contextlib.closing(admin):
            admin.create_topics([kafka.admin.NewTopic(name, partitions, replication_factor=3)])

    def produce(self, topic: str, partition: int, values: Sequence[bytes], codec: str) -> None:
        compression = None if codec == "none" else codec
        producer = kafka.KafkaProducer(
            bootstrap_servers=self.bootstrap, compression_type=compression, enable_idempotence=True, linger_ms=20
        )
        try:
            for future in [producer.send(topic, value, partition=partition) for value in values]:
                future.get(WITHIN)
        finally:
            producer.close(WITHIN)

    def lag(self, group: str, topic: str, partitions: int) -> dict[int, int]:
        consumer = kafka.KafkaConsumer(bootstrap_servers=self.bootstrap, group_id=group, enable_auto_commit=False)
        every = [kafka.TopicPartition(topic, partition) for partition in range(partitions)]
        with contextlib.closing(consumer):
            ends = consumer.end_offsets(every)
            return {tp.partition: ends[tp] - (consumer.committed(tp) or 0) for tp in every}


async def read_by_three(
    broker: Broker, member: type[ForeignMember], topic: str, write: Callable[[], Awaitable[None]]
) -> None:
    """Static members of `billing` read all there is, and what `write` adds while one of them is away.

    They commit everything, and the restart is no rebalance.
    """
    members = [member(broker.bootstrap, topic, "billing", instance_id=f"billing-{n}") for n in (0, 1, 2, 0)]
    async with contextlib.AsyncExitStack() as staying:
        async with contextlib.AsyncExitStack() as first:
            for count, stack in enumerate((first, staying, staying), 1):
                await stack.enter_async_context(members[count - 1])
                # One after the other: kafka-python's leader assigns nothing while it does not know the topic yet.
                await eventually(lambda count=count: _present(broker) == count, WITHIN)
            await eventually(lambda: [len(one.owned) for one in members[:3]] == [2, 2, 2], WITHIN)
            await _read(broker, members[:3], topic)
            generation = broker.group("billing").generation
        await write()
        await staying.enter_async_context(members[3])
        await _read(broker, members, topic)
        assert broker.group("billing").generation == generation

    committed = {tp.partition: found.offset for tp, found in broker.committed("billing").items()}
    assert committed == {partition: broker.end_offset(topic, partition) for partition in range(PARTITIONS)}


def _present(broker: Broker) -> int:
    group = broker.group("billing")
    return len(group.members) if group else 0


async def _read(broker: Broker, members: Sequence[ForeignMember], topic: str) -> None:
    """Wait until the members have read every record of the topic."""
    ends = [broker.end_offset(topic, partition) for partition in range(PARTITIONS)]
    everything = {(partition, offset) for partition, end in enumerate(ends) for offset in range(end)}

    def all_read() -> bool:
        missing = everything - {record for member in members for record in member.records}
        assert not missing
        return True

    await eventually(all_read, WITHIN)

"""What foreign clients do, all with one face: create a topic, produce, tell the lag; and three of them reading a topic.

Each call of `ForeignTools` blocks and leaves nothing open.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import aiokafka
import aiokafka.admin
import confluent_kafka
import confluent_kafka.admin
import kafka
import kafka.admin

from kafkastatic.broker import Broker
from tests.support.members import AioMember, ConfluentMember, ForeignMember, KafkaPythonMember
from tests.support.scenes import eventually

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
            await admin.start()
            await admin.create_topics([aiokafka.admin.NewTopic(name, partitions, replication_factor=3)])
            await admin.close()

        asyncio.run(create())

    def produce(self, topic: str, partition: int, values: Sequence[bytes], codec: str) -> None:
        async def produce() -> None:
            compression = None if codec == "none" else codec
            async with aiokafka.AIOKafkaProducer(
                bootstrap_servers=self.bootstrap, compression_type=compression, enable_idempotence=True, linger_ms=20
            ) as producer:
                sent = [await producer.send(topic, value, partition=partition) for value in values]
                await asyncio.gather(*sent)

        asyncio.run(produce())

    def lag(self, group: str, topic: str, partitions: int) -> dict[int, int]:
        async def lag() -> dict[int, int]:
            consumer = aiokafka.AIOKafkaConsumer(
                bootstrap_servers=self.bootstrap, group_id=group, enable_auto_commit=False
            )
            await consumer.start()
            every = [aiokafka.TopicPartition(topic, partition) for partition in range(partitions)]
            consumer.assign(every)
            ends = await consumer.end_offsets(every)
            found = {tp.partition: ends[tp] - (await consumer.committed(tp) or 0) for tp in every}
            await consumer.stop()
            return found

        return asyncio.run(lag())


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
        committed = consumer.committed(every, timeout=WITHIN)
        found = {
            tp.partition: consumer.get_watermark_offsets(tp, timeout=WITHIN)[1] - max(tp.offset, 0) for tp in committed
        }
        consumer.close()
        return found


class KafkaPythonTools(ForeignTools):
    member = KafkaPythonMember

    def create_topic(self, name: str, partitions: int) -> None:
        admin = kafka.admin.KafkaAdminClient(bootstrap_servers=self.bootstrap)
        admin.create_topics([kafka.admin.NewTopic(name, partitions, replication_factor=3)])
        admin.close()

    def produce(self, topic: str, partition: int, values: Sequence[bytes], codec: str) -> None:
        compression = None if codec == "none" else codec
        producer = kafka.KafkaProducer(
            bootstrap_servers=self.bootstrap, compression_type=compression, enable_idempotence=True, linger_ms=20
        )
        sent = [producer.send(topic, value, partition=partition) for value in values]
        for future in sent:
            future.get(WITHIN)
        producer.close()

    def lag(self, group: str, topic: str, partitions: int) -> dict[int, int]:
        consumer = kafka.KafkaConsumer(bootstrap_servers=self.bootstrap, group_id=group, enable_auto_commit=False)
        every = [kafka.TopicPartition(topic, partition) for partition in range(partitions)]
        ends = consumer.end_offsets(every)
        found = {tp.partition: ends[tp] - (consumer.committed(tp) or 0) for tp in every}
        consumer.close()
        return found


async def read_by_three(
    broker: Broker, member: type[ForeignMember], topic: str, write: Callable[[], Awaitable[None]]
) -> None:
    """Static members of `billing` read all there is, and what `write` adds while one of them is away.

    They commit everything, and the restart is no rebalance.
    """
    members = [member(broker.bootstrap, topic, "billing", instance_id=f"billing-{n}") for n in range(3)]
    await asyncio.gather(*(one.__aenter__() for one in members))
    await eventually(lambda: [len(one.owned) for one in members] == [2, 2, 2], WITHIN)
    await _read(broker, members, topic)
    generation = broker.group("billing").generation

    await members[0].__aexit__()
    await write()
    members.append(member(broker.bootstrap, topic, "billing", instance_id="billing-0"))
    await members[3].__aenter__()
    await _read(broker, members, topic)
    assert broker.group("billing").generation == generation

    for one in members[1:]:
        await one.__aexit__()
    committed = {tp.partition: found.offset for tp, found in broker.committed("billing").items()}
    assert committed == {partition: broker.end_offset(topic, partition) for partition in range(PARTITIONS)}


async def _read(broker: Broker, members: Sequence[ForeignMember], topic: str) -> None:
    """Wait until the members have read every record of the topic."""
    ends = [broker.end_offset(topic, partition) for partition in range(PARTITIONS)]
    everything = {(partition, offset) for partition, end in enumerate(ends) for offset in range(end)}

    def all_read() -> bool:
        missing = everything - {record for member in members for record in member.records}
        assert not missing
        return True

    await eventually(all_read, WITHIN)

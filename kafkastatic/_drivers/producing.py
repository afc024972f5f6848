"""Writes single records, each of them once: dead letters."""

from __future__ import annotations

from collections.abc import Sequence

import anyio

from kafkastatic import _produce
from kafkastatic._drivers.metadata import MetadataDriver
from kafkastatic._net.backoff import Backoff
from kafkastatic._net.pool import Pool, Role
from kafkastatic._produce import Numbering, ProducerId, Record
from kafkastatic._protocol import error_codes as codes
from kafkastatic._runtime import Runtime
from kafkastatic.config import ConsumerConfig
from kafkastatic.errors import KafkaError, KafkaTimeoutError, UnknownTopicOrPartitionError
from kafkastatic.types import TopicInfo, TopicPartition


class _Lane:
    """One partition: one batch at a time is on its way."""

    def __init__(self) -> None:
        self.lock = anyio.Lock()
        self.numbering = Numbering()


class _Patience:
    """What one call has met so far, and how long it waits before it tries again.

    Attributes:
        last: the last passing failure.
        stale: the metadata may be out of date.
    """

    def __init__(self, backoff: Backoff) -> None:
        self.last: KafkaError | None = None
        self.stale = False
        self._backoff = backoff

    async def wait(self, error: KafkaError) -> None:
        """Wait before the next attempt. Raises the failure if none would help."""
        if not error.retriable:
            raise error
        self.last = error
        self.stale = _produce.doubts_leader(error)
        await anyio.sleep(self._backoff.next())


class Producer:
    """An idempotent producer (KIP-98) with acks=all, one record and one batch at a time for each partition."""

    def __init__(self, config: ConsumerConfig, pool: Pool, metadata: MetadataDriver, runtime: Runtime) -> None:
        self._config = config
        self._pool = pool
        self._metadata = metadata
        self._runtime = runtime
        self._lanes: dict[TopicPartition, _Lane] = {}
        self._turns = 0
        self._id = ProducerId()
        self._asking = anyio.Lock()

    async def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes | None]],
        timestamp: int,
        partition: int | None = None,
    ) -> tuple[TopicPartition, int]:
        """Write a record, and return where it is when every replica in sync has it.

        Passing failures are retried. A call that fails or is cancelled while the broker does not answer leaves open
        whether the record is there; it never comes to be there later than a record of a later call.

        Args:
            timestamp: milliseconds since the epoch.
            partition: that of the key, or without a key the next in turn, if not given.

        Returns:
            The partition and the offset; -1 where the broker has it, but no longer knows where.

        Raises:
            KafkaTimeoutError: if it takes longer than `default_api_timeout_ms`, with the last failure met.
            UnknownTopicOrPartitionError: if the topic or the partition was missing all that time.
            TopicAuthorizationFailedError, BrokerError: if it is refused for good.
        """
        seconds = self._config.default_api_timeout_ms / 1000
        patience = _Patience(self._backoff())
        with anyio.move_on_after(seconds):
            if partition is None:
                partition = await self._choose(topic, key, patience)
            tp = TopicPartition(topic, partition)
            lane = self._lanes.setdefault(tp, _Lane())
            async with lane.lock:
                return tp, await self._deliver(tp, lane.numbering, (key, value, headers, timestamp), patience)
        last = patience.last
        if isinstance(last, UnknownTopicOrPartitionError):
            raise last
        why = f": {last}" if last else "."
        raise KafkaTimeoutError(f"A record was not written to {topic!r} within {seconds:.3g} s{why}") from last

    def _backoff(self) -> Backoff:
        return Backoff(self._config.retry_backoff_ms, self._config.retry_backoff_max_ms, self._runtime.random)

    async def _choose(self, name: str, key: bytes | None, patience: _Patience) -> int:
        while True:
            try:
                topic = await self._look_up(name, patience)
            except KafkaError as error:
                await patience.wait(error)
                continue
            self._turns += 1
            return _produce.choose(topic, key, self._turns)

    async def _deliver(self, tp: TopicPartition, numbering: Numbering, record: Record, patience: _Patience) -> int:
        """Send a record until it is there. The caller holds the partition's lock."""
        try:
            while True:
                try:
                    return await self._attempt(tp, numbering, record, patience)
                except KafkaError as error:
                    await patience.wait(error)
        except BaseException:
            numbering.give_up()
            raise

    async def _attempt(self, tp: TopicPartition, numbering: Numbering, record: Record, patience: _Patience) -> int:
        topic = await self._look_up(tp.topic, patience)
        info = topic.partitions.get(tp.partition)
        if info is None:
            raise _produce.refusal(codes.UNKNOWN_TOPIC_OR_PARTITION, "Metadata", topic=tp.topic, partition=tp.partition)
        if info.leader < 0:
            raise _produce.refusal(codes.LEADER_NOT_AVAILABLE, "Metadata", topic=tp.topic, partition=tp.partition)
        if numbering.needs_id:
            numbering.start(await self._new_id(numbering.producer, info.leader))
        timeout_ms = self._config.request_timeout_ms
        request, cap = _produce.request(tp, topic, numbering.batch(record), timeout_ms)
        answer = await self._pool.request(info.leader, request, Role.SLOW, timeout=timeout_ms / 1000, cap=cap)
        return numbering.judge(answer, tp)

    async def _look_up(self, name: str, patience: _Patience) -> TopicInfo:
        """The topic as the metadata has it, asked for first if that is missing or may be out of date."""
        topic = self._metadata.snapshot.topics.get(name)
        if patience.stale or topic is None or not topic.partitions:
            self._metadata.track({name})
            await self._metadata.refresh()
            patience.stale = False
            topic = self._metadata.snapshot.topics.get(name)
        if topic is None or not topic.partitions:
            code = topic.error_code if topic else codes.UNKNOWN_TOPIC_OR_PARTITION
            raise _produce.refusal(code or codes.LEADER_NOT_AVAILABLE, "Metadata", topic=name)
        return topic

    async def _new_id(self, spent: ProducerId, broker: int) -> ProducerId:
        """A producer id other than the one that is spent; partitions share one as long as they can."""
        async with self._asking:
            if self._id.number == spent.number:
                timeout = self._config.request_timeout_ms / 1000
                answer = await self._pool.request(broker, _produce.id_request(), Role.SLOW, timeout=timeout)
                self._id = _produce.id_answered(answer)
            return self._id

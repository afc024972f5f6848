"""Lookups of offsets: what the group has committed, the ends of logs, and offsets by time."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Collection, Mapping

import anyio

from kafkastatic._drivers.coordinator import Coordinator
from kafkastatic._drivers.metadata import MetadataDriver
from kafkastatic._fetch.transactions import ISOLATION
from kafkastatic._group import commits, committed
from kafkastatic._net.backoff import Backoff
from kafkastatic._net.pool import Pool, Role
from kafkastatic._protocol import error_codes as codes
from kafkastatic._protocol.faults import error_for, is_retriable
from kafkastatic._protocol.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsTopic,
)
from kafkastatic._protocol.messages.offset_fetch import OffsetFetchRequest
from kafkastatic._runtime import Runtime
from kafkastatic.config import ConsumerConfig
from kafkastatic.errors import KafkaError
from kafkastatic.types import NO_TOPIC_ID, Membership, OffsetAndMetadata, OffsetAndTimestamp, TopicPartition

_CONSUMER = -1
"""`replica_id` of one who is no broker."""


class Ends:
    """What a leader said of offsets by time.

    Attributes:
        found: each partition's offset, `None` where no record is as young.
        refused: errors for good.
        failed: errors that may pass.
    """

    def __init__(
        self,
        found: dict[TopicPartition, OffsetAndTimestamp | None] | None = None,
        refused: dict[TopicPartition, KafkaError] | None = None,
        failed: dict[TopicPartition, KafkaError] | None = None,
    ) -> None:
        self.found = {} if found is None else found
        self.refused = {} if refused is None else refused
        self.failed = {} if failed is None else failed

    def but(self, later: Ends) -> Ends:
        """All of it together; what was found later counts."""
        return Ends(self.found | later.found, self.refused | later.refused, self.failed | later.failed)


class OffsetsDriver:
    """Asks brokers about offsets. The caller bounds the time.

    Attributes:
        last_error: the last passing failure met, to name when the time has run out.

    Args:
        coordinator: `None` for a consumer without a group.
        member: who asks for the group's offsets, in a group of the consumer protocol; `None` for nobody in particular.
        rejected, judged: as `CommitDriver`'s.
    """

    def __init__(
        self,
        config: ConsumerConfig,
        pool: Pool,
        metadata: MetadataDriver,
        coordinator: Coordinator | None,
        runtime: Runtime,
        *,
        member: Callable[[], Membership | None],
        rejected: Callable[[int, Membership], None],
        judged: Callable[[], Awaitable[None]],
    ) -> None:
        self._config = config
        self._pool = pool
        self._metadata = metadata
        self._coordinator = coordinator
        self._runtime = runtime
        self._member = member
        self._rejected = rejected
        self._judged = judged
        self.last_error: KafkaError | None = None

    @property
    def _timeout(self) -> float:
        return self._config.request_timeout_ms / 1000

    def _backoff(self) -> Backoff:
        return Backoff(self._config.retry_backoff_ms, self._config.retry_backoff_max_ms, self._runtime.random)

    # ── committed offsets ──

    async def committed(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, OffsetAndMetadata | None]:
        """The group's committed offset of each partition, `None` where there is none.

        Raises:
            BrokerError: if the coordinator refuses for good, be it one of the partitions.
        """
        found: dict[TopicPartition, OffsetAndMetadata | None] = {}
        backoff = self._backoff()
        while True:
            answer = await self.look_up_committed([tp for tp in partitions if tp not in found])
            for error in answer.refused.values():
                raise error
            found |= answer.offsets
            if all(tp in found for tp in partitions):
                return found
            await anyio.sleep(backoff.next())

    async def look_up_committed(self, partitions: Collection[TopicPartition]) -> committed.Found:
        """As `committed`, without those whose topic the coordinator does not know by the id that we know, and with
        each refused partition's error. Without a group nothing is committed.

        Raises:
            BrokerError: if the coordinator refuses for good.
        """
        if self._coordinator is None:
            return committed.Found(dict.fromkeys(partitions))
        backoff = self._backoff()
        while True:
            member = None
            try:
                _, highest = (await self._coordinator.versions()).get(OffsetFetchRequest.API_KEY, (0, 0))
                topic_ids = self._topic_ids(partitions) if highest >= committed.BY_ID else None
                member = self._member() if highest >= committed.NAMES_ONLY else None
                group, stable = self._config.group_id or "", highest >= committed.STABLE
                request = committed.request(group, partitions, topic_ids, member=member, stable=stable)
                cap = None if topic_ids else committed.ONE_GROUP if member is None else committed.NAMES_ONLY
                answer = await self._coordinator.request(request, Role.QUICK, timeout=self._timeout, cap=cap)
            except KafkaError as error:
                if not error.retriable:
                    raise
                self.last_error = error
                await anyio.sleep(backoff.next())
                continue
            found = committed.parse(answer, topic_ids)
            failed = found.code
            if failed == codes.NONE:
                if found.unknown:
                    self._metadata.refresh_soon()
                return found
            self.last_error = error_for(failed, api="OffsetFetch", group=self._config.group_id)
            if member is not None and failed in commits.IDENTITY | commits.EPOCH:
                self._rejected(failed, member)  # the next heartbeat decides: under which epoch to ask, or not at all
                await self._judged()
            elif not is_retriable(failed):
                raise self.last_error
            if failed in (codes.NOT_COORDINATOR, codes.COORDINATOR_NOT_AVAILABLE):
                self._coordinator.forget()
            await anyio.sleep(backoff.next())

    def _topic_ids(self, partitions: Collection[TopicPartition]) -> dict[str, bytes] | None:
        """The ids of the partitions' topics; `None` where one is not known."""
        topics = {name: self._metadata.topic(name) for name, _ in partitions}
        ids = {name: info.topic_id for name, info in topics.items() if info and info.topic_id != NO_TOPIC_ID}
        return ids if len(ids) == len(topics) else None

    # ── the ends of logs, and offsets by time ──

    async def by_time(self, wanted: Mapping[TopicPartition, int]) -> dict[TopicPartition, OffsetAndTimestamp | None]:
        """The first offset not earlier than each partition's timestamp (ms; -1 latest, -2 earliest).

        Raises:
            BrokerError: if a broker refuses for good; UnknownTopicOrPartitionError does not count as that.
        """
        found: dict[TopicPartition, OffsetAndTimestamp | None] = {}
        missing = dict(wanted)
        backoff = self._backoff()
        self._metadata.track({tp[0] for tp in wanted})
        while True:
            for ends in await self._ask_leaders(missing):
                for error in ends.refused.values():
                    raise error
                found |= ends.found
            missing = {tp: timestamp for tp, timestamp in missing.items() if tp not in found}
            if not missing:
                return found
            self._metadata.refresh_soon()
            await anyio.sleep(backoff.next())

    async def _ask_leaders(self, wanted: Mapping[TopicPartition, int]) -> list[Ends]:
        """Ask every leader once."""
        by_leader: dict[int, dict[TopicPartition, int]] = {}
        for tp, timestamp in wanted.items():
            leader = self.leader(tp)
            if leader is not None:
                by_leader.setdefault(leader, {})[tp] = timestamp
        answers: list[Ends] = []

        async def ask(leader: int, part: Mapping[TopicPartition, int]) -> None:
            answers.append(await self.ask(leader, part))

        async with anyio.create_task_group() as tasks:
            for leader, part in by_leader.items():
                tasks.start_soon(ask, leader, part)
        return answers

    def leader(self, tp: TopicPartition) -> int | None:
        """Whom to ask about a partition's log, as far as is known."""
        info = self._metadata.snapshot.leader(TopicPartition(*tp))
        if info is None:
            unknown = codes.UNKNOWN_TOPIC_OR_PARTITION
            self.last_error = error_for(unknown, api="Metadata", topic=tp[0], partition=tp[1])
        return None if info is None else info.leader

    async def connect_to_fetch(self, leader: int) -> None:
        """Connect to a leader, to save time when the start is known; what fails here is met again by the fetch."""
        with contextlib.suppress(KafkaError):
            await self._pool.ensure(leader, Role.FETCH)

    async def ask(self, leader: int, wanted: Mapping[TopicPartition, int]) -> Ends:
        """Ask one leader once, for the first offset not earlier than each timestamp, as `by_time`."""
        topics: dict[str, ListOffsetsTopic] = {}
        for (name, index), timestamp in wanted.items():
            topic = topics.setdefault(name, ListOffsetsTopic(name=name, partitions=[]))
            topic.partitions.append(ListOffsetsPartition(partition_index=index, timestamp=timestamp))
        request = ListOffsetsRequest(
            replica_id=_CONSUMER,
            isolation_level=ISOLATION[self._config.isolation_level],
            topics=list(topics.values()),
        )
        try:
            answer = await self._pool.request(leader, request, Role.QUICK, timeout=self._timeout)
        except KafkaError as error:
            self.last_error = error
            failed = dict.fromkeys(wanted, error)
            return Ends(failed=failed) if error.retriable else Ends(refused=failed)
        return self._ends(answer)

    def _ends(self, answer: ListOffsetsResponse) -> Ends:
        ends = Ends()
        for topic in answer.topics:
            for entry in topic.partitions:
                tp, code = TopicPartition(topic.name, entry.partition_index), entry.error_code
                if code == codes.NONE and entry.offset >= 0:
                    ends.found[tp] = OffsetAndTimestamp(entry.offset, entry.timestamp, entry.leader_epoch)
                elif code in (codes.NONE, codes.UNSUPPORTED_FOR_MESSAGE_FORMAT):  # its records have no timestamps
                    ends.found[tp] = None
                else:
                    error = error_for(code, api="ListOffsets", topic=tp.topic, partition=tp.partition)
                    self.last_error = error
                    (ends.failed if _may_pass(code) else ends.refused)[tp] = error
        return ends


def _may_pass(code: int) -> bool:
    """Whether to ask again: as Java's consumer does even upon an accident, and upon codes that it does not know."""
    return is_retriable(code) or code == codes.UNKNOWN_SERVER_ERROR or code not in codes.TABLE

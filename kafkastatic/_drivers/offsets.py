"""Lookups of offsets: what the group has committed, the ends of logs, and where partitions start."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import anyio

from kafkastatic._drivers.coordinator import Coordinator
from kafkastatic._drivers.metadata import MetadataDriver
from kafkastatic._fetch.positions import EARLIEST, LATEST, PartitionState, Positions
from kafkastatic._fetch.resets import reset_for, timestamp_of
from kafkastatic._fetch.transactions import ISOLATION
from kafkastatic._group import committed
from kafkastatic._net.backoff import Backoff
from kafkastatic._net.pool import Pool, Role
from kafkastatic._protocol import error_codes as codes
from kafkastatic._protocol.faults import error_for, is_retriable
from kafkastatic._protocol.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic
from kafkastatic._protocol.messages.offset_fetch import OffsetFetchRequest
from kafkastatic._runtime import Runtime
from kafkastatic.config import ConsumerConfig
from kafkastatic.errors import KafkaError, NoOffsetForPartitionError
from kafkastatic.types import NO_TOPIC_ID, OffsetAndMetadata, OffsetAndTimestamp, TopicPartition

_CONSUMER = -1
"""`replica_id` of one who is no broker."""


class OffsetsDriver:
    """Asks brokers about offsets. The caller bounds the time.

    Attributes:
        last_error: the last passing failure met, to name when the time has run out.

    Args:
        coordinator: `None` for a consumer without a group.
    """

    def __init__(
        self,
        config: ConsumerConfig,
        pool: Pool,
        metadata: MetadataDriver,
        coordinator: Coordinator | None,
        runtime: Runtime,
    ) -> None:
        self._config = config
        self._pool = pool
        self._metadata = metadata
        self._coordinator = coordinator
        self._runtime = runtime
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
            BrokerError: if the coordinator refuses for good.
        """
        found: dict[TopicPartition, OffsetAndMetadata | None] = {}
        backoff = self._backoff()
        while True:
            found |= (await self._committed([tp for tp in partitions if tp not in found])).offsets
            if all(tp in found for tp in partitions):
                return found
            await anyio.sleep(backoff.next())

    async def _committed(self, partitions: Collection[TopicPartition]) -> committed.Found:
        """As `committed`, without those whose topic the coordinator does not know by the id that we know."""
        assert self._coordinator is not None
        backoff = self._backoff()
        while True:
            try:
                _, highest = (await self._coordinator.versions()).get(OffsetFetchRequest.API_KEY, (0, 0))
                topic_ids = self._topic_ids(partitions) if highest >= committed.BY_ID else None
                group, stable = self._config.group_id or "", highest >= committed.STABLE
                request = committed.request(group, partitions, topic_ids, stable=stable)
                cap = committed.ONE_GROUP if topic_ids is None else None
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
            if not is_retriable(failed):
                raise error_for(failed, api="OffsetFetch", group=self._config.group_id)
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
            refused = await self._ask_leaders(missing, found)
            if refused:
                raise next(iter(refused.values()))
            missing = {tp: timestamp for tp, timestamp in missing.items() if tp not in found}
            if not missing:
                return found
            await anyio.sleep(backoff.next())

    async def _ask_leaders(
        self, wanted: Mapping[TopicPartition, int], found: dict[TopicPartition, OffsetAndTimestamp | None]
    ) -> dict[TopicPartition, KafkaError]:
        """Ask every leader once: what they know goes into `found`, what they refuse for good is returned."""
        refused: dict[TopicPartition, KafkaError] = {}
        by_leader: dict[int, dict[TopicPartition, int]] = {}
        for tp, timestamp in wanted.items():
            info = self._metadata.snapshot.leader(TopicPartition(*tp))
            if info is not None:
                by_leader.setdefault(info.leader, {})[tp] = timestamp
            else:
                unknown = codes.UNKNOWN_TOPIC_OR_PARTITION
                self.last_error = error_for(unknown, api="Metadata", topic=tp[0], partition=tp[1])
        async with anyio.create_task_group() as tasks:
            for leader, part in by_leader.items():
                tasks.start_soon(self._ask_leader, leader, part, found, refused)
        if wanted.keys() - found.keys() - refused.keys():
            self._metadata.refresh_soon()
        return refused

    async def _ask_leader(
        self,
        leader: int,
        wanted: Mapping[TopicPartition, int],
        found: dict[TopicPartition, OffsetAndTimestamp | None],
        refused: dict[TopicPartition, KafkaError],
    ) -> None:
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
            if not error.retriable:
                refused.update(dict.fromkeys(wanted, error))
            return
        for topic in answer.topics:
            for entry in topic.partitions:
                tp = TopicPartition(topic.name, entry.partition_index)
                if entry.error_code == codes.NONE:
                    offset = OffsetAndTimestamp(entry.offset, entry.timestamp, entry.leader_epoch)
                    found[tp] = offset if offset.offset >= 0 else None
                    continue
                error = error_for(entry.error_code, api="ListOffsets", topic=tp.topic, partition=tp.partition)
                self.last_error = error
                if not error.retriable:
                    refused[tp] = error

    # ── where to start ──

    async def resolve(self, positions: Positions, states: Collection[PartitionState]) -> None:
        """Find out where partitions start: at the committed offset, else where `auto_offset_reset` says.

        Each leader is asked once: a partition without one does not hold up the others, and is left as it is.
        """
        fresh = [state for state in states if state.fetch_at is None and state.reset is None and state.error is None]
        if fresh and self._coordinator is not None:
            versions = {state.tp: state.version for state in fresh}
            found = await self._committed(list(versions))
            for state in fresh:
                untouched = self._untouched(positions, state, versions[state.tp])
                if untouched and state.reset is None and state.tp in found.offsets:
                    self._start(state, found.offsets[state.tp], by_id=found.by_id)
        else:
            for state in fresh:
                self._start(state, None)
        await self._look_up_resets(positions, states)

    async def _look_up_resets(self, positions: Positions, states: Collection[PartitionState]) -> None:
        resets = {state.tp: (state, state.version) for state in states if state.fetch_at is None}
        config, wall = self._config, self._runtime.wall()
        wanted = {
            tp: timestamp_of(state.reset, config.reset_duration, wall)
            for tp, (state, _) in resets.items()
            if state.reset is not None
        }
        found: dict[TopicPartition, OffsetAndTimestamp | None] = {}
        refused = await self._ask_leaders(wanted, found) if wanted else {}
        young = {tp: LATEST for tp, end in found.items() if end is None}
        if young:  # no record is as young as that
            refused |= await self._ask_leaders(young, found)
        for tp in wanted:
            state, version = resets[tp]
            if not self._untouched(positions, state, version):
                continue
            end = found.get(tp)
            if end is not None:
                state.move(end.offset)
            elif tp in refused:
                state.error = refused[tp]

    def _untouched(self, positions: Positions, state: PartitionState, version: int) -> bool:
        """Whether nobody sought or revoked the partition while we asked."""
        return positions.get(state.tp) is state and state.version == version and state.fetch_at is None

    def _start(self, state: PartitionState, found: OffsetAndMetadata | None, *, by_id: bool = False) -> None:
        """Start at the committed offset, unless it is the last one of a topic that had the name before, which brokers
        without topic ids in commits may still have."""
        policy = self._config.auto_offset_reset
        former = state.former is not None and found is not None and state.former.offset == found.offset and not by_id
        if found is not None and not former:
            state.go_on(found)
            state.committed = found
        elif policy == "none":
            state.error = NoOffsetForPartitionError(state.tp.topic, state.tp.partition, self._config.group_id)
        else:
            state.reset = EARLIEST if state.reborn else reset_for(policy)

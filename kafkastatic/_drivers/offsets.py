"""Offsets of the cluster: commits, committed offsets, and the ends of logs. Plain request and answer."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import anyio

from kafkastatic._drivers.coordinator import Coordinator
from kafkastatic._drivers.metadata import MetadataDriver
from kafkastatic._fetch.positions import EARLIEST, LATEST, PartitionState, Positions
from kafkastatic._group import commits
from kafkastatic._group.commits import Outcome, Verdict
from kafkastatic._net.backoff import Backoff
from kafkastatic._net.pool import Pool, Role
from kafkastatic._protocol import error_codes as codes
from kafkastatic._protocol.faults import error_for, is_retriable
from kafkastatic._protocol.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic
from kafkastatic._protocol.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestTopic
from kafkastatic._runtime import Runtime
from kafkastatic.config import ConsumerConfig
from kafkastatic.errors import (
    CommitFailedError,
    KafkaError,
    NoOffsetForPartitionError,
)
from kafkastatic.types import Membership, OffsetAndMetadata, OffsetAndTimestamp, TopicPartition

_ONE_GROUP = 7
"""The last version of OffsetFetch that asks for one group only."""

_CONSUMER = -1
"""`replica_id` of one who is no broker."""


class OffsetsDriver:
    """Reads and writes offsets. Every call retries passing failures; the caller bounds its time.

    Attributes:
        last_error: the last passing failure met, to name when the time has run out.

    Args:
        coordinator: `None` for a consumer without a group.
        identity: the membership to stamp on a commit.
        rejected: told the error code, and the identity that it judges, when the coordinator does not take the
            member for what it says it is.
    """

    def __init__(
        self,
        config: ConsumerConfig,
        pool: Pool,
        metadata: MetadataDriver,
        coordinator: Coordinator | None,
        runtime: Runtime,
        *,
        identity: Callable[[], Membership],
        rejected: Callable[[int, Membership], None],
    ) -> None:
        self._config = config
        self._pool = pool
        self._metadata = metadata
        self._coordinator = coordinator
        self._runtime = runtime
        self._identity = identity
        self._rejected = rejected
        self.last_error: KafkaError | None = None
        self._commits = anyio.Lock()  # one after another, so that none overtakes a later one

    @property
    def _timeout(self) -> float:
        return self._config.request_timeout_ms / 1000

    def _backoff(self) -> Backoff:
        return Backoff(self._config.retry_backoff_ms, self._config.retry_backoff_max_ms, self._runtime.random)

    # ── committed offsets ──

    async def commit(
        self, offsets: Mapping[TopicPartition, OffsetAndMetadata], still_ours: Callable[[TopicPartition], bool]
    ) -> None:
        """Commit offsets under the present identity.

        Args:
            still_ours: asked before each try; the broker itself would take a commit for any partition.

        Raises:
            CommitFailedError: if the member or the offsets are refused, or a partition is not ours any more.
        """
        assert self._coordinator is not None
        backoff = self._backoff()
        async with self._commits:
            while True:
                gone: dict[tuple[str, int], int] = {
                    tp: offset.offset for tp, offset in offsets.items() if not still_ours(tp)
                }
                if gone:
                    raise CommitFailedError(
                        f"{', '.join(f'{t}-{p}' for t, p in gone)} not assigned to this consumer any more.",
                        group=self._config.group_id,
                        offsets=gone,
                        remedy="Commit before the partitions are revoked; their next owner starts at the last commit.",
                    )
                who = self._identity()
                outcome = await self._try_commit(who, offsets)
                if outcome.verdict is Verdict.DONE:
                    return
                if outcome.verdict in (Verdict.REJECTED, Verdict.REFUSED):
                    raise self._commit_failed(who, outcome, offsets)
                if outcome.verdict is Verdict.MOVED:
                    self._coordinator.forget()
                await anyio.sleep(backoff.next())

    async def _try_commit(self, who: Membership, offsets: Mapping[TopicPartition, OffsetAndMetadata]) -> Outcome:
        assert self._coordinator is not None
        request = commits.request(who, offsets)
        try:
            answer = await self._coordinator.request(request, Role.QUICK, timeout=self._timeout, cap=commits.HIGHEST)
        except KafkaError as error:
            if not error.retriable:
                raise
            self.last_error = error
            return Outcome(Verdict.MOVED)
        outcome = commits.classify(answer)
        if outcome.verdict is Verdict.REJECTED:
            self._rejected(outcome.code, who)
        return outcome

    def _commit_failed(
        self, who: Membership, outcome: Outcome, offsets: Mapping[TopicPartition, OffsetAndMetadata]
    ) -> CommitFailedError:
        cause = error_for(
            outcome.code,
            api="OffsetCommit",
            group=who.group,
            instance_id=who.instance_id,
            member_id=who.member_id,
            epoch=who.epoch,
        )
        remedy = None
        if outcome.verdict is Verdict.REJECTED:
            remedy = (
                "The group went on without this member; its partitions start again at the last commit."
                if who.member_id
                else "Other consumers are members of this group: give assigned partitions a group_id of their own."
            )
        error = CommitFailedError(
            f"The coordinator refused the commit with {cause.name}.",
            group=who.group,
            offsets={tp: offsets[tp].offset for tp in outcome.refused if tp in offsets},
            remedy=remedy,
        )
        error.__cause__ = cause
        return error

    async def committed(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, OffsetAndMetadata | None]:
        """The group's committed offset of each partition, `None` where there is none.

        Raises:
            BrokerError: if the coordinator refuses for good.
        """
        assert self._coordinator is not None
        topics: dict[str, list[int]] = {}
        for topic, index in partitions:
            topics.setdefault(topic, []).append(index)
        request = OffsetFetchRequest(
            group_id=self._config.group_id or "",
            topics=[OffsetFetchRequestTopic(name=name, partition_indexes=found) for name, found in topics.items()],
        )
        backoff = self._backoff()
        while True:
            try:
                answer = await self._coordinator.request(request, Role.QUICK, timeout=self._timeout, cap=_ONE_GROUP)
            except KafkaError as error:
                if not error.retriable:
                    raise
                self.last_error = error
                await anyio.sleep(backoff.next())
                continue
            found: dict[TopicPartition, OffsetAndMetadata | None] = {}
            failed = answer.error_code
            for topic in answer.topics:
                for entry in topic.partitions:
                    failed = failed or entry.error_code
                    value = OffsetAndMetadata(
                        entry.committed_offset, entry.metadata or "", entry.committed_leader_epoch
                    )
                    found[TopicPartition(topic.name, entry.partition_index)] = value if value.offset >= 0 else None
            if failed == codes.NONE:
                return found
            if not is_retriable(failed):
                raise error_for(failed, api="OffsetFetch", group=self._config.group_id)
            if failed in (codes.NOT_COORDINATOR, codes.COORDINATOR_NOT_AVAILABLE):
                self._coordinator.forget()
            await anyio.sleep(backoff.next())

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
            by_leader: dict[int, dict[TopicPartition, int]] = {}
            for tp, timestamp in missing.items():
                info = self._metadata.snapshot.leader(TopicPartition(*tp))
                if info is not None:
                    by_leader.setdefault(info.leader, {})[tp] = timestamp
                else:
                    unknown = codes.UNKNOWN_TOPIC_OR_PARTITION
                    self.last_error = error_for(unknown, api="Metadata", topic=tp[0], partition=tp[1])
            refusals: list[KafkaError] = []
            async with anyio.create_task_group() as tasks:
                for leader, part in by_leader.items():
                    tasks.start_soon(self._ask_leader, leader, part, found, refusals)
            if refusals:
                raise refusals[0]
            missing = {tp: timestamp for tp, timestamp in missing.items() if tp not in found}
            if not missing:
                return found
            self._metadata.refresh_soon()
            await anyio.sleep(backoff.next())

    async def _ask_leader(
        self,
        leader: int,
        wanted: Mapping[TopicPartition, int],
        found: dict[TopicPartition, OffsetAndTimestamp | None],
        refusals: list[KafkaError],
    ) -> None:
        """Add what a broker knows to `found`, and what it refuses for good to `refusals`."""
        topics: dict[str, ListOffsetsTopic] = {}
        for (name, index), timestamp in wanted.items():
            topic = topics.setdefault(name, ListOffsetsTopic(name=name, partitions=[]))
            topic.partitions.append(ListOffsetsPartition(partition_index=index, timestamp=timestamp))
        request = ListOffsetsRequest(replica_id=_CONSUMER, topics=list(topics.values()))
        try:
            answer = await self._pool.request(leader, request, Role.QUICK, timeout=self._timeout)
        except KafkaError as error:
            self.last_error = error
            if not error.retriable:
                refusals.append(error)
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
                    refusals.append(error)

    # ── where to start ──

    async def resolve(self, positions: Positions, states: Collection[PartitionState]) -> None:
        """Find out where partitions start: at the committed offset, else where `auto_offset_reset` says."""
        fresh = [state for state in states if state.fetch_at is None and state.reset is None and state.error is None]
        if fresh and self._coordinator is not None:
            versions = {state.tp: state.version for state in fresh}
            committed = await self.committed(list(versions))
            for state in fresh:
                if self._untouched(positions, state, versions[state.tp]) and state.reset is None:
                    self._start(state, committed.get(state.tp))
        else:
            for state in fresh:
                self._start(state, None)
        resets = {
            state.tp: (state, state.version) for state in states if state.fetch_at is None and state.reset is not None
        }
        if not resets:
            return
        ends = await self.by_time({tp: state.reset for tp, (state, _) in resets.items() if state.reset is not None})
        for tp, (state, version) in resets.items():
            end = ends[tp]
            if end is not None and self._untouched(positions, state, version):
                state.move(end.offset)

    def _untouched(self, positions: Positions, state: PartitionState, version: int) -> bool:
        """Whether nobody sought or revoked the partition while we asked."""
        return positions.get(state.tp) is state and state.version == version and state.fetch_at is None

    def _start(self, state: PartitionState, committed: OffsetAndMetadata | None) -> None:
        policy = self._config.auto_offset_reset
        if committed is not None:
            state.move(committed.offset)
            state.committed = committed
        elif policy == "none":
            state.error = NoOffsetForPartitionError(state.tp.topic, state.tp.partition, self._config.group_id)
        else:
            state.reset = EARLIEST if policy == "earliest" else LATEST

"""What to fetch from which broker next, and what its answer means for each partition."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping
from functools import cache

import attrs

from kafkastatic._fetch.positions import EARLIEST, LATEST, PartitionState, Positions
from kafkastatic._protocol import error_codes as codes
from kafkastatic._protocol.faults import error_for, is_retriable
from kafkastatic._protocol.messages.fetch import FetchPartition, FetchRequest, FetchResponse, FetchTopic, PartitionData
from kafkastatic._records import split
from kafkastatic.config import ConsumerConfig
from kafkastatic.errors import CorruptRecordError, OffsetOutOfRangeError
from kafkastatic.types import NO_TOPIC_ID, ClusterSnapshot, TopicPartition

NAMES_ONLY = 12
"""The last version of Fetch that names topics; from 13 on it takes topic ids only (KIP-516)."""

_STALE_METADATA = frozenset(
    {
        codes.NOT_LEADER_OR_FOLLOWER,
        codes.FENCED_LEADER_EPOCH,
        codes.UNKNOWN_LEADER_EPOCH,
        codes.UNKNOWN_TOPIC_OR_PARTITION,
        codes.UNKNOWN_TOPIC_ID,
        codes.INCONSISTENT_TOPIC_ID,
        codes.REPLICA_NOT_AVAILABLE,
        codes.LEADER_NOT_AVAILABLE,
        codes.KAFKA_STORAGE_ERROR,
        codes.OFFSET_NOT_AVAILABLE,
    }
)


class Need(enum.Enum):
    """What the driver has to do after an answer."""

    METADATA = "metadata"  # a leader moved
    OFFSETS = "offsets"  # a partition's start has to be looked up


@attrs.frozen
class Ask:
    """One fetch request as planned.

    Attributes:
        asked: for each partition its version and offset at the time, to tell a stale answer.
        cap: the highest version of Fetch that can say it.
        complete: no partition of this broker had to be left out because its buffer is full.
    """

    request: FetchRequest
    asked: Mapping[TopicPartition, tuple[int, int]]
    names: Mapping[bytes, str]
    cap: int | None
    complete: bool


class Planner:
    """Plans the fetches of one consumer."""

    def __init__(self, config: ConsumerConfig, positions: Positions, backoff: Callable[[], float]) -> None:
        self._config = config
        self._positions = positions
        self._backoff = backoff
        self._fed = 0

    def leaders(self, snapshot: ClusterSnapshot) -> dict[int, list[PartitionState]]:
        """The partitions to fetch, by the broker to ask."""
        found: dict[int, list[PartitionState]] = {}
        for state in self._positions:
            leader = _leader(snapshot, state.tp)
            if leader is not None and not state.gone:
                found.setdefault(leader, []).append(state)
        return found

    def leaderless(self, snapshot: ClusterSnapshot) -> bool:
        return any(_leader(snapshot, state.tp) is None for state in self._positions if not state.gone)

    def plan(self, states: Iterable[PartitionState], snapshot: ClusterSnapshot, now: float) -> Ask | None:
        """What to ask a broker for its `states` now; `None` if there is nothing to ask for."""
        config = self._config
        room = config.max_buffered_bytes - self._positions.buffered
        if room <= 0:
            if any(state.buffered and not state.paused for state in self._positions):
                return None
            room = 1  # all of it is paused: the other partitions go on, a batch at a time
        wanted: list[PartitionState] = []
        complete = True
        for state in states:
            if (
                state.fetch_at is None
                or state.error is not None
                or state.barred
                or state.paused
                or state.retry_at > now
            ):
                continue
            if state.buffered >= config.max_partition_fetch_bytes:
                complete = False
                continue
            wanted.append(state)
        if not wanted:
            return None
        # The broker fills its answer from the front, and lets the first data exceed the limits (KIP-74).
        wanted.sort(key=lambda state: state.fed)
        return self._ask(wanted, snapshot, min(config.fetch_max_bytes, room), complete)

    def _ask(self, wanted: list[PartitionState], snapshot: ClusterSnapshot, max_bytes: int, complete: bool) -> Ask:
        topics: dict[str, FetchTopic] = {}
        for state in wanted:
            name, index = state.tp
            info = snapshot.topics[name]
            topic = topics.setdefault(name, FetchTopic(topic=name, topic_id=info.topic_id, partitions=[]))
            assert state.fetch_at is not None
            topic.partitions.append(
                FetchPartition(
                    partition=index,
                    current_leader_epoch=info.partitions[index].leader_epoch,
                    fetch_offset=state.fetch_at,
                    partition_max_bytes=self._config.max_partition_fetch_bytes,
                )
            )
        request = FetchRequest(
            max_wait_ms=self._config.fetch_max_wait_ms,
            min_bytes=self._config.fetch_min_bytes,
            max_bytes=max_bytes,
            topics=list(topics.values()),
            # No rack_id: a leader that knows it may send us to a nearer replica instead of sending data (KIP-392).
        )
        by_id = all(topic.topic_id != NO_TOPIC_ID for topic in topics.values())
        return Ask(
            request=request,
            asked={state.tp: (state.version, state.fetch_at) for state in wanted if state.fetch_at is not None},
            names={topic.topic_id: name for name, topic in topics.items()},
            cap=None if by_id else NAMES_ONLY,
            complete=complete,
        )

    def take(self, ask: Ask, answer: FetchResponse, now: float) -> set[Need]:
        """Put an answer's batches into the buffers and say what else is needed."""
        if answer.error_code != codes.NONE:
            if not is_retriable(answer.error_code):
                raise error_for(answer.error_code, api="Fetch")
            self._hold_off(ask, now)
            return {Need.METADATA}
        needs: set[Need] = set()
        later = cache(lambda: now + self._backoff())  # one step of the backoff for all partitions of an answer
        for topic in answer.responses:
            name = topic.topic or ask.names.get(topic.topic_id, "")
            for data in topic.partitions:
                tp = TopicPartition(name, data.partition_index)
                state = self._positions.get(tp)
                if state is None or ask.asked.get(tp) != (state.version, state.fetch_at) or state.barred:
                    continue  # revoked, sought or reset since
                needs |= self._take_partition(state, data, later)
        return needs

    def _take_partition(self, state: PartitionState, data: PartitionData, later: Callable[[], float]) -> set[Need]:
        code = data.error_code
        if code == codes.NONE:
            state.high_watermark, state.log_start = data.high_watermark, data.log_start_offset
            self._take_records(state, data)
            return set()
        if code == codes.OFFSET_OUT_OF_RANGE:
            return self._out_of_range(state, later)
        state.retry_at = later()
        if code in _STALE_METADATA:
            return {Need.METADATA}
        topic, partition = state.tp
        if code == codes.CORRUPT_MESSAGE:
            offset = -1 if state.fetch_at is None else state.fetch_at
            state.error = CorruptRecordError(
                "the broker cannot read it", topic=topic, partition=partition, offset=offset
            )
        elif code != codes.UNKNOWN_SERVER_ERROR and not is_retriable(code):
            state.error = error_for(code, api="Fetch", topic=topic, partition=partition)
        return set()

    def _take_records(self, state: PartitionState, data: PartitionData) -> None:
        topic, partition = state.tp
        try:
            found = split(data.records, topic, partition)
        except CorruptRecordError as error:
            state.error = error
            return
        for batch in found.batches:
            if state.fetch_at is not None and batch.next_offset > state.fetch_at:
                state.push(batch)
                self._fed += 1
                state.fed = self._fed

    def _out_of_range(self, state: PartitionState, later: Callable[[], float]) -> set[Need]:
        """Start over where `auto_offset_reset` says, or stand there with an error."""
        policy = self._config.auto_offset_reset
        if policy == "none":
            topic, partition = state.tp
            detail = f"offset {state.fetch_at}"
            error = OffsetOutOfRangeError(api="Fetch", topic=topic, partition=partition, detail=detail)
            error.offset = state.fetch_at
            state.error = error
        elif state.buffered or state.open or state.handed > state.consumed:
            state.retry_at = later()  # hand out first what was fetched; the next fetch meets it again
        else:
            state.move_by_time(EARLIEST if policy == "earliest" or state.reborn else LATEST)
            return {Need.OFFSETS}
        return set()

    def _hold_off(self, ask: Ask, now: float) -> None:
        later = now + self._backoff()
        for tp in ask.asked:
            state = self._positions.get(tp)
            if state is not None:
                state.retry_at = later

    def failed(self, ask: Ask, now: float) -> None:
        """The broker did not answer: ask for these partitions again after a backoff."""
        self._hold_off(ask, now)


def _leader(snapshot: ClusterSnapshot, tp: TopicPartition) -> int | None:
    """The broker that leads a partition, where it is known and can be reached."""
    info = snapshot.leader(tp)
    return info.leader if info is not None and info.leader in snapshot.brokers else None

"""What the answer to a fetch means for each partition that was asked for, and what the driver has to do about it."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from functools import cache

import attrs

from kafkastatic._fetch.memory import Kept, Memory
from kafkastatic._fetch.positions import EARLIEST, PartitionState, Positions
from kafkastatic._fetch.resets import reset_for
from kafkastatic._fetch.sessions import INITIAL_EPOCH, SESSION_ERRORS, Wanted
from kafkastatic._fetch.sources import back_to_leader, read_from
from kafkastatic._fetch.transactions import mark_aborted
from kafkastatic._protocol import error_codes as codes
from kafkastatic._protocol.faults import error_for, is_retriable
from kafkastatic._protocol.messages.fetch import FetchRequest, FetchResponse, PartitionData
from kafkastatic._records import split
from kafkastatic._value import Value
from kafkastatic.config import ConsumerConfig
from kafkastatic.errors import CorruptRecordError, OffsetOutOfRangeError
from kafkastatic.types import Broker, TopicPartition

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
    SOURCES = "sources"  # another broker is to be asked for a partition


class Ask(Value):
    """One fetch request as planned.

    Attributes:
        asked: all that the broker is to serve; the request itself may say only what is new to it.
        cap: the highest version of Fetch that can say it.
        complete: no partition of this broker had to be left out because its buffer is full.
    """

    node: int
    request: FetchRequest
    asked: Mapping[TopicPartition, Wanted]
    names: Mapping[bytes, str]
    cap: int | None
    complete: bool


@attrs.define
class Outcome:
    """What an answer, or its failing to come, leads to.

    Attributes:
        leaders: who leads partitions now, and in which epoch, as the broker has said (KIP-951).
        brokers: where those are reached.
        delayed: a partition is not asked for again before a backoff.
    """

    needs: set[Need] = attrs.field(factory=set[Need])
    leaders: dict[TopicPartition, tuple[int, int]] = attrs.field(factory=dict[TopicPartition, tuple[int, int]])
    brokers: list[Broker] = attrs.field(factory=list[Broker])
    delayed: bool = False


class Answers:
    """Puts answers into the buffers of `positions`.

    Args:
        backoff: seconds until a broker (by its node id) may be asked again for what it could not give.
    """

    def __init__(self, config: ConsumerConfig, positions: Positions, backoff: Callable[[int], float]) -> None:
        self._config = config
        self._positions = positions
        self._backoff = backoff
        self._fed = 0
        self._memory = Memory(config.max_buffered_bytes)

    def take(self, ask: Ask, answer: FetchResponse, now: float) -> Outcome:
        """Put an answer's batches into the buffers and say what else is needed.

        Raises:
            BrokerError: if the broker refuses the request for good.
        """
        if answer.error_code != codes.NONE:
            return self._refused(ask, answer.error_code, now)
        outcome = Outcome(brokers=[Broker(b.node_id, b.host, b.port, b.rack) for b in answer.node_endpoints])
        kept = self._memory.add(_size(answer))
        later = cache(lambda: now + self._backoff(ask.node))  # one step of the backoff for all partitions of an answer
        for topic in answer.responses:
            name = topic.topic or ask.names.get(topic.topic_id, "")
            for data in topic.partitions:
                tp = TopicPartition(name, data.partition_index)
                state, asked = self._positions.get(tp), ask.asked.get(tp)
                if state is None or asked is None or asked.state is not state:
                    continue  # revoked since
                if data.error_code == codes.NONE:
                    # Within a session these are said when they change, so they must not be missed.
                    state.high_watermark, state.log_start = self._readable(data), data.log_start_offset
                if (asked.version, asked.offset) != (state.version, state.fetch_at) or state.barred:
                    continue  # sought or reset since
                if data.error_code != codes.NONE and state.replica == ask.node:
                    self._back_to_leader(state, data.error_code, outcome, now)
                elif data.error_code != codes.NONE:
                    self._failed(ask.node, state, data, later, outcome)
                elif data.preferred_read_replica >= 0:
                    read_from(state, data.preferred_read_replica, now + self._config.metadata_max_age_ms / 1000)
                    outcome.needs.add(Need.SOURCES)
                else:
                    self._take_records(ask.node, state, data, kept, outcome, now)
        self._memory.trim(batch for state in self._positions for batch in state.buffer)
        return outcome

    def no_answer(self, ask: Ask, now: float) -> Outcome:
        """The broker did not answer: ask for these partitions again after a backoff, or the leader at once."""
        outcome = Outcome({Need.METADATA})
        self._hold_off(ask, now, outcome)
        return outcome

    # ── errors ──

    def _refused(self, ask: Ask, code: int, now: float) -> Outcome:
        if code in SESSION_ERRORS and ask.request.session_epoch != INITIAL_EPOCH:
            return Outcome()  # with another session at once
        if code != codes.UNKNOWN_SERVER_ERROR and not is_retriable(code):
            raise error_for(code, api="Fetch")
        outcome = Outcome({Need.METADATA})
        self._hold_off(ask, now, outcome)
        return outcome

    def _hold_off(self, ask: Ask, now: float, outcome: Outcome) -> None:
        later = now + self._backoff(ask.node)
        for asked in ask.asked.values():
            if asked.state.replica == ask.node:
                self._back_to_leader(asked.state, codes.NONE, outcome, now)
            asked.state.hold_off(ask.node, later)

    def _back_to_leader(self, state: PartitionState, code: int, outcome: Outcome, now: float) -> None:
        """What a replica says against a partition is not the log's truth; the leader knows that."""
        back_to_leader(state, now + self._config.metadata_max_age_ms / 1000)
        outcome.needs.add(Need.SOURCES)
        if code in _STALE_METADATA:
            outcome.needs.add(Need.METADATA)

    def _failed(
        self, node: int, state: PartitionState, data: PartitionData, later: Callable[[], float], outcome: Outcome
    ) -> None:
        code = data.error_code
        if code == codes.OFFSET_OUT_OF_RANGE:
            self._out_of_range(node, state, later, outcome)
            return
        state.hold_off(node, later())
        outcome.delayed = True
        topic, partition = state.tp
        if code in _STALE_METADATA:
            leader = data.current_leader
            if leader.leader_id >= 0 and leader.leader_epoch >= 0:
                outcome.leaders[state.tp] = (leader.leader_id, leader.leader_epoch)
            else:
                outcome.needs.add(Need.METADATA)
        elif code == codes.CORRUPT_MESSAGE:
            offset = -1 if state.fetch_at is None else state.fetch_at
            state.error = CorruptRecordError(
                "the broker cannot read it", topic=topic, partition=partition, offset=offset
            )
        elif code != codes.UNKNOWN_SERVER_ERROR and not is_retriable(code):
            state.error = error_for(code, api="Fetch", topic=topic, partition=partition)

    def _out_of_range(self, node: int, state: PartitionState, later: Callable[[], float], outcome: Outcome) -> None:
        """Start over where `auto_offset_reset` says, or stand there with an error."""
        policy = self._config.auto_offset_reset
        if policy == "none":
            topic, partition = state.tp
            detail = f"offset {state.fetch_at}"
            error = OffsetOutOfRangeError(api="Fetch", topic=topic, partition=partition, detail=detail)
            error.offset = state.fetch_at
            state.error = error
        elif state.buffered or state.open or state.handed > state.consumed:
            state.hold_off(node, later())  # hand out first what was fetched; the next fetch meets it again
            outcome.delayed = True
        else:
            state.move_by_time(EARLIEST if state.reborn else reset_for(policy))
            outcome.needs.add(Need.OFFSETS)

    # ── records ──

    def _readable(self, data: PartitionData) -> int:
        """The offset behind the last record that may be read."""
        committed = self._config.isolation_level == "read_committed"
        return data.last_stable_offset if committed and data.last_stable_offset >= 0 else data.high_watermark

    def _take_records(
        self,
        node: int,
        state: PartitionState,
        data: PartitionData,
        kept: Kept,
        outcome: Outcome,
        now: float,
    ) -> None:
        topic, partition = state.tp
        try:
            found = split(data.records, topic, partition)
        except CorruptRecordError as error:
            if state.replica == node:
                self._back_to_leader(state, codes.CORRUPT_MESSAGE, outcome, now)
            else:
                state.error = error
            return
        mark_aborted(found.batches, data.aborted_transactions)
        for batch in found.batches:
            batch.source = kept
            if state.fetch_at is not None and batch.next_offset > state.fetch_at:
                state.push(batch)
                self._fed += 1
                state.fed = self._fed


def _size(answer: FetchResponse) -> int:
    """Bytes of the buffers that an answer's records are views of."""
    views = (data.records for topic in answer.responses for data in topic.partitions if data.records is not None)
    return sum({id(view.obj): memoryview(view.obj).nbytes for view in views}.values())

"""The state of each assigned partition, from the offset to fetch down to the offset that may be committed.

    committed <= consumed <= handed <= fetch_at

`consumed` lags behind `handed` by what the application has in hand: a record counts as consumed when the next one
is asked for.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import count

from kafkastatic._fetch.epochs import UNKNOWN, Epochs
from kafkastatic._records import ConsumerRecord, RawBatch
from kafkastatic.errors import IllegalStateError, KafkaError
from kafkastatic.types import NO_TOPIC_ID, OffsetAndMetadata, TopicInfo, TopicPartition

Records = list[ConsumerRecord[bytes, bytes]]

LATEST = -1
EARLIEST = -2
"""Timestamps that ListOffsets takes for the ends of a log."""

_versions = count()

Line = dict["PartitionState", None]
"""The partitions that have something to hand out, a record or an error, in the order of their turns."""


class Held:
    """Decoded records to be handed out, the offset behind them, their batch's bytes, and how many are deserialised."""

    __slots__ = ("batch_size", "converted", "next_offset", "records")

    def __init__(self, records: Records, next_offset: int, batch_size: int, converted: int = 0) -> None:
        self.records = records
        self.next_offset = next_offset
        self.batch_size = batch_size
        self.converted = converted


class PartitionState:
    """One assigned partition.

    Attributes:
        fetch_at: the next offset to fetch; `None` until the start is known.
        handed: the next offset to hand out: the application's position.
        consumed: the next offset behind everything that is consumed: what auto-commit may commit.
        committed: the last offset known to be committed; forgotten by seeks and resets, which may lead back.
        jumps: counts those, so that a commit asked for earlier is known to be no news.
        barred: neither fetched nor handed out: it is being set up, or given up.
        reset: the timestamp to look up by ListOffsets, where a reset is wanted.
        buffer: fetched batches, undecoded.
        held: decoded records that were put back.
        buffered: the bytes of both.
        open: its records are being handed out by a cursor.
        error: what stands at `handed` and cannot be delivered; a seek removes it.
        version: another number after whatever makes an answer asked for earlier stale: seeks, resets, records that
            cannot be read, and a new leader; never one that any state had before.
        moves: counts seeks, resets and what befalls the topic alone, which make records that were handed out be of no
            account.
        high_watermark, log_start: as the last fetch answer told them; with `isolation_level="read_committed"` the
            former is the last stable offset: nothing behind it can be read yet.
        retry_at, retry_node: no fetch from this broker before this time.
        replica, replica_until: whom to ask instead of the leader, and how long (see `sources`).
        epochs: the leader epochs of what was fetched; `epochs.before(offset)` belongs to a position, or a commit.
        proven: the highest leader epoch under which `fetch_at` is known to continue the log.
        fed: the planner's count when it last got data for this partition.
        topic_id: of the topic that all these offsets are of (KIP-516); all zero while that is not known.
        gone: the topic was deleted: nothing is fetched or committed any more.
        reborn: another topic of this name was known before, and deleted: the partition starts at its beginning if
            nothing of it was committed.
        former: the last commit that we know of to that other topic.
    """

    __slots__ = (
        "_error",
        "_line",
        "barred",
        "buffer",
        "buffered",
        "committed",
        "consumed",
        "epochs",
        "fed",
        "fetch_at",
        "former",
        "gone",
        "handed",
        "held",
        "high_watermark",
        "jumps",
        "log_start",
        "moves",
        "open",
        "paused",
        "proven",
        "reborn",
        "replica",
        "replica_until",
        "reset",
        "retry_at",
        "retry_node",
        "topic_id",
        "tp",
        "version",
    )

    def __init__(self, tp: TopicPartition, topic: TopicInfo | None = None, line: Line | None = None) -> None:
        self.tp = tp
        self._line: Line = {} if line is None else line
        self.topic_id = NO_TOPIC_ID if topic is None else topic.topic_id
        self.fetch_at: int | None = None
        self.handed = -1
        self.consumed = -1
        self.committed: OffsetAndMetadata | None = None
        self.reset: int | None = None
        self.buffer: deque[RawBatch] = deque()
        self.buffered = 0
        self.held: Held | None = None
        self._error: KafkaError | None = None
        self.open = False
        self.paused = False
        self.barred = False
        self.version = next(_versions)
        self.jumps = 0
        self.moves = 0
        self.gone = False
        self.reborn = bool(topic and topic.former)
        self.former: OffsetAndMetadata | None = None
        self.high_watermark: int | None = None
        self.log_start: int | None = None
        self.retry_at = -math.inf
        self.retry_node = -1
        self.replica: int | None = None
        self.replica_until = 0.0
        self.fed = 0
        self.epochs = Epochs()
        self.proven = -1

    def move(self, offset: int, epoch: int = UNKNOWN) -> None:
        """Go on at `offset`, whatever was fetched before.

        Args:
            epoch: the leader epoch of the record before it, where that is known.
        """
        self.drop()
        self.moves += 1
        self.fetch_at = self.handed = self.consumed = offset
        self.reset = None
        self.epochs.restart(epoch)
        self.proven = -1

    def go_on(self, committed: OffsetAndMetadata) -> None:
        """Go on where a commit says."""
        self.move(committed.offset, committed.leader_epoch)

    def seek(self, offset: int, epoch: int = UNKNOWN) -> None:
        """Go on at `offset`, as `move`; it may be behind what is committed."""
        self._jump()
        self.move(offset, epoch)

    def move_by_time(self, timestamp: int) -> None:
        """Go on where ListOffsets says that `timestamp` is; nothing is fetched until that is known."""
        self._jump()
        self.drop()
        self.moves += 1
        self.fetch_at = None
        self.consumed = self.handed
        self.reset = timestamp

    def _jump(self) -> None:
        self.jumps += 1
        self.committed = None

    def go_back(self) -> None:
        """Hand out again what is not consumed."""
        if self.fetch_at is not None:
            self.return_to(self.consumed)

    def return_to(self, offset: int) -> None:
        """Go on at an offset up to which, or beyond which, this log was fetched already: its epochs stay known."""
        self.drop()
        self.moves += 1
        self.fetch_at = self.handed = self.consumed = offset

    def cut_at(self, offset: int, epoch: int) -> None:
        """The log was cut at `offset`, and goes on there with other records; what is in hand from before it stays so.

        Args:
            epoch: the leader epoch of the record before it.
        """
        self._jump()  # what is committed may be ahead of a log that is shorter now
        self.drop()
        self.moves += 1
        self.fetch_at = self.handed = offset
        self.consumed = min(self.consumed, offset)
        self.epochs.cut(offset, epoch)

    def drop(self) -> None:
        """Forget what was fetched and is not handed out; answers under way become stale."""
        self.outdate()
        self.buffer.clear()
        self.buffered = 0
        self.held = self._error = None
        self._line.pop(self, None)
        if self.fetch_at is not None:
            self.fetch_at = self.handed

    def outdate(self) -> None:
        """Answers under way become stale."""
        self.version = next(_versions)

    def join(self, line: Line) -> None:
        """Line up there from now on."""
        self._line = line

    @property
    def error(self) -> KafkaError | None:
        return self._error

    @error.setter
    def error(self, error: KafkaError | None) -> None:
        self._error = error
        if error is not None:
            self._line[self] = None

    def keep(self, held: Held) -> None:
        """Decoded records of an earlier batch than those in the buffer are to be handed out first."""
        self.held = held
        self.buffered += held.batch_size
        self._line[self] = None

    def push(self, batch: RawBatch) -> None:
        self._line[self] = None
        self.buffer.append(batch)
        self.buffered += batch.size
        if self.fetch_at is not None:
            self.epochs.begin(self.fetch_at, batch.leader_epoch, self.consumed)
        self.fetch_at = batch.next_offset

    def hold_off(self, node: int, until: float) -> None:
        """Do not fetch from this broker before `until`; another one that takes over may be asked at once."""
        self.retry_node, self.retry_at = node, until

    def held_off(self, node: int, now: float) -> bool:
        return self.retry_node == node and self.retry_at > now

    @property
    def lag(self) -> int | None:
        """How many offsets are behind the position, as of the last fetch; `None` before one."""
        if self.high_watermark is None or self.fetch_at is None:
            return None
        return max(self.high_watermark - self.handed, 0)


class Positions:
    """The assigned partitions.

    Attributes:
        line: those that may have something to hand out, first the one whose turn it is: a thousand partitions with
            nothing cost nothing.
        full: the fetches wait for room, wherever it comes from.

    Args:
        topic: the description of a topic as it is known now, if it is.
    """

    def __init__(self, topic: Callable[[str], TopicInfo | None] = lambda _: None) -> None:
        self.line: Line = {}
        self.full = False
        self._states: dict[TopicPartition, PartitionState] = {}
        self._topic = topic

    def __iter__(self) -> Iterator[PartitionState]:
        return iter(self._states.values())

    def __contains__(self, tp: object) -> bool:
        return tp in self._states

    def __len__(self) -> int:
        return len(self._states)

    def get(self, tp: TopicPartition) -> PartitionState | None:
        return self._states.get(tp)

    def __getitem__(self, tp: TopicPartition) -> PartitionState:
        """Raises `IllegalStateError` for a partition that is not assigned."""
        state = self._states.get(tp)
        if state is None:
            raise IllegalStateError(
                f"{tp[0]}-{tp[1]} is not assigned to this consumer.", remedy="See assignment() for what is."
            )
        return state

    def add(self, partitions: Iterable[TopicPartition]) -> None:
        for tp in sorted(partitions):
            if tp not in self._states:
                self._states[tp] = PartitionState(tp, self._topic(tp[0]), self.line)

    def put_back(self, state: PartitionState) -> None:
        """A partition that was removed goes on as it was."""
        state.join(self.line)
        self._states[state.tp] = state

    def with_epochs(self, offsets: Mapping[TopicPartition, int]) -> dict[TopicPartition, OffsetAndMetadata]:
        """Offsets to commit, each with the leader epoch of the record before it (KIP-320)."""
        found: dict[TopicPartition, OffsetAndMetadata] = {}
        for tp, offset in offsets.items():
            state = self._states.get(tp)
            found[tp] = OffsetAndMetadata(offset, "", UNKNOWN if state is None else state.epochs.before(offset))
        return found

    def remove(self, partitions: Iterable[TopicPartition]) -> None:
        for tp in partitions:
            state = self._states.pop(tp, None)
            if state is not None:
                state.drop()
                state.join({})  # whatever befalls it is nobody's business any more

    def begin_again(self, state: PartitionState, topic: TopicInfo) -> None:
        """The topic of a partition is another one of the same name: nothing that was known of it holds."""
        fresh = PartitionState(state.tp, topic, self.line)
        fresh.paused, fresh.barred = state.paused, state.barred
        fresh.reborn, fresh.former = True, state.committed or state.former
        state.drop()
        state.join({})
        state.moves += 1
        self._states[state.tp] = fresh

    def to_back(self, state: PartitionState) -> None:
        """The partition has had its turn: let the others take theirs first."""
        self.line.pop(state, None)
        if state.buffer or state.held is not None or state.error is not None:
            self.line[state] = None

    def partitions(self) -> frozenset[TopicPartition]:
        return frozenset(self._states)

    @property
    def buffered(self) -> int:
        """Bytes fetched and not handed out."""
        return sum(state.buffered for state in self._states.values())

    def unresolved(self, awaited: Collection[PartitionState] = ()) -> list[PartitionState]:
        """Partitions whose starting offset has to be found out; of barred ones only those that are awaited."""
        return [
            state
            for state in self
            if state.fetch_at is None
            and not (state.error or state.gone)
            and (not state.barred or any(state is other for other in awaited))
        ]

"""Whether a new leader still has what was consumed under the old one (KIP-320), and what to do if not. Pure.

When a replica that had not caught up becomes leader (an unclean election), the log ends earlier than it did, and goes
on with other records under the same offsets. So before a position is fetched under a higher leader epoch, the new
leader is asked where the epoch of the last record before it ends: behind the position, and all is well, or before it,
and there the logs part. One question for each position and epoch. A position whose last record is of the leader's own
epoch needs none: a leader does not take back what it wrote itself. One without a known epoch cannot be asked about.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import NamedTuple

from kafkastatic._fetch.consumption import Consumption
from kafkastatic._fetch.positions import PartitionState
from kafkastatic._fetch.resets import reset_for
from kafkastatic._protocol import error_codes as codes
from kafkastatic._protocol.faults import error_for
from kafkastatic._protocol.messages.offset_for_leader_epoch import (
    EpochEndOffset,
    OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochResponse,
    OffsetForLeaderPartition,
    OffsetForLeaderTopic,
)
from kafkastatic._value import Value
from kafkastatic.config import AutoOffsetReset
from kafkastatic.errors import LogTruncationError
from kafkastatic.types import ClusterSnapshot, TopicPartition

_CONSUMER = -1
"""`replica_id` of one who is no broker."""


def in_doubt(state: PartitionState, snapshot: ClusterSnapshot) -> bool:
    """Whether the partition's leader has to be asked before anything more is fetched from it."""
    if state.fetch_at is None:
        return False
    info = snapshot.leader(state.tp)
    if info is None or info.leader_epoch <= state.proven:
        return False
    return 0 <= state.epochs.before(state.fetch_at) < info.leader_epoch


class Asked(NamedTuple):
    """How a partition stood when its leader was asked."""

    version: int
    position: int
    leader_epoch: int


class Question(Value):
    """One request to one leader, about each of these partitions."""

    request: OffsetForLeaderEpochRequest
    asked: Mapping[TopicPartition, Asked]


class Truncation(Value):
    """A log that parts from what was fetched of it before our position.

    Attributes:
        position: where the fetches stood.
        offset: where the logs part, `None` where the leader cannot tell.
        epoch: the leader epoch of the record before `offset`.
    """

    tp: TopicPartition
    position: int
    offset: int | None
    epoch: int


class Findings(NamedTuple):
    """What an answer brought.

    Attributes:
        stale: the leader is another one, or not ready: the metadata has to be looked at again.
    """

    truncations: list[Truncation]
    stale: bool


class TruncationCheck:
    """Asks about the positions of `consumption`, and moves those that are beyond their log."""

    def __init__(self, policy: AutoOffsetReset, consumption: Consumption, backoff: Callable[[], float]) -> None:
        self._policy = policy
        self._consumption = consumption
        self._backoff = backoff
        self._not_before: dict[TopicPartition, float] = {}  # where the last question came to nothing

    def questions(self, snapshot: ClusterSnapshot, now: float) -> dict[int, Question]:
        """What to ask now, by leader."""
        by_leader: dict[int, list[PartitionState]] = {}
        for state in self._in_doubt(snapshot):
            info = snapshot.leader(state.tp)
            if info is not None and info.leader in snapshot.brokers and self._not_before.get(state.tp, now) <= now:
                by_leader.setdefault(info.leader, []).append(state)
        return {leader: _question(states, snapshot) for leader, states in by_leader.items()}

    def next_try(self, snapshot: ClusterSnapshot, now: float) -> float:
        """When the next question that has to wait may be asked; infinity where none has to."""
        waiting = (self._not_before.get(state.tp, now) for state in self._in_doubt(snapshot))
        return min((time for time in waiting if time > now), default=math.inf)

    def _in_doubt(self, snapshot: ClusterSnapshot) -> list[PartitionState]:
        return [
            state
            for state in self._consumption.positions
            if state.error is None and not state.barred and in_doubt(state, snapshot)
        ]

    def take(self, question: Question, answer: OffsetForLeaderEpochResponse, now: float) -> Findings:
        """Carry out what a leader answered."""
        found = Findings([], False)
        later = cache(lambda: now + self._backoff())  # one step of the backoff for all partitions of an answer
        ends = {TopicPartition(topic.topic, end.partition): end for topic in answer.topics for end in topic.partitions}
        for tp in question.asked:
            state = self._still(question, tp)
            self._not_before.pop(tp, None)
            if state is None:
                continue
            end = ends.get(tp)
            if end is not None and end.error_code == codes.NONE:
                truncation = _judge(tp, question.asked[tp], end)
                if truncation is None:
                    _prove(state, question.asked[tp])
                elif self._carry_out(state, truncation, question.asked[tp]):
                    found.truncations.append(truncation)
                else:
                    self._not_before[tp] = later()
            elif end is not None and end.error_code == codes.TOPIC_AUTHORIZATION_FAILED:
                state.error = error_for(end.error_code, api=question.request.NAME, topic=tp.topic)
            elif end is not None and end.error_code == codes.CLUSTER_AUTHORIZATION_FAILED:
                _prove(state, question.asked[tp])  # before Kafka 2.3 only brokers might ask
            else:
                self._not_before[tp] = later()
                found = found._replace(stale=True)
        return found

    def failed(self, question: Question, now: float) -> None:
        """The leader did not answer: ask again, it or its successor, after a backoff."""
        self._not_before.update(dict.fromkeys(question.asked, now + self._backoff()))

    def unsupported(self, question: Question) -> None:
        """The leader is too old to be asked: go on, as consumers of its time did."""
        for tp, asked in question.asked.items():
            state = self._still(question, tp)
            if state is not None:
                _prove(state, asked)

    def _still(self, question: Question, tp: TopicPartition) -> PartitionState | None:
        """The partition, if it stands where it stood when we asked."""
        state, asked = self._consumption.positions.get(tp), question.asked.get(tp)
        if state is None or asked is None or state.barred:
            return None
        return state if (state.version, state.fetch_at) == (asked.version, asked.position) else None

    def _carry_out(self, state: PartitionState, found: Truncation, asked: Asked) -> bool:
        """`False` if it has to wait for what is in hand."""
        consumption, tp = self._consumption, state.tp
        consumption.settle()
        handed = state.handed
        if found.offset is not None and handed <= found.offset:
            if consumption.handling and state.open:
                return False  # a handler's next records cannot be taken back
            consumption.fetch_again(tp)  # nobody has seen what is gone; the position before it may be asked about too
        elif self._policy == "none":
            consumption.fetch_again(tp)
            state.moves += 1  # a handler is not given the rest of the dead log
            state.error = LogTruncationError(tp.topic, tp.partition, handed, found.offset)
        elif found.offset is not None:
            consumption.cut_at(tp, found.offset, found.epoch)
            state.proven = asked.leader_epoch
        elif state.buffered or state.open or handed > state.consumed:
            return False
        else:
            consumption.seek_by_time(tp, reset_for(self._policy))
        return True


def _judge(tp: TopicPartition, asked: Asked, end: EpochEndOffset) -> Truncation | None:
    if end.leader_epoch < 0 or end.end_offset < 0:
        return Truncation(tp, asked.position, None, -1)
    if end.end_offset < asked.position:
        return Truncation(tp, asked.position, end.end_offset, end.leader_epoch)
    return None


def _prove(state: PartitionState, asked: Asked) -> None:
    state.proven = asked.leader_epoch
    state.outdate()  # what the leader before may still answer is stale


def _question(states: Iterable[PartitionState], snapshot: ClusterSnapshot) -> Question:
    topics: dict[str, OffsetForLeaderTopic] = {}
    asked: dict[TopicPartition, Asked] = {}
    for state in states:
        info = snapshot.leader(state.tp)
        assert info is not None and state.fetch_at is not None
        topic = topics.setdefault(state.tp.topic, OffsetForLeaderTopic(topic=state.tp.topic, partitions=[]))
        topic.partitions.append(
            OffsetForLeaderPartition(
                partition=state.tp.partition,
                current_leader_epoch=info.leader_epoch,
                leader_epoch=state.epochs.before(state.fetch_at),
            )
        )
        asked[state.tp] = Asked(state.version, state.fetch_at, info.leader_epoch)
    return Question(OffsetForLeaderEpochRequest(replica_id=_CONSUMER, topics=list(topics.values())), asked)

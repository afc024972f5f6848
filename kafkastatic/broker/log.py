"""The log of one partition: its batches, in memory. Pure.

A batch is kept as its bytes. Offsets and the leader's epoch are written into them, which its CRC does not cover.
Nothing is compacted, and nothing is deleted by age or size, whatever the topic's settings say.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import accumulate
from typing import NamedTuple

from kafkastatic._protocol import error_codes as codes
from kafkastatic._records import ConsumerRecord, RawBatch, decode
from kafkastatic.broker.admission import AppendRules, LogError, admit
from kafkastatic.broker.producers import Appended, Producers

UNKNOWN = -1


class Found(NamedTuple):
    """A record that was looked for."""

    timestamp: int
    offset: int
    leader_epoch: int


class PartitionLog:
    """The batches of one partition.

    Attributes:
        start_offset: of the first record; earlier ones were deleted.
        end_offset: of the record that is appended next; the high watermark too, because every replica in sync has
            what the leader has.
    """

    def __init__(self) -> None:
        self.start_offset = 0
        self.end_offset = 0
        self._batches: list[bytes] = []
        self._last_offsets: list[int] = []
        self._positions: list[int] = [0]  # in bytes: where each batch begins, and where the last ends
        self._newest: list[int] = []  # the highest timestamp in a batch and those before it
        self._epochs: list[tuple[int, int]] = []  # each leader's, with the offset that it began at
        self._producers = Producers()

    def append(
        self, data: bytes | bytearray | memoryview, *, leader_epoch: int, now_ms: int, rules: AppendRules | None = None
    ) -> Appended:
        """Append one batch. One that an idempotent producer sent before is not appended again.

        Args:
            data: the batch as it came, its base offset 0; it is copied.
            rules: what the topic's settings demand.

        Raises:
            LogError: if Kafka would refuse it, with its code.
        """
        batch = admit(memoryview(data), rules or AppendRules(), now_ms)
        if (earlier := self._producers.check(batch)) is not None:
            return earlier
        self.begin_epoch(leader_epoch)
        base, appended_ms = self.end_offset, batch.append_time_ms
        self._batches.append(batch.stamped(base, leader_epoch))
        self.end_offset = base + batch.count
        self._last_offsets.append(self.end_offset - 1)
        self._positions.append(self._positions[-1] + batch.size)
        self._newest.append(max(batch.max_timestamp, self._newest[-1] if self._newest else UNKNOWN))
        self._producers.note(batch, base)
        return Appended(base, appended_ms)

    def read(self, offset: int, max_bytes: int, *, at_least_one: bool) -> list[bytes]:
        """Whole batches, from the one that holds `offset`; none at the end of the log.

        Args:
            at_least_one: the first is there even if it is longer than `max_bytes`.

        Raises:
            LogError: OFFSET_OUT_OF_RANGE.
        """
        if not self.start_offset <= offset <= self.end_offset:
            raise LogError(codes.OFFSET_OUT_OF_RANGE)
        first = bisect_left(self._last_offsets, offset)
        if first == len(self._batches):
            return []
        limit = self._positions[first] + max_bytes
        end = bisect_right(self._positions, limit, lo=first) - 1
        return self._batches[first : max(end, first + at_least_one)]

    def offset_for(self, timestamp: int) -> Found | None:
        """The first record that is at least as new."""
        for at in range(bisect_left(self._newest, timestamp), len(self._batches)):
            for record in self._records(at):
                if record.timestamp >= timestamp:
                    return Found(record.timestamp, record.offset, record.leader_epoch)
        return None

    def newest(self) -> Found | None:
        """The first record that has the highest timestamp."""
        return self.offset_for(self._newest[-1]) if self._newest else None

    # ── leaders' epochs (KIP-101, KIP-320) ──

    def begin_epoch(self, epoch: int) -> None:
        """What is appended from now on is a new leader's. Leaders that appended nothing are forgotten, as in Kafka."""
        if self._epochs and self._epochs[-1][0] >= epoch:
            return
        while self._epochs and self._epochs[-1][1] >= self.end_offset:
            self._epochs.pop()
        self._epochs.append((epoch, self.end_offset))

    def first_epoch(self) -> int:
        """The epoch at the start of the log; -1 if it was never begun."""
        return self._epochs[0][0] if self._epochs else UNKNOWN

    def end_of_epoch(self, epoch: int) -> tuple[int, int]:
        """Where the records of a leader end, and whose these are: its own, or those of the last one before it.

        Returns:
            An epoch and an offset; -1 and -1 where the epoch lies in the future.
        """
        if self._epochs and epoch == self._epochs[-1][0]:
            return epoch, self.end_offset
        later = bisect_right(self._epochs, epoch, key=lambda entry: entry[0])
        if epoch < 0 or later == len(self._epochs):
            return UNKNOWN, UNKNOWN
        return self._epochs[later - 1][0] if later else epoch, self._epochs[later][1]

    # ── deleting ──

    def delete_before(self, offset: int) -> None:
        """Records before `offset` are gone; the batch that holds it stays whole.

        Raises:
            LogError: OFFSET_OUT_OF_RANGE, if it is behind the end.
        """
        if offset > self.end_offset:
            raise LogError(codes.OFFSET_OUT_OF_RANGE)
        if offset <= self.start_offset:
            return
        self.start_offset = offset
        gone = bisect_left(self._last_offsets, offset)
        del self._batches[:gone], self._last_offsets[:gone], self._positions[:gone]
        newest = [RawBatch(memoryview(batch)).max_timestamp for batch in self._batches]
        if newest:  # the records that are gone are the newest ones, maybe
            newest[0] = max(record.timestamp for record in self._records(0))
        self._newest = list(accumulate(newest, max))
        kept = bisect_right(self._epochs, offset, key=lambda entry: entry[1]) - 1
        if kept >= 0:
            self._epochs[: kept + 1] = [(self._epochs[kept][0], offset)]

    def _records(self, at: int) -> list[ConsumerRecord[bytes, bytes]]:
        batch = RawBatch(memoryview(self._batches[at]))
        return decode(batch, "", UNKNOWN, from_offset=self.start_offset, check_crcs=False)

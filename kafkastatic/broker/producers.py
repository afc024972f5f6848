"""The sequences of idempotent producers in one partition (KIP-98). Pure."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from kafkastatic._protocol import error_codes as codes
from kafkastatic._value import Value
from kafkastatic.broker.admission import Admitted, LogError

_REMEMBERED = 5  # batches a producer: as many as it may have in flight
_SEQUENCES = 1 << 31  # behind the last one the first comes again


class Appended(Value):
    """Where a batch is.

    Attributes:
        base_offset: of its first record.
        log_append_time_ms: when it was appended, where the topic wants to know (LogAppendTime), else -1. Of a batch
            that was sent twice its highest timestamp, whatever the topic says, as in Kafka.
    """

    base_offset: int
    log_append_time_ms: int = -1


class _Batch(NamedTuple):
    first_sequence: int
    last_sequence: int
    base_offset: int
    timestamp: int


class _Producer:
    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        self.batches: deque[_Batch] = deque(maxlen=_REMEMBERED)


class Producers:
    """What each has appended. Kafka forgets a producer after a day without a batch; here none is forgotten."""

    def __init__(self) -> None:
        self._known: dict[int, _Producer] = {}

    def check(self, batch: Admitted) -> Appended | None:
        """Whether a batch is next in its producer's sequence; of any that it has sent before, where it is.

        Raises:
            LogError: INVALID_PRODUCER_EPOCH if its producer has a newer epoch, OUT_OF_ORDER_SEQUENCE_NUMBER if
                something is missing before it, or it is older than the last five.
        """
        producer = self._known.get(batch.producer_id)
        if producer is None:
            return None  # any sequence will do: what was before may have been deleted
        last = _last_sequence(batch)
        if batch.producer_epoch == producer.epoch:
            for seen in producer.batches:
                if (seen.first_sequence, seen.last_sequence) == (batch.base_sequence, last):
                    return Appended(seen.base_offset, seen.timestamp)
        if batch.producer_epoch < producer.epoch:
            raise LogError(codes.INVALID_PRODUCER_EPOCH)
        same_epoch = batch.producer_epoch == producer.epoch
        expected = (producer.batches[-1].last_sequence + 1) % _SEQUENCES if same_epoch else 0
        if batch.base_sequence != expected:
            raise LogError(codes.OUT_OF_ORDER_SEQUENCE_NUMBER)
        return None

    def note(self, batch: Admitted, base_offset: int) -> None:
        """A batch was appended."""
        if batch.producer_id < 0:
            return
        producer = self._known.get(batch.producer_id)
        if producer is None or producer.epoch != batch.producer_epoch:
            producer = self._known[batch.producer_id] = _Producer(batch.producer_epoch)
        producer.batches.append(_Batch(batch.base_sequence, _last_sequence(batch), base_offset, batch.max_timestamp))


def _last_sequence(batch: Admitted) -> int:
    return (batch.base_sequence + batch.count - 1) % _SEQUENCES

"""What fetched bytes really take up. Batches are views of the answer they came in, which stays whole until the last of
them is gone: one partition that is drained slowly could keep many large answers.

The bound: undecoded bytes take at most 2 * `max_buffered_bytes`, those being received included. To it comes what is
decoded: of each partition that a handler works on, or that was paused or held in the middle of a batch, the records
of that batch, else of one in all; each at most `max_decompressed_batch_bytes` and its records' objects. A single batch
larger than the limit is fetched nevertheless (KIP-74).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import cast
from weakref import WeakSet

from kafkastatic._records import RawBatch


class Kept:
    """The bytes of one answer, in memory as long as any batch has this for its `source`."""

    __slots__ = ("__weakref__", "size")

    def __init__(self, size: int) -> None:
        self.size = size


class Memory:
    """All answers of one consumer that are kept.

    Args:
        limit: bytes above which none is kept for the sake of less than half of it.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._answers: WeakSet[Kept] = WeakSet()

    @property
    def kept(self) -> int:
        """Bytes of the answers that are kept."""
        return sum(answer.size for answer in self._answers)

    def add(self, size: int) -> Kept:
        """An answer of so many bytes is there, for the batches in it."""
        answer = Kept(size)
        self._answers.add(answer)
        return answer

    def trim(self, batches: Iterable[RawBatch]) -> None:
        """Where more than the limit is kept, let go of the answers of which little is left, by copying that.

        Args:
            batches: all that are undecoded.
        """
        if self.kept <= self._limit:
            return
        views = [batch for batch in batches if batch.source is not None]
        left: Counter[object] = Counter()
        for batch in views:
            left[batch.source] += batch.size
        for batch in views:
            if 2 * left[batch.source] < cast("Kept", batch.source).size:
                batch.data, batch.source = memoryview(bytes(batch.data)), None

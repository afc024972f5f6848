"""What of a fetch answer belongs to aborted transactions (KIP-98). Pure, and remembers nothing between answers.

A broker that is asked with `read_committed` sends records up to the last stable offset, and names each aborted
transaction whose records are among them, with its producer and the offset at which it began. It ends at that
producer's next abort marker.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from kafkastatic._protocol.messages.fetch import AbortedTransaction
from kafkastatic._records import RawBatch, is_abort_marker
from kafkastatic.config import IsolationLevel

ISOLATION: dict[IsolationLevel, int] = {"read_uncommitted": 0, "read_committed": 1}
"""What Fetch and ListOffsets call it."""


def mark_aborted(batches: Iterable[RawBatch], aborted: Iterable[AbortedTransaction] | None) -> None:
    """Mark the batches of aborted transactions: they are passed over when their turn comes.

    Args:
        batches: all complete batches of one partition's answer, in order.
        aborted: the transactions that the same answer names.
    """
    ahead = deque(sorted(aborted or (), key=lambda transaction: transaction.first_offset))
    if not ahead:
        return
    open_now: set[int] = set()
    for batch in batches:
        while ahead and ahead[0].first_offset <= batch.last_offset:
            open_now.add(ahead.popleft().producer_id)
        if batch.producer_id not in open_now:
            continue
        if batch.is_control:
            if is_abort_marker(batch):
                open_now.remove(batch.producer_id)
        elif batch.is_transactional:
            batch.is_aborted = True

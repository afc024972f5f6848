"""A batch that would hold the event loop for too long: decoded on the side, its records fetched when they are there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from kafkastatic._fetch.positions import Records
from kafkastatic._records import RawBatch


class Decoding:
    """What becomes of one batch. Calling it does the work, in any thread.

    Attributes:
        done: the work is done.

    Args:
        work: decodes the batch from an offset on, with lazy records where `views` says so.
    """

    __slots__ = ("_batch", "_error", "_from_offset", "_records", "_views", "_work", "done")

    def __init__(self, work: Callable[[], list[Any]], batch: RawBatch, from_offset: int, views: bool) -> None:
        self.done = False
        self._work = work
        self._batch = batch
        self._from_offset = from_offset
        self._views = views
        self._records: Records = []
        self._error: Exception | None = None

    def __call__(self) -> None:
        try:
            self._records = cast("Records", self._work())
        except Exception as error:
            self._error = error
        self.done = True

    def of(self, batch: RawBatch, from_offset: int, views: bool) -> bool:
        """Whether this is the work on a batch from an offset on."""
        return self._batch is batch and self._from_offset == from_offset and self._views == views

    def result(self) -> Records:
        """The records, when it is done.

        Raises:
            Exception: what `decode` raised.
        """
        if self._error is not None:
            raise self._error
        return self._records

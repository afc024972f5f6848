"""A batch that would hold the event loop for too long: decoded on the side, its records fetched when they are there."""

from __future__ import annotations

from typing import cast

from kafkastatic._fetch.positions import Records
from kafkastatic._records import RawBatch, decode
from kafkastatic.types import TopicPartition


class Decoding:
    """What becomes of one batch. Calling it does the work, in any thread.

    Attributes:
        batch: what is decoded.
        views: into lazy records.
        done: the work is done.
    """

    __slots__ = (
        "_check_crcs",
        "_error",
        "_from_offset",
        "_max_decompressed",
        "_records",
        "_tp",
        "batch",
        "done",
        "views",
    )

    def __init__(
        self,
        batch: RawBatch,
        tp: TopicPartition,
        from_offset: int,
        *,
        views: bool,
        check_crcs: bool,
        max_decompressed: int,
    ) -> None:
        self.batch = batch
        self.views = views
        self.done = False
        self._tp = tp
        self._from_offset = from_offset
        self._check_crcs = check_crcs
        self._max_decompressed = max_decompressed
        self._records: Records = []
        self._error: Exception | None = None

    def __call__(self) -> None:
        topic, partition = self._tp
        try:
            records = decode(
                self.batch,
                topic,
                partition,
                from_offset=self._from_offset,
                check_crcs=self._check_crcs,
                max_decompressed=self._max_decompressed,
                views=self.views,
            )
            self._records = cast("Records", records)
        except Exception as error:
            self._error = error
        self.done = True

    def of(self, batch: RawBatch, from_offset: int, views: bool) -> bool:
        """Whether this is the work on a batch from an offset on."""
        return self.batch is batch and self._from_offset == from_offset and self.views == views

    def result(self) -> Records:
        """The records, when it is done.

        Raises:
            Exception: what `decode` raised.
        """
        if self._error is not None:
            raise self._error
        return self._records

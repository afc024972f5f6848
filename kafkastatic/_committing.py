"""What a consumer does with its group's committed offsets."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Generic, TypeVar

from kafkastatic._drivers.client import Client
from kafkastatic._records import ConsumerRecord, RecordView
from kafkastatic.errors import CommitFailedError, FencedError, IllegalStateError
from kafkastatic.types import OffsetAndMetadata, TopicPartition

K = TypeVar("K")
V = TypeVar("V")

Offset = int | tuple[int, str] | OffsetAndMetadata


class Committing(Generic[K, V]):
    """A part of `Consumer`."""

    _client: Client

    async def commit(
        self, offsets: ConsumerRecord[K, V] | RecordView | Mapping[TopicPartition, Offset] | None = None
    ) -> None:
        """Commit offsets: those given, those up to and with one record, or of everything handed out.

        Raises:
            CommitFailedError: if they were refused, with the cause.
            IllegalStateError: without a group; for one record while a handler works by key.
            KafkaTimeoutError: if it takes longer than `default_api_timeout_ms`.
        """
        client = self._client
        client.need_group("commit")
        wanted = self._offsets_to_commit(offsets)
        if isinstance(offsets, (ConsumerRecord, RecordView)) and client.worker is not None and client.worker.by_key:
            raise IllegalStateError(
                "By key, commit(record) covers records before it that are not done.",
                remedy="Use commit(), which covers what is done without a gap, or enable_auto_commit.",
            )
        with client.call("commit()"):
            await client.meet_the_end()
            self._refuse_after_expiry(wanted)
            if not wanted:
                return
            try:
                await client.commits.commit(wanted)
            except CommitFailedError as error:
                if client.in_callback and isinstance(error.__cause__, FencedError):
                    raise copy.copy(error.__cause__) from None  # at once: the consumer's end waits for the callback
                await client.meet_the_end()
                raise
            client.assignment.asked()

    async def committed(self, partition: TopicPartition) -> int | None:
        """The group's committed offset of a partition, `None` where there is none."""
        client, tp = self._client, TopicPartition(*partition)
        client.need_group("committed")
        with client.call("committed()"):
            found = (await client.offsets.committed([tp]))[tp]
            return found.offset if found is not None else None

    def _offsets_to_commit(
        self, offsets: ConsumerRecord[K, V] | RecordView | Mapping[TopicPartition, Offset] | None
    ) -> dict[TopicPartition, OffsetAndMetadata]:
        if offsets is None:
            return self._client.positions.with_epochs(self._client.consumption.handed_offsets())
        if isinstance(offsets, (ConsumerRecord, RecordView)):
            return {offsets.tp: OffsetAndMetadata(offsets.offset + 1, "", offsets.leader_epoch)}
        return {TopicPartition(*tp): _offset(value) for tp, value in offsets.items()}

    def _refuse_after_expiry(self, wanted: Mapping[TopicPartition, OffsetAndMetadata]) -> None:
        """Say which interval was exceeded, by how much and by which record, before anything is sent."""
        expiry = self._client.polls.expiry
        if expiry is None:
            return
        error = CommitFailedError(
            str(expiry.args[0]),
            group=self._client.config.group_id,
            offsets={tp: value.offset for tp, value in wanted.items()},
            remedy=expiry.remedy,
        )
        raise error from expiry


def _offset(value: Offset) -> OffsetAndMetadata:
    if isinstance(value, int):
        value = OffsetAndMetadata(value)
    found = value if isinstance(value, OffsetAndMetadata) else OffsetAndMetadata(value[0], value[1])
    if found.offset < 0:
        raise ValueError(f"an offset must not be negative, got {found.offset}")
    return found

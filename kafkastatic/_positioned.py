"""Where a consumer stands in the logs of its partitions, and how far those reach."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping

from kafkastatic._drivers.client import Client
from kafkastatic._fetch.positions import EARLIEST, LATEST
from kafkastatic.types import OffsetAndMetadata, OffsetAndTimestamp, TopicPartition


class Positioned:
    """A part of `Consumer`."""

    _client: Client

    async def position(self, partition: TopicPartition) -> int:
        """The offset of the next record that will be handed out; looked up first if it is not known yet."""
        client, tp = self._client, TopicPartition(*partition)
        with client.call("position()"):
            while True:
                state = client.positions[tp]
                if state.error is not None and state.fetch_at is None:
                    raise copy.copy(state.error)
                if state.fetch_at is not None:
                    client.consumption.settle()
                    return state.handed
                await client.starts.known(state)
                if tp not in client.positions:
                    await client.meet_the_end()

    def seek(self, partition: TopicPartition, offset: int | OffsetAndMetadata) -> None:
        """Go on at `offset`, whatever was handed out. Passes a record that could not be delivered.

        With the `leader_epoch` of an `OffsetAndMetadata` the leader is asked first whether its log still has what
        stood before the offset (KIP-320); a plain offset is taken as it is.

        Raises:
            IllegalStateError: if the partition is not assigned.
            ValueError: if `offset` is negative.
        """
        target = offset if isinstance(offset, OffsetAndMetadata) else OffsetAndMetadata(offset)
        if target.offset < 0:
            raise ValueError(f"offset must not be negative, got {target.offset}")
        self._client.check()
        self._client.consumption.seek(TopicPartition(*partition), target.offset, target.leader_epoch)
        self._moved()

    async def seek_to_beginning(self, *partitions: TopicPartition) -> None:
        """Go on at the start of these partitions' logs, or of all assigned ones."""
        self._seek_by_time(partitions, EARLIEST)

    async def seek_to_end(self, *partitions: TopicPartition) -> None:
        """Go on behind the last record of these partitions, or of all assigned ones."""
        self._seek_by_time(partitions, LATEST)

    async def seek_to_committed(self, *partitions: TopicPartition) -> dict[TopicPartition, int | None]:
        """Go on at the committed offsets; a partition without one stays where it is."""
        client = self._client
        wanted = [TopicPartition(*tp) for tp in partitions] or list(client.positions.partitions())
        client.need_group("seek_to_committed")
        with client.call("seek_to_committed()"):
            found = await client.offsets.committed(wanted) if wanted else {}
            for tp, value in found.items():
                if value is not None:
                    self.seek(tp, value)
            return {tp: value.offset if value is not None else None for tp, value in found.items()}

    def _seek_by_time(self, partitions: tuple[TopicPartition, ...], timestamp: int) -> None:
        self._client.check()
        for tp in [TopicPartition(*tp) for tp in partitions] or list(self._client.positions.partitions()):
            self._client.consumption.seek_by_time(tp, timestamp)
        self._moved()

    def _moved(self) -> None:
        self._client.assignment.asked()
        self._client.fetch.replan()
        self._tell_readers()

    def _tell_readers(self) -> None:
        self._client.hand_out.arrived()
        if self._client.worker is not None:
            self._client.worker.changed()

    def pause(self, *partitions: TopicPartition) -> None:
        """Hand out nothing of these partitions until `resume()`."""
        self._client.check()
        for tp in partitions:
            self._client.consumption.pause(TopicPartition(*tp))

    def resume(self, *partitions: TopicPartition) -> None:
        """Hand out these partitions' records again, going on where they were paused."""
        self._client.check()
        for tp in partitions:
            self._client.positions[TopicPartition(*tp)].paused = False
        self._client.fetch.wake()
        self._tell_readers()

    def paused(self) -> frozenset[TopicPartition]:
        """The partitions that are paused."""
        return frozenset(state.tp for state in self._client.positions if state.paused)

    # ── offsets of the log ──

    async def beginning_offsets(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """The first offset of each partition's log."""
        return await self._ends(partitions, EARLIEST)

    async def end_offsets(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """The offset behind the last record of each partition; with `isolation_level="read_committed"` that is the
        last stable one, where the first open transaction begins."""
        return await self._ends(partitions, LATEST)

    async def offsets_for_times(
        self, timestamps: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, OffsetAndTimestamp | None]:
        """The first record not earlier than a time (ms since the epoch), `None` where there is none."""
        wanted = {TopicPartition(*tp): timestamp for tp, timestamp in timestamps.items()}
        if any(timestamp < 0 for timestamp in wanted.values()):
            raise ValueError("timestamps must not be negative")
        with self._client.call("offsets_for_times()"):
            return await self._client.offsets.by_time(wanted)

    async def _ends(self, partitions: Iterable[TopicPartition], timestamp: int) -> dict[TopicPartition, int]:
        wanted = {TopicPartition(*tp): timestamp for tp in partitions}
        with self._client.call("the lookup of offsets"):
            found = await self._client.offsets.by_time(wanted)
            return {tp: end.offset for tp, end in found.items() if end is not None}

    def highwater(self, partition: TopicPartition) -> int | None:
        """The offset behind the partition's last readable record, as of the last fetch: its high watermark, or with
        `isolation_level="read_committed"` its last stable offset."""
        return self._client.positions[TopicPartition(*partition)].high_watermark

    def lag(self) -> dict[TopicPartition, int | None]:
        """How far each assigned partition is behind `highwater()`, as of the last fetch; `None` before one."""
        self._client.consumption.settle()
        return {state.tp: state.lag for state in self._client.positions}

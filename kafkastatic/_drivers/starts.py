"""Finds out where partitions start: at the committed offset, else where `auto_offset_reset` says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import anyio

from kafkastatic._drivers.log import EventLog
from kafkastatic._drivers.metadata import MetadataDriver
from kafkastatic._drivers.offsets import OffsetsDriver
from kafkastatic._fetch.positions import EARLIEST, LATEST, PartitionState, Positions
from kafkastatic._fetch.resets import reset_for, timestamp_of
from kafkastatic._group.committed import Found
from kafkastatic._net.backoff import Backoff
from kafkastatic._runtime import Runtime
from kafkastatic.config import ConsumerConfig
from kafkastatic.errors import KafkaError, NoOffsetForPartitionError
from kafkastatic.types import OffsetAndMetadata

_COORDINATOR = -1
"""Stands for the group's coordinator among the brokers to ask."""


class StartsDriver:
    """One lookup at a time at each broker: one that hangs holds up nobody else's partitions.

    Args:
        changed: called when partitions have got their start, or an error.
    """

    def __init__(
        self,
        config: ConsumerConfig,
        offsets: OffsetsDriver,
        metadata: MetadataDriver,
        positions: Positions,
        runtime: Runtime,
        log: EventLog,
        *,
        changed: Callable[[], None],
    ) -> None:
        self._config = config
        self._offsets = offsets
        self._metadata = metadata
        self._positions = positions
        self._runtime = runtime
        self._log = log
        self._changed = changed
        self._wake = asyncio.Event()
        self._asking: set[int] = set()
        self._retries: dict[int, Backoff] = {}
        self._awaited: list[PartitionState] = []

    def wake(self) -> None:
        """Positions or leaders changed: look again at who does not know where to start."""
        wake, self._wake = self._wake, asyncio.Event()
        wake.set()

    async def known(self, state: PartitionState) -> None:
        """Wait until a partition knows its start, or never will; even a barred one is looked up for that."""
        self._awaited.append(state)
        try:
            self.wake()
            while self._positions.get(state.tp) is state and state.fetch_at is None and state.error is None:
                await self._wake.wait()
        finally:
            self._awaited.remove(state)

    async def run(self) -> None:
        async with anyio.create_task_group() as tasks:
            while True:
                wake = self._wake
                for whom, states in self._shares().items():
                    if whom not in self._asking:
                        self._asking.add(whom)
                        for leader in self._leaders(states):
                            tasks.start_soon(self._offsets.connect_to_fetch, leader, name=f"kafkastatic:ahead:{leader}")
                        tasks.start_soon(self._look_up, whom, states, name=f"kafkastatic:start:{whom}")
                await wake.wait()

    def _leaders(self, states: Sequence[PartitionState]) -> set[int]:
        """Who will be asked for these partitions' records."""
        infos = (self._metadata.snapshot.leader(state.tp) for state in states)
        return {info.leader for info in infos if info is not None}

    def _shares(self) -> dict[int, list[PartitionState]]:
        """The partitions to look up, by whom to ask; one without a leader has to wait."""
        shares: dict[int, list[PartitionState]] = {}
        for state in self._positions.unresolved(self._awaited):
            whom = _COORDINATOR if state.reset is None else self._offsets.leader(state.tp)
            if whom is not None:
                shares.setdefault(whom, []).append(state)
        return shares

    async def _look_up(self, whom: int, states: Sequence[PartitionState]) -> None:
        """Ask a broker once. Where that did not settle everything, it is left alone for a while."""
        settled = await (self._by_commit(states) if whom == _COORDINATOR else self._by_leader(whom, states))
        self._changed()
        if settled:
            self._retries.pop(whom, None)
        else:
            await anyio.sleep(self._retry(whom).next())
        self._asking.discard(whom)
        self.wake()

    def _retry(self, whom: int) -> Backoff:
        config = self._config
        if whom not in self._retries:
            backoff = Backoff(config.retry_backoff_ms, config.retry_backoff_max_ms, self._runtime.random)
            self._retries[whom] = backoff
        return self._retries[whom]

    # ── at the committed offset ──

    async def _by_commit(self, states: Sequence[PartitionState]) -> bool:
        """Let partitions start at their commits; without one, or a group, where the reset policy says.

        Returns:
            Whether each was told something.
        """
        asked = {state.tp: (state, state.version) for state in states}
        try:
            found = await self._offsets.look_up_committed(asked)
        except KafkaError as error:
            self._log.warning("offsets_not_resolved", error=str(error))
            found = Found({}, frozenset(), {tp: error for tp in asked})
        for tp, (state, version) in asked.items():
            if not self._untouched(state, version) or state.reset is not None:
                continue
            if tp in found.refused:
                state.error = found.refused[tp]
            elif tp in found.offsets:
                self._start(state, found.offsets[tp], by_id=found.by_id)
        return asked.keys() <= found.offsets.keys() | found.refused.keys()

    def _start(self, state: PartitionState, found: OffsetAndMetadata | None, *, by_id: bool) -> None:
        """Start at the committed offset, unless it is the last one of a topic that had the name before, which brokers
        without topic ids in commits may still have."""
        policy = self._config.auto_offset_reset
        former = state.former is not None and found is not None and state.former.offset == found.offset and not by_id
        if found is not None and not former:
            state.go_on(found)
            state.committed = found
        elif policy == "none":
            state.error = NoOffsetForPartitionError(state.tp.topic, state.tp.partition, self._config.group_id)
        else:
            state.reset = EARLIEST if state.reborn else reset_for(policy)

    # ── where a timestamp leads ──

    async def _by_leader(self, leader: int, states: Sequence[PartitionState]) -> bool:
        """Let partitions start where their reset leads. Returns as `_by_commit`."""
        asked = {state.tp: (state, state.version) for state in states}
        duration, wall = self._config.reset_duration, self._runtime.wall()
        wanted = {s.tp: timestamp_of(s.reset, duration, wall) for s in states if s.reset is not None}
        ends = await self._offsets.ask(leader, wanted)
        young = {tp: LATEST for tp, end in ends.found.items() if end is None and wanted[tp] != LATEST}
        if young:  # no record is as young as that
            ends = ends.but(await self._offsets.ask(leader, young))
        for tp, (state, version) in asked.items():
            if not self._untouched(state, version):
                continue
            end = ends.found.get(tp)
            if end is not None:
                state.move(end.offset)
            elif tp in ends.refused:
                state.error = ends.refused[tp]
        for error in {str(error) for error in ends.failed.values() if not error.retriable}:
            self._log.warning("offsets_not_resolved", error=error)
        settled = wanted.keys() <= ends.refused.keys() | {tp for tp, end in ends.found.items() if end is not None}
        if not settled:
            self._metadata.refresh_soon()
        return settled

    def _untouched(self, state: PartitionState, version: int) -> bool:
        """Whether nobody sought or revoked the partition while we asked."""
        return self._positions.get(state.tp) is state and state.version == version and state.fetch_at is None

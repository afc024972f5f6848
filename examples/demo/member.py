"""One replica of a service: a process that reads, tells its parent what, and ends on SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import signal
from multiprocessing.connection import Connection
from typing import Any

from kafkastatic import Consumer, FencedInstanceIdError, RebalanceListener, TopicPartition


class Teller(RebalanceListener):
    """Tells of every change of the assignment."""

    def __init__(self, consumer: Consumer[bytes, bytes], tell: Connection[Any, Any]) -> None:
        self._consumer = consumer
        self._tell = tell

    def on_partitions_assigned(self, assigned: frozenset[TopicPartition]) -> None:
        partitions = sorted(tp.partition for tp in assigned)
        self._tell.send(("assigned", self._consumer.membership.epoch, partitions))

    def on_partitions_revoked(self, revoked: frozenset[TopicPartition]) -> None:
        self._tell.send(("revoked",))

    def on_partitions_lost(self, lost: frozenset[TopicPartition]) -> None:
        self._tell.send(("lost",))


def run(tell: Connection[Any, Any], bootstrap: str, topic: str, group: str, name: str, instance_id: str | None) -> None:
    """What the process does. Without an instance id it is a dynamic member."""
    with contextlib.suppress(BrokenPipeError):  # nobody listens any more
        try:
            asyncio.run(_read(tell, bootstrap, topic, group, name, instance_id))
        except FencedInstanceIdError as error:
            tell.send(("fenced", f"{type(error).__name__}: {error}"))


async def _read(
    tell: Connection[Any, Any], bootstrap: str, topic: str, group: str, name: str, instance_id: str | None
) -> None:
    consumer = Consumer(
        bootstrap_servers=bootstrap,
        group_id=group,
        group_instance_id=instance_id,
        client_id=f"{name}-process-{os.getpid()}",
        auto_offset_reset="earliest",
        session_timeout_ms=4_500,  # this and the following: a tenth of the defaults
        heartbeat_interval_ms=300,
        auto_commit_interval_ms=500,
    )
    consumer.subscribe([topic], listener=Teller(consumer, tell))
    loop = asyncio.get_running_loop()
    async with consumer:
        _stop_when_told(consumer, loop)
        async for batch in consumer.batches():
            offsets = [record.offset for record in batch.records]
            tell.send(("records", batch.tp.partition, offsets, loop.time()))  # all processes have one monotonic clock


def _stop_when_told(consumer: Consumer[bytes, bytes], loop: asyncio.AbstractEventLoop) -> None:
    """On SIGTERM, or when the parent has died."""
    loop.add_signal_handler(signal.SIGTERM, consumer.stop)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def orphaned() -> None:
        loop.remove_reader(parent.sentinel)
        consumer.stop()

    loop.add_reader(parent.sentinel, orphaned)

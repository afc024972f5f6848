"""One replica of a service, as the demo runs it: reads, reports to stdout as JSON lines, ends on SIGTERM."""

from __future__ import annotations

import asyncio
import json
import signal
import sys

from kafkastatic import Consumer, FencedInstanceIdError, RebalanceListener, TopicPartition


def tell(event: str, **fields: object) -> None:
    print(json.dumps({"event": event, **fields}), flush=True)


class Teller(RebalanceListener):
    """Reports every change of the assignment."""

    def __init__(self, consumer: Consumer[bytes, bytes]) -> None:
        self._consumer = consumer

    def on_partitions_assigned(self, assigned: frozenset[TopicPartition]) -> None:
        self._tell("assigned", assigned)

    def on_partitions_revoked(self, revoked: frozenset[TopicPartition]) -> None:
        self._tell("revoked", revoked)

    def on_partitions_lost(self, lost: frozenset[TopicPartition]) -> None:
        self._tell("lost", lost)

    def _tell(self, event: str, partitions: frozenset[TopicPartition]) -> None:
        generation = self._consumer.membership.epoch
        tell(event, generation=generation, partitions=sorted(tp.partition for tp in partitions))


async def work(bootstrap: str, topic: str, group: str, instance_id: str) -> None:
    consumer = Consumer(
        bootstrap_servers=bootstrap,
        group_id=group,
        group_instance_id=instance_id,
        client_id=f"{instance_id}-{group}",
        auto_offset_reset="earliest",
        session_timeout_ms=10_000,
        heartbeat_interval_ms=300,
        auto_commit_interval_ms=500,
    )
    consumer.subscribe([topic], listener=Teller(consumer))
    async with consumer:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, consumer.stop)
        async for batch in consumer.batches():
            tell("records", partition=batch.tp.partition, offsets=[record.offset for record in batch.records])
            await asyncio.sleep(0.02)  # some work, so that the restart happens in the middle of it


def main() -> int:
    try:
        asyncio.run(work(*sys.argv[1:5]))
    except FencedInstanceIdError as error:
        tell("failed", error=type(error).__name__, message=str(error))
        return 82
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The main job on another event loop: a static member under uvloop reads, restarts and closes."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import uvloop

from kafkastatic import FencedInstanceIdError, TopicPartition
from kafkastatic._drivers.producing import Producer
from tests.support.raw_peer import RawMember, RawPeer
from tests.support.scenes import consumer, eventually, reading, write

SOON = 20


def under_uvloop(main: Callable[[], Awaitable[Any]]) -> None:
    """Run on a loop of uvloop's, and see that nothing is left on it, or beside it."""
    threads = threading.active_count()

    async def checked() -> None:
        assert type(asyncio.get_running_loop()).__module__.startswith("uvloop")
        await asyncio.wait_for(main(), SOON * 3)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(checked())
    gc.collect()
    assert threading.active_count() == threads


def test_a_static_member_reads_restarts_and_is_fenced(kafka, group_id) -> None:
    """Same generation and partitions after the restart, every record once; a duplicate ends it with an error."""
    name, group = f"uvloop-{group_id()}", group_id()
    ends = {TopicPartition(name, 0), TopicPartition(name, 1)}

    async def main() -> None:
        async with RawPeer.connect(kafka.bootstrap) as peer:
            await peer.create_topic(name, 2)
            for partition in range(2):
                # Large and many enough for answers in several pieces.
                await write(peer, name, partition, [b"%d" % n + b"x" * 500 for n in range(2000)])
            found: list[tuple[int, int]] = []
            for life in range(3):
                async with consumer(kafka.bootstrap, name, group_id=group, group_instance_id="a") as ours:
                    assert await ours.assigned() == ends
                    assert ours.membership.epoch == 1
                    for _ in range(4000 if life == 2 else 700):
                        if len(found) == 4000:
                            break
                        record = await asyncio.wait_for(ours.getone(), SOON)
                        found.append((record.partition, record.offset))
                    await ours.commit()
            assert sorted(found) == [(partition, offset) for partition in range(2) for offset in range(2000)]
            async with (
                consumer(kafka.bootstrap, name, group_id=group, group_instance_id="a") as ours,
                reading(ours) as reader,
            ):
                await ours.assigned()
                await RawMember(peer, group, [name], instance_id="a").settle()
                assert isinstance(await reader.ended(), FencedInstanceIdError)

    under_uvloop(main)


def test_lost_connections_a_producer_and_a_stop_from_a_thread(kafka, group_id) -> None:
    """Connections are opened again, a stop from another thread wakes the loop, a producer writes."""
    name, group = f"uvloop-{group_id()}", group_id()

    async def main() -> None:
        async with RawPeer.connect(kafka.bootstrap) as peer:
            await peer.create_topic(name, 1)
            await write(peer, name, 0, [b"0"])
        async with (
            consumer(kafka.bootstrap, name, group_id=group, group_instance_id="a") as ours,
            reading(ours) as reader,
        ):
            await eventually(lambda: len(reader.records) == 1)
            client = ours._client
            for node in client.pool._nodes.values():
                for connection in node.connections.values():
                    connection.close()
            producer = Producer(client.config, client.pool, client.metadata, client.runtime)
            timestamp = reader.records[0].timestamp
            assert await producer.send(name, None, b"1", [], timestamp) == ((name, 0), 1)
            await eventually(lambda: [record.value for record in reader.records] == [b"0", b"1"])
            await asyncio.to_thread(ours.stop)
            assert await reader.ended() is None
            assert ours.membership.epoch == 1

    under_uvloop(main)

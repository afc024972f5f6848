"""What the tests of the drivers share: a consumer of a scripted broker, and what may be left behind: nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from kafkastatic import Consumer
from kafkastatic.identity import IdentityRegistry
from kafkastatic.types import TopicPartition
from tests.support.scripted_broker import PATIENCE, TASK, ScriptedBroker

TP = TopicPartition("orders", 0)
GROUP_APIS = frozenset({"JoinGroup", "SyncGroup", "Heartbeat", "LeaveGroup", "OffsetCommit", "DescribeGroups"})
AT_ONCE = 10.0
"""Seconds: below every timeout of the client's but that of an abort, and more than the busiest machine takes."""

Operation = Callable[[Consumer[Any, Any]], Awaitable[object]]


def consumer_of(broker: ScriptedBroker, *topics: str, **options: Any) -> Consumer[Any, Any]:
    """A static member with short backoffs, in a process of its own as far as identities go."""
    known: dict[str, Any] = {
        "bootstrap_servers": broker.address,
        "group_id": "billing",
        "group_instance_id": "billing-0",
        "auto_offset_reset": "earliest",
        "enable_auto_commit": False,
        "retry_backoff_ms": 1,
        "retry_backoff_max_ms": 2,
        "reconnect_backoff_ms": 1,
        "reconnect_backoff_max_ms": 2,
        "fetch_max_wait_ms": 20,
        "registry": IdentityRegistry(),
    }
    if "group_protocol" not in options and "session_timeout_ms" not in options:
        known["heartbeat_interval_ms"] = 15_000  # who waits for one is not done at once
    return Consumer(*(topics or ("orders",)), **(known | options))


async def in_the_group(consumer: Consumer[Any, Any], broker: ScriptedBroker) -> None:
    """Started, assigned, the first heartbeat answered, its starting offsets looked up."""
    await consumer.start()
    await consumer.assigned()
    await broker.received("Heartbeat", len(broker.of("SyncGroup")))
    if consumer.assignment():
        await consumer.position(TP)


def tasks_left() -> list[str]:
    """The names of all tasks but the test's own and the broker's, whose loop accepts connections in tasks too."""
    current = asyncio.current_task()
    return sorted(
        task.get_name()
        for task in asyncio.all_tasks()
        if task is not current and not task.get_name().startswith(TASK) and "_accept_connection" not in repr(task)
    )


async def nothing_left(broker: ScriptedBroker) -> None:
    """No task, no socket."""
    assert tasks_left() == []
    await broker.until(lambda: not broker.peers)


def group_requests(broker: ScriptedBroker, since: int = 0) -> list[str]:
    return [call.api for call in broker.calls[since:] if call.api in GROUP_APIS]


async def first_of_loop(consumer: Consumer[Any, Any]) -> bytes:
    async for record in consumer:
        return record.value
    raise AssertionError("the loop ended")


async def first_of_batches(consumer: Consumer[Any, Any]) -> bytes:
    async for batch in consumer.batches(1):
        return batch.records[0].value
    raise AssertionError("the loop ended")


async def eventually(condition: Callable[[], object]) -> None:
    """Run the event loop until `condition` is true."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0)


async def happens(event: asyncio.Event) -> None:
    async with asyncio.timeout(PATIENCE):
        await event.wait()

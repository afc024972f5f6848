"""A service that handles records with `run`, as a process of its own: what it did stands in a file, line by line.

python -m tests.support.handler_program BOOTSTRAP TOPIC GROUP INSTANCE LOG ORDERING SECONDS

Lines are "done PARTITION OFFSET", "cancelled PARTITION OFFSET" (the event `handler_cancelled`) and "ready". SIGTERM
stops it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import signal
import sys
from typing import Any

import anyio

from kafkastatic import Consumer


class _Cancelled(logging.Handler):
    def __init__(self, log: int) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        event, pairs = str((record.args or ("", ""))[0]), str((record.args or ("", ""))[1])  # type: ignore[index]
        if event == "handler_cancelled":
            fields = dict(pair.split("=", 1) for pair in pairs.split())
            os.write(self._log, f"cancelled {fields['partition']} {fields['offset']}\n".encode())


async def main(bootstrap: str, topic: str, group: str, instance: str, log: str, ordering: Any, seconds: float) -> None:
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    logging.getLogger("kafkastatic").addHandler(_Cancelled(file))

    async def handle(record: Any) -> None:
        await asyncio.sleep(seconds * random.uniform(0.1, 1))
        os.write(file, f"done {record.partition} {record.offset}\n".encode())  # survives SIGKILL

    async with (
        Consumer(
            topic,
            bootstrap_servers=bootstrap,
            group_id=group,
            group_instance_id=instance,
            auto_offset_reset="earliest",
            session_timeout_ms=10_000,
            heartbeat_interval_ms=200,
            auto_commit_interval_ms=50,
            drain_timeout_ms=300,
        ) as consumer,
        anyio.create_task_group() as tasks,
    ):
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, consumer.stop)
        await tasks.start(_run, consumer, handle, ordering)
        os.write(file, b"ready\n")


async def _run(consumer: Consumer[Any, Any], handle: Any, ordering: Any, *, task_status: Any) -> None:
    await consumer.run(handle, ordering=ordering, concurrency=16, task_status=task_status)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:7], float(sys.argv[7])))

"""A static member of a KIP-848 group, as a process of its own, to be killed.

python -m tests.support.member_program BOOTSTRAP TOPIC GROUP INSTANCE STATE_FILE

It prints its member id when it has its partitions, and then does nothing more.
"""

from __future__ import annotations

import asyncio
import sys

from kafkastatic import Consumer


async def main(bootstrap: str, topic: str, group: str, instance: str, state_file: str) -> None:
    async with Consumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=group,
        group_protocol="consumer",
        group_instance_id=instance,
        instance_state_file=state_file,
        auto_offset_reset="earliest",
    ) as consumer:
        await consumer.assigned()
        print(consumer.membership.member_id, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

"""`auto_offset_reset="by_duration:..."` on a real log (KIP-1106)."""

from __future__ import annotations

import asyncio
import time

import pytest

from kafkastatic import TopicPartition
from tests.support.raw_peer import RawPeer
from tests.support.scenes import consumer, eventually, write


@pytest.mark.asyncio
async def test_a_group_starts_with_what_is_young_enough(kafka, topic, group_id) -> None:
    """With the first record of the last hour; where there is none that young, with what comes next."""
    name = await topic()
    tp = TopicPartition(name, 0)
    async with RawPeer.connect(kafka.bootstrap) as peer:
        for minutes in (120, 90, 30, 1):
            written = round((time.time() - 60 * minutes) * 1000)
            await write(peer, name, 0, [b"%d minutes" % minutes], timestamp_ms=written)

        found = []
        for policy in ("by_duration:PT1H", "by_duration:P1DT-30M", "by_duration:PT10M"):
            async with consumer(kafka.bootstrap, name, group_id=group_id(), auto_offset_reset=policy) as ours:
                found.append((await asyncio.wait_for(ours.getone(), 10)).value)
        assert found == [b"30 minutes", b"120 minutes", b"1 minutes"]

        async with consumer(kafka.bootstrap, name, group_id=group_id(), auto_offset_reset="by_duration:PT10S") as ours:
            await ours.assigned()
            assert await ours.position(tp) == 4
            await eventually(lambda: ours.highwater(tp) == 4)
            await write(peer, name, 0, [b"now"])
            assert (await asyncio.wait_for(ours.getone(), 10)).value == b"now"

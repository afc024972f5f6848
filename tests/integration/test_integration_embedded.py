"""Kafka's own consumer on the embedded broker."""

from __future__ import annotations

import pytest

from kafkastatic.broker import Broker
from tests.support.foreign_tools import PARTITIONS, read_by_three
from tests.support.members import JavaMember


@pytest.mark.asyncio
async def test_java_consumers_read_in_a_group_of_three(jvm) -> None:
    """Batches of every codec, a restart that nobody else notices, and commits of everything."""
    codecs = ("none", "gzip", "snappy", "lz4", "zstd", "none")
    with Broker(topics={"orders": PARTITIONS}, brokers=3) as broker:

        async def write() -> None:
            for partition, codec in enumerate(codecs):
                broker.append("orders", partition, *(b"%03d " % number * 20 for number in range(20)), codec=codec)

        await write()
        await read_by_three(broker, JavaMember, "orders", write)

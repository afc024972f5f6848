"""A group's coordinator goes to another broker of three: in both protocols its members stay what they are."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.raw_consumer import members
from tests.support.raw_peer import RawPeer
from tests.support.replicas import topic_on
from tests.support.scenes import Recorder, eventually, reading, running, write

MOVED = 60.0
"""Seconds in which another broker has loaded the group."""


async def coordinator(bootstrap: str, group: str) -> int:
    """The node id; 0 while there is none."""
    async with RawPeer.connect(bootstrap) as peer:
        found = await peer.find_coordinator(group)
    return 0 if found.error_code else found.node_id


@pytest.mark.parametrize("group_protocol", ["classic", "consumer"])
@pytest.mark.scenario(27, where="real")
@pytest.mark.asyncio
async def test_membership_outlives_a_coordinator_that_moves(kafka_cluster, group_id, group_protocol) -> None:
    """Its broker is stopped: same member id and epoch, no callback; a commit reaches the new one, reading goes on."""
    cluster, group, heard = kafka_cluster, group_id(), Recorder()
    old = await eventually(lambda: coordinator(cluster.brokers[0].bootstrap, group), MOVED)
    first, second = sorted({1, 2, 3} - {old})
    name, witness = await topic_on(cluster, [first, second]), cluster.brokers[first - 1]
    options = {"group_id": group, "group_instance_id": "a", "group_protocol": group_protocol}
    options["default_api_timeout_ms"] = round(MOVED * 1000)
    if group_protocol == "classic":
        options["session_timeout_ms"] = 40_000
    async with running(cluster.bootstrap, name, listener=heard, **options) as ours, reading(ours) as reader:
        async with RawPeer.connect(witness.bootstrap) as peer:
            await write(peer, name, 0, [b"1"])
        await eventually(lambda: len(reader.records) == 1)
        before = ours.membership
        await asyncio.to_thread(cluster.brokers[old - 1].stop)
        try:

            async def moved() -> bool:
                return await coordinator(witness.bootstrap, group) not in (0, old)

            await eventually(moved, MOVED)
            async with RawPeer.connect(witness.bootstrap) as peer:
                await write(peer, name, 0, [b"2"])
            await eventually(lambda: len(reader.records) == 2)
            await ours.commit()
            new = cluster.brokers[await coordinator(witness.bootstrap, group) - 1]
            async with RawPeer.connect(new.bootstrap) as peer:
                known = await (members(peer, group) if group_protocol == "consumer" else peer.member_ids(group))
                assert known == {"a": before.member_id}
                assert await peer.committed(group, [(name, 0)]) == {(name, 0): 2}
        finally:
            await asyncio.to_thread(cluster.brokers[old - 1].start)
        assert (ours.membership, heard.kinds, reader.error) == (before, ["assigned"], None)

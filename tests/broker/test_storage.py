"""What is written and read over sockets, and by the control handle."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from kafkastatic.broker import Broker
from kafkastatic.errors import BrokerError
from tests.broker.batches import seen, values
from tests.support.raw_peer import RawConnection, RawPeer


async def produce(connection: RawConnection, data: bytes, *, acks: int) -> Any:
    return await connection.request(
        "Produce", 9, transactional_id=None, acks=acks, timeout_ms=100, topic_data=[("orders", [(0, data)])]
    )


async def fetch(
    connection: RawConnection,
    offset: int,
    *,
    leader_epoch: int = -1,
    epoch: int = -1,
    session: int = 0,
    max_wait: int = 0,
) -> Any:
    """One partition; with a session, which `epoch` 0 opens."""
    wanted = [("orders", [(0, leader_epoch, offset, -1, -1, 1 << 20)])] if epoch <= 0 else []
    return await connection.request(
        "Fetch",
        12,
        replica_id=-1,
        max_wait_ms=max_wait,
        min_bytes=1,
        max_bytes=1 << 20,
        isolation_level=0,
        session_id=session,
        session_epoch=epoch,
        topics=wanted,
        forgotten_topics_data=[],
        rack_id="",
    )


def codes(response: Any) -> list[int]:
    return [partition.error_code for topic in response.responses for partition in topic.partitions]


@pytest.mark.asyncio
async def test_a_batch_without_acks_is_not_answered_and_a_refused_one_ends_the_connection() -> None:
    """There is no other way to tell."""
    async with Broker({"orders": 1}) as broker, RawPeer.connect(broker.bootstrap) as peer:
        unanswered = asyncio.create_task(produce(await peer.connection(), values(b"a"), acks=0))
        async with asyncio.timeout(20):
            await fetch(await peer.connection(), 0, max_wait=5000)
        assert not unanswered.done()
        unanswered.cancel()

        with pytest.raises(asyncio.IncompleteReadError):
            await produce(await peer.connection(), b"nonsense", acks=0)

        await produce(await peer.connection(), values(b"b"), acks=1)
        assert [record.value for record in broker.records("orders")] == [b"a", b"b"]


@pytest.mark.asyncio
async def test_a_waiting_fetch_is_woken_by_the_handle() -> None:
    """By what it appends, and by a leader that it moves."""
    async with Broker({"orders": 1}, brokers=2) as broker, RawPeer.connect(broker.address(1)) as peer:
        connection = await peer.connection()
        waiting = asyncio.create_task(fetch(connection, 0, max_wait=60_000))
        await peer.partitions("orders")  # so that the fetch, which was sent before, is there
        broker.append("orders", 0, b"a", b"b", key=b"k", timestamp=7, codec="lz4")
        (partition,) = (await asyncio.wait_for(waiting, 20)).responses[0].partitions

        waiting = asyncio.create_task(fetch(connection, 2, leader_epoch=0, max_wait=60_000))
        await peer.partitions("orders")
        broker.move_leader("orders", 0, to=2)
        moved = await asyncio.wait_for(waiting, 20)

        assert seen([partition.records]) == [(0, 7, b"k", b"a"), (1, 7, b"k", b"b")]
        assert codes(moved) == [74]


@pytest.mark.asyncio
async def test_a_broker_that_was_stopped_has_lost_its_sessions() -> None:
    """70, to which clients open a new one; the records are still there."""
    async with Broker({"orders": 1}) as broker:
        broker.append("orders", 0, b"a")
        async with RawPeer.connect(broker.bootstrap) as peer:
            opened = await fetch(await peer.connection(), 0, epoch=0)
        broker.stop(1)
        broker.start(1)

        async with RawPeer.connect(broker.bootstrap) as peer:
            connection = await peer.connection()
            lost = await fetch(connection, 0, epoch=1, session=opened.session_id)
            anew = await fetch(connection, 0, epoch=0)

        assert (lost.error_code, lost.session_id) == (70, 0)
        assert codes(anew) == [0]


@pytest.mark.asyncio
async def test_the_handle_keeps_to_the_topics_settings() -> None:
    """Sizes, keys, and whose time records have."""
    async with Broker() as broker:
        broker.create_topic("small", max_message_bytes="100")
        broker.create_topic("compacted", cleanup_policy="compact")
        broker.create_topic("timed", message_timestamp_type="LogAppendTime")
        broker.append("timed", 0, b"a", timestamp=7)

        with pytest.raises(BrokerError, match="MESSAGE_TOO_LARGE"):
            broker.append("small", 0, b"a" * 100)
        with pytest.raises(BrokerError, match="INVALID_RECORD"):
            broker.append("compacted", 0, b"a")
        (record,) = broker.records("timed")

        assert (broker.end_offset("small", 0), broker.end_offset("compacted", 0)) == (0, 0)
        assert record.timestamp > 7


@pytest.mark.asyncio
@pytest.mark.parametrize("version", [1, 3, 4, 6])
async def test_a_transaction_finds_no_coordinator_at_once(version: int) -> None:
    """53, upon which a client gives up and says so; to an unavailable coordinator it would try again for minutes."""
    async with Broker() as broker, RawPeer.connect(broker.bootstrap) as peer:
        asked = {"coordinator_keys": ["payments"]} if version >= 4 else {"key": "payments"}
        answer = await peer.request("FindCoordinator", version, key_type=1, **asked)

        assert (answer.coordinators[0] if version >= 4 else answer).error_code == 53

"""What is no request, or none that is served: Kafka's answer or a closed connection, and the broker lives."""

from __future__ import annotations

import asyncio
import struct
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kafkastatic.broker import Broker
from tests.support.raw_peer import RawConnection, RawPeer


async def exchange(broker: Broker, data: bytes) -> bytes:
    """What the broker answers until it closes the connection."""
    host, port = broker.bootstrap.rsplit(":", 1)
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(data)
        return await asyncio.wait_for(reader.read(), 20)
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def lives(broker: Broker) -> bool:
    async with RawPeer.connect(broker.bootstrap) as peer:
        return (await peer.request("ApiVersions", 0)).error_code == 0


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(600),
        struct.pack(">i", -1),
        struct.pack(">i", 0x7FFFFFFF),
        struct.pack(">i", 0),
        struct.pack(">i", 5) + b"hello",
        struct.pack(">ihhi", 8, 999, 0, 1),
        struct.pack(">ihhih", 10, 3, 99, 1, -1),
        struct.pack(">ihhih", 10, 11, 5, 1, -1),
        struct.pack(">ihhihi", 14, 3, 8, 1, -1, 0x7FFFFFFF),
    ],
    ids=[
        "http",
        "tls",
        "negative length",
        "two gigabytes",
        "empty",
        "garbage",
        "no such api",
        "no such version",
        "cut short",
        "array longer than the frame",
    ],
)
async def test_what_is_no_request_ends_its_connection_only(data) -> None:
    """Nothing is answered, and others are served on."""
    async with Broker() as broker:
        assert await exchange(broker, data) == b""
        assert await lives(broker)


@pytest.mark.asyncio
async def test_an_unknown_version_of_api_versions_is_answered_in_version_0() -> None:
    """So that a newer client learns what there is (KIP-511)."""
    async with Broker() as broker:
        connection = await RawConnection.open(broker.bootstrap, "peer")
        answer = await connection.exchange(struct.pack(">hhihB", 18, 99, 7, -1, 0))
        await connection.aclose()

    correlation_id, code, count, key, low, high = struct.unpack(">ihihhh", answer[:16])
    assert (correlation_id, code, count, key, low) == (7, 35, 1, 18, 0)
    assert high >= 3


@pytest.mark.asyncio
async def test_a_silent_and_a_half_open_client_cost_only_their_bytes() -> None:
    """What is announced is not allocated before it comes; closing is not held up."""
    async with Broker() as broker:
        host, port = broker.bootstrap.rsplit(":", 1)
        tracemalloc.start()
        silent = [await asyncio.open_connection(host, int(port)) for _ in range(20)]
        for _, writer in silent[10:]:
            writer.write(struct.pack(">i", 100_000_000) + b"begun")
        assert await lives(broker)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert broker.connections() >= 20
        assert peak < 10_000_000
        for _, writer in silent:
            writer.close()


@pytest.mark.asyncio
async def test_a_flood_of_requests_behind_a_parked_one_is_not_read_without_end() -> None:
    """While one is served, the connection takes about a megabyte and then stops reading: the client has to wait."""
    async with Broker() as broker:
        fault = broker.inject("ApiVersions", hold=True)
        host, port = broker.bootstrap.rsplit(":", 1)
        _, writer = await asyncio.open_connection(host, int(port))
        request = struct.pack(">ihhih", 10, 18, 0, 1, -1)
        writer.write(request)
        await fault.reached()
        writer.write(request * 4_000_000)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(writer.drain(), 0.5)
        writer.transport.abort()
        fault.remove()
        assert await lives(broker)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    api=st.sampled_from([0, 1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 19, 20, 22, 23, 32, 37, 42, 47, 60]),
    version=st.integers(0, 15),
    body=st.binary(max_size=200),
)
def test_random_bytes_as_any_request_never_harm_the_broker(api, version, body) -> None:
    """They are answered, parked, or the connection is closed; no handler fails on them."""

    async def run() -> None:
        async with Broker({"orders": 1}) as broker:
            host, port = broker.bootstrap.rsplit(":", 1)
            reader, writer = await asyncio.open_connection(host, int(port))
            frame = struct.pack(">hhih", api, version, 1, -1) + body
            writer.write(struct.pack(">i", len(frame)) + frame)
            writer.write_eof()
            reading = asyncio.create_task(reader.read())
            await asyncio.wait([reading], timeout=0.05)
            reading.cancel()
            writer.close()
            assert await lives(broker)

    asyncio.run(run())

"""Requests and answers on one stream; the stream's death; callers that give up."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from kafkastatic._net.connection import Connection
from kafkastatic._protocol.framing import decode_request, encode_response
from kafkastatic._protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from kafkastatic.errors import BrokerUnreachableError, KafkaTimeoutError, ProtocolError, UnsupportedVersionError
from tests.support.virtual_loop import run_virtually

VERSION = 4
PATIENCE = 20.0


class Wire(asyncio.Transport):
    """The broker's end of a connection, in memory."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self.protocol = connection.factory()
        self.sent: list[tuple[int, HeartbeatRequest]] = []
        self.aborted = False
        self.protocol.connection_made(self)
        connection.attach(self)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        header, request = decode_request(bytes(data)[4:])
        self.sent.append((header.correlation_id, request))

    def abort(self) -> None:
        if not self.aborted:
            self.aborted = True
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)

    def receive(self, data: bytes) -> None:
        while data and not self.aborted:
            buffer = self.protocol.get_buffer(-1)
            count = min(len(buffer), len(data))
            buffer[:count] = data[:count]
            self.protocol.buffer_updated(count)
            data = data[count:]

    def answer(self, correlation_id: int, code: int = 0, extra: bytes = b"") -> None:
        data = encode_response(HeartbeatResponse(error_code=code), VERSION, correlation_id)[4:] + extra
        self.receive(len(data).to_bytes(4, "big") + data)


def connect() -> tuple[Connection, Wire]:
    connection = Connection("kafka:9092", "tests")
    return connection, Wire(connection)


def beat(connection: Connection, epoch: int = 0, timeout: float = PATIENCE) -> asyncio.Task[HeartbeatResponse]:
    request = HeartbeatRequest(group_id="g", generation_id=epoch, member_id="m")
    return asyncio.create_task(connection.request(request, VERSION, timeout))


async def settle() -> None:
    """Let every task run until it waits."""
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.mark.asyncio
async def test_requests_are_pipelined_and_answers_find_their_caller_in_any_order() -> None:
    connection, wire = connect()
    calls = [beat(connection, epoch) for epoch in range(3)]
    await settle()
    assert [request.generation_id for _, request in wire.sent] == [0, 1, 2]
    assert connection.in_flight == 3

    for (correlation_id, request), _ in reversed(list(zip(wire.sent, calls, strict=True))):
        wire.answer(correlation_id, code=request.generation_id + 10)

    assert [(await call).error_code for call in calls] == [10, 11, 12]
    assert connection.in_flight == 0


@pytest.mark.asyncio
@pytest.mark.parametrize("native", [True, False])
async def test_a_cancelled_caller_leaves_the_stream_whole(native: bool) -> None:
    """Its late answer is dropped; those before and behind it are not touched."""
    connection, wire = connect()
    before = beat(connection)
    scope = anyio.CancelScope()

    async def ask() -> None:
        with scope:
            await connection.request(HeartbeatRequest(), VERSION, PATIENCE)

    cancelled = asyncio.create_task(ask())
    await settle()
    behind = beat(connection)
    await settle()
    _ = cancelled.cancel() if native else scope.cancel()
    await settle()
    assert cancelled.done()
    assert cancelled.cancelled() is native
    assert connection.in_flight == 2

    for index, (correlation_id, _) in enumerate(wire.sent):
        wire.answer(correlation_id, code=index)

    assert [(await before).error_code, (await behind).error_code] == [0, 2]
    assert connection.alive


@pytest.mark.asyncio
async def test_death_is_one_cause_for_every_waiter_and_every_later_caller() -> None:
    connection, wire = connect()
    calls = [beat(connection) for _ in range(3)]
    await settle()
    wire.protocol.connection_lost(ConnectionResetError("reset by peer"))

    errors = [*await asyncio.gather(*calls, beat(connection), beat(connection), return_exceptions=True)]
    assert {type(error) for error in errors} == {BrokerUnreachableError}
    assert {str(error) for error in errors} == {"kafka:9092 closed the connection: reset by peer."}
    assert len({id(error) for error in errors}) == 5  # a fresh copy each
    assert len(wire.sent) == 3
    assert not connection.alive


@pytest.mark.asyncio
async def test_the_first_cause_of_death_stays() -> None:
    connection, wire = connect()
    cause = ProtocolError("the first")
    connection.close(cause)
    connection.close(ProtocolError("the second"))
    await connection.wait_closed()

    with pytest.raises(ProtocolError, match="the first"):
        await beat(connection)
    assert wire.aborted


@pytest.mark.asyncio
async def test_unread_bytes_in_an_answer_are_an_error_and_close_the_connection() -> None:
    connection, wire = connect()
    call, other = beat(connection), beat(connection)
    await settle()
    wire.answer(wire.sent[0][0], extra=b"more")

    with pytest.raises(ProtocolError, match="kafka:9092 answered Heartbeat v4 with bytes that do not parse"):
        await call
    with pytest.raises(BrokerUnreachableError, match="do not parse; the connection was closed") as bystander:
        await other
    assert bystander.value.retriable  # what was asked may well be understood on the next connection
    assert wire.aborted


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (encode_response(HeartbeatResponse(), VERSION, 99), r"answered a request that was not sent \(99\)"),
        (b"\0\0\0\0", "A response of 0 bytes has no correlation id"),
        (b"\0\0\0\3abc", "A response of 3 bytes has no correlation id"),
        (b"HTTP/1.0 400 Bad Request", "looks like HTTP"),
    ],
)
async def test_an_answer_to_nobody_closes_the_connection(data: bytes, message: str) -> None:
    connection, wire = connect()
    call = beat(connection)
    await settle()
    wire.receive(data)

    with pytest.raises(ProtocolError, match=message):
        await call
    assert wire.aborted
    assert not connection.alive


def test_an_answer_that_does_not_come_in_time_closes_the_connection() -> None:
    """What is behind it would wait with it: a broker serves one request per connection at a time."""

    async def main() -> None:
        connection, wire = connect()
        behind = beat(connection)
        await settle()
        with pytest.raises(KafkaTimeoutError, match=r"kafka:9092 did not answer Heartbeat within 1 s"):
            await beat(connection, timeout=1.0)
        with pytest.raises(KafkaTimeoutError):
            await behind
        assert wire.aborted

    run_virtually(main())


def test_a_caller_that_had_no_time_to_wait_only_forgets_its_answer() -> None:
    """Whoever waits behind it gets an answer; its own is dropped."""

    async def main() -> None:
        connection, wire = connect()
        with pytest.raises(KafkaTimeoutError, match=r"kafka:9092 did not answer Heartbeat within 0\.9 s"):
            await beat(connection, timeout=0.9)
        behind = beat(connection)
        await settle()
        assert connection.in_flight == 1
        for index, (correlation_id, _) in enumerate(wire.sent):
            wire.answer(correlation_id, code=index)
        assert (await behind).error_code == 1
        assert connection.alive

    run_virtually(main())


@pytest.mark.parametrize("given_up", ["late", "cancelled"])
def test_a_connection_that_hangs_is_closed_although_nobody_waits_long(given_up: str) -> None:
    """The second one that waits in vain finds that the first one's answer is overdue."""

    async def main() -> None:
        connection, wire = connect()
        first = beat(connection, timeout=0.3)
        await asyncio.sleep(0.1)
        if given_up == "cancelled":
            first.cancel()
        await asyncio.wait([first])
        assert connection.alive
        await asyncio.sleep(1)
        with pytest.raises(KafkaTimeoutError):
            await beat(connection, timeout=0.3)
        assert wire.aborted
        with pytest.raises(KafkaTimeoutError):
            await beat(connection)

    run_virtually(main())


def test_a_connection_that_is_slow_is_not_closed_by_those_who_do_not_wait_long() -> None:
    """Each answer comes, later than its caller waits: the broker lives."""

    async def main() -> None:
        connection, wire = connect()
        patient = beat(connection, timeout=60)
        await asyncio.sleep(0.5)
        for index in range(4):
            with pytest.raises(KafkaTimeoutError):
                await beat(connection, timeout=0.5)
            wire.answer(wire.sent[index][0])
            await asyncio.sleep(0.3)
        assert (await patient).error_code == 0
        assert connection.alive

    run_virtually(main())


@pytest.mark.asyncio
async def test_a_request_that_cannot_be_said_does_no_harm() -> None:
    connection, wire = connect()
    with pytest.raises(UnsupportedVersionError):
        await connection.request(HeartbeatRequest(group_instance_id="i"), 2, PATIENCE)
    assert wire.sent == []
    assert connection.in_flight == 0

    call = beat(connection)
    await settle()
    wire.answer(wire.sent[0][0])
    assert (await call).error_code == 0

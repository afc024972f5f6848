"""Bytes in, frames out: however the stream is cut."""

from __future__ import annotations

import asyncio

import pytest

from kafkastatic._net.transport import HEAD_BYTES, PREFIX_BYTES, FrameProtocol
from kafkastatic._protocol.framing import MAX_RESPONSE_BYTES
from kafkastatic.errors import ProtocolError


class Sink(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.aborted = False

    def abort(self) -> None:
        self.aborted = True


class Receiver:
    """A protocol, what it said, and a loop's way of feeding it."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.ends: list[Exception | None] = []
        self.transport = Sink()
        self.protocol = FrameProtocol(lambda frame: self.frames.append(bytes(frame)), self.ends.append)
        self.protocol.connection_made(self.transport)

    def receive(self, data: bytes) -> None:
        """As an event loop does: never more than the buffer that the protocol offers, which must not be empty."""
        while data and not self.transport.aborted:
            buffer = self.protocol.get_buffer(-1)
            assert len(buffer) > 0
            count = min(len(buffer), len(data))
            buffer[:count] = data[:count]
            self.protocol.buffer_updated(count)
            data = data[count:]


def frame(body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + body


STREAM = frame(b"first") + frame(b"") + frame(b"x") + frame(b"the last one")
FRAMES = [b"first", b"", b"x", b"the last one"]

ROOM = HEAD_BYTES - PREFIX_BYTES


@pytest.mark.parametrize("cut", range(len(STREAM) + 1))
def test_frames_survive_a_cut_at_every_byte(cut: int) -> None:
    receiver = Receiver()
    receiver.receive(STREAM[:cut])
    receiver.receive(STREAM[cut:])

    assert receiver.frames == FRAMES


def test_frames_come_byte_by_byte_and_all_at_once() -> None:
    slow, quick = Receiver(), Receiver()
    for index in range(len(STREAM)):
        slow.receive(STREAM[index : index + 1])
    quick.receive(STREAM)

    assert slow.frames == quick.frames == FRAMES


@pytest.mark.parametrize("first", [0, 1, ROOM - 5, ROOM - 4, ROOM - 3, ROOM - 1, ROOM, ROOM + 1, 3 * HEAD_BYTES])
@pytest.mark.parametrize("second", [0, 1, ROOM, ROOM + 1, 3 * HEAD_BYTES])
def test_frames_of_any_length_follow_each_other(first: int, second: int) -> None:
    """Whether they fit into the buffer that they begin in, together or alone, or end right at its edge."""
    frames = [b"a" * first, b"b" * second, b"c" * first]
    receiver = Receiver()
    receiver.receive(b"".join(map(frame, frames)))

    assert receiver.frames == frames


def test_a_short_frame_is_received_at_once_and_a_long_one_into_its_own_buffer() -> None:
    """A loop wakes up once for an answer without records; for one with many, what is left goes where it stays."""
    receiver = Receiver()
    buffer = receiver.protocol.get_buffer(-1)
    buffer[: len(STREAM)] = STREAM
    receiver.protocol.buffer_updated(len(STREAM))
    assert receiver.frames == FRAMES

    whole = frame(b"x" * 100_000)
    buffer = receiver.protocol.get_buffer(-1)
    buffer[:] = whole[: len(buffer)]
    receiver.protocol.buffer_updated(len(buffer))
    assert len(receiver.protocol.get_buffer(-1)) == len(whole) - HEAD_BYTES


@pytest.mark.parametrize(
    ("start", "message"),
    [
        ((MAX_RESPONSE_BYTES + 1).to_bytes(4, "big"), f"A frame of {MAX_RESPONSE_BYTES + 1} bytes is outside"),
        ((0xFFFFFFFF).to_bytes(4, "big"), "A frame of -1 bytes is outside"),
        (b"HTTP/1.1 400 Bad Request\r\n", r"not a Kafka listener \(looks like HTTP\)"),
        (b"\x15\x03\x01\x00\x02\x02\x50", r"not a plaintext Kafka listener \(looks like TLS\)"),
    ],
)
def test_what_is_no_frame_ends_the_stream_before_anything_is_allocated(start: bytes, message: str) -> None:
    receiver = Receiver()
    receiver.receive(start)

    assert receiver.transport.aborted
    assert len(receiver.protocol.get_buffer(-1)) == HEAD_BYTES  # still the one that frames begin in
    receiver.protocol.connection_lost(None)
    assert receiver.frames == []
    assert len(receiver.ends) == 1
    with pytest.raises(ProtocolError, match=message):
        raise receiver.ends[0] or AssertionError


def test_the_largest_frame_is_taken() -> None:
    receiver = Receiver()
    receiver.receive(MAX_RESPONSE_BYTES.to_bytes(4, "big"))

    assert not receiver.transport.aborted
    assert len(receiver.protocol.get_buffer(-1)) == MAX_RESPONSE_BYTES


def test_the_end_is_told_once_with_its_reason_and_half_a_frame_is_forgotten() -> None:
    receiver, reason = Receiver(), ConnectionResetError("reset by peer")
    receiver.receive(STREAM[:7])
    receiver.protocol.connection_lost(reason)

    assert receiver.frames == []
    assert receiver.ends == [reason]
    assert receiver.protocol.closed.is_set()

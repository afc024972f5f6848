"""What members tell the leader's sticky assignors: the bytes of Kafka's `sticky` and `cooperative-sticky`.

No messages of the protocol: Kafka writes their schemas out in its assignors. `sticky` sends what the member was last
assigned, and since Kafka 2.3 (KIP-341) the generation behind it; `cooperative-sticky` sends the generation alone.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from kafkastatic._protocol.primitives import Bytes, Reader, Writer
from kafkastatic.errors import ProtocolError
from kafkastatic.types import TopicPartition, by_topic

_INT32 = struct.Struct(">i")


def encode_sticky(owned: Iterable[TopicPartition], generation: int) -> bytes:
    """What was assigned in which generation, sorted: bytes that differ make the broker rebalance."""
    topics = by_topic(sorted(owned))
    writer = Writer()
    writer.array(list(topics), False)
    for topic, partitions in topics.items():
        writer.string(topic, False)
        writer.array(partitions, False)
        writer.numbers(partitions, "i")
    writer.pack(_INT32, generation)
    return bytes(writer.buffer)


def decode_sticky(data: Bytes | None) -> tuple[list[TopicPartition], int]:
    """What was assigned in which generation; -1 if that is not said. Bytes that do not parse say nothing."""
    reader = Reader(data or b"")
    owned: list[TopicPartition] = []
    try:
        for _ in range(_count(reader)):
            topic = reader.string(False)
            owned += [TopicPartition(topic, reader.unpack(_INT32)[0]) for _ in range(_count(reader))]
    except (ProtocolError, struct.error, UnicodeDecodeError):
        return [], -1
    return owned, decode_generation(data and data[reader.position :])


def encode_generation(generation: int) -> bytes:
    return _INT32.pack(generation)


def decode_generation(data: Bytes | None) -> int:
    """-1 if there are no such bytes."""
    return _INT32.unpack_from(data)[0] if data and len(data) >= _INT32.size else -1


def _count(reader: Reader) -> int:
    """The length of an array, checked against the bytes that are there.

    Raises:
        ProtocolError: if they cannot hold it.
    """
    (count,) = reader.unpack(_INT32)
    if not 0 <= count <= reader.remaining // 4:
        raise ProtocolError(f"An array of {count} in {reader.remaining} bytes.")
    return count

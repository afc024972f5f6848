"""What members and their leader tell each other through the coordinator, which does not look into it.

The bytes are those of Kafka's `ConsumerProtocol`: a version, then the message. As there, a newer version is read as
the newest known one, because newer versions only append.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, TypeVar

from kafkastatic._protocol.messages import consumer_protocol_assignment as assignments
from kafkastatic._protocol.messages import consumer_protocol_subscription as subscriptions
from kafkastatic._protocol.primitives import Bytes, TopLevel
from kafkastatic.errors import ProtocolError
from kafkastatic.types import TopicPartition, by_topic

_T = TypeVar("_T", bound=TopLevel)


class Subscription(NamedTuple):
    """What a member asks for. `generation` is -1 where it is not known, `rack` is `None`."""

    topics: list[str]
    user_data: bytes | None
    owned: list[TopicPartition]
    generation: int
    rack: str | None


def encode_subscription(
    topics: Iterable[str],
    user_data: bytes | None = None,
    owned: Iterable[TopicPartition] = (),
    generation: int = -1,
    rack: str | None = None,
    version: int = 3,
) -> bytes:
    """A member's metadata, sorted as the Java client does: bytes that differ make the broker rebalance."""
    found = by_topic(sorted(owned))
    message = subscriptions.ConsumerProtocolSubscription(
        topics=sorted(topics),
        user_data=user_data,
        owned_partitions=[subscriptions.TopicPartition(topic=t, partitions=p) for t, p in found.items()],
        generation_id=generation,
        rack_id=rack,
    )
    return _encode(message, version)


def decode_subscription(data: Bytes) -> Subscription:
    """A member's metadata.

    Raises:
        ProtocolError: if it does not parse.
    """
    message = _decode(subscriptions.ConsumerProtocolSubscription, data)
    owned = [TopicPartition(entry.topic, p) for entry in message.owned_partitions for p in entry.partitions]
    return Subscription(message.topics, message.user_data, owned, message.generation_id, message.rack_id or None)


def encode_assignment(partitions: Iterable[TopicPartition], user_data: bytes | None = None, version: int = 3) -> bytes:
    """What one member gets, in the order given."""
    message = assignments.ConsumerProtocolAssignment(
        assigned_partitions=[
            assignments.TopicPartition(topic=t, partitions=p) for t, p in by_topic(partitions).items()
        ],
        user_data=user_data,
    )
    return _encode(message, version)


def decode_assignment(data: Bytes) -> list[TopicPartition]:
    """What one member gets. No bytes mean no partitions: the leader left the member out.

    Raises:
        ProtocolError: if it does not parse.
    """
    if not len(data):
        return []
    message = _decode(assignments.ConsumerProtocolAssignment, data)
    return [TopicPartition(entry.topic, p) for entry in message.assigned_partitions for p in entry.partitions]


def _encode(message: TopLevel, version: int) -> bytes:
    body = message.encode(version)
    return version.to_bytes(2, "big") + body


def _decode(message: type[_T], data: Bytes) -> _T:
    if len(data) < 2:
        raise ProtocolError(f"{message.NAME} of {len(data)} bytes has no version.")
    version = int.from_bytes(data[:2], "big", signed=True)
    if version < 0:
        raise ProtocolError(f"{message.NAME} has version {version}.")
    decoded, _ = message.decode_prefix(data, min(version, message.MAX_VERSION), 2)
    return decoded

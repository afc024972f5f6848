"""An asyncio-native Kafka consumer built around static group membership (KIP-345)."""

from kafkastatic import errors, identity
from kafkastatic._records import ConsumerRecord
from kafkastatic._version import __version__
from kafkastatic.config import ConsumerConfig, ConsumerOptions
from kafkastatic.consumer import Batch, Consumer
from kafkastatic.errors import FencedInstanceIdError, KafkaError
from kafkastatic.types import (
    Assignor,
    DeadLetter,
    InstanceId,
    Membership,
    MemberSubscription,
    OffsetAndMetadata,
    OffsetAndTimestamp,
    OnError,
    Ordering,
    RebalanceListener,
    Retry,
    Secret,
    TopicPartition,
)

__all__ = [
    "Assignor",
    "Batch",
    "Consumer",
    "ConsumerConfig",
    "ConsumerOptions",
    "ConsumerRecord",
    "DeadLetter",
    "FencedInstanceIdError",
    "InstanceId",
    "KafkaError",
    "MemberSubscription",
    "Membership",
    "OffsetAndMetadata",
    "OffsetAndTimestamp",
    "OnError",
    "Ordering",
    "RebalanceListener",
    "Retry",
    "Secret",
    "TopicPartition",
    "__version__",
    "errors",
    "identity",
]

"""An asyncio-native Kafka consumer built around static group membership (KIP-345)."""

from kafkastatic import errors, identity
from kafkastatic._records import ConsumerRecord
from kafkastatic._version import __version__
from kafkastatic.config import ConsumerConfig
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
    RebalanceListener,
    Retry,
    TopicPartition,
)

__all__ = [
    "Assignor",
    "Batch",
    "Consumer",
    "ConsumerConfig",
    "ConsumerRecord",
    "DeadLetter",
    "FencedInstanceIdError",
    "InstanceId",
    "KafkaError",
    "MemberSubscription",
    "Membership",
    "OffsetAndMetadata",
    "OffsetAndTimestamp",
    "RebalanceListener",
    "Retry",
    "TopicPartition",
    "__version__",
    "errors",
    "identity",
]

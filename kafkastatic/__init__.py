"""An asyncio-native Kafka consumer built around static group membership (KIP-345)."""

from kafkastatic import errors, identity
from kafkastatic._records import ConsumerRecord, RecordView
from kafkastatic._version import __version__
from kafkastatic.batch import Batch, LazyBatch
from kafkastatic.config import ConsumerConfig, ConsumerOptions
from kafkastatic.consumer import Consumer
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
    "LazyBatch",
    "MemberSubscription",
    "Membership",
    "OffsetAndMetadata",
    "OffsetAndTimestamp",
    "OnError",
    "Ordering",
    "RebalanceListener",
    "RecordView",
    "Retry",
    "Secret",
    "TopicPartition",
    "__version__",
    "errors",
    "identity",
]

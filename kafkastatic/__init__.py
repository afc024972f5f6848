"""An asyncio-native Kafka consumer built around static group membership (KIP-345)."""

from importlib import import_module
from typing import TYPE_CHECKING

from kafkastatic._version import __version__

if TYPE_CHECKING:
    from kafkastatic import errors, identity
    from kafkastatic._records import ConsumerRecord, RecordView
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

_ELSEWHERE = {
    "Batch": "batch",
    "Consumer": "consumer",
    "ConsumerConfig": "config",
    "ConsumerOptions": "config",
    "ConsumerRecord": "_records",
    "FencedInstanceIdError": "errors",
    "KafkaError": "errors",
    "LazyBatch": "batch",
    "RecordView": "_records",
}
"""The modules of the public names; what is not here and is no module itself is in `types`."""


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for: `kafkastatic broker`, the embedded broker and the pytest plugin,
    which is loaded by every test run, do without the client."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in ("errors", "identity"):
        return import_module(f"{__name__}.{name}")
    found = getattr(import_module(f"{__name__}.{_ELSEWHERE.get(name, 'types')}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return __all__

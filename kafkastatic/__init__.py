"""An asyncio-native Kafka consumer built around static group membership (KIP-345)."""

from importlib import import_module
from typing import TYPE_CHECKING

from kafkastatic._version import __version__

if TYPE_CHECKING:
    from kafkastatic import errors, events, identity
    from kafkastatic._records import ConsumerRecord, RecordView
    from kafkastatic.batch import Batch, LazyBatch
    from kafkastatic.config import ConsumerConfig, ConsumerOptions
    from kafkastatic.consumer import Consumer
    from kafkastatic.errors import FencedInstanceIdError, KafkaError, UnreleasedInstanceIdError
    from kafkastatic.events import (
        Assigned,
        Event,
        Fenced,
        Health,
        Joined,
        Joining,
        Lost,
        Missed,
        Rebalanced,
        Revoked,
        Waiting,
    )
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
    "Assigned",
    "Assignor",
    "Batch",
    "Consumer",
    "ConsumerConfig",
    "ConsumerOptions",
    "ConsumerRecord",
    "DeadLetter",
    "Event",
    "Fenced",
    "FencedInstanceIdError",
    "Health",
    "InstanceId",
    "Joined",
    "Joining",
    "KafkaError",
    "LazyBatch",
    "Lost",
    "MemberSubscription",
    "Membership",
    "Missed",
    "OffsetAndMetadata",
    "OffsetAndTimestamp",
    "OnError",
    "Ordering",
    "RebalanceListener",
    "Rebalanced",
    "RecordView",
    "Retry",
    "Revoked",
    "Secret",
    "TopicPartition",
    "UnreleasedInstanceIdError",
    "Waiting",
    "__version__",
    "errors",
    "events",
    "identity",
]

_ELSEWHERE = {
    "Assigned": "events",
    "Batch": "batch",
    "Consumer": "consumer",
    "ConsumerConfig": "config",
    "ConsumerOptions": "config",
    "ConsumerRecord": "_records",
    "Event": "events",
    "Fenced": "events",
    "FencedInstanceIdError": "errors",
    "Health": "events",
    "Joined": "events",
    "Joining": "events",
    "KafkaError": "errors",
    "LazyBatch": "batch",
    "Lost": "events",
    "Missed": "events",
    "Rebalanced": "events",
    "RecordView": "_records",
    "Revoked": "events",
    "UnreleasedInstanceIdError": "errors",
    "Waiting": "events",
}
"""The modules of the public names; what is not here and is no module itself is in `types`."""


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for: `kafkastatic broker`, the embedded broker and the pytest plugin,
    which is loaded by every test run, do without the client."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in ("errors", "events", "identity"):
        return import_module(f"{__name__}.{name}")
    found = getattr(import_module(f"{__name__}.{_ELSEWHERE.get(name, 'types')}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return __all__

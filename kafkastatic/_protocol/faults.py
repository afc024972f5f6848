"""From a code on the wire to a typed error."""

from __future__ import annotations

from functools import cache
from typing import Any

from kafkastatic._protocol.error_codes import TABLE
from kafkastatic.errors import BrokerError, classes_by_code

_classes = cache(classes_by_code)


def error_for(code: int, *, api: str | None = None, detail: str | None = None, **context: Any) -> BrokerError:
    """The error of a code, to be raised by the caller.

    A code that this release of Kafka does not know keeps its number and is named `UNKNOWN_CODE_<n>`.

    Args:
        api: the request that was answered.
        detail: the broker's own words, where it sent any.
        context: further arguments of `BrokerError`: group, instance_id, member_id, epoch, topic, partition, remedy.
    """
    info = TABLE.get(code)
    name = info.name if info else f"UNKNOWN_CODE_{code}"
    return _classes().get(code, BrokerError)(code, name, is_retriable(code), api=api, detail=detail, **context)


def is_retriable(code: int) -> bool:
    """Whether Kafka calls the code retriable; an unknown one is not."""
    info = TABLE.get(code)
    return info is not None and info.retriable

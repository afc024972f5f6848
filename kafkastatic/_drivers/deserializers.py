"""What the application makes of keys and values, sync or async."""

from __future__ import annotations

import copy
import inspect
import types
from collections.abc import Awaitable, Callable
from typing import Any

from kafkastatic._records import ConsumerRecord
from kafkastatic.errors import DeserializationError

Deserializer = Callable[[bytes], Any | Awaitable[Any]]


class Deserializers:
    """What is applied to keys and values that are not null; false where there is none."""

    def __init__(self, key: Deserializer | None, value: Deserializer | None) -> None:
        self._key = key
        self._value = value

    def __bool__(self) -> bool:
        return self._key is not None or self._value is not None

    async def convert(self, record: ConsumerRecord[Any, Any]) -> tuple[Any, Any]:
        """The key and the value to be. Raises `DeserializationError`."""
        key, value = record.key, record.value
        try:
            if key is not None and self._key is not None:
                key = self._key(key)
                if _awaitable(key):
                    key = await key
            if value is not None and self._value is not None:
                value = self._value(value)
                if _awaitable(value):
                    value = await value
        except Exception as cause:
            raise DeserializationError(
                f"the deserializer raised {type(cause).__name__}: {cause}.",
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
            ) from cause
        return key, value

    async def applied(self, record: ConsumerRecord[bytes, bytes]) -> ConsumerRecord[Any, Any]:
        """A copy of a record with its key and value deserialised. Raises `DeserializationError`."""
        converted: ConsumerRecord[Any, Any] = copy.copy(record)
        converted.key, converted.value = await self.convert(record)
        return converted


def _awaitable(value: object) -> bool:
    """As `inspect.isawaitable`, which takes longer than most deserializers."""
    kind = type(value)
    return hasattr(kind, "__await__") or (kind is types.GeneratorType and inspect.isawaitable(value))

"""What Java's hashes decide in Kafka, where a client can see it. Pure."""

from __future__ import annotations

from collections.abc import Iterable


def string_hash(text: str) -> int:
    """`String.hashCode()`, as an unsigned number."""
    value = 0
    units = text.encode("utf-16-be", "surrogatepass")
    for at in range(0, len(units), 2):
        value = (value * 31 + int.from_bytes(units[at : at + 2], "big")) & 0xFFFFFFFF
    return value


def bucket(text: str) -> int:
    """The place of a key in a `HashMap` of up to twelve: the lower ones come first."""
    return _spread(text) & 15


def hash_ordered(keys: Iterable[str]) -> list[str]:
    """The keys as a `HashMap` that grew with them goes through them; those in one bucket in the order they came."""
    found = list(keys)
    size = 16
    while len(found) > size * 3 // 4:
        size *= 2
    return sorted(found, key=lambda key: _spread(key) & (size - 1))


def _spread(text: str) -> int:
    value = string_hash(text)
    return value ^ value >> 16

"""What Java's hashes decide in Kafka, where a client can see it. Pure."""

from __future__ import annotations


def string_hash(text: str) -> int:
    """`String.hashCode()`, as an unsigned number."""
    value = 0
    units = text.encode("utf-16-be", "surrogatepass")
    for at in range(0, len(units), 2):
        value = (value * 31 + int.from_bytes(units[at : at + 2], "big")) & 0xFFFFFFFF
    return value


def bucket(text: str) -> int:
    """The place of a key in a `HashMap` of up to twelve: the lower ones come first."""
    value = string_hash(text)
    return (value ^ value >> 16) & 15

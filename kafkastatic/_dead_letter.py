"""A record that could not be handled, as it goes to a dead-letter topic. Pure."""

from __future__ import annotations

from typing import Any, NamedTuple

from kafkastatic._records import ConsumerRecord

PREFIX = "kafkastatic."
"""What the names of the headers begin with that are added here."""

LONGEST_TEXT = 1024
"""Bytes of an error's message, or of its class's name, that are kept."""


class Letter(NamedTuple):
    """What is sent, in the order of `Producer.send`."""

    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]
    timestamp: int


def dead_letter(
    record: ConsumerRecord[bytes, bytes], error: BaseException, *, group: str | None, now_ms: int
) -> Letter:
    """The record's own bytes and headers, and headers that say where it stood and why it is here.

    Added are `kafkastatic.topic`, `.partition`, `.offset`, `.timestamp`, `.group`, `.error.class` and
    `.error.message`, all of them text in UTF-8. A dead letter that fails again carries those of its last failure: they
    name the dead-letter topic that it stood in, where the earlier ones are.

    Args:
        now_ms: the time it gets, in milliseconds since the epoch. Its own could be older than what the dead-letter
            topic keeps, and the broker would delete it at once.
    """
    kind = type(error)
    told: dict[str, Any] = {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": record.timestamp,
        "group": group,
        "error.class": _bounded(f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")),
        "error.message": _bounded(str(error)),
    }
    headers = [(name, content) for name, content in record.headers if not name.startswith(PREFIX)]
    headers += [(PREFIX + name, _bytes(value)) for name, value in told.items() if value is not None]
    return Letter(record.key, record.value, headers, now_ms)


def _bytes(value: object) -> bytes:
    return str(value).encode(errors="replace")


def _bounded(text: str) -> str:
    """At most `LONGEST_TEXT` bytes of it, cut between characters."""
    return text.encode(errors="replace")[:LONGEST_TEXT].decode(errors="ignore")

"""What Kafka demands of a new topic. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

_LEGAL = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
_LONGEST = 249

DEFAULT_CONFIG = {
    "cleanup.policy": "delete",
    "compression.type": "producer",
    "max.message.bytes": "1048588",
    "message.timestamp.type": "CreateTime",
    "min.insync.replicas": "1",
    "retention.bytes": "-1",
    "retention.ms": "604800000",
    "segment.bytes": "1073741824",
}
"""The settings of a topic that are told, with Kafka's defaults. What the log does not do, like deleting by age, it does
not do for any value.
"""

OTHER_CONFIG = frozenset(
    (
        "compression.gzip.level",
        "compression.lz4.level",
        "compression.zstd.level",
        "delete.retention.ms",
        "file.delete.delay.ms",
        "flush.messages",
        "flush.ms",
        "follower.replication.throttled.replicas",
        "index.interval.bytes",
        "leader.replication.throttled.replicas",
        "local.retention.bytes",
        "local.retention.ms",
        "max.compaction.lag.ms",
        "message.timestamp.after.max.ms",
        "message.timestamp.before.max.ms",
        "min.cleanable.dirty.ratio",
        "min.compaction.lag.ms",
        "preallocate",
        "remote.log.copy.disable",
        "remote.log.delete.on.disable",
        "remote.storage.enable",
        "segment.index.bytes",
        "segment.jitter.ms",
        "segment.ms",
        "unclean.leader.election.enable",
    )
)
"""Further names that Kafka knows; they are kept and told where they are given."""


_INT, _LONG = (1 << 31) - 1, (1 << 63) - 1
_INTEGER = re.compile(r"\s*[+-]?[0-9]{1,40}\s*")  # Python refuses to read very long ones
_NUMBERS = {
    "max.message.bytes": (0, _INT),
    "message.timestamp.after.max.ms": (0, _LONG),
    "message.timestamp.before.max.ms": (0, _LONG),
    "min.insync.replicas": (1, _INT),
    "retention.bytes": (-_LONG - 1, _LONG),
    "retention.ms": (-1, _LONG),
    "segment.bytes": (14, _INT),
}
"""The least and the most of the settings that are numbers, as far as they are looked at here, or told."""

_CHOICES = {
    "cleanup.policy": ("compact", "delete"),
    "compression.type": ("uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"),
    "message.timestamp.type": ("CreateTime", "LogAppendTime"),
}
_SEVERAL = ("cleanup.policy",)  # or none of them


def problem_with_setting(name: str, value: str) -> str | None:
    """Why Kafka would refuse a setting of a topic."""
    if name not in DEFAULT_CONFIG and name not in OTHER_CONFIG:
        return f"Unknown topic config name: {name}"
    if name in _NUMBERS:
        least, most = _NUMBERS[name]
        number = int(value) if _INTEGER.fullmatch(value) else None
        if number is None or not -most - 1 <= number <= most:
            return f"{name} is a number up to {most}, not {value[:60]!r}."
        if number < least:
            return f"{name} is at least {least}, not {number}."
    choices = [choice.strip() for choice in value.split(",") if choice.strip()] if name in _SEVERAL else [value]
    if name in _CHOICES and not set(choices) <= set(_CHOICES[name]):
        return f"{name} is one of {', '.join(_CHOICES[name])}, not {value[:60]!r}."
    return None


def problem_with_name(name: str) -> str | None:
    """Why Kafka would refuse a topic of this name."""
    if not name:
        return "the empty string is not allowed"
    if name in (".", ".."):
        return f"'{name}' is not allowed"
    if len(name) > _LONGEST:
        return f"the length of '{name}' is longer than the max allowed length {_LONGEST}"
    if not _LEGAL.issuperset(name):
        return f"'{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"
    return None


def collides_with(name: str, others: Iterable[str]) -> str | None:
    """The topic whose metrics would have the same name: `.` and `_` are one there."""
    flat = name.replace(".", "_")
    if flat == name and "_" not in name:
        return None
    return next((other for other in others if other.replace(".", "_") == flat and other != name), None)

"""What Kafka demands of a new topic. Pure."""

from __future__ import annotations

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

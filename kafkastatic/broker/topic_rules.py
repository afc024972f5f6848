"""What Kafka demands of a new topic. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import IntEnum

from kafkastatic._value import Value
from kafkastatic.types import LEGAL_CHARACTERS, LONGEST_NAME


class ConfigType(IntEnum):
    """What a setting's value is, by Kafka's numbers."""

    BOOLEAN = 1
    STRING = 2
    INT = 3
    LONG = 5
    DOUBLE = 6
    LIST = 7


class TopicConfig(Value):
    """A setting of topics.

    Attributes:
        default: Kafka's; None for one that is kept and told only where it is given.
        broker_name: the setting of brokers that it takes its default from.
        least: the least value, of a number that is looked at later.
        choices: what it may be, or, if it is a list, what may be in it.
    """

    type: ConfigType
    default: str | None = None
    broker_name: str | None = None
    least: int | None = None
    choices: tuple[str, ...] = ()


_BOOLEAN, _STRING, _INT, _LONG, _DOUBLE, _LIST = (TopicConfig(kind) for kind in ConfigType)

TOPIC_CONFIGS = {
    "cleanup.policy": TopicConfig(ConfigType.LIST, "delete", "log.cleanup.policy", choices=("compact", "delete")),
    "compression.type": TopicConfig(ConfigType.STRING, "producer", "compression.type"),
    "max.message.bytes": TopicConfig(ConfigType.INT, "1048588", "message.max.bytes", least=0),
    "message.timestamp.type": TopicConfig(
        ConfigType.STRING, "CreateTime", "log.message.timestamp.type", choices=("CreateTime", "LogAppendTime")
    ),
    "min.insync.replicas": TopicConfig(ConfigType.INT, "1", "min.insync.replicas", least=1),
    "retention.bytes": TopicConfig(ConfigType.LONG, "-1", "log.retention.bytes"),
    "retention.ms": TopicConfig(ConfigType.LONG, "604800000"),
    "segment.bytes": TopicConfig(ConfigType.INT, "1073741824", "log.segment.bytes"),
    "compression.gzip.level": _INT,
    "compression.lz4.level": _INT,
    "compression.zstd.level": _INT,
    "delete.retention.ms": _LONG,
    "file.delete.delay.ms": _LONG,
    "flush.messages": _LONG,
    "flush.ms": _LONG,
    "follower.replication.throttled.replicas": _LIST,
    "index.interval.bytes": _INT,
    "leader.replication.throttled.replicas": _LIST,
    "local.retention.bytes": _LONG,
    "local.retention.ms": _LONG,
    "max.compaction.lag.ms": _LONG,
    "message.timestamp.after.max.ms": TopicConfig(ConfigType.LONG, least=0),
    "message.timestamp.before.max.ms": TopicConfig(ConfigType.LONG, least=0),
    "min.cleanable.dirty.ratio": _DOUBLE,
    "min.compaction.lag.ms": _LONG,
    "preallocate": _BOOLEAN,
    "remote.log.copy.disable": _BOOLEAN,
    "remote.log.delete.on.disable": _BOOLEAN,
    "remote.storage.enable": _BOOLEAN,
    "segment.index.bytes": _INT,
    "segment.jitter.ms": _LONG,
    "segment.ms": _LONG,
    "unclean.leader.election.enable": _BOOLEAN,
}
"""The settings of a topic. What the log does not do, like deleting by age, it does not do for any value."""

_FORMS: dict[ConfigType, re.Pattern[str]] = {
    ConfigType.BOOLEAN: re.compile("true|false", re.IGNORECASE),
    ConfigType.INT: re.compile(r"[+-]?[0-9]{1,40}"),
    ConfigType.LONG: re.compile(r"[+-]?[0-9]{1,40}"),
    ConfigType.DOUBLE: re.compile(r"[+-]?\d+(\.\d*)?"),
}
_MOST = {ConfigType.INT: (1 << 31) - 1, ConfigType.LONG: (1 << 63) - 1}


def problem_with_config(config: Mapping[str, str | None]) -> str | None:
    """Why Kafka would refuse a topic with these settings. Ranges are looked at where the values are, later."""
    for name, value in config.items():
        if value is None:
            return f"Null value not supported for topic configs: {name}"
        if name not in TOPIC_CONFIGS:
            return f"Unknown topic config name: {name}"
        known, value = TOPIC_CONFIGS[name], value.strip()
        form = _FORMS.get(known.type)
        if form and not form.fullmatch(value):
            return f"Invalid value {value} for configuration {name}: Not a {known.type.name}"
        if known.least is not None and not known.least <= int(value) <= _MOST[known.type]:
            return f"{name} is a number from {known.least} to {_MOST[known.type]}, not {value}."
        chosen = [one.strip() for one in value.split(",") if one.strip()] if known.type is ConfigType.LIST else [value]
        if known.choices and not set(chosen) <= set(known.choices):
            return f"{name} is one of {', '.join(known.choices)}, not {value}."
    return None


def problem_with_name(name: str) -> str | None:
    """Why Kafka would refuse a topic of this name."""
    if not name:
        return "the empty string is not allowed"
    if name in (".", ".."):
        return f"'{name}' is not allowed"
    if len(name) > LONGEST_NAME:
        return f"the length of '{name}' is longer than the max allowed length {LONGEST_NAME}"
    if not LEGAL_CHARACTERS.issuperset(name):
        return f"'{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"
    return None


def collides_with(name: str, others: Iterable[str]) -> str | None:
    """The topic whose metrics would have the same name: `.` and `_` are one there."""
    flat = name.replace(".", "_")
    if flat == name and "_" not in name:
        return None
    return next((other for other in others if other.replace(".", "_") == flat and other != name), None)

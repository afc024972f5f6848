"""`ConsumerConfig`: every option of the consumer, under Kafka's own name, with the Java 4.4 default.

Dots of the Kafka name become underscores. Five options are our own: `drain_timeout_ms`, `instance_id_wait_ms`,
`instance_state_file`, `max_buffered_bytes` and `max_decompressed_batch_bytes`. What stands for Kafka's keystores and
JAAS lines is named as other Python clients name it: `ssl_context`, `ssl_cafile`, `sasl_plain_username`,
`sasl_plain_password`.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self, TypedDict, get_args

import attrs

from kafkastatic import _checks
from kafkastatic.errors import ConfigError
from kafkastatic.types import Assignor, InstanceId, Secret

if TYPE_CHECKING:
    from ssl import SSLContext

AutoOffsetReset = Literal["latest", "earliest", "none"] | str
"""Or `"by_duration:P..."`, an ISO 8601 duration."""

GroupProtocol = Literal["classic", "consumer"]
IsolationLevel = Literal["read_uncommitted", "read_committed"]
RecoveryStrategy = Literal["rebootstrap", "none"]
SecurityProtocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
SaslMechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]

_BROKERS = {
    "session_timeout_ms": "Set group.consumer.session.timeout.ms on the broker,"
    " or consumer.session.timeout.ms on the group.",
    "heartbeat_interval_ms": "Set group.consumer.heartbeat.interval.ms on the broker,"
    " or consumer.heartbeat.interval.ms on the group.",
    "partition_assignment_strategy": "Choose one of the broker's group.consumer.assignors with group_remote_assignor.",
}
"""What the broker decides in a group of the consumer protocol (KIP-848), and how."""

_CONSUMER_HEARTBEAT = 5.0
"""Seconds between heartbeats by the brokers' default; a member is told by the answer to its first one."""

_CONSUMER_WAIT = 60.0
"""Seconds: the longest session that brokers grant by default, group.consumer.max.session.timeout.ms."""

_ARGUMENTS = ("key_deserializer", "value_deserializer")
"""What Kafka counts among the options, and we do not."""


def _mechanism(_: Any, attribute: attrs.Attribute[Any], value: object) -> None:
    if value is None or value in get_args(SaslMechanism):
        return
    if value in ("GSSAPI", "OAUTHBEARER"):
        raise ConfigError(
            f"{attribute.name}={value!r} is not there yet.", remedy=f"Use {_checks.one_of(SaslMechanism)}."
        )
    raise ConfigError(f"{attribute.name} must be {_checks.one_of(SaslMechanism)}, got {value!r}.")


@attrs.frozen(kw_only=True)
class ConsumerConfig:
    """Validated options of one consumer. Times are milliseconds, sizes bytes.

    What is spoken is said by `security_protocol` alone: the options of TLS and SASL are refused where it does not name
    them. With TLS the authorities in the PEM file `ssl_cafile` are trusted, or an `ssl_context` of your own decides
    everything; with neither, those that this system trusts. Host names are checked.

    With SASL every connection begins with a login by `sasl_mechanism`, which has no default, as
    `sasl_plain_username` with `sasl_plain_password` (for SCRAM too). The password is a `Secret`: shown nowhere, but
    pickled with the config.

    With `group_protocol="consumer"` (KIP-848) the session timeout, the heartbeat interval and the assignors are the
    broker's: options that say otherwise are refused.

    Attributes:
        instance_id_wait_ms: how long a static member that starts waits for its instance id. `None` is 60,000 with the
            consumer protocol, where a predecessor that crashed keeps the id until its session expires
            (UNRELEASED_INSTANCE_ID). With the classic one, where a newcomer takes the id over, `None` is 0: there only
            a group that is full (GROUP_MAX_SIZE_REACHED) or knows other assignors (INCONSISTENT_GROUP_PROTOCOL) makes
            it wait, if a time is given; `session_timeout_ms` and a second more outlast any predecessor of the same
            configuration.
        instance_state_file: where the member id is kept beside the instance id, for the consumer protocol only: after a
            crash the next process goes on as the same member at once. It belongs to one process at a time, on a file
            system that has locks and outlives the process.

    Raises:
        ConfigError: if an option is out of its range or two contradict each other.
    """

    bootstrap_servers: tuple[str, ...] = attrs.field(converter=_checks.addresses)
    group_id: str | None = attrs.field(default=None, validator=_checks.optional_text)
    group_instance_id: InstanceId | None = attrs.field(default=None, converter=_checks.instance_id)
    client_id: str = attrs.field(default="kafkastatic", validator=_checks.text)
    client_rack: str | None = attrs.field(default=None, validator=_checks.optional_text)

    group_protocol: GroupProtocol = attrs.field(default="classic", validator=_checks.listed(GroupProtocol))
    group_remote_assignor: str | None = attrs.field(default=None, validator=_checks.optional_text)
    instance_state_file: str | None = attrs.field(default=None, converter=_checks.path("instance_state_file", "a file"))
    instance_id_wait_ms: int | None = attrs.field(default=None, validator=attrs.validators.optional(_checks.whole(0)))

    session_timeout_ms: int = _checks.number(45_000, 1)
    heartbeat_interval_ms: int = _checks.number(3_000, 1)
    max_poll_interval_ms: int = _checks.number(300_000, 1)
    partition_assignment_strategy: tuple[str | Assignor, ...] = attrs.field(
        default=("range", "cooperative-sticky"), converter=_checks.strategies
    )
    drain_timeout_ms: int | None = attrs.field(default=None, validator=attrs.validators.optional(_checks.whole(0)))

    auto_offset_reset: AutoOffsetReset = attrs.field(default="latest", validator=_checks.policy)
    isolation_level: IsolationLevel = attrs.field(default="read_uncommitted", validator=_checks.listed(IsolationLevel))
    enable_auto_commit: bool = attrs.field(default=True, validator=_checks.truth)
    auto_commit_interval_ms: int = _checks.number(5_000, 1)

    fetch_min_bytes: int = _checks.number(1, 0)
    fetch_max_wait_ms: int = _checks.number(500)
    fetch_max_bytes: int = _checks.number(50 * 1024 * 1024, 1)
    max_partition_fetch_bytes: int = _checks.number(1024 * 1024, 1)
    max_poll_records: int = _checks.number(500, 1)
    check_crcs: bool = attrs.field(default=True, validator=_checks.truth)
    max_buffered_bytes: int = _checks.number(64 * 1024 * 1024, 1)
    max_decompressed_batch_bytes: int = _checks.number(64 * 1024 * 1024, 1)

    request_timeout_ms: int = _checks.number(30_000, 1)
    default_api_timeout_ms: int = _checks.number(60_000, 1)
    metadata_max_age_ms: int = _checks.number(300_000, 1)
    metadata_recovery_strategy: RecoveryStrategy = attrs.field(
        default="rebootstrap", validator=_checks.listed(RecoveryStrategy)
    )
    metadata_recovery_rebootstrap_trigger_ms: int = _checks.number(300_000)
    retry_backoff_ms: int = _checks.number(100)
    retry_backoff_max_ms: int = _checks.number(1_000)
    reconnect_backoff_ms: int = _checks.number(50)
    reconnect_backoff_max_ms: int = _checks.number(1_000)
    socket_connection_setup_timeout_ms: int = _checks.number(10_000, 1)
    allow_auto_create_topics: bool = attrs.field(default=True, validator=_checks.truth)
    exclude_internal_topics: bool = attrs.field(default=True, validator=_checks.truth)

    security_protocol: SecurityProtocol = attrs.field(default="PLAINTEXT", validator=_checks.listed(SecurityProtocol))
    ssl_cafile: str | None = attrs.field(default=None, converter=_checks.path("ssl_cafile", "a PEM file"))
    ssl_context: SSLContext | None = attrs.field(default=None, repr=False, validator=_checks.context)
    sasl_mechanism: SaslMechanism | None = attrs.field(default=None, validator=_mechanism)
    sasl_plain_username: str | None = attrs.field(default=None, validator=_checks.optional_text)
    sasl_plain_password: Secret | None = attrs.field(default=None, repr=False, converter=_checks.secret)

    def __attrs_post_init__(self) -> None:
        if self.group_id is not None and not self.group_id:
            raise ConfigError("group_id is empty.")
        if self.group_instance_id is not None and self.group_id is None:
            raise ConfigError("group_instance_id is given without a group_id.", remedy="Set group_id too.")
        if self.instance_id_wait_ms and self.group_instance_id is None:
            raise ConfigError(
                "instance_id_wait_ms is given without a group_instance_id.",
                remedy="Only a static member waits for a predecessor: set group_instance_id too.",
            )
        fields = attrs.fields_dict(type(self))
        _check_protocol(self, [name for name in _BROKERS if getattr(self, name) != fields[name].default])
        if self.heartbeat_interval_ms >= self.session_timeout_ms:
            raise ConfigError(
                f"heartbeat_interval_ms={self.heartbeat_interval_ms} must be below"
                f" session_timeout_ms={self.session_timeout_ms}.",
                remedy="A third of the session timeout, or less, is usual.",
            )
        if self.fetch_max_wait_ms >= self.request_timeout_ms:
            raise ConfigError(
                f"fetch_max_wait_ms={self.fetch_max_wait_ms} must be below"
                f" request_timeout_ms={self.request_timeout_ms}."
            )
        if not self.partition_assignment_strategy:
            raise ConfigError("partition_assignment_strategy is empty.", remedy="Leave it out.")
        _check_tls(self)
        _check_sasl(self)

    @classmethod
    def from_mapping(cls, options: Mapping[str, Any]) -> Self:
        """Build from option names in either spelling, `"group.instance.id"` or `"group_instance_id"`.

        Raises:
            ConfigError: for a name that is not an option, with the nearest one; for a bad value.
        """
        known = option_names()
        values: dict[str, Any] = {}
        for name, value in options.items():
            key = name.replace(".", "_")
            if key not in known:
                import difflib  # for this message only

                close = difflib.get_close_matches(key, [*known, *_ARGUMENTS], n=1)
                hint = f"Did you mean {close[0]!r}?" if close else "See docs/configuration.md for the options."
                if key in _ARGUMENTS:
                    hint = f"{key} is an argument of Consumer itself."
                raise ConfigError(f"{name!r} is not an option of the consumer.", remedy=hint)
            if key in values:
                raise ConfigError(f"{key} is given twice, in both spellings.", remedy="Give it once.")
            values[key] = value
        if "bootstrap_servers" not in values:
            raise ConfigError("bootstrap_servers is missing.", remedy="Name at least one broker as 'host:port'.")
        config = cls(**values)
        _check_protocol(config, values)  # be it that the default was given
        return config

    @property
    def server_side(self) -> bool:
        """Whether the coordinator itself assigns partitions: the consumer protocol (KIP-848)."""
        return self.group_protocol == "consumer"

    @property
    def heartbeat_interval(self) -> float:
        """Seconds between heartbeats, as far as this side knows."""
        return _CONSUMER_HEARTBEAT if self.server_side else self.heartbeat_interval_ms / 1000

    @property
    def instance_id_wait(self) -> float:
        """Seconds that a static member that starts waits for its instance id."""
        if self.instance_id_wait_ms is None:
            return _CONSUMER_WAIT if self.server_side else 0.0
        return self.instance_id_wait_ms / 1000

    @property
    def reset_duration(self) -> float | None:
        """Seconds before now at which `auto_offset_reset="by_duration:..."` starts (KIP-1106); else `None`."""
        policy = self.auto_offset_reset
        return _checks.duration(policy) if policy.startswith(_checks.BY_DURATION) else None

    @property
    def tls(self) -> bool:
        """Whether connections are encrypted; `security_protocol` alone says so."""
        return self.security_protocol in ("SSL", "SASL_SSL")

    @property
    def sasl(self) -> bool:
        """Whether every connection begins with a login; `security_protocol` alone says so."""
        return self.security_protocol in ("SASL_PLAINTEXT", "SASL_SSL")

    @property
    def drain_timeout(self) -> float:
        """Seconds that the record in hand gets on a revoke: 30 s or half the rebalance timeout, the smaller."""
        if self.drain_timeout_ms is not None:
            return self.drain_timeout_ms / 1000
        return min(30.0, self.max_poll_interval_ms / 2000)


def _check_protocol(config: ConsumerConfig, given: Collection[str]) -> None:
    """Each protocol has options that mean nothing to the other."""
    if config.server_side:
        for name, remedy in _BROKERS.items():
            if name in given:
                raise ConfigError(f"{name} is the broker's to decide with group_protocol='consumer'.", remedy=remedy)
    else:
        for name in ("group_remote_assignor", "instance_state_file"):
            if getattr(config, name) is not None:
                raise ConfigError(
                    f"{name} is given, but group_protocol='classic' has no use for it.",
                    remedy="Set group_protocol to 'consumer', or leave it out.",
                )
    if config.instance_state_file is not None and config.group_instance_id is None:
        raise ConfigError(
            "instance_state_file is given without a group_instance_id.",
            remedy="Only a static member goes on as the process before: set group_instance_id too.",
        )
    for name in ("group_remote_assignor", "instance_state_file"):
        if getattr(config, name) == "":
            raise ConfigError(f"{name} is empty.", remedy="Leave it out.")


def _check_tls(config: ConsumerConfig) -> None:
    given = [name for name in ("ssl_context", "ssl_cafile") if getattr(config, name) is not None]
    if given and not config.tls:
        raise ConfigError(
            f"{given[0]} is given, but security_protocol={config.security_protocol!r} is not encrypted.",
            remedy=f"Set security_protocol to {'SASL_SSL' if config.sasl else 'SSL'!r}.",
        )
    if len(given) == 2:
        raise ConfigError(
            "ssl_context and ssl_cafile are both given, and one of them would be ignored.",
            remedy="Load the file into the context: ssl_context.load_verify_locations(cafile).",
        )


def _check_sasl(config: ConsumerConfig) -> None:
    credentials = {"sasl_plain_username": config.sasl_plain_username, "sasl_plain_password": config.sasl_plain_password}
    given = [
        name for name, value in {"sasl_mechanism": config.sasl_mechanism, **credentials}.items() if value is not None
    ]
    if given and not config.sasl:
        raise ConfigError(
            f"{given[0]} is given, but security_protocol={config.security_protocol!r} means no login.",
            remedy="Set security_protocol to 'SASL_SSL', or to 'SASL_PLAINTEXT' where nobody listens in.",
        )
    if not config.sasl:
        return
    if config.sasl_mechanism is None:
        raise ConfigError(
            f"security_protocol={config.security_protocol!r} needs a sasl_mechanism.",
            remedy=f"Set it to {_checks.one_of(SaslMechanism)}.",
        )
    for name, value in credentials.items():
        text = value.reveal() if isinstance(value, Secret) else value
        problem = _unfit_for_login(text)
        if problem:
            raise ConfigError(
                f"{name} {problem}.",
                remedy=f"sasl_mechanism={config.sasl_mechanism!r} logs in with a name and a password.",
            )


def _unfit_for_login(text: str | None) -> str | None:
    if text is None:
        return "is missing"
    if not text:
        return "is empty"
    if "\0" in text or text.encode(errors="ignore").decode() != text:
        return "holds a character that cannot be sent"
    return None


def option_names() -> frozenset[str]:
    return frozenset(field.name for field in attrs.fields(ConsumerConfig))


class ConsumerOptions(TypedDict, total=False):
    """The options as keywords of `Consumer`, for editors and type checkers; `ConsumerConfig` rules."""

    bootstrap_servers: str | Sequence[str]
    group_id: str | None
    group_instance_id: str | None
    client_id: str
    client_rack: str | None
    group_protocol: GroupProtocol
    group_remote_assignor: str | None
    instance_state_file: str | os.PathLike[str] | None
    instance_id_wait_ms: int | None
    session_timeout_ms: int
    heartbeat_interval_ms: int
    max_poll_interval_ms: int
    partition_assignment_strategy: str | Assignor | Sequence[str | Assignor]
    drain_timeout_ms: int | None
    auto_offset_reset: AutoOffsetReset
    isolation_level: IsolationLevel
    enable_auto_commit: bool
    auto_commit_interval_ms: int
    fetch_min_bytes: int
    fetch_max_wait_ms: int
    fetch_max_bytes: int
    max_partition_fetch_bytes: int
    max_poll_records: int
    check_crcs: bool
    max_buffered_bytes: int
    max_decompressed_batch_bytes: int
    request_timeout_ms: int
    default_api_timeout_ms: int
    metadata_max_age_ms: int
    metadata_recovery_strategy: RecoveryStrategy
    metadata_recovery_rebootstrap_trigger_ms: int
    retry_backoff_ms: int
    retry_backoff_max_ms: int
    reconnect_backoff_ms: int
    reconnect_backoff_max_ms: int
    socket_connection_setup_timeout_ms: int
    allow_auto_create_topics: bool
    exclude_internal_topics: bool
    security_protocol: SecurityProtocol
    ssl_cafile: str | os.PathLike[str] | None
    ssl_context: SSLContext | None
    sasl_mechanism: SaslMechanism | None
    sasl_plain_username: str | None
    sasl_plain_password: str | Secret | None

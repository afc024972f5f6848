"""`ConsumerConfig`: every option of the consumer, under Kafka's own name, with the Java 4.4 default.

Dots of the Kafka name become underscores. Five options are our own: `drain_timeout_ms`, `instance_id_wait_ms`,
`instance_state_file`, `max_buffered_bytes` and `max_decompressed_batch_bytes`. What stands for Kafka's keystores and
JAAS lines is named as other Python clients name it: `ssl_context`, `ssl_cafile`, `sasl_plain_username`,
`sasl_plain_password`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self, TypedDict, cast, get_args

import attrs

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

_ADDRESS = re.compile(r"(?:\[(?P<v6>.*)\]|(?P<name>[\w.-]+))(?::(?P<port>\d{1,5}))?", re.ASCII)

_BY_DURATION = "by_duration"
_DURATION = (
    r"(?P<sign>[-+]?)P(?:(?P<days>[-+]?\d+)D)?"
    r"(?P<time>T(?:(?P<hours>[-+]?\d+)H)?(?:(?P<minutes>[-+]?\d+)M)?"
    r"(?:(?P<seconds>[-+]?\d+)(?:[.,](?P<fraction>\d{0,9}))?S)?)?"
)

_BROKERS = {
    "session_timeout_ms": "Set group.consumer.session.timeout.ms on the broker, or on the group, instead.",
    "heartbeat_interval_ms": "Set group.consumer.heartbeat.interval.ms on the broker, or on the group, instead.",
    "partition_assignment_strategy": "Choose one of the broker's group.consumer.assignors with group_remote_assignor.",
}
"""What the broker decides in a group of the consumer protocol (KIP-848), and how."""

_CONSUMER_HEARTBEAT = 5.0
"""Seconds between heartbeats by the brokers' default; a member is told by the answer to its first one."""

_CONSUMER_WAIT = 60.0
"""Seconds: the longest session that brokers grant by default, group.consumer.max.session.timeout.ms."""

_ARGUMENTS = ("key_deserializer", "value_deserializer")
"""What Kafka counts among the options, and we do not."""


def _whole(minimum: int) -> Callable[[Any, attrs.Attribute[int], int], None]:
    def check(_: Any, attribute: attrs.Attribute[int], value: object) -> None:
        if not isinstance(value, int) or isinstance(value, bool):
            raise ConfigError(f"{attribute.name} must be an int, got {value!r}.")
        if not minimum <= value <= 2**31 - 1:
            raise ConfigError(f"{attribute.name} must be between {minimum} and {2**31 - 1}, got {value}.")

    return check


def _number(default: int, minimum: int = 0) -> Any:
    return attrs.field(default=default, validator=_whole(minimum))


def _truth(_: Any, attribute: attrs.Attribute[bool], value: object) -> None:
    if not isinstance(value, bool):
        raise ConfigError(f"{attribute.name} must be True or False, got {value!r}.")


def _text(_: Any, attribute: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, str):
        raise ConfigError(f"{attribute.name} must be a str, got {value!r}.")


_optional_text = attrs.validators.optional(_text)


def _policy(_: Any, attribute: attrs.Attribute[Any], value: object) -> None:
    if value in ("latest", "earliest", "none"):
        return
    if not isinstance(value, str) or value.partition(":")[0] != _BY_DURATION:
        raise ConfigError(
            f"{attribute.name} must be 'latest', 'earliest' or 'none', or 'by_duration:...', got {value!r}.",
            remedy="by_duration takes an ISO 8601 duration: 'by_duration:PT1H' starts with the last hour.",
        )
    _duration(value)


def _duration(policy: str) -> float:
    """The seconds of `"by_duration:PnDTnHnMn.nS"`, by the rules of `java.time.Duration.parse`."""
    match = re.fullmatch(_DURATION, policy.partition(":")[2], re.ASCII | re.IGNORECASE)
    parts = match and [match[unit] for unit in ("days", "hours", "minutes", "seconds")]
    if match is None or not parts or not any(parts) or match["time"] in ("T", "t"):
        raise ConfigError(
            f"auto_offset_reset={policy!r} holds no ISO 8601 duration of days, hours, minutes and seconds.",
            remedy="Write 'by_duration:PT1H' for an hour, 'by_duration:P7D' for a week, 'by_duration:PT1.5S'.",
        )
    whole = sum(int(part or 0) * size for part, size in zip(parts, (86_400, 3_600, 60, 1), strict=True))
    fraction = float(f"0.{match['fraction'] or 0}")
    total = whole + (-fraction if (parts[3] or "").startswith("-") else fraction)
    total = -total if match["sign"] == "-" else total
    if total < 0 or abs(whole) >= 2**63:
        raise ConfigError(
            f"auto_offset_reset={policy!r} is {'negative' if total < 0 else 'too long'}.",
            remedy="The duration counts back from now: 'by_duration:PT1H' starts with the last hour.",
        )
    return total


def _isolation(_: Any, attribute: attrs.Attribute[Any], value: object) -> None:
    if value not in get_args(IsolationLevel):
        raise ConfigError(f"{attribute.name} must be 'read_uncommitted' or 'read_committed', got {value!r}.")


def _strategy(_: Any, attribute: attrs.Attribute[Any], value: object) -> None:
    if value not in get_args(RecoveryStrategy):
        raise ConfigError(f"{attribute.name} must be 'rebootstrap' or 'none', got {value!r}.")


def _group_protocol(_: Any, attribute: attrs.Attribute[Any], value: object) -> None:
    if value not in get_args(GroupProtocol):
        raise ConfigError(f"{attribute.name} must be {_one_of(GroupProtocol)}, got {value!r}.")


def _protocol(_: Any, attribute: attrs.Attribute[Any], value: object) -> None:
    if value not in get_args(SecurityProtocol):
        raise ConfigError(f"{attribute.name} must be {_one_of(SecurityProtocol)}, got {value!r}.")


def _mechanism(_: Any, attribute: attrs.Attribute[Any], value: object) -> None:
    if value is None or value in get_args(SaslMechanism):
        return
    if value in ("GSSAPI", "OAUTHBEARER"):
        raise ConfigError(f"{attribute.name}={value!r} is not there yet.", remedy=f"Use {_one_of(SaslMechanism)}.")
    raise ConfigError(f"{attribute.name} must be {_one_of(SaslMechanism)}, got {value!r}.")


def _one_of(choice: Any) -> str:
    *others, last = (repr(value) for value in get_args(choice))
    return f"{', '.join(others)} or {last}"


def _path(name: str, what: str) -> Callable[[str | os.PathLike[str] | None], str | None]:
    def convert(value: str | os.PathLike[str] | None) -> str | None:
        try:
            path = value if value is None else os.fspath(value)
        except TypeError:
            path = b""
        if path is not None and not isinstance(path, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigError(f"{name} must be the path of {what}, got {value!r}.")
        return path

    return convert


def _secret(value: str | Secret | None) -> Secret | None:
    if value is None or isinstance(value, Secret):
        return value
    if not isinstance(value, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigError(f"sasl_plain_password must be a str, got a {type(value).__name__}.")
    return Secret(value)


def _context(_: Any, attribute: attrs.Attribute[Any], value: object) -> None:
    if value is not None and not hasattr(value, "wrap_bio"):  # this layer does not know ssl
        raise ConfigError(f"{attribute.name} must be an ssl.SSLContext, got {value!r}.")


def _addresses(value: str | Sequence[str]) -> tuple[str, ...]:
    """`"a:1,b:2"` or a sequence of `"host:port"`; port 9092 where none is given."""
    parts = value.split(",") if isinstance(value, str) else _items(value)
    if not all(isinstance(part, str) for part in parts):
        raise ConfigError(
            f"bootstrap_servers must be a str or several, got {value!r}.", remedy="Write each server as 'host:port'."
        )
    found = tuple(_address(part.strip()) for part in parts if part.strip())
    if not found:
        raise ConfigError("bootstrap_servers is empty.", remedy="Name at least one broker as 'host:port'.")
    return found


def _address(part: str) -> str:
    match = _ADDRESS.fullmatch(f"[{part}]" if _ipv6(part) else part)
    host = match and (match["name"] or _ipv6(match["v6"]))
    port = int(match["port"] or 9092) if match else 0
    if not host or not 0 < port < 65536:
        raise ConfigError(f"bootstrap_servers holds {part!r}.", remedy="Write each server as 'host:port'.")
    return f"{host.lower()}:{port}"


def _ipv6(host: str) -> str | None:
    """An IPv6 address in brackets, in its one normal form; `None` if it is none."""
    if host.count(":") < 2:
        return None
    import ipaddress  # most never need it

    try:
        return f"[{ipaddress.IPv6Address(host)}]"
    except ValueError:
        return None


def _strategies(value: str | Assignor | Sequence[str | Assignor]) -> tuple[str | Assignor, ...]:
    if isinstance(value, str):
        return tuple(name.strip() for name in value.split(",") if name.strip())
    found: tuple[Any, ...] = (value,) if _is_assignor(value) else _items(value)
    if not all(isinstance(item, str) or _is_assignor(item) for item in found):
        raise ConfigError(
            f"partition_assignment_strategy must be a name, an Assignor, or several, got {value!r}.",
            remedy="An Assignor has a name and an assign() method.",
        )
    return found


def _is_assignor(value: object) -> bool:
    named = isinstance(getattr(value, "name", None), str) and callable(getattr(value, "assign", None))
    return named and not isinstance(value, type)


def _items(value: Any) -> tuple[Any, ...]:
    """The items of what has some; of anything else, itself as the only one."""
    return tuple(cast("Iterable[Any]", value)) if isinstance(value, Iterable) else (value,)


def _instance_id(value: str | None) -> InstanceId | None:
    if value is None:
        return None
    if not isinstance(value, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigError(f"group_instance_id must be a str, got {value!r}.")
    return InstanceId(value)


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

    bootstrap_servers: tuple[str, ...] = attrs.field(converter=_addresses)
    group_id: str | None = attrs.field(default=None, validator=_optional_text)
    group_instance_id: InstanceId | None = attrs.field(default=None, converter=_instance_id)
    client_id: str = attrs.field(default="kafkastatic", validator=_text)
    client_rack: str | None = attrs.field(default=None, validator=_optional_text)

    group_protocol: GroupProtocol = attrs.field(default="classic", validator=_group_protocol)
    group_remote_assignor: str | None = attrs.field(default=None, validator=_optional_text)
    instance_state_file: str | None = attrs.field(default=None, converter=_path("instance_state_file", "a file"))
    instance_id_wait_ms: int | None = attrs.field(default=None, validator=attrs.validators.optional(_whole(0)))

    session_timeout_ms: int = _number(45_000, 1)
    heartbeat_interval_ms: int = _number(3_000, 1)
    max_poll_interval_ms: int = _number(300_000, 1)
    partition_assignment_strategy: tuple[str | Assignor, ...] = attrs.field(
        default=("range", "cooperative-sticky"), converter=_strategies
    )
    drain_timeout_ms: int | None = attrs.field(default=None, validator=attrs.validators.optional(_whole(0)))

    auto_offset_reset: AutoOffsetReset = attrs.field(default="latest", validator=_policy)
    isolation_level: IsolationLevel = attrs.field(default="read_uncommitted", validator=_isolation)
    enable_auto_commit: bool = attrs.field(default=True, validator=_truth)
    auto_commit_interval_ms: int = _number(5_000, 1)

    fetch_min_bytes: int = _number(1, 0)
    fetch_max_wait_ms: int = _number(500)
    fetch_max_bytes: int = _number(50 * 1024 * 1024, 1)
    max_partition_fetch_bytes: int = _number(1024 * 1024, 1)
    max_poll_records: int = _number(500, 1)
    check_crcs: bool = attrs.field(default=True, validator=_truth)
    max_buffered_bytes: int = _number(64 * 1024 * 1024, 1)
    max_decompressed_batch_bytes: int = _number(64 * 1024 * 1024, 1)

    request_timeout_ms: int = _number(30_000, 1)
    default_api_timeout_ms: int = _number(60_000, 1)
    metadata_max_age_ms: int = _number(300_000, 1)
    metadata_recovery_strategy: RecoveryStrategy = attrs.field(default="rebootstrap", validator=_strategy)
    metadata_recovery_rebootstrap_trigger_ms: int = _number(300_000)
    retry_backoff_ms: int = _number(100)
    retry_backoff_max_ms: int = _number(1_000)
    reconnect_backoff_ms: int = _number(50)
    reconnect_backoff_max_ms: int = _number(1_000)
    socket_connection_setup_timeout_ms: int = _number(10_000, 1)
    allow_auto_create_topics: bool = attrs.field(default=True, validator=_truth)
    exclude_internal_topics: bool = attrs.field(default=True, validator=_truth)

    security_protocol: SecurityProtocol = attrs.field(default="PLAINTEXT", validator=_protocol)
    ssl_cafile: str | None = attrs.field(default=None, converter=_path("ssl_cafile", "a PEM file"))
    ssl_context: SSLContext | None = attrs.field(default=None, repr=False, validator=_context)
    sasl_mechanism: SaslMechanism | None = attrs.field(default=None, validator=_mechanism)
    sasl_plain_username: str | None = attrs.field(default=None, validator=_optional_text)
    sasl_plain_password: Secret | None = attrs.field(default=None, repr=False, converter=_secret)

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
        return _duration(policy) if policy.startswith(_BY_DURATION) else None

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
            remedy=f"Set it to {_one_of(SaslMechanism)}.",
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

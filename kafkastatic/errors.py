"""Every exception that kafkastatic raises on purpose.

    KafkaError                              .code .name .retriable .fatal .remedy
    ├── ConfigError                         an option, or the way it is used, cannot work
    │   └── StateFileLockedError              another process has the instance_state_file; .path .pid
    ├── BrokerError                         a broker answered with an error code
    │   ├── FencedError                     another process holds this identity now
    │   │   ├── FencedInstanceIdError         82  .owner .kind
    │   │   ├── FencedMemberEpochError       110
    │   │   ├── UnreleasedInstanceIdError    111  .owner .kind
    │   │   └── StaleMemberEpochError        113
    │   ├── AuthenticationError             a login failed; .address .mechanism .username
    │   │   ├── UnsupportedSaslMechanismError 33
    │   │   ├── IllegalSaslStateError         34
    │   │   └── SaslAuthenticationFailedError 58
    │   ├── UnsupportedVersionError           35  also a ConfigError
    │   ├── UnknownMemberIdError              25
    │   ├── IllegalGenerationError            22
    │   ├── RebalanceInProgressError          27
    │   ├── GroupMaxSizeReachedError          81
    │   ├── InconsistentGroupProtocolError    23
    │   ├── InvalidSessionTimeoutError        26
    │   ├── InvalidGroupIdError               24
    │   ├── OffsetOutOfRangeError              1
    │   │   └── LogTruncationError               .offset .divergent_offset
    │   ├── UnknownTopicOrPartitionError       3
    │   ├── TopicAuthorizationFailedError     29
    │   └── GroupAuthorizationFailedError     30
    ├── InvalidAssignmentError              an assignor shares out what it must not; .assignor
    ├── CommitFailedError                   offsets were not committed, and why
    ├── NoOffsetForPartitionError           no committed offset, and auto_offset_reset="none"
    ├── BrokerUnreachableError              no connection to a broker; .address
    ├── KafkaTimeoutError                   also a TimeoutError
    ├── ProtocolError                       bytes that are no Kafka answer
    ├── RecordError                         one record or batch cannot be delivered; .topic .partition .offset
    │   ├── CorruptRecordError
    │   ├── DeserializationError
    │   └── HandlerError                    the handler of `run` raised, or its dead letter failed; .__cause__
    ├── MaxPollExceededError                one record took longer than max_poll_interval_ms
    ├── UnsupportedCodecError               no such compression codec
    └── IllegalStateError                   the call does not fit the consumer's state
        └── ConsumerClosedError

Codes with no class of their own are a plain `BrokerError` with the broker's number, and its name where
this release of Kafka knows it. Errors are plain data: they can be copied and pickled.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self, TypeVar

_E = TypeVar("_E", bound="KafkaError")


class KafkaError(Exception):
    """Root of all errors of this package.

    Attributes:
        code: Kafka's error code, `None` where no broker answered.
        name: Kafka's name of the code, or the class's own name.
        retriable: the same call may succeed later without a change.
        fatal: the consumer that raised it has ended; only a new `Consumer` can go on.
        remedy: what to do about it, in one sentence; part of the message too.
    """

    code: int | None = None
    name: str = ""
    retriable: bool = False
    fatal: bool = False
    remedy: str = ""

    def __init__(self, message: str = "", *, remedy: str | None = None) -> None:
        self.name = self.name or type(self).__name__
        if remedy is not None:
            self.remedy = remedy
        super().__init__(message)

    def __str__(self) -> str:
        message = str(self.args[0]) if self.args else ""
        return " ".join(part for part in (message, self.remedy) if part)

    def __copy__(self) -> Self:
        error = _rebuild(type(self), self.args, dict(self.__dict__))
        error.__cause__ = self.__cause__
        return error

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.args, dict(self.__dict__))


def _rebuild(cls: type[_E], args: tuple[Any, ...], state: dict[str, Any]) -> _E:
    """Make an equal error without running `__init__`, whose arguments are not kept."""
    error = cls.__new__(cls)
    error.args = args
    error.__dict__.update(state)
    return error


class ConfigError(KafkaError, ValueError):
    """An option is wrong, options contradict each other, or the cluster cannot do what they ask for."""


class StateFileLockedError(ConfigError):
    """Another process, or another consumer of this one, has the `instance_state_file`: it runs under the same id.

    Retriable: the file is free as soon as that process has ended.

    Attributes:
        path: the file.
        pid: the process that has it, by its own word; `None` if it does not say.
    """

    retriable = True
    remedy = "Wait for its end, or give every running instance its own group_instance_id and file."

    def __init__(self, path: str, pid: int | None) -> None:
        self.path = path
        self.pid = pid
        who = f"process {pid}" if pid is not None else "another process"
        super().__init__(f"instance_state_file {path!r} is in use by {who}.")


class BrokerError(KafkaError):
    """A broker answered with an error code.

    Attributes:
        api: the request that was answered, `"JoinGroup"` for instance.
        detail: the broker's own words, where it sent any.
        group: the group id concerned.
        instance_id, member_id, epoch: the identity that the request carried.
        topic, partition: the partition concerned.
    """

    _verb: ClassVar[str] = "answered"

    def __init__(
        self,
        code: int | None = None,
        name: str | None = None,
        retriable: bool | None = None,
        *,
        api: str | None = None,
        detail: str | None = None,
        group: str | None = None,
        instance_id: str | None = None,
        member_id: str | None = None,
        epoch: int | None = None,
        topic: str | None = None,
        partition: int | None = None,
        remedy: str | None = None,
    ) -> None:
        if code is not None:
            self.code = code
        if name is not None:
            self.name = name
        if retriable is not None:
            self.retriable = retriable
        self.api = api
        self.detail = detail
        self.group = group
        self.instance_id = instance_id
        self.member_id = member_id
        self.epoch = epoch
        self.topic = topic
        self.partition = partition
        super().__init__(self._describe(), remedy=remedy)

    def _describe(self) -> str:
        number = "" if self.code is None else f" ({self.code})"
        text = f"{self.api or 'A broker'} {self._verb} {self.name or type(self).__name__}{number}"
        where = {
            "group": self.group,
            "group_instance_id": self.instance_id,
            "member_id": self.member_id,
            "epoch": self.epoch,
            "topic": self.topic,
            "partition": self.partition,
        }
        known = ", ".join(f"{key}={value!r}" for key, value in where.items() if value is not None)
        detail = f": {self.detail.rstrip('.')}" if self.detail else ""
        return f"{text}{f' for {known}' if known else ''}{detail}."


def _with_owner(error: KafkaError, owner: str) -> str:
    return " ".join(part for part in (error.args[0] if error.args else "", owner, error.remedy) if part)


class FencedError(BrokerError):
    """Another process holds this member's identity; this one must not go on."""

    fatal = True


class FencedInstanceIdError(FencedError):
    """Another member joined with this `group_instance_id` and replaced us (KIP-345).

    Terminal: the consumer never rejoins by itself, which would evict the present owner.

    Attributes:
        owner: who has the id now, as the coordinator describes it, or `None` when that could not be found out.
        kind: "replaced": the id was ours.
    """

    code = 82
    name = "FENCED_INSTANCE_ID"
    kind = "replaced"
    owner: str | None = None
    remedy = (
        "Another process uses the same group_instance_id: give every running replica its own id,"
        " end the other process, and start a new Consumer."
    )

    def __str__(self) -> str:
        return _with_owner(self, f"The id is now held by {self.owner}." if self.owner else "")


class FencedMemberEpochError(FencedError):
    """The member epoch is not the group's (KIP-848 groups only)."""

    code = 110
    name = "FENCED_MEMBER_EPOCH"


class UnreleasedInstanceIdError(FencedError):
    """Another member holds the instance id, and keeps it (KIP-848 groups only): one that runs, or one that crashed and
    whose session has not expired. Raised when `instance_id_wait_ms` was not enough.

    Attributes:
        owner: who has the id, as the coordinator describes it, or `None` when that could not be found out.
        kind: "in use": the id is not ours yet.
    """

    code = 111
    name = "UNRELEASED_INSTANCE_ID"
    kind = "in use"
    owner: str | None = None
    remedy = (
        "If that process runs, give every running replica its own group_instance_id; if it crashed, let"
        " instance_id_wait_ms outlast the group's session timeout (group.consumer.session.timeout.ms), or keep the"
        " member id in an instance_state_file."
    )

    def __str__(self) -> str:
        return _with_owner(self, f"The id is held by {self.owner}." if self.owner else "")


class StaleMemberEpochError(FencedError):
    """A commit under a member epoch that has passed (KIP-848 groups only)."""

    code = 113
    name = "STALE_MEMBER_EPOCH"


class AuthenticationError(BrokerError):
    """A login failed, by the broker's word or because the broker could not prove who it is.

    Terminal: the same credentials are not tried again, and a running consumer ends with it.

    Attributes:
        address: the broker, `"host:port"`.
        mechanism: the `sasl_mechanism` used.
        username: who wanted to log in. The password is nowhere in an error.
    """

    fatal = True

    def __init__(
        self,
        code: int | None = None,
        name: str | None = None,
        retriable: bool | None = None,
        *,
        address: str | None = None,
        mechanism: str | None = None,
        username: str | None = None,
        **context: Any,
    ) -> None:
        self.address = address
        self.mechanism = mechanism
        self.username = username
        super().__init__(code, name, False, **context)

    def _describe(self) -> str:
        if self.address is None:  # a broker that says so in answer to something else
            return super()._describe()
        why = f"{(self.detail or 'for no given reason').rstrip('.')}." if self.code is None else super()._describe()
        return f"The login of {self.username!r} at {self.address} with {self.mechanism} failed: {why}"


class UnsupportedSaslMechanismError(AuthenticationError):
    """The broker does not offer this `sasl_mechanism`."""

    code = 33
    name = "UNSUPPORTED_SASL_MECHANISM"


class IllegalSaslStateError(AuthenticationError):
    """The listener does not expect a login, or not at this point."""

    code = 34
    name = "ILLEGAL_SASL_STATE"


class SaslAuthenticationFailedError(AuthenticationError):
    """The broker does not take these credentials."""

    code = 58
    name = "SASL_AUTHENTICATION_FAILED"


class UnsupportedVersionError(BrokerError, ConfigError):
    """The broker, or its version of an API, is too old for what the configuration asks for.

    Mostly found out from the versions that a broker offers, before anything is asked of it.
    """

    _verb = "is of no use here:"

    code = 35
    name = "UNSUPPORTED_VERSION"


class UnknownMemberIdError(BrokerError):
    """The coordinator does not know this member id."""

    code = 25
    name = "UNKNOWN_MEMBER_ID"


class IllegalGenerationError(BrokerError):
    """The group is in another generation."""

    code = 22
    name = "ILLEGAL_GENERATION"


class RebalanceInProgressError(BrokerError):
    """The group is rebalancing."""

    code = 27
    name = "REBALANCE_IN_PROGRESS"
    retriable = True


class GroupMaxSizeReachedError(BrokerError):
    """The group is full (`group.max.size`)."""

    code = 81
    name = "GROUP_MAX_SIZE_REACHED"
    fatal = True
    remedy = (
        "The group is at the broker's group.max.size. A static member cannot restart into a full classic group"
        " before its old session has expired: raise group.max.size by one, or let it wait for that"
        " with instance_id_wait_ms."
    )


class InconsistentGroupProtocolError(BrokerError):
    """No assignor is shared with the members of the group."""

    code = 23
    name = "INCONSISTENT_GROUP_PROTOCOL"
    fatal = True
    remedy = (
        "The running members share no assignor with this one: roll out a partition_assignment_strategy"
        " that names both the old and the new assignor first. A static member that is alone in its group may wait"
        " for its old session to expire instead: instance_id_wait_ms."
    )


class InvalidSessionTimeoutError(BrokerError):
    """`session_timeout_ms` is outside the broker's bounds."""

    code = 26
    name = "INVALID_SESSION_TIMEOUT"
    fatal = True
    remedy = (
        "Choose session_timeout_ms within the broker's group.min.session.timeout.ms and group.max.session.timeout.ms."
    )


class InvalidGroupIdError(BrokerError):
    """The broker does not take this `group_id`."""

    code = 24
    name = "INVALID_GROUP_ID"
    fatal = True


class OffsetOutOfRangeError(BrokerError):
    """The position is outside the partition's log and `auto_offset_reset` is `"none"`."""

    code = 1
    name = "OFFSET_OUT_OF_RANGE"
    offset: int | None = None
    remedy = "Seek to an offset inside the log, or set auto_offset_reset to 'earliest' or 'latest'."


class LogTruncationError(OffsetOutOfRangeError):
    """The log was cut before the position, by an unclean leader election, and `auto_offset_reset` is `"none"`.

    Records that were consumed are no longer in the log, and others may stand under their offsets (KIP-320).

    Attributes:
        offset: the position, behind the last record that was handed out.
        divergent_offset: the first offset at which the log differs from what was consumed; `None` where the leader
            cannot tell.
    """

    _verb = "found that the log was truncated, which is"

    def __init__(self, topic: str, partition: int, offset: int, divergent_offset: int | None) -> None:
        self.divergent_offset = divergent_offset
        where = f"consumer.seek(TopicPartition({topic!r}, {partition}), {divergent_offset})"
        super().__init__(
            api="OffsetForLeaderEpoch",
            topic=topic,
            partition=partition,
            detail=f"the position is {offset}, the logs part at {divergent_offset}"
            if divergent_offset is not None
            else f"the position is {offset}, and the leader cannot tell where the logs part",
            remedy=f"To go on with what is there now: {where}."
            if divergent_offset is not None
            else "Seek to an offset inside the log, seek_to_beginning() for instance.",
        )
        self.offset = offset


class UnknownTopicOrPartitionError(BrokerError):
    """The topic or the partition does not exist."""

    code = 3
    name = "UNKNOWN_TOPIC_OR_PARTITION"
    retriable = True
    remedy = "Create the topic, or correct its name."


class TopicAuthorizationFailedError(BrokerError):
    """This principal may not read the topic."""

    code = 29
    name = "TOPIC_AUTHORIZATION_FAILED"
    remedy = "Grant this principal READ and DESCRIBE on the topic."


class GroupAuthorizationFailedError(BrokerError):
    """This principal may not be in the group."""

    code = 30
    name = "GROUP_AUTHORIZATION_FAILED"
    fatal = True
    remedy = "Grant this principal READ on the group."


class InvalidAssignmentError(KafkaError):
    """A partition assignor, run because this member leads its group, returned what the group cannot live by.

    Attributes:
        assignor: its name.
        member_id: the member that it is about, where it is about one.
        topic, partition: the partition that it is about, where it is about one.
    """

    fatal = True
    remedy = "Correct the assignor: each existing partition to one member at most, which subscribed to its topic."

    def __init__(
        self,
        assignor: str,
        offence: str,
        *,
        member_id: str | None = None,
        topic: str | None = None,
        partition: int | None = None,
    ) -> None:
        self.assignor = assignor
        self.member_id = member_id
        self.topic = topic
        self.partition = partition
        super().__init__(f"The assignment of {assignor!r} is invalid: {offence}.")


class CommitFailedError(KafkaError):
    """Offsets were not committed.

    The `__cause__` is the broker's answer where there was one. `retriable` is true only when the same offsets
    may still be committed by the same member.

    Attributes:
        group: the group id.
        offsets: the offsets that were refused, by `(topic, partition)`.
    """

    def __init__(
        self,
        message: str,
        *,
        group: str | None = None,
        offsets: Mapping[tuple[str, int], int] | None = None,
        retriable: bool = False,
        remedy: str | None = None,
    ) -> None:
        self.group = group
        self.offsets = dict(offsets or {})
        self.retriable = retriable
        super().__init__(message, remedy=remedy)


class NoOffsetForPartitionError(KafkaError):
    """A partition has no committed offset and `auto_offset_reset` is `"none"`."""

    remedy = "Seek the partition, commit an offset for it, or set auto_offset_reset to 'earliest' or 'latest'."

    def __init__(self, topic: str, partition: int, group: str | None) -> None:
        self.topic = topic
        self.partition = partition
        self.group = group
        super().__init__(f"No committed offset for {topic}-{partition} in group {group!r}.")


class BrokerUnreachableError(KafkaError):
    """No connection to a broker could be made, or it was lost.

    Attributes:
        address: `"host:port"`, several separated by commas where all of them were tried.
        advertised_by: the bootstrap address whose metadata named this one, where that is how we know it.
    """

    retriable = True

    def __init__(
        self, message: str, *, address: str, advertised_by: str | None = None, remedy: str | None = None
    ) -> None:
        self.address = address
        self.advertised_by = advertised_by
        super().__init__(message, remedy=remedy)


class KafkaTimeoutError(KafkaError, TimeoutError):
    """A call did not end within its time. The `__cause__` is the last error met on the way, if any."""

    retriable = True


class ProtocolError(KafkaError):
    """Bytes that cannot be what they should be: a forged length, a truncated answer, unread bytes."""


class RecordError(KafkaError):
    """One record, or one batch, cannot be delivered. Consumption stands before it until a seek passes it.

    Attributes:
        topic, partition, offset: the first record concerned.
        next_offset: where the seek that passes it leads: behind the record, or behind its batch.
    """

    def __init__(
        self, message: str, *, topic: str = "", partition: int = -1, offset: int = -1, next_offset: int | None = None
    ) -> None:
        self.topic = topic
        self.partition = partition
        self.offset = offset
        self.next_offset = offset + 1 if next_offset is None else next_offset
        seek = f"To pass it: consumer.seek(TopicPartition({topic!r}, {partition}), {self.next_offset})"
        super().__init__(
            f"{topic}-{partition} offset {offset}: {message}" if topic else message, remedy=seek if topic else None
        )


class CorruptRecordError(RecordError):
    """A batch fails its CRC, cannot be decompressed within bounds, or its records do not parse."""

    code: ClassVar[int] = 2  # pyright: ignore[reportIncompatibleVariableOverride]
    name = "CORRUPT_MESSAGE"


class DeserializationError(RecordError):
    """`key_deserializer` or `value_deserializer` raised; the `__cause__` is what it raised."""


class HandlerError(RecordError):
    """The handler of `run` raised, or the dead letter for its record could not be written; the `__cause__` says which.

    Nothing from the record on is committed.
    """


class MaxPollExceededError(KafkaError):
    """The application worked on one record for longer than `max_poll_interval_ms`: its partitions were given up.

    Attributes:
        last: topic, partition and offset of the record; `None` where none was in hand.
        interval_ms: the interval allowed.
        excess_ms: how much longer it was when that was noticed.
    """

    remedy = "Handle records faster, fetch fewer at a time, or raise max_poll_interval_ms."

    def __init__(self, last: tuple[str, int, int] | None, interval_ms: int, excess_ms: int) -> None:
        self.last = last
        self.interval_ms = interval_ms
        self.excess_ms = excess_ms
        record = f" after {last[0]}-{last[1]} offset {last[2]} was handed out" if last else ""
        super().__init__(
            f"max_poll_interval_ms={interval_ms} was exceeded by at least {excess_ms} ms{record};"
            " the partitions were given up."
        )


class UnsupportedCodecError(KafkaError):
    """A batch names a compression codec that Kafka does not define."""


class IllegalStateError(KafkaError):
    """The call does not fit the consumer's state: not started, not assigned, already iterating."""


class ConsumerClosedError(IllegalStateError):
    """The consumer was closed."""


def classes_by_code() -> dict[int, type[BrokerError]]:
    """The class of each error code that has one of its own."""
    found: dict[int, type[BrokerError]] = {}
    pending: list[type[BrokerError]] = [BrokerError]
    while pending:
        cls = pending.pop()
        pending.extend(cls.__subclasses__())
        code = cls.__dict__.get("code")
        if code is not None:
            found[code] = cls
    return found

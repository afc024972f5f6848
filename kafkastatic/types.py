"""Plain values that several layers share, and the protocols by which lower layers call upper ones."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Literal, NamedTuple, Protocol, Self

from kafkastatic._value import Value
from kafkastatic.errors import ConfigError, KafkaError

NO_TOPIC_ID = bytes(16)
"""The id of a topic whose id is not known (KIP-516)."""

LEGAL_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
"""Of which the names of topics and instance ids are made."""

LONGEST_NAME = 249


class InstanceId(str):
    """A legal `group.instance.id` (KIP-345), by the rule of the Java client: brokers accept any string.

    Raises:
        ConfigError: if it is empty, longer than 249 characters, `"."` or `".."`, or holds anything but
            ASCII letters, digits, `.`, `_` and `-`.
    """

    __slots__ = ()

    def __new__(cls, value: str) -> Self:
        problem = _illegal(value)
        if problem:
            raise ConfigError(f"group_instance_id {value[:60]!r} {problem}.", remedy="Use 1 to 249 of [a-zA-Z0-9._-].")
        return super().__new__(cls, value)


class Secret:
    """A text that is not shown: not in `repr` or `str`, in f-strings, in logs, in `attrs.asdict`.

    It compares, copies and pickles as the text it stands for, so that a pickled config can still log in.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def __repr__(self) -> str:
        return "'***'"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)


def _illegal(value: str) -> str | None:
    if not value:
        return "is empty"
    if value in (".", ".."):
        return "is not allowed"
    if len(value) > LONGEST_NAME:
        return f"is {len(value)} characters long"
    if not LEGAL_CHARACTERS.issuperset(value):
        return f"holds {next(c for c in value if c not in LEGAL_CHARACTERS)!r}"
    return None


class TopicPartition(NamedTuple):
    """A partition of a topic. Equal to, and hashed as, the plain tuple."""

    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}-{self.partition}"


def by_topic(partitions: Iterable[TopicPartition]) -> dict[str, list[int]]:
    """The numbers of each topic's partitions, in the order given."""
    found: dict[str, list[int]] = {}
    for topic, partition in partitions:
        found.setdefault(topic, []).append(partition)
    return found


class OffsetAndMetadata(NamedTuple):
    """A committed offset: the next one to consume, not the last one consumed."""

    offset: int
    metadata: str = ""
    leader_epoch: int = -1


class OffsetAndTimestamp(NamedTuple):
    """An answer of `offsets_for_times`: the first offset whose timestamp (ms since the epoch) is not earlier."""

    offset: int
    timestamp: int
    leader_epoch: int = -1


class Membership(Value):
    """Who we are to the group at one moment: an immutable value, stamped on every group request.

    Attributes:
        group: the group id.
        instance_id: the persistent `group.instance.id` (KIP-345); `None` for a dynamic member.
        member_id: what the coordinator calls this process; empty before the first join.
        epoch: the classic protocol's generation, KIP-848's member epoch; -1 while not in the group.
        assignment: the partitions owned now.
    """

    group: str
    instance_id: str | None = None
    member_id: str = ""
    epoch: int = -1
    assignment: frozenset[TopicPartition] = frozenset()


class Broker(NamedTuple):
    """One node of the cluster, where its listener said that it is reached."""

    node_id: int
    host: str
    port: int
    rack: str | None = None

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"


class PartitionInfo(NamedTuple):
    """A partition as the last metadata answer described it.

    Attributes:
        leader: -1 while there is none.
        replicas: the brokers that hold it and were online.
    """

    partition: int
    leader: int
    leader_epoch: int = -1
    error_code: int = 0
    replicas: tuple[int, ...] = ()


class TopicInfo(Value):
    """A topic as the last metadata answer described it.

    Attributes:
        topic_id: 16 bytes, all zero where unknown (KIP-516). A topic that is missing keeps the id that it had.
        former: the ids of earlier topics of this name, that were deleted.
    """

    name: str
    topic_id: bytes
    partitions: Mapping[int, PartitionInfo]
    error_code: int = 0
    is_internal: bool = False
    former: frozenset[bytes] = frozenset()


class ClusterSnapshot(Value):
    """What one metadata answer said of the cluster, merged over the topics asked for so far."""

    cluster_id: str | None = None
    brokers: Mapping[int, Broker] = MappingProxyType({})
    topics: Mapping[str, TopicInfo] = MappingProxyType({})

    def leader(self, tp: TopicPartition) -> PartitionInfo | None:
        """The partition's description when it has a leader, else `None`."""
        name, index = tp
        topic = self.topics.get(name)
        info = None if topic is None else topic.partitions.get(index)
        return None if info is None or info.leader < 0 else info


class MemberSubscription(Value):
    """What one member of a group told its leader when it joined: the input of an assignor.

    Attributes:
        user_data: the bytes of the member's own assignor of that name.
        owned: what the member holds on to while it joins. Where the group rebalances eagerly it holds nothing: it has
            given up everything and would not notice that a partition was withheld for it to be given up first.
        generation: the last one in which it was a member; -1 before the first, and where it does not say (before
            Kafka 3.4).
    """

    member_id: str
    instance_id: str | None
    topics: Sequence[str]
    user_data: bytes | None = None
    owned: Sequence[TopicPartition] = ()
    generation: int = -1
    rack: str | None = None


class StateStore(Protocol):
    """Where the member id of an instance id outlives the process. Its calls block."""

    def open(self) -> str | None:
        """Take it for this process alone, and return the member id that was kept; `None` if there is none."""
        ...

    def save(self, member_id: str) -> None:
        """Keep this member id, durably: it is there after a crash of the machine."""
        ...

    def close(self) -> None:
        """Let another process have it; does not block."""
        ...


class Assignor(Protocol):
    """A partition assignor, run by the group's leader.

    It may have two more members; `kafkastatic._group.assignors` asks for them by `is_cooperative` and `user_data`:

    - `cooperative: bool = False`: it can be used in cooperative rebalances (KIP-429), where members keep what they own
      while they join. Then `assign` gives a partition that another member owns to nobody; its owner gives it up and
      joins again, and it goes to the new owner in that next generation. A consumer rebalances cooperatively if all its
      assignors are cooperative.
    - `user_data(topics: frozenset[str], owned: frozenset[TopicPartition], generation: int) -> bytes | None`: what this
      member tells the leader's assignor when it joins, beside its topics. `owned` is what it was last assigned, in
      `generation`, whether it still holds it or gave it up in order to join; empty and -1 before the first assignment.
    """

    @property
    def name(self) -> str:
        """The protocol name that members agree on, `"range"` for instance."""
        ...

    def assign(
        self, partitions: Mapping[str, int], members: Sequence[MemberSubscription]
    ) -> Mapping[str, Sequence[TopicPartition]]:
        """Share out the partitions.

        Args:
            partitions: how many partitions each topic has; topics that do not exist are left out.
            members: in no particular order.

        Returns:
            The partitions of each member, by member id: each existing partition to one member at most, which subscribed
            to its topic. Anything else ends the consumer with `InvalidAssignmentError`.
        """
        ...


class RebalanceListener:
    """Callbacks around a change of the assignment; override what you need, as `def` or `async def`.

    A callback that raises ends the consumer with that exception.
    """

    def on_partitions_assigned(self, assigned: frozenset[TopicPartition]) -> object:
        """Newly owned partitions, before the first record of them is fetched: the place to seek."""

    def on_partitions_revoked(self, revoked: frozenset[TopicPartition]) -> object:
        """Partitions about to be given up; what is consumed of them is committed after this returns."""

    def on_partitions_lost(self, lost: frozenset[TopicPartition]) -> object:
        """Partitions that another member may own already: nothing of them can be committed any more."""


class DeadLetter(Value):
    """Write a record that its handler cannot handle to another topic, and go on behind it.

    Key, value and headers are the record's own, as bytes; headers named `kafkastatic.*` say where it came from and what
    the handler raised. The record counts as done when all in-sync replicas have it.

    Headers: `kafkastatic.topic`, `.partition`, `.offset`, `.timestamp`, `.group`, `.error.class`, `.error.message`: all
    text, the last two of 1024 bytes at most. The dead letter's time is that of the failure. If it cannot be written
    within `default_api_timeout_ms`, `run` ends with `HandlerError` and the record is not committed.

    Attributes:
        topic: where to; it has to exist, and its partitions need not be as many.
    """

    topic: str

    def __init__(self, topic: str) -> None:
        if not isinstance(topic, str) or not topic:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigError(f"DeadLetter needs the name of a topic, got {topic!r}.")
        super().__init__(topic)


class Retry(Value):
    """Call the handler again with the same record; the records behind it wait.

    Attributes:
        attempts: how often again, at most.
        backoff_ms, backoff_max_ms: how long to wait before the first time, and at most; it doubles, with jitter.
        then: what to do with a record that fails all the same.
    """

    attempts: int
    backoff_ms: int
    backoff_max_ms: int
    then: Literal["raise", "skip"] | DeadLetter

    def __init__(
        self,
        *,
        attempts: int,
        backoff_ms: int = 100,
        backoff_max_ms: int = 10_000,
        then: Literal["raise", "skip"] | DeadLetter = "raise",
    ) -> None:
        numbers = {"attempts": attempts, "backoff_ms": backoff_ms, "backoff_max_ms": backoff_max_ms}
        for name, value in numbers.items():
            least = 1 if name == "attempts" else 0
            if not isinstance(value, int) or isinstance(value, bool) or value < least:  # pyright: ignore[reportUnnecessaryIsInstance]
                raise ConfigError(f"Retry needs a whole number of at least {least} for {name}, got {value!r}.")
        if then not in ("raise", "skip") and not isinstance(then, DeadLetter):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigError(f"Retry takes 'raise', 'skip' or a DeadLetter for then, got {then!r}.")
        super().__init__(**numbers, then=then)


Ordering = Literal["partition", "key"]
"""What `run` keeps in order: the records of a partition, or those of a partition with the same key."""

OnError = Literal["raise", "skip"] | Retry | DeadLetter
"""What happens to a record whose handler raises."""


class Worker(Protocol):
    """Whoever works on records for the application while they are handed to a handler."""

    def busy(self, partitions: Collection[TopicPartition]) -> bool:
        """Whether records of these partitions are in hand."""
        ...

    def cut(self, partitions: Collection[TopicPartition]) -> None:
        """Cancel the work on these partitions, and begin no more."""
        ...

    def changed(self) -> None:
        """Partitions were resumed or sought."""
        ...

    def oldest(self) -> tuple[float, tuple[str, int, int]] | None:
        """What has been worked on for longest: since when, and topic, partition and offset."""
        ...

    def fail(self, error: KafkaError) -> None:
        """End with this error."""
        ...

    @property
    def by_key(self) -> bool:
        """Whether records of one partition are worked on side by side."""
        ...

    @property
    def calling(self) -> bool:
        """Whether it is the handler that asks this, or a task of its own."""
        ...

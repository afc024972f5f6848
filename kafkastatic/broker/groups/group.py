"""A classic group: its members, what they support, who leads, and which requests wait. Pure.

What a request does to it is in `joining`, `syncing`, `leaving`; here is what holds in all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from enum import Enum
from typing import NamedTuple

from kafkastatic._protocol.consumer_protocol import decode_subscription
from kafkastatic._protocol.error_codes import FENCED_INSTANCE_ID, NONE, UNKNOWN_MEMBER_ID
from kafkastatic._protocol.messages.join_group import JoinGroupRequestProtocol
from kafkastatic.broker.java import bucket
from kafkastatic.errors import ProtocolError

CONSUMER = "consumer"
"""The protocol type of consumers, the only one whose bytes are looked into."""

Protocols = tuple[tuple[str, bytes], ...]


class GroupState(Enum):
    """By Kafka's names. A group that is not there is said to be Dead."""

    EMPTY = "Empty"
    PREPARING = "PreparingRebalance"
    COMPLETING = "CompletingRebalance"
    STABLE = "Stable"


class Parked(NamedTuple):
    """A request that waits for its answer."""

    key: Hashable
    version: int


class Initial(NamedTuple):
    """How the first rebalance of an empty group waits: for how long now, and for how much longer at most, in ms."""

    delay: int
    remaining: int


class Member:
    """A member of a classic group.

    Attributes:
        protocols: what it supports, the preferred one first, each with its metadata.
        assignment: what the leader gave it, as bytes that only members understand.
        joining, syncing: its parked requests.
        new: it has not yet been part of a generation, and cannot send heartbeats.
    """

    __slots__ = (
        "assignment",
        "client_id",
        "host",
        "instance_id",
        "joining",
        "member_id",
        "new",
        "protocols",
        "rebalance_timeout_ms",
        "session_timeout_ms",
        "syncing",
    )

    def __init__(
        self,
        member_id: str,
        instance_id: str | None,
        client_id: str,
        host: str,
        session_timeout_ms: int,
        rebalance_timeout_ms: int,
        protocols: Protocols,
        assignment: bytes = b"",
    ) -> None:
        self.member_id = member_id
        self.instance_id = instance_id
        self.client_id = client_id
        self.host = host
        self.session_timeout_ms = session_timeout_ms
        self.rebalance_timeout_ms = rebalance_timeout_ms
        self.protocols = protocols
        self.assignment = assignment
        self.joining: Parked | None = None
        self.syncing: Parked | None = None
        self.new = False

    def metadata(self, protocol: str | None) -> bytes:
        return next((metadata for name, metadata in self.protocols if name == protocol), b"")


class ClassicGroup:
    """The members of a group in one generation, and those on their way into the next.

    Attributes:
        previous: the state before this one; a rebalance out of Empty waits for more members.
        members: by member id, in the order they came.
        static: instance ids to member ids.
        pending: member ids that were given out (KIP-394) and did not join yet.
        unsynced: of this generation, who has not asked for its assignment.
        awaiting: how many members have a parked join.
        subscribed: what the members of this generation consumed when it began; `None` if that is not known.
        newcomers: whether members came while the first rebalance waited.
        stored: the group as it was last written down.
    """

    def __init__(self, group_id: str) -> None:
        self.group_id = group_id
        self.state = GroupState.EMPTY
        self.previous = GroupState.EMPTY
        self.generation = 0
        self.protocol_type: str | None = None
        self.protocol: str | None = None
        self.leader: str | None = None
        self.members: dict[str, Member] = {}
        self.static: dict[str, str] = {}
        self.pending: set[str] = set()
        self.unsynced: dict[str, None] = {}
        self.awaiting = 0
        self.initial: Initial | None = None
        self.newcomers = False
        self.stored: ClassicGroup | None = None
        self.subscribed: set[str] | None = None
        self._supported: Counter[str] = Counter()

    @property
    def all_joined(self) -> bool:
        return self.awaiting == len(self.members) and not self.pending

    @property
    def rebalance_timeout_ms(self) -> int:
        return max((member.rebalance_timeout_ms for member in self.members.values()), default=0)

    def to(self, state: GroupState) -> None:
        self.previous, self.state = self.state, state

    def validate(self, member_id: str, instance_id: str | None) -> int:
        """The error code for a request of this identity: fenced where another has the instance id."""
        if instance_id is not None:
            owner = self.static.get(instance_id)
            if owner is None:
                return UNKNOWN_MEMBER_ID
            if owner != member_id:
                return FENCED_INSTANCE_ID
        return NONE if member_id in self.members else UNKNOWN_MEMBER_ID

    # Members

    def add(self, member: Member, protocol_type: str) -> None:
        """Add a member; the first one decides the protocol type, and leads."""
        if not self.members:
            self.protocol_type = protocol_type
        if member.instance_id is not None:
            self.static[member.instance_id] = member.member_id
        if self.leader is None:
            self.leader = member.member_id
        self.members[member.member_id] = member
        self._count(member.protocols, 1)
        self.awaiting += member.joining is not None
        self.pending.discard(member.member_id)

    def remove(self, member_id: str) -> None:
        """Remove a member whose join is not parked any more, or a pending one."""
        member = self.members.pop(member_id, None)
        if member is not None:
            self._count(member.protocols, -1)
            if member.instance_id is not None:
                self.static.pop(member.instance_id, None)
        if self.leader == member_id:
            self.leader = next(iter(self.members), None)
        self.pending.discard(member_id)
        self.unsynced.pop(member_id, None)

    def rename(self, member: Member, member_id: str) -> None:
        """Give a static member's place to its successor, as it is: client id and host stay its predecessor's."""
        del self.members[member.member_id]
        if self.leader == member.member_id:
            self.leader = member_id
        member.member_id = member_id
        member.new = False
        self.members[member_id] = member
        if member.instance_id is not None:
            self.static[member.instance_id] = member_id

    def update(self, member: Member, protocols: Protocols, rebalance_timeout_ms: int, session_timeout_ms: int) -> None:
        self._count(member.protocols, -1)
        self._count(protocols, 1)
        member.protocols = protocols
        member.rebalance_timeout_ms = rebalance_timeout_ms
        member.session_timeout_ms = session_timeout_ms

    def park_join(self, member: Member, parked: Parked) -> None:
        """Let a join wait. One of the same member that waits already is forgotten, as Kafka does."""
        self.awaiting += member.joining is None
        member.joining = parked

    def take_join(self, member: Member) -> Parked | None:
        """The parked join of a member, which is to be answered now."""
        parked, member.joining = member.joining, None
        self.awaiting -= parked is not None
        return parked

    # Generations

    def elect(self) -> bool:
        """Keep the leader if it joined, else take the first one that did; whether there is one."""
        leader = self.members.get(self.leader or "")
        if leader is not None and leader.joining is None:
            joined = next((member for member in self.members.values() if member.joining is not None), None)
            if joined is None:
                return False
            self.leader = joined.member_id
        return leader is not None

    def next_generation(self, *, older: bool) -> None:
        self.generation += 1
        self.protocol = self.select_protocol(older=older) if self.members else None
        self.subscribed = self.topics()
        self.to(GroupState.COMPLETING if self.members else GroupState.EMPTY)
        self.unsynced.clear()

    def select_protocol(self, *, older: bool) -> str | None:
        """What all members support; of several, the one that most of them prefer.

        As many votes for two of them: their names decide, the other way round in the older coordinator.
        """
        candidates = [name for name, count in self._supported.items() if count == len(self.members)]
        if len(candidates) < 2:
            return candidates[0] if candidates else None
        votes = Counter(
            next(name for name, _ in member.protocols if name in candidates) for member in self.members.values()
        )
        sign = 1 if older else -1
        return max(votes, key=lambda name: (votes[name], sign * bucket(name), name))

    def supports(self, protocol_type: str, protocols: Iterable[JoinGroupRequestProtocol]) -> bool:
        """Whether a member of this type, with these protocols, may come in."""
        names = [protocol.name for protocol in protocols]
        if self.state is GroupState.EMPTY:
            return bool(protocol_type) and bool(names)
        return protocol_type == self.protocol_type and any(self._supported[name] == len(self.members) for name in names)

    def consumes(self, topic: str) -> bool:
        """Whether its members consume it, or may."""
        return topic in self.subscribed if self.subscribed is not None else self.protocol_type == CONSUMER

    def topics(self) -> set[str] | None:
        """What its members consume, `None` if their metadata cannot be read; nothing where they are no consumers."""
        if self.protocol_type != CONSUMER:
            return set()
        try:
            return {
                topic
                for member in self.members.values()
                for topic in decode_subscription(member.metadata(self.protocol)).topics
            }
        except ProtocolError:
            return None

    def _count(self, protocols: Protocols, by: int) -> None:
        for name, _ in protocols:
            self._supported[name] += by
            if not self._supported[name]:
                del self._supported[name]

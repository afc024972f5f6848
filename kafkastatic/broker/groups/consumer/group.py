"""A consumer group: its members, who owns which partition, and where it is going. Pure.

Members are values: a request makes another one of a member, and puts it into the group at the end.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import Enum
from typing import Literal

import attrs

from kafkastatic._protocol.error_codes import FENCED_INSTANCE_ID, UNKNOWN_MEMBER_ID
from kafkastatic.broker.java import hash_ordered

Place = tuple[bytes, int]
"""A partition: the id of its topic, and its number."""

LEFT = -1
"""The epoch by which a member says that it leaves for good."""
AWAY = -2
"""The epoch by which a static member says that it will be back (KIP-848)."""


class Refused(Exception):
    """A request that is answered with an error."""

    def __init__(self, code: int, message: str | None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class MemberState(Enum):
    """How far a member is on its way to its target: by Kafka's names."""

    STABLE = "STABLE"
    UNREVOKED = "UNREVOKED_PARTITIONS"
    UNRELEASED = "UNRELEASED_PARTITIONS"


@attrs.frozen
class Classic:
    """What is known of a member that speaks the classic protocol.

    Attributes:
        protocols: what it supports, the preferred one first, each with its metadata.
    """

    session_timeout_ms: int
    protocols: tuple[tuple[str, bytes], ...]


@attrs.frozen(kw_only=True)
class ConsumerMember:
    """A member at one moment.

    Attributes:
        topics, regex: what it subscribed to; both may be given.
        assignor: which one it asked for.
        epoch: of the target that it has reached, 0 before the first, AWAY of a static member that will be back.
        previous_epoch: the one before, which it may not know yet to be over.
        assigned: its partitions, and in which epoch it got each.
        revoking: what it is to give up, and has not said to have given up.
        classic: of a member that speaks the classic protocol.
    """

    member_id: str
    instance_id: str | None = None
    rack_id: str | None = None
    client_id: str = ""
    host: str = ""
    rebalance_timeout_ms: int = -1
    topics: frozenset[str] = frozenset()
    regex: str = ""
    assignor: str | None = None
    epoch: int = 0
    previous_epoch: int = -1
    state: MemberState = MemberState.STABLE
    assigned: Mapping[Place, int] = attrs.field(factory=dict[Place, int])
    revoking: Mapping[Place, int] = attrs.field(factory=dict[Place, int])
    classic: Classic | None = None

    def reached(self, epoch: int) -> bool:
        """Whether it has all that it gets in this epoch."""
        return self.state is MemberState.STABLE and self.epoch == epoch

    def holds_since(self, place: Place) -> int | None:
        """The epoch in which it got a partition, also one that it is to give up; `None` for another's."""
        return self.assigned.get(place, self.revoking.get(place))


class ConsumerGroup:
    """The members of a consumer group.

    Attributes:
        epoch: counts what calls for another target.
        target_epoch: the epoch for which `target` was computed, at `target_at` (seconds; `None` before the first).
        target: what each member is to have.
        members: by member id.
        static: instance ids to member ids.
        owners: the member id behind each partition that is not free.
        metadata: the topics subscribed to that there are, as of `epoch`: id, and number of partitions.
        resolved: the topics that match each regular expression of the members.
        seen: all topics that there were when the expressions were resolved.
    """

    def __init__(self, group_id: str, *, epoch: int) -> None:
        self.group_id = group_id
        self.epoch = epoch
        self.target_epoch = 0
        self.target_at: float | None = None
        self.target: dict[str, frozenset[Place]] = {}
        self.members: dict[str, ConsumerMember] = {}
        self.static: dict[str, str] = {}
        self.owners: dict[Place, str] = {}
        self.metadata: dict[str, tuple[bytes, int]] = {}
        self.resolved: dict[str, frozenset[str]] = {}
        self.seen: frozenset[str] = frozenset()

    @property
    def state(self) -> Literal["Empty", "Assigning", "Reconciling", "Stable"]:
        """By Kafka's names."""
        if not self.members:
            return "Empty"
        if self.epoch > self.target_epoch:
            return "Assigning"
        settled = all(member.reached(self.target_epoch) for member in self.members.values())
        return "Stable" if settled else "Reconciling"

    # Members

    def owner(self, instance_id: str | None) -> ConsumerMember | None:
        """Who has an instance id."""
        member_id = None if instance_id is None else self.static.get(instance_id)
        return None if member_id is None else self.members[member_id]

    def find(self, member_id: str, instance_id: str | None) -> ConsumerMember:
        """A member, by its instance id where it says one.

        Raises:
            Refused: if there is none, or another has the instance id.
        """
        if instance_id is None:
            member = self.members.get(member_id)
            if member is None:
                raise Refused(UNKNOWN_MEMBER_ID, f"Member {member_id} is not a member of group {self.group_id}.")
            return member
        owner = self.owner(instance_id)
        if owner is None:
            raise Refused(UNKNOWN_MEMBER_ID, f"Instance id {instance_id} is unknown.")
        if owner.member_id != member_id:
            raise Refused(
                FENCED_INSTANCE_ID,
                f"Static member {member_id} with instance id {instance_id} was fenced by member {owner.member_id}.",
            )
        return owner

    def put(self, member: ConsumerMember) -> None:
        """Add a member, or what has become of it.

        Raises:
            RuntimeError: if another member owns one of its partitions.
        """
        self._free(member.member_id)
        for place in (*member.assigned, *member.revoking):
            if place in self.owners:
                raise RuntimeError(f"{self.owners[place]} still owns {place}, which {member.member_id} got.")
            self.owners[place] = member.member_id
        self.members[member.member_id] = member
        if member.instance_id is not None:
            self.static[member.instance_id] = member.member_id

    def remove(self, member_id: str) -> None:
        member = self.members[member_id]
        self._free(member_id)
        del self.members[member_id]
        self.target.pop(member_id, None)
        if member.instance_id is not None and self.static.get(member.instance_id) == member_id:
            del self.static[member.instance_id]

    def replace(self, member: ConsumerMember, successor: ConsumerMember) -> None:
        """Give the place of a static member, and its target, to another member id."""
        target = self.target.get(member.member_id, frozenset[Place]())
        self.remove(member.member_id)
        self.put(successor)
        self.target[successor.member_id] = target

    def _free(self, member_id: str) -> None:
        member = self.members.get(member_id)
        for place in (*member.assigned, *member.revoking) if member is not None else ():
            del self.owners[place]

    # Subscriptions

    def topics_of(self, member: ConsumerMember) -> frozenset[str]:
        """What a member subscribed to; an expression that is not resolved yet matches nothing."""
        return member.topics | self.resolved.get(member.regex, frozenset())

    def subscribed(self) -> frozenset[str]:
        return frozenset[str]().union(*map(self.topics_of, self.members.values()))

    def consumes(self, topic: str) -> bool:
        """Whether one of its members subscribed to it."""
        return topic in self.subscribed()

    def regexes(self) -> list[str]:
        return list(dict.fromkeys(member.regex for member in self.members.values() if member.regex))

    def homogeneous(self) -> bool:
        """Whether all members subscribed to the same, as Kafka sees it: names beside expressions count as another."""
        kinds = {(member.regex, member.topics) for member in self.members.values()}
        return len(kinds) <= 1 and not any(regex and topics for regex, topics in kinds)

    def preferred_assignor(self) -> str | None:
        """What most of the members that ask for one ask for."""
        asked = [member.assignor for member in self.members.values() if member.assignor is not None]
        return max(hash_ordered(dict.fromkeys(asked)), key=asked.count, default=None)

    def in_hash_order(self) -> list[ConsumerMember]:
        """The members in the order in which Kafka's assignors meet them."""
        return [self.members[member_id] for member_id in hash_ordered(self.members)]

    # The classic members among them

    def classic_members(self) -> list[ConsumerMember]:
        return [member for member in self.members.values() if member.classic is not None]

    def classic_without(self, gone: Collection[str]) -> bool:
        """Whether all who are left without these members, if there are any, speak the classic protocol."""
        return all(member.classic is not None for member_id, member in self.members.items() if member_id not in gone)

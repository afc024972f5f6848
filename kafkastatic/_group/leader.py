"""What the leader of a classic group does: balance, and watch the topics of the whole group."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set

from kafkastatic._group.assignors import checked, is_cooperative
from kafkastatic._group.requests import subscription
from kafkastatic._protocol import error_codes as codes
from kafkastatic._protocol.faults import error_for
from kafkastatic._protocol.messages.join_group import JoinGroupResponseMember
from kafkastatic.types import Assignor, ClusterSnapshot, TopicPartition

COMPLETE = frozenset({"range", "roundrobin", "sticky", "cooperative-sticky"})
"""The names of Kafka's assignors, which give every partition of every topic that is subscribed to an owner. One of an
application's own may leave some out on purpose."""


class Leadership:
    """One generation's leadership.

    Args:
        members: the whole group as the JoinGroup answer lists it.
        protocol: the name of the assignor that all members share.

    Raises:
        ProtocolError: if a member's subscription does not parse.
    """

    def __init__(
        self, members: Sequence[JoinGroupResponseMember], protocol: str, assignors: Sequence[Assignor]
    ) -> None:
        self._members = [subscription(member) for member in members]
        self._assignor = next((assignor for assignor in assignors if assignor.name == protocol), None)
        self._balanced: Mapping[str, int] = {}
        self.topics = frozenset(topic for member in self._members for topic in member.topics)

    def knows_topics(self, snapshot: ClusterSnapshot) -> bool:
        """Whether metadata has said of every topic of the group how many partitions it has, or that it is missing."""
        return self.topics <= snapshot.topics.keys()

    def balance(self, snapshot: ClusterSnapshot) -> Mapping[str, Sequence[TopicPartition]]:
        """Everybody's share, by member id.

        Raises:
            InconsistentGroupProtocolError: if the group's assignor is none of ours.
            InvalidAssignmentError: if the assignor's outcome is none, or a cooperative one gives a partition to another
                member in the same generation in which it takes it from its owner.
        """
        if self._assignor is None:
            raise error_for(codes.INCONSISTENT_GROUP_PROTOCOL, api="JoinGroup")
        self._balanced = self._counts(snapshot)
        existing = {topic: count for topic, count in self._balanced.items() if count}
        outcome = self._assignor.assign(dict(existing), list(self._members))
        cooperative = is_cooperative(self._assignor)
        return checked(self._assignor.name, outcome, existing, self._members, cooperative=cooperative)

    def accept(self, snapshot: ClusterSnapshot) -> None:
        """Take the standing assignment as made for the topics as they are now (KIP-814)."""
        self._balanced = self._counts(snapshot)

    def changes(self, snapshot: ClusterSnapshot) -> list[str]:
        """The topics whose partition count differs from what was balanced; they count as balanced from now on.

        A topic that metadata names for the first time is no change.
        """
        counts, before = self._counts(snapshot), self._balanced
        self._balanced = counts
        return sorted(topic for topic in counts if topic in before and counts[topic] != before[topic])

    def _counts(self, snapshot: ClusterSnapshot) -> dict[str, int]:
        return _counts(self.topics, snapshot)


def misfits(assigned: Mapping[str, Set[int]], topics: Iterable[str], snapshot: ClusterSnapshot) -> list[str]:
    """The topics of which the group's assignment is not exactly all partitions: some have no owner, or are no more.

    A static member that restarts is given the assignment that stands, and nobody else looks at it: its topics may have
    changed while their leader was down (KIP-814), the member may read others now, or have died when it had given
    partitions up that nobody was assigned yet (KIP-429).
    """
    counts = _counts(topics, snapshot)
    return sorted(topic for topic, count in counts.items() if assigned.get(topic, frozenset()) != set(range(count)))


def _counts(topics: Iterable[str], snapshot: ClusterSnapshot) -> dict[str, int]:
    return {topic: len(snapshot.topics[topic].partitions) for topic in topics if topic in snapshot.topics}

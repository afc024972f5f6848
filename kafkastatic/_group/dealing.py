"""Kafka's `range` and `roundrobin`, which deal out all partitions anew, and the order of members for it.

Without racks: KIP-881 moves partitions towards members that say where they are only where the leader knows the racks of
the brokers, and any member takes any leader's assignment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kafkastatic.types import MemberSubscription, TopicPartition


def in_order(members: Sequence[MemberSubscription]) -> list[MemberSubscription]:
    """Members as Kafka's assignors sort them: by instance id where there is one, those first, then by member id.

    A static member's member id changes at every restart; without this order a restart would reshuffle the
    partitions at the next rebalance (KIP-345).
    """
    return sorted(members, key=lambda m: (m.instance_id is None, m.instance_id or "", m.member_id))


class RangeAssignor:
    """Kafka's `range`: topic by topic, contiguous runs of partitions, the first members get one more."""

    name = "range"

    def assign(
        self, partitions: Mapping[str, int], members: Sequence[MemberSubscription]
    ) -> dict[str, list[TopicPartition]]:
        assignment: dict[str, list[TopicPartition]] = {member.member_id: [] for member in members}
        for topic in sorted(partitions):
            subscribed = [member for member in in_order(members) if topic in member.topics]
            if not subscribed:
                continue
            each, extra = divmod(partitions[topic], len(subscribed))
            start = 0
            for index, member in enumerate(subscribed):
                end = start + each + (1 if index < extra else 0)
                assignment[member.member_id] += [TopicPartition(topic, p) for p in range(start, end)]
                start = end
        return assignment


class RoundRobinAssignor:
    """Kafka's `roundrobin`: all partitions of all topics dealt out in turn, passing over those who do not read it."""

    name = "roundrobin"

    def assign(
        self, partitions: Mapping[str, int], members: Sequence[MemberSubscription]
    ) -> dict[str, list[TopicPartition]]:
        assignment: dict[str, list[TopicPartition]] = {member.member_id: [] for member in members}
        reads = [(member.member_id, frozenset(member.topics)) for member in in_order(members)]
        turn = 0
        for topic in sorted(partitions):
            if not any(topic in topics for _, topics in reads):
                continue
            for partition in range(partitions[topic]):
                while topic not in reads[turn % len(reads)][1]:
                    turn += 1
                assignment[reads[turn % len(reads)][0]].append(TopicPartition(topic, partition))
                turn += 1
        return assignment

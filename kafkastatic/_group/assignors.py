"""Partition assignors, run by the group's leader, and the step from members to assignments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kafkastatic.errors import ConfigError
from kafkastatic.types import Assignor, MemberSubscription, TopicPartition


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


_KNOWN: dict[str, type[RangeAssignor]] = {RangeAssignor.name: RangeAssignor}


def resolve(strategies: Sequence[str | Assignor]) -> tuple[Assignor, ...]:
    """The assignors that option values name, in order of preference.

    Raises:
        ConfigError: for a name that is not known, or one that is given twice.
    """
    found: list[Assignor] = []
    for strategy in strategies:
        if isinstance(strategy, str):
            if strategy not in _KNOWN:
                raise ConfigError(
                    f"partition_assignment_strategy names {strategy!r}.",
                    remedy=f"Known are: {', '.join(sorted(_KNOWN))}; an Assignor object is taken too.",
                )
            found.append(_KNOWN[strategy]())
        else:
            found.append(strategy)
    names = [assignor.name for assignor in found]
    if len(set(names)) != len(names):
        raise ConfigError(f"partition_assignment_strategy names one assignor twice: {names}.")
    return tuple(found)

"""The assignors of the coordinator: `uniform`, which is sticky, and `range`. Pure.

Where Kafka's own depend on the order of a hash table of topics, topics are taken by name here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import attrs

from kafkastatic.broker.groups.consumer.group import Place


@attrs.frozen
class Subscriber:
    """A member as assignors see it.

    Attributes:
        topics: ids of what it subscribed to, of topics that there are, by name.
        target: what it was to have until now.
    """

    member_id: str
    instance_id: str | None
    topics: tuple[bytes, ...]
    target: frozenset[Place]


@attrs.frozen
class Wanted:
    """What is to be assigned.

    Attributes:
        members: in Kafka's order.
        partitions: how many each topic has, by id; topics by name.
        homogeneous: whether all members subscribed to the same.
        early: whether as in 3.9, where the surplus goes to the first members, also to those who have to be given it.
    """

    members: Sequence[Subscriber]
    partitions: Mapping[bytes, int]
    homogeneous: bool
    early: bool


Targets = dict[str, frozenset[Place]]


def uniform(wanted: Wanted) -> Targets:
    """Everybody gets as many partitions as the others, and keeps as many as possible of those it had."""
    if not wanted.members:
        return {}
    return _homogeneous(wanted) if wanted.homogeneous else _heterogeneous(wanted)


def _homogeneous(wanted: Wanted) -> Targets:
    topics = wanted.members[0].topics
    total = [(topic, number) for topic in topics for number in range(wanted.partitions[topic])]
    taken = frozenset[Place]().union(*(member.target for member in wanted.members))
    free = [place for place in total if place not in taken]
    least, surplus = divmod(len(total), len(wanted.members))
    kept: dict[str, list[Place]] = {}
    room: dict[str, int] = {}
    for index, member in enumerate(wanted.members):
        quota = least + (surplus > 0)
        extra = surplus > 0
        had = _ordered(member.target, topics, wanted.partitions)
        keep, given_up = had[:quota], had[quota:]
        quota -= len(keep)
        if not wanted.early and quota and extra and len(wanted.members) - index > surplus:
            quota, extra = quota - 1, False
        surplus -= extra
        kept[member.member_id], room[member.member_id] = keep, quota
        free += given_up
    for member_id, places in kept.items():
        count = room[member_id]
        places += free[:count]
        del free[:count]
    return {member_id: frozenset(places) for member_id, places in kept.items()}


def _ordered(target: frozenset[Place], topics: Sequence[bytes], partitions: Mapping[bytes, int]) -> list[Place]:
    """What a member had and may keep, topic by topic: of one that does not fit in whole the first ones are kept."""
    places = [(topic, number) for topic in topics for number in range(partitions[topic])]
    return [place for place in places if place in target]


def _heterogeneous(wanted: Wanted) -> Targets:
    """Every partition to whoever has the least of those who may have it; what was assigned stays if it can.

    Kafka's goes about it in another way, with the same result where balance leaves one only.
    """
    may = {member.member_id: frozenset(member.topics) for member in wanted.members}
    targets = {member.member_id: _kept(member, wanted.partitions) for member in wanted.members}
    taken = set[Place]().union(*targets.values())
    for topic, count in wanted.partitions.items():
        for number in range(count):
            able = [member_id for member_id, topics in may.items() if topic in topics]
            if (topic, number) not in taken and able:
                targets[min(able, key=lambda member_id: len(targets[member_id]))].add((topic, number))
    while (move := _unbalanced(targets, may, last=not wanted.early)) is not None:
        giver, taker, place = move
        targets[giver].remove(place)
        targets[taker].add(place)
    return {member_id: frozenset(places) for member_id, places in targets.items()}


def _kept(member: Subscriber, partitions: Mapping[bytes, int]) -> set[Place]:
    return {
        (topic, number)
        for topic, number in member.target
        if topic in member.topics and number < partitions.get(topic, 0)
    }


def _unbalanced(
    targets: Mapping[str, set[Place]], may: Mapping[str, frozenset[bytes]], *, last: bool
) -> tuple[str, str, Place] | None:
    """A partition that is better off with somebody who has at least two fewer: from whom, to whom."""
    by_load = sorted(targets, key=lambda member_id: len(targets[member_id]))
    for taker in by_load:
        for giver in reversed(by_load):
            if len(targets[giver]) < len(targets[taker]) + 2:
                break
            for place in sorted(targets[giver], reverse=last):
                if place[0] in may[taker]:
                    return giver, taker, place
    return None


def range_(wanted: Wanted) -> Targets:
    """Of each topic a run of partitions for everybody, the same member first in all of them; instance ids go first."""
    members = sorted(wanted.members, key=_rank)
    targets: dict[str, set[Place]] = {member.member_id: set() for member in members}
    for topic, count in wanted.partitions.items():
        takers = [member for member in members if topic in member.topics]
        start = 0
        for index, member in enumerate(takers):
            least, surplus = divmod(count, len(takers))
            end = start + least + (index < surplus)
            targets[member.member_id].update((topic, number) for number in range(start, end))
            start = end
    return {member_id: frozenset(places) for member_id, places in targets.items()}


def _rank(member: Subscriber) -> tuple[bool, str]:
    return (member.instance_id is None, member.member_id if member.instance_id is None else member.instance_id)


ASSIGNORS: Mapping[str, Callable[[Wanted], Targets]] = {"uniform": uniform, "range": range_}
"""By the names that `group.consumer.assignors` knows."""

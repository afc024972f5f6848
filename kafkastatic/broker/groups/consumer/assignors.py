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

_ROUNDS = 16
"""How often topics that not all members want are gone through, to level what members have."""


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
    """What was assigned stays if it can; the rest, then what one has too much, goes to who has the least of its topic.

    As in 4.x. 3.9 goes about it in another way, of which is followed what the scripts show: which one is given up.
    """
    takers = {topic: [one.member_id for one in wanted.members if topic in one.topics] for topic in wanted.partitions}
    counts = {topic: count for topic, count in wanted.partitions.items() if takers[topic]}
    topics = sorted(counts, key=lambda topic: (-counts[topic] / len(takers[topic]), len(takers[topic])))
    targets = {member.member_id: _kept(member, wanted.partitions) for member in wanted.members}
    taken = set[Place]().union(*targets.values())
    for topic in topics:
        order = _by_load(takers[topic], targets)
        for place in ((topic, number) for number in range(counts[topic])):
            if place not in taken:
                _least(order, targets).add(place)
    for _ in range(_ROUNDS):
        if not sum(_level(topic, takers[topic], targets, last=not wanted.early) for topic in topics):
            break
    return {member_id: frozenset(places) for member_id, places in targets.items()}


def _level(topic: bytes, takers: Sequence[str], targets: dict[str, set[Place]], *, last: bool) -> int:
    """Let those who have the most give partitions of a topic to those who have the least: how many were given.

    Args:
        last: whether it is the last ones of a member that are given; else the first.
    """
    order = _by_load(takers, targets)
    to_give = {
        taker: sorted((place for place in targets[taker] if place[0] == topic), reverse=not last) for taker in order
    }
    given, end = 0, len(order)
    while end:
        # Of those who have as much, the last one; who has none of the topic is looked at no more.
        at = max(range(end), key=lambda at: (len(targets[order[at]]), at))
        giver, least = order[at], _least(order, targets)
        if not to_give[giver]:
            end -= 1
            order[at], order[end] = order[end], order[at]
        elif len(targets[giver]) - len(least) <= 1:
            break
        else:
            place = to_give[giver].pop()
            targets[giver].remove(place)
            least.add(place)
            given += 1
    return given


def _by_load(takers: Sequence[str], targets: Mapping[str, set[Place]]) -> list[str]:
    return sorted(takers, key=lambda member_id: len(targets[member_id]))


def _least(order: Sequence[str], targets: Mapping[str, set[Place]]) -> set[Place]:
    """What the first of those has who have the least."""
    return min((targets[member_id] for member_id in order), key=len)


def _kept(member: Subscriber, partitions: Mapping[bytes, int]) -> set[Place]:
    return {
        (topic, number)
        for topic, number in member.target
        if topic in member.topics and number < partitions.get(topic, 0)
    }


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

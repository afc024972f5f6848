"""The most balanced assignment that moves the least, of all that there are.

Partitions of topics with the same readers are of one kind: to balance, only their number counts. What remains is a flow
from kinds to the members that read them. Members are filled up level by level, and a member that can get no more at its
level never can, so that nobody could have less at the cost of somebody who has more. Within a level, each partition
takes the path that costs the fewest partitions their owner, through members that hand on some of what they were given:
successive shortest paths, of which the sum is the least possible.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from kafkastatic.types import TopicPartition

STEP = 1
MOVE = 1 << 32
FAR = 1 << 64
"""What paths cost: of those with as few moves, the one with fewer steps."""


def balanced(
    partitions: Mapping[str, int], readers: Sequence[frozenset[str]], owner: Mapping[TopicPartition, int]
) -> list[list[TopicPartition]]:
    """What each member gets.

    Args:
        partitions: how many partitions each topic has.
        readers: the topics that each member reads. Where members are equal, those that come first are served first.
        owner: which member has a partition now; it reads its topic.
    """
    kinds = _kinds(partitions, readers)
    kind_of = {topic: number for number, (_, topics) in enumerate(kinds) for topic in topics}
    owned: list[dict[int, list[TopicPartition]]] = [{} for _ in readers]
    for tp, member in owner.items():
        owned[member].setdefault(kind_of[tp.topic], []).append(tp)
    flow = _Flow(
        [sum(partitions[topic] for topic in topics) for _, topics in kinds],
        [members for members, _ in kinds],
        [{kind: len(tps) for kind, tps in mine.items()} for mine in owned],
    )
    flow.run()
    shares = [_kept(mine, given) for mine, given in zip(owned, flow.given, strict=True)]
    kept = frozenset(tp for share in shares for tp in share)
    for kind, (members, topics) in enumerate(kinds):
        everything = (TopicPartition(topic, partition) for topic in topics for partition in range(partitions[topic]))
        wants = [flow.given[member].get(kind, 0) - len(owned[member].get(kind, ())) for member in members]
        for member, tp in zip(_in_turn(members, wants), (tp for tp in everything if tp not in kept), strict=True):
            shares[member].append(tp)
    return [sorted(share) for share in shares]


def _kept(owned: Mapping[int, list[TopicPartition]], given: Mapping[int, int]) -> list[TopicPartition]:
    """Of each kind as many as are given: the lower partitions of every topic rather than all of the first topics."""
    found: list[TopicPartition] = []
    for kind, tps in owned.items():
        found += sorted(tps, key=lambda tp: (tp.partition, tp.topic))[: given.get(kind, 0)]
    return found


def _kinds(partitions: Mapping[str, int], readers: Sequence[frozenset[str]]) -> list[tuple[list[int], list[str]]]:
    """Who reads which topics: the members, and the topics that just they read."""
    members_of: dict[str, list[int]] = {topic: [] for topic in sorted(partitions)}
    for member, topics in enumerate(readers):
        for topic in topics:
            if topic in members_of:
                members_of[topic].append(member)
    kinds: dict[tuple[int, ...], list[str]] = defaultdict(list)
    for topic, members in members_of.items():
        if members:
            kinds[tuple(members)].append(topic)
    return [(list(members), topics) for members, topics in kinds.items()]


def _in_turn(members: Sequence[int], wants: Sequence[int]) -> Iterator[int]:
    """Each member as often as it wants one, in turn."""
    rest = [(member, want) for member, want in zip(members, wants, strict=True) if want > 0]
    while rest:
        yield from (member for member, _ in rest)
        rest = [(member, want - 1) for member, want in rest if want > 1]


class _Flow:
    """How many partitions of which kind each member is given.

    Args:
        left: the partitions of each kind.
        readers: the members that read each kind.
        owned: how many of each kind each member has now.
    """

    def __init__(self, left: list[int], readers: list[list[int]], owned: list[dict[int, int]]) -> None:
        self.given: list[dict[int, int]] = [{} for _ in owned]
        self._left = left
        self._owned = owned
        size = [sum(mine.values()) for mine in owned]
        # Between members that are equally near, one that has less: whoever has its share already is left in peace.
        self.readers = [sorted(members, key=lambda m: size[m]) for members in readers]
        self._room: dict[int, int] = {}
        """How many more each member may be given at this level; those that can get no more are not in it."""

    def run(self) -> None:
        """Give everything away."""
        growing = sorted({member for members in self.readers for member in members})
        step = FAR
        while left := sum(self._left):
            before = self._left[:], [mine.copy() for mine in self.given]
            step = max(1, min(step, left // len(growing)))
            self._room = dict.fromkeys(growing, step)
            self._fill()
            full = [member for member in growing if not self._room[member]]
            if step > 1 and len(full) < len(growing):
                # A level may be several partitions high only where all get as many.
                self._left, self.given = before
                step //= 2
            else:
                growing, step = full, FAR

    def _fill(self) -> None:
        """Give as much as there is room for at this level, along the shortest paths first."""
        while True:
            kinds, members = self._distances()
            nearest = min((members[member] for member, room in self._room.items() if room), default=FAR)
            if nearest == FAR:
                return
            ends = {member for member, room in self._room.items() if room and members[member] == nearest}
            paths = _Paths(self, kinds, members, ends)
            for kind, distance in enumerate(kinds):
                while self._left[kind] and distance == 0 and (path := paths.find(kind)):
                    self._give(path)
                    last = path[-1][1]
                    if not self._room[last]:
                        ends.discard(last)

    def _give(self, path: list[tuple[int, int]]) -> None:
        """As many as can go along the path: each member of it is given of one kind, and hands on of the next."""
        start, last = path[0][0], path[-1][1]
        many = min(self._left[start], self._room[last])
        handed = [(member, kind) for (_, member), (kind, _) in pairwise(path)]
        for kind, member in path:
            if self.cost(kind, member) == STEP:
                many = min(many, self._owned[member][kind] - self.given[member].get(kind, 0))
        for member, kind in handed:
            own = self._owned[member].get(kind, 0) if self.refund(member, kind) else 0
            many = min(many, self.given[member][kind] - own)
        self._left[start] -= many
        self._room[last] -= many
        for kind, member in path:
            self.given[member][kind] = self.given[member].get(kind, 0) + many
        for member, kind in handed:
            self.given[member][kind] -= many
            if not self.given[member][kind]:
                del self.given[member][kind]

    def cost(self, kind: int, member: int) -> int:
        """Of one more of this kind: a move unless it is the member's own, and a step in any case."""
        return STEP if self.given[member].get(kind, 0) < self._owned[member].get(kind, 0) else MOVE + STEP

    def refund(self, member: int, kind: int) -> int:
        """Of handing one of this kind on: a move less if it is not the member's own."""
        return -MOVE if self.given[member][kind] > self._owned[member].get(kind, 0) else 0

    def _distances(self) -> tuple[list[int], list[int]]:
        """What it costs to bring one partition to each kind and to each member, from the kinds that have some left."""
        kinds = [0 if left else FAR for left in self._left]
        members = [FAR] * len(self.given)
        queue = deque(kind for kind, left in enumerate(self._left) if left)
        waiting = set(queue)
        while queue:
            kind = queue.popleft()
            waiting.discard(kind)
            for member in self.readers[kind]:
                if (cost := kinds[kind] + self.cost(kind, member)) < members[member]:
                    members[member] = cost
                    for other in self.given[member]:
                        if (reached := cost + self.refund(member, other)) < kinds[other]:
                            kinds[other] = reached
                            if other not in waiting:
                                waiting.add(other)
                                queue.append(other)
        return kinds, members


class _Paths:
    """The paths of one length, one after the other.

    A path that was taken may open others of the same length; whoever looks again after measuring anew finds them.

    Args:
        kinds, members: how far each is.
        ends: the members where a path may end.
    """

    def __init__(self, flow: _Flow, kinds: list[int], members: list[int], ends: set[int]) -> None:
        self._flow = flow
        self._kinds = kinds
        self._members = members
        self._ends = ends
        self._at = [0] * len(kinds)
        self._spent: set[int] = set()  # kinds from which there is no way any more
        self._stuck: set[int] = set()  # and such members

    def find(self, kind: int) -> list[tuple[int, int]]:
        """A path from this kind on: what kind is given to whom. Empty if there is none."""
        path: list[tuple[int, int]] = []
        passed = {kind}
        while True:
            step = self._step(kind, passed)
            if step is not None:
                member, onward = step
                path.append((kind, member))
                if onward is None:
                    return path
                kind = onward
                passed.add(kind)
            else:
                self._spent.add(kind)
                if not path:
                    return path
                kind, _ = path.pop()

    def _step(self, kind: int, passed: set[int]) -> tuple[int, int | None] | None:
        """The next member on a shortest path, and the kind that it hands on, or `None` if the path ends there."""
        readers = self._flow.readers[kind]
        for at in range(self._at[kind], len(readers)):
            member = readers[at]
            distance = self._members[member]
            if member in self._stuck or self._kinds[kind] + self._flow.cost(kind, member) != distance:
                continue
            self._at[kind] = at
            if member in self._ends:
                return member, None
            for other in self._flow.given[member]:
                if other in passed or other in self._spent:
                    continue
                if distance + self._flow.refund(member, other) == self._kinds[other]:
                    return member, other
            self._stuck.add(member)
        self._at[kind] = len(readers)
        return None

"""What holds of a group whatever comes: joins, restarts, syncs, heartbeats, leaves, moves and time in any order."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import hypothesis.strategies as st
from hypothesis import given, settings

from kafkastatic.broker.groups import GroupSnapshot, Reply
from tests.broker.group_scenes import GROUP, Scene

PROTOCOLS = (
    (("range", b"1"),),
    (("range", b"1"),),
    (("range", b"2"),),
    (("range", b"1"), ("sticky", b"1")),
    (("sticky", b"1"), ("range", b"1")),
    (("sticky", b"1"),),
)
SESSIONS = (500, 4_000, 10_000)
REBALANCES = (300, 1_000)


class Walk:
    """A group in the hands of clients that mostly, but by no means always, do what they should.

    Attributes:
        parked: by key, what for and for which member id.
        forgotten: keys that are never answered, as in Kafka: the member sent another request in their place, or it was
            removed while its sync was parked.
        seen: how often what was answered.
    """

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.scene = Scene(
            group_initial_rebalance_delay_ms=self.random.choice([0, 200]),
            group_max_size=self.random.choice([3, 100]),
            behaves_as=self.random.choice(["3.9", "4.4"]),
        )
        self.count = 0
        self.parked: dict[str, tuple[str, str]] = {}
        self.forgotten: set[str] = set()
        self.ids: list[str] = ["ghost"]
        self.generation = 0
        self.seen: Counter[tuple[str, int]] = Counter()

    def step(self) -> None:
        act = self.random.choices(
            [
                self.come,
                self.come_back,
                self.sync,
                self.beat,
                self.leave,
                self.wait,
                self.move,
                self.rejoin,
                self.assign,
            ],
            [10, 6, 8, 5, 2, 6, 2, 10, 10],
        )[0]
        act()
        self.check()

    # What clients do

    def come(self) -> None:
        inst = self.random.choice(["a", "b", "c", None])
        version = self.random.choice([3, 4, 9] if inst is None else [5, 9])
        self.send("join", "", "join", inst, version=version, **self.options())

    def come_back(self) -> None:
        mid = self.somebody()
        self.send("join", mid, "join", self.instance_of(mid), mid, **self.options())

    def rejoin(self) -> None:
        """All, or nearly all, do what a rebalance asks of them."""
        waiting = {mid for kind, mid in self.parked.values() if kind == "join"}
        for mid, inst in self.members().items():
            if mid not in waiting and self.random.random() < 0.9:
                self.send("join", mid, "join", inst, mid, rebalance=1_000, protocols=self.random.choice(PROTOCOLS[:2]))

    def assign(self) -> None:
        """Most ask for their assignments, the leader in its turn."""
        for mid, inst in self.random.sample(list(self.members().items()), len(self.members())):
            if self.random.random() < 0.8:
                self.sync_as(mid, inst)

    def sync(self) -> None:
        mid = self.somebody()
        self.sync_as(mid, self.instance_of(mid))

    def sync_as(self, mid: str, inst: str | None) -> None:
        found = self.snapshot()
        protocol = "other" if self.random.random() < 0.1 else (found.protocol if found else None) or "range"
        assign = dict.fromkeys(self.members(), b"assigned")
        self.send("sync", mid, "sync", mid, inst, gen=self.said_generation(), protocol=protocol, assign=assign)

    def beat(self) -> None:
        mid = self.somebody()
        self.send("beat", mid, "beat", mid, self.instance_of(mid), gen=self.said_generation())

    def leave(self) -> None:
        mid = self.random.choice(["", self.somebody()])
        before = self.members()
        self.send("leave", mid, "leave", (mid, self.random.choice(["a", "b", None])))
        gone = before.keys() - self.members().keys()
        self.forgotten |= {key for key, (kind, whose) in self.parked.items() if kind == "sync" and whose in gone}

    def wait(self) -> None:
        until = self.scene.now + self.random.choice([0.01, 0.2, 0.3, 1.0, 5.0])
        while (deadline := self.scene.coordinator.deadline()) is not None and deadline <= until:
            self.expire(deadline)
        self.scene.now = until

    def move(self) -> None:
        if self.random.random() < 0.5:
            self.answered(self.scene.coordinator.moved(GROUP, self.scene.now, loaded=False))
        self.answered(self.scene.coordinator.moved(GROUP, self.scene.now))
        assert self.parked.keys() <= self.forgotten
        self.generation = 0

    # Requests, and what becomes of them

    def send(self, kind: str, mid: str, method: str, *args: Any, **options: Any) -> None:
        self.count += 1
        key = f"{kind} {self.count}"
        before = self.members()
        known = {old for old, waits in self.parked.items() if waits == (kind, mid)}
        replies: list[Reply] = getattr(self.scene, method)(key, *args, **options)
        newcomers = [member for member in self.members() if member not in before]
        self.parked[key] = (kind, mid or "".join(newcomers))
        self.answered(replies)
        accepted = [reply.response.error_code for reply in replies if reply.key == key] in ([], [0])
        assert kind in ("join", "sync") or key not in self.parked
        if mid and accepted:
            self.forgotten |= known & self.parked.keys()

    def answered(self, replies: list[Reply]) -> None:
        for reply in replies:
            kind, _ = self.parked.pop(str(reply.key))  # once, and somebody has to wait for it
            assert reply.key not in self.forgotten
            assert reply.response.NAME.lower().startswith(kind.replace("beat", "heart"))
            self.seen[kind, reply.response.error_code] += 1
            if kind == "join" and reply.response.member_id:
                self.ids.append(reply.response.member_id)

    def snapshot(self) -> GroupSnapshot | None:
        return self.scene.coordinator.snapshot(GROUP)

    def members(self) -> dict[str, str | None]:
        found = self.snapshot()
        return {member.member_id: member.instance_id for member in found.members} if found else {}

    def options(self) -> dict[str, Any]:
        return {
            "protocols": self.random.choice(PROTOCOLS),
            "session": self.random.choice(SESSIONS),
            "rebalance": self.random.choice(REBALANCES),
        }

    def somebody(self) -> str:
        return self.random.choice([*self.members(), *self.members(), *self.ids[-3:]])

    def instance_of(self, mid: str) -> str | None:
        members = self.members()
        truth = mid in members and self.random.random() < 0.9
        return members[mid] if truth else self.random.choice(["a", "b", None])

    def said_generation(self) -> int:
        found = self.snapshot()
        return (found.generation if found else 0) - (self.random.random() < 0.1)

    # What holds

    def expire(self, deadline: float) -> None:
        self.scene.now = deadline
        self.answered(self.scene.coordinator.expire(deadline))
        following = self.scene.coordinator.deadline()
        assert following is None or following > deadline

    def check(self) -> None:
        found = self.snapshot()
        if found is None:
            return
        owned = [inst for inst in self.members().values() if inst is not None]
        assert len(owned) == len(set(owned)), "two members have one instance id"
        assert found.generation >= self.generation
        self.generation = found.generation
        assert (found.leader in self.members()) == bool(found.members)
        assert found.members or found.state in ("Empty", "PreparingRebalance")
        assert not found.members or found.state != "Empty"
        if found.state == "Stable":
            assert not self.parked.keys() - self.forgotten, "somebody waits for nothing"

    def end(self) -> None:
        """Nobody comes any more: every request is answered, all members are gone, nothing is waited for."""
        for _ in range(5_000):
            deadline = self.scene.coordinator.deadline()
            if deadline is None:
                break
            self.expire(deadline)
        assert self.scene.coordinator.deadline() is None
        assert self.parked.keys() <= self.forgotten
        assert self.members() == {}
        assert self.scene.state() in ("Empty", "Dead")


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32), steps=st.integers(20, 120))
def test_whatever_comes_a_group_keeps_the_rules(seed: int, steps: int) -> None:
    """An instance id has one owner, generations go forward, each request is answered once, time always goes on."""
    walk = Walk(seed)
    for _ in range(steps):
        walk.step()
    walk.end()


def test_the_walk_gets_around() -> None:
    """It meets every answer that joins, syncs and heartbeats can have."""
    seen: Counter[tuple[str, int]] = Counter()
    for seed in range(40):
        walk = Walk(seed)
        for _ in range(100):
            walk.step()
        seen += walk.seen

    met = {kind: {code for what, code in seen if what == kind} for kind in ("join", "sync", "beat")}
    assert met == {
        "join": {-1, 0, 16, 23, 25, 79, 81, 82},
        "sync": {0, 16, 22, 23, 25, 27, 82},
        "beat": {0, 22, 25, 27, 82},
    }

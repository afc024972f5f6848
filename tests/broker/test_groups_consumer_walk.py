"""Consumer groups under whatever comes: nobody owns another's partition, and a group left alone settles."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.broker.consumer_scenes import Consumers, Told
from tests.broker.group_scenes import GROUP

TOPICS = {"orders": 5, "payments": 3}
SUBSCRIPTIONS = (["orders"], ["orders"], ["orders", "payments"], ["payments"])


class Client:
    """A member that does what the protocol asks of it, when it is let; what it owns it gives up before it says so."""

    def __init__(self, mid: str, inst: str | None, topics: list[str]) -> None:
        self.mid = mid
        self.inst = inst
        self.topics = topics
        self.epoch = 0
        self.owned: dict[str, list[int]] = {}

    def beat(self, scene: Consumers) -> Told:
        if self.epoch <= 0:
            told = scene.join(self.mid, self.inst, topics=self.topics, rebalance=2_000)
        else:
            told = scene.tell(self.mid, self.epoch, self.inst, owned=self.owned)
        if told.code == 0:
            self.epoch = told.epoch
            self.owned = self.owned if told.assigned is None else told.assigned
        elif told.code != 111:
            self.epoch, self.owned = 0, {}
        return told


class Walk:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        early = self.random.random() < 0.3
        self.scene = Consumers(
            topics=dict(TOPICS),
            version=0 if early else 1,
            behaves_as="3.9" if early else "4.4",
            group_coordinator_rebalance_protocols="classic,consumer",
            group_consumer_migration_policy="bidirectional",
            group_consumer_session_timeout_ms=3_000,
            group_consumer_assignment_interval_ms=self.random.choice([0, 1_000]),
            group_consumer_assignors=self.random.choice(["uniform,range", "range,uniform"]),
        )
        self.clients = [
            Client(f"m{number}", self.random.choice([None, f"i{number}"]), self.random.choice(SUBSCRIPTIONS))
            for number in range(4)
        ]

    def step(self) -> None:
        client = self.random.choice(self.clients)
        act = self.random.choices(
            [self.beat, self.crash, self.leave, self.wait, self.grow, self.move], [20, 2, 2, 6, 1, 1]
        )
        act[0](client)
        self.check()

    def beat(self, client: Client) -> None:
        client.beat(self.scene)

    def crash(self, client: Client) -> None:
        """It comes back as another process with the same name, and knows nothing."""
        client.epoch, client.owned = 0, {}
        client.mid += "'"

    def leave(self, client: Client) -> None:
        if client.epoch > 0:
            epoch = -1 if client.inst is None or self.random.random() < 0.3 else -2
            self.scene.tell(client.mid, epoch, client.inst)
            client.epoch, client.owned = 0, {}

    def wait(self, client: Client) -> None:
        self.scene.at(self.scene.now + self.random.choice([0.1, 0.5, 1.0, 2.5]))

    def grow(self, client: Client) -> None:
        self.scene.topics.counts["orders"] += 1

    def move(self, client: Client) -> None:
        self.scene.coordinator.moved(GROUP, self.scene.now)

    def check(self) -> None:
        """That no partition has two owners, as the coordinator sees it, it says itself: see ConsumerGroup.put."""
        found = self.scene.coordinator.snapshot(GROUP)
        if found is None:
            return
        places = [place for member in found.members for place in member.assignment]
        assert len(places) == len(set(places))
        instances = [member.instance_id for member in found.members if member.instance_id is not None]
        assert len(instances) == len(set(instances))

    def settle(self) -> None:
        """All are heard every half second, for longer than any timeout."""
        for _ in range(24):
            self.scene.at(self.scene.now + 0.5)
            for client in self.clients:
                client.beat(self.scene)
                self.check()

    def shares(self) -> dict[str, set[tuple[str, int]]]:
        return {
            client.mid: {(topic, number) for topic, numbers in client.owned.items() for number in numbers}
            for client in self.clients
        }


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), steps=st.integers(10, 80))
def test_whatever_comes_nobody_owns_another_s_partition_and_the_group_settles(seed: int, steps: int) -> None:
    """Left alone, all that is subscribed to is owned, once, and nobody has what it did not ask for."""
    walk = Walk(seed)
    for _ in range(steps):
        walk.step()
    walk.settle()

    assert walk.scene.state() == "Stable"
    shares = walk.shares()
    owned = [place for share in shares.values() for place in share]
    wanted = {
        (topic, number)
        for topic in {topic for client in walk.clients for topic in client.topics}
        for number in range(walk.scene.topics.counts[topic])
    }
    assert len(owned) == len(set(owned))
    assert set(owned) == wanted
    for client in walk.clients:
        assert {topic for topic, _ in shares[client.mid]} <= set(client.topics)

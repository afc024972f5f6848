"""What the brokers of one cluster know together: nodes, topics, who leads and who coordinates. Pure.

The replicas of a partition share one log: what the leader appended, every replica in sync has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from kafkastatic.broker.java import string_hash
from kafkastatic.broker.log import PartitionLog
from kafkastatic.broker.settings import BrokerSettings

NOBODY = -1
"""The leader of a partition of which no replica is online."""

_GROUP_SLOTS = 50  # Kafka's offsets.topic.num.partitions: a group's slot says who coordinates it


class Node:
    """One broker: where it listens, and whether it does.

    Attributes:
        advertised: what clients of its further listeners are told instead, by the listener's number.
    """

    def __init__(self, node_id: int, rack: str | None = None) -> None:
        self.node_id = node_id
        self.rack = rack
        self.host = ""
        self.port = 0
        self.advertised: dict[int, tuple[str, int]] = {}
        self.online = False

    def address(self, listener: int) -> tuple[str, int]:
        """Where clients that came by a listener are sent: the host and the port."""
        return self.advertised.get(listener, (self.host, self.port))


class Partition:
    """One partition: who leads it, and its log.

    Attributes:
        replicas: node ids, the preferred leader first; `isr` those of them that are in sync.
        leader: a node id, or NOBODY.
        leader_epoch: counts its leaders.
        watchers: called after every append, change of the leader, and the end of the topic; whoever adds one takes it
            away.
    """

    def __init__(self, topic: Topic, index: int, replicas: Sequence[int]) -> None:
        self.topic = topic
        self.index = index
        self.replicas = list(replicas)
        self.isr = list(replicas)
        self.leader = self.replicas[0]
        self.leader_epoch = 0
        self.log = PartitionLog()
        self.watchers: set[Callable[[], None]] = set()

    def changed(self) -> None:
        """Tell the watchers."""
        for watcher in list(self.watchers):
            watcher()

    def lead(self, node_id: int) -> None:
        """Give it to another leader."""
        self.leader = node_id
        self.leader_epoch += 1
        self.changed()


class Topic:
    """A topic and its partitions, in order.

    Attributes:
        topic_id: 16 bytes; others each time that a topic of this name is created (KIP-516).
        config: the settings that it was given, by Kafka's names (`retention.ms`).
        deleted: whether it is gone.
    """

    def __init__(self, name: str, topic_id: bytes, config: Mapping[str, str]) -> None:
        self.name = name
        self.topic_id = topic_id
        self.config = dict(config)
        self.partitions: list[Partition] = []
        self.deleted = False


class Cluster:
    """The nodes, the topics, and who is in charge of what. Methods that change a partition tell its watchers.

    Args:
        new_id: makes the ids of topics, 16 bytes each.
    """

    def __init__(
        self, settings: BrokerSettings, cluster_id: str, nodes: Iterable[Node], new_id: Callable[[], bytes]
    ) -> None:
        self.settings = settings
        self.cluster_id = cluster_id
        self.nodes = {node.node_id: node for node in nodes}
        self.topics: dict[str, Topic] = {}
        self.topics_by_id: dict[bytes, Topic] = {}
        self.on_delete: Callable[[str], None] = lambda name: None
        self.new_topic_id = new_id
        ids = list(self.nodes)
        self._coordinators = [ids[slot % len(ids)] for slot in range(_GROUP_SLOTS)]

    # ── nodes ──

    def online(self) -> list[Node]:
        return [node for node in self.nodes.values() if node.online]

    def controller(self) -> int:
        """The node that says it is the controller: the first one online, -1 with none."""
        return next((node.node_id for node in self.online()), NOBODY)

    def node_started(self, node_id: int) -> set[int]:
        """It has all records at once, and leads and coordinates what nobody else does; nothing moves back to it.

        Returns:
            The slots of the groups that have a coordinator again.
        """
        self.nodes[node_id].online = True
        for partition in self._partitions():
            if node_id in partition.replicas and node_id not in partition.isr:
                partition.isr.append(node_id)
            if partition.leader == NOBODY and node_id in partition.replicas:
                partition.lead(node_id)
        for slot, holder in enumerate(self._coordinators):
            if not self.nodes[holder].online:
                self._coordinators[slot] = node_id
        return {slot for slot, holder in enumerate(self._coordinators) if holder == node_id}

    def node_stopped(self, node_id: int) -> set[int]:
        """Its partitions go on at another replica in sync, or nowhere.

        Returns:
            The slots of the groups whose coordinator it was, which has moved, or which is nobody now.
        """
        self.nodes[node_id].online = False
        for partition in self._partitions():
            others = [other for other in partition.isr if self.nodes[other].online]
            if others and node_id in partition.isr:
                partition.isr.remove(node_id)
            if partition.leader == node_id:
                partition.lead(others[0] if others else NOBODY)
        left = [node.node_id for node in self.online()]
        lost = {slot for slot, holder in enumerate(self._coordinators) if holder == node_id}
        for slot in lost if left else ():
            self._coordinators[slot] = left[slot % len(left)]
        return lost

    # ── topics ──

    def create_topic(
        self, name: str, partitions: int, replicas: Sequence[Sequence[int]], config: Mapping[str, str]
    ) -> Topic:
        """A new topic with these replicas; what is asked for was checked."""
        topic = Topic(name, self.new_topic_id(), config)
        self.topics[name] = self.topics_by_id[topic.topic_id] = topic
        self._grow(topic, replicas[:partitions])
        return topic

    def add_partitions(self, topic: Topic, replicas: Sequence[Sequence[int]]) -> None:
        self._grow(topic, replicas)

    def delete_topic(self, topic: Topic) -> None:
        topic.deleted = True
        del self.topics[topic.name], self.topics_by_id[topic.topic_id]
        for partition in topic.partitions:
            partition.changed()
        self.on_delete(topic.name)

    def spread(self, count: int, factor: int, first: int = 0) -> list[list[int]]:
        """Replicas for `count` partitions, each on another node than the one before."""
        ids = [node.node_id for node in self.online()] or list(self.nodes)
        factor = min(factor, len(ids))
        return [[ids[(index + copy) % len(ids)] for copy in range(factor)] for index in range(first, first + count)]

    def partition(self, topic: str, index: int) -> Partition | None:
        found = self.topics.get(topic)
        return found.partitions[index] if found and 0 <= index < len(found.partitions) else None

    def _grow(self, topic: Topic, replicas: Sequence[Sequence[int]]) -> None:
        for nodes in replicas:
            partition = Partition(topic, len(topic.partitions), nodes)
            topic.partitions.append(partition)
            alive = [node_id for node_id in nodes if self.nodes[node_id].online]
            partition.isr = alive or list(nodes)
            partition.leader = alive[0] if alive else NOBODY

    def _partitions(self) -> Iterable[Partition]:
        return [partition for topic in self.topics.values() for partition in topic.partitions]

    # ── the face to the group coordinator ──

    def topic_id(self, name: str) -> bytes | None:
        topic = self.topics.get(name)
        return topic.topic_id if topic else None

    def name(self, topic_id: bytes) -> str | None:
        topic = self.topics_by_id.get(topic_id)
        return topic.name if topic else None

    def has(self, name: str, partition: int) -> bool:
        return self.partition(name, partition) is not None

    def partitions(self, name: str) -> int:
        topic = self.topics.get(name)
        return len(topic.partitions) if topic else 0

    def names(self) -> Iterable[str]:
        return self.topics

    # ── groups ──

    def coordinator(self, group_id: str) -> int:
        """The node that coordinates a group; NOBODY when it is not online."""
        node_id = self._coordinators[slot_of(group_id)]
        return node_id if self.nodes[node_id].online else NOBODY

    def move_coordinator(self, group_id: str, to: int) -> int:
        """Of all groups in the slot of this one, as in Kafka. Returns the slot."""
        slot = slot_of(group_id)
        self._coordinators[slot] = to
        return slot


def slot_of(group_id: str) -> int:
    """Java's `abs(hashCode)`, modulo how many slots there are."""
    value = string_hash(group_id)
    value = value - (1 << 32) if value >> 31 else value
    return (0 if value == -(1 << 31) else abs(value)) % _GROUP_SLOTS

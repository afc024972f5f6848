"""What the brokers of one cluster know together: nodes, topics, who leads and who coordinates. Pure.

Replicas of a partition share one log: what the leader appended, every replica in sync has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from kafkastatic.broker.log import PartitionLog
from kafkastatic.broker.settings import BrokerSettings

GROUP_SLOTS = 50
"""How many coordinators' slots there are; Kafka's `offsets.topic.num.partitions`."""
NOBODY = -1


class Node:
    """One broker: where it listens, and whether it does."""

    def __init__(self, node_id: int, rack: str | None = None) -> None:
        self.node_id = node_id
        self.rack = rack
        self.host = ""
        self.port = 0
        self.online = False


class Partition:
    """One partition: who leads it, and its log.

    Attributes:
        leader: a node id, or NOBODY.
        leader_epoch: counts its leaders.
        watchers: called after every append and every change of the leader; whoever adds one takes it away.
    """

    def __init__(self, topic: Topic, index: int, replicas: list[int], log: PartitionLog) -> None:
        self.topic = topic
        self.index = index
        self.replicas = replicas
        self.isr = list(replicas)
        self.leader = replicas[0]
        self.leader_epoch = 0
        self.log = log
        self.watchers: set[Callable[[], None]] = set()

    def changed(self) -> None:
        for watcher in list(self.watchers):
            watcher()


class Topic:
    """A topic and its partitions, in order.

    Attributes:
        topic_id: 16 bytes; another one each time that a topic of this name is created (KIP-516).
        config: the settings that it was given, by Kafka's names (`retention.ms`).
    """

    def __init__(self, name: str, topic_id: bytes, config: Mapping[str, str]) -> None:
        self.name = name
        self.topic_id = topic_id
        self.config = dict(config)
        self.partitions: list[Partition] = []


class Cluster:
    """The nodes and topics. Methods that change something tell the partitions' watchers."""

    def __init__(self, settings: BrokerSettings, cluster_id: str, nodes: Iterable[Node], new_id: Callable[[], bytes]):
        self.settings = settings
        self.cluster_id = cluster_id
        self.nodes = {node.node_id: node for node in nodes}
        self.topics: dict[str, Topic] = {}
        self.new_id = new_id  # 16 bytes, for topics
        self._coordinators: dict[int, int] = {}

"""The handle by which a test or a demo rules the embedded broker."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Mapping
from typing import Any

from kafkastatic._protocol.error_codes import TABLE
from kafkastatic._protocol.faults import error_for
from kafkastatic._records import ConsumerRecord
from kafkastatic._runtime import Runtime
from kafkastatic.broker.admission import AppendRules, LogError
from kafkastatic.broker.apis.fetch import FetchApi
from kafkastatic.broker.apis.groups import GroupsApi
from kafkastatic.broker.apis.topics import Refused, TopicsApi
from kafkastatic.broker.cluster import Cluster, Node, Partition
from kafkastatic.broker.content import Codec, Headers, encode, read
from kafkastatic.broker.faults import Cut, Rule
from kafkastatic.broker.groups import GroupSnapshot
from kafkastatic.broker.injection import Fault
from kafkastatic.broker.listener import ClientSnapshot, Listener
from kafkastatic.broker.refusals import has_places
from kafkastatic.broker.serving import Service
from kafkastatic.broker.threads import Calls, in_loop, not_running
from kafkastatic.errors import ConfigError
from kafkastatic.types import OffsetAndMetadata, TopicPartition


class Control:
    """What a running cluster can be asked, and told. Every method is a plain call, from any thread."""

    _cluster: Cluster
    _service: Service
    _topics: TopicsApi
    _groups: GroupsApi
    _fetches: FetchApi
    _runtime: Runtime
    _listeners: dict[tuple[int, int], Listener]
    _host: str
    calls: Calls

    # ── nodes ──

    @property
    def bootstrap(self) -> str:
        """What a client takes as `bootstrap_servers`: every node, those that are stopped included.

        Raises:
            RuntimeError: if it has not been started.
        """
        return ",".join(map(self.address, self._cluster.nodes))

    def address(self, node: int) -> str:
        """Where one node listens."""
        found = self._node(node)
        if not found.port:
            raise not_running()
        return f"{f'[{found.host}]' if ':' in found.host else found.host}:{found.port}"

    @in_loop
    def stop(self, node: int = 1) -> None:
        """Close its listener and cut its connections. What it led goes on at another replica, where there is one."""
        if not self._node(node).online:
            return
        for listener in self._listeners_of(node):
            listener.close()
        self._fetches.forget(node)
        self._groups.moved(self._cluster.node_stopped(node))

    @in_loop
    def start(self, node: int = 1) -> None:
        """Start one again that was stopped, on the same port. Leaders do not move back to it."""
        found = self._node(node)
        if not found.online:
            for listener in self._listeners_of(node):
                listener.open(listener.port)
            self._groups.moved(self._cluster.node_started(node))

    @in_loop
    def listen_behind(self, advertised: Mapping[int, str]) -> dict[int, str]:
        """Listen on one more port of every node: for clients that reach it by another address, that of a proxy, say.

        As with Kafka's `advertised.listeners`, whoever comes by such a port is told these addresses.

        Args:
            advertised: the address of each node, by its id: `{1: "127.0.0.1:19092"}`.

        Returns:
            Where each node listens for them.
        """
        for node_id in advertised:
            self._check_online(node_id)
        number = 1 + max(listener.number for listener in self._listeners.values())
        found: dict[int, str] = {}
        for node_id, address in advertised.items():
            host, _, port = address.rpartition(":")
            self._node(node_id).advertised[number] = (host, int(port))
            listener = self._listeners[node_id, number] = self._listener(node_id, number)
            found[node_id] = f"{self._host}:{listener.open(0)}"
        return found

    @in_loop
    def connections(self) -> int:
        """How many connections of clients are open."""
        return sum(len(listener.peers) for listener in self._listeners.values())

    @in_loop
    def clients(self) -> list[ClientSnapshot]:
        """The connections of clients that are open: whose they are."""
        return [peer.snapshot() for listener in self._listeners.values() for peer in listener.peers]

    def _listen(self, node: Node, port: int) -> None:
        node.host = self._host
        node.port = self._listeners[node.node_id, 0].open(port)

    def _listeners_of(self, node_id: int) -> list[Listener]:
        return [listener for listener in self._listeners.values() if listener.node_id == node_id]

    def _listener(self, node_id: int, number: int = 0) -> Listener:
        return Listener(node_id, self._service, self._host, self._cluster.settings.socket_request_max_bytes, number)

    def _node(self, node_id: int) -> Node:
        if node_id not in self._cluster.nodes:
            raise ValueError(f"There is no node {node_id}, only {', '.join(map(str, self._cluster.nodes))}.")
        return self._cluster.nodes[node_id]

    def _check_online(self, node_id: int) -> None:
        if not self._node(node_id).online:
            raise ValueError(f"Node {node_id} is stopped.")

    # ── topics and records ──

    @in_loop
    def create_topic(
        self, name: str, partitions: int = 1, *, replication_factor: int | None = None, **config: str
    ) -> None:
        """Create a topic; its settings by Kafka's names with underscores: `max_message_bytes="1000"`.

        Raises:
            errors.BrokerError: what Kafka would refuse it with.
        """
        settings = {key.replace("_", "."): value for key, value in config.items()}
        with _as_broker_error(api="CreateTopics", topic=name):
            self._topics.create(name, partitions, replication_factor, settings)

    @in_loop
    def add_partitions(self, name: str, count: int) -> None:
        """Give a topic more partitions: `count` in all.

        Raises:
            errors.BrokerError: what Kafka would refuse it with.
        """
        with _as_broker_error(api="CreatePartitions", topic=name):
            self._topics.grow(name, count)

    @in_loop
    def delete_topic(self, name: str) -> None:
        """Delete a topic, its records and its committed offsets."""
        self._cluster.delete_topic(self._partition(name, 0).topic)

    @in_loop
    def topics(self) -> dict[str, int]:
        """The topics, and how many partitions each has."""
        return {name: len(topic.partitions) for name, topic in self._cluster.topics.items()}

    @in_loop
    def append(
        self,
        topic: str,
        partition: int,
        *values: bytes | None,
        key: bytes | None = None,
        headers: Headers = (),
        timestamp: int | None = None,
        codec: Codec = "none",
    ) -> int:
        """Append records to a partition, as one batch.

        Args:
            key, headers, timestamp: of each of them; the time in milliseconds since the epoch, now if it is not given.
            codec: `none`, `gzip`, `snappy`, `lz4` or `zstd`.

        Returns:
            The offset of the first one.

        Raises:
            errors.BrokerError: what Kafka would refuse it with.
        """
        target = self._partition(topic, partition)
        now = int(self._runtime.wall() * 1000)
        batch = encode(values, key, headers, now if timestamp is None else timestamp, codec)
        rules = AppendRules.of(target.topic.config, self._cluster.settings)
        with _as_broker_error(topic=topic, partition=partition):
            appended = target.log.append(batch, leader_epoch=target.leader_epoch, now_ms=now, rules=rules)
        target.changed()
        return appended.base_offset

    @in_loop
    def delete_records(self, topic: str, partition: int, before: int) -> None:
        """Delete the records of a partition that come before an offset, as retention does.

        Raises:
            errors.BrokerError: if that offset is behind the end.
        """
        target = self._partition(topic, partition)
        with _as_broker_error(topic=topic, partition=partition):
            target.log.delete_before(before)
        target.changed()

    @in_loop
    def records(self, topic: str, partition: int = 0) -> list[ConsumerRecord[bytes, bytes]]:
        """All records of a partition."""
        return read(self._partition(topic, partition))

    @in_loop
    def end_offset(self, topic: str, partition: int = 0) -> int:
        """The offset that the next record gets."""
        return self._partition(topic, partition).log.end_offset

    @in_loop
    def leader(self, topic: str, partition: int = 0) -> int:
        """The node that leads a partition; -1 when none does."""
        return self._partition(topic, partition).leader

    @in_loop
    def move_leader(self, topic: str, partition: int = 0, *, to: int) -> None:
        """Give a partition to another leader, which becomes one of its replicas.

        Raises:
            ValueError: if there is no such node, or it is stopped.
        """
        self._check_online(to)
        moved = self._partition(topic, partition)
        for nodes in (moved.replicas, moved.isr):
            if to not in nodes:
                nodes.append(to)
        moved.lead(to)

    def _partition(self, topic: str, index: int) -> Partition:
        partition = self._cluster.partition(topic, index)
        if partition is None:
            raise ValueError(f"There is no partition {topic}-{index}.")
        return partition

    # ── groups ──

    @in_loop
    def groups(self) -> list[str]:
        """The ids of the groups that exist."""
        return self._groups.coordinator.group_ids()

    @in_loop
    def group(self, group_id: str) -> GroupSnapshot | None:
        """A group as it is now; `None` if there is none."""
        return self._groups.coordinator.snapshot(group_id)

    @in_loop
    def committed(self, group_id: str) -> dict[TopicPartition, OffsetAndMetadata]:
        """The committed offsets of a group."""
        return self._groups.coordinator.committed(group_id)

    @in_loop
    def coordinator(self, group_id: str) -> int:
        """The node that coordinates a group; -1 when it is stopped."""
        return self._cluster.coordinator(group_id)

    @in_loop
    def move_coordinator(self, group_id: str, *, to: int) -> None:
        """Give a group to another coordinator, which loads it: parked requests are refused, session timers start anew.

        As in Kafka, groups move together with those in the same partition of the offsets topic.

        Raises:
            ValueError: if there is no such node, or it is stopped.
        """
        self._check_online(to)
        self._groups.moved({self._cluster.move_coordinator(group_id, to)})

    # ── what goes wrong ──

    @in_loop
    def cap(self, api: str, version: int | None) -> None:
        """Serve an API up to this version only; -1 hides it, `None` lifts the cap."""
        self._check_api(api)
        self._service.cap(api, version)

    @in_loop
    def inject(
        self,
        api: str,
        *,
        times: int | None = None,
        client_id: str | None = None,
        node: int | None = None,
        topic: str | None = None,
        partition: int | None = None,
        error: int | str | None = None,
        delay_ms: float = 0,
        drop: bool = False,
        cut: Cut | None = None,
        hold: bool = False,
        chunk: int | None = None,
    ) -> Fault:
        """Let requests go wrong: all that fit, or the next `times` of them.

        Args:
            api: the name of the API: `"Heartbeat"`.
            client_id, node, topic, partition: of which client, at which node, about what; for the APIs that are about
                topics.
            error: a code, or its name, answered instead of carrying the request out; with `topic` or `partition` for
                these only.
            delay_ms: how long a request waits before it is looked at.
            drop: carry it out, and never answer; the connection is silent from then on.
            cut: close the connection `"before"` carrying it out, or after half of the answer, `"mid-frame"`.
            hold: park it until `Fault.release()`.
            chunk: write the answer in pieces of so many bytes.

        Raises:
            ConfigError: if there is no such API, or it is not about topics.
            ValueError: if there is no such node, or a number or a word is none that has a meaning.
        """
        self._check_api(api)
        if (topic is not None or partition is not None) and not has_places(api):
            raise ConfigError(f"{api} requests are not about a topic.", remedy="Leave out topic and partition.")
        if node is not None:
            self._node(node)
        if (times is not None and times < 1) or (chunk is not None and chunk < 1) or delay_ms < 0:
            raise ValueError(f"times={times}, chunk={chunk} and delay_ms={delay_ms} have to be above 0.")
        if cut not in (None, "before", "mid-frame"):
            raise ValueError(f"cut={cut!r} is neither 'before' nor 'mid-frame'.")
        rule = Rule(api, client_id, node, topic, partition, _code(error), delay_ms, drop, cut, hold, chunk)
        return self._service.add_fault(rule, times, lambda remove: Fault(rule, remove, self.calls))

    def _check_api(self, api: str) -> None:
        if not self._service.knows(api):
            raise ConfigError(f"The embedded broker has no API {api!r}.")


@contextlib.contextmanager
def _as_broker_error(**context: Any) -> Generator[None]:
    """What Kafka would refuse, as clients' errors say it."""
    try:
        yield
    except (LogError, Refused) as refused:
        raise error_for(refused.code, detail=refused.message, **context) from None


def _code(error: int | str | None) -> int | None:
    """The number of an error.

    Raises:
        ValueError: if Kafka has none of this name or number.
    """
    if error is None or error in TABLE:
        return error  # type: ignore[return-value]
    named = next((code for code, info in TABLE.items() if info.name == error), None)
    if named is None:
        raise ValueError(f"error={error!r} is neither a code of Kafka's nor the name of one.")
    return named

"""The embedded broker: one cluster in this process."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self, get_args

import attrs

from kafkastatic._runtime import Runtime
from kafkastatic.broker.apis.configs import ConfigsApi
from kafkastatic.broker.apis.fetch import FetchApi
from kafkastatic.broker.apis.groups import GroupsApi
from kafkastatic.broker.apis.metadata import MetadataApi
from kafkastatic.broker.apis.offsets import OffsetsApi
from kafkastatic.broker.apis.produce import ProduceApi
from kafkastatic.broker.apis.topics import TopicsApi
from kafkastatic.broker.cluster import Cluster, Node
from kafkastatic.broker.control import Control
from kafkastatic.broker.groups.consumer.assignors import ASSIGNORS
from kafkastatic.broker.serving import Service
from kafkastatic.broker.settings import BrokerSettings, Release
from kafkastatic.broker.threads import Calls, LoopThread
from kafkastatic.errors import ConfigError


class Broker(Control):
    """A Kafka cluster inside this process: real sockets on loopback, everything in memory.

        async with Broker(topics={"orders": 6}) as broker:  # in the running event loop
            consumer = Consumer("orders", bootstrap_servers=broker.bootstrap, ...)

        with Broker(topics={"orders": 6}) as broker:  # in a thread of its own: for blocking clients and sync tests
            ...

    All methods are plain calls. From another thread than the broker's they are carried out in its event loop, and
    waited for.

    Args:
        topics: the topics that there are from the start, and how many partitions each has.
        brokers: how many nodes the cluster has; their ids are 1, 2, ... Leaders and coordinators are spread over them.
        host: where they listen.
        port: of the first node, the others follow; 0 lets the system choose.
        settings: what the brokers do by themselves; or each of `BrokerSettings` by name: `behaves_as="3.9"`.

    Raises:
        ConfigError: if a setting does not exist, or has a value that is none.
        BrokerError: on entering, if a topic is none that Kafka would create.
        OSError: on entering, if a port is taken.
        RuntimeError: on entering it a second time.
    """

    def __init__(
        self,
        topics: Mapping[str, int] | None = None,
        *,
        brokers: int = 1,
        host: str = "127.0.0.1",
        port: int = 0,
        settings: BrokerSettings | None = None,
        runtime: Runtime | None = None,
        **options: Any,
    ) -> None:
        if not isinstance(brokers, int) or brokers < 1:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigError(f"brokers is {brokers!r}.", remedy="A cluster has one at least.")
        if not isinstance(topics, Mapping | None):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigError(
                f"topics is {topics!r}.", remedy='Write topics={"orders": 6}: how many partitions each has.'
            )
        self._runtime = runtime or Runtime()
        self._topics_wanted = dict(topics or {})
        self._host = host
        self._first_port = port
        self.settings = _settings(settings or BrokerSettings(), options)
        nodes = [Node(number) for number in range(1, brokers + 1)]
        self._cluster = Cluster(self.settings, self._runtime.new_id(), nodes, self._new_topic_id)
        self._topics = TopicsApi(self._cluster)
        self._groups = GroupsApi(self._cluster, self._runtime)
        self._fetches = FetchApi(self._cluster, self._runtime)
        self._service = self._serve()
        self._listeners = {(node.node_id, 0): self._listener(node.node_id) for node in nodes}
        self.calls = Calls()
        self._entered = False
        self._thread: LoopThread | None = None

    def _serve(self) -> Service:
        metadata, groups, topics = MetadataApi(self._cluster), self._groups, self._topics
        configs = ConfigsApi(self._cluster)
        produce = ProduceApi(self._cluster, self._runtime)
        offsets = OffsetsApi(self._cluster)
        return Service(
            self._cluster,
            {
                "ConsumerGroupDescribe": groups.consumer_group_describe,
                "ConsumerGroupHeartbeat": groups.consumer_group_heartbeat,
                "CreatePartitions": topics.create_partitions,
                "CreateTopics": topics.create_topics,
                "DeleteGroups": groups.delete_groups,
                "DeleteTopics": topics.delete_topics,
                "DescribeCluster": metadata.describe_cluster,
                "DescribeConfigs": configs.describe_configs,
                "DescribeGroups": groups.describe_groups,
                "Fetch": self._fetches.fetch,
                "FindCoordinator": metadata.find_coordinator,
                "Heartbeat": groups.heartbeat,
                "InitProducerId": produce.init_producer_id,
                "JoinGroup": groups.join_group,
                "LeaveGroup": groups.leave_group,
                "ListGroups": groups.list_groups,
                "ListOffsets": offsets.list_offsets,
                "Metadata": metadata.metadata,
                "OffsetCommit": groups.offset_commit,
                "OffsetDelete": groups.offset_delete,
                "OffsetFetch": groups.offset_fetch,
                "OffsetForLeaderEpoch": offsets.offset_for_leader_epoch,
                "Produce": produce.produce,
                "SyncGroup": groups.sync_group,
            },
            self._fetches.in_session,
        )

    # ── life ──

    async def __aenter__(self) -> Self:
        await self._open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._close()
        if error is None:
            self._confess()

    def __enter__(self) -> Self:
        self._thread = LoopThread(self._runtime, self._open, self._close)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._thread is not None:
            self._thread.stop()
        if error is None:
            self._confess()

    async def _open(self) -> None:
        if self._entered:
            raise RuntimeError("This broker was started before: make another one.")
        self._entered = True
        self.calls.open()
        try:
            for index, node in enumerate(self._cluster.nodes.values()):
                self._listen(node, self._first_port + index if self._first_port else 0)
                node.online = True
            for name, partitions in self._topics_wanted.items():
                self.create_topic(name, partitions)
        except BaseException:
            await self._close()
            raise

    async def _close(self) -> None:
        """At once, but for connections, whose end may be awaited by whoever is not cancelled."""
        self.calls.close()
        self._groups.close()
        for listener in self._listeners.values():
            listener.close()
        for listener in self._listeners.values():
            await listener.closed()

    def _confess(self) -> None:
        if self._service.mistakes:
            raise ExceptionGroup("The embedded broker failed to answer", self._service.mistakes)

    def _new_topic_id(self) -> bytes:
        return bytes.fromhex(self._runtime.new_id().replace("-", ""))


_WORDS = {
    "group_coordinator_rebalance_protocols": ("classic", "consumer"),
    "group_consumer_assignors": tuple(ASSIGNORS),
    "group_consumer_migration_policy": ("disabled", "upgrade", "downgrade", "bidirectional"),
}
"""What these settings are made of, with commas."""


def _settings(given: BrokerSettings, options: Mapping[str, Any]) -> BrokerSettings:
    known = [field.name for field in attrs.fields(BrokerSettings)]
    for name in options:
        if name not in known:
            close = difflib.get_close_matches(name, known, 1)
            raise ConfigError(
                f"The embedded broker has no setting {name!r}.",
                remedy=f"Did you mean {close[0]}?" if close else f"It has {', '.join(known)}.",
            )
    for field in attrs.fields(BrokerSettings):
        default: object = field.default
        value = options.get(field.name, default)
        if type(value) is not type(default) or (isinstance(value, int) and value < 0):
            raise ConfigError(f"{field.name} is {value!r}.", remedy=f"Its default is {default!r}.")
    settings = attrs.evolve(given, **options)
    if settings.behaves_as not in get_args(Release):
        raise ConfigError(f"behaves_as is {settings.behaves_as!r}.", remedy=f"It is one of {get_args(Release)}.")
    for name, words in _WORDS.items():
        text: str = getattr(settings, name)
        # What is empty is up to the release; a coordinator without an assignor has none to use.
        found = text.split(",") if text or name == "group_consumer_assignors" else []
        if not {word.strip() for word in found} <= set(words):
            raise ConfigError(f"{name} is {text!r}.", remedy=f"It is made of {', '.join(words)}.")
    return settings

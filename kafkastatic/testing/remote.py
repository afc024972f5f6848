"""`--kafka`: the handle of the embedded broker, for a real cluster, as far as one can be ruled from outside."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator, Mapping
from types import TracebackType
from typing import NoReturn, Self

import attrs
import pytest

from kafkastatic._protocol.consumer_protocol import decode_assignment
from kafkastatic._protocol.messages.create_partitions import CreatePartitionsRequest, CreatePartitionsTopic
from kafkastatic._protocol.messages.create_topics import CreatableTopic, CreatableTopicConfig, CreateTopicsRequest
from kafkastatic._protocol.messages.delete_groups import DeleteGroupsRequest
from kafkastatic._protocol.messages.delete_topics import DeleteTopicsRequest
from kafkastatic._protocol.messages.describe_groups import DescribedGroup, DescribeGroupsRequest
from kafkastatic._protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from kafkastatic._protocol.messages.leave_group import LeaveGroupRequest, MemberIdentity
from kafkastatic._protocol.messages.list_groups import ListGroupsRequest
from kafkastatic._protocol.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic
from kafkastatic._protocol.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestGroup
from kafkastatic._protocol.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from kafkastatic._records import ConsumerRecord, decode, split
from kafkastatic._value import Value
from kafkastatic.broker import Broker, BrokerSettings, ClientSnapshot, MemberSnapshot
from kafkastatic.broker.content import Codec, Headers, encode
from kafkastatic.testing.jars import RealKafkaError
from kafkastatic.testing.real import RealKafka
from kafkastatic.testing.watch import open_sockets
from kafkastatic.testing.wire import Wire, eventually, patiently, refuse
from kafkastatic.types import OffsetAndMetadata, TopicPartition

_PRODUCE = 0
_OF_3 = 11  # the last version of Produce before Kafka 4
_GONE = 69  # GROUP_ID_NOT_FOUND
_BY_NAME = 12  # the last version of Produce and Fetch that names topics
_EARLIEST, _LATEST = -2, -1


def settings_of_a_real_one() -> dict[str, object]:
    """Those of the embedded broker, but for what each release has by itself, or calls otherwise."""
    defaults = attrs.asdict(BrokerSettings(default_replication_factor=1))
    given = {name: value for name, value in defaults.items() if name not in ("behaves_as", "group_consumer_assignors")}
    # An empty one stands for what the release has.
    settings = {name.replace("_", "."): value for name, value in given.items() if value != ""}
    settings["group.consumer.min.heartbeat.interval.ms"] = defaults["group_consumer_heartbeat_interval_ms"]
    return settings


@contextlib.contextmanager
def started(version: str) -> Generator[str]:
    """A real broker with the settings of the embedded one; its address."""
    try:
        kafka = RealKafka(version, settings_of_a_real_one())
        with kafka:
            yield kafka.bootstrap
    except RealKafkaError as error:
        pytest.fail(f"--kafka: {error}", pytrace=False)


class RealGroup(Value):
    """A group as DescribeGroups tells it, which leaves out two things that the embedded broker tells."""

    state: str
    protocol: str | None
    members: tuple[MemberSnapshot, ...]

    @property
    def generation(self) -> int:
        _skip("a group's generation")

    @property
    def leader(self) -> str | None:
        _skip("a group's leader")


class RealCluster:
    """A running cluster, with the calls of `Broker` that it can answer; a test that makes any other is skipped.

    Topics and groups that appear while it is entered are deleted at the end. No topic that is there before may have the
    name of one that the test wants.

    Args:
        brokers: how many nodes the test needs, at least.
        settings: what the embedded broker would be started with; a running cluster is only asked for its release.
    """

    def __init__(
        self, bootstrap: str, topics: Mapping[str, int] | None = None, *, brokers: int = 1, **settings: object
    ) -> None:
        self._wire = Wire(bootstrap)
        self._topics_wanted = dict(topics or {})
        self._brokers = brokers
        self._settings = settings
        self._before: tuple[set[str], set[str]] = (set(), set())

    def __enter__(self) -> Self:
        self._check()
        self._before = set(self.topics()), set(self.groups())
        try:
            for name, partitions in self._topics_wanted.items():
                self.create_topic(name, partitions)
        except BaseException:
            self._clean()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._clean()

    def _clean(self) -> None:
        topics, groups = self._before
        for group_id in set(self.groups()) - groups:
            patiently(lambda group_id=group_id: self._delete_group(group_id))
        for name in set(self.topics()) - topics:
            self.delete_topic(name)

    def __getattr__(self, name: str) -> Callable[..., NoReturn]:
        if name.startswith("_") or not hasattr(Broker, name):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return lambda *args, **kwargs: _skip(f"{name}()")

    def _check(self) -> None:
        release = self._settings.pop("behaves_as", None)
        if release and str(release).startswith("3") != (self._wire.ranges[_PRODUCE][1] <= _OF_3):
            pytest.skip(f"on the Kafka at {self.bootstrap}, which does not behave as {release}")
        if self._settings:
            pytest.skip(f"on a running Kafka, which takes no settings: {', '.join(self._settings)}")
        if (nodes := len(self._wire.nodes())) < self._brokers:
            pytest.skip(f"on a Kafka of {nodes} broker(s): the test wants {self._brokers}")

    # ── nodes ──

    @property
    def bootstrap(self) -> str:
        """What a client takes as `bootstrap_servers`."""
        return self._wire.bootstrap

    def address(self, node: int) -> str:
        """Where one node listens."""
        return "{}:{}".format(*self._wire.nodes()[node])

    def clients(self) -> list[ClientSnapshot]:
        """The connections of this process; who else is connected, a cluster does not tell."""
        ports = {port: node for node, (_, port) in self._wire.nodes().items()}
        found = [(here, int(there.rpartition(":")[2])) for here, there in open_sockets().values() if there]
        return [ClientSnapshot("of this process", here, ports[port]) for here, port in found if port in ports]

    # ── topics and records ──

    def create_topic(
        self, name: str, partitions: int = 1, *, replication_factor: int | None = None, **config: str
    ) -> None:
        """Create a topic, and wait until every node knows its leaders."""
        settings = [CreatableTopicConfig(name=key.replace("_", "."), value=value) for key, value in config.items()]
        topic = CreatableTopic(
            name=name, num_partitions=partitions, replication_factor=replication_factor or -1, configs=settings
        )
        request = CreateTopicsRequest(topics=[topic], timeout_ms=30_000)

        def create() -> None:
            answer = self._wire.ask(request).topics[0]
            refuse(answer.error_code, "CreateTopics", topic=name, detail=answer.error_message)

        patiently(create)
        self._wait_for_leaders(name, partitions)

    def add_partitions(self, name: str, count: int) -> None:
        """Give a topic more partitions: `count` in all."""
        topic = CreatePartitionsTopic(name=name, count=count, assignments=None)
        answer = self._wire.ask(CreatePartitionsRequest(topics=[topic], timeout_ms=30_000)).results[0]
        refuse(answer.error_code, "CreatePartitions", topic=name, detail=answer.error_message)
        self._wait_for_leaders(name, count)

    def delete_topic(self, name: str) -> None:
        """Delete a topic, and wait until every node knows."""
        answer = self._wire.ask(DeleteTopicsRequest(topic_names=[name], timeout_ms=30_000), cap=5).responses[0]
        refuse(answer.error_code, "DeleteTopics", topic=name)
        eventually(lambda: all(name not in topics for topics in self._topics_by_node()), f"{name} is deleted")

    def topics(self) -> dict[str, int]:
        """The topics, and how many partitions each has."""
        return next(self._topics_by_node())

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
        """Append records to a partition, as one batch. The offset of the first one."""
        now = int(time.time() * 1000) if timestamp is None else timestamp
        batch = memoryview(encode(values, key, headers, now, codec))
        data = TopicProduceData(name=topic, partition_data=[PartitionProduceData(index=partition, records=batch)])
        request = ProduceRequest(acks=-1, timeout_ms=30_000, topic_data=[data])

        def produce() -> int:
            answer = self._wire.ask_leader(request, topic, partition, _BY_NAME).responses[0].partition_responses[0]
            refuse(answer.error_code, "Produce", topic=topic, partition=partition, detail=answer.error_message)
            return answer.base_offset

        return patiently(produce)

    def records(self, topic: str, partition: int = 0) -> list[ConsumerRecord[bytes, bytes]]:
        """All records of a partition."""
        found: list[ConsumerRecord[bytes, bytes]] = []
        at, end = self._offset(topic, partition, _EARLIEST), self.end_offset(topic, partition)
        while at < end:
            for batch in split(self._fetched(topic, partition, at), topic, partition).batches:
                found += [record for record in decode(batch, topic, partition) if record.offset >= at]
                at = batch.next_offset
        return found

    def end_offset(self, topic: str, partition: int = 0) -> int:
        """The offset that the next record gets."""
        return self._offset(topic, partition, _LATEST)

    def leader(self, topic: str, partition: int = 0) -> int:
        """The node that leads a partition."""
        return patiently(lambda: self._wire.leader(topic, partition))

    def _offset(self, topic: str, partition: int, which: int) -> int:
        asked = ListOffsetsTopic(
            name=topic, partitions=[ListOffsetsPartition(partition_index=partition, timestamp=which)]
        )
        request = ListOffsetsRequest(replica_id=-1, topics=[asked])

        def find() -> int:
            answer = self._wire.ask_leader(request, topic, partition).topics[0].partitions[0]
            refuse(answer.error_code, "ListOffsets", topic=topic, partition=partition)
            return answer.offset

        return patiently(find)

    def _fetched(self, topic: str, partition: int, offset: int) -> memoryview | None:
        wanted = FetchPartition(partition=partition, fetch_offset=offset, partition_max_bytes=1 << 20)
        request = FetchRequest(
            max_wait_ms=500,
            min_bytes=1,
            max_bytes=1 << 24,
            session_epoch=-1,
            topics=[FetchTopic(topic=topic, partitions=[wanted])],
        )

        def fetch() -> memoryview | None:
            answer = self._wire.ask_leader(request, topic, partition, _BY_NAME).responses[0].partitions[0]
            refuse(answer.error_code, "Fetch", topic=topic, partition=partition)
            return answer.records

        return patiently(fetch)

    def _topics_by_node(self) -> Generator[dict[str, int]]:
        for address in self._wire.nodes().values():
            topics = self._wire.metadata(to=address).topics
            yield {topic.name: len(topic.partitions) for topic in topics if topic.name and not topic.is_internal}

    def _wait_for_leaders(self, name: str, count: int) -> None:
        def known() -> bool:
            for address in self._wire.nodes().values():
                topic = self._wire.metadata(name, to=address).topics[0]
                if len(topic.partitions) != count or any(one.leader_id < 0 for one in topic.partitions):
                    return False
            return True

        eventually(known, f"{name} has {count} partitions with leaders")

    # ── groups ──

    def groups(self) -> list[str]:
        """The ids of the groups that exist."""
        found: list[str] = []
        for address in self._wire.nodes().values():
            answer = self._wire.ask(ListGroupsRequest(), address)
            refuse(answer.error_code, "ListGroups")
            found += [group.group_id for group in answer.groups]
        return found

    def group(self, group_id: str) -> RealGroup | None:
        """A group as it is now; `None` if there is none."""
        found = self._described(group_id)
        if found is None:
            return None
        members = [
            MemberSnapshot(
                one.member_id,
                one.group_instance_id,
                one.client_id,
                one.client_host,
                frozenset(decode_assignment(one.member_assignment) if one.member_assignment else ()),
            )
            for one in found.members
        ]
        return RealGroup(found.group_state, found.protocol_data or None, tuple(members))

    def committed(self, group_id: str) -> dict[TopicPartition, OffsetAndMetadata]:
        """The committed offsets of a group."""
        wanted = OffsetFetchRequestGroup(group_id=group_id, topics=None)

        def fetch() -> dict[TopicPartition, OffsetAndMetadata]:
            answer = self._wire.ask_coordinator(OffsetFetchRequest(groups=[wanted]), group_id, cap=9).groups[0]
            refuse(answer.error_code, "OffsetFetch", group=group_id)
            return {
                TopicPartition(topic.name, one.partition_index): OffsetAndMetadata(
                    one.committed_offset, one.metadata or "", leader_epoch=one.committed_leader_epoch
                )
                for topic in answer.topics
                for one in topic.partitions
            }

        return patiently(fetch)

    def coordinator(self, group_id: str) -> int:
        """The node that coordinates a group."""
        return patiently(lambda: self._wire.coordinator(group_id))

    def _described(self, group_id: str) -> DescribedGroup | None:
        def describe() -> DescribedGroup | None:
            found = self._wire.ask_coordinator(DescribeGroupsRequest(groups=[group_id]), group_id).groups[0]
            refuse(0 if found.error_code == _GONE else found.error_code, "DescribeGroups", group=group_id)
            return None if found.error_code or found.group_state == "Dead" else found

        return patiently(describe)

    def _delete_group(self, group_id: str) -> None:
        """Static members stay in a group when they are closed, so they are removed first."""
        found = self._described(group_id)
        members = [
            MemberIdentity(
                member_id="" if one.group_instance_id else one.member_id, group_instance_id=one.group_instance_id
            )
            for one in (found.members if found else ())
        ]
        if members:
            self._wire.ask_coordinator(LeaveGroupRequest(group_id=group_id, members=members), group_id)
        answer = self._wire.ask_coordinator(DeleteGroupsRequest(groups_names=[group_id]), group_id).results[0]
        refuse(0 if answer.error_code == _GONE else answer.error_code, "DeleteGroups", group=group_id)


def _skip(what: str) -> NoReturn:
    pytest.skip(f"on a real Kafka, which does not tell or do this: {what}")

"""The other side of a test: a raw-protocol Kafka client that shares no code with kafkastatic.

Messages are encoded by kafka-python's protocol classes: plain ints and strings, snake_case names, every version.
Nothing is retried or hidden; responses come back as they are, error codes included.

    async with RawPeer.connect(kafka.bootstrap) as peer:
        joined = await peer.join(group, instance_id="a", topics=["orders"])
        assert joined.error_code == 0

A broker serves one request per connection at a time, so each call takes an idle connection or opens another one: a join
parked in a task does not hold back a heartbeat beside it. A cancelled call closes its connection.
`RawMember` keeps the member id and the generation between calls.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import itertools
import ssl
import struct
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any

import kafka.protocol.admin as _admin
import kafka.protocol.consumer as _consumer
import kafka.protocol.metadata as _metadata
import kafka.protocol.producer as _producer
from kafka.protocol.consumer import ConsumerProtocolAssignment, ConsumerProtocolSubscription
from kafka.record.memory_records import MemoryRecordsBuilder

from tests.support import messages as _messages

TopicPartition = tuple[str, int]

ANSWER_WITHIN = 90.0
"""Seconds after which a request without an answer fails: longer than any that waits on purpose."""

_COMPRESSION = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}


class RawError(Exception):
    """An error code where a convenience method needs success."""

    def __init__(self, api: str, code: int) -> None:
        super().__init__(f"{api} answered {code}")
        self.api = api
        self.code = code


def _message_classes() -> dict[int, tuple[str, Any, Any]]:
    """API key -> (name, request class, response class), for every API kafka-python knows, and two that it does not."""
    found: dict[int, tuple[str, Any, Any]] = {}
    for module in (_admin, _consumer, _metadata, _producer, _messages):
        for attribute, request in vars(module).items():
            if attribute.endswith("Request") and hasattr(request, "API_KEY"):
                name = attribute.removesuffix("Request")
                found[request.API_KEY] = (name, request, getattr(module, f"{name}Response", None))
    return found


MESSAGES = _message_classes()
API_KEYS = {name: key for key, (name, _, _) in MESSAGES.items()}


class RawConnection:
    """One TCP connection, one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, client_id: str) -> None:
        self._reader = reader
        self._writer = writer
        self._client_id = client_id
        self._correlation_ids = itertools.count(1)
        self._lock = asyncio.Lock()
        self.closed = False

    @classmethod
    async def open(cls, bootstrap: str, client_id: str, tls: ssl.SSLContext | None = None) -> RawConnection:
        host, port = bootstrap.rsplit(":", 1)
        return cls(*await asyncio.open_connection(host, int(port), ssl=tls), client_id)

    async def request(self, name: str, version: int, **fields: Any) -> Any:
        """Send one request by its API's name, e.g. `request("Heartbeat", 4, group_id=...)`, and return the response."""
        _, request_class, response_class = MESSAGES[API_KEYS[name]]
        message = request_class(version=version, **fields)
        async with self._lock:
            correlation_id = next(self._correlation_ids)
            message.with_header(correlation_id=correlation_id, client_id=self._client_id)
            frame = await self.exchange(bytes(message.encode(header=True)))
        response = decoded(response_class, frame, version)
        assert response.header.correlation_id == correlation_id
        return response

    async def exchange(self, request: bytes) -> bytes:
        """Send a frame's payload and return the next one received; closes the connection if it does not get there.

        :raises TimeoutError: after `ANSWER_WITHIN`
        """
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                self._writer.write(struct.pack(">i", len(request)) + request)
                (size,) = struct.unpack(">i", await self._reader.readexactly(4))
                return await self._reader.readexactly(size)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self.closed = True
        self._writer.close()

    async def aclose(self) -> None:
        self.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()


def decoded(response_class: Any, frame: bytes, version: int) -> Any:
    """A response with its header; no byte of the frame may be left over."""
    data = io.BytesIO(frame)
    header = response_class.parse_header(data, version=version)
    flexible = response_class.flexible_version_q(version)
    read = response_class._struct.compiled_decode_from(
        version, compact=flexible, tagged=flexible, data_class=response_class
    )
    response, end = read(memoryview(frame), data.tell())
    assert end == len(frame), f"{response_class.__name__} v{version}: {len(frame) - end} bytes are left over"
    response._header = header
    return response


class RawPeer:
    """A client with as many connections as it has requests in flight; made by `RawPeer.connect`."""

    def __init__(self, bootstrap: str, client_id: str = "raw-peer", tls: ssl.SSLContext | None = None) -> None:
        self.bootstrap = bootstrap
        self.client_id = client_id
        self._tls = tls
        self._idle: list[RawConnection] = []
        self._all: list[RawConnection] = []

    @classmethod
    @contextlib.asynccontextmanager
    async def connect(cls, bootstrap: str, client_id: str = "raw-peer") -> AsyncIterator[RawPeer]:
        peer = cls(bootstrap, client_id)
        peer._idle.append(await peer.connection())
        try:
            yield peer
        finally:
            await peer.aclose()

    async def aclose(self) -> None:
        """Close every connection."""
        for connection in self._all:
            connection.close()
        for connection in self._all:
            await connection.aclose()

    async def connection(self) -> RawConnection:
        """A new connection of the caller's own; closed with the peer."""
        connection = await RawConnection.open(self.bootstrap, self.client_id, self._tls)
        self._all.append(connection)
        return connection

    async def request(self, name: str, version: int, **fields: Any) -> Any:
        """Any request by its API's name and kafka-python's field names; returns the decoded response."""
        connection = self._idle.pop() if self._idle else await self.connection()
        response = await connection.request(name, version, **fields)
        self._idle.append(connection)
        return response

    # Groups

    async def join(
        self,
        group: str,
        *,
        instance_id: str | None = None,
        member_id: str = "",
        topics: Iterable[str] = (),
        session_timeout_ms: int = 10_000,
        rebalance_timeout_ms: int = 20_000,
        protocols: Sequence[tuple[str, bytes]] | None = None,
        reason: str | None = None,
        version: int = 9,
    ) -> Any:
        """JoinGroup; `protocols` defaults to range with a subscription to `topics`."""
        if protocols is None:
            protocols = [("range", subscription(topics))]
        one_protocol = _consumer.JoinGroupRequest.JoinGroupRequestProtocol
        fields: dict[str, Any] = {"group_instance_id": instance_id} if version >= 5 else {}
        if version >= 1:
            fields["rebalance_timeout_ms"] = rebalance_timeout_ms
        if version >= 8:
            fields["reason"] = reason
        return await self.request(
            "JoinGroup",
            version,
            group_id=group,
            session_timeout_ms=session_timeout_ms,
            member_id=member_id,
            protocol_type="consumer",
            protocols=[one_protocol(name=name, metadata=metadata) for name, metadata in protocols],
            **fields,
        )

    async def sync(
        self,
        group: str,
        generation: int,
        member_id: str,
        *,
        instance_id: str | None = None,
        assignments: Mapping[str, bytes] | None = None,
        protocol: str = "range",
        version: int = 5,
    ) -> Any:
        """SyncGroup; `assignments` maps member ids to `assignment(...)` bytes, for the leader."""
        one = _consumer.SyncGroupRequest.SyncGroupRequestAssignment
        fields: dict[str, Any] = {"group_instance_id": instance_id} if version >= 3 else {}
        if version >= 5:
            fields |= {"protocol_type": "consumer", "protocol_name": protocol}
        return await self.request(
            "SyncGroup",
            version,
            group_id=group,
            generation_id=generation,
            member_id=member_id,
            assignments=[one(member_id=member, assignment=data) for member, data in (assignments or {}).items()],
            **fields,
        )

    async def heartbeat(
        self, group: str, generation: int, member_id: str, *, instance_id: str | None = None, version: int = 4
    ) -> Any:
        fields = {"group_instance_id": instance_id} if version >= 3 else {}
        return await self.request(
            "Heartbeat", version, group_id=group, generation_id=generation, member_id=member_id, **fields
        )

    async def leave(
        self, group: str, member_id: str = "", *, instance_id: str | None = None, reason: str | None = None
    ) -> Any:
        """LeaveGroup v5 for one member; an administrator's removal gives the instance id alone."""
        identity = _consumer.LeaveGroupRequest.MemberIdentity(
            member_id=member_id, group_instance_id=instance_id, reason=reason
        )
        return await self.request("LeaveGroup", 5, group_id=group, members=[identity])

    async def commit(
        self,
        group: str,
        offsets: Mapping[TopicPartition, int],
        *,
        generation: int = -1,
        member_id: str = "",
        instance_id: str | None = None,
        version: int = 9,
    ) -> dict[TopicPartition, int]:
        """OffsetCommit; returns the error code of each partition."""
        topic_class = _consumer.OffsetCommitRequest.OffsetCommitRequestTopic
        partition_class = topic_class.OffsetCommitRequestPartition
        topics = [
            topic_class(
                name=name,
                partitions=[
                    partition_class(
                        partition_index=partition,
                        committed_offset=offset,
                        committed_leader_epoch=-1,
                        committed_metadata="",
                    )
                    for (of, partition), offset in offsets.items()
                    if of == name
                ],
            )
            for name in dict.fromkeys(name for name, _ in offsets)
        ]
        fields = {"group_instance_id": instance_id} if version >= 7 else {}
        response = await self.request(
            "OffsetCommit",
            version,
            group_id=group,
            generation_id_or_member_epoch=generation,
            member_id=member_id,
            topics=topics,
            **fields,
        )
        return {(t.name, p.partition_index): p.error_code for t in response.topics for p in t.partitions}

    async def committed(self, group: str, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """OffsetFetch v7; -1 where nothing is committed."""
        partitions = list(partitions)
        topic_class = _consumer.OffsetFetchRequest.OffsetFetchRequestTopic
        topics = [
            topic_class(name=name, partition_indexes=[p for of, p in partitions if of == name])
            for name in dict.fromkeys(name for name, _ in partitions)
        ]
        response = await self.request("OffsetFetch", 7, group_id=group, topics=topics, require_stable=False)
        _check("OffsetFetch", response.error_code)
        return {(t.name, p.partition_index): p.committed_offset for t in response.topics for p in t.partitions}

    async def describe(self, group: str) -> Any:
        """DescribeGroups v5, the one group: group_state, protocol_data, members (member_id, group_instance_id, ...)."""
        response = await self.request("DescribeGroups", 5, groups=[group], include_authorized_operations=False)
        return response.groups[0]

    async def member_ids(self, group: str) -> dict[str | None, str]:
        """Instance id -> member id of a group's present members (of the dynamic ones only one remains)."""
        return {member.group_instance_id: member.member_id for member in (await self.describe(group)).members}

    async def find_coordinator(self, group: str) -> Any:
        """FindCoordinator v4, the one coordinator: error_code, node_id, host, port."""
        return (await self.request("FindCoordinator", 4, key_type=0, coordinator_keys=[group])).coordinators[0]

    # Topics and records

    async def create_topic(
        self, name: str, partitions: int = 1, config: Mapping[str, str] | None = None, timeout: float = 30.0
    ) -> None:
        """CreateTopics, then wait until each partition has a leader.

        :raises RawError: if the topic could not be created
        """
        topic_class = _admin.CreateTopicsRequest.CreatableTopic
        config_class = topic_class.CreatableTopicConfig
        topic = topic_class(
            name=name,
            num_partitions=partitions,
            replication_factor=1,
            assignments=[],
            configs=[config_class(name=key, value=value) for key, value in (config or {}).items()],
        )
        response = await self.request("CreateTopics", 7, topics=[topic], timeout_ms=30_000, validate_only=False)
        _check("CreateTopics", response.topics[0].error_code)
        await self._wait_for_leaders(name, partitions, timeout)

    async def create_partitions(self, name: str, count: int, timeout: float = 30.0) -> None:
        """CreatePartitions up to `count`, then wait until each partition has a leader.

        :raises RawError: if the partitions could not be created
        """
        topic_class = _admin.CreatePartitionsRequest.CreatePartitionsTopic
        topic = topic_class(name=name, count=count, assignments=None)
        response = await self.request("CreatePartitions", 3, topics=[topic], timeout_ms=30_000, validate_only=False)
        _check("CreatePartitions", response.results[0].error_code)
        await self._wait_for_leaders(name, count, timeout)

    async def delete_topic(self, name: str) -> None:
        """DeleteTopics.

        :raises RawError: if the topic could not be deleted
        """
        response = await self.request("DeleteTopics", 5, topic_names=[name], timeout_ms=30_000)
        _check("DeleteTopics", response.responses[0].error_code)

    async def partitions(self, topic: str) -> dict[int, int]:
        """Partition -> leader (-1 for none) by Metadata v8; empty for an unknown topic."""
        topic_class = _metadata.MetadataRequest.MetadataRequestTopic
        response = await self.request(
            "Metadata",
            8,
            topics=[topic_class(name=topic)],
            allow_auto_topic_creation=False,
            include_cluster_authorized_operations=False,
            include_topic_authorized_operations=False,
        )
        return {p.partition_index: p.leader_id for p in response.topics[0].partitions}

    async def _wait_for_leaders(self, topic: str, count: int, timeout: float) -> None:
        clock = asyncio.get_running_loop().time
        deadline = clock() + timeout
        while True:
            leaders = await self.partitions(topic)
            if len(leaders) == count and all(leader >= 0 for leader in leaders.values()):
                return
            if clock() > deadline:
                raise TimeoutError(f"{topic} has not {count} partitions with leaders after {timeout:g} s: {leaders}")
            await asyncio.sleep(0.02)

    async def produce(
        self,
        topic: str,
        partition: int,
        values: Iterable[bytes | tuple[bytes | None, bytes | None, Sequence[tuple[str, bytes]]] | None],
        *,
        compression: str = "none",
        timestamp_ms: int | None = None,
    ) -> int:
        """One batch with kafka-python's encoder, acks=all; a value or (key, value, headers) each. The first offset.

        :raises RawError: if the broker refuses the batch
        """
        builder = MemoryRecordsBuilder(magic=2, compression_type=_COMPRESSION[compression], batch_size=2**30)
        for value in values:
            key, value, headers = value if isinstance(value, tuple) else (None, value, ())
            builder.append(timestamp_ms or int(time.time() * 1000), key, value, list(headers))
        builder.close()
        return await self.produce_batch(topic, partition, bytes(builder.buffer()))

    async def produce_batch(self, topic: str, partition: int, batch: bytes) -> int:
        """Ready bytes of record batches, acks=all; the first offset.

        :raises RawError: if the broker refuses them
        """
        topic_class = _producer.ProduceRequest.TopicProduceData
        data = topic_class.PartitionProduceData(index=partition, records=batch)
        response = await self.request(
            "Produce",
            9,
            transactional_id=None,
            acks=-1,
            timeout_ms=30_000,
            topic_data=[topic_class(name=topic, partition_data=[data])],
        )
        answer = response.responses[0].partition_responses[0]
        _check("Produce", answer.error_code)
        return answer.base_offset


Assign = Callable[[Mapping[str, str | None]], Mapping[str, Iterable[TopicPartition]]]


class RawMember:
    """One member of a group, moved by hand: member id, generation and assignment are kept between the calls.

    Leave a call parked with `asyncio.create_task(member.join())`.
    """

    def __init__(
        self,
        peer: RawPeer,
        group: str,
        topics: Iterable[str],
        instance_id: str | None = None,
        *,
        session_timeout_ms: int = 10_000,
        rebalance_timeout_ms: int = 20_000,
        protocols: Sequence[tuple[str, bytes]] | None = None,
        join_version: int = 9,
    ) -> None:
        self.peer = peer
        self.group = group
        self.topics = list(topics)
        self.instance_id = instance_id
        self.session_timeout_ms = session_timeout_ms
        self.rebalance_timeout_ms = rebalance_timeout_ms
        self.protocols = protocols
        self.join_version = join_version
        self.member_id = ""
        self.generation = -1
        self.protocol = "range"
        self.is_leader = False
        self.members: dict[str, str | None] = {}  # the leader's list: member id -> instance id
        self.assignment: set[TopicPartition] | None = None

    async def join(self, *, reason: str | None = None) -> Any:
        """JoinGroup with the kept member id; a dynamic member's 79 is answered once with the id it brings."""
        for _ in range(2):
            joined = await self.peer.join(
                self.group,
                instance_id=self.instance_id,
                member_id=self.member_id,
                topics=self.topics,
                session_timeout_ms=self.session_timeout_ms,
                rebalance_timeout_ms=self.rebalance_timeout_ms,
                protocols=self.protocols,
                reason=reason,
                version=self.join_version,
            )
            if joined.error_code != 79:
                break
            self.member_id = joined.member_id
        if joined.error_code == 0:
            self.member_id, self.generation = joined.member_id, joined.generation_id
            self.protocol = joined.protocol_name
            skip = self.join_version >= 9 and joined.skip_assignment
            self.is_leader = joined.leader == joined.member_id and not skip
            self.members = {m.member_id: m.group_instance_id for m in joined.members}
        return joined

    async def sync(self, assignments: Mapping[str, Iterable[TopicPartition]] | None = None) -> Any:
        """SyncGroup; `assignments` maps member ids to partitions, for the leader."""
        encoded = {member: assignment(partitions) for member, partitions in (assignments or {}).items()}
        synced = await self.peer.sync(
            self.group,
            self.generation,
            self.member_id,
            instance_id=self.instance_id,
            assignments=encoded,
            protocol=self.protocol,
        )
        if synced.error_code == 0:
            self.assignment = partitions_of(synced.assignment)
        return synced

    async def settle(self, assign: Assign | None = None) -> set[TopicPartition]:
        """Join and sync until both succeed; a rebalance in between (27) starts again. The partitions assigned.

        As leader, `assign` maps {member id: instance id} to {member id: partitions}; without it every partition of this
        member's topics is dealt round in the order of instance id, then member id.

        :raises RawError: for any other error code
        :raises TimeoutError: if that takes longer than `ANSWER_WITHIN`
        """
        async with asyncio.timeout(ANSWER_WITHIN):
            while True:
                _check("JoinGroup", (await self.join()).error_code)
                plan = None
                if self.is_leader:
                    plan = assign(self.members) if assign else await self._deal()
                synced = await self.sync(plan)
                if synced.error_code == 27:
                    continue
                _check("SyncGroup", synced.error_code)
                assert self.assignment is not None
                return self.assignment

    async def _deal(self) -> dict[str, list[TopicPartition]]:
        order = sorted(self.members, key=lambda member: (self.members[member] or "", member))
        everything = [(topic, p) for topic in self.topics for p in sorted(await self.peer.partitions(topic))]
        return {member: everything[place :: len(order)] for place, member in enumerate(order)}

    async def heartbeat(self) -> int:
        """Heartbeat; the error code."""
        response = await self.peer.heartbeat(self.group, self.generation, self.member_id, instance_id=self.instance_id)
        return response.error_code

    async def leave(self) -> int:
        """LeaveGroup; the member's error code, or the request's own."""
        response = await self.peer.leave(self.group, self.member_id, instance_id=self.instance_id)
        return response.error_code or response.members[0].error_code

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        """OffsetCommit in the present generation; the error code of each partition."""
        return await self.peer.commit(
            self.group, offsets, generation=self.generation, member_id=self.member_id, instance_id=self.instance_id
        )

    @contextlib.asynccontextmanager
    async def beating(self, interval: float = 0.3, *, follow: bool = False) -> AsyncIterator[list[int]]:
        """Heartbeats in the background while the block runs; yields the list their error codes are added to.

        With `follow` a rebalance (27) is followed by `settle`; any other error code ends the heartbeats.
        """
        codes: list[int] = []

        async def beat() -> None:
            while True:
                codes.append(await self.heartbeat())
                if codes[-1] == 27 and follow:
                    await self.settle()
                elif codes[-1] not in (0, 27):
                    return
                await asyncio.sleep(interval)

        async with meanwhile(beat()):
            yield codes


@contextlib.asynccontextmanager
async def meanwhile(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Do this in the background while the block runs, and no longer."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def subscription(
    topics: Iterable[str],
    *,
    owned: Iterable[TopicPartition] = (),
    generation: int = -1,
    user_data: bytes | None = None,
    version: int = 3,
) -> bytes:
    """The bytes a member joins with."""
    owned = list(owned)
    topic_class = ConsumerProtocolSubscription.TopicPartition
    message = ConsumerProtocolSubscription(
        topics=sorted(topics),
        user_data=user_data,
        owned_partitions=[
            topic_class(topic=name, partitions=sorted(p for of, p in owned if of == name))
            for name in sorted({name for name, _ in owned})
        ],
        generation_id=generation,
        rack_id=None,
    )
    return bytes(message.encode(version=version))


def assignment(partitions: Iterable[TopicPartition], version: int = 1) -> bytes:
    """The bytes a leader sends for one member."""
    partitions = list(partitions)
    topic_class = ConsumerProtocolAssignment.TopicPartition
    message = ConsumerProtocolAssignment(
        assigned_partitions=[
            topic_class(topic=name, partitions=sorted(p for of, p in partitions if of == name))
            for name in sorted({name for name, _ in partitions})
        ],
        user_data=None,
    )
    return bytes(message.encode(version=version))


def partitions_of(data: bytes) -> set[TopicPartition]:
    """The partitions in an assignment's bytes."""
    if not data:
        return set()
    decoded = ConsumerProtocolAssignment.decode(bytes(data))
    return {(topic.topic, partition) for topic in decoded.assigned_partitions for partition in topic.partitions}


def _check(api: str, code: int) -> None:
    if code != 0:
        raise RawError(api, code)

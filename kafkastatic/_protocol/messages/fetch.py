# Generated from kafka-clients 4.4.0 by tools/generate.py; do not edit.

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import ClassVar, Self

from kafkastatic._protocol.primitives import (
    Bytes,
    Message,
    Reader,
    Request,
    Response,
    Writer,
    ZERO_UUID,
    absent,
)

_I16_I32 = struct.Struct(">hi")
_I32 = struct.Struct(">i")
_I32_I16_I64_I64 = struct.Struct(">ihqq")
_I32_I32 = struct.Struct(">ii")
_I32_I32_I32_I8 = struct.Struct(">iiib")
_I32_I64 = struct.Struct(">iq")
_I64 = struct.Struct(">q")
_I64_I32 = struct.Struct(">qi")
_I64_I64 = struct.Struct(">qq")
_UUID = struct.Struct(">16s")


class EpochEndOffset(Message):
    __slots__ = (
        "epoch",
        "end_offset",
    )
    epoch: int
    end_offset: int

    def __init__(
        self,
        *,
        epoch: int = -1,
        end_offset: int = -1,
    ) -> None:
        self.epoch = epoch
        self.end_offset = end_offset

    def write(self, out: Writer, version: int) -> None:
        out.pack(_I32_I64, self.epoch, self.end_offset)
        out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        self.epoch, self.end_offset = reader.unpack(_I32_I64)
        reader.skip_tags()
        return self


class LeaderIdAndEpoch(Message):
    __slots__ = (
        "leader_id",
        "leader_epoch",
    )
    leader_id: int
    leader_epoch: int

    def __init__(
        self,
        *,
        leader_id: int = -1,
        leader_epoch: int = -1,
    ) -> None:
        self.leader_id = leader_id
        self.leader_epoch = leader_epoch

    def write(self, out: Writer, version: int) -> None:
        out.pack(_I32_I32, self.leader_id, self.leader_epoch)
        out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        self.leader_id, self.leader_epoch = reader.unpack(_I32_I32)
        reader.skip_tags()
        return self


class SnapshotId(Message):
    __slots__ = (
        "end_offset",
        "epoch",
    )
    end_offset: int
    epoch: int

    def __init__(
        self,
        *,
        end_offset: int = -1,
        epoch: int = -1,
    ) -> None:
        self.end_offset = end_offset
        self.epoch = epoch

    def write(self, out: Writer, version: int) -> None:
        out.pack(_I64_I32, self.end_offset, self.epoch)
        out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        self.end_offset, self.epoch = reader.unpack(_I64_I32)
        reader.skip_tags()
        return self


class AbortedTransaction(Message):
    __slots__ = (
        "producer_id",
        "first_offset",
    )
    producer_id: int
    first_offset: int

    def __init__(
        self,
        *,
        producer_id: int = 0,
        first_offset: int = 0,
    ) -> None:
        self.producer_id = producer_id
        self.first_offset = first_offset

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 12
        out.pack(_I64_I64, self.producer_id, self.first_offset)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 12
        self.producer_id, self.first_offset = reader.unpack(_I64_I64)
        if flexible:
            reader.skip_tags()
        return self


class PartitionData(Message):
    __slots__ = (
        "partition_index",
        "error_code",
        "high_watermark",
        "last_stable_offset",
        "log_start_offset",
        "diverging_epoch",
        "current_leader",
        "snapshot_id",
        "aborted_transactions",
        "preferred_read_replica",
        "records",
    )
    partition_index: int
    error_code: int
    high_watermark: int
    last_stable_offset: int
    log_start_offset: int  # v5+
    diverging_epoch: EpochEndOffset  # v12+
    current_leader: LeaderIdAndEpoch  # v12+
    snapshot_id: SnapshotId  # v12+
    aborted_transactions: list[AbortedTransaction] | None
    preferred_read_replica: int  # v11+
    records: memoryview | None

    def __init__(
        self,
        *,
        partition_index: int = 0,
        error_code: int = 0,
        high_watermark: int = 0,
        last_stable_offset: int = -1,
        log_start_offset: int = -1,
        diverging_epoch: EpochEndOffset | None = None,
        current_leader: LeaderIdAndEpoch | None = None,
        snapshot_id: SnapshotId | None = None,
        aborted_transactions: Iterable[AbortedTransaction] | None = (),
        preferred_read_replica: int = -1,
        records: Bytes | None = None,
    ) -> None:
        self.partition_index = partition_index
        self.error_code = error_code
        self.high_watermark = high_watermark
        self.last_stable_offset = last_stable_offset
        self.log_start_offset = log_start_offset
        self.diverging_epoch = EpochEndOffset() if diverging_epoch is None else diverging_epoch
        self.current_leader = LeaderIdAndEpoch() if current_leader is None else current_leader
        self.snapshot_id = SnapshotId() if snapshot_id is None else snapshot_id
        self.aborted_transactions = None if aborted_transactions is None else list(aborted_transactions)
        self.preferred_read_replica = preferred_read_replica
        self.records = None if records is None else memoryview(records)

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 12
        out.pack(_I32_I16_I64_I64,
            self.partition_index,
            self.error_code,
            self.high_watermark,
            self.last_stable_offset,
        )
        if version >= 5:
            out.pack(_I64, self.log_start_offset)
        out.nullable_array(self.aborted_transactions, flexible)
        for item in self.aborted_transactions or ():
            item.write(out, version)
        if version >= 11:
            out.pack(_I32, self.preferred_read_replica)
        elif self.preferred_read_replica != -1:
            raise absent("Fetch", "PartitionData.preferred_read_replica", version)
        out.nullable_blob(self.records, flexible)
        if version < 12 and self.diverging_epoch != EpochEndOffset():
            raise absent("Fetch", "PartitionData.diverging_epoch", version)
        if version < 12 and self.current_leader != LeaderIdAndEpoch():
            raise absent("Fetch", "PartitionData.current_leader", version)
        if version < 12 and self.snapshot_id != SnapshotId():
            raise absent("Fetch", "PartitionData.snapshot_id", version)
        if flexible:
            tags: list[tuple[int, Writer]] = []
            if self.diverging_epoch != EpochEndOffset():
                tag = Writer()
                self.diverging_epoch.write(tag, version)
                tags.append((0, tag))
            if self.current_leader != LeaderIdAndEpoch():
                tag = Writer()
                self.current_leader.write(tag, version)
                tags.append((1, tag))
            if self.snapshot_id != SnapshotId():
                tag = Writer()
                self.snapshot_id.write(tag, version)
                tags.append((2, tag))
            out.tags(tags)

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 12
        (
            self.partition_index,
            self.error_code,
            self.high_watermark,
            self.last_stable_offset,
        ) = reader.unpack(_I32_I16_I64_I64)
        if version >= 5:
            (self.log_start_offset,) = reader.unpack(_I64)
        else:
            self.log_start_offset = -1
        count = reader.nullable_array(flexible)
        self.aborted_transactions = None if count < 0 else [AbortedTransaction.read(reader, version) for _ in range(count)]
        if version >= 11:
            (self.preferred_read_replica,) = reader.unpack(_I32)
        else:
            self.preferred_read_replica = -1
        self.records = reader.nullable_records(flexible)
        self.diverging_epoch = EpochEndOffset()
        self.current_leader = LeaderIdAndEpoch()
        self.snapshot_id = SnapshotId()
        if flexible:
            tag = -1
            for _ in range(reader.uvarint()):
                tag, end = reader.tag(tag)
                if tag == 0:
                    self.diverging_epoch = EpochEndOffset.read(reader, version)
                elif tag == 1:
                    self.current_leader = LeaderIdAndEpoch.read(reader, version)
                elif tag == 2:
                    self.snapshot_id = SnapshotId.read(reader, version)
                else:
                    reader.position = end
                reader.end_tag(tag, end)
        return self


class FetchableTopicResponse(Message):
    __slots__ = (
        "topic",
        "topic_id",
        "partitions",
    )
    topic: str  # v4 to v12
    topic_id: bytes  # v13+
    partitions: list[PartitionData]

    def __init__(
        self,
        *,
        topic: str = "",
        topic_id: bytes = ZERO_UUID,
        partitions: Iterable[PartitionData] = (),
    ) -> None:
        self.topic = topic
        self.topic_id = topic_id
        self.partitions = list(partitions)

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 12
        if version <= 12:
            out.string(self.topic, flexible)
        if version >= 13:
            out.uuid(self.topic_id)
        out.array(self.partitions, flexible)
        for item in self.partitions:
            item.write(out, version)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 12
        if version <= 12:
            self.topic = reader.string(flexible)
        else:
            self.topic = ""
        if version >= 13:
            (self.topic_id,) = reader.unpack(_UUID)
        else:
            self.topic_id = ZERO_UUID
        self.partitions = [PartitionData.read(reader, version) for _ in range(reader.array(flexible))]
        if flexible:
            reader.skip_tags()
        return self


class NodeEndpoint(Message):
    __slots__ = (
        "node_id",
        "host",
        "port",
        "rack",
    )
    node_id: int
    host: str
    port: int
    rack: str | None

    def __init__(
        self,
        *,
        node_id: int = 0,
        host: str = "",
        port: int = 0,
        rack: str | None = None,
    ) -> None:
        self.node_id = node_id
        self.host = host
        self.port = port
        self.rack = rack

    def write(self, out: Writer, version: int) -> None:
        out.pack(_I32, self.node_id)
        out.string(self.host, True)
        out.pack(_I32, self.port)
        out.nullable_string(self.rack, True)
        out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        (self.node_id,) = reader.unpack(_I32)
        self.host = reader.string(True)
        (self.port,) = reader.unpack(_I32)
        self.rack = reader.nullable_string(True)
        reader.skip_tags()
        return self


class FetchResponse(Response):
    """Versions 4 to 18."""

    API_KEY: ClassVar[int] = 1
    NAME: ClassVar[str] = "Fetch"
    MIN_VERSION: ClassVar[int] = 4
    MAX_VERSION: ClassVar[int] = 18
    FLEXIBLE_SINCE: ClassVar[int] = 12

    __slots__ = (
        "throttle_time_ms",
        "error_code",
        "session_id",
        "responses",
        "node_endpoints",
    )
    throttle_time_ms: int
    error_code: int  # v7+
    session_id: int  # v7+
    responses: list[FetchableTopicResponse]
    node_endpoints: list[NodeEndpoint]  # v16+

    def __init__(
        self,
        *,
        throttle_time_ms: int = 0,
        error_code: int = 0,
        session_id: int = 0,
        responses: Iterable[FetchableTopicResponse] = (),
        node_endpoints: Iterable[NodeEndpoint] = (),
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.error_code = error_code
        self.session_id = session_id
        self.responses = list(responses)
        self.node_endpoints = list(node_endpoints)

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 12
        out.pack(_I32, self.throttle_time_ms)
        if version >= 7:
            out.pack(_I16_I32, self.error_code, self.session_id)
        elif self.session_id != 0:
            raise absent("Fetch", "FetchResponse.session_id", version)
        out.array(self.responses, flexible)
        for item in self.responses:
            item.write(out, version)
        if version < 16 and self.node_endpoints:
            raise absent("Fetch", "FetchResponse.node_endpoints", version)
        if flexible:
            tags: list[tuple[int, Writer]] = []
            if version >= 16 and self.node_endpoints:
                tag = Writer()
                tag.array(self.node_endpoints, flexible)
                for item in self.node_endpoints:
                    item.write(tag, version)
                tags.append((0, tag))
            out.tags(tags)

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 12
        (self.throttle_time_ms,) = reader.unpack(_I32)
        if version >= 7:
            self.error_code, self.session_id = reader.unpack(_I16_I32)
        else:
            self.error_code = 0
            self.session_id = 0
        self.responses = [FetchableTopicResponse.read(reader, version) for _ in range(reader.array(flexible))]
        self.node_endpoints = []
        if flexible:
            tag = -1
            for _ in range(reader.uvarint()):
                tag, end = reader.tag(tag)
                if tag == 0 and version >= 16:
                    self.node_endpoints = [NodeEndpoint.read(reader, version) for _ in range(reader.array(flexible))]
                else:
                    reader.position = end
                reader.end_tag(tag, end)
        return self


class ReplicaState(Message):
    __slots__ = (
        "replica_id",
        "replica_epoch",
    )
    replica_id: int
    replica_epoch: int

    def __init__(
        self,
        *,
        replica_id: int = -1,
        replica_epoch: int = -1,
    ) -> None:
        self.replica_id = replica_id
        self.replica_epoch = replica_epoch

    def write(self, out: Writer, version: int) -> None:
        out.pack(_I32_I64, self.replica_id, self.replica_epoch)
        out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        self.replica_id, self.replica_epoch = reader.unpack(_I32_I64)
        reader.skip_tags()
        return self


class FetchPartition(Message):
    __slots__ = (
        "partition",
        "current_leader_epoch",
        "fetch_offset",
        "last_fetched_epoch",
        "log_start_offset",
        "partition_max_bytes",
        "replica_directory_id",
        "high_watermark",
    )
    partition: int
    current_leader_epoch: int  # v9+
    fetch_offset: int
    last_fetched_epoch: int  # v12+
    log_start_offset: int  # v5+
    partition_max_bytes: int
    replica_directory_id: bytes  # v17+
    high_watermark: int  # v18+

    def __init__(
        self,
        *,
        partition: int = 0,
        current_leader_epoch: int = -1,
        fetch_offset: int = 0,
        last_fetched_epoch: int = -1,
        log_start_offset: int = -1,
        partition_max_bytes: int = 0,
        replica_directory_id: bytes = ZERO_UUID,
        high_watermark: int = 9223372036854775807,
    ) -> None:
        self.partition = partition
        self.current_leader_epoch = current_leader_epoch
        self.fetch_offset = fetch_offset
        self.last_fetched_epoch = last_fetched_epoch
        self.log_start_offset = log_start_offset
        self.partition_max_bytes = partition_max_bytes
        self.replica_directory_id = replica_directory_id
        self.high_watermark = high_watermark

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 12
        out.pack(_I32, self.partition)
        if version >= 9:
            out.pack(_I32, self.current_leader_epoch)
        out.pack(_I64, self.fetch_offset)
        if version >= 12:
            out.pack(_I32, self.last_fetched_epoch)
        elif self.last_fetched_epoch != -1:
            raise absent("Fetch", "FetchPartition.last_fetched_epoch", version)
        if version >= 5:
            out.pack(_I64, self.log_start_offset)
        out.pack(_I32, self.partition_max_bytes)
        if flexible:
            tags: list[tuple[int, Writer]] = []
            if version >= 17 and self.replica_directory_id != ZERO_UUID:
                tag = Writer()
                tag.uuid(self.replica_directory_id)
                tags.append((0, tag))
            if version >= 18 and self.high_watermark != 9223372036854775807:
                tag = Writer()
                tag.pack(_I64, self.high_watermark)
                tags.append((1, tag))
            out.tags(tags)

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 12
        (self.partition,) = reader.unpack(_I32)
        if version >= 9:
            (self.current_leader_epoch,) = reader.unpack(_I32)
        else:
            self.current_leader_epoch = -1
        (self.fetch_offset,) = reader.unpack(_I64)
        if version >= 12:
            (self.last_fetched_epoch,) = reader.unpack(_I32)
        else:
            self.last_fetched_epoch = -1
        if version >= 5:
            (self.log_start_offset,) = reader.unpack(_I64)
        else:
            self.log_start_offset = -1
        (self.partition_max_bytes,) = reader.unpack(_I32)
        self.replica_directory_id = ZERO_UUID
        self.high_watermark = 9223372036854775807
        if flexible:
            tag = -1
            for _ in range(reader.uvarint()):
                tag, end = reader.tag(tag)
                if tag == 0 and version >= 17:
                    (self.replica_directory_id,) = reader.unpack(_UUID)
                elif tag == 1 and version >= 18:
                    (self.high_watermark,) = reader.unpack(_I64)
                else:
                    reader.position = end
                reader.end_tag(tag, end)
        return self


class FetchTopic(Message):
    __slots__ = (
        "topic",
        "topic_id",
        "partitions",
    )
    topic: str  # v4 to v12
    topic_id: bytes  # v13+
    partitions: list[FetchPartition]

    def __init__(
        self,
        *,
        topic: str = "",
        topic_id: bytes = ZERO_UUID,
        partitions: Iterable[FetchPartition] = (),
    ) -> None:
        self.topic = topic
        self.topic_id = topic_id
        self.partitions = list(partitions)

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 12
        if version <= 12:
            out.string(self.topic, flexible)
        if version >= 13:
            out.uuid(self.topic_id)
        out.array(self.partitions, flexible)
        for item in self.partitions:
            item.write(out, version)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 12
        if version <= 12:
            self.topic = reader.string(flexible)
        else:
            self.topic = ""
        if version >= 13:
            (self.topic_id,) = reader.unpack(_UUID)
        else:
            self.topic_id = ZERO_UUID
        self.partitions = [FetchPartition.read(reader, version) for _ in range(reader.array(flexible))]
        if flexible:
            reader.skip_tags()
        return self


class ForgottenTopic(Message):
    __slots__ = (
        "topic",
        "topic_id",
        "partitions",
    )
    topic: str  # v7 to v12
    topic_id: bytes  # v13+
    partitions: list[int]

    def __init__(
        self,
        *,
        topic: str = "",
        topic_id: bytes = ZERO_UUID,
        partitions: Iterable[int] = (),
    ) -> None:
        self.topic = topic
        self.topic_id = topic_id
        self.partitions = list(partitions)

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 12
        if version <= 12:
            out.string(self.topic, flexible)
        if version >= 13:
            out.uuid(self.topic_id)
        out.array(self.partitions, flexible)
        out.numbers(self.partitions, "i")
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 12
        if version <= 12:
            self.topic = reader.string(flexible)
        else:
            self.topic = ""
        if version >= 13:
            (self.topic_id,) = reader.unpack(_UUID)
        else:
            self.topic_id = ZERO_UUID
        self.partitions = reader.numbers(reader.array(flexible), "i")
        if flexible:
            reader.skip_tags()
        return self


class FetchRequest(Request[FetchResponse]):
    """Versions 4 to 18."""

    API_KEY: ClassVar[int] = 1
    NAME: ClassVar[str] = "Fetch"
    MIN_VERSION: ClassVar[int] = 4
    MAX_VERSION: ClassVar[int] = 18
    FLEXIBLE_SINCE: ClassVar[int] = 12
    RESPONSE: ClassVar[type[FetchResponse]] = FetchResponse

    __slots__ = (
        "cluster_id",
        "replica_id",
        "replica_state",
        "max_wait_ms",
        "min_bytes",
        "max_bytes",
        "isolation_level",
        "session_id",
        "session_epoch",
        "topics",
        "forgotten_topics_data",
        "rack_id",
    )
    cluster_id: str | None  # v12+
    replica_id: int  # v4 to v14
    replica_state: ReplicaState  # v15+
    max_wait_ms: int
    min_bytes: int
    max_bytes: int
    isolation_level: int
    session_id: int  # v7+
    session_epoch: int  # v7+
    topics: list[FetchTopic]
    forgotten_topics_data: list[ForgottenTopic]  # v7+
    rack_id: str  # v11+

    def __init__(
        self,
        *,
        cluster_id: str | None = None,
        replica_id: int = -1,
        replica_state: ReplicaState | None = None,
        max_wait_ms: int = 0,
        min_bytes: int = 0,
        max_bytes: int = 2147483647,
        isolation_level: int = 0,
        session_id: int = 0,
        session_epoch: int = -1,
        topics: Iterable[FetchTopic] = (),
        forgotten_topics_data: Iterable[ForgottenTopic] = (),
        rack_id: str = "",
    ) -> None:
        self.cluster_id = cluster_id
        self.replica_id = replica_id
        self.replica_state = ReplicaState() if replica_state is None else replica_state
        self.max_wait_ms = max_wait_ms
        self.min_bytes = min_bytes
        self.max_bytes = max_bytes
        self.isolation_level = isolation_level
        self.session_id = session_id
        self.session_epoch = session_epoch
        self.topics = list(topics)
        self.forgotten_topics_data = list(forgotten_topics_data)
        self.rack_id = rack_id

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 12
        if version <= 14:
            out.pack(_I32, self.replica_id)
        elif self.replica_id != -1:
            raise absent("Fetch", "FetchRequest.replica_id", version)
        out.pack(_I32_I32_I32_I8, self.max_wait_ms, self.min_bytes, self.max_bytes, self.isolation_level)
        if version >= 7:
            out.pack(_I32_I32, self.session_id, self.session_epoch)
        out.array(self.topics, flexible)
        for item in self.topics:
            item.write(out, version)
        if version >= 7:
            out.array(self.forgotten_topics_data, flexible)
            for item in self.forgotten_topics_data:
                item.write(out, version)
        elif self.forgotten_topics_data:
            raise absent("Fetch", "FetchRequest.forgotten_topics_data", version)
        if version >= 11:
            out.string(self.rack_id, flexible)
        if version < 15 and self.replica_state != ReplicaState():
            raise absent("Fetch", "FetchRequest.replica_state", version)
        if flexible:
            tags: list[tuple[int, Writer]] = []
            if self.cluster_id is not None:
                tag = Writer()
                tag.nullable_string(self.cluster_id, flexible)
                tags.append((0, tag))
            if version >= 15 and self.replica_state != ReplicaState():
                tag = Writer()
                self.replica_state.write(tag, version)
                tags.append((1, tag))
            out.tags(tags)

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 12
        if version <= 14:
            (self.replica_id,) = reader.unpack(_I32)
        else:
            self.replica_id = -1
        self.max_wait_ms, self.min_bytes, self.max_bytes, self.isolation_level = reader.unpack(_I32_I32_I32_I8)
        if version >= 7:
            self.session_id, self.session_epoch = reader.unpack(_I32_I32)
        else:
            self.session_id = 0
            self.session_epoch = -1
        self.topics = [FetchTopic.read(reader, version) for _ in range(reader.array(flexible))]
        if version >= 7:
            self.forgotten_topics_data = [ForgottenTopic.read(reader, version) for _ in range(reader.array(flexible))]
        else:
            self.forgotten_topics_data = []
        if version >= 11:
            self.rack_id = reader.string(flexible)
        else:
            self.rack_id = ""
        self.cluster_id = None
        self.replica_state = ReplicaState()
        if flexible:
            tag = -1
            for _ in range(reader.uvarint()):
                tag, end = reader.tag(tag)
                if tag == 0:
                    self.cluster_id = reader.nullable_string(flexible)
                elif tag == 1 and version >= 15:
                    self.replica_state = ReplicaState.read(reader, version)
                else:
                    reader.position = end
                reader.end_tag(tag, end)
        return self

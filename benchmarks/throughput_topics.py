"""The topics that the throughput benchmark reads, and how they are written.

Values are semi-random JSON of exactly 100 or 1,024 bytes, so that the bytes that a reader must have seen are known.
Batches are made here (`_records.encode_batch`), some tens of different ones a topic, full to the limit, compressed the
way Kafka's Java producer does (64 KiB lz4 blocks without checksum, zstd without content size; snappy as one raw
block), and written again and again by raw Produce requests: nobody's producer decides how full a batch is.
"""

from __future__ import annotations

import random
import socket
import struct
import time
import uuid

import attrs
import cramjam
from confluent_kafka.admin import AdminClient, NewTopic

from kafkastatic._records import encode_batch
from kafkastatic._records.batch import CRC_START, HEADER, crc32c
from kafkastatic._records.compression import compress

PARTITIONS = 8
KIB = 1024
DISTINCT = 32
"""Different batches a topic; more would not change what a reader does, and these are quickly made."""

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
_RETRIABLE = {3, 5, 6}  # a topic that was just created: unknown, without a leader, led elsewhere
_PRODUCE_V7 = (0, 7)

Record = tuple[bytes | None, bytes, list[tuple[str, bytes | None]], int]


@attrs.frozen
class Topic:
    """What one topic holds.

    Attributes:
        count: records wanted at least; the topic is filled to whole batches, the same number in each partition.
        value_size: bytes of every value.
        keyed: with a key and one header each.
        batch_size: uncompressed bytes of a batch's records at most.
    """

    name: str
    count: int
    value_size: int
    codec: str
    keyed: bool = False
    batch_size: int = 64 * KIB

    @property
    def about(self) -> str:
        size = f"{self.value_size // KIB} KiB" if self.value_size % KIB == 0 else f"{self.value_size} B"
        extra = ", key, header" if self.keyed else ""
        codec = "uncompressed" if self.codec == "none" else self.codec
        return f"{size}, {codec}{extra}, batches of {self.batch_size // KIB} KiB"


MILLION = 1_000_000
TOPICS = {
    topic.name: topic
    for topic in (
        Topic("A", 2 * MILLION, 100, "none"),
        Topic("B", MILLION // 2, KIB, "lz4"),
        Topic("C", MILLION, 100, "zstd", keyed=True),
        Topic("D", MILLION // 4, KIB, "gzip"),
        Topic("E", MILLION // 2, KIB, "snappy"),
        Topic("F", 2 * MILLION, 100, "none", batch_size=16 * KIB),
    )
}


def _value(chance: random.Random, number: int, size: int) -> bytes:
    """JSON with fields that repeat, numbers, and, in large ones, a part that compresses to half at best."""
    status = chance.choice(("created", "paid", "packed", "shipped"))
    user = chance.randrange(100_000)
    start = f'{{"id":{number:09d},"user":{user:05d},"status":"{status}","ts":{1_760_000_000 + number}'
    if size > 200:
        start += ',"country":"DE","currency":"EUR","channel":"web","tags":["a","b"]'
        return f'{start},"body":"{chance.randbytes(size).hex()[: size - len(start) - 11]}"}}'.encode()
    return f'{start},"n":"{chance.randbytes(8).hex()}'.encode().ljust(size - 2, b"0") + b'"}'


def _fill(topic: Topic, chance: random.Random, first: int) -> list[Record]:
    """Records for one batch: as many as fit."""
    records: list[Record] = []
    room = topic.batch_size
    while True:
        number = first + len(records)
        key = f"user-{chance.randrange(100_000):05d}".encode() if topic.keyed else None
        headers: list[tuple[str, bytes | None]] = [("trace", chance.randbytes(4).hex().encode())] if topic.keyed else []
        value = _value(chance, number, topic.value_size)
        record = (key, value, headers, 1_760_000_000_000 + len(records))
        room -= len(encode_batch([record])) - HEADER.size + 2  # its offset and timestamp deltas take more later on
        if room < 0:
            return records
        records.append(record)


def _compress(codec: str, body: bytes) -> bytes:
    if codec == "zstd":
        compressor = cramjam.zstd.Compressor(3)
        compressor.compress(body)
        return bytes(compressor.finish())
    if codec == "snappy":
        return bytes(cramjam.snappy.compress_raw(body))
    return compress(CODECS.index(codec), body)


def _batch(records: list[Record], codec: str) -> bytes:
    plain = encode_batch(records)
    body = _compress(codec, plain[HEADER.size :])
    batch = bytearray(plain[: HEADER.size] + body)
    struct.pack_into(">i", batch, 8, len(batch) - 12)
    struct.pack_into(">h", batch, CRC_START, CODECS.index(codec))
    struct.pack_into(">I", batch, CRC_START - 4, crc32c(memoryview(batch)[CRC_START:]))
    return bytes(batch)


@attrs.frozen
class Batches:
    """Batches of one topic, ready to be written.

    Attributes:
        count: records in each.
        ratio: compressed to uncompressed size.
    """

    data: list[bytes]
    count: int
    ratio: float


def make_batches(topic: Topic, distinct: int = DISTINCT) -> Batches:
    """The same bytes in every run."""
    chance = random.Random(f"topic {topic.name}")
    count = len(_fill(topic, chance, 0))
    filled = [_fill(topic, chance, index * count)[:count] for index in range(distinct)]
    data = [_batch(records, topic.codec) for records in filled]
    plain = sum(len(encode_batch(records)) for records in filled)
    return Batches(data, count, sum(map(len, data)) / plain)


@attrs.frozen
class Loaded:
    """A topic on the broker.

    Attributes:
        name: its name there.
        count, size: records, and bytes of all values.
        per_batch: records a batch.
        ratio: compressed to uncompressed size.
        wire: bytes of all batches.
    """

    topic: Topic
    name: str
    count: int
    size: int
    per_batch: int
    ratio: float
    wire: int


def load(bootstrap: str, topic: Topic, count: int) -> Loaded:
    """Create the topic and fill it with at least `count` records."""
    name = f"bench-{topic.name}-{uuid.uuid4().hex[:8]}"
    admin = AdminClient({"bootstrap.servers": bootstrap})
    # The records' clock stood still long ago: a broker would take them for outdated.
    new = NewTopic(name, PARTITIONS, 1, config={"retention.ms": "-1"})
    for future in admin.create_topics([new]).values():
        future.result()
    batches = make_batches(topic)
    rounds = -(-count // (batches.count * PARTITIONS))
    wire = 0
    with Producer(bootstrap) as producer:
        for turn in range(rounds):
            first = turn * PARTITIONS
            sent = [batches.data[(first + partition) % len(batches.data)] for partition in range(PARTITIONS)]
            producer.produce(name, sent)
            wire += sum(map(len, sent))
    total = rounds * PARTITIONS * batches.count
    return Loaded(topic, name, total, total * topic.value_size, batches.count, batches.ratio, wire)


class Producer:
    """Raw Produce requests (acks=1) to the one broker, one at a time."""

    def __init__(self, bootstrap: str) -> None:
        host, port = bootstrap.rsplit(":", 1)
        self._socket = socket.create_connection((host, int(port)), timeout=30)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Producer:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def produce(self, topic: str, batches: list[bytes]) -> None:
        """One batch to each partition, from 0 on."""
        until = time.monotonic() + 20
        todo = dict(enumerate(batches))
        while True:
            errors = self._ask(topic, todo)
            if not errors:
                return
            if set(errors.values()) - _RETRIABLE:
                raise RuntimeError(f"Produce to {topic} answered {errors}")
            if time.monotonic() > until:
                raise RuntimeError(f"Produce to {topic} still answers {errors}")
            todo = {partition: todo[partition] for partition in errors}
            time.sleep(0.05)

    def _ask(self, topic: str, batches: dict[int, bytes]) -> dict[int, int]:
        """The error codes of the partitions that have one."""
        name = topic.encode()
        header = struct.pack(">hhih5s", *_PRODUCE_V7, 1, 5, b"bench") + struct.pack(">hhii", -1, 1, 30_000, 1)
        parts = [header, struct.pack(">h", len(name)), name, struct.pack(">i", len(batches))]
        for partition, batch in batches.items():
            parts += struct.pack(">ii", partition, len(batch)), batch
        self._socket.sendall(struct.pack(">i", sum(map(len, parts))) + b"".join(parts))
        (size,) = struct.unpack(">i", self._receive(4))
        answer = self._receive(size)
        at = 4 + 4 + 2 + len(name)
        (count,) = struct.unpack_from(">i", answer, at)
        found = [struct.unpack_from(">ih", answer, at + 4 + index * 30) for index in range(count)]
        return {partition: code for partition, code in found if code}

    def _receive(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            chunk = self._socket.recv(size - len(data))
            if not chunk:
                raise ConnectionResetError("the broker closed the connection")
            data += chunk
        return data

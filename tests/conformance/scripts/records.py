"""Records: produced, fetched, and looked up by time and by epoch."""

from __future__ import annotations

from typing import Any

from kafka.record.memory_records import MemoryRecordsBuilder

from tests.conformance.session import Call, Session, scenario

THEN = 1_700_000_000_000
"""A time that is the same in every run."""

_BIG = 2**20


def batch(*values: bytes, at: int = THEN, compression: int = 0, magic: int = 2, **producer: int) -> bytes:
    """One batch, a millisecond from record to record."""
    builder = MemoryRecordsBuilder(magic=magic, compression_type=compression, batch_size=2**30, **producer)
    for place, value in enumerate(values):
        builder.append(at + place, b"k", value, [])
    builder.close()
    return bytes(builder.buffer())


def sequenced(producer_id: int, epoch: int, first: int, *values: bytes) -> bytes:
    """A batch of an idempotent producer."""
    builder = MemoryRecordsBuilder(
        magic=2,
        compression_type=0,
        batch_size=2**30,
        producer_id=producer_id,
        producer_epoch=epoch,
        base_sequence=first,
    )
    for place, value in enumerate(values):
        builder.append(THEN + place, None, value, [])
    builder.close()
    return bytes(builder.buffer())


def produced(
    s: Session,
    topic: str,
    records: bytes | None,
    version: int = 9,
    note: str = "",
    *,
    partition: int = 0,
    acks: int = -1,
) -> Call:
    data = {"name": topic, "partition_data": [{"index": partition, "records": records}]}
    return s.send(
        "producer", "Produce", version, note, transactional_id=None, acks=acks, timeout_ms=5_000, topic_data=[data]
    )


def fetched(
    s: Session, topic: Any, offset: int = 0, version: int = 12, note: str = "", *, epoch: int = -1, **options: Any
) -> Call:
    """Fetch of one partition; `topic` is a name, or an id from version 13 on."""
    one = {"partition": options.pop("partition", 0), "current_leader_epoch": epoch, "fetch_offset": offset}
    one |= {"last_fetched_epoch": -1, "log_start_offset": -1, "partition_max_bytes": options.pop("most", _BIG)}
    topics = [{"topic" if isinstance(topic, str) else "topic_id": topic, "partitions": [one]}]
    asked = {"replica_id": -1, "max_wait_ms": 0, "min_bytes": 0, "max_bytes": _BIG, "isolation_level": 0}
    asked |= {"session_id": 0, "session_epoch": -1, "topics": topics, "forgotten_topics_data": [], "rack_id": ""}
    return s.send("reader", "Fetch", version, note, **(asked | options))


@scenario
async def produce_at_every_version(s: Session) -> None:
    topic = await s.topic()
    for version in range(3, 13):
        await produced(s, topic, batch(b"v"), version)
    await fetched(s, topic)


@scenario
async def produce_with_each_acks(s: Session) -> None:
    topic = await s.topic()
    for acks in (1, -1, 2, -2):
        await produced(s, topic, batch(b"v"), note=f"acks={acks}", acks=acks)
    await produced(s, topic, batch(b"v"), note="acks=0", acks=0).parked()
    await fetched(s, topic)


@scenario
async def produce_with_each_codec(s: Session) -> None:
    """Kept as they came, compressed; zstd not below version 7."""
    topic = await s.topic()
    for codec in range(5):
        await produced(s, topic, batch(b"a" * 50, b"b" * 50, compression=codec), note=f"codec {codec}")
    await produced(s, topic, batch(b"a", compression=4), 6, "zstd below version 7")
    await fetched(s, topic)
    await fetched(s, topic, version=9, note="before zstd")


@scenario
async def produce_to_what_is_not_there(s: Session) -> None:
    topic = await s.topic()
    await produced(s, f"{s.group}.none", batch(b"v"))
    await produced(s, topic, batch(b"v"), partition=1)
    await produced(s, topic, batch(b"v"), partition=-1)
    await produced(s, f"{s.group}.none", batch(b"v"), 3)


@scenario
async def produce_what_is_broken(s: Session) -> None:
    topic = await s.topic()
    good = batch(b"value")
    broken = good[:-1] + bytes([good[-1] ^ 1])
    for what, records in {
        "a wrong checksum": broken,
        "cut short": good[:-1],
        "nothing": b"",
        "two batches": good + good,
        "magic 3": good[:16] + b"\x03" + good[17:],
        "magic 1": batch(b"v", magic=1),
        "magic 0": batch(b"v", magic=0),
        "a wrong count": good[:57] + b"\0\0\0\x02" + good[61:],
    }.items():
        await produced(s, topic, records, note=what)
    await produced(s, topic, None, note="null").parked()
    await fetched(s, topic)


@scenario
async def produce_too_much(s: Session) -> None:
    """max.message.bytes of the topic."""
    topic = await s.topic(max_message_bytes="1000")
    await produced(s, topic, batch(b"x" * 2000))
    await produced(s, topic, batch(b"x" * 500))
    await fetched(s, topic)


@scenario
async def produce_with_log_append_time(s: Session) -> None:
    topic = await s.topic(message_timestamp_type="LogAppendTime")
    await produced(s, topic, batch(b"a", b"b"))
    await produced(s, topic, batch(b"a", b"b", compression=1))
    await fetched(s, topic)


@scenario
async def produce_with_times_out_of_bounds(s: Session) -> None:
    topic = await s.topic(message_timestamp_before_max_ms="3600000", message_timestamp_after_max_ms="3600000")
    for what, at in {"the past": THEN, "the future": 4_000_000_000_000, "none": -1}.items():
        await produced(s, topic, batch(b"v", at=at), note=what)


@scenario
async def produce_idempotently(s: Session) -> None:
    """A repeated batch is acknowledged with the offset that it has, a gap is refused, and so is an old epoch."""
    topic = await s.topic()
    me = await producer_id(s)
    for what, (epoch, first, count) in {
        "first": (0, 0, 2),
        "next": (0, 2, 1),
        "the next again": (0, 2, 1),
        "the first again": (0, 0, 2),
        "a gap": (0, 5, 1),
        "part of one": (0, 1, 1),
        "another epoch, not from 0": (1, 3, 1),
        "another epoch": (1, 0, 1),
        "the epoch before": (0, 3, 1),
    }.items():
        await produced(s, topic, sequenced(me, epoch, first, *[b"v"] * count), note=what)
    for number in range(1, 7):
        await produced(s, topic, sequenced(me, 1, number, b"v"), note=f"number {number}").task
    await produced(s, topic, sequenced(me, 1, 1, b"v"), note="older than the last five")
    await produced(s, topic, sequenced(me, 1, 2, b"v"), note="the oldest of the last five")
    other = await producer_id(s)
    await produced(s, topic, sequenced(other, 0, 7, b"v"), note="an unknown producer, not from 0")
    await fetched(s, topic)


def initialised(s: Session, version: int = 4, **others: Any) -> Call:
    fields = {"transactional_id": None, "transaction_timeout_ms": 60_000, "producer_id": -1, "producer_epoch": -1}
    return s.send("producer", "InitProducerId", version, **(fields | others))


async def producer_id(s: Session) -> int:
    """A new producer's id, off the record; a broker that has just started may have none yet."""
    answer = await s.eventually(lambda: initialised(s).task, lambda found: found.error_code != 14)
    return answer.producer_id


@scenario
async def producer_ids(s: Session) -> None:
    await producer_id(s)
    for version in range(6):
        await initialised(s, version)
    me = await producer_id(s)
    await initialised(s, producer_id=me, producer_epoch=0)
    await initialised(s, transactional_id="")


@scenario
async def fetch_at_every_version(s: Session) -> None:
    topic = await s.topic()
    topic_id = await s.topic_id(topic)
    await produced(s, topic, batch(b"a", b"b")).task
    for version in range(4, 18):
        await fetched(s, topic if version < 13 else topic_id, version=version)


@scenario
async def fetch_what_is_not_there(s: Session) -> None:
    topic = await s.topic()
    await produced(s, topic, batch(b"a", b"b")).task
    for version in (4, 12):
        await fetched(s, f"{s.group}.none", version=version)
        await fetched(s, topic, version=version, partition=1)
        for offset in (2, 3, -1):
            await fetched(s, topic, offset, version, f"offset {offset}")
    await fetched(s, s.unknown_id, version=13, note="an unknown id")


@scenario
async def fetch_by_leader_epoch(s: Session) -> None:
    topic = await s.topic()
    await produced(s, topic, batch(b"a", b"b")).task
    for epoch in (-1, 0, 1):
        await fetched(s, topic, note=f"leader epoch {epoch}", epoch=epoch)


@scenario
async def fetch_within_limits(s: Session) -> None:
    """Whole batches; at least one in a response, however small the limit; from a batch's middle the whole batch."""
    topic = await s.topic()
    for value in (b"a", b"b", b"c"):
        await produced(s, topic, batch(value * 100, value * 100)).task
    size = len(batch(b"a" * 100, b"a" * 100))
    for most in (1, size, 2 * size - 1, 2 * size, 0, -1):
        await fetched(s, topic, note=f"{most} bytes of a partition", most=most)
    for most in (1, size, 2 * size):
        await fetched(s, topic, note=f"{most} bytes of a response", max_bytes=most)
    await fetched(s, topic, 3, note="from the middle of a batch", most=size)


@scenario
async def fetch_of_two_partitions_within_limits(s: Session) -> None:
    """The first that has records may exceed the limit; the others get what is left."""
    topic = await s.topic(partitions=3)
    for partition in (1, 2):
        await produced(s, topic, batch(b"x" * 100), partition=partition).task
    one = {"current_leader_epoch": -1, "fetch_offset": 0, "last_fetched_epoch": -1, "log_start_offset": -1}
    asked = [{"topic": topic, "partitions": [one | {"partition": p, "partition_max_bytes": _BIG} for p in (0, 1, 2)]}]
    for most in (1, 200, 1000):
        await fetched(s, topic, note=f"{most} bytes", max_bytes=most, topics=asked)


@scenario
async def fetch_waits(s: Session) -> None:
    """A long poll is answered by a produce; a full one is not parked; in the end it is answered empty."""
    topic = await s.topic()
    parked = await fetched(s, topic, max_wait_ms=9_000, min_bytes=1).parked()
    await produced(s, topic, batch(b"a"))
    await parked
    await fetched(s, topic, note="there is enough", max_wait_ms=9_000, min_bytes=1)
    parked = await fetched(s, topic, max_wait_ms=9_000, min_bytes=150, note="not enough").parked()
    await produced(s, topic, batch(b"b" * 100))
    await parked
    await fetched(s, topic, 2, max_wait_ms=300, min_bytes=1, note="nothing comes")
    await fetched(s, topic, 9, max_wait_ms=9_000, min_bytes=1, note="an error is not parked")


@scenario
async def fetch_sessions(s: Session) -> None:
    """KIP-227: what did not change is left out; an unknown session or a wrong epoch is an error."""
    topic = await s.topic(partitions=2)
    one = {"current_leader_epoch": -1, "last_fetched_epoch": -1, "log_start_offset": -1, "partition_max_bytes": _BIG}

    def asked(note: str, session: int, epoch: int, offsets: dict[int, int], forgotten: Any = ()) -> Call:
        partitions = [one | {"partition": p, "fetch_offset": offset} for p, offset in offsets.items()]
        topics = [{"topic": topic, "partitions": partitions}] if partitions else []
        return fetched(
            s,
            topic,
            note=note,
            session_id=session,
            session_epoch=epoch,
            topics=topics,
            forgotten_topics_data=[{"topic": topic, "partitions": list(forgotten)}] if forgotten else [],
        )

    session = (await asked("a new session", 0, 0, {0: 0, 1: 0})).session_id
    await asked("nothing changed", session, 1, {})
    await produced(s, topic, batch(b"a"), partition=1).task
    await asked("records in one", session, 2, {})
    await asked("the same again", session, 3, {})
    await asked("moved", session, 4, {1: 1})
    await asked("an offset that is not there", session, 5, {0: 7})
    await asked("still", session, 6, {})
    await asked("one is forgotten", session, 7, {}, [0])
    await asked("an old epoch", session, 3, {})
    await asked("an epoch to come", session, 17, {})
    await asked("the right epoch", session, 8, {})
    await asked("an unknown session", session + 1, 1, {})
    await asked("closed", session, -1, {1: 0})
    await asked("after that", session, 9, {})


@scenario
async def fetch_sessions_by_topic_id(s: Session) -> None:
    topic = await s.topic()
    topic_id = await s.topic_id(topic)
    opened = await fetched(s, topic_id, version=13, session_epoch=0)
    await produced(s, topic, batch(b"a")).task
    await fetched(s, topic_id, version=13, session_id=opened.session_id, session_epoch=1, topics=[])
    await fetched(s, topic, version=12, note="by name", session_id=opened.session_id, session_epoch=2)


def looked_up(s: Session, topic: str, timestamp: int, version: int = 7, note: str = "", **options: int) -> Call:
    one = {"partition_index": options.pop("partition", 0), "current_leader_epoch": -1, "timestamp": timestamp}
    topics = [{"name": topic, "partitions": [one | {"max_num_offsets": 1} | options]}]
    return s.send(
        "reader", "ListOffsets", version, note, replica_id=-1, isolation_level=0, topics=topics, timeout_ms=5_000
    )


@scenario
async def offsets_by_time(s: Session) -> None:
    topic = await s.topic()
    for place in range(3):
        await produced(s, topic, batch(b"a", b"b", at=THEN + 10 * place)).task
    for version in range(1, 11):
        for what, timestamp in {"the end": -1, "the start": -2, "a time": THEN + 11}.items():
            await looked_up(s, topic, timestamp, version, what)
    for timestamp in (0, THEN, THEN + 1, THEN + 2, THEN + 21, THEN + 22, 2**62):
        await looked_up(s, topic, timestamp, note=f"{timestamp}")
    for version, timestamp in ((7, -3), (8, -4), (9, -5), (7, -9), (6, -3)):
        await looked_up(s, topic, timestamp, version, f"{timestamp}")


@scenario
async def offsets_by_time_of_an_empty_log(s: Session) -> None:
    topic = await s.topic()
    for timestamp in (-1, -2, -3, THEN):
        await looked_up(s, topic, timestamp)


@scenario
async def offsets_by_time_out_of_order(s: Session) -> None:
    """The first record at or after the time, and the first of the greatest."""
    topic = await s.topic()
    for at in (THEN + 50, THEN + 10, THEN + 50, THEN + 30):
        await produced(s, topic, batch(b"v", at=at)).task
    for timestamp in (THEN, THEN + 20, THEN + 50, THEN + 51, -3):
        await looked_up(s, topic, timestamp, note=f"{timestamp}")


@scenario
async def offsets_by_time_of_what_is_not_there(s: Session) -> None:
    topic = await s.topic()
    await looked_up(s, f"{s.group}.none", -1)
    await looked_up(s, topic, -1, partition=1)
    for epoch in (0, 1):
        await looked_up(s, topic, -1, note=f"leader epoch {epoch}", current_leader_epoch=epoch)


@scenario
async def offsets_by_leader_epoch(s: Session) -> None:
    topic = await s.topic()
    await produced(s, topic, batch(b"a", b"b")).task

    def asked(version: int, note: str, name: str = topic, partition: int = 0, known: int = -1, epoch: int = 0) -> Call:
        one = {"partition": partition, "current_leader_epoch": known, "leader_epoch": epoch}
        topics = [{"topic": name, "partitions": [one]}]
        return s.send("reader", "OffsetForLeaderEpoch", version, note, replica_id=-1, topics=topics)

    for version in (2, 3, 4):
        await asked(version, "epoch 0")
    await asked(4, "an epoch to come", epoch=5)
    await asked(4, "no epoch", epoch=-1)
    await asked(4, "as of the present epoch", known=0)
    await asked(4, "as of an epoch to come", known=1)
    await asked(4, "no such topic", name=f"{s.group}.none")
    await asked(4, "no such partition", partition=1)

"""The rows of the table of bad input that need a real broker; see tests/bad_input/test_bad_input.py."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from kafkastatic import Consumer, TopicPartition
from kafkastatic.errors import (
    BrokerError,
    BrokerUnreachableError,
    CommitFailedError,
    ConfigError,
    CorruptRecordError,
    DeserializationError,
    GroupMaxSizeReachedError,
    IllegalStateError,
    InconsistentGroupProtocolError,
    InvalidSessionTimeoutError,
    KafkaTimeoutError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
    ProtocolError,
    UnknownTopicOrPartitionError,
    UnsupportedVersionError,
)
from kafkastatic.identity import IdentityRegistry
from tests.bad_input.test_bad_input import consumer, refused
from tests.support.raw_peer import RawMember, RawPeer, subscription
from tests.support.recording_proxy import RecordingProxy
from tests.support.scenes import full_group, recorded, write


@pytest.fixture
def three(kafka, topic):
    """`name = await three()`: a topic of one partition with two batches of three records."""

    async def fill() -> str:
        name = await topic()
        async with RawPeer.connect(kafka.bootstrap) as peer:
            await write(peer, name, 0, [b"0", b"1", b"2"])
            await write(peer, name, 0, [b"3", b"4", b"5"])
        return name

    return fill


async def reads(bootstrap: str, name: str, **options: Any) -> str:
    """A new consumer reads the topic: the next good call."""
    async with consumer(bootstrap, name, auto_offset_reset="earliest", **options) as ours:
        assert (await asyncio.wait_for(ours.getone(), 10)).value == b"0"
    return "a new consumer reads"


# ── addresses and listeners ──


@pytest.mark.parametrize("group", [None, "group"])
@pytest.mark.asyncio
async def test_an_advertised_address_that_cannot_be_reached(kafka, three, group) -> None:
    """The listener advertises an address where nobody listens: both are named."""
    name = await three()
    wrong = f"127.0.0.1:{kafka.proxy_port}"
    expected = BrokerUnreachableError if group else KafkaTimeoutError
    parts = (wrong, kafka.behind_proxy, "Check the broker's advertised.listeners")
    with refused(f"a real broker's unreachable advertised.listeners, {group or 'no group'}", expected, *parts) as row:
        async with consumer(kafka.behind_proxy, name, group_id=group) as ours:
            await ours.end_offsets([TopicPartition(name, 0)])
    row.then(await reads(kafka.bootstrap, name))


@pytest.mark.real_only("TLS")
@pytest.mark.asyncio
async def test_tls_met_in_plaintext_and_the_other_way_round(kafka_factory) -> None:
    """A real TLS listener: in plaintext, with an ssl_context that does not trust it, and with the right one."""
    own = await asyncio.to_thread(lambda: kafka_factory(tls=True))
    async with RawPeer.connect(own.bootstrap) as peer:
        await peer.create_topic("orders")
        await write(peer, "orders", 0, [b"0"])
    trusting = ssl.create_default_context(cafile=str(own.ca_file))

    with refused(
        "a real TLS listener, met in plaintext", ProtocolError, own.bootstrap_tls, "security_protocol SSL"
    ) as row:
        await consumer(own.bootstrap_tls, "orders").start()
    row.then(await reads(own.bootstrap_tls, "orders", security_protocol="SSL", ssl_context=trusting))

    distrusting = ssl.create_default_context()
    with refused(
        "a certificate that nobody vouches for", BrokerUnreachableError, own.bootstrap_tls, "TLS failed"
    ) as row:
        await consumer(own.bootstrap_tls, "orders", security_protocol="SSL", ssl_context=distrusting).start()
    row.then(await reads(own.bootstrap_tls, "orders", security_protocol="SSL", ssl_context=trusting))

    with refused("a real plaintext listener, met by TLS", BrokerUnreachableError, own.bootstrap, "Check") as row:
        await consumer(own.bootstrap, "orders", security_protocol="SSL", ssl_context=trusting).start()
    row.then(await reads(own.bootstrap, "orders"))


# ── topics and offsets ──


@pytest.mark.parametrize("group", [None, "group"])
@pytest.mark.asyncio
async def test_an_unknown_topic(kafka, three, group) -> None:
    """An error when it is missing for the whole start; one that appears meanwhile is read."""
    name = await three()
    with refused(
        f"an unknown topic, {group or 'no group'}",
        UnknownTopicOrPartitionError,
        "topic='no-such-topic'",
        "Create the topic, or correct its name.",
    ) as row:
        await consumer(kafka.bootstrap, name, "no-such-topic", group_id=group).start()
    row.then(await reads(kafka.bootstrap, name))


@pytest.mark.asyncio
async def test_an_illegal_topic_name(kafka, three) -> None:
    """Refused by the broker at once."""
    name = await three()
    with refused("an illegal topic name", BrokerError, "INVALID_TOPIC_EXCEPTION", "topic='a b'") as row:
        await consumer(kafka.bootstrap, "a b").start()
    row.then(await reads(kafka.bootstrap, name))


@contextlib.asynccontextmanager
async def by_hand(bootstrap: str, name: str, **options: Any) -> AsyncIterator[Consumer[bytes, bytes]]:
    ours = consumer(bootstrap, **options)
    ours.assign([TopicPartition(name, 0)])
    async with ours:
        yield ours


@pytest.mark.asyncio
async def test_an_offset_out_of_range(kafka, three) -> None:
    """With auto_offset_reset='none' every ask raises until a seek into the log."""
    name = await three()
    async with by_hand(kafka.bootstrap, name, auto_offset_reset="none") as ours:
        ours.seek(TopicPartition(name, 0), 99)
        parts = ("OFFSET_OUT_OF_RANGE", "offset 99", "Seek to an offset inside the log")
        with refused("an offset out of range, reset 'none'", OffsetOutOfRangeError, *parts) as row:
            await ours.getone()
        ours.seek(TopicPartition(name, 0), 2)
        assert (await asyncio.wait_for(ours.getone(), 10)).offset == 2
        row.then("a seek into the log goes on there")


@pytest.mark.asyncio
async def test_no_committed_offset(kafka, three, group_id) -> None:
    """With auto_offset_reset='none' every ask raises until a seek."""
    name = await three()
    async with consumer(kafka.bootstrap, name, group_id=group_id(), auto_offset_reset="none") as ours:
        parts = (f"{name}-0", "Seek the partition, commit an offset for it")
        with refused("no committed offset, reset 'none'", NoOffsetForPartitionError, *parts) as row:
            await ours.getone()
        ours.seek(TopicPartition(name, 0), 5)
        assert (await asyncio.wait_for(ours.getone(), 10)).offset == 5
        row.then("a seek goes on there")


@pytest.mark.asyncio
async def test_a_partition_that_does_not_exist(kafka, three) -> None:
    """A lookup for it ends in time and says what it waited for."""
    name = await three()
    async with consumer(kafka.bootstrap, name) as ours:
        parts = ("did not end within 0.6 s", "UNKNOWN_TOPIC_OR_PARTITION", f"topic='{name}', partition=7")
        with refused("a lookup for a partition that does not exist", KafkaTimeoutError, *parts) as row:
            await ours.end_offsets([TopicPartition(name, 7)])
        tp = TopicPartition(name, 0)
        assert await ours.end_offsets([tp]) == {tp: 6}
        row.then("the lookup for one that exists works")


# ── records ──


def corrupt(proxy: RecordingProxy, where: Callable[[bytes], int]) -> None:
    """Flip a bit in the first batch of every Fetch response that holds offset 0."""

    def change(response: Any) -> None:
        for answer in response.responses:
            for partition in answer.partitions:
                data = bytearray(partition.records or b"")
                if len(data) > 61 and int.from_bytes(data[:8], "big") == 0:
                    data[where(data)] ^= 0x10
                    partition.records = bytes(data)

    proxy.rewrite("Fetch", change, times=None)


def end_of_first(data: bytes) -> int:
    return 12 + int.from_bytes(data[8:12], "big")


@pytest.mark.parametrize(
    ("what", "where"),
    [
        ("a bit flipped in a record", lambda data: 65),
        ("a bit flipped in a batch's header", lambda data: 40),
        ("a bit flipped in the last byte of a batch", lambda data: end_of_first(data) - 1),
        ("a bit flipped in the checksum itself", lambda data: 17),
    ],
)
@pytest.mark.asyncio
async def test_a_corrupt_batch(kafka, three, what, where) -> None:
    """Met at every ask, until a seek passes the batch; the error says where to."""
    name = await three()
    tp = TopicPartition(name, 0)
    async with recorded(kafka) as proxy:
        corrupt(proxy, where)
        async with by_hand(proxy.bootstrap, name, auto_offset_reset="earliest") as ours:
            seek = f"consumer.seek(TopicPartition('{name}', 0), 3)"
            with refused(f"a corrupt batch: {what}", CorruptRecordError, f"{name}-0 offset 0", seek) as row:
                await asyncio.wait_for(ours.getone(), 10)
            assert (row.error.topic, row.error.partition, row.error.offset, row.error.next_offset) == (name, 0, 0, 3)
            with pytest.raises(CorruptRecordError):
                await ours.getone()
            assert await ours.position(tp) == 0
            ours.seek(tp, row.error.next_offset)
            assert [(await asyncio.wait_for(ours.getone(), 10)).offset for _ in range(3)] == [3, 4, 5]
            row.then("the seek that it names passes the batch")
        proxy.undisturbed()


@pytest.mark.asyncio
async def test_a_record_that_cannot_be_deserialized(kafka, three) -> None:
    """Met at every ask, until a seek passes the record."""
    name = await three()
    tp = TopicPartition(name, 0)

    def strict(data: bytes) -> int:
        return 1 // (int(data) - 1)

    ours = Consumer(name, bootstrap_servers=kafka.bootstrap, auto_offset_reset="earliest", value_deserializer=strict)
    async with ours:
        assert (await asyncio.wait_for(ours.getone(), 10)).value == -1
        parts = (f"{name}-0 offset 1", "ZeroDivisionError", "consumer.seek(")
        with refused("a record that cannot be deserialized", DeserializationError, *parts) as row:
            await ours.getone()
        ours.seek(tp, row.error.next_offset)
        assert (await asyncio.wait_for(ours.getone(), 10)).offset == 2
        row.then("the seek that it names passes the record")


# ── groups ──


@pytest.mark.scenario(2, where="real")
@pytest.mark.asyncio
async def test_a_broker_too_old_for_static_membership(kafka, three, group_id) -> None:
    """A real broker that seems to be one of Kafka 2.2; a dynamic member works there."""
    name, group = await three(), group_id()
    async with recorded(kafka) as proxy:
        proxy.cap_versions({"JoinGroup": 4, "SyncGroup": 2, "Heartbeat": 2, "OffsetCommit": 6, "LeaveGroup": 2})
        with refused(
            "group_instance_id: a real broker of few versions",
            UnsupportedVersionError,
            "or leave group_instance_id out",
        ) as row:
            await consumer(proxy.bootstrap, name, group_id=group, group_instance_id="a").start()
        assert isinstance(row.error, ConfigError)
        assert not proxy.sent("JoinGroup")
        row.then(await reads(proxy.bootstrap, name, group_id=group) + ", as a dynamic member")
        assert {join.api_version for join in proxy.sent("JoinGroup")} == {4}


@pytest.mark.scenario(25, where="real")
@pytest.mark.asyncio
async def test_a_restart_into_a_full_group(kafka, three, group_id) -> None:
    """A static member at exactly group.max.size cannot replace itself; once its old session is gone it can."""
    group, name, size = group_id(), await three(), int(str(kafka.settings["group.max.size"]))
    async with RawPeer.connect(kafka.bootstrap) as peer:
        before, *others = await full_group(peer, group, name, size, session_timeout_ms=30_000)
        options = {"group_id": group, "group_instance_id": "a"}
        parts = ("group.max.size", "A static member cannot restart into a full classic group")
        with refused("a restart into a group at group.max.size", GroupMaxSizeReachedError, *parts) as row:
            async with consumer(kafka.bootstrap, name, **options) as ours:
                await ours.getone()
        assert await before.heartbeat() == 0
        for member in (before, *others):
            await member.leave()
        row.then(await reads(kafka.bootstrap, name, **options) + ", once its old session is gone")


@pytest.mark.scenario(26, where="real")
@pytest.mark.asyncio
async def test_a_restart_with_another_assignor(kafka, three, group_id) -> None:
    """The ghost of the old session knows only the old one; both must be rolled out together."""
    name, group = await three(), group_id()
    options = {"group_id": group, "group_instance_id": "a"}
    async with RawPeer.connect(kafka.bootstrap) as peer:
        before = RawMember(peer, group, [name], instance_id="a", protocols=[("sticky", subscription([name]))])
        await before.settle()
        parts = ("INCONSISTENT_GROUP_PROTOCOL", "names both the old and the new assignor")
        with refused("a restart with another assignor", InconsistentGroupProtocolError, *parts) as row:
            async with consumer(kafka.bootstrap, name, **options) as ours:
                await ours.getone()
        assert await before.heartbeat() == 0
        await before.leave()
        row.then(await reads(kafka.bootstrap, name, **options) + ", once its old session is gone")


@pytest.mark.asyncio
async def test_a_session_timeout_that_the_broker_refuses(kafka, three, group_id) -> None:
    """The broker's limits are the remedy."""
    name = await three()
    options = {"group_id": group_id(), "group_instance_id": "a"}
    with refused(
        "session_timeout_ms below the broker's minimum",
        InvalidSessionTimeoutError,
        "group.min.session.timeout.ms",
    ) as row:
        async with consumer(
            kafka.bootstrap, name, session_timeout_ms=500, heartbeat_interval_ms=100, **options
        ) as ours:
            await ours.getone()
    row.then(await reads(kafka.bootstrap, name, **options))


@pytest.mark.asyncio
async def test_one_identity_twice_in_a_process(kafka, three, group_id) -> None:
    """Refused before any request, while the first goes on."""
    name, registry = await three(), IdentityRegistry()
    options = {"group_id": group_id(), "group_instance_id": "a", "registry": registry}
    async with consumer(kafka.bootstrap, name, auto_offset_reset="earliest", **options) as first:
        await asyncio.wait_for(first.getone(), 10)
        with refused(
            "group_instance_id twice in one process, live", ConfigError, "Give each consumer its own id"
        ) as row:
            await consumer(kafka.bootstrap, name, **options).start()
        assert (await asyncio.wait_for(first.getone(), 10)).offset == 1
        await first.aclose()
        async with consumer(kafka.bootstrap, name, **options) as again:
            assert (await asyncio.wait_for(again.getone(), 10)).offset == 1
        row.then("the first reads on; when it is closed, another start works")


@pytest.mark.asyncio
async def test_a_commit_of_what_is_not_assigned(kafka, three, group_id) -> None:
    """Refused here: the broker would take it."""
    name = await three()
    async with consumer(kafka.bootstrap, name, group_id=group_id(), auto_offset_reset="earliest") as ours:
        await asyncio.wait_for(ours.getone(), 10)
        parts = (f"{name}-9 not assigned", "Commit before the partitions are revoked")
        with refused("a commit of a partition that is not assigned", CommitFailedError, *parts) as row:
            await ours.commit({TopicPartition(name, 9): 1})
        await ours.commit()
        row.then("a commit of what is assigned works")


@pytest.mark.asyncio
async def test_a_simple_commit_beside_a_group(kafka, three, group_id) -> None:
    """Partitions assigned by hand, under the group id of a live group: the coordinator refuses the commit."""
    name, group = await three(), group_id()
    async with RawPeer.connect(kafka.bootstrap) as peer:
        member = RawMember(peer, group, [name])
        await member.settle()
        async with by_hand(kafka.bootstrap, name, group_id=group, auto_offset_reset="earliest") as ours:
            await asyncio.wait_for(ours.getone(), 10)
            parts = ("UNKNOWN_MEMBER_ID", "give assigned partitions a group_id of their own")
            with refused("assign() and commit() under a live group's id", CommitFailedError, *parts) as row:
                await ours.commit()
            assert await member.leave() == 0
            await ours.commit()
            row.then("once the group is empty, the commit works")
            assert await peer.committed(group, [(name, 0)]) == {(name, 0): 1}


@pytest.mark.asyncio
async def test_two_tasks_that_ask(kafka, three) -> None:
    """One at a time."""
    name = await three()
    async with consumer(kafka.bootstrap, name, auto_offset_reset="latest") as ours:
        await ours.position(TopicPartition(name, 0))
        first = asyncio.create_task(ours.getone())
        await asyncio.sleep(0)
        with refused("two tasks that iterate one consumer", IllegalStateError, "Let one task iterate") as row:
            await ours.getone()
        async with RawPeer.connect(kafka.bootstrap) as peer:
            await write(peer, name, 0, [b"new"])
        assert (await asyncio.wait_for(first, 10)).value == b"new"
        row.then("the first one reads on")

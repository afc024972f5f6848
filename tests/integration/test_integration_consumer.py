"""The consumer's calls on a real broker, one by one; foreign clients write, commit and look."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from confluent_kafka import TopicPartition as ForeignTopicPartition
from confluent_kafka.admin import AdminClient

from kafkastatic import Consumer, TopicPartition
from kafkastatic.errors import (
    CommitFailedError,
    ConsumerClosedError,
    IllegalStateError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
)
from tests.support.embedded import EmbeddedKafka
from tests.support.raw_peer import RawMember, RawPeer
from tests.support.scenes import Recorder, consumer, eventually, reading, recorded, running, write
from tools.real_kafka import RealKafka

SOON = 10


async def ask(source: Consumer[bytes, bytes], count: int = 1) -> list[int]:
    """The offsets of the next records."""
    return [(await asyncio.wait_for(source.getone(), SOON)).offset for _ in range(count)]


async def committed(bootstrap: str, group: str, *partitions: tuple[str, int]) -> list[int]:
    """What the coordinator tells the raw peer."""
    async with RawPeer.connect(bootstrap) as peer:
        found = await peer.committed(group, partitions)
    return [found[tp] for tp in partitions]


@pytest.fixture
def filled(kafka, topic):
    """`name = await filled(10, 5)`: a topic with one partition for each number, holding as many records b"0", b"1"."""

    async def fill(*counts: int, **config: str) -> str:
        name = await topic(partitions=len(counts), **config)
        async with RawPeer.connect(kafka.bootstrap) as peer:
            for partition, count in enumerate(counts):
                if count:
                    await write(peer, name, partition, [b"%d" % n for n in range(count)])
        return name

    return fill


def delete_before(kafka: RealKafka | EmbeddedKafka, topic: str, partition: int, offset: int) -> None:
    """The log starts at `offset`: on a real broker by a foreign admin client."""
    if isinstance(kafka, EmbeddedKafka):
        kafka.delete_records(topic, partition, offset)
        return
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    for future in admin.delete_records([ForeignTopicPartition(topic, partition, offset)]).values():
        assert future.result(10).low_watermark == offset


# ── where to start ──


@pytest.mark.parametrize("grouped", [True, False])
@pytest.mark.asyncio
async def test_earliest_starts_at_the_beginning(kafka, filled, group_id, grouped) -> None:
    """Where nothing is committed."""
    name = await filled(3)
    options = {"group_id": group_id()} if grouped else {}
    async with consumer(kafka.bootstrap, name, auto_offset_reset="earliest", **options) as ours:
        assert await ask(ours, 3) == [0, 1, 2]


@pytest.mark.parametrize("grouped", [True, False])
@pytest.mark.asyncio
async def test_latest_starts_behind_the_end(kafka, filled, group_id, grouped) -> None:
    """It is Kafka's default."""
    name = await filled(3)
    options = {"group_id": group_id()} if grouped else {}
    async with (
        RawPeer.connect(kafka.bootstrap) as peer,
        consumer(kafka.bootstrap, name, auto_offset_reset="latest", **options) as ours,
    ):
        await ours.assigned()
        assert await ours.position(TopicPartition(name, 0)) == 3
        await write(peer, name, 0, [b"new"])
        assert await ask(ours) == [3]


@pytest.mark.parametrize("grouped", [True, False])
@pytest.mark.asyncio
async def test_none_raises_where_nothing_is_committed(kafka, filled, group_id, grouped) -> None:
    """Every ask raises until a seek says where to start; the other partitions are not held up."""
    name, group = await filled(3, 3), group_id() if grouped else None
    if group:
        async with RawPeer.connect(kafka.bootstrap) as peer:
            assert await peer.commit(group, {(name, 1): 1}) == {(name, 1): 0}
    async with consumer(kafka.bootstrap, name, auto_offset_reset="none", group_id=group) as ours:
        met: list[Any] = []
        wanted = 0 if group is None else (1, 1)
        async with asyncio.timeout(SOON):
            while wanted not in met or met.count(0) < 2:
                try:
                    record = await ours.getone()
                    met.append((record.partition, record.offset))
                except NoOffsetForPartitionError as error:
                    assert (error.topic, error.group) == (name, group)
                    assert "auto_offset_reset" in str(error)
                    met.append(error.partition)
        with pytest.raises(NoOffsetForPartitionError):
            await ours.position(TopicPartition(name, 0))
        ours.seek(TopicPartition(name, 0), 2)
        if not grouped:
            ours.seek(TopicPartition(name, 1), 3)
        record = await asyncio.wait_for(ours.getone(), SOON)
        assert (record.partition, record.offset) == (0, 2) or (record.partition, record.offset) == (1, 2)


@pytest.mark.parametrize("grouped", [True, False])
@pytest.mark.parametrize(("policy", "expected"), [("earliest", 2), ("latest", 5)])
@pytest.mark.parametrize("offset", [0, 99])
@pytest.mark.asyncio
async def test_a_position_outside_the_log_is_reset(kafka, filled, group_id, offset, policy, expected, grouped) -> None:
    """Before its start, where records were deleted, or behind its end."""
    name = await filled(5)
    tp = TopicPartition(name, 0)
    await asyncio.to_thread(delete_before, kafka, name, 0, 2)
    options = {"group_id": group_id()} if grouped else {}
    async with (
        RawPeer.connect(kafka.bootstrap) as peer,
        consumer(kafka.bootstrap, name, auto_offset_reset=policy, **options) as ours,
    ):
        await ours.assigned()
        ours.seek(tp, offset)
        pending = asyncio.create_task(ask(ours))

        async def moved() -> bool:
            return await ours.position(tp) == expected or pending.done()

        await eventually(moved)
        await write(peer, name, 0, [b"new"])
        assert await pending == [expected]


@pytest.mark.parametrize("offset", [0, 99])
@pytest.mark.asyncio
async def test_a_position_outside_the_log_raises_without_a_policy(kafka, filled, offset) -> None:
    """Every ask raises until a seek; the error says which offset, and how to go on."""
    name = await filled(5)
    tp = TopicPartition(name, 0)
    await asyncio.to_thread(delete_before, kafka, name, 0, 2)
    ours = consumer(kafka.bootstrap, auto_offset_reset="none")
    ours.assign([tp])
    async with ours:
        ours.seek(tp, offset)
        for _ in range(2):
            with pytest.raises(OffsetOutOfRangeError) as caught:
                await asyncio.wait_for(ours.getone(), SOON)
            error = caught.value
            assert (error.topic, error.partition, error.offset, error.code) == (name, 0, offset, 1)
            assert "Seek to an offset inside the log" in str(error)
        ours.seek(tp, 3)
        assert await ask(ours, 2) == [3, 4]


# ── offsets of the group ──


@pytest.mark.asyncio
async def test_commits_of_all_of_one_record_and_of_a_mapping(kafka, filled, group_id) -> None:
    """As the coordinator tells somebody else; an explicit commit covers the record in hand."""
    name, group = await filled(5, 5), group_id()
    first, second = TopicPartition(name, 0), TopicPartition(name, 1)
    async with consumer(kafka.bootstrap, name, group_id=group, enable_auto_commit=False) as ours:
        await ours.assigned()
        assert await ours.committed(first) is None
        ours.pause(second)
        records = [await asyncio.wait_for(ours.getone(), SOON) for _ in range(3)]
        await ours.commit()
        assert await committed(kafka.bootstrap, group, first, second) == [3, 0]
        await ours.commit(records[0])
        assert await committed(kafka.bootstrap, group, first) == [1]
        await ours.commit({first: 2, second: (4, "why")})
        assert await committed(kafka.bootstrap, group, first, second) == [2, 4]
        assert (await ours.committed(first), await ours.committed(second)) == (2, 4)
        with pytest.raises(ValueError, match="negative"):
            await ours.commit({first: -1})
        with pytest.raises(CommitFailedError, match="not assigned"):
            await ours.commit({TopicPartition("other", 0): 1})
        assert await ours.seek_to_committed() == {first: 2, second: 4}
        assert await ask(ours, 3) == [2, 3, 4]
    assert await committed(kafka.bootstrap, group, first, second) == [2, 4]  # nothing is committed behind its back


@pytest.mark.asyncio
async def test_auto_commit_on_its_timer(kafka, filled, group_id) -> None:
    """What is consumed: the record in hand does not count."""
    name, group = await filled(5), group_id()
    async with consumer(kafka.bootstrap, name, group_id=group, auto_commit_interval_ms=50) as ours:
        await ask(ours, 3)

        async def counted() -> bool:
            return await committed(kafka.bootstrap, group, (name, 0)) == [2]

        await eventually(counted)


@pytest.mark.asyncio
async def test_auto_commit_on_a_revoke(kafka, filled, group_id) -> None:
    """The next owner of a partition starts where this one stopped, before it is told."""
    name, group, heard = await filled(10, 10), group_id(), Recorder()
    async with (
        RawPeer.connect(kafka.bootstrap) as peer,
        running(kafka.bootstrap, name, listener=heard, group_id=group, group_instance_id="a") as ours,
    ):
        for _ in range(20):
            await asyncio.wait_for(ours.getone(), SOON)
        pending = asyncio.create_task(ours.getone())
        other = RawMember(peer, group, [name], instance_id="b")
        theirs = await asyncio.wait_for(other.settle(), SOON)
        assert await committed(kafka.bootstrap, group, (name, 0), (name, 1)) == [10, 10]
        assert len(theirs) == 1
        await eventually(lambda: heard.kinds == ["assigned", "revoked", "assigned"])
        pending.cancel()


@pytest.mark.asyncio
async def test_a_revoke_waits_for_the_record_in_hand(kafka, filled, group_id) -> None:
    """Until it is done, `drain_timeout_ms` at most; then the partition goes, that record unconsumed."""
    name, group = await filled(5), group_id()
    async with (
        RawPeer.connect(kafka.bootstrap) as peer,
        consumer(kafka.bootstrap, name, group_id=group, group_instance_id="a", drain_timeout_ms=700) as ours,
    ):
        loop = asyncio.get_running_loop()
        await ask(ours, 3)
        other = RawMember(peer, group, [name], instance_id="0")
        began = loop.time()
        assert await asyncio.wait_for(other.settle(), SOON) == {(name, 0)}
        assert loop.time() - began > 0.6
        assert await committed(kafka.bootstrap, group, (name, 0)) == [2]
        with pytest.raises(CommitFailedError):
            await ours.commit({TopicPartition(name, 0): 3})


@pytest.mark.parametrize("manual", [False, True])
@pytest.mark.asyncio
async def test_leaving_cleanly_counts_the_record_in_hand(kafka, filled, group_id, manual) -> None:
    """The next consumer of the group goes on behind it."""
    name, group = await filled(5), group_id()

    def make() -> Consumer[bytes, bytes]:
        ours = consumer(kafka.bootstrap, *([] if manual else [name]), group_id=group)
        if manual:
            ours.assign([TopicPartition(name, 0)])
        return ours

    async with make() as ours:
        async for record in ours:
            if record.offset == 2:
                break
    assert await committed(kafka.bootstrap, group, (name, 0)) == [3]
    async with make() as ours:
        assert await ask(ours, 2) == [3, 4]


@pytest.mark.parametrize("manual", [False, True])
@pytest.mark.asyncio
async def test_leaving_by_an_exception_does_not_count_it(kafka, filled, group_id, manual) -> None:
    """It was being handled when that failed: it is delivered again."""
    name, group = await filled(5), group_id()
    ours = consumer(kafka.bootstrap, *([] if manual else [name]), group_id=group)
    if manual:
        ours.assign([TopicPartition(name, 0)])
    with pytest.raises(ZeroDivisionError):
        async with ours:
            async for record in ours:
                if record.offset == 2:
                    raise ZeroDivisionError
    assert await committed(kafka.bootstrap, group, (name, 0)) == [2]
    async with consumer(kafka.bootstrap, name, group_id=group) as again:
        assert await ask(again, 3) == [2, 3, 4]


@pytest.mark.parametrize("where", ["loop", "thread"])
@pytest.mark.asyncio
async def test_stop_ends_iteration_after_the_record_in_hand(kafka, filled, group_id, where) -> None:
    """And what was handled is committed by the close that follows."""
    name, group = await filled(2000), group_id()
    handled: list[int] = []
    async with consumer(kafka.bootstrap, name, group_id=group) as ours:
        async for record in ours:
            handled.append(record.offset)
            if record.offset == 1:
                if where == "loop":
                    ours.stop()
                else:
                    await asyncio.to_thread(ours.stop)
        with pytest.raises(ConsumerClosedError):
            await ours.getone()
        assert await ours.getmany(timeout_ms=1000) == {}
    assert handled == [0, 1]
    assert await committed(kafka.bootstrap, group, (name, 0)) == [2]


@pytest.mark.asyncio
async def test_stop_wakes_an_idle_iteration(kafka, filled) -> None:
    """From another thread, as a signal handler or a health check may."""
    name = await filled(0)
    async with consumer(kafka.bootstrap, name) as ours, reading(ours) as reader:
        await eventually(lambda: ours.highwater(TopicPartition(name, 0)) is not None)
        thread = threading.Thread(target=ours.stop)
        thread.start()
        assert await reader.ended(timeout=5) is None
        thread.join()


@pytest.mark.asyncio
async def test_a_restart_after_a_commit_goes_on_exactly_there(kafka, filled, group_id) -> None:
    """Ten short lives of a static member read everything once."""
    name, group, found = await filled(500, 500), group_id(), []
    while len(found) < 1000:
        async with consumer(kafka.bootstrap, name, group_id=group, group_instance_id="a") as ours:
            for _ in range(100):
                record = await asyncio.wait_for(ours.getone(), SOON)
                found.append((record.partition, record.offset))
            await ours.commit()
            assert ours.membership.epoch == 1
    assert sorted(found) == [(p, o) for p in range(2) for o in range(500)]


# ── position, seek, pause ──


@pytest.mark.asyncio
async def test_position_and_seek(kafka, filled) -> None:
    """The position is the next record's offset; a seek takes effect at the next ask, whatever was fetched."""
    name = await filled(10)
    tp = TopicPartition(name, 0)
    async with consumer(kafka.bootstrap, name) as ours:
        assert await ours.position(tp) == 0
        assert await ask(ours, 3) == [0, 1, 2]
        assert await ours.position(tp) == 3
        ours.seek(tp, 8)
        assert await ours.position(tp) == 8
        assert await ask(ours, 2) == [8, 9]
        await ours.seek_to_beginning(tp)
        assert await ours.position(tp) == 0
        assert await ask(ours, 1) == [0]
        await ours.seek_to_end()
        assert await ours.position(tp) == 10
        ours.seek(tp, 5)
        assert [r.offset for r in (await ours.getmany(timeout_ms=5000))[tp]] == [5, 6, 7, 8, 9]
        with pytest.raises(IllegalStateError, match="not assigned"):
            ours.seek(TopicPartition(name, 1), 0)
        with pytest.raises(IllegalStateError, match="not assigned"):
            await ours.position(TopicPartition(name, 1))
        with pytest.raises(ValueError, match="negative"):
            ours.seek(tp, -1)


@pytest.mark.asyncio
async def test_seek_in_the_assigned_callback_counts(kafka, filled, group_id) -> None:
    """Nothing is fetched before the callback is done."""
    name = await filled(10)

    class Seeking(Recorder):
        async def on_partitions_assigned(self, assigned):
            await super().on_partitions_assigned(assigned)
            for tp in assigned:
                ours.seek(tp, 7)

    ours = consumer(kafka.bootstrap, group_id=group_id())
    ours.subscribe([name], listener=Seeking())
    async with ours:
        assert await ask(ours, 3) == [7, 8, 9]


@pytest.mark.asyncio
async def test_pause_and_resume(kafka, filled) -> None:
    """A paused partition is held back, what was already fetched of it too, and goes on where it stood."""
    name = await filled(300, 300)
    first, second = TopicPartition(name, 0), TopicPartition(name, 1)
    async with consumer(kafka.bootstrap, name, max_poll_records=10) as ours:
        begun = await asyncio.wait_for(ours.getone(), SOON)
        paused, other = (first, second) if begun.tp == first else (second, first)
        ours.pause(paused)
        assert ours.paused() == {paused}
        others = [await asyncio.wait_for(ours.getone(), SOON) for _ in range(300)]
        assert {record.tp for record in others} == {other}
        assert await ours.getmany(timeout_ms=50) == {}
        ours.resume(paused)
        assert ours.paused() == frozenset()
        rest = [await asyncio.wait_for(ours.getone(), SOON) for _ in range(299)]
        assert [(record.tp, record.offset) for record in rest] == [(paused, o) for o in range(1, 300)]


# ── what to read ──


@pytest.mark.asyncio
async def test_assign_by_hand(kafka, filled, group_id) -> None:
    """No group membership; commits go to the group's offsets all the same; another assign changes what is read."""
    name, group = await filled(3, 3), group_id()
    first, second = TopicPartition(name, 0), TopicPartition(name, 1)
    async with recorded(kafka) as proxy, RawPeer.connect(kafka.bootstrap) as peer:
        ours = consumer(proxy.bootstrap, group_id=group)
        ours.assign([first])
        async with ours:
            assert ours.assignment() == {first}
            assert await ask(ours, 3) == [0, 1, 2]
            await ours.commit()
            ours.assign([second])
            record = await asyncio.wait_for(ours.getone(), SOON)
            assert (record.partition, record.offset) == (1, 0)
            with pytest.raises(IllegalStateError):
                ours.subscribe([name])
        assert await committed(kafka.bootstrap, group, first, second) == [3, 1]
        assert not {"JoinGroup", "SyncGroup", "Heartbeat", "LeaveGroup"} & set(proxy.names())
        assert (await peer.describe(group)).members == []
        assert {request.message.group_instance_id for request in proxy.sent("OffsetCommit")} == {None}


@pytest.mark.asyncio
async def test_subscribing_to_other_topics(kafka, filled, group_id) -> None:
    """The old partitions are revoked and committed before the new ones are assigned."""
    old, new, group, heard = await filled(3), await filled(3), group_id(), Recorder()
    async with running(kafka.bootstrap, old, listener=heard, group_id=group, group_instance_id="a") as ours:
        assert await ask(ours, 3) == [0, 1, 2]
        ours.subscribe([new], listener=heard)
        record = await asyncio.wait_for(ours.getone(), SOON)
        assert (record.topic, record.offset) == (new, 0)
        assert ours.subscription() == {new}
        olds, news = frozenset({TopicPartition(old, 0)}), frozenset({TopicPartition(new, 0)})
        assert heard.calls == [("assigned", olds), ("revoked", olds), ("assigned", news)]
        assert await committed(kafka.bootstrap, group, (old, 0)) == [3]
        ours.subscribe([old, new], listener=heard)
        async with reading(ours):  # which says that the record in hand is done
            await eventually(lambda: ours.assignment() == olds | news)


@pytest.mark.asyncio
async def test_offsets_of_the_log(kafka, filled, topic) -> None:
    """Beginning, end, by time, high watermark and lag, also of partitions that are not assigned."""
    name, tp = await filled(10, 0), TopicPartition
    timed = await topic()
    async with RawPeer.connect(kafka.bootstrap) as peer:
        for number in range(5):
            await write(peer, timed, 0, [b"%d" % number], timestamp_ms=1_700_000_000_000 + number * 1000)
    await asyncio.to_thread(delete_before, kafka, name, 0, 4)
    async with consumer(kafka.bootstrap, name) as ours:
        everything = [tp(name, 0), tp(name, 1), tp(timed, 0)]
        assert await ours.beginning_offsets(everything) == {tp(name, 0): 4, tp(name, 1): 0, tp(timed, 0): 0}
        assert await ours.end_offsets(everything) == {tp(name, 0): 10, tp(name, 1): 0, tp(timed, 0): 5}
        at = 1_700_000_000_000
        assert await ours.offsets_for_times({tp(timed, 0): at + 1500}) == {tp(timed, 0): (2, at + 2000, 0)}
        assert await ours.offsets_for_times({tp(timed, 0): at + 9000, tp(name, 1): at}) == {
            tp(timed, 0): None,
            tp(name, 1): None,
        }
        assert await ask(ours, 2) == [4, 5]
        assert ours.highwater(tp(name, 0)) == 10
        await eventually(lambda: ours.lag() == {tp(name, 0): 4, tp(name, 1): 0})


@pytest.mark.asyncio
async def test_partitions_added_later_are_read(kafka, filled, group_id) -> None:
    """By the leader of a group at its next look at the metadata, and by a consumer without a group."""
    name = await filled(1)
    quick = {"metadata_max_age_ms": 200}
    async with (
        RawPeer.connect(kafka.bootstrap) as peer,
        consumer(kafka.bootstrap, name, group_id=group_id(), group_instance_id="a", **quick) as grouped,
        consumer(kafka.bootstrap, name, **quick) as alone,
    ):
        for ours in (grouped, alone):
            assert await ask(ours) == [0]
        await peer.create_partitions(name, 3)
        for partition in (1, 2):
            await write(peer, name, partition, [b"new"])
        for ours in (grouped, alone):
            records = [await asyncio.wait_for(ours.getone(), SOON) for _ in range(2)]
            assert {(record.partition, record.offset) for record in records} == {(1, 0), (2, 0)}


@pytest.mark.asyncio
async def test_deserializers(kafka, filled) -> None:
    """Sync and async ones; what one raises stands at its record until a seek passes it."""
    name = await filled(4)

    async def number(data: bytes) -> int:
        await asyncio.sleep(0)
        return 10 // (2 - int(data))

    ours = Consumer(name, bootstrap_servers=kafka.bootstrap, auto_offset_reset="earliest", value_deserializer=number)
    async with ours:
        assert [(await ours.getone()).value for _ in range(2)] == [5, 10]
        for _ in range(2):
            with pytest.raises(Exception, match="ZeroDivisionError") as caught:
                await ours.getone()
        ours.seek(TopicPartition(name, 0), caught.value.next_offset)
        assert (await ours.getone()).value == -10

"""Topics that appear, grow, vanish and are created again while a consumer reads them, and subscriptions by pattern."""

from __future__ import annotations

import asyncio
import logging
import re
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from kafkastatic import Consumer, TopicPartition
from kafkastatic.errors import CommitFailedError
from tests.support.raw_peer import RawError, RawPeer
from tests.support.scenes import Reader, Recorder, consumer, eventually, reading, running, write

QUICK: dict[str, Any] = {
    "metadata_max_age_ms": 300,
    "auto_commit_interval_ms": 30,
    "fetch_max_wait_ms": 200,
    "retry_backoff_max_ms": 200,
}


def new_name(prefix: str = "topic") -> str:
    return f"{prefix}-{uuid.uuid4().hex[:12]}"


async def create(peer: RawPeer, name: str, partitions: int = 1) -> None:
    """Create a topic as soon as the deletion of its predecessor lets it (error 36 before)."""

    async def created() -> bool:
        try:
            await peer.create_topic(name, partitions)
        except RawError as error:
            assert error.code != 36
            raise
        return True

    await eventually(created)


def values(reader: Reader) -> list[bytes]:
    return [record.value for record in reader.records]


def events(caplog: pytest.LogCaptureFixture, *names: str) -> list[str]:
    """The events of these names, in order."""
    return [record.args[0] for record in caplog.records if record.args and record.args[0] in names]


@asynccontextmanager
async def raw(kafka: Any) -> AsyncIterator[RawPeer]:
    async with RawPeer.connect(kafka.bootstrap) as peer:
        yield peer


# ── created again under the same name ──


@pytest.mark.asyncio
@pytest.mark.parametrize("grouped", [True, False], ids=["group", "no group"])
@pytest.mark.parametrize("pause", [True, False], ids=["seen missing", "at once"])
async def test_a_topic_created_again_is_read_from_its_beginning(kafka, group_id, caplog, grouped, pause) -> None:
    """Fewer records than the old position, then more, then fewer: all of them are read, once, and only what was read
    of the topic that is there is committed; auto_offset_reset="latest" skips none of them.
    """
    caplog.set_level(logging.INFO, "kafkastatic")
    name, group = new_name(), group_id() if grouped else None
    async with raw(kafka) as peer:
        await create(peer, name)
        await write(peer, name, 0, [b"0-%d" % n for n in range(30)])
        options = QUICK | {"group_id": group, "group_instance_id": "a" if grouped else None}
        async with running(kafka.bootstrap, name, **options) as ours, reading(ours) as reader:
            await eventually(lambda: len(reader.records) == 30)
            for round_, count in enumerate([7, 90, 20], start=1):
                await peer.delete_topic(name)
                if pause:
                    await eventually(lambda r=round_: events(caplog, "topic_vanished") == ["topic_vanished"] * r)
                await create(peer, name)
                expected = [b"%d-%d" % (round_, n) for n in range(count)]
                await write(peer, name, 0, expected)
                await eventually(lambda e=expected: values(reader)[-len(e) :] == e)
                if grouped:
                    await eventually(lambda c=count: committed(peer, group, name, c))
            assert len(reader.records) == 30 + 7 + 90 + 20
            assert ours.assignment() == {TopicPartition(name, 0)}
        if not pause:
            assert events(caplog, "topic_recreated") == ["topic_recreated"] * 3


async def committed(peer: RawPeer, group: str, name: str, offset: int, partition: int = 0) -> bool:
    return await peer.committed(group, [(name, partition)]) == {(name, partition): offset}


@pytest.mark.asyncio
async def test_a_record_in_hand_of_a_deleted_topic_is_never_committed_to_its_successor(kafka, group_id) -> None:
    """It is refused with the reason; what is asked for next is the new topic's first record."""
    name, group = new_name(), group_id()
    async with raw(kafka) as peer:
        await create(peer, name)
        await write(peer, name, 0, [b"old"] * 5)
        options = QUICK | {"group_id": group, "enable_auto_commit": False}
        async with running(kafka.bootstrap, name, **options) as ours:
            for _ in range(4):
                record = await ours.getone()
            await ours.commit(record)
            await peer.delete_topic(name)
            await create(peer, name)
            await write(peer, name, 0, [b"new"] * 9)
            with pytest.raises(CommitFailedError, match=r"created again|not assigned|was deleted") as caught:
                await ours.commit(record)
            assert caught.value.offsets == {(name, 0): 4}
            assert await committed(peer, group, name, -1)
            first = await asyncio.wait_for(ours.getone(), 10)
            assert (first.offset, first.value) == (0, b"new")
            await ours.commit()
            assert await committed(peer, group, name, 1)


@pytest.mark.asyncio
async def test_a_topic_created_again_goes_on_at_what_was_committed_of_it(kafka, group_id) -> None:
    """With the partition assigned by hand and paused, so that it is not noticed before somebody has committed."""
    name, group = new_name(), group_id()
    async with raw(kafka) as peer:
        await create(peer, name)
        await write(peer, name, 0, [b"old"] * 5)
        options = QUICK | {"group_id": group, "metadata_max_age_ms": 60_000, "enable_auto_commit": False}
        ours, tp = consumer(kafka.bootstrap, **options), TopicPartition(name, 0)
        ours.assign([tp])
        async with ours:
            assert (await ours.getone()).value == b"old"
            ours.pause(tp)
            await eventually(lambda: not ours._client.fetch._planner._in_flight)
            await peer.delete_topic(name)
            await create(peer, name)
            await write(peer, name, 0, [b"new"] * 5)
            await peer.commit(group, {(name, 0): 3})
            assert not ours._client.positions[tp].reborn
            ours._client.metadata.refresh_soon()
            await eventually(lambda: ours._client.positions[tp].reborn)
            assert ours.paused() == {tp}
            ours.resume(tp)
            record = await asyncio.wait_for(ours.getone(), 10)
            assert (record.offset, record.value) == (3, b"new")


@pytest.mark.asyncio
@pytest.mark.parametrize("ordering", ["partition", "key"])
async def test_a_handler_goes_on_with_the_topic_that_was_created_again(kafka, group_id, ordering) -> None:
    """What it works on is done, though never committed; then it is given the new topic's records, all of them."""
    name, group = new_name(), group_id()
    handled: list[bytes] = []
    begun, held = asyncio.Event(), asyncio.Event()

    async def handle(record: Any) -> None:
        begun.set()
        if record.value == b"old":
            await held.wait()
        handled.append(record.value)

    async with raw(kafka) as peer:
        await create(peer, name)
        await write(peer, name, 0, [(b"k%d" % n, b"old", ()) for n in range(9)])
        async with running(kafka.bootstrap, name, **(QUICK | {"group_id": group, "max_poll_records": 2})) as ours:
            run = asyncio.create_task(ours.run(handle, ordering=ordering, concurrency=4))
            await asyncio.wait_for(begun.wait(), 10)
            await peer.delete_topic(name)
            await create(peer, name)
            await write(peer, name, 0, [b"new"] * 20)
            await eventually(lambda: ours._client.positions.partitions() and next(iter(ours._client.positions)).reborn)
            held.set()
            await eventually(lambda: handled.count(b"new") == 20)
            assert handled.count(b"old") < 9
            await eventually(lambda: committed(peer, group, name, 20))
            ours.stop()
            await run


# ── vanishing and growing ──


@pytest.mark.asyncio
@pytest.mark.parametrize("grouped", [True, False], ids=["group", "no group"])
async def test_a_topic_that_vanishes_goes_and_the_others_go_on(kafka, group_id, caplog, grouped) -> None:
    """An event says so; commits of what is left are accepted, and the consumer lives."""
    caplog.set_level(logging.INFO, "kafkastatic")
    stays, goes, group = new_name(), new_name(), group_id() if grouped else None
    async with raw(kafka) as peer:
        await create(peer, stays, 2)
        await create(peer, goes, 2)
        await write(peer, goes, 0, [b"x"] * 3)
        async with running(kafka.bootstrap, stays, goes, **(QUICK | {"group_id": group})) as ours:
            async with reading(ours) as reader:
                await eventually(lambda: len(reader.records) == 3)
                await peer.delete_topic(goes)
                await eventually(lambda: ours.assignment() == {(stays, 0), (stays, 1)})
                await write(peer, stays, 1, [b"y"] * 4)
                await eventually(lambda: values(reader)[3:] == [b"y"] * 4)
                if grouped:
                    await eventually(lambda: committed(peer, group, stays, 4, 1))
            assert reader.error is None
    assert events(caplog, "topic_vanished", "topic_recreated", "failed") == ["topic_vanished"]


@pytest.mark.asyncio
@pytest.mark.parametrize("grouped", [True, False], ids=["group", "no group"])
async def test_partitions_that_are_added_are_read(kafka, group_id, grouped) -> None:
    """Without a group at once, with one after the rebalance that its leader begins; both members get some."""
    name, group = new_name(), group_id() if grouped else None
    async with raw(kafka) as peer:
        await create(peer, name)
        async with running(kafka.bootstrap, name, **(QUICK | {"group_id": group})) as ours, reading(ours) as reader:
            await eventually(lambda: ours.assignment() == {(name, 0)})
            await peer.create_partitions(name, 3)
            await write(peer, name, 2, [b"x"])
            await eventually(lambda: values(reader) == [b"x"])
            assert ours.assignment() == {(name, 0), (name, 1), (name, 2)}


# ── by pattern ──


@pytest.mark.asyncio
async def test_a_pattern_follows_the_topics_that_match(kafka, group_id, caplog) -> None:
    """Nothing matches: it waits. Topics appear, and are read from their beginning; one vanishes, and goes. Names must
    match as a whole, and Kafka's own topics do not.
    """
    caplog.set_level(logging.INFO, "kafkastatic")
    prefix = new_name("by-pattern")
    first, second = f"{prefix}-1", f"{prefix}-2"
    async with raw(kafka) as peer:
        ours = consumer(kafka.bootstrap, **(QUICK | {"group_id": group_id()}))
        ours.subscribe(pattern=f"{prefix}-.|__.*")
        assert ours.subscription() == frozenset()
        async with ours, reading(ours) as reader:
            waiting = asyncio.create_task(ours.assigned())
            await create(peer, f"{prefix}-10")
            await create(peer, first)
            await write(peer, first, 0, [b"a"])
            assert await asyncio.wait_for(waiting, 10) == {(first, 0)}
            await create(peer, second, 2)
            await write(peer, second, 1, [b"b"])
            await eventually(lambda: values(reader) == [b"a", b"b"])
            assert ours.subscription() == {first, second}
            await peer.delete_topic(first)
            await eventually(lambda: ours.assignment() == {(second, 0), (second, 1)})
            assert ours.subscription() == {second}
            ours.subscribe(pattern=re.compile(re.escape(f"{prefix}-10")))
            await eventually(lambda: ours.assignment() == {(f"{prefix}-10", 0)})
            ours.subscribe([second])
            await eventually(lambda: ours.assignment() == {(second, 0), (second, 1)})
    assert events(caplog, "topic_vanished", "failed") == ["topic_vanished"]


@pytest.mark.asyncio
async def test_a_pattern_without_a_group_owns_what_matches(kafka) -> None:
    """From the start, and what appears later."""
    prefix = new_name("alone")
    async with raw(kafka) as peer:
        await create(peer, f"{prefix}-1")
        ours = consumer(kafka.bootstrap, **QUICK)
        ours.subscribe(pattern=re.compile(f"{prefix}-.*"))
        async with ours, reading(ours) as reader:
            assert ours.assignment() == {(f"{prefix}-1", 0)}
            await create(peer, f"{prefix}-2")
            await write(peer, f"{prefix}-2", 0, [b"x"])
            await eventually(lambda: values(reader) == [b"x"])


@pytest.mark.asyncio
async def test_a_static_member_by_pattern_restarts_without_a_rebalance(kafka, group_id) -> None:
    """The same topics match: the same generation, and the other member is not told of anything."""
    name, group, heard = new_name("static"), group_id(), Recorder()
    options = QUICK | {"group_id": group, "metadata_max_age_ms": 60_000}

    def member(instance_id: str) -> Consumer[bytes, bytes]:
        made = consumer(kafka.bootstrap, **(options | {"group_instance_id": instance_id}))
        made.subscribe(pattern=f"{name}.*", listener=heard if instance_id == "a" else None)
        return made

    async with raw(kafka) as peer:
        await create(peer, name, 4)
        async with member("a") as other, reading(other):
            async with member("b") as ours:
                await eventually(lambda: len(other.assignment()) == len(ours.assignment()) == 2)
                before = ours.membership
            told = len(heard.calls)
            async with member("b") as ours:
                assert await ours.assigned() == before.assignment
                assert ours.membership.epoch == before.epoch == other.membership.epoch
                assert ours.membership.member_id != before.member_id
            assert len(heard.calls) == told

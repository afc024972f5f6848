"""Asks that wait, deserializers, and what happens to both when something else goes on meanwhile."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Collection
from typing import Any

import pytest

from kafkastatic._drivers.deserializers import Deserializer, Deserializers
from kafkastatic._drivers.handout import AT_ONCE, HandOut
from kafkastatic._fetch.consumption import Consumption
from kafkastatic._runtime import Runtime
from kafkastatic.errors import CorruptRecordError, DeserializationError, IllegalStateError
from kafkastatic.types import TopicPartition

from .logs import A, B, batch, consumption, push

pytestmark = pytest.mark.asyncio


class Reader:
    """`getone()`, `getmany()` and `async for` over a hand-out, as `Consumer` has them."""

    def __init__(
        self, source: Consumption, value: Deserializer | None = None, *, key: Deserializer | None = None
    ) -> None:
        self.source = source
        self.asked = self.emptied = 0
        self.ended: BaseException | None = None
        self.hand_out = HandOut(
            source,
            Runtime(),
            Deserializers(key, value),
            check=self._check,
            asked=self._count_asked,
            emptied=self._count_emptied,
        )

    def _check(self) -> None:
        if self.ended is not None:
            raise self.ended

    def _count_asked(self) -> None:
        self.asked += 1

    def _count_emptied(self) -> None:
        self.emptied += 1

    def stop(self) -> None:
        self.source.stop()
        self.hand_out.arrived()

    async def one(self) -> Any:
        """The next value; `None` after a stop."""
        cursor = await self.hand_out.next()
        return None if cursor is None else next(cursor.iterator).value

    async def many(self, limit: int, only: Collection[TopicPartition] | None = None) -> list[Any]:
        cursor = await self.hand_out.next(only)
        if cursor is None:
            return []
        return [record.value for _, records in self.hand_out.take(cursor, limit, only) for record in records]


class Gate:
    """An async deserializer that waits to be let on, record by record."""

    def __init__(self) -> None:
        self.entered: asyncio.Queue[int] = asyncio.Queue()
        self._open: asyncio.Queue[None] = asyncio.Queue()

    async def __call__(self, data: bytes) -> int:
        assert isinstance(data, bytes), "deserialized twice"
        self.entered.put_nowait(int(data))
        await self._open.get()
        return int(data)

    def let(self, count: int) -> None:
        for _ in range(count):
            self._open.put_nowait(None)


async def cancelled(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def settled() -> None:
    """Let every task run as far as it gets."""
    for _ in range(5):
        await asyncio.sleep(0)


# ── waiting ──


async def test_an_ask_waits_for_records() -> None:
    source = consumption(a=0)
    reader = Reader(source)
    ask = asyncio.create_task(reader.one())
    await settled()
    assert source.waiting
    reader.hand_out.arrived()
    await settled()
    assert source.waiting
    push(source.positions[A], batch(0, 1))
    reader.hand_out.arrived()

    assert await ask == b"0"
    assert not source.waiting
    assert reader.asked == 1


async def test_a_cancelled_wait_leaves_nothing_behind() -> None:
    source = consumption(a=0)
    reader = Reader(source)
    ask = asyncio.create_task(reader.one())
    await settled()
    await cancelled(ask)
    assert not source.waiting
    push(source.positions[A], batch(0, 1))

    assert await reader.one() == b"0"


async def test_one_task_asks_at_a_time() -> None:
    reader = Reader(consumption(a=0))
    ask = asyncio.create_task(reader.one())
    await settled()
    with pytest.raises(IllegalStateError, match="Another task is asking"):
        await reader.one()
    await cancelled(ask)


async def test_stop_ends_a_wait() -> None:
    reader = Reader(consumption(a=0))
    ask = asyncio.create_task(reader.one())
    await settled()
    reader.stop()

    assert await ask is None
    assert await reader.one() is None


async def test_what_ends_the_consumer_ends_a_wait() -> None:
    reader = Reader(consumption(a=0))
    ask = asyncio.create_task(reader.one())
    await settled()
    reader.ended = IllegalStateError("over")
    reader.hand_out.arrived()
    with pytest.raises(IllegalStateError, match="over"):
        await ask
    with pytest.raises(IllegalStateError, match="over"):
        await reader.one()
    assert reader.asked == 2  # an ask gives up what was in hand, whatever comes of it


async def test_an_error_that_arrives_ends_a_wait() -> None:
    source = consumption(a=0)
    reader = Reader(source)
    ask = asyncio.create_task(reader.one())
    await settled()
    push(source.positions[A], batch(0, 1, corrupt=True))
    reader.hand_out.arrived()
    with pytest.raises(CorruptRecordError):
        await ask
    assert not source.waiting


async def test_fetches_are_told_when_buffers_have_room() -> None:
    """Not for each record; also when what was there holds no record, or cannot be delivered."""
    source = consumption(a=0)
    reader = Reader(source)
    push(source.positions[A], batch(0, 2), batch(2, 1))
    told: list[int] = []
    for _ in range(3):
        await reader.one()
        told.append(reader.emptied)
    assert told == [1, 1, 2]

    push(source.positions[A], batch(3, 1, control=True))
    ask = asyncio.create_task(reader.one())
    await settled()
    assert reader.emptied == 3
    push(source.positions[A], batch(4, 1, corrupt=True))
    reader.hand_out.arrived()
    with pytest.raises(CorruptRecordError):
        await ask
    assert reader.emptied == 4


async def test_many_takes_what_is_there() -> None:
    source = consumption(a=0, b=0)
    reader = Reader(source)
    push(source.positions[A], batch(0, 2), batch(2, 2))
    push(source.positions[B], batch(0, 2))

    assert await reader.many(5) == [b"0", b"1", b"0", b"1", b"2"]
    assert source.in_hand() == {A: 2, B: 1}
    assert await reader.many(5, only={A}) == [b"3"]


async def test_many_ends_before_what_cannot_be_delivered() -> None:
    source = consumption(a=0)
    reader = Reader(source)
    push(source.positions[A], batch(0, 2), batch(2, 1, corrupt=True))

    assert await reader.many(5) == [b"0", b"1"]
    assert source.in_hand() == {A: 1}
    with pytest.raises(CorruptRecordError):
        await reader.many(5)
    assert source.consumed_offsets() == {A: 2}


# ── deserializers ──


async def _async_int(data: bytes) -> int:
    await asyncio.sleep(0)
    return int(data)


@pytest.mark.parametrize("value", [int, _async_int], ids=["sync", "async"])
async def test_values_are_deserialized(value: Callable[[bytes], int | Awaitable[int]]) -> None:
    """Keys and values by a function each; either may be missing."""
    source = consumption(a=0)
    reader = Reader(source, value, key=bytes.decode)
    push(source.positions[A], batch(0, 2), batch(2, 2))
    cursor = await reader.hand_out.next()
    assert cursor is not None
    assert [(record.key, record.value) for record in cursor.records] == [("k0", 0), ("k1", 1)]
    assert await reader.many(9) == [0, 1]
    assert await reader.many(9) == [2, 3]


async def test_null_is_not_deserialized() -> None:
    """A tombstone's value, and a missing key, stay `None`."""
    source = consumption(a=0)
    reader = Reader(source, json.loads, key=json.loads)
    push(source.positions[A], batch(0, 1))
    cursor = source.next()
    assert cursor is not None
    cursor.records[0].key = cursor.records[0].value = None

    assert await reader.one() is None


async def test_nothing_is_deserialized_twice() -> None:
    """Neither after a pause, nor when the rest of a batch is put back for another partition."""
    source = consumption(a=0, b=0)
    calls: list[bytes] = []

    def value(data: bytes) -> bytes:
        calls.append(data)
        return b"<%b>" % data

    reader = Reader(source, value)
    push(source.positions[A], batch(0, 4))
    push(source.positions[B], batch(0, 1))
    assert await reader.one() == b"<0>"
    assert await reader.many(9, only={B}) == [b"<0>"]
    assert await reader.one() == b"<1>"
    source.pause(A)
    source.positions[A].paused = False
    assert await reader.many(9) == [b"<2>", b"<3>"]

    assert calls == [b"0", b"1", b"2", b"3", b"0"]


@pytest.mark.parametrize("bad", [0, 2, 4], ids=["the first", "one in the middle", "the last"])
async def test_a_record_that_cannot_be_deserialized_is_met_after_those_before_it(bad: int) -> None:
    """At each ask, until a seek passes it; the cause is what the deserializer raised."""
    source = consumption(a=0)

    def value(data: bytes) -> int:
        if int(data) == bad:
            raise KeyError("no such schema")
        return int(data)

    reader = Reader(source, value)
    push(source.positions[A], batch(0, 5), batch(5, 1))
    assert [await reader.one() for _ in range(bad)] == list(range(bad))
    for _ in range(2):
        with pytest.raises(DeserializationError, match=rf"orders-0 offset {bad}: .*KeyError") as caught:
            await reader.one()
        assert isinstance(caught.value.__cause__, KeyError)
        assert source.consumed_offsets() == {A: bad}
        assert source.in_hand() == {}

    source.seek(A, caught.value.next_offset)
    push(source.positions[A], batch(0, 5), batch(5, 1))
    assert [await reader.one() for _ in range(5 - bad)] == list(range(bad + 1, 6))


async def test_a_record_whose_value_fails_keeps_its_key() -> None:
    source = consumption(a=0)
    calls: list[bytes] = []
    reader = Reader(source, lambda data: 1 / 0, key=lambda data: calls.append(data) or data.decode())
    push(source.positions[A], batch(0, 1))
    source.ask()
    cursor = source.next()
    assert cursor is not None
    record = cursor.records[0]
    with pytest.raises(DeserializationError, match="ZeroDivisionError"):
        await reader.one()

    assert calls == [b"k0"]
    assert record.key == b"k0"


async def test_a_record_that_cannot_be_deserialized_does_not_hold_up_the_others() -> None:
    source = consumption(a=0, b=0)

    def value(data: bytes) -> int:
        if data == b"0":
            raise ValueError("bad")
        return int(data)

    reader = Reader(source, value)
    push(source.positions[A], batch(0, 1))
    push(source.positions[B], batch(1, 2))

    assert [await reader.one(), await reader.one()] == [1, 2]
    with pytest.raises(DeserializationError):
        await reader.one()


# ── while an async deserializer runs ──


async def test_a_cancelled_ask_loses_nothing() -> None:
    """`wait_for(getone())` at any moment: the record under way is deserialized again, those before it are not."""
    source = consumption(a=0)
    gate = Gate()
    reader = Reader(source, gate)
    push(source.positions[A], batch(0, 3))
    for done in range(3):
        ask = asyncio.create_task(reader.one())
        assert await gate.entered.get() == done
        await cancelled(ask)
        ask = asyncio.create_task(reader.one())
        assert await gate.entered.get() == done
        gate.let(1)
        await settled()
        if done < 2:
            await cancelled(ask)
            assert await gate.entered.get() == done + 1

    assert [await ask, await reader.one(), await reader.one()] == [0, 1, 2]
    assert source.consumed_offsets() == {A: 2}


async def test_wait_for_loses_nothing() -> None:
    source = consumption(a=0)
    reader = Reader(source, _async_int)
    push(source.positions[A], *(batch(3 * n, 3) for n in range(20)))
    seen: list[int] = []
    timeouts = 0
    while len(seen) < 60:
        try:
            seen.append(await asyncio.wait_for(reader.one(), 0))
        except TimeoutError:
            timeouts += 1
            seen.append(await asyncio.wait_for(reader.one(), 10))

    assert seen == list(range(60))
    assert timeouts


async def test_a_revoke_while_deserializing() -> None:
    """What was being deserialized is not handed out, and the ask goes on with what is left."""
    source = consumption(a=0, b=0)
    gate = Gate()
    reader = Reader(source, gate)
    push(source.positions[A], batch(0, 3))
    ask = asyncio.create_task(reader.one())
    await gate.entered.get()
    gate.let(1)
    assert await gate.entered.get() == 1
    source.hold({A})
    assert source.in_hand() == {}
    push(source.positions[B], batch(7, 1))
    gate.let(2)

    assert await ask == 7
    assert source.consumed_offsets({A}) == {A: 0}
    source.forget({A})


@pytest.mark.parametrize("then", ["wait", "forget"])
async def test_a_revoke_while_deserializing_leaves_the_ask_waiting(then: str) -> None:
    source = consumption(a=0)
    gate = Gate()
    reader = Reader(source, gate)
    push(source.positions[A], batch(0, 3))
    ask = asyncio.create_task(reader.one())
    await gate.entered.get()
    source.hold({A})
    if then == "forget":
        source.forget({A})
    gate.let(1)
    await settled()

    assert source.waiting
    await cancelled(ask)


async def test_a_deserializer_that_fails_after_a_revoke_is_not_heard() -> None:
    source = consumption(a=0)
    entered, go = asyncio.Event(), asyncio.Event()

    async def value(data: bytes) -> int:
        entered.set()
        await go.wait()
        raise ValueError("too late")

    reader = Reader(source, value)
    push(source.positions[A], batch(0, 3))
    ask = asyncio.create_task(reader.one())
    await entered.wait()
    source.forget({A})
    source.positions.add({A})
    source.positions[A].move(0)
    go.set()
    await settled()

    assert source.positions[A].error is None
    assert source.waiting
    await cancelled(ask)


async def test_a_seek_while_deserializing() -> None:
    source = consumption(a=0)
    gate = Gate()
    reader = Reader(source, gate)
    push(source.positions[A], batch(0, 3))
    ask = asyncio.create_task(reader.one())
    await gate.entered.get()
    source.seek(A, 1)
    push(source.positions[A], batch(0, 3))
    gate.let(3)

    assert await ask == 1
    assert source.handed_offsets() == {A: 2}


async def test_a_pause_while_deserializing() -> None:
    """What is deserialized already is kept."""
    source = consumption(a=0)
    gate = Gate()
    reader = Reader(source, gate)
    push(source.positions[A], batch(0, 3))
    ask = asyncio.create_task(reader.one())
    gate.let(1)
    assert [await gate.entered.get(), await gate.entered.get()] == [0, 1]
    source.pause(A)
    gate.let(1)
    await settled()
    assert source.waiting
    source.positions[A].paused = False
    gate.let(2)
    reader.hand_out.arrived()

    assert [await ask, await reader.one(), await reader.one()] == [0, 1, 2]
    assert [gate.entered.get_nowait(), gate.entered.get_nowait()] == [1, 2]


async def test_a_stop_while_deserializing() -> None:
    source = consumption(a=0)
    gate = Gate()
    reader = Reader(source, gate)
    push(source.positions[A], batch(0, 3))
    ask = asyncio.create_task(reader.one())
    await gate.entered.get()
    reader.stop()
    gate.let(3)

    assert await ask is None
    assert source.consumed_offsets() == {A: 0}


# ── one record, at once ──


async def opened(*batches: bytes, value: Deserializer | None = None) -> Reader:
    """A reader that was handed the first record."""
    reader = Reader(consumption(a=0), value)
    push(reader.source.positions[A], *batches)
    await reader.one()
    return reader


async def test_what_is_being_handed_out_goes_on_at_once() -> None:
    """To its end; whoever takes a record so has said that the one before is consumed."""
    reader = await opened(batch(0, 3), batch(3, 1))
    taken = [reader.hand_out.at_once() for _ in range(3)]

    assert [record.offset for record in taken if record is not None] == [1, 2]
    assert taken[2] is None
    assert reader.asked == 1
    assert reader.source.consumed_offsets() == {A: 2}
    assert await reader.one() == b"3"


async def test_now_and_then_the_clock_is_looked_at() -> None:
    """An application that never waits gives the others their turn through a whole ask."""
    reader = await opened(batch(0, 3 * AT_ONCE))
    counts: list[int] = []
    while len(counts) < 2:
        counts.append(0)
        while reader.hand_out.at_once() is not None:
            counts[-1] += 1
        await reader.one()

    assert counts == [AT_ONCE, AT_ONCE]


async def test_at_once_raises_what_ended_the_consumer() -> None:
    reader = await opened(batch(0, 3))
    reader.ended = IllegalStateError("over")
    with pytest.raises(IllegalStateError, match="over"):
        reader.hand_out.at_once()


async def test_whatever_has_more_to_be_told_is_no_matter_of_once() -> None:
    """A list in hand, lazy records, a handler's records, records that are not deserialised, and another task's ask."""
    reader = await opened(batch(0, 9))
    await reader.many(2)
    assert reader.hand_out.at_once() is None
    await reader.one()
    assert reader.hand_out.at_once() is not None
    reader.source.ask()
    reader.source.show_views(True)
    assert reader.hand_out.at_once() is None

    handler = await opened(batch(0, 9))
    handler.source.begin_handling()
    handler.source.next()
    assert handler.hand_out.at_once() is None

    gate = Gate()
    slow = Reader(consumption(a=0), gate)
    push(slow.source.positions[A], batch(0, 2))
    ask = asyncio.create_task(slow.one())
    await gate.entered.get()
    assert slow.hand_out.at_once() is None
    await cancelled(ask)
    assert slow.hand_out.at_once() is None


# ── turns for others ──


class Ticking(Runtime):
    """Every look at the clock finds that 10 ms have passed."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        self.time += 0.01
        return self.time


async def test_a_long_conversion_gives_others_their_turn() -> None:
    source = consumption(a=0)
    hand_out = HandOut(
        source, Ticking(), Deserializers(None, int), check=lambda: None, asked=lambda: None, emptied=lambda: None
    )
    push(source.positions[A], batch(0, 450))
    turns = 0
    ask = asyncio.create_task(hand_out.next())
    while not ask.done():
        await asyncio.sleep(0)
        turns += 1

    assert turns >= 5  # one before, one for every hundred records

"""Batches that would hold the event loop for too long: decoded on the side, in their turn, and nothing lost by it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder

from kafkastatic._drivers.deserializers import Deserializers
from kafkastatic._drivers.handout import HandOut
from kafkastatic._fetch.consumption import LONGEST_DECODING, Consumption
from kafkastatic._records import decoding_time
from kafkastatic._runtime import Runtime
from kafkastatic.errors import CorruptRecordError

from .logs import A, B, batch, consumption, offsets, push, raw

COUNT = 60_000


@cache
def heavy(*, corrupt: bool = False) -> bytes:
    """Records 0 to `COUNT` - 1 in one batch."""
    return batch(0, COUNT, corrupt=corrupt)


def asked(source: Consumption, *only: Any) -> list[int] | None:
    """The offsets that an ask is given."""
    source.ask()
    cursor = source.next(only or None)
    return None if cursor is None else offsets(source.take(cursor, COUNT))


def test_only_a_long_batch_is_long() -> None:
    assert decoding_time(raw(heavy())) > LONGEST_DECODING > decoding_time(raw(batch(0, 500, value_size=100)))


def test_an_old_message_that_holds_others_may_take_any_time() -> None:
    """Nothing tells how many; they are decoded in plain Python."""
    single = LegacyRecordBatchBuilder(magic=1, compression_type=0, batch_size=1 << 16)
    packed = LegacyRecordBatchBuilder(magic=1, compression_type=1, batch_size=1 << 16)
    for builder in (single, packed):
        builder.append(0, timestamp=1, key=b"k", value=b"v")

    assert decoding_time(raw(bytes(single.build()))) < LONGEST_DECODING < decoding_time(raw(bytes(packed.build())))


def test_a_heavy_batch_waits_to_be_decoded_elsewhere() -> None:
    """It keeps its turn meanwhile."""
    source = consumption(a=0, b=0)
    push(source.positions[A], heavy(), batch(COUNT, 1))
    push(source.positions[B], batch(0, 1))
    assert asked(source) is None
    work = source.heavy
    assert work is not None
    assert asked(source) is None
    assert source.heavy is work

    work()
    assert asked(source) == list(range(COUNT))
    assert source.heavy is None
    assert [asked(source), asked(source), asked(source)] == [[0], [COUNT], None]


def test_another_partition_may_be_asked_for_meanwhile() -> None:
    source = consumption(a=0, b=0)
    push(source.positions[A], heavy())
    push(source.positions[B], batch(0, 1))
    assert asked(source) is None
    assert asked(source, B) == [0]
    assert source.heavy is None

    assert asked(source) is None
    assert source.heavy is not None
    source.heavy()
    assert asked(source) == list(range(COUNT))


def test_work_on_what_was_sought_away_from_is_of_no_account() -> None:
    source = consumption(a=0)
    push(source.positions[A], heavy())
    assert asked(source) is None
    work = source.heavy
    assert work is not None
    source.seek(A, 5)
    push(source.positions[A], heavy())
    work()
    assert asked(source) is None
    assert source.heavy is not None
    source.heavy()

    assert asked(source) == list(range(5, COUNT))


def test_a_heavy_batch_that_is_corrupt_raises_in_its_turn() -> None:
    source = consumption(a=0)
    push(source.positions[A], heavy(corrupt=True))
    assert asked(source) is None
    assert source.heavy is not None
    source.heavy()
    for _ in range(2):
        with pytest.raises(CorruptRecordError, match="CRC") as caught:
            asked(source)
        assert caught.value.offset == 0


# ── the ask that waits ──


class Gated(Runtime):
    """Threads begin when they are let on, and work in line."""

    def __init__(self) -> None:
        self.begun: list[Callable[[], None]] = []

    def start_thread(self, function: Callable[[], None], name: str) -> Callable[[float], None]:
        self.begun.append(function)
        return lambda _: None


class Counting(Runtime):
    """Real threads, counted."""

    def __init__(self) -> None:
        self.begun = 0

    def start_thread(self, function: Callable[[], None], name: str) -> Callable[[float], None]:
        self.begun += 1
        return super().start_thread(function, name)


def hand_out(source: Consumption, runtime: Runtime) -> HandOut:
    return HandOut(
        source, runtime, Deserializers(None, None), check=lambda: None, asked=lambda: None, emptied=lambda: None
    )


async def asking(out: HandOut) -> asyncio.Task[Any]:
    """An ask that has come as far as it gets."""
    ask = asyncio.create_task(out.next())
    for _ in range(3):
        await asyncio.sleep(0)
    return ask


async def cancelled(ask: asyncio.Task[Any]) -> None:
    ask.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ask


@pytest.mark.asyncio
async def test_the_loop_goes_on_while_a_heavy_batch_is_decoded() -> None:
    """And the application waits, as far as `max_poll_interval_ms` is concerned."""
    source, runtime = consumption(a=0), Gated()
    push(source.positions[A], heavy())
    ask = await asking(hand_out(source, runtime))
    (work,) = runtime.begun
    assert not ask.done()
    assert source.waiting
    work()

    assert offsets((await ask).records) == list(range(COUNT))
    assert not source.waiting


@pytest.mark.asyncio
async def test_a_cancelled_ask_leaves_its_thread_at_work_and_the_next_one_waits_for_it() -> None:
    source, runtime = consumption(a=0), Gated()
    push(source.positions[A], heavy())
    out = hand_out(source, runtime)
    for _ in range(3):
        await cancelled(await asking(out))
    ask = await asking(out)
    (work,) = runtime.begun
    work()

    assert offsets((await ask).records) == list(range(COUNT))


@pytest.mark.asyncio
async def test_impatient_asks_have_a_batch_decoded_once() -> None:
    source, runtime = consumption(a=0), Counting()
    push(source.positions[A], heavy())
    out = hand_out(source, runtime)
    cursor = None
    while cursor is None:
        with contextlib.suppress(TimeoutError):
            cursor = await asyncio.wait_for(out.next(), 0.001)

    assert offsets(cursor.records) == list(range(COUNT))
    assert runtime.begun == 1


@pytest.mark.asyncio
async def test_a_seek_during_the_work_is_followed() -> None:
    """At once, with what is there; a thread that is at work on what is no longer wanted tells nobody anything."""
    source, runtime = consumption(a=0), Gated()
    push(source.positions[A], heavy())
    out = hand_out(source, runtime)
    ask = await asking(out)
    source.seek(A, 70_000)
    push(source.positions[A], batch(70_000, 2))
    out.arrived()

    assert offsets((await ask).records) == [70_000, 70_001]
    runtime.begun[0]()
    push(source.positions[A], batch(70_002, 1))
    source.take(source.cursor, 2) if source.cursor is not None else None
    assert offsets((await out.next()).records) == [70_002]  # type: ignore[union-attr]


@pytest.mark.asyncio
async def test_stop_ends_an_ask_that_waits_for_a_thread() -> None:
    source, runtime = consumption(a=0), Gated()
    push(source.positions[A], heavy())
    out = hand_out(source, runtime)
    ask = await asking(out)
    source.stop()
    out.arrived()

    assert await ask is None
    assert len(runtime.begun) == 1

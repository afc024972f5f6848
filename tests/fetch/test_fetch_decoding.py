"""Batches that would hold the event loop for too long: decoded on the side, in their turn, and nothing lost by it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

import anyio
import pytest

from kafkastatic._drivers.deserializers import Deserializers
from kafkastatic._drivers.handout import HandOut
from kafkastatic._fetch.consumption import LONGEST_DECODING, Consumption
from kafkastatic._fetch.decoding import Decoding
from kafkastatic._records import decoding_time
from kafkastatic._runtime import Runtime
from kafkastatic.errors import CorruptRecordError

from .logs import A, B, batch, consumption, offsets, push, raw

T = TypeVar("T")
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
    """Worker threads begin when they are let on, and work in line."""

    def __init__(self) -> None:
        self.let = asyncio.Event()
        self.begun = 0

    async def run_in_thread(
        self, function: Callable[..., T], *args: object, limiter: anyio.CapacityLimiter | None = None
    ) -> T:
        self.begun += 1
        await self.let.wait()
        return function(*args)


def hand_out(source: Consumption, runtime: Runtime) -> HandOut:
    return HandOut(
        source, runtime, Deserializers(None, None), check=lambda: None, asked=lambda: None, emptied=lambda: None
    )


@pytest.mark.asyncio
async def test_the_loop_goes_on_while_a_heavy_batch_is_decoded() -> None:
    source, runtime = consumption(a=0), Gated()
    push(source.positions[A], heavy())
    ask = asyncio.create_task(hand_out(source, runtime).next())
    for _ in range(3):
        await asyncio.sleep(0)
    assert (runtime.begun, ask.done()) == (1, False)
    runtime.let.set()

    cursor = await ask
    assert cursor is not None
    assert offsets(cursor.records) == list(range(COUNT))


@pytest.mark.asyncio
async def test_a_cancelled_ask_loses_nothing_of_a_heavy_batch() -> None:
    source, runtime = consumption(a=0), Gated()
    push(source.positions[A], heavy())
    out = hand_out(source, runtime)
    given_up = asyncio.create_task(out.next())
    await asyncio.sleep(0)
    given_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await given_up
    ask = asyncio.create_task(out.next())
    await asyncio.sleep(0)
    runtime.let.set()

    cursor = await ask
    assert cursor is not None
    assert offsets(cursor.records) == list(range(COUNT))


@pytest.mark.asyncio
async def test_real_threads_decode_once() -> None:
    """Whoever gave up left its thread at work; whoever asks next waits for that one, and begins none beside it."""
    source = consumption(a=0)
    push(source.positions[A], heavy())
    out = hand_out(source, Runtime())
    works: set[Decoding] = set()
    cursor = None
    while cursor is None:
        with contextlib.suppress(TimeoutError):
            cursor = await asyncio.wait_for(out.next(), 0.001)
        if source.heavy is not None:
            works.add(source.heavy)

    assert offsets(cursor.records) == list(range(COUNT))
    assert len(works) == 1


@pytest.mark.asyncio
async def test_a_seek_during_the_work_is_followed() -> None:
    source, runtime = consumption(a=0), Gated()
    push(source.positions[A], heavy())
    out = hand_out(source, runtime)
    ask = asyncio.create_task(out.next())
    await asyncio.sleep(0)
    source.seek(A, 70_000)
    push(source.positions[A], batch(70_000, 2))
    runtime.let.set()

    cursor = await ask
    assert cursor is not None
    assert offsets(cursor.records) == [70_000, 70_001]

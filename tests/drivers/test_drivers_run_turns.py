"""`Consumer.run`: whose turn it is, of the loop and of the slots, and what that costs: no task per record."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from itertools import pairwise
from typing import Any

import pytest

from kafkastatic import Consumer, ConsumerRecord, Retry, TopicPartition
from kafkastatic._runtime import Runtime
from kafkastatic.errors import ConfigError
from kafkastatic.worker.run import Run
from tests.drivers.test_drivers_run import Desk, committed, running
from tests.drivers.world import eventually
from tests.support.scripted_broker import ScriptedBroker

BOTH = pytest.mark.parametrize("ordering", ["partition", "key"])


class Busy(Runtime):
    """On its clock every look costs 0.1 ms, so that each record of a handler that never waits takes as long."""

    def clock(self) -> Callable[[], float]:
        loop_time, looks = asyncio.get_running_loop().time, 0

        def looked() -> float:
            nonlocal looks
            looks += 1
            return loop_time() + looks / 10_000

        return looked


def keys(count: int) -> list[bytes]:
    return [b"%d" % number for number in range(count)]


# ── turns ──


@pytest.mark.asyncio
@BOTH
async def test_handlers_that_never_wait_keep_the_loop_for_5_ms_at_a_time(ordering: Any) -> None:
    """All of them together: 50 records of 0.1 ms, at most twice as many while more partitions, or lanes, join in."""
    done = 0

    async def handler(record: Any) -> None:
        nonlocal done
        done += 1

    async with ScriptedBroker({"orders": 4}) as broker:
        for partition in range(4):
            broker.append("orders", partition, *[b"v"] * 1000, keys=keys(1000))
        async with running(broker, handler, ordering=ordering, options={"runtime": Busy()}):
            most, before = 0, 0
            while done < 4000:
                await asyncio.sleep(0)
                most, before = max(most, done - before), done
            assert most <= 110


@pytest.mark.asyncio
@BOTH
async def test_partitions_whose_handlers_never_wait_go_on_side_by_side(ordering: Any) -> None:
    """None gets ahead of another by more than the time in which batches are decoded."""
    done: Counter[int] = Counter()
    others_at_the_end: list[int] = []

    async def handler(record: Any) -> None:
        done[record.partition] += 1
        if done[record.partition] == 2000 and not others_at_the_end:
            others_at_the_end.extend(done[partition] for partition in range(4))

    async with ScriptedBroker({"orders": 4}) as broker:
        for partition in range(4):
            broker.append("orders", partition, *[b"v"] * 2000, keys=keys(2000))
        async with running(broker, handler, ordering=ordering, options={"runtime": Busy()}):
            await eventually(lambda: others_at_the_end)
        assert min(others_at_the_end) > 1000


@pytest.mark.asyncio
@BOTH
async def test_slots_go_round_though_handlers_never_wait(ordering: Any) -> None:
    """A partition that waits for one gets it after some milliseconds, not when another has nothing left."""
    begun: list[int] = []

    async def handler(record: Any) -> None:
        begun.append(record.partition)

    async with ScriptedBroker({"orders": 3}) as broker:
        for partition in range(3):
            broker.append("orders", partition, *[b"v"] * 1000, keys=keys(1000))
        async with running(broker, handler, ordering=ordering, concurrency=1, options={"runtime": Busy()}):
            await eventually(lambda: len(begun) == 3000)
        assert set(begun[:1000]) == {0, 1, 2}
        runs = [at for at in range(1, 3000) if begun[at] != begun[at - 1]]
        assert max(b - a for a, b in pairwise(runs)) <= 100


@pytest.mark.asyncio
async def test_by_key_partitions_share_slots_though_one_could_use_all() -> None:
    """What waits in another partition begins before all that came earlier in this one."""
    begun: list[int] = []

    async def handler(record: Any) -> None:
        begun.append(record.partition)
        await asyncio.sleep(0.006)

    async with ScriptedBroker({"orders": 2}) as broker:
        broker.append("orders", 0, *[b"v"] * 60, keys=keys(60))
        async with running(broker, handler, ordering="key", concurrency=4):
            await eventually(lambda: len(begun) == 4)
            broker.append("orders", 1, *[b"v"] * 12, keys=keys(12))
            await eventually(lambda: len(begun) == 72)
        last = len(begun) - begun[::-1].index(1)
        assert last < 60


@pytest.mark.asyncio
@BOTH
async def test_no_more_than_concurrency_records_of_all_partitions_are_handled_at_a_time(ordering: Any) -> None:
    """Whatever ends, and wherever there is more to do."""
    desk = Desk(parked=lambda record: True)
    async with ScriptedBroker({"orders": 3}) as broker:
        for partition in range(3):
            broker.append("orders", partition, *[b"v"] * 4, keys=keys(4))
        async with running(broker, desk, ordering=ordering, concurrency=2):
            for count in range(12):
                await eventually(lambda count=count: len(desk.begun) > count)
                for _ in range(20):
                    await asyncio.sleep(0)
                assert len(desk.begun) - count <= 2
                desk.let_go(*next(where for where in desk.begun if where not in desk.done))
                await eventually(lambda count=count: len(desk.done) > count)
        assert committed(broker) == {0: 4, 1: 4, 2: 4}


# ── by key: lanes ──


@pytest.mark.asyncio
@pytest.mark.parametrize("waits", [True, False])
async def test_by_key_records_are_handled_in_no_more_tasks_than_slots(waits: bool) -> None:
    """Whether their handlers wait or not."""
    tasks: set[Any] = set()
    done = 0

    async def handler(record: Any) -> None:
        nonlocal done
        tasks.add(asyncio.current_task())
        if waits:
            await asyncio.sleep(0)
        done += 1

    async with ScriptedBroker() as broker:
        for _ in range(20):
            broker.append("orders", 0, *[b"v"] * 100, keys=keys(100))
        async with running(broker, handler, ordering="key", concurrency=8):
            await eventually(lambda: done == 2000)
    assert len(tasks) <= 8


@pytest.mark.asyncio
async def test_by_key_a_record_that_is_retried_holds_up_its_key_alone() -> None:
    calls: list[int] = []

    async def handler(record: Any) -> None:
        calls.append(record.offset)
        if record.offset == 0 and calls.count(0) < 3:
            raise OSError("not yet")

    async with ScriptedBroker() as broker:
        broker.append("orders", 0, *[b"v"] * 4, keys=[b"a", b"b", b"a", b"b"])
        async with running(broker, handler, ordering="key", on_error=Retry(attempts=2, backoff_ms=1)):
            await eventually(lambda: len(calls) == 6)
        assert calls[:3] == [0, 1, 3]
        assert calls[3:] == [0, 0, 2]
        assert committed(broker) == {0: 4}


@pytest.mark.asyncio
async def test_by_key_what_a_handler_sets_in_its_context_reaches_no_record_beside() -> None:
    """Only those that follow in the same lane may see it, as those of a partition do."""
    seen: dict[int, int | None] = {}
    name: ContextVar[int | None] = ContextVar("name", default=None)
    go_on = asyncio.Event()

    async def handler(record: Any) -> None:
        seen[record.offset] = name.get()
        name.set(record.offset)
        if record.offset:
            await go_on.wait()

    async with ScriptedBroker() as broker:
        broker.append("orders", 0, *[b"v"] * 4, keys=keys(4))
        async with running(broker, handler, ordering="key"):
            await eventually(lambda: len(seen) == 4)
            go_on.set()
    assert (seen[0], seen[2], seen[3]) == (None, None, None)


@pytest.mark.asyncio
async def test_a_seek_before_the_first_record_gives_no_place_beyond_the_limit() -> None:
    """The partition that was sought goes on when a slot is free, however soon its records are there again."""
    at_work = most = done = 0

    async def handle(record: ConsumerRecord[bytes, bytes]) -> None:
        nonlocal at_work, most, done
        at_work += 1
        most = max(most, at_work)
        await asyncio.sleep(0.2 if record.partition == 0 else 0)
        at_work -= 1
        done += 1

    for _ in range(4):
        done = 0
        async with ScriptedBroker({"orders": 2}) as broker:
            broker.append("orders", 0, b"v")
            async with running(broker, handle, concurrency=1, options={"fetch_max_wait_ms": 1}) as (consumer, _task):
                await eventually(lambda: at_work == 1)
                broker.append("orders", 1, *[b"v"] * 5)
                worker = consumer._client.worker
                assert isinstance(worker, Run)
                other = TopicPartition("orders", 1)
                while other not in worker._workers or worker._workers[other]._portion is None:
                    await asyncio.sleep(0)
                consumer.seek(other, 1)
                await eventually(lambda: done >= 5)  # noqa: B023
    assert most == 1


@pytest.mark.asyncio
@pytest.mark.parametrize("ordering", ["partition", "key"])
async def test_a_partition_that_waits_for_more_keeps_no_records(ordering: Any) -> None:
    done: list[object] = []

    async def handle(record: ConsumerRecord[bytes, bytes]) -> None:
        done.append(record.value)

    async with ScriptedBroker({"orders": 1}) as broker:
        broker.append("orders", 0, b"a", b"b", b"c")
        async with running(broker, handle, ordering=ordering) as (consumer, _task):
            await eventually(lambda: len(done) == 3)
            worker = consumer._client.worker
            assert isinstance(worker, Run)
            (partition,) = worker._workers.values()
            await eventually(lambda: partition.hungry)
            assert partition._portion is None


@pytest.mark.parametrize("kind", ["generator", "async generator", "partial"])
def test_a_generator_is_no_handler(kind: str) -> None:
    """Called, it would do nothing, and every record would count as handled."""

    def generator(record: object) -> Any:
        yield record

    async def async_generator(record: object) -> Any:
        yield record

    handler = {"generator": generator, "async generator": async_generator, "partial": partial(async_generator)}[kind]
    consumer = Consumer("orders", bootstrap_servers="localhost:1")
    with pytest.raises(ConfigError, match="generator"):
        asyncio.run(consumer.run(handler))

"""`Consumer.run` cut off anywhere, and under whatever happens in whichever order: nothing lost, no commit too far."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kafkastatic import Consumer
from kafkastatic._group.member import CommitRejected
from kafkastatic.types import TopicPartition
from tests.drivers.world import consumer_of, eventually, nothing_left
from tests.support.scripted_broker import PATIENCE, Call, ScriptedBroker

pytestmark = pytest.mark.once


UNKNOWN_MEMBER, REBALANCING = 25, 27
VALUES = [b"0", b"1", b"2", b"3"]
ENOUGH = 400
KEYS = [b"a", b"b", None]


@pytest.mark.asyncio
@pytest.mark.parametrize(("ordering", "native"), [("partition", True), ("key", False)])
async def test_a_run_that_is_cancelled_anywhere_loses_nothing(ordering: Any, native: bool) -> None:
    """What was not done comes again, what was done does not, and the close commits just that."""
    for steps in range(1, ENOUGH):
        async with ScriptedBroker() as broker:
            broker.append("orders", 0, *VALUES, keys=[b"a", b"b", b"a", None])
            done: list[int] = []

            async def handler(record: Any, done: list[int] = done) -> None:
                await asyncio.sleep(0)
                done.append(record.offset)

            async with consumer_of(broker, enable_auto_commit=True) as consumer:
                scope = anyio.CancelScope()

                async def call(consumer: Consumer[Any, Any] = consumer, scope: anyio.CancelScope = scope) -> None:
                    with scope:
                        await consumer.run(handler, ordering=ordering)

                task = asyncio.create_task(call())
                for _ in range(steps):
                    await asyncio.sleep(0)
                _ = task.cancel() if native else scope.cancel()
                await asyncio.wait([task], timeout=PATIENCE)
                assert task.done(), f"not ended after {steps} steps"
                before = list(done)
                first_undone = next((offset for offset in range(4) if offset not in before), 4)
                assert sorted(before)[:first_undone] == list(range(first_undone))
                again = asyncio.create_task(consumer.run(handler, ordering=ordering))
                await eventually(lambda done=done: set(done) == {0, 1, 2, 3})
                consumer.stop()
                await asyncio.wait_for(again, PATIENCE)
                assert sorted(done[len(before) :]) == list(range(first_undone, 4)), f"after {steps} steps"
            assert broker.committed == {("orders", 0): 4}
            await nothing_left(broker)
            if len(before) == 4 and steps > 20:
                return
    raise AssertionError(f"not done within {ENOUGH} steps")


class Shop:
    """A running consumer, its handlers, and what must hold whatever happens.

    A commit is judged as it arrives at the broker: every record below it has been done, or was passed by a seek.

    Args:
        limit: how many records may be handled at a time.
        quick: how many of three handlers do not wait.
    """

    def __init__(
        self, broker: ScriptedBroker, consumer: Consumer[Any, Any], *, by_key: bool, limit: int, quick: int
    ) -> None:
        self.broker = broker
        self.consumer = consumer
        self.by_key = by_key
        self.limit = limit
        self.quick = quick
        self.at_work: dict[tuple[int, int], asyncio.Event] = {}
        self.done: defaultdict[int, set[int]] = defaultdict(set)
        self.passed: defaultdict[int, set[int]] = defaultdict(set)
        self.latest: dict[tuple[int, bytes | None], int] = {}
        self.wrong: list[str] = []
        self._answer = broker._offset_commit
        broker.on("OffsetCommit", self._judge)

    async def handle(self, record: Any) -> None:
        where = (record.partition, record.offset)
        lane = (record.partition, record.key if self.by_key else None)
        ordered = not self.by_key or record.key is not None
        beside = [other for other in self.at_work if other[0] == record.partition]
        if where in self.at_work or (beside and not self.by_key):
            self.wrong.append(f"{where} beside {beside}")
        if TopicPartition("orders", record.partition) not in self.consumer.assignment():
            self.wrong.append(f"{where} outside the assignment")
        positions, tp = self.consumer._client.positions, TopicPartition("orders", record.partition)
        spell = positions.get(tp)
        event = self.at_work[where] = asyncio.Event()
        if len(self.at_work) > self.limit:
            self.wrong.append(f"{sorted(self.at_work)} at a time")
        if record.offset % 3 < self.quick:
            event.set()
        try:
            await event.wait()
            if positions.get(tp) is not spell:  # lost at the very moment: its cancellation is on the way
                for _ in range(5):
                    await asyncio.sleep(0)
        finally:
            del self.at_work[where]
        if positions.get(tp) is not spell:
            self.wrong.append(f"{where} went on after its assignment")
        if ordered and self.latest.get(lane, -1) >= record.offset and record.offset not in self.done[record.partition]:
            self.wrong.append(f"{where} after {self.latest[lane]}")
        self.latest[lane] = max(self.latest.get(lane, -1), record.offset)
        self.done[record.partition].add(record.offset)

    def _judge(self, call: Call) -> Any:
        for topic in call.request.topics:
            for entry in topic.partitions:
                index, offset = entry.partition_index, entry.committed_offset
                undone = set(range(offset)) - self.done[index] - self.passed[index]
                if undone:
                    self.wrong.append(f"{index}: {offset} committed before {sorted(undone)} were done")
                if offset < self.broker.committed.get(("orders", index), 0):
                    self.wrong.append(f"{index}: {offset} committed after more")
        return self._answer(call)

    def finished(self) -> bool:
        """All is committed: what was done just before a loss comes again first."""
        return self.broker.committed == {("orders", p): self.broker.end("orders", p) for p in range(2)}

    def let_go(self, which: int) -> None:
        if self.at_work:
            self.at_work[sorted(self.at_work)[which % len(self.at_work)]].set()

    def let_all_go(self) -> None:
        for event in self.at_work.values():
            event.set()


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("let go"), st.integers(0, 7)),
        st.tuples(st.just("let go"), st.integers(0, 7)),
        st.tuples(st.just("turns"), st.integers(1, 30)),
        st.tuples(st.just("append"), st.integers(0, 1)),
        st.tuples(st.just("pause"), st.integers(0, 1)),
        st.tuples(st.just("resume"), st.integers(0, 1)),
        st.tuples(st.just("seek"), st.integers(0, 1)),
        st.tuples(st.just("rebalance"), st.just(REBALANCING)),
        st.tuples(st.just("rebalance"), st.just(UNKNOWN_MEMBER)),
    ),
    max_size=25,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    steps=STEPS,
    ordering=st.sampled_from(["partition", "key"]),
    drain_ms=st.sampled_from([0, 5, 5000]),
    limit=st.sampled_from([1, 2, 3, 32]),
    quick=st.integers(0, 3),
)
def test_whatever_happens_in_whichever_order(
    steps: list[tuple[str, int]], ordering: Any, drain_ms: int, limit: int, quick: int
) -> None:
    """No commit passes an undone record or moves back, order and limit are kept, and in the end all is done."""
    asyncio.run(_whatever(steps, ordering, drain_ms, limit, quick))


async def _whatever(steps: list[tuple[str, int]], ordering: Any, drain_ms: int, limit: int, quick: int) -> None:
    options = {"enable_auto_commit": True, "auto_commit_interval_ms": 2, "drain_timeout_ms": drain_ms}
    async with ScriptedBroker({"orders": 2}) as broker:
        for partition in range(2):
            broker.append("orders", partition, *VALUES, keys=[b"a", b"b", b"a", None])
        async with consumer_of(broker, **options) as consumer:
            shop = Shop(broker, consumer, by_key=ordering == "key", limit=limit, quick=quick)
            task = asyncio.create_task(consumer.run(shop.handle, ordering=ordering, concurrency=limit))
            await consumer.assigned()
            for step, number in steps:
                await _step(shop, step, number)
            async with asyncio.timeout(PATIENCE):
                while not shop.finished():
                    consumer.resume(*consumer.assignment())
                    shop.let_all_go()
                    assert not task.done(), task.exception()
                    await asyncio.sleep(0)
            consumer.stop()
            while not task.done():
                shop.let_all_go()
                await asyncio.sleep(0)
        assert shop.wrong == []
        assert shop.finished()
        await nothing_left(broker)


async def _step(shop: Shop, step: str, number: int) -> None:
    broker, consumer = shop.broker, shop.consumer
    match step:
        case "let go":
            shop.let_go(number)
        case "append":
            end = broker.end("orders", number)
            broker.append("orders", number, *VALUES[:3], keys=[KEYS[(end + i) % 3] for i in range(3)])
        case "pause" | "resume" if TopicPartition("orders", number) in consumer.assignment():
            getattr(consumer, step)(TopicPartition("orders", number))
        case "seek" if TopicPartition("orders", number) in consumer.assignment():
            end = broker.end("orders", number)
            shop.passed[number] |= set(range(end))
            consumer.seek(TopicPartition("orders", number), end)
        case "rebalance" if consumer._client.membership is not None:
            broker.fail_next("Heartbeat", number)
            consumer._client.membership.feed(CommitRejected(UNKNOWN_MEMBER))  # a heartbeat asks, at once
        case _:
            pass
    for _ in range(number if step == "turns" else 1):
        await asyncio.sleep(0)

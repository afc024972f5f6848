"""Random stories of a KIP-848 member whose partitions come and go: no commit takes back what their next owner said."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kafkastatic import Consumer
from kafkastatic.errors import IllegalStateError, KafkaError
from tests.drivers.world import consumer_of, nothing_left
from tests.support.scripted_broker import Call, ScriptedBroker
from tests.support.scripted_group import ScriptedGroup

pytestmark = [pytest.mark.once, pytest.mark.protocol("consumer")]

PARTITIONS = 3


class SharedGroup(ScriptedGroup):
    """A group in which another member has, and reads on, what ours has given up.

    Attributes:
        owned: the partitions that our member says it owns.
        foreign: those that the other one has.
        broken: what our member should not have done.
    """

    def __init__(self, broker: ScriptedBroker) -> None:
        super().__init__(broker)
        self.owned: set[int] = set()
        self.foreign: set[int] = set()
        self.broken: list[str] = []
        self.wanted = set(range(PARTITIONS))

    def want(self, partition: int) -> None:
        """Take a partition away, or give it back."""
        self.wanted ^= {partition}
        self.foreign &= {p for p in range(PARTITIONS)} - self.wanted
        self.assign(orders=sorted(self.wanted))

    def evict(self) -> None:
        """Let our member's session be over, and the other one have everything, and be gone again."""
        self.bump()
        self._ours = -1
        for partition in self.wanted:
            self._read_on(partition, 5)

    def _read_on(self, partition: int, records: int) -> None:
        place = "orders", partition
        self._broker.committed[place] = min(self._broker.committed.get(place, 0) + records, self._broker.end(*place))

    def heartbeat(self, call: Call) -> Any:
        request = call.request
        if request.topic_partitions is not None:
            self.owned = {number for topic in request.topic_partitions for number in topic.partitions}
        if request.member_epoch < 0:
            self.owned = set()
        answer = super().heartbeat(call)
        for partition in set(range(PARTITIONS)) - self.wanted - self.owned - self.foreign:
            self.foreign.add(partition)
            self._read_on(partition, 1)
        return answer

    def _commit(self, call: Call) -> Any:
        before = dict(self._broker.committed)
        answer = super()._commit(call)
        for place, offset in self._broker.committed.items():
            if offset < before.get(place, 0):
                self.broken.append(f"{place} taken back from {before[place]} to {offset}")
            if offset != before.get(place) and place[1] in self.foreign:
                self.broken.append(f"{place} committed at {offset}, which another member has")
        return answer


class Story:
    """One member, and what may happen to it."""

    def __init__(self, broker: ScriptedBroker, group: SharedGroup, consumer: Consumer[Any, Any]) -> None:
        self.broker, self.group, self.consumer = broker, group, consumer
        self.tasks: list[asyncio.Task[None]] = []
        self.steps: list[Callable[[int], Awaitable[None]]] = [
            self.read, self.read, self.read, self.commit, self.pending_commit, self.refuse_commit, self.drop_commit,
            self.epoch, self.share, self.share, self.fence, self.time_passes, self.time_passes,
            self.lose_what_is_being_committed,
        ]  # fmt: skip

    async def read(self, limit: int) -> None:
        await self.consumer.getmany(timeout_ms=5, max_records=limit % 3 + 1)

    async def commit(self, _: int) -> None:
        with contextlib.suppress(KafkaError, TimeoutError):
            async with asyncio.timeout(2):
                await self.consumer.commit()

    async def pending_commit(self, number: int) -> None:
        self.tasks.append(asyncio.create_task(self.commit(number)))

    async def refuse_commit(self, number: int) -> None:
        self.broker.fail_next("OffsetCommit", *[(14, 14, 16, 25, 113)[number % 5]] * (number % 7))

    async def drop_commit(self, _: int) -> None:
        self.broker.drop_connection("OffsetCommit")

    async def epoch(self, _: int) -> None:
        self.group.bump()

    async def share(self, number: int) -> None:
        self.group.want(number % PARTITIONS)

    async def fence(self, number: int) -> None:
        if number % 3:
            self.group.evict()
        else:
            self.broker.fail_next("ConsumerGroupHeartbeat", (14, 16)[number % 2])

    async def lose_what_is_being_committed(self, number: int) -> None:
        """The session is over while a commit is tried again and again."""
        self.broker.fail_next("OffsetCommit", *[14] * 15)
        sent = len(self.broker.of("OffsetCommit"))
        self.tasks.append(asyncio.create_task(self.commit(number)))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.1):  # there may be nothing to commit
                await self.broker.until(lambda: len(self.broker.of("OffsetCommit")) > sent)
        self.group.evict()

    async def time_passes(self, number: int) -> None:
        await asyncio.sleep(0.002 * (number % 4))


async def told(story: list[tuple[int, int]]) -> None:
    async with ScriptedBroker({"orders": PARTITIONS}) as broker:
        group = SharedGroup(broker)
        group.interval_ms = 3
        for partition in range(PARTITIONS):
            broker.append("orders", partition, *(b"%d" % n for n in range(40)))
        fast = {"auto_commit_interval_ms": 3, "drain_timeout_ms": 5, "fetch_max_wait_ms": 3}
        consumer = consumer_of(broker, group_protocol="consumer", enable_auto_commit=True, **fast)
        await consumer.start()
        await consumer.assigned()
        scene = Story(broker, group, consumer)
        for step, number in story:
            with contextlib.suppress(IllegalStateError):  # nothing to read just now
                await scene.steps[step % len(scene.steps)](number)
        await asyncio.gather(*scene.tasks)
        await consumer.aclose()
        assert group.broken == []
        await nothing_left(broker)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.integers(0, 13), st.integers(0, 60)), min_size=5, max_size=40))
@example([(0, 2), (0, 2), (13, 1), (0, 2), (12, 3), (12, 3), (0, 1), (3, 1)])  # a commit that outlives its claim
def test_no_commit_takes_back_what_the_partitions_other_owner_committed(story: list[tuple[int, int]]) -> None:
    """Nor is one accepted of a partition that was given up, whatever became of the commit's first try."""
    asyncio.run(told(story))

"""Random stories of one member, told to a scripted broker: every OffsetCommit on the wire is held against a model.

The model is simple: a record is consumed when the application has asked for another one since. What `Model.asked`
takes for consumed is the only rule in it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kafkastatic import Consumer
from kafkastatic.errors import ConsumerClosedError, IllegalStateError, KafkaError
from kafkastatic.types import RebalanceListener, TopicPartition
from tests.drivers.world import consumer_of, nothing_left
from tests.support.scripted_broker import Answer, Call, Hold, ScriptedBroker

pytestmark = pytest.mark.once


PARTITIONS = [TopicPartition("orders", p) for p in range(2)]
JOIN_LOST, REFUSED = (22, 25, 27), (14, 16, 22, 25, 27)
Who = tuple[str, int]


@attrs.define
class Spell:
    """One time of owning partitions, under one identity.

    Attributes:
        position: behind the last record that the application was handed, or where it sought.
        consumed: up to where all is consumed, since the last seek.
        allowed: what an auto-commit may have said so far: every offset up to which all was consumed.
        handed: what an explicit one may have said: every position so far.
    """

    who: Who
    owned: frozenset[TopicPartition]
    position: dict[TopicPartition, int] = attrs.field(factory=dict)
    consumed: dict[TopicPartition, int] = attrs.field(factory=dict)
    allowed: dict[TopicPartition, set[int]] = attrs.field(factory=dict)
    handed: dict[TopicPartition, set[int]] = attrs.field(factory=dict)

    def stand(self, tp: TopicPartition, offset: int) -> None:
        """It goes on here, whatever came before."""
        self.position[tp] = self.consumed[tp] = offset
        self.allowed.setdefault(tp, set()).add(offset)
        self.handed.setdefault(tp, set()).add(offset)


class Model(RebalanceListener):
    """What the application knows of its own doing, and what the broker may therefore be told."""

    def __init__(self) -> None:
        self.spells: list[Spell] = []
        self.asking: Consumer[Any, Any]
        self.floor: dict[TopicPartition, int] = {}  # below this nothing may be committed
        self.seeks: Counter[TopicPartition] = Counter()
        self.explicit: list[tuple[Who, dict[TopicPartition, int]]] = []

    # ── what the application is told, and does ──

    def on_partitions_assigned(self, assigned: frozenset[TopicPartition]) -> None:
        who = self.asking.membership
        self.spells.append(Spell((who.member_id, who.epoch), assigned))

    def delivered(self, tp: TopicPartition, offset: int) -> None:
        assert self.spells, "a record before any assignment"
        spell = self.spells[-1]
        assert tp in spell.owned
        assert offset == spell.position[tp], "skipped or repeated"
        spell.position[tp] = offset + 1
        spell.handed[tp].add(offset + 1)

    def asked(self) -> None:
        """The next record is asked for: all before is consumed."""
        for spell in self.spells[-1:]:
            for tp, offset in spell.position.items():
                spell.allowed[tp].add(offset)
                spell.consumed[tp] = offset

    def sought(self, tp: TopicPartition, offset: int) -> None:
        self.spells[-1].stand(tp, offset)
        self.floor[tp] = min(self.floor.get(tp, 0), offset)
        self.seeks[tp] += 1

    # ── what the broker sees ──

    def starts(self, tp: TopicPartition, offset: int) -> None:
        """The broker says where a partition starts."""
        spell = self.spells[-1]
        if tp in spell.owned and tp not in spell.position:
            spell.stand(tp, max(offset, 0))

    def check(self, who: Who, tp: TopicPartition, offset: int) -> None:
        """An OffsetCommit has arrived."""
        spells = [spell for spell in self.spells if spell.who == who and tp in spell.owned]
        assert spells, f"{tp} committed by {who}, who never owned it"
        if not self.asked_for(who, tp, offset):
            known = spells[-1].allowed.get(tp, set())
            assert offset in known, f"{tp} committed at {offset}, of {sorted(known)} consumed"
            assert offset >= self.floor.get(tp, 0), f"{tp} committed at {offset}, back behind {self.floor[tp]}"

    def accepted(self, who: Who, tp: TopicPartition, offset: int) -> None:
        """The broker has taken it. An explicit one counts when it returns: who cancels it does not know.

        One that is ahead of what is consumed was on its way before a seek back, which may be committed.
        """
        if not self.asked_for(who, tp, offset) and offset <= self.spells[-1].consumed.get(tp, offset):
            self.floor[tp] = offset

    def asked_for(self, who: Who, tp: TopicPartition, offset: int) -> bool:
        return any(then == who and wanted.get(tp) == offset for then, wanted in self.explicit)


class WatchedBroker(ScriptedBroker):
    """Shows every commit to the model before it is answered."""

    def __init__(self, model: Model) -> None:
        super().__init__({"orders": len(PARTITIONS)})
        self.model = model
        self.broken: list[AssertionError] = []

    async def answer(self, call: Call) -> Answer:
        who: Who = ("", -1)
        if call.api == "OffsetCommit":
            who = (call.request.member_id, call.request.generation_id_or_member_epoch)
            try:
                for tp, offset in committed_by(call).items():
                    self.model.check(who, tp, offset)
            except AssertionError as error:
                self.broken.append(error)
        before = dict(self.committed)
        answer = await super().answer(call)
        if call.api == "OffsetCommit" and self.committed != before:
            for tp, offset in committed_by(call).items():
                self.model.accepted(who, tp, offset)
        if call.api == "OffsetFetch" and isinstance(answer, call.request.RESPONSE):
            for topic in (*answer.topics, *(topic for group in answer.groups for topic in group.topics)):
                for entry in topic.partitions:
                    self.model.starts(TopicPartition("orders", entry.partition_index), entry.committed_offset)
        return answer


def committed_by(call: Call) -> dict[TopicPartition, int]:
    return {
        TopicPartition(topic.name, entry.partition_index): entry.committed_offset
        for topic in call.request.topics
        for entry in topic.partitions
    }


class Story:
    """One consumer, its broker, and what may happen."""

    def __init__(self, broker: WatchedBroker, model: Model, consumer: Consumer[Any, Any]) -> None:
        self.broker, self.model, self.consumer = broker, model, consumer
        self.held: list[Hold] = []
        self.tasks: list[asyncio.Task[object]] = []
        self.written = 0
        self.steps: list[Callable[[int], Awaitable[None]]] = [
            self.one, self.one, self.one, self.many, self.cancelled_ask, self.loop, self.seek, self.pause, self.resume,
            self.commit, self.commit_offset, self.pending_commit, self.rebalance, self.refuse_commit, self.drop_commit,
            self.hold_commits, self.release, self.resubscribe, self.write, self.time_passes, self.time_passes,
        ]  # fmt: skip

    # ── asks ──

    async def one(self, _: int) -> None:
        await self.ask(self.consumer.getone)

    async def many(self, limit: int) -> None:
        self.model.asked()
        found = await self.consumer.getmany(timeout_ms=5, max_records=limit % 4 + 1)
        for tp, records in found.items():
            for record in records:
                self.model.delivered(tp, record.offset)

    async def cancelled_ask(self, steps: int) -> None:
        """An ask that is cancelled after some turns of the event loop; it may have been answered by then."""
        task = asyncio.create_task(self.ask(self.consumer.getone))
        for _ in range(steps % 5):
            await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async def loop(self, count: int) -> None:
        """Some steps of `async for`, then `break`; one that is cancelled ends it too."""
        records = aiter(self.consumer)
        for _ in range(count % 5 + 1):
            if not await self.ask(records.__anext__):
                break
        await records.aclose()

    async def ask(self, how: Callable[[], Coroutine[Any, Any, Any]]) -> bool:
        """Ask for a record, wait for a while, and say whether one came."""
        self.model.asked()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.01):
                record = await how()
                self.model.delivered(record.tp, record.offset)
                return True
        return False

    # ── the application's other calls ──

    def owned(self, number: int) -> TopicPartition | None:
        """A partition that is owned and knows where it stands."""
        known = sorted(self.consumer.assignment() & self.model.spells[-1].position.keys())
        return known[number % len(known)] if known else None

    async def seek(self, number: int) -> None:
        tp = self.owned(number)
        if tp is not None:
            offset = number % (self.broker.end(*tp) + 1)
            self.consumer.seek(tp, offset)
            self.model.sought(tp, offset)

    async def pause(self, number: int) -> None:
        tp = self.owned(number)
        if tp is not None:
            self.consumer.pause(tp)

    async def resume(self, _: int) -> None:
        self.consumer.resume(*self.consumer.paused())

    async def commit(self, _: int) -> None:
        await self.explicit(None)

    async def commit_offset(self, number: int) -> None:
        tp = self.owned(number)
        if tp is not None:
            await self.explicit({tp: number % 7})

    async def pending_commit(self, _: int) -> None:
        """A commit that is not waited for."""
        self.tasks.append(asyncio.create_task(self.explicit(None)))

    async def explicit(self, wanted: dict[TopicPartition, int] | None) -> None:
        who, call = self.consumer.membership, self.consumer.commit(wanted)
        if wanted is None:
            wanted = {tp: offset for spell in self.model.spells[-1:] for tp, offset in spell.position.items()}
        self.model.explicit.append(((who.member_id, who.epoch), wanted))
        seeks = self.model.seeks.copy()
        with contextlib.suppress(KafkaError, TimeoutError):
            async with asyncio.timeout(0.05):
                await call
                for tp, offset in wanted.items():  # what was lost before is not even sent
                    if self.model.seeks[tp] == seeks[tp] and self.broker.committed.get(tp) == offset:
                        self.model.floor[tp] = offset

    async def resubscribe(self, _: int) -> None:
        self.consumer.unsubscribe()
        await asyncio.sleep(0)
        self.consumer.subscribe(["orders"], listener=self.model)

    # ── the world ──

    async def rebalance(self, number: int) -> None:
        self.broker.fail_next("Heartbeat", JOIN_LOST[number % len(JOIN_LOST)])

    async def refuse_commit(self, number: int) -> None:
        self.broker.fail_next("OffsetCommit", REFUSED[number % len(REFUSED)])

    async def drop_commit(self, _: int) -> None:
        self.broker.drop_connection("OffsetCommit")

    async def hold_commits(self, _: int) -> None:
        if "OffsetCommit" not in self.broker.holds:
            self.held.append(self.broker.hold("OffsetCommit"))

    async def release(self, number: int) -> None:
        while self.held:
            self.held.pop().release(0 if number % 3 else REFUSED[number % len(REFUSED)])

    async def write(self, number: int) -> None:
        self.broker.append(*PARTITIONS[number % 2], *(b"%d" % n for n in range(number % 4 + 1)))

    async def time_passes(self, number: int) -> None:
        await asyncio.sleep(0.002 * (number % 4))

    async def tell(self, story: list[tuple[int, int]]) -> None:
        for step, number in story:
            with contextlib.suppress(IllegalStateError):  # nothing to read just now
                await self.steps[step % len(self.steps)](number)
            for error in self.broker.broken:
                raise error

    async def end(self, how: int) -> None:
        """In order, by an exception, cancelled, or not by the application's doing."""
        await self.release(1)
        await asyncio.gather(*self.tasks)
        match how % 3:
            case 0:
                self.model.asked()  # a clean exit counts the record in hand
                await self.consumer.__aexit__(None, None, None)
            case 1:
                await self.consumer.aclose()
            case _:
                task = asyncio.create_task(self.consumer.aclose())
                for _ in range(how % 7):
                    await asyncio.sleep(0)
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
                await self.consumer.aclose()


async def told(story: list[tuple[int, int]], end: int) -> None:
    model = Model()
    async with WatchedBroker(model) as broker:
        for tp in PARTITIONS:
            broker.append(*tp, *(b"%d" % n for n in range(4)))
        consumer = consumer_of(
            broker,
            enable_auto_commit=True,
            auto_commit_interval_ms=3,
            heartbeat_interval_ms=3,
            fetch_max_wait_ms=3,
            drain_timeout_ms=5,
        )
        model.asking = consumer
        consumer.subscribe(["orders"], listener=model)
        await consumer.start()
        scene = Story(broker, model, consumer)
        try:
            await consumer.assigned()
            await scene.tell(story)
        finally:
            await scene.end(end)
        for error in broker.broken:
            raise error
        with contextlib.suppress(ConsumerClosedError):
            await consumer.getone()
        await nothing_left(broker)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 60)), min_size=5, max_size=40), st.integers(0, 20))
def test_no_commit_runs_ahead_of_what_is_consumed(story: list[tuple[int, int]], end: int) -> None:
    """Consumed, owned, under the identity that consumed it, and never back but by a seek or a commit of its own."""
    asyncio.run(told(story, end))


@pytest.mark.asyncio
async def test_an_automatic_commit_is_not_tried_again_ahead_of_a_seek_back() -> None:
    """What was consumed before the seek may be on its way; the next try says what is consumed by then."""
    tp = PARTITIONS[0]
    async with ScriptedBroker() as broker:
        broker.append(*tp, b"0", b"1", b"2", b"3")
        async with consumer_of(broker, enable_auto_commit=True, auto_commit_interval_ms=3) as consumer:
            await consumer.assigned()
            await consumer.getone()
            await broker.until(lambda: broker.committed)  # the start, before which nothing is consumed
            hold, before = broker.hold("OffsetCommit"), len(broker.of("OffsetCommit"))
            consumer.seek(tp, 4)
            assert committed_by(await broker.received("OffsetCommit", before + 1)) == {tp: 4}
            consumer.seek(tp, 1)
            hold.release(14)
            assert committed_by(await broker.received("OffsetCommit", before + 2)) == {tp: 1}


def test_a_commit_from_before_a_seek_back_is_no_step_back_when_it_arrives() -> None:
    """The order that was once taken for one: 4 is sent, the seek goes to 1, 3 is in hand, 4 is accepted, 3 is sent."""
    tp, model = PARTITIONS[0], Model()
    who: Who = ("billing-0-1", 1)
    spell = Spell(who, frozenset({tp}))
    model.spells.append(spell)
    model.starts(tp, 4)
    model.sought(tp, 1)
    for offset in (1, 2, 3):
        model.asked()
        model.delivered(tp, offset)
    model.accepted(who, tp, 4)
    model.check(who, tp, 3)
    model.asked()
    model.accepted(who, tp, 4)
    with pytest.raises(AssertionError, match="back behind 4"):
        model.check(who, tp, 3)

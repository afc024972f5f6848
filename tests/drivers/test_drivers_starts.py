"""Where partitions start is asked of several brokers, of which one hangs: it holds up its own partitions only."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from kafkastatic import Consumer, RebalanceListener
from kafkastatic.errors import KafkaTimeoutError, TopicAuthorizationFailedError
from kafkastatic.types import TopicPartition
from tests.drivers.test_drivers_failover import NOTICED, OTHER, cluster
from tests.drivers.test_drivers_lookups import by_hand, without_leader
from tests.drivers.world import AT_ONCE, consumer_of, in_the_group, nothing_left
from tests.support.scripted_broker import NODE, Call, ScriptedBroker

HELD_UP, FREE = TopicPartition("orders", 0), TopicPartition("orders", 1)
SLOW: dict[str, Any] = {"request_timeout_ms": 60_000, "session_timeout_ms": 90_000}


@pytest.mark.asyncio
@pytest.mark.parametrize("group_id", ["billing", None], ids=["group", "no group"])
async def test_a_leader_that_does_not_answer_holds_up_no_partition_of_another(group_id: str | None) -> None:
    """Each starts when its own leader has answered."""
    async with cluster() as (scene, first, second):
        scene.leaders = {0: NODE, 1: OTHER}
        held = first.hold("ListOffsets")
        first.append("orders", 0, b"a")
        second.append("orders", 1, b"b")
        async with by_hand(first, HELD_UP, FREE, group_id=group_id, **SLOW) as consumer:
            async with asyncio.timeout(AT_ONCE):
                assert (await consumer.getone()).value == b"b"
                held.release()
                assert (await consumer.getone()).value == b"a"


@pytest.mark.asyncio
@pytest.mark.parametrize("how", ["assigned", "sought"])
async def test_a_lookup_that_hangs_holds_up_none_that_comes_later(how: str) -> None:
    """Nobody waits for the round before."""
    async with cluster() as (scene, first, second):
        scene.leaders, scene.coordinator = {0: NODE, 1: OTHER}, OTHER
        first.hold("ListOffsets")
        second.append("orders", 1, b"b")
        start = [HELD_UP] if how == "assigned" else [HELD_UP, FREE]
        async with by_hand(first, *start, **SLOW) as consumer:
            async with asyncio.timeout(AT_ONCE):
                await first.received("ListOffsets")
                if how == "assigned":
                    consumer.assign([HELD_UP, FREE])
                else:
                    consumer.seek(FREE, 1)
                    await consumer.seek_to_beginning(FREE)
                assert (await consumer.getone()).value == b"b"
        assert len(first.of("ListOffsets")) == 1


@pytest.mark.asyncio
async def test_a_partition_that_moves_away_from_a_leader_that_hangs_starts_at_its_next_one() -> None:
    """As soon as that is known, with the question to the old one still open."""
    async with cluster() as (scene, first, second):
        scene.coordinator = OTHER
        first.hold("ListOffsets")
        second.append("orders", 0, b"a")
        async with by_hand(second, HELD_UP, **SLOW) as consumer:
            await first.received("ListOffsets")
            scene.expel(NODE, OTHER)
            async with asyncio.timeout(NOTICED):
                assert (await consumer.getone()).value == b"a"


@pytest.mark.asyncio
async def test_a_coordinator_that_does_not_answer_holds_up_no_partition_that_needs_none() -> None:
    """One that was sought by time waits for its leader alone; what the coordinator says of it later is stale."""
    async with ScriptedBroker({"orders": 2}) as broker:
        held = broker.hold("OffsetFetch")
        broker.append("orders", 1, b"a", b"b")
        broker.committed[FREE] = 1
        async with by_hand(broker, HELD_UP, FREE, **SLOW) as consumer:
            async with asyncio.timeout(AT_ONCE):
                await broker.received("OffsetFetch")
                await consumer.seek_to_beginning(FREE)
                held.release()
                assert [(await consumer.getone()).value for _ in range(2)] == [b"a", b"b"]
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_a_start_that_is_asked_for_twice_is_looked_up_once() -> None:
    """`position()` waits for the lookup that is under way."""
    async with ScriptedBroker() as broker:
        held = broker.hold("ListOffsets")
        async with by_hand(broker, HELD_UP) as consumer:
            asked = [asyncio.create_task(consumer.position(HELD_UP)) for _ in range(2)]
            await broker.received("ListOffsets")
            await consumer.getmany()
            held.release()
            async with asyncio.timeout(AT_ONCE):
                assert await asyncio.gather(*asked) == [0, 0]
        assert len(broker.of("OffsetFetch")) == len(broker.of("ListOffsets")) == 1
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_a_seek_makes_the_lookup_under_way_stale() -> None:
    """Its answer moves nothing, and the call that waited for it gets what was sought."""
    async with ScriptedBroker() as broker:
        held = broker.hold("ListOffsets")
        broker.append("orders", 0, b"a", b"b")
        async with by_hand(broker, HELD_UP) as consumer:
            asked = asyncio.create_task(consumer.position(HELD_UP))
            await broker.received("ListOffsets")
            consumer.seek(HELD_UP, 1)
            async with asyncio.timeout(AT_ONCE):
                assert await asked == 1
                held.release()
                assert (await consumer.getone()).value == b"b"
        await nothing_left(broker)


class Looks(RebalanceListener):
    """Wants to know its positions before they are read from."""

    def __init__(self) -> None:
        self.consumer: Consumer[Any, Any] | None = None
        self.found: list[int] = []

    async def on_partitions_assigned(self, assigned: Any) -> None:
        assert self.consumer is not None
        self.found += [await self.consumer.position(tp) for tp in sorted(assigned)]


@pytest.mark.asyncio
async def test_a_callback_is_told_where_its_partitions_start() -> None:
    """At the commit, and where there is none, at the reset; nothing is fetched before it is done."""
    async with ScriptedBroker({"orders": 2}) as broker:
        broker.committed[HELD_UP] = 7
        listener = Looks()
        consumer = listener.consumer = consumer_of(broker)
        consumer.subscribe(["orders"], listener=listener)
        await in_the_group(consumer, broker)
        async with asyncio.timeout(AT_ONCE):
            await broker.received("Fetch")
        assert listener.found == [7, 0]
        apis = broker.apis()
        assert apis.index("Fetch") > apis.index("ListOffsets")
        await consumer.aclose()
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_the_position_of_a_partition_without_a_leader_is_waited_for_in_vain() -> None:
    """In its time, and with the reason."""
    async with ScriptedBroker({"orders": 2}) as broker:
        without_leader(broker, FREE)
        async with by_hand(broker, FREE, default_api_timeout_ms=100, request_timeout_ms=50) as consumer:
            with pytest.raises(KafkaTimeoutError, match="orders"):
                await consumer.position(FREE)
        await nothing_left(broker)


# ── what a refusal is ──

OF_ANOTHER = TopicPartition("secret", 0)
UNKNOWN_SERVER_ERROR, DENIED, OLD_FORMAT, UNHEARD_OF = -1, 29, 43, 999


@pytest.mark.asyncio
@pytest.mark.parametrize("code", [UNKNOWN_SERVER_ERROR, UNHEARD_OF, 6, 78])
async def test_a_lookup_that_fails_is_tried_again_whatever_the_code(code: int) -> None:
    """By the application's call, and by a partition that starts."""
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"a")
        broker.fail_next("ListOffsets", code, code, 0, code)
        async with by_hand(broker, HELD_UP) as consumer, asyncio.timeout(AT_ONCE):
            assert (await consumer.getone()).value == b"a"
            assert await consumer.end_offsets([HELD_UP]) == {HELD_UP: 1}
        assert len(broker.of("ListOffsets")) == 5
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_a_log_without_timestamps_has_no_offset_of_any_time() -> None:
    """Of records in message format 0: a start by duration is at the end then."""
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"a")
        broker.fail_next("ListOffsets", OLD_FORMAT, 0, OLD_FORMAT)
        async with by_hand(broker, HELD_UP, auto_offset_reset="by_duration:PT1H") as consumer:
            async with asyncio.timeout(AT_ONCE):
                assert await consumer.position(HELD_UP) == 1
                assert await consumer.offsets_for_times({HELD_UP: 5}) == {HELD_UP: None}
        await nothing_left(broker)


@pytest.mark.asyncio
@pytest.mark.parametrize("api", ["OffsetFetch", "ListOffsets"])
async def test_a_topic_that_may_not_be_read_stops_no_other(api: str) -> None:
    """Its error names it, and is that of its partitions only."""
    async with ScriptedBroker({"orders": 1, "secret": 1}) as broker:
        script = getattr(broker, {"OffsetFetch": "_offset_fetch", "ListOffsets": "_list_offsets"}[api])

        def deny(call: Call) -> Any:
            answer = script(call)
            for topic in (*answer.topics, *(t for group in getattr(answer, "groups", ()) for t in group.topics)):
                if topic.name == "secret" or getattr(topic, "topic_id", b"") == broker.topic_id("secret"):
                    for entry in topic.partitions:
                        entry.error_code = DENIED
            return answer

        broker.on(api, deny)
        broker.append("orders", 0, b"a")
        async with by_hand(broker, HELD_UP, OF_ANOTHER) as consumer, asyncio.timeout(AT_ONCE):
            assert await consumer.position(HELD_UP) == 0
            with pytest.raises(TopicAuthorizationFailedError) as caught:
                await consumer.position(OF_ANOTHER)
            assert (caught.value.api, caught.value.topic, caught.value.partition) == (api, "secret", 0)
            if api == "OffsetFetch":
                assert await consumer.committed(HELD_UP) is None
                with pytest.raises(TopicAuthorizationFailedError, match="secret"):
                    await consumer.committed(OF_ANOTHER)
            consumer.assign([HELD_UP])
            assert (await consumer.getone()).value == b"a"
        await nothing_left(broker)


@pytest.mark.asyncio
@pytest.mark.parametrize("api", ["OffsetFetch", "ListOffsets"])
async def test_the_connection_for_fetches_is_open_before_the_start_is_known(api: str) -> None:
    """It is made while the lookup waits for its answer, so that the first fetch goes out at once."""
    async with ScriptedBroker({"orders": 1}) as broker:
        held = broker.hold(api)
        broker.append("orders", 0, b"a")
        async with by_hand(broker, HELD_UP) as consumer:
            await broker.received(api)
            await broker.until(lambda: len(broker.peers) == 2)
            before = set(broker.peers)
            held.release()
            assert (await consumer.getone()).value == b"a"
        assert broker.of("Fetch")[0].connection in before
        await nothing_left(broker)

"""A member of a group of the consumer protocol and its drivers, against a scripted coordinator."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kafkastatic import Consumer
from kafkastatic._state_file import StateFile
from kafkastatic.errors import (
    CommitFailedError,
    ConfigError,
    FencedInstanceIdError,
    StateFileLockedError,
    UnreleasedInstanceIdError,
    UnsupportedVersionError,
)
from kafkastatic.types import RebalanceListener, TopicPartition
from tests.drivers.world import consumer_of, eventually, happens, nothing_left
from tests.support.scripted_broker import ScriptedBroker
from tests.support.scripted_group import API, ScriptedGroup

pytestmark = [pytest.mark.once, pytest.mark.protocol("consumer")]

P0, P1 = (TopicPartition("orders", p) for p in range(2))
GROUP_REQUESTS = {API, "OffsetCommit", "JoinGroup", "SyncGroup", "Heartbeat", "LeaveGroup"}


def member_of(broker: ScriptedBroker, *topics: str, **options: Any) -> Consumer[Any, Any]:
    return consumer_of(broker, *topics, group_protocol="consumer", **options)


def kept_in(path: Path, member_id: str) -> None:
    state = StateFile(str(path), "billing", "billing-0")
    state.open()
    state.save(member_id)
    state.close()


class Parked(RebalanceListener):
    """Callbacks that wait until they are let go."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, frozenset[TopicPartition]]] = []
        self.parks: Callable[[str, frozenset[TopicPartition]], bool] = lambda what, partitions: False
        self.parked, self.go_on = asyncio.Event(), asyncio.Event()

    async def on_partitions_assigned(self, assigned: frozenset[TopicPartition]) -> None:
        await self._called("assigned", assigned)

    async def on_partitions_revoked(self, revoked: frozenset[TopicPartition]) -> None:
        await self._called("revoked", revoked)

    async def on_partitions_lost(self, lost: frozenset[TopicPartition]) -> None:
        await self._called("lost", lost)

    async def _called(self, what: str, partitions: frozenset[TopicPartition]) -> None:
        self.calls.append((what, partitions))
        if self.parks(what, partitions):
            self.parked.set()
            await self.go_on.wait()


async def values(consumer: Consumer[Any, Any], count: int) -> list[bytes]:
    async with asyncio.timeout(10):
        return [(await consumer.getone()).value for _ in range(count)]


def fetched(broker: ScriptedBroker, since: int = 0) -> set[tuple[str, int]]:
    """Every partition that a fetch has asked for."""
    calls = [call for call in broker.calls[since:] if call.api == "Fetch"]
    asked = [(topic, p.partition) for call in calls for topic in call.request.topics for p in topic.partitions]
    return {(topic.topic or topic.topic_id.rstrip(b"\1").decode(), partition) for topic, partition in asked}


# ── in and out ──


@pytest.mark.scenario(31, where="peer")
@pytest.mark.asyncio
async def test_a_member_joins_reads_commits_and_keeps_its_place() -> None:
    """It asks for its offsets, and commits, under its epoch; -2 is the last thing it says, behind the last commit."""
    async with ScriptedBroker({"orders": 2}) as broker:
        group = ScriptedGroup(broker)
        broker.append("orders", 0, b"a", b"b")
        consumer = member_of(broker, enable_auto_commit=True)
        await consumer.start()
        assert await consumer.assigned() == {P0, P1}
        who = consumer.membership
        assert (who.member_id, who.epoch) == (group.member_id, 7)
        assert await values(consumer, 2) == [b"a", b"b"]
        await consumer.aclose()

        (asked,) = {(g.member_id, g.member_epoch) for c in broker.of("OffsetFetch") for g in c.request.groups}
        assert asked == (who.member_id, 7)
        join, *_, leave = group.beats()
        assert (join.member_epoch, join.subscribed_topic_names, leave.member_epoch) == (0, ["orders"], -2)
        assert [api for api in broker.apis() if api in GROUP_REQUESTS][-1] == API
        (commit,) = broker.of("OffsetCommit")
        assert commit.version >= 9
        assert (commit.request.member_id, commit.request.generation_id_or_member_epoch) == (who.member_id, 7)
        assert broker.committed["orders", 0] == 1
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_a_member_has_no_connection_that_it_has_no_use_for() -> None:
    """One for fetches and one for the rest: no request of this protocol is parked at the coordinator."""
    async with ScriptedBroker() as broker:
        ScriptedGroup(broker)
        broker.append("orders", 0, b"a")
        consumer = member_of(broker)
        await consumer.start()
        assert await values(consumer, 1) == [b"a"]
        assert len(broker.peers) == 2
        await consumer.aclose()


@pytest.mark.scenario(32, where="peer")
@pytest.mark.asyncio
async def test_a_member_that_leaves_for_good_says_so() -> None:
    async with ScriptedBroker() as broker:
        group = ScriptedGroup(broker)
        consumer = member_of(broker)
        await consumer.start()
        await consumer.assigned()
        await consumer.aclose(membership="leave")

        assert [beat.member_epoch for beat in group.beats()][-1] == -1
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_a_broker_without_such_groups_is_told_at_the_start() -> None:
    async with ScriptedBroker() as broker:
        broker.caps[API] = -1
        consumer = member_of(broker)
        with pytest.raises(UnsupportedVersionError, match="ConsumerGroupHeartbeat"):
            await consumer.start()
        assert not GROUP_REQUESTS & set(broker.apis())
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_the_brokers_assignor_and_the_rack_are_asked_for() -> None:
    async with ScriptedBroker() as broker:
        group = ScriptedGroup(broker)
        options = {"group_remote_assignor": "range", "client_rack": "r1", "max_poll_interval_ms": 90_000}
        async with member_of(broker, **options) as consumer:
            await consumer.assigned()
            join = group.beats()[0]
            assert (join.server_assignor, join.rack_id, join.rebalance_timeout_ms) == ("range", "r1", 90_000)
            assert join.instance_id == "billing-0"


# ── parts of an assignment ──


@pytest.mark.scenario(16, where="peer")
@pytest.mark.asyncio
async def test_records_of_kept_partitions_flow_while_others_are_given_up() -> None:
    """While on_partitions_revoked runs, and behind it; a late commit of what was given up is refused here."""
    async with ScriptedBroker({"orders": 2}) as broker:
        group, heard = ScriptedGroup(broker), Parked()
        heard.parks = lambda what, partitions: what == "revoked" and P1 in partitions and len(partitions) == 1
        consumer = member_of(broker)
        consumer.subscribe(["orders"], listener=heard)
        await consumer.start()
        await consumer.assigned()
        broker.append("orders", 1, b"theirs")
        assert await values(consumer, 1) == [b"theirs"]
        broker.append("orders", 0, b"a")
        assert await values(consumer, 1) == [b"a"]

        group.assign(orders=[0])
        await happens(heard.parked)
        broker.append("orders", 1, b"not ours")
        for value in (b"b", b"c"):
            broker.append("orders", 0, value)
            assert await values(consumer, 1) == [value]
        assert consumer.assignment() == {P0, P1}
        assert consumer.membership.assignment == {P0, P1}

        heard.go_on.set()
        await eventually(lambda: consumer.assignment() == {P0})
        before = len(broker.calls)
        broker.append("orders", 0, b"d", b"e")
        assert await values(consumer, 2) == [b"d", b"e"]
        assert await consumer.assigned() == {P0}
        with pytest.raises(CommitFailedError, match="orders-1 not assigned to this consumer"):
            await consumer.commit({P1: 1})
        assert broker.of("OffsetCommit") == []
        assert fetched(broker, before) <= {("orders", 0)}
        await consumer.commit()
        assert broker.committed == {("orders", 0): 5}
        assert [what for what, partitions in heard.calls if P0 in partitions] == ["assigned"]
        await consumer.aclose()
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_what_was_consumed_of_a_part_is_committed_before_it_goes() -> None:
    """Of that part only, and before the coordinator is told that it is free."""
    async with ScriptedBroker({"orders": 2}) as broker:
        group = ScriptedGroup(broker)
        consumer = member_of(broker, enable_auto_commit=True, auto_commit_interval_ms=1_000_000)
        await consumer.start()
        await consumer.assigned()
        for partition, value in ((1, b"a"), (1, b"b"), (0, b"c"), (0, b"d")):
            broker.append("orders", partition, value)
            assert await values(consumer, 1) == [value]

        group.assign(orders=[0])
        await broker.until(lambda: [b for b in group.beats() if _owned(b) == [0]])
        assert broker.committed == {("orders", 1): 2}
        apis = [call for call in broker.calls if call.api in GROUP_REQUESTS]
        told = next(i for i, call in enumerate(apis) if call.api == API and _owned(call.request) == [0])
        assert "OffsetCommit" in [call.api for call in apis[:told]]
        await consumer.aclose()


def _owned(request: Any) -> list[int] | None:
    parts = request.topic_partitions
    return None if parts is None else sorted(p for topic in parts for p in topic.partitions)


@pytest.mark.asyncio
async def test_records_of_kept_partitions_flow_while_others_are_assigned() -> None:
    """What is new is not fetched before on_partitions_assigned is done, so that it may seek."""
    async with ScriptedBroker({"orders": 2}) as broker:
        group, heard = ScriptedGroup(broker), Parked()
        group.assign(orders=[0])
        heard.parks = lambda what, partitions: what == "assigned" and P1 in partitions
        consumer = member_of(broker)
        consumer.subscribe(["orders"], listener=heard)
        await consumer.start()
        assert await consumer.assigned() == {P0}
        broker.append("orders", 1, b"new", b"newer")

        group.assign(orders=[0, 1])
        await happens(heard.parked)
        for value in (b"a", b"b"):
            broker.append("orders", 0, value)
            assert await values(consumer, 1) == [value]
        assert fetched(broker) == {("orders", 0)}
        consumer.seek(P1, 1)
        heard.go_on.set()
        assert await values(consumer, 1) == [b"newer"]
        assert heard.calls == [("assigned", {P0}), ("assigned", {P1})]
        await consumer.aclose()
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_handlers_of_kept_partitions_go_on_while_others_are_given_up() -> None:
    """The handler at work on what is given up is waited for; those of the others are called meanwhile."""
    async with ScriptedBroker({"orders": 2}) as broker:
        group = ScriptedGroup(broker)
        handled: list[bytes] = []
        at_work, go_on = asyncio.Event(), asyncio.Event()

        async def handle(record: Any) -> None:
            if record.value == b"slow":
                at_work.set()
                await go_on.wait()
            handled.append(record.value)

        async with member_of(broker) as consumer:
            running = asyncio.create_task(consumer.run(handle))
            broker.append("orders", 1, b"slow", b"never")
            await happens(at_work)
            group.assign(orders=[0])
            await broker.received(API, len(group.beats()) + 2)
            for value in (b"a", b"b", b"c"):
                broker.append("orders", 0, value)
                await eventually(lambda value=value: value in handled)
            assert consumer.assignment() == {P0, P1}
            go_on.set()
            await eventually(lambda: consumer.assignment() == {P0})
            broker.append("orders", 0, b"d")
            await eventually(lambda: b"d" in handled)
            assert handled == [b"a", b"b", b"c", b"slow", b"d"]
            consumer.stop()
            await running
        await nothing_left(broker)


# ── commits ──


@pytest.mark.scenario(37, where="peer")
@pytest.mark.asyncio
async def test_a_commit_under_an_epoch_that_has_passed_is_repeated_under_the_next_one() -> None:
    """One heartbeat brings it, long before one is due."""
    async with ScriptedBroker() as broker:
        group = ScriptedGroup(broker)
        group.interval_ms = 600_000
        broker.append("orders", 0, b"a")
        async with member_of(broker) as consumer:
            assert await values(consumer, 1) == [b"a"]
            await broker.until(lambda: [beat for beat in group.beats() if beat.topic_partitions])
            await eventually(lambda: consumer.membership.epoch == 7)
            beats = len(group.beats())
            group.bump()
            broker.fail_next("OffsetCommit", 113)
            await consumer.commit()

            assert broker.committed == {("orders", 0): 1}
            epochs = [call.request.generation_id_or_member_epoch for call in broker.of("OffsetCommit")]
            assert epochs == [7, 8]
            assert len(group.beats()) == beats + 1


@pytest.mark.scenario(37, where="peer")
@pytest.mark.parametrize("moves", [True, False], ids=["another epoch", "the same epoch"])
@pytest.mark.asyncio
async def test_a_commit_is_repeated_once_only(moves: bool) -> None:
    """And not at all where the heartbeat brings no other epoch."""
    async with ScriptedBroker() as broker:
        group = ScriptedGroup(broker)
        broker.append("orders", 0, b"a")
        async with member_of(broker) as consumer:
            assert await values(consumer, 1) == [b"a"]
            if moves:
                broker.on(API, lambda call: (group.bump(), group.heartbeat(call))[1])
            broker.fail_next("OffsetCommit", 113, 113)
            with pytest.raises(CommitFailedError, match="STALE_MEMBER_EPOCH") as caught:
                await consumer.commit()

            assert caught.value.__cause__ is not None
            assert len(broker.of("OffsetCommit")) == (2 if moves else 1)
            assert consumer.assignment() == {P0}


@pytest.mark.scenario(37, where="peer")
@pytest.mark.asyncio
async def test_after_a_commit_that_says_unknown_member_the_heartbeat_decides() -> None:
    """A good answer keeps the partitions; the commit is refused all the same."""
    async with ScriptedBroker() as broker:
        group, heard = ScriptedGroup(broker), Parked()
        group.interval_ms = 600_000
        broker.append("orders", 0, b"a")
        consumer = member_of(broker)
        consumer.subscribe(["orders"], listener=heard)
        async with consumer:
            assert await values(consumer, 1) == [b"a"]
            for refuses in (False, True):
                beats = len(group.beats())
                broker.fail_next("OffsetCommit", 25)
                if refuses:
                    group.away = True
                    broker.fail_next(API, 25)
                with pytest.raises(CommitFailedError, match="UNKNOWN_MEMBER_ID"):
                    await consumer.commit({P0: 1})
                await broker.received(API, beats + 1)
                assert group.beats()[beats].member_epoch == 7
            await eventually(lambda: [what for what, _ in heard.calls] == ["assigned", "lost", "assigned"])


@pytest.mark.scenario(37, where="peer")
@pytest.mark.asyncio
async def test_who_has_stepped_out_commits_nothing() -> None:
    """Behind its own -2 the coordinator would take any commit that is stamped so: none is sent."""
    async with ScriptedBroker() as broker:
        group = ScriptedGroup(broker)
        broker.append("orders", 0, b"a")
        async with member_of(broker) as consumer:
            assert await values(consumer, 1) == [b"a"]
            consumer.unsubscribe()
            await broker.until(lambda: [beat for beat in group.beats() if beat.member_epoch == -2])
            with pytest.raises(CommitFailedError, match="not assigned"):
                await consumer.commit({P0: 1})
            assert broker.of("OffsetCommit") == []


@pytest.mark.parametrize("code", [113, 25])
@pytest.mark.asyncio
async def test_committed_offsets_are_asked_for_again_when_the_epoch_is_known(code: int) -> None:
    """They are refused to whom the coordinator does not know so, unlike in classic groups."""
    async with ScriptedBroker() as broker:
        group = ScriptedGroup(broker)
        broker.committed["orders", 0] = 1
        broker.append("orders", 0, b"a", b"b")
        broker.fail_next("OffsetFetch", code)
        async with member_of(broker) as consumer:
            assert await values(consumer, 1) == [b"b"]
            apis = broker.apis()
            first, second = (i for i, api in enumerate(apis) if api == "OffsetFetch")
            assert API in apis[first:second]
            asked = [(g.member_id, g.member_epoch) for c in broker.of("OffsetFetch") for g in c.request.groups]
            assert asked == [(group.member_id, 7)] * 2


# ── whose the instance id is ──


@pytest.mark.scenario(36, where="peer")
@pytest.mark.asyncio
async def test_a_replaced_member_is_told_by_whom() -> None:
    async with ScriptedBroker() as broker:
        group = ScriptedGroup(broker)
        async with member_of(broker) as consumer:
            await consumer.assigned()
            group.member_id = "theirs"
            with pytest.raises(FencedInstanceIdError) as caught:
                await consumer.getone()
            assert (caught.value.kind, caught.value.owner) == ("replaced", "member theirs, other at 10.0.0.7")
            assert "The id is now held by member theirs, other at 10.0.0.7." in str(caught.value)
        assert len(broker.of("ConsumerGroupDescribe")) == 1
        await nothing_left(broker)


@pytest.mark.scenario(35, where="peer")
@pytest.mark.asyncio
async def test_who_waits_in_vain_for_its_instance_id_is_told_who_has_it() -> None:
    async with ScriptedBroker() as broker:
        ScriptedGroup(broker, "theirs")
        async with member_of(broker, instance_id_wait_ms=50) as consumer:
            with pytest.raises(UnreleasedInstanceIdError) as caught:
                await consumer.getone()
            assert (caught.value.kind, caught.value.owner) == ("in use", "member theirs, other at 10.0.0.7")
        assert len(broker.of("ConsumerGroupDescribe")) == 1


@pytest.mark.asyncio
async def test_the_error_does_not_depend_on_who_has_it() -> None:
    async with ScriptedBroker() as broker:
        ScriptedGroup(broker, "theirs")
        broker.fail_next("ConsumerGroupDescribe", 30)
        async with member_of(broker, instance_id_wait_ms=0) as consumer:
            with pytest.raises(UnreleasedInstanceIdError) as caught:
                await consumer.getone()
            assert caught.value.owner is None


# ── the state file ──


@pytest.mark.asyncio
async def test_the_member_id_is_durable_before_the_first_heartbeat_leaves(tmp_path: Path) -> None:
    async with ScriptedBroker() as broker:
        group = ScriptedGroup(broker)
        state, seen = tmp_path / "state.json", []

        def look(call: Any) -> Any:
            seen.append(json.loads(state.read_text())["member_id"] == call.request.member_id)
            return group.heartbeat(call)

        broker.on(API, look)
        async with member_of(broker, instance_state_file=state) as consumer:
            await consumer.assigned()
        assert seen and all(seen)
        await nothing_left(broker)


@pytest.mark.scenario(33, where="peer")
@pytest.mark.asyncio
async def test_after_a_crash_the_next_process_goes_on_as_the_same_member(tmp_path: Path) -> None:
    """The coordinator takes the dead one for alive: it leaves as it, and joins as it, before that is even answered."""
    async with ScriptedBroker() as broker:
        group, state = ScriptedGroup(broker, "as before"), tmp_path / "state.json"
        kept_in(state, "as before")

        async def served(call: Any) -> Any:
            if call.request.member_epoch == -2:
                await eventually(lambda: broker.peers[call.connection].behind)
            return group.heartbeat(call)

        broker.on(API, served)
        consumer = member_of(broker, instance_state_file=state, instance_id_wait_ms=0)
        await consumer.start()
        assert await consumer.assigned() == {P0}
        assert consumer.membership.member_id == "as before"
        assert {beat.member_id for beat in group.beats()} == {"as before"}
        assert [beat.member_epoch for beat in group.beats()][:2] == [-2, 0]
        broker.on(API, group.heartbeat)
        await consumer.aclose()
        await nothing_left(broker)


@pytest.mark.scenario(33, 34, where="peer")
@pytest.mark.asyncio
async def test_a_connection_that_breaks_between_leaving_and_joining_is_made_anew_for_both(tmp_path: Path) -> None:
    """Whether the join was served before or not: the next connection begins with leaving, too."""
    for joins_first in (False, True):
        async with ScriptedBroker() as broker:
            group, state = ScriptedGroup(broker, "as before"), tmp_path / f"{joins_first}.json"
            kept_in(state, "as before")
            breaks = [True]

            def served(
                call: Any, group: ScriptedGroup = group, breaks: list[bool] = breaks, joins_first: bool = joins_first
            ) -> Any:
                if call.request.member_epoch == 0 and breaks and breaks.pop():
                    if joins_first:
                        group.heartbeat(call)
                    return None
                return group.heartbeat(call)

            broker.on(API, served)
            async with member_of(broker, instance_state_file=state, instance_id_wait_ms=0) as consumer:
                assert await consumer.assigned() == {P0}
                calls = broker.of(API)[:4]
                assert [call.request.member_epoch for call in calls] == [-2, 0, -2, 0]
                first, again = calls[0].connection, calls[2].connection
                assert [call.connection for call in calls] == [first, first, again, again] != [first] * 4


@pytest.mark.scenario(33, where="peer")
@pytest.mark.asyncio
async def test_leaving_that_is_served_behind_the_join_costs_a_join_and_nothing_else(tmp_path: Path) -> None:
    """A broker may finish what it read from a connection that broke: the next heartbeat tells, and we are in again."""
    async with ScriptedBroker() as broker:
        group, state, heard = ScriptedGroup(broker, "as before"), tmp_path / "state.json", Parked()
        kept_in(state, "as before")
        broker.append("orders", 0, b"a")
        async with member_of(broker, instance_state_file=state, instance_id_wait_ms=0) as consumer:
            consumer.subscribe(["orders"], listener=heard)
            await eventually(lambda: [what for what, _ in heard.calls] == ["assigned"])
            group.away = True
            await eventually(lambda: [what for what, _ in heard.calls] == ["assigned", "lost", "assigned"])
            assert await values(consumer, 1) == [b"a"]
            await consumer.commit()
            assert broker.committed == {("orders", 0): 1}


@pytest.mark.asyncio
async def test_a_state_file_that_is_in_use_is_met_before_any_request(tmp_path: Path) -> None:
    """Once it is free the same consumer can be started; and it is free again when that one is closed."""
    async with ScriptedBroker() as broker:
        ScriptedGroup(broker)
        state = StateFile(str(tmp_path / "state"), "billing", "billing-0")
        state.open()
        consumer = member_of(broker, instance_state_file=tmp_path / "state")
        with pytest.raises(StateFileLockedError):
            await consumer.start()
        assert broker.calls == []
        state.close()

        await consumer.start()
        await consumer.assigned()
        other = member_of(broker, instance_state_file=tmp_path / "state")
        with pytest.raises(StateFileLockedError):
            await other.start()
        await consumer.aclose()
        await other.start()
        await other.aclose()
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_a_state_file_of_another_instance_is_met_before_any_request(tmp_path: Path) -> None:
    async with ScriptedBroker() as broker:
        ScriptedGroup(broker)
        state = tmp_path / "state"
        kept_in(state, "m-1")
        before = state.read_bytes()
        consumer = member_of(broker, instance_state_file=state, group_instance_id="billing-1")
        with pytest.raises(ConfigError, match="another instance's"):
            await consumer.start()
        assert (broker.calls, state.read_bytes()) == ([], before)


@pytest.mark.asyncio
async def test_a_member_id_that_cannot_be_kept_ends_the_consumer_before_it_joins(tmp_path: Path) -> None:
    async with ScriptedBroker() as broker:
        ScriptedGroup(broker)
        coordinator = broker.hold("FindCoordinator")
        consumer = member_of(broker, instance_state_file=tmp_path / "state")
        start = asyncio.create_task(consumer.start())
        await broker.received("FindCoordinator")
        (tmp_path / "state").symlink_to(tmp_path / "target")
        coordinator.release()
        with pytest.raises(ConfigError, match="is a symbolic link"):
            await start
            await consumer.getone()
        await consumer.aclose()
        assert broker.of(API) == []
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_a_start_that_was_cancelled_leaves_the_state_file_free(tmp_path: Path) -> None:
    async with ScriptedBroker() as broker:
        ScriptedGroup(broker)
        hold = broker.hold("ApiVersions")
        consumer = member_of(broker, instance_state_file=tmp_path / "state")
        start = asyncio.create_task(consumer.start())
        await broker.received("ApiVersions")
        start.cancel()
        with pytest.raises(asyncio.CancelledError):
            await start
        hold.release()
        state = StateFile(str(tmp_path / "state"), "billing", "billing-0")
        state.open()
        state.close()
        await nothing_left(broker)


# ── topics by id, and by pattern ──


@pytest.mark.asyncio
async def test_an_assigned_topic_of_an_unknown_id_is_looked_up() -> None:
    """One that was created again, of which nobody here knows: it is asked for by its id, and read."""
    async with ScriptedBroker({"orders": 1, "other": 1}) as broker:
        group = ScriptedGroup(broker)
        group.assign(orders=[0])
        async with member_of(broker, "orders", "other") as consumer:
            assert await consumer.assigned() == {P0}
            broker.recreate("other", b"anew")
            group.assign(other=[0])
            assert await values(consumer, 1) == [b"anew"]
            asked = [
                topic.topic_id for call in broker.of("Metadata") for topic in call.request.topics if not topic.name
            ]
            assert broker.topic_id("other") in asked
            assert consumer.assignment() == {TopicPartition("other", 0)}


@pytest.mark.asyncio
async def test_a_pattern_is_told_the_coordinator_and_matched_here_too() -> None:
    async with ScriptedBroker({"orders": 1, "orders-eu": 1, "Orders": 1}) as broker:
        group = ScriptedGroup(broker)
        group.assign(**{"orders": [0], "orders-eu": [0]})
        consumer = member_of(broker)
        consumer.subscribe(pattern="orders.*")
        await consumer.start()
        assert await consumer.assigned() == {TopicPartition("orders", 0), TopicPartition("orders-eu", 0)}
        await eventually(lambda: consumer.subscription() == {"orders", "orders-eu"})
        assert {beat.subscribed_topic_regex for beat in group.beats()} <= {"orders.*", None}
        assert group.beats()[0].subscribed_topic_regex == "orders.*"

        beats = len(group.beats())
        consumer.subscribe(pattern=re.compile("orders", re.IGNORECASE))
        await broker.until(lambda: [b for b in group.beats()[beats:] if b.subscribed_topic_regex == "(?i)orders"])
        await eventually(lambda: consumer.subscription() == {"orders", "Orders"})
        await consumer.aclose()
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_a_broker_that_knows_no_patterns_is_told_names_and_what_still_matches_is_kept() -> None:
    """Version 0 of the heartbeat: until the cluster's topics are known the subscription is the one before."""
    async with ScriptedBroker({"orders": 1, "other": 1}) as broker:
        group, heard = ScriptedGroup(broker), Parked()
        broker.caps[API] = 0
        group.assign(orders=[0])
        consumer = member_of(broker)
        consumer.subscribe(["orders"], listener=heard)
        await consumer.start()
        assert await consumer.assigned() == {P0}
        consumer.subscribe(pattern="o.*", listener=heard)
        await broker.until(lambda: [b for b in group.beats() if b.subscribed_topic_names == ["orders", "other"]])
        assert min(beat.member_epoch for beat in group.beats()[1:]) > 0
        assert heard.calls == [("assigned", {P0})]
        await consumer.aclose()
        await nothing_left(broker)


@pytest.mark.parametrize("excluded", [True, False])
@pytest.mark.asyncio
async def test_a_coordinator_is_told_no_pattern_that_matches_what_is_excluded(excluded: bool) -> None:
    """It would assign Kafka's own topics too: this side matches instead, and names what it found."""
    async with ScriptedBroker({"orders": 1, "other": 1}) as broker:
        group = ScriptedGroup(broker)
        consumer = member_of(broker, exclude_internal_topics=excluded)
        consumer.subscribe(pattern=".*")
        await consumer.start()
        assert await consumer.assigned() == {TopicPartition("orders", 0), TopicPartition("other", 0)}
        join = group.beats()[0]
        told = (join.subscribed_topic_names or [], join.subscribed_topic_regex or None)
        assert told == ((["orders", "other"], None) if excluded else ([], ".*"))
        await consumer.aclose()
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_a_pattern_that_brokers_do_not_understand_is_refused() -> None:
    """Nothing of the subscription is changed by it."""
    async with ScriptedBroker() as broker:
        heard = Parked()
        consumer = member_of(broker)
        consumer.subscribe(["orders"], listener=heard)
        with pytest.raises(ConfigError, match="verbose"):
            consumer.subscribe(pattern=re.compile("orders # all", re.VERBOSE))
        assert consumer.subscription() == {"orders"}
        ScriptedGroup(broker)
        async with consumer:
            await consumer.assigned()
        assert heard.calls[0] == ("assigned", {P0})

"""The scenarios of a static member of a KIP-848 group: the broker assigns, and protects whoever came first."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest

from kafkastatic import Consumer, FencedInstanceIdError, TopicPartition
from kafkastatic.errors import (
    CommitFailedError,
    ConfigError,
    StateFileLockedError,
    UnreleasedInstanceIdError,
    UnsupportedVersionError,
)
from kafkastatic.identity import IdentityRegistry
from tests.support.raw_consumer import LEAVE, STEP_OUT, RawConsumer, described, members
from tests.support.raw_peer import RawPeer
from tests.support.recording_proxy import RecordingProxy, Request
from tests.support.scenes import Recorder, consumer, eventually, reading, recorded, running, write

pytestmark = [pytest.mark.protocol("consumer"), pytest.mark.releases("4.4", "3.9-java")]

HEARTBEAT = "ConsumerGroupHeartbeat"
JOIN = 0


def static(group: str, **options: Any) -> dict[str, Any]:
    """What makes a consumer the static member `a` of this group."""
    return {"group_protocol": "consumer", "group_id": group, "group_instance_id": "a", **options}


def sent(proxy: RecordingProxy, *epochs: int) -> list[Request]:
    """The heartbeats on the wire since the last `clear` that join or leave, or those with one of these epochs."""
    wanted = epochs or (JOIN, LEAVE, STEP_OUT)
    return [request for request in proxy.sent(HEARTBEAT) if request.message.member_epoch in wanted]


def epochs(requests: list[Request]) -> list[int]:
    return [request.message.member_epoch for request in requests]


def codes(requests: list[Request]) -> list[int | None]:
    return [request.answer.error_code if request.answer else None for request in requests]


def given(request: Request) -> int:
    """How many partitions an answer assigns."""
    found = request.answer.assignment
    return sum(len(topic.partitions) for topic in found.topic_partitions) if found else 0


async def shared(ours: Consumer[Any, Any], other: RawConsumer, name: str, partitions: int) -> None:
    """Both have a part of the partitions, and all of them together."""
    everything = {(name, partition) for partition in range(partitions)}
    await eventually(lambda: ours.assignment() and other.assignment == everything - ours.assignment() != everything)


# ── restarting ──


@pytest.mark.scenario(31, where="real")
@pytest.mark.asyncio
async def test_a_member_that_starts_again_is_assigned_by_the_first_answer(kafka, topic, group_id) -> None:
    """Closing commits, calls on_revoked and says -2; the group's epoch and the other member know nothing of it."""
    name, group, heard = await topic(partitions=2), group_id(), Recorder()
    async with recorded(kafka) as proxy, RawPeer.connect(kafka.bootstrap) as peer:
        for partition in (0, 1):
            await write(peer, name, partition, [b"1", b"2"])
        other = RawConsumer(peer, group, name, "b")
        await other.settle(2)
        async with other.beating() as beats:
            async with running(proxy.bootstrap, name, listener=heard, **static(group)) as ours:
                await shared(ours, other, name, 2)
                (mine,), before = ours.assignment(), ours.membership
                await asyncio.wait_for(ours.getone(), 10)
                await asyncio.wait_for(ours.getone(), 10)
                epoch = (await described(peer, group)).group_epoch
                proxy.clear()
            assert heard.kinds[-1] == "revoked"
            assert epochs(sent(proxy)) == [STEP_OUT]
            assert proxy.sent("OffsetCommit")[-1].answered_at <= sent(proxy)[0].at
            assert await peer.committed(group, [mine]) == {mine: 1}
            proxy.clear()
            async with running(proxy.bootstrap, name, **static(group)) as ours:
                assert await ours.assigned() == {mine}
                assert (ours.membership.instance_id, ours.membership.epoch) == ("a", before.epoch)
                assert (await asyncio.wait_for(ours.getone(), 10)).offset == 1
                first = proxy.sent(HEARTBEAT)[0]
                assert (first.message.member_epoch, first.answer.error_code, given(first)) == (JOIN, 0, 1)
                assert (await described(peer, group)).group_epoch == epoch
            await eventually(lambda: len(beats) > 3)
        assert set(beats) == {0}
        assert other.epoch == epoch


@pytest.mark.scenario(32, where="real")
@pytest.mark.asyncio
async def test_a_member_that_leaves_for_good_frees_its_partitions(kafka, topic, group_id) -> None:
    """It says -1, is gone from the group at once, and the other is assigned everything."""
    name, group = await topic(partitions=2), group_id()
    async with recorded(kafka) as proxy, RawPeer.connect(kafka.bootstrap) as peer:
        other = RawConsumer(peer, group, name, "b")
        await other.settle(2)
        async with other.beating() as beats, running(proxy.bootstrap, name, **static(group)) as ours:
            await shared(ours, other, name, 2)
            proxy.clear()
            await ours.aclose(membership="leave")
            assert epochs(sent(proxy)) == [LEAVE]
            assert codes(sent(proxy)) == [0]
            assert await members(peer, group) == {"b": other.member_id}
            await eventually(lambda: len(other.assignment) == 2)
        assert set(beats) == {0}


@pytest.mark.scenario(33, where="real")
@pytest.mark.asyncio
async def test_a_member_whose_predecessor_crashed_waits_for_its_session(kafka, topic, group_id, caplog) -> None:
    """111 is tried again, and told as waiting, until the dead one's session is over; nothing is raised meanwhile."""
    caplog.set_level(logging.INFO, logger="kafkastatic")
    name, group, heard = await topic(), group_id(), Recorder()
    async with recorded(kafka) as proxy, RawPeer.connect(kafka.bootstrap) as peer:
        ghost = RawConsumer(peer, group, name, "a")
        await ghost.settle(1)  # and says nothing more
        async with (
            running(proxy.bootstrap, name, listener=heard, **static(group, instance_id_wait_ms=60_000)) as ours,
            reading(ours) as reader,
        ):
            await eventually(lambda: waiting(caplog))
            assert (heard.calls, ours.assignment(), reader.error) == ([], frozenset(), None)
            await eventually(lambda: heard.kinds == ["assigned"], timeout=30)
            joins = sent(proxy)
            assert (set(epochs(joins)), set(codes(joins)[:-1]), codes(joins)[-1]) == ({JOIN}, {111}, 0)
            assert await members(peer, group) == {"a": ours.membership.member_id} != {"a": ghost.member_id}
        assert "error='UNRELEASED_INSTANCE_ID'" in waiting(caplog)[0]


def waiting(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The events that say that a member waits for its instance id."""
    return [m for record in caplog.records if (m := record.getMessage()).startswith("waiting_for_release ")]


@contextlib.asynccontextmanager
async def process(*arguments: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """A running `member_program` that has its partitions, and its member id; killed at the end."""
    command = ("-m", "tests.support.member_program", *arguments)
    running = await asyncio.create_subprocess_exec(sys.executable, *command, stdout=asyncio.subprocess.PIPE)
    try:
        assert running.stdout is not None
        yield running, (await asyncio.wait_for(running.stdout.readline(), 30)).decode().strip()
    finally:
        with contextlib.suppress(ProcessLookupError):
            running.kill()
        await running.communicate()


@pytest.mark.scenario(33, where="real")
@pytest.mark.asyncio
async def test_a_killed_member_with_a_state_file_is_back_before_its_session_is_over(
    kafka, topic, group_id, tmp_path, caplog
) -> None:
    """It says -2 as its dead self and joins directly behind: the other member sees nothing, and nobody waits."""
    caplog.set_level(logging.INFO, logger="kafkastatic")
    name, group, file = await topic(partitions=2), group_id(), str(tmp_path / "state")
    async with recorded(kafka) as proxy, RawPeer.connect(kafka.bootstrap) as peer:
        other = RawConsumer(peer, group, name, "b")
        await other.settle(2)
        async with other.beating() as beats:
            async with process(kafka.bootstrap, name, group, "a", file) as (killed, member_id):
                await eventually(lambda: len(other.assignment) == 1)
                await eventually(lambda: settled(peer, group))
                epoch = (await described(peer, group)).group_epoch
                with pytest.raises(StateFileLockedError):
                    await consumer(proxy.bootstrap, name, **static(group, instance_state_file=file)).start()
                killed.kill()
                await killed.wait()
            async with running(proxy.bootstrap, name, **static(group, instance_state_file=file)) as ours:
                assert await ours.assigned() == {(name, 0), (name, 1)} - other.assignment
                assert ours.membership.member_id == member_id
                assert (epochs(sent(proxy)), codes(sent(proxy))) == ([STEP_OUT, JOIN], [0, 0])
                assert given(sent(proxy)[-1]) == 1
                assert (await described(peer, group)).group_epoch == epoch
        assert set(beats) == {0}
        assert waiting(caplog) == []


async def settled(peer: RawPeer, group: str) -> bool:
    """Every member has what it is to have."""
    return (await described(peer, group)).group_state == "Stable"


@pytest.mark.scenario(33, 35, where="real")
@pytest.mark.asyncio
async def test_a_second_process_ends_with_the_error_and_the_first_notices_nothing(kafka, topic, group_id) -> None:
    """After `instance_id_wait_ms` the newcomer ends and names the owner, whose epoch and callbacks stand."""
    name, group, heard = await topic(), group_id(), Recorder()
    async with (
        recorded(kafka) as proxy,
        RawPeer.connect(kafka.bootstrap) as peer,
        running(kafka.bootstrap, name, listener=heard, **static(group, client_id="the-first")) as owner,
    ):
        everything, before = await owner.assigned(), owner.membership
        with pytest.raises(UnreleasedInstanceIdError) as caught:
            async with consumer(proxy.bootstrap, name, **static(group, instance_id_wait_ms=500)) as second:
                await asyncio.wait_for(second.getone(), 20)
        error = caught.value
        assert (error.code, error.kind, error.instance_id, error.group) == (111, "in use", "a", group)
        assert error.owner is not None and "the-first" in error.owner and "127.0.0.1" in error.owner
        assert set(epochs(sent(proxy))) == {JOIN}
        assert set(codes(sent(proxy))) == {111}
        assert len(sent(proxy)) >= 2
        assert await members(peer, group) == {"a": before.member_id}
        assert (owner.membership, heard.calls) == (before, [("assigned", everything)])


@pytest.mark.scenario(17, where="real")
@pytest.mark.asyncio
async def test_a_member_cut_off_for_longer_than_its_session_comes_back(kafka, topic, group_id) -> None:
    """The others take everything over meanwhile; then 25: on_lost, a join, on_assigned, nothing raised."""
    name, group, heard = await topic(), group_id(), Recorder()
    async with (
        recorded(kafka) as proxy,
        RawPeer.connect(kafka.bootstrap) as peer,
        running(proxy.bootstrap, name, listener=heard, **static(group)) as ours,
        reading(ours) as reader,
    ):
        everything = await ours.assigned()
        hold = proxy.hold(HEARTBEAT, when="request")
        await asyncio.wait_for(hold.reached.wait(), 10)

        async def gone() -> bool:
            return not await members(peer, group)

        await eventually(gone, timeout=20)
        proxy.clear()
        hold.release()
        await eventually(lambda: len(heard.calls) == 3)
        assert heard.calls == [("assigned", everything), ("lost", everything), ("assigned", everything)]
        assert set(epochs(sent(proxy))) == {JOIN} and codes(sent(proxy))[-1] == 0
        assert await members(peer, group) == {"a": ours.membership.member_id}
        await write(peer, name, 0, [b"after"])
        await eventually(lambda: [record.value for record in reader.records] == [b"after"])
        assert reader.error is None


# ── the wrong epoch ──


@pytest.mark.scenario(34, where="real")
@pytest.mark.asyncio
async def test_a_member_whose_join_was_answered_into_the_void_is_in_at_once(kafka, topic, group_id) -> None:
    """Its own first join holds the instance id: -2 hands it back, and the join behind that is answered well."""
    name, group = await topic(), group_id()
    async with recorded(kafka) as proxy, RawPeer.connect(kafka.bootstrap) as peer:
        proxy.cut(HEARTBEAT)
        async with running(proxy.bootstrap, name, **static(group)) as ours:
            assert await ours.assigned() == {TopicPartition(name, 0)}
            joins = sent(proxy)
            assert epochs(joins) == [JOIN, STEP_OUT, JOIN]
            assert codes(joins) == [None, 0, 0]
            assert {join.message.member_id for join in joins} == {ours.membership.member_id}
            assert await members(peer, group) == {"a": ours.membership.member_id}


class Slow(Recorder):
    """Its on_partitions_lost takes as long as the test wants."""

    def __init__(self) -> None:
        super().__init__()
        self.may_end = asyncio.Event()

    async def on_partitions_lost(self, lost: frozenset[TopicPartition]) -> None:  # type: ignore[override]
        super().on_partitions_lost(lost)
        await self.may_end.wait()


@pytest.mark.scenario(38, where="real")
@pytest.mark.asyncio
async def test_a_member_that_is_fenced_by_epoch_loses_everything_before_it_joins(kafka, topic, group_id) -> None:
    """110: on_lost ends before anything is sent for the next membership; a commit of what was lost is refused here."""
    name, group, heard = await topic(), group_id(), Slow()
    tp = TopicPartition(name, 0)
    async with (
        recorded(kafka) as proxy,
        RawPeer.connect(kafka.bootstrap) as peer,
        running(proxy.bootstrap, name, listener=heard, **static(group, enable_auto_commit=False)) as ours,
    ):
        await write(peer, name, 0, [b"1", b"2"])
        assert (await asyncio.wait_for(ours.getone(), 10)).offset == 0
        known = ours.membership.member_id
        proxy.rewrite(HEARTBEAT, lambda answer: fenced(answer, 110))
        await eventually(lambda: heard.kinds == ["assigned", "lost"])
        proxy.clear()
        with pytest.raises(CommitFailedError) as caught:
            await ours.commit({tp: 1})
        assert caught.value.offsets == {tp: 1}
        assert not proxy.sent(HEARTBEAT) and not proxy.sent("OffsetCommit")
        heard.may_end.set()
        assert (await asyncio.wait_for(ours.getone(), 10)).offset == 0  # it was not committed, so it comes again
        assert heard.kinds == ["assigned", "lost", "assigned"]
        assert epochs(sent(proxy)) == [STEP_OUT, JOIN]
        assert ours.membership.member_id == known
        assert await peer.committed(group, [tp]) == {tp: -1}


def fenced(answer: Any, code: int) -> None:
    """What a heartbeat is answered that is refused."""
    answer.error_code, answer.member_epoch, answer.assignment = code, 0, None


def refused(answer: Any, code: int) -> None:
    """What an OffsetCommit is answered that is refused."""
    for topic in answer.topics:
        for partition in topic.partitions:
            partition.error_code = code


@pytest.mark.scenario(37, where="real")
@pytest.mark.asyncio
async def test_a_commit_with_an_old_epoch_is_tried_again_with_the_new_one(kafka, topic, group_id) -> None:
    """113 while the group has gone on: a heartbeat brings the epoch, and one retry follows; else it is an error."""
    name, elsewhere, group, heard = await topic(), await topic(), group_id(), Recorder()
    tp = TopicPartition(name, 0)
    async with (
        recorded(kafka) as proxy,
        RawPeer.connect(kafka.bootstrap) as peer,
        running(proxy.bootstrap, name, listener=heard, **static(group, enable_auto_commit=False)) as ours,
    ):
        await write(peer, name, 0, [b"1", b"2", b"3"])
        await ours.assigned()
        before = ours.membership
        proxy.clear()
        hold = proxy.hold("OffsetCommit", when="request")  # and every heartbeat behind it
        proxy.rewrite("OffsetCommit", lambda answer: refused(answer, 113))
        commit = asyncio.create_task(ours.commit({tp: 2}))
        await asyncio.wait_for(hold.reached.wait(), 10)
        assert await RawConsumer(peer, group, elsewhere, "b").join() == 0
        hold.release()
        await asyncio.wait_for(commit, 10)
        first, second = proxy.sent("OffsetCommit")
        assert first.message.generation_id_or_member_epoch == before.epoch
        assert second.message.generation_id_or_member_epoch == ours.membership.epoch > before.epoch
        assert await peer.committed(group, [tp]) == {tp: 2}

        proxy.rewrite("OffsetCommit", lambda answer: refused(answer, 113))
        with pytest.raises(CommitFailedError) as caught:
            await ours.commit({tp: 3})
        assert caught.value.offsets == {tp: 3}
        assert len(proxy.sent("OffsetCommit")) == 3
        assert heard.kinds == ["assigned"]


@pytest.mark.scenario(37, where="real")
@pytest.mark.asyncio
async def test_a_commit_of_an_unknown_member_makes_a_heartbeat_decide(kafka, topic, group_id) -> None:
    """25 on a commit is not the end of the membership: the heartbeat that follows is answered well, and it stands."""
    name, group, heard = await topic(), group_id(), Recorder()
    tp = TopicPartition(name, 0)
    async with (
        recorded(kafka) as proxy,
        RawPeer.connect(kafka.bootstrap) as peer,
        running(proxy.bootstrap, name, listener=heard, **static(group, enable_auto_commit=False)) as ours,
    ):
        await write(peer, name, 0, [b"1"])
        await ours.assigned()
        before = ours.membership
        proxy.clear()
        proxy.rewrite("OffsetCommit", lambda answer: refused(answer, 25))
        with pytest.raises(CommitFailedError):
            await ours.commit({tp: 1})
        await proxy.wait_for(HEARTBEAT, len(proxy.sent(HEARTBEAT)) + 1, answered=True)
        assert sent(proxy) == []
        assert (ours.membership, heard.kinds) == (before, ["assigned"])
        await ours.commit({tp: 1})
        assert await peer.committed(group, [tp]) == {tp: 1}


# ── removed and replaced ──


@pytest.mark.scenario(36, where="real")
@pytest.mark.asyncio
async def test_a_member_that_was_removed_and_replaced_ends_and_takes_nothing_over(kafka, topic, group_id) -> None:
    """82: on_lost, the error names the owner, nothing is sent any more, and the owner is undisturbed."""
    name, group, heard = await topic(), group_id(), Recorder()
    async with (
        recorded(kafka) as proxy,
        RawPeer.connect(kafka.bootstrap, client_id="the-rival") as peer,
        running(proxy.bootstrap, name, listener=heard, **static(group)) as ours,
    ):
        everything = await ours.assigned()
        hold = proxy.hold(HEARTBEAT, when="request")
        await asyncio.wait_for(hold.reached.wait(), 10)
        # 3.9 removes nobody by LeaveGroup: the administrator speaks in the member's name.
        assert await RawConsumer(peer, group, name, "a", ours.membership.member_id).say(LEAVE) == 0
        rival = RawConsumer(peer, group, name, "a")
        assert await rival.settle(1) == everything
        async with rival.beating() as beats:
            proxy.clear()
            hold.release()
            with pytest.raises(FencedInstanceIdError) as caught:
                await asyncio.wait_for(ours.getone(), 10)
            error = caught.value
            assert (error.code, error.kind, error.api) == (82, "replaced", HEARTBEAT)
            assert error.owner is not None and "the-rival" in error.owner
            assert heard.calls == [("assigned", everything), ("lost", everything)]
            await ours.aclose()
            assert sent(proxy) == []
            assert await members(peer, group) == {"a": rival.member_id}
            await eventually(lambda: len(beats) > 5)
        assert set(beats) == {0}


@pytest.mark.scenario(23, where="real")
@pytest.mark.asyncio
async def test_a_member_removed_by_an_administrator_joins_again(kafka, topic, group_id, caplog) -> None:
    """25 before its session could have expired: on_lost, a join under the instance id, and the cause is inferred."""
    caplog.set_level(logging.INFO, logger="kafkastatic")
    name, group, heard = await topic(), group_id(), Recorder()
    async with recorded(kafka) as proxy, RawPeer.connect(kafka.bootstrap) as peer:
        proxy.rewrite(HEARTBEAT, _slow_down, times=None)  # a long time in which no session can have expired
        async with running(proxy.bootstrap, name, listener=heard, **static(group)) as ours:
            everything = await ours.assigned()
            await proxy.wait_for(HEARTBEAT, 2, answered=True)  # the join, and that it has what it was given
            await RawConsumer(peer, group, name, "a", ours.membership.member_id).say(LEAVE)
            assert await members(peer, group) == {}
            proxy.undisturbed()
            proxy.clear()
            with pytest.raises(CommitFailedError):  # 25: a heartbeat asks at once
                await ours.commit(dict.fromkeys(everything, 0))
            await eventually(lambda: len(heard.calls) == 3)
            assert heard.calls == [("assigned", everything), ("lost", everything), ("assigned", everything)]
            assert (epochs(sent(proxy)), codes(sent(proxy))) == ([JOIN], [0])
            assert await members(peer, group) == {"a": ours.membership.member_id}
    (lost,) = [message for record in caplog.records if (message := record.getMessage()).startswith("lost ")]
    assert "cause='removed'" in lost
    assert "inferred=True" in lost


def _slow_down(answer: Any) -> None:
    answer.heartbeat_interval_ms = 60_000


@pytest.mark.scenario(16, where="real")
@pytest.mark.asyncio
async def test_a_late_commit_of_a_partition_given_up_is_refused_here(kafka, topic, group_id) -> None:
    """The broker would take it, in the current epoch, for any partition: it must not even be sent."""
    name, group = await topic(partitions=2), group_id()
    async with (
        recorded(kafka) as proxy,
        RawPeer.connect(kafka.bootstrap) as peer,
        running(proxy.bootstrap, name, **static(group, enable_auto_commit=False)) as ours,
    ):
        assert len(await ours.assigned()) == 2
        other = RawConsumer(peer, group, name, "b")
        await other.settle(1)
        await shared(ours, other, name, 2)
        (theirs,) = other.assignment
        proxy.clear()
        with pytest.raises(CommitFailedError, match="not assigned to this consumer") as caught:
            await ours.commit({TopicPartition(*theirs): 7})
        assert caught.value.offsets == {theirs: 7}
        assert not proxy.sent("OffsetCommit")


@pytest.mark.scenario(14, where="real")
@pytest.mark.asyncio
async def test_every_heartbeat_carries_the_instance_id(kafka, topic, group_id) -> None:
    """The first, those that say nothing else, after the coordinator was looked up again, and the last."""
    name, group = await topic(), group_id()
    async with recorded(kafka) as proxy:
        async with running(proxy.bootstrap, name, **static(group)) as ours:
            await ours.assigned()
            await proxy.wait_for(HEARTBEAT, 4, answered=True)
            proxy.rewrite(HEARTBEAT, lambda answer: fenced(answer, 16))
            lookups = len(proxy.sent("FindCoordinator"))
            await proxy.wait_for("FindCoordinator", lookups + 1, answered=True)
            await proxy.wait_for(HEARTBEAT, len(proxy.sent(HEARTBEAT)) + 2, answered=True)
        assert {beat.message.instance_id for beat in proxy.sent(HEARTBEAT)} == {"a"}
        assert {beat.message.member_id for beat in proxy.sent(HEARTBEAT)[1:]} == {ours.membership.member_id}
        assert epochs(proxy.sent(HEARTBEAT))[-1] == STEP_OUT
        assert len(sent(proxy, JOIN)) == 1


@pytest.mark.scenario(40, where="real")
@pytest.mark.asyncio
async def test_a_second_consumer_of_the_identity_in_this_process_sends_nothing(kafka, topic, group_id) -> None:
    """It is refused before any request, and the first does not notice."""
    name, group, registry, heard = await topic(), group_id(), IdentityRegistry(), Recorder()
    async with (
        recorded(kafka) as proxy,
        running(proxy.bootstrap, name, listener=heard, **static(group, registry=registry)) as first,
    ):
        await first.assigned()
        before, joins = first.membership, len(sent(proxy))
        with pytest.raises(ConfigError, match="already uses group_instance_id 'a'"):
            await consumer(proxy.bootstrap, name, **static(group, registry=registry)).start()
        assert (first.membership, heard.kinds, len(sent(proxy))) == (before, ["assigned"], joins)


@pytest.mark.releases("3.9")
@pytest.mark.scenario(2, where="real")
@pytest.mark.asyncio
async def test_a_broker_whose_coordinator_has_no_such_groups_is_a_configuration_error(kafka, topic, group_id) -> None:
    """3.9 tells of the API and answers 35 unless its Java coordinator is on; no classic member comes of it."""
    name, group = await topic(), group_id()
    async with recorded(kafka) as proxy:
        with pytest.raises(ConfigError) as caught:
            async with consumer(proxy.bootstrap, name, **static(group)) as ours:
                await asyncio.wait_for(ours.assigned(), 20)
        assert isinstance(caught.value, UnsupportedVersionError)
        assert "group.coordinator.rebalance.protocols" in str(caught.value)
        assert not proxy.sent("JoinGroup")

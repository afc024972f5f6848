"""Parts of an assignment that go and come in a KIP-848 group, while the records of the others flow."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from kafkastatic import TopicPartition
from tests.support.raw_consumer import LEAVE, RawConsumer
from tests.support.raw_peer import RawPeer
from tests.support.scenes import Recorder, eventually, reading, recorded, running, write

pytestmark = [pytest.mark.protocol("consumer"), pytest.mark.releases("4.4", "3.9-java")]


class Parked(Recorder):
    """Its on_partitions_revoked takes as long as the test wants."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on = asyncio.Event()

    async def on_partitions_revoked(self, revoked: frozenset[TopicPartition]) -> None:
        await super().on_partitions_revoked(revoked)
        await self.go_on.wait()


@pytest.mark.asyncio
async def test_records_flow_while_partitions_are_given_up_and_come_back(kafka, topic, group_id) -> None:
    """Of those that stay none is skipped or repeated, and on_revoked and on_assigned name the others only; what comes
    back goes on at the commit that the revoke made."""
    name, group, heard = await topic(partitions=2), group_id(), Parked()
    options = {"group_protocol": "consumer", "group_id": group, "group_instance_id": "a"}
    async with (
        RawPeer.connect(kafka.bootstrap) as peer,
        running(kafka.bootstrap, name, listener=heard, **options) as ours,
        reading(ours) as reader,
    ):
        read = reader.records
        everything = await ours.assigned()
        for tp in everything:
            await write(peer, name, tp.partition, [b"1", b"2"])
        await eventually(lambda: len(read) == 4)

        other = RawConsumer(peer, group, name, "b")
        assert await other.join() == 0
        async with other.beating() as beats:
            await eventually(lambda: heard.kinds == ["assigned", "revoked"], timeout=20)
            (theirs,) = heard.calls[1][1]
            (kept,) = everything - {theirs}
            await write(peer, name, theirs.partition, [b"3"])
            for value in (b"3", b"4", b"5"):
                await write(peer, name, kept.partition, [value])
                await eventually(lambda value=value: values(read, kept)[-1] == value)
            assert ours.assignment() == everything
            assert other.assignment == set()

            heard.go_on.set()
            await eventually(lambda: other.assignment == {theirs}, timeout=20)
            assert ours.assignment() == ours.membership.assignment == {kept}
            assert await peer.committed(group, [theirs]) == {theirs: 2}
            await write(peer, name, kept.partition, [b"6"])
            await eventually(lambda: values(read, kept)[-1] == b"6")
        assert set(beats) == {0}
        assert await other.say(LEAVE) == 0
        await eventually(lambda: heard.calls[-1] == ("assigned", {theirs}), timeout=20)
        await write(peer, name, theirs.partition, [b"4"])
        await eventually(lambda: values(read, theirs)[-1] == b"4")
        assert values(read, theirs) == [b"1", b"2", b"3", b"4"]
        assert values(read, kept) == [b"1", b"2", b"3", b"4", b"5", b"6"]
        assert [call for call in heard.calls if kept in call[1]] == [("assigned", everything)]
        assert reader.error is None


def values(records: list[Any], tp: TopicPartition) -> list[bytes]:
    return [record.value for record in records if record.tp == tp]


@pytest.mark.asyncio
async def test_a_topic_that_is_created_again_is_read_under_its_new_id(kafka, topic, group_id) -> None:
    """The group assigns it by an id that nobody here has seen; the topic beside it is read on."""
    name, beside, group = await topic(), await topic(), group_id()
    options = {"group_protocol": "consumer", "group_id": group, "group_instance_id": "a"}
    async with (
        RawPeer.connect(kafka.bootstrap) as peer,
        running(kafka.bootstrap, name, beside, metadata_max_age_ms=600_000, **options) as ours,
        reading(ours) as reader,
    ):
        assert len(await ours.assigned()) == 2
        await write(peer, name, 0, [b"old"])
        await eventually(lambda: [record.value for record in reader.records] == [b"old"])
        await peer.delete_topic(name)
        await eventually(lambda: ours.assignment() == {(beside, 0)}, timeout=20)
        await peer.create_topic(name, 1, {})
        await write(peer, name, 0, [b"new"])
        await write(peer, beside, 0, [b"beside"])
        await eventually(lambda: {r.value for r in reader.records} == {b"old", b"new", b"beside"}, timeout=20)
        assert len(reader.records) == 3


@pytest.mark.asyncio
async def test_a_subscription_by_pattern_is_matched_by_whoever_can(kafka, topic, group_id) -> None:
    """The coordinator, told the pattern, or this side, where the version has no place for it."""
    prefix, group = group_id(), group_id()
    first, second = await topic(prefix=f"{prefix}-a"), await topic(prefix=f"{prefix}-b")
    await topic(prefix=f"x-{prefix}")
    options = {"group_protocol": "consumer", "group_id": group, "group_instance_id": "a"}
    async with recorded(kafka) as proxy:
        async with running(proxy.bootstrap, **options) as ours:
            ours.subscribe(pattern=f"{prefix}-[ab].*")
            await eventually(lambda: ours.assignment() == {(first, 0), (second, 0)}, timeout=20)
            await eventually(lambda: ours.subscription() == {first, second})
        beats = proxy.sent("ConsumerGroupHeartbeat")
        told = {(beat.api_version, getattr(beat.message, "subscribed_topic_regex", None)) for beat in beats}
        assert (1, f"{prefix}-[ab].*") in told or {version for version, _ in told} == {0}

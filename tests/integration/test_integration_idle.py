"""A long quiet time, compressed: short intervals, idle connections that are closed, connections that lead nowhere."""

from __future__ import annotations

import asyncio
import os
import time

import pytest

from kafkastatic import Consumer
from tests.support.raw_peer import RawPeer
from tests.support.recording_proxy import RecordingProxy
from tests.support.scenes import Recorder, eventually, in_group, reading, recorded, running, write

QUIET_SECONDS = float(os.environ.get("KAFKASTATIC_QUIET_SECONDS", "10"))
"""With a heartbeat interval of 50 ms, 60 s are an hour of one of 3 s."""

IDLE = 0.8
"""Seconds after which the broker closes an idle connection."""


async def quiet(proxy: RecordingProxy, seconds: float) -> None:
    """Nothing happens: the scenario itself."""
    until = time.monotonic() + seconds
    await eventually(lambda: time.monotonic() > until, timeout=seconds + 10, every=0.2)
    assert not proxy.sent("JoinGroup")
    assert len(proxy.sent("OffsetCommit")) <= 2  # where each has started


@pytest.mark.real_only("connections.max.idle.ms")
@pytest.mark.asyncio
async def test_a_quiet_hour_costs_nothing(kafka_factory, group_id) -> None:
    """No rebalance, no callback, the same epochs; idle connections are closed again and again; then records come."""
    own = await asyncio.to_thread(lambda: kafka_factory({"connections.max.idle.ms": round(IDLE * 1000)}))
    group, name, heard = group_id(), "quiet", [Recorder(), Recorder()]
    options = {"group_id": group, "fetch_max_wait_ms": 100, "auto_commit_interval_ms": 100}
    # One whose every connection is always busy, and one whose quick connection is idle before each heartbeat.
    busy = {
        "group_instance_id": "a",
        "session_timeout_ms": 2000,
        "heartbeat_interval_ms": 50,
        "metadata_max_age_ms": 200,
    }
    slow = {"session_timeout_ms": 6000, "heartbeat_interval_ms": 1100, "metadata_max_age_ms": 1200}
    async with recorded(own) as proxy:
        async with RawPeer.connect(own.bootstrap) as peer:
            await peer.create_topic(name, 2)
        async with (
            running(proxy.bootstrap, name, listener=heard[0], **(options | busy)) as static,
            reading(static) as first,
            running(proxy.bootstrap, name, listener=heard[1], **(options | slow)) as dynamic,
            reading(dynamic) as second,
        ):
            members: list[Consumer[bytes, bytes]] = [static, dynamic]
            await eventually(lambda: [len(member.assignment()) for member in members] == [1, 1], timeout=20)
            await eventually(lambda: settled(proxy))
            before, calls, accepted = [m.membership for m in members], [list(h.calls) for h in heard], proxy.accepted
            proxy.clear()
            await quiet(proxy, QUIET_SECONDS)

            beats = [r.answer.error_code for r in proxy.sent("Heartbeat") if r.answered_at]
            assert set(beats) == {0}
            assert len(beats) > QUIET_SECONDS * 2  # of 20 a second
            reopened = proxy.accepted - accepted
            assert reopened >= QUIET_SECONDS / 5
            print(f"{QUIET_SECONDS:g} s: {len(beats)} heartbeats, {reopened} connections opened again")
            assert [member.membership for member in members] == before
            assert [list(h.calls) for h in heard] == calls

            async with RawPeer.connect(own.bootstrap) as peer:
                for partition in (0, 1):
                    await write(peer, name, partition, [b"after"])
            await eventually(lambda: [len(reader.records) for reader in (first, second)] == [1, 1])
            assert [list(h.calls) for h in heard] == calls
            async with RawPeer.connect(own.bootstrap) as peer:
                await in_group(peer, group, "Stable", members=2)


def settled(proxy: RecordingProxy) -> bool:
    """All that was asked of the group is answered, and heartbeats of both members are among it."""
    joins = [r for r in proxy.requests if r.name in ("JoinGroup", "SyncGroup")]
    synced = max((r.answered_at or 0 for r in joins), default=0)
    beats = {r.message.member_id for r in proxy.sent("Heartbeat") if r.at > synced}
    return all(r.answered_at for r in joins) and len(beats) == 2


@pytest.mark.asyncio
async def test_connections_that_lead_nowhere_are_noticed(kafka, topic, group_id) -> None:
    """Heartbeat, long poll and metadata refresh go on over new ones within the request timeout; nothing is lost."""
    name, group, heard = await topic(), group_id(), Recorder()
    options = {
        "group_id": group,
        "group_instance_id": "a",
        "session_timeout_ms": 6000,
        "heartbeat_interval_ms": 100,
        "metadata_max_age_ms": 200,
        "fetch_max_wait_ms": 500,
        "request_timeout_ms": 1500,
    }
    async with (
        recorded(kafka) as proxy,
        RawPeer.connect(kafka.bootstrap) as peer,
        running(proxy.bootstrap, name, listener=heard, **options) as ours,
        reading(ours) as reader,
    ):
        await ours.assigned()
        for count in (1, 2):
            await proxy.wait_for("Fetch", answered=True)
            await proxy.wait_for("Heartbeat", answered=True)
            before, last = ours.membership, proxy.accepted
            proxy.clear()
            proxy.swallow()
            await write(peer, name, 0, [b"%d" % count])

            def on_new(api: str, last: int = last) -> bool:
                return any(r.connection > last and r.answered_at for r in proxy.sent(api))

            await eventually(lambda: all(map(on_new, ("Heartbeat", "Fetch", "Metadata"))))
            await eventually(lambda count=count: len(reader.records) == count)
            assert ours.membership == before
        assert [record.value for record in reader.records] == [b"1", b"2"]
        assert heard.kinds == ["assigned"]
        assert not proxy.sent("JoinGroup")
        assert reader.error is None

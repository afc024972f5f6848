"""What is quick stays quick while a JoinGroup is parked; what is started a hundred times leaves nothing behind."""

from __future__ import annotations

import asyncio
import gc
import os
import statistics
import threading
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import pytest

from kafkastatic import OffsetAndMetadata, TopicPartition
from kafkastatic._drivers.client import Client
from kafkastatic._group import commits
from kafkastatic._group.requests import heartbeat
from kafkastatic._net.pool import Role
from kafkastatic._protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest
from tests.support.raw_peer import RawMember, RawPeer
from tests.support.scenes import (
    HEARTBEAT,
    consumer,
    eventually,
    in_group,
    reading,
    recorded,
    running,
    write,
)


@pytest.mark.asyncio
async def test_commits_and_heartbeats_are_quick_while_a_join_is_parked(kafka, topic, group_id, capsys) -> None:
    """None waits for it, on the consumer's own connections, on which its JoinGroup is parked and topics are created.

    A member whose join is parked owns nothing and sends no heartbeats by itself, so both are sent by the parts below.
    """
    name, group = await topic(partitions=2), group_id()
    tp = TopicPartition(name, 0)
    times: dict[str, list[float]] = {"commit": [], "heartbeat": [], "committed()": []}
    async with (
        recorded(kafka) as proxy,
        RawPeer.connect(kafka.bootstrap) as peer,
        running(proxy.bootstrap, name, group_id=group, group_instance_id="a") as ours,
        reading(ours),
    ):
        await ours.assigned()
        client, who = ours._client, ours.membership
        assert client.coordinator is not None
        third = RawMember(peer, group, [name], instance_id="c", rebalance_timeout_ms=60_000)
        second = RawMember(peer, group, [name], instance_id="b", rebalance_timeout_ms=60_000)
        await asyncio.wait_for(second.settle(), 10)
        await eventually(lambda: ours.membership.epoch == second.generation)
        who = ours.membership
        proxy.clear()
        parked = asyncio.create_task(third.settle())
        join = await proxy.wait_for("JoinGroup")  # which waits for `second` to rejoin
        await in_group(peer, group, "PreparingRebalance", members=3)

        async def timed(what: str, call: Awaitable[Any]) -> Any:
            began = time.perf_counter()
            result = await call
            times[what].append(time.perf_counter() - began)
            return result

        proxy.delay("CreateTopics", 0.05, when="request", times=None)  # so that it takes a while on a quick broker too
        creating = asyncio.create_task(create_topics(client, f"{name}-more"))
        while not creating.done() or len(times["committed()"]) < 5:
            beat = client.coordinator.request(heartbeat(who), Role.QUICK, timeout=5)
            assert (await timed("heartbeat", beat)).error_code == 27
            request = commits.request(who, {tp: OffsetAndMetadata(7)})
            sent = client.coordinator.request(request, Role.QUICK, timeout=5, cap=commits.NAMES_ONLY)
            assert commits.classify(await timed("commit", sent)).verdict is commits.Verdict.DONE
            assert await timed("committed()", ours.committed(tp)) == 7
        await creating
        assert join.answer is None  # parked all the time
        assert {r.name for r in proxy.requests if r.connection == join.connection} == {"JoinGroup"}
        assert len(proxy.sent("CreateTopics")) == 8
        assert not {r.connection for r in proxy.sent("CreateTopics")} & {r.connection for r in proxy.sent("Heartbeat")}
        with capsys.disabled():
            for what, found in times.items():
                figures = f"median {statistics.median(found) * 1000:.1f} ms, max {max(found) * 1000:.1f} ms"
                print(f"\n  {what} beside a parked join: {figures}, n={len(found)}", end="")
            print()
        assert max(statistics.median(found) for found in times.values()) < 2
        await asyncio.wait_for(second.settle(), 10)
        await asyncio.wait_for(parked, 10)
        await eventually(lambda: ours.membership.epoch == third.generation)


async def create_topics(client: Client, prefix: str) -> None:
    """Eight topics of sixteen partitions, one after another, as the consumer's own pool sends what may wait long."""
    (node,) = client.metadata.snapshot.brokers
    for number in range(8):
        topic = CreatableTopic(name=f"{prefix}-{number}", num_partitions=16, replication_factor=1)
        request = CreateTopicsRequest(topics=[topic], timeout_ms=30_000)
        answer = await client.pool.request(node, request, Role.SLOW, timeout=30)
        assert answer.topics[0].error_code == 0


def resident() -> int:
    """Bytes of this process's memory that are in use now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def held() -> tuple[set[str], int, list[str]]:
    """The tasks, the number of threads, and the open files and sockets of this process."""
    tasks = {task.get_name() for task in asyncio.all_tasks()}
    files = sorted(os.readlink(path) for path in Path("/proc/self/fd").iterdir() if path.is_symlink())
    return tasks, threading.active_count(), [file for file in files if not file.startswith("/proc/")]


@pytest.mark.real_only("measures this process, in which the embedded broker is too")
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="measures by /proc")
@pytest.mark.asyncio
async def test_a_hundred_starts_and_stops_leave_nothing_behind(kafka, topic, group_id, capsys) -> None:
    """After ten to warm up: no task, no thread, no file more, and at most 2 MB of memory."""
    name, group = await topic(partitions=3), group_id()
    async with RawPeer.connect(kafka.bootstrap) as peer:
        for partition in range(3):
            await write(peer, name, partition, [b"x" * 100] * 100)

    async def cycle() -> None:
        async with consumer(kafka.bootstrap, name, group_id=group, group_instance_id="a") as ours:
            await asyncio.wait_for(ours.assigned(), 10)
            await ours.seek_to_beginning()
            await asyncio.wait_for(ours.getone(), 10)

    for _ in range(10):
        await cycle()
    gc.collect()
    before, memory = held(), resident()
    began = time.perf_counter()
    for _ in range(100):
        await cycle()
    seconds = time.perf_counter() - began
    gc.collect()
    grown = resident() - memory
    with capsys.disabled():
        print(f"\n  100 cycles: {grown / 1e6:+.2f} MB, {seconds * 10:.1f} ms each; heartbeats every {HEARTBEAT} s")
    assert held() == before
    assert grown <= 2_000_000

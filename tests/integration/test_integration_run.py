"""`Consumer.run` on a real broker: partitions and keys in order, drains, crashes, dead letters."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import sys
from collections import defaultdict
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from kafkastatic import DeadLetter, Retry
from kafkastatic.errors import MaxPollExceededError
from kafkastatic.types import TopicPartition
from tests.support.raw_peer import RawPeer
from tests.support.scenes import Recorder, consumer, eventually, foreign_read, recorded, running, write

SOON = 20
ROOT = Path(__file__).resolve().parents[2]


async def fill(bootstrap: str, topic: str, partitions: int, count: int, keys: int = 0) -> None:
    async with RawPeer.connect(bootstrap) as peer:
        for partition in range(partitions):
            values: list[Any] = [
                (b"key-%d" % random.randrange(keys) if keys else None, b"%d" % n, []) for n in range(count)
            ]
            await write(peer, topic, partition, values)


async def committed(bootstrap: str, group: str, topic: str, partitions: int) -> list[int]:
    async with RawPeer.connect(bootstrap) as peer:
        found = await peer.committed(group, [(topic, p) for p in range(partitions)])
    return [found[topic, p] for p in range(partitions)]


@contextlib.asynccontextmanager
async def program(tmp_path: Path, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.handler_program", *arguments, cwd=ROOT
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def lines(log: Path, word: str) -> list[tuple[int, int]]:
    """(partition, offset) of the lines that begin with `word`; the last may be cut off by a crash."""
    found = log.read_text().splitlines() if log.exists() else []
    return [(int(p), int(o)) for p, o in (line.split()[1:] for line in found if line.startswith(f"{word} "))]


@pytest.mark.asyncio
async def test_by_key_thirty_two_at_a_time_keep_the_order_of_each_key(kafka, topic, group_id) -> None:
    """Handlers of 5 to 50 ms; every record once, all committed, and many at a time."""
    name, group = await topic(partitions=2), group_id()
    await fill(kafka.bootstrap, name, 2, 400, keys=40)
    done: defaultdict[tuple[int, bytes], list[int]] = defaultdict(list)
    at_work = most = 0

    async def handle(record: Any) -> None:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        await asyncio.sleep(random.uniform(0.005, 0.050))
        at_work -= 1
        done[record.partition, record.key].append(record.offset)

    member = running(kafka.bootstrap, name, group_id=group, group_instance_id="a")
    async with member as ours, anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: ours.run(handle, ordering="key", concurrency=32))
        await eventually(lambda: sum(map(len, done.values())) == 800, timeout=SOON)
        ours.stop()
    assert all(offsets == sorted(offsets) for offsets in done.values())
    assert sorted(o for (p, _), offsets in done.items() if p == 0 for o in offsets) == list(range(400))
    assert 16 < most <= 32
    assert await committed(kafka.bootstrap, group, name, 2) == [400, 400]


@pytest.mark.asyncio
async def test_a_revoke_waits_for_handlers_of_two_seconds_and_nothing_is_handled_twice(kafka, topic, group_id) -> None:
    """A second member joins meanwhile; what it gets begins where the first one's handlers ended."""
    name, group = await topic(partitions=4), group_id()
    await fill(kafka.bootstrap, name, 4, 3)
    handled: list[tuple[str, int, int]] = []
    recorders = {"a": Recorder(), "b": Recorder()}

    def handler(who: str, seconds: float) -> Any:
        async def handle(record: Any) -> None:
            await asyncio.sleep(seconds)
            handled.append((who, record.partition, record.offset))

        return handle

    def member(who: str) -> Any:
        return running(kafka.bootstrap, name, group_id=group, group_instance_id=who, listener=recorders[who])

    async with member("a") as first, anyio.create_task_group() as tasks:
        await tasks.start(first.run, handler("a", 2))
        async with member("b") as second, anyio.create_task_group() as others:
            await others.start(second.run, handler("b", 0.01))
            await eventually(lambda: len(handled) == 12, timeout=SOON)
            second.stop()
        first.stop()
    assert len(set(handled)) == 12 and {who for who, *_ in handled} == {"a", "b"}
    assert sorted((p, o) for _, p, o in handled) == [(p, o) for p in range(4) for o in range(3)]
    assert await committed(kafka.bootstrap, group, name, 4) == [3, 3, 3, 3]
    assert recorders["a"].kinds[:3] == ["assigned", "revoked", "assigned"]


@pytest.mark.asyncio
async def test_a_run_cancelled_while_a_commit_is_on_its_way(kafka, topic, group_id) -> None:
    """The commit that nobody waits for cannot undo the one of the close."""
    name, group = await topic(), group_id()
    await fill(kafka.bootstrap, name, 1, 50)
    done: list[int] = []

    async def handle(record: Any) -> None:
        await asyncio.sleep(0.001)
        done.append(record.offset)

    async with recorded(kafka) as proxy:
        options = {"group_id": group, "group_instance_id": "a", "auto_commit_interval_ms": 5}
        async with running(proxy.bootstrap, name, **options) as ours:
            hold = proxy.hold("OffsetCommit")
            task = asyncio.create_task(ours.run(handle))
            await eventually(lambda: proxy.sent("OffsetCommit") and len(done) > 5)
            task.cancel()
            await asyncio.wait([task])
            count = len(done)
            hold.release()
        assert await committed(kafka.bootstrap, group, name, 1) == [count]
    assert done == list(range(count))


@pytest.mark.asyncio
@pytest.mark.scenario(21, where="real")
async def test_a_handler_that_takes_too_long_ends_it_and_the_next_run_goes_on(kafka, topic, group_id) -> None:
    """The error names the record and the excess; the way back is under the known member id, and fences nobody."""
    name, group = await topic(), group_id()
    await fill(kafka.bootstrap, name, 1, 3)
    slow, done = True, list[int]()

    async def handle(record: Any) -> None:
        if slow and record.offset == 1:
            await asyncio.sleep(SOON)
        done.append(record.offset)

    async with (
        running(kafka.bootstrap, name, group_id=group, group_instance_id="a", max_poll_interval_ms=2000) as ours,
        RawPeer.connect(kafka.bootstrap) as peer,
    ):
        with pytest.raises(MaxPollExceededError) as caught:
            await asyncio.wait_for(ours.run(handle), SOON)
        assert (caught.value.last, caught.value.interval_ms) == ((name, 0, 1), 2000)
        assert caught.value.excess_ms > 0
        member, slow = ours.membership.member_id, False
        async with anyio.create_task_group() as tasks:
            await tasks.start(ours.run, handle)
            await eventually(lambda: done == [0, 0, 1, 2])  # what was lost before it was committed comes again
            assert await peer.member_ids(group) == {"a": member}
            ours.stop()
    assert await committed(kafka.bootstrap, group, name, 1) == [3]


@pytest.mark.asyncio
async def test_sigterm_under_load(kafka, topic, group_id, tmp_path) -> None:
    """It ends within the drain's time; every record is committed, or its cancellation was told, or it was not begun."""
    name, group, log = await topic(partitions=8), group_id(), tmp_path / "log"
    await fill(kafka.bootstrap, name, 8, 2000)
    async with program(tmp_path, kafka.bootstrap, name, group, "a", str(log), "partition", "1.6") as process:
        await eventually(lambda: len(lines(log, "done")) > 8, timeout=SOON)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), SOON) == 0
    done, cancelled = lines(log, "done"), lines(log, "cancelled")
    ends = dict(enumerate(await committed(kafka.bootstrap, group, name, 8)))
    assert set(done) == {(p, o) for p, end in ends.items() for o in range(end)}
    assert len(done) == len(set(done))
    assert all(offset == ends[partition] for partition, offset in cancelled)
    assert cancelled


@pytest.mark.asyncio
@pytest.mark.parametrize("ordering", ["partition", "key"])
async def test_a_crash_leaves_no_undone_record_before_what_is_committed(
    kafka, topic, group_id, tmp_path, ordering
) -> None:
    """SIGKILL, a restart under the same identity, and again: every record is handled, those committed not twice."""
    name, group, log = await topic(partitions=2), group_id(), tmp_path / "log"
    await fill(kafka.bootstrap, name, 2, 400, keys=30)
    seen = 0
    for _ in range(3):
        async with program(tmp_path, kafka.bootstrap, name, group, "a", str(log), ordering, "0.02") as process:
            await eventually(lambda seen=seen: len(lines(log, "done")) > seen + 40, timeout=SOON)
            before = await committed(kafka.bootstrap, group, name, 2)
            process.kill()
            await process.wait()
        done = set(lines(log, "done"))
        for partition, end in enumerate(await committed(kafka.bootstrap, group, name, 2)):
            assert {o for o in range(end) if (partition, o) not in done} == set()
            assert end >= max(before[partition], 0)
        seen = len(lines(log, "done"))
    async with program(tmp_path, kafka.bootstrap, name, group, "a", str(log), ordering, "0.005") as process:
        await eventually(lambda: len(set(lines(log, "done"))) == 800, timeout=SOON)
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.wait(), SOON)
    assert await committed(kafka.bootstrap, group, name, 2) == [400, 400]


@pytest.mark.asyncio
async def test_a_record_that_cannot_be_handled_goes_to_the_dead_letters_once(kafka, topic, group_id) -> None:
    """With its own bytes, where it came from and why; a foreign client reads them; the partition goes on."""
    name, letters, group = await topic(), await topic(prefix="letters", partitions=3), group_id()
    async with RawPeer.connect(kafka.bootstrap) as peer:
        await write(peer, name, 0, [(b"k", b"0", []), (b"k", b"one", [("trace", b"7")]), (b"k", b"2", [])])
    done: list[Any] = []

    async def handle(record: Any) -> None:
        done.append(record.value)

    options: dict[str, Any] = {"group_id": group, "group_instance_id": "a", "value_deserializer": int}
    ours = consumer(kafka.bootstrap, name, **options)
    async with ours, anyio.create_task_group() as tasks:
        policy = Retry(attempts=1, backoff_ms=1, then=DeadLetter(letters))
        tasks.start_soon(lambda: ours.run(handle, on_error=policy))
        await eventually(lambda: done == [0, 2])
        ours.stop()
    assert await committed(kafka.bootstrap, group, name, 1) == [3]
    (letter,) = await foreign_read(kafka.bootstrap, letters, 3)
    headers = dict(letter.headers)
    assert (letter.key, letter.value, headers["trace"]) == (b"k", b"one", b"7")
    assert (headers["kafkastatic.topic"], headers["kafkastatic.offset"]) == (name.encode(), b"1")
    assert headers["kafkastatic.error.class"] == b"kafkastatic.errors.DeserializationError"


@pytest.mark.asyncio
async def test_a_record_larger_than_the_limits_of_a_fetch_is_handled(kafka, topic, group_id) -> None:
    """KIP-74: the first batch of an answer comes whole."""
    name, group = await topic(max_message_bytes="3000000"), group_id()
    big = random.randbytes(2_000_000)
    async with RawPeer.connect(kafka.bootstrap) as peer:
        await write(peer, name, 0, [b"before", big])
        await write(peer, name, 0, [big, b"behind"])
    sizes: list[int] = []

    async def handle(record: Any) -> None:
        sizes.append(len(record.value))

    limits = {"fetch_max_bytes": 1000, "max_partition_fetch_bytes": 1000, "max_buffered_bytes": 1000}
    async with running(kafka.bootstrap, name, group_id=group, group_instance_id="a", **limits) as ours:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ours.run, handle)
            await eventually(lambda: len(sizes) == 4)
            ours.stop()
        assert await ours.position(TopicPartition(name, 0)) == 4
    assert sizes == [6, 2_000_000, 2_000_000, 6]

"""ListOffsets and OffsetForLeaderEpoch, asked by kafka-python's messages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from tests.broker.batches import batch, values
from tests.broker.desk import Desk

LATEST, EARLIEST, NEWEST, EARLIEST_LOCAL, LATEST_TIERED, EARLIEST_NOT_UPLOADED = -1, -2, -3, -4, -5, -6


async def listed(
    desk: Desk,
    wanted: Iterable[tuple[str, int, int]],
    *,
    version: int = 11,
    epoch: int = -1,
    node: int = 1,
    replica_id: int = -1,
) -> list[tuple[int, int, int, int]]:
    """Of topic, partition and time each: error code, timestamp, offset, leader epoch (-1 below version 4)."""
    fields: dict[str, Any] = {"isolation_level": 0} if version >= 2 else {}
    if version >= 10:
        fields["timeout_ms"] = 1000
    answer = await desk.ask(
        "ListOffsets",
        version,
        node=node,
        replica_id=replica_id,
        topics=[
            (topic, [(partition, epoch, time) if version >= 4 else (partition, time)])
            for topic, partition, time in wanted
        ],
        **fields,
    )
    return [
        (p.error_code, p.timestamp, p.offset, p.leader_epoch if version >= 4 else -1)
        for topic in answer.topics
        for p in topic.partitions
    ]


async def filled() -> Desk:
    """A partition with records of times 10, 40, 20 in epoch 0, 40 in epoch 2; the first one is deleted."""
    desk = Desk()
    topic = desk.topic("orders")
    await desk.produce("orders", batch((10, b"", b""), (40, b"", b""), (20, b"", b"")))
    topic.partitions[0].leader_epoch = 2
    await desk.produce("orders", batch((40, b"", b"")))
    topic.partitions[0].log.delete_before(1)
    return desk


@pytest.mark.asyncio
@pytest.mark.parametrize("version", range(1, 12))
async def test_offsets_are_told_with_their_leaders_epochs(version: int) -> None:
    """The end is the present leader's, the start whose it was; by time, and the newest, that record's."""
    desk = await filled()
    old = version < 4

    found = await listed(desk, [("orders", 0, LATEST)], version=version)
    found += await listed(desk, [("orders", 0, EARLIEST)], version=version)
    found += await listed(desk, [("orders", 0, 15)], version=version)
    found += await listed(desk, [("orders", 0, 41)], version=version)

    assert found == [
        (0, -1, 4, -1 if old else 2),
        (0, -1, 1, -1 if old else 0),
        (0, 40, 1, -1 if old else 0),
        (0, -1, -1, -1),
    ]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("time", "since", "found"),
    [
        (NEWEST, 7, (0, 40, 1, 0)),
        (EARLIEST_LOCAL, 8, (0, -1, 1, 0)),
        (LATEST_TIERED, 9, (0, -1, -1, -1)),
        (EARLIEST_NOT_UPLOADED, 11, (0, -1, -1, -1)),
        (-7, 12, (0, -1, -1, -1)),
    ],
)
async def test_a_special_time_has_a_first_version(time: int, since: int, found: tuple[int, int, int, int]) -> None:
    """35 before it. Nothing is tiered, and all is local."""
    desk = await filled()

    for version in range(4, 12):
        answer = await listed(desk, [("orders", 0, time)], version=version)
        assert answer == [found if version >= since else (35, -1, -1, -1)]


@pytest.mark.asyncio
async def test_an_empty_partition_begins_where_it_ends() -> None:
    """In the epoch of the present leader; it has no record of any time."""
    desk = Desk()
    desk.topic("orders").partitions[0].leader_epoch = 3

    times = (LATEST, EARLIEST, EARLIEST_LOCAL, NEWEST, 0)
    found = [(await listed(desk, [("orders", 0, time)]))[0] for time in times]

    assert found == [(0, -1, 0, 3), (0, -1, 0, 3), (0, -1, 0, 3), (0, -1, -1, -1), (0, -1, -1, -1)]


@pytest.mark.asyncio
async def test_a_partition_that_is_asked_for_twice_is_refused() -> None:
    """Once, as in Kafka 4.4; the others are answered."""
    desk = Desk()
    desk.topic("orders", 2)

    found = await listed(desk, [("orders", 0, LATEST), ("orders", 1, LATEST), ("orders", 0, EARLIEST)])

    assert found == [(42, -1, -1, -1), (0, -1, 0, 0)]


@pytest.mark.asyncio
async def test_what_is_not_there_or_not_led_here_is_told_by_its_kind() -> None:
    """Unknown, another broker's, of an older and of a later leader; a follower answers a debugger."""
    desk = Desk(2)
    desk.topic("orders")
    topic = desk.topic("copied", replicas=2)
    topic.partitions[0].leader_epoch = 5

    async def code(topic: str, partition: int = 0, **fields: int) -> int:
        return (await listed(desk, [(topic, partition, LATEST)], **fields))[0][0]

    assert [await code("nothing"), await code("orders", 3), await code("orders", node=2)] == [3, 3, 6]
    assert [await code("copied", epoch=epoch) for epoch in (-1, 4, 5, 6)] == [0, 74, 0, 75]
    assert [await code("copied", node=2, replica_id=replica) for replica in (-1, -2)] == [6, 0]
    assert await code("copied", node=2, epoch=4) == 74


async def ends(desk: Desk, topic: str, *epochs: tuple[int, int], node: int = 1, version: int = 4) -> list[Any]:
    """Of a leader epoch and the present one each: error code, leader epoch, end offset."""
    found: list[Any] = []
    for epoch, current in epochs:
        answer = await desk.ask(
            "OffsetForLeaderEpoch",
            version,
            node=node,
            topics=[(topic, [(0, current, epoch)])],
            **({"replica_id": -1} if version >= 3 else {}),
        )
        (partition,) = answer.topics[0].partitions
        found.append((partition.error_code, partition.leader_epoch, partition.end_offset))
    return found


@pytest.mark.asyncio
@pytest.mark.parametrize("version", [2, 3, 4])
async def test_an_epochs_end_is_told(version: int) -> None:
    """Of a leader that is unknown, the one before it; of the present one, the end of the log (KIP-320)."""
    desk = Desk()
    topic = desk.topic("orders")
    for epoch in (0, 3):
        topic.partitions[0].leader_epoch = epoch
        await desk.produce("orders", values(b"a", b"b"))

    found = await ends(desk, "orders", (-1, -1), (0, -1), (1, -1), (3, -1), (4, -1), (0, 3), version=version)

    assert found == [(0, -1, -1), (0, 0, 2), (0, 0, 2), (0, 3, 4), (0, -1, -1), (0, 0, 2)]


@pytest.mark.asyncio
async def test_a_leader_that_has_appended_nothing_ends_at_the_end() -> None:
    """Kafka knows of its epoch from its election on."""
    desk = Desk(2)
    topic = desk.topic("orders", replicas=2)
    await desk.produce("orders", values(b"a"))
    topic.partitions[0].lead(2)
    topic.partitions[0].lead(1)

    assert await ends(desk, "orders", (0, -1), (1, -1), (2, -1), (3, -1)) == [
        (0, 0, 1),
        (0, 0, 1),
        (0, 2, 1),
        (0, -1, -1),
    ]


@pytest.mark.asyncio
async def test_an_epochs_end_is_told_by_the_leader_only() -> None:
    """Unknown, another broker's, of an older and of a later leader."""
    desk = Desk(2)
    topic = desk.topic("orders", replicas=2)
    topic.partitions[0].leader_epoch = 5

    assert await ends(desk, "nothing", (0, -1)) == [(3, -1, -1)]
    assert await ends(desk, "orders", (0, -1), node=2) == [(6, -1, -1)]
    assert await ends(desk, "orders", (0, 4), (0, 6)) == [(74, -1, -1), (75, -1, -1)]

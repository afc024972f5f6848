"""How long a restart and a join take: this client, aiokafka, and the raw group protocols as the floor.

    python -m benchmarks.rebalance_latency [--bootstrap HOST:PORT] [--rounds N] [--json FILE]
    python -m benchmarks.rebalance_latency --unnoticed [--rounds 100]

Static restart: a group of two static members; one closes without leaving and comes back under its instance id. The
time runs from before its constructor until its on_partitions_assigned returns. Dynamic join: a second member joins a
group of one; the time runs from before its constructor until both have their final assignment. With `--unnoticed`
nothing is timed: members of ours restart, and what the other member of the group sees of it is counted.

Everything runs in one process on one event loop, series after series in every round, in an order that rotates.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import math
import random
import sys
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from typing import Any

import attrs
from aiokafka import AIOKafkaConsumer
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.assignors.range import RangePartitionAssignor

from benchmarks import common
from benchmarks.raw_group import RawConsumer, RawMember
from kafkastatic import Consumer, RebalanceListener
from tools.load import Loader

PARTITIONS = 8
HALF = PARTITIONS // 2
WARM_UP = 10
"""Rounds before the measured ones: a broker that has just started answers more slowly at first."""

PAUSE = 0.05
"""Seconds between the close of a member and its return."""

PATIENCE = 30.0
LAST_LOOK = 11.0
"""Seconds after the last restart: a rebalance is noticed at the next heartbeat, every 5 s under KIP-848."""

SECONDS_EACH = 40.0
"""After so many seconds of one scenario no new round begins."""

AIM_MS = 5.0

OURS, COOPERATIVE, PEER = "kafkastatic", "kafkastatic, cooperative", "aiokafka"
FLOOR, COLD_FLOOR = "floor: join, sync", "floor: connect, find, join, sync"
BEAT, COLD_BEAT = "floor: heartbeat", "floor: connect, find, heartbeat"

Series = dict[str, list[float]]


@attrs.frozen
class Job:
    """What all members of a scenario share, whatever the client. Times are milliseconds."""

    bootstrap: str
    topic: str
    heartbeat_ms: int
    session_ms: int
    rebalance_ms: int = 60_000


class Witness(RebalanceListener, ConsumerRebalanceListener):
    """What a member is told of its assignment, and when. One listener for all clients."""

    def __init__(self) -> None:
        self.calls = 0
        self.owned: set[int] = set()
        self.assigned_at = self.revoked_at = 0.0
        self._told = asyncio.Event()

    def on_partitions_assigned(self, assigned: Collection[Any]) -> None:
        self.owned |= {tp.partition for tp in assigned}
        self.calls += 1
        self.assigned_at = time.perf_counter()
        self._told.set()

    def on_partitions_revoked(self, revoked: Collection[Any]) -> None:
        self.owned -= {tp.partition for tp in revoked}
        self.calls += 1
        self.revoked_at = time.perf_counter()

    on_partitions_lost = on_partitions_revoked

    async def owns(self, count: int) -> None:
        async with asyncio.timeout(PATIENCE):
            while len(self.owned) != count:
                self._told.clear()
                await self._told.wait()


class Member(ABC):
    """One member of a group, as a client makes it.

    Attributes:
        role: "leader" or "follower", where the member knows.
    """

    role: str | None = None

    def __init__(self, job: Job, group: str, instance_id: str | None) -> None:
        self.job, self.group, self.instance_id = job, group, instance_id
        self.witness = Witness()
        self.predecessor: Member | None = None
        self._task: asyncio.Task[None] | None = None

    async def prepare(self, predecessor: Member | None) -> None:
        """Be the one that comes back in `predecessor`'s place."""
        self.predecessor = predecessor

    @abstractmethod
    async def start(self) -> None: ...

    @abstractmethod
    async def close(self) -> None:
        """Close as an application does: a dynamic member leaves, a static one keeps its place."""

    @property
    @abstractmethod
    def generation(self) -> int: ...

    async def _end_task(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task


class Ours(Member):
    assignor = "range"

    def options(self) -> dict[str, Any]:
        return {
            "heartbeat_interval_ms": self.job.heartbeat_ms,
            "session_timeout_ms": self.job.session_ms,
            "partition_assignment_strategy": self.assignor,
        }

    async def start(self) -> None:
        job = self.job
        self._consumer = Consumer(
            bootstrap_servers=job.bootstrap,
            group_id=self.group,
            group_instance_id=self.instance_id,
            max_poll_interval_ms=job.rebalance_ms,
            enable_auto_commit=False,
            **self.options(),
        )
        self._consumer.subscribe([job.topic], listener=self.witness)
        await self._consumer.start()
        self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for _ in self._consumer:
            pass

    async def close(self) -> None:
        await self._end_task()
        await self._consumer.aclose()

    @property
    def generation(self) -> int:
        return self._consumer.membership.epoch


class OursCooperative(Ours):
    assignor = "cooperative-sticky"


class OursConsumer(Ours):
    """Under KIP-848, where heartbeats and sessions are the broker's business."""

    def options(self) -> dict[str, Any]:
        return {"group_protocol": "consumer"}


class Peer(Member):
    async def start(self) -> None:
        job = self.job
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=job.bootstrap,
            group_id=self.group,
            group_instance_id=self.instance_id,
            heartbeat_interval_ms=job.heartbeat_ms,
            session_timeout_ms=job.session_ms,
            max_poll_interval_ms=job.rebalance_ms,
            rebalance_timeout_ms=job.rebalance_ms,
            enable_auto_commit=False,
            partition_assignment_strategy=(RangePartitionAssignor,),
        )
        self._consumer.subscribe([job.topic], listener=self.witness)
        await self._consumer.start()  # waits for the assignment
        self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for _ in self._consumer:
            pass

    async def close(self) -> None:
        await self._end_task()
        await self._consumer.stop()

    @property
    def generation(self) -> int:
        return int(self._consumer._coordinator.generation)  # it is nowhere public


class Raw(Member):
    """The raw protocol. Between joins it sends heartbeats, and joins again when one says that the group rebalances."""

    warm = False
    has_leaders = True
    protocol = RawMember

    def __init__(self, job: Job, group: str, instance_id: str | None) -> None:
        super().__init__(job, group, instance_id)
        self.raw = self.protocol(
            group, instance_id, job.topic, PARTITIONS, session_ms=job.session_ms, rebalance_ms=job.rebalance_ms
        )

    async def prepare(self, predecessor: Member | None) -> None:
        await super().prepare(predecessor)
        if self.warm:
            await self._connect()

    async def _connect(self) -> None:
        host, _, port = self.job.bootstrap.rpartition(":")
        await self.raw.connect(host, int(port))
        await self.raw.find()

    async def start(self) -> None:
        if not self.warm:
            await self._connect()
        before = self.predecessor
        self._tell(await self.raw.join(before.raw.member_id if isinstance(before, Raw) else ""))
        if self.instance_id is not None and self.has_leaders:
            self.role = "leader" if self.raw.led else "follower"
        self._task = asyncio.create_task(self._live())

    async def _live(self) -> None:
        while True:
            await asyncio.sleep(self.job.heartbeat_ms / 1000)
            if not await self.raw.heartbeat():
                self.witness.on_partitions_revoked(self._named(self.witness.owned))
                self._tell(await self.raw.rejoin())

    def _tell(self, owned: Collection[int]) -> None:
        self.witness.on_partitions_assigned(self._named(owned))

    def _named(self, partitions: Collection[int]) -> list[Any]:
        return [_Partition(partition) for partition in partitions]

    async def close(self) -> None:
        await self._end_task()
        await self.raw.close()
        self.raw.hang_up()

    @property
    def generation(self) -> int:
        return self.raw.generation


class WarmRaw(Raw):
    """The raw protocol on a connection to the coordinator that is open already."""

    warm = True


class RawBeat(Raw):
    """The raw protocol of KIP-848: one heartbeat is all of a join."""

    has_leaders = False
    protocol = RawConsumer


class WarmRawBeat(RawBeat):
    warm = True


@attrs.frozen
class _Partition:
    partition: int


Make = Callable[[Job, str, str | None], Member]

CLIENTS: dict[str, Make] = {OURS: Ours, COOPERATIVE: OursCooperative, PEER: Peer, COLD_FLOOR: Raw, FLOOR: WarmRaw}
CONSUMER_CLIENTS: dict[str, Make] = {OURS: OursConsumer, COLD_BEAT: RawBeat, BEAT: WarmRawBeat}
ALL_OURS: dict[str, Make] = {OURS: Ours, COOPERATIVE: OursCooperative, "kafkastatic, KIP-848": OursConsumer}


# ── static restart ──


class Pair:
    """Two static members of one group; the first to join, here called its leader, leads a classic one for good.

    Attributes:
        noticed: rebalance callbacks that a member saw while the other one restarted.
        moved: restarts after which the generation was another one.
    """

    def __init__(self, job: Job, make: Make) -> None:
        self._job = job
        self._make = make
        self._group = f"bench-{uuid.uuid4()}"
        self._members: dict[str, Member] = {}
        self.noticed = self.moved = 0

    async def start(self) -> None:
        leader = self._members["leader"] = self._make(self._job, self._group, "member-0")
        await leader.prepare(None)
        await leader.start()
        await leader.witness.owns(PARTITIONS)
        follower = self._members["follower"] = self._make(self._job, self._group, "member-1")
        await follower.prepare(None)
        await follower.start()
        await asyncio.gather(*(member.witness.owns(HALF) for member in self._members.values()))

    async def restart(self, role: str, make: Make) -> float:
        """Restart one member and return the milliseconds from before its constructor to its assignment."""
        old = self._members[role]
        other = self._members["follower" if role == "leader" else "leader"]
        calls, generation = other.witness.calls, old.generation
        await old.close()
        await asyncio.sleep(PAUSE)
        if getattr(make, "warm", False):
            new = make(self._job, self._group, old.instance_id)
            await new.prepare(old)
            began = time.perf_counter()
        else:
            began = time.perf_counter()
            new = make(self._job, self._group, old.instance_id)
            await new.prepare(old)
        self._members[role] = new
        await new.start()
        await new.witness.owns(HALF)
        took = new.witness.assigned_at - began
        if new.role not in (None, role):
            raise RuntimeError(f"the raw member is the {new.role}, not the {role}")
        self.noticed += other.witness.calls - calls
        self.moved += generation != new.generation or other.generation != generation
        return took * 1000

    def watch(self) -> Callable[[], int]:
        """Counts the callbacks of both members from now on."""
        witnesses = [member.witness for member in self._members.values()]
        before = sum(witness.calls for witness in witnesses)
        return lambda: sum(witness.calls for witness in witnesses) - before

    async def close(self) -> None:
        for member in self._members.values():
            await member.close()


async def static_restart(
    bootstrap: str, topic: str, clients: dict[str, Make], count: int, seconds: float = SECONDS_EACH
) -> dict[str, Any]:
    job = Job(bootstrap, topic, heartbeat_ms=1_000, session_ms=30_000)
    pairs = {name: Pair(job, make) for name, make in clients.items() if not getattr(make, "warm", False)}
    cold = [name for name, make in clients.items() if make in (Raw, RawBeat)]
    warm = clients.keys() - pairs.keys()
    pairs |= {name: pairs[cold[0]] for name in warm}  # where a warm member comes in a cold one's place
    measured: dict[str, Series] = {role: {name: [] for name in clients} for role in ("follower", "leader")}
    try:
        for pair in set(pairs.values()):
            await pair.start()
        for index in itertools.chain(range(-WARM_UP, 0), common.rounds(count, seconds)):
            for name in rotated(list(clients), index):
                for role, series in measured.items():
                    took = await pairs[name].restart(role, clients[name])
                    if index >= 0:
                        series[name].append(took)
        late = {name: pair.watch() for name, pair in pairs.items()}
        await asyncio.sleep(LAST_LOOK)
        noticed = {name: pair.noticed + late[name]() for name, pair in pairs.items()}
    finally:
        for pair in set(pairs.values()):
            with suppress(Exception):
                await pair.close()
    return {
        "settings": attrs.asdict(job, filter=attrs.filters.exclude("bootstrap", "topic")),
        "partitions": PARTITIONS,
        "milliseconds": measured,
        "callbacks of the other member": noticed,
        "restarts that changed the generation": {name: pair.moved for name, pair in pairs.items()},
    }


# ── dynamic join ──

JOIN_CLIENTS: dict[str, Make] = {OURS: Ours, PEER: Peer, COLD_FLOOR: Raw}


class Host:
    """A dynamic member that others join and leave."""

    def __init__(self, job: Job, make: Make) -> None:
        self._job = job
        self._make = make
        self._group = f"bench-{uuid.uuid4()}"
        self._stayer = make(job, self._group, None)

    async def start(self) -> None:
        await self._stayer.start()
        await self._stayer.witness.owns(PARTITIONS)

    async def join(self) -> tuple[float, float]:
        """Milliseconds until both members have their final assignment: from before the joiner's constructor, and
        from the moment at which the other one learnt of it."""
        await asyncio.sleep(random.uniform(0, self._job.heartbeat_ms / 1000))  # any phase of its heartbeat
        began = time.perf_counter()
        joiner = self._make(self._job, self._group, None)
        witnesses = (joiner.witness, self._stayer.witness)
        try:
            await joiner.start()
            await asyncio.gather(*(witness.owns(HALF) for witness in witnesses))
            ended = max(witness.assigned_at for witness in witnesses)
            noticed = self._stayer.witness.revoked_at
        finally:
            await joiner.close()
        await self._stayer.witness.owns(PARTITIONS)
        return (ended - began) * 1000, (ended - noticed) * 1000

    async def close(self) -> None:
        await self._stayer.close()


async def dynamic_join(bootstrap: str, topic: str, count: int) -> dict[str, Any]:
    job = Job(bootstrap, topic, heartbeat_ms=100, session_ms=10_000)
    hosts = {name: Host(job, make) for name, make in JOIN_CLIENTS.items()}
    whole: Series = {name: [] for name in JOIN_CLIENTS}
    after: Series = {name: [] for name in JOIN_CLIENTS}
    try:
        for host in hosts.values():
            await host.start()
        for index in itertools.chain(range(-3, 0), common.rounds(count, SECONDS_EACH)):
            for name in rotated(list(JOIN_CLIENTS), index):
                took, then = await hosts[name].join()
                if index >= 0:
                    whole[name].append(took)
                    after[name].append(then)
    finally:
        for host in hosts.values():
            with suppress(Exception):
                await host.close()
    return {
        "settings": attrs.asdict(job, filter=attrs.filters.exclude("bootstrap", "topic")),
        "partitions": PARTITIONS,
        "milliseconds": {"constructor": whole, "notice": after},
    }


def rotated(names: list[str], index: int) -> list[str]:
    first = index % len(names)
    return names[first:] + names[:first]


# ── report ──

FLOORS: dict[str, list[str]] = {
    "follower": [FLOOR, COLD_FLOOR, BEAT, COLD_BEAT],
    "leader": [FLOOR, COLD_FLOOR, BEAT, COLD_BEAT],
    "constructor": [],  # mostly the phase of a heartbeat: two of them have nothing in common
    "notice": [COLD_FLOOR],
}
"""What each part's series are compared to, round by round, where they were measured."""


def summaries(parts: dict[str, Series]) -> dict[str, Any]:
    """The statistics of each series, and what it takes beyond its floors."""
    return {
        part: {
            name: common.summary(values)
            | {f"beyond {it}": common.above(values, series[it]) for it in FLOORS[part] if it in series and it != name}
            for name, values in series.items()
        }
        for part, series in parts.items()
    }


def show(title: str, parts: dict[str, Any], floors: Sequence[str]) -> None:
    figures = ("n", "min", "median", "p95", "max", *(f"beyond {floor}" for floor in floors))
    header = ("from" if "notice" in parts else "restarted", "client", *figures)
    rows = [
        [part, name, *(values.get(figure, math.nan) for figure in figures)]
        for part, series in parts.items()
        for name, values in series.items()
    ]
    print(f"\n{title}\n\n{common.table(header, rows)}\n")


def report_restarts(protocol: str, static: dict[str, Any], floors: Sequence[str]) -> bool:
    """Print what was found; whether no restart of ours was noticed."""
    show(f"Static restart, {protocol}, constructor to assigned, ms", static["summaries"], floors)
    unnoticed = report_noticed(static)
    for role, series in static["summaries"].items():
        for floor in floors:
            beyond = series[OURS][f"beyond {floor}"]
            verdict = "met" if beyond <= AIM_MS else "missed"
            print(f"aim, {role}: {beyond:.1f} ms beyond {floor!r}, at most {AIM_MS:g} wanted: {verdict}")
    return unnoticed


def report_noticed(static: dict[str, Any]) -> bool:
    """Print what the other members saw of the restarts; whether it was nothing of ours."""
    noticed, moved = static["callbacks of the other member"], static["restarts that changed the generation"]
    for name in noticed:
        print(f"{name}: the other member saw {noticed[name]} callbacks, {moved[name]} restarts changed the generation")
    return not any(noticed[name] or moved[name] for name in noticed if name in ALL_OURS)


def report_joins(dynamic: dict[str, Any]) -> None:
    show("Dynamic join to a group of one, to everybody's final assignment, ms", dynamic["summaries"], [COLD_FLOOR])
    print("'beyond' is the median, over the rounds, of the difference to the floor of the same round.")


async def timed(bootstrap: str, topic: str, count: int) -> dict[str, Any]:
    return {
        "static restart": await static_restart(bootstrap, topic, CLIENTS, count),
        "static restart, KIP-848": await static_restart(bootstrap, topic, CONSUMER_CLIENTS, count),
        "dynamic join": await dynamic_join(bootstrap, topic, count),
    }


async def unnoticed(bootstrap: str, topic: str, count: int) -> dict[str, Any]:
    """So many restarts of either member, of ours alone."""
    return {"static restart": await static_restart(bootstrap, topic, ALL_OURS, count, math.inf)}


async def on_a_topic(
    measure: Callable[[str, str, int], Awaitable[dict[str, Any]]], bootstrap: str, count: int
) -> dict[str, Any]:
    topic = f"bench-{uuid.uuid4()}"
    async with Loader(bootstrap) as loader:
        await loader.create_topic(topic, PARTITIONS)
    try:
        return await measure(bootstrap, topic, count)
    finally:
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        await admin.start()
        await admin.delete_topics([topic])
        await admin.close()


def main() -> int:
    options = common.arguments("Static restart and dynamic join beside aiokafka and the raw protocol.", rounds=20)
    options.add_argument("--unnoticed", action="store_true", help="restart members of ours only, and count who notices")
    chosen = options.parse_args()
    if chosen.rounds < 1:
        options.error("--rounds must be at least 1")
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # it warns of every rebalance
    with common.kafka(chosen.bootstrap) as (bootstrap, version):
        about = common.environment(version, "kafkastatic", "aiokafka")
        print(", ".join(f"{name} {value}" for name, value in about.items()))
        found = asyncio.run(on_a_topic(unnoticed if chosen.unnoticed else timed, bootstrap, chosen.rounds))
    for part in found.values():
        part["summaries"] = summaries(part["milliseconds"])
    classic = found["static restart"]
    if chosen.unnoticed:
        quiet = report_noticed(classic)
    else:
        quiet = report_restarts("classic", classic, [FLOOR, COLD_FLOOR])
        quiet &= report_restarts("KIP-848", found["static restart, KIP-848"], [BEAT, COLD_BEAT])
        report_joins(found["dynamic join"])
    common.write(chosen.json, {"benchmark": "rebalance_latency", "environment": about, **found})
    return 0 if quiet else 1


if __name__ == "__main__":
    sys.exit(main())

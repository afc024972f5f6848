"""What real brokers do that no test asks every day: `python -m tests.conformance.facts releases|failover|acls|tls`.

    releases [VERSION ...]   in which scripts of consumer groups they differ from what 4.4.0 and 3.9.2 answered
    failover [VERSION]       a coordinator of three stops, and another is killed: what static members find afterwards
    acls [VERSION]           what static members are answered that may not read their group, or their topic
    tls [VERSION]            whether the scripts of consumer groups are answered over TLS as without

What was found is written down in docs/broker-facts.md. Needs Java >= 17 and Maven, as tools/real_kafka.py does.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
import time
from collections.abc import Awaitable, Callable

from tests.conformance import recordings
from tests.conformance.brokers import AT_ONCE, real
from tests.conformance.consumer_member import ConsumerMember, described, joined, stable
from tests.conformance.differences import compared
from tests.conformance.member import Member, group_of
from tests.conformance.scripts import SCENARIOS
from tests.conformance.session import Session, built, play_all, played_on
from tests.conformance.transcript import Step
from tests.support.raw_peer import RawPeer, subscription
from tools.real_cluster import RealCluster
from tools.real_kafka import RealKafka

CONSUMER = [name for name in SCENARIOS if name in played_on("4.4") and ("consumer" in name or "classic_" in name)]
LOADING = (14, 15, 16)


# Releases


def releases(*versions: str) -> None:
    for version in versions or ("4.0.1", "4.1.1", "4.2.1", "4.3.1"):
        broker = real("4.4")
        broker.version = version
        with broker:
            found = asyncio.run(play_all(CONSUMER, broker.bootstrap, at_once=AT_ONCE // 3))
        print(f"\n{version}: {len(found)} scenarios")
        for name, steps in found.items():
            _tell(name, steps)


def _tell(name: str, steps: list[Step]) -> None:
    """In what a transcript differs from that of 4.4.0, and whether 3.9.2 answered so too; epochs are counted only."""
    found = {
        key: compared(recordings.recorded(name, key), steps) for key in ("4.4", "3.9-java") if name in played_on(key)
    }
    if not all(found.values()):
        return print(f"  {name}: as {' and '.join(key for key, differing in found.items() if not differing)}")
    epochs = [one for one in found["4.4"] if one.field.endswith("epoch")]
    others = [one for one in found["4.4"] if one not in epochs]
    print(f"  {name}: {len(epochs)} epochs, {len(others)} other fields")
    for one in others[:12]:
        print(f"      {one}")


# Coordinators that move


def failover(version: str = "4.4.0") -> None:
    settings = {
        "group.min.session.timeout.ms": 1_000,
        "group.consumer.min.session.timeout.ms": 1_000,
        "group.consumer.session.timeout.ms": 12_000,
        "group.consumer.min.heartbeat.interval.ms": 100,
        "group.consumer.heartbeat.interval.ms": 500,
    }
    with RealCluster(3, version, settings) as cluster:
        for how in ("stop", "kill"):
            for kind in (_ClassicPair, _ConsumerPair):
                asyncio.run(_moved(cluster, how, kind))


class _ClassicPair:
    """Two static members of a classic group."""

    name = "classic"

    def __init__(self, session: Session, topic: str) -> None:
        protocols = {"range": subscription([topic])}
        self.members = [
            Member(session, name, instance_id=name, protocols=protocols, session_timeout_ms=12_000) for name in "ab"
        ]

    async def join(self) -> None:
        await group_of(self.members[0].session, *self.members)

    async def beat(self, which: int) -> int:
        return (await self.members[which].heartbeat().task).error_code

    async def rebalances(self) -> bool:
        return await self.beat(0) == 27

    def identity(self) -> list[tuple[str, int]]:
        return [(member.member_id, member.generation) for member in self.members]

    async def restart(self) -> str:
        answer = await self.members[1].join(member_id="").task
        return f"code {answer.error_code}, generation {answer.generation_id}"


class _ConsumerPair:
    """Two static members of a consumer group."""

    name = "consumer"

    def __init__(self, session: Session, topic: str) -> None:
        self.members = [ConsumerMember(session, name, topics=[topic], instance_id=name) for name in "ab"]

    async def join(self) -> None:
        await joined(*self.members)

    async def beat(self, which: int) -> int:
        return (await self.members[which].heartbeat().task).error_code

    async def rebalances(self) -> bool:
        before = self.members[0].epoch
        await self.beat(0)
        return self.members[0].epoch > before

    def identity(self) -> list[tuple[str, int]]:
        return [(member.member_id, member.epoch) for member in self.members]

    async def restart(self) -> str:
        a, b = self.members
        out = (await b.step_out().task).error_code
        answer = await b.restarted().join().task
        await stable(a, b)
        return f"-2: {out}, then code {answer.error_code}, epoch {answer.member_epoch}, {b.assigned[0]['partitions']}"


async def _moved(cluster: RealCluster, how: str, kind: type[_ClassicPair | _ConsumerPair]) -> None:
    group = f"{kind.name}-{how}"
    setup = RawPeer(cluster.brokers[0].bootstrap, "setup")
    topic = f"{group}.t"
    await setup.create_topic(topic, 2)
    old = await _found(setup, group)
    session = Session(group, f"127.0.0.1:{old.port}")
    pair = kind(session, topic)
    await pair.join()
    for which in (0, 1):
        assert await pair.beat(which) == 0
    identity, last = pair.identity(), time.monotonic()
    broker = cluster.brokers[old.node_id - 1]
    await asyncio.to_thread(getattr(broker, how))
    gone = time.monotonic()
    other = next(one for one in cluster.brokers if one is not broker)
    setup = RawPeer(other.bootstrap, "setup")
    while (new := await _found(setup, group)).error_code or new.node_id == old.node_id:
        await asyncio.sleep(0.05)
    await session.close()
    moved = Session(group, f"127.0.0.1:{new.port}")
    for member in pair.members:
        member.session = moved
    codes: list[int] = []
    while not codes or codes[-1] in LOADING:
        codes.append(await pair.beat(0))
        await asyncio.sleep(0.05)
    served = time.monotonic()
    print(f"{cluster.version}, {how}, {kind.name}: {how} took {gone - last:.1f} s; served {served - gone:.1f} s later")
    print(f"  heartbeat codes on the new coordinator {codes}, then b's {await pair.beat(1)}")
    print(f"  identity kept: {pair.identity() == identity} {pair.identity()}; a restart of b: {await pair.restart()}")
    print(f"  two heartbeats: {[await pair.beat(which) for which in (0, 1)]}")
    silent = time.monotonic()
    while not await pair.rebalances():
        await asyncio.sleep(0.1)
    print(f"  b's session of 12 s ends {time.monotonic() - silent:.1f} s after its last heartbeat there")
    await moved.close()
    await asyncio.to_thread(broker.start)
    await _silent_across(cluster, how, kind)


async def _silent_across(cluster: RealCluster, how: str, kind: type[_ClassicPair | _ConsumerPair]) -> None:
    """Does a session begin anew when the coordinator moves? b is silent from before it on."""
    group = f"{kind.name}-{how}-silent"
    setup = RawPeer(cluster.brokers[0].bootstrap, "setup")
    topic = f"{group}.t"
    await setup.create_topic(topic, 2)
    old = await _found(setup, group)
    pair = kind(Session(group, f"127.0.0.1:{old.port}"), topic)
    await pair.join()
    await pair.beat(1)
    silent = time.monotonic()
    while time.monotonic() < silent + 6.0:
        await pair.beat(0)
        await asyncio.sleep(0.5)
    broker = cluster.brokers[old.node_id - 1]
    await asyncio.to_thread(getattr(broker, how))
    setup = RawPeer(next(one for one in cluster.brokers if one is not broker).bootstrap, "setup")
    while (new := await _found(setup, group)).error_code or new.node_id == old.node_id:
        await asyncio.sleep(0.05)
    for member in pair.members:
        member.session = Session(group, f"127.0.0.1:{new.port}")
    while await pair.beat(0) in LOADING:
        await asyncio.sleep(0.05)
    loaded = time.monotonic()
    while not await pair.rebalances():
        await asyncio.sleep(0.1)
    ended = time.monotonic()
    print(f"  b silent across it: gone after {ended - silent:.1f} s, which is {ended - loaded:.1f} s after loading")
    await asyncio.to_thread(broker.start)


async def _found(setup: RawPeer, group: str) -> object:
    return await setup.find_coordinator(group)


# Rights


def acls(version: str = "4.4.0") -> None:
    settings = {
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "allow.everyone.if.no.acl.found": "true",
        "group.consumer.min.session.timeout.ms": 1_000,
        "group.consumer.session.timeout.ms": 30_000,
    }
    with RealKafka(version, settings) as kafka:
        print(f"{version}: codes before and after READ of the group, then of the topic, is denied")
        for resource in ("group", "topic"):
            asyncio.run(_denied(kafka.bootstrap, resource))


async def _denied(bootstrap: str, resource: str) -> None:
    session = Session(f"denied-{resource}", bootstrap)
    topic = await session.topic(partitions=2)
    a = Member(session, "a", instance_id="a", group=f"{session.group}-classic")
    b = ConsumerMember(session, "b", topics=[topic], instance_id="b", group=f"{session.group}-consumer")
    await group_of(session, a)
    await joined(b)
    ask: dict[str, Callable[[], Awaitable[object]]] = {
        "Heartbeat": lambda: a.heartbeat().task,
        "OffsetCommit": lambda: a.commit(topic).task,
        "JoinGroup": lambda: a.join().task,
        "SyncGroup": lambda: a.sync().task,
        "LeaveGroup": lambda: a.leave().task,
        "ConsumerGroupHeartbeat": lambda: b.heartbeat().task,
        "... with topics": lambda: b.heartbeat(subscribed_topic_names=[topic]).task,
        "... OffsetCommit": lambda: b.commit(topic).task,
        "... OffsetFetch": lambda: b.fetch_offset(topic).task,
        "... ConsumerGroupDescribe": lambda: described(session, b.group),
        "... -2": lambda: b.step_out().task,
        "... 0 after -2": lambda: b.join().task,
        "... -1": lambda: b.leave().task,
    }
    names = [topic] if resource == "topic" else [a.group, b.group]
    one = {"resource_pattern_type": 3, "principal": "User:ANONYMOUS", "host": "*", "permission_type": 2}
    kinds = {"topic": 2, "group": 3}
    creations = [one | {"resource_type": kinds[resource], "resource_name": name, "operation": 3} for name in names]
    answer = await session.peer("setup").request("CreateAcls", 2, **built("CreateAcls", 2, {"creations": creations}))
    assert all(result.error_code == 0 for result in answer.results), answer
    await session.eventually(ask["OffsetCommit"], lambda found: _codes(found) != [0])
    for what, call in ask.items():
        print(f"  {resource} {what}: {_codes(await call())}")
    await session.close()


def _codes(answer: object) -> list[int]:
    """Every error code in an answer, at whatever depth."""
    found: list[int] = []

    def walk(value: object) -> None:
        if isinstance(value, dict):
            found.extend(code for key, code in value.items() if key == "error_code")
            for inner in value.values():
                walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)

    walk(answer.to_dict(json=False))  # type: ignore[attr-defined]
    return found


# TLS


def tls(version: str = "4.4.0") -> None:
    settings = real("4.4").settings
    with RealKafka(version, settings, tls=True) as kafka:
        context = ssl.create_default_context(cafile=str(kafka.ca_file))
        found = asyncio.run(play_all(CONSUMER, kafka.bootstrap_tls, at_once=AT_ONCE // 3, tls=context))
    differing = [name for name, steps in found.items() if compared(recordings.recorded(name, "4.4"), steps)]
    print(f"{version} over TLS: {len(found)} scenarios, {len(differing)} answered otherwise than without: {differing}")


if __name__ == "__main__":
    {"releases": releases, "failover": failover, "acls": acls, "tls": tls}[sys.argv[1]](*sys.argv[2:])

"""Tests against a broker, each of them twice: on the embedded one, and on a real Kafka.

A real one needs Java and Maven: skipped with the reason where they are not, mandatory with KAFKASTATIC_REQUIRE_KAFKA=1.
"""

from __future__ import annotations

import contextlib
import gc
import itertools
import os
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping

import pytest

from tests.support.embedded import EmbeddedCluster, EmbeddedKafka, embedded_cluster, embedded_kafka
from tests.support.members import JavaMember, Jvm
from tests.support.raw_peer import RawPeer
from tools import class_archive
from tools.real_cluster import RealCluster
from tools.real_kafka import DEFAULT_VERSION, RealKafka, available

Kafka = RealKafka | EmbeddedKafka
Settings = Mapping[str, object] | None

_brokers = pytest.StashKey[list[tuple[str, RealKafka]]]()
"""Every broker that was started, in that order, with the name of the fixture that did it."""

_groups = pytest.StashKey[str]()
"""What the ids of a test's groups begin with."""

PLACES = (pytest.param("embedded", marks=pytest.mark.once), pytest.param("real", marks=pytest.mark.integration))

RELEASES: dict[str, tuple[str, Mapping[str, object]]] = {
    "4.4": (DEFAULT_VERSION, {}),
    "3.9": ("3.9.2", {}),
    "3.9-java": (
        "3.9.2",
        {
            "group.coordinator.rebalance.protocols": "classic,consumer",
            "group.consumer.migration.policy": "bidirectional",
        },
    ),
}
"""Version and settings of the shared brokers: by default 3.9 has its older group coordinator, written in Scala."""

GROUPS: Mapping[str, object] = {
    "group.max.size": 6,
    "group.consumer.max.size": 6,
    "group.consumer.session.timeout.ms": 3000,
    "group.consumer.heartbeat.interval.ms": 200,
    "group.consumer.assignment.interval.ms": 0,
    "group.consumer.min.session.timeout.ms": 1000,
    "group.consumer.min.heartbeat.interval.ms": 100,
}
"""What the groups of the shared brokers are allowed."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """What uses a broker runs in both places, unless it is `real_only`, and on 4.4, unless `releases` says where."""
    if "place" in metafunc.fixturenames:
        places = PLACES[1:] if metafunc.definition.get_closest_marker("real_only") else PLACES
        metafunc.parametrize("place", places, indirect=True, scope="session")
        if mark := metafunc.definition.get_closest_marker("releases"):
            metafunc.parametrize("release", mark.args, indirect=True, scope="session")


def pytest_itemcollected(item: pytest.Item) -> None:
    used = getattr(item, "fixturenames", ())
    if "place" not in used or "jvm" in used:
        item.add_marker(pytest.mark.integration)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    if report.failed:
        report.sections.extend(_logs(item))
    return report


def _logs(item: pytest.Item) -> Iterator[tuple[str, str]]:
    """What the brokers that a test uses have logged: its own ones first, of each at first what it did to its groups."""
    used = getattr(item, "fixturenames", ())
    for fixture, broker in reversed(item.config.stash.get(_brokers, [])):
        if fixture not in used or not broker.directory.exists():
            continue
        if fixture == shared_brokers.__name__ and item.funcargs.get("kafka") is not broker:  # type: ignore[attr-defined]
            continue
        name = f"Kafka {broker.version} at {broker.bootstrap}"
        group = item.stash.get(_groups, None)
        if group and (lines := broker.log_tail(about=(group, "CoordinatorRuntime - "))):
            yield f"the groups of this test, and their coordinator's loading, logged by {name}", lines
        yield f"the log of {name}", broker.log_tail()


def _note(request: pytest.FixtureRequest, *brokers: RealKafka) -> None:
    started = request.config.stash.setdefault(_brokers, [])
    started.extend((request.fixturename or "", broker) for broker in brokers)


def _started(request: pytest.FixtureRequest, broker: RealKafka) -> RealKafka:
    _note(request, broker)
    return broker.start()


def demand_kafka(version: str = DEFAULT_VERSION) -> None:
    reason = available(version)
    if reason is None:
        class_archive.ensure(version)
        return
    if os.environ.get("KAFKASTATIC_REQUIRE_KAFKA") == "1":
        pytest.fail(f"KAFKASTATIC_REQUIRE_KAFKA=1, but {reason}", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(autouse=True)
def _blame_who_leaks() -> Iterator[None]:
    """What a test leaves unclosed is reported with that test, not with the one during which it is collected."""
    yield
    gc.collect()


@pytest.fixture(scope="session")
def place(request: pytest.FixtureRequest) -> str:
    """Where a test runs: on the `embedded` broker, or on the `real` one."""
    return request.param


@contextlib.contextmanager
def _broker(
    request: pytest.FixtureRequest,
    place: str,
    version: str,
    settings: Settings,
    **listeners: bool,
) -> Iterator[Kafka]:
    if place == "embedded":
        with embedded_kafka(version, settings) as broker:
            yield broker
        return
    demand_kafka(version)
    real = RealKafka(version, settings, **listeners)
    try:
        yield _started(request, real)
    finally:
        real.close()


@pytest.fixture(scope="session")
def release(request: pytest.FixtureRequest) -> str:
    """As what the broker of a test behaves, a key of `RELEASES`: see the mark `releases`."""
    return getattr(request, "param", "4.4")


@pytest.fixture(scope="session")
def shared_brokers(request: pytest.FixtureRequest) -> Iterator[Callable[[str, str], Kafka]]:
    """One broker for each place and release, started when a test first needs it."""
    with contextlib.ExitStack() as running:
        found: dict[tuple[str, str], Kafka] = {}

        def broker(place: str, release: str) -> Kafka:
            if (place, release) not in found:
                version, settings = RELEASES[release]
                found[place, release] = running.enter_context(_broker(request, place, version, {**GROUPS, **settings}))
            return found[place, release]

        yield broker


@pytest.fixture(scope="session")
def kafka(shared_brokers: Callable[[str, str], Kafka], place: str, release: str) -> Kafka:
    """The broker of this place and release, for the whole session: leave it running, use topics and groups of your own.

    Its groups hold `group.max.size` members at most.
    """
    return shared_brokers(place, release)


@pytest.fixture
def kafka_to_restart(kafka: Kafka, kafka_factory: Callable[..., Kafka], release: str) -> Callable[[], Kafka]:
    """A broker that may be stopped: of the busiest release, whose start takes long by then, one of the test's own."""
    return kafka_factory if release == "4.4" else lambda: kafka


@pytest.fixture
def kafka_factory(request: pytest.FixtureRequest, place: str) -> Iterator[Callable[..., Kafka]]:
    """Brokers of the test's own, to restart, pause or configure: `kafka_factory({"setting": 1}, tls=True)`."""
    with contextlib.ExitStack() as brokers:

        def start(settings: Settings = None, **listeners: bool) -> Kafka:
            return brokers.enter_context(_broker(request, place, DEFAULT_VERSION, settings, **listeners))

        yield start


@pytest.fixture(scope="session")
def kafka_cluster(request: pytest.FixtureRequest, place: str) -> Iterator[RealCluster | EmbeddedCluster]:
    """Three 4.4.0 brokers for the whole session: who stops one starts it again. Topics and groups of your own."""
    if place == "embedded":
        with embedded_cluster() as embedded:
            yield embedded
        return
    demand_kafka()
    quick_to_judge = {"broker.session.timeout.ms": 5_000, "broker.heartbeat.interval.ms": 500}
    quick_to_hear = {"group.consumer.heartbeat.interval.ms": 200, "group.consumer.min.heartbeat.interval.ms": 100}
    cluster = RealCluster(settings=quick_to_judge | quick_to_hear)
    _note(request, *cluster.brokers)
    try:
        yield cluster.start()
    finally:
        cluster.close()


@pytest.fixture(scope="session")
def jvm() -> Iterator[Jvm]:
    """Java members run in it; it starts while the first test already runs."""
    demand_kafka()
    JavaMember.jvm = Jvm()
    yield JavaMember.jvm
    JavaMember.jvm.close()


@pytest.fixture
def topic(kafka: Kafka) -> Callable[..., Awaitable[str]]:
    """Creates a topic and returns its unique name: `name = await topic(partitions=6)`."""

    async def create(partitions: int = 1, *, prefix: str = "topic", **config: str) -> str:
        name = f"{prefix}-{uuid.uuid4().hex[:12]}"
        async with RawPeer.connect(kafka.bootstrap) as peer:
            await peer.create_topic(name, partitions, {key.replace("_", "."): value for key, value in config.items()})
        return name

    return create


@pytest.fixture
def group_id(request: pytest.FixtureRequest) -> Callable[[], str]:
    """Makes group ids no other test uses."""
    prefix, count = f"group-{uuid.uuid4().hex[:8]}-", itertools.count(1)
    request.node.stash[_groups] = prefix
    return lambda: f"{prefix}{next(count)}"

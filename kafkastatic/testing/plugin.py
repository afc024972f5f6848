"""The pytest plugin: the fixture `embedded_kafka`, and `--kafka`.

Every test run of everybody who has kafkastatic installed loads it, so it imports nothing before a test asks for the
fixture.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import inspect
import re
from argparse import ArgumentTypeError
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from kafkastatic.broker import Broker
    from kafkastatic.testing.remote import RealCluster

    Kafka = Broker | RealCluster

FIXTURE = "embedded_kafka"
_MARKER = (
    f"{FIXTURE}(brokers=1, topics=None, leak_check=True, **settings): how the fixture {FIXTURE} starts: "
    'topics={"orders": 6}, behaves_as="3.9", group_max_size=3, ...'
)
_KAFKA_HELP = (
    f"run the tests of {FIXTURE} on a real Kafka: one that is started (4.4.0, or the release given; this needs Java "
    ">= 17, and Maven once), or one for tests only that runs at HOST:PORT: topics and groups that appear there during "
    "a test are deleted"
)
_ASYNCIO_WATCH = "kafkastatic.testing.asyncio_watch"
_ended_early = pytest.StashKey[bool]()


def _target(text: str) -> str:
    if re.fullmatch(r"\d+\.\d+\.\d+|[^\s,/]+:\d+(,[^\s,/]+:\d+)*", text):
        return text
    raise ArgumentTypeError(f"{text!r} is no release (4.4.0) and no address (host:port); put paths before --kafka")


def pytest_addoption(parser: pytest.Parser) -> None:
    add = parser.getgroup("kafkastatic").addoption
    add("--kafka", nargs="?", type=_target, const="4.4.0", metavar="RELEASE|HOST:PORT", help=_KAFKA_HELP)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", _MARKER)
    if config.pluginmanager.has_plugin("asyncio") and _knows_loop_scopes():
        config.pluginmanager.import_plugin(_ASYNCIO_WATCH)
    if config.getoption("--kafka") and "s" not in config.option.reportchars:
        config.option.reportchars += "s"  # which tests did not run on it, and why


def _knows_loop_scopes() -> bool:
    """Whether pytest-asyncio lets a fixture say in which event loop it runs, and tells which one a test has (0.26)."""
    found = importlib.metadata.version("pytest-asyncio").split(".")
    return [int(part) if part.isdecimal() else 0 for part in found[:2]] >= [0, 26]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Have the fixture set up before all others of its scope: so they are gone when it looks at what was left."""
    names: list[str] = getattr(item, "fixturenames", [])
    if FIXTURE in names:
        names.remove(FIXTURE)
        wider = [index for index, name in enumerate(names, 1) if _scope(item, name) != "function"]
        names.insert(max(wider, default=0), FIXTURE)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if not report.passed:
        item.stash[_ended_early] = True
    return report


@pytest.fixture
def embedded_kafka(request: pytest.FixtureRequest, _kafka_of_the_test: Kafka) -> Kafka:
    """A Kafka of the test's own, as `kafkastatic.broker.Broker`: in this process, in a thread of its own.

    What it starts with says the marker: `@pytest.mark.embedded_kafka(brokers=3, topics={"orders": 6})`. A test that
    passes and leaves consumers, tasks or sockets behind fails. With `--kafka` it is a real one.
    """
    if options(request).get("leak_check", True):
        request.getfixturevalue(_watch_for(request))
    return _kafka_of_the_test


@pytest.fixture
def _kafka_of_the_test(request: pytest.FixtureRequest) -> Iterator[Kafka]:
    from kafkastatic.errors import KafkaError

    wanted = options(request)
    wanted.pop("leak_check", None)
    target = request.config.getoption("--kafka")
    real = request.getfixturevalue("_real_kafka") if target else None
    kafka, problem = None, ""
    with contextlib.ExitStack() as life:
        try:
            kafka = life.enter_context(_cluster(real, wanted))
        except (KafkaError, OSError, TypeError, ValueError) as error:
            problem = f"{FIXTURE}{f' on --kafka={target}' if target else ''}: {error}"
        if kafka is None:
            pytest.fail(problem, pytrace=False)
        yield kafka


def _cluster(real: str | None, wanted: dict[str, Any]) -> contextlib.AbstractContextManager[Kafka]:
    if real is not None:
        from kafkastatic.testing.remote import RealCluster

        return RealCluster(real, **wanted)
    from kafkastatic.broker import Broker

    return Broker(**wanted)


@pytest.fixture(scope="session")
def _real_kafka(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of the cluster that `--kafka` says, which is started if it says a release."""
    target = str(request.config.getoption("--kafka"))
    if ":" in target:
        yield target
        return
    from kafkastatic.testing.remote import started

    with started(target) as bootstrap:
        yield bootstrap


def options(request: pytest.FixtureRequest) -> dict[str, Any]:
    """What the test's markers say, the nearest one first."""
    found: dict[str, Any] = {}
    for mark in request.node.iter_markers(FIXTURE):
        if mark.args:
            pytest.fail(f"@pytest.mark.{FIXTURE} takes no positional arguments: {_MARKER}", pytrace=False)
        found = {**mark.kwargs, **found}
    return found


# ── the leak check, in the event loop of the test where it has one ──


def _watch_for(request: pytest.FixtureRequest) -> str:
    """The fixture that watches this test: one for each kind of event loop."""
    item = request.node
    if inspect.iscoroutinefunction(getattr(item, "obj", None)):
        if "anyio_backend" in request.fixturenames:
            return "_watch_in_anyio"
        mark = item.get_closest_marker("asyncio")
        if mark and request.config.pluginmanager.has_plugin(_ASYNCIO_WATCH):
            scope = mark.kwargs.get("loop_scope") or mark.kwargs.get("scope")
            return f"_watch_in_asyncio_{scope or request.config.getini('asyncio_default_test_loop_scope')}"
    return "_watch"


@pytest.fixture
def _watch(request: pytest.FixtureRequest, _kafka_of_the_test: Kafka) -> Iterator[None]:
    from kafkastatic.testing.watch import Watch

    watch = Watch(_kafka_of_the_test, let_go(request))
    yield
    if not ended_early(request):
        watch.check()


@pytest.fixture
async def _watch_in_anyio(request: pytest.FixtureRequest, _kafka_of_the_test: Kafka) -> AsyncIterator[None]:
    from kafkastatic.testing.watch import Watch

    watch = Watch(_kafka_of_the_test, let_go(request), own_loop=loop_is_own(request))
    yield
    if not ended_early(request):
        await watch.acheck()


def let_go(request: pytest.FixtureRequest) -> Callable[[], None]:
    """What makes pytest forget the values of the test's fixtures, which it holds for longer than they live."""
    return getattr(request.node, "funcargs", {}).clear


def ended_early(request: pytest.FixtureRequest) -> bool:
    """Whether the test has failed or was skipped: then it is no wonder that it did not clean up."""
    return request.node.stash.get(_ended_early, False)


def loop_is_own(request: pytest.FixtureRequest) -> bool:
    """Whether no async fixture lives longer than the test, whose sockets would be in the same event loop."""
    names = request.fixturenames
    return not any(_is_async(request.node, name) and _scope(request.node, name) != "function" for name in names)


def _scope(item: pytest.Item, name: str) -> str:
    definition = _definition(item, name)
    return "function" if definition is None else definition.scope


def _is_async(item: pytest.Item, name: str) -> bool:
    function = getattr(_definition(item, name), "func", None)
    return inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)


def _definition(item: pytest.Item, name: str) -> Any:
    """What pytest knows about a fixture; pytest-asyncio and anyio look there too."""
    found = getattr(getattr(item, "_fixtureinfo", None), "name2fixturedefs", {}).get(name)
    return found[-1] if found else None

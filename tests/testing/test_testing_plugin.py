"""The pytest plugin, as a test run of somebody else meets it."""

from __future__ import annotations

import pytest

from kafkastatic.testing.remote import settings_of_a_real_one

pytest_plugins = "pytester"

SETTINGS = """
[pytest]
addopts = -p no:cacheprovider -p no:hypothesispytest
asyncio_mode = strict
asyncio_default_fixture_loop_scope = function
filterwarnings = error
"""

KINDS = {
    "plain": "def {name}({fixtures}):",
    "asyncio": "@pytest.mark.asyncio\nasync def {name}({fixtures}):",
    "session": "@pytest.mark.asyncio(loop_scope='session')\nasync def {name}({fixtures}):",
    "anyio": "@pytest.mark.anyio\nasync def {name}({fixtures}, anyio_backend):",
}
"""The kinds of tests that there are, as their first lines."""

PROLOGUE = """
import asyncio, socket
import pytest, pytest_asyncio
from kafkastatic import Consumer

kept = []  # so that nothing is collected before it is looked at

@pytest.fixture
def anyio_backend():
    return "asyncio"
"""


@pytest.fixture
def run(pytester: pytest.Pytester):
    """Runs a test file in a process of its own, and gives its outcome."""
    pytester.makeini(SETTINGS)

    def run(source: str, *arguments: str) -> pytest.RunResult:
        pytester.makepyfile(PROLOGUE + source)
        return pytester.runpytest_subprocess(*arguments, timeout=60)

    return run


def each_kind(body: str, *kinds: str) -> str:
    """A test of each kind with the same body."""
    lines = "\n".join(f"    {line}" for line in body.strip().splitlines())
    return "\n\n".join(
        KINDS[kind].format(name=f"test_{kind}", fixtures="embedded_kafka") + "\n" + lines for kind in kinds or KINDS
    )


def test_every_kind_of_test_gets_a_kafka_of_its_own(run) -> None:
    """Sync, asyncio and anyio tests alike; what one creates the next one does not see."""
    body = """
assert embedded_kafka.topics() == {}
embedded_kafka.create_topic("orders", 3)
assert embedded_kafka.topics() == {"orders": 3}
assert embedded_kafka.append("orders", 0, b"one", b"two") == 0
assert [record.value for record in embedded_kafka.records("orders", 0)] == [b"one", b"two"]
"""
    run(each_kind(body)).assert_outcomes(passed=4)


def test_the_marker_says_what_it_starts_with(run) -> None:
    """Nodes, topics and settings; the nearest marker wins, one setting at a time; what is wrong is told in a line."""
    result = run("""
pytestmark = pytest.mark.embedded_kafka(brokers=3, topics={"orders": 6})

def test_of_the_module(embedded_kafka):
    assert embedded_kafka.bootstrap.count(",") == 2
    assert embedded_kafka.topics() == {"orders": 6}

@pytest.mark.embedded_kafka(topics={"bills": 1}, behaves_as="3.9")
def test_of_its_own(embedded_kafka):
    assert embedded_kafka.bootstrap.count(",") == 2
    assert embedded_kafka.topics() == {"bills": 1}
    assert embedded_kafka.settings.behaves_as == "3.9"

@pytest.mark.embedded_kafka(group_max_siz=1)
def test_misspelt(embedded_kafka): pass

@pytest.mark.embedded_kafka(3)
def test_by_position(embedded_kafka): pass

@pytest.mark.embedded_kafka(topics={"or ders": 1})
def test_misnamed(embedded_kafka): pass
""")
    result.assert_outcomes(passed=2, errors=3)
    result.stdout.fnmatch_lines(
        [
            "embedded_kafka: The embedded broker has no setting 'group_max_siz'. Did you mean group_max_size?",
            "@pytest.mark.embedded_kafka takes no positional arguments: *",
            "embedded_kafka: CreateTopics answered INVALID_TOPIC_EXCEPTION (17) for topic='or ders'*",
        ]
    )
    result.stdout.no_fnmatch_line("*kafkastatic/testing/*")


LEFT_TASK = """
async def start():
    kept.append(asyncio.create_task(asyncio.Event().wait(), name="the-poller"))
await asyncio.create_task(start())
"""

LEFT_SOCKETS = """
async def test_sockets(embedded_kafka):
    kept.append(await asyncio.start_server(lambda reader, writer: kept.append(writer), "127.0.0.1", 0))
    kept.append(await asyncio.open_connection(*kept[-1].sockets[0].getsockname()))
"""

LEFT_CONNECTION = """
def test_connection(embedded_kafka):
    host, _, port = embedded_kafka.bootstrap.rpartition(":")
    kept.append(socket.create_connection((host, int(port))))
"""


def test_what_is_left_fails_its_test_by_name(run) -> None:
    """Tasks that the test or what it called has started, in every kind of event loop; servers and connections in the
    loop; connections to the broker, of whatever kind."""
    tests = [
        each_kind(LEFT_TASK, "asyncio", "session", "anyio"),
        "@pytest.mark.asyncio" + LEFT_SOCKETS,
        LEFT_CONNECTION,
    ]
    result = run("\n\n".join(tests), "-W", "ignore")
    result.assert_outcomes(passed=5, errors=5)
    for kind in ("asyncio", "session", "anyio"):
        told = ["The test left behind:", "  task 'the-poller' runs Event.wait, at *:*"]
        result.stdout.fnmatch_lines([f"*ERROR at teardown of test_{kind}*", *told])
    told = ["The test left behind:", "  socket 127.0.0.1:* is open", "  socket 127.0.0.1:* is open, to 127.0.0.1:*"]
    result.stdout.fnmatch_lines(["*ERROR at teardown of test_sockets*", *told])
    told = ["The test left behind:", "  client '' is connected from 127.0.0.1:*"]
    result.stdout.fnmatch_lines(["*ERROR at teardown of test_connection*", *told])


def test_a_consumer_that_is_left_fails_its_test(run) -> None:
    """By client, address and member: of one that is a static member of a group, and of one without a group."""
    body = """
address = {"bootstrap_servers": embedded_kafka.bootstrap}
embedded_kafka.create_topic("orders")
async with Consumer("orders", group_id="shipping", group_instance_id="shipping-0", **address) as closed:
    await closed.assigned()
kept.append(Consumer("orders", group_id="billing", group_instance_id="billing-0", client_id="bills", **address))
kept.append(Consumer(client_id="reader", **address))
await kept[-2].start()
await kept[-1].start()
await kept[-2].assigned()
"""
    result = run(each_kind(body, "asyncio", "anyio"), "-W", "ignore")
    result.assert_outcomes(passed=2, errors=2)
    for kind in ("asyncio", "anyio"):
        result.stdout.fnmatch_lines(
            [
                f"*ERROR at teardown of test_{kind}*",
                "The test left behind:",
                "  client 'bills' is connected from *; member 'billing-0-*' (instance 'billing-0') of group 'billing'",
                "  client 'reader' is connected from 127.0.0.1:*",
                "  consumer '-/-' is not closed",
                "  consumer 'billing/billing-0' is not closed",
            ]
        )
    result.stdout.no_fnmatch_line("  *shipping*")


CLOSES_AT_LAST = """
host, _, port = embedded_kafka.bootstrap.rpartition(":")
reader, writer = await asyncio.open_connection(host, int(port))
server = await asyncio.start_server(lambda reader, writer: None, host, 0)
task = asyncio.create_task(asyncio.sleep(100))
await asyncio.sleep(0)
task.cancel()
server.close()
writer.close()
"""

LIVES_LONGER = """
pool = []

@pytest.fixture(scope="session")
def server():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()
    for connection in pool:
        connection.close()

def test_pool(embedded_kafka, server):
    pool.append(socket.create_connection(server))

@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def service():
    calls = asyncio.Queue()
    async def serve():
        while await calls.get():
            tasks.create_task(asyncio.sleep(0.3))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(serve())
        yield calls
        calls.put_nowait(None)

@pytest.mark.asyncio(loop_scope="session")
async def test_service(embedded_kafka, service):
    service.put_nowait("a call")
    await asyncio.sleep(0.01)
    assert len(asyncio.all_tasks()) >= 3
"""

CLEANS_UP_BEFORE = """
stop = asyncio.Event()

@pytest_asyncio.fixture
async def group():
    async with asyncio.TaskGroup() as tasks:
        yield tasks
        stop.set()

@pytest.mark.asyncio
async def test_group(group, embedded_kafka):
    group.create_task(stop.wait())

@pytest.fixture
def connection(embedded_kafka):
    host, _, port = embedded_kafka.bootstrap.rpartition(":")
    with socket.create_connection((host, int(port))) as opened:
        yield opened

def test_connection(connection):
    assert connection.fileno() > 0
"""

LETS_GO = """
from confluent_kafka.admin import AdminClient

@pytest.fixture
def admin(embedded_kafka):
    return AdminClient({"bootstrap.servers": embedded_kafka.bootstrap})

def test_only_pytest_holds_it(admin):
    assert admin.list_topics(timeout=10).brokers

@pytest.mark.asyncio
async def test_asked_for_late(request):
    request.getfixturevalue("embedded_kafka").create_topic("orders")

@pytest.mark.asyncio
async def test_watched(embedded_kafka):
    loop, (ours, theirs) = asyncio.get_running_loop(), pair()
    async def closing():
        await loop.sock_recv(ours, 1)
        ours.close()
    asyncio.create_task(closing(), name="closing")
    await asyncio.sleep(0)
    loop.call_later(0.2, theirs.close)

def pair():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        ours = socket.create_connection(listening.getsockname())
        theirs, _ = listening.accept()
    ours.setblocking(False)
    return ours, theirs
"""


def test_what_is_no_leak_passes(run) -> None:
    """What ends at the last moment; tasks and pools of fixtures that live longer, whenever they began; what fixtures of
    the test's own end, in whatever order they stand."""
    tests = [each_kind(CLOSES_AT_LAST, "asyncio", "session", "anyio"), LIVES_LONGER, CLEANS_UP_BEFORE, LETS_GO]
    run("\n\n".join(tests)).assert_outcomes(passed=3 + 2 + 2 + 3)


def test_the_check_can_be_left_out(run) -> None:
    """`leak_check=False`; and a test that failed is not blamed for what it left as well."""
    result = run("""
@pytest.mark.asyncio
@pytest.mark.embedded_kafka(leak_check=False)
async def test_careless(embedded_kafka):
    kept.append(asyncio.create_task(asyncio.Event().wait()))

@pytest.mark.asyncio
async def test_failing(embedded_kafka):
    kept.append(asyncio.create_task(asyncio.Event().wait()))
    raise ValueError("the test's own failure")
""")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["E * ValueError: the test's own failure"])


def test_kafka_takes_no_paths(run) -> None:
    """`pytest --kafka tests` is told from an address, and how to write it."""
    result = run("", "--kafka", "tests")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["*--kafka*'tests' is no release (4.4.0) and no address (host:port); put paths before --kafka"]
    )


def test_a_real_broker_is_given_no_empty_setting() -> None:
    """Kafka refuses those: what the embedded broker leaves to its release is left to the real one too."""
    settings = settings_of_a_real_one()
    assert "" not in settings.values()
    assert settings["group.consumer.heartbeat.interval.ms"] == settings["group.consumer.min.heartbeat.interval.ms"]

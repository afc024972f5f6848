"""Which connection a request takes, when it is opened, and what is said when it cannot be."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from kafkastatic._net.backoff import Backoff, delay
from kafkastatic._net.pool import Pool, Role
from kafkastatic._protocol.messages.create_topics import CreateTopicsRequest
from kafkastatic._protocol.messages.heartbeat import HeartbeatRequest
from kafkastatic._protocol.messages.join_group import JoinGroupRequest
from kafkastatic._protocol.messages.metadata import MetadataRequest
from kafkastatic._protocol.messages.offset_commit import OffsetCommitRequest
from kafkastatic._runtime import Runtime
from kafkastatic.config import ConsumerConfig
from kafkastatic.errors import BrokerUnreachableError, KafkaTimeoutError, ProtocolError, UnsupportedVersionError
from kafkastatic.types import Broker
from tests.support.scripted_broker import NODE, Call, ScriptedBroker
from tests.support.virtual_loop import run_virtually
from tools.real_kafka import free_port

HEARTBEAT = HeartbeatRequest(group_id="g", generation_id=1, member_id="m")
METADATA = MetadataRequest(topics=[])
PATIENCE = 20.0


@asynccontextmanager
async def pool_of(*addresses: str, runtime: Runtime | None = None, **options: Any) -> AsyncGenerator[Pool]:
    options = {"reconnect_backoff_ms": 1, "reconnect_backoff_max_ms": 4, **options}
    pool = Pool(ConsumerConfig(bootstrap_servers=",".join(addresses), **options), runtime or Runtime())
    try:
        yield pool
    finally:
        await pool.aclose()


@asynccontextmanager
async def connected(broker: ScriptedBroker, **options: Any) -> AsyncGenerator[Pool]:
    """A pool that knows the broker by its id."""
    async with pool_of(broker.address, **options) as pool:
        pool.update([Broker(NODE, broker.host, broker.port)], advertised_by=broker.address)
        yield pool


class Ordered(Runtime):
    """Tries the first candidate first, and jitters by nothing."""

    def random(self) -> float:
        return 0.5

    async def resolve(self, host: str, port: int) -> list[str]:
        return ["127.0.0.1"] if host == "localhost" else await super().resolve(host, port)


# ── connections and roles ──


@pytest.mark.asyncio
async def test_each_role_has_a_connection_of_its_own_opened_when_first_needed() -> None:
    async with ScriptedBroker() as broker:
        async with connected(broker) as pool:
            assert broker.calls == []
            for role in (Role.QUICK, Role.FETCH, Role.JOIN, Role.SLOW, Role.FETCH, Role.QUICK):
                await pool.request(NODE, HEARTBEAT, role, timeout=PATIENCE)
            assert [call.connection for call in broker.of("Heartbeat")] == [1, 2, 3, 4, 2, 1]
            assert broker.apis().count("ApiVersions") == 1
        await broker.until(lambda: not broker.peers)


@pytest.mark.asyncio
async def test_concurrent_callers_share_one_opening() -> None:
    async with ScriptedBroker() as broker, connected(broker) as pool:
        versions = broker.hold("ApiVersions")
        async with asyncio.TaskGroup() as tasks:
            for _ in range(5):
                tasks.create_task(pool.request(NODE, HEARTBEAT, Role.QUICK, timeout=PATIENCE))
            await broker.received("ApiVersions")
            versions.release()
        assert broker.apis() == ["ApiVersions"] + ["Heartbeat"] * 5
        assert len(broker.peers) == 1


@pytest.mark.asyncio
async def test_roles_that_open_at_the_same_time_ask_for_the_versions_once() -> None:
    async with ScriptedBroker() as broker, connected(broker) as pool:
        versions = broker.hold("ApiVersions")
        async with asyncio.TaskGroup() as tasks:
            for role in Role:
                tasks.create_task(pool.request(NODE, HEARTBEAT, role, timeout=PATIENCE))
            await broker.until(lambda: len(broker.peers) == len(Role))
            versions.release()
        assert broker.apis() == ["ApiVersions"] + ["Heartbeat"] * 4


@pytest.mark.asyncio
@pytest.mark.parametrize("native", [True, False])
async def test_a_cancelled_opener_does_not_strand_the_next(native: bool) -> None:
    async with ScriptedBroker() as broker:
        async with connected(broker) as pool:
            versions = broker.hold("ApiVersions")
            scope = anyio.CancelScope()

            async def ask() -> None:
                with scope:
                    await pool.request(NODE, HEARTBEAT, Role.QUICK, timeout=PATIENCE)

            opener = asyncio.create_task(ask())
            await broker.received("ApiVersions")
            next_one = asyncio.create_task(pool.request(NODE, HEARTBEAT, Role.QUICK, timeout=PATIENCE))
            await asyncio.sleep(0)
            _ = opener.cancel() if native else scope.cancel()
            await broker.received("ApiVersions", 2)
            versions.release()
            assert (await next_one).error_code == 25  # an answer
            assert opener.done()
            assert list(broker.peers) == [2]
        await broker.until(lambda: not broker.peers)


@pytest.mark.asyncio
async def test_a_quick_request_is_answered_while_others_are_parked() -> None:
    """A commit and a heartbeat within 50 ms, with a JoinGroup and a CreateTopics in the air."""
    async with ScriptedBroker() as broker, connected(broker) as pool:
        await pool.ensure(NODE)
        holds = [broker.hold("JoinGroup"), broker.hold("CreateTopics")]
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(pool.request(NODE, JoinGroupRequest(group_id="g"), Role.JOIN, timeout=PATIENCE))
            tasks.create_task(pool.request(NODE, CreateTopicsRequest(), Role.SLOW, timeout=PATIENCE))
            await broker.received("JoinGroup")
            await broker.received("CreateTopics")
            async with asyncio.timeout(0.05):
                await pool.request(NODE, HEARTBEAT, Role.QUICK, timeout=PATIENCE)
                await pool.request(NODE, OffsetCommitRequest(group_id="g"), Role.QUICK, timeout=PATIENCE, cap=9)
            for hold in holds:
                hold.release(code=42)
            broker.on("CreateTopics", lambda call: call.request.RESPONSE())


@pytest.mark.asyncio
async def test_abandon_closes_one_role_and_the_next_request_opens_it_again() -> None:
    async with ScriptedBroker() as broker, connected(broker) as pool:
        await pool.ensure(NODE)
        broker.hold("JoinGroup")
        join = JoinGroupRequest(group_id="g")
        parked = asyncio.create_task(pool.request(NODE, join, Role.JOIN, timeout=PATIENCE))
        await broker.received("JoinGroup")
        pool.abandon(Role.JOIN)
        with pytest.raises(BrokerUnreachableError, match="was closed"):
            await parked
        await broker.until(lambda: list(broker.peers) == [1])
        await pool.request(NODE, HEARTBEAT, Role.JOIN, timeout=PATIENCE)
        assert list(broker.peers) == [1, 3]


# ── versions ──


@pytest.mark.asyncio
async def test_a_broker_that_came_back_is_asked_for_its_versions_again() -> None:
    async with ScriptedBroker() as broker, connected(broker) as pool:
        broker.caps["Heartbeat"] = 3
        await pool.request(NODE, HEARTBEAT, Role.QUICK, timeout=PATIENCE)
        await pool.request(NODE, HEARTBEAT, Role.FETCH, timeout=PATIENCE)
        broker.caps["Heartbeat"] = 1
        broker.drop_connection("Heartbeat")
        with pytest.raises(BrokerUnreachableError):
            await pool.request(NODE, HEARTBEAT, Role.QUICK, timeout=PATIENCE)
        await pool.request(NODE, HEARTBEAT, Role.QUICK, timeout=PATIENCE)  # the other connection lives: the same broker
        broker.disconnect()
        async with asyncio.timeout(PATIENCE):
            while pool._nodes[broker.address].alive:
                await asyncio.sleep(0)
        await pool.request(NODE, HEARTBEAT, Role.QUICK, timeout=PATIENCE)

        assert [call.version for call in broker.of("Heartbeat")] == [3, 3, 3, 3, 1]
        assert broker.apis().count("ApiVersions") == 2


@pytest.mark.asyncio
async def test_an_older_broker_answers_api_versions_in_version_0_and_is_asked_again() -> None:
    """KIP-511."""
    async with ScriptedBroker() as broker, connected(broker) as pool:
        broker.caps["ApiVersions"] = 2
        await pool.request(NODE, HEARTBEAT, Role.QUICK, timeout=PATIENCE)
        assert [(call.api, call.version) for call in broker.calls][1:] == [("ApiVersions", 2), ("Heartbeat", 4)]
        assert pool.versions(NODE)[18] == (0, 2)


@pytest.mark.asyncio
async def test_a_broker_that_refuses_what_it_offers_is_no_broker() -> None:
    async with ScriptedBroker() as broker, connected(broker) as pool:
        broker.fail_next("ApiVersions", *[35] * 9)
        with pytest.raises(ProtocolError):
            await pool.request(NODE, HEARTBEAT, Role.QUICK, timeout=PATIENCE)
        await broker.until(lambda: not broker.peers)


@pytest.mark.asyncio
async def test_no_version_in_common_is_an_error_before_anything_is_sent() -> None:
    async with ScriptedBroker() as broker, connected(broker) as pool:
        broker.caps["Heartbeat"] = -1
        with pytest.raises(UnsupportedVersionError, match="Heartbeat"):
            await pool.request(NODE, HEARTBEAT, Role.QUICK, timeout=PATIENCE)
        await pool.request(NODE, METADATA, Role.QUICK, timeout=PATIENCE, cap=5)
        assert [(call.api, call.version) for call in broker.calls[1:]] == [("Metadata", 5)]


# ── who answers ──


@pytest.mark.asyncio
async def test_several_bootstrap_addresses_of_which_the_first_is_dead() -> None:
    class FirstFirst(Ordered):
        def random(self) -> float:
            return 0.0

    async with (
        ScriptedBroker() as broker,
        pool_of(f"127.0.0.1:{free_port()}", broker.address, runtime=FirstFirst()) as pool,
    ):
        _, address = await pool.request_any(METADATA, timeout=PATIENCE)
        assert address == broker.address


@pytest.mark.asyncio
async def test_when_nobody_answers_all_are_named() -> None:
    dead = [f"127.0.0.1:{free_port()}" for _ in range(2)]
    async with pool_of(*dead) as pool:
        with pytest.raises(BrokerUnreachableError) as caught:
            await pool.request_any(METADATA, timeout=PATIENCE)
    assert all(address in str(caught.value) and address in caught.value.address for address in dead)
    assert "Check bootstrap_servers" in str(caught.value)


@pytest.mark.asyncio
async def test_an_advertised_address_that_cannot_be_reached_names_both() -> None:
    port = free_port()
    async with ScriptedBroker() as broker, pool_of(broker.address) as pool:
        pool.update([Broker(NODE, "127.0.0.1", port)], advertised_by=broker.address)
        with pytest.raises(BrokerUnreachableError) as caught:
            await pool.request(NODE, HEARTBEAT, Role.QUICK, timeout=PATIENCE)
    assert (caught.value.address, caught.value.advertised_by) == (f"127.0.0.1:{port}", broker.address)
    assert f"127.0.0.1:{port}" in str(caught.value)
    assert f"(the address that {broker.address} advertises)" in str(caught.value)
    assert "advertised.listeners" in caught.value.remedy


@pytest.mark.asyncio
async def test_a_broker_that_metadata_does_not_name_is_an_error_at_once() -> None:
    async with pool_of("127.0.0.1:1") as pool:
        with pytest.raises(BrokerUnreachableError, match="does not name broker 7"):
            await pool.request(7, HEARTBEAT, Role.QUICK, timeout=PATIENCE)


@pytest.mark.asyncio
async def test_a_server_that_says_nothing_is_given_up() -> None:
    async with ScriptedBroker() as broker:
        async with pool_of(broker.address, socket_connection_setup_timeout_ms=20) as pool:
            broker.hold("ApiVersions")
            with pytest.raises(BrokerUnreachableError, match=r"no answer within 0\.02 s"):
                await pool.request_any(METADATA, timeout=PATIENCE)
        await broker.until(lambda: not broker.peers)


@pytest.mark.asyncio
async def test_a_call_ends_in_its_own_time_while_a_connection_is_opened() -> None:
    async with ScriptedBroker() as broker, connected(broker) as pool:
        broker.hold("ApiVersions")
        with pytest.raises(KafkaTimeoutError, match=f"No connection to {broker.address} within"):
            await pool.request(NODE, HEARTBEAT, Role.QUICK, timeout=0.02)
        await broker.until(lambda: not broker.peers)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("words", "message"),
    [(b"HTTP/1.1 400 Bad Request\r\n\r\n", "looks like HTTP"), (b"\x15\x03\x03\x00\x02\x02\x46", "looks like TLS")],
)
async def test_a_server_that_is_no_kafka_is_said_to_be_none(words: bytes, message: str) -> None:
    async with ScriptedBroker() as broker:
        broker.on("ApiVersions", lambda _: words)
        async with pool_of(broker.address) as pool:
            with pytest.raises(ProtocolError, match=message):
                await pool.request_any(METADATA, timeout=PATIENCE)
            broker.on("ApiVersions", broker._api_versions)
            await pool.request_any(METADATA, timeout=PATIENCE)  # the next good call works
        await broker.until(lambda: not broker.peers)


# ── brokers that hang ──


@asynccontextmanager
async def two_brokers(**options: Any) -> AsyncGenerator[tuple[ScriptedBroker, ScriptedBroker, Pool]]:
    """Two brokers of one cluster, NODE and NODE + 1, both connected."""
    async with ScriptedBroker() as one, ScriptedBroker() as two:
        async with pool_of(one.address, two.address, runtime=Ordered(), **options) as pool:
            pool.update([Broker(NODE, one.host, one.port), Broker(NODE + 1, two.host, two.port)])
            for node in (NODE, NODE + 1):
                await pool.ensure(node)
            yield one, two, pool
        await one.until(lambda: not one.peers)
        await two.until(lambda: not two.peers)


@pytest.mark.asyncio
async def test_a_broker_that_does_not_answer_is_not_waited_for_alone() -> None:
    """Another one is asked beside it, soon; the next question goes to that one at once."""
    async with two_brokers() as (one, two, pool):
        holds = {broker.address: broker.hold("Metadata") for broker in (one, two)}
        asked = asyncio.create_task(pool.request_any(METADATA, timeout=60))
        await asyncio.wait([asyncio.create_task(broker.received("Metadata")) for broker in (one, two)])
        frozen, other = (one, two) if one.calls[-1].api == "Metadata" else (two, one)
        holds[other.address].release()
        async with asyncio.timeout(PATIENCE):
            assert (await asked)[1] == other.address
            frozen_asked = len(frozen.of("Metadata"))
            assert (await pool.request_any(METADATA, timeout=60))[1] == other.address
        assert len(frozen.of("Metadata")) == frozen_asked
        holds[frozen.address].release()


@pytest.mark.asyncio
async def test_brokers_that_all_hang_are_waited_for_until_the_time_is_over() -> None:
    async with two_brokers() as (one, two, pool):
        holds = [broker.hold("Metadata") for broker in (one, two)]
        with pytest.raises(BrokerUnreachableError) as caught:
            await pool.request_any(METADATA, timeout=0.8)
        assert all(f"{broker.address} did not answer Metadata" in str(caught.value) for broker in (one, two))
        for hold in holds:
            hold.release()


@pytest.mark.asyncio
async def test_the_slowest_answer_counts_when_the_others_fail() -> None:
    """The first one is late, the second one refuses the connection."""
    async with two_brokers() as (one, two, pool):
        one.delay("Metadata", 0.7)
        two.drop_connection("Metadata", times=9)
        two.delay("ApiVersions", 0.7)
        assert (await pool.request_any(METADATA, timeout=PATIENCE))[1] == one.address


@pytest.mark.asyncio
async def test_who_waits_for_a_broker_that_left_the_cluster_is_told_at_once() -> None:
    """Although it is a bootstrap server too, and whether it is asked, connected to, or next in line for that."""
    async with two_brokers() as (one, two, pool):
        one.hold("Heartbeat")
        asked = asyncio.create_task(pool.request(NODE, HEARTBEAT, Role.QUICK, timeout=60))
        await one.received("Heartbeat")
        async with asyncio.timeout(PATIENCE):
            pool.update([Broker(NODE + 1, two.host, two.port)])
            with pytest.raises(BrokerUnreachableError):
                await asked
            await one.until(lambda: not one.peers)

            pool.update([Broker(NODE, one.host, one.port), Broker(NODE + 1, two.host, two.port)])
            one.hold("ApiVersions")
            opening = asyncio.create_task(pool.request(NODE, HEARTBEAT, Role.QUICK, timeout=60))
            await one.received("ApiVersions", 2)
            behind = asyncio.create_task(pool.request(NODE, HEARTBEAT, Role.QUICK, timeout=60))
            await asyncio.sleep(0)
            pool.update([Broker(NODE + 1, two.host, two.port)])
            for waiting in (opening, behind):
                with pytest.raises(BrokerUnreachableError, match="not used any more"):
                    await waiting
        assert len(one.of("ApiVersions")) == 2


# ── the end ──


@pytest.mark.asyncio
async def test_a_connection_that_is_opened_while_the_pool_closes_does_not_stay_open() -> None:
    async with ScriptedBroker() as broker:
        async with connected(broker) as pool:
            versions = broker.hold("ApiVersions")
            call = asyncio.create_task(pool.request(NODE, HEARTBEAT, Role.QUICK, timeout=PATIENCE))
            await broker.received("ApiVersions")
            await pool.aclose()
            versions.release()
            with pytest.raises(BrokerUnreachableError):
                await call
            with pytest.raises(BrokerUnreachableError, match="closed"):
                await pool.request(NODE, HEARTBEAT, Role.QUICK, timeout=PATIENCE)
        await broker.until(lambda: not broker.peers)


@pytest.mark.asyncio
async def test_a_connection_to_a_broker_that_left_the_cluster_is_closed() -> None:
    """Also one that is just being opened."""
    async with ScriptedBroker() as broker, ScriptedBroker() as other, pool_of(other.address) as pool:
        pool.update([Broker(NODE, broker.host, broker.port)])
        await pool.ensure(NODE)
        pool.update([])
        await broker.until(lambda: not broker.peers)

        pool.update([Broker(NODE, broker.host, broker.port)])
        versions = broker.hold("ApiVersions")
        call = asyncio.create_task(pool.request(NODE, HEARTBEAT, Role.QUICK, timeout=PATIENCE))
        await broker.received("ApiVersions", 2)
        pool.update([])
        versions.release()
        with pytest.raises(BrokerUnreachableError, match="not used any more"):
            await call
        await broker.until(lambda: not broker.peers)


# ── backoff ──


class DeadNetwork(Runtime):
    """Every connection is refused."""

    def __init__(self, random: float) -> None:
        self._random = random
        self.attempts: list[float] = []

    def random(self) -> float:
        return self._random

    async def connect(self, protocol: Callable[[], Any], address: str, port: int, **_: Any) -> Any:
        self.attempts.append(self.now())
        raise ConnectionRefusedError(111, "Connection refused")


@pytest.mark.parametrize(("random", "factor"), [(0.0, 0.8), (0.5, 1.0), (0.999999, 1.2)])
def test_reconnects_back_off_exponentially_with_jitter(random: float, factor: float) -> None:
    """KIP-580: doubling from the first delay to the longest, each up to 20 % off."""
    runtime = DeadNetwork(random)

    async def main() -> None:
        async with pool_of(
            "127.0.0.1:9092", runtime=runtime, reconnect_backoff_ms=50, reconnect_backoff_max_ms=1000
        ) as pool:
            for _ in range(8):
                with pytest.raises(BrokerUnreachableError, match="Connection refused"):
                    await pool.request_any(METADATA, timeout=PATIENCE)

    run_virtually(main())
    waits = [later - earlier for earlier, later in zip(runtime.attempts, runtime.attempts[1:], strict=False)]
    exact = [0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
    assert waits == pytest.approx([wait * factor for wait in exact], rel=1e-4)


def test_a_backoff_starts_over_and_never_overflows() -> None:
    backoff = Backoff(100, 1000, lambda: 0.5)
    assert [backoff.next() for _ in range(5)] == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.0])
    backoff.reset()
    assert backoff.next() == pytest.approx(0.1)
    assert delay(10_000, 100, 1000, lambda: 0.5) == pytest.approx(1.0)
    assert delay(3, 100, 10, lambda: 0.5) == pytest.approx(0.1)  # a longest below the first means no growth


# ── TLS ──


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    """A self-signed certificate for localhost, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl command to make a certificate with")
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    yield certificate, key


def server_context(certificates: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificates)
    return context


@pytest.mark.asyncio
async def test_tls_works_end_to_end(certificates: tuple[Path, Path]) -> None:
    trusting = ssl.create_default_context(cafile=certificates[0])
    async with ScriptedBroker(ssl=server_context(certificates)) as broker:
        async with pool_of(broker.address, security_protocol="SSL", ssl_context=trusting, runtime=Ordered()) as pool:
            answer, _ = await pool.request_any(METADATA, timeout=PATIENCE)
            assert answer.cluster_id == "scripted"
        await broker.until(lambda: not broker.peers)


@pytest.mark.asyncio
async def test_a_certificate_of_an_unknown_authority_is_a_clear_error(certificates: tuple[Path, Path]) -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda *_: None)  # the server's side of the failed handshake
    async with (
        ScriptedBroker(ssl=server_context(certificates)) as broker,
        pool_of(
            broker.address, security_protocol="SSL", ssl_context=ssl.create_default_context(), runtime=Ordered()
        ) as pool,
    ):
        with pytest.raises(BrokerUnreachableError, match=r"TLS failed: .*CERTIFICATE_VERIFY_FAILED") as caught:
            await pool.request_any(METADATA, timeout=PATIENCE)
        assert broker.address in str(caught.value)
        assert broker.calls == []


@pytest.mark.asyncio
async def test_plaintext_to_a_tls_listener_says_so(certificates: tuple[Path, Path]) -> None:
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    async with (
        ScriptedBroker(ssl=server_context(certificates)) as broker,
        pool_of(broker.address, runtime=Ordered(), socket_connection_setup_timeout_ms=500) as pool,
    ):
        with pytest.raises((BrokerUnreachableError, ProtocolError)) as caught:
            await pool.request_any(METADATA, timeout=PATIENCE)
        assert broker.address in str(caught.value) or "TLS" in str(caught.value)


# ── throttling ──


class Frozen(Ordered):
    """A clock that goes when it is told to."""

    clock = 10.0

    def now(self) -> float:
        return self.clock


def throttling(*milliseconds: int) -> Callable[[Call], Any]:
    """Answers with these throttle times, one after another, then with none."""
    times = iter(milliseconds)
    return lambda call: call.request.RESPONSE(throttle_time_ms=next(times, 0))


@pytest.mark.asyncio
async def test_a_throttle_is_its_connections_own() -> None:
    """The broker mutes that channel and no other (KIP-219); it is over with the connection."""
    runtime = Frozen()
    told: list[tuple[str, Role, float]] = []
    async with ScriptedBroker() as broker, connected(broker, runtime=runtime) as pool:
        pool._on_throttle = lambda *what: told.append(what)
        broker.on("Heartbeat", throttling(1500))
        await pool.request(NODE, HEARTBEAT, Role.FETCH, timeout=PATIENCE)
        assert pool.throttled(NODE, Role.FETCH) == 1.5
        assert pool.throttled(NODE, Role.QUICK) == 0.0
        assert pool.throttled(99, Role.FETCH) == 0.0
        assert told == [(broker.address, Role.FETCH, 1.5)]
        runtime.clock = 11.0
        assert pool.throttled(NODE, Role.FETCH) == 0.5
        runtime.clock = 12.0
        assert pool.throttled(NODE, Role.FETCH) == 0.0
        runtime.clock = 11.0
        pool.abandon(Role.FETCH)
        assert pool.throttled(NODE, Role.FETCH) == 0.0


@pytest.mark.asyncio
async def test_nothing_is_sent_while_a_connection_is_throttled() -> None:
    """On another one everything goes on."""
    arrived: list[float] = []
    async with ScriptedBroker() as broker, connected(broker) as pool:
        answers = throttling(200)

        def note(call: Call) -> Any:
            arrived.append(asyncio.get_running_loop().time())
            return answers(call)

        broker.on("Heartbeat", note)
        await pool.request(NODE, HEARTBEAT, Role.FETCH, timeout=PATIENCE)
        waiting = asyncio.create_task(pool.request(NODE, HEARTBEAT, Role.FETCH, timeout=PATIENCE))
        await pool.request(NODE, HEARTBEAT, Role.QUICK, timeout=PATIENCE)
        assert not waiting.done()
        await waiting
    assert arrived[2] - arrived[0] >= 0.2


@pytest.mark.asyncio
async def test_a_call_that_a_throttle_outlasts_ends_in_its_time() -> None:
    """The connection stays: a broker that mutes it is no broker that hangs."""
    async with ScriptedBroker() as broker, connected(broker) as pool:
        broker.on("Heartbeat", throttling(60_000))
        await pool.request(NODE, HEARTBEAT, Role.QUICK, timeout=PATIENCE)
        with pytest.raises(KafkaTimeoutError, match=r"throttles this client: nothing could be sent within 0\.05 s"):
            await pool.request(NODE, HEARTBEAT, Role.QUICK, timeout=0.05)
        assert len(broker.peers) == 1
        assert len(broker.of("Heartbeat")) == 1


@pytest.mark.asyncio
async def test_a_request_that_a_throttle_left_no_time_for_its_answer_does_no_harm_to_others() -> None:
    """It is sent with some milliseconds left; what is behind it on the connection is answered."""
    async with ScriptedBroker() as broker, connected(broker) as pool:
        broker.on("Heartbeat", throttling(200))
        await pool.request(NODE, HEARTBEAT, Role.QUICK, timeout=PATIENCE)
        broker.delay("Metadata", 0.1)
        hurried = asyncio.create_task(pool.request(NODE, METADATA, Role.QUICK, timeout=0.22))
        await broker.received("Metadata")
        behind = asyncio.create_task(pool.request(NODE, HEARTBEAT, Role.QUICK, timeout=PATIENCE))
        with pytest.raises(KafkaTimeoutError, match="did not answer Metadata within"):
            await hurried
        await behind
        assert list(broker.peers) == [1]


@pytest.mark.asyncio
async def test_a_broker_that_has_waited_itself_is_not_waited_for_again() -> None:
    """Before Kafka 2.0, which serves Fetch 8, brokers answered late and said by how much."""
    async with ScriptedBroker() as broker, connected(broker) as pool:
        broker.caps["Fetch"] = 7
        broker.on("Heartbeat", throttling(60_000))
        await pool.request(NODE, HEARTBEAT, Role.QUICK, timeout=PATIENCE)
        assert pool.throttled(NODE, Role.QUICK) == 0.0


# ── beginning anew ──


class Names(Ordered):
    """`kafka.test` is this machine; the names that were looked up are noted."""

    def __init__(self) -> None:
        self.looked_up: list[str] = []

    async def resolve(self, host: str, port: int) -> list[str]:
        self.looked_up.append(host)
        return ["127.0.0.1"]


@pytest.mark.asyncio
async def test_where_no_known_broker_answers_the_bootstrap_servers_are_asked() -> None:
    """By their names, looked up anew (KIP-899)."""
    runtime = Names()
    async with ScriptedBroker() as front, ScriptedBroker() as known:
        async with pool_of(f"kafka.test:{front.port}", runtime=runtime) as pool:
            await pool.request_any(METADATA, timeout=PATIENCE)
            pool.update([Broker(NODE, "known.test", known.port), Broker(2, "dead.test", free_port())])
            assert [(await pool.request_any(METADATA, timeout=PATIENCE))[1] for _ in range(3)] == [
                f"known.test:{known.port}"
            ] * 3
            known.on("Metadata", lambda _: None)
            front.disconnect()
            await front.until(lambda: not front.peers)
            runtime.looked_up.clear()
            _, address = await pool.request_any(METADATA, timeout=PATIENCE)
            assert address == f"kafka.test:{front.port}"
            assert not pool.knows(address)
            assert runtime.looked_up == ["dead.test", "kafka.test"]
        await known.until(lambda: not known.peers)


@pytest.mark.asyncio
async def test_brokers_that_are_slow_are_not_taken_for_gone() -> None:
    """A bootstrap server, which may lead elsewhere by now, is not even connected to."""
    async with ScriptedBroker() as front, two_brokers() as (one, two, pool):
        pool._bootstrap = [pool._node(front.host, front.port), *pool._bootstrap]
        for broker in (one, two):
            broker.delay("Metadata", 1.4)
        _, address = await pool.request_any(METADATA, timeout=30)
        assert address in (one.address, two.address)
        assert front.calls == []


@pytest.mark.asyncio
async def test_without_recovery_brokers_that_hang_are_all_that_is_asked_too() -> None:
    options: dict[str, Any] = {"metadata_recovery_strategy": "none", "runtime": Ordered()}
    async with ScriptedBroker() as front, ScriptedBroker() as known, pool_of(front.address, **options) as pool:
        pool.update([Broker(NODE, known.host, known.port)])
        hold = known.hold("Metadata")
        with pytest.raises(BrokerUnreachableError, match="did not answer Metadata"):
            await pool.request_any(METADATA, timeout=0.7)
        hold.release()
        assert front.calls == []


@pytest.mark.asyncio
async def test_without_recovery_the_known_brokers_are_all_that_is_asked() -> None:
    options: dict[str, Any] = {"metadata_recovery_strategy": "none", "runtime": Ordered()}
    async with ScriptedBroker() as front, pool_of(front.address, **options) as pool:
        await pool.request_any(METADATA, timeout=PATIENCE)
        port = free_port()
        pool.update([Broker(NODE, "127.0.0.1", port)])
        with pytest.raises(BrokerUnreachableError) as caught:
            await pool.request_any(METADATA, timeout=PATIENCE)
        assert caught.value.address == f"127.0.0.1:{port}"
        assert front.apis() == ["ApiVersions", "Metadata"]


@pytest.mark.asyncio
async def test_beginning_anew_forgets_the_cluster() -> None:
    """Its connections are closed, and those to the bootstrap servers too, whose names may mean others by now."""
    runtime = Names()
    async with ScriptedBroker() as front, ScriptedBroker() as known:
        async with pool_of(f"kafka.test:{front.port}", runtime=runtime) as pool:
            await pool.request_any(METADATA, timeout=PATIENCE)
            pool.update([Broker(NODE, known.host, known.port)])
            await pool.request(NODE, HEARTBEAT, Role.FETCH, timeout=PATIENCE)
            pool.rebootstrap()
            await known.until(lambda: not known.peers)
            await front.until(lambda: not front.peers)
            with pytest.raises(BrokerUnreachableError, match="does not name broker 1"):
                await pool.request(NODE, HEARTBEAT, Role.FETCH, timeout=PATIENCE)
            await pool.request_any(METADATA, timeout=PATIENCE)
            assert runtime.looked_up == ["kafka.test", known.host, "kafka.test"]
        await front.until(lambda: not front.peers)

"""Logging in: what is sent, once per connection and before anything else; how it fails; how long it lasts."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from kafkastatic._net.pool import Pool, Role
from kafkastatic._protocol.messages.heartbeat import HeartbeatRequest
from kafkastatic._protocol.messages.metadata import MetadataRequest
from kafkastatic._runtime import Runtime
from kafkastatic.config import ConsumerConfig
from kafkastatic.errors import (
    AuthenticationError,
    BrokerUnreachableError,
    ConfigError,
    IllegalSaslStateError,
    ProtocolError,
    SaslAuthenticationFailedError,
    UnsupportedSaslMechanismError,
    UnsupportedVersionError,
)
from kafkastatic.types import Broker
from tests.support.sasl import LOGIN, MECHANISMS, SaslListener, everything_said
from tests.support.scripted_broker import NODE, ScriptedBroker

HEARTBEAT = HeartbeatRequest(group_id="g", generation_id=1, member_id="m")
METADATA = MetadataRequest(topics=[])
PATIENCE = 20.0


class Watched(Runtime):
    """Counts what goes to a thread; its clock can be set ahead."""

    def __init__(self) -> None:
        self.threads: list[str] = []
        self.ahead = 0.0

    def now(self) -> float:
        return super().now() + self.ahead

    async def run_in_thread(self, function: Callable[..., Any], *args: object) -> Any:
        self.threads.append(function.__name__)
        return await super().run_in_thread(function, *args)


@asynccontextmanager
async def pool_of(
    *brokers: ScriptedBroker, runtime: Runtime | None = None, refused: list[Exception] | None = None, **options: Any
) -> AsyncGenerator[Pool]:
    """A pool that knows the first broker by its id."""
    addresses = ",".join(broker.address for broker in brokers)
    options = {**LOGIN, "reconnect_backoff_ms": 1, "reconnect_backoff_max_ms": 4, **options}
    told = [] if refused is None else refused
    pool = Pool(ConsumerConfig(bootstrap_servers=addresses, **options), runtime or Runtime(), refused=told.append)
    pool.update([Broker(NODE, brokers[0].host, brokers[0].port)], advertised_by=brokers[0].address)
    try:
        yield pool
    finally:
        await pool.aclose()


async def beat(pool: Pool, role: Role = Role.QUICK) -> Any:
    return await pool.request(NODE, HEARTBEAT, role, timeout=PATIENCE)


# ── what is sent ──


@pytest.mark.asyncio
@pytest.mark.parametrize("mechanism", MECHANISMS)
async def test_a_login_comes_before_anything_else_and_once_per_connection(mechanism: str) -> None:
    steps = ["SaslAuthenticate"] * (1 if mechanism == "PLAIN" else 2)
    async with ScriptedBroker() as broker:
        listener = SaslListener(broker)
        async with pool_of(broker, sasl_mechanism=mechanism) as pool:
            for role in (Role.QUICK, Role.QUICK, Role.FETCH, Role.QUICK):
                await beat(pool, role)
        assert broker.apis() == [
            *("ApiVersions", "SaslHandshake", *steps, "Heartbeat", "Heartbeat"),
            *("SaslHandshake", *steps, "Heartbeat", "Heartbeat"),
        ]
        assert listener.logins == [1, 2]
        assert {call.version for call in broker.of("SaslHandshake")} == {1}
        assert {call.version for call in broker.of("SaslAuthenticate")} == {2}


@pytest.mark.asyncio
async def test_plain_is_the_name_and_the_password_behind_nuls() -> None:
    """RFC 4616, with no identity to act as."""
    async with ScriptedBroker() as broker:
        listener = SaslListener(broker)
        listener.passwords["chloé"] = "ｐa55,="
        async with pool_of(
            broker, sasl_mechanism="PLAIN", sasl_plain_username="chloé", sasl_plain_password="ｐa55,="
        ) as pool:
            await beat(pool)
        sent = [call.request.auth_bytes for call in broker.of("SaslAuthenticate")]
        assert sent == [b"\0chlo\xc3\xa9\0\xef\xbd\x90a55,="]


@pytest.mark.asyncio
async def test_scram_never_sends_the_password_and_never_the_same_nonce() -> None:
    async with ScriptedBroker() as broker:
        SaslListener(broker)
        async with pool_of(broker) as pool:
            await beat(pool)
            await beat(pool, Role.FETCH)
        sent = [call.request.auth_bytes for call in broker.of("SaslAuthenticate")]
        assert not any(b"secret-of-alice" in data for data in sent)
        firsts = [data for data in sent if data.startswith(b"n,,n=alice,r=")]
        assert len(firsts) == len({*firsts}) == 2


@pytest.mark.asyncio
async def test_connections_that_open_at_the_same_time_salt_once_and_ask_for_the_versions_once() -> None:
    """In a thread, so that heartbeats go on; and again when the broker asks for something else."""
    async with ScriptedBroker() as broker:
        listener, runtime = SaslListener(broker), Watched()
        async with pool_of(broker, runtime=runtime) as pool:
            async with asyncio.TaskGroup() as tasks:
                for role in Role:
                    tasks.create_task(beat(pool, role))
            assert len(listener.logins) == len(Role)
            assert broker.apis().count("ApiVersions") == 1
            assert runtime.threads == ["salt_password"]

            pool.abandon(Role.JOIN)
            await beat(pool, Role.JOIN)
            assert runtime.threads == ["salt_password"]

            for salt, iterations in ((b"another salt of 16", 4096), (b"another salt of 16", 4097)):
                listener.salt, listener.iterations = salt, iterations
                pool.abandon(Role.JOIN)
                await beat(pool, Role.JOIN)
            assert runtime.threads == ["salt_password"] * 3


# ── how it fails ──


def options_password(wrong: dict[str, str]) -> str:
    return {**LOGIN, **wrong}["sasl_plain_password"]


@pytest.mark.asyncio
@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("wrong", [{"sasl_plain_password": "a-wild-guess"}, {"sasl_plain_username": "mallory"}])
async def test_wrong_credentials_are_an_error_at_once(mechanism: str, wrong: dict[str, str]) -> None:
    """Said by the first broker that is asked; no other one is tried, and whoever wants to know is told."""
    async with ScriptedBroker() as broker, ScriptedBroker() as other:
        SaslListener(broker)
        SaslListener(other)
        told: list[Exception] = []
        async with pool_of(broker, other, refused=told, sasl_mechanism=mechanism, **wrong) as pool:
            with pytest.raises(SaslAuthenticationFailedError) as caught:
                await pool.request_any(METADATA, timeout=PATIENCE)
            assert len(broker.peers) + len(other.peers) <= 1
        error = caught.value
        assert options_password(wrong) not in everything_said(error)
        assert told == [error]
        assert isinstance(error, AuthenticationError)
        assert (error.code, error.retriable, error.fatal) == (58, False, True)
        assert (error.api, error.detail, error.mechanism) == ("SaslAuthenticate", "Authentication failed.", mechanism)
        assert error.username == wrong.get("sasl_plain_username", "alice")
        assert error.address in (broker.address, other.address)
        assert str(error) == (
            f"The login of {error.username!r} at {error.address} with {mechanism} failed: SaslAuthenticate answered"
            " SASL_AUTHENTICATION_FAILED (58): Authentication failed. Check sasl_plain_username and"
            f" sasl_plain_password, and that the brokers know this user for {mechanism}."
        )
        assert sorted(broker.apis() + other.apis()).count("ApiVersions") == 1
        await broker.until(lambda: not broker.peers)
        await other.until(lambda: not other.peers)


@pytest.mark.asyncio
async def test_a_mechanism_that_is_not_offered_names_those_that_are() -> None:
    async with ScriptedBroker() as broker:
        SaslListener(broker).offered = ["OAUTHBEARER", "SCRAM-SHA-512"]
        async with pool_of(broker) as pool:
            with pytest.raises(UnsupportedSaslMechanismError, match="it offers OAUTHBEARER, SCRAM-SHA-512") as caught:
                await beat(pool)
        assert (caught.value.code, caught.value.api) == (33, "SaslHandshake")
        assert "Set sasl_mechanism to one that the broker offers." in str(caught.value)
        await broker.until(lambda: not broker.peers)


@pytest.mark.asyncio
async def test_a_listener_without_sasl_says_so() -> None:
    """Kafka answers ILLEGAL_SASL_STATE there."""
    async with ScriptedBroker() as broker:
        broker.fail_next("SaslHandshake", 34)
        async with pool_of(broker) as pool:
            with pytest.raises(IllegalSaslStateError, match="the listener takes no login") as caught:
                await beat(pool)
        assert "Set security_protocol to 'PLAINTEXT', or name a SASL listener" in caught.value.remedy


@pytest.mark.asyncio
async def test_an_unknown_refusal_keeps_its_number() -> None:
    async with ScriptedBroker() as broker:
        SaslListener(broker)
        broker.fail_next("SaslAuthenticate", 777)
        async with pool_of(broker) as pool:
            with pytest.raises(AuthenticationError, match=r"answered UNKNOWN_CODE_777 \(777\)") as caught:
                await beat(pool)
        assert (caught.value.code, caught.value.retriable) == (777, False)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("v=", "v=AAAA", "signature is wrong"),
        ("v=", "e=other-error,v=", "the server says other-error"),
        ("i=4096", "i=1", "1 iterations"),
        ("i=4096", "i=99999999", "99999999 iterations"),
        ("r=", "r=A", "nonce does not continue ours"),
    ],
)
async def test_a_broker_that_does_not_prove_itself_is_not_trusted(old: str, new: str, words: str) -> None:
    """It gets no request; nobody's code is claimed for what we found out ourselves."""
    async with ScriptedBroker() as broker:
        SaslListener(broker).tamper = lambda message: message.replace(old, new, 1)
        async with pool_of(broker) as pool:
            with pytest.raises(AuthenticationError, match=words) as caught:
                await beat(pool)
        assert (caught.value.code, caught.value.address) == (None, broker.address)
        assert "Heartbeat" not in broker.apis()
        await broker.until(lambda: not broker.peers)


@pytest.mark.asyncio
async def test_an_answer_to_a_login_that_is_none_tells_no_password() -> None:
    async with ScriptedBroker() as broker:
        SaslListener(broker)
        broker.on("SaslAuthenticate", lambda _: b"\x7f\xff\xff\xff")
        async with pool_of(broker, sasl_mechanism="PLAIN") as pool:
            with pytest.raises(ProtocolError) as caught:
                await beat(pool)
        assert LOGIN["sasl_plain_password"] not in everything_said(caught.value)


@pytest.mark.asyncio
@pytest.mark.parametrize("api", ["SaslHandshake", "SaslAuthenticate"])
async def test_a_login_that_is_cut_off_is_tried_again(api: str) -> None:
    """A broker that dies meanwhile refuses nothing."""
    async with ScriptedBroker() as broker:
        listener, told = SaslListener(broker), []
        broker.drop_connection(api)
        async with pool_of(broker, refused=told) as pool:
            with pytest.raises(BrokerUnreachableError) as caught:
                await beat(pool)
            assert caught.value.retriable
            await beat(pool)
        assert (listener.logins, told) == ([2], [])


@pytest.mark.asyncio
@pytest.mark.parametrize("api", ["SaslHandshake", "SaslAuthenticate"])
async def test_a_login_is_within_the_time_for_connecting(api: str) -> None:
    async with ScriptedBroker() as broker:
        SaslListener(broker)
        broker.hold(api)
        async with pool_of(broker, socket_connection_setup_timeout_ms=100) as pool:
            with pytest.raises(BrokerUnreachableError, match=r"no answer within 0\.1 s"):
                await beat(pool)
        await broker.until(lambda: not broker.peers)


@pytest.mark.asyncio
@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("api", ["SaslHandshake", "SaslAuthenticate"])
async def test_a_cancelled_login_leaves_no_socket_and_does_not_strand_the_next(api: str, native: bool) -> None:
    async with ScriptedBroker() as broker:
        listener = SaslListener(broker)
        async with pool_of(broker) as pool:
            hold, scope = broker.hold(api), anyio.CancelScope()

            async def ask() -> None:
                with scope:
                    await beat(pool)

            opener = asyncio.create_task(ask())
            await broker.received(api)
            _ = opener.cancel() if native else scope.cancel()
            await asyncio.wait([opener])
            await broker.until(lambda: not broker.peers)
            hold.release()
            await beat(pool)
            assert listener.logins == [2]


@pytest.mark.asyncio
async def test_a_refusal_of_where_the_bootstrap_servers_lead_is_no_word_of_a_cluster_that_lives() -> None:
    """Its broker is slow, and answers after another cluster has refused the login: nobody is told of that."""
    async with ScriptedBroker() as known, ScriptedBroker() as elsewhere:
        SaslListener(known)
        told: list[Exception] = []
        async with pool_of(known, elsewhere, refused=told) as pool:
            await beat(pool)
            SaslListener(elsewhere).passwords.clear()
            answer = known.hold("Metadata")
            asked = asyncio.create_task(pool.request_any(METADATA, timeout=3.0))
            await elsewhere.received("SaslAuthenticate")
            await elsewhere.until(lambda: not elsewhere.peers)
            answer.release()
            assert (await asked)[1] == known.address
        assert told == []


@pytest.mark.asyncio
async def test_a_refusal_of_where_the_bootstrap_servers_lead_is_one_when_the_known_brokers_are_gone() -> None:
    async with ScriptedBroker() as known, ScriptedBroker() as elsewhere:
        SaslListener(known)
        SaslListener(elsewhere).passwords.clear()
        told: list[Exception] = []
        async with pool_of(known, elsewhere, refused=told) as pool:
            await beat(pool)
            known.drop_connection("Metadata", 9)
            with pytest.raises(SaslAuthenticationFailedError) as caught:
                await pool.request_any(METADATA, timeout=PATIENCE)
            assert caught.value.address == elsewhere.address
            assert told == [caught.value]


@pytest.mark.asyncio
async def test_a_broker_that_cannot_authenticate_is_too_old() -> None:
    async with ScriptedBroker() as broker:
        broker.caps["SaslAuthenticate"] = -1
        async with pool_of(broker) as pool:
            with pytest.raises(UnsupportedVersionError, match="SaslAuthenticate"):
                await beat(pool)
        assert broker.apis() == ["ApiVersions"]


@pytest.mark.asyncio
async def test_a_sasl_listener_met_without_a_login_is_guessed_from_its_hanging_up() -> None:
    """It closes the connection upon the first request, and says nothing."""
    async with ScriptedBroker() as broker:
        SaslListener(broker)
        plain = dict.fromkeys(LOGIN)
        async with pool_of(broker, **{**plain, "security_protocol": "PLAINTEXT"}) as pool:
            with pytest.raises(BrokerUnreachableError) as caught:
                await pool.request_any(METADATA, timeout=PATIENCE)
            assert "upon the first request, as a listener with SASL does to a client that does not log in" in str(
                caught.value
            )
            assert "security_protocol SASL_PLAINTEXT or SASL_SSL" in str(caught.value)
            assert caught.value.retriable  # a broker that has just died looks the same

            broker.admits = lambda _: True
            await beat(pool)
            broker.drop_connection("Heartbeat")
            with pytest.raises(BrokerUnreachableError) as caught:
                await beat(pool)
            assert "SASL" not in str(caught.value)  # it has served us: this is something else


# ── how long it lasts ──


@pytest.mark.asyncio
async def test_a_session_that_ends_is_replaced_before_it_does() -> None:
    """KIP-368: a broker drops connections whose session is over; ours are replaced at 85 %, and no request fails."""
    async with ScriptedBroker() as broker:
        listener, runtime = SaslListener(broker), Watched()
        listener.session_lifetime_ms = 100_000
        async with pool_of(broker, runtime=runtime) as pool:
            for ahead in (0, 80, 90, 160, 180):
                runtime.ahead = ahead
                await beat(pool)
            assert [call.connection for call in broker.of("Heartbeat")] == [1, 1, 2, 2, 3]
            assert listener.logins == [1, 2, 3]
            await broker.until(lambda: list(broker.peers) == [3])


@pytest.mark.asyncio
async def test_a_request_in_flight_keeps_its_connection() -> None:
    """What waits for an answer gets it; the connection goes when nobody waits on it."""
    async with ScriptedBroker() as broker:
        listener, runtime = SaslListener(broker), Watched()
        listener.session_lifetime_ms = 100_000
        async with pool_of(broker, runtime=runtime) as pool:
            hold = broker.hold("Heartbeat")
            parked = asyncio.create_task(beat(pool))
            await broker.received("Heartbeat")
            runtime.ahead = 90
            behind = asyncio.create_task(beat(pool))
            await asyncio.sleep(0)
            hold.release()
            assert [(await call).error_code for call in (parked, behind)] == [25, 25]
            await beat(pool)
            assert [call.connection for call in broker.of("Heartbeat")] == [1, 1, 2]


@pytest.mark.asyncio
async def test_a_request_that_waits_out_a_throttle_takes_the_connection_that_is_there_then() -> None:
    """Another one has found the session over meanwhile, and the connection idle."""
    async with ScriptedBroker() as broker:
        listener, runtime = SaslListener(broker), Watched()
        listener.session_lifetime_ms = 100_000
        throttles = iter([100])
        broker.on("Heartbeat", lambda call: call.request.RESPONSE(throttle_time_ms=next(throttles, 0)))
        async with pool_of(broker, runtime=runtime) as pool:
            await beat(pool)
            waiting = asyncio.create_task(beat(pool))
            await asyncio.sleep(0)
            runtime.ahead = 90
            await beat(pool)
            await waiting
            assert [call.connection for call in broker.of("Heartbeat")] == [1, 2, 2]


# ── the file of authorities ──


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"", "holds no certificate in PEM form"),
        (b"no certificate", "holds no certificate in PEM form"),
        (
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "holds no certificate in PEM form",
        ),
        (b"\x30\x82\x01\x0a\x02", "holds no certificate in PEM form"),  # DER
    ],
)
def test_a_ca_file_that_is_none_is_told_by_name(tmp_path: Path, content: bytes | None, words: str) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    config = ConsumerConfig(bootstrap_servers="a:1", security_protocol="SSL", ssl_cafile=path)
    with pytest.raises(ConfigError, match=words) as caught:
        Pool(config, Runtime())
    assert f"ssl_cafile {str(path)!r}" in str(caught.value)
    assert "It must be a PEM file" in str(caught.value)


def test_a_directory_is_no_ca_file(tmp_path: Path) -> None:
    config = ConsumerConfig(bootstrap_servers="a:1", security_protocol="SSL", ssl_cafile=tmp_path)
    with pytest.raises(ConfigError, match="ssl_cafile"):
        Pool(config, Runtime())


def test_without_a_file_the_systems_authorities_are_trusted() -> None:
    """And host names are checked, in every case but a context of the application's own."""
    made = [
        Pool(ConsumerConfig(bootstrap_servers="a:1", **options), Runtime())._opener._tls
        for options in ({"security_protocol": "SSL"}, {**LOGIN, "security_protocol": "SASL_SSL"}, LOGIN, {})
    ]
    assert made[2:] == [None, None]
    for context in made[:2]:
        assert context is not None
        assert (context.check_hostname, context.verify_mode) == (True, ssl.CERT_REQUIRED)
        assert context.minimum_version >= ssl.TLSVersion.TLSv1_2

"""The three-broker cluster behind SASL_SSL: logins, restarts, brokers that die, and credentials that are wrong."""

from __future__ import annotations

import asyncio
import logging
import re
import uuid
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient, ScramMechanism, UserScramCredentialDeletion

from kafkastatic import Consumer, TopicPartition
from kafkastatic._net.pool import Role
from kafkastatic._runtime import Runtime
from kafkastatic.errors import (
    AuthenticationError,
    BrokerUnreachableError,
    ConfigError,
    IllegalSaslStateError,
    KafkaError,
    ProtocolError,
    SaslAuthenticationFailedError,
    UnsupportedSaslMechanismError,
)
from tests.bad_input.test_bad_input import Row, consumer, refused
from tests.support.raw_peer import RawPeer
from tests.support.sasl import everything_said
from tests.support.scenes import Recorder, eventually, reading, running, write
from tools.real_cluster import RealCluster
from tools.real_kafka import PLAIN_USER, SCRAM_USERS, Certificate, RealKafka

pytestmark = pytest.mark.real_only("TLS and SASL")

ROOT = Path(__file__).resolve().parent.parent.parent
Create = Callable[..., Awaitable[str]]
BOB = ("bob", SCRAM_USERS["bob"])
CHLOE = ("chloe", SCRAM_USERS["chloe"])
LOGINS = {
    "PLAIN": ("PLAIN", *PLAIN_USER),
    "SCRAM-SHA-256": ("SCRAM-SHA-256", *BOB),
    "SCRAM-SHA-512": ("SCRAM-SHA-512", *BOB),
    "a password that SASLprep would change": ("SCRAM-SHA-512", *CHLOE),
}


def secured(where: RealCluster | RealKafka, mechanism: str, username: str, password: str) -> dict[str, Any]:
    return {
        "security_protocol": "SASL_SSL",
        "ssl_cafile": where.ca_file,
        "sasl_mechanism": mechanism,
        "sasl_plain_username": username,
        "sasl_plain_password": password,
    }


@pytest.fixture
def orders(kafka_cluster: RealCluster) -> Create:
    """`name, broker = await orders()`: a topic of one partition with one replica, and the broker that has it."""

    async def create() -> tuple[str, RealKafka]:
        name = f"orders-{uuid.uuid4().hex[:12]}"
        async with RawPeer.connect(kafka_cluster.brokers[0].bootstrap) as peer:
            await peer.create_topic(name, config={"min.insync.replicas": "1"})
            leader = kafka_cluster.brokers[(await peer.partitions(name))[0] - 1]
        async with RawPeer.connect(leader.bootstrap) as peer:
            await eventually(lambda: peer.partitions(name))  # it may be the last to hear of it
        return name, leader

    return create  # type: ignore[return-value]


async def produce(broker: RealKafka, topic: str, *values: bytes) -> None:
    async with RawPeer.connect(broker.bootstrap) as peer:
        await write(peer, topic, 0, values)


async def next_value(consumer: Consumer[Any, Any]) -> bytes:
    return (await asyncio.wait_for(consumer.getone(), 20)).value


# ── logins that are good ──


@pytest.mark.parametrize("login", [*LOGINS])
@pytest.mark.asyncio
async def test_a_static_member_reads_and_commits_through_a_restart(kafka_cluster, orders, group_id, login) -> None:
    """Behind every mechanism: the same epoch, no second assignment by the group, the next record."""
    name, leader = await orders()
    await produce(leader, name, b"0", b"1", b"2")
    options = {**secured(kafka_cluster, *LOGINS[login]), "group_id": group_id(), "group_instance_id": "a"}
    async with running(kafka_cluster.bootstrap_sasl_ssl, name, enable_auto_commit=False, **options) as first:
        assert await next_value(first) == b"0"
        await first.commit()
        before = first.membership
    async with running(kafka_cluster.bootstrap_sasl_ssl, name, **options) as second:
        assert [await next_value(second), await next_value(second)] == [b"1", b"2"]
        assert (second.membership.epoch, second.assignment()) == (before.epoch, {TopicPartition(name, 0)})
        assert second.membership.member_id != before.member_id


@pytest.mark.asyncio
async def test_a_broker_that_was_killed_is_logged_in_at_again(kafka_cluster, orders, group_id, caplog) -> None:
    """The only replica of the partition comes back with its broker; the member never leaves its group."""
    caplog.set_level(logging.DEBUG, logger="kafkastatic")
    name, leader = await orders()
    await produce(leader, name, b"before")
    recorder = Recorder()
    login = secured(kafka_cluster, *LOGINS["SCRAM-SHA-512"])
    options = {**login, "group_id": group_id(), "group_instance_id": "a", "session_timeout_ms": 45_000}
    async with running(kafka_cluster.bootstrap_sasl_ssl, name, listener=recorder, **options) as ours:
        assert await next_value(ours) == b"before"
        leader.kill()
        await asyncio.to_thread(leader.start)
        await produce(leader, name, b"after")
        async with asyncio.timeout(60):
            assert (await ours.getone()).value == b"after"
        assert recorder.kinds == ["assigned"]
    assert "fetch_failed" in caplog.text  # the death was met
    assert login["sasl_plain_password"] not in caplog.text


@pytest.mark.asyncio
async def test_sessions_that_end_and_a_user_who_is_deleted(kafka_factory, group_id, caplog) -> None:
    """A broker of one mechanism and short sessions (KIP-368): it says what it offers; connections are replaced before
    their session ends, and no request fails; the first login after the user was deleted ends the loop."""
    caplog.set_level(logging.DEBUG, logger="kafkastatic")
    settings = {"sasl.enabled.mechanisms": "SCRAM-SHA-512", "connections.max.reauth.ms": 5000}
    own = await asyncio.to_thread(lambda: kafka_factory(settings, sasl=True))
    async with RawPeer.connect(own.bootstrap) as peer:
        await peer.create_topic("orders")
        await write(peer, "orders", 0, [b"0"])

    with not_taken("sasl_mechanism: not offered", UnsupportedSaslMechanismError, "it offers SCRAM-SHA-512") as row:
        await patient(own.bootstrap_sasl_ssl, "orders", **secured(own, *LOGINS["PLAIN"])).start()

    options = {**secured(own, *LOGINS["SCRAM-SHA-512"]), "group_id": group_id(), "group_instance_id": "a"}
    async with running(
        own.bootstrap_sasl_ssl, "orders", heartbeat_interval_ms=100, fetch_max_wait_ms=100, **options
    ) as ours:
        assert await next_value(ours) == b"0"
        row.then("SCRAM-SHA-512 reads")
        first = connections(ours)
        await eventually(lambda: len(connections(ours) - first) == 2, timeout=20)
        assert failures(caplog) == []

        async with reading(ours) as reader:
            await delete_user(own, "bob")
            error = await reader.ended(20)
    assert type(error) is SaslAuthenticationFailedError
    assert SCRAM_USERS["bob"] not in everything_said(error) + caplog.text


def connections(consumer: Consumer[Any, Any]) -> set[int]:
    """The local ports of the connections that are in use all the time."""
    return {
        connection._transport.get_extra_info("sockname")[1]
        for node in consumer._client.pool._nodes.values()
        for role, connection in node.connections.items()
        if role in (Role.FETCH, Role.QUICK) and connection.alive and connection._transport is not None
    }


def failures(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The events that tell of a failed request."""
    said = [record.getMessage() for record in caplog.records]
    return [event for event in said if "failed" in event or "lost" in event]


async def delete_user(broker: RealKafka, name: str) -> None:
    """AlterUserScramCredentials, by librdkafka's admin client."""
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    gone = [UserScramCredentialDeletion(name, ScramMechanism.SCRAM_SHA_512)]
    for future in admin.alter_user_scram_credentials(gone).values():
        await asyncio.to_thread(future.result, 10)


@pytest.mark.asyncio
async def test_the_readmes_example_of_a_secured_cluster(kafka_cluster, orders, monkeypatch) -> None:
    """As it stands there, but for the names."""
    name, leader = await orders()
    await produce(leader, name, b"0")
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (code,) = [block for block in blocks if "SASL_SSL" in block]
    for there, here in {
        '"orders"': f'"{name}", auto_offset_reset="earliest"',
        "kafka.example.com:9093": kafka_cluster.bootstrap_sasl_ssl,
        "/etc/kafka/ca.pem": str(kafka_cluster.ca_file),
        '"billing"': '"bob"',
    }.items():
        assert there in code
        code = code.replace(there, here)
    monkeypatch.setenv("KAFKA_PASSWORD", SCRAM_USERS["bob"])
    names: dict[str, Any] = {}
    exec(code, names)
    async with names["consumer"] as ours:
        assert await next_value(ours) == b"0"


# ── logins that are not ──


def patient(bootstrap: str, *topics: str, **options: Any) -> Consumer[bytes, bytes]:
    """A broker's first login may be slow."""
    return consumer(bootstrap, *topics, **{"default_api_timeout_ms": 30_000, **options})


def not_taken(what: str, expected: type[KafkaError], *parts: str) -> AbstractContextManager[Row]:
    """Refused at once: long before `patient` gives up."""
    return refused(what, expected, *parts, within=10)


async def reads(cluster: RealCluster, name: str, login: dict[str, Any]) -> str:
    """A new consumer in the same process reads: the next good call."""
    async with patient(cluster.bootstrap_sasl_ssl, name, auto_offset_reset="earliest", **login) as ours:
        assert await next_value(ours) == b"0"
    return "with the right login it reads"


@pytest.mark.parametrize(
    ("what", "mechanism", "username", "password", "group"),
    [
        ("a wrong password, PLAIN", "PLAIN", PLAIN_USER[0], "a-wrong-password", True),
        ("a wrong password, SCRAM-SHA-256", "SCRAM-SHA-256", "bob", "a-wrong-password", True),
        ("a wrong password, SCRAM-SHA-512", "SCRAM-SHA-512", "bob", "a-wrong-password", False),
        ("an unknown user, PLAIN", "PLAIN", "mallory", "a-wrong-password", False),
        ("an unknown user, SCRAM-SHA-256", "SCRAM-SHA-256", "mallory", "a-wrong-password", True),
        ("a user of PLAIN who has no SCRAM key", "SCRAM-SHA-512", *PLAIN_USER, False),
    ],
)
@pytest.mark.asyncio
async def test_wrong_credentials(
    kafka_cluster, orders, group_id, caplog, capsys, what, mechanism, username, password, group
) -> None:
    """The start ends at once, with the broker's words; the password is nowhere."""
    caplog.set_level(logging.DEBUG)
    name, leader = await orders()
    await produce(leader, name, b"0")
    good = secured(kafka_cluster, *LOGINS["SCRAM-SHA-256"])
    login = secured(kafka_cluster, mechanism, username, password)
    ours = patient(kafka_cluster.bootstrap_sasl_ssl, name, group_id=group_id() if group else None, **login)
    said = (f"The login of {username!r} at localhost:", mechanism, "Authentication failed", "Check sasl_plain_username")
    with not_taken(what, SaslAuthenticationFailedError, *said) as row:
        await ours.start()
    assert isinstance(row.error, AuthenticationError)
    assert password not in everything_said(row.error) + caplog.text + "".join(capsys.readouterr())
    row.then(await reads(kafka_cluster, name, good))


# ── listeners and certificates that do not fit ──


class Elsewhere(Runtime):
    """Knows one name more."""

    async def resolve(self, host: str, port: int) -> list[str]:
        return ["127.0.0.1"] if host == "kafka.test" else await super().resolve(host, port)


@pytest.mark.parametrize(
    ("what", "listener", "protocol", "expected", "parts"),
    [
        ("a SASL_SSL listener, met with PLAINTEXT", "sasl", "PLAINTEXT", ProtocolError, ["looks like TLS", "SASL_SSL"]),
        ("a SASL_SSL listener, met with SASL_PLAINTEXT", "sasl", "SASL_PLAINTEXT", ProtocolError, ["looks like TLS"]),
        (
            "a SASL_SSL listener, met with SSL",
            "sasl",
            "SSL",
            BrokerUnreachableError,
            ["as a listener with SASL does", "SASL_PLAINTEXT or SASL_SSL"],
        ),
        (
            "a PLAINTEXT listener, met with SASL_PLAINTEXT",
            "plain",
            "SASL_PLAINTEXT",
            IllegalSaslStateError,
            ["the listener takes no login", "Set security_protocol to 'PLAINTEXT'"],
        ),
        ("a PLAINTEXT listener, met with SASL_SSL", "plain", "SASL_SSL", BrokerUnreachableError, ["speaks TLS"]),
    ],
)
@pytest.mark.asyncio
async def test_a_listener_of_another_kind(kafka_cluster, orders, what, listener, protocol, expected, parts) -> None:
    """Each says what it looks like, and what to set."""
    name, leader = await orders()
    await produce(leader, name, b"0")
    login = secured(kafka_cluster, *LOGINS["SCRAM-SHA-512"])
    options = {key: value for key, value in login.items() if not key.startswith("sasl_") or "SASL" in protocol}
    options |= {"security_protocol": protocol, "ssl_cafile": login["ssl_cafile"] if protocol.endswith("SSL") else None}
    met = leader.bootstrap_sasl_ssl if listener == "sasl" else leader.bootstrap
    # What may be passing is tried again until the time has run out.
    with not_taken(what, expected, met, *parts) as row:
        await patient(met, name, **{"default_api_timeout_ms": 2000, **options}).start()
    row.then(await reads(kafka_cluster, name, login))


@pytest.mark.asyncio
async def test_a_certificate_that_does_not_fit(kafka_cluster, orders, tmp_path: Path) -> None:
    """Of an authority that is not the one named, of none that the system knows, for another host name; no such file."""
    name, leader = await orders()
    await produce(leader, name, b"0")
    login = secured(kafka_cluster, *LOGINS["PLAIN"])
    other = Certificate(tmp_path)
    await asyncio.to_thread(other.make)
    sasl = leader.bootstrap_sasl_ssl

    for what, wrong in (("another authority's", other.ca_file), ("left out, and the system does not know it", None)):
        parts = (sasl, "TLS failed", "Name the CA of the broker's certificate as ssl_cafile")
        with not_taken(f"ssl_cafile: {what}", BrokerUnreachableError, *parts) as row:
            await patient(sasl, name, **{**login, "ssl_cafile": wrong}).start()
        assert not row.error.retriable
        row.then(await reads(kafka_cluster, name, login))

    port = sasl.rpartition(":")[2]
    parts = (f"kafka.test:{port}", "Hostname mismatch", "use a host name that it is made for")
    with not_taken("a certificate for another host name", BrokerUnreachableError, *parts) as row:
        await patient(f"kafka.test:{port}", name, runtime=Elsewhere(), **login).start()
    row.then(await reads(kafka_cluster, name, login))

    parts = (str(tmp_path / "none.pem"), "cannot be read", "It must be a PEM file")
    with not_taken("ssl_cafile: no such file", ConfigError, *parts) as row:
        patient(sasl, name, **{**login, "ssl_cafile": tmp_path / "none.pem"})
    row.then(await reads(kafka_cluster, name, login))

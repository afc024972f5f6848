"""Bad input, row by row: the class of the error, its remedy, in time, and that the next good call works.

These rows need no Kafka; those that do are in tests/integration/test_integration_bad_input.py. `pytest -s` on both
prints the table; KAFKASTATIC_BAD_INPUT_TABLE=<file> appends its rows to a file.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import ssl
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kafkastatic import Consumer, ConsumerConfig, KafkaError, TopicPartition
from kafkastatic.errors import (
    BrokerUnreachableError,
    ConfigError,
    KafkaTimeoutError,
    ProtocolError,
    UnsupportedVersionError,
)
from kafkastatic.identity import IdentityRegistry
from tests.support.raw_peer import API_KEYS, MESSAGES
from tests.support.sasl import LOGIN
from tools.real_kafka import free_port

TIMEOUT = 0.6
"""Seconds: `default_api_timeout_ms` of every consumer here."""

SLACK = 10.0
"""Seconds beyond it, for the busiest machine: less than any other timeout takes."""


class Row:
    """One row of the table: filled in by `refused`, printed by `then`."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.error: KafkaError | None = None
        self.seconds = 0.0

    def then(self, good: str) -> None:
        """The next good call has worked: the row is complete."""
        assert self.error is not None
        message = re.sub(r"\s+", " ", str(self.error)).replace("|", r"\|")
        message = message if len(message) < 260 else message[:257] + "..."
        cells = (self.what, type(self.error).__name__, message, f"{self.seconds:.2f} s", good)
        line = f"| {' | '.join(cells)} |"
        print(f"\n{line}", end="")
        if path := os.environ.get("KAFKASTATIC_BAD_INPUT_TABLE"):
            file = Path(path)
            head = "" if file.exists() else "| Input | Error | What it says | After | Then |\n|---|---|---|---|---|\n"
            with file.open("a") as table:
                table.write(f"{head}{line}\n")


@contextlib.contextmanager
def refused(what: str, expected: type[KafkaError], *parts: str, within: float = TIMEOUT + SLACK) -> Iterator[Row]:
    """The block raises exactly this class, with these parts in its message, in time."""
    row = Row(what)
    began = time.monotonic()
    with pytest.raises(expected) as caught:
        yield row
    row.seconds, row.error = time.monotonic() - began, caught.value
    assert type(caught.value) is expected
    for part in parts:
        assert part in str(caught.value)
    assert row.seconds < within


def consumer(bootstrap: str, *topics: str, **options: Any) -> Consumer[bytes, bytes]:
    quick = {"bootstrap_servers": bootstrap, "default_api_timeout_ms": round(TIMEOUT * 1000)}
    registry = options.pop("registry", None) or IdentityRegistry()
    return Consumer(*topics, registry=registry, **(quick | options))


# ── a server of few words, by kafka-python's messages ──

Respond = Callable[[int, Any], Any]


class Scripted:
    """Enough of a broker to start on and to ask for offsets; `responses` say more, or something else."""

    VERSIONS = {
        "ApiVersions": 0,
        "Metadata": 5,
        "ListOffsets": 2,
        "FindCoordinator": 2,
        "JoinGroup": 4,
        "SyncGroup": 2,
        "Heartbeat": 2,
        "LeaveGroup": 2,
        "OffsetCommit": 6,
        "OffsetFetch": 5,
        "Fetch": 4,
    }

    def __init__(self) -> None:
        self.bootstrap = ""
        self.asked: list[str] = []
        self.advertised: tuple[str, int] | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                (size,) = struct.unpack(">i", await reader.readexactly(4))
                frame = await reader.readexactly(size)
                api, version, correlation_id = struct.unpack_from(">hhi", frame)
                name, request_class, _ = MESSAGES[api]
                self.asked.append(name)
                if name == "ApiVersions" and version > 0:
                    response = self.api_versions(0, None, error_code=35)
                elif version > self.VERSIONS[name]:
                    return
                else:
                    request = request_class.decode(frame, version=version, header=True)
                    answer: Respond = getattr(self, re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower())
                    response = answer(version, request)
                response.with_header(correlation_id=correlation_id)
                data = bytes(response.encode(header=True))
                writer.write(struct.pack(">i", len(data)) + data)
                await writer.drain()

    def api_versions(self, _: int, request: Any, error_code: int = 0) -> Any:
        message = MESSAGES[API_KEYS["ApiVersions"]][2]
        keys = [
            message.ApiVersion(api_key=API_KEYS[name], min_version=4 if name == "Fetch" else 0, max_version=highest)
            for name, highest in self.VERSIONS.items()
        ]
        return message(version=0, error_code=error_code, api_keys=keys)

    def metadata(self, version: int, request: Any) -> Any:
        message = MESSAGES[API_KEYS["Metadata"]][2]
        partition = message.MetadataResponseTopic.MetadataResponsePartition(
            error_code=0, partition_index=0, leader_id=1, replica_nodes=[1], isr_nodes=[1], offline_replicas=[]
        )
        host, port = self.advertised or (self.bootstrap.split(":")[0], int(self.bootstrap.split(":")[1]))
        return message(
            version=version,
            throttle_time_ms=0,
            brokers=[message.MetadataResponseBroker(node_id=1, host=host, port=port, rack=None)],
            cluster_id="scripted",
            controller_id=1,
            topics=[
                message.MetadataResponseTopic(error_code=0, name=topic.name, is_internal=False, partitions=[partition])
                for topic in request.topics or ()
            ],
        )

    def find_coordinator(self, version: int, _: Any) -> Any:
        host, port = self.advertised or (self.bootstrap.split(":")[0], int(self.bootstrap.split(":")[1]))
        message = MESSAGES[API_KEYS["FindCoordinator"]][2]
        return message(
            version=version, throttle_time_ms=0, error_code=0, error_message=None, node_id=1, host=host, port=port
        )

    def list_offsets(self, version: int, request: Any) -> Any:
        message = MESSAGES[API_KEYS["ListOffsets"]][2]
        topic_class = message.ListOffsetsTopicResponse
        partition_class = topic_class.ListOffsetsPartitionResponse
        topics = [
            topic_class(
                name=topic.name,
                partitions=[
                    partition_class(partition_index=p.partition_index, error_code=0, timestamp=-1, offset=7)
                    for p in topic.partitions
                ],
            )
            for topic in request.topics
        ]
        return message(version=version, throttle_time_ms=0, topics=topics)

    def fetch(self, version: int, _: Any) -> Any:
        return MESSAGES[API_KEYS["Fetch"]][2](version=version, throttle_time_ms=0, responses=[])


Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def listening(serve: Serve) -> AsyncIterator[str]:
    """A server on a loopback port; its connections are closed with it."""
    writers: set[asyncio.StreamWriter] = set()
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        writers.add(writer)
        try:
            await serve(reader, writer)
        except asyncio.CancelledError:
            pass
        finally:
            writer.transport.abort()
            writers.discard(writer)
            tasks.discard(task)

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def scripted(broker: Scripted) -> AsyncIterator[Scripted]:
    async with listening(broker.serve) as broker.bootstrap:
        yield broker


async def a_good_start() -> str:
    """A new consumer in the same process starts and asks for something: the next good call."""
    async with scripted(Scripted()) as broker, consumer(broker.bootstrap, "topic") as ours:
        tp = TopicPartition("topic", 0)
        assert await ours.end_offsets([tp]) == {tp: 7}
    return "a new consumer with a good address starts"


# ── addresses ──


@pytest.mark.asyncio
async def test_an_address_where_nobody_listens() -> None:
    """All are named that were tried."""
    nobody, neither = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    parts = (nobody, neither, "Check bootstrap_servers")
    with refused("bootstrap_servers: nobody listens", BrokerUnreachableError, *parts) as row:
        await consumer(f"{nobody},{neither}", "topic").start()
    assert row.error.address in (f"{nobody}, {neither}", f"{neither}, {nobody}")
    row.then(await a_good_start())


@pytest.mark.asyncio
async def test_a_host_that_does_not_exist() -> None:
    """The name is in the message."""
    with refused(
        "bootstrap_servers: an unknown host", BrokerUnreachableError, "kafka.invalid:9092", "Check bootstrap_servers"
    ) as row:
        await consumer("kafka.invalid", "topic").start()
    row.then(await a_good_start())


@pytest.mark.parametrize("group", [None, "group"])
@pytest.mark.asyncio
async def test_an_advertised_address_that_cannot_be_reached(group) -> None:
    """Both are named: the address that was given and the one that it told us of."""
    broker, wrong = Scripted(), free_port()
    broker.advertised = ("127.0.0.1", wrong)
    async with scripted(broker):
        ours = consumer(broker.bootstrap, "topic", group_id=group, auto_offset_reset="earliest")
        with refused(
            f"advertised.listeners: unreachable ({'a group' if group else 'no group'})",
            BrokerUnreachableError if group else KafkaTimeoutError,
            f"127.0.0.1:{wrong}",
            broker.bootstrap,
            "Check the broker's advertised.listeners",
        ) as row:
            async with ours:
                await ours.end_offsets([TopicPartition("topic", 0)])
        error = row.error if group else row.error.__cause__
        assert (error.address, error.advertised_by) == (f"127.0.0.1:{wrong}", broker.bootstrap)
    row.then(await a_good_start())


# ── what listens is no Kafka ──


async def http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
    await writer.drain()


async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(-1)


async def goodbye(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)


async def tls_alert(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    writer.write(b"\x15\x03\x03\x00\x02\x02\x46")  # what a TLS listener answers to plaintext: protocol_version
    await writer.drain()


def frame(data: bytes) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        (size,) = struct.unpack(">i", await reader.readexactly(4))
        request = await reader.readexactly(size)
        writer.write(data.replace(b"CORR", request[4:8]))
        await writer.drain()
        await reader.read(-1)

    return serve


@pytest.mark.parametrize(
    ("what", "serve", "expected", "parts"),
    [
        ("an HTTP server", http, ProtocolError, ["looks like HTTP"]),
        (
            "a TLS listener, met in plaintext",
            tls_alert,
            ProtocolError,
            ["looks like TLS", "security_protocol SSL or SASL_SSL"],
        ),
        ("a server that never answers", silence, BrokerUnreachableError, ["Check"]),
        ("a server that closes at once", goodbye, BrokerUnreachableError, ["closed the connection", "Check"]),
        (
            "a frame of 2 GiB",
            frame(b"\x7f\xff\xff\xffCORR"),
            ProtocolError,
            ["2147483647", "limit", "names a Kafka listener"],
        ),
        ("a frame of -1 bytes", frame(b"\xff\xff\xff\xff"), ProtocolError, ["-1 bytes"]),
        ("a frame without a correlation id", frame(b"\0\0\0\x02ab"), ProtocolError, ["no correlation id"]),
        (
            "an answer to nobody's request",
            frame(b"\0\0\0\x0a\x12\x34\x56\x78\0\0\0\0\0\0"),
            ProtocolError,
            ["not sent"],
        ),
        (
            "an array of 2^31-2 elements in 11 bytes",
            frame(b"\0\0\0\x0bCORR\0\0\xff\xff\xff\xff\x07"),
            ProtocolError,
            ["array of 2147483646", "0 bytes remain"],
        ),
        ("an answer with bytes left over", frame(b"\0\0\0\x12CORR\0\x23\0\0\0\0" + b"?" * 8), ProtocolError, []),
    ],
)
@pytest.mark.asyncio
async def test_what_listens_is_no_kafka(what, serve, expected, parts) -> None:
    """The message says what it looks like, and the identity is free again."""
    registry = IdentityRegistry()
    async with listening(serve) as bootstrap:
        ours = consumer(
            bootstrap,
            "topic",
            group_id="group",
            group_instance_id="a",
            registry=registry,
            socket_connection_setup_timeout_ms=1000,
        )
        with refused(f"bootstrap_servers: {what}", expected, bootstrap, *parts) as row:
            await ours.start()
        await ours.aclose()
        registry.release(registry.claim([bootstrap], "group", "a"))
    row.then(await a_good_start())


@pytest.mark.asyncio
async def test_a_plaintext_listener_met_by_tls() -> None:
    """The failed handshake is told as that."""
    async with listening(goodbye) as bootstrap:
        with refused(
            "security_protocol=SSL: a listener without TLS", BrokerUnreachableError, bootstrap, "Check"
        ) as row:
            await consumer(
                bootstrap, "topic", security_protocol="SSL", ssl_context=ssl.create_default_context()
            ).start()
    row.then(await a_good_start())


class SaslOnly(Scripted):
    """Closes the connection of whoever does not log in, as a SASL listener of Kafka's does."""

    def metadata(self, version: int, request: Any) -> Any:
        raise ConnectionResetError


@pytest.mark.asyncio
async def test_a_sasl_listener_met_without_a_login() -> None:
    """It says nothing; so the guess is told."""
    async with scripted(SaslOnly()) as broker:
        parts = (broker.bootstrap, "as a listener with SASL does", "security_protocol SASL_PLAINTEXT or SASL_SSL")
        with refused("security_protocol: left out, at a SASL listener", BrokerUnreachableError, *parts) as row:
            await consumer(broker.bootstrap, "topic").start()
    row.then(await a_good_start())


# ── brokers that are too old ──


@pytest.mark.asyncio
async def test_a_broker_too_old_for_static_membership() -> None:
    """Refused before any join, as a ConfigError; as a dynamic member the same consumer would do."""
    async with scripted(Scripted()) as broker:
        ours = consumer(broker.bootstrap, "topic", group_id="group", group_instance_id="a")
        with refused(
            "group_instance_id: brokers older than Kafka 2.3",
            UnsupportedVersionError,
            "JoinGroup",
            "version 5",
            "or newer, or leave group_instance_id out.",
        ) as row:
            await ours.start()
        assert isinstance(row.error, ConfigError)
        assert row.error.code == 35
        assert "JoinGroup" not in broker.asked
    row.then(await a_good_start())


# ── options ──


@pytest.mark.parametrize(
    ("what", "options", "parts"),
    [
        ("group_instance_id: empty", {"group_instance_id": ""}, ["is empty", "Use 1 to 249 of"]),
        ("group_instance_id: '..'", {"group_instance_id": ".."}, ["is not allowed", "Use 1 to 249 of"]),
        ("group_instance_id: 250 characters", {"group_instance_id": "a" * 250}, ["is 250 characters long", "1 to 249"]),
        ("group_instance_id: 'a b'", {"group_instance_id": "a b"}, ["holds ' '", "Use 1 to 249 of"]),
        ("group_instance_id: 'ñ'", {"group_instance_id": "ñ"}, ["holds 'ñ'", "Use 1 to 249 of"]),
        ("group_instance_id: NUL", {"group_instance_id": "a\0"}, ["holds '\\x00'", "Use 1 to 249 of"]),
        ("group_instance_id without group_id", {"group_id": None}, ["without a group_id", "Set group_id too."]),
        ("group_id: empty", {"group_id": ""}, ["group_id is empty"]),
        (
            "heartbeat_interval_ms = session_timeout_ms",
            {"heartbeat_interval_ms": 6000, "session_timeout_ms": 6000},
            ["heartbeat_interval_ms=6000 must be below session_timeout_ms=6000", "A third of the session timeout"],
        ),
        ("bootstrap_servers: empty", {"bootstrap_servers": ""}, ["Name at least one broker as 'host:port'"]),
        ("bootstrap_servers: a URL", {"bootstrap_servers": "kafka://a:9092"}, ["Write each server as 'host:port'"]),
        ("bootstrap_servers: no port number", {"bootstrap_servers": "a:b"}, ["Write each server as 'host:port'"]),
        ("auto_offset_reset: 'smallest'", {"auto_offset_reset": "smallest"}, ["'latest', 'earliest' or 'none'"]),
        ("an option misspelt", {"group_instance": "a"}, ["'group_instance' is not an option", "Did you mean"]),
        ("partition_assignment_strategy: unknown", {"partition_assignment_strategy": "best"}, ["'best'", "Known are"]),
        ("max_poll_interval_ms: a string", {"max_poll_interval_ms": "5"}, ["max_poll_interval_ms must be an int"]),
        (
            "ssl_context without security_protocol",
            {"ssl_context": ssl.create_default_context()},
            ["security_protocol='PLAINTEXT' is not encrypted", "Set security_protocol to 'SSL'"],
        ),
        (
            "ssl_cafile: no such file",
            {"security_protocol": "SSL", "ssl_cafile": "/no/such/ca.pem"},
            ["'/no/such/ca.pem' cannot be read: No such file", "It must be a PEM file"],
        ),
        (
            "ssl_cafile: not PEM",
            {"security_protocol": "SSL", "ssl_cafile": __file__},
            [f"{__file__!r} holds no certificate", "It must be a PEM file"],
        ),
        (
            "sasl_mechanism: left out",
            {**LOGIN, "sasl_mechanism": None},
            ["security_protocol='SASL_PLAINTEXT' needs a sasl_mechanism", "'SCRAM-SHA-512'"],
        ),
        (
            "sasl_mechanism: GSSAPI",
            {**LOGIN, "sasl_mechanism": "GSSAPI"},
            ["'GSSAPI' is not there yet", "Use 'PLAIN', 'SCRAM-SHA-256' or 'SCRAM-SHA-512'"],
        ),
        (
            "sasl_plain_password: empty",
            {**LOGIN, "sasl_plain_password": ""},
            ["sasl_plain_password is empty", "logs in with a name and a password"],
        ),
        (
            "sasl_plain_password without security_protocol",
            {"sasl_plain_password": "secret-of-alice"},
            ["security_protocol='PLAINTEXT' means no login", "Set security_protocol to 'SASL_SSL'"],
        ),
    ],
)
def test_options_that_cannot_work(what, options, parts) -> None:
    """Refused when the consumer is made: no socket, no event loop."""
    good: dict[str, Any] = {"bootstrap_servers": "a:1", "group_id": "group", "group_instance_id": "a"}
    with refused(what, ConfigError, *parts) as row:
        Consumer("topic", **(good | options))
    Consumer("topic", **good)
    row.then("with good options it is made")


def test_topics_given_as_a_string() -> None:
    """A string is a sequence of strings too."""
    ours = consumer("a:1")
    with refused("subscribe('orders')", ConfigError, "got the string 'orders'", "Write subscribe([name])") as row:
        ours.subscribe("orders")
    ours.subscribe(["orders"])
    row.then("subscribe(['orders']) works")


def test_a_config_and_options_at_once() -> None:
    """One of them would be ignored."""
    config = ConsumerConfig(bootstrap_servers="a:1")
    with refused("config= and options", ConfigError, "Give one of them") as row:
        Consumer("topic", config=config, group_id="group")
    Consumer("topic", config=config)
    row.then("config= alone works")


@pytest.mark.asyncio
async def test_one_identity_twice_in_a_process() -> None:
    """Refused before any request; free again when the first has ended."""
    registry, broker = IdentityRegistry(), Scripted()
    async with scripted(broker):
        claim = registry.claim([broker.bootstrap], "group", "a")
        second = consumer(broker.bootstrap, "topic", group_id="group", group_instance_id="a", registry=registry)
        with refused(
            "group_instance_id twice in one process",
            ConfigError,
            "already uses group_instance_id 'a' in group 'group'",
            "Give each consumer its own id",
        ) as row:
            await second.start()
        assert broker.asked == []
        await second.aclose()
        registry.release(claim)
        registry.release(registry.claim([broker.bootstrap], "group", "a"))
    row.then(await a_good_start())


@pytest.mark.asyncio
async def test_a_lookup_that_takes_too_long() -> None:
    """A broker that stops answering: the call ends within its time, and the next one on a good broker works."""

    class Mute(Scripted):
        async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await super().serve(reader, writer)

        def list_offsets(self, version: int, request: Any) -> Any:
            raise ConnectionResetError

    async with scripted(Mute()) as broker:
        ours = consumer(broker.bootstrap, "topic")
        with refused("a broker that hangs up on a request", KafkaTimeoutError, "did not end within 0.6 s") as row:
            async with ours:
                await ours.end_offsets([TopicPartition("topic", 0)])
    row.then(await a_good_start())

"""Members of a group by foreign clients, all with one face: who they are, what they own, what they read.

async with AioMember(bootstrap, topic, group, "range") as member:
    member.owned      # partition numbers, as the client itself says
    member.records    # (partition, offset) of every record that it delivered, in order
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

from aiokafka import AIOKafkaConsumer
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from confluent_kafka import Consumer as ConfluentConsumer
from kafka import KafkaConsumer

from tools.real_kafka import clients_jar

HEARTBEAT_MS = 300
SESSION_MS = 6_000
_AIOKAFKA = {"range": RangePartitionAssignor, "roundrobin": RoundRobinPartitionAssignor}
_JVM_OPTIONS = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_JAVA = "org.apache.kafka.clients.consumer."
_JAVA_ASSIGNORS = {
    "range": f"{_JAVA}RangeAssignor",
    "roundrobin": f"{_JAVA}RoundRobinAssignor",
    "cooperative-sticky": f"{_JAVA}CooperativeStickyAssignor",
}


class ForeignMember:
    """A member that is read by a task of its own; leaves the group when it is closed."""

    client_id = ""

    def __init__(
        self, bootstrap: str, topic: str, group: str, assignor: str = "range", instance_id: str | None = None
    ) -> None:
        self.bootstrap = bootstrap
        self.topic = topic
        self.group = group
        self.assignor = assignor
        self.instance_id = instance_id
        self.records: list[tuple[int, int]] = []
        self._task: asyncio.Task[None]

    async def __aenter__(self) -> Self:
        await self.start()
        self._task = asyncio.create_task(self.read())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def end_reading(self) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    @property
    def owned(self) -> set[int]:
        raise NotImplementedError

    async def start(self) -> None:
        raise NotImplementedError

    async def read(self) -> None:
        raise NotImplementedError

    async def stop(self) -> None:
        raise NotImplementedError


class AioMember(ForeignMember):
    client_id = "aiokafka"

    async def start(self) -> None:
        self._consumer = AIOKafkaConsumer(
            self.topic,
            client_id=self.client_id,
            bootstrap_servers=self.bootstrap,
            group_id=self.group,
            auto_offset_reset="earliest",
            heartbeat_interval_ms=HEARTBEAT_MS,
            session_timeout_ms=SESSION_MS,
            auto_commit_interval_ms=50,
            partition_assignment_strategy=(_AIOKAFKA[self.assignor],),
            group_instance_id=self.instance_id,
        )
        try:
            await self._consumer.start()
        except BaseException:
            await self._consumer.stop()
            raise

    async def read(self) -> None:
        async for record in self._consumer:
            self.records.append((record.partition, record.offset))

    @property
    def owned(self) -> set[int]:
        return {tp.partition for tp in self._consumer.assignment()}

    async def stop(self) -> None:
        await self.end_reading()
        await self._consumer.stop()


class ConfluentMember(ForeignMember):
    """librdkafka's consumer, asked from a thread: its callbacks run there."""

    client_id = "confluent"

    def protocol(self) -> dict[str, Any]:
        """The options that the group protocol has."""
        return {
            "heartbeat.interval.ms": HEARTBEAT_MS,
            "session.timeout.ms": SESSION_MS,
            "partition.assignment.strategy": self.assignor,
        }

    async def start(self) -> None:
        options: dict[str, Any] = {
            "client.id": self.client_id,
            "bootstrap.servers": self.bootstrap,
            "group.id": self.group,
            "auto.offset.reset": "earliest",
            "auto.commit.interval.ms": 50,
            **self.protocol(),
        }
        if self.instance_id is not None:
            options["group.instance.id"] = self.instance_id
        self._consumer = ConfluentConsumer(options)
        self._owned: set[int] = set()
        self._ending = False

        def assigned(_: Any, partitions: list[Any]) -> None:
            self._owned |= {tp.partition for tp in partitions}

        def revoked(_: Any, partitions: list[Any]) -> None:
            self._owned -= {tp.partition for tp in partitions}

        self._consumer.subscribe([self.topic], on_assign=assigned, on_revoke=revoked, on_lost=revoked)

    async def read(self) -> None:
        await asyncio.to_thread(self._poll)

    def _poll(self) -> None:
        while not self._ending:
            message = self._consumer.poll(0.1)
            if message is not None and message.error() is None:
                self.records.append((message.partition(), message.offset()))
        self._consumer.close()

    @property
    def owned(self) -> set[int]:
        return self._owned

    async def stop(self) -> None:
        self._ending = True
        await self._task


class ConfluentKip848Member(ConfluentMember):
    """The same by the protocol of KIP-848; whose intervals are the broker's."""

    def protocol(self) -> dict[str, Any]:
        return {"group.protocol": "consumer", "group.remote.assignor": self.assignor}


class KafkaPythonMember(ForeignMember):
    """kafka-python's consumer, asked from a thread that it never leaves."""

    client_id = "kafka-python"

    async def start(self) -> None:
        self._owned: set[int] = set()
        self._ending = False

    async def read(self) -> None:
        await asyncio.to_thread(self._poll)

    def _poll(self) -> None:
        consumer = KafkaConsumer(
            self.topic,
            client_id=self.client_id,
            bootstrap_servers=self.bootstrap,
            group_id=self.group,
            group_instance_id=self.instance_id,
            auto_offset_reset="earliest",
            heartbeat_interval_ms=HEARTBEAT_MS,
            session_timeout_ms=SESSION_MS,
            auto_commit_interval_ms=50,
        )
        while not self._ending:
            for partition, records in consumer.poll(timeout_ms=100).items():
                self.records.extend((partition.partition, record.offset) for record in records)
            self._owned = {tp.partition for tp in consumer.assignment()}
        consumer.close()

    @property
    def owned(self) -> set[int]:
        return self._owned

    async def stop(self) -> None:
        self._ending = True
        await self._task


class JavaMember(ForeignMember):
    """Kafka's own consumer, in the Java program that `jvm` runs."""

    client_id = "java"
    jvm: ClassVar[Jvm]

    async def start(self) -> None:
        self._owned: set[int] = set()
        options = {
            "client.id": self.client_id,
            "bootstrap.servers": self.bootstrap,
            "group.id": self.group,
            "auto.offset.reset": "earliest",
            "heartbeat.interval.ms": HEARTBEAT_MS,
            "session.timeout.ms": SESSION_MS,
            "auto.commit.interval.ms": 50,
            "partition.assignment.strategy": _JAVA_ASSIGNORS[self.assignor],
        }
        if self.instance_id is not None:
            options["group.instance.id"] = self.instance_id
        self._name = f"{self.group}/{self.instance_id or ''}"
        await asyncio.to_thread(self.jvm.wait)  # not part of the time in which a group has to settle
        self.jvm.start(self._name, self._happened, self.topic, options)

    def _happened(self, *words: str) -> None:
        match words:
            case ["owns", *partitions]:
                self._owned = set(map(int, partitions))
            case ["record", partition, offset]:
                self.records.append((int(partition), int(offset)))
            case _:
                pass

    async def read(self) -> None:
        """The Java program reads without being asked."""

    @property
    def owned(self) -> set[int]:
        return self._owned

    async def stop(self) -> None:
        await self._task
        await asyncio.to_thread(self.jvm.stop, self._name)


class Jvm:
    """One Java virtual machine for all Java members of a test run: tests/integration/peers/Members.java."""

    def __init__(self) -> None:
        jar = clients_jar()
        program = Path(__file__).parent.parent / "integration" / "peers" / "Members.java"
        # A single-file program, with kafka-clients and the jars that it needs on the class path.
        command = ["java", *_JVM_OPTIONS, "-cp", f"{jar}:{jar.parent}/*", str(program)]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, encoding="utf-8", bufsize=1
        )
        self._up, self._ready = False, threading.Event()
        self._told: dict[str, Callable[..., None]] = {}
        self._ended: dict[str, threading.Event] = {}
        self._thread = threading.Thread(target=self._listen, name="jvm", daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            member, *words = line.split()
            if not words:
                self._up = True
                self._ready.set()
                continue
            if words == ["ended"]:
                self._ended[member].set()
            self._told[member](*words)
        self._ready.set()  # it may have ended before it was up

    def wait(self) -> None:
        """Wait until it is up; it compiles its program first, and a busy machine takes long to do so."""
        assert self._ready.wait(300) and self._up, "the Java program did not start"

    def start(self, member: str, told: Callable[..., None], topic: str, options: Mapping[str, object]) -> None:
        """Start a consumer; `told` is called, in another thread, with the words of every line that it prints."""
        self._told[member], self._ended[member] = told, threading.Event()
        self._say("start", member, topic, *(f"{name}={value}" for name, value in options.items()))

    def stop(self, member: str) -> None:
        """Close a consumer and wait for its end."""
        self._say("stop", member)
        assert self._ended[member].wait(30), "the Java member did not end"

    def _say(self, *words: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(" ".join(words) + "\n")
        self._process.stdin.flush()

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(30)
        finally:
            self._process.kill()
            self._process.wait()
            self._thread.join()
            self._process.stdout.close()

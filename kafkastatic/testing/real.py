"""A real Apache Kafka without Docker: one broker from its jars, on loopback, in KRaft mode.

    with RealKafka() as kafka:
        ...  # kafka.bootstrap

Needs Java >= 17, and Maven until the jars are in the cache. POSIX only.
"""

from __future__ import annotations

import atexit
import base64
import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from kafkastatic._protocol.error_codes import UNKNOWN_MEMBER_ID
from kafkastatic._protocol.messages.find_coordinator import FindCoordinatorRequest
from kafkastatic._protocol.messages.heartbeat import HeartbeatRequest
from kafkastatic._value import Value
from kafkastatic.errors import ProtocolError
from kafkastatic.testing.jars import DEFAULT_VERSION, RealKafkaError, available, fetch_jars, java
from kafkastatic.testing.wire import exchange

JVM_OPTIONS = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")  # quick to start, and small
_LOGGING = tuple(
    f"-Dorg.slf4j.simpleLogger.{option}"
    for option in ("showDateTime=true", "dateTimeFormat=HH:mm:ss.SSS", "showThreadName=false", "showShortLogName=true")
)


class Listener(Value):
    """A socket of a broker, and the address under which it is told to clients."""

    name: str
    port: int
    advertised: str = ""
    protocol: str = "PLAINTEXT"


class RealKafka:
    """One broker (and its own controller) on loopback; every method blocks, none needs an event loop.

    `settings` (server.properties) may be changed until the first start. `jvm_options` replace those that make the start
    quick and the broker small.

    The ports and the data outlive `stop`, `kill` and `restart`; `close` removes everything.
    """

    def __init__(
        self,
        version: str = DEFAULT_VERSION,
        settings: Mapping[str, object] | None = None,
        *,
        cluster_id: str | None = None,
        jvm_options: Sequence[str] = JVM_OPTIONS,
    ) -> None:
        self.version = version
        self._jvm_options = tuple(jvm_options)
        self._cluster_id = cluster_id or new_cluster_id()
        self.directory = Path(tempfile.mkdtemp(prefix="kafkastatic-kafka-"))
        self.port, self.controller_port = free_port(), free_port()
        self.settings = dict(settings or {})
        self._formatted = False
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        atexit.register(self.close)

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def log_file(self) -> Path:
        return self.directory / "broker.log"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self.running and self._process else None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def start(self, timeout: float = 180.0) -> Self:
        """Start the broker and wait until its group coordinator answers; formats the storage at the first start.

        :raises RealKafkaError: if Kafka cannot run here, ends early or is not ready in time
        """
        self.launch()
        self._wait_until_ready(timeout)
        return self

    def launch(self) -> None:
        """Start the broker without waiting for it; formats the storage at the first start.

        :raises RealKafkaError: if Kafka cannot run here
        """
        if self.running:
            return
        if reason := available(self.version):
            raise RealKafkaError(reason)
        if not self._formatted:
            self._prepare()
        with self.log_file.open("ab") as log:
            # A session of its own: Ctrl-C in the terminal is for the tests, which then stop the broker.
            self._process = subprocess.Popen(
                self._command("kafka.Kafka", "server.properties"),
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._guard = _start_guard(self._process.pid, self.directory)

    def stop(self, timeout: float = 20.0) -> bool:
        """End the broker with SIGTERM, and with SIGKILL if it has not ended within `timeout` seconds.

        :returns: whether it has ended by itself
        """
        in_time = True
        if self._process is not None and self.running:
            self._signal(signal.SIGCONT)
            self._process.terminate()
            try:
                self._process.wait(timeout)
            except subprocess.TimeoutExpired:
                self._process.kill()
                in_time = False
        self._reap()
        return in_time

    def kill(self) -> None:
        """End the broker with SIGKILL: a crash."""
        if self._process is not None and self.running:
            self._process.kill()
        self._reap()

    def restart(self, timeout: float = 180.0) -> None:
        """Stop and start on the same ports with the same data.

        :raises RealKafkaError: as `start`
        """
        self.stop()
        self.start(timeout)

    def pause(self) -> None:
        """Freeze the broker (SIGSTOP): connections stay open, nothing is answered."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused broker go on."""
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        """End the broker at once and remove its files."""
        self.kill()
        atexit.unregister(self.close)
        shutil.rmtree(self.directory, ignore_errors=True)

    def log_tail(self, lines: int = 40, *, about: Sequence[str] = ("",)) -> str:
        """The last lines of the broker's log that contain one of these texts, over all its starts."""
        try:
            text = self.log_file.read_text(errors="replace")
        except OSError:
            return "(no broker log)"
        return "\n".join([line for line in text.splitlines() if any(it in line for it in about)][-lines:])

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self.running:
            self._process.send_signal(number)

    def _reap(self) -> None:
        if self._process is not None:
            self._process.wait()
            self._process = None
        if self._guard is not None:
            self._guard.kill()
            self._guard.wait()
            if self._guard.stdin:
                self._guard.stdin.close()
            self._guard = None

    def _command(self, *arguments: str) -> list[str]:
        found = java()
        if found is None:
            raise RealKafkaError("no Java found")
        jars = f"{fetch_jars(self.version).resolve()}/*"
        return [found, *self._jvm_options, *_LOGGING, "-cp", jars, *arguments]

    def _prepare(self) -> None:
        properties = self._properties()
        (self.directory / "server.properties").write_text("".join(f"{k}={v}\n" for k, v in properties.items()))
        self._format()
        self._formatted = True

    def _format(self) -> None:
        arguments = ("format", "-t", self._cluster_id, "-c", "server.properties", *self._format_options())
        run = subprocess.run(
            self._command("kafka.tools.StorageTool", *arguments),
            cwd=self.directory,
            env={**os.environ, "LC_ALL": "C.UTF-8"},  # by which Java reads its arguments
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if run.returncode != 0:
            raise RealKafkaError(f"the storage could not be formatted:\n{(run.stdout + run.stderr)[-4000:]}")

    def _format_options(self) -> list[str]:
        return []

    def _listeners(self) -> list[Listener]:
        """Those for clients, the first one for brokers too."""
        return [Listener("PLAINTEXT", self.port, self.bootstrap)]

    def _properties(self) -> dict[str, object]:
        clients = self._listeners()
        listeners = [*clients, Listener("CONTROLLER", self.controller_port)]
        return {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@127.0.0.1:{self.controller_port}",
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "listeners": ",".join(f"{one.name}://127.0.0.1:{one.port}" for one in listeners),
            "advertised.listeners": ",".join(f"{one.name}://{one.advertised}" for one in clients),
            "listener.security.protocol.map": ",".join(f"{one.name}:{one.protocol}" for one in listeners),
            "log.dirs": "data",
            "auto.create.topics.enable": "false",
            "offsets.topic.num.partitions": 1,
            "offsets.topic.replication.factor": 1,
            "transaction.state.log.num.partitions": 1,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            # A killed broker may return only after its registration has expired.
            "broker.session.timeout.ms": 3000,
            "broker.heartbeat.interval.ms": 500,
            "group.initial.rebalance.delay.ms": 0,
            "group.min.session.timeout.ms": 1000,
            **self.settings,
        }

    def _wait_until_ready(self, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while True:
            if not self.running:
                raise RealKafkaError(f"Kafka {self.version} ended while starting:\n{self.log_tail()}")
            with contextlib.suppress(OSError, ProtocolError):
                if _coordinator_ready(self.port):
                    return
            if time.monotonic() > deadline:
                raise RealKafkaError(f"Kafka {self.version} is not ready after {timeout:g} s:\n{self.log_tail()}")
            time.sleep(0.05)


def _first_ephemeral_port() -> int:
    try:
        return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except OSError:
        return 49152


_given_ports: set[int] = set()
_port_locks: list[int] = []
"""The descriptor of the file whose bytes stand for ports; closing it would give up all of them."""


def free_port() -> int:
    """A free loopback port below the ephemeral range, which no process was given that still runs.

    While a broker is down its port must stay free for its return: an ephemeral port could be taken by any outgoing
    connection, and a client that reconnects to it can even connect to itself. A port that was given out looks free
    to the next who asks until it is used, as a proxy's is, and again while its broker is down.
    """
    top = max(_first_ephemeral_port(), 22_000)
    for _ in range(200):
        port = random.randrange(top - 10_000, top)
        if port in _given_ports or not _lock_port(port):
            continue
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            _given_ports.add(port)
            return port
    raise RealKafkaError(f"no free port below {top}")


def _lock_port(port: int) -> bool:
    """Whether no other process of this user has it; it is this one's until the process ends."""
    import fcntl  # POSIX only

    if not _port_locks:
        path = Path(tempfile.gettempdir()) / f"kafkastatic-ports-{os.getuid()}"
        _port_locks.append(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    try:
        fcntl.lockf(_port_locks[0], fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    return True


def new_cluster_id() -> str:
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode().replace("-", "A")


def _start_guard(pid: int, directory: Path) -> subprocess.Popen[bytes]:
    """A shell that ends the broker and removes its files if this process is killed: its stdin closes with us."""
    return subprocess.Popen(
        ["/bin/sh", "-c", 'read -r _; kill -9 "$1"; sleep 1; rm -rf "$2"', "guard", str(pid), str(directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _coordinator_ready(port: int) -> bool:
    """FindCoordinator answers without an error, and the coordinator it names has loaded its groups."""
    group = "kafkastatic-readiness"
    found = exchange(("127.0.0.1", port), FindCoordinatorRequest(key=group), 1, timeout=5)
    if found.error_code:
        return False
    # A heartbeat of nobody: unknown member from a coordinator at work, 14/15/16 from one that is not.
    nobody = HeartbeatRequest(group_id=group, member_id="x")
    return exchange((found.host, found.port), nobody, 0, timeout=5).error_code == UNKNOWN_MEMBER_ID

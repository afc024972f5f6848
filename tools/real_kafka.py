"""A real Apache Kafka without Docker: one broker from Maven's jars, on loopback, in KRaft mode.

Shared by the integration tests, the demo, the benchmarks and the message generator; no part of the package.
Needs Java >= 17, and Maven until the jars are in the cache. POSIX only.

    with RealKafka() as kafka:
        ...  # kafka.bootstrap

The cache is `.cache/` in the repository, or the directory named by KAFKASTATIC_CACHE.

Run as a program it starts a broker and keeps it until Ctrl-C: `python -m tools.real_kafka [VERSION]`.
"""

from __future__ import annotations

import atexit
import base64
import contextlib
import fcntl
import functools
import os
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType

DEFAULT_VERSION = "4.4.0"
OLDEST_JAVA = 17

_HERE = Path(__file__).resolve().parent
_JVM_OPTIONS = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")  # quick to start, and small
_LOGGING = tuple(
    f"-Dorg.slf4j.simpleLogger.{option}"
    for option in ("showDateTime=true", "dateTimeFormat=HH:mm:ss.SSS", "showThreadName=false", "showShortLogName=true")
)


class RealKafkaError(Exception):
    """The broker or its jars could not be had; the message carries the tail of the log."""


# What the machine offers


def _java() -> str | None:
    home = os.environ.get("JAVA_HOME")
    if home and (Path(home) / "bin" / "java").exists():
        return str(Path(home) / "bin" / "java")
    return shutil.which("java")


@functools.cache
def _java_major(java: str) -> int | None:
    try:
        run = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r'version "(?:1\.)?(\d+)', run.stderr + run.stdout)
    return int(found[1]) if found else None


def available(version: str = DEFAULT_VERSION) -> str | None:
    """Why a real Kafka cannot run here, or None if it can."""
    if os.name != "posix":
        return "the real Kafka fixture needs a POSIX system"
    java = _java()
    if java is None:
        return f"no Java found: a real Kafka needs Java >= {OLDEST_JAVA} (on PATH or in JAVA_HOME)"
    major = _java_major(java)
    if major is None:
        return f"{java} does not run: a real Kafka needs Java >= {OLDEST_JAVA}"
    if major < OLDEST_JAVA:
        return f"Java {major} is too old: a real Kafka needs Java >= {OLDEST_JAVA}"
    if not _jar_directory(version).is_dir() and shutil.which("mvn") is None:
        return "no Maven found: `mvn` fetches the jars of a real Kafka (once)"
    return None


def cache_directory() -> Path:
    return Path(os.environ.get("KAFKASTATIC_CACHE") or _HERE.parent / ".cache")


def _jar_directory(version: str) -> Path:
    return cache_directory() / "kafka" / version


def fetch_jars(version: str = DEFAULT_VERSION) -> Path:
    """The directory with the broker's jars (kafka-clients among them), fetched by Maven if it is not there yet.

    :raises RealKafkaError: if Maven is missing or fails
    """
    target = _jar_directory(version)
    if target.is_dir():
        return target
    with _locked(target.with_name(f"{version}.lock")):
        if target.is_dir():  # another process was faster
            return target
        maven = shutil.which("mvn")
        if maven is None:
            raise RealKafkaError("no Maven found: `mvn` fetches the jars of a real Kafka (once)")
        partial = target.with_name(f"{version}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        options = ("-q", "-B", "-f", str(_HERE / "kafka.pom.xml"), f"-Dkafka.version={version}")
        goal = ("dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={partial.resolve()}")
        run = subprocess.run(
            [maven, *options, *goal],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if run.returncode != 0 or not list(partial.glob("kafka-clients-*.jar")):
            raise RealKafkaError(f"Maven could not fetch Kafka {version}:\n{(run.stdout + run.stderr)[-4000:]}")
        partial.rename(target)
    return target


def clients_jar(version: str = DEFAULT_VERSION) -> Path:
    """kafka-clients-VERSION.jar: holds Kafka's own message schemas under common/message/*.json.

    :raises RealKafkaError: if Maven is missing or fails
    """
    return fetch_jars(version) / f"kafka-clients-{version}.jar"


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # released with the file
        yield


# Ports


def _first_ephemeral_port() -> int:
    try:
        return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except OSError:
        return 49152


_given_ports: set[int] = set()


def free_port() -> int:
    """A free loopback port below the ephemeral range, which this process was not given before.

    While a broker is down its port must stay free for its return: an ephemeral port could be taken by any outgoing
    connection, and a client that reconnects to it can even connect to itself. A port that was given out looks free
    to the next who asks until it is used, as a proxy's is, and again while its broker is down.
    """
    top = max(_first_ephemeral_port(), 22_000)
    for _ in range(200):
        port = random.randrange(top - 10_000, top)
        if port in _given_ports:
            continue
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            _given_ports.add(port)
            return port
    raise RealKafkaError(f"no free port below {top}")


# The broker


def new_cluster_id() -> str:
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode().replace("-", "A")


PLAIN_USER = ("alice", "secret-of-alice")
SCRAM_USERS = {"bob": "secret-of-bob", "chloe": "Ⅸ ﬁne ａ½"}
"""Names and passwords. RFC 5802's SASLprep would change the second one."""

_JAAS = "org.apache.kafka.common.security"
_LOGINS: dict[str, object] = {
    "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
    "listener.name.sasl.plain.sasl.jaas.config": f"{_JAAS}.plain.PlainLoginModule required"
    f' user_{PLAIN_USER[0]}="{PLAIN_USER[1]}";',
    "listener.name.sasl.scram-sha-256.sasl.jaas.config": f"{_JAAS}.scram.ScramLoginModule required;",
    "listener.name.sasl.scram-sha-512.sasl.jaas.config": f"{_JAAS}.scram.ScramLoginModule required;",
    "listener.name.sasl.oauthbearer.sasl.jaas.config": f"{_JAAS}.oauthbearer.OAuthBearerLoginModule required"
    f' unsecuredLoginStringClaim_sub="{PLAIN_USER[0]}";',
}


class Certificate:
    """A self-signed certificate for localhost and 127.0.0.1, which is its own authority; made when first needed."""

    def __init__(self, directory: Path) -> None:
        self.ca_file = directory / "ca.pem"
        self._keystore = directory / "broker.p12"

    @property
    def settings(self) -> dict[str, object]:
        """What a broker that shows it needs to know."""
        return {
            "ssl.keystore.location": self._keystore,
            "ssl.keystore.password": "changeit",
            "ssl.keystore.type": "PKCS12",
        }

    def make(self) -> None:
        """Make it with Java's keytool, unless it is there.

        :raises RealKafkaError: if keytool fails
        """
        if self.ca_file.exists():
            return
        java = _java()
        beside = Path(java).with_name("keytool") if java else None
        keytool = str(beside) if beside and beside.exists() else "keytool"
        store = ("-alias", "broker", "-keystore", str(self._keystore), "-storepass", "changeit")
        subject = ("-dname", "CN=localhost", "-ext", "san=dns:localhost,ip:127.0.0.1", "-ext", "bc:c")
        key = ("-keyalg", "EC", "-groupname", "secp256r1", "-storetype", "PKCS12", "-validity", "30")
        export = ("-exportcert", "-rfc", *store, "-file", str(self.ca_file))
        for command in (("-genkeypair", *store, *subject, *key), export):
            run = subprocess.run([keytool, *command], capture_output=True, text=True, check=False)
            if run.returncode != 0:
                raise RealKafkaError(f"keytool failed:\n{run.stdout}{run.stderr}")


class RealKafka:
    """One broker (and its own controller) on loopback; every method blocks, none needs an event loop.

    `bootstrap` is the plain listener. A second plain listener, `behind_proxy`, advertises `proxy_port`: clients that
    bootstrap through a proxy listening on that port stay behind it. With `tls=True` a third listener, `bootstrap_tls`,
    speaks TLS under the certificate in `ca_file`. With `sasl=True` there is one more, `bootstrap_sasl_ssl`, which also
    wants a login: `PLAIN_USER` by PLAIN, `SCRAM_USERS` by either SCRAM.

    `settings` (server.properties) may be changed until the first start. A cluster of several is `RealCluster`'s work.
    `jvm_options` replace those that make the start quick and the broker small.

    The ports and the data outlive `stop`, `kill` and `restart`; `close` removes everything.
    """

    def __init__(
        self,
        version: str = DEFAULT_VERSION,
        settings: Mapping[str, object] | None = None,
        *,
        tls: bool = False,
        sasl: bool = False,
        cluster_id: str | None = None,
        certificate: Certificate | None = None,
        jvm_options: Sequence[str] = _JVM_OPTIONS,
    ) -> None:
        self.version = version
        self._jvm_options = tuple(jvm_options)
        self._cluster_id = cluster_id or new_cluster_id()
        self.directory = Path(tempfile.mkdtemp(prefix="kafkastatic-kafka-"))
        self.port, self.behind_proxy_port, self.proxy_port, self.controller_port = (free_port() for _ in range(4))
        self._tls_port, self._sasl_port = free_port(), free_port()
        self.settings = dict(settings or {})
        self._tls = tls
        self._sasl = sasl
        self._certificate = certificate or Certificate(self.directory)
        self._formatted = False
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        atexit.register(self.close)

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def behind_proxy(self) -> str:
        """The listener a proxy on `proxy_port` forwards to."""
        return f"127.0.0.1:{self.behind_proxy_port}"

    @property
    def bootstrap_tls(self) -> str:
        return f"localhost:{self._tls_port}"

    @property
    def bootstrap_sasl_ssl(self) -> str:
        return f"localhost:{self._sasl_port}"

    @property
    def ca_file(self) -> Path:
        return self._certificate.ca_file

    @property
    def log_file(self) -> Path:
        return self.directory / "broker.log"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self.running and self._process else None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def __enter__(self) -> RealKafka:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def start(self, timeout: float = 60.0) -> RealKafka:
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

    def stop(self, timeout: float = 20.0) -> None:
        """End the broker with SIGTERM, and with SIGKILL if it has not ended within `timeout` seconds."""
        if self._process is not None and self.running:
            self._signal(signal.SIGCONT)
            self._process.terminate()
            try:
                self._process.wait(timeout)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._reap()

    def kill(self) -> None:
        """End the broker with SIGKILL: a crash."""
        if self._process is not None and self.running:
            self._process.kill()
        self._reap()

    def restart(self, timeout: float = 60.0) -> None:
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
        java = _java()
        if java is None:
            raise RealKafkaError("no Java found")
        jars = f"{fetch_jars(self.version).resolve()}/*"
        return [java, *self._jvm_options, *_LOGGING, "-cp", jars, *arguments]

    def _prepare(self) -> None:
        if self._tls or self._sasl:
            self._certificate.make()
        properties = self._properties()
        (self.directory / "server.properties").write_text("".join(f"{k}={v}\n" for k, v in properties.items()))
        scram = [
            f"--add-scram={mechanism}=[name={name},password={password}]"
            for name, password in (SCRAM_USERS if self._sasl else {}).items()
            for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512")
        ]
        run = subprocess.run(
            self._command(
                "kafka.tools.StorageTool", "format", "-t", self._cluster_id, "-c", "server.properties", *scram
            ),
            cwd=self.directory,
            env={**os.environ, "LC_ALL": "C.UTF-8"},  # by which Java reads its arguments
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if run.returncode != 0:
            raise RealKafkaError(f"the storage could not be formatted:\n{(run.stdout + run.stderr)[-4000:]}")
        self._formatted = True

    def _properties(self) -> dict[str, object]:
        listeners = {
            "PLAINTEXT": self.port,
            "BEHIND_PROXY": self.behind_proxy_port,
            "CONTROLLER": self.controller_port,
        }
        advertised = {
            "PLAINTEXT": f"127.0.0.1:{self.port}",
            "BEHIND_PROXY": f"127.0.0.1:{self.proxy_port}",
        }
        kinds = dict.fromkeys(listeners, "PLAINTEXT")
        extra: dict[str, object] = {}
        if self._tls:
            listeners["TLS"] = self._tls_port
            advertised["TLS"] = f"localhost:{self._tls_port}"
            kinds["TLS"] = "SSL"
        if self._sasl:
            listeners["SASL"] = self._sasl_port
            advertised["SASL"] = self.bootstrap_sasl_ssl
            kinds["SASL"] = "SASL_SSL"
            extra |= _LOGINS
        if self._tls or self._sasl:
            extra |= self._certificate.settings
        return {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@127.0.0.1:{self.controller_port}",
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "listeners": ",".join(f"{name}://127.0.0.1:{port}" for name, port in listeners.items()),
            "advertised.listeners": ",".join(f"{name}://{address}" for name, address in advertised.items()),
            "listener.security.protocol.map": ",".join(f"{name}:{kind}" for name, kind in kinds.items()),
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
            **extra,
            **self.settings,
        }

    def _wait_until_ready(self, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while True:
            if not self.running:
                raise RealKafkaError(f"Kafka {self.version} ended while starting:\n{self.log_tail()}")
            with contextlib.suppress(OSError, struct.error):
                if _coordinator_ready(self.port):
                    return
            if time.monotonic() > deadline:
                raise RealKafkaError(f"Kafka {self.version} is not ready after {timeout:g} s:\n{self.log_tail()}")
            time.sleep(0.05)


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
    group = b"kafkastatic-readiness"
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        found = _ask(connection, api=10, version=1, body=struct.pack(">h", len(group)) + group + b"\0")
        if struct.unpack_from(">h", found, 4)[0] != 0:
            return False
        (message,) = struct.unpack_from(">h", found, 6)
        at = 8 + max(message, 0) + 4
        (length,) = struct.unpack_from(">h", found, at)
        host = found[at + 2 : at + 2 + length].decode()
        (coordinator,) = struct.unpack_from(">i", found, at + 2 + length)
    with socket.create_connection((host, coordinator), timeout=5) as connection:
        # A heartbeat of nobody: 25 (unknown member) from a coordinator at work, 14/15/16 from one that is not.
        body = struct.pack(">h", len(group)) + group + struct.pack(">ih", 0, 1) + b"x"
        return struct.unpack_from(">h", _ask(connection, api=12, version=0, body=body), 0)[0] == 25


def _ask(connection: socket.socket, api: int, version: int, body: bytes) -> bytes:
    request = struct.pack(">hhih", api, version, 1, 5) + b"ready" + body
    connection.sendall(struct.pack(">i", len(request)) + request)
    (size,) = struct.unpack(">i", _receive(connection, 4))
    return _receive(connection, size)[4:]


def _receive(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        chunk = connection.recv(size - len(data))
        if not chunk:
            raise ConnectionResetError("the broker closed the connection")
        data += chunk
    return data


def main() -> None:
    version = sys.argv[1] if len(sys.argv) > 1 else DEFAULT_VERSION
    began = time.monotonic()
    with RealKafka(version) as kafka:
        print(f"Kafka {version} is up after {time.monotonic() - began:.1f} s: {kafka.bootstrap} (Ctrl-C ends it)")
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()


if __name__ == "__main__":
    main()

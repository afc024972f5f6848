"""The real Kafka of the integration tests, the demo, the benchmarks and the message generator.

    with RealKafka() as kafka:
        ...  # kafka.bootstrap

It is that of `kafkastatic.testing.real`, with listeners for proxies, TLS and logins. The cache of its jars is `.cache/`
in the repository, or the directory named by KAFKASTATIC_CACHE.

Run as a program it starts a broker and keeps it until Ctrl-C: `python -m tools.real_kafka [VERSION]`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kafkastatic.testing.jars import (
    DEFAULT_VERSION,
    RealKafkaError,
    available,
    cache_directory,
    clients_jar,
    fetch_jars,
    java,
)
from kafkastatic.testing.real import Listener, free_port, new_cluster_id
from kafkastatic.testing.real import RealKafka as PlainKafka
from tools import class_archive

__all__ = [
    "DEFAULT_VERSION",
    "PLAIN_USER",
    "SCRAM_USERS",
    "Certificate",
    "RealKafka",
    "RealKafkaError",
    "available",
    "cache_directory",
    "clients_jar",
    "fetch_jars",
    "free_port",
    "new_cluster_id",
]

os.environ.setdefault("KAFKASTATIC_CACHE", str(Path(__file__).resolve().parent.parent / ".cache"))

PLAIN_USER = ("alice", "secret-of-alice")
SCRAM_USERS = {"bob": "secret-of-bob", "chloe": "Ⅸ ﬁne ａ½"}
"""Names and passwords. RFC 5802's SASLprep would change the second one."""

_formatted: dict[tuple[object, ...], dict[Path, bytes]] = {}
"""What a formatted storage holds, by the kind of broker."""

_A_DAY = 86_400_000
"""Milliseconds after which a broker first looks for empty groups to forget: none vanishes while tests count them."""

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
        found = java()
        beside = Path(found).with_name("keytool") if found else None
        keytool = str(beside) if beside and beside.exists() else "keytool"
        store = ("-alias", "broker", "-keystore", str(self._keystore), "-storepass", "changeit")
        subject = ("-dname", "CN=localhost", "-ext", "san=dns:localhost,ip:127.0.0.1", "-ext", "bc:c")
        key = ("-keyalg", "EC", "-groupname", "secp256r1", "-storetype", "PKCS12", "-validity", "30")
        export = ("-exportcert", "-rfc", *store, "-file", str(self.ca_file))
        for command in (("-genkeypair", *store, *subject, *key), export):
            run = subprocess.run([keytool, *command], capture_output=True, text=True, check=False)
            if run.returncode != 0:
                raise RealKafkaError(f"keytool failed:\n{run.stdout}{run.stderr}")


class RealKafka(PlainKafka):
    """One broker on loopback, for tests of this repository.

    `bootstrap` is the plain listener. A second plain listener, `behind_proxy`, advertises `proxy_port`: clients that
    bootstrap through a proxy listening on that port stay behind it. With `tls=True` a third listener, `bootstrap_tls`,
    speaks TLS under the certificate in `ca_file`. With `sasl=True` there is one more, `bootstrap_sasl_ssl`, which also
    wants a login: `PLAIN_USER` by PLAIN, `SCRAM_USERS` by either SCRAM. A cluster of several is `RealCluster`'s work.
    """

    def __init__(
        self,
        version: str = DEFAULT_VERSION,
        settings: Mapping[str, object] | None = None,
        *,
        tls: bool = False,
        sasl: bool = False,
        certificate: Certificate | None = None,
        **others: Any,
    ) -> None:
        super().__init__(version, settings, **({"jvm_options": class_archive.options(version)} | others))
        self.behind_proxy_port, self.proxy_port = free_port(), free_port()
        self._tls_port, self._sasl_port = free_port(), free_port()
        self._tls = tls
        self._sasl = sasl
        self._certificate = certificate or Certificate(self.directory)

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

    def _prepare(self) -> None:
        if self._tls or self._sasl:
            self._certificate.make()
        super()._prepare()

    def _format(self) -> None:
        """As the last time, without the program that does it: only the ids are of each storage's own."""
        kind = (self.version, self.settings.get("node.id"), *self._format_options())
        data, ids = self.directory / "data", "meta.properties"
        if kind not in _formatted:
            super()._format()
            files = [path for path in data.rglob("*") if path.is_file() and path.name != ids]
            _formatted[kind] = {path.relative_to(data): path.read_bytes() for path in files}
            return
        for path, content in _formatted[kind].items():
            (data / path).parent.mkdir(parents=True, exist_ok=True)
            (data / path).write_bytes(content)
        node = self.settings.get("node.id", 1)
        own = {"node.id": node, "directory.id": new_cluster_id(), "version": 1, "cluster.id": self._cluster_id}
        (data / ids).write_text("".join(f"{name}={value}\n" for name, value in own.items()))

    def _format_options(self) -> list[str]:
        return [
            f"--add-scram={mechanism}=[name={name},password={password}]"
            for name, password in (SCRAM_USERS if self._sasl else {}).items()
            for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512")
        ]

    def _listeners(self) -> list[Listener]:
        found = super()._listeners()
        found.append(Listener("BEHIND_PROXY", self.behind_proxy_port, f"127.0.0.1:{self.proxy_port}"))
        if self._tls:
            found.append(Listener("TLS", self._tls_port, self.bootstrap_tls, "SSL"))
        if self._sasl:
            found.append(Listener("SASL", self._sasl_port, self.bootstrap_sasl_ssl, "SASL_SSL"))
        return found

    def _properties(self) -> dict[str, object]:
        extra: dict[str, object] = {"offsets.retention.check.interval.ms": _A_DAY}
        if self._sasl:
            extra |= _LOGINS
        if self._tls or self._sasl:
            extra |= self._certificate.settings
        return {**extra, **super()._properties()}


def main() -> None:
    version = sys.argv[1] if len(sys.argv) > 1 else DEFAULT_VERSION
    began = time.monotonic()
    with RealKafka(version) as kafka:
        print(f"Kafka {version} is up after {time.monotonic() - began:.1f} s: {kafka.bootstrap} (Ctrl-C ends it)")
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()


if __name__ == "__main__":
    main()

"""The embedded broker with the face of a real one, `RealKafka` or `RealCluster`, as far as both have it.

    with embedded_kafka() as kafka:
        ...  # kafka.bootstrap, kafka.stop(), kafka.start(), RecordingProxy.before(kafka)

It runs in a thread with a loop of its own, so that no test can hold it up by holding up its own loop.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

from kafkastatic.broker import Broker
from tools.real_kafka import DEFAULT_VERSION, free_port

_AS_THE_REAL_ONE: dict[str, object] = {"auto.create.topics.enable": False, "group.min.session.timeout.ms": 1000}

_LIMITS = ("group.consumer.min.",)
"""Settings that only allow what the embedded broker allows anyway."""


class EmbeddedKafka:
    """One node of an embedded cluster.

    Attributes:
        behind_proxy: its second listener, which advertises `proxy_port`.
        settings: by Kafka's names.
    """

    def __init__(
        self, broker: Broker, node: int, settings: Mapping[str, object], proxy_port: int, behind_proxy: str
    ) -> None:
        self.bootstrap = broker.address(node)
        self.proxy_port = proxy_port
        self.behind_proxy = behind_proxy
        self.settings = dict(settings)
        self._broker = broker
        self._node = node

    def stop(self) -> None:
        """As a broker that is shut down, or dies."""
        self._broker.stop(self._node)

    kill = stop

    def start(self) -> None:
        self._broker.start(self._node)

    def delete_records(self, topic: str, partition: int, before: int) -> None:
        self._broker.delete_records(topic, partition, before)


class EmbeddedCluster:
    """Several nodes: `brokers[n - 1]` is the one with node id n."""

    def __init__(self, broker: Broker, brokers: list[EmbeddedKafka]) -> None:
        self.bootstrap = broker.bootstrap
        self.brokers = brokers
        self._broker = broker

    def move_leader(self, topic: str, partition: int, to: int) -> None:
        self._broker.move_leader(topic, partition, to=to)


@contextlib.contextmanager
def embedded_cluster(
    size: int = 3, version: str = DEFAULT_VERSION, settings: Mapping[str, object] | None = None
) -> Iterator[EmbeddedCluster]:
    """A running cluster, with those settings of `RealKafka` that are not Kafka's own."""
    wanted = _AS_THE_REAL_ONE | dict(settings or {})
    named = {name.replace(".", "_"): value for name, value in wanted.items() if not name.startswith(_LIMITS)}
    nodes = range(1, size + 1)
    with Broker(brokers=size, behaves_as=version[:3], **named) as broker:
        ports = {node: free_port() for node in nodes}
        behind = broker.listen_behind({node: f"127.0.0.1:{port}" for node, port in ports.items()})
        yield EmbeddedCluster(
            broker, [EmbeddedKafka(broker, node, settings or {}, ports[node], behind[node]) for node in nodes]
        )


@contextlib.contextmanager
def embedded_kafka(
    version: str = DEFAULT_VERSION, settings: Mapping[str, object] | None = None
) -> Iterator[EmbeddedKafka]:
    """One running broker."""
    with embedded_cluster(1, version, settings) as cluster:
        yield cluster.brokers[0]

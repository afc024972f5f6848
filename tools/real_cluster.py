"""Several real brokers as one cluster, for what happens when one of them dies.

    with RealCluster() as cluster:
        ...  # cluster.bootstrap; cluster.brokers[0].kill(), .start(), .pause(), .resume()

Each broker is a `RealKafka` (and a controller) in a rack of its own, `rack-1` and so on; topics are replicated to
all of them. `cluster.bootstrap_sasl_ssl` are listeners that want TLS and a login, under one certificate. Run as a
program it keeps a cluster of three until Ctrl-C: `python -m tools.real_cluster [VERSION]`.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from collections.abc import Mapping
from types import TracebackType

from tools.real_kafka import DEFAULT_VERSION, Certificate, RealKafka, new_cluster_id


class RealCluster:
    """Brokers with the node ids 1 to `size`; every method blocks. `brokers[n - 1]` is the one with node id n."""

    def __init__(
        self,
        size: int = 3,
        version: str = DEFAULT_VERSION,
        settings: Mapping[str, object] | None = None,
    ) -> None:
        cluster_id = new_cluster_id()
        self.version = version
        first = RealKafka(version, sasl=True, cluster_id=cluster_id)
        self.ca_file = first.ca_file
        certificate = Certificate(first.directory)
        others = [
            RealKafka(version, sasl=True, cluster_id=cluster_id, certificate=certificate) for _ in range(size - 1)
        ]
        self.brokers = [first, *others]
        voters = ",".join(f"{node}@127.0.0.1:{broker.controller_port}" for node, broker in enumerate(self.brokers, 1))
        for node, broker in enumerate(self.brokers, 1):
            broker.settings.update(
                {
                    "node.id": node,
                    "controller.quorum.voters": voters,
                    "broker.rack": f"rack-{node}",
                    "replica.selector.class": "org.apache.kafka.common.replica.RackAwareReplicaSelector",
                    "default.replication.factor": size,
                    "min.insync.replicas": max(size - 1, 1),
                    "offsets.topic.num.partitions": size,
                    "offsets.topic.replication.factor": size,
                    "transaction.state.log.num.partitions": size,
                    "transaction.state.log.replication.factor": size,
                    "transaction.state.log.min.isr": max(size - 1, 1),
                    **(settings or {}),
                }
            )

    @property
    def bootstrap(self) -> str:
        """The plain listeners of all brokers."""
        return ",".join(broker.bootstrap for broker in self.brokers)

    @property
    def bootstrap_sasl_ssl(self) -> str:
        """The listeners of all brokers that want TLS and a login."""
        return ",".join(broker.bootstrap_sasl_ssl for broker in self.brokers)

    def __enter__(self) -> RealCluster:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def start(self, timeout: float = 240.0) -> RealCluster:
        """Start all brokers and wait until each answers for the group coordinator.

        :raises RealKafkaError: as `RealKafka.start`
        """
        for broker in self.brokers:
            broker.launch()
        for broker in self.brokers:
            broker.start(timeout)
        return self

    def close(self) -> None:
        """End the brokers at once and remove their files."""
        for broker in self.brokers:
            broker.close()


def main() -> None:
    version = sys.argv[1] if len(sys.argv) > 1 else DEFAULT_VERSION
    began = time.monotonic()
    with RealCluster(version=version) as cluster:
        print(f"Kafka {version}, three brokers, after {time.monotonic() - began:.1f} s: {cluster.bootstrap}")
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()


if __name__ == "__main__":
    main()

"""What a group notices when brokers die: this client, confluent-kafka and aiokafka, in one run on three real brokers.

    python -m benchmarks.failover [--json FILE] [--rate N] [--partitions N] [--faults kill,stop] [--clients NAME,...]

A steady idempotent producer writes numbered records to a topic that is replicated to all brokers; every client reads it
with two members in a group of its own. One broker after the other is killed and started again, the coordinator of the
groups among them, and leadership is given back; then the coordinator is frozen for ten seconds.

From the brokers' own word (`observer.py`), the log as it stands at the end and the members' diaries it is judged
whether anything was lost, out of order or delivered again although committed, what the members were told, and how long
partitions stood still although their new leader was known and had records.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import attrs
from confluent_kafka import ElectionType
from confluent_kafka.admin import AdminClient, NewTopic

from benchmarks import common
from benchmarks.failover_judge import Fault, Judge, Log, read_whole_log
from benchmarks.failover_peers import MEMBERS, Job, read_events, read_log
from benchmarks.observer import OFFSETS, Commits, Leaders
from tools.real_cluster import RealCluster
from tools.real_kafka import RealKafka, available

BROKERS = 3
SETTLE = 4.0
FROZEN = 10.0
PATIENCE = 60.0
BROKER_SESSION = 5.0
"""Seconds after which the controller takes a silent broker for dead (Kafka's default is 9)."""

SETTINGS = {
    "broker.session.timeout.ms": round(BROKER_SESSION * 1000),
    "broker.heartbeat.interval.ms": 500,
    "group.initial.rebalance.delay.ms": 0,
    "auto.leader.rebalance.enable": "false",  # leadership is given back when the benchmark says so
}

AIM = "one retry backoff (retry_backoff_max_ms, jitter included) and one metadata round trip"


def wait_until(condition: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
    until = time.monotonic() + patience
    while not condition():
        if time.monotonic() > until:
            raise RuntimeError(f"not within {patience:g} s: {what}")
        time.sleep(0.02)


def groups_of_one_coordinator(clients: list[str]) -> dict[str, str]:
    """A group for each client; all are kept in partition 0 of the offsets topic, so that one broker coordinates all."""
    found: dict[str, str] = {}
    for client in clients:
        while client not in found:
            name = f"failover-{client}-{uuid.uuid4().hex[:8]}"
            if _java_hash(name) % BROKERS == 0:
                found[client] = name
    return found


def _java_hash(text: str) -> int:
    value = 0
    for char in text:
        value = (value * 31 + ord(char)) & 0xFFFFFFFF
    return abs(value - (1 << 32) if value >= 1 << 31 else value)


class Peers:
    """The processes, by name."""

    def __init__(self, template: Job, groups: dict[str, str]) -> None:
        self.producer = attrs.evolve(template, name="producer")
        self.members = {
            client: [attrs.evolve(template, name=f"{client}-{n}", group=group) for n in range(2)]
            for client, group in groups.items()
        }
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, role: str, job: Job) -> None:
        command = [sys.executable, "-m", "benchmarks.failover_peers", role, json.dumps(attrs.asdict(job))]
        self._running[job.name] = subprocess.Popen(command, stdin=subprocess.PIPE)

    def start_members(self) -> None:
        for client, jobs in self.members.items():
            for job in jobs:
                self.start(client, job)

    def stop(self, name: str, patience: float = 90.0) -> float:
        """Seconds that it took to end in order."""
        process, began = self._running.pop(name), time.monotonic()
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        return time.monotonic() - began

    def stop_all(self) -> None:
        for name in list(self._running):
            self.stop(name, 10)

    def shared_out(self) -> bool:
        """Whether every group has given each partition to one member."""
        for jobs in self.members.values():
            owned = [_owned(job) for job in jobs]
            if not all(owned) or sum(owned) != jobs[0].partitions:
                return False
        return True


def _owned(job: Job) -> int:
    if not job.file("events").exists():
        return 0
    owned = 0
    for event in read_events(job):
        if event["event"] in ("assigned", "revoked", "lost"):
            owned = event["partitions"] if event["event"] == "assigned" else 0
    return owned


class Run:
    """One run on one cluster."""

    def __init__(self, cluster: RealCluster, leaders: Leaders, admin: AdminClient, topic: str) -> None:
        self._cluster = cluster
        self._leaders = leaders
        self._admin = admin
        self._topic = topic
        self.faults: list[Fault] = []

    def settle(self) -> None:
        """All replicas in sync, every broker leading what it was made to lead, and some seconds of quiet."""
        wait_until(lambda: self._leaders.in_sync(BROKERS), "all replicas in sync")
        self._give_back()
        time.sleep(SETTLE)

    def _give_back(self) -> None:
        began = time.monotonic()
        self._admin.elect_leaders(ElectionType.PREFERRED).result()
        wait_until(self._balanced, "leadership given back")
        if any(change.at > began for change in list(self._leaders.changes)):
            self.faults.append(Fault("leadership given back", began))

    def _balanced(self) -> bool:
        led = self._leaders.led_by(self._topic).values()
        return len(led) == BROKERS and max(led) - min(led) <= 1

    @property
    def coordinator(self) -> int:
        return self._leaders.leader(OFFSETS, 0)

    def kill(self, node: int) -> None:
        what = f"broker {node} killed{', the coordinator' if node == self.coordinator else ''}"
        self._disturb(what, node, lambda broker: broker.kill())
        self.faults.append(Fault(f"broker {node} started", time.monotonic()))
        self._cluster.brokers[node - 1].start()
        self.settle()

    def stop(self, node: int) -> None:
        what = f"broker {node} stopped for {FROZEN:g} s{', the coordinator' if node == self.coordinator else ''}"
        began = time.monotonic()
        self._disturb(what, node, lambda broker: broker.pause())
        time.sleep(max(began + FROZEN - time.monotonic(), 0))
        self.faults.append(Fault(f"broker {node} goes on", time.monotonic()))
        self._cluster.brokers[node - 1].resume()
        self.settle()

    def _disturb(self, what: str, node: int, how: Callable[[RealKafka], None]) -> None:
        print(f"{time.strftime('%H:%M:%S')} {what}", flush=True)
        self.faults.append(Fault(what, time.monotonic()))
        how(self._cluster.brokers[node - 1])
        wait_until(lambda: node not in self._leaders.led_by(self._topic), f"broker {node} leads nothing")
        time.sleep(SETTLE)


@contextmanager
def cluster() -> Iterator[RealCluster]:
    if reason := available():
        sys.exit(f"The benchmark runs a real Kafka: {reason}.")
    with RealCluster(BROKERS, settings=SETTINGS) as found:
        yield found


def busy() -> tuple[float, float]:
    """Seconds that the machine's processors worked, and that they existed, since it started."""
    fields = [float(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    idle = fields[3] + fields[4]
    tick = os.sysconf("SC_CLK_TCK")
    return (sum(fields) - idle) / tick, sum(fields) / tick


def measure(options: argparse.Namespace, folder: str) -> dict[str, Any]:
    with ExitStack() as stack:
        kafka = stack.enter_context(cluster())
        admin = AdminClient({"bootstrap.servers": kafka.bootstrap, "log_level": 0, "socket.timeout.ms": 5_000})
        topic, groups = f"failover-{uuid.uuid4().hex[:8]}", groups_of_one_coordinator(options.clients)
        admin.create_topics([NewTopic(topic, options.partitions, BROKERS)])[topic].result()
        brokers = {node: broker.bootstrap for node, broker in enumerate(kafka.brokers, 1)}
        leaders = stack.enter_context(Leaders(brokers, topic))
        wait_until(lambda: sum(leaders.led_by(topic).values()) == options.partitions, "leaders of all partitions")
        run = Run(kafka, leaders, admin, topic)
        template = Job(
            name="",
            folder=folder,
            bootstrap=kafka.bootstrap,
            topic=topic,
            partitions=options.partitions,
            rate=options.rate,
        )
        peers = Peers(template, groups)
        stack.callback(peers.stop_all)
        peers.start_members()
        wait_until(peers.shared_out, "partitions shared out")
        commits = stack.enter_context(Commits(lambda: brokers.get(run.coordinator), list(groups.values()), topic))
        peers.start("producer", peers.producer)
        run.settle()
        began, load = time.monotonic(), busy()
        run.faults.clear()
        if "kill" in options.faults:
            for node in range(1, BROKERS + 1):
                run.kill(node)
        if "stop" in options.faults:
            run.stop(run.coordinator)
        ended, worked = time.monotonic(), [after - before for after, before in zip(busy(), load, strict=True)]
        peers.stop("producer")
        time.sleep(SETTLE)
        closing = {job.name: peers.stop(job.name) for jobs in peers.members.values() for job in jobs}
        judge = Judge(
            log=Log(read_whole_log(kafka.bootstrap, topic, options.partitions), read_log(peers.producer)),
            changes=[change for change in leaders.changes if change.topic == topic],
            faults=run.faults,
            began=began,
            ended=ended,
        )
        results = {client: judge.client(jobs, commits.seen[groups[client]]) for client, jobs in peers.members.items()}
        answers = sorted(leaders.answers)
        return {
            "settings": attrs.asdict(template, filter=attrs.filters.include("session_ms", "heartbeat_ms", "request_ms"))
            | {"commit_ms": template.commit_ms, "retry_ms": template.retry_ms, "retry_max_ms": template.retry_max_ms}
            | {
                "partitions": options.partitions,
                "rate": options.rate,
                "brokers": {k: str(v) for k, v in SETTINGS.items()},
            },
            "seconds": ended - began,
            "processors busy": worked[0] / worked[1],
            "metadata round trip ms": {
                "median": answers[len(answers) // 2] * 1000,
                "p99": answers[round(len(answers) * 0.99) - 1] * 1000,
            },
            "producer": read_events(peers.producer),
            "log": judge.log.summary(),
            "clients": results,
            "events": [fault._asdict() for fault in run.faults],
            "changes of leaders": [[round(c.at, 3), c.partition, c.leader, c.epoch] for c in judge.changes],
            "seconds to close": closing,
        }


def report(measured: dict[str, Any]) -> bool:
    """Print what was found; whether nothing of ours was lost, disordered or delivered again although committed."""
    log = measured["log"]
    print(f"\n{log['records']} records, sequence numbers {'whole' if log['whole'] else 'NOT WHOLE'} in the log\n")
    header = (
        "client",
        "lost",
        "out of order",
        "again",
        "again, committed",
        "commits back",
        "callbacks",
        "errors",
        "cpu s",
    )
    keys = header[1:]
    print(common.table(header, [[name, *(found[key] for key in keys)] for name, found in measured["clients"].items()]))
    print("\nMilliseconds that partitions stood still although their new leader was known and had records\n")
    figures = ("n", "median", "p95", "max")
    rows: list[list[Any]] = []
    for fault in next(iter(measured["clients"].values()))["stood still"]:
        for name, found in measured["clients"].items():
            summary = found["stood still"][fault]
            rows.append([fault, name, *(summary.get(figure, math.nan) for figure in figures), found["latest"][fault]])
    print(common.table(("event", "client", *figures, "latest record"), rows))
    print("\n'latest record' is the longest time from a record's acknowledgement to its delivery.")
    busy_share, round_trip = measured["processors busy"], measured["metadata round trip ms"]
    print(f"processors {busy_share:.0%} busy, metadata round trip {round_trip['median']:.1f} ms (median)")
    ours = measured["clients"].get("kafkastatic")
    if ours is None:
        return True
    aim = measured["settings"]["retry_max_ms"] * 1.2 + round_trip["p99"]
    worst = max(summary["max"] for summary in ours["stood still"].values() if summary["n"])
    print(f"aim, at most {AIM} ({aim:.0f} ms): {worst:.0f} ms: {'met' if worst <= aim else 'missed'}")
    return not (ours["lost"] or ours["out of order"] or ours["again, committed"] or ours["commits back"])


def main() -> int:
    parser = argparse.ArgumentParser(description="Three brokers that fail, beside confluent-kafka and aiokafka.")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there")
    parser.add_argument("--rate", type=int, default=2_000, metavar="N", help="records per second (default 2000)")
    parser.add_argument("--partitions", type=int, default=200, metavar="N", help="default 200")
    parser.add_argument("--faults", default="kill,stop", type=lambda text: text.split(","), help="default kill,stop")
    parser.add_argument("--clients", default=",".join(MEMBERS), type=lambda text: text.split(","))
    parser.add_argument("--keep", metavar="FOLDER", help="keep the diaries there")
    options = parser.parse_args()
    about = common.environment("4.4.0", "kafkastatic", "confluent-kafka", "aiokafka")
    print(", ".join(f"{name} {value}" for name, value in about.items()))
    with tempfile.TemporaryDirectory(prefix="kafkastatic-failover-") as folder:
        if options.keep:
            folder = options.keep
            Path(folder).mkdir(parents=True, exist_ok=True)
        measured = measure(options, folder)
    whole = report(measured)
    common.write(options.json, {"benchmark": "failover", "environment": about, **measured})
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main())

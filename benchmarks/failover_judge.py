"""What the diaries of `benchmarks.failover` say, once they are held against the log and the brokers' own word. Pure."""

from __future__ import annotations

import bisect
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from confluent_kafka import Consumer, TopicPartition

from benchmarks import common
from benchmarks.failover_peers import VALUE, Entry, Job, read_events, read_log
from benchmarks.observer import Change

Seen = Sequence[tuple[float, Mapping[int, int]]]


class Fault(NamedTuple):
    what: str
    at: float


class Stored(NamedTuple):
    """A record as it stands in the log."""

    partition: int
    offset: int
    sequence: int
    epoch: int


def read_whole_log(bootstrap: str, topic: str, partitions: int) -> list[Stored]:
    """Every record, with the epoch of the leader that took it, as librdkafka reads it when all is over."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "failover-judge",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
        }
    )
    parts = range(partitions)
    ends = {p: consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=10)[1] for p in parts}
    consumer.assign([TopicPartition(topic, p, 0) for p in parts])
    found: list[Stored] = []
    left = {p for p in parts if ends[p]}
    while left:
        batch = consumer.consume(2_000, timeout=10)
        if not batch:
            raise RuntimeError(f"the log of {len(left)} partitions does not end")
        for message in batch:
            partition, offset = message.partition(), message.offset()
            assert partition is not None and offset is not None
            (sequence,) = VALUE.unpack(message.value() or b"")
            found.append(Stored(partition, offset, sequence, message.leader_epoch() or 0))
            if offset >= ends[partition] - 1:
                left.discard(partition)
    consumer.close()
    return found


class Log:
    """The log, and when each record of it was acknowledged."""

    def __init__(self, stored: Iterable[Stored], acknowledged: Iterable[Entry]) -> None:
        self.records: dict[int, list[Stored]] = defaultdict(list)
        for record in stored:
            self.records[record.partition].append(record)
        self.acknowledged = {(entry.partition, entry.offset): entry.at for entry in acknowledged}

    def summary(self) -> dict[str, Any]:
        whole = all([r.sequence for r in records] == list(range(len(records))) for records in self.records.values())
        return {"records": sum(map(len, self.records.values())), "acknowledged": len(self.acknowledged), "whole": whole}


class Judge:
    def __init__(
        self, *, log: Log, changes: Sequence[Change], faults: Sequence[Fault], began: float, ended: float
    ) -> None:
        self.log = log
        self.changes = [change for change in changes if change.at >= began]
        self._faults = faults
        self._began = began
        self._ended = ended

    def client(self, jobs: Sequence[Job], seen: Seen) -> dict[str, Any]:
        """What became of one group."""
        entries = sorted((entry for job in jobs for entry in read_log(job)), key=lambda entry: entry.at)
        by_partition: dict[int, list[Entry]] = defaultdict(list)
        for entry in entries:
            by_partition[entry.partition].append(entry)
        events = [event | {"member": job.name} for job in jobs for event in read_events(job)]
        told = [e for e in events if e["event"] in ("assigned", "revoked", "lost")]
        told = [e for e in told if self._began <= e["at"] <= self._ended]
        errors = [e for e in events if e["event"] in ("error", "ended")]
        again = [found for entries in by_partition.values() for found in _again(entries)]
        return {
            "delivered": len(entries),
            "lost": self._lost(by_partition),
            "out of order": sum(map(_out_of_order, by_partition.values())),
            "again": len(again),
            "again, committed": _committed(again, seen),
            "commits back": _moved_back(seen),
            "callbacks": len(told),
            "errors": len(errors),
            "cpu s": sum(e["seconds"] for e in events if e["event"] == "cpu"),
            "stood still": self._stood_still(by_partition),
            "latest": self._late(by_partition),
            "told": told,
            "first errors": errors[:20],
        }

    def _lost(self, by_partition: Mapping[int, Sequence[Entry]]) -> int:
        lost = 0
        for partition, records in self.log.records.items():
            delivered = {(entry.offset, entry.sequence) for entry in by_partition.get(partition, ())}
            lost += sum((record.offset, record.sequence) not in delivered for record in records)
        return lost

    def _stood_still(self, by_partition: Mapping[int, list[Entry]]) -> dict[str, common.Summary]:
        found: dict[str, list[float]] = {fault.what: [] for fault in self._faults}
        for change in self.changes:
            fault = self._fault_of(change.at)
            waits = self._waits(change, by_partition.get(change.partition, []))
            if fault is not None and waits:
                found.setdefault(fault, []).append(max(waits) * 1000)
        return {fault: common.summary(values) for fault, values in found.items()}

    def _waits(self, change: Change, entries: list[Entry]) -> list[float]:
        """How long the first records under a new leader were waited for.

        Two records are looked at: the first one not delivered when the leader was first named, and the first one that
        the new leader took itself. Each is waited for since the leader is named and the record is acknowledged.
        """
        records = self.log.records[change.partition]
        before = bisect.bisect_left(entries, change.at, key=lambda entry: entry.at)
        next_offset = max((entry.offset for entry in entries[:before]), default=-1) + 1
        wanted = {next_offset} if next_offset < len(records) else set()
        wanted |= set([r.offset for r in records if r.epoch == change.epoch][:1])
        first: dict[int, float] = {}
        for entry in entries[before:]:
            first.setdefault(entry.offset, entry.at)
        there = {offset: self.log.acknowledged.get((change.partition, offset)) for offset in wanted}
        return [
            max(first.get(offset, self._ended) - max(change.at, at), 0.0)
            for offset, at in there.items()
            if at is not None and at < self._ended
        ]

    def _late(self, by_partition: Mapping[int, Sequence[Entry]]) -> dict[str, float]:
        """The longest time from a record's acknowledgement to its delivery, in ms, by the event it falls under."""
        worst: dict[str, float] = {fault.what: 0.0 for fault in self._faults}
        for partition, entries in by_partition.items():
            first: dict[int, float] = {}
            for entry in entries:
                first.setdefault(entry.offset, entry.at)
            for offset, at in first.items():
                there = self.log.acknowledged.get((partition, offset), at)
                fault = self._fault_of(there)
                if fault is not None and there < self._ended:
                    worst[fault] = max(worst[fault], (at - there) * 1000)
        return worst

    def _fault_of(self, at: float) -> str | None:
        index = bisect.bisect_right(self._faults, at, key=lambda fault: fault.at) - 1
        return self._faults[index].what if index >= 0 else None


def _again(entries: Sequence[Entry]) -> list[Entry]:
    """What was delivered for the second time, or more."""
    known: set[int] = set()
    found: list[Entry] = []
    for entry in entries:
        if entry.offset in known:
            found.append(entry)
        known.add(entry.offset)
    return found


def _out_of_order(entries: Sequence[Entry]) -> int:
    """How often a record was delivered although one before it was not yet."""
    expected, found = 0, 0
    for entry in entries:
        found += entry.offset > expected
        expected = max(expected, entry.offset + 1)
    return found


def _committed(again: Iterable[Entry], seen: Seen) -> int:
    """Deliveries again of records that were seen to be committed by then."""
    found = 0
    for entry in again:
        index = bisect.bisect_left(seen, entry.at, key=lambda look: look[0]) - 1
        found += index >= 0 and entry.offset < seen[index][1].get(entry.partition, 0)
    return found


def _moved_back(seen: Seen) -> int:
    highest: dict[int, int] = {}
    found = 0
    for _, offsets in seen:
        for partition, offset in offsets.items():
            found += offset < highest.get(partition, 0)
            highest[partition] = max(highest.get(partition, 0), offset)
    return found

"""Has a record become dearer? Ours beside a fixed reference loop over the same bytes, in one process and one run.

    python -m benchmarks.guard [--broker] [--json FILE]

The reference does what no reader in Python can do without: the CRC, decompression, and a bytes object for every value,
cut out at even distances. Both are measured in CPU time, by turns, so that what is compared, their ratio, depends on
neither the machine nor what else it does; the bounds are in this file. Without a broker: what a fetch brought, walked
and decoded. With `--broker`, on a real Kafka: all that `batches()` and `async for` do, beside a blocking socket.

Exit code 1 if a ratio is above its bound.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import statistics
import struct
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import attrs
import cramjam
import fastcrc

from benchmarks import common
from benchmarks.throughput import broker
from benchmarks.throughput_topics import MILLION, PARTITIONS, TOPICS, Loaded, load, make_batches
from benchmarks.throughput_workers.ours import implementation
from kafkastatic import Consumer
from kafkastatic._records import decode, split

RECORDS = 100_000
ROUNDS = 9
BROKER_ROUNDS = 3
HEADER = 61
PER_PARTITION = 1 << 20

BOUNDS = {
    "compiled": {"decode A": 0.8, "decode C": 2.2, "batches A": 2.4, "async for A": 3.0},
    "plain": {"decode A": 22.0, "decode C": 23.0, "batches A": 24.0, "async for A": 23.0},
}
"""The highest of what was measured on a busy machine when all was well, and half as much again:
compiled 0.53, 1.47, 1.56, 1.98; plain 14.7, 15.3, 15.7, 15.1.
"""


@attrs.frozen
class Part:
    """One comparison: two functions that read the same bytes and return how many records they met."""

    name: str
    ours: Callable[[], int]
    reference: Callable[[], int]


def cut(batch: memoryview, value_size: int) -> int:
    """The reference: check, decompress, and as many values as there are records."""
    (crc,) = struct.unpack_from(">I", batch, 17)
    if fastcrc.crc32.iscsi(batch[21:]) != crc:
        raise ValueError("the CRC differs")
    body = batch[HEADER:]
    if batch[22] & 7 == 4:
        body = memoryview(cramjam.zstd.decompress(body))
    (count,) = struct.unpack_from(">i", batch, 57)
    data = bytes(body)
    step = (len(data) - value_size) // count
    return len([data[at : at + value_size] for at in range(0, step * count, step)])


# ── without a broker ──


def decoding(name: str) -> Part:
    topic = TOPICS[name]
    batches = make_batches(topic, distinct=16)
    per_answer = PER_PARTITION // max(map(len, batches.data))
    answer = b"".join((batches.data * per_answer)[:per_answer])
    turns = max(1, RECORDS // (per_answer * batches.count))

    def ours() -> int:
        records = 0
        for _ in range(turns):
            for batch in split(answer, "guard", 0).batches:
                records += len(decode(batch, "guard", 0))
        return records

    def reference() -> int:
        records = 0
        for _ in range(turns):
            view, at = memoryview(answer), 0
            while at < len(view):
                end = at + 12 + int.from_bytes(view[at + 8 : at + 12], "big")
                records += cut(view[at:end], topic.value_size)
                at = end
        return records

    return Part(f"decode {name}", ours, reference)


# ── with one ──


async def by_batches(consumer: Consumer[bytes, bytes], count: int) -> int:
    records = size = 0
    async with aclosing(consumer.batches()) as batches:
        async for batch in batches:
            for record in batch:
                size += len(record.value)
            records += len(batch)
            if records >= count:
                break
    return records


async def by_record(consumer: Consumer[bytes, bytes], count: int) -> int:
    records = size = 0
    async for record in consumer:
        size += len(record.value)
        records += 1
        if records >= count:
            break
    return records


def consuming(bootstrap: str, loaded: Loaded) -> list[Part]:
    async def consume(read: Callable[[Consumer[bytes, bytes], int], Any]) -> int:
        group = f"guard-{uuid.uuid4()}"
        options = {"bootstrap_servers": bootstrap, "group_id": group, "auto_offset_reset": "earliest"}
        async with Consumer(loaded.name, **options) as consumer:
            return await read(consumer, loaded.count)

    def reference() -> int:
        return fetch_all(bootstrap, loaded)

    name = loaded.topic.name
    return [
        Part(f"batches {name}", lambda: asyncio.run(consume(by_batches)), reference),
        Part(f"async for {name}", lambda: asyncio.run(consume(by_record)), reference),
    ]


def fetch_all(bootstrap: str, loaded: Loaded) -> int:
    """Every partition to its end, with Fetch v4 over one blocking socket."""
    host, port = bootstrap.rsplit(":", 1)
    offsets = [0] * PARTITIONS
    records = 0
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        while records < loaded.count:
            name = loaded.name.encode()
            body = struct.pack(">hhih5siiiibi", 1, 4, 1, 5, b"guard", -1, 500, 1, 50 << 20, 0, 1)
            body += struct.pack(">h", len(name)) + name + struct.pack(">i", PARTITIONS)
            body += b"".join(struct.pack(">iqi", *part, PER_PARTITION) for part in enumerate(offsets))
            connection.sendall(struct.pack(">i", len(body)) + body)
            answer = memoryview(_receive(connection, *struct.unpack(">i", _receive(connection, 4))))
            records += _answered(answer, 18 + len(name), offsets, loaded.topic.value_size)
    return records


def _receive(connection: socket.socket, size: int) -> bytearray:
    data = bytearray(size)
    view = memoryview(data)
    while view:
        received = connection.recv_into(view)
        if not received:
            raise ConnectionResetError("the broker closed the connection")
        view = view[received:]
    return data


def _answered(answer: memoryview, at: int, offsets: list[int], value_size: int) -> int:
    """The records of one answer; `at` is where its partitions begin. Moves the offsets on."""
    records = 0
    for _ in range(PARTITIONS):
        partition, code, _, _, aborted, size = struct.unpack_from(">ihqqii", answer, at)
        if code or aborted > 0:
            raise RuntimeError(f"Fetch answered {code}, {aborted} aborted transactions")
        at += 30
        end = at + size
        while at + HEADER <= end:
            base, length = struct.unpack_from(">qi", answer, at)
            if at + 12 + length > end:
                break
            (delta,) = struct.unpack_from(">i", answer, at + 23)
            records += cut(answer[at : at + 12 + length], value_size)
            offsets[partition] = base + delta + 1
            at += 12 + length
        at = end
    return records


# ── the run ──


def cpu(work: Callable[[], int]) -> float:
    """CPU nanoseconds a record."""
    began = time.process_time_ns()
    records = work()
    return (time.process_time_ns() - began) / records


def measure(part: Part, rounds: int) -> dict[str, float]:
    """By turns, after one that does not count; each side at its best."""
    part.ours()
    part.reference()
    pairs = [(cpu(part.ours), cpu(part.reference)) for _ in range(rounds)]
    ours, reference = min(pair[0] for pair in pairs), min(pair[1] for pair in pairs)
    return {
        "ns": ours,
        "reference": reference,
        "ratio": ours / reference,
        "median of ratios": statistics.median(pair[0] / pair[1] for pair in pairs),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="Whether a record has become dearer than it may be.")
    parser.add_argument("--broker", action="store_true", help="the whole way from a real Kafka too (30 s more)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there")
    options = parser.parse_args()
    found = implementation()
    bounds = BOUNDS[found["records"]]
    results = {part.name: measure(part, ROUNDS) for part in map(decoding, "AC")}
    version = "none"
    if options.broker:
        with broker(None) as (bootstrap, version):
            loaded = load(bootstrap, TOPICS["A"], MILLION)
            results |= {part.name: measure(part, BROKER_ROUNDS) for part in consuming(bootstrap, loaded)}
    rows = [
        [name, f"{r['ns']:.0f}", f"{r['reference']:.0f}", f"{r['ratio']:.2f}", f"{bounds[name]:g}"]
        for name, r in results.items()
    ]
    print(f"records are {found['records']}\n")
    print(common.table(("guard", "ns a record", "reference", "ratio", "at most"), rows))
    common.write(options.json, {"benchmark": "guard", "environment": common.environment(version), "results": results})
    bad = [name for name, result in results.items() if result["ratio"] > bounds[name]]
    if bad:
        print(f"\ndearer than it may be: {', '.join(bad)}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

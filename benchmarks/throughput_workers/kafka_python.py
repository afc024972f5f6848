"""kafka-python: `poll()`."""

from __future__ import annotations

from kafka import KafkaConsumer
from kafka.errors import UnsupportedCodecError

from benchmarks.throughput_workers import Job, Meter, job, skipped


def throughput(job: Job) -> None:
    meter = Meter()
    consumer = KafkaConsumer(
        job.topic,
        bootstrap_servers=job.bootstrap,
        group_id=job.group,
        auto_offset_reset="earliest",
    )
    records = size = 0
    while records < job.count:
        found = consumer.poll(timeout_ms=1000)
        if not records and found:
            meter.first()
        for part in found.values():
            for record in part:
                size += len(record.value)
            records += len(part)
    meter.done(records, size, "kafka-python")
    consumer.close()


if __name__ == "__main__":
    try:
        throughput(job())
    except UnsupportedCodecError as error:
        skipped(error)

"""What is refused before it is appended, by the codes that Kafka 4.4.0 answered to the same bytes."""

from __future__ import annotations

import gzip
import struct

import pytest

from kafkastatic.broker.admission import AppendRules, LogError, admit
from kafkastatic.broker.log import PartitionLog
from kafkastatic.broker.settings import BrokerSettings
from tests.broker.batches import batch, patched, seen, values

NOW = 1_700_000_000_000
GOOD = values(b"a", b"b", at=NOW)

UNKNOWN_SERVER_ERROR, CORRUPT, TOO_LARGE, INVALID_TIMESTAMP, INVALID = -1, 2, 10, 32, 87


def code_of(data: bytes, rules: AppendRules | None = None) -> int:
    with pytest.raises(LogError) as refused:
        PartitionLog().append(data, leader_epoch=0, now_ms=NOW, rules=rules)
    return refused.value.code


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(b"", INVALID, id="nothing"),
        pytest.param(GOOD[:11], INVALID, id="less than a length"),
        pytest.param(GOOD[:16], INVALID, id="less than a format"),
        pytest.param(GOOD[:-1], INVALID, id="less than a batch"),
        pytest.param(GOOD + GOOD, INVALID, id="two"),
        pytest.param(GOOD + bytes(40), CORRUPT, id="garbage behind it"),
        pytest.param(GOOD[:-1] + b"z", CORRUPT, id="another byte"),
        pytest.param(GOOD[:16] + b"\0" + GOOD[17:], INVALID, id="format 0"),
        pytest.param(GOOD[:16] + b"\1" + GOOD[17:], INVALID, id="format 1"),
        pytest.param(GOOD[:16] + b"\3" + GOOD[17:], CORRUPT, id="format 3"),
        pytest.param(GOOD[:16] + b"\xff" + GOOD[17:], CORRUPT, id="format -1"),
        pytest.param(GOOD[:8] + struct.pack(">i", -5) + GOOD[12:], CORRUPT, id="negative length"),
        pytest.param(GOOD[:8] + struct.pack(">i", 20) + GOOD[12:32], CORRUPT, id="shorter than a header"),
        pytest.param(struct.pack(">q", 5) + GOOD[8:], INVALID, id="not at offset 0"),
        pytest.param(patched(GOOD, ">i", 57, 3), INVALID, id="count above the last offset"),
        pytest.param(patched(GOOD, ">i", 57, 0), INVALID, id="no record"),
        pytest.param(patched(GOOD, ">i", 57, -1), INVALID, id="negative count"),
        pytest.param(patched(GOOD, ">i", 23, -5), INVALID, id="negative last offset"),
        pytest.param(patched(patched(GOOD, ">i", 57, 3), ">i", 23, 2), INVALID, id="more than there are"),
        pytest.param(patched(patched(GOOD, ">i", 57, 1), ">i", 23, 0), INVALID, id="less than there are"),
        pytest.param(patched(GOOD, ">h", 21, 0x20), INVALID, id="control"),
        pytest.param(values(b"a", producer=(4, 0, -1)), INVALID, id="producer without a sequence"),
        pytest.param(patched(GOOD, ">h", 21, 5), UNKNOWN_SERVER_ERROR, id="codec 5"),
        pytest.param(patched(GOOD, ">h", 21, 1), UNKNOWN_SERVER_ERROR, id="no gzip"),
        pytest.param(patched(GOOD, ">h", 21, 2), UNKNOWN_SERVER_ERROR, id="no snappy"),
        pytest.param(patched(GOOD, ">h", 21, 3), UNKNOWN_SERVER_ERROR, id="no lz4"),
        pytest.param(patched(GOOD, ">h", 21, 4), UNKNOWN_SERVER_ERROR, id="no zstd"),
    ],
)
def test_a_malformed_batch_is_refused(data: bytes, code: int) -> None:
    """Nothing of it stays behind."""
    log = PartitionLog()

    with pytest.raises(LogError) as refused:
        log.append(data, leader_epoch=0, now_ms=NOW)

    assert refused.value.code == code
    assert (log.end_offset, log.read(0, 1 << 20, at_least_one=True)) == (0, [])


def test_a_few_bytes_behind_a_batch_are_left_out() -> None:
    """As long as they are too few for a length."""
    log = PartitionLog()

    log.append(GOOD + b"xyz", leader_epoch=0, now_ms=NOW)

    assert b"".join(log.read(0, 1 << 20, at_least_one=True)) == GOOD[:12] + bytes(4) + GOOD[16:]


def test_a_batch_may_be_as_long_as_the_topic_allows() -> None:
    """And not a byte longer."""
    log = PartitionLog()

    log.append(GOOD, leader_epoch=0, now_ms=NOW, rules=AppendRules(max_bytes=len(GOOD)))

    assert log.end_offset == 2
    assert code_of(GOOD, AppendRules(max_bytes=len(GOOD) - 1)) == TOO_LARGE


def test_a_batch_that_would_fill_the_memory_is_too_large() -> None:
    """A megabyte of gzip may hold ten million records, or gigabytes; they are not all made to find out."""
    header = patched(GOOD, ">i", 57, 10_000_000)[:61]
    many = patched(header + gzip.compress(bytes(1 << 20)), ">i", 23, 10_000_000 - 1)
    vast = GOOD[:61] + gzip.compress(bytes(1 << 27))

    assert code_of(_of_gzip(many)) == TOO_LARGE
    assert code_of(_of_gzip(vast)) == UNKNOWN_SERVER_ERROR


def _of_gzip(data: bytes) -> bytes:
    """With the length and the codec that are right."""
    return patched(patched(data, ">i", 8, len(data) - 12), ">h", 21, 1)


def test_records_of_a_compacted_topic_have_keys() -> None:
    """The client is told which have none."""
    bad = batch((NOW, b"k", b"v"), (NOW, None, b"v"), (NOW, None, None), codec="zstd")

    with pytest.raises(LogError) as refused:
        admit(memoryview(bad), AppendRules(keys=True), NOW)

    assert refused.value.code == INVALID
    assert [at for at, _ in refused.value.records] == [1, 2]
    assert admit(memoryview(batch((NOW, b"k", None))), AppendRules(keys=True), NOW).count == 1


def test_a_record_is_at_most_an_hour_ahead() -> None:
    """-1 stands for no time, and passes."""
    hour = 3_600_000
    far = batch((NOW, b"k", b"v"), (NOW + hour + 1, b"k", b"v"))

    with pytest.raises(LogError) as refused:
        admit(memoryview(far), AppendRules(), NOW)

    assert (refused.value.code, [at for at, _ in refused.value.records]) == (INVALID_TIMESTAMP, [1])
    assert admit(memoryview(batch((-1, b"", b""), (NOW + hour, b"", b""))), AppendRules(), NOW).count == 2
    assert admit(memoryview(batch((-1, b"", b""))), AppendRules(oldest_ms=5), NOW).count == 1
    assert code_of(batch((NOW - 6, b"", b"")), AppendRules(oldest_ms=5)) == INVALID_TIMESTAMP


def test_log_append_time_is_not_for_clients_to_set() -> None:
    """A topic of the brokers' time refuses it; another one takes it for the client's."""
    marked = patched(GOOD, ">h", 21, 8)
    log = PartitionLog()

    log.append(marked, leader_epoch=0, now_ms=NOW)

    assert code_of(marked, AppendRules(append_time=True)) == INVALID_TIMESTAMP
    assert log.read(0, 1 << 20, at_least_one=True)[0][21:23] == b"\0\0"


def test_a_highest_timestamp_that_is_wrong_is_put_right() -> None:
    """Else nobody would find the records by their time."""
    log = PartitionLog()

    log.append(patched(GOOD, ">q", 35, 77), leader_epoch=0, now_ms=NOW)

    (stored,) = log.read(0, 1 << 20, at_least_one=True)
    assert struct.unpack_from(">q", stored, 35) == (NOW,)
    assert [record.value for record in seen([stored])] == [b"a", b"b"]


def test_rules_come_from_the_topics_settings_and_the_brokers() -> None:
    """3.9 lets records be of any time; 4.0 brought the hour."""
    assert AppendRules.of({}, BrokerSettings()) == AppendRules()
    assert AppendRules.of({}, BrokerSettings(behaves_as="3.9")).newest_ms == 2**63 - 1
    assert AppendRules.of(
        {
            "cleanup.policy": "delete,compact",
            "max.message.bytes": "77",
            "message.timestamp.type": "LogAppendTime",
            "message.timestamp.before.max.ms": "5",
            "message.timestamp.after.max.ms": "6",
        },
        BrokerSettings(),
    ) == AppendRules(max_bytes=77, append_time=True, keys=True, oldest_ms=5, newest_ms=6)
    assert AppendRules.of(
        {}, BrokerSettings(message_max_bytes=5, log_message_timestamp_type="LogAppendTime")
    ) == AppendRules(max_bytes=5, append_time=True)

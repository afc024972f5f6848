"""What Kafka demands of a batch before it is appended. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from kafkastatic._protocol import error_codes as codes
from kafkastatic._records import RawBatch, decode
from kafkastatic._records.batch import CRC_START, HEADER, crc32c
from kafkastatic._value import Value
from kafkastatic.broker.settings import BrokerSettings
from kafkastatic.errors import CorruptRecordError, UnsupportedCodecError

_BEFORE_LENGTH, _BEFORE_MAGIC = 12, 17  # bytes that must be there to know a batch's length, and its format
_SHORTEST = 14  # a length below this fits no format
_FORMAT = 2  # the only one since Kafka 4.0
_EPOCH = 12  # where the leader's epoch is
_ATTRIBUTES, _MAX_TIMESTAMP = slice(21, 23), slice(35, 43)
_LOG_APPEND_TIME = 8  # in the attributes
_NO_TIMESTAMP = -1
_MOST_RECORDS = 500_000  # in a batch: Kafka has no such limit, but a megabyte that was compressed holds ten million
_AN_HOUR, _EVER = 3_600_000, (1 << 63) - 1


class LogError(Exception):
    """A partition's log refuses.

    Attributes:
        code: Kafka's error code.
        message: what the client is told beside it, where Kafka says anything.
        records: which records are to blame, by their index in the batch, and why.
    """

    def __init__(self, code: int, message: str | None = None, records: Sequence[tuple[int, str]] = ()) -> None:
        super().__init__(message or codes.TABLE[code].name)
        self.code = code
        self.message = message
        self.records = list(records)


class AppendRules(Value):
    """What the settings of a topic demand of batches.

    Attributes:
        max_bytes: the largest batch (`max.message.bytes`).
        append_time: whether records get the broker's time (`message.timestamp.type`).
        keys: whether every record must have a key (`cleanup.policy` has `compact`).
        oldest_ms, newest_ms: how far a timestamp may lie back and ahead (`message.timestamp.before.max.ms`, `after`).
    """

    max_bytes: int = 1_048_588
    append_time: bool = False
    keys: bool = False
    oldest_ms: int = _EVER
    newest_ms: int = _AN_HOUR

    @classmethod
    def of(cls, config: Mapping[str, str], settings: BrokerSettings) -> AppendRules:
        """Of a topic with these settings, by Kafka's names, on such a broker."""
        kind = config.get("message.timestamp.type", settings.log_message_timestamp_type)
        ahead = _EVER if settings.behaves_as == "3.9" else _AN_HOUR
        return cls(
            max_bytes=int(config.get("max.message.bytes", settings.message_max_bytes)),
            append_time=kind == "LogAppendTime",
            keys="compact" in config.get("cleanup.policy", ""),
            oldest_ms=int(config.get("message.timestamp.before.max.ms", _EVER)),
            newest_ms=int(config.get("message.timestamp.after.max.ms", ahead)),
        )


class Admitted:
    """A batch that may be appended.

    Attributes:
        size: in bytes.
        append_time_ms: the broker's time, if the records have it for theirs, else -1.
    """

    def __init__(self, batch: RawBatch, max_timestamp: int, append_time_ms: int) -> None:
        self.size = batch.size
        self.count = batch.count
        self.producer_id = batch.producer_id
        self.producer_epoch = batch.producer_epoch
        self.base_sequence = batch.base_sequence
        self.max_timestamp = max_timestamp
        self.append_time_ms = append_time_ms
        self._batch = batch

    def stamped(self, base_offset: int, leader_epoch: int) -> bytes:
        """Its bytes, with the offsets that it gets, its leader's epoch, and the type and highest of its timestamps."""
        batch, by_log = self._batch, self.append_time_ms >= 0
        data = bytearray(batch.data)
        data[:8] = base_offset.to_bytes(8, "big")
        data[_EPOCH : _EPOCH + 4] = leader_epoch.to_bytes(4, "big", signed=True)
        if batch.max_timestamp != self.max_timestamp or batch.timestamp_type != by_log:
            attributes = int.from_bytes(data[_ATTRIBUTES], "big") & ~_LOG_APPEND_TIME | by_log * _LOG_APPEND_TIME
            data[_ATTRIBUTES] = attributes.to_bytes(2, "big")
            data[_MAX_TIMESTAMP] = self.max_timestamp.to_bytes(8, "big", signed=True)
            with memoryview(data) as view:
                data[CRC_START - 4 : CRC_START] = crc32c(view[CRC_START:]).to_bytes(4, "big")
        return bytes(data)


def only_batch(data: memoryview) -> RawBatch:
    """The one batch that a produce request may have for a partition.

    Raises:
        LogError: if there is none, more than one, or one of another format.
    """
    size = _batch_size(data)
    if size is None:
        raise LogError(codes.INVALID_RECORD)
    try:
        lone = _batch_size(data[size:]) is None
    except LogError as garbage:
        raise LogError(garbage.code) from None
    if data[16] != _FORMAT or not lone:
        raise LogError(codes.INVALID_RECORD)
    if size < HEADER.size:
        raise LogError(codes.CORRUPT_MESSAGE)
    return RawBatch(data[:size])


def admit(data: memoryview, rules: AppendRules, now_ms: int) -> Admitted:
    """Check a batch in Kafka's order: its place, size, CRC, header, then every record.

    Raises:
        LogError: if Kafka would refuse it.
    """
    batch = only_batch(data)
    if batch.base_offset != 0:
        raise LogError(codes.INVALID_RECORD)
    if batch.size > rules.max_bytes or batch.count > _MOST_RECORDS:
        raise LogError(codes.MESSAGE_TOO_LARGE)
    if crc32c(batch.data[CRC_START:]) != batch.crc:
        raise LogError(codes.CORRUPT_MESSAGE)
    if batch.is_control or batch.count <= 0 or batch.last_offset + 1 != batch.count:
        raise LogError(codes.INVALID_RECORD)
    if batch.producer_id >= 0 and batch.base_sequence < 0:
        raise LogError(codes.INVALID_RECORD)
    timestamps = _check_records(batch, rules, now_ms)
    return Admitted(batch, now_ms, now_ms) if rules.append_time else Admitted(batch, max(timestamps), -1)


def _check_records(batch: RawBatch, rules: AppendRules, now_ms: int) -> list[int]:
    """Returns the timestamps of the records."""
    try:
        records = decode(batch, "", -1, check_crcs=False)
    except (CorruptRecordError, UnsupportedCodecError):
        # Kafka has no code for a codec that does not exist, and for data that cannot be decompressed.
        raise LogError(codes.UNKNOWN_SERVER_ERROR if batch.codec else codes.INVALID_RECORD) from None
    timestamps = [record.timestamp for record in records]
    if rules.keys and (bare := [at for at, record in enumerate(records) if record.key is None]):
        raise _refusal(codes.INVALID_RECORD, bare, "A record of a compacted topic must have a key.")
    if rules.append_time:
        if batch.timestamp_type:
            raise _refusal(codes.INVALID_TIMESTAMP, range(batch.count), "LogAppendTime is set by brokers only.")
        return timestamps
    oldest, newest = now_ms - rules.oldest_ms, now_ms + rules.newest_ms
    if not oldest <= min(timestamps) <= max(timestamps) <= newest:
        wrong = [at for at, time in enumerate(timestamps) if time != _NO_TIMESTAMP and not oldest <= time <= newest]
        if wrong:
            raise _refusal(codes.INVALID_TIMESTAMP, wrong, f"The timestamp must be between {oldest} and {newest}.")
    return timestamps


def _refusal(code: int, indexes: Iterable[int], reason: str) -> LogError:
    return LogError(code, f"One or more records have been rejected: {reason}", [(at, reason) for at in indexes])


def _batch_size(data: memoryview) -> int | None:
    """How long the batch at the start of `data` is; `None` if it is not all there.

    Raises:
        LogError: if there is no batch.
    """
    if len(data) < _BEFORE_LENGTH:
        return None
    length = int.from_bytes(data[8:_BEFORE_LENGTH], "big", signed=True)
    if length < _SHORTEST:
        raise LogError(codes.CORRUPT_MESSAGE, f"A batch cannot have length {length}.")
    if len(data) < _BEFORE_MAGIC:
        return None
    if data[16] > _FORMAT:
        raise LogError(codes.CORRUPT_MESSAGE, f"There is no format {data[16]}.")
    return _BEFORE_LENGTH + length if _BEFORE_LENGTH + length <= len(data) else None

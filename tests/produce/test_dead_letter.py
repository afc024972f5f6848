"""What a dead letter says about the record that it was."""

from __future__ import annotations

from kafkastatic import ConsumerRecord
from kafkastatic._dead_letter import Letter, dead_letter
from kafkastatic.errors import DeserializationError

NOW = 1_800_000_000_000


def record(**fields: object) -> ConsumerRecord[bytes, bytes]:
    known = {"topic": "orders", "partition": 3, "offset": 42, "timestamp": 1_700_000_000_000, "timestamp_type": 0}
    return ConsumerRecord(**(known | {"key": b"k", "value": b"v"} | fields))  # type: ignore[arg-type]


def test_a_dead_letter_is_the_record_and_where_it_stood_and_why() -> None:
    """Its own headers first, repeated ones too; all that is added is text; the time is that of its death."""
    failed = record(headers=(("trace", b"1"), ("trace", None)))
    assert dead_letter(failed, ZeroDivisionError("by zero"), group="billing", now_ms=NOW) == Letter(
        key=b"k",
        value=b"v",
        headers=[
            ("trace", b"1"),
            ("trace", None),
            ("kafkastatic.topic", b"orders"),
            ("kafkastatic.partition", b"3"),
            ("kafkastatic.offset", b"42"),
            ("kafkastatic.timestamp", b"1700000000000"),
            ("kafkastatic.group", b"billing"),
            ("kafkastatic.error.class", b"ZeroDivisionError"),
            ("kafkastatic.error.message", b"by zero"),
        ],
        timestamp=NOW,
    )


def test_nulls_stay_nulls() -> None:
    """And a consumer without a group names none."""
    letter = dead_letter(record(key=None, value=None), ValueError(), group=None, now_ms=NOW)
    assert (letter.key, letter.value) == (None, None)
    assert "kafkastatic.group" not in dict(letter.headers)
    assert dict(letter.headers)["kafkastatic.error.message"] == b""


def test_the_class_of_an_error_is_named_with_its_module() -> None:
    """As it would be imported."""
    letter = dead_letter(record(), DeserializationError("no json"), group=None, now_ms=NOW)
    assert dict(letter.headers)["kafkastatic.error.class"] == b"kafkastatic.errors.DeserializationError"


def test_a_long_message_is_cut_between_characters() -> None:
    """At 1 KiB: the letter must not outgrow the topic because of its error."""
    letter = dead_letter(record(), ValueError("x" + "é" * 5000), group=None, now_ms=NOW)
    assert dict(letter.headers)["kafkastatic.error.message"] == ("x" + "é" * 511).encode()


def test_a_message_that_is_no_unicode_is_kept_as_far_as_it_goes() -> None:
    letter = dead_letter(record(), ValueError("a\udcffb"), group=None, now_ms=NOW)
    assert dict(letter.headers)["kafkastatic.error.message"] == b"a?b"


def test_a_dead_letter_that_fails_again_names_the_last_place_and_reason() -> None:
    """Headers do not pile up; the place that it names has the ones before."""
    once = dead_letter(record(headers=(("trace", b"1"),)), ValueError("first"), group="billing", now_ms=NOW)
    again = dead_letter(
        record(topic="dead", partition=0, offset=7, timestamp=NOW, headers=tuple(once.headers)),
        TypeError("second"),
        group="rescue",
        now_ms=NOW + 1,
    )
    assert again.headers == [
        ("trace", b"1"),
        ("kafkastatic.topic", b"dead"),
        ("kafkastatic.partition", b"0"),
        ("kafkastatic.offset", b"7"),
        ("kafkastatic.timestamp", b"1800000000000"),
        ("kafkastatic.group", b"rescue"),
        ("kafkastatic.error.class", b"TypeError"),
        ("kafkastatic.error.message", b"second"),
    ]

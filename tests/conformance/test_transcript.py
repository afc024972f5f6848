"""How answers are written down and compared: what is named, what is kept, and what is found."""

from __future__ import annotations

import time
import uuid
from pathlib import Path

import pytest

from tests.conformance import transcript
from tests.conformance.differences import Difference, Found, compared, needless, unlisted
from tests.conformance.scripts.records import THEN, batch
from tests.conformance.session import SCENARIOS, built
from tests.conformance.transcript import Transcript

A, B = str(uuid.uuid4()), str(uuid.uuid4())


def lines(**fields: object) -> dict[str, str]:
    notes = Transcript()
    notes.note("step", **fields)
    return notes.steps[0][1]


def test_ids_are_numbered_as_they_appear() -> None:
    """The same id has the same number everywhere, also inside a member id."""
    found = lines(leader=f"a-{A}", member_id=f"b-{B}", again=f"a-{A}", topic_id=uuid.UUID(B), none=uuid.UUID(int=0))
    assert list(found.values()) == [
        '"a-{id 1}"',
        '"b-{id 2}"',
        '"a-{id 1}"',
        '"{id 2}"',
        '"00000000-0000-0000-0000-000000000000"',
    ]


def test_what_differs_from_run_to_run_has_a_name_and_the_rest_is_kept() -> None:
    """Ports, producers, times of now and prose; but not codes, not times that were chosen, not none."""
    now = int(time.time() * 1000)
    assert lines(
        port=1234, producer_id=7, timestamp=now, log_append_time_ms=-1, throttle_time_ms=3, error_message="No!"
    ) == {
        "port": '"{port 1}"',
        "producer_id": '"{producer 1}"',
        "timestamp": '"{now}"',
        "log_append_time_ms": "-1",
        "throttle_time_ms": "3",
        "error_message": '"{error_message}"',
    }
    kept = {"error_code": 82, "timestamp": THEN, "error_message": None, "producer_id": -1, "members": [], "name": ""}
    assert list(lines(**kept).values()) == ["82", str(THEN), "null", "-1", "[]", '""']


def test_members_are_in_the_order_of_their_names() -> None:
    """Kafka tells them in that of a hash table; their ids, which are chance, do not count."""
    first, second = {"member_id": f"a-{A}"}, {"member_id": f"b-{B}"}
    assert lines(members=[first, second]) == lines(members=[second, first])


def test_batches_are_told_by_their_fields() -> None:
    """Offsets, times, keys and values, and whether the checksum is right."""
    data = batch(b"x", b"y")
    found = lines(records=data)
    assert found["records[0].valid"] == "true"
    assert found["records[0].read[1].value"] == '"y"'
    assert found["records[0].read[1].timestamp"] == str(THEN + 1)
    assert lines(records=data.replace(b"y", b"z"))["records[0].valid"] == "false"


def test_a_transcript_is_read_back_from_its_file(tmp_path: Path) -> None:
    """Odd characters included."""
    steps = [("a: Join v9", {"id": '"a\\nb = c"', "list": "[]"}), ("b: parked", {}), ("c: Sync", {"code": "0"})]
    transcript.write(tmp_path / "x.txt", steps)
    assert transcript.read(tmp_path / "x.txt") == steps


def test_every_kind_of_difference_is_found() -> None:
    """Another value, a field more or less, another step, a step more or less."""
    expected = [("one", {"code": "0", "gone": "1"}), ("two", {}), ("three", {"code": "0"})]
    assert compared(expected, [("one", {"code": "82", "new": "2"}), ("two: parked", {})]) == [
        Found("one", "code", "0", "82"),
        Found("one", "gone", "1", "absent"),
        Found("one", "new", "absent", "2"),
        Found("two", "", "two", "two: parked"),
        Found("three", "", "three", "nothing more"),
        Found("three", "code", "0", "absent"),
    ]
    assert compared(expected, expected) == []


def test_a_difference_is_accepted_by_its_line_only_and_a_line_that_accepts_none_is_told() -> None:
    """Patterns of steps and fields; the places in lists do not count."""
    found = [Found("a: Fetch v4", "topics[0].partitions[12].code", "0", "3"), Found("a: Join v9", "code", "0", "82")]
    line = Difference("embedded", ("x",), "a: Fetch*", "topics.partitions.code", "because")
    other = Difference("embedded", ("x",), "a: Sync*", "*", "because")
    assert unlisted(found, [line, other]) == [found[1]]
    assert needless(found, [line, other]) == [other]


def test_requests_leave_out_what_their_version_does_not_have() -> None:
    """At every depth; a field that no version has is a mistake in the script."""
    named = {"name": "t", "topic_id": uuid.UUID(A), "partition_data": []}
    (old,) = built("Produce", 12, {"topic_data": [named]})["topic_data"]
    (new,) = built("Produce", 13, {"topic_data": [named]})["topic_data"]
    assert (old.name, old.topic_id, new.name, new.topic_id) == ("t", None, "", uuid.UUID(A))
    with pytest.raises(ValueError, match="partitions"):
        built("Produce", 9, {"topic_data": [{"name": "t", "partitions": []}]})


def test_there_are_scenarios() -> None:
    """The table is filled by importing the scripts."""
    assert len(SCENARIOS) > 100

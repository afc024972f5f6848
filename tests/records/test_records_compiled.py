"""What only compiled code can get wrong: references, memory, the interpreter's lock."""

from __future__ import annotations

import gc
import sys
import threading
import tracemalloc

import pytest

from kafkastatic._records import encode_batch
from tests.records.twins import COMPILED, both_twins, exact

pytestmark = both_twins

RECORD = b"\x10\x00\x00\x00\x02k\x02v\x00"
HEADERS = [("trace", b"1"), ("größe", None), ("trace", b"2")]
GOOD = [
    encode_batch([(b"key", b"v" * 50, HEADERS if i % 3 else [], i) for i in range(50)])[61:],
    encode_batch([(None, None, [], 0)] * 50)[61:],
]
ABOUT = (50, 0, 0, None, -1, 7)


def hostile() -> list[bytes]:
    """A batch cut at every place, and with every byte of it another."""
    data = GOOD[0][:200]
    return [data[:end] for end in range(len(data))] + [
        data[:at] + bytes([data[at] ^ 255]) + data[at + 1 :] for at in range(len(data))
    ]


def once(topic: str, cases: list[bytes]) -> None:
    for data in GOOD:
        for view in COMPILED.decode_views(data, topic, 0, *ABOUT):
            assert (view.key, view.value, view.headers) is not None
        for record in COMPILED.decode_records(data, topic, 0, *ABOUT):
            record.value = {"deserialised": record.key}
    for data in cases:
        for decode in (COMPILED.decode_records, COMPILED.decode_views):
            try:
                decode(exact(data), topic, 0, *ABOUT)
            except ValueError:
                continue
            raise AssertionError("no error")


def test_neither_records_nor_errors_leave_anything_behind() -> None:
    """Every reference is given back, on every way out."""
    topic = "".join(["ord", "ers"])
    cases = hostile()
    once(topic, cases)
    references = sys.getrefcount(topic)
    gc.collect()
    tracemalloc.start()
    try:
        once(topic, cases)
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(3):
            once(topic, cases)
        gc.collect()
        left = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()

    assert sys.getrefcount(topic) == references
    assert left < 5_000


def test_a_forged_count_reserves_nothing() -> None:
    """Two billion records in nine bytes: memory is asked for by what is there."""
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="in the middle"):
            COMPILED.decode_records(RECORD, "topic", 0, 2**31 - 1, 0, 0, None, -1, 0)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 10_000


def test_other_threads_get_their_turn_during_a_large_batch() -> None:
    """An event loop must go on while a worker thread decodes.

    Nobody can take the interpreter by force here, so the other thread runs during `decode_records`, or not before this
    one waits for it. A turn is an offer: it may be missed, but not a hundred thousand times.
    """
    data = encode_batch([(None, b"", [], 0)] * 100_000)[61:]
    turn = threading.Lock()
    turns: list[int] = []

    def other() -> None:
        with turn:
            turns.append(1)

    interval = sys.getswitchinterval()
    turn.acquire()
    thread = threading.Thread(target=other)
    thread.start()
    try:
        sys.setswitchinterval(1000)
        turn.release()
        for _ in range(1000):
            COMPILED.decode_records(data, "topic", 0, 100_000, 0, 0, None, -1, 0)
            if turns:
                break
        seen = bool(turns)
    finally:
        sys.setswitchinterval(interval)
        thread.join()
    assert seen


def test_a_view_cannot_be_made_out_of_nothing() -> None:
    """It would have no bytes to look into."""
    with pytest.raises(TypeError, match="decoding"):
        COMPILED.RecordView()
    with pytest.raises(TypeError, match="decoding"):
        COMPILED.RecordView.__new__(COMPILED.RecordView)

"""Fetched bytes take up what is stated, however unevenly partitions are drained."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from kafkastatic._fetch.memory import Memory
from kafkastatic._fetch.positions import PartitionState

from .logs import A, Application, B, C, batch, raw
from .planning import Fetches, answer, data

PARTITIONS = {"a": A, "b": B, "c": C}
LIMIT = 20_000


def in_memory(fetches: Fetches) -> int:
    """The bytes of all objects that undecoded batches keep alive, counted without the bookkeeping."""
    objects = {id(found.data.obj): len(found.data.obj) for state in fetches.positions for found in state.buffer}
    return sum(objects.values())


def fetched(fetches: Fetches, size: int) -> None:
    """One answer of one object, with a batch of each partition that is asked for."""
    ask = fetches.ask()
    offsets = {name: ask.asked[tp].offset for name, tp in PARTITIONS.items() if tp in ask.asked}
    batches = {name: batch(offset, 1, value_size=size) for name, offset in offsets.items()}
    whole, at = b"".join(batches.values()), 0
    views = {}
    for name, content in batches.items():
        views[name] = data()
        views[name].records = memoryview(whole)[at : at + len(content)]
        at += len(content)
    fetches.planner.take(ask, answer(**views), 0.0)


@settings(deadline=None)
@given(st.lists(st.integers(1_000, 3_000), min_size=10, max_size=40), st.sets(st.sampled_from("abc"), max_size=2))
def test_what_is_fetched_stays_within_twice_the_limit(sizes: list[int], drained: set[str]) -> None:
    """Some partitions are drained at once, while the others keep of each answer what is theirs."""
    options = {"max_buffered_bytes": LIMIT, "max_partition_fetch_bytes": 2 * LIMIT}
    fetches = Fetches(options=options, a=0, b=0, c=0)
    application = Application(fetches.source)
    for size in sizes:
        if fetches.plan() is not None:
            fetched(fetches, size)
        assert in_memory(fetches) <= 2 * LIMIT
        for name in drained:
            application.many(1, [PARTITIONS[name]])


def test_an_answer_of_which_little_is_left_is_let_go_of() -> None:
    """Only above the limit, for it costs a copy; the batch is the same."""
    memory = Memory(limit=5_000)
    state = PartitionState(A)
    state.move(0)
    first = batch(0, 1, value_size=1_000)
    for rest, at in ((3_000, 0), (2_000, 1)):
        content = batch(at, 1, value_size=1_000)
        kept = memory.add(len(content) + rest)
        found = raw(memoryview(content + bytes(rest))[: len(content)])
        found.source = kept
        state.push(found)
        del kept
        if rest == 3_000:
            memory.trim(state.buffer)
            assert memory.kept == len(first) + 3_000
    memory.trim(state.buffer)

    assert memory.kept == 0
    assert [found.data.obj for found in state.buffer] == [first, batch(1, 1, value_size=1_000)]

"""Fetch sessions (KIP-227): how many there are, and whose they are."""

from __future__ import annotations

import itertools

from kafkastatic._protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic, ForgottenTopic, PartitionData
from kafkastatic.broker.sessions import Fetch, FetchSessions

ID = b"1" * 16


def asked(
    session_id: int, epoch: int, offsets: dict[int, int] | None = None, topic_id: bytes = ID, name: str = "orders"
) -> FetchRequest:
    partitions = [FetchPartition(partition=index, fetch_offset=offset) for index, offset in (offsets or {}).items()]
    topics = [FetchTopic(topic=name, topic_id=topic_id, partitions=partitions)] if partitions else []
    return FetchRequest(session_id=session_id, session_epoch=epoch, topics=topics)


def begun(sessions: FetchSessions, request: FetchRequest, now: float = 0.0, version: int = 17) -> Fetch:
    return sessions.begin(request, version, lambda topic_id: "orders" if topic_id == ID else None, now)


def opened(sessions: FetchSessions, now: float = 0.0, version: int = 17) -> int:
    """The id of a session of two partitions, 0 if it got none."""
    fetch = begun(sessions, asked(0, 0, {0: 5, 1: 6}), now, version)
    answers = [(wanted, PartitionData(partition_index=wanted.index)) for wanted in fetch.partitions]
    error, session_id = sessions.finish(fetch, answers, now)
    assert error == 0
    return session_id


def sessions(slots: int = 1000) -> FetchSessions:
    numbers = itertools.count(1)
    return FetchSessions(lambda: next(numbers), slots)


def test_a_session_remembers_what_is_fetched() -> None:
    """A request changes it, adds to it, and need not name the rest."""
    several = sessions()
    session_id = opened(several)

    fetch = begun(several, asked(session_id, 1, {1: 9, 2: 3}))

    assert [(w.topic, w.topic_id, w.index, w.offset) for w in fetch.partitions] == [
        ("orders", ID, 0, 5),
        ("orders", ID, 1, 9),
        ("orders", ID, 2, 3),
    ]


def test_only_the_next_request_of_a_session_is_taken() -> None:
    """71 for a repetition and for a leap; the session goes on."""
    several = sessions()
    session_id = opened(several)

    errors = [begun(several, asked(session_id, epoch)).error for epoch in (2, 1, 1, 3, 2)]

    assert errors == [71, 0, 71, 71, 0]


def test_epochs_begin_anew_behind_the_last_one() -> None:
    """At 1, as 0 opens a session."""
    several = sessions()
    session_id = opened(several)
    begun(several, asked(session_id, 1)).session.epoch = 2**31 - 1  # pyright: ignore[reportOptionalMemberAccess]

    errors = [begun(several, asked(session_id, epoch)).error for epoch in (2**31 - 1, 1, 2)]

    assert errors == [0, 0, 0]


def test_a_request_that_forgets_all_partitions_overtakes_the_one_that_still_waits() -> None:
    """It ends the session; what the other one found is not told any more."""
    several = sessions()
    session_id = opened(several)
    waiting = begun(several, asked(session_id, 1))
    found = [(wanted, PartitionData(partition_index=wanted.index, records=b"some")) for wanted in waiting.partitions]
    last = asked(session_id, 2)
    last.forgotten_topics_data = [ForgottenTopic(topic_id=ID, partitions=[0, 1])]
    emptied = begun(several, last)

    assert several.finish(emptied, [], 0.0) == (0, 0)
    assert several.finish(waiting, found, 0.0) == (71, session_id)
    assert begun(several, asked(session_id, 3)).error == 70


def test_a_full_fetch_ends_the_session_that_it_names() -> None:
    """Whether it opens another one or closes."""
    several = sessions()
    first, second = opened(several), opened(several)

    begun(several, asked(first, 0, {0: 1}))
    begun(several, asked(second, -1))

    assert [begun(several, asked(session_id, 1)).error for session_id in (first, second)] == [70, 70]


def test_a_session_stays_with_names_or_with_ids() -> None:
    """106 for the other kind."""
    several = sessions()
    by_id, by_name = opened(several, version=13), opened(several, version=12)

    errors = [begun(several, asked(session, 1), version=v).error for session, v in ((by_id, 12), (by_name, 13))]

    assert errors == [106, 106]
    assert [begun(several, asked(session, 1), version=v).error for session, v in ((by_id, 13), (by_name, 12))] == [0, 0]


def test_a_request_without_a_session_opens_none() -> None:
    """Epoch -1, which is what those before version 7 have."""
    several = sessions()

    fetch = begun(several, asked(0, -1, {0: 5}), version=6)

    assert several.finish(fetch, [], 0.0) == (0, 0)
    assert [w.offset for w in fetch.partitions] == [5]


def test_there_are_so_many_sessions() -> None:
    """Who comes too late gets none, until another one was not used for two minutes."""
    several = sessions(2)

    first, second = opened(several, 0.0), opened(several, 1.0)
    begun(several, asked(first, 1), 100.0)

    assert opened(several, 121.0) == 0
    third = opened(several, 121.1)
    assert third not in (0, first, second)
    assert [begun(several, asked(first, 2), 122.0).error, begun(several, asked(second, 1), 122.0).error] == [0, 70]

"""Fetch sessions (KIP-227): a client says once what it fetches, then only what changes; so does the broker. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from kafkastatic._protocol import error_codes as codes
from kafkastatic._protocol.messages.fetch import FetchPartition, FetchRequest, PartitionData

NO_SESSION = 0
_OPENING, _CLOSING = 0, -1  # epochs: a session begins; there is none, or no longer
_TOPIC_IDS_SINCE = 13
_IDLE = 120.0  # seconds after which a session may give way to another
_LAST_EPOCH = 2**31 - 1

_Key = tuple[str | bytes, int]


class Wanted:
    """A partition that is fetched.

    Attributes:
        topic: its topic's name; `None` while there is none of this id.
        topic_id: zero where the client fetches by name.
        high_watermark, start_offset: what was answered last, -1 for nothing or an error.
    """

    __slots__ = ("high_watermark", "index", "leader_epoch", "max_bytes", "offset", "start_offset", "topic", "topic_id")

    def __init__(self, topic: str | None, topic_id: bytes, asked: FetchPartition) -> None:
        self.topic = topic
        self.topic_id = topic_id
        self.index = asked.partition
        self.high_watermark = self.start_offset = -1
        self.ask(asked)

    def ask(self, asked: FetchPartition) -> None:
        self.offset = asked.fetch_offset
        self.leader_epoch = asked.current_leader_epoch
        self.max_bytes = asked.partition_max_bytes

    def told(self, answer: PartitionData) -> None:
        """Remember what the client knows now. After an error it is told again, whatever comes."""
        self.high_watermark = -1 if answer.error_code else answer.high_watermark
        self.start_offset = answer.log_start_offset


class Session:
    """What one client fetches, in the order in which partitions get their turn.

    Attributes:
        epoch: what the next request must name.
    """

    def __init__(self, session_id: int, by_id: bool, partitions: dict[_Key, Wanted], now: float) -> None:
        self.session_id = session_id
        self.by_id = by_id
        self.partitions = partitions
        self.epoch = 1
        self.used_at = now


class Fetch:
    """One request.

    Attributes:
        by_id: whether topics have ids instead of names.
        error: why it is refused as a whole, 0 if it is not.
        opens: whether a session may begin with it.
        session: the one that it goes on with; `epoch` what the next request of that one must name.
        partitions: what it is about, in order.
    """

    def __init__(
        self,
        by_id: bool,
        partitions: dict[_Key, Wanted],
        session: Session | None = None,
        *,
        error: int = 0,
        opens: bool = False,
    ) -> None:
        self.by_id = by_id
        self.error = error
        self.opens = opens
        self.session = session
        self.epoch = session.epoch if session else 0
        self._partitions = partitions

    @property
    def partitions(self) -> Iterable[Wanted]:
        return self._partitions.values()


class FetchSessions:
    """The sessions of one broker.

    Args:
        new_id: numbers above 0 that no session had.
        slots: how many sessions there may be; who gets none is answered in full each time.
    """

    def __init__(self, new_id: Callable[[], int], slots: int = 1000) -> None:
        self._new_id = new_id
        self._slots = slots
        self._sessions: dict[int, Session] = {}  # the one that was used least recently comes first

    def begin(self, request: FetchRequest, version: int, name: Callable[[bytes], str | None], now: float) -> Fetch:
        """What a request asks for.

        Args:
            name: of the topic of an id.
            now: seconds.
        """
        by_id = version >= _TOPIC_IDS_SINCE
        if request.session_epoch in (_OPENING, _CLOSING):
            self._sessions.pop(request.session_id, None)
            partitions = {key: Wanted(topic, of, asked) for key, topic, of, asked in _asked(request, by_id, name)}
            return Fetch(by_id, partitions, opens=request.session_epoch == _OPENING)
        session = self._sessions.get(request.session_id)
        if session is None:
            return Fetch(by_id, {}, error=codes.FETCH_SESSION_ID_NOT_FOUND)
        if session.epoch != request.session_epoch:
            return Fetch(by_id, {}, error=codes.INVALID_FETCH_SESSION_EPOCH)
        if session.by_id != by_id:
            return Fetch(by_id, {}, error=codes.FETCH_SESSION_TOPIC_ID_ERROR)
        for key, topic, topic_id, asked in _asked(request, by_id, name):
            if (known := session.partitions.get(key)) is not None:
                known.ask(asked)
            else:
                session.partitions[key] = Wanted(topic, topic_id, asked)
        for forgotten in request.forgotten_topics_data:
            for index in forgotten.partitions:
                session.partitions.pop((forgotten.topic_id if by_id else forgotten.topic, index), None)
        del self._sessions[session.session_id]
        session.epoch = session.epoch + 1 if session.epoch < _LAST_EPOCH else 1  # whatever waits yet is overtaken
        if not session.partitions:
            return Fetch(by_id, {})
        self._sessions[session.session_id] = session
        session.used_at = now
        return Fetch(by_id, session.partitions, session)

    def about(self, session_id: int) -> list[tuple[str, int]]:
        """The partitions of a session: topic and number."""
        session = self._sessions.get(session_id)
        return [(wanted.topic or "", wanted.index) for wanted in session.partitions.values()] if session else []

    def finish(self, fetch: Fetch, answers: list[tuple[Wanted, PartitionData]], now: float) -> tuple[int, int]:
        """Remember what the client is told.

        Returns:
            An error code, for a request that another one of its session has overtaken, and the session's id.
        """
        session = fetch.session
        if session is None:
            return 0, self._open(fetch.by_id, answers, now) if fetch.opens else NO_SESSION
        if session.epoch != fetch.epoch:
            return codes.INVALID_FETCH_SESSION_EPOCH, session.session_id
        for wanted, answer in answers:
            wanted.told(answer)
            if answer.records:  # others have their turn first next time
                key = _key(wanted, session.by_id)
                session.partitions[key] = session.partitions.pop(key)
        return 0, session.session_id

    def _open(self, by_id: bool, answers: list[tuple[Wanted, PartitionData]], now: float) -> int:
        if len(self._sessions) >= self._slots:
            oldest = next(iter(self._sessions.values()))
            if now - oldest.used_at <= _IDLE:
                return NO_SESSION
            del self._sessions[oldest.session_id]
        for wanted, answer in answers:
            wanted.told(answer)
        session = Session(self._new_id(), by_id, {_key(wanted, by_id): wanted for wanted, _ in answers}, now)
        self._sessions[session.session_id] = session
        return session.session_id


def _key(wanted: Wanted, by_id: bool) -> _Key:
    return (wanted.topic_id if by_id else wanted.topic or "", wanted.index)


def _asked(
    request: FetchRequest, by_id: bool, name: Callable[[bytes], str | None]
) -> Iterator[tuple[_Key, str | None, bytes, FetchPartition]]:
    for topic in request.topics:
        known = name(topic.topic_id) if by_id else topic.topic
        for asked in topic.partitions:
            yield (topic.topic_id if by_id else topic.topic, asked.partition), known, topic.topic_id, asked

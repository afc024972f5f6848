"""What to fetch from which broker next: which partitions, how much, and what of it has to be said."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from kafkastatic._fetch.answers import Answers, Ask, Outcome
from kafkastatic._fetch.positions import PartitionState, Positions
from kafkastatic._fetch.sessions import FetchSession, Wanted
from kafkastatic._fetch.sources import next_change, source, stays_with
from kafkastatic._fetch.transactions import ISOLATION
from kafkastatic._fetch.truncation import in_doubt
from kafkastatic._protocol.messages.fetch import FetchRequest, FetchResponse
from kafkastatic._value import Value
from kafkastatic.config import ConsumerConfig
from kafkastatic.types import NO_TOPIC_ID, ClusterSnapshot, TopicPartition

NAMES_ONLY = 12
"""The last version of Fetch that names topics; from 13 on it takes topic ids only (KIP-516)."""

IMPATIENCE = 10.0
"""Seconds for which a partition without a server keeps the other polls short: longer than a failover takes."""


def low_water(config: ConsumerConfig) -> int:
    """Bytes of a partition below which more of it is fetched.

    Half a fetch: while the application works on one half the next fetch is under way, and since partitions take turns
    they come to it at about the same time, so that one request asks for all of them.
    """
    return max(config.max_partition_fetch_bytes // 2, 1)


Sources = Mapping[int, Sequence[PartitionState]]
"""The partitions to fetch, by the broker to ask."""


class Plan(Value):
    """What to ask a broker now. Making one changes nothing.

    Attributes:
        complete: no partition of this broker had to be left out because its buffer is full.
        rack: where we are, unless a leader must not send us to a replica.
        max_wait_ms: how long the broker may wait for data.
    """

    node: int
    states: Sequence[PartitionState]
    max_bytes: int
    complete: bool
    rack: str
    max_wait_ms: int


class Planner:
    """Plans the fetches of one consumer; for each broker one request at a time."""

    def __init__(self, config: ConsumerConfig, positions: Positions, backoff: Callable[[int], float]) -> None:
        self._config = config
        self._positions = positions
        self._answers = Answers(config, positions, backoff)
        self._sessions: dict[int, FetchSession] = {}
        self._unserved_since: float | None = None  # since when some partition has nobody to serve it
        self._in_flight: dict[int, int] = {}  # the bytes that each broker may be about to send

    def sources(self, snapshot: ClusterSnapshot, now: float) -> Sources:
        found: dict[int, list[PartitionState]] = {}
        for state in self._positions:
            node = source(state, snapshot, now)
            if node is not None and not state.gone and not in_doubt(state, snapshot):
                found.setdefault(node, []).append(state)
        return found

    def leaderless(self, snapshot: ClusterSnapshot) -> bool:
        """Whether somebody has to look for the leader of a partition."""
        infos = (snapshot.leader(state.tp) for state in self._positions if not state.gone)
        return any(info is None or info.leader not in snapshot.brokers for info in infos)

    def next_change(self, now: float) -> float:
        """When `sources` changes with time alone."""
        return next_change(self._positions, now)

    def plan(self, node: int, sources: Sources, now: float) -> Plan | None:
        """What to ask a broker for now; `None` if there is nothing to ask for."""
        room = self._room(node, sources)
        if not room:
            self._positions.full = True
            return None
        full = low_water(self._config)
        wanted: list[PartitionState] = []
        complete, rack = True, self._config.client_rack or ""
        for state in sources.get(node, ()):
            if (
                state.fetch_at is None
                or state.error is not None
                or state.barred
                or state.paused
                or state.held_off(node, now)
            ):
                continue
            if state.buffered >= full:
                complete = False
                continue
            if rack and stays_with(node, state, now):
                rack = ""
            wanted.append(state)
        if not wanted:
            return None
        # The broker fills its answer from the front, and lets the first data exceed the limits (KIP-74). Within a
        # session it keeps the order itself, and moves those that got data to the end.
        wanted.sort(key=lambda state: state.fed)
        return Plan(node, wanted, min(self._config.fetch_max_bytes, room), complete, rack, self._patience(sources, now))

    def _patience(self, sources: Sources, now: float) -> int:
        """How long a broker may wait for data (ms): not long while a partition has nobody to serve it.

        It may be the next to lead that one, and a request under way, which is not interrupted, would hold up the first
        one for it. One that stays without for long is not worth the requests.
        """
        config = self._config
        recently = now - 2 * config.retry_backoff_max_ms / 1000
        served = {state.tp for states in sources.values() for state in states}
        left = [s for s in self._positions if s.tp not in served and not s.gone and s.error is None]
        self._unserved_since = None if not left else now if self._unserved_since is None else self._unserved_since
        hopeful = self._unserved_since is not None and now - self._unserved_since < IMPATIENCE
        if not hopeful and all(state.retry_at <= recently for state in self._positions):
            return config.fetch_max_wait_ms
        return min(config.fetch_max_wait_ms, config.retry_backoff_ms)

    def _room(self, node: int, sources: Sources) -> int:
        """How many bytes a broker may send; what others may be about to send is theirs.

        Nobody takes more than its share, so that one that hangs with its request leaves room for the others.
        """
        limit = self._config.max_buffered_bytes
        others = [size for other, size in self._in_flight.items() if other != node]
        room = limit - self._positions.buffered - sum(others)
        if room > 0:
            return min(room, max(limit // len(sources.keys() | self._in_flight.keys() | {node}), 1))
        if any(state.buffered and not state.paused for state in self._positions):
            return 0
        return 1  # all of it is paused: the other partitions go on, a batch at a time

    def ask(self, plan: Plan, snapshot: ClusterSnapshot) -> Ask:
        """The request that carries out a plan. Send it, then call `take` or `no_answer`."""
        wanted: dict[TopicPartition, Wanted] = {}
        ids: dict[str, bytes] = {}
        for state in plan.states:
            name, index = state.tp
            info = snapshot.topics[name]
            ids[name] = info.topic_id
            assert state.fetch_at is not None
            epoch = info.partitions[index].leader_epoch
            state.proven = max(state.proven, epoch)
            wanted[state.tp] = Wanted(state, state.version, state.fetch_at, epoch)
        by_id = NO_TOPIC_ID not in ids.values()
        session = self._sessions.get(plan.node)
        if session is None:
            session = self._sessions[plan.node] = FetchSession(self._config.max_partition_fetch_bytes)
        said = session.say(wanted, ids, by_id=by_id)
        self._in_flight[plan.node] = plan.max_bytes
        request = FetchRequest(
            max_wait_ms=plan.max_wait_ms,
            min_bytes=self._config.fetch_min_bytes,
            max_bytes=plan.max_bytes,
            isolation_level=ISOLATION[self._config.isolation_level],
            session_id=said.session_id,
            session_epoch=said.session_epoch,
            topics=said.topics,
            forgotten_topics_data=said.forgotten,
            rack_id=plan.rack,
        )
        return Ask(
            node=plan.node,
            request=request,
            asked=wanted,
            names={topic_id: name for name, topic_id in ids.items()},
            cap=None if by_id else NAMES_ONLY,
            complete=plan.complete,
        )

    def take(self, ask: Ask, answer: FetchResponse, now: float) -> Outcome:
        """Put an answer's batches into the buffers and say what else is needed.

        Raises:
            BrokerError: if the broker refuses the request for good.
        """
        self._in_flight.pop(ask.node, None)
        self._sessions[ask.node].answered(answer)
        return self._answers.take(ask, answer, now)

    def no_answer(self, ask: Ask, now: float) -> Outcome:
        """The broker did not answer."""
        self._in_flight.pop(ask.node, None)
        return self._answers.no_answer(ask, now)

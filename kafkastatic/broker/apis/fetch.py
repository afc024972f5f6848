"""Fetch: what a client wants to read, at once or as soon as there is enough of it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterable, Iterator

from kafkastatic._protocol import error_codes as codes
from kafkastatic._protocol.messages.fetch import (
    AbortedTransaction,
    FetchableTopicResponse,
    FetchRequest,
    FetchResponse,
    LeaderIdAndEpoch,
    NodeEndpoint,
    PartitionData,
)
from kafkastatic._protocol.primitives import ZERO_UUID
from kafkastatic._runtime import Runtime
from kafkastatic.broker.admission import LogError
from kafkastatic.broker.apis.leaders import refusal
from kafkastatic.broker.call import Call
from kafkastatic.broker.cluster import Cluster, Partition
from kafkastatic.broker.faults import Place
from kafkastatic.broker.sessions import Fetch, FetchSessions, Wanted

_FOLLOWERS_SINCE = 11  # from here on a follower may answer a consumer (KIP-392)
_LEADERS_SINCE = 16  # from here on an answer tells who leads (KIP-951)
_READ_COMMITTED = 1
_ID_COUNT, _ID_STEP = 2**31 - 1, 1_327_217_885  # a prime, and what spreads numbers over it
_LEADS_ELSEWHERE = (codes.NOT_LEADER_OR_FOLLOWER, codes.FENCED_LEADER_EPOCH)


class FetchApi:
    """Fetches; each broker has its sessions.

    There are no transactions, so that every record is stable at once. A last fetched epoch is not looked at: replicas
    send one, consumers do not.
    """

    def __init__(self, cluster: Cluster, clock: Runtime) -> None:
        self._cluster = cluster
        self._clock = clock
        self._sessions: dict[int, FetchSessions] = {}
        self._ids = _session_ids(int(clock.random() * _ID_COUNT))

    def forget(self, node: int) -> None:
        """A broker was stopped; its sessions are gone."""
        self._sessions.pop(node, None)

    def in_session(self, call: Call) -> list[Place]:
        """The partitions of the session that a request goes on with."""
        sessions = self._sessions.get(call.node)
        return sessions.about(call.request.session_id) if sessions else []

    async def fetch(self, call: Call) -> FetchResponse:
        request: FetchRequest = call.request
        sessions = self._sessions.get(call.node)
        if sessions is None:
            sessions = self._sessions[call.node] = FetchSessions(lambda: next(self._ids))
        fetch = sessions.begin(request, call.version, self._cluster.name, self._clock.now())
        if fetch.error:
            return FetchResponse(error_code=fetch.error)
        found = await self._found(call, fetch)
        answers = found.answers()
        error, session_id = sessions.finish(fetch, answers, self._clock.now())
        if error:
            return FetchResponse(error_code=error, session_id=session_id)
        return self._response(call, session_id, answers)

    async def _found(self, call: Call, fetch: Fetch) -> _Reading:
        """What there is as soon as it is enough, or the client will not wait any longer."""
        found = _Reading(self._cluster, call, fetch)
        deadline = self._clock.now() + call.request.max_wait_ms / 1000
        if found.is_enough or deadline <= self._clock.now():
            return found
        woken, watched = asyncio.Event(), found.partitions
        wake = woken.set
        for partition in watched:
            partition.watchers.add(wake)
        try:
            while not found.is_enough and found.partitions == watched:
                woken.clear()
                async with asyncio.timeout(deadline - self._clock.now()):
                    await woken.wait()
                found = _Reading(self._cluster, call, fetch)
        except TimeoutError:
            pass  # then there is what there is
        finally:
            for partition in watched:
                partition.watchers.discard(wake)
        return found

    def _response(self, call: Call, session_id: int, answers: Iterable[tuple[Wanted, PartitionData]]) -> FetchResponse:
        response = FetchResponse(session_id=session_id)
        leaders: dict[int, NodeEndpoint] = {}
        last: tuple[str | None, bytes] | None = None
        for wanted, data in answers:
            if call.version >= _LEADERS_SINCE and data.error_code in _LEADS_ELSEWHERE:
                self._tell_leader(call, wanted, data, leaders)
            if (wanted.topic, wanted.topic_id) != last:
                last = (wanted.topic, wanted.topic_id)
                response.responses.append(FetchableTopicResponse(topic=wanted.topic or "", topic_id=wanted.topic_id))
            response.responses[-1].partitions.append(data)
        response.node_endpoints = list(leaders.values())
        return response

    def _tell_leader(self, call: Call, wanted: Wanted, data: PartitionData, leaders: dict[int, NodeEndpoint]) -> None:
        partition = self._cluster.partition(wanted.topic or "", wanted.index)
        if partition is None:
            return
        data.current_leader = LeaderIdAndEpoch(leader_id=partition.leader, leader_epoch=partition.leader_epoch)
        if (node := self._cluster.nodes.get(partition.leader)) is not None:
            host, port = node.address(call.listener)
            leaders[node.node_id] = NodeEndpoint(node_id=node.node_id, host=host, port=port, rack=node.rack)


class _Reading:
    """One look at all that a request is about.

    Attributes:
        partitions: those that were looked at.
        is_enough: whether the client may be answered before its time is over. As in Kafka, it is not told sooner for
            a partition that does not exist.
    """

    def __init__(self, cluster: Cluster, call: Call, fetch: Fetch) -> None:
        request: FetchRequest = call.request
        self._cluster = cluster
        self._call = call
        is_replica = max(request.replica_id, request.replica_state.replica_id) >= 0
        self._leader_only = is_replica or call.version < _FOLLOWERS_SINCE
        self._aborted: list[AbortedTransaction] | None = [] if request.isolation_level == _READ_COMMITTED else None
        self._answers: list[tuple[Wanted, PartitionData, list[bytes]]] = []
        self._missing: list[tuple[Wanted, PartitionData]] = []
        self._failed = False
        self._size = 0
        self.partitions: list[Partition] = []
        self._left = min(request.max_bytes, cluster.settings.fetch_max_bytes)
        least = min(request.min_bytes, self._left)
        for wanted in fetch.partitions:
            self._read(wanted, fetch.session is None)
        self.is_enough = self._failed or self._size >= least or not self.partitions

    def answers(self) -> list[tuple[Wanted, PartitionData]]:
        """What the client is told. The batches are copied here, and not each time that one looks."""
        for _, data, batches in self._answers:
            data.records = memoryview(batches[0] if len(batches) == 1 else b"".join(batches))
        return [(wanted, data) for wanted, data, _ in self._answers] + self._missing

    def _read(self, wanted: Wanted, everything: bool) -> None:
        """Look at one partition; of one about which nothing is new, nothing is kept unless `everything` is told."""
        if wanted.topic is None:
            wanted.topic = self._cluster.name(wanted.topic_id)
        partition = self._cluster.partition(wanted.topic, wanted.index) if wanted.topic is not None else None
        if partition is None:
            known = wanted.topic is not None
            code = codes.UNKNOWN_TOPIC_OR_PARTITION if known else codes.UNKNOWN_TOPIC_ID
            self._missing.append((wanted, _refused(wanted, code, [])))
            return
        self.partitions.append(partition)
        log, limit = partition.log, min(wanted.max_bytes, self._left)
        try:
            self._check(wanted, partition, limit)
            batches = log.read(wanted.offset, limit, at_least_one=self._size == 0)
        except LogError as error:
            self._failed = True
            self._answers.append((wanted, _refused(wanted, error.code, self._aborted), []))
            return
        size = sum(map(len, batches))
        self._size += size
        self._left = max(0, self._left - size)
        if everything or size or wanted.high_watermark != log.end_offset or wanted.start_offset != log.start_offset:
            data = PartitionData(
                partition_index=wanted.index,
                high_watermark=log.end_offset,
                last_stable_offset=log.end_offset,
                log_start_offset=log.start_offset,
                aborted_transactions=self._aborted,
            )
            self._answers.append((wanted, data, batches))

    def _check(self, wanted: Wanted, partition: Partition, limit: int) -> None:
        """Raises LogError: if it cannot be read here."""
        topic = partition.topic
        code = self._call.refused((topic.name, wanted.index))
        if not code and wanted.topic_id != topic.topic_id and wanted.topic_id != ZERO_UUID:
            code = codes.INCONSISTENT_TOPIC_ID
        code = code or refusal(partition, self._call.node, wanted.leader_epoch, leader_only=self._leader_only)
        if not code and limit < 0:
            code = codes.UNKNOWN_SERVER_ERROR  # Kafka has no other for a negative limit
        if code:
            raise LogError(code)


def _refused(wanted: Wanted, code: int, aborted: list[AbortedTransaction] | None) -> PartitionData:
    return PartitionData(
        partition_index=wanted.index, error_code=code, high_watermark=-1, aborted_transactions=aborted, records=b""
    )


def _session_ids(start: int) -> Iterator[int]:
    """Ids that are not used twice by any broker of the cluster, and that nobody has by guessing."""
    for number in itertools.count(start):
        yield 1 + number * _ID_STEP % _ID_COUNT
